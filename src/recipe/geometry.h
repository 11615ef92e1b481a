/*
 * The size of an output. One pure function says it for every engine, from the picture's
 * size and what was asked for: how far to scale, what to cut off, where to put the rest.
 */
#ifndef PXP_GEOMETRY_H
#define PXP_GEOMETRY_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a picture comes into a box of both sides; with one side or a percentage all but
 * FIT_FILL are FIT_INSIDE. The words and what they mean are sharp's. */
enum fit {
	FIT_INSIDE = 0, /* the largest that fits into it; the default */
	FIT_COVER,      /* the smallest that covers it, and what sticks out cut off */
	FIT_CONTAIN, /* as inside, and the rest of the box filled with the background */
	FIT_FILL,    /* each side for itself; a free side keeps its length */
	FIT_OUTSIDE, /* the smallest that covers it, nothing cut off */
	N_FITS
};

/* Which part FIT_COVER keeps, and where in the box FIT_CONTAIN puts the picture. */
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
	POSITION_ENTROPY,   /* the part that looks busiest; of FIT_CONTAIN the centre */
	POSITION_ATTENTION, /* the part that draws the eye; of FIT_CONTAIN the centre */
	N_POSITIONS
};

/* What is asked for. Zeros keep the size. */
struct geometry {
	uint32_t width,
		height;  /* a box in pixels; 0 leaves that side free; both 0: none */
	double percent;  /* of both sides, instead of a box; 0: not asked for */
	bool no_enlarge; /* no side is scaled up; a smaller picture stays as it is */
	bool no_reduce;  /* no side is scaled down; with both nothing is scaled */
	enum fit fit;
	enum position position;
};

enum { GEOMETRY_MAX_SIDE = 10000000 }; /* asked for or computed; as VIPS_MAX_COORD */
#define GEOMETRY_MIN_PERCENT 0.001
#define GEOMETRY_MAX_PERCENT 100000

struct size {
	uint32_t width, height;
};

struct area {
	uint32_t x, y; /* of its top left corner */
	struct size size;
};

/*
 * The way to an output, in three steps: scale the whole picture, keep a part of that, put
 * the part on a canvas. A step that changes nothing has sizes that are equal.
 */
struct layout {
	struct size scaled; /* the whole picture's */
	struct area part;   /* of the scaled picture; never beyond its sides */
	/* x and y of the part are the centre's, and the engine looks for better ones
	 * (POSITION_ENTROPY and POSITION_ATTENTION, when something is cut off). */
	bool is_searched;
	uint32_t x, y;      /* where the part's top left corner lies on the canvas */
	struct size canvas; /* the output's size; never less than the part's */
	bool is_focused;    /* by geometry_focus() */
	struct area
		focus; /* when is_focused: what of the picture is scaled, instead of all */
};

/* from is the true size, with the orientation applied (as stored, when it is not to be),
 * and after the filters that come before scaling; its sides are 1 or more. No side of the
 * layout is 0; a side beyond UINT32_MAX is that. */
struct layout geometry_layout(const struct geometry *geometry, struct size from);

/*
 * Where a picture that is much longer than its box would be scaled to far more than what is
 * kept of it (FIT_COVER; a thread of 1 x 30000 to 500 x 500), scale only what that part and
 * the pixels around it come from: scaled becomes the focus', part lies in that. It may come
 * to lie up to half a pixel of the output beside where it was, which at these factors is
 * little of a pixel of the picture. Nothing to do for all others. Of a part that is yet to be
 * searched for, the sizes are right: once it is found, ask again with its x and y.
 */
void geometry_focus(struct layout *layout, struct size from);

/*
 * The first step alone. With the true size w x h and the box W x H, f = max(w/W, h/H) over
 * the sides that are asked for (min for FIT_COVER and FIT_OUTSIDE), then each side is
 * floor(side/f + 0.5), at least 1. It equals vipsthumbnail on PNG and WebP to the last
 * half, computing in libvips' own steps; on JPEG vipsthumbnail may be a pixel off, since
 * it rounds once more after shrink-on-load.
 */
struct size geometry_size(const struct geometry *geometry, struct size from);

/*
 * "N" (a box), "WxH", "Wx", "xH", "N%", each with one of "<" (only enlarge), ">" (only
 * shrink), "!" (FIT_FILL) behind it; the rest of *ret_geometry is 0. False with a message
 * that points at the wrong part, and *ret_geometry as it was.
 */
bool geometry_parse(struct geometry *ret_geometry, const char *word,
                    struct failure *ret_failure);

/* Take over what was parsed: sides or percentage, and what its mark asks for on top. */
void geometry_add_size(struct geometry *geometry, const struct geometry *size);

#endif
