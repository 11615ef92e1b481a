/*
 * Encodes small JPEG files: baseline, with Huffman tables made for the file. Apart from rounding in
 * the transform, a decoder gets the same picture as from a file of libjpeg.
 *
 * Threads: one thread at a time for each struct.
 */
#ifndef PXP_JPEG_SMALL_H
#define PXP_JPEG_SMALL_H

#include "image/fast/codec.h"

/* Memory that is kept between files. A struct that is all zeros is valid and empty. */
struct jpeg_small {
	struct workspace tokens, file;
};

/*
 * Encode planes of 8 bits.
 *
 * steps    quantization tables of luma and chroma, 1 to 255, row by row.
 * return   false if memory ran out. If true, *ret_written belongs to `small` and is valid until
 *          the next use of `small`.
 */
bool jpeg_small_write(struct jpeg_small *small, const struct rendered *rendered,
                      const uint16_t *const steps[2], struct written *ret_written);

#endif
