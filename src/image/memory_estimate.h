/*
 * How much memory a picture will need, from its header alone, in bytes of private memory of the
 * whole worker. The worker asks for it before a library opens the picture.
 *
 *   48 MiB   the worker itself, with libvips and all its modules (32 seen), and some room
 *   + the input file, which is held whole
 *   + the memory of the decoder, which its engine estimates
 *   + the memory of the largest output, which the engine that makes it estimates
 *
 * An estimate that is too low only takes time: the worker reaches its limit, and the picture gets a
 * second attempt with the whole memory budget.
 */
#ifndef PXP_MEMORY_ESTIMATE_H
#define PXP_MEMORY_ESTIMATE_H

#include "image/engine.h"

/*
 * The estimate for all variants of a picture that decoder decodes and from which deriver makes
 * outputs. Either may be NULL, which adds nothing. n_frames is the number of frames of the output.
 */
uint64_t memory_estimate(const struct engine *decoder, const struct engine *deriver,
                         const struct picture_header *header,
                         const struct picture_variant *variants, unsigned n_variants,
                         uint64_t input_bytes, uint64_t n_frames);

/* ---- for the engines ---- */

/* A saturating product, so that a forged size cannot wrap around to a small number. Sums of a
 * few such products do not wrap either. */
uint64_t memory_product(uint64_t a, uint64_t b);

/* The number of pixels of a size. */
uint64_t memory_area(struct size size);

/*
 * The memory for an output, with alpha if it is placed on a canvas: for each byte of its pixels 2
 * bytes for JPEG, PNG and TIFF, more if an encoder keeps the picture in wider numbers, plus the
 * output itself.
 *
 * Measured as the largest RLIMIT_DATA figure of a worker, with libvips 8.14.1, on pictures of 24
 * megapixels: for each byte of the output's pixels 1.4 (JPEG, PNG, TIFF), 3.1 (WebP), 4.1 (BMP) and
 * 5.5 (GIF). WebP of noise at 11 megapixels takes 13 bytes a pixel beyond the decoder, 33 without
 * loss, 37 with alpha.
 */
uint64_t memory_of_output(const struct picture_header *header,
                          const struct recipe *recipe, uint64_t n_frames);

#endif
