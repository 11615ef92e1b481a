/* Plain pixels in memory: the form in which engines exchange pixels. */
#ifndef PXP_PIXELS_H
#define PXP_PIXELS_H

#include "recipe/recipe.h"

/* Pixels in rows without gaps, with 8 bits for each band, in sRGB. 1 band is grey, 2 grey and
 * alpha, 3 RGB, 4 RGBA. Colours are not multiplied by alpha. */
struct pixels {
	struct size size;
	unsigned n_bands;
	uint8_t *bytes;
	void (*free_bytes)(void *bytes);
};

/* Free the bytes of the pixels. A struct that is all zeros is allowed. */
void pixels_fini(struct pixels *pixels);

/* Allocate pixels of this size and number of bands. Returns false if memory ran out or a side is
 * 0. */
bool pixels_init(struct pixels *ret_pixels, struct size size, unsigned n_bands);

/* The area inside the borders of the picture. A border consists of rows and columns whose pixels
 * all differ from the top left pixel by at most the threshold in each band. Two fully transparent
 * pixels count as equal. If the picture is all border, the result is the whole picture. */
struct area pixels_without_border(const struct pixels *pixels, double threshold);

#endif
