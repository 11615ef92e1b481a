/*
 * Tests of reading and writing PNG. The tests write files byte by byte as the specification says,
 * with every filter and colour type, and with several divisions into chunks. For comparison, the
 * tests reduce the same pixels with the simplest possible code.
 */
#include "support/test.h"

#include "heap.h"
#include "jpeg_maker.h"

#include "image/fast/png_read.h"

#include <libdeflate.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Some tests split the data of a picture at places among the last N_LAST bytes of the data. */
enum { N_LAST = 8 };

struct png_settings {
	uint32_t width, height;
	unsigned colour_type, depth;
	unsigned n_colours; /* number of colours of a palette */
	bool has_transparency;
	bool is_opaque;    /* the alpha channel is 255 everywhere */
	size_t n_in_chunk; /* bytes in an IDAT chunk; 0: all data in one chunk */
	unsigned seed;
};

/* A PNG file, and its pixels as RGBA. */
struct png {
	struct bytes file;
	uint8_t *rgba;
};

static void append(struct bytes *to, const void *bytes, size_t n)
{
	to->at = realloc(to->at, to->n + n);
	REQUIRE(to->at != NULL);
	if (n > 0)
		memcpy(to->at + to->n, bytes, n);
	to->n += n;
}

static void append32(struct bytes *to, uint32_t number)
{
	const uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
	                          (uint8_t)(number >> 8), (uint8_t)number};

	append(to, bytes, sizeof(bytes));
}

static void append_chunk(struct bytes *to, const char *type, const void *data, size_t n)
{
	size_t begin;

	append32(to, (uint32_t)n);
	begin = to->n;
	append(to, type, 4);
	append(to, data, n);
	append32(to, libdeflate_crc32(0, to->at + begin, n + 4));
}

static unsigned bands_of(unsigned colour_type)
{
	static const unsigned bands[] = {1, 0, 3, 1, 2, 0, 4};

	return bands[colour_type];
}

static uint8_t predict(unsigned filter, int left, int up, int corner)
{
	int p = left + up - corner;
	int to_left = abs(p - left), to_up = abs(p - up), to_corner = abs(p - corner);

	switch (filter) {
	case 1:
		return (uint8_t)left;
	case 2:
		return (uint8_t)up;
	case 3:
		return (uint8_t)((left + up) / 2);
	case 4:
		if (to_left <= to_up && to_left <= to_corner)
			return (uint8_t)left;
		return (uint8_t)(to_up <= to_corner ? up : corner);
	default:
		return 0;
	}
}

/* Rows as they are stored, each with a random filter. */
static struct bytes filtered_rows(const uint8_t *rows, size_t row_bytes, uint32_t height,
                                  unsigned step, uint64_t *state)
{
	struct bytes all = {0};

	for (uint32_t y = 0; y < height; y++) {
		uint8_t filter = (uint8_t)random_below(state, N_PNG_FILTERS);
		const uint8_t *row = rows + y * row_bytes;

		append(&all, &filter, 1);
		for (size_t i = 0; i < row_bytes; i++) {
			int left = i >= step ? row[i - step] : 0;
			int up = y ? row[i - row_bytes] : 0;
			int corner = y && i >= step ? row[i - step - row_bytes] : 0;
			uint8_t byte = (uint8_t)(row[i] -
			                         predict(filter, left, up, corner));

			append(&all, &byte, 1);
		}
	}
	return all;
}

static struct bytes compressed(struct bytes from)
{
	struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
	struct bytes to = {malloc(from.n + 1000), 0};

	REQUIRE(compressor != NULL && to.at != NULL);
	to.n = libdeflate_zlib_compress(compressor, from.at, from.n, to.at,
	                                from.n + 1000);
	REQUIRE(to.n > 0);
	libdeflate_free_compressor(compressor);
	free(from.at);
	return to;
}

/* Convert one stored pixel to RGBA. */
static void show(const struct png_settings *settings, uint8_t palette[256][4],
                 const uint8_t *row, uint32_t x, uint8_t rgba[4])
{
	const uint8_t *at = row + x * bands_of(settings->colour_type);
	unsigned bit = x * settings->depth;

	rgba[3] = 255;
	switch (settings->colour_type) {
	case 0:
		memset(rgba, at[0], 3);
		return;
	case 2:
		memcpy(rgba, at, 3);
		return;
	case 3:
		memcpy(rgba,
		       palette[row[bit / 8] >> (8 - settings->depth - bit % 8) &
		               ((1 << settings->depth) - 1)],
		       4);
		return;
	case 4:
		memset(rgba, at[0], 3);
		rgba[3] = at[1];
		return;
	default:
		memcpy(rgba, at, 4);
	}
}

static void draw(const struct png_settings *settings, uint8_t *rows, size_t row_bytes,
                 uint64_t *state)
{
	unsigned n_bands = bands_of(settings->colour_type);

	for (size_t i = 0; i < row_bytes * settings->height; i++) {
		size_t x = i % row_bytes, y = i / row_bytes;
		bool is_alpha = n_bands % 2 == 0 && x % n_bands == n_bands - 1;

		rows[i] = (uint8_t)(x * 3 + y * 2 + random_below(state, 8));
		if (settings->colour_type == 3 && settings->depth == 8)
			rows[i] = (uint8_t)random_below(state, settings->n_colours);
		if (is_alpha && (settings->is_opaque || y % 16 < 5))
			rows[i] = 255;
		else if (is_alpha && random_below(state, 3) == 0)
			rows[i] = 0;
	}
}

static struct png make_png(const struct png_settings *settings)
{
	static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
	uint64_t state = settings->seed;
	unsigned n_bits = settings->depth * bands_of(settings->colour_type);
	size_t row_bytes = ((size_t)settings->width * n_bits + 7) / 8;
	uint8_t *rows = malloc(row_bytes * settings->height);
	uint8_t palette[256][4], colours[256][3], opacity[256], header[13] = {0};
	struct png png = {.rgba = malloc((size_t)settings->width * settings->height * 4)};
	struct bytes data;

	REQUIRE(rows != NULL && png.rgba != NULL);
	draw(settings, rows, row_bytes, &state);
	for (unsigned i = 0; i < 256; i++) {
		for (unsigned j = 0; j < 4; j++)
			palette[i][j] = (uint8_t)random_below(&state, 256);
		if (!settings->has_transparency)
			palette[i][3] = 255;
		memcpy(colours[i], palette[i], 3);
		opacity[i] = palette[i][3];
	}
	for (size_t i = 0; i < (size_t)settings->width * settings->height; i++)
		show(settings, palette, rows + i / settings->width * row_bytes,
		     (uint32_t)(i % settings->width), png.rgba + 4 * i);

	append(&png.file, signature, sizeof(signature));
	header[2] = (uint8_t)(settings->width >> 8);
	header[3] = (uint8_t)settings->width;
	header[6] = (uint8_t)(settings->height >> 8);
	header[7] = (uint8_t)settings->height;
	header[8] = (uint8_t)settings->depth;
	header[9] = (uint8_t)settings->colour_type;
	append_chunk(&png.file, "IHDR", header, sizeof(header));
	if (settings->colour_type == 3)
		append_chunk(&png.file, "PLTE", colours, 3 * settings->n_colours);
	if (settings->has_transparency)
		append_chunk(&png.file, "tRNS", opacity, settings->n_colours);
	data = compressed(filtered_rows(rows, row_bytes, settings->height,
	                                n_bits < 8 ? 1 : n_bits / 8, &state));
	for (size_t at = 0; at < data.n;) {
		size_t n = settings->n_in_chunk ? settings->n_in_chunk : data.n;

		n = n < data.n - at ? n : data.n - at;
		append_chunk(&png.file, "IDAT", data.at + at, n);
		at += n;
	}
	append_chunk(&png.file, "IEND", NULL, 0);
	free(data.at);
	free(rows);
	return png;
}

static void png_free(struct png *png)
{
	free(png->file.at);
	free(png->rgba);
}

/* The mean of a square of pixels, as Y, Cb, Cr and alpha levels. Colours are premultiplied by
 * alpha. */
static void mean_of(const struct png *png, const struct png_settings *settings,
                    unsigned factor, uint32_t to_x, uint32_t to_y, double mean[4])
{
	double rgba[4] = {0}, n = 0;

	for (uint32_t y = to_y * factor; y < (to_y + 1) * factor && y < settings->height;
	     y++) {
		for (uint32_t x = to_x * factor;
		     x < (to_x + 1) * factor && x < settings->width; x++, n++) {
			const uint8_t *at = png->rgba +
			                    4 * ((size_t)y * settings->width + x);

			for (unsigned i = 0; i < 3; i++)
				rgba[i] += at[i] * at[3] / 255.0;
			rgba[3] += at[3];
		}
	}
	for (unsigned i = 0; i < 4; i++)
		rgba[i] /= n;
	mean[0] = 0.299 * rgba[0] + 0.587 * rgba[1] + 0.114 * rgba[2];
	/* Chroma is 128 plus a difference of up to 127.5. For pure blue and pure red the sum is
	 * 255.5, which is limited to 255. */
	mean[1] = fmin((rgba[2] - mean[0]) / 1.772 + 128, 255);
	mean[2] = fmin((rgba[0] - mean[0]) / 1.402 + 128, 255);
	mean[3] = rgba[3];
}

static double sample_of(const struct plane *plane, uint32_t x, uint32_t y)
{
	return ((const uint16_t *)plane_row(plane, y))[x] / 257.0;
}

static void expect_reduced(const struct png_settings *settings, unsigned factor)
{
	struct png png = make_png(settings);
	struct png_reader *reader = png_reader.create();
	struct png_reader_header header;
	const struct box *box;
	double largest = 0;

	REQUIRE(reader != NULL);
	REQUIRE(png_reader_open(reader, png.file.at, png.file.n, &header) == READ_OK);
	EXPECT_EQ(header.width, settings->width);
	EXPECT_EQ(header.height, settings->height);
	REQUIRE(png_reader_decode(reader, factor, &box) == READ_OK);
	EXPECT_EQ(box->planes[0].width, (settings->width + factor - 1) / factor);
	EXPECT_EQ(box->planes[0].height, (settings->height + factor - 1) / factor);
	for (uint32_t y = 0; y < box->planes[0].height; y++) {
		for (uint32_t x = 0; x < box->planes[0].width; x++) {
			double mean[4];

			mean_of(&png, settings, factor, x, y, mean);
			for (unsigned i = 0; i < 4; i++) {
				if (i >= box->n_planes && !(i == 3 && box->has_alpha))
					continue;
				largest = fmax(
					largest,
					fabs(mean[i] - sample_of(&box->planes[i], x, y)));
			}
		}
	}
	EXPECT(largest < 0.02, "type %u, depth %u, factor %u: off by %.3f",
	       settings->colour_type, settings->depth, factor, largest);
	if (settings->is_opaque)
		EXPECT(box->is_opaque);
	png_reader.destroy(reader);
	png_free(&png);
}

TEST(png_read, every_supported_kind_of_png_is_reduced_by_averaging_pixels)
{
	static const struct png_settings kinds[] = {
		{.colour_type = 0, .depth = 8},
		{.colour_type = 2, .depth = 8},
		{.colour_type = 4, .depth = 8},
		{.colour_type = 6, .depth = 8},
		{.colour_type = 6, .depth = 8, .is_opaque = true},
		{.colour_type = 3, .depth = 8, .n_colours = 200},
		{.colour_type = 3,
	         .depth = 8,
	         .n_colours = 256,
	         .has_transparency = true},
		{.colour_type = 3, .depth = 4, .n_colours = 16, .has_transparency = true},
		{.colour_type = 3, .depth = 2, .n_colours = 4},
		{.colour_type = 3, .depth = 1, .n_colours = 2},
	};
	static const uint32_t sizes[][2] = {{1, 1}, {3, 5}, {40, 33}, {300, 130}};
	static const unsigned factors[] = {1, 2, 3, 16};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (size_t j = 0; j < 4; j++) {
			struct png_settings settings = kinds[i];

			settings.width = sizes[j][0];
			settings.height = sizes[j][1];
			settings.seed = (unsigned)(i * 10 + j);
			settings.n_in_chunk = j % 2 ? 100 : 0;
			for (size_t k = 0; k < 4; k++)
				expect_reduced(&settings, factors[k]);
		}
	}
}

/* Copy the PNG `whole`, whose data is in a single IDAT chunk at byte IDAT_AT, and split its data
 * into several IDAT chunks. Bit i of `splits` says whether a chunk ends i + 1 bytes before the end
 * of the data. If `has_empty` is true, an empty IDAT chunk follows each of the chunks. */
static struct bytes split_data(const struct png *whole, unsigned splits, bool has_empty)
{
	enum { IDAT_AT = 33 };
	const uint8_t *chunk = whole->file.at + IDAT_AT;
	/* The size of the data alone: the chunk IDAT without its length, type and checksum. */
	const size_t n = whole->file.n - IDAT_AT - 24;
	struct bytes split = {0};
	size_t begin = 0;

	REQUIRE(memcmp(chunk + 4, "IDAT", 4) == 0);
	append(&split, whole->file.at, IDAT_AT);
	for (size_t at = n - N_LAST; at < n; at++) {
		if (!(splits & 1U << (n - at - 1)))
			continue;
		append_chunk(&split, "IDAT", chunk + 8 + begin, at - begin);
		if (has_empty)
			append_chunk(&split, "IDAT", NULL, 0);
		begin = at;
	}
	append_chunk(&split, "IDAT", chunk + 8 + begin, n - begin);
	if (has_empty)
		append_chunk(&split, "IDAT", NULL, 0);
	append_chunk(&split, "IEND", NULL, 0);
	return split;
}

static void expect_equal_planes(const struct box *got, const struct box *want,
                                unsigned splits)
{
	for (unsigned i = 0; i < want->n_planes; i++) {
		const struct plane *plane = &want->planes[i];

		for (uint32_t y = 0; y < plane->height; y++)
			EXPECT(memcmp(plane_row(&got->planes[i], y), plane_row(plane, y),
			              plane->width * sizeof(uint16_t)) == 0,
			       "splits %#x, plane %u, row %u", splits, i, y);
	}
}

static const struct box *decode_png(struct png_reader *reader, struct bytes file)
{
	struct png_reader_header header;
	const struct box *box = NULL;

	REQUIRE(reader != NULL);
	REQUIRE(png_reader_open(reader, file.at, file.n, &header) == READ_OK);
	REQUIRE(png_reader_decode(reader, 1, &box) == READ_OK, "%s",
	        png_reader.reason(reader));
	return box;
}

/* The last four bytes of the data are the checksum of the stream. */
TEST(png_read, data_that_is_split_near_its_end_gives_the_same_picture)
{
	const struct png_settings settings = {
		.width = 20, .height = 12, .colour_type = 2, .depth = 8};
	struct png whole = make_png(&settings);
	struct png_reader *reader = png_reader.create(), *other = png_reader.create();
	const struct box *want = decode_png(reader, whole.file);

	for (unsigned splits = 1; splits < 1U << N_LAST; splits++) {
		for (int has_empty = 0; has_empty < 2; has_empty++) {
			struct bytes split = split_data(&whole, splits, has_empty);

			expect_equal_planes(decode_png(other, split), want, splits);
			free(split.at);
		}
	}
	png_reader.destroy(reader);
	png_reader.destroy(other);
	png_free(&whole);
}

/* Change a byte of the checksum at the end of the compressed data. The checksums of the chunks are
 * computed afterwards, so they are correct. */
TEST(png_read, a_wrong_checksum_of_the_data_is_detected)
{
	const struct png_settings settings = {
		.width = 20, .height = 12, .colour_type = 2, .depth = 8};
	struct png png = make_png(&settings);
	struct png_reader *reader = png_reader.create();
	struct png_reader_header header;
	const struct box *box;

	REQUIRE(reader != NULL);
	for (size_t i = 1; i <= 4; i++) {
		uint8_t *byte = png.file.at + png.file.n - 16 - i;
		struct bytes changed;

		*byte ^= 1;
		changed = split_data(&png, 1, false);
		*byte ^= 1;
		REQUIRE(png_reader_open(reader, changed.at, changed.n, &header) ==
		        READ_OK);
		EXPECT_EQ(png_reader_decode(reader, 1, &box), READ_DAMAGED);
		free(changed.at);
	}
	png_reader.destroy(reader);
	png_free(&png);
}

TEST(png_read, truncation_anywhere_after_the_signature_is_detected)
{
	const struct png_settings settings = {.width = 20,
	                                      .height = 12,
	                                      .colour_type = 2,
	                                      .depth = 8,
	                                      .n_in_chunk = 50};
	struct png png = make_png(&settings);
	struct png_reader *reader = png_reader.create();
	struct png_reader_header header;

	REQUIRE(reader != NULL);
	for (size_t n = 8; n < png.file.n; n++) {
		uint8_t *copy = malloc(n);

		REQUIRE(copy != NULL);
		memcpy(copy, png.file.at, n);
		EXPECT_EQ(png_reader_open(reader, copy, n, &header), READ_TRUNCATED);
		free(copy);
	}
	png_reader.destroy(reader);
	png_free(&png);
}

TEST(png_read, a_changed_bit_between_the_signature_and_the_end_chunk_is_detected)
{
	const struct png_settings settings = {.width = 9,
	                                      .height = 7,
	                                      .colour_type = 3,
	                                      .depth = 8,
	                                      .n_colours = 30,
	                                      .has_transparency = true};
	struct png png = make_png(&settings);
	struct png_reader *reader = png_reader.create();
	struct png_reader_header header;
	const struct box *box;

	REQUIRE(reader != NULL);
	for (size_t bit = 64; bit < 8 * (png.file.n - 12); bit++) {
		bool is_good;

		png.file.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
		is_good = png_reader_open(reader, png.file.at, png.file.n, &header) ==
		                  READ_OK &&
		          png_reader_decode(reader, 2, &box) == READ_OK;
		EXPECT(!is_good, "bit %zu", bit);
		EXPECT(is_good || png_reader.reason(reader)[0] != '\0');
		png.file.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	png_reader.destroy(reader);
	png_free(&png);
}

static enum read_status status_with_chunk(const char *type)
{
	const struct png_settings settings = {
		.width = 4, .height = 4, .colour_type = 2, .depth = 8};
	struct png png = make_png(&settings);
	struct png_reader *reader = png_reader.create();
	struct png_reader_header header;
	struct bytes file = {0};
	enum read_status status;

	REQUIRE(reader != NULL);
	append(&file, png.file.at, 33);
	append_chunk(&file, type, "12345678", 8);
	append(&file, png.file.at + 33, png.file.n - 33);
	status = png_reader_open(reader, file.at, file.n, &header);
	free(file.at);
	png_reader.destroy(reader);
	png_free(&png);
	return status;
}

TEST(png_read, files_with_unsupported_chunks_are_left_to_other_engines)
{
	EXPECT_EQ(status_with_chunk("tEXt"), READ_OK);
	EXPECT_EQ(status_with_chunk("gAMA"), READ_OK);
	EXPECT_EQ(status_with_chunk("tRNS"), READ_CANNOT);
	EXPECT_EQ(status_with_chunk("acTL"), READ_CANNOT);
	EXPECT_EQ(status_with_chunk("ABCD"), READ_CANNOT);
}

/* Random rows in the form that they have after decompression: a byte with the filter, then the
 * bytes of the row. */
enum { FILTERED_ROWS = 4, FILTERED_BYTES = 301 };

struct filtered {
	unsigned n_pixel_bytes;
	size_t n; /* number of bytes of a row */
	uint8_t rows[FILTERED_ROWS * (FILTERED_BYTES + 1) + PNG_ROW_ROOM];
	uint8_t above[FILTERED_BYTES + PNG_ROW_ROOM];
};

/* More than half of the rows have the Paeth filter, because the code undoes the filters of two
 * consecutive Paeth rows together. */
static struct filtered random_rows(uint64_t *state)
{
	struct filtered filtered = {.n_pixel_bytes = 1 + random_below(state, 4)};
	unsigned max_pixels = FILTERED_BYTES / filtered.n_pixel_bytes;

	filtered.n = (1 + random_below(state, max_pixels)) * filtered.n_pixel_bytes;
	for (size_t i = 0; i < FILTERED_ROWS * (filtered.n + 1); i++)
		filtered.rows[i] = (uint8_t)random_below(state, 256);
	for (size_t i = 0; i < filtered.n; i++)
		filtered.above[i] = (uint8_t)random_below(state, 256);
	for (unsigned i = 0; i < FILTERED_ROWS; i++)
		filtered.rows[i * (filtered.n + 1)] =
			random_below(state, 2)
				? PNG_FILTER_PAETH
				: (uint8_t)random_below(state, N_PNG_FILTERS);
	return filtered;
}

TEST(png_unfilter, simd_and_portable_code_give_the_same_rows)
{
	uint64_t state = 9;

	for (unsigned i = 0; i < 4000; i++) {
		struct filtered fast = random_rows(&state), portable = fast;
		const uint8_t *above = portable.above;
		unsigned n_done = 0;

		for (unsigned row = 0; row < FILTERED_ROWS; row++) {
			uint8_t *at = portable.rows + row * (portable.n + 1);

			png_unfilter_portable(at[0], at + 1, above, portable.n,
			                      portable.n_pixel_bytes);
			above = at + 1;
		}
		above = fast.above;
		while (n_done < FILTERED_ROWS) {
			uint8_t *at = fast.rows + n_done * (fast.n + 1);
			unsigned n = png_unfilter(at, FILTERED_ROWS - n_done, above,
			                          fast.n, fast.n_pixel_bytes);

			REQUIRE(n > 0 && n <= FILTERED_ROWS - n_done);
			n_done += n;
			above = fast.rows + (n_done - 1) * (fast.n + 1) + 1;
		}
		EXPECT(memcmp(fast.rows, portable.rows, FILTERED_ROWS * (fast.n + 1)) ==
		               0,
		       "%u bytes a pixel, %zu bytes", fast.n_pixel_bytes, fast.n);
	}
}

TEST(png_unfilter, unknown_filters_are_refused)
{
	uint8_t rows[4 + PNG_ROW_ROOM] = {N_PNG_FILTERS}, above[3 + PNG_ROW_ROOM] = {0};

	EXPECT_EQ(png_unfilter(rows, 1, above, 3, 3), 0);
}

/* Reduce the same random picture with two `struct box`, one with SIMD and one without. The upper
 * rows of the picture are opaque, the others are not. */
static void expect_same_boxes(uint64_t *state, unsigned n_bands, unsigned factor)
{
	struct box fast = {0}, portable = {.is_portable = true};
	uint32_t width = 1 + random_below(state, 90),
		 height = 1 + random_below(state, 40);
	uint32_t n_opaque = random_below(state, height + 1);
	uint8_t row[90 * 4];

	REQUIRE(box_begin(&fast, width, height, n_bands, factor));
	REQUIRE(box_begin(&portable, width, height, n_bands, factor));
	for (uint32_t y = 0; y < height; y++) {
		for (uint32_t i = 0; i < width * n_bands; i++) {
			bool is_alpha = n_bands % 2 == 0 && i % n_bands == n_bands - 1;

			row[i] = is_alpha && y < n_opaque
			                 ? 255
			                 : (uint8_t)random_below(state, 256);
		}
		box_add_row(&fast, row);
		box_add_row(&portable, row);
	}
	EXPECT_EQ(fast.y, fast.planes[0].height);
	EXPECT_EQ(fast.is_opaque, portable.is_opaque);
	for (unsigned i = 0; i < BOX_PLANES; i++) {
		const struct plane *plane = &fast.planes[i];

		if (i >= fast.n_planes && !(i == BOX_ALPHA && fast.has_alpha))
			continue;
		for (uint32_t y = 0; y < plane->height; y++)
			EXPECT(memcmp(plane_row(plane, y),
			              plane_row(&portable.planes[i], y),
			              plane->width * sizeof(uint16_t)) == 0,
			       "%u bands by %u, plane %u, row %u", n_bands, factor, i, y);
	}
	box_fini(&fast);
	box_fini(&portable);
}

TEST(box, simd_and_portable_code_give_the_same_planes)
{
	uint64_t state = 5;

	for (unsigned i = 0; i < 20; i++) {
		for (unsigned n_bands = 1; n_bands <= 4; n_bands++) {
			for (unsigned factor = 1; factor <= BOX_MAX_FACTOR; factor++)
				expect_same_boxes(&state, n_bands, factor);
		}
	}
}

/* A picture that is read, rendered at its own size, written and read again must be unchanged. */
static void expect_round_trip(const struct png_settings *settings, unsigned level)
{
	const struct render_options options = {.is_deep = true};
	const struct size size = {settings->width, settings->height};
	const struct layout layout = {
		.scaled = size, .part = {0, 0, size}, .canvas = size};
	struct png png = make_png(settings);
	struct png_reader *reader = png_reader.create();
	const struct write_options encoding = {.effort = level};
	void *writer = png_writer.create();
	struct renderer *renderer = renderer_create();
	struct png_reader_header header;
	struct decoded decoded = {.size = size, .orientation = 1};
	struct rendered rendered;
	struct written written;
	const struct box *box;
	double largest = 0;

	REQUIRE(reader && writer && renderer);
	REQUIRE(png_reader_open(reader, png.file.at, png.file.n, &header) == READ_OK);
	REQUIRE(png_reader_decode(reader, 1, &box) == READ_OK);
	decoded.n_planes = box->n_planes;
	decoded.has_alpha = box->has_alpha;
	memcpy(decoded.planes, box->planes, sizeof(decoded.planes));
	REQUIRE(render(renderer, &decoded, &layout, &options, &rendered));
	REQUIRE(png_writer.write(writer, &rendered, &encoding, &written));
	REQUIRE(png_reader_open(reader, written.bytes, written.n_bytes, &header) ==
	        READ_OK);
	REQUIRE(png_reader_decode(reader, 1, &box) == READ_OK);
	EXPECT_EQ(box->n_planes, decoded.n_planes);
	EXPECT_EQ(box->has_alpha, decoded.has_alpha);
	for (uint32_t y = 0; y < size.height; y++) {
		for (uint32_t x = 0; x < size.width; x++) {
			double mean[4];

			mean_of(&png, settings, 1, x, y, mean);
			for (unsigned i = 0; i < box->n_planes; i++)
				largest = fmax(
					largest,
					fabs(mean[i] - sample_of(&box->planes[i], x, y)));
			if (box->has_alpha)
				largest = fmax(
					largest,
					fabs(mean[3] - sample_of(&box->planes[3], x, y)));
		}
	}
	EXPECT(largest < 0.6, "type %u: off by %.3f", settings->colour_type, largest);
	png_reader.destroy(reader);
	png_writer.destroy(writer);
	renderer_destroy(renderer);
	png_free(&png);
}

TEST(png_write, every_kind_of_picture_is_unchanged_after_writing_and_reading)
{
	static const unsigned types[] = {0, 2, 4, 6};

	for (unsigned i = 0; i < 4; i++) {
		struct png_settings settings = {.width = 1,
		                                .height = 1,
		                                .colour_type = types[i],
		                                .depth = 8,
		                                .seed = i};

		expect_round_trip(&settings, 6);
		settings.width = 61;
		settings.height = 40;
		for (unsigned level = 0; level <= 9; level += 3)
			expect_round_trip(&settings, level);
	}
}

TEST(png_write, dark_bright_and_saturated_colours_are_written_exactly)
{
	static const uint8_t levels[] = {0, 1, 2, 127, 128, 253, 254, 255};
	enum { N = sizeof(levels) };
	uint8_t row[N * N * N * 3], *out = row;
	struct box box = {0};
	struct rendered rendered = {.n_planes = 3};
	void *writer = png_writer.create();
	const struct write_options options = {.effort = 6};
	struct written written;
	struct png_reader *reader = png_reader.create();
	struct png_reader_header header;
	const struct box *again;

	for (unsigned i = 0; i < N * N * N; i++, out += 3) {
		out[0] = levels[i % N];
		out[1] = levels[i / N % N];
		out[2] = levels[i / N / N];
	}
	REQUIRE(writer && reader && box_begin(&box, N * N * N, 1, 3, 1));
	box_add_row(&box, row);
	memcpy(rendered.planes, box.planes, sizeof(rendered.planes));
	REQUIRE(png_writer.write(writer, &rendered, &options, &written));
	REQUIRE(png_reader_open(reader, written.bytes, written.n_bytes, &header) ==
	        READ_OK);
	REQUIRE(png_reader_decode(reader, 1, &again) == READ_OK);
	/* If a sample of any colour is off by one level, luma is off by at least 0.114, the weight
	 * of blue. */
	for (unsigned i = 0; i < N * N * N; i++) {
		double luma = 0.299 * row[3 * i] + 0.587 * row[3 * i + 1] +
		              0.114 * row[3 * i + 2];

		EXPECT(fabs(sample_of(&again->planes[0], i, 0) - luma) < 0.05, "%u %u %u",
		       row[3 * i], row[3 * i + 1], row[3 * i + 2]);
	}
	box_fini(&box);
	png_writer.destroy(writer);
	png_reader.destroy(reader);
}

TEST(box, a_box_never_needs_more_memory_than_estimated)
{
	static const struct size sizes[] = {{20000, 12}, {12, 20000}, {1, 1}, {500, 400}};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (unsigned factor = 1; factor <= BOX_MAX_FACTOR; factor++) {
			struct size size = sizes[i];
			struct box box = {0};
			uint64_t estimate = box_memory(size.width, size.height, 4,
			                               factor);

			REQUIRE(box_begin(&box, size.width, size.height, 4, factor));
			EXPECT(box_bytes(&box) <= estimate,
			       "%u x %u by %u: %zu bytes, estimated %ju", size.width,
			       size.height, factor, box_bytes(&box), (uintmax_t)estimate);
			box_fini(&box);
		}
	}
}

TEST(png_read, a_reader_still_works_after_trimming_has_freed_its_memory)
{
	const struct png_settings settings = {
		.width = 50, .height = 30, .colour_type = 6, .depth = 8};
	struct png png = make_png(&settings);
	struct png_reader *reader = png_reader.create();
	struct png_reader_header header;
	const struct box *box;

	REQUIRE(reader != NULL);
	for (unsigned i = 0; i < 3; i++) {
		REQUIRE(png_reader_open(reader, png.file.at, png.file.n, &header) ==
		        READ_OK);
		EXPECT_EQ(png_reader_decode(reader, 2, &box), READ_OK);
		EXPECT_TRIMS(png_reader.trim, reader);
	}
	EXPECT(png_reader_memory(&header, 1) > png_reader_memory(&header, 4));
	png_reader.destroy(reader);
	png_reader.destroy(NULL);
	png_writer.destroy(NULL);
	png_free(&png);
}
