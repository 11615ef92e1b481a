/*
 * Text in memory that grows as text is added. So a whole line can be written by one write(2),
 * however long the names in the line are. Adding never fails. If memory runs out, or the text would
 * exceed TEXT_MAX_BYTES or the memory of the caller, the rest is left out, and is_cut becomes true
 * and stays true.
 */
#ifndef PXP_TEXT_H
#define PXP_TEXT_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

enum { TEXT_MAX_BYTES = 16 * 1024 * 1024 };

struct text {
	/* The text with a NUL at its end. If the pointer is NULL, the text is empty. */
	char *bytes;
	size_t n; /* length without the NUL */
	size_t room;
	bool is_fixed; /* whether `bytes` is memory of the caller, which cannot grow */
	bool is_cut;
};

#define TEXT_EMPTY ((struct text){.bytes = NULL})

/* Make a text in the caller's memory. `room` is the size of this memory in bytes, at least 1. */
struct text text_in(char *bytes, size_t room);

/* Free the memory, unless it belongs to the caller, and make the text empty. */
void text_fini(struct text *text);

void text_add(struct text *text, const char *bytes, size_t n);
void text_put(struct text *text, const char *string);
void text_fill(struct text *text, char c, size_t n);

/* Add a text as printf() does. Do not use this function for numbers with decimals, because the
 * decimal point depends on the locale. */
void text_format(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void text_vformat(struct text *text, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

#endif
