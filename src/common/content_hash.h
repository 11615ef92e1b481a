/*
 * Hashes of file contents.
 *
 * Inputs get a fast hash (XXH3-128, libxxhash), which says whether the file is still the one that
 * was read. Outputs get a hash for which nobody can make another file with the same value
 * (BLAKE2b-256, RFC 7693, libb2), because it also becomes part of names that caches trust for ever.
 *
 * Errors: false with the errno of a read; ENODATA if the file is shorter than n_bytes. Any thread
 * may call these functions.
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

/* Returns false in a build without the libraries: then hashes are meaningless and are not
 * stored. */
bool content_hash_is_built(void);

void input_hash_of_bytes(const void *bytes, size_t n, struct input_hash *ret_hash);

/* Hash the first n_bytes of a file, without moving its position. */
bool input_hash_of_file(int fd, uint64_t n_bytes, struct input_hash *ret_hash);

/* Hash n_bytes of a file from offset on, without moving its position. */
bool output_hash_of_range(int fd, uint64_t offset, uint64_t n_bytes,
                          struct output_hash *ret_hash);

#endif
