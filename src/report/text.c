/* A text grows in its own memory, or has a fixed size in the memory of the caller. */
#include "report/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 256 };

struct text text_in(char *bytes, size_t room)
{
	bytes[0] = 0;
	return (struct text){.bytes = bytes, .room = room, .is_fixed = true};
}

void text_fini(struct text *text)
{
	if (!text->is_fixed)
		free(text->bytes);
	*text = TEXT_EMPTY;
}

/* Make room for n more bytes and the NUL. Returns how many of the n bytes fit. */
static size_t reserve(struct text *text, size_t n)
{
	size_t room = text->room ? text->room : FIRST_ROOM;
	char *grown;

	if (n < text->room - text->n)
		return n;
	while (room <= TEXT_MAX_BYTES && n >= room - text->n)
		room *= 2;

	grown = text->is_fixed || room > TEXT_MAX_BYTES ? NULL
	                                                : realloc(text->bytes, room);
	if (!grown) {
		text->is_cut = true;
		return text->room ? text->room - text->n - 1 : 0;
	}
	text->bytes = grown;
	text->room = room;
	return n;
}

void text_add(struct text *text, const char *bytes, size_t n)
{
	n = reserve(text, n);
	if (!text->bytes)
		return;
	memcpy(text->bytes + text->n, bytes, n);
	text->n += n;
	text->bytes[text->n] = 0;
}

void text_put(struct text *text, const char *string)
{
	text_add(text, string, strlen(string));
}

void text_fill(struct text *text, char c, size_t n)
{
	n = reserve(text, n);
	if (!text->bytes)
		return;
	memset(text->bytes + text->n, c, n);
	text->n += n;
	text->bytes[text->n] = 0;
}

void text_vformat(struct text *text, const char *format, va_list args)
{
	va_list again;
	size_t n;
	int length;

	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0) {
		text->is_cut = true;
		return;
	}
	n = reserve(text, (size_t)length);
	if (!text->bytes)
		return;
	vsnprintf(text->bytes + text->n, n + 1, format, args);
	text->n += n;
}

void text_format(struct text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_vformat(text, format, args);
	va_end(args);
}
