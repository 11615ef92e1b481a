/*
 * Reads header fields that the decoding libraries ignore. A library that ignores such a field shows
 * the picture wrongly. The bytes are untrusted: a wrong length ends the reading.
 */
#ifndef PXP_HEADER_QUIRKS_H
#define PXP_HEADER_QUIRKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the pixels of a Radiance HDR are RGB, in rows from the top left. libvips assumes that
 * this is true of every HDR file. */
bool hdr_is_rgb_from_top_left(const uint8_t *bytes, size_t n);

/* Whether a TIFF stores samples in YCbCr without JPEG compression. libvips reads such samples as
 * RGB. */
bool tiff_is_raw_ycbcr(const uint8_t *bytes, size_t n);

#endif
