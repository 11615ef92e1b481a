/* Whole files of some formats, taken apart as far as to take something out of them. The
 * bytes are our own savers'; what does not look like theirs is left as it is. */
#ifndef PXP_CONTAINER_H
#define PXP_CONTAINER_H

#include <stddef.h>
#include <stdint.h>

/* Take the EXIF out, in place; the length that is left. */
size_t jpeg_drop_exif(uint8_t *bytes, size_t n);
size_t webp_drop_exif(uint8_t *bytes, size_t n);

/* Take the density out, in place; the length that is left. */
size_t png_drop_density(uint8_t *bytes, size_t n);

#endif
