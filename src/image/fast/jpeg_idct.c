/*
 * Inverse DCTs for JPEG blocks.
 *
 * The 8 x 8 transform is that of Loeffler, Ligtenberg and Moschytz (ICASSP 1989), in the form of
 * libjpeg's "islow": constants have 13 fractional bits, and values between the two passes have 2
 * fractional bits. Only the rounding after each pass loses bits. So the products may be added in
 * any order with the same result. The SIMD code adds them in pairs with pmaddwd.
 */
#include "image/fast/jpeg_idct.h"

#include <string.h>

enum { CONSTANT_BITS = 13, PASS_BITS = 2 };
enum { SHIFT_8_PASS_1 = CONSTANT_BITS - PASS_BITS };
enum { SHIFT_8_PASS_2 = CONSTANT_BITS + PASS_BITS + 3 };

/* The constants of the algorithm in fixed point: C_x is x * 2^13, rounded. */
enum {
	C_0_298631336 = 2446,
	C_0_390180644 = 3196,
	C_0_541196100 = 4433,
	C_0_765366865 = 6270,
	C_0_899976223 = 7373,
	C_1_175875602 = 9633,
	C_1_501321110 = 12299,
	C_1_847759065 = 15137,
	C_1_961570560 = 16069,
	C_2_053119869 = 16819,
	C_2_562915447 = 20995,
	C_3_072711026 = 25172,
};

/* The factors of the rotations, computed from the constants. For example, EVEN_2_OF_6 is the factor
 * of input 6 in the sum EVEN_2. */
enum {
	EVEN_2_OF_2 = C_0_541196100,
	EVEN_2_OF_6 = C_0_541196100 - C_1_847759065,
	EVEN_3_OF_2 = C_0_541196100 + C_0_765366865,
	EVEN_3_OF_6 = C_0_541196100,
	ODD_Z3_OF_Z3 = C_1_175875602 - C_1_961570560,
	ODD_Z3_OF_Z4 = C_1_175875602,
	ODD_Z4_OF_Z4 = C_1_175875602 - C_0_390180644,
	ODD_Z4_OF_Z3 = C_1_175875602,
	ODD_0_OF_7 = C_0_298631336 - C_0_899976223,
	ODD_0_OF_1 = -C_0_899976223,
	ODD_3_OF_1 = C_1_501321110 - C_0_899976223,
	ODD_3_OF_7 = -C_0_899976223,
	ODD_1_OF_5 = C_2_053119869 - C_2_562915447,
	ODD_1_OF_3 = -C_2_562915447,
	ODD_2_OF_3 = C_3_072711026 - C_2_562915447,
	ODD_2_OF_5 = -C_2_562915447,
};

/* The factors of the orthonormal transform of size 4, times 2^13: 1/2, cos(pi/8) / sqrt(2) and
 * sin(pi/8) / sqrt(2). If an 8 x 8 block and a 4 x 4 block show the same picture, the coefficients
 * of the 8 x 8 block are twice as large. So the shift after the second pass also divides by 2. */
enum { FOUR_HALF = 4096, FOUR_COS = 5352, FOUR_SIN = 2217 };
enum { SHIFT_4_PASS_1 = CONSTANT_BITS - 3, SHIFT_4_PASS_2 = CONSTANT_BITS + 3 + 1 };

static uint8_t clamp8(int level)
{
	return (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);
}

static int16_t clamp16(int value)
{
	return (int16_t)(value < INT16_MIN   ? INT16_MIN
	                 : value > INT16_MAX ? INT16_MAX
	                                     : value);
}

static int round_shift(int value, int shift)
{
	return (value + (1 << (shift - 1))) >> shift;
}

/* Transform one row or column of 8 inputs. In memory, the distance between two inputs is `step`.
 * `out` gets the sums before rounding. */
static void pass_of_8(int out[8], const int16_t *in, size_t step)
{
	int in1 = in[step], in2 = in[2 * step], in3 = in[3 * step];
	int in5 = in[5 * step], in6 = in[6 * step], in7 = in[7 * step];
	int sum04 = (int16_t)(in[0] + in[4 * step]) * (1 << CONSTANT_BITS);
	int difference04 = (int16_t)(in[0] - in[4 * step]) * (1 << CONSTANT_BITS);
	int even2 = in2 * EVEN_2_OF_2 + in6 * EVEN_2_OF_6;
	int even3 = in2 * EVEN_3_OF_2 + in6 * EVEN_3_OF_6;
	int even[4] = {sum04 + even3, difference04 + even2, difference04 - even2,
	               sum04 - even3};

	int sum73 = (int16_t)(in7 + in3), sum51 = (int16_t)(in5 + in1);
	int z3 = sum73 * ODD_Z3_OF_Z3 + sum51 * ODD_Z3_OF_Z4;
	int z4 = sum51 * ODD_Z4_OF_Z4 + sum73 * ODD_Z4_OF_Z3;
	int odd[4] = {in1 * ODD_3_OF_1 + in7 * ODD_3_OF_7 + z4,
	              in3 * ODD_2_OF_3 + in5 * ODD_2_OF_5 + z3,
	              in5 * ODD_1_OF_5 + in3 * ODD_1_OF_3 + z4,
	              in7 * ODD_0_OF_7 + in1 * ODD_0_OF_1 + z3};

	for (unsigned i = 0; i < 4; i++) {
		out[i] = even[i] + odd[i];
		out[7 - i] = even[i] - odd[i];
	}
}

void jpg_idct_8x8_portable(uint8_t *samples, size_t stride,
                           const int16_t coefficients[64], const int16_t quantization[64])
{
	int16_t block[64];
	int sums[8];

	for (unsigned i = 0; i < 64; i++)
		block[i] = (int16_t)(coefficients[i] * quantization[i]);
	for (unsigned x = 0; x < 8; x++) {
		pass_of_8(sums, block + x, 8);
		for (size_t y = 0; y < 8; y++)
			block[8 * y + x] = clamp16(round_shift(sums[y], SHIFT_8_PASS_1));
	}
	for (size_t y = 0; y < 8; y++, samples += stride) {
		pass_of_8(sums, block + 8 * y, 1);
		for (unsigned x = 0; x < 8; x++)
			samples[x] = clamp8(round_shift(sums[x], SHIFT_8_PASS_2) + 128);
	}
}

static void pass_of_4(int out[4], const int16_t *in, size_t step)
{
	int even0 = (in[0] + in[2 * step]) * FOUR_HALF;
	int even1 = (in[0] - in[2 * step]) * FOUR_HALF;
	int odd0 = in[step] * FOUR_COS + in[3 * step] * FOUR_SIN;
	int odd1 = in[step] * FOUR_SIN - in[3 * step] * FOUR_COS;

	out[0] = even0 + odd0;
	out[1] = even1 + odd1;
	out[2] = even1 - odd1;
	out[3] = even0 - odd0;
}

void jpg_idct_4x4_portable(uint8_t *samples, size_t stride,
                           const int16_t coefficients[16], const int16_t quantization[16])
{
	int16_t block[16];
	int sums[4];

	for (unsigned i = 0; i < 16; i++)
		block[i] = (int16_t)(coefficients[i] * quantization[i]);
	for (unsigned x = 0; x < 4; x++) {
		pass_of_4(sums, block + x, 4);
		for (size_t y = 0; y < 4; y++)
			block[4 * y + x] = clamp16(round_shift(sums[y], SHIFT_4_PASS_1));
	}
	for (size_t y = 0; y < 4; y++, samples += stride) {
		pass_of_4(sums, block + 4 * y, 1);
		for (unsigned x = 0; x < 4; x++)
			samples[x] = clamp8(round_shift(sums[x], SHIFT_4_PASS_2) + 128);
	}
}

void jpg_fill_block(uint8_t *samples, size_t stride, unsigned side, int16_t dc,
                    int16_t quantization)
{
	uint8_t level = clamp8((((int16_t)(dc * quantization) + 4) >> 3) + 128);
	uint64_t row = level * UINT64_C(0x0101010101010101);

	for (unsigned y = 0; y < side; y++, samples += stride)
		memcpy(samples, &row, side == 8 ? 8 : 4);
}

#ifdef __SSE2__

#include <emmintrin.h>

/* Eight sums of 32 bits, four in each vector. */
struct sums {
	__m128i low, high;
};

static inline struct sums sums_add(struct sums a, struct sums b)
{
	return (struct sums){_mm_add_epi32(a.low, b.low), _mm_add_epi32(a.high, b.high)};
}

static inline struct sums sums_subtract(struct sums a, struct sums b)
{
	return (struct sums){_mm_sub_epi32(a.low, b.low), _mm_sub_epi32(a.high, b.high)};
}

/* The factors for pmaddwd. This instruction multiplies the numbers of each pair by `first` and
 * `second`, and adds the two products. */
static inline __m128i factors(short first, short second)
{
	return _mm_set_epi16(second, first, second, first, second, first, second, first);
}

/* Compute a * of_a + b * of_b for each of the eight lanes. */
static inline struct sums multiply(__m128i a, short of_a, __m128i b, short of_b)
{
	__m128i pairs = factors(of_a, of_b);

	return (struct sums){_mm_madd_epi16(_mm_unpacklo_epi16(a, b), pairs),
	                     _mm_madd_epi16(_mm_unpackhi_epi16(a, b), pairs)};
}

/* Compute a * 2^CONSTANT_BITS. Each number of `a` is moved to the upper half of 32 bits, which
 * multiplies it by 2^16. Then it is shifted right by 16 - CONSTANT_BITS bits. */
static inline struct sums scale_up(__m128i a)
{
	__m128i zero = _mm_setzero_si128();

	return (struct sums){
		_mm_srai_epi32(_mm_unpacklo_epi16(zero, a), 16 - CONSTANT_BITS),
		_mm_srai_epi32(_mm_unpackhi_epi16(zero, a), 16 - CONSTANT_BITS)};
}

static inline __m128i shift_and_pack(struct sums sums, int shift)
{
	__m128i half = _mm_set1_epi32(1 << (shift - 1));

	return _mm_packs_epi32(_mm_srai_epi32(_mm_add_epi32(sums.low, half), shift),
	                       _mm_srai_epi32(_mm_add_epi32(sums.high, half), shift));
}

/* Transform all eight columns at once. Before the call, row[i] has input i of each column. After
 * the call, row[i] has output i of each column. */
static inline void pass_of_8_sse2(__m128i row[8], int shift)
{
	struct sums sum04 = scale_up(_mm_add_epi16(row[0], row[4]));
	struct sums difference04 = scale_up(_mm_sub_epi16(row[0], row[4]));
	struct sums even2 = multiply(row[2], EVEN_2_OF_2, row[6], EVEN_2_OF_6);
	struct sums even3 = multiply(row[2], EVEN_3_OF_2, row[6], EVEN_3_OF_6);
	struct sums even[4] = {
		sums_add(sum04, even3),
		sums_add(difference04, even2),
		sums_subtract(difference04, even2),
		sums_subtract(sum04, even3),
	};

	__m128i sum73 = _mm_add_epi16(row[7], row[3]);
	__m128i sum51 = _mm_add_epi16(row[5], row[1]);
	struct sums z3 = multiply(sum73, ODD_Z3_OF_Z3, sum51, ODD_Z3_OF_Z4);
	struct sums z4 = multiply(sum51, ODD_Z4_OF_Z4, sum73, ODD_Z4_OF_Z3);
	struct sums odd[4] = {
		sums_add(multiply(row[1], ODD_3_OF_1, row[7], ODD_3_OF_7), z4),
		sums_add(multiply(row[3], ODD_2_OF_3, row[5], ODD_2_OF_5), z3),
		sums_add(multiply(row[5], ODD_1_OF_5, row[3], ODD_1_OF_3), z4),
		sums_add(multiply(row[7], ODD_0_OF_7, row[1], ODD_0_OF_1), z3),
	};

	for (unsigned i = 0; i < 4; i++) {
		row[i] = shift_and_pack(sums_add(even[i], odd[i]), shift);
		row[7 - i] = shift_and_pack(sums_subtract(even[i], odd[i]), shift);
	}
}

static inline void interleave(__m128i *a, __m128i *b)
{
	__m128i low = _mm_unpacklo_epi16(*a, *b);

	*b = _mm_unpackhi_epi16(*a, *b);
	*a = low;
}

/* Transpose the block in three rounds. The first interleaves rows that are 4 apart, the second rows
 * that are 2 apart, the third neighbouring rows. */
static inline void transpose_8(__m128i row[8])
{
	interleave(&row[0], &row[4]);
	interleave(&row[1], &row[5]);
	interleave(&row[2], &row[6]);
	interleave(&row[3], &row[7]);
	interleave(&row[0], &row[2]);
	interleave(&row[1], &row[3]);
	interleave(&row[4], &row[6]);
	interleave(&row[5], &row[7]);
	interleave(&row[0], &row[1]);
	interleave(&row[2], &row[3]);
	interleave(&row[4], &row[5]);
	interleave(&row[6], &row[7]);
}

static inline __m128i load(const int16_t *at)
{
	return _mm_load_si128((const __m128i *)(const void *)at);
}

/* Convert two rows of levels to samples: the range -128 to 127 becomes 0 to 255. */
static inline __m128i to_levels(__m128i above, __m128i below)
{
	__m128i shift = _mm_set1_epi8((char)0x80);

	return _mm_add_epi8(_mm_packs_epi16(above, below), shift);
}

void jpg_idct_8x8(uint8_t *samples, size_t stride, const int16_t coefficients[64],
                  const int16_t quantization[64])
{
	__m128i row[8];

	for (size_t i = 0; i < 8; i++)
		row[i] = _mm_mullo_epi16(load(coefficients + 8 * i),
		                         load(quantization + 8 * i));
	pass_of_8_sse2(row, SHIFT_8_PASS_1);
	transpose_8(row);
	pass_of_8_sse2(row, SHIFT_8_PASS_2);
	transpose_8(row);
	for (size_t i = 0; i < 8; i += 2) {
		__m128i levels = to_levels(row[i], row[i + 1]);

		_mm_storel_epi64((__m128i *)(void *)(samples + i * stride), levels);
		_mm_storel_epi64((__m128i *)(void *)(samples + (i + 1) * stride),
		                 _mm_srli_si128(levels, 8));
	}
}

/* Transform all four columns at once. *rows01 has rows 0 and 1, *rows23 has rows 2 and 3. */
static inline void pass_of_4_sse2(__m128i *rows01, __m128i *rows23, int shift)
{
	__m128i half = _mm_set1_epi32(1 << (shift - 1));
	__m128i in02 = _mm_unpacklo_epi16(*rows01, *rows23);
	__m128i in13 = _mm_unpackhi_epi16(*rows01, *rows23);
	__m128i even0 = _mm_madd_epi16(in02, _mm_set1_epi16(FOUR_HALF));
	__m128i even1 = _mm_madd_epi16(in02, factors(FOUR_HALF, -FOUR_HALF));
	__m128i odd0 = _mm_madd_epi16(in13, factors(FOUR_COS, FOUR_SIN));
	__m128i odd1 = _mm_madd_epi16(in13, factors(FOUR_SIN, -FOUR_COS));

	even0 = _mm_add_epi32(even0, half);
	even1 = _mm_add_epi32(even1, half);
	*rows01 = _mm_packs_epi32(_mm_srai_epi32(_mm_add_epi32(even0, odd0), shift),
	                          _mm_srai_epi32(_mm_add_epi32(even1, odd1), shift));
	*rows23 = _mm_packs_epi32(_mm_srai_epi32(_mm_sub_epi32(even1, odd1), shift),
	                          _mm_srai_epi32(_mm_sub_epi32(even0, odd0), shift));
}

static inline void transpose_4(__m128i *rows01, __m128i *rows23)
{
	__m128i rows02 = _mm_unpacklo_epi16(*rows01, *rows23);
	__m128i rows13 = _mm_unpackhi_epi16(*rows01, *rows23);

	*rows01 = _mm_unpacklo_epi16(rows02, rows13);
	*rows23 = _mm_unpackhi_epi16(rows02, rows13);
}

void jpg_idct_4x4(uint8_t *samples, size_t stride, const int16_t coefficients[16],
                  const int16_t quantization[16])
{
	__m128i rows01 = _mm_mullo_epi16(load(coefficients), load(quantization));
	__m128i rows23 = _mm_mullo_epi16(load(coefficients + 8), load(quantization + 8));
	uint8_t levels[16];

	pass_of_4_sse2(&rows01, &rows23, SHIFT_4_PASS_1);
	transpose_4(&rows01, &rows23);
	pass_of_4_sse2(&rows01, &rows23, SHIFT_4_PASS_2);
	transpose_4(&rows01, &rows23);
	_mm_storeu_si128((__m128i *)(void *)levels, to_levels(rows01, rows23));
	for (size_t y = 0; y < 4; y++)
		memcpy(samples + y * stride, levels + 4 * y, 4);
}

#else

void jpg_idct_8x8(uint8_t *samples, size_t stride, const int16_t coefficients[64],
                  const int16_t quantization[64])
{
	jpg_idct_8x8_portable(samples, stride, coefficients, quantization);
}

void jpg_idct_4x4(uint8_t *samples, size_t stride, const int16_t coefficients[16],
                  const int16_t quantization[16])
{
	jpg_idct_4x4_portable(samples, stride, coefficients, quantization);
}

#endif
