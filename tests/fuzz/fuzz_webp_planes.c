/*
 * Fuzz target: the reader of WebP in the fast engine. The first byte of the input selects how far
 * the picture is reduced.
 */
#include "fuzz.h"

#include "image/fast/codec.h"

#include <stdlib.h>

enum { MAX_PIXELS = 1 << 18 };

static void claim_planes(const struct decoded *decoded, const struct size *size)
{
	unsigned n = decoded->has_alpha ? MAX_PLANES : decoded->n_planes;

	CLAIM(decoded->n_planes == COLOUR_PLANES && !decoded->is_damaged);
	CLAIM(decoded->size.width == size->width && decoded->size.height == size->height);
	for (unsigned i = 0; i < n; i++) {
		const struct plane *plane = &decoded->planes[i];

		CLAIM(plane->width > 0 && plane->width <= size->width);
		CLAIM(plane->height > 0 && plane->height <= size->height);
		CLAIM(plane->true_width > 0 && plane->true_width <= plane->width);
		CLAIM(plane->true_height > 0 && plane->true_height <= plane->height);
		CLAIM(plane->n_bits == decoded->planes[0].n_bits);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static void *reader;
	struct feed feed = {bytes, n};
	const struct demand demand = {.ratio = 1 + feed_byte(&feed) % 64 / 2.0};
	const struct read_request request = {.demands = &demand, .n_demands = 1};
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	struct read_header header;
	struct decoded decoded;
	enum read_status status;

	if (!reader)
		reader = webp_reader.create();
	CLAIM(reader != NULL);
	status = webp_reader.open(reader, copy, feed.n, &header);
	if (status == READ_OK && header.size.width * header.size.height <= MAX_PIXELS) {
		status = webp_reader.decode(reader, &request, &decoded);
		if (status == READ_OK)
			claim_planes(&decoded, &header.size);
	}
	CLAIM(status == READ_OK || webp_reader.reason(reader)[0] != '\0');
	free(copy);
	return 0;
}
