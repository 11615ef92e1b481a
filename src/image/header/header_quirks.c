/* Reads header fields that the decoding libraries ignore. */
#include "image/header/header_quirks.h"

#include "image/header/metadata_scan.h"

#include <string.h>

/* Whether the line at offset `at` begins with the text `words`. *ret_next becomes the offset of the
 * next line. */
static bool line_is(const uint8_t *bytes, size_t n, size_t at, const char *words,
                    size_t *ret_next)
{
	const uint8_t *end = memchr(bytes + at, '\n', n - at);
	size_t n_line = (end ? (size_t)(end - bytes) : n) - at, n_words = strlen(words);

	*ret_next = at + n_line + (end ? 1 : 0);
	return n_line >= n_words && memcmp(bytes + at, words, n_words) == 0;
}

bool hdr_is_rgb_from_top_left(const uint8_t *bytes, size_t n)
{
	size_t at = 0, next;

	/* The header ends with an empty line. The next line has the sides of the picture. The order
	 * and the signs of the sides say how the pixels are stored. */
	while (at < n && bytes[at] != '\n') {
		if (line_is(bytes, n, at, "FORMAT=32-bit_rle_xyze", &next))
			return false;
		at = next;
	}
	if (n - at < 2)
		return true; /* the header is truncated; the decoder reports that */
	at++;
	return line_is(bytes, n, at, "-Y ", &next) &&
	       memmem(bytes + at, next - at, " +X ", 4);
}

bool tiff_is_raw_ycbcr(const uint8_t *bytes, size_t n)
{
	enum { COMPRESSION = 259, PHOTOMETRIC = 262, OLD_JPEG = 6, JPEG = 7, YCC = 6 };
	unsigned compression = tiff_short(bytes, n, COMPRESSION, 1);

	return tiff_short(bytes, n, PHOTOMETRIC, 0) == YCC && compression != JPEG &&
	       compression != OLD_JPEG;
}
