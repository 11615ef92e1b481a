/*
 * Fuzz target: a whole PNG file for the reader that reduces the picture while it decompresses. The
 * first byte chooses the factor. In a fuzzing build the checksums of chunks are not checked,
 * because otherwise no input would get far.
 *
 * Assertion: planes have the size from the header divided by the factor.
 *
 * The target also calls the functions that the engine calls, which choose the factor themselves.
 */
#include "fuzz.h"

#include "image/fast/codec.h"
#include "image/fast/png_read.h"
#include "image/header/picture_header.h"

#include <stdlib.h>

/* Larger pictures take too long for a fuzzer. Callers of the reader have a limit of their own. */
enum { MAX_PIXELS = 1 << 18 };

/* Decode the file again by the functions that the engine calls. */
static void decode_for_output(struct png_reader *reader, const uint8_t *bytes, size_t n,
                              unsigned factor)
{
	const struct demand demand = {.ratio = 2 * factor};
	const struct read_request request = {&demand, 1, false};
	struct picture_header picture = {.n_components = 4};
	struct read_header header;
	struct decoded decoded;

	if (png_reader.open(reader, bytes, n, &header) != READ_OK ||
	    (uint64_t)header.size.width * header.size.height > MAX_PIXELS)
		return;
	picture.size = header.size;
	CLAIM(png_reader.memory(&picture, &request) > 0);
	if (png_reader.decode(reader, &request, &decoded) == READ_OK)
		CLAIM(decoded.size.width == header.size.width && decoded.n_planes >= 1);
	if (factor == 3)
		png_reader.trim(reader, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct png_reader *reader;
	struct feed feed = {bytes, n};
	unsigned factor = 1 + feed_byte(&feed) % BOX_MAX_FACTOR;
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	struct png_reader_header header;
	const struct box *box;
	bool is_good;

	if (!reader)
		reader = png_reader.create();
	CLAIM(reader != NULL);
	is_good = png_reader_open(reader, copy, feed.n, &header) == READ_OK;
	if (is_good && (uint64_t)header.width * header.height <= MAX_PIXELS) {
		is_good = png_reader_decode(reader, factor, &box) == READ_OK;
		CLAIM(!is_good ||
		      box->planes[0].width == (header.width + factor - 1) / factor);
		CLAIM(!is_good ||
		      box->planes[0].height == (header.height + factor - 1) / factor);
		CLAIM(!is_good || box->y == box->planes[0].height);
	}
	CLAIM(is_good || png_reader.reason(reader)[0] != '\0');
	decode_for_output(reader, copy, feed.n, factor);
	free(copy);
	return 0;
}
