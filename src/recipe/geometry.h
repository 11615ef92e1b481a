/*
 * The size of an output. geometry_layout(), a function without side effects, computes it for all
 * engines from the size of the picture and the requested size: the scaled size, the part to crop,
 * and its position on the canvas.
 */
#ifndef PXP_GEOMETRY_H
#define PXP_GEOMETRY_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a picture is fitted into a box whose two sides are given. With only one side, or with a
 * percentage, every mode except FIT_FILL has the effect of FIT_INSIDE. The names and their meanings
 * are those of the library sharp. */
enum fit {
	FIT_INSIDE = 0, /* the largest size that fits into the box; the default */
	/* The smallest size that covers the box. The excess is cropped. */
	FIT_COVER,
	FIT_CONTAIN, /* as FIT_INSIDE; the rest of the box shows the background */
	/* Scale each side to that of the box. A side that is not given keeps its length. */
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
	POSITION_POINT,   /* given by x_percent and y_percent of the geometry */
	POSITION_ENTROPY, /* the part with most detail; with FIT_CONTAIN the centre */
	/* The part that attracts the eye; with FIT_CONTAIN the centre. */
	POSITION_ATTENTION,
	N_POSITIONS
};

/* The requested size. All zeros: the size of the input. */
struct geometry {
	/* The sides of a box in pixels. 0: the side is not limited. Both 0: no box. */
	uint32_t width, height;
	/* Percentage of both sides, instead of a box; 0: no percentage. */
	double percent;
	bool no_enlarge; /* never enlarge: a smaller picture keeps its size */
	bool no_reduce;  /* never reduce; if no_enlarge is set too, never scale */
	enum fit fit;
	enum position position;
	/* For POSITION_POINT: the percentages of the excess that are to the left of the part and
	 * above the part. For other positions: 0. */
	double x_percent, y_percent;
};

/* the maximum side that can be requested or computed; the same as VIPS_MAX_COORD */
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
 * canvas. If a step changes nothing, the sizes before and after it are equal.
 */
struct layout {
	struct size scaled; /* size of the scaled whole picture */
	struct area part;   /* the part to keep, inside the scaled picture */
	/* The engine must search for the position of the part; until then it is at the centre. This
	 * is true for POSITION_ENTROPY and POSITION_ATTENTION if something is cropped. */
	bool is_searched;
	uint32_t x, y;      /* the position of the part on the canvas */
	struct size canvas; /* the size of the output; not smaller than the part */
	bool is_focused;    /* set by geometry_focus() */
	/* If is_focused: only this part of the picture is scaled. */
	struct area focus;
};

/* Compute the layout. Each side in the layout is 1 to UINT32_MAX. The argument `from` is the size of the
 * picture after the filters that come before scaling: of the upright picture or, with no_rotate, of the
 * picture as it is stored. Its sides must not be 0. */
struct layout geometry_layout(const struct geometry *geometry, struct size from);

/*
 * Limit scaling to the pixels that are needed, if the scaled picture would be much larger than the
 * part to keep. For example, FIT_COVER from 1 x 30000 to 500 x 500 would scale the whole picture to
 * 500 x 15000000. After this call, focus is the part of the picture to scale, scaled is the size of
 * the scaled focus, and part is the part of the scaled focus to keep. The part may move by up to
 * half a pixel of the output, which at such factors is a fraction of a pixel of the picture. Other
 * layouts do not change. If the engine must still search for the part, the sizes are correct, but
 * the positions are not. When the engine has found the part, it calls this function again.
 */
void geometry_focus(struct layout *layout, struct size from);

/*
 * Compute only the scaled size. Let w x h be the size of the picture and W x H the size of the box.
 * Let f be the smaller of w/W and h/H for FIT_COVER and FIT_OUTSIDE, and the larger for other fits.
 * If only one side of the box is given, f is the ratio of that side. A side becomes floor(side/f +
 * 0.5), but at least 1. For PNG and WebP the result is the same as that of vipsthumbnail, including
 * the rounding of exact halves, because the steps are the same. For JPEG vipsthumbnail may differ
 * by a pixel, because it rounds again after the loader has shrunk the picture.
 */
struct size geometry_size(const struct geometry *geometry, struct size from);

/*
 * Parse "N" (a box), "WxH", "Wx", "xH" or "N%", each followed by "<" (only enlarge), ">" (only
 * reduce), "!" (FIT_FILL) or nothing. The other members of *ret_geometry become 0. If the word is
 * invalid, returns false with a failure that quotes the wrong part, and leaves *ret_geometry
 * unchanged.
 */
bool geometry_parse(struct geometry *ret_geometry, const char *word,
                    struct failure *ret_failure);

/* Set the size of a geometry to one that geometry_parse() has parsed: the sides or the percentage,
 * and the mode that the character after the size selects. */
void geometry_add_size(struct geometry *geometry, const struct geometry *size);

#endif
