/*
 * Damage to pictures: random damage, which depends on a seed so that a failure can be repeated, and
 * truncation at each boundary of a header.
 */
#ifndef PXP_MUTANTS_H
#define PXP_MUTANTS_H

#include "image/image_fixture.h"

#include "recipe/format.h"

/* A random number generator (SplitMix64). Any number is a good seed. */
struct dice {
	uint64_t state;
};

uint64_t dice_roll(struct dice *dice);
size_t dice_below(struct dice *dice, size_t n); /* n must be greater than 0 */

/* Copy a picture and damage the copy in one to eight places. In three of four PNG pictures the
 * checksums are corrected afterwards, and in three of four SVG pictures only numbers are damaged,
 * because other damage would be refused at once. The caller frees the copy with blob_fini(). */
struct blob mutate(const struct blob *whole, enum image_format format, struct dice *dice);

/* Find lengths at which a truncated file of this format makes an interesting test. *ret_cuts gets
 * at most n lengths, ascending, without duplicates, each less than the file's length. Returns the
 * number of lengths. */
size_t header_cuts(const struct blob *whole, enum image_format format, size_t *ret_cuts,
                   size_t n);

#endif
