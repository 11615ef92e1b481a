/*
 * The size of an output. geometry_layout() computes it for all engines, from the size of the
 * picture and the requested size. The result is the scaled size, the part to keep, and the position
 * of the part on the canvas. The function has no side effects.
 */
#ifndef PXP_GEOMETRY_H
#define PXP_GEOMETRY_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a picture is fitted into a box whose two sides are given. If only one side is given, every
 * mode except FIT_FILL is the same as FIT_INSIDE. With a percentage, the mode has no effect. The
 * names and their meanings are the same as in the library sharp. */
enum fit {
	FIT_INSIDE = 0, /* default: the largest size that fits into the box */
	/* The smallest size that covers the box. The excess is cropped. */
	FIT_COVER,
	FIT_CONTAIN, /* like FIT_INSIDE; the rest of the box shows the background */
	/* Scale each side to the length of the box's side. If a side of the box is not given, the
	 * side of the picture keeps its length. */
	FIT_FILL,
	FIT_OUTSIDE, /* the smallest size that covers the box, without cropping */
	N_FITS
};

/* With FIT_COVER: which part of the picture is kept. With FIT_CONTAIN: where the picture is
 * placed. */
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
	POSITION_POINT,   /* x_percent and y_percent of the geometry give the position */
	POSITION_ENTROPY, /* the part with most detail; with FIT_CONTAIN the centre */
	/* The part at which people probably look first; with FIT_CONTAIN the centre. */
	POSITION_ATTENTION,
	N_POSITIONS
};

/* The requested size. If all members are zero, the output has the size of the input. */
struct geometry {
	/* The sides of a box in pixels. 0: the side is not limited. Both 0: no box. */
	uint32_t width, height;
	/* The percentage for both sides, if there is no box; 0: no percentage. */
	double percent;
	bool no_enlarge; /* never enlarge: a smaller picture keeps its size */
	bool no_reduce;  /* never reduce: a larger picture keeps its size */
	enum fit fit;
	enum position position;
	/* For POSITION_POINT: the percentage of the excess width to the left of the part, and the
	 * percentage of the excess height above the part. For other positions: 0. */
	double x_percent, y_percent;
};

/* The maximum length of a side of an input, a request or an output. It is the same as
 * VIPS_MAX_COORD. */
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
 * The three steps from a picture to an output: scale the whole picture, keep a part of it, and
 * place the part on a canvas. If a step changes nothing, the sizes before and after the step are
 * equal.
 */
struct layout {
	struct size scaled; /* size of the scaled whole picture */
	struct area part;   /* the part to keep, inside the scaled picture */
	/* The engine must search for the position of the part. Before the search, the part is at
	 * the centre. Set for POSITION_ENTROPY and POSITION_ATTENTION if pixels are cropped. */
	bool is_searched;
	uint32_t x, y;      /* the position of the part on the canvas */
	struct size canvas; /* the size of the output; not smaller than `part` */
	bool is_focused;    /* whether geometry_focus() has set `focus` */
	/* If is_focused is set: the area of the picture that is scaled. The rest is not needed. */
	struct area focus;
};

/* Compute the layout. Each side in the layout is from 1 to UINT32_MAX pixels. The argument `from`
 * is the size that the picture has just before scaling. By then the filters that come before
 * scaling were applied, and the picture was turned upright if no_rotate is not set. The sides of
 * `from` must not be 0. */
struct layout geometry_layout(const struct geometry *geometry, struct size from);

/*
 * If the scaled picture would be much larger than the part to keep, limit scaling to the pixels
 * that are needed. For example, FIT_COVER from 1 x 30000 to 500 x 500 would scale the whole picture
 * to 500 x 15000000. In such a layout, `focus` becomes the part of the picture to scale, `scaled`
 * the size of the scaled focus, and `part` the part of the scaled focus to keep. Rounding may move
 * the part by up to half a pixel of the output. Other layouts do not change.
 *
 * If the engine must still search for the part, the focus is that of a part at the centre. When the
 * engine has found the part, it calls this function for a new layout that has the found position.
 */
void geometry_focus(struct layout *layout, struct size from);

/*
 * Compute only the scaled size. Let w x h be the size of the picture and W x H the size of the box.
 * Let f be the smaller of w/W and h/H for FIT_COVER and FIT_OUTSIDE, and the larger for FIT_INSIDE
 * and FIT_CONTAIN. FIT_FILL uses w/W for the width and h/H for the height. If only one side of the
 * box is given, f is the ratio of that side. The length of a side becomes floor(length/f + 0.5),
 * but at least 1. It stays the same if no_enlarge or no_reduce forbids the change. With a
 * percentage p, f is 100/p.
 *
 * For PNG and WebP the result is the same as that of vipsthumbnail, including the rounding of exact
 * halves, because the steps are the same. For JPEG the result may differ by a pixel, because
 * vipsthumbnail rounds again after the loader has shrunk the picture.
 */
struct size geometry_size(const struct geometry *geometry, struct size from);

/*
 * Parse a size: "N" (a box with equal sides), "WxH", "Wx", "xH" or "N%". One of these characters
 * may follow: "<" (only enlarge), ">" (only reduce) or "!" (FIT_FILL). The other members of
 * *ret_geometry become 0. If the word is invalid, returns false with a failure that quotes the
 * wrong part, and leaves *ret_geometry unchanged.
 */
bool geometry_parse(struct geometry *ret_geometry, const char *word,
                    struct failure *ret_failure);

/* Copy the size that geometry_parse() has stored in `size` to `geometry`: the sides or the
 * percentage, and the effect of the character after them. */
void geometry_add_size(struct geometry *geometry, const struct geometry *size);

#endif
