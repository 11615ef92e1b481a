/*
 * Pictures that were damaged: at random, but from a seed, so that a failure comes back; and
 * cut off at each boundary of their headers.
 */
#ifndef PXP_MUTANTS_H
#define PXP_MUTANTS_H

#include "image/lab.h"

#include "recipe/format.h"

/* SplitMix64: any number is a good seed. */
struct dice {
	uint64_t state;
};

uint64_t dice_roll(struct dice *dice);
size_t dice_below(struct dice *dice, size_t n); /* n > 0 */

/* A copy of whole with one to eight kinds of damage. The checksums of a PNG are most often
 * made good again, and of an SVG only numbers are damaged, so that what lies behind is tried
 * too. */
struct blob mutate(const struct blob *whole, enum image_format format, struct dice *dice);

/* Where a file of this format can be cut: lengths between 0 and its own, ascending, none
 * twice, at most n of them. Returns how many. */
size_t header_cuts(const struct blob *whole, enum image_format format, size_t *ret_cuts,
                   size_t n);

#endif
