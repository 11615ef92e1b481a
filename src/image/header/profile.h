/*
 * Colour profiles (ICC.1), only so far as to tell whether one need be applied at all.
 * A profile is bytes from a stranger: one that lies about itself is neither sRGB nor fits.
 */
#ifndef PXP_PROFILE_H
#define PXP_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether it describes itself as sRGB (pictures that carry it need no conversion). */
bool profile_is_srgb(const void *profile, size_t n);

/* Whether it is for pixels of this space: "GRAY", "RGB " or "CMYK". */
bool profile_has_space(const void *profile, size_t n, const char *space);

enum { PROFILE_MAX_BYTES = 4 << 20 };

/* Whether a result can be given it: a profile of at most PROFILE_MAX_BYTES for RGB. */
bool profile_can_be_output(const void *profile, size_t n);

/* What a recipe says of a profile that comes beside it: never 0. */
uint64_t profile_hash(const void *profile, size_t n);

#endif
