/* Allocates and frees plain pixels, and finds their borders. */
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

/* Whether two pixels are alike: in each band they differ by at most the threshold. Two fully
 * transparent pixels are alike, whatever their hidden colours are. */
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
