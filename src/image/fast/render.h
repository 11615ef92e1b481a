/*
 * Renders the planes of a decoded picture to those of an output: the part that the layout keeps is
 * resampled to its final size, and rotated upright afterwards, when it is small.
 *
 * Threads: a renderer belongs to one thread at a time.
 */
#ifndef PXP_FAST_RENDER_H
#define PXP_FAST_RENDER_H

#include "image/fast/plane.h"
#include "recipe/geometry.h"

enum { COLOUR_PLANES = 3, ALPHA = 3, MAX_PLANES = 4 };

/* A picture as it is stored: grey, or Y, Cb, Cr. Planes may be smaller than the picture. */
struct decoded {
	unsigned n_planes; /* number of colour planes: 1 or 3 */
	/* planes[ALPHA] is set, all have 16 bits, and colours are multiplied by alpha, with neutral
	 * chroma at 128 levels whatever alpha is. */
	bool has_alpha;
	struct plane planes[MAX_PLANES];
	struct size size;
	unsigned orientation; /* EXIF orientation, 1 to 8, which must be applied */
	bool is_damaged;      /* the reader tolerated damage */
};

/* The planes of an output. */
struct rendered {
	unsigned n_planes;
	/* Alpha, as in struct decoded if the planes have 16 bits; otherwise colours are not
	 * premultiplied. */
	bool has_alpha;
	struct plane planes[MAX_PLANES];
	bool has_half_chroma;
};

struct render_options {
	/* Chroma has half of luma's size on both axes, rounded up. */
	bool has_half_chroma;
	/* Luma has the levels 16 to 235 instead of 0 to 255; with alpha, chroma has 16 to 240. */
	bool is_limited;
	/* Make planes of 16 bits with unchanged alpha: for a writer that converts them itself. Only
	 * without chroma subsampling and with the full range. */
	bool is_deep;
	/* Blend alpha with this colour, so that no alpha is left. Levels of Y, Cb, Cr. */
	bool is_flattened;
	float background[COLOUR_PLANES];
};

/* The effect of an EXIF orientation on a picture as it is stored: first the axes are exchanged,
 * then they are mirrored. */
struct turn {
	bool exchanges, mirrors_x, mirrors_y;
};

/* Get the effect of an orientation from 1 to 8. */
struct turn turn_of(unsigned orientation);

struct renderer;

/* Create a renderer. Returns NULL if memory ran out. */
struct renderer *renderer_create(void);
void renderer_destroy(struct renderer *renderer); /* NULL is allowed */

/* Free buffers that together have more than max_bytes. */
void renderer_trim(struct renderer *renderer, size_t max_bytes);

/* Whether this renderer supports a layout: it neither enlarges a picture nor places it on a canvas
 * nor searches for the part to keep. */
bool render_takes_layout(const struct layout *layout, struct size from);

/*
 * Render a layout that render_takes_layout() accepts.
 *
 * layout   of the upright picture.
 * return   false when out of memory. Else *ret_rendered has planes of the renderer, until its
 *          next call; where nothing is to be done they are from's, and may be written to.
 */
bool render(struct renderer *renderer, const struct decoded *from,
            const struct layout *layout, const struct render_options *options,
            struct rendered *ret_rendered);

#endif
