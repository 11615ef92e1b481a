/* The stb engine's look at a header, before stb_image's own. */
#include "image/engine.h"
#include "image/header/header_quirks.h"
#include "image/stb/stb.h"

#include <string.h>

static uint64_t number_at(const struct source *source, uint64_t at, unsigned n)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number = number << 8 |
		         (at + i < source->n_bytes ? source->bytes[at + i] : 0);
	return number;
}

/*
 * stb has its reasons overwritten by those of the formats that it tries next: that a PNG is
 * larger than it reads is seen here, in the header that stands first.
 */
static bool png_is_too_big(const struct source *source)
{
	enum { WIDTH_AT = 16, HEIGHT_AT = 20, COLOURS_AT = 25, MOST = 1 << 30 };
	const uint8_t *b = source->bytes;
	uint64_t width, height, n_bands;

	if (source->format != FORMAT_PNG || source->n_bytes <= COLOURS_AT)
		return false;
	width = number_at(source, WIDTH_AT, 4);
	height = number_at(source, HEIGHT_AT, 4);
	n_bands = b[COLOURS_AT] == 3
	                  ? 4
	                  : (b[COLOURS_AT] & 2 ? 3U : 1U) + (b[COLOURS_AT] & 4 ? 1U : 0U);
	return width > STBI_MAX_DIMENSIONS || height > STBI_MAX_DIMENSIONS ||
	       width * height > MOST / n_bands;
}

/* Of a PSD stb_image takes RGB alone, and says of others that they are no picture; of 16 bits
 * in runs it takes the bytes for samples. */
static bool check_psd(const struct source *source, struct failure *ret_failure)
{
	enum { DEPTH_AT = 22, MODE_AT = 24, SECTIONS_AT = 26, RGB = 3, RUNS = 1 };
	uint64_t at = SECTIONS_AT;

	if (number_at(source, MODE_AT, 2) != RGB)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a PSD that is not RGB, which is not read: "
		                   "save it as TIFF first");
	/* Colours, resources, layers. */
	for (int section = 0; section < 3; section++)
		at += 4 + number_at(source, at, 4);
	if (number_at(source, DEPTH_AT, 2) == 16 && number_at(source, at, 2) == RUNS)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a compressed PSD of 16 bits, which is not "
		                   "read: save it as TIFF first");
	return true;
}

static uint32_t little_endian(const struct source *source, uint64_t at)
{
	return __builtin_bswap32((uint32_t)number_at(source, at, 4));
}

/* Of a BMP stb_image takes pixels as they lie there, right behind a header of few kinds. */
static bool check_bmp(const struct source *source, struct failure *ret_failure)
{
	enum { HEADER_AT = 14, COMPRESSION_AT = 30, OLDEST = 12, FIELDS = 3 };
	static const uint32_t known[] = {OLDEST, 40, 56, 108, 124};
	uint32_t n_header = little_endian(source, HEADER_AT);
	uint32_t compression = little_endian(source, COMPRESSION_AT);
	bool is_known = false;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		is_known |= n_header == known[i];
	if (is_known && n_header != OLDEST)
		is_known = compression == 0 || (compression == FIELDS && n_header != 56);
	return is_known ||
	       failure_set(ret_failure, FAIL_UNSUPPORTED,
	                   "header: a BMP that is compressed, or of a rare kind, which "
	                   "is not read: save it as PNG first");
}

/* Of samples up to another number than 255 stb_image makes wrong ones. */
static bool check_pnm(const struct source *source, struct failure *ret_failure)
{
	return pnm_max_value(source->bytes, source->n_bytes) == 255 ||
	       failure_set(ret_failure, FAIL_UNSUPPORTED,
	                   "header: a PNM of other than 8 bits, which needs the vips "
	                   "engine");
}

bool ps_check_header(const struct source *source, struct failure *ret_failure)
{
	switch (source->format) {
	case FORMAT_PNG:
		return !png_is_too_big(source) ||
		       failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: a larger PNG than the stb engine reads");
	case FORMAT_BMP:
		return check_bmp(source, ret_failure);
	case FORMAT_PSD:
		return check_psd(source, ret_failure);
	case FORMAT_PNM:
		/* Others than P5 and P6 it refuses. */
		if (source->n_bytes > 2 &&
		    (source->bytes[1] == '5' || source->bytes[1] == '6'))
			return check_pnm(source, ret_failure);
		return true;
	default:
		return true;
	}
}
