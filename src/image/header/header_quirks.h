/*
 * Reads header fields that the decoding libraries ignore, and without which the pixels would be
 * wrong. The bytes are untrusted, as in metadata_scan.h.
 */
#ifndef PXP_HEADER_QUIRKS_H
#define PXP_HEADER_QUIRKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the pixels of an HDR are RGB, in rows from the top left. libvips assumes that this is
 * always true. */
bool hdr_is_rgb_from_top_left(const uint8_t *bytes, size_t n);

/* Whether a TIFF stores YCbCr samples that libjpeg does not convert. libvips takes them
 * for RGB. */
bool tiff_is_raw_ycbcr(const uint8_t *bytes, size_t n);

#endif
