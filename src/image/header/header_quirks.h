/*
 * What headers say and the libraries that read the pixels pass over, so that these come out
 * wrong without a word. Readers of bytes from strangers, as metadata_scan.h.
 */
#ifndef PXP_HEADER_QUIRKS_H
#define PXP_HEADER_QUIRKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether an HDR's pixels are RGB, row by row from the top left: libvips takes all for such. */
bool hdr_is_rgb_from_top_left(const uint8_t *bytes, size_t n);

/* The value of a PNM that is white: 1 to 65535, 0 where the header has none. Neither libvips
 * nor stb_image scale by it. */
unsigned pnm_max_value(const uint8_t *bytes, size_t n);

/* Whether the samples of a TIFF are YCbCr as they lie there: libvips takes them for RGB, but
 * where libjpeg converts them. */
bool tiff_is_raw_ycbcr(const uint8_t *bytes, size_t n);

#endif
