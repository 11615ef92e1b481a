/*
 * A set of 64-bit hashes. Each hash takes 8 bytes. The caller first fills the set, then sorts it,
 * then searches it. A hash may be in the set several times.
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

/* Free the memory. Afterwards the set is empty. */
void hash_set_fini(struct hash_set *set);

/* Add a hash at the end. If memory ran out, returns false and leaves the set unchanged. */
bool hash_set_append(struct hash_set *set, uint64_t hash);

/* Sort the set. Call this after the last hash_set_append(), before hash_set_find() or
 * hash_set_insert(). */
void hash_set_sort(struct hash_set *set);

/* Whether a sorted set contains the hash. *ret_index becomes the index of the first occurrence of
 * the hash. If the set does not contain the hash, *ret_index becomes the index at which to insert
 * it. */
bool hash_set_find(const struct hash_set *set, uint64_t hash, size_t *ret_index);

/* Add a hash to a sorted set. The set stays sorted. Each call moves all greater hashes, so adding
 * many hashes is slow. Returns false if memory ran out. */
bool hash_set_insert(struct hash_set *set, uint64_t hash);

#endif
