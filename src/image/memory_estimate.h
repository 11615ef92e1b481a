/*
 * Estimates from the header of a picture how much memory it will need, in bytes of private memory
 * of the whole worker. The worker asks for this memory before a library opens the picture. The
 * estimate is the sum of:
 *
 *   - 48 MiB for the worker itself with libvips and all its modules, for which 32 MiB were measured;
 *   - the input file, which is in memory as a whole;
 *   - the memory of the decoder, which its engine estimates;
 *   - the memory of the largest output, which is estimated by the engine that makes it.
 *
 * An estimate that is too low only costs time: the worker reaches its limit, and the picture gets a
 * second attempt with the whole memory budget.
 */
#ifndef PXP_MEMORY_ESTIMATE_H
#define PXP_MEMORY_ESTIMATE_H

#include "image/engine.h"

/*
 * Estimate the memory for all variants of a picture. decoder decodes it, deriver makes the outputs.
 * An engine that is NULL adds nothing. n_frames is the number of frames of the output.
 */
uint64_t memory_estimate(const struct engine *decoder, const struct engine *deriver,
                         const struct picture_header *header,
                         const struct picture_variant *variants, unsigned n_variants,
                         uint64_t input_bytes, uint64_t n_frames);

/* ---- for the engines ---- */

/* Multiply, and limit the product to INT64_MAX / 16, so that a forged size cannot overflow to a
 * small number. The sum of a few such products does not overflow either. */
uint64_t memory_product(uint64_t a, uint64_t b);

/* The number of pixels of a size. */
uint64_t memory_area(struct size size);

/*
 * The memory for an output: the pixels of the output, and what its encoder needs for each byte of
 * them: 2 bytes for JPEG, PNG and TIFF, more for encoders that keep the picture in wider numbers.
 * An output that is placed on a canvas counts with alpha.
 *
 * Measured with libvips 8.14.1 on pictures of 24 megapixels, as the largest data size of a worker,
 * which RLIMIT_DATA limits: for each byte of the output's pixels 1.4 bytes (JPEG, PNG, TIFF), 3.1
 * (WebP), 4.1 (BMP) and 5.5 (GIF). WebP of noise with 11 megapixels takes 13 bytes for each pixel
 * in addition to the decoder, 33 if lossless, 37 with alpha.
 */
uint64_t memory_of_output(const struct picture_header *header,
                          const struct recipe *recipe, uint64_t n_frames);

#endif
