/* Hashes of file contents with libxxhash and libb2. Files are read in pieces. */
#include "common/content_hash.h"

#include "base/fd.h"

#include <blake2.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

bool content_hash_is_built(void)
{
	return true;
}

enum { PIECE_BYTES = 128 * 1024 };

typedef bool piece_fn(void *state, const void *bytes, size_t n);

/* Read a range of a file in pieces, and call `take` for each piece, in order. */
static bool read_pieces(int fd, uint64_t offset, uint64_t n_bytes, piece_fn *take,
                        void *state)
{
	unsigned char *piece = malloc(PIECE_BYTES);
	bool is_read = piece != NULL;

	while (is_read && n_bytes > 0) {
		size_t n = n_bytes < PIECE_BYTES ? (size_t)n_bytes : PIECE_BYTES;
		ssize_t got = fd_pread_full(fd, piece, n, (off_t)offset);

		if (got >= 0 && (size_t)got < n)
			errno = ENODATA;
		is_read = got >= 0 && (size_t)got == n && take(state, piece, n);
		offset += n;
		n_bytes -= n;
	}
	free(piece);
	return is_read;
}

static void keep_input_hash(XXH128_hash_t hash, struct input_hash *ret_hash)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, hash);
	memcpy(ret_hash->bytes, canonical.digest, INPUT_HASH_BYTES);
}

void input_hash_of_bytes(const void *bytes, size_t n, struct input_hash *ret_hash)
{
	keep_input_hash(XXH3_128bits(bytes, n), ret_hash);
}

static bool add_to_input_hash(void *state, const void *bytes, size_t n)
{
	return XXH3_128bits_update(state, bytes, n) == XXH_OK;
}

bool input_hash_of_file(int fd, uint64_t n_bytes, struct input_hash *ret_hash)
{
	XXH3_state_t *state = XXH3_createState();
	bool is_read = false;

	if (!state) {
		errno = ENOMEM;
		return false;
	}
	if (XXH3_128bits_reset(state) == XXH_OK)
		is_read = read_pieces(fd, 0, n_bytes, add_to_input_hash, state);
	if (is_read)
		keep_input_hash(XXH3_128bits_digest(state), ret_hash);
	XXH3_freeState(state);
	return is_read;
}

static bool add_to_output_hash(void *state, const void *bytes, size_t n)
{
	return blake2b_update(state, bytes, n) == 0;
}

bool output_hash_of_range(int fd, uint64_t offset, uint64_t n_bytes,
                          struct output_hash *ret_hash)
{
	blake2b_state state;

	return blake2b_init(&state, OUTPUT_HASH_BYTES) == 0 &&
	       read_pieces(fd, offset, n_bytes, add_to_output_hash, &state) &&
	       blake2b_final(&state, ret_hash->bytes, OUTPUT_HASH_BYTES) == 0;
}
