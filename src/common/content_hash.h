/*
 * Hashes of contents: what a file held, in a few bytes.
 *
 * An input is hashed fast (XXH3-128, libxxhash): the hash says whether the file is still the one that
 * was read. An output is hashed so that nobody can make another file with the same hash (BLAKE2b-256,
 * RFC 7693, libb2): it also goes into names that caches trust for ever.
 *
 * Errors: false with errno, of a read: ENODATA when the file is shorter than n_bytes.
 * Threads: any; the calls share nothing.
 */
#ifndef PXP_CONTENT_HASH_H
#define PXP_CONTENT_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INPUT_HASH_BYTES = 16, OUTPUT_HASH_BYTES = 32 };

/* XXH3-128 in its canonical (big-endian) form. */
struct input_hash {
	unsigned char bytes[INPUT_HASH_BYTES];
};

/* BLAKE2b with 32 bytes of result and no key. */
struct output_hash {
	unsigned char bytes[OUTPUT_HASH_BYTES];
};

/* False in a build without the libraries: then no hash means anything, and nothing is recorded. */
bool content_hash_is_built(void);

void input_hash_of_bytes(const void *bytes, size_t n, struct input_hash *ret_hash);

/* Of the first n_bytes of a file, read by position. */
bool input_hash_of_file(int fd, uint64_t n_bytes, struct input_hash *ret_hash);

/* Of n_bytes of a file from offset on, read by position. */
bool output_hash_of_range(int fd, uint64_t offset, uint64_t n_bytes,
                          struct output_hash *ret_hash);

#endif
