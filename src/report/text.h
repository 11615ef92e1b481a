/*
 * Text that grows as it is written, so that a whole line is written by one write(2), however long
 * its names are. Adding never fails: if memory runs out, or the text reaches TEXT_MAX_BYTES, the
 * rest is left out, and is_cut stays true.
 */
#ifndef PXP_TEXT_H
#define PXP_TEXT_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

enum { TEXT_MAX_BYTES = 16 * 1024 * 1024 };

struct text {
	/* The text with a final zero; NULL: nothing was added yet. */
	char *bytes;
	size_t n; /* length without the zero */
	size_t room;
	bool is_fixed; /* whether bytes belongs to the caller and cannot grow */
	bool is_cut;
};

#define TEXT_EMPTY ((struct text){.bytes = NULL})

/* Make a text in the caller's memory. room: the number of bytes of that memory, at least 1. */
struct text text_in(char *bytes, size_t room);

/* Free the bytes, unless they are fixed, and make text empty. */
void text_fini(struct text *text);

void text_add(struct text *text, const char *bytes, size_t n);
void text_put(struct text *text, const char *string);
void text_fill(struct text *text, char c, size_t n);

/* Like printf. Do not print numbers with decimals by this function, because the decimal point
 * depends on the locale. */
void text_format(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void text_vformat(struct text *text, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

#endif
