/* Parses the requested size of an output, and computes its layout. */
#include "recipe/geometry.h"

#include "common/values.h"

#include <math.h>
#include <stdio.h>

/* ---- parsing ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Read the length of a side at *word, and move *word past it. */
static bool parse_side(uint32_t *ret_side, const char **word, struct failure *ret_failure)
{
	const char *begin = *word;
	uint32_t side = 0;

	for (; is_digit(**word); (*word)++) {
		if (side <= GEOMETRY_MAX_SIDE)
			side = side * 10 + (uint32_t)(**word - '0');
	}
	*ret_side = side;
	if (side >= 1 && side <= GEOMETRY_MAX_SIDE)
		return true;
	return failure_set(ret_failure, FAIL_USAGE,
	                   "a side must be from 1 to %d pixels, got '%.*s'",
	                   GEOMETRY_MAX_SIDE, (int)(*word - begin), begin);
}

/* Parse "N", "WxH", "Wx" or "xH". */
static bool parse_sides(struct geometry *geometry, const char **next,
                        struct failure *ret_failure)
{
	bool has_x;

	if (is_digit(**next) && !parse_side(&geometry->width, next, ret_failure))
		return false;
	has_x = **next == 'x';
	if (has_x)
		(*next)++;
	else
		geometry->height = geometry->width;
	return !has_x || !is_digit(**next) ||
	       parse_side(&geometry->height, next, ret_failure);
}

/* If there is a percentage "N%" at *next, read it and move *next past it. *ret_is_one says whether
 * there was a percentage. Returns false only if the percentage is out of range. */
static bool parse_percent(struct geometry *geometry, const char **next, bool *ret_is_one,
                          struct failure *ret_failure)
{
	const char *end = *next;
	double percent;

	*ret_is_one = is_digit(*end) && decimal_parse(&end, &percent) && *end == '%';
	if (!*ret_is_one)
		return true;
	if (percent < GEOMETRY_MIN_PERCENT || percent > GEOMETRY_MAX_PERCENT) {
		return failure_set(ret_failure, FAIL_USAGE,
		                   "a percentage must be from %g to %d, got '%.*s'",
		                   GEOMETRY_MIN_PERCENT, GEOMETRY_MAX_PERCENT,
		                   (int)(end + 1 - *next), *next);
	}
	geometry->percent = percent;
	*next = end + 1;
	return true;
}

static void parse_mark(struct geometry *geometry, const char **next)
{
	switch (**next) {
	case '<':
		geometry->no_reduce = true;
		break;
	case '>':
		geometry->no_enlarge = true;
		break;
	case '!':
		geometry->fit = FIT_FILL;
		break;
	default:
		return;
	}
	(*next)++;
}

bool geometry_parse(struct geometry *ret_geometry, const char *word,
                    struct failure *ret_failure)
{
	struct geometry geometry = {0};
	const char *next = word;
	bool is_percent;

	if (!parse_percent(&geometry, &next, &is_percent, ret_failure) ||
	    (!is_percent && !parse_sides(&geometry, &next, ret_failure)))
		return false;
	if (is_percent || geometry.width || geometry.height)
		parse_mark(&geometry, &next);
	if (*next) {
		return failure_set(
			ret_failure, FAIL_USAGE,
			"must be N, WxH, Wx, xH or N%%, optionally followed by <, > or "
			"!; got '%.40s', wrong from '%.20s' on",
			word, next);
	}
	if (!is_percent && !geometry.width && !geometry.height) {
		return failure_set(ret_failure, FAIL_USAGE,
		                   "must be N, WxH, Wx, xH or N%%, got '%.40s'", word);
	}
	*ret_geometry = geometry;
	return true;
}

void geometry_add_size(struct geometry *geometry, const struct geometry *size)
{
	geometry->width = size->width;
	geometry->height = size->height;
	geometry->percent = size->percent;
	geometry->no_enlarge |= size->no_enlarge;
	geometry->no_reduce |= size->no_reduce;
	if (size->fit == FIT_FILL)
		geometry->fit = FIT_FILL;
}

/* ---- sizes ---- */

/*
 * These functions compute the length of a side with the same steps as libvips 8.14 (thumbnail.c,
 * resize.c, reducev.cpp), also in double precision. So an exact half, such as 2.5, is rounded in
 * the same direction as in libvips.
 */
static uint32_t round_side(double side)
{
	if (side < 1)
		return 1;
	return side + 0.5 >= UINT32_MAX ? UINT32_MAX : (uint32_t)(side + 0.5);
}

static uint32_t scale_side(uint32_t side, double scale)
{
	return round_side(scale < 1 ? side / (1 / scale) : side * scale);
}

static bool has_box(const struct geometry *geometry)
{
	return geometry->width && geometry->height;
}

/* The factor by which each side is divided. A factor between 0 and 1 enlarges the side. A factor of
 * 0 means that the side keeps its length. */
struct ratios {
	double width, height;
};

static struct ratios ratios_of(const struct geometry *geometry, struct size from)
{
	double by_width = geometry->width ? (double)from.width / geometry->width : 0;
	double by_height = geometry->height ? (double)from.height / geometry->height : 0;
	double more = by_width > by_height ? by_width : by_height;
	double less = by_width < by_height ? by_width : by_height;

	if (geometry->fit == FIT_FILL)
		return (struct ratios){by_width, by_height};
	if (has_box(geometry) &&
	    (geometry->fit == FIT_COVER || geometry->fit == FIT_OUTSIDE))
		return (struct ratios){less, less};
	return (struct ratios){more, more};
}

static uint32_t reduce_side(const struct geometry *geometry, uint32_t side, double ratio)
{
	bool is_kept = ratio <= 0 || (ratio <= 1 && geometry->no_enlarge) ||
	               (ratio >= 1 && geometry->no_reduce);

	return is_kept ? side : scale_side(side, 1 / ratio);
}

static uint32_t percent_side(const struct geometry *geometry, uint32_t side)
{
	double percent = geometry->percent;
	bool is_kept = (percent >= 100 && geometry->no_enlarge) ||
	               (percent <= 100 && geometry->no_reduce);

	return is_kept ? side : round_side(side * percent / 100);
}

struct size geometry_size(const struct geometry *geometry, struct size from)
{
	struct ratios ratios;

	if (geometry->percent > 0)
		return (struct size){percent_side(geometry, from.width),
		                     percent_side(geometry, from.height)};
	ratios = ratios_of(geometry, from);
	return (struct size){reduce_side(geometry, from.width, ratios.width),
	                     reduce_side(geometry, from.height, ratios.height)};
}

/* Compute how many of n_over excess pixels come before the part to keep: none if `side` is -1, half
 * of them if `side` is 0, all if `side` is 1. */
static uint32_t before(uint32_t n_over, int side)
{
	if (side == 0)
		return n_over / 2;
	return side < 0 ? 0 : n_over;
}

/* Compute the position of a rectangle inside an outer rectangle that is at least as large. */
static void place(const struct geometry *geometry, struct size outer, struct size inner,
                  uint32_t *ret_x, uint32_t *ret_y)
{
	/* x: -1 is west, 1 is east; y: -1 is north, 1 is south; 0 is the centre */
	static const struct {
		signed char x, y;
	} sides[N_POSITIONS] = {
		[POSITION_NORTH] = {0, -1},  [POSITION_NORTHEAST] = {1, -1},
		[POSITION_EAST] = {1, 0},    [POSITION_SOUTHEAST] = {1, 1},
		[POSITION_SOUTH] = {0, 1},   [POSITION_SOUTHWEST] = {-1, 1},
		[POSITION_WEST] = {-1, 0},   [POSITION_NORTHWEST] = {-1, -1},
		[POSITION_ENTROPY] = {0, 0}, [POSITION_ATTENTION] = {0, 0},
	};
	const uint32_t x_over = outer.width - inner.width,
		       y_over = outer.height - inner.height;

	if (geometry->position == POSITION_POINT) {
		*ret_x = (uint32_t)(x_over * geometry->x_percent / 100);
		*ret_y = (uint32_t)(y_over * geometry->y_percent / 100);
		return;
	}
	*ret_x = before(x_over, sides[geometry->position].x);
	*ret_y = before(y_over, sides[geometry->position].y);
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t greater(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

struct layout geometry_layout(const struct geometry *geometry, struct size from)
{
	struct size scaled = geometry_size(geometry, from);
	struct layout layout = {.scaled = scaled, .part.size = scaled, .canvas = scaled};
	struct size *part = &layout.part.size;

	if (geometry->percent > 0 || !has_box(geometry))
		return layout;
	if (geometry->fit == FIT_COVER) {
		*part = (struct size){lesser(scaled.width, geometry->width),
		                      lesser(scaled.height, geometry->height)};
		place(geometry, scaled, *part, &layout.part.x, &layout.part.y);
		layout.is_searched = geometry->position >= POSITION_ENTROPY &&
		                     (part->width < scaled.width ||
		                      part->height < scaled.height);
		layout.canvas = *part;
	} else if (geometry->fit == FIT_CONTAIN) {
		layout.canvas = (struct size){greater(scaled.width, geometry->width),
		                              greater(scaled.height, geometry->height)};
		place(geometry, layout.canvas, scaled, &layout.x, &layout.y);
	}
	return layout;
}

/* For a pixel at the edge of the part, the kernel may read up to this many source pixels outside
 * the part. */
enum { FOCUS_MARGIN = 8 };

/* Compute the focus along one axis. The focus is the range of the source from which the kept part
 * is scaled. *ret_at and *ret_n become the start and the length of the focus. *to becomes the
 * length of the scaled focus, and *part the position of the kept part in the scaled focus. */
static void focus_side(uint32_t from, uint32_t *to, uint32_t *part, uint32_t n_part,
                       uint32_t *ret_at, uint32_t *ret_n)
{
	double scale = (double)*to / from;
	double first = floor(*part / scale) - FOCUS_MARGIN;
	double last = ceil(((double)*part + n_part) / scale) + FOCUS_MARGIN;
	uint32_t at = first > 0 ? (uint32_t)first : 0;
	uint32_t end = last < from ? (uint32_t)last : from;
	uint32_t before = (uint32_t)(at * scale + 0.5);

	*to = scale_side(end - at, scale);
	/* Because of rounding, the part could end beyond the scaled range. Move it back inside. */
	*part = lesser(*part - lesser(before, *part), *to - lesser(n_part, *to));
	*ret_at = at;
	*ret_n = end - at;
}

void geometry_focus(struct layout *layout, struct size from)
{
	enum { ROOM = 1 << 24, FEW = 4 };
	const struct size *scaled = &layout->scaled, *part = &layout->part.size;
	double n_scaled = (double)scaled->width * scaled->height;

	if (n_scaled <= ROOM || n_scaled <= FEW * (double)part->width * part->height ||
	    n_scaled <= (double)from.width * from.height)
		return;
	focus_side(from.width, &layout->scaled.width, &layout->part.x, part->width,
	           &layout->focus.x, &layout->focus.size.width);
	focus_side(from.height, &layout->scaled.height, &layout->part.y, part->height,
	           &layout->focus.y, &layout->focus.size.height);
	layout->is_focused = true;
}
