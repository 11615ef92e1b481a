/* Complete files of 8 x 8 black pixels, made with `vips black FILE[strip] 8 8`, where FILE is
 * x.avif or x.heic. */
#ifndef PXP_BOMB_SAMPLES_H
#define PXP_BOMB_SAMPLES_H

#include <stdint.h>

extern const uint8_t sample_avif[294], sample_heic[508];

#endif
