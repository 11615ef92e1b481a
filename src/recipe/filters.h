/*
 * Filters: a closed set, each with up to three numbers, in a chain of bounded length. One
 * table says their names, numbers and ranges, to the parser and to the help.
 */
#ifndef PXP_FILTERS_H
#define PXP_FILTERS_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum filter_kind {
	FILTER_NONE = 0,
	FILTER_BLUR,    /* Gaussian: number[0] is sigma in pixels */
	FILTER_SHARPEN, /* as vips_sharpen: sigma in pixels, then how much in flat and in
	                   * jagged areas (m1, m2) */
	FILTER_GRAYSCALE, /* to one band; alpha stays */
	FILTER_NEGATE,    /* colours, not alpha */
	FILTER_NORMALISE, /* stretch luminance so that what lies below the percentile
	                   * number[0] is black, above number[1] white; hue stays */
	FILTER_GAMMA,     /* each colour value v of 0 to 1 becomes v^(1/number[0]) */
	FILTER_MEDIAN, /* over a square window; number[0] is its side in pixels, whole */
	FILTER_MODULATE, /* in LCh: brightness and saturation as factors, hue in degrees */
	FILTER_THRESHOLD, /* to grey, then white from number[0] of 255 on, black below */
	FILTER_ROTATE,    /* clockwise, number[0] in degrees; multiples of 90 are exact,
	                   * else the canvas grows and corners show the background */
	FILTER_FLIP,      /* top to bottom */
	FILTER_FLOP,      /* left to right */
	FILTER_TRIM,    /* cut borders off that differ from the top left pixel by no more
	                   * than number[0] of 255; a picture that is all border stays */
	FILTER_FLATTEN, /* alpha onto the background, white unless one is set */
	N_FILTER_KINDS
};

enum { FILTER_NUMBERS = 3, FILTER_CHAIN_MAX = 16 };

/* Numbers are whole millionths, those that a filter does not have are 0. */
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
	unsigned n_required; /* of its numbers; the others have a usual value */
	bool comes_first;    /* before scaling: it changes the shape of the picture */
	struct filter_number numbers[FILTER_NUMBERS];
};

/* The row of a kind, never NULL; FILTER_NONE has the name "none". */
const struct filter_info *filter_info(enum filter_kind kind);

enum { FILTER_NUMBER_BYTES = 96 };

/* "SIGMA, a number from 0.3 to 1000 pixels; default 1", for the help. */
void filter_number_print(const struct filter_number *number, bool is_required,
                         char text[FILTER_NUMBER_BYTES]);

/* "grayscale, blur 1.5, sharpen": filters with commas between them, numbers behind their
 * filter. False with a message that points at the wrong word, and *ret_chain as it was. */
bool filters_parse(struct filter_chain *ret_chain, const char *words,
                   struct failure *ret_failure);

/* Whether a rotation is by a multiple of 90 degrees, which moves pixels and computes none. */
bool filter_is_quarter_turn(const struct filter *filter);

/* Whether every kind and number is one that parsing may give. */
bool filters_are_sound(const struct filter_chain *chain);

enum { FILTERS_TEXT_BYTES = 1024 };

/* The canonical text, with every number; filters_parse() gives the same chain from it. */
void filters_print(const struct filter_chain *chain, char text[FILTERS_TEXT_BYTES]);

/* Those that come before scaling (trim, rotate, flip, flop) and the others, both in the
 * order of the chain. */
void filters_split(const struct filter_chain *chain, struct filter_chain *ret_before,
                   struct filter_chain *ret_after);

#endif
