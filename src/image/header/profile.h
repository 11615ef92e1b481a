/*
 * Reads colour profiles (ICC.1), only as far as is necessary to decide whether one must be applied.
 * The bytes are untrusted: a profile that contradicts itself is not sRGB and fits no picture.
 */
#ifndef PXP_PROFILE_H
#define PXP_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a profile's curves and primary colours (for grey: its curve) are those of sRGB, whatever
 * its name is. A picture with such a profile needs no conversion. */
bool profile_is_srgb(const void *profile, size_t n);

/* Whether a profile is for pixels of this space: "GRAY", "RGB " or "CMYK". */
bool profile_has_space(const void *profile, size_t n, const char *space);

enum { PROFILE_MAX_BYTES = 4 << 20 };

/* Whether an output can carry this profile: it is for RGB and has at most PROFILE_MAX_BYTES. */
bool profile_can_be_output(const void *profile, size_t n);

/* The hash with which a recipe names a profile that is sent with it; never 0. */
uint64_t profile_hash(const void *profile, size_t n);

#endif
