/*
 * A set of 64-bit hashes, in 8 bytes each: filled first, then sorted, then searched. A hash may
 * be in it several times.
 *
 * Threads: one at a time.
 */
#ifndef PXP_HASH_SET_H
#define PXP_HASH_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zeros is an empty set, which is sorted. */
struct hash_set {
	uint64_t *hashes;
	size_t n, capacity;
};

/* Free the memory; the set is empty again. */
void hash_set_fini(struct hash_set *set);

/* Add a hash at the end. False when memory ran out; the set is as it was. */
bool hash_set_append(struct hash_set *set, uint64_t hash);

/* Needed after hash_set_append(), before the two below. */
void hash_set_sort(struct hash_set *set);

/* Whether the hash is in a sorted set. *ret_index is the index of its first occurrence, or the index
 * at which to insert it. */
bool hash_set_find(const struct hash_set *set, uint64_t hash, size_t *ret_index);

/* Add a hash to a sorted set, which stays sorted. For few hashes: each moves those behind it.
 * False when memory ran out. */
bool hash_set_insert(struct hash_set *set, uint64_t hash);

#endif
