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
	/* As vips_sharpen(): sigma in pixels, then the strength in flat and in jagged
	 * areas (m1, m2). */
	FILTER_SHARPEN,
	FILTER_GRAYSCALE, /* to one band; alpha stays */
	FILTER_NEGATE,    /* colours, not alpha */
	/* Stretch luminance so that values below the percentile number[0] are black and
	 * values above number[1] white. Hue does not change. */
	FILTER_NORMALISE,
	FILTER_GAMMA, /* each colour value v of 0 to 1 becomes v^(1/number[0]) */
	/* over a square window with a side of number[0] pixels, an integer */
	FILTER_MEDIAN,
	FILTER_MODULATE, /* in LCh: brightness and saturation as factors, hue in degrees */
	/* to grey, then white from number[0] (of 255) on, else black */
	FILTER_THRESHOLD,
	/* Clockwise by number[0] degrees. Multiples of 90 are exact; else the canvas
	 * grows and its corners show the background. */
	FILTER_ROTATE,
	FILTER_FLIP, /* top to bottom */
	FILTER_FLOP, /* left to right */
	/* Cut off borders that differ from the top left pixel by no more than number[0]
	 * (of 255). A picture that is all border stays as it is. */
	FILTER_TRIM,
	FILTER_FLATTEN, /* alpha onto the background, which is white by default */
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
	struct filter at[FILTER_CHAIN_MAX]; /* in the order of the words */
};

struct filter_number {
	const char *name; /* "SIGMA"; NULL: the filter has no such number */
	const char *unit; /* "pixels" */
	double minimum, maximum, default_value;
	bool is_whole;
};

struct filter_info {
	const char *name;
	const char *does;    /* one line, for the help */
	unsigned n_required; /* the first of its numbers, which have no default */
	bool comes_first;    /* applied before scaling, because it changes the shape */
	struct filter_number numbers[FILTER_NUMBERS];
};

/* The row of a kind, never NULL; FILTER_NONE has the name "none". */
const struct filter_info *filter_info(enum filter_kind kind);

enum { FILTER_NUMBER_BYTES = 96 };

/* Print "SIGMA, a number from 0.3 to 1000 pixels; default 1", for the help. */
void filter_number_print(const struct filter_number *number, bool is_required,
                         char text[FILTER_NUMBER_BYTES]);

/* Parse a chain such as "grayscale, blur 1.5, sharpen": filters separated by commas, each
 * followed by its numbers. False with a failure that quotes the wrong word; *ret_chain is
 * then unchanged. */
bool filters_parse(struct filter_chain *ret_chain, const char *words,
                   struct failure *ret_failure);

/* Whether it is a rotation by a multiple of 90 degrees, which moves pixels without
 * computing any. */
bool filter_is_quarter_turn(const struct filter *filter);

/* Whether the parser could have produced every kind and number. */
bool filters_are_sound(const struct filter_chain *chain);

enum { FILTERS_TEXT_BYTES = 1024 };

/* Print the canonical text, with every number. Parsing it gives the same chain. */
void filters_print(const struct filter_chain *chain, char text[FILTERS_TEXT_BYTES]);

/* Split a chain into the filters that come before scaling (trim, rotate, flip, flop) and
 * the others, each in the order of the chain. */
void filters_split(const struct filter_chain *chain, struct filter_chain *ret_before,
                   struct filter_chain *ret_after);

#endif
