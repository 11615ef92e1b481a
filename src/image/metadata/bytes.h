/*
 * Byte ranges for the readers and writers of metadata: a borrowed range, whose parts are
 * checked when they are taken, and a block that grows. The bytes that are read here are
 * hostile; no function reads outside the range that it was given.
 */
#ifndef PXP_BYTES_H
#define PXP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed range of bytes; at may be NULL if n is 0. */
struct bytes {
	const uint8_t *at;
	size_t n;
};

/* The bytes of a string literal, without its final zero. */
#define BYTES_OF(literal)                                                                \
	((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

/* Take n bytes from offset on; empty if they are not all inside. */
struct bytes bytes_part(struct bytes from, size_t offset, size_t n);

/* Take everything from offset on; empty if offset is past the end. */
struct bytes bytes_after(struct bytes from, size_t offset);

bool bytes_begin_with(struct bytes bytes, struct bytes prefix);
bool bytes_equal(struct bytes a, struct bytes b);

/* Find the first occurrence of a pattern at or after from; bytes.n if it does not occur. */
size_t bytes_find(struct bytes bytes, struct bytes pattern, size_t from);

/* Read a whole number of n_bytes (at most 8) at offset; 0 if it is not completely inside. */
uint64_t bytes_number(struct bytes from, size_t offset, unsigned n_bytes,
                      bool is_big_endian);

/* The most common sizes, big-endian (_be) and little-endian (_le). */
uint32_t bytes_be16(struct bytes from, size_t offset);
uint32_t bytes_be32(struct bytes from, size_t offset);
uint32_t bytes_le32(struct bytes from, size_t offset);

/*
 * A block of bytes that grows at its end. Zeroed memory is an empty one; block_fini() frees its
 * memory and makes it empty again. If an allocation fails, has_failed is set and stays set: later
 * additions do nothing, so it is enough to check it once, at the end.
 */
struct block {
	uint8_t *at;
	size_t n, n_room;
	bool has_failed;
};

void block_fini(struct block *block);

/* Add n bytes, which the caller fills in; NULL if that failed. */
uint8_t *block_extend(struct block *block, size_t n);

void block_add(struct block *block, struct bytes bytes);
void block_add_text(struct block *block, const char *text);
void block_add_number(struct block *block, uint64_t number, unsigned n_bytes,
                      bool is_big_endian);

/* Overwrite n_bytes at offset, which must be inside. */
void block_set_number(struct block *block, size_t offset, uint64_t number,
                      unsigned n_bytes, bool is_big_endian);

/* The bytes of a block, borrowed until its next change. */
struct bytes block_bytes(const struct block *block);

#endif
