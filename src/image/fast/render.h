/*
 * Renders the planes of a decoded picture to the planes of an output. The part of the picture that
 * the layout keeps is resampled to its final size and then rotated upright, which is quick because
 * the part is small by then.
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
	/* If true, planes[ALPHA] is set, all planes have 16 bits, and colours are multiplied by
	 * alpha. Neutral chroma is 128 levels, whatever alpha is. */
	bool has_alpha;
	struct plane planes[MAX_PLANES];
	struct size size;
	unsigned orientation; /* EXIF orientation, 1 to 8, not applied yet */
	bool is_damaged;      /* the reader found damage and tolerated it */
};

/* The planes of an output. */
struct rendered {
	unsigned n_planes;
	/* If true, planes[ALPHA] is set. Colours are multiplied by alpha if the planes have 16
	 * bits, but not if they have 8 bits. */
	bool has_alpha;
	struct plane planes[MAX_PLANES];
	bool has_half_chroma;
};

struct render_options {
	/* Chroma has half of luma's size on both axes, rounded up. */
	bool has_half_chroma;
	/* Luma has the levels 16 to 235 instead of 0 to 255. In a picture with alpha, chroma has
	 * the levels 16 to 240. */
	bool is_limited;
	/* Make planes of 16 bits in which colours stay multiplied by alpha, for a writer that
	 * divides by alpha itself. Requires that has_half_chroma and is_limited are false. */
	bool is_deep;
	/* Blend with the colour background, so that no alpha is left. background has levels of Y,
	 * Cb and Cr. */
	bool is_flattened;
	float background[COLOUR_PLANES];
};

/* The effect of an EXIF orientation on a picture as it is stored. If the axes are both exchanged
 * and mirrored, they are exchanged first. */
struct turn {
	bool exchanges, mirrors_x, mirrors_y;
};

/* Get the effect of an orientation from 1 to 8. */
struct turn turn_of(unsigned orientation);

struct renderer;

/* Create a renderer. Returns NULL if memory ran out. */
struct renderer *renderer_create(void);
void renderer_destroy(struct renderer *renderer); /* NULL is allowed */

/* Free the buffers if together they have more than max_bytes. */
void renderer_trim(struct renderer *renderer, size_t max_bytes);

/* Whether this renderer supports a layout. It does not support layouts that enlarge the picture,
 * place it on a canvas, or search for the part to keep. */
bool render_takes_layout(const struct layout *layout, struct size from);

/*
 * Render a layout that render_takes_layout() accepts.
 *
 * layout   that of the upright picture.
 * return   false if memory ran out. Otherwise *ret_rendered has planes that belong to the renderer
 *          and are valid until its next call. A plane that needs no change is that of `from`. The
 *          caller may write to all these planes.
 */
bool render(struct renderer *renderer, const struct decoded *from,
            const struct layout *layout, const struct render_options *options,
            struct rendered *ret_rendered);

#endif
