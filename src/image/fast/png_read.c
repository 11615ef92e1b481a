/* A PNG reader that reduces the picture while it decompresses. */
#include "image/fast/png_read.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SSE2__
#include <smmintrin.h>
#endif

enum {
	SIGNATURE_BYTES = 8,
	CHUNK_HEAD = 8,   /* number of bytes of a chunk's length and type */
	CHUNK_BYTES = 12, /* number of bytes of a chunk's length, type and checksum */
	HEADER_BYTES = 13,
	PALETTE_COLOURS = 256,
	/* Rows are decompressed and reduced in groups of about this many bytes, which fit in a
	 * second-level cache. */
	PIECE_BYTES = 128 << 10,
};

enum colour_type { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGB_ALPHA = 6 };

struct chunk {
	uint32_t type;
	/* the data of the chunk, without length, type and checksum */
	const uint8_t *bytes;
	uint32_t n_bytes;
};

struct png_reader {
	struct read_state read;
	struct png_reader_header header;
	enum colour_type colour_type;
	unsigned depth;
	/* Number of bytes of a row in the file, without the filter byte. */
	size_t row_bytes;

	/* The palette as RGBA, from PLTE and tRNS. */
	uint8_t palette[PALETTE_COLOURS][4];
	unsigned n_colours;
	bool has_transparency;

	/* the first IDAT chunk, beginning with its length field */
	const uint8_t *first_data;
	const uint8_t *end; /* the end of the file */

	/* Memory that is kept between pictures. */
	struct inflate_state inflate;
	struct workspace piece, above, expanded;
	struct box box;
};

static void *create(void)
{
	return calloc(1, sizeof(struct png_reader));
}

static void free_buffers(struct png_reader *reader)
{
	workspace_fini(&reader->piece);
	workspace_fini(&reader->above);
	workspace_fini(&reader->expanded);
	box_fini(&reader->box);
}

static void destroy(void *state)
{
	struct png_reader *reader = state;

	if (!reader)
		return;
	free_buffers(reader);
	free(reader);
}

static void trim(void *state, size_t max_bytes)
{
	struct png_reader *reader = state;

	if (reader->piece.n_bytes + reader->above.n_bytes + reader->expanded.n_bytes +
	            box_bytes(&reader->box) >
	    max_bytes)
		free_buffers(reader);
}

static enum read_status damaged(struct png_reader *reader, const char *reason)
{
	return read_say(&reader->read, READ_DAMAGED, reason);
}

static enum read_status cannot(struct png_reader *reader, const char *reason)
{
	return read_say(&reader->read, READ_CANNOT, reason);
}

static uint32_t number32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	       (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Convert the four letters of a chunk's type to a number. */
static uint32_t type_of(const char letters[5])
{
	return number32((const uint8_t *)letters);
}

/* Get the chunk at *at, and move *at past it. The length is checked, but not the checksum. */
static enum read_status next_chunk(struct png_reader *reader, const uint8_t **at,
                                   struct chunk *ret_chunk)
{
	size_t n_left = (size_t)(reader->end - *at);
	const uint8_t *head = *at;

	if (n_left < CHUNK_BYTES)
		return read_say(&reader->read, READ_TRUNCATED,
		                "file ends before its end chunk");
	*ret_chunk = (struct chunk){number32(head + 4), head + CHUNK_HEAD,
	                            number32(head)};
	if (ret_chunk->n_bytes > n_left - CHUNK_BYTES)
		return read_say(&reader->read, READ_TRUNCATED,
		                "file ends inside a chunk");
	*at += CHUNK_BYTES + ret_chunk->n_bytes;
	return READ_OK;
}

/* Whether the checksum of a chunk is right. A fuzzing build does not check it, because almost every
 * file of a fuzzer would fail at its first chunk. */
static bool is_intact(const struct chunk *chunk)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	(void)chunk;
	return true;
#else
	uint32_t crc = crc32_gzip_refl(0, chunk->bytes - 4, (uint64_t)chunk->n_bytes + 4);

	return crc == number32(chunk->bytes + chunk->n_bytes);
#endif
}

static unsigned bands_of(enum colour_type colour_type)
{
	switch (colour_type) {
	case GREY:
		return 1;
	case GREY_ALPHA:
		return 2;
	case RGB_ALPHA:
		return 4;
	default:
		return 3;
	}
}

/* Read the chunk IHDR (PNG specification, section 11.2.1). */
static enum read_status read_header(struct png_reader *reader, const struct chunk *chunk)
{
	struct png_reader_header *header = &reader->header;
	const uint8_t *bytes = chunk->bytes;
	uint64_t row_bits;

	if (chunk->type != type_of("IHDR") || chunk->n_bytes != HEADER_BYTES ||
	    !is_intact(chunk))
		return damaged(reader, "header is damaged");
	header->width = number32(bytes);
	header->height = number32(bytes + 4);
	reader->depth = bytes[8];
	reader->colour_type = bytes[9];
	if (header->width == 0 || header->height == 0 || header->width > INT32_MAX ||
	    header->height > INT32_MAX || bytes[10] || bytes[11] || bytes[12] > 1)
		return damaged(reader, "header is damaged");
	if (bytes[12])
		return cannot(reader, "picture is interlaced");
	switch (reader->colour_type) {
	case GREY:
	case RGB:
	case GREY_ALPHA:
	case RGB_ALPHA:
		if (reader->depth != 8)
			return cannot(reader, "samples do not have 8 bits");
		break;
	case PALETTE:
		if (reader->depth != 1 && reader->depth != 2 && reader->depth != 4 &&
		    reader->depth != 8)
			return damaged(reader, "header is damaged");
		break;
	default:
		return damaged(reader, "header is damaged");
	}
	header->n_bands = bands_of(reader->colour_type);
	row_bits = (uint64_t)header->width * reader->depth *
	           (reader->colour_type == PALETTE ? 1 : header->n_bands);
	reader->row_bytes = (size_t)((row_bits + 7) / 8);
	return READ_OK;
}

/* Read the chunk PLTE (PNG specification, section 11.2.2). */
static enum read_status read_palette(struct png_reader *reader, const struct chunk *chunk)
{
	unsigned n = chunk->n_bytes / 3;

	if (chunk->n_bytes % 3 || n == 0 || n > PALETTE_COLOURS || reader->n_colours)
		return damaged(reader, "palette is damaged");
	reader->n_colours = n;
	/* A pixel whose palette index has no colour becomes black, as in other readers. */
	memset(reader->palette, 0, sizeof(reader->palette));
	for (unsigned i = 0; i < PALETTE_COLOURS; i++) {
		if (i < n)
			memcpy(reader->palette[i], chunk->bytes + (size_t)3 * i, 3);
		reader->palette[i][3] = 255;
	}
	return READ_OK;
}

/* Read the chunk tRNS (PNG specification, section 11.3.1.1). */
static enum read_status read_transparency(struct png_reader *reader,
                                          const struct chunk *chunk)
{
	if (reader->colour_type != PALETTE)
		return cannot(reader,
		              "a transparent colour is supported in palettes only");
	if (chunk->n_bytes > reader->n_colours)
		return damaged(reader, "transparency is damaged");
	for (unsigned i = 0; i < chunk->n_bytes; i++)
		reader->palette[i][3] = chunk->bytes[i];
	reader->has_transparency = true;
	return READ_OK;
}

static enum read_status read_chunk(struct png_reader *reader, const struct chunk *chunk)
{
	/* If the first letter of the type is upper case, a reader must know the chunk (5.4). */
	bool is_critical = !(chunk->type >> 24 & 0x20);

	if (chunk->type == type_of("IDAT"))
		return READ_OK;
	if (!is_intact(chunk))
		return damaged(reader, "checksum of a chunk is wrong");
	if (chunk->type == type_of("PLTE"))
		return read_palette(reader, chunk);
	if (chunk->type == type_of("tRNS"))
		return read_transparency(reader, chunk);
	if (chunk->type == type_of("acTL"))
		return cannot(reader, "picture is animated");
	if (chunk->type == type_of("cICP"))
		return cannot(reader,
		              "a chunk that names the colour space is not supported");
	if (is_critical)
		return cannot(reader, "picture has a chunk of an unknown kind");
	return READ_OK;
}

static enum read_status read_chunks(struct png_reader *reader, const uint8_t *at)
{
	struct chunk chunk;

	for (;;) {
		const uint8_t *begin = at;
		enum read_status status = next_chunk(reader, &at, &chunk);

		if (status != READ_OK || chunk.type == type_of("IEND"))
			return status;
		if (chunk.type == type_of("IDAT") && !reader->first_data)
			reader->first_data = begin;
		status = read_chunk(reader, &chunk);
		if (status != READ_OK)
			return status;
	}
}

enum read_status png_reader_open(struct png_reader *reader, const uint8_t *bytes,
                                 size_t n_bytes, struct png_reader_header *ret_header)
{
	static const uint8_t signature[SIGNATURE_BYTES] = {0x89, 'P',  'N',  'G',
	                                                   '\r', '\n', 0x1a, '\n'};
	const uint8_t *at = bytes + SIGNATURE_BYTES;
	enum read_status status;
	struct chunk chunk;

	if (n_bytes < SIGNATURE_BYTES || memcmp(bytes, signature, SIGNATURE_BYTES) != 0)
		return cannot(reader, "no PNG signature");
	reader->end = bytes + n_bytes;
	reader->first_data = NULL;
	reader->n_colours = 0;
	reader->has_transparency = false;
	status = next_chunk(reader, &at, &chunk);
	if (status == READ_OK)
		status = read_header(reader, &chunk);
	if (status == READ_OK)
		status = read_chunks(reader, at);
	if (status != READ_OK)
		return status;
	if (!reader->first_data)
		return damaged(reader, "picture has no pixels");
	if (reader->colour_type == PALETTE && !reader->n_colours)
		return damaged(reader, "picture has no palette");
	if (reader->colour_type == PALETTE)
		reader->header.n_bands = reader->has_transparency ? 4 : 3;
	*ret_header = reader->header;
	return READ_OK;
}

/* ---- filters (9.2) ---- */

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

/* The Paeth predictor: the neighbour that is nearest to left + up - corner. If several are equally
 * near, the first of left, up, corner is taken. */
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

/* In the filters Sub, Average and Paeth, each pixel depends on the pixel before it. So the
 * functions below process one pixel (3 or 4 bytes) of a row at a time; only undo_sub_4() has a way
 * to process four. The functions for 3 or 4 bytes are not inlined, because the compiler keeps the
 * variables of a loop in registers only in a separate function. */

static inline __m128i load4(const uint8_t *at)
{
	int bytes;

	memcpy(&bytes, at, sizeof(bytes));
	return _mm_cvtsi32_si128(bytes);
}

/* `size` is a constant wherever this function is called. */
static inline void store(uint8_t *at, __m128i pixel, size_t size)
{
	int bytes = _mm_cvtsi128_si32(pixel);

	memcpy(at, &bytes, size);
}

/* Undo the filter Sub for four pixels at once. Each pixel becomes the sum of all pixels up to it,
 * in three steps. First, each pixel is added to the pixel on its right. Second, each of these sums
 * is added to the sum two pixels further right. Third, the last pixel of the previous four is added
 * to all. */
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

/* The average of left and up, rounded down as PNG requires. The instruction pavgb rounds up, so 1
 * is subtracted if the sum is odd. */
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

/*
 * The Paeth predictor in lanes of 16 bits. Let low be the smaller and high the larger of left and
 * up, and let t be 3 * corner - left - up. If t >= high, the predictor is low. If t <= low, it is
 * high. In all other cases it is corner. Only four operations have to wait for left, the result for
 * the previous pixel.
 */
__attribute__((target("sse4.1"))) static inline __m128i nearest(__m128i left, __m128i up,
                                                                __m128i corner)
{
	__m128i t = _mm_add_epi16(_mm_add_epi16(corner, corner),
	                          _mm_sub_epi16(corner, up));
	__m128i low = _mm_min_epi16(left, up), high = _mm_max_epi16(left, up), found;

	t = _mm_sub_epi16(t, left);
	found = _mm_blendv_epi8(low, corner, _mm_cmpgt_epi16(high, t));
	return _mm_blendv_epi8(high, found, _mm_cmpgt_epi16(t, low));
}

static inline __m128i load_lanes(const uint8_t *at)
{
	return _mm_unpacklo_epi8(load4(at), _mm_setzero_si128());
}

__attribute__((target("sse4.1"))) static inline void undo_paeth_pixels(
	uint8_t *row, const uint8_t *above, size_t n, size_t size)
{
	__m128i left = _mm_setzero_si128(), corner = left;

	for (size_t i = 0; i < n; i += size) {
		__m128i up = load_lanes(above + i);

		/* Addition of bytes, unlike addition of 16-bit lanes, carries nothing into the
		 * upper half of a lane. */
		left = _mm_add_epi8(load_lanes(row + i), nearest(left, up, corner));
		store(row + i, _mm_packus_epi16(left, left), size);
		corner = up;
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

/*
 * Undo the filter Paeth in two rows at once. Two rows take no longer than one, because a single row
 * mostly waits: each pixel needs the result of the pixel before it. The low half of a vector has a
 * pixel of the upper row. The high half has a pixel of the lower row, two pixels further to the
 * left. The pixel above the one of the lower row was finished two steps ago.
 */
struct paeth_pair {
	uint8_t *row, *below;
	const uint8_t *above;
	__m128i done,
		done_before; /* results of the last step, and of the step before it */
	__m128i corner;
};

enum { PAETH_LAG = 2 };

/* `at` is the offset of the current pixel in the upper row. `size`, `has_upper` and `has_lower` are
 * constants wherever this function is inlined. */
__attribute__((target("sse4.1"))) static inline void step_paeth_pair(
	struct paeth_pair *pair, size_t at, size_t size, bool has_upper, bool has_lower)
{
	const __m128i zero = _mm_setzero_si128();
	uint8_t *lower = pair->below + at - PAETH_LAG * size;
	__m128i up = _mm_unpacklo_epi64(has_upper ? load_lanes(pair->above + at) : zero,
	                                pair->done_before);
	__m128i filtered = _mm_unpacklo_epi64(has_upper ? load_lanes(pair->row + at)
	                                                : zero,
	                                      has_lower ? load_lanes(lower) : zero);
	__m128i done = _mm_add_epi8(filtered, nearest(pair->done, up, pair->corner));
	__m128i packed = _mm_packus_epi16(done, done);

	if (has_upper)
		store(pair->row + at, packed, size);
	if (has_lower)
		store(lower, _mm_srli_si128(packed, 4), size);
	pair->corner = up;
	pair->done_before = pair->done;
	pair->done = done;
}

/* n is at least the number of bytes of PAETH_LAG pixels. */
__attribute__((target("sse4.1"))) static inline void undo_paeth_pair(
	uint8_t *row, uint8_t *below, const uint8_t *above, size_t n, size_t size)
{
	const __m128i zero = _mm_setzero_si128();
	struct paeth_pair pair = {row, below, above, zero, zero, zero};
	size_t at = 0;

	for (; at < PAETH_LAG * size; at += size)
		step_paeth_pair(&pair, at, size, true, false);
	for (; at < n; at += size)
		step_paeth_pair(&pair, at, size, true, true);
	for (; at < n + PAETH_LAG * size; at += size)
		step_paeth_pair(&pair, at, size, false, true);
}

__attribute__((noinline, target("sse4.1"))) static void undo_paeth_pair_3(
	uint8_t *row, uint8_t *below, const uint8_t *above, size_t n)
{
	undo_paeth_pair(row, below, above, n, 3);
}

__attribute__((noinline, target("sse4.1"))) static void undo_paeth_pair_4(
	uint8_t *row, uint8_t *below, const uint8_t *above, size_t n)
{
	undo_paeth_pair(row, below, above, n, 4);
}

static bool unfilter_pair(uint8_t *row, uint8_t *below, const uint8_t *above, size_t n,
                          unsigned n_pixel_bytes)
{
	if (n_pixel_bytes < 3 || n < PAETH_LAG * (size_t)n_pixel_bytes ||
	    !__builtin_cpu_supports("sse4.1"))
		return false;
	if (n_pixel_bytes == 4)
		undo_paeth_pair_4(row, below, above, n);
	else
		undo_paeth_pair_3(row, below, above, n);
	return true;
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

static bool unfilter_pair(uint8_t *row, uint8_t *below, const uint8_t *above, size_t n,
                          unsigned n_pixel_bytes)
{
	(void)row, (void)below, (void)above, (void)n, (void)n_pixel_bytes;
	return false;
}

#endif

unsigned png_unfilter(uint8_t *rows, unsigned n_rows, const uint8_t *above, size_t n,
                      unsigned n_pixel_bytes)
{
	uint8_t *row = rows + 1, *below = row + n + 1;

	if (rows[0] >= N_PNG_FILTERS)
		return 0;
	if (n_rows > 1 && rows[0] == PNG_FILTER_PAETH && below[-1] == PNG_FILTER_PAETH &&
	    unfilter_pair(row, below, above, n, n_pixel_bytes))
		return 2;
	if (!unfilter_fast(rows[0], row, above, n, n_pixel_bytes))
		png_unfilter_portable(rows[0], row, above, n, n_pixel_bytes);
	return 1;
}

/* ---- pixels ---- */

/* Pass the next IDAT chunk to the decompressor. All IDAT chunks are consecutive (5.6). */
static enum read_status feed(struct png_reader *reader, const uint8_t **at)
{
	struct chunk chunk;
	enum read_status status = next_chunk(reader, at, &chunk);

	if (status != READ_OK)
		return status;
	if (chunk.type != type_of("IDAT"))
		return damaged(reader, "pixel data is shorter than the header announces");
	if (!is_intact(&chunk))
		return damaged(reader, "checksum of the pixels is wrong");
	reader->inflate.next_in = (uint8_t *)chunk.bytes;
	reader->inflate.avail_in = chunk.n_bytes;
	return READ_OK;
}

/* Decompress exactly n_bytes. */
static enum read_status inflate_bytes(struct png_reader *reader, const uint8_t **at,
                                      uint8_t *bytes, uint32_t n_bytes)
{
	struct inflate_state *inflate = &reader->inflate;

	inflate->next_out = bytes;
	inflate->avail_out = n_bytes;
	while (inflate->avail_out) {
		uint32_t n_before = inflate->avail_out;

		if (isal_inflate(inflate) != ISAL_DECOMP_OK)
			return damaged(reader, "compressed pixels are damaged");
		if (inflate->avail_out == n_before) {
			/* If the decompressor gives no output, it has used all its input. */
			enum read_status status;

			if (inflate->block_state == ISAL_BLOCK_FINISH)
				return damaged(
					reader,
					"pixel data is shorter than the header announces");
			status = feed(reader, at);
			if (status != READ_OK)
				return status;
		}
	}
	return READ_OK;
}

/* Decompress to the end of the stream, where the checksum of the pixels is. Pixels after the last
 * row are ignored. */
static enum read_status end_pixels(struct png_reader *reader, const uint8_t **at)
{
	struct inflate_state *inflate = &reader->inflate;

	while (inflate->block_state != ISAL_BLOCK_FINISH) {
		uint8_t surplus[64];

		inflate->next_out = surplus;
		inflate->avail_out = sizeof(surplus);
		if (isal_inflate(inflate) != ISAL_DECOMP_OK)
			return damaged(reader, "compressed pixels are damaged");
		if (inflate->avail_out == sizeof(surplus) &&
		    inflate->block_state != ISAL_BLOCK_FINISH) {
			enum read_status status = feed(reader, at);

			if (status != READ_OK)
				return status;
		}
	}
	return READ_OK;
}

/* n_bands is a constant wherever this function is inlined. */
static inline void expand(const struct png_reader *reader, const uint8_t *row,
                          uint8_t *out, unsigned n_bands)
{
	unsigned depth = reader->depth, mask = (1u << depth) - 1;

	for (uint32_t x = 0; x < reader->header.width; x++, out += n_bands) {
		size_t bit = (size_t)x * depth;
		unsigned index = (unsigned)row[bit / 8] >> (8 - depth - bit % 8) & mask;

		memcpy(out, reader->palette[index], n_bands);
	}
}

/* Convert a row of palette indices to colours. If the picture has no palette, returns `row`
 * itself. */
static const uint8_t *expand_row(struct png_reader *reader, const uint8_t *row)
{
	uint8_t *out = reader->expanded.bytes;

	if (reader->colour_type != PALETTE)
		return row;
	if (reader->header.n_bands == 4)
		expand(reader, row, out, 4);
	else
		expand(reader, row, out, 3);
	return out;
}

/* Undo the filters of a group of rows, and add the rows to the box. Each row begins with its filter
 * byte. The last row is copied, because the filters of the next group need it. */
static enum read_status use_rows(struct png_reader *reader, uint8_t *piece,
                                 uint32_t n_rows)
{
	unsigned n_pixel_bytes = reader->colour_type == PALETTE ? 1
	                                                        : reader->header.n_bands;
	uint8_t *kept = reader->above.bytes;
	const uint8_t *above = kept;

	while (n_rows > 0) {
		unsigned n_done = png_unfilter(piece, n_rows, above, reader->row_bytes,
		                               n_pixel_bytes);

		if (n_done == 0)
			return damaged(reader, "a row has an unknown filter");
		n_rows -= n_done;
		for (; n_done > 0; n_done--, piece += reader->row_bytes + 1) {
			above = piece + 1;
			box_add_row(&reader->box, expand_row(reader, above));
		}
	}
	memcpy(kept, above, reader->row_bytes);
	return READ_OK;
}

static uint32_t rows_in_piece(const struct png_reader *reader)
{
	size_t n = PIECE_BYTES / (reader->row_bytes + 1);

	return n < 1                       ? 1
	       : n < reader->header.height ? (uint32_t)n
	                                   : reader->header.height;
}

static bool reserve(struct png_reader *reader, unsigned factor)
{
	const struct png_reader_header *header = &reader->header;
	size_t row_room = reader->row_bytes + 1 + PNG_ROW_ROOM;
	size_t expanded = reader->colour_type == PALETTE
	                          ? size_times(header->width, header->n_bands)
	                          : 0;
	uint8_t *above = workspace_reserve(&reader->above, row_room);

	if (!above ||
	    !workspace_reserve(&reader->piece,
	                       size_times(row_room, rows_in_piece(reader))) ||
	    !workspace_reserve(&reader->expanded, expanded + PNG_ROW_ROOM) ||
	    !box_begin(&reader->box, header->width, header->height, header->n_bands,
	               factor))
		return false;
	memset(above, 0, row_room);
	return true;
}

enum read_status png_reader_decode(struct png_reader *reader, unsigned factor,
                                   const struct box **ret_box)
{
	const uint8_t *at = reader->first_data;
	uint32_t n_rows_left = reader->header.height;
	enum read_status status = READ_OK;

	if (reader->row_bytes > UINT32_MAX / 2)
		return cannot(reader, "a row has too many bytes for this engine");
	if (!reserve(reader, factor))
		return read_say(&reader->read, READ_NO_MEMORY, "out of memory");
	isal_inflate_init(&reader->inflate);
	reader->inflate.crc_flag = ISAL_ZLIB;
	while (n_rows_left && status == READ_OK) {
		uint32_t n_rows = rows_in_piece(reader);

		n_rows = n_rows < n_rows_left ? n_rows : n_rows_left;
		status = inflate_bytes(reader, &at, reader->piece.bytes,
		                       (uint32_t)(n_rows * (reader->row_bytes + 1)));
		if (status == READ_OK)
			status = use_rows(reader, reader->piece.bytes, n_rows);
		n_rows_left -= n_rows;
	}
	if (status == READ_OK)
		status = end_pixels(reader, &at);
	*ret_box = &reader->box;
	return status;
}

uint64_t png_reader_memory(const struct png_reader_header *header, unsigned factor)
{
	uint64_t row = (uint64_t)header->width * header->n_bands;

	/* The sum of the bytes of the box and the renderer, of the buffers for one row, and of the
	 * buffer for a group of rows. */
	return box_memory(header->width, header->height, header->n_bands, factor) +
	       row * 6 + (uint64_t)2 * PIECE_BYTES;
}

/* ---- the reader ---- */

static enum read_status open_file(void *state, const uint8_t *bytes, size_t n_bytes,
                                  struct read_header *ret_header)
{
	struct png_reader_header header;
	enum read_status status = png_reader_open(state, bytes, n_bytes, &header);

	if (status != READ_OK)
		return status;
	*ret_header = (struct read_header){.size = {header.width, header.height},
	                                   .is_grey = header.n_bands < 3};
	return READ_OK;
}

static enum read_status decode_file(void *state, const struct read_request *request,
                                    struct decoded *ret_decoded)
{
	const struct box *box;
	enum read_status status = png_reader_decode(state, box_factor(request), &box);

	if (status == READ_OK)
		*ret_decoded = box_decoded(box);
	return status;
}

/* Estimate the memory before the chunks of the file are read. The estimate assumes four bands: RGB
 * and alpha. */
static uint64_t memory_of_file(const struct picture_header *header,
                               const struct read_request *request)
{
	const struct png_reader_header png = {header->size.width, header->size.height, 4};

	return png_reader_memory(&png, box_factor(request));
}

const struct reader png_reader = {
	.create = create,
	.destroy = destroy,
	.trim = trim,
	.open = open_file,
	.decode = decode_file,
	.reason = read_reason,
	.memory = memory_of_file,
};
