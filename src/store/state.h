/*
 * The state of an output folder: a record of each output, and the pictures that are known to be
 * bad.
 *
 * The state is an SQLite database next to the outputs, or at the path given by --state. It is only
 * a cache: everything in it is checked against the files, and deleting it is always safe. On a
 * local file system it has a write-ahead log, elsewhere a rollback journal. A run locks it, with
 * SQLite's own locks, from beginning to end; the locks are released when the process ends, however
 * it ends.
 *
 * Open it in the main process, after the zygote was started, so that no child inherits it.
 *
 * Any thread may make any call.
 */
#ifndef PXP_STATE_H
#define PXP_STATE_H

#include "common/failure.h"
#include "store/stamp.h"

struct state;

struct state_options {
	/* Path of the database file, which is created with the first row. */
	const char *path;
	/* Nothing is created, locked or written; the members below have no effect. */
	bool reads_only;
	/* The user named the file: refuse a file that is no state, instead of renaming it. */
	bool keeps_foreign;
	bool is_durable; /* false: --no-fsync */
	/* The output file system does not support stamps: sync after each group of rows. */
	bool rows_alone;
	/*
	 * Called each time that another run is found to hold the state. To retry, it pauses by
	 * itself and returns true; to give up, it returns false. NULL: give up at once.
	 */
	bool (*wait)(void *data);
	void *data;
};

enum state_result {
	STATE_OK,
	STATE_BUSY, /* another run holds the state, and wait() gave up */
	/* No state is possible here: no folder, no permission or no locks. Only stamps are kept.
	 * failure says why. */
	STATE_NONE,
	/* The file system cannot be written: full, quota, I/O; failure says why. */
	STATE_PLACE,
	STATE_FOREIGN, /* with keeps_foreign: the file is no state, and was not changed */
	STATE_MEMORY   /* no memory */
};

/*
 * Open the state. Without keeps_foreign, a database that is damaged, or another program's, is moved aside (".damaged" or
 * ".foreign" and a number are added to its name) and a new one is begun: then notice has a line that says so,
 * else "". Read-only is fine: then rows are found, and nothing is written.
 *
 * ret_state  on STATE_OK yours, for state_close(); else NULL.
 */
enum state_result state_open(const struct state_options *options,
                             struct state **ret_state, char notice[FAILURE_TEXT_BYTES],
                             struct failure *ret_failure);

/* Write all pending changes, and close. NULL is fine. */
void state_close(struct state *state);

/* Whether rows can be written to this state. */
bool state_is_writable(const struct state *state);

/* The row of an output, by its name below the output folder. False when there is no row, or the
 * database is damaged; no row is found after that. */
bool state_find(struct state *state, const char *output, struct stamp *ret_row);

/*
 * The row that state_intend() wrote before an output got its name. It counts if it matches the
 * output: then the run was killed after the output got its name, and before state_put(). False if
 * there is none.
 */
bool state_find_intended(struct state *state, const char *output, struct stamp *ret_row);

/* A failure caused by the picture itself: with the same input, recipe and build it will fail
 * again. */
struct known_failure {
	uint64_t recipe, build; /* fingerprints */
	uint64_t in_bytes;
	int64_t in_mtime_ns; /* as in a stamp */
	struct input_hash in_hash;
	bool has_hash;     /* false: only size and time are compared */
	unsigned n_deaths; /* number of runs in which it killed its worker */
	struct failure failure;
};

/* By the name of its source. One failure is kept for each source. */
bool state_find_failure(struct state *state, const char *source,
                        struct known_failure *ret_known);

/*
 * Changes come in groups: begin, any number of puts and drops, commit. All of a group is written, or
 * nothing is. Rows that were put are found at once.
 *
 * STATE_PLACE: the group is undone. STATE_NONE: the database turned out to be damaged; from then on
 * nothing is found or written, and state_notice() says so. Stamps hold what it held.
 */
enum state_result state_begin(struct state *state);
/* Note that an output without a stamp is about to get its name. The row of the file that has this
 * name now stays. */
enum state_result state_intend(struct state *state, const struct stamp *row);
/* Write a row, in place of the row of the same output and of what was intended. */
enum state_result state_put(struct state *state, const struct stamp *row);
enum state_result state_drop(struct state *state, const char *output);
enum state_result state_put_failure(struct state *state, const char *source,
                                    const struct known_failure *known);
enum state_result state_drop_failure(struct state *state, const char *source);
enum state_result state_commit(struct state *state, struct failure *ret_failure);
/* Undo a group in which a put failed; the failure says why it failed. */
void state_undo(struct state *state, struct failure *ret_failure);

/* A message about a database that failed during use; "" if none did. */
const char *state_notice(const struct state *state);

/* Call visit for the name of each row, in order, until it returns false. It may put and drop
 * rows; whether it visits those is undefined. */
void state_each(struct state *state, bool (*visit)(void *data, const char *output),
                void *data);

#endif
