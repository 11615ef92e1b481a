/*
 * Reduces a picture of 8-bit pixels by a whole factor on both axes. Each square of pixels becomes
 * one pixel, its mean. The result is converted to planes with 16 bits: Y, or Y, Cb and Cr, and
 * alpha. Each row is added to the sums while it is still in the cache.
 *
 * Colours are multiplied by alpha, so that transparent pixels have no colour that could bleed into
 * their neighbours. The chroma of grey is level 128 of an 8-bit sample, whatever alpha the pixel
 * has.
 *
 * Threads: a box belongs to one thread at a time.
 */
#ifndef PXP_FAST_BOX_H
#define PXP_FAST_BOX_H

#include "image/fast/codec.h"

enum { BOX_PLANES = 4, BOX_ALPHA = 3, BOX_MAX_FACTOR = 16 };

struct box {
	uint32_t width, height; /* size of the picture */
	unsigned n_bands;       /* 1: grey, 2: grey and alpha, 3: RGB, 4: RGBA */
	unsigned factor;        /* reduction factor, 1 to BOX_MAX_FACTOR */
	/* Planes of the reduced picture: 1 or 3 colour planes, and planes[BOX_ALPHA] if the picture
	 * has alpha. */
	unsigned n_planes;
	bool has_alpha;
	struct plane planes[BOX_PLANES];
	bool is_opaque; /* alpha was 255 in all pixels so far */
	/* If true, SIMD is not used. This is for the tests. The planes are the same as with
	 * SIMD. */
	bool is_portable;

	/* The members below are internal. */
	struct workspace workspaces[BOX_PLANES], sums_memory, wide_memory, row_memory;
	/* A square of factor x factor pixels becomes one sample. The rows of pixels in the current
	 * row of squares are added up: `sums` and `wide_sums` have a sum for each column of pixels
	 * and each band. `sums` is used as long as all these pixels are opaque. */
	uint16_t *sums;
	/* Used as soon as one of these pixels is not opaque. Colours are multiplied by alpha, and
	 * alpha by 255. */
	uint32_t *wide_sums;
	float *rows
		[BOX_PLANES]; /* the means of a row of squares, one array for each band */
	bool is_wide;         /* wide_sums is used, not sums */
	unsigned n_rows;      /* how many rows of pixels were added up */
	uint32_t y;           /* index of the current row of squares */
};

/*
 * The factor by which a picture is reduced before resampling: the largest whole number, up to
 * BOX_MAX_FACTOR, that leaves at least twice the resolution of the largest output. If no number
 * does, the factor is 1. The formats that are reduced in this way often contain stripes and
 * drawings, which need that much resolution.
 */
unsigned box_factor(const struct read_request *request);

/* An upper bound of the bytes that a box and a renderer need together. The renderer uses the planes
 * of the box. */
uint64_t box_memory(uint32_t width, uint32_t height, unsigned n_bands, unsigned factor);

/* Begin a picture. The box must be all zeros, or must have been used before. Returns false if
 * memory ran out. */
bool box_begin(struct box *box, uint32_t width, uint32_t height, unsigned n_bands,
               unsigned factor);

/* Add the next row of the picture. */
void box_add_row(struct box *box, const uint8_t *row);

/* Get the planes of the picture. The box still owns them. The EXIF orientation is not applied. */
struct decoded box_decoded(const struct box *box);

/* Free the memory that the box holds. */
void box_fini(struct box *box);

/* How many bytes of memory the box holds. */
size_t box_bytes(const struct box *box);

#endif
