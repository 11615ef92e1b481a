/*
 * The records of earlier runs: of outputs, as stamps and in the state, and of pictures that are
 * known to be bad. They decide about a file before its input is opened; and every file that is
 * made leaves its own record.
 *
 * store/README.md has the rules. Here the evidence for them is collected.
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
	struct store *store; /* in place it is not used */
	struct state *state; /* NULL: none; records are kept only as stamps */
	/* Rules of the batch, for the fingerprints of their recipes. */
	const struct variant_rule *rules;
	size_t n_rules;

	enum overwrite overwrite;
	bool keep_dates; /* outputs get the dates of their inputs; the fingerprint includes this */
	bool keeps_records; /* false: --state none; outputs get no stamp, and none is read */
	bool redo;
	bool compare_contents;
};

struct history;

/* NULL when memory ran out. Everything in the options is borrowed. */
struct history *history_create(const struct history_options *options);
void history_destroy(struct history *history); /* NULL is fine */

/* The record of one output, old and new. */
struct known_output {
	struct stamp stamp;   /* the new record; of a fresh output the old one */
	struct stat expected; /* the file that may be replaced */
	bool is_expected;
	const char *reason; /* why it must be made, for a plan: "new", "input changed" */
	bool is_compared; /* the output is compared with that file, and does not replace it */
	/* In place: the output replaces an older output of ours, whose original has a backup. */
	bool has_backup;
};

enum history_verdict {
	HISTORY_MAKE,
	HISTORY_FRESH,       /* every output is */
	HISTORY_FRESH_MOVED, /* the same, but the stamps have new times, for the state */
	HISTORY_KEEP,        /* outputs exist, and the overwrite policy keeps them */
	HISTORY_EXISTS,      /* an output exists that is not ours: *ret_failure */
	HISTORY_KNOWN_BAD    /* the picture is known to fail: *ret_failure */
};

/* An input that the feeder has met. */
struct history_input {
	const struct walk_item *item;
	const struct variant *variants;
	size_t n_variants;
	/* In place: its folder and its name there, links resolved. */
	int folder;
	const char *name;
	int fd; /* opened if its content was needed; else -1 */
	struct stat stat;
	bool has_hash;
	struct input_hash hash;
	unsigned n_deaths; /* number of earlier runs in which it killed its worker */
};

/* Decide about a file. input->fd may be opened; it is the caller's. *ret_known is n_variants elements, to be
 * freed; NULL when nothing is written or memory ran out, and then the verdict is HISTORY_MAKE. */
enum history_verdict history_decide(struct history *history, struct history_input *input,
                                    struct known_output **ret_known,
                                    struct failure *ret_failure);

/* Whether records are kept, so that the worker must hash its input. */
bool history_keeps_records(const struct history *history);

/* What to remove: outputs of ours whose input is gone. */
struct history_pruning {
	const struct walk_options *inputs;
	const char *output; /* the output folder */
	bool only_lists;    /* nothing is removed; on_removed is called as if it were */
	/* Whether an input of this run has this output. */
	bool (*is_planned)(void *data, const char *output);
	/* An output was removed, or could not be removed: then sys_errno is not 0. */
	void (*on_removed)(void *data, const char *output, int sys_errno);
	bool (*may_go_on)(void *data);
	void *data;
};

/*
 * Search the output folder, and remove each output that is ours, unchanged, and recorded to come from an
 * input that no INPUT has any more. Also drops the rows of such outputs that somebody else has removed.
 * Whatever is in doubt stays. Call it once nothing else uses the history.
 */
void history_prune(struct history *history, const struct history_pruning *pruning);

/* The properties of an input when it was opened. */
struct opened_input {
	uint64_t n_bytes;
	int64_t mtime_ns;              /* history_time_of() at that moment */
	const struct input_hash *hash; /* NULL: it was not read whole */
};

/* Complete the stamps of outputs that were made; there is a hash. */
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

/* The time of an input for a record. STAMP_NO_TIME when the input changed so shortly before now
 * that a later change could have the same time. */
int64_t history_time_of(const struct stat *input, const struct timespec *now);
int64_t history_time_of_now(const struct stat *input);

#endif
