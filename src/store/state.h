/*
 * The state of an output folder: a record of each output, and the pictures that are known to be
 * bad.
 *
 * The state is an SQLite database next to the outputs, or at the path given by --state. It is only
 * a cache: everything in it is checked against the files, and deleting it is always safe. On a
 * local file system it has a write-ahead log, elsewhere a rollback journal. A run locks the
 * database, with SQLite's own locks, from beginning to end. The locks are released when the process
 * ends, even if it is killed.
 *
 * Open the state in the main process, after the zygote was started, so that no child inherits it.
 *
 * Any thread may make any call.
 */
#ifndef PXP_STATE_H
#define PXP_STATE_H

#include "common/failure.h"
#include "store/stamp.h"

struct state;

struct state_options {
	/* Path of the database file, which is created if it does not exist. */
	const char *path;
	/* Nothing is created, locked, renamed or written; of the members below only keeps_foreign
	 * has an effect. */
	bool reads_only;
	/* The user named the file, so refuse a file that is not a state database, instead of
	 * renaming it. */
	bool keeps_foreign;
	bool is_durable; /* false: --no-fsync */
	/* Whether the rows are the only records, because the file system of the outputs supports no
	 * stamps. If so, the database is synced after each group of rows. */
	bool rows_alone;
	/*
	 * Called whenever another run is found to hold the state. The function pauses and returns
	 * true to try again, or returns false to give up. NULL: give up at once.
	 */
	bool (*wait)(void *data);
	void *data;
};

enum state_result {
	STATE_OK,
	STATE_BUSY, /* another run holds the state, and options->wait is NULL or gave up */
	/* No state is possible here: no folder, no permission, no locks or a damaged database. Only
	 * stamps are kept. The failure says why. */
	STATE_NONE,
	/* The file system cannot be written: it is full, over quota or broken. The failure says
	 * why. */
	STATE_PLACE,
	/* The file is not a state database, and was not changed. Only with keeps_foreign. */
	STATE_FOREIGN,
	STATE_MEMORY /* memory ran out */
};

/*
 * Open the state. Without keeps_foreign, a database that is damaged or belongs to another program
 * is renamed: ".damaged" or ".foreign" and a number are added to its name. A new database is
 * created, and notice is a line that says so. In any other case notice is "". A database that
 * cannot be written is opened for reading: rows are found, and nothing is written. ret_state: on
 * STATE_OK the new state, which the caller closes with state_close(); otherwise NULL.
 */
enum state_result state_open(const struct state_options *options,
                             struct state **ret_state, char notice[FAILURE_TEXT_BYTES],
                             struct failure *ret_failure);

/* Close the state. Changes of a transaction that is still open are undone; all others are already
 * written. `state` may be NULL. */
void state_close(struct state *state);

/* Whether rows can be written to this state. */
bool state_is_writable(const struct state *state);

/* Find the row of an output by the output's name below the output folder. Returns false if the
 * output has no row. If the database is damaged, this and all later calls return false. */
bool state_find(struct state *state, const char *output, struct stamp *ret_row);

/*
 * Find the row that state_intend() wrote before an output got its name. Returns false if no such
 * row exists. If the row matches the output, the run was killed after the output got its name and
 * before state_put(); then the row counts as the output's record.
 */
bool state_find_intended(struct state *state, const char *output, struct stamp *ret_row);

/*
 * Why reading a row failed; FAIL_NONE: no read has failed. A row that cannot be read looks like a
 * missing row. Without its row, an output of ours looks like a file of somebody else, so the
 * batch must not go on. A damaged database does not count as a failed read.
 */
struct failure state_read_failure(struct state *state);

/* A failure caused by the picture itself: with the same input, recipe and build it will fail
 * again. */
struct known_failure {
	uint64_t recipe, build; /* fingerprints */
	uint64_t in_bytes;
	int64_t in_mtime_ns; /* modification time of the input */
	struct input_hash in_hash;
	bool has_hash;     /* whether in_hash is set */
	unsigned n_deaths; /* number of runs in which the picture killed its worker */
	struct failure failure;
};

/* Find the known failure of a source by the source's name. At most one failure is kept for each
 * source. */
bool state_find_failure(struct state *state, const char *source,
                        struct known_failure *ret_known);

/*
 * Changes come in groups: state_begin(), any number of puts and drops, state_commit(). Either the
 * whole group is written, or nothing of it. A row can be found as soon as it was put. If a put or a
 * drop does not return STATE_OK, the caller calls state_undo() instead of state_commit().
 * STATE_NONE: the database is damaged, open for reading only, or cannot be written here. After
 * damage nothing is found or written any more, and state_notice() returns a message. The stamps on
 * outputs hold the same records.
 */
enum state_result state_begin(struct state *state);
/* Write the row of an output that has no stamp, just before the output gets its name. If another
 * file has this name now, the row of that file stays. */
enum state_result state_intend(struct state *state, const struct stamp *row);
/* Write the row of an output. It replaces the output's previous row, and the row from
 * state_intend(). */
enum state_result state_put(struct state *state, const struct stamp *row);
enum state_result state_drop(struct state *state, const char *output);
enum state_result state_put_failure(struct state *state, const char *source,
                                    const struct known_failure *known);
enum state_result state_drop_failure(struct state *state, const char *source);
enum state_result state_commit(struct state *state, struct failure *ret_failure);
/* Undo a group in which a put or a drop failed. The failure says why it failed. */
void state_undo(struct state *state, struct failure *ret_failure);

/* A message about a database that was found to be damaged during use; "": no damage was found. */
const char *state_notice(const struct state *state);

/* Call visit() for the name of each row, in order, until visit() returns false. visit() may put and
 * drop rows. Whether visit() is also called for the rows that it puts is undefined. */
void state_each(struct state *state, bool (*visit)(void *data, const char *output),
                void *data);

#endif
