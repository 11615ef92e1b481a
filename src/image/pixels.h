/* Plain pixels in memory, in the form in which engines exchange them. */
#ifndef PXP_PIXELS_H
#define PXP_PIXELS_H

#include "recipe/recipe.h"

/* Pixels as rows of bytes without gaps: 1 band grey, 2 grey and alpha, 3 RGB, 4 RGBA; 8 bits, sRGB,
 * not premultiplied. */
struct pixels {
	struct size size;
	unsigned n_bands;
	uint8_t *bytes;
	void (*free_bytes)(void *bytes);
};

/* Frees the pixels; does nothing if the struct is all zeros. */
void pixels_fini(struct pixels *pixels);

/* Allocate pixels of this shape; false if memory ran out or the size is 0. */
bool pixels_init(struct pixels *ret_pixels, struct size size, unsigned n_bands);

/* The area inside the borders. A border row or column differs from the top left pixel by no more
 * than the threshold in any band. If the picture is all border, the result is the whole picture. */
struct area pixels_without_border(const struct pixels *pixels, double threshold);

#endif
