/* One file of a batch while it is processed: the known facts about it, its future, and the
 * functions that create, commit and complete it. */
#ifndef PXP_BATCH_FILE_H
#define PXP_BATCH_FILE_H

#include "batch/batch_internal.h"

#include <stdatomic.h>

struct group; /* the files of a task (group.h) */

/* The memfd with the outputs of a task, which the files of the task share. Its bytes are counted in
 * n_content_bytes of the batch. */
struct content {
	struct batch *batch;
	int fd;
	uint64_t n_bytes;
	atomic_uint n_users;
};

/*
 * A file that is being processed. One thread at a time owns it: the feeder, then the thread that
 * completes its task, then the committer. The future of the file is completed with the result when
 * the outputs have their names, or when the file has failed. Then the file is freed.
 */
struct file {
	struct batch *batch;
	struct pxp_future *future;
	/* The result is filled in step by step. At the end, `future` is completed with it. */
	struct file_result *result;
	/* the next file in the list batch->deferred or batch->left */
	struct file *next;
	/* The neighbours in the list of submitted files, guarded by the batch's lock. */
	struct file **previous_submitted, *next_submitted;
	/* The time at which the main thread first found a worker processing the file; 0: when the
	 * main thread last checked, no worker was processing it. */
	int64_t began_ns;
	struct group *group; /* the files that share the task of this file */
	size_t index;        /* the position of the file in its task */
	/* Whether the file has killed its worker in a shared task. */
	bool has_killed_shared;

	/* The input, which is open until the task is done, and while the file is deferred; -1: it
	 * is not open. */
	int input;
	/* The stat of the input. Until the input is opened, it comes from history_decide(). Then it
	 * comes from fstat(), and is the identity of the input. */
	struct stat stat;
	int64_t mtime_ns; /* the input's time for records, or STAMP_NO_TIME (history.h) */
	struct input_hash hash;
	bool has_hash;
	/* the number of earlier runs in which the picture killed its worker */
	unsigned n_deaths;
	/* The format by the suffix or, if the suffix is not known, by the first bytes. */
	enum image_format named_format;
	bool is_drawn; /* whether a worker that draws has the file, or will get it */

	/* With --in-place: the folder of the input, and its name in that folder, with links
	 * resolved. */
	struct store_original original;
	char *own_name;

	/* the sealed memfd of the outputs, until they are committed; NULL: none */
	struct content *content;
	struct timespec dates[2]; /* atime and mtime of the input */
	/* What history_decide() has found out about each output, and its new stamp. NULL: there is
	 * nothing, for example because the file has no outputs. */
	struct known_output *known;
	struct known_failure known_failure; /* the record of a failure, for the state */
	/* if the commit only writes the state: how the file ended */
	enum file_end end;
	struct commit commit;
	struct commit_output outputs[];
};

/* Take over a memfd. The caller gets the first reference, and gives it back with content_release().
 * Returns NULL if memory ran out; then the memfd is closed. */
struct content *content_create(struct batch *batch, int fd);

/* Give back a reference to the memfd, and set *content to NULL. The memfd is closed when the last
 * reference is given back. */
void content_release(struct content **content);

/* Create a file for an item of the walk, without the names of its outputs. Returns NULL if memory
 * ran out. */
struct file *file_create(struct batch *batch, const struct walk_item *item);

/* Free a file, and release its future. NULL is allowed. */
void file_destroy(struct file *file);

/* Complete the file's future with its result, and free the file. */
void file_complete(struct file *file, enum file_end end);

/* Complete the future of a file whose result has a failure, and free the file. */
void file_fail(struct file *file);

/* Write the new rows of up-to-date outputs to the state, then complete the file as up to date. */
void file_note_fresh(struct file *file);

/* Let the file use the memfd with the outputs of its task. Compares the outputs that are made only
 * to be compared, inserts hashes into names, and keeps an output for a stream. If one of these
 * steps fails, the file has no content, and its result has the failure. */
void file_take_content(struct file *file, struct content *content);

/* Let the committer publish the outputs of a file that has content. The caller must not use the
 * file any more. */
void file_commit(struct file *file);

/* Whether the committer has so many files, or so many bytes of outputs, that no other input may be
 * opened. Called with the lock held. */
bool committer_is_full(const struct batch *batch);

#endif
