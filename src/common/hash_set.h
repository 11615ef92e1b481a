/*
 * A set of 64-bit hashes, in 8 bytes each: filled first, then sorted, then searched. A hash may
 * be in it several times.
 *
 * Only one thread at a time may use a set.
 */
#ifndef PXP_HASH_SET_H
#define PXP_HASH_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An empty set is all zeros, and counts as sorted. */
struct hash_set {
	uint64_t *hashes;
	size_t n, capacity;
};

/* Free the memory; the set is empty again. */
void hash_set_fini(struct hash_set *set);

/* Add a hash at the end. Returns false if memory ran out; the set is unchanged then. */
bool hash_set_append(struct hash_set *set, uint64_t hash);

/* Sort the set. Needed after hash_set_append(), before the two functions below. */
void hash_set_sort(struct hash_set *set);

/* Whether the hash is in a sorted set. *ret_index is the index of its first occurrence, or the
 * index at which it would have to be inserted. */
bool hash_set_find(const struct hash_set *set, uint64_t hash, size_t *ret_index);

/* Add a hash to a sorted set, which stays sorted. Only for few hashes, because each one moves those
 * after it. Returns false if memory ran out. */
bool hash_set_insert(struct hash_set *set, uint64_t hash);

#endif
