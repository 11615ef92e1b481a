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

	/* The header of an HDR file ends with an empty line. The next line has the sides of the
	 * picture. The order and the signs of the sides say how the pixels are stored. */
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

/* ---- JPEG 2000 ---- */

static uint32_t number_at(const uint8_t *bytes, size_t n, size_t at, unsigned n_bytes)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < n_bytes; i++)
		number = number << 8 | (at + i < n ? bytes[at + i] : 0U);
	return number;
}

struct jp2_box {
	const uint8_t *data;
	size_t n;
};

/* Find the first box of a type among n bytes of boxes. If no box has this type, the result has no
 * data. */
static struct jp2_box find_box(const uint8_t *bytes, size_t n, const char *type)
{
	enum { HEAD = 8, LONG_HEAD = 16 };

	while (n >= HEAD) {
		uint64_t length = number_at(bytes, n, 0, 4);
		size_t n_head = HEAD;

		if (length == 1) {
			n_head = LONG_HEAD;
			length = (uint64_t)number_at(bytes, n, 8, 4) << 32 |
			         number_at(bytes, n, 12, 4);
		}
		if (length == 0)
			length = n;
		if (length < n_head || length > n)
			break;
		if (memcmp(bytes + 4, type, 4) == 0)
			return (struct jp2_box){bytes + n_head, (size_t)length - n_head};
		bytes += length;
		n -= (size_t)length;
	}
	return (struct jp2_box){bytes, 0};
}

/* Get the colours from the data of the header box "jp2h". */
static enum jp2_colours colours_of_header(struct jp2_box header)
{
	enum { ENUMERATED = 1, LAB = 14, YCC = 18, EXTENDED_YCC = 24 };
	struct jp2_box colour = find_box(header.data, header.n, "colr");

	if (find_box(header.data, header.n, "pclr").n > 0)
		return JP2_PALETTE;
	if (number_at(colour.data, colour.n, 0, 1) != ENUMERATED)
		return JP2_AS_READ;
	switch (number_at(colour.data, colour.n, 3, 4)) {
	case YCC:
		return JP2_YCC;
	case 1: /* spaces 1, 3 and 4 are YCbCr with limited range, as in television */
	case 3:
	case 4:
	case LAB:
	case EXTENDED_YCC:
		return JP2_OTHER_SPACE;
	default:
		return JP2_AS_READ;
	}
}

enum jp2_colours jp2_find_colours(const uint8_t *bytes, size_t n)
{
	/* Fields of SIZ, the first segment of a codestream. Their offsets are counted from the
	 * beginning of the codestream. */
	enum { N_COMPONENTS_AT = 40, DISTANCES_AT = 43, COMPONENT_BYTES = 3 };
	enum jp2_colours colours = JP2_AS_READ;
	struct jp2_box stream = {bytes, n};
	uint32_t n_components, luma, chroma;

	if (number_at(bytes, n, 0, 2) != 0xff4f) {
		colours = colours_of_header(find_box(bytes, n, "jp2h"));
		stream = find_box(bytes, n, "jp2c");
	}
	n_components = number_at(stream.data, stream.n, N_COMPONENTS_AT, 2);
	luma = number_at(stream.data, stream.n, DISTANCES_AT, 2);
	chroma = number_at(stream.data, stream.n, DISTANCES_AT + COMPONENT_BYTES, 2);
	if (luma > 0 && luma != 0x0101)
		return JP2_COARSE;
	/* If chroma has fewer samples than luma, libvips itself converts YCbCr to RGB. */
	if (colours == JP2_YCC && (n_components < 3 || chroma != luma))
		return JP2_AS_READ;
	return colours;
}
