/*
 * Hashes of file contents.
 *
 * Inputs get a fast hash (XXH3-128, libxxhash). It shows whether a file has changed since it was
 * read. Outputs get a cryptographic hash (BLAKE2b-256, RFC 7693, libb2): nobody can make another
 * file with the same hash. This matters because the hash becomes part of file names, and caches
 * assume that a file with such a name never changes.
 *
 * Errors: the functions for files return false and set errno. The errno is ENODATA if the file ends
 * before all n_bytes were read, ENOMEM if memory ran out, ENOSYS in a build without libxxhash and
 * libb2, or the errno of the read that failed. Any thread may call these functions.
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

/* BLAKE2b without a key. The result has 32 bytes. */
struct output_hash {
	unsigned char bytes[OUTPUT_HASH_BYTES];
};

/* Returns false in a build with PIXPOOL_STATE off, which has no hash libraries. In such a build
 * hashes have no meaning and are not stored. */
bool content_hash_is_built(void);

void input_hash_of_bytes(const void *bytes, size_t n, struct input_hash *ret_hash);

/* Hash the first n_bytes of a file. Does not move the file position. */
bool input_hash_of_file(int fd, uint64_t n_bytes, struct input_hash *ret_hash);

/* Hash n_bytes of a file, beginning at `offset`. Does not move the file position. */
bool output_hash_of_range(int fd, uint64_t offset, uint64_t n_bytes,
                          struct output_hash *ret_hash);

#endif
