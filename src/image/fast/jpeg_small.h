/*
 * Encodes small JPEG files: baseline, with Huffman tables made for the file. The file is what libjpeg
 * would write, but for rounding in the transform.
 *
 * Threads: one thread at a time for each struct.
 */
#ifndef PXP_JPEG_SMALL_H
#define PXP_JPEG_SMALL_H

#include "image/fast/codec.h"

/* Memory that is kept between files. All zeros is valid and empty. */
struct jpeg_small {
	struct workspace tokens, file;
};

/*
 * Encode planes of 8 bits.
 *
 * steps    quantization tables of luma and chroma, 1 to 255, row by row.
 * return   false when out of memory. Else *ret_written belongs to small, until its next use.
 */
bool jpeg_small_write(struct jpeg_small *small, const struct rendered *rendered,
                      const uint16_t *const steps[2], struct written *ret_written);

#endif
