/*
 * The committer: a thread that publishes the outputs of finished files, in the order in which the
 * files were added. Whenever the thread is free, it takes a group: all files that are waiting, up
 * to COMMIT_GROUP_OUTPUTS outputs and COMMIT_GROUP_BYTES bytes. A file that exceeds these limits
 * forms a group of its own. The files of a group share the cost of making outputs durable. If the
 * caller has announced more files, the thread first waits for them, but only for a short time, and
 * only while fewer than COMMIT_GROUP_FILES files are waiting.
 *
 * If the file system refuses an output, for example on a full disk, nothing more is published:
 * later files get the result STORE_DROPPED.
 *
 * Any thread may call committer_add() and committer_stop(). The committer's thread calls `done`
 * once for each file, in order, and without holding a lock. `done` may call committer_add() and
 * committer_stop().
 */
#ifndef PXP_COMMITTER_H
#define PXP_COMMITTER_H

#include "store/store.h"

#include <stddef.h>

struct known_failure;
struct state;

/* The maximum size of a group of several files. Each output needs two descriptors while its group
 * is committed. */
enum { COMMIT_GROUP_OUTPUTS = 32, COMMIT_GROUP_BYTES = 64 << 20 };
/* If this number of files is waiting, the committer waits for no other files. */
enum { COMMIT_GROUP_FILES = 16 };

/* One output of a file: a range of the file's content, and its name in the store. */
struct commit_output {
	const char *name;
	uint64_t offset, n_bytes;
	/* The stat of the file that the output replaces; NULL: the overwrite policy decides. */
	const struct stat *expected;
	/* The stamp of the output, which also becomes a row of the state; NULL: no stamp. */
	struct stamp *stamp;
};

/*
 * A finished file. Everything in it is borrowed, and must not change from committer_add() until
 * `done` is called. `done` may free it.
 *
 * For a file without outputs, only rows of the state are written, and the result is STORE_DONE.
 */
struct commit {
	struct commit *next; /* set and used only by the committer */
	/* Whether the caller will add other files soon, so that the committer should wait a moment
	 * for them. */
	bool has_followers;
	void *owner; /* for use by the caller; the committer ignores `owner` */

	/* The content of all outputs. The file position of this descriptor is neither used nor
	 * changed. */
	int fd;
	const struct commit_output *outputs;
	size_t n_outputs;
	const struct timespec *dates; /* times of access and modification; NULL: now */
	/* The original that the output replaces; NULL: no input is replaced. */
	const struct store_original *original;

	/* Name of the source; NULL: the picture's known failure in the state is not changed. */
	const char *source;
	/* The failure that is recorded in the state. NULL: a failure in the state is deleted if the
	 * result is STORE_DONE. */
	const struct known_failure *known;
	/* Outputs whose stamps become rows of the state although the outputs are not published. */
	const struct commit_output *rows;
	size_t n_rows;

	/* The members below are filled in before `done` is called. */
	enum store_result result;
	struct failure failure; /* the failure, for STORE_FAILED and STORE_PLACE_FAILED */
	/* The time in which the outputs of the group were published, divided by the number of files
	 * in the group, in nanoseconds; 0: the file was dropped. */
	int64_t work_ns;
};

typedef void commit_done_fn(struct commit *commit, void *data);

struct committer_options {
	/* The store, borrowed; closed after the committer is destroyed. */
	struct store *store;
	/* The state, borrowed; NULL: the committer writes no rows. */
	struct state *state;
	enum overwrite overwrite;
	/* The maximum number of outputs in a group. One file with more outputs still forms one
	 * group. 0 means COMMIT_GROUP_OUTPUTS. */
	size_t group_outputs;
	commit_done_fn *done;
	void *data; /* the last argument of done() */
	/* The maximum time, in milliseconds, that a group waits for files that the caller has
	 * announced; -1: no limit. */
	int64_t wait_ms;
	/* true: no thread is started, and committer_step() commits groups in the caller's thread */
	bool is_stepped;
};

struct committer;

/* Create a committer. Returns NULL with errno if memory or threads ran out. */
struct committer *committer_create(const struct committer_options *options);

/*
 * Queue a file. Never fails and never waits: the caller bounds how many files are waiting.
 *
 * The outputs of a file are published together or not at all, with one exception: if an output is
 * written but cannot get its name, for example because another process has just taken the name, the
 * outputs that already have their names keep them. The result of the file is
 *
 * STORE_DONE          All outputs have their names, except outputs that were skipped.
 * STORE_SKIPPED       All outputs were skipped.
 * STORE_FAILED, STORE_PLACE_FAILED
 *                     The result of the first output that failed.
 * STORE_DROPPED       No output was published, because the committer was stopped or the file
 *                     system refused an output of an earlier file.
 */
void committer_add(struct committer *committer, struct commit *commit);

/* Stop publishing. The group that is being committed is finished. Files that are waiting or are
 * added later get the result STORE_DROPPED. */
void committer_stop(struct committer *committer);

/* The reason why the state could not be written, if the committer stopped because of that. In any
 * other case: FAIL_NONE. Call this only in `done` or after the committer has stopped. */
const struct failure *committer_state_failure(const struct committer *committer);

/* Commit one group in the caller's thread; only for a committer with is_stepped. Returns the number
 * of files in the group; 0: no file was waiting. */
size_t committer_step(struct committer *committer);

/* Stop and free the committer. Files that are still waiting are committed, or dropped if
 * committer_stop() was called. In both cases `done` is called for each of them. NULL is allowed. */
void committer_destroy(struct committer *committer);

#endif
