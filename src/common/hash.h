/*
 * A keyed 64-bit hash of bytes: SipHash-2-4 (J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast
 * short-input PRF", 2012). If the key is random, nobody can choose file names whose hashes collide.
 */
#ifndef PXP_HASH_H
#define PXP_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t word[2];
};

/* Make a new random key. */
struct hash_key hash_key_random(void);

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t n);

#endif
