/*
 * Reads a picture's header before any library reads the bytes: the format, the size, and the facts
 * that determine how much memory a decoder needs.
 */
#ifndef PXP_PICTURE_HEADER_H
#define PXP_PICTURE_HEADER_H

#include "recipe/recipe.h"

/* The facts in a header. The size is 0 x 0 if it cannot be read from the header. In this case the
 * engine finds the size. */
struct picture_header {
	enum image_format format;
	struct size size; /* size as stored, not turned upright */
	/* The size at which the picture is decoded for its largest output. A drawing (SVG, PDF) is
	 * drawn at this size. It is 0 x 0 until picture.c sets it. */
	struct size decoded;
	uint32_t n_frames; /* number of frames of an animation; 1: a still picture */
	unsigned n_pixel_bytes;
	/* For a JPEG: the number of its colour components, at most 255. For other files: 0. */
	unsigned n_components;
	/* For a JPEG with several scans: the number of bytes of all its coefficients. For other
	 * files: 0. */
	uint64_t n_coefficient_bytes;
	uint32_t tile_height;
	bool is_interlaced;
};

/*
 * Read the header of an input of n_bytes. The offset of the descriptor does not change. For a GIF
 * or WebP, the whole file is searched to count the frames. `name` is the name of the input; its
 * suffix is needed to recognise a TGA and some SVG and camera RAW files. Returns false if the size
 * was not found. ret_header->format is set in any case.
 */
bool picture_header_read(int descriptor, uint64_t n_bytes, const char *name,
                         struct picture_header *ret_header);

/* Whether the numbers of bytes and pixels of the input are within the recipe's limits. If
 * header->decoded is set, its pixels count instead of those of header->size. */
bool picture_header_fits(const struct picture_header *header, const struct recipe *recipe,
                         uint64_t input_bytes);

/* Whether the number of frames is within the recipe's limit. If not, sets a failure. */
bool picture_header_check_frames(const struct picture_header *header,
                                 const struct recipe *recipe,
                                 struct failure *ret_failure);

#endif
