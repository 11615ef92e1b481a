/*
 * Our own look at a picture's header, before any library sees the bytes: the format, the size,
 * and what a decoder's need for memory depends on.
 */
#ifndef PXP_PICTURE_HEADER_H
#define PXP_PICTURE_HEADER_H

#include "recipe/recipe.h"

/* What a header says. The size is 0 x 0 where we cannot read it: its engine finds it out. */
struct picture_header {
	enum image_format format;
	struct size size; /* as stored, not turned */
	/* Of an SVG or PDF: the size at which it will be drawn. Else 0. */
	struct size decoded;
	uint32_t n_frames; /* of an animation; 1 for a still picture */
	unsigned n_pixel_bytes;
	/* All coefficients of a JPEG that is decoded in several scans, else 0. */
	uint64_t n_coefficient_bytes;
	uint32_t tile_height;
	bool is_interlaced;
};

/*
 * Read the headers at the beginning of an input of n_bytes, by position. The frames of GIF and
 * WebP are counted through the whole file. name is the input's name, by which a TGA is known.
 * False when no size was found; the rest of *ret_header is then a default.
 */
bool picture_header_read(int descriptor, uint64_t n_bytes, const char *name,
                         struct picture_header *ret_header);

/* Whether the input and its pixels are within the recipe's limits. */
bool picture_header_fits(const struct picture_header *header, const struct recipe *recipe,
                         uint64_t input_bytes);

/* Whether it has no more frames than the recipe allows; else a failure says so. */
bool picture_header_check_frames(const struct picture_header *header,
                                 const struct recipe *recipe,
                                 struct failure *ret_failure);

#endif
