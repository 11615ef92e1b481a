/*
 * One file on its way: named, opened, with a worker, with the committer, settled. Its
 * future (a public promise) is done when the output has its name or the file has failed;
 * then it is the main thread's, which reports and frees it.
 */
#ifndef PXP_FILE_H
#define PXP_FILE_H

#include "batch/batch.h"
#include "batch/naming.h"
#include "batch/picture_task.h"
#include "store/committer.h"

struct run;

struct file {
	struct file *next; /* in a list */
	struct run *run;
	bool is_ignored;           /* no image: counted, and named by -v */
	bool is_drawing;           /* it is of the pass in which pictures are drawn */
	bool is_put_off;           /* for the second pass, where it is met again */
	char *input;               /* as a person would type it */
	struct destination output; /* below the output folder */
	uint64_t n_bytes;          /* of the input */
	struct timespec dates[2];  /* of the input: its last reading and change */
	int descriptor;            /* the input, until a task has it; -1 */

	struct pxp_future *future; /* the file's */
	struct pxp_future *task;   /* the worker's; NULL: it had none */
	struct picture_answer answer;
	int content;          /* the sealed output, or -1 */
	struct commit commit; /* of content, while the committer has it */
	struct commit_output commit_output;
	int64_t queue_ns, commit_ns; /* -1: it did not come so far */
	bool is_cancelled, is_skipped;
	int signal;
	unsigned attempts;
	int64_t worker;
};

/* A file for what the walk met. NULL when memory ran out. Its descriptor is -1. */
struct file *file_create(const struct walk_item *item, const struct destination *output);
void file_destroy(struct file *file);

/* Take over what became of its task: the answer, the content, who had it how often. */
void file_collect(struct file *file);

/* Report it, with the output's folder before its name. */
void file_report(const struct file *file, const char *folder, struct report *report);

#endif
