/* Plain pixels in memory: engines exchange them, and the stb engine works on them. */
#ifndef PXP_PIXELS_H
#define PXP_PIXELS_H

#include "recipe/recipe.h"

/* Rows of bytes without gaps: 1 band grey, 2 grey and alpha, 3 RGB, 4 RGBA; 8 bit, sRGB, alpha not
 * multiplied in. */
struct pixels {
	struct size size;
	unsigned n_bands;
	uint8_t *bytes;
	void (*free_bytes)(void *bytes);
};

void pixels_fini(struct pixels *pixels); /* does nothing if the struct is all zeros */

/* A buffer for pixels of this shape; false when memory ran out or it has no size. */
bool pixels_init(struct pixels *ret_pixels, struct size size, unsigned n_bands);

/* A copy; false when memory ran out. */
bool pixels_copy(struct pixels *ret_pixels, const struct pixels *from);

/* Put alpha on a colour (white when it is not set), in place; nothing to do without
 * alpha. */
void pixels_flatten(struct pixels *pixels, const struct colour *background);

/* Turn by an EXIF orientation, 1 to 8. False when memory ran out. */
bool pixels_orient(struct pixels *pixels, unsigned orientation);

/* The area inside the borders. A border row or column differs from the top left pixel by no more
 * than the threshold in any band. If the picture is all border, the result is the whole picture. */
struct area pixels_without_border(const struct pixels *pixels, double threshold);

/* Keep an area alone. In place; false when memory ran out. */
bool pixels_cut(struct pixels *pixels, const struct area *area);

/* Put the pixels at their place on the layout's canvas. Grey becomes RGB if the background is
 * not grey, and alpha is added if the background is not opaque. In place; false when memory ran
 * out. */
bool pixels_embed(struct pixels *pixels, const struct layout *layout,
                  const struct colour *background);

#endif
