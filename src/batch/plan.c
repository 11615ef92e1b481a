/* Makes the plan: computes the hashes of all output names, and finds the names that collide. */
#include "batch/plan.h"

#include "base/fd.h"
#include "batch/batch.h"
#include "batch/naming.h"
#include "common/order.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The size of the text that identifies a file by device and inode. */
enum { KEY_BYTES = 48 };

struct plan *plan_create(void)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	if (plan)
		plan->key = hash_key_random();
	return plan;
}

static void free_claim(struct plan_claim *claim)
{
	free(claim->input);
	free(claim->output);
}

void plan_destroy(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->n_claims; i++) {
		free_claim(&plan->claims[i]);
	}
	free(plan->claims);
	for (size_t i = 0; i < plan->n_errors; i++)
		free(plan->errors[i].path);
	free(plan->errors);
	hash_set_fini(&plan->reported);
	hash_set_fini(&plan->planned);
	hash_set_fini(&plan->late);
	hash_set_fini(&plan->twice);
	free(plan->repeats);
	free(plan->is_taken);
	largest_fini(&plan->largest);
	free(plan);
}

static uint64_t hash_of(const struct plan *plan, const char *output)
{
	return hash_bytes(&plan->key, output, strlen(output));
}

/* ---- the passes ---- */

/* One walk over all inputs. */
struct pass {
	const struct walk_options *options;
	const struct variant_rule *rules;
	size_t n_rules;
	const struct shard *shard;
	bool (*may_go_on)(void *data);
	void *data;
	/* True in the first pass, which counts images and collects hashes; false in the second
	 * pass, which collects the names whose hashes are equal. */
	bool counts;
};

static void count_image(struct plan *plan, const struct walk_item *item,
                        enum image_format from, const struct stat *opened)
{
	struct stat stat = {0};

	atomic_fetch_add_explicit(&plan->n_images, 1, memory_order_relaxed);
	/* Count the INPUTs that have an image. The walk takes them in order, so an INPUT is counted
	 * when its first image comes. */
	if (item->kind == WALK_FILE && item->input >= plan->next_input) {
		plan->next_input = item->input + 1;
		plan->n_inputs++;
	}
	if (opened)
		stat = *opened;
	else if (item->kind == WALK_FILE)
		(void)walk_stat_file(item, &stat);
	if (stat.st_size > 0)
		plan->n_bytes += (uint64_t)stat.st_size;
	/* The inputs in plan->largest are fed first. Small files are not added, because each of
	 * them takes little time whenever it is fed. Drawings are not added, because they wait for
	 * all other images anyway. */
	if (plan->keeps_largest && stat.st_size > SMALL_FILE_BYTES &&
	    !format_info(from)->is_drawn)
		largest_add(&plan->largest, item, (uint64_t)stat.st_size);
}

/* Record that an input claims an output, if the hash of the output occurs several times. Returns
 * false if memory ran out. */
static bool note_claim(struct plan *plan, const struct walk_item *item,
                       const char *output, bool is_first)
{
	struct plan_claim *claims, *claim;
	struct stat stat = {0};
	size_t index;

	if (!hash_set_find(&plan->twice, hash_of(plan, output), &index))
		return true;
	claims = reallocarray(plan->claims, plan->n_claims + 1, sizeof(*claims));
	if (!claims)
		return false;
	plan->claims = claims;
	(void)walk_stat_file(item, &stat);
	claim = &claims[plan->n_claims++];
	*claim = (struct plan_claim){
		.input = strdup(item->path),
		.output = strdup(output),
		.dev = stat.st_dev,
		.ino = stat.st_ino,
		.n_bytes = stat.st_size > 0 ? (uint64_t)stat.st_size : 0,
		.visit = plan->n_visits,
		.is_first = is_first,
	};
	if (!claim->input || !claim->output)
		return false;
	claim->relative = claim->input + strlen(item->path) - strlen(item->relative);
	return true;
}

/* Record one output of an image. Returns false if memory ran out. */
static bool note_output(struct plan *plan, const struct pass *pass,
                        const struct walk_item *item, const char *output, bool is_first)
{
	return pass->counts ? hash_set_append(&plan->planned, hash_of(plan, output))
	                    : note_claim(plan, item, output, is_first);
}

/* The text under which an input is recorded: the name of its output, or with --in-place its device
 * and inode. */
static const char *key_of(const struct plan *plan, const struct walk_item *item,
                          const char *output, char text[KEY_BYTES])
{
	struct stat stat;

	if (!plan->in_place || !walk_stat_file(item, &stat))
		return output;
	snprintf(text, KEY_BYTES, "%jx:%jx", (uintmax_t)stat.st_dev,
	         (uintmax_t)stat.st_ino);
	return text;
}

/* Record the outputs of one image. If images are only decoded, record the image's own name. With
 * --in-place, record its device and inode. Returns false if memory ran out. */
static bool visit_outputs(struct plan *plan, const struct pass *pass,
                          const struct walk_item *item, enum image_format from)
{
	bool has_memory = true;
	char key[KEY_BYTES];

	plan->n_visits++;
	if (pass->n_rules == 0 || plan->in_place)
		return note_output(plan, pass, item,
		                   key_of(plan, item, item->relative, key), true);
	for (size_t i = 0; i < pass->n_rules && has_memory; i++) {
		struct variant variant;

		has_memory = naming_output(item, from, &pass->rules[i], &variant) &&
		             (!variant.name ||
		              note_output(plan, pass, item, variant.name, i == 0));
		free(variant.name);
	}
	return has_memory;
}

/* Whether an image belongs to another shard. The name of its first output decides. */
static bool is_of_other_shard(const struct pass *pass, const struct walk_item *item,
                              enum image_format from)
{
	struct variant first;
	bool is_other;

	if (pass->shard->n <= 1 || pass->n_rules == 0 || item->kind != WALK_FILE ||
	    !naming_output(item, from, &pass->rules[0], &first))
		return false;
	is_other = !naming_is_of_shard(pass->shard, item, &first);
	free(first.name);
	return is_other;
}

/* Record a WALK_ERROR. Returns false if memory ran out. */
static bool note_error(struct plan *plan, const struct walk_item *item)
{
	struct plan_error *errors = plan->errors, *error;

	if (plan->n_errors == plan->max_errors) {
		size_t max = plan->max_errors ? 2 * plan->max_errors : 16;

		errors = reallocarray(errors, max, sizeof(*errors));
		if (!errors)
			return false;
		plan->errors = errors;
		plan->max_errors = max;
	}
	error = &errors[plan->n_errors];
	*error = (struct plan_error){
		.path = strdup(item->path),
		.input = item->input,
		.is_named = item->is_named,
		.sys_errno = item->sys_errno,
	};
	if (!error->path)
		return false;
	error->relative = error->path + strlen(item->path) - strlen(item->relative);
	plan->n_errors++;
	return true;
}

static bool visit_item(struct plan *plan, const struct pass *pass,
                       const struct walk_item *item)
{
	enum image_format from = FORMAT_NONE;
	bool is_backup = false;
	struct stat stat;
	int fd = -1;

	if (pass->counts)
		plan->n_links += item->is_unfollowed_link;
	if (item->kind == WALK_OTHER || item->kind == WALK_MARKED)
		return true;
	if (item->kind == WALK_FILE) {
		if (naming_needs_content(item) || plan->in_place)
			fd = walk_open_file(item, &stat);
		from = naming_format(item, fd);
		is_backup = pass->n_rules > 0 &&
		            naming_is_backup(item, &pass->rules[0], fd);
	}
	const bool is_open = fd >= 0;

	fd_close(&fd);
	if (pass->counts)
		plan->n_backups += is_backup;
	if (item->kind == WALK_FILE &&
	    (is_backup || !naming_is_image(item, from) || naming_is_unread(item, from) ||
	     is_of_other_shard(pass, item, from)))
		return true;
	if (pass->counts)
		count_image(plan, item, from, is_open ? &stat : NULL);
	if (item->kind == WALK_ERROR)
		return !pass->counts || note_error(plan, item);
	return visit_outputs(plan, pass, item, from);
}

static enum plan_result walk_through(struct plan *plan, const struct pass *pass)
{
	struct walk *walk = walk_open(pass->options);
	enum plan_result result = PLAN_MADE;
	struct walk_item item;

	if (!walk)
		return PLAN_NO_MEMORY;
	while (result == PLAN_MADE && walk_next(walk, &item) != WALK_END) {
		if (!pass->may_go_on(pass->data))
			result = PLAN_STOPPED;
		else if (!visit_item(plan, pass, &item))
			result = PLAN_NO_MEMORY;
	}
	plan->n_left_out = walk_n_left_out(walk);
	walk_close(walk);
	return result;
}

/* ---- collisions ---- */

struct plan_repeat {
	uint64_t hash; /* the hash of the output's name */
	dev_t dev;
	ino_t ino;
	bool is_fed; /* whether the file was fed once already */
};

static int compare_claims(const void *a, const void *b)
{
	const struct plan_claim *x = a, *y = b;
	int order = strcmp(x->output, y->output);

	order = order != 0 ? order : ORDER(x->dev, y->dev);
	order = order != 0 ? order : ORDER(x->ino, y->ino);
	return order != 0 ? order : strcmp(x->input, y->input);
}

static int compare_inputs(const void *a, const void *b)
{
	const struct plan_claim *x = a, *y = b;
	int order = strcmp(x->output, y->output);

	return order != 0 ? order : strcmp(x->input, y->input);
}

static int compare_repeats(const void *a, const void *b)
{
	const struct plan_repeat *x = a, *y = b;

	int order = ORDER(x->hash, y->hash);

	order = order != 0 ? order : ORDER(x->dev, y->dev);
	return order != 0 ? order : ORDER(x->ino, y->ino);
}

/* Fill plan->twice with the hashes that occur more than once in plan->planned. Returns false if
 * memory ran out. */
static bool find_twice(struct plan *plan)
{
	const struct hash_set *planned = &plan->planned;
	const uint64_t *hashes = planned->hashes;

	hash_set_sort(&plan->planned);
	for (size_t i = 1; i < planned->n; i++) {
		bool is_second = i < 2 || hashes[i - 2] != hashes[i];

		if (hashes[i - 1] == hashes[i] && is_second &&
		    !hash_set_append(&plan->twice, hashes[i]))
			return false;
	}
	plan->is_taken = calloc(planned->n / 8 + 1, 1);
	return plan->is_taken != NULL;
}

/* Whether two claims belong to the same file, which the walk has found twice. */
static bool is_same_file(const struct plan_claim *a, const struct plan_claim *b)
{
	return a->ino != 0 && a->ino == b->ino && a->dev == b->dev &&
	       a->visit != b->visit && strcmp(a->output, b->output) == 0;
}

/* Record a claim that repeats an earlier one of the same file, so that the file is processed
 * once. */
static void note_repeat(struct plan *plan, const struct plan_claim *claim)
{
	struct plan_repeat *repeat = &plan->repeats[plan->n_repeats];

	*repeat = (struct plan_repeat){
		.hash = hash_of(plan, claim->output),
		.dev = claim->dev,
		.ino = claim->ino,
	};
	if (plan->n_repeats == 0 || compare_repeats(&repeat[-1], repeat) != 0)
		plan->n_repeats++;
	if (!claim->is_first)
		return;
	plan->n_images--;
	plan->n_bytes -= claim->n_bytes < plan->n_bytes ? claim->n_bytes : plan->n_bytes;
}

/* For each file that was found several times, keep only one claim of each output. Returns false if
 * memory ran out. */
static bool drop_repeats(struct plan *plan)
{
	struct plan_claim *claims = plan->claims;
	size_t n_kept = 0;

	plan->repeats = calloc(plan->n_claims + 1, sizeof(*plan->repeats));
	if (!plan->repeats)
		return false;
	if (plan->n_claims > 0)
		qsort(claims, plan->n_claims, sizeof(*claims), compare_claims);
	for (size_t i = 0; i < plan->n_claims; i++) {
		if (n_kept == 0 || !is_same_file(&claims[n_kept - 1], &claims[i])) {
			claims[n_kept++] = claims[i];
			continue;
		}
		note_repeat(plan, &claims[i]);
		free_claim(&claims[i]);
	}
	plan->n_claims = n_kept;
	qsort(plan->repeats, plan->n_repeats, sizeof(*plan->repeats), compare_repeats);
	return true;
}

/* Keep only the claims whose names are equal. A name that only one claim has is no collision: other
 * names have the same hash by chance, or the other claims belonged to the same file. */
static void keep_real_claims(struct plan *plan)
{
	struct plan_claim *claims = plan->claims;
	size_t n = plan->n_claims, n_kept = 0;

	if (n > 0)
		qsort(claims, n, sizeof(*claims), compare_inputs);
	for (size_t first = 0, end; first < n; first = end) {
		for (end = first + 1; end < n; end++) {
			if (strcmp(claims[first].output, claims[end].output) != 0)
				break;
		}
		if (end - first == 1) {
			free_claim(&claims[first]);
			continue;
		}
		memmove(claims + n_kept, claims + first, (end - first) * sizeof(*claims));
		n_kept += end - first;
	}
	plan->n_claims = n_kept;
}

enum plan_result plan_make(struct plan *plan, const struct walk_options *options,
                           const struct variant_rule *rules, size_t n_rules,
                           const struct shard *shard, bool (*may_go_on)(void *data),
                           void *data)
{
	struct pass pass = {
		.options = options,
		.rules = rules,
		.n_rules = n_rules,
		.shard = shard,
		.may_go_on = may_go_on,
		.data = data,
		.counts = true,
	};
	enum plan_result result;

	plan->in_place = n_rules > 0 && rules[0].in_place;
	result = walk_through(plan, &pass);
	if (result != PLAN_MADE)
		return result;
	if (!find_twice(plan))
		return PLAN_NO_MEMORY;
	if (plan->twice.n == 0)
		return PLAN_MADE;

	pass.counts = false;
	result = walk_through(plan, &pass);
	if (result != PLAN_MADE)
		return result;
	if (!drop_repeats(plan))
		return PLAN_NO_MEMORY;
	keep_real_claims(plan);
	return plan->n_claims > 0 && n_rules > 0 && !plan->in_place ? PLAN_COLLISION
	                                                            : PLAN_MADE;
}

bool plan_is_repeated(struct plan *plan, const char *output, const struct walk_item *item)
{
	char text[KEY_BYTES];
	struct plan_repeat key, *repeat;
	struct stat stat;
	bool was_fed;

	if (plan->n_repeats == 0 || !walk_stat_file(item, &stat))
		return false;
	key.hash = hash_of(plan, key_of(plan, item, output, text));
	key.dev = stat.st_dev;
	key.ino = stat.st_ino;
	repeat = bsearch(&key, plan->repeats, plan->n_repeats, sizeof(key),
	                 compare_repeats);
	was_fed = repeat && repeat->is_fed;
	if (repeat)
		repeat->is_fed = true;
	return was_fed;
}

/* Two names with the same hash are treated as the same name here. The key of the hash is random, so
 * this happens to different names with a chance of 1 in 2^64 for each pair. */
bool plan_take(struct plan *plan, const char *output)
{
	uint64_t hash = hash_of(plan, output);
	size_t index;

	if (hash_set_find(&plan->planned, hash, &index)) {
		bool is_free = !(plan->is_taken[index / 8] & 1U << index % 8);

		plan->is_taken[index / 8] |= (uint8_t)(1U << index % 8);
		return is_free;
	}
	if (hash_set_find(&plan->late, hash, &index))
		return false;
	/* If memory runs out here, a later claim of the same name is detected by the store. */
	(void)hash_set_insert(&plan->late, hash);
	return true;
}

bool plan_note_reported(struct plan *plan, const struct walk_item *item)
{
	/* Most runs have no error in the plan. */
	return plan->n_errors == 0 ||
	       hash_set_append(&plan->reported, hash_of(plan, item->path));
}

bool plan_report_lost(struct plan *plan,
                      bool (*report)(void *data, const struct walk_item *item),
                      void *data)
{
	bool goes_on = true;
	size_t index;

	hash_set_sort(&plan->reported);
	for (size_t i = 0; i < plan->n_errors && goes_on; i++) {
		const struct plan_error *error = &plan->errors[i];
		const struct walk_item item = {
			.kind = WALK_ERROR,
			.is_named = error->is_named,
			.input = error->input,
			.path = error->path,
			.relative = error->relative,
			.folder = AT_FDCWD,
			.name = error->path,
			.sys_errno = error->sys_errno,
		};

		if (!hash_set_find(&plan->reported, hash_of(plan, error->path), &index))
			goes_on = report(data, &item);
	}
	return goes_on;
}

bool plan_has(const struct plan *plan, const char *output)
{
	uint64_t hash = hash_of(plan, output);
	size_t index;

	return hash_set_find(&plan->planned, hash, &index) ||
	       hash_set_find(&plan->late, hash, &index);
}
