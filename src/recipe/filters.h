/*
 * The filters are a fixed set. Each filter has up to three numbers. A chain has up to
 * FILTER_CHAIN_MAX filters. The parser and the help use the same table of names, numbers and
 * ranges.
 */
#ifndef PXP_FILTERS_H
#define PXP_FILTERS_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum filter_kind {
	FILTER_NONE = 0,
	FILTER_BLUR, /* Gaussian; number[0] is sigma in pixels */
	/* Sharpen like vips_sharpen(). number[0] is sigma in pixels. number[1] and number[2] are
	 * the strengths in flat and in jagged areas (m1 and m2 of libvips). */
	FILTER_SHARPEN,
	FILTER_GRAYSCALE, /* convert to grey; alpha is kept */
	FILTER_NEGATE,    /* invert colours, but not alpha */
	/* Stretch luminance so that values below the percentile number[0] become black and values
	 * above the percentile number[1] become white. Hue does not change. */
	FILTER_NORMALISE,
	FILTER_GAMMA, /* each colour value v from 0 to 1 becomes v^(1/number[0]) */
	/* Replace each pixel by the median of a square window. The side of the window is number[0]
	 * pixels, an integer. */
	FILTER_MEDIAN,
	/* Change colours in LCh. The brightness is multiplied by number[0] and the saturation by
	 * number[1]. number[2] degrees are added to the hue. */
	FILTER_MODULATE,
	/* Convert to grey. A level from 0 to 255 becomes white if it is at least number[0], and
	 * black if it is lower. */
	FILTER_THRESHOLD,
	/* Rotate clockwise by number[0] degrees. If the angle is a multiple of 90, pixels only
	 * move. With any other angle the canvas grows, and its corners show the background. */
	FILTER_ROTATE,
	FILTER_FLIP, /* mirror top to bottom */
	FILTER_FLOP, /* mirror left to right */
	/* Remove the borders of a picture: the outer rows and columns whose pixels all differ from
	 * the top left pixel by at most number[0] in each band, on a scale of 0 to 255. If the
	 * whole picture is border, it is not changed. */
	FILTER_TRIM,
	FILTER_FLATTEN, /* blend alpha with the background, which is white by default */
	N_FILTER_KINDS
};

enum { FILTER_NUMBERS = 3, FILTER_CHAIN_MAX = 16 };

/* A filter and its numbers, which have at most six decimal places. If a kind of filter has fewer
 * numbers than FILTER_NUMBERS, the other numbers are 0. */
struct filter {
	enum filter_kind kind;
	double number[FILTER_NUMBERS];
};

struct filter_chain {
	size_t n;
	/* the filters, in the order of the user's chain */
	struct filter at[FILTER_CHAIN_MAX];
};

struct filter_number {
	/* The name of the number, such as "SIGMA". NULL: the filter has no such number. */
	const char *name;
	const char *unit; /* the unit of the number, such as "pixels"; NULL: no unit */
	double minimum, maximum, default_value;
	bool is_whole;
};

struct filter_info {
	const char *name;
	const char *does; /* one line of help */
	/* The user must give the first n_required numbers. The other numbers have defaults. */
	unsigned n_required;
	/* The filter is applied before scaling, whatever its place in the chain is. */
	bool comes_first;
	struct filter_number numbers[FILTER_NUMBERS];
};

/* The table row of a filter; never NULL. The row of FILTER_NONE has the name "none". */
const struct filter_info *filter_info(enum filter_kind kind);

enum { FILTER_NUMBER_BYTES = 96 };

/* Print the range of a number for the help. An example is "SIGMA, a number from 0.3 to 1000 pixels;
 * default 1". */
void filter_number_print(const struct filter_number *number, bool is_required,
                         char text[FILTER_NUMBER_BYTES]);

/* Parse a chain such as "grayscale, blur 1.5, sharpen". Commas separate the filters. The numbers of
 * a filter come after its name. If a word is invalid, returns false with a failure that quotes the
 * word, and leaves *ret_chain unchanged. */
bool filters_parse(struct filter_chain *ret_chain, const char *words,
                   struct failure *ret_failure);

/* Whether the filter is a rotation by a multiple of 90 degrees. Such a rotation moves pixels, and
 * does not compute new ones. */
bool filter_is_quarter_turn(const struct filter *filter);

/* Whether the chain is empty or the parser could produce it: every kind and every number must be
 * valid. */
bool filters_are_sound(const struct filter_chain *chain);

enum { FILTERS_TEXT_BYTES = 1024 };

/* Print the canonical text of a chain. It contains every number, also the defaults. Parsing this
 * text gives the same chain. */
void filters_print(const struct filter_chain *chain, char text[FILTERS_TEXT_BYTES]);

/* Split a chain into the filters that come before scaling (trim, rotate, flip, flop) and the
 * remaining filters. Both parts keep the order of the chain. */
void filters_split(const struct filter_chain *chain, struct filter_chain *ret_before,
                   struct filter_chain *ret_after);

#endif
