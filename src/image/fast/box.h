/*
 * Rows of 8-bit pixels reduced by a whole number on both axes, each square to its mean, and
 * converted to planes of Y, Cb, Cr and alpha with 16 bits. A row is summed up while it is still
 * in the cache.
 *
 * Colours are multiplied by alpha: what is transparent has no colour that could bleed into its
 * neighbours. Neutral chroma is 128 levels, whatever alpha is.
 *
 * Threads: a box belongs to one thread at a time.
 */
#ifndef PXP_FAST_BOX_H
#define PXP_FAST_BOX_H

#include "image/fast/render.h"

enum { BOX_PLANES = 4, BOX_ALPHA = 3, BOX_MAX_FACTOR = 16 };

struct box {
	uint32_t width, height; /* of the picture */
	unsigned n_bands;       /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA */
	unsigned factor;        /* 1 to BOX_MAX_FACTOR */
	/* Planes of the reduced picture: 1 or 3 of colour, and [BOX_ALPHA] where there is alpha. */
	unsigned n_planes;
	bool has_alpha;
	struct plane planes[BOX_PLANES];
	bool is_opaque; /* so far no alpha was below 255 */
	/* Use no SIMD: for machines that have none, and for the tests. The planes are the same. */
	bool is_portable;

	/* The rest is the box's own. */
	struct workspace workspaces[BOX_PLANES], sums_memory, wide_memory, row_memory;
	/* Of the rows since the last row of squares, while all are opaque. */
	uint16_t *sums;
	uint32_t *wide_sums; /* the same times 255, colours times alpha */
	float *rows[BOX_PLANES];
	bool is_wide;
	unsigned n_rows;
	uint32_t y; /* the next row of squares */
};

/* Begin a picture; a box of zeros, or one that was used before. False when out of memory. */
bool box_begin(struct box *box, uint32_t width, uint32_t height, unsigned n_bands,
               unsigned factor);

/* Take the next row of the picture. */
void box_add_row(struct box *box, const uint8_t *row);

/* The planes of the picture, which stay the box's; without an orientation. */
struct decoded box_decoded(const struct box *box);

/* Free the memory. */
void box_fini(struct box *box);

/* Bytes that it holds. */
size_t box_bytes(const struct box *box);

#endif
