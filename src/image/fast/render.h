/*
 * Renders the planes of a decoded picture to the planes of an output. The part of the picture that
 * the layout keeps is first resampled to its final size and then turned upright. At its final size
 * the part is small, so the turning is quick.
 *
 * Threads: a renderer belongs to one thread at a time.
 */
#ifndef PXP_FAST_RENDER_H
#define PXP_FAST_RENDER_H

#include "image/fast/plane.h"
#include "recipe/geometry.h"

enum { COLOUR_PLANES = 3, ALPHA = 3, MAX_PLANES = 4 };

/* A picture as it is stored: one grey plane, or the planes Y, Cb and Cr. A plane may have fewer
 * samples than the picture has pixels. */
struct decoded {
	unsigned n_planes; /* number of colour planes: 1 or 3 */
	/* If true, planes[ALPHA] is set, all planes have 16 bits, and colours are multiplied by
	 * alpha. Neutral chroma is always level 128, even where alpha is not opaque. */
	bool has_alpha;
	struct plane planes[MAX_PLANES];
	struct size size;
	unsigned orientation; /* EXIF orientation, 1 to 8, which must still be applied */
	bool is_damaged;      /* the reader has found damage and accepted it */
};

/* The planes of an output. */
struct rendered {
	unsigned n_planes;
	/* If true, planes[ALPHA] is set. In planes of 16 bits, colours are multiplied by alpha. In
	 * planes of 8 bits, they are not. */
	bool has_alpha;
	struct plane planes[MAX_PLANES];
	bool has_half_chroma;
};

struct render_options {
	/* Make chroma with half of luma's width and height, rounded up. */
	bool has_half_chroma;
	/* Make luma with the levels 16 to 235 instead of 0 to 255. If the result has alpha, also
	 * make chroma with the levels 16 to 240. */
	bool is_limited;
	/* Make planes of 16 bits in which colours stay multiplied by alpha. This is for a writer
	 * that divides by alpha itself. has_half_chroma and is_limited must be false. If a picture
	 * with alpha is flattened, its planes have 8 bits nevertheless. */
	bool is_deep;
	/* Blend the picture with a background, so that it has no alpha. The array `background` has
	 * the levels of Y, Cb and Cr. */
	bool is_flattened;
	float background[COLOUR_PLANES];
};

/* How to turn a stored picture upright. If `exchanges` is true, the axes are exchanged first. Then
 * the axes are mirrored. */
struct turn {
	bool exchanges, mirrors_x, mirrors_y;
};

/* Get the turn for an EXIF orientation from 1 to 8. */
struct turn turn_of(unsigned orientation);

struct renderer;

/* Create a renderer. Returns NULL if memory ran out. */
struct renderer *renderer_create(void);
void renderer_destroy(struct renderer *renderer); /* renderer may be NULL */

/* Free the buffers if together they have more than max_bytes. */
void renderer_trim(struct renderer *renderer, size_t max_bytes);

/* Whether this renderer supports a layout. It does not support layouts that enlarge the picture,
 * place it on a canvas, search for the part to keep, or scale only a part of the picture. */
bool render_takes_layout(const struct layout *layout, struct size from);

/*
 * Render a layout that render_takes_layout() accepts.
 *
 * layout   the layout of the upright picture.
 * return   false if memory ran out. If true, *ret_rendered has planes that belong to the renderer
 *          and are valid until its next call. A plane that needs no change is the plane of `from`
 *          itself, so the caller must not change the samples: another output may need them. The
 *          caller may write to the bytes between the rows.
 */
bool render(struct renderer *renderer, const struct decoded *from,
            const struct layout *layout, const struct render_options *options,
            struct rendered *ret_rendered);

#endif
