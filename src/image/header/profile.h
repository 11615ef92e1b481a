/*
 * Reads as much of a colour profile (ICC.1) as is needed to decide whether it must be applied. The
 * bytes are untrusted. A malformed profile does not count as sRGB.
 */
#ifndef PXP_PROFILE_H
#define PXP_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a profile is sRGB. The curves and the primary colours decide; the profile's name does not
 * count. For grey, the curve alone decides. A picture with an sRGB profile needs no conversion. */
bool profile_is_srgb(const void *profile, size_t n);

/* Whether a profile is for pixels of this colour space: "GRAY", "RGB " or "CMYK". */
bool profile_has_space(const void *profile, size_t n, const char *space);

enum { PROFILE_MAX_BYTES = 4 << 20 };

/* Whether outputs can have this profile: the profile must be for RGB, have at most
 * PROFILE_MAX_BYTES, and have the signature of ICC profiles. */
bool profile_can_be_output(const void *profile, size_t n);

/* The hash by which a recipe names the profile that is sent with it. It is never 0. */
uint64_t profile_hash(const void *profile, size_t n);

#endif
