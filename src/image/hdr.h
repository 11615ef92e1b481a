/* Converts HDR pictures, whose samples follow the curve PQ or HLG of ITU-R BT.2100, to SDR. */
#ifndef PXP_HDR_H
#define PXP_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Convert samples to the curve of sRGB. The primaries stay the same. The unit of light is a white
 * page, which is 203 nits (BT.2408). The light of a pixel is that of its brightest colour. Light up
 * to half of the unit is not changed. If the picture has light above the unit, all light above half
 * of the unit is compressed, so that the brightest light becomes one unit. The colours of a pixel
 * are all multiplied by one number, so hue is kept.
 *
 * samples   16 bits, full range; changed in place
 * n_bands   1 to 4; with 2 or 4 bands, the last is alpha, which is not changed
 * transfer  CICP_TRANSFER_PQ or CICP_TRANSFER_HLG
 *
 * Returns false if memory ran out.
 */
bool hdr_to_sdr(uint16_t *samples, size_t n_pixels, unsigned n_bands, unsigned transfer);

#endif
