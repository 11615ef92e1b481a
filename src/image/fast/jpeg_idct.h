/*
 * Inverse DCTs of four sizes (ITU T.81, A.3.3), each with dequantization and the shift of levels by
 * 128.
 *
 * A smaller transform takes the lowest coefficients of the 8 x 8 block as the coefficients of a
 * smaller block. This gives the sharpest possible reduction.
 *
 * In the 8 x 8 and 4 x 4 transforms, the product of coefficient and quantization step wraps at 16
 * bits, as in libjpeg-turbo. Encoders do not write products so large. Samples are clamped to their
 * range.
 */
#ifndef PXP_JPEG_IDCT_H
#define PXP_JPEG_IDCT_H

#include <stddef.h>
#include <stdint.h>

/* Transform 8 x 8 coefficients. Coefficients and quantization steps are stored row by row, aligned
 * to 16 bytes. The result is the same as that of libjpeg's "islow", bit for bit. */
void jpg_idct_8x8(uint8_t *samples, size_t stride, const int16_t coefficients[64],
                  const int16_t quantization[64]);

/* Transform the lowest 4 x 4 coefficients to 4 x 4 samples. Coefficients and quantization steps are
 * stored row by row, aligned to 16 bytes. */
void jpg_idct_4x4(uint8_t *samples, size_t stride, const int16_t coefficients[16],
                  const int16_t quantization[16]);

/* The transforms 8 x 8 and 4 x 4 without SIMD, for machines that have no SIMD and for the tests. */
void jpg_idct_8x8_portable(uint8_t *samples, size_t stride,
                           const int16_t coefficients[64],
                           const int16_t quantization[64]);
void jpg_idct_4x4_portable(uint8_t *samples, size_t stride,
                           const int16_t coefficients[16],
                           const int16_t quantization[16]);

/* Fill a block of `side` x `side` samples with the level of its DC coefficient. `side` is 4 or
 * 8. */
void jpg_fill_block(uint8_t *samples, size_t stride, unsigned side, int16_t dc,
                    int16_t quantization);

/* A 16-bit sample is the level of an 8-bit sample, 0 to 255, times this number. So 65535 is level
 * 255. */
enum { JPG_LEVEL_16 = 257 };

/* Convert a level to a 16-bit sample. The level is -128 to 127 and is given times 8. */
static inline uint16_t jpg_sample16(int level_times_8)
{
	int sample = ((level_times_8 * JPG_LEVEL_16 + 4) >> 3) + 128 * JPG_LEVEL_16;

	return (uint16_t)(sample < 0 ? 0 : sample > UINT16_MAX ? UINT16_MAX : sample);
}

static inline int jpg_dequantize(int16_t coefficient, int16_t quantization)
{
	int product = coefficient * quantization;

	return product < INT16_MIN   ? INT16_MIN
	       : product > INT16_MAX ? INT16_MAX
	                             : product;
}

/* Convert a DC coefficient to one sample, the mean of the block. */
static inline uint16_t jpg_idct_1x1(int16_t dc, int16_t quantization)
{
	return jpg_sample16(jpg_dequantize(dc, quantization));
}

/* Round a level to a whole number. Both the argument and the result are the level times 8. */
static inline int jpg_whole_level(int level_times_8)
{
	return (level_times_8 + 4) & ~7;
}

/*
 * Transform the four lowest coefficients, 2 x 2, to 2 x 2 samples. `stride` is in bytes.
 *
 * If the other three coefficients are 0, the DC coefficient is rounded to a whole level. A decoder
 * that decodes all pixels rounds every pixel of such a flat block in the same direction, so the
 * mean of its rounded pixels is a whole level, too. Without this rounding, fractions of a level
 * would be the largest difference between the two decoders in an almost flat picture.
 */
static inline void jpg_idct_2x2(void *samples, size_t stride,
                                const int16_t coefficients[4],
                                const int16_t quantization[4])
{
	int c00 = jpg_dequantize(coefficients[0], quantization[0]);
	int c01 = jpg_dequantize(coefficients[1], quantization[1]);
	int c10 = jpg_dequantize(coefficients[2], quantization[2]);
	int c11 = jpg_dequantize(coefficients[3], quantization[3]);
	uint16_t *above = samples, *below = (uint16_t *)((uint8_t *)samples + stride);

	if (!(c01 | c10 | c11))
		c00 = jpg_whole_level(c00);
	above[0] = jpg_sample16(c00 + c01 + c10 + c11);
	above[1] = jpg_sample16(c00 - c01 + c10 - c11);
	below[0] = jpg_sample16(c00 + c01 - c10 - c11);
	below[1] = jpg_sample16(c00 - c01 - c10 + c11);
}

#endif
