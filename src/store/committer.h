/*
 * The committer: a thread that publishes the outputs of finished files, in the order in which the
 * files were added. Each time it is free it takes a group, all files that are waiting up to
 * COMMIT_GROUP_FILES or COMMIT_GROUP_BYTES, so that the costs of making outputs durable can be
 * shared. A file that is larger than that is a group of its own.
 *
 * After a file that the place refused (a full disk) nothing more is published: the files behind
 * it come back as STORE_DROPPED.
 *
 * Threads: committer_add() and committer_stop() from any thread. `done` is called in the committer's
 * thread, once for each file, in order, without any lock held; it may call committer_add() and
 * committer_stop().
 */
#ifndef PXP_COMMITTER_H
#define PXP_COMMITTER_H

#include "store/store.h"

#include <stddef.h>

enum { COMMIT_GROUP_FILES = 32, COMMIT_GROUP_BYTES = 64 << 20 };

/* One output of a file: a range of the file's content, and its name in the store. */
struct commit_output {
	const char *name;
	uint64_t offset, n_bytes;
};

/*
 * A finished file. Everything in it is borrowed, and must stay as it is, from committer_add() until
 * `done` is called. `done` may free it.
 */
struct commit {
	struct commit *next; /* the committer's */
	void *owner;         /* the caller's; not looked at */

	int fd; /* holds all outputs; read by position */
	const struct commit_output *outputs;
	size_t n_outputs;             /* at least 1 */
	const struct timespec *dates; /* as of store_publish() */

	/* Filled before `done` is called. */
	enum store_result result;
	struct failure failure; /* of STORE_FAILED and STORE_PLACE_FAILED */
	int64_t work_ns;        /* how long it took; 0: dropped */
};

typedef void commit_done_fn(struct commit *commit, void *data);

struct committer_options {
	struct store *store; /* borrowed; closed after the committer is destroyed */
	enum overwrite overwrite;
	commit_done_fn *done;
	void *data; /* for done */
	/* No thread is started: groups are committed by committer_step(), in the caller's thread. */
	bool is_stepped;
};

struct committer;

/* NULL with errno when memory or threads ran out. */
struct committer *committer_create(const struct committer_options *options);

/*
 * Queue a file. Never fails and never waits: the caller bounds how many files are waiting.
 *
 * The outputs are published in their order, up to the first that fails. The result is
 *
 * STORE_DONE          all have their names, or had them and OVERWRITE_SKIP left them.
 * STORE_SKIPPED       all had their names.
 * STORE_FAILED, STORE_PLACE_FAILED  as of the output that failed; those before it stay.
 * STORE_DROPPED       the committer was stopped first: nothing was done.
 */
void committer_add(struct committer *committer, struct commit *commit);

/* Publish nothing more: files that are waiting, and all that are added later, come back as
 * STORE_DROPPED. A file that is being published is finished. */
void committer_stop(struct committer *committer);

/* Commit one group in this thread, of a committer that is_stepped. The number of files in it; 0:
 * none was waiting. */
size_t committer_step(struct committer *committer);

/* End. Files that are still waiting are committed, or, after committer_stop(), dropped; either
 * way `done` is called for each of them. NULL is fine. */
void committer_destroy(struct committer *committer);

#endif
