/*
 * The filters: a fixed set, each with up to three numbers, in a chain of bounded length.
 * One table gives names, numbers and ranges to the parser and to the help.
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
	/* Like vips_sharpen(): sigma in pixels, then the strength in flat and in jagged areas (m1,
	 * m2). */
	FILTER_SHARPEN,
	FILTER_GRAYSCALE, /* convert to one band; alpha is kept */
	FILTER_NEGATE,    /* inverts colours, not alpha */
	/* Stretch luminance so that values below the percentile number[0] are black and
	 * values above number[1] white. Hue does not change. */
	FILTER_NORMALISE,
	FILTER_GAMMA, /* each colour value v of 0 to 1 becomes v^(1/number[0]) */
	/* median over a square window with a side of number[0] pixels, an integer */
	FILTER_MEDIAN,
	/* Works in LCh: brightness and saturation are factors, hue is in degrees. */
	FILTER_MODULATE,
	/* convert to grey, then white from number[0] (of 255) on, otherwise black */
	FILTER_THRESHOLD,
	/* Rotate clockwise by number[0] degrees. Multiples of 90 are exact; otherwise the canvas
	 * grows and its corners show the background. */
	FILTER_ROTATE,
	FILTER_FLIP, /* mirror top to bottom */
	FILTER_FLOP, /* mirror left to right */
	/* Remove borders that differ from the top left pixel by no more than number[0] (of 255). A
	 * picture that is all border is not changed. */
	FILTER_TRIM,
	FILTER_FLATTEN, /* blend alpha with the background, which is white by default */
	N_FILTER_KINDS
};

enum { FILTER_NUMBERS = 3, FILTER_CHAIN_MAX = 16 };

/* Numbers are multiples of a millionth. Numbers that the filter does not have are 0. */
struct filter {
	enum filter_kind kind;
	double number[FILTER_NUMBERS];
};

struct filter_chain {
	size_t n;
	/* The filters in the order of the user's chain. */
	struct filter at[FILTER_CHAIN_MAX];
};

struct filter_number {
	const char *name; /* name such as "SIGMA"; NULL: the filter has no such number */
	const char *unit; /* unit such as "pixels" */
	double minimum, maximum, default_value;
	bool is_whole;
};

struct filter_info {
	const char *name;
	const char *does;    /* one line of help */
	unsigned n_required; /* how many of its numbers have no default */
	/* The filter runs before scaling, because it changes the shape. */
	bool comes_first;
	struct filter_number numbers[FILTER_NUMBERS];
};

/* The table row of a filter, never NULL; that of FILTER_NONE has the name "none". */
const struct filter_info *filter_info(enum filter_kind kind);

enum { FILTER_NUMBER_BYTES = 96 };

/* Print the range of a number for the help: "SIGMA, a number from 0.3 to 1000 pixels; default
 * 1". */
void filter_number_print(const struct filter_number *number, bool is_required,
                         char text[FILTER_NUMBER_BYTES]);

/* Parse a chain such as "grayscale, blur 1.5, sharpen": filters separated by commas, each followed
 * by its numbers. Returns false with a failure that quotes the invalid word; *ret_chain is then
 * unchanged. */
bool filters_parse(struct filter_chain *ret_chain, const char *words,
                   struct failure *ret_failure);

/* Whether the filter is a rotation by a multiple of 90 degrees, which moves pixels without
 * computing any. */
bool filter_is_quarter_turn(const struct filter *filter);

/* Whether every kind and number of the chain is one that the parser can produce. */
bool filters_are_sound(const struct filter_chain *chain);

enum { FILTERS_TEXT_BYTES = 1024 };

/* Print the canonical text, with every number. Parsing it gives the same chain. */
void filters_print(const struct filter_chain *chain, char text[FILTERS_TEXT_BYTES]);

/* Split a chain into the filters that come before scaling (trim, rotate, flip, flop) and
 * the others, each in the order of the chain. */
void filters_split(const struct filter_chain *chain, struct filter_chain *ret_before,
                   struct filter_chain *ret_after);

#endif
