/*
 * Reads a picture's header before any library sees the bytes: the format, the size, and the facts
 * that determine a decoder's memory use.
 */
#ifndef PXP_PICTURE_HEADER_H
#define PXP_PICTURE_HEADER_H

#include "recipe/recipe.h"

/* The facts in a header. The size is 0 x 0 if we cannot read it: then the engine finds it out. */
struct picture_header {
	enum image_format format;
	struct size size; /* size as stored, not rotated */
	/* For SVG or PDF: the size at which the picture will be drawn. Otherwise 0. */
	struct size decoded;
	uint32_t n_frames; /* frames of an animation; 1 for a still picture */
	unsigned n_pixel_bytes;
	/* Bytes of all coefficients of a JPEG that is decoded in several scans, otherwise 0. */
	uint64_t n_coefficient_bytes;
	uint32_t tile_height;
	bool is_interlaced;
};

/*
 * Read the headers at the beginning of an input of n_bytes, by position. The frames of GIF and WebP
 * are counted through the whole file. name is the input's name, by which a TGA is recognised.
 * Returns false if no size was found; the rest of *ret_header then has default values.
 */
bool picture_header_read(int descriptor, uint64_t n_bytes, const char *name,
                         struct picture_header *ret_header);

/* Whether the input and its pixels are within the recipe's limits; otherwise a failure says so. */
bool picture_header_fits(const struct picture_header *header, const struct recipe *recipe,
                         uint64_t input_bytes);

/* Whether the picture has no more frames than the recipe allows; otherwise a failure says so. */
bool picture_header_check_frames(const struct picture_header *header,
                                 const struct recipe *recipe,
                                 struct failure *ret_failure);

#endif
