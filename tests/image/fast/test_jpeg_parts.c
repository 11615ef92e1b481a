/* Tests of the parts of the scaled JPEG decoder: transforms, tables, noise estimate. */
#include "support/test.h"

#include "jpeg_fixture.h"

#include "image/fast/jpeg_huffman.h"
#include "image/fast/jpeg_idct.h"
#include "image/fast/jpeg_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Make a random block. If `i` is even, its values are typical. If `i` is odd, they are arbitrary
 * 16-bit numbers. */
static void random_block(int16_t *block, int16_t *quantization, unsigned n, unsigned i,
                         uint64_t *state)
{
	for (unsigned k = 0; k < n; k++) {
		int wild = (int)random_below(state, 65536) - 32768;
		int tame = (int)random_below(state, 201) - 100;
		bool is_zero = random_below(state, 3) != 0;

		block[k] = (int16_t)(i % 2 ? wild : is_zero ? 0 : tame);
		quantization[k] = (int16_t)(1 + random_below(state, i % 2 ? 32767 : 20));
	}
}

TEST(jpeg_idct, simd_and_portable_code_give_the_same_samples)
{
	_Alignas(16) int16_t block[64], quantization[64];
	uint64_t state = 1;

	for (unsigned i = 0; i < 20000; i++) {
		uint8_t fast[8 * 16], portable[8 * 16];

		memset(fast, 0, sizeof(fast));
		memset(portable, 0, sizeof(portable));
		random_block(block, quantization, 64, i, &state);
		jpg_idct_8x8(fast, 16, block, quantization);
		jpg_idct_8x8_portable(portable, 16, block, quantization);
		EXPECT(memcmp(fast, portable, sizeof(fast)) == 0);
		jpg_idct_4x4(fast, 16, block, quantization);
		jpg_idct_4x4_portable(portable, 16, block, quantization);
		EXPECT(memcmp(fast, portable, sizeof(fast)) == 0);
	}
}

/* The exact sample at (x, y), computed in real numbers from the `side` x `side` lowest
 * coefficients. */
static double exact_sample(const int16_t *block, const int16_t *quantization,
                           unsigned side, unsigned x, unsigned y)
{
	double pi = acos(-1), sum = 0;

	for (unsigned v = 0; v < side; v++) {
		for (unsigned u = 0; u < side; u++) {
			double scale = (u ? sqrt(2) : 1) * (v ? sqrt(2) : 1) / 8;

			sum += scale * block[v * side + u] * quantization[v * side + u] *
			       cos((2 * x + 1) * u * pi / (2 * side)) *
			       cos((2 * y + 1) * v * pi / (2 * side));
		}
	}
	return fmin(fmax(sum + 128, 0), 255);
}

TEST(jpeg_idct, transforms_of_every_size_are_close_to_the_exact_result)
{
	_Alignas(16) int16_t block[64], quantization[64];
	uint64_t state = 2;

	for (unsigned i = 0; i < 400; i += 2) {
		uint8_t samples[64];
		uint16_t samples16[4];

		random_block(block, quantization, 64, i, &state);
		jpg_idct_8x8(samples, 8, block, quantization);
		for (unsigned j = 0; j < 64; j++)
			EXPECT(fabs(samples[j] - exact_sample(block, quantization, 8,
			                                      j % 8, j / 8)) < 1);
		jpg_idct_4x4(samples, 4, block, quantization);
		for (unsigned j = 0; j < 16; j++)
			EXPECT(fabs(samples[j] - exact_sample(block, quantization, 4,
			                                      j % 4, j / 4)) < 1);
		/* In a flat block, jpg_idct_2x2() rounds samples to whole levels. So make sure that
		 * the block is not flat. */
		block[1] = block[1] ? block[1] : 1;
		jpg_idct_2x2(samples16, 4, block, quantization);
		for (unsigned j = 0; j < 4; j++)
			EXPECT(fabs(samples16[j] / 257.0 -
			            exact_sample(block, quantization, 2, j % 2, j / 2)) <
			       0.01);
		EXPECT(fabs(jpg_idct_1x1(block[0], quantization[0]) / 257.0 -
		            exact_sample(block, quantization, 1, 0, 0)) < 0.01);
	}
}

TEST(jpeg_idct,
     a_block_with_only_a_dc_coefficient_has_the_same_level_as_after_a_full_transform)
{
	_Alignas(16) int16_t block[64] = {0}, quantization[64] = {0};

	for (int dc = -1100; dc <= 1100; dc++) {
		uint8_t filled[64], transformed[64];
		uint16_t samples16[4];

		block[0] = (int16_t)dc;
		quantization[0] = 1;
		jpg_fill_block(filled, 8, 8, block[0], quantization[0]);
		jpg_idct_8x8(transformed, 8, block, quantization);
		EXPECT(memcmp(filled, transformed, 64) == 0);
		jpg_fill_block(filled, 4, 4, block[0], quantization[0]);
		jpg_idct_4x4(transformed, 4, block, quantization);
		EXPECT(memcmp(filled, transformed, 16) == 0);
		jpg_idct_2x2(samples16, 4, block, quantization);
		for (unsigned i = 0; i < 4; i++)
			EXPECT_EQ(samples16[i], filled[0] * JPG_LEVEL_16);
	}
}

TEST(jpeg_plan, smaller_scales_use_only_the_lowest_coefficients)
{
	EXPECT_EQ(jpg_used_coefficients(JPG_EIGHTH), 1);
	EXPECT_EQ(jpg_used_coefficients(JPG_QUARTER), 0x17);
	EXPECT_EQ(__builtin_popcountll(jpg_used_coefficients(JPG_HALF)), 16);
	EXPECT(jpg_used_coefficients(JPG_HALF) >> 25 == 0);
	EXPECT(jpg_used_coefficients(JPG_FULL) == ~UINT64_C(0));
	EXPECT(jpg_band(0, 63) == ~UINT64_C(0));
	EXPECT(jpg_band(1, 5) == 0x3e);
	EXPECT(jpg_band(63, 63) == UINT64_C(1) << 63);
}

TEST(jpeg_plan, the_noise_estimate_counts_the_skipped_bits_of_used_coefficients)
{
	uint16_t quantization[64];
	uint8_t known_bit[64] = {0};

	for (unsigned k = 0; k < 64; k++)
		quantization[k] = (uint16_t)(k + 1);
	EXPECT(jpg_noise(quantization, known_bit, ~UINT64_C(0)) == 0);
	/* The lowest bit of coefficient 4 is unknown, so the coefficient is wrong by less than 2
	 * quantization steps. Its step is 5, so the error is less than 10. */
	known_bit[4] = 1;
	EXPECT(fabs(jpg_noise(quantization, known_bit, ~UINT64_C(0)) - 100.0 / 3 / 64) <
	       1e-9);
	EXPECT(jpg_noise(quantization, known_bit, 1) == 0);
}

/* The test makes the list of scans by hand: the first scans of three bands, and then two refinement
 * scans. The last scan refines all AC coefficients. */
TEST(jpeg_plan, a_refinement_scan_needs_all_earlier_scans_of_its_band)
{
	struct jpg_file *file = calloc(1, sizeof(*file));
	struct jpg_request request = {.scale = {JPG_QUARTER}};
	static const uint8_t scans[][4] = {
		{0, 0, 0, 0}, {1, 5, 0, 2}, {6, 63, 0, 1}, {1, 5, 2, 1}, {1, 63, 1, 0},
	};

	REQUIRE(file != NULL);
	file->n_components = 1;
	file->is_progressive = file->has_end = true;
	for (unsigned k = 0; k < 64; k++)
		file->component[0].quantization[k] = 8;
	for (size_t i = 0; i < 5; i++) {
		file->scan[i] = (struct jpg_scan){.n_components = 1,
		                                  .ss = scans[i][0],
		                                  .se = scans[i][1],
		                                  .ah = scans[i][2],
		                                  .al = scans[i][3]};
	}
	file->n_scans = 5;
	jpg_plan_scans(file, &request);
	for (size_t i = 0; i < 5; i++)
		EXPECT(!file->scan[i].is_skipped);

	/* If the last scan is skipped, each of the three AC coefficients in use has an error of
	 * less than 2 * 8 = 16. The estimate of the noise is then 3 * (16 * 16 / 3) / 64 = 4. */
	request.noise_budget[0] = 4;
	jpg_plan_scans(file, &request);
	EXPECT(!file->scan[1].is_skipped);
	EXPECT(file->scan[2].is_skipped);
	EXPECT(!file->scan[3].is_skipped);
	EXPECT(file->scan[4].is_skipped);

	request.noise_budget[0] = 16;
	jpg_plan_scans(file, &request);
	EXPECT(!file->scan[1].is_skipped);
	EXPECT(file->scan[3].is_skipped);
	free(file);
}

/* The Huffman table of ITU-T T.81, table K.3: DC differences of luminance. */
static const uint8_t dc_luminance[] = {0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0,  0,
                                       0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

TEST(jpeg_huffman, identical_huffman_tables_are_built_once)
{
	struct jpg_huffman_cache cache = {0};
	struct jpg_table_bytes bytes = {dc_luminance, sizeof(dc_luminance)};
	const struct jpg_huffman *first, *second, *of_ac;

	jpg_huffman_begin_scan(&cache);
	REQUIRE(jpg_huffman_get(&cache, JPG_DC, bytes, false, true, &first) ==
	        JPG_HUFFMAN_OK);
	REQUIRE(jpg_huffman_get(&cache, JPG_DC, bytes, false, false, &second) ==
	        JPG_HUFFMAN_OK);
	REQUIRE(jpg_huffman_get(&cache, JPG_AC, bytes, true, false, &of_ac) ==
	        JPG_HUFFMAN_OK);
	EXPECT(first == second);
	EXPECT(first != of_ac);
	/* The code 00 is a difference of 0; 010, followed by a 0 bit, is a difference of -1. */
	EXPECT_EQ(first->value[0].n_bits, 2);
	EXPECT_EQ(first->value[0].value, 0);
	EXPECT_EQ(first->value[0x400].n_bits, 4);
	EXPECT_EQ(first->value[0x400].value, -1);
	jpg_huffman_cache_fini(&cache);
}

/* One scan uses as many tables as the cache has places. One more table cannot be stored. */
TEST(jpeg_huffman, huffman_tables_in_use_are_not_evicted)
{
	struct jpg_huffman_cache cache = {0};
	const struct jpg_huffman *table[JPG_CACHED_TABLES], *more;
	uint8_t bytes[JPG_CACHED_TABLES + 1][17] = {{0}};

	for (unsigned round = 0; round < 2; round++) {
		jpg_huffman_begin_scan(&cache);
		for (unsigned i = 0; i < JPG_CACHED_TABLES; i++) {
			bytes[i][1] = 1;
			bytes[i][16] = (uint8_t)(100 * round + i);
			REQUIRE(jpg_huffman_get(&cache, JPG_AC,
			                        (struct jpg_table_bytes){bytes[i], 17},
			                        true, false,
			                        &table[i]) == JPG_HUFFMAN_OK);
		}
		bytes[JPG_CACHED_TABLES][1] = 1;
		bytes[JPG_CACHED_TABLES][16] = 99;
		EXPECT_EQ(jpg_huffman_get(
				  &cache, JPG_AC,
				  (struct jpg_table_bytes){bytes[JPG_CACHED_TABLES], 17},
				  true, false, &more),
		          JPG_HUFFMAN_NO_MEMORY);
		for (unsigned i = 0; i < JPG_CACHED_TABLES; i++)
			EXPECT_EQ(table[i]->symbols[0], 100 * round + i);
	}
	jpg_huffman_cache_fini(&cache);
}

TEST(jpeg_huffman, huffman_codes_of_all_lengths_are_decoded)
{
	/* A table with one code of each length: 0, 10, 110, and so on. The last code has 16
	 * bits. */
	uint8_t bytes[32];
	struct jpg_huffman_cache cache = {0};
	const struct jpg_huffman *table;

	memset(bytes, 1, 16);
	for (unsigned i = 0; i < 16; i++)
		bytes[16 + i] = (uint8_t)(i * 16 + 1);
	jpg_huffman_begin_scan(&cache);
	REQUIRE(jpg_huffman_get(&cache, JPG_AC, (struct jpg_table_bytes){bytes, 32}, true,
	                        true, &table) == JPG_HUFFMAN_OK);
	for (unsigned length = 1; length <= 16; length++) {
		uint32_t code = 0xffffu << (17 - length) & 0xffff;
		uint8_t at[8] = {(uint8_t)(code >> 8), (uint8_t)code};
		struct jpg_bits bits;
		struct jpg_code found;

		jpg_bits_init(&bits, at, sizeof(at));
		jpg_bits_refill(&bits);
		found = jpg_huffman_peek(table, &bits);
		EXPECT_EQ(found.length, length);
		EXPECT_EQ(found.symbol, (length - 1) * 16 + 1);
	}
	EXPECT_EQ(jpg_huffman_long_code(table, 0xffff).length, 0);
	jpg_huffman_cache_fini(&cache);
}

TEST(jpeg_bits, bits_are_read_in_order_and_zeros_follow_the_last_bit)
{
	static const uint8_t bytes[] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc,
	                                0xde, 0xf0, 0x11, 0x22, 0x33};
	struct jpg_bits bits;
	uint64_t state = 3;
	unsigned at = 0;

	jpg_bits_init(&bits, bytes, sizeof(bytes));
	while (at < sizeof(bytes) * 8 + 40) {
		unsigned n = 1 + random_below(&state, 20), want = 0;

		EXPECT_EQ(jpg_bits_ran_out(&bits), at > sizeof(bytes) * 8);
		if (at <= sizeof(bytes) * 8)
			EXPECT_EQ(jpg_bits_are_left(&bits), at + 8 <= sizeof(bytes) * 8);
		for (unsigned i = at; i < at + n; i++) {
			unsigned byte = i / 8 < sizeof(bytes) ? bytes[i / 8] : 0;

			want = want << 1 | (byte >> (7 - i % 8) & 1);
		}
		jpg_bits_need(&bits, n);
		EXPECT_EQ(jpg_bits_take(&bits, n), want);
		at += n;
	}
}

TEST(jpeg_bits, sign_extension_matches_the_jpeg_standard)
{
	EXPECT_EQ(jpg_extend(0, 1), -1);
	EXPECT_EQ(jpg_extend(1, 1), 1);
	EXPECT_EQ(jpg_extend(0, 3), -7);
	EXPECT_EQ(jpg_extend(3, 3), -4);
	EXPECT_EQ(jpg_extend(4, 3), 4);
	EXPECT_EQ(jpg_extend(0, 15), -32767);
}
