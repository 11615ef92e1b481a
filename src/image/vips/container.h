/* Removes parts from complete files of some formats. The bytes come from our own savers; a file
 * that does not look like theirs is left unchanged. */
#ifndef PXP_CONTAINER_H
#define PXP_CONTAINER_H

#include <stddef.h>
#include <stdint.h>

/* Remove the EXIF, in place. Returns the new length. */
size_t jpeg_drop_exif(uint8_t *bytes, size_t n);
size_t webp_drop_exif(uint8_t *bytes, size_t n);

/* Remove the density, in place. Returns the new length. */
size_t png_drop_density(uint8_t *bytes, size_t n);

#endif
