/* Checked parts of borrowed bytes, numbers in either byte order, and a growing buffer. */
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

void buffer_fini(struct buffer *buffer)
{
	free(buffer->at);
	*buffer = (struct buffer){0};
}

static bool make_room(struct buffer *buffer, size_t n)
{
	size_t n_needed, n_room;
	uint8_t *at;

	if (buffer->has_failed || __builtin_add_overflow(buffer->n, n, &n_needed))
		return false;
	if (n_needed <= buffer->n_room)
		return true;
	if (__builtin_mul_overflow(buffer->n_room, (size_t)2, &n_room) ||
	    n_room < n_needed)
		n_room = n_needed < 256 ? 256 : n_needed;
	at = realloc(buffer->at, n_room);
	if (!at)
		return false;
	buffer->at = at;
	buffer->n_room = n_room;
	return true;
}

uint8_t *buffer_extend(struct buffer *buffer, size_t n)
{
	uint8_t *added;

	if (!make_room(buffer, n)) {
		buffer->has_failed = true;
		return NULL;
	}
	added = buffer->at + buffer->n;
	buffer->n += n;
	return added;
}

void buffer_add(struct buffer *buffer, struct bytes bytes)
{
	uint8_t *added;

	if (bytes.n == 0)
		return;
	added = buffer_extend(buffer, bytes.n);
	if (added)
		memcpy(added, bytes.at, bytes.n);
}

void buffer_add_text(struct buffer *buffer, const char *text)
{
	buffer_add(buffer, (struct bytes){(const uint8_t *)text, strlen(text)});
}

static void put_number(uint8_t *to, uint64_t number, unsigned n_bytes, bool is_big_endian)
{
	for (unsigned i = 0; i < n_bytes; i++) {
		unsigned place = is_big_endian ? n_bytes - 1 - i : i;

		to[place] = (uint8_t)(number >> (8 * i));
	}
}

void buffer_add_number(struct buffer *buffer, uint64_t number, unsigned n_bytes,
                       bool is_big_endian)
{
	uint8_t *added = n_bytes > 0 ? buffer_extend(buffer, n_bytes) : NULL;

	if (added)
		put_number(added, number, n_bytes, is_big_endian);
}

void buffer_set_number(struct buffer *buffer, size_t offset, uint64_t number,
                       unsigned n_bytes, bool is_big_endian)
{
	if (!buffer->has_failed)
		put_number(buffer->at + offset, number, n_bytes, is_big_endian);
}

struct bytes buffer_bytes(const struct buffer *buffer)
{
	return (struct bytes){buffer->at, buffer->n};
}
