/*
 * Bytes for the readers and writers of metadata. struct bytes is a borrowed range. struct block is
 * memory that grows. The bytes that are read are hostile: no function reads outside the range that
 * it gets.
 */
#ifndef PXP_BYTES_H
#define PXP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed range of n bytes. `at` points to the first byte, and may be NULL if n is 0. */
struct bytes {
	const uint8_t *at;
	size_t n;
};

/* The bytes of a string literal, without its final zero. */
#define BYTES_OF(literal)                                                                \
	((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

/* Get the `n` bytes that begin at `offset`. The result is empty if one of these bytes is outside
 * the range. */
struct bytes bytes_part(struct bytes from, size_t offset, size_t n);

/* Get all bytes from `offset` to the end. The result is empty if `offset` is outside the range. */
struct bytes bytes_after(struct bytes from, size_t offset);

bool bytes_begin_with(struct bytes bytes, struct bytes prefix);
bool bytes_equal(struct bytes a, struct bytes b);

/* Find a pattern, beginning at the offset `from`. Returns the first offset where the pattern
 * occurs, or bytes.n if the pattern does not occur. */
size_t bytes_find(struct bytes bytes, struct bytes pattern, size_t from);

/* Whether at least one of n patterns occurs in the bytes. */
bool bytes_contain_any(struct bytes bytes, const struct bytes *patterns, size_t n);

/* Read a whole number of n_bytes bytes (at most 8) at offset. Returns 0 if the number is not
 * completely inside the range. */
uint64_t bytes_number(struct bytes from, size_t offset, unsigned n_bytes,
                      bool is_big_endian);

/* Read a number of 16 or 32 bits, big-endian (be) or little-endian (le). */
uint32_t bytes_be16(struct bytes from, size_t offset);
uint32_t bytes_be32(struct bytes from, size_t offset);
uint32_t bytes_le32(struct bytes from, size_t offset);

/*
 * A block of bytes that grows at its end. A block whose members are all 0 is empty and valid.
 * block_fini() frees its memory and makes it empty again. If an allocation fails, has_failed is
 * set, and later additions do nothing. So the caller may check has_failed once, after the last
 * addition.
 */
struct block {
	uint8_t *at;
	size_t n, n_room;
	bool has_failed;
};

void block_fini(struct block *block);

/* Append n bytes that the caller fills in. Returns a pointer to these bytes, or NULL if memory ran
 * out. */
uint8_t *block_extend(struct block *block, size_t n);

void block_add(struct block *block, struct bytes bytes);
void block_add_text(struct block *block, const char *text);
void block_add_number(struct block *block, uint64_t number, unsigned n_bytes,
                      bool is_big_endian);

/* Overwrite n_bytes bytes at `offset` with a number. These bytes must be inside the block. */
void block_set_number(struct block *block, size_t offset, uint64_t number,
                      unsigned n_bytes, bool is_big_endian);

/* The bytes of a block, borrowed until the block changes. */
struct bytes block_bytes(const struct block *block);

#endif
