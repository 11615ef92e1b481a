/* The set of hashes is an array whose size doubles when it is full. */
#include "common/hash_set.h"

#include "common/order.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 1024 };

void hash_set_fini(struct hash_set *set)
{
	free(set->hashes);
	*set = (struct hash_set){0};
}

static bool reserve(struct hash_set *set)
{
	size_t capacity = set->capacity > 0 ? set->capacity * 2 : FIRST_CAPACITY;
	uint64_t *hashes;

	if (set->n < set->capacity)
		return true;
	hashes = reallocarray(set->hashes, capacity, sizeof(*hashes));
	if (!hashes)
		return false;
	set->hashes = hashes;
	set->capacity = capacity;
	return true;
}

bool hash_set_append(struct hash_set *set, uint64_t hash)
{
	if (!reserve(set))
		return false;
	set->hashes[set->n++] = hash;
	return true;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return ORDER(x, y);
}

void hash_set_sort(struct hash_set *set)
{
	if (set->n > 0)
		qsort(set->hashes, set->n, sizeof(set->hashes[0]), compare);
}

bool hash_set_find(const struct hash_set *set, uint64_t hash, size_t *ret_index)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->hashes[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_index = low;
	return low < set->n && set->hashes[low] == hash;
}

bool hash_set_insert(struct hash_set *set, uint64_t hash)
{
	size_t index;

	if (!reserve(set))
		return false;
	hash_set_find(set, hash, &index);
	memmove(set->hashes + index + 1, set->hashes + index,
	        (set->n - index) * sizeof(set->hashes[0]));
	set->hashes[index] = hash;
	set->n++;
	return true;
}
