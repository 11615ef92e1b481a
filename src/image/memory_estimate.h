/*
 * Estimates from the header of a picture how much private memory the whole worker will need, in
 * bytes. The worker asks for this memory before a library opens the picture. The estimate is a sum:
 * 48 MiB for the worker itself with libvips and all its modules (32 MiB were measured), the size of
 * the input file, because the whole file is read into memory, the memory that the engine estimates
 * for the decoder, and the largest memory that an engine estimates for an output. If the header
 * does not give the size of the picture, only the first two parts are counted.
 *
 * If an estimate is too low, only time is lost: the worker reaches its limit, and the picture gets
 * a second attempt with the whole memory budget.
 */
#ifndef PXP_MEMORY_ESTIMATE_H
#define PXP_MEMORY_ESTIMATE_H

#include "image/engine.h"

/*
 * Estimate the memory for all variants of a picture. decoder is the engine that decodes the
 * picture, deriver the engine that makes the outputs. If one of them is NULL, its memory is not
 * counted. n_frames is the number of frames of each output.
 */
uint64_t memory_estimate(const struct engine *decoder, const struct engine *deriver,
                         const struct picture_header *header,
                         const struct picture_variant *variants, unsigned n_variants,
                         uint64_t input_bytes, uint64_t n_frames);

/* ---- for the engines ---- */

/* Multiply two numbers. The result is at most INT64_MAX / 16, so that a forged size cannot make the
 * product overflow to a small number. The sum of a few such products does not overflow either. */
uint64_t memory_product(uint64_t a, uint64_t b);

/* The number of pixels in a picture of this size. */
uint64_t memory_area(struct size size);

/*
 * The memory for an output: its pixels, and the memory of its encoder. If the engine must search
 * the picture for the part to keep, the pixels of the whole picture are added. For each byte of the
 * output's pixels, an encoder of JPEG, PNG or TIFF counts as 2 bytes. Encoders that store the
 * picture in wider numbers count as more. An output on a larger canvas counts as having alpha if
 * its format can have alpha.
 *
 * The numbers of bytes are based on measurements with libvips 8.14.1 on pictures of 24 megapixels.
 * For each byte of the output's pixels, the largest data segment (the memory that RLIMIT_DATA
 * limits) had 1.4 bytes for JPEG, PNG and TIFF, 3.1 for WebP, 4.1 for BMP and 5.5 for GIF. A
 * picture of noise with 11 megapixels needs, in addition to the decoder's memory, 13 bytes per
 * pixel for lossy WebP, 33 for lossless WebP, and 37 for WebP with alpha.
 */
uint64_t memory_of_output(const struct picture_header *header,
                          const struct recipe *recipe, uint64_t n_frames);

#endif
