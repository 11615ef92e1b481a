/* Reduces rows of pixels by a whole number and converts them to planes. */
#include "image/fast/box.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A sample of a 16-bit plane is the level of an 8-bit sample, 0 to 255, times this number. */
static const float level_16 = 257;

bool box_begin(struct box *box, uint32_t width, uint32_t height, unsigned n_bands,
               unsigned factor)
{
	uint32_t to_width = (width + factor - 1) / factor;
	uint32_t to_height = (height + factor - 1) / factor;
	size_t row_floats = size_aligned(to_width * sizeof(float)) / sizeof(float);
	size_t n_sums = size_times(width, n_bands) + 16;
	float *rows;

	box->width = width;
	box->height = height;
	box->n_bands = n_bands;
	box->factor = factor;
	box->n_planes = n_bands >= 3 ? 3 : 1;
	box->has_alpha = n_bands % 2 == 0;
	box->is_opaque = true;
	box->n_rows = 0;
	box->y = 0;
	for (unsigned i = 0; i < BOX_PLANES; i++) {
		struct plane *plane = &box->planes[i];

		if (i >= box->n_planes && !(i == BOX_ALPHA && box->has_alpha))
			continue;
		if (!plane_reserve_with_margin(plane, &box->workspaces[i], to_width,
		                               to_height, 16))
			return false;
		plane->true_width = (double)width / factor;
		plane->true_height = (double)height / factor;
	}
	box->sums = workspace_reserve(&box->sums_memory, size_times(n_sums, 2));
	box->wide_sums = box->has_alpha ? workspace_reserve(&box->wide_memory,
	                                                    size_times(n_sums, 4))
	                                : NULL;
	rows = workspace_reserve(&box->row_memory,
	                         size_times(row_floats, BOX_PLANES * sizeof(float)));
	for (unsigned i = 0; i < BOX_PLANES && rows; i++)
		box->rows[i] = rows + i * row_floats;
	return box->sums && (!box->has_alpha || box->wide_sums) && rows;
}

uint64_t box_memory(uint32_t width, uint32_t height, unsigned n_bands, unsigned factor)
{
	/* The number of samples of a plane with its margin. */
	uint64_t reduced = ((uint64_t)width / factor + (uint64_t)2 * PLANE_MARGIN_BYTES) *
	                   ((uint64_t)height / factor + 1 +
	                    (uint64_t)2 * PLANE_MARGIN_ROWS);

	/* The renderer may copy a plane and add a margin as wide as three samples of the output.
	 * With the largest factor, the output may be much smaller than the plane. But its chroma
	 * has at least 6 x 6 samples, so each margin is at most half as wide and half as high as
	 * the plane. With a smaller factor and only one output, margins are narrow. */
	uint64_t copied = reduced * (factor < BOX_MAX_FACTOR ? 5 : 8);

	/* In this order: the bytes of the planes, of the renderer's copy of one plane, and of the
	 * sums of one row of squares. */
	return reduced * 2 * BOX_PLANES + copied + (uint64_t)width * n_bands * 6;
}

unsigned box_factor(const struct read_request *request)
{
	const double left = 2;
	double ratio = BOX_MAX_FACTOR * left;

	for (unsigned i = 0; i < request->n_demands; i++) {
		if (request->demands[i].ratio < ratio)
			ratio = request->demands[i].ratio;
	}
	return ratio < left ? 1 : (unsigned)(ratio / left);
}

void box_fini(struct box *box)
{
	for (unsigned i = 0; i < BOX_PLANES; i++)
		workspace_fini(&box->workspaces[i]);
	workspace_fini(&box->sums_memory);
	workspace_fini(&box->wide_memory);
	workspace_fini(&box->row_memory);
}

size_t box_bytes(const struct box *box)
{
	size_t n_bytes = box->sums_memory.n_bytes + box->wide_memory.n_bytes +
	                 box->row_memory.n_bytes;

	for (unsigned i = 0; i < BOX_PLANES; i++)
		n_bytes += box->workspaces[i].n_bytes;
	return n_bytes;
}

/* ---- sums of rows: small separate functions, so that the compiler vectorises them ---- */

static void set_sums(uint16_t *restrict sums, const uint8_t *restrict row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sums[i] = row[i];
}

static void add_sums(uint16_t *restrict sums, const uint8_t *restrict row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sums[i] = (uint16_t)(sums[i] + row[i]);
}

static void widen_sums(uint32_t *restrict wide, const uint16_t *restrict sums, size_t n)
{
	for (size_t i = 0; i < n; i++)
		wide[i] = sums[i] * 255u;
}

static void add_wide_sums_2(uint32_t *restrict wide, const uint8_t *restrict row,
                            size_t n)
{
	for (size_t i = 0; i < n; i += 2) {
		uint32_t alpha = row[i + 1];

		wide[i] += row[i] * alpha;
		wide[i + 1] += 255 * alpha;
	}
}

static void add_wide_sums_4(uint32_t *restrict wide, const uint8_t *restrict row,
                            size_t n)
{
	for (size_t i = 0; i < n; i += 4) {
		uint32_t alpha = row[i + 3];

		wide[i] += row[i] * alpha;
		wide[i + 1] += row[i + 1] * alpha;
		wide[i + 2] += row[i + 2] * alpha;
		wide[i + 3] += 255 * alpha;
	}
}

/* Whether alpha is 255 in every pixel of a row. Each pixel has `step` bytes; the last is alpha. */
static bool is_row_opaque(const uint8_t *row, size_t n, unsigned step)
{
	uint64_t all = ~UINT64_C(0), mask = step == 2 ? UINT64_C(0xff00ff00ff00ff00)
	                                              : UINT64_C(0xff000000ff000000);
	size_t i = 0;
	uint8_t last = 255;

	for (; i + 8 <= n; i += 8) {
		uint64_t eight;
		uint8_t bytes[8];

		memcpy(bytes, row + i, sizeof(bytes));
		/* Read the bytes as a little-endian number on every machine. The compiler makes
		 * this a single load. */
		eight = (uint64_t)bytes[7] << 56 | (uint64_t)bytes[6] << 48 |
		        (uint64_t)bytes[5] << 40 | (uint64_t)bytes[4] << 32 |
		        (uint64_t)bytes[3] << 24 | (uint64_t)bytes[2] << 16 |
		        (uint64_t)bytes[1] << 8 | bytes[0];
		all &= eight;
	}
	for (i += step - 1; i < n; i += step)
		last &= row[i];
	return (all & mask) == mask && last == 255;
}

static void sum_row(struct box *box, const uint8_t *row)
{
	size_t n = (size_t)box->width * box->n_bands;
	bool is_opaque = !box->has_alpha || is_row_opaque(row, n, box->n_bands);

	box->is_opaque &= is_opaque;
	if (box->n_rows == 0) {
		box->is_wide = !is_opaque;
		if (box->is_wide)
			memset(box->wide_sums, 0, n * sizeof(*box->wide_sums));
		else
			set_sums(box->sums, row, n);
	} else if (!box->is_wide && !is_opaque) {
		widen_sums(box->wide_sums, box->sums, n);
		box->is_wide = true;
	} else if (!box->is_wide) {
		add_sums(box->sums, row, n);
	}
	if (box->is_wide && box->n_bands == 2)
		add_wide_sums_2(box->wide_sums, row, n);
	else if (box->is_wide)
		add_wide_sums_4(box->wide_sums, row, n);
	box->n_rows++;
}

/* ---- means of squares ---- */

/* The number by which the sum of a square is multiplied to get its mean, as a 16-bit sample. `x` is
 * the index of the square in its row. The last square of a row may be narrower than the others. */
static float scale_of(const struct box *box, uint32_t x)
{
	uint32_t first = x * box->factor, end = first + box->factor;
	float scale;

	end = end < box->width ? end : box->width;
	scale = level_16 / (float)(box->n_rows * (end - first));
	return box->is_wide ? scale / 255 : scale;
}

/* n_bands is a constant wherever this function is inlined. */
static inline void mean_of_narrow(const struct box *box, unsigned n_bands, uint32_t x,
                                  uint32_t first, uint32_t end, float scale)
{
	const uint16_t *sums = box->sums + (size_t)first * n_bands;
	uint32_t mean[BOX_PLANES] = {0};

	for (uint32_t i = first; i < end; i++, sums += n_bands) {
		for (unsigned band = 0; band < n_bands; band++)
			mean[band] += sums[band];
	}
	for (unsigned band = 0; band < n_bands; band++)
		box->rows[band][x] = (float)mean[band] * scale;
}

static inline void mean_of_wide(const struct box *box, unsigned n_bands, uint32_t x,
                                uint32_t first, uint32_t end, float scale)
{
	const uint32_t *sums = box->wide_sums + (size_t)first * n_bands;
	uint32_t mean[BOX_PLANES] = {0};

	for (uint32_t i = first; i < end; i++, sums += n_bands) {
		for (unsigned band = 0; band < n_bands; band++)
			mean[band] += sums[band];
	}
	for (unsigned band = 0; band < n_bands; band++)
		box->rows[band][x] = (float)mean[band] * scale;
}

/* Each square of factor x factor pixels becomes one sample. Compute the means of a row of squares,
 * from the square with index `begin` to the end of the row, and store them in box->rows. */
static inline void reduce(const struct box *box, unsigned n_bands, uint32_t begin)
{
	uint32_t to_width = box->planes[0].width;
	float whole = scale_of(box, 0), last = scale_of(box, to_width - 1);

	for (uint32_t x = begin; x < to_width; x++) {
		uint32_t first = x * box->factor, end = first + box->factor;
		float scale = x + 1 < to_width ? whole : last;

		end = end < box->width ? end : box->width;
		if (box->is_wide)
			mean_of_wide(box, n_bands, x, first, end, scale);
		else
			mean_of_narrow(box, n_bands, x, first, end, scale);
	}
}

static inline uint16_t to_sample(float value)
{
	value += 0.5f;
	value = value < 0 ? 0 : value > UINT16_MAX ? UINT16_MAX : value;
	return (uint16_t)(int)value;
}

static void store_row(uint16_t *restrict out, const float *restrict in, uint32_t begin,
                      uint32_t end)
{
	for (uint32_t x = begin; x < end; x++)
		out[x] = to_sample(in[x]);
}

/* The conversion from RGB to Y, Cb, Cr that JFIF defines: that of ITU-R BT.601 in the full
 * range. */
static const float red_part = 0.299f, green_part = 0.587f, blue_part = 0.114f;
static const float cb_part = 0.5f / 0.886f, cr_part = 0.5f / 0.701f;
static const float neutral = 128 * level_16;

/* One row of each plane. cb and cr are NULL if the picture is grey. alpha is NULL if the picture
 * has no alpha. */
struct box_row {
	uint16_t *luma, *cb, *cr, *alpha;
};

static void store_colours(const struct box *box, const struct box_row *to, uint32_t begin)
{
	const float *red = box->rows[0], *green = box->rows[1], *blue = box->rows[2];

	for (uint32_t x = begin; x < box->planes[0].width; x++) {
		float y = red_part * red[x] + green_part * green[x] + blue_part * blue[x];

		to->luma[x] = to_sample(y);
		to->cb[x] = to_sample((blue[x] - y) * cb_part + neutral);
		to->cr[x] = to_sample((red[x] - y) * cr_part + neutral);
	}
}

#ifdef __SSE2__

static inline __m128i load_narrow(const uint16_t *sums)
{
	return _mm_loadl_epi64((const __m128i *)(const void *)sums);
}

static inline __m128i load_wide(const uint32_t *sums)
{
	return _mm_loadu_si128((const __m128i *)(const void *)sums);
}

/* Add up the sums of four whole squares, beginning with square x. ret_sums has a vector for each
 * square, and the vector has the sum of each band; for three bands, its last element has no
 * meaning. If is_wide is false, a sum is at most 16 x 16 x 255, so 16 bits are enough. */
static inline void sum_four(const struct box *box, unsigned n_bands, bool is_wide,
                            uint32_t x, __m128i ret_sums[4])
{
	size_t step = (size_t)box->factor * n_bands, at = x * step;
	__m128i a, b, c, d;

	a = b = c = d = _mm_setzero_si128();
	for (size_t i = 0; i < step; i += n_bands) {
		if (is_wide) {
			const uint32_t *sums = box->wide_sums + at + i;

			a = _mm_add_epi32(a, load_wide(sums));
			b = _mm_add_epi32(b, load_wide(sums + step));
			c = _mm_add_epi32(c, load_wide(sums + 2 * step));
			d = _mm_add_epi32(d, load_wide(sums + 3 * step));
		} else {
			const uint16_t *sums = box->sums + at + i;

			a = _mm_add_epi16(a, load_narrow(sums));
			b = _mm_add_epi16(b, load_narrow(sums + step));
			c = _mm_add_epi16(c, load_narrow(sums + 2 * step));
			d = _mm_add_epi16(d, load_narrow(sums + 3 * step));
		}
	}
	if (!is_wide) {
		a = _mm_unpacklo_epi16(a, _mm_setzero_si128());
		b = _mm_unpacklo_epi16(b, _mm_setzero_si128());
		c = _mm_unpacklo_epi16(c, _mm_setzero_si128());
		d = _mm_unpacklo_epi16(d, _mm_setzero_si128());
	}
	ret_sums[0] = a;
	ret_sums[1] = b;
	ret_sums[2] = c;
	ret_sums[3] = d;
}

/* Store four values, converted in the same way as by to_sample(). */
static inline void store_four(uint16_t *out, __m128 value)
{
	__m128i samples;

	value = _mm_add_ps(value, _mm_set1_ps(0.5f));
	value = _mm_min_ps(_mm_max_ps(value, _mm_setzero_ps()), _mm_set1_ps(UINT16_MAX));
	/* SSE2 packs to 16 bits only as signed numbers, so 2^15 is subtracted before packing and
	 * added after packing. */
	samples = _mm_sub_epi32(_mm_cvttps_epi32(value), _mm_set1_epi32(1 << 15));
	samples = _mm_packs_epi32(samples, samples);
	samples = _mm_xor_si128(samples, _mm_set1_epi16(INT16_MIN));
	_mm_storel_epi64((__m128i *)(void *)out, samples);
}

/* Write the means of squares to the planes, four whole squares at a time. Returns the number of
 * squares whose means were written. n_bands and is_wide are constants wherever this function is
 * inlined. */
static inline uint32_t store_fours(const struct box *box, unsigned n_bands, bool is_wide,
                                   const struct box_row *to)
{
	uint32_t n = box->width / box->factor & ~UINT32_C(3);
	const __m128 scale = _mm_set1_ps(scale_of(box, 0));

	for (uint32_t x = 0; x < n; x += 4) {
		__m128 red, green, blue, alpha, luma;
		__m128i sums[4];

		sum_four(box, n_bands, is_wide, x, sums);
		red = _mm_mul_ps(_mm_cvtepi32_ps(sums[0]), scale);
		green = _mm_mul_ps(_mm_cvtepi32_ps(sums[1]), scale);
		blue = _mm_mul_ps(_mm_cvtepi32_ps(sums[2]), scale);
		alpha = _mm_mul_ps(_mm_cvtepi32_ps(sums[3]), scale);
		/* Transpose. Before: one vector for each of four squares, with the bands of this
		 * square. After: one vector for each band, with the four squares. */
		_MM_TRANSPOSE4_PS(red, green, blue, alpha);
		luma = _mm_add_ps(_mm_mul_ps(_mm_set1_ps(red_part), red),
		                  _mm_mul_ps(_mm_set1_ps(green_part), green));
		luma = _mm_add_ps(luma, _mm_mul_ps(_mm_set1_ps(blue_part), blue));
		store_four(to->luma + x, luma);
		store_four(to->cb + x, _mm_add_ps(_mm_mul_ps(_mm_sub_ps(blue, luma),
		                                             _mm_set1_ps(cb_part)),
		                                  _mm_set1_ps(neutral)));
		store_four(to->cr + x, _mm_add_ps(_mm_mul_ps(_mm_sub_ps(red, luma),
		                                             _mm_set1_ps(cr_part)),
		                                  _mm_set1_ps(neutral)));
		if (n_bands == 4)
			store_four(to->alpha + x, alpha);
	}
	return n;
}

static uint32_t store_whole_fours(const struct box *box, const struct box_row *to)
{
	if (box->is_portable)
		return 0;
	if (box->n_bands == 3)
		return store_fours(box, 3, false, to);
	return box->is_wide ? store_fours(box, 4, true, to)
	                    : store_fours(box, 4, false, to);
}

#else

static uint32_t store_whole_fours(const struct box *box, const struct box_row *to)
{
	(void)box;
	(void)to;
	return 0;
}

#endif

static void end_squares(struct box *box)
{
	uint32_t n = box->planes[0].width, y = box->y, n_done = 0;
	const struct box_row to = {
		.luma = plane_row(&box->planes[0], y),
		.cb = box->n_planes == 3 ? plane_row(&box->planes[1], y) : NULL,
		.cr = box->n_planes == 3 ? plane_row(&box->planes[2], y) : NULL,
		.alpha = box->has_alpha ? plane_row(&box->planes[BOX_ALPHA], y) : NULL,
	};

	if (box->n_planes == 3)
		n_done = store_whole_fours(box, &to);
	switch (box->n_bands) {
	case 1:
		reduce(box, 1, 0);
		break;
	case 2:
		reduce(box, 2, 0);
		break;
	case 3:
		reduce(box, 3, n_done);
		break;
	default:
		reduce(box, 4, n_done);
	}
	if (box->n_planes == 3)
		store_colours(box, &to, n_done);
	else
		store_row(to.luma, box->rows[0], 0, n);
	if (box->has_alpha)
		store_row(to.alpha, box->rows[box->n_bands - 1], n_done, n);
	box->n_rows = 0;
	box->y++;
}

void box_add_row(struct box *box, const uint8_t *row)
{
	bool is_last = box->y + 1 == box->planes[0].height;

	sum_row(box, row);
	if (box->n_rows == box->factor ||
	    (is_last && box->y * box->factor + box->n_rows == box->height))
		end_squares(box);
}

struct decoded box_decoded(const struct box *box)
{
	struct decoded decoded = {
		.n_planes = box->n_planes,
		.has_alpha = box->has_alpha && !box->is_opaque,
		.size = {box->width, box->height},
		.orientation = 1,
	};

	for (unsigned i = 0; i < box->n_planes; i++)
		decoded.planes[i] = box->planes[i];
	if (decoded.has_alpha)
		decoded.planes[ALPHA] = box->planes[BOX_ALPHA];
	return decoded;
}
