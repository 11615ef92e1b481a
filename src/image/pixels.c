#include "image/engine.h"

#include <stdlib.h>
#include <string.h>

bool pixels_init(struct pixels *ret_pixels, struct size size, unsigned n_bands)
{
	size_t n;

	memset(ret_pixels, 0, sizeof(*ret_pixels));
	if (__builtin_mul_overflow((size_t)size.width, size.height, &n) ||
	    __builtin_mul_overflow(n, n_bands, &n) || n == 0)
		return false;
	*ret_pixels = (struct pixels){size, n_bands, malloc(n), free};
	return ret_pixels->bytes != NULL;
}

void pixels_fini(struct pixels *pixels)
{
	if (pixels->bytes)
		pixels->free_bytes(pixels->bytes);
	memset(pixels, 0, sizeof(*pixels));
}

void pixels_flatten(struct pixels *pixels)
{
	unsigned n_from = pixels->n_bands, n_to = n_from - 1;
	size_t n_pixels = (size_t)pixels->size.width * pixels->size.height;
	const uint8_t *from = pixels->bytes;
	uint8_t *to = pixels->bytes;

	if (n_from != 2 && n_from != 4)
		return;
	for (size_t i = 0; i < n_pixels; i++, from += n_from) {
		unsigned alpha = from[n_to];

		for (unsigned band = 0; band < n_to; band++)
			*to++ = (uint8_t)((from[band] * alpha + 255 * (255 - alpha) +
			                   127) /
			                  255);
	}
	pixels->n_bands = n_to;
}

/*
 * An orientation says which way the camera was held. Turned upright, the pixel at x, y is
 * the stored one at: along the stored rows or, from 5 on, along the stored columns, each
 * counted from its near or its far end.
 */
bool pixels_orient(struct pixels *pixels, unsigned orientation)
{
	static const struct {
		bool is_swapped, from_right, from_bottom;
	} turns[9] = {
		[2] = {false, true, false}, [3] = {false, true, true},
		[4] = {false, false, true}, [5] = {true, false, false},
		[6] = {true, false, true},  [7] = {true, true, true},
		[8] = {true, true, false},
	};
	struct size from = pixels->size, to = from;
	unsigned n_bands = pixels->n_bands;
	struct pixels turned;

	if (orientation < 2 || orientation > 8)
		return true;
	if (turns[orientation].is_swapped)
		to = (struct size){from.height, from.width};
	if (!pixels_init(&turned, to, n_bands))
		return false;

	uint8_t *out = turned.bytes;

	for (uint32_t y = 0; y < to.height; y++) {
		for (uint32_t x = 0; x < to.width; x++, out += n_bands) {
			size_t column = turns[orientation].is_swapped ? y : x;
			size_t row = turns[orientation].is_swapped ? x : y;

			if (turns[orientation].from_right)
				column = from.width - 1 - column;
			if (turns[orientation].from_bottom)
				row = from.height - 1 - row;
			memcpy(out, pixels->bytes + (row * from.width + column) * n_bands,
			       n_bands);
		}
	}
	pixels_fini(pixels);
	*pixels = turned;
	return true;
}
