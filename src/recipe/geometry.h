/*
 * The size of an output. One function without side effects computes it for every engine, from the
 * size of the picture and the requested size: how far to scale, what to crop, where to place the
 * result.
 */
#ifndef PXP_GEOMETRY_H
#define PXP_GEOMETRY_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a picture fits into a box with both sides. With one side or a percentage, every mode except
 * FIT_FILL acts like FIT_INSIDE. The names and their meaning are those of the library sharp. */
enum fit {
	FIT_INSIDE = 0, /* the largest size inside the box; the default */
	/* the smallest size that covers the box; the excess is cropped */
	FIT_COVER,
	FIT_CONTAIN, /* like inside, and the rest of the box is filled with background */
	/* Scale each side separately; a side that is not limited keeps its length. */
	FIT_FILL,
	FIT_OUTSIDE, /* the smallest size that covers the box, without cropping */
	N_FITS
};

/* The part that FIT_COVER keeps, and the position where FIT_CONTAIN places the picture. */
enum position {
	POSITION_CENTRE = 0,
	POSITION_NORTH,
	POSITION_NORTHEAST,
	POSITION_EAST,
	POSITION_SOUTHEAST,
	POSITION_SOUTH,
	POSITION_SOUTHWEST,
	POSITION_WEST,
	POSITION_NORTHWEST,
	POSITION_POINT,   /* the point given by x_percent and y_percent of the geometry */
	POSITION_ENTROPY, /* the part with the most detail; for FIT_CONTAIN the centre */
	/* the part that attracts the eye; for FIT_CONTAIN the centre */
	POSITION_ATTENTION,
	N_POSITIONS
};

/* The requested size. All zeros: the size of the input. */
struct geometry {
	/* A box in pixels; 0: that side is not limited; both 0: no box. */
	uint32_t width, height;
	double percent;  /* percentage of both sides, instead of a box; 0: none */
	bool no_enlarge; /* never enlarge: a smaller picture keeps its size */
	bool no_reduce;  /* never reduce; with both flags nothing is scaled */
	enum fit fit;
	enum position position;
	/* For POSITION_POINT: the share of the excess that is on the left and above, 0 to 100;
	 * otherwise 0. */
	double x_percent, y_percent;
};

/* the maximum side, requested or computed; equals VIPS_MAX_COORD */
enum { GEOMETRY_MAX_SIDE = 10000000 };
#define GEOMETRY_MIN_PERCENT 0.001
#define GEOMETRY_MAX_PERCENT 100000

struct size {
	uint32_t width, height;
};

struct area {
	uint32_t x, y; /* the top left corner */
	struct size size;
};

/*
 * The three steps to an output: scale the whole picture, keep a part of it, place the part on a
 * canvas. A step that changes nothing has equal sizes.
 */
struct layout {
	struct size scaled; /* size of the scaled whole picture */
	struct area part;   /* the part to keep, inside the scaled picture */
	/* The part is at the centre, and the engine must search for a better position
	 * (POSITION_ENTROPY and POSITION_ATTENTION, if something is cropped). */
	bool is_searched;
	uint32_t x, y;      /* the position of the part on the canvas */
	struct size canvas; /* the size of the output; at least that of the part */
	bool is_focused;    /* set by geometry_focus() */
	struct area
		/* if is_focused: the part of the picture to scale, instead of all */
		focus;
};

/* Compute the layout. from is the size with the orientation applied (or as stored with
 * no_rotate), after the filters that come before scaling; its sides are at least 1. No
 * side of the layout is 0; a side is at most UINT32_MAX. */
struct layout geometry_layout(const struct geometry *geometry, struct size from);

/*
 * Reduce the layout of a picture that is much longer than its box to the needed part. With
 * FIT_COVER (1 x 30000 to 500 x 500), the whole picture would be scaled to a much larger size than
 * the part that is kept. After this call, scaled is the size of the focus, and part lies in the
 * focus. The part may shift by up to half a pixel of the output, which at these factors is a
 * fraction of a pixel of the picture. Other layouts do not change. For a part that must still be
 * searched for, the sizes are correct; call this again once x and y are known.
 */
void geometry_focus(struct layout *layout, struct size from);

/*
 * Compute only the first step. With the size w x h and the box W x H, f = max(w/W, h/H) over the
 * sides that are given (min for FIT_COVER and FIT_OUTSIDE); each side is floor(side/f + 0.5), at
 * least 1. The result equals that of vipsthumbnail for PNG and WebP, including the rounding of
 * exact halves, because the steps are the same. For JPEG vipsthumbnail may differ by a pixel,
 * because it rounds again after shrink-on-load.
 */
struct size geometry_size(const struct geometry *geometry, struct size from);

/*
 * Parse "N" (a box), "WxH", "Wx", "xH" or "N%", each followed by "<" (only enlarge), ">"
 * (only shrink), "!" (FIT_FILL) or nothing; the rest of *ret_geometry is 0. False with a
 * failure that quotes the wrong part; *ret_geometry is then unchanged.
 */
bool geometry_parse(struct geometry *ret_geometry, const char *word,
                    struct failure *ret_failure);

/* Merge a parsed size: the sides or the percentage, and the mode that its modifier selects. */
void geometry_add_size(struct geometry *geometry, const struct geometry *size);

#endif
