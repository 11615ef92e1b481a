/* Collects the facts that store/freshness.h needs to decide what happens to an output. */
#include "batch/history.h"

#include "base/fd.h"
#include "batch/naming.h"
#include "batch/roots.h"
#include "common/hash.h"
#include "common/path.h"
#include "recipe/recipe_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct history {
	struct history_options options;
	uint64_t build; /* the fingerprint of this program */
	/* The fingerprints of recipes, by the index of the rule and by format; 0: not computed yet.
	 * Used only by the feeder. */
	uint64_t (*fingerprints)[N_FORMATS];
	/* The roots of inputs. Used by the feeder, and after its end by history_prune(). */
	struct roots *roots;
};

/* The key is constant, because fingerprints must be the same on every machine. */
static const struct hash_key fixed_key = {{0x70697870, 0x6f6f6c}};

struct history *history_create(const struct history_options *options)
{
	struct history *history = calloc(1, sizeof(*history));

	if (!history)
		return NULL;
	history->options = *options;
	history->build = hash_bytes(&fixed_key, PIXPOOL_VERSION, strlen(PIXPOOL_VERSION));
	history->fingerprints = calloc(options->n_rules,
	                               sizeof(history->fingerprints[0]));
	history->roots = roots_create(options->inputs, options->output);
	if (!history->fingerprints || !history->roots) {
		history_destroy(history);
		return NULL;
	}
	return history;
}

void history_destroy(struct history *history)
{
	if (!history)
		return;
	free(history->fingerprints);
	roots_destroy(history->roots);
	free(history);
}

bool history_keeps_records(const struct history *history)
{
	return history && history->options.keeps_records;
}

static uint64_t fingerprint_now(const struct variant *variant)
{
	struct recipe recipe = variant->rule->recipe;

	recipe.format = variant->format;
	return recipe_fingerprint(&recipe);
}

static uint64_t fingerprint_of(struct history *history, const struct variant *variant)
{
	size_t rule = (size_t)(variant->rule - history->options.rules);
	uint64_t *known = &history->fingerprints[rule][variant->format];

	if (*known == 0)
		*known = fingerprint_now(variant) ^ history->options.keep_dates;
	return *known;
}

/* Compute one fingerprint for all outputs of a file. It is stored in the record of a failure. */
static uint64_t fingerprint_of_all(const struct variant *variants, size_t n_variants)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n_variants; i++) {
		const uint64_t pair[2] = {all, fingerprint_now(&variants[i])};

		all = hash_bytes(&fixed_key, pair, sizeof(pair));
	}
	return all;
}

/* ---- times ---- */

/*
 * A file system stores times with a limited resolution: a tick of the kernel's clock (a few
 * milliseconds), or up to two seconds (vfat). If a file changes within the tick in which it was
 * read, its time stays the same.
 */
int64_t history_time_of(const struct stat *input, const struct timespec *now)
{
	const bool is_coarse = input->st_mtim.tv_nsec == 0;
	const int64_t step_ns = is_coarse ? 2000000000 : 20000000;
	int64_t mtime_ns = store_time_ns(&input->st_mtim);
	int64_t age_ns = store_time_ns(now) - mtime_ns;

	return age_ns >= 0 && age_ns < step_ns ? STAMP_NO_TIME : mtime_ns;
}

int64_t history_time_of_now(const struct stat *input)
{
	struct timespec now;

	/* File systems take the times of files from CLOCK_REALTIME_COARSE. */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return history_time_of(input, &now);
}

/* ---- evidence ---- */

/* Get the stat of the input without opening it. Returns false if it is not a regular file. */
static bool look_at_input(struct history_input *input)
{
	const struct walk_item *item = input->item;

	if (input->fd >= 0)
		return true; /* the input is open, so its stat is already known */
	return walk_stat_file(item, &input->stat) && S_ISREG(input->stat.st_mode);
}

/* Hash the input, once for all its outputs. Returns NULL if it cannot be read. */
static const struct input_hash *hash_input(struct history_input *input)
{
	uint64_t n_bytes;

	if (input->has_hash)
		return &input->hash;
	if (input->fd < 0)
		input->fd = walk_open_file(input->item, &input->stat);
	n_bytes = (uint64_t)input->stat.st_size;
	if (input->fd < 0 ||
	    (n_bytes == 0 && !fd_count(input->fd, RECIPE_MAX_FILE_BYTES, &n_bytes)) ||
	    !input_hash_of_file(input->fd, n_bytes, &input->hash))
		return NULL;
	input->has_hash = true;
	return &input->hash;
}

/* The evidence about one output, on which its verdict is based. */
struct found {
	const char *name; /* the name of the output, relative to the output folder */
	struct stamp row, stamp;
	struct output_hash out_hash;
	struct stat out;
};

static void look_at_stamp(struct history *history, struct freshness *freshness,
                          struct found *found)
{
	int fd = store_open_output(history->options.store, found->name, &found->out);

	if (fd >= 0 && stamp_read(fd, &found->stamp))
		freshness->stamp = &found->stamp;
	fd_close(&fd);
}

static void hash_output(struct history *history, struct freshness *freshness,
                        struct found *found)
{
	int fd = store_open_output(history->options.store, found->name, &found->out);

	if (fd >= 0 &&
	    output_hash_of_range(fd, 0, freshness->out.n_bytes, &found->out_hash))
		freshness->out_hash = &found->out_hash;
	fd_close(&fd);
}

/* Whether a record describes the existing output: the sizes are equal, and so are the times or the
 * contents. */
static bool is_of_output(struct history *history, struct freshness *freshness,
                         struct found *found, const struct stamp *record)
{
	if (record->out_bytes != freshness->out.n_bytes)
		return false;
	if (record->out_mtime_ns == freshness->out.mtime_ns)
		return true;
	if (!(freshness->looked_for & EVIDENCE_OUTPUT_HASH))
		hash_output(history, freshness, found);
	freshness->looked_for |= EVIDENCE_OUTPUT_HASH;
	return freshness->out_hash && memcmp(freshness->out_hash, &record->out_hash,
	                                     sizeof(record->out_hash)) == 0;
}

/* Find the row of an output. Before an output without a stamp gets its name, its row is stored as
 * an intended one. If the run was killed just after that, the intended row counts, provided that it
 * matches the existing file. */
static bool find_row(struct history *history, struct freshness *freshness,
                     struct found *found)
{
	struct state *state = history->options.state;
	struct stamp intended;
	bool has_row;

	if (!state)
		return false;
	has_row = state_find(state, freshness->output, &found->row);
	if (freshness->kind == OUTPUT_FILE &&
	    state_find_intended(state, freshness->output, &intended) &&
	    is_of_output(history, freshness, found, &intended)) {
		found->row = intended;
		has_row = true;
	}
	return has_row;
}

/* Look for one kind of evidence about an output, and add it to `freshness` and `found`. `input` is
 * NULL if there is no input to hash. */
static void look(struct history *history, struct history_input *input,
                 struct freshness *freshness, struct found *found, enum evidence evidence)
{
	freshness->looked_for |= evidence;
	switch (evidence) {
	case EVIDENCE_ROW:
		if (find_row(history, freshness, found))
			freshness->row = &found->row;
		break;
	case EVIDENCE_STAMP:
		look_at_stamp(history, freshness, found);
		break;
	case EVIDENCE_OUTPUT_HASH:
		hash_output(history, freshness, found);
		break;
	case EVIDENCE_INPUT_HASH:
		freshness->in_hash = input ? hash_input(input) : NULL;
		break;
	}
}

/* ---- the decision ---- */

/* The reason why an output must be made. Call this only after the decision to make it. */
static const char *reason_to_make(const struct freshness *freshness, enum verdict verdict)
{
	const struct stamp *record = NULL;
	enum evidence ignored;

	if (freshness->kind == OUTPUT_NONE || freshness->kind == OUTPUT_EMPTY)
		return "new";
	if (verdict == VERDICT_MAKE_AND_COMPARE)
		return "compare";
	if (freshness_of_owner(freshness, &ignored, &record) != VERDICT_MAKE)
		return "overwrite";
	if (record->recipe != freshness->recipe)
		return "other options";
	return freshness->redo ? "redo" : "input changed";
}

/* Start the record of an output that will be made. */
static struct stamp new_record(struct history *history, const struct variant *variant,
                               const struct walk_item *item)
{
	struct stamp stamp = {.recipe = fingerprint_of(history, variant),
	                      .root = roots_of_item(history->roots, item)};

	stamp_set_names(&stamp, variant->name, item->relative);
	return stamp;
}

/* In the record of a fresh output, set the root to that of the INPUT in this run. If this changes
 * the record, the record must be written again. */
static enum verdict add_root(struct history *history, const struct walk_item *item,
                             enum verdict verdict, struct stamp *stamp)
{
	const uint64_t root = roots_of_item(history->roots, item);

	if (root == 0 || stamp->root == root)
		return verdict;
	stamp->root = root;
	return VERDICT_FRESH_BUT_NEW;
}

/* For a variant whose name contains the hash of the output: find the name of the output that an
 * earlier run made from this input. The caller frees the name. Returns NULL if no record is
 * found. */
static char *find_hashed(struct history *history, struct history_input *input,
                         const struct variant *variant, struct freshness *freshness,
                         struct found *found)
{
	look(history, input, freshness, found, EVIDENCE_ROW);
	return freshness->row ? naming_with_hash(variant, &freshness->row->out_hash)
	                      : NULL;
}

/* Fill in *known from the evidence about an output and from `verdict`. Returns the final verdict.
 * It differs from `verdict` if the name of the output makes the existing file irrelevant, or if the
 * record of a fresh output must be written again. */
static enum verdict note_verdict(struct history *history, const struct walk_item *item,
                                 const struct variant *variant, enum verdict verdict,
                                 const struct freshness *freshness,
                                 const struct found *found, struct known_output *known)
{
	/* The name contains the hash of the old output. The new output gets another name, so the
	 * existing file does not matter. */
	if (variant->has_hash &&
	    (verdict == VERDICT_EXISTS || verdict == VERDICT_MAKE_AND_COMPARE))
		verdict = VERDICT_MAKE;
	if (variant->has_hash && verdict == VERDICT_KEEP)
		known->stamp = found->row;

	known->is_compared = verdict == VERDICT_MAKE_AND_COMPARE;
	known->is_expected = verdict == VERDICT_MAKE && freshness->kind != OUTPUT_NONE &&
	                     history->options.overwrite != OVERWRITE_ALWAYS;
	if (freshness->kind != OUTPUT_NONE)
		known->expected = found->out;
	if (verdict == VERDICT_MAKE || verdict == VERDICT_MAKE_AND_COMPARE) {
		known->reason = reason_to_make(freshness, verdict);
		known->stamp = new_record(history, variant, item);
	} else if (verdict == VERDICT_FRESH || verdict == VERDICT_FRESH_BUT_NEW) {
		verdict = add_root(history, item, verdict, &known->stamp);
	}
	return verdict;
}

static enum verdict decide_output(struct history *history, struct history_input *input,
                                  const struct variant *variant,
                                  struct known_output *known)
{
	const struct history_options *options = &history->options;
	struct found found = {.name = variant->name};
	struct freshness freshness = {
		.overwrite = options->overwrite,
		.redo = options->redo,
		.compare_contents = options->compare_contents,
		.recipe = fingerprint_of(history, variant),
		.output = variant->name,
		.source = input->item->relative,
		.in = {(uint64_t)input->stat.st_size, history_time_of_now(&input->stat)},
	};
	enum evidence evidence;
	enum verdict verdict;
	char *hashed = variant->has_hash
	                       ? find_hashed(history, input, variant, &freshness, &found)
	                       : NULL;

	/* The record of an output with a hash in its name stores the name with "{hash}" in it and,
	 * separately, the hash. */
	if (hashed)
		found.name = hashed;
	freshness.kind = store_look(options->store, found.name, &found.out);
	if (freshness.kind == OUTPUT_TWIN) {
		free(hashed);
		known->has_twin = true;
		return VERDICT_EXISTS;
	}
	known->has_folder = freshness.kind == OUTPUT_FOLDER;
	if (freshness.kind != OUTPUT_NONE)
		freshness.out = (struct file_facts){(uint64_t)found.out.st_size,
		                                    store_time_ns(&found.out.st_mtim)};
	if (!options->keeps_records)
		freshness.looked_for = EVIDENCE_ROW | EVIDENCE_STAMP;
	while ((verdict = freshness_decide(&freshness, &evidence, &known->stamp)) ==
	       VERDICT_LOOK)
		look(history, input, &freshness, &found, evidence);
	verdict = note_verdict(history, input->item, variant, verdict, &freshness, &found,
	                       known);
	free(hashed);
	return verdict;
}

/* Decide about an input that would be replaced by its output. The stamp of the input says whether
 * the input is an output already. */
static enum verdict decide_in_place(struct history *history, struct history_input *input,
                                    const struct variant *variant,
                                    struct known_output *known)
{
	const struct history_options *options = &history->options;
	const char *suffix = variant->rule->backup_suffix;
	bool backed_up = suffix &&
	                 store_backup(input->folder, input->name, suffix) == BACKUP_TAKEN;
	struct found found;
	struct freshness freshness = {
		.redo = options->redo,
		.compare_contents = options->compare_contents,
		.recipe = fingerprint_of(history, variant),
		.output = input->name,
		.kind = OUTPUT_FILE,
		.looked_for = options->keeps_records ? 0 : EVIDENCE_STAMP,
	};
	enum evidence evidence;
	enum verdict verdict;

	known->stamp = (struct stamp){.recipe = freshness.recipe};
	stamp_set_names(&known->stamp, input->name, input->name);
	if (input->fd < 0)
		input->fd = walk_open_file(input->item, &input->stat);
	if (input->fd < 0)
		/* the input will be opened again, and the failure will be reported then */
		return VERDICT_MAKE;
	freshness.out = (struct file_facts){(uint64_t)input->stat.st_size,
	                                    store_time_ns(&input->stat.st_mtim)};
	while ((verdict = freshness_in_place(&freshness, backed_up, &evidence,
	                                     &known->stamp)) == VERDICT_LOOK) {
		freshness.looked_for |= evidence;
		if (evidence == EVIDENCE_STAMP && stamp_read(input->fd, &found.stamp))
			freshness.stamp = &found.stamp;
		if (evidence == EVIDENCE_OUTPUT_HASH &&
		    output_hash_of_range(input->fd, 0, freshness.out.n_bytes,
		                         &found.out_hash))
			freshness.out_hash = &found.out_hash;
	}
	known->has_backup = backed_up;
	known->reason = "in place";
	return verdict;
}

/* Whether the failure ended the worker. A picture with such a failure is tried again in a second
 * run. */
static bool is_death(enum fail_class class)
{
	return class == FAIL_CRASHED || class == FAIL_VIOLATION || class == FAIL_TIMEOUT;
}

static bool is_pictures_own(enum fail_class class)
{
	return class == FAIL_BAD_IMAGE || class == FAIL_UNSUPPORTED ||
	       class == FAIL_TOO_BIG || is_death(class);
}

/* Whether an earlier run has recorded a failure of this input, and the same failure would happen
 * again. If the record is of this input, its number of deaths is stored in `input`. */
static bool is_known_bad(struct history *history, struct history_input *input,
                         struct failure *ret_failure)
{
	const struct history_options *options = &history->options;
	const struct input_hash *hash;
	struct known_failure known;
	bool is_same_time;

	if (!options->state || options->redo ||
	    !state_find_failure(options->state, input->item->relative, &known) ||
	    known.recipe != fingerprint_of_all(input->variants, input->n_variants) ||
	    known.build != history->build ||
	    known.in_bytes != (uint64_t)input->stat.st_size)
		return false;
	is_same_time = known.in_mtime_ns != STAMP_NO_TIME &&
	               known.in_mtime_ns == store_time_ns(&input->stat.st_mtim);
	if (!is_same_time || options->compare_contents) {
		hash = known.has_hash ? hash_input(input) : NULL;
		if (!hash || memcmp(hash, &known.in_hash, sizeof(*hash)) != 0)
			return false;
	}
	input->n_deaths = known.n_deaths;
	if (is_death(known.failure.class) && known.n_deaths < 2)
		return false;
	*ret_failure = known.failure;
	return true;
}

/* The decision for a file with several outputs. The first case that applies to any output decides:
 * the output cannot be made, it must be made, it is kept, it is up to date but its row is not. If
 * no case applies, all outputs and rows are up to date. */
static enum history_verdict sum_up(const unsigned n_verdicts[VERDICT_EXISTS + 1],
                                   bool in_place, struct failure *ret_failure)
{
	if (n_verdicts[VERDICT_EXISTS] > 0) {
		failure_set(ret_failure, FAIL_EXISTS,
		            in_place ? "publish: the image was kept, because a file with "
		                       "the name of its backup exists; move that file or "
		                       "choose another --backup"
		                     : "publish: a file with the name of "
		                       "the output exists and was not "
		                       "replaced; see --overwrite");
		return HISTORY_EXISTS;
	}
	if (n_verdicts[VERDICT_MAKE] > 0 || n_verdicts[VERDICT_MAKE_AND_COMPARE] > 0)
		return HISTORY_MAKE;
	if (n_verdicts[VERDICT_KEEP] > 0)
		return HISTORY_KEEP;
	return n_verdicts[VERDICT_FRESH_BUT_NEW] > 0 ? HISTORY_FRESH_MOVED
	                                             : HISTORY_FRESH;
}

/* Called when one output of a file must be made. Then all outputs of the file are made, so the
 * up-to-date ones may be replaced, too. */
static void expect_fresh_ones(struct history *history, struct known_output *known,
                              enum verdict verdict, const struct variant *variant,
                              const struct history_input *input)
{
	if (verdict != VERDICT_FRESH && verdict != VERDICT_FRESH_BUT_NEW)
		return;
	known->is_expected = history->options.overwrite != OVERWRITE_ALWAYS;
	known->stamp = new_record(history, variant, input->item);
}

static bool has_unread_row(struct history *history, struct failure *ret_failure)
{
	struct state *state = history->options.state;
	struct failure failure = {FAIL_NONE, ""};

	if (state)
		failure = state_read_failure(state);
	if (failure.class != FAIL_NONE)
		*ret_failure = failure;
	return failure.class != FAIL_NONE;
}

enum history_verdict history_decide(struct history *history, struct history_input *input,
                                    struct known_output **ret_known,
                                    struct failure *ret_failure)
{
	const bool in_place = history->options.rules[0].in_place;
	unsigned n_verdicts[VERDICT_EXISTS + 1] = {0};
	enum verdict verdicts[PICTURE_MAX_VARIANTS] = {VERDICT_LOOK};
	enum history_verdict verdict;
	struct known_output *known;

	*ret_known = NULL;
	if (input->n_variants == 0 || !look_at_input(input))
		/* the input will be opened, and a failure will be reported then */
		return HISTORY_MAKE;
	known = calloc(input->n_variants, sizeof(*known));
	if (!known) {
		failure_set(ret_failure, FAIL_INTERNAL, "out of memory");
		return HISTORY_EXISTS;
	}
	for (size_t i = 0; i < input->n_variants; i++) {
		verdicts[i] = in_place ? decide_in_place(history, input,
		                                         &input->variants[i], &known[i])
		                       : decide_output(history, input,
		                                       &input->variants[i], &known[i]);
		n_verdicts[verdicts[i]]++;
	}
	verdict = sum_up(n_verdicts, in_place, ret_failure);
	for (size_t i = 0; i < input->n_variants; i++) {
		if (known[i].has_twin)
			failure_set(ret_failure, FAIL_COLLISION, STORE_TWIN);
		else if (known[i].has_folder && verdict == HISTORY_EXISTS)
			failure_set(ret_failure, FAIL_EXISTS, "publish: %s",
			            STORE_FOLDER);
	}
	if (verdict == HISTORY_MAKE && is_known_bad(history, input, ret_failure))
		verdict = HISTORY_KNOWN_BAD;
	if (has_unread_row(history, ret_failure))
		verdict = HISTORY_UNKNOWN;
	for (size_t i = 0; i < input->n_variants && verdict == HISTORY_MAKE; i++)
		expect_fresh_ones(history, &known[i], verdicts[i], &input->variants[i],
		                  input);
	*ret_known = known;
	return verdict;
}

/* ---- records of this run ---- */

void history_fill(struct known_output *known, const struct variant *variants,
                  size_t n_variants, const struct opened_input *input)
{
	for (size_t i = 0; i < n_variants; i++) {
		struct stamp *stamp = &known[i].stamp;

		stamp->in_bytes = input->n_bytes;
		stamp->in_mtime_ns = input->mtime_ns;
		stamp->in_hash = *input->hash;
		stamp->width = variants[i].side.width;
		stamp->height = variants[i].side.height;
		strncpy(stamp->format, format_info(variants[i].side.format)->name,
		        sizeof(stamp->format) - 1);
	}
}

bool history_note_failure(const struct history *history, const struct variant *variants,
                          size_t n_variants, const struct opened_input *input,
                          unsigned n_deaths, const struct failure *failure,
                          struct known_failure *ret_known)
{
	if (!history || !history->options.state || !is_pictures_own(failure->class))
		return false;
	*ret_known = (struct known_failure){
		.recipe = fingerprint_of_all(variants, n_variants),
		.build = history->build,
		.in_bytes = input->n_bytes,
		.in_mtime_ns = input->mtime_ns,
		.has_hash = input->hash != NULL,
		.n_deaths = n_deaths + (is_death(failure->class) ? 1 : 0),
		.failure = *failure,
	};
	if (input->hash)
		ret_known->in_hash = *input->hash;
	return true;
}

/* ---- outputs whose input no longer exists ---- */

/* Whether this INPUT may contain a file with the relative name `source`. Returns false only if it
 * is certain that no such file exists. */
static bool may_have(const char *input, const char *source)
{
	struct stat st;
	size_t n = strlen(input);
	char *folder, *path;
	bool may;

	if (stat(input, &st) != 0)
		return true;
	/* If the INPUT is a file, keep only its folder: `source` is relative to that folder. */
	if (!S_ISDIR(st.st_mode)) {
		while (n > 0 && input[n - 1] != '/')
			n--;
	}
	folder = strndup(n > 0 ? input : ".", n > 0 ? n : 1);
	path = folder ? path_join(folder, source) : NULL;
	may = !path || lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
	free(folder);
	free(path);
	return may;
}

/* The state of a search for outputs whose input no longer exists. */
struct pruner {
	struct history *history;
	const struct history_pruning *pruning;
	/* Whether the list of inputs has a name that begins with "/" or contains "..". If so,
	 * relative names do not tell where inputs are. */
	bool has_names_outside;
	/* The number of outputs whose inputs were not in the folder of an INPUT. */
	uint64_t n_others;
};

static bool has_names_outside(const struct walk_options *inputs)
{
	for (size_t i = 0; i < inputs->n_inputs && inputs->is_list; i++) {
		if (inputs->inputs[i][0] == '/' || strstr(inputs->inputs[i], ".."))
			return true;
	}
	return false;
}

/* Whether the input of a record was in the folder of an INPUT, and is gone. */
static bool is_gone(const struct pruner *pruner, const struct stamp *record)
{
	const struct walk_options *inputs = pruner->history->options.inputs;

	if (!stamp_name_is_whole(record->source) || record->source[0] == 0 ||
	    pruner->has_names_outside ||
	    !roots_have(pruner->history->roots, record->root))
		return false;
	if (inputs->is_list)
		return !may_have(inputs->base ? inputs->base : ".", record->source);
	for (size_t i = 0; i < inputs->n_inputs; i++) {
		if (may_have(inputs->inputs[i], record->source))
			return false;
	}
	return true;
}

static void drop_row(struct history *history, const char *output)
{
	struct state *state = history->options.state;
	struct failure ignored;

	if (!state || !state_is_writable(state) || state_begin(state) != STATE_OK)
		return;
	if (state_drop(state, output) != STATE_OK ||
	    state_commit(state, &ignored) != STATE_OK)
		state_undo(state, &ignored);
}

/* Remove an output if this program made it, nobody has changed it, and its input no longer
 * exists. */
static void prune_output(struct pruner *pruner, const char *output)
{
	const struct history_pruning *pruning = pruner->pruning;
	struct history *history = pruner->history;
	struct freshness freshness = {.output = output};
	const struct stamp *record;
	enum evidence evidence;
	struct found found = {.name = output};
	bool is_ours;

	freshness.kind = store_look(history->options.store, output, &found.out);
	if (freshness.kind != OUTPUT_FILE)
		return;
	freshness.out = (struct file_facts){(uint64_t)found.out.st_size,
	                                    store_time_ns(&found.out.st_mtim)};
	while (freshness_of_owner(&freshness, &evidence, &record) == VERDICT_LOOK)
		look(history, NULL, &freshness, &found, evidence);
	is_ours = freshness_of_owner(&freshness, &evidence, &record) == VERDICT_MAKE;
	if (is_ours)
		pruner->n_others += !roots_have(history->roots, record->root);
	if (!is_ours || !is_gone(pruner, record))
		return;
	if (pruning->only_lists) {
		pruning->on_removed(pruning->data, output, 0);
	} else if (store_remove(history->options.store, output, &found.out)) {
		drop_row(history, output);
		pruning->on_removed(pruning->data, output, 0);
	} else if (errno != 0) {
		pruning->on_removed(pruning->data, output, errno);
	}
}

/* Drop the row of an output if neither the output nor its input exists any more. */
static bool prune_row(void *data, const char *output)
{
	const struct pruner *pruner = data;
	struct history *history = pruner->history;
	struct stamp row;
	struct stat ignored;

	if (stamp_name_is_whole(output) &&
	    state_find(history->options.state, output, &row) &&
	    store_look(history->options.store, output, &ignored) == OUTPUT_NONE &&
	    is_gone(pruner, &row))
		drop_row(history, output);
	return pruner->pruning->may_go_on(pruner->pruning->data);
}

uint64_t history_prune(struct history *history, const struct history_pruning *pruning)
{
	const struct walk_options *inputs = history->options.inputs;
	const struct walk_options folder = {.inputs = &history->options.output,
	                                    .n_inputs = 1,
	                                    .takes_hidden = true,
	                                    .mark = inputs->mark};
	struct pruner pruner = {.history = history,
	                        .pruning = pruning,
	                        .has_names_outside = has_names_outside(inputs)};
	struct walk *walk = walk_open(&folder);
	struct walk_item item;

	while (walk && pruning->may_go_on(pruning->data) &&
	       walk_next(walk, &item) != WALK_END) {
		if (item.kind == WALK_FILE &&
		    !pruning->is_planned(pruning->data, item.relative))
			prune_output(&pruner, item.relative);
	}
	walk_close(walk);
	if (history->options.state && !pruning->only_lists)
		state_each(history->options.state, prune_row, &pruner);
	return pruner.n_others;
}
