/* The filters of PNG undone. */
#include "image/fast/png_unfilter.h"

#include <stdlib.h>
#include <string.h>

static void add_above(uint8_t *restrict row, const uint8_t *restrict above, size_t n)
{
	for (size_t i = 0; i < n; i++)
		row[i] = (uint8_t)(row[i] + above[i]);
}

static void undo_sub(uint8_t *row, size_t n, unsigned step)
{
	for (size_t i = step; i < n; i++)
		row[i] = (uint8_t)(row[i] + row[i - step]);
}

static void undo_average(uint8_t *row, const uint8_t *above, size_t n, unsigned step)
{
	for (size_t i = 0; i < n; i++) {
		unsigned left = i >= step ? row[i - step] : 0;

		row[i] = (uint8_t)(row[i] + (left + above[i]) / 2);
	}
}

/* The neighbour that is nearest to left + up - corner; in a tie left, then up. */
static uint8_t paeth(int left, int up, int corner)
{
	int to_left = abs(up - corner), to_up = abs(left - corner);
	int to_corner = abs(left + up - 2 * corner);

	if (to_left <= to_up && to_left <= to_corner)
		return (uint8_t)left;
	return (uint8_t)(to_up <= to_corner ? up : corner);
}

static void undo_paeth(uint8_t *row, const uint8_t *above, size_t n, unsigned step)
{
	for (size_t i = 0; i < n; i++) {
		int left = i >= step ? row[i - step] : 0;
		int corner = i >= step ? above[i - step] : 0;

		row[i] = (uint8_t)(row[i] + paeth(left, above[i], corner));
	}
}

void png_unfilter_portable(enum png_filter filter, uint8_t *row, const uint8_t *above,
                           size_t n, unsigned n_pixel_bytes)
{
	switch (filter) {
	case PNG_FILTER_SUB:
		undo_sub(row, n, n_pixel_bytes);
		return;
	case PNG_FILTER_UP:
		add_above(row, above, n);
		return;
	case PNG_FILTER_AVERAGE:
		undo_average(row, above, n, n_pixel_bytes);
		return;
	case PNG_FILTER_PAETH:
		undo_paeth(row, above, n, n_pixel_bytes);
		return;
	default:
		return;
	}
}

#ifdef __SSE2__

#include <smmintrin.h>

/* Each of these depends on the pixel before, so they take one pixel of 3 or 4 bytes at a time.
 * They are not inlined: in a function of their own the loops keep everything in registers. */

static inline __m128i load4(const uint8_t *at)
{
	int bytes;

	memcpy(&bytes, at, sizeof(bytes));
	return _mm_cvtsi32_si128(bytes);
}

/* size is a constant where this is called. */
static inline void store(uint8_t *at, __m128i pixel, size_t size)
{
	int bytes = _mm_cvtsi128_si32(pixel);

	memcpy(at, &bytes, size);
}

/* Four pixels at once: sums of neighbours, then of pairs, then the pixel before them. */
__attribute__((noinline)) static void undo_sub_4(uint8_t *row, size_t n)
{
	__m128i before = _mm_setzero_si128();
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		__m128i *at = (__m128i *)(void *)(row + i);
		__m128i pixels = _mm_loadu_si128(at);

		pixels = _mm_add_epi8(pixels, _mm_slli_si128(pixels, 4));
		pixels = _mm_add_epi8(pixels, _mm_slli_si128(pixels, 8));
		pixels = _mm_add_epi8(pixels, before);
		_mm_storeu_si128(at, pixels);
		before = _mm_shuffle_epi32(pixels, 0xff);
	}
	for (i = i ? i : 4; i < n; i++)
		row[i] = (uint8_t)(row[i] + row[i - 4]);
}

__attribute__((noinline)) static void undo_sub_3(uint8_t *row, size_t n)
{
	__m128i pixel = _mm_setzero_si128();

	for (size_t i = 0; i < n; i += 3) {
		pixel = _mm_add_epi8(pixel, load4(row + i));
		store(row + i, pixel, 3);
	}
}

/* pavgb rounds up, PNG down: where the sum is odd it is one too many. */
static inline __m128i average(__m128i left, __m128i up)
{
	__m128i odd = _mm_and_si128(_mm_xor_si128(left, up), _mm_set1_epi8(1));

	return _mm_sub_epi8(_mm_avg_epu8(left, up), odd);
}

static inline void undo_average_pixels(uint8_t *row, const uint8_t *above, size_t n,
                                       size_t size)
{
	__m128i pixel = _mm_setzero_si128();

	for (size_t i = 0; i < n; i += size) {
		pixel = _mm_add_epi8(load4(row + i), average(pixel, load4(above + i)));
		store(row + i, pixel, size);
	}
}

__attribute__((noinline)) static void undo_average_3(uint8_t *row, const uint8_t *above,
                                                     size_t n)
{
	undo_average_pixels(row, above, n, 3);
}

__attribute__((noinline)) static void undo_average_4(uint8_t *row, const uint8_t *above,
                                                     size_t n)
{
	undo_average_pixels(row, above, n, 4);
}

/* In lanes of 16 bits, so that packing is not on the way from one pixel to the next. The next
 * pixel is loaded before this one is stored, because they overlap. */
__attribute__((target("sse4.1"))) static inline void undo_paeth_pixels(
	uint8_t *row, const uint8_t *above, size_t n, size_t size)
{
	const __m128i zero = _mm_setzero_si128();
	__m128i left = zero, corner = zero;
	__m128i filtered = _mm_unpacklo_epi8(load4(row), zero);

	for (size_t i = 0; i < n; i += size) {
		__m128i up = _mm_unpacklo_epi8(load4(above + i), zero);
		__m128i next = _mm_unpacklo_epi8(load4(row + i + size), zero);
		__m128i to_left = _mm_sub_epi16(up, corner);
		__m128i to_up = _mm_sub_epi16(left, corner);
		__m128i to_corner = _mm_abs_epi16(_mm_add_epi16(to_left, to_up));
		__m128i corner_is_nearer, left_is_not_nearest, nearest;

		to_left = _mm_abs_epi16(to_left);
		to_up = _mm_abs_epi16(to_up);
		corner_is_nearer = _mm_cmpgt_epi16(to_up, to_corner);
		left_is_not_nearest = _mm_cmpgt_epi16(to_left,
		                                      _mm_min_epi16(to_up, to_corner));
		nearest = _mm_blendv_epi8(up, corner, corner_is_nearer);
		nearest = _mm_blendv_epi8(left, nearest, left_is_not_nearest);
		/* Bytes, so that nothing is carried into the upper halves. */
		left = _mm_add_epi8(filtered, nearest);
		store(row + i, _mm_packus_epi16(left, left), size);
		corner = up;
		filtered = next;
	}
}

__attribute__((noinline, target("sse4.1"))) static void undo_paeth_3(uint8_t *row,
                                                                     const uint8_t *above,
                                                                     size_t n)
{
	undo_paeth_pixels(row, above, n, 3);
}

__attribute__((noinline, target("sse4.1"))) static void undo_paeth_4(uint8_t *row,
                                                                     const uint8_t *above,
                                                                     size_t n)
{
	undo_paeth_pixels(row, above, n, 4);
}

static bool unfilter_fast(enum png_filter filter, uint8_t *row, const uint8_t *above,
                          size_t n, unsigned n_pixel_bytes)
{
	bool has_4 = n_pixel_bytes == 4;

	if (n_pixel_bytes < 3)
		return false;
	switch (filter) {
	case PNG_FILTER_SUB:
		if (has_4)
			undo_sub_4(row, n);
		else
			undo_sub_3(row, n);
		return true;
	case PNG_FILTER_AVERAGE:
		if (has_4)
			undo_average_4(row, above, n);
		else
			undo_average_3(row, above, n);
		return true;
	case PNG_FILTER_PAETH:
		if (!__builtin_cpu_supports("sse4.1"))
			return false;
		if (has_4)
			undo_paeth_4(row, above, n);
		else
			undo_paeth_3(row, above, n);
		return true;
	default:
		return false;
	}
}

#else

static bool unfilter_fast(enum png_filter filter, uint8_t *row, const uint8_t *above,
                          size_t n, unsigned n_pixel_bytes)
{
	(void)filter, (void)row, (void)above, (void)n, (void)n_pixel_bytes;
	return false;
}

#endif

void png_unfilter(enum png_filter filter, uint8_t *row, const uint8_t *above, size_t n,
                  unsigned n_pixel_bytes)
{
	if (!unfilter_fast(filter, row, above, n, n_pixel_bytes))
		png_unfilter_portable(filter, row, above, n, n_pixel_bytes);
}
