/* Plain pixels: turning, cutting, flattening. */
#include "image/pixels.h"

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

bool pixels_copy(struct pixels *ret_pixels, const struct pixels *from)
{
	if (!pixels_init(ret_pixels, from->size, from->n_bands))
		return false;
	memcpy(ret_pixels->bytes, from->bytes,
	       (size_t)from->size.width * from->size.height * from->n_bands);
	return true;
}

void pixels_flatten(struct pixels *pixels, const struct colour *background)
{
	uint8_t on[3] = {255, 255, 255};
	unsigned n_from = pixels->n_bands, n_to = n_from - 1;
	size_t n_pixels = (size_t)pixels->size.width * pixels->size.height;
	const uint8_t *from = pixels->bytes;
	uint8_t *to = pixels->bytes;

	if (n_from != 2 && n_from != 4)
		return;
	if (background->is_set)
		memcpy(on,
		       (uint8_t[]){background->red, background->green, background->blue},
		       sizeof(on));
	for (size_t i = 0; i < n_pixels; i++, from += n_from) {
		unsigned alpha = from[n_to];

		for (unsigned band = 0; band < n_to; band++)
			*to++ = (uint8_t)((from[band] * alpha + on[band] * (255 - alpha) +
			                   127) /
			                  255);
	}
	pixels->n_bands = n_to;
}

/*
 * An orientation says how the camera was held. The upright pixel at x, y is a stored
 * pixel: along the stored rows or, from orientation 5 on, along the stored columns, each
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

/* Whether two pixels differ by no more than the threshold in any band. Two transparent
 * pixels are equal, whatever colour they hide. */
static bool is_alike(const uint8_t *a, const uint8_t *b, unsigned n_bands,
                     double threshold)
{
	bool has_alpha = n_bands % 2 == 0;

	if (has_alpha && a[n_bands - 1] == 0 && b[n_bands - 1] == 0)
		return true;
	for (unsigned band = 0; band < n_bands; band++) {
		if (abs(a[band] - b[band]) > threshold)
			return false;
	}
	return true;
}

struct area pixels_without_border(const struct pixels *pixels, double threshold)
{
	uint32_t width = pixels->size.width, height = pixels->size.height;
	uint32_t left = width, right = 0, top = height, bottom = 0;
	const uint8_t *pixel = pixels->bytes;

	for (uint32_t y = 0; y < height; y++) {
		for (uint32_t x = 0; x < width; x++, pixel += pixels->n_bands) {
			if (is_alike(pixel, pixels->bytes, pixels->n_bands, threshold))
				continue;
			left = x < left ? x : left;
			right = x > right ? x : right;
			top = y < top ? y : top;
			bottom = y;
		}
	}
	if (left == width)
		return (struct area){0, 0, pixels->size};
	return (struct area){left, top, {right - left + 1, bottom - top + 1}};
}

bool pixels_cut(struct pixels *pixels, const struct area *area)
{
	struct size from = pixels->size, to = area->size;
	unsigned n_bands = pixels->n_bands;
	struct pixels cut;

	if (from.width == to.width && from.height == to.height)
		return true;
	if (!pixels_init(&cut, to, n_bands))
		return false;
	for (size_t y = 0; y < to.height; y++) {
		size_t at = (area->y + y) * from.width + area->x;

		memcpy(cut.bytes + y * to.width * n_bands, pixels->bytes + at * n_bands,
		       (size_t)to.width * n_bands);
	}
	pixels_fini(pixels);
	*pixels = cut;
	return true;
}

/* Widen one pixel to more bands: grey becomes three equal colours, and a missing alpha is
 * opaque. */
static void widen(uint8_t to[4], const uint8_t *from, unsigned n_from, unsigned n_to)
{
	bool is_grey = n_from < 3, has_alpha = n_from % 2 == 0;
	unsigned n_colours = n_to - (n_to % 2 == 0);

	for (unsigned band = 0; band < n_colours; band++)
		to[band] = from[is_grey ? 0 : band];
	if (n_to % 2 == 0)
		to[n_colours] = has_alpha ? from[n_from - 1] : 255;
}

bool pixels_embed(struct pixels *pixels, const struct layout *layout,
                  const struct colour *background)
{
	struct size from = pixels->size, to = layout->canvas;
	const uint8_t paint[4] = {background->red, background->green, background->blue,
	                          background->alpha};
	bool is_grey = pixels->n_bands < 3 && paint[0] == paint[1] &&
	               paint[0] == paint[2];
	bool has_alpha = pixels->n_bands % 2 == 0 || paint[3] != 255;
	unsigned n_bands = (is_grey ? 1U : 3U) + (has_alpha ? 1U : 0U);
	const uint8_t *at = pixels->bytes;
	struct pixels canvas;
	uint8_t pixel[4];

	if (!pixels_init(&canvas, to, n_bands))
		return false;
	widen(pixel, paint, 4, n_bands);
	for (size_t i = 0; i < (size_t)to.width * to.height; i++)
		memcpy(canvas.bytes + i * n_bands, pixel, n_bands);
	for (size_t y = 0; y < from.height; y++) {
		uint8_t *out = canvas.bytes +
		               ((layout->y + y) * to.width + layout->x) * n_bands;

		for (size_t x = 0; x < from.width; x++, at += pixels->n_bands) {
			widen(pixel, at, pixels->n_bands, n_bands);
			memcpy(out + x * n_bands, pixel, n_bands);
		}
	}
	pixels_fini(pixels);
	*pixels = canvas;
	return true;
}
