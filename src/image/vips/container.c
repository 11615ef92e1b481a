/* Take the EXIF out of JPEG and WebP files that our own encoders wrote. */
#include "image/vips/container.h"

#include <string.h>

static size_t cut(uint8_t *bytes, size_t n, size_t at, size_t n_cut)
{
	memmove(bytes + at, bytes + at + n_cut, n - at - n_cut);
	return n - n_cut;
}

size_t jpeg_drop_exif(uint8_t *bytes, size_t n)
{
	enum { START = 2, APP0 = 0xe0, APP1 = 0xe1, APP15 = 0xef, COMMENT = 0xfe };
	size_t at = START;

	while (at < n && n - at >= 10 && bytes[at] == 0xff) {
		uint8_t marker = bytes[at + 1];
		size_t n_segment = 2 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]);

		/* Metadata come before everything else. */
		if (n_segment > n - at ||
		    ((marker < APP0 || marker > APP15) && marker != COMMENT))
			return n;
		if (marker == APP1 && memcmp(bytes + at + 4, "Exif\0\0", 6) == 0)
			n = cut(bytes, n, at, n_segment);
		else
			at += n_segment;
	}
	return n;
}

static size_t little_endian(const uint8_t *at)
{
	return (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 |
	       (size_t)at[3] << 24;
}

size_t webp_drop_exif(uint8_t *bytes, size_t n)
{
	enum { HEAD = 12, CHUNK_HEAD = 8, FLAG_EXIF = 0x08 };
	size_t at = HEAD;

	if (n < HEAD || memcmp(bytes, "RIFF", 4) != 0 ||
	    memcmp(bytes + 8, "WEBP", 4) != 0 || little_endian(bytes + 4) + 8 != n)
		return n;
	while (n - at >= CHUNK_HEAD) {
		size_t n_data = little_endian(bytes + at + 4), n_chunk;

		n_chunk = CHUNK_HEAD + n_data + (n_data & 1);
		if (n_chunk > n - at)
			break;
		if (memcmp(bytes + at, "VP8X", 4) == 0 && n_data > 0)
			bytes[at + CHUNK_HEAD] &= (uint8_t)~FLAG_EXIF;
		if (memcmp(bytes + at, "EXIF", 4) == 0)
			n = cut(bytes, n, at, n_chunk);
		else
			at += n_chunk;
	}
	for (int i = 0; i < 4; i++)
		bytes[4 + i] = (uint8_t)((n - 8) >> (8 * i));
	return n;
}

static size_t big_endian(const uint8_t *at)
{
	return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 |
	       (size_t)at[3];
}

size_t png_drop_density(uint8_t *bytes, size_t n)
{
	enum { HEAD = 8, CHUNK = 12 };
	size_t at = HEAD;

	while (at < n && n - at >= CHUNK) {
		size_t n_data = big_endian(bytes + at);

		/* The density comes before the pixels. */
		if (n_data > n - at - CHUNK || memcmp(bytes + at + 4, "IDAT", 4) == 0)
			return n;
		if (memcmp(bytes + at + 4, "pHYs", 4) == 0)
			return cut(bytes, n, at, CHUNK + n_data);
		at += CHUNK + n_data;
	}
	return n;
}
