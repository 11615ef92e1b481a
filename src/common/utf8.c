/* Recognises characters of UTF-8, by the table of valid byte sequences in the Unicode standard. */
#include "common/utf8.h"

size_t utf8_length(const char *text, size_t n)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t length;

	if (n == 0)
		return 0;
	if (c[0] < 0x80)
		return 1;
	if (c[0] < 0xc2 || c[0] > 0xf4)
		return 0;
	length = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
	if (length > n)
		return 0;

	/* A zero at the end of the text is not a continuation byte, so this loop does not read
	 * beyond it. */
	for (size_t i = 1; i < length; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
	    (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return length;
}
