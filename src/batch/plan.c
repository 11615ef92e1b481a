#include "batch/plan.h"

#include "common/hash.h"
#include "batch/naming.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Hashes of names: appended while planning, sorted after. */
struct hashes {
	uint64_t *at;
	size_t n, capacity;
};

struct named_claim {
	char *input, *output;
};

struct plan {
	struct hash_key key;
	atomic_uint_least64_t n_images;
	uint64_t n_bytes;
	struct hashes planned; /* of every output */
	uint8_t *is_taken;     /* a bit for each of them */
	struct hashes late;    /* outputs that were not planned, sorted */
	struct hashes twice;   /* hashes that stand in planned more than once */
	struct named_claim *claims;
	size_t n_claims;
};

static bool reserve(struct hashes *hashes)
{
	size_t capacity = hashes->capacity > 0 ? hashes->capacity * 2 : 1024;
	uint64_t *at;

	if (hashes->n < hashes->capacity)
		return true;
	at = reallocarray(hashes->at, capacity, sizeof(*at));
	if (!at)
		return false;
	hashes->at = at;
	hashes->capacity = capacity;
	return true;
}

static bool append(struct hashes *hashes, uint64_t hash)
{
	if (!reserve(hashes))
		return false;
	hashes->at[hashes->n++] = hash;
	return true;
}

/* Where hash stands, or would have to. */
static size_t find(const struct hashes *hashes, uint64_t hash)
{
	size_t low = 0, high = hashes->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (hashes->at[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool contains(const struct hashes *hashes, size_t index, uint64_t hash)
{
	return index < hashes->n && hashes->at[index] == hash;
}

struct plan *plan_create(void)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	if (plan)
		plan->key = hash_key_random();
	return plan;
}

void plan_destroy(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->n_claims; i++) {
		free(plan->claims[i].input);
		free(plan->claims[i].output);
	}
	free(plan->claims);
	free(plan->planned.at);
	free(plan->late.at);
	free(plan->twice.at);
	free(plan->is_taken);
	free(plan);
}

uint64_t plan_n_images(const struct plan *plan)
{
	return atomic_load_explicit(&plan->n_images, memory_order_relaxed);
}

uint64_t plan_n_bytes(const struct plan *plan)
{
	return plan->n_bytes;
}

static uint64_t hash_of(const struct plan *plan, const char *output)
{
	return hash_bytes(&plan->key, output, strlen(output));
}

/* What a pass does with each output. False when memory ran out. */
typedef bool visit_fn(struct plan *plan, const struct walk_item *item,
                      const char *output);

static bool count_output(struct plan *plan, const struct walk_item *item,
                         const char *output)
{
	struct stat stat;

	atomic_fetch_add_explicit(&plan->n_images, 1, memory_order_relaxed);
	if (item->kind == WALK_FILE && fstatat(item->folder, item->name, &stat, 0) == 0 &&
	    stat.st_size > 0)
		plan->n_bytes += (uint64_t)stat.st_size;
	return !output || append(&plan->planned, hash_of(plan, output));
}

static bool note_claim(struct plan *plan, const struct walk_item *item,
                       const char *output)
{
	struct named_claim *claims;
	uint64_t hash;

	if (!output)
		return true;
	hash = hash_of(plan, output);
	if (!contains(&plan->twice, find(&plan->twice, hash), hash))
		return true;
	claims = reallocarray(plan->claims, plan->n_claims + 1, sizeof(*claims));
	if (!claims)
		return false;
	plan->claims = claims;
	claims[plan->n_claims].input = strdup(item->path);
	claims[plan->n_claims].output = strdup(output);
	plan->n_claims++;
	return claims[plan->n_claims - 1].input && claims[plan->n_claims - 1].output;
}

static bool visit_item(struct plan *plan, const struct walk_item *item,
                       enum image_format format, visit_fn *visit)
{
	struct destination destination = {0};
	enum naming naming = NAMING_IMAGE;
	bool has_memory;

	if (item->kind == WALK_OTHER)
		return true;
	if (item->kind == WALK_FILE)
		naming = naming_destination(item, format, &destination);
	has_memory = naming == NAMING_IGNORED ||
	             (naming == NAMING_IMAGE && visit(plan, item, destination.name));
	free(destination.name);
	return has_memory;
}

static enum plan_result walk_through(struct plan *plan,
                                     const struct walk_options *options,
                                     enum image_format format, visit_fn *visit,
                                     bool (*may_go_on)(void *data), void *data)
{
	struct walk *walk = walk_open(options);
	enum plan_result result = PLAN_MADE;
	struct walk_item item;

	if (!walk)
		return PLAN_NO_MEMORY;
	while (result == PLAN_MADE && walk_next(walk, &item) != WALK_END) {
		if (!may_go_on(data))
			result = PLAN_STOPPED;
		else if (!visit_item(plan, &item, format, visit))
			result = PLAN_NO_MEMORY;
	}
	walk_close(walk);
	return result;
}

static int compare_hashes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int compare_claims(const void *a, const void *b)
{
	const struct named_claim *x = a, *y = b;
	int order = strcmp(x->output, y->output);

	return order != 0 ? order : strcmp(x->input, y->input);
}

static bool find_twice(struct plan *plan)
{
	const struct hashes *planned = &plan->planned;

	if (planned->n > 0)
		qsort(planned->at, planned->n, sizeof(planned->at[0]), compare_hashes);
	for (size_t i = 1; i < planned->n; i++) {
		bool is_first = i < 2 || planned->at[i - 2] != planned->at[i];

		if (planned->at[i - 1] == planned->at[i] && is_first &&
		    !append(&plan->twice, planned->at[i]))
			return false;
	}
	plan->is_taken = calloc(planned->n / 8 + 1, 1);
	return plan->is_taken != NULL;
}

/* Of the claims, whose hashes are equal, keep those whose names are. */
static void keep_real_claims(struct plan *plan)
{
	struct named_claim *claims = plan->claims;
	size_t n = plan->n_claims, n_kept = 0;

	if (n > 0)
		qsort(claims, n, sizeof(*claims), compare_claims);
	for (size_t first = 0, end; first < n; first = end) {
		for (end = first + 1; end < n; end++) {
			if (strcmp(claims[first].output, claims[end].output) != 0)
				break;
		}
		if (end - first == 1) {
			free(claims[first].input);
			free(claims[first].output);
			continue;
		}
		memmove(claims + n_kept, claims + first, (end - first) * sizeof(*claims));
		n_kept += end - first;
	}
	plan->n_claims = n_kept;
}

enum plan_result plan_make(struct plan *plan, const struct walk_options *options,
                           enum image_format format, bool (*may_go_on)(void *data),
                           void *data)
{
	enum plan_result result = walk_through(plan, options, format, count_output,
	                                       may_go_on, data);

	if (result != PLAN_MADE)
		return result;
	if (!find_twice(plan))
		return PLAN_NO_MEMORY;
	if (plan->twice.n == 0)
		return PLAN_MADE;

	result = walk_through(plan, options, format, note_claim, may_go_on, data);
	if (result != PLAN_MADE)
		return result;
	keep_real_claims(plan);
	return plan->n_claims > 0 ? PLAN_COLLISION : PLAN_MADE;
}

size_t plan_n_claims(const struct plan *plan)
{
	return plan->n_claims;
}

struct plan_claim plan_claim(const struct plan *plan, size_t index)
{
	return (struct plan_claim){plan->claims[index].input, plan->claims[index].output};
}

/* Here two names of one hash would pass for twins: with a key that nobody knows, one pair
 * in 2^64. */
bool plan_take(struct plan *plan, const char *output)
{
	uint64_t hash = hash_of(plan, output);
	size_t index = find(&plan->planned, hash);

	if (contains(&plan->planned, index, hash)) {
		bool is_free = !(plan->is_taken[index / 8] & 1U << index % 8);

		plan->is_taken[index / 8] |= (uint8_t)(1U << index % 8);
		return is_free;
	}

	index = find(&plan->late, hash);
	if (contains(&plan->late, index, hash))
		return false;
	if (reserve(&plan->late)) {
		memmove(plan->late.at + index + 1, plan->late.at + index,
		        (plan->late.n - index) * sizeof(plan->late.at[0]));
		plan->late.at[index] = hash;
		plan->late.n++;
	}
	return true;
}
