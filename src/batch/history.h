/*
 * The records of earlier runs: of outputs, as stamps and in the state, and of pictures that are
 * known to be bad. They are used to decide about a file before its input is opened. Every file that
 * is made leaves a new record.
 *
 * store/README.md has the rules. This code collects the evidence for them.
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
	struct store *store; /* the store; not used with --in-place */
	struct state *state; /* the state; NULL: records are kept only as stamps */
	/* Rules of the batch, for the fingerprints of their recipes. */
	const struct variant_rule *rules;
	size_t n_rules;

	enum overwrite overwrite;
	/* Outputs get the times of their inputs, which the fingerprint includes. */
	bool keep_dates;
	bool keeps_records; /* false: --state none; outputs get no stamp, and none is read */
	bool redo;
	bool compare_contents;
};

struct history;

/* Create a history, which borrows everything in the options. Returns NULL if memory ran out. */
struct history *history_create(const struct history_options *options);
void history_destroy(struct history *history); /* NULL is allowed */

/* The record of one output, old and new. */
struct known_output {
	struct stamp stamp;   /* the new record; for a fresh output the old one */
	struct stat expected; /* stat of the file that may be replaced */
	bool is_expected;
	/* Why the output must be made, for a plan: "new", "input changed". */
	const char *reason;
	/* The existing file with this name is already the output of another input of this run. */
	bool has_twin;
	/* The output is compared with the existing file, and does not replace it. */
	bool is_compared;
	/* With --in-place: the output replaces an older output of ours, whose original has a
	 * backup. */
	bool has_backup;
};

enum history_verdict {
	HISTORY_MAKE,
	HISTORY_FRESH, /* every output is up to date */
	/* Every output is up to date, but the stamps have new times, which the state must get. */
	HISTORY_FRESH_MOVED,
	HISTORY_KEEP, /* outputs exist, and the overwrite policy keeps them */
	/* A file that pixpool did not write has the name of an output, or memory ran out: see
	 * *ret_failure. */
	HISTORY_EXISTS,
	HISTORY_KNOWN_BAD /* the picture is known to fail: see *ret_failure */
};

/* An input that the feeder has found. */
struct history_input {
	const struct walk_item *item;
	const struct variant *variants;
	size_t n_variants;
	/* With --in-place: its folder and its name in that folder, with links resolved. */
	int folder;
	const char *name;
	int fd; /* descriptor, opened if the content was needed; otherwise -1 */
	struct stat stat;
	bool has_hash;
	struct input_hash hash;
	/* Number of earlier runs in which the picture killed its worker. */
	unsigned n_deaths;
};

/* Decide whether the outputs of a file must be made. The function may open input->fd, which the
 * caller closes. *ret_known has n_variants elements, and the caller frees it. *ret_known is NULL
 * when nothing is written, when memory ran out, or when the input could not be examined. In the
 * last case the verdict is HISTORY_MAKE, and opening the input gives the reason. */
enum history_verdict history_decide(struct history *history, struct history_input *input,
                                    struct known_output **ret_known,
                                    struct failure *ret_failure);

/* Whether records are kept, so that the worker must hash its input. */
bool history_keeps_records(const struct history *history);

/* Parameters of pruning, which removes outputs of ours whose input no longer exists. */
struct history_pruning {
	const struct walk_options *inputs;
	const char *output; /* the output folder */
	/* Nothing is removed, but on_removed is called as if it were. */
	bool only_lists;
	/* Whether an input of this run has this output. */
	bool (*is_planned)(void *data, const char *output);
	/* Called when an output was removed, or could not be removed: then sys_errno is not 0. */
	void (*on_removed)(void *data, const char *output, int sys_errno);
	bool (*may_go_on)(void *data);
	void *data;
};

/*
 * Search the output folder, and remove each output that is ours and unchanged, and whose recorded
 * input no INPUT has any more. Also drops the rows of such outputs that somebody else has removed.
 * Outputs are kept in case of doubt. Call this when nothing else uses the history any more.
 */
void history_prune(struct history *history, const struct history_pruning *pruning);

/* The properties of an input when it was opened. */
struct opened_input {
	uint64_t n_bytes;
	int64_t mtime_ns; /* the value of history_time_of() at that moment */
	/* Hash of the input; NULL: it was not read completely. */
	const struct input_hash *hash;
};

/* Complete the stamps of outputs that were made. There must be a hash of the input. */
void history_fill(struct known_output *known, const struct variant *variants,
                  size_t n_variants, const struct opened_input *input);

/*
 * Fill the record of a picture that failed, for the state. False when the failure was not caused
 * by the picture itself, so that it must not be recorded. n_deaths: earlier runs in which it
 * killed its worker.
 */
bool history_note_failure(const struct history *history, const struct variant *variants,
                          size_t n_variants, const struct opened_input *input,
                          unsigned n_deaths, const struct failure *failure,
                          struct known_failure *ret_known);

/* The time of an input for a record. STAMP_NO_TIME if the input changed so shortly before now that
 * a later change could have the same time. */
int64_t history_time_of(const struct stat *input, const struct timespec *now);
int64_t history_time_of_now(const struct stat *input);

#endif
