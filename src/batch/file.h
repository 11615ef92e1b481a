/*
 * A file that is being processed. One thread at a time owns it: the feeder, then the thread that
 * completes its task, then the committer. Its future, a promise, is completed when its outputs
 * have their names, or when the file has failed. The future then has the result, and the file is
 * freed.
 */
#ifndef PXP_FILE_H
#define PXP_FILE_H

#include "batch/file_result.h"
#include "batch/history.h"
#include "store/committer.h"

struct batch;

struct file {
	struct batch *batch;
	struct pxp_future *future;
	struct file_result *result; /* filled step by step, then moved into the future */
	struct file *next;          /* in the list of deferred files */

	/* The input: open until a task has it, or while it is deferred; -1. */
	int input;
	/* Its identity, from fstat() when it was opened: size, time, device, inode. */
	struct stat stat;
	int64_t mtime_ns; /* its time for records, or STAMP_NO_TIME (history.h) */
	struct input_hash hash;
	bool has_hash;
	unsigned n_deaths; /* runs before this one in which it killed its worker */
	enum image_format named_format; /* by its suffix, or else its first bytes */
	bool is_drawn; /* the workers that draw have it, or will get it */

	/* The outputs, while the committer has them. */
	int content; /* their sealed memfd; -1 */
	uint64_t n_content_bytes;
	struct timespec dates[2]; /* of the input: access and change */
	/* What earlier runs recorded of the outputs, and the new stamps; NULL: nothing is
	 * written. */
	struct known_output *known;
	struct known_failure known_failure; /* for the state */
	enum file_end end; /* how the file ends, once the state is written */
	struct commit commit;
	struct commit_output outputs[];
};

/* A file for an input that the walk met. Its names are not set. NULL when memory ran out. */
struct file *file_create(struct batch *batch, const struct walk_item *item);

/* Free a file that was not fed. NULL is fine. */
void file_destroy(struct file *file);

/* Submit the file, whose input is open and counted in n_inputs. The file is moved in: it may be freed
 * before this returns. */
void file_submit(struct file *file);

/* Record the new times of an up-to-date file in the state, then skip the file. The file is freed. */
void file_note_fresh(struct file *file);

/* Defer the file, whose input is open, until the workers that draw have their turn. The file is moved
 * in. */
void file_defer(struct file *file);

/* Complete the file's future with its result, and free the file. */
void file_complete(struct file *file, enum file_end end);

/* The same, for a file whose result has a failure. */
void file_fail(struct file *file);

/* The committer's callback: data is the batch. */
void file_on_committed(struct commit *commit, void *data);

#endif
