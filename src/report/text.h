/*
 * Text that grows as it is written, so that a line can leave in one write(2) however
 * long its names are. It never fails half-way: what finds no room (memory ran out, or the
 * bound was met) is left out, and is_cut says so for good.
 */
#ifndef PXP_TEXT_H
#define PXP_TEXT_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

enum { TEXT_MAX_BYTES = 16 * 1024 * 1024 };

struct text {
	char *bytes; /* ends in a zero; NULL while nothing was ever added */
	size_t n;    /* without the zero */
	size_t room;
	bool is_fixed; /* bytes is the caller's and does not grow */
	bool is_cut;
};

#define TEXT_EMPTY ((struct text){.bytes = NULL})

/* Text in the caller's memory of room bytes, at least one. */
struct text text_in(char *bytes, size_t room);

/* Free what text holds (nothing when it is fixed) and make it empty. */
void text_fini(struct text *text);

void text_add(struct text *text, const char *bytes, size_t n);
void text_put(struct text *text, const char *string);
void text_fill(struct text *text, char c, size_t n);

/* printf, without numbers that have a fraction: their point follows the locale. */
void text_format(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void text_vformat(struct text *text, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

#endif
