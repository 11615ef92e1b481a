/*
 * A set of 64-bit hashes, in 8 bytes each. The caller first fills it, then sorts it, then searches
 * it. A hash may be in the set several times.
 *
 * Only one thread at a time may use a set.
 */
#ifndef PXP_HASH_SET_H
#define PXP_HASH_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A struct of zeros is an empty set. An empty set counts as sorted. */
struct hash_set {
	uint64_t *hashes;
	size_t n, capacity;
};

/* Free the memory; the set is empty again. */
void hash_set_fini(struct hash_set *set);

/* Add a hash at the end. Returns false if memory ran out; the set is unchanged then. */
bool hash_set_append(struct hash_set *set, uint64_t hash);

/* Sort the set. Call this after the last hash_set_append(), before hash_set_find() or
 * hash_set_insert(). */
void hash_set_sort(struct hash_set *set);

/* Whether the hash is in a sorted set. *ret_index is the index of its first occurrence, or the
 * index at which it would be inserted. */
bool hash_set_find(const struct hash_set *set, uint64_t hash, size_t *ret_index);

/* Add a hash to a sorted set, which stays sorted. Slow for many hashes, because each call moves all
 * hashes that are greater. Returns false if memory ran out. */
bool hash_set_insert(struct hash_set *set, uint64_t hash);

#endif
