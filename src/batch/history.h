/*
 * The records of earlier runs. Outputs have records as stamps and in the state, and pictures that
 * are known to fail have records in the state. From these records the batch decides about a file
 * before it opens the input. Every file that is made leaves a new record.
 *
 * store/README.md has the rules of the decision. This code collects the facts that the rules need.
 *
 * Threads: the feeder decides; the thread that owns a file prepares its records.
 */
#ifndef PXP_HISTORY_H
#define PXP_HISTORY_H

#include "batch/variant.h"
#include "store/freshness.h"
#include "store/state.h"
#include "walk/walk.h"

struct history_options {
	struct store *store; /* the store */
	struct state *state; /* the state; NULL: records are kept only as stamps */
	/* The inputs and the output folder of the run, for the roots of records. If output is NULL,
	 * no record has a root. */
	const struct walk_options *inputs;
	const char *output;
	/* The rules of the batch. Records have the fingerprints of the recipes of these rules. */
	const struct variant_rule *rules;
	size_t n_rules;

	enum overwrite overwrite;
	/* Whether outputs get the times of their inputs. The fingerprint depends on this. */
	bool keep_dates;
	/* Whether stamps are written and read. False with --state none, and if this build has no
	 * hash library. */
	bool keeps_records;
	bool redo;
	bool compare_contents;
};

struct history;

/* Create a history, which borrows everything in the options. Returns NULL if memory ran out. */
struct history *history_create(const struct history_options *options);
void history_destroy(struct history *history); /* history may be NULL */

/* What is known about one output before it is made, and its new record. */
struct known_output {
	/* the new record; if the output is up to date, the old record */
	struct stamp stamp;
	/* If is_expected is true, the output may replace the existing file, provided that the file
	 * still has the stat `expected`. */
	struct stat expected;
	bool is_expected;
	/* The reason why the output must be made, for a plan: for example "new" or "input changed".
	 * */
	const char *reason;
	/* Whether the existing file with this name is already the output of another input of this
	 * run. */
	bool has_twin;
	bool has_folder; /* whether a folder has this name */
	/* Whether the finished output must be compared with the existing file. If both have the
	 * same bytes, the output, which has a stamp, replaces the file. If not, the output
	 * fails. */
	bool is_compared;
	/* With --in-place: whether the input is an older output of this program whose original has
	 * a backup. */
	bool has_backup;
};

enum history_verdict {
	HISTORY_MAKE,
	HISTORY_FRESH, /* every output is up to date */
	/* Every output is up to date, but a row is missing or out of date, and must be written to
	 * the state. */
	HISTORY_FRESH_MOVED,
	HISTORY_KEEP, /* outputs exist, and the overwrite policy keeps them */
	/* An output cannot be made: its name belongs to a folder, to an output of another input, or
	 * to a file that is not an unchanged output of pixpool; in place, the name of its backup
	 * is taken; or memory ran out. See *ret_failure. */
	HISTORY_EXISTS,
	HISTORY_KNOWN_BAD, /* an earlier run failed on this picture: see *ret_failure */
	/* The state could not be read, so nothing can be decided, and the batch must stop. See
	 * *ret_failure. */
	HISTORY_UNKNOWN
};

/* An input that the feeder has found. */
struct history_input {
	const struct walk_item *item;
	const struct variant *variants;
	size_t n_variants;
	/* With --in-place: the folder of the input, and its name in that folder, with links
	 * resolved. */
	int folder;
	const char *name;
	int fd; /* the open input, if its content was needed; otherwise -1 */
	struct stat stat;
	bool has_hash;
	struct input_hash hash;
	/* The number of earlier runs in which the picture killed its worker. */
	unsigned n_deaths;
};

/* Decide whether the outputs of a file must be made. The function may open input->fd, which the
 * caller closes. *ret_known has n_variants elements, and the caller frees it. *ret_known is NULL
 * if the file has no outputs (verify), if memory ran out, or if the input could not be examined. In
 * the last case the verdict is HISTORY_MAKE: the caller opens the input, and reports why that
 * fails. */
enum history_verdict history_decide(struct history *history, struct history_input *input,
                                    struct known_output **ret_known,
                                    struct failure *ret_failure);

/* Whether records are kept. If they are, the worker must hash its input. */
bool history_keeps_records(const struct history *history);

/* Parameters of pruning, which removes outputs of pixpool whose input no longer exists. */
struct history_pruning {
	/* If true, nothing is removed, but on_removed is called for each output that would be
	 * removed. */
	bool only_lists;
	/* Returns whether an input of this run has this output. */
	bool (*is_planned)(void *data, const char *output);
	/* Called when an output was removed (sys_errno is 0), or could not be removed (sys_errno is
	 * the reason). */
	void (*on_removed)(void *data, const char *output, int sys_errno);
	bool (*may_go_on)(void *data);
	void *data;
};

/*
 * Search the output folder, and remove each output that this program made, that nobody has changed,
 * and whose recorded input was in the folder of an INPUT and does not exist any more. If such an
 * output was removed by somebody else, drop its row. In case of doubt an output is kept. Returns
 * the number of outputs that are kept because their inputs were not in the folder of an INPUT. Call
 * this when no other thread uses the history any more.
 */
uint64_t history_prune(struct history *history, const struct history_pruning *pruning);

/* The properties of an input when it was opened. */
struct opened_input {
	uint64_t n_bytes;
	/* the result of history_time_of_now() when the input was opened */
	int64_t mtime_ns;
	/* The hash of the input; NULL: the input was not read completely. */
	const struct input_hash *hash;
};

/* Fill in the stamps of outputs that were made: the input, and the size and format of each output.
 * input->hash must not be NULL. */
void history_fill(struct known_output *known, const struct variant *variants,
                  size_t n_variants, const struct opened_input *input);

/*
 * Fill in the record of a picture that failed, for the state. Returns false if the picture itself
 * did not cause the failure; then the failure must not be recorded. n_deaths is the number of
 * earlier runs in which the picture killed its worker.
 */
bool history_note_failure(const struct history *history, const struct variant *variants,
                          size_t n_variants, const struct opened_input *input,
                          unsigned n_deaths, const struct failure *failure,
                          struct known_failure *ret_known);

/* The time of an input for its record. Returns STAMP_NO_TIME if the input changed just before
 * `now`. A later change could then have the same time, so this time would prove nothing. */
int64_t history_time_of(const struct stat *input, const struct timespec *now);
int64_t history_time_of_now(const struct stat *input);

#endif
