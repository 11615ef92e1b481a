/* Decides which coefficients a scale uses, and which scans of a file it does not need. */
#ifndef PXP_JPEG_PLAN_H
#define PXP_JPEG_PLAN_H

#include "image/fast/jpeg_markers.h"

/* The position of coefficient k in a block. k is counted in zigzag order, and the position row by
 * row (T.81, figure A.6). */
extern const uint8_t jpg_natural_order[JPG_BLOCK_SIZE];

/* A mask of the coefficients that a scale uses. Bit k stands for coefficient k in zigzag order. */
uint64_t jpg_used_coefficients(enum jpg_scale scale);

/* A mask in which the bits from `first` to `last` are set. `last` is at most 63. */
static inline uint64_t jpg_band(unsigned first, unsigned last)
{
	return (~UINT64_C(0) << first) & (~UINT64_C(0) >> (63 - last));
}

/*
 * Set is_skipped of every scan of a progressive file that the request does not need. These are:
 *
 *   - AC scans of a band in which the scale uses no coefficient;
 *   - refinement scans without which the error stays within the component's noise budget. If a
 *     refinement scan is skipped, all later refinement scans of the same coefficients are skipped
 *     too.
 *
 * A refinement scan has a correction bit for each coefficient of its band that is not zero so far.
 * So if this scan is read, all earlier scans of coefficients in its band must be read too. DC scans
 * are always read. In a file without an end marker, no scan is skipped.
 */
void jpg_plan_scans(struct jpg_file *file, const struct jpg_request *request);

/* Estimate the mean squared error of a component, in levels of 8-bit samples. Of each coefficient
 * k, the bits below known_bit[k] are unknown. `used` is a mask of the coefficients that count. */
double jpg_noise(const uint16_t quantization[JPG_BLOCK_SIZE],
                 const uint8_t known_bit[JPG_BLOCK_SIZE], uint64_t used);

#endif
