/* Converts HDR pictures to SDR: samples in the curves PQ and HLG of ITU-R BT.2100. */
#ifndef PXP_HDR_H
#define PXP_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Convert samples to the curve of sRGB with the same primaries. The light of a white page (203 nits
 * in BT.2408) becomes white, light up to half of that is not changed, and brighter light is
 * compressed, with its hue kept, so that the brightest pixel is white.
 *
 * samples   full range of 16 bits, changed in place
 * n_bands   1 to 4; the last of 2 or 4 is alpha, which stays
 * transfer  CICP_TRANSFER_PQ or CICP_TRANSFER_HLG
 *
 * False when memory ran out.
 */
bool hdr_to_sdr(uint16_t *samples, size_t n_pixels, unsigned n_bands, unsigned transfer);

#endif
