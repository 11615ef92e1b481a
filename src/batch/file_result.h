/*
 * The result of one input, which the file's future carries. It is filled in while the file is
 * processed, and is moved into the future at the end. The report is made from this struct alone.
 */
#ifndef PXP_FILE_RESULT_H
#define PXP_FILE_RESULT_H

#include "batch/variant.h"
#include "report/report.h"
#include "walk/walk.h"

#include <pixpool/pixpool.h>

enum file_end {
	FILE_DONE,  /* done: the outputs of the file have their names */
	FILE_FRESH, /* skipped: the outputs of the file are up to date */
	/* Skipped: the outputs of the file exist, and the overwrite policy keeps them. */
	FILE_SKIPPED,
	FILE_FAILED,    /* failed: the member `failure` has the reason */
	FILE_PLANNED,   /* planned: a run would make the outputs of the file */
	FILE_CANCELLED, /* cancelled: the batch ended before the file was done */
	/* Ignored: the file is not an image; it is counted, and -v lists it. */
	FILE_IGNORED,
	/* Not readable: this build cannot read the format; such files are counted by format. */
	FILE_UNREAD,
	FILE_MARKED, /* a folder that is not walked because it is an output folder */
};

struct file_result {
	enum file_end end;
	struct failure failure;
	const char *reason; /* in a plan: why the outputs would be made; otherwise NULL */
	bool is_remembered; /* whether the failure is known from an earlier run */
	char *input;        /* the path of the input as a user would type it */
	const char *name;   /* the path relative to the INPUT; points into `input` */
	/* With --follow: whether the file was ignored because it is a link to a folder that
	 * contains it. */
	bool is_loop;
	/* Whether the batch only plans. In a plan, the record of a failed file names its outputs
	 * too. */
	bool plans_only;

	/* The known properties of the input. */
	struct picture_side in;
	char engine[8];  /* the engine that read the input; "": none */
	bool is_damaged; /* whether the input is damaged, but was accepted by --fail-on */

	/* The durations of the steps in nanoseconds; -1: the file did not reach the step. */
	int64_t queue_ns, read_ns, work_ns, commit_ns;
	unsigned attempts;
	int64_t worker; /* the process id of the worker; 0: none */
	/* The future of the file's last task. The future has what the worker wrote to standard
	 * error. NULL: the file had no task. */
	struct pxp_future *task;

	int content; /* the memfd of an output that is written to a stream; -1: none */

	/* The outputs of the file. If images are only decoded, n_variants is 0. */
	size_t n_variants;
	struct variant variants[];
};

/* Free a result. NULL is allowed. */
void file_result_destroy(struct file_result *result);

/* Add the record of a result to the report. In the record, `folder`, the output folder, stands in
 * front of the names of the outputs. Only the main thread may call this function. */
void file_result_report(const struct file_result *result, const char *folder,
                        struct report *report);

#endif
