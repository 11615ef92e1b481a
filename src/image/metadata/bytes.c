/* Ranges of borrowed bytes, numbers in both byte orders, and blocks of bytes that grow. */
#include "image/metadata/bytes.h"

#include <stdlib.h>
#include <string.h>

struct bytes bytes_part(struct bytes from, size_t offset, size_t n)
{
	if (offset > from.n || n > from.n - offset || n == 0)
		return (struct bytes){NULL, 0};
	return (struct bytes){from.at + offset, n};
}

struct bytes bytes_after(struct bytes from, size_t offset)
{
	return offset < from.n ? bytes_part(from, offset, from.n - offset)
	                       : (struct bytes){NULL, 0};
}

bool bytes_begin_with(struct bytes bytes, struct bytes prefix)
{
	return prefix.n == 0 ||
	       (bytes.n >= prefix.n && memcmp(bytes.at, prefix.at, prefix.n) == 0);
}

bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.n == b.n && bytes_begin_with(a, b);
}

size_t bytes_find(struct bytes bytes, struct bytes pattern, size_t from)
{
	const uint8_t *found;

	if (from >= bytes.n)
		return bytes.n;
	found = memmem(bytes.at + from, bytes.n - from, pattern.at, pattern.n);
	return found ? (size_t)(found - bytes.at) : bytes.n;
}

bool bytes_contain_any(struct bytes bytes, const struct bytes *patterns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes_find(bytes, patterns[i], 0) < bytes.n)
			return true;
	}
	return false;
}

uint64_t bytes_number(struct bytes from, size_t offset, unsigned n_bytes,
                      bool is_big_endian)
{
	struct bytes part = bytes_part(from, offset, n_bytes);
	uint64_t number = 0;

	for (size_t i = 0; i < part.n; i++)
		number = number << 8 | part.at[is_big_endian ? i : part.n - 1 - i];
	return number;
}

uint32_t bytes_be16(struct bytes from, size_t offset)
{
	return (uint32_t)bytes_number(from, offset, 2, true);
}

uint32_t bytes_be32(struct bytes from, size_t offset)
{
	return (uint32_t)bytes_number(from, offset, 4, true);
}

uint32_t bytes_le32(struct bytes from, size_t offset)
{
	return (uint32_t)bytes_number(from, offset, 4, false);
}

void block_fini(struct block *block)
{
	free(block->at);
	*block = (struct block){0};
}

static bool make_room(struct block *block, size_t n)
{
	size_t n_needed, n_room;
	uint8_t *at;

	if (block->has_failed || __builtin_add_overflow(block->n, n, &n_needed))
		return false;
	if (n_needed <= block->n_room)
		return true;
	if (__builtin_mul_overflow(block->n_room, (size_t)2, &n_room) ||
	    n_room < n_needed)
		n_room = n_needed < 256 ? 256 : n_needed;
	at = realloc(block->at, n_room);
	if (!at)
		return false;
	block->at = at;
	block->n_room = n_room;
	return true;
}

uint8_t *block_extend(struct block *block, size_t n)
{
	uint8_t *added;

	if (!make_room(block, n)) {
		block->has_failed = true;
		return NULL;
	}
	added = block->at + block->n;
	block->n += n;
	return added;
}

void block_add(struct block *block, struct bytes bytes)
{
	uint8_t *added;

	if (bytes.n == 0)
		return;
	added = block_extend(block, bytes.n);
	if (added)
		memcpy(added, bytes.at, bytes.n);
}

void block_add_text(struct block *block, const char *text)
{
	block_add(block, (struct bytes){(const uint8_t *)text, strlen(text)});
}

static void put_number(uint8_t *to, uint64_t number, unsigned n_bytes, bool is_big_endian)
{
	for (unsigned i = 0; i < n_bytes; i++) {
		unsigned place = is_big_endian ? n_bytes - 1 - i : i;

		to[place] = (uint8_t)(number >> (8 * i));
	}
}

void block_add_number(struct block *block, uint64_t number, unsigned n_bytes,
                      bool is_big_endian)
{
	uint8_t *added = n_bytes > 0 ? block_extend(block, n_bytes) : NULL;

	if (added)
		put_number(added, number, n_bytes, is_big_endian);
}

void block_set_number(struct block *block, size_t offset, uint64_t number,
                      unsigned n_bytes, bool is_big_endian)
{
	if (!block->has_failed)
		put_number(block->at + offset, number, n_bytes, is_big_endian);
}

struct bytes block_bytes(const struct block *block)
{
	return (struct bytes){block->at, block->n};
}
