/*
 * The result of one input, which the file's future carries. It is filled while the file is on its
 * way, and is moved into the future in the end. The report is made from it alone.
 */
#ifndef PXP_FILE_RESULT_H
#define PXP_FILE_RESULT_H

#include "batch/variant.h"
#include "report/report.h"
#include "walk/walk.h"

#include <pixpool/pixpool.h>

enum file_end {
	FILE_DONE,      /* its outputs have their names */
	FILE_FRESH,     /* its outputs are fresh */
	FILE_SKIPPED,   /* its outputs exist, and the overwrite policy keeps them */
	FILE_FAILED,    /* failure says why */
	FILE_PLANNED,   /* a run would make its outputs */
	FILE_CANCELLED, /* the batch ended first */
	FILE_IGNORED,   /* the file is no image: it is counted, and -v names it */
	FILE_UNREAD,    /* this build cannot read its format: it is counted by format */
	FILE_MARKED,    /* a folder that is not walked, because it is an output folder */
};

struct file_result {
	enum file_end end;
	struct failure failure;
	const char *reason; /* why its outputs would be made; NULL: another end */
	bool is_remembered; /* the failure is known from an earlier run */
	char *input;        /* as a person would type it */
	const char *name;   /* the same, relative to its INPUT; within input */
	bool is_loop;       /* ignored: a link to a folder above it, with --follow */
	bool decodes_only;  /* its format is compared with its suffix */

	/* The input, as far as it is known. */
	struct picture_side in;
	char engine[8]; /* "": none read it */

	/* Durations of its steps; -1: the file did not reach the step. */
	int64_t queue_ns, read_ns, work_ns, commit_ns;
	unsigned attempts;
	int64_t worker; /* process id; 0: none */
	/* The last task, which has the standard error of its worker. NULL: the file had no task. */
	struct pxp_future *task;

	int content; /* of the output that goes to a stream: its memfd; -1 */

	/* The outputs; none when nothing is written. */
	size_t n_variants;
	struct variant variants[];
};

/* Free a result. NULL is fine. */
void file_result_destroy(struct file_result *result);

#endif
