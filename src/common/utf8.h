/* Recognises characters of UTF-8. */
#ifndef PXP_UTF8_H
#define PXP_UTF8_H

#include <stddef.h>

/*
 * Get the length in bytes of the character at the beginning of a text of n bytes. If the text ends
 * with a zero byte, n may be SIZE_MAX. The function may be called by any thread.
 *
 * Returns 0 if n is 0, or if the bytes are not valid UTF-8 (Unicode 15, table 3-7: no overlong
 * forms, no surrogates, nothing above U+10FFFF).
 */
size_t utf8_length(const char *text, size_t n);

#endif
