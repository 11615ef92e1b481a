/* Tests of the readers of image/raster. Most tests write files byte by byte that show the same
 * picture of 4 x 4 pixels. */
#include "support/test.h"

#include "image/raster/raster.h"
#include "image_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 4, N_PIXELS = SIDE * SIDE };

/* The pixel x, y of the picture. The quarters are red, green, blue and white, and the top left
 * pixel is grey. */
static const uint8_t *colour_at(int x, int y)
{
	static const uint8_t grey[4] = {128, 128, 128, 255};

	if (x == 0 && y == 0)
		return grey;
	return rgbw.colours[2 * (y >= SIDE / 2) + (x >= SIDE / 2)];
}

/* Alpha that differs between pixels and is never 0 or 255. */
static uint8_t alpha_at(int x, int y)
{
	return (uint8_t)(60 + 40 * x + y);
}

static void append_little(struct blob *blob, uint32_t number, unsigned n)
{
	for (unsigned i = 0; i < n; i++, number >>= 8)
		blob_append(blob, &(uint8_t){(uint8_t)number}, 1);
}

static void append_big(struct blob *blob, uint32_t number, unsigned n)
{
	while (n-- > 0)
		blob_append(blob, &(uint8_t){(uint8_t)((uint64_t)number >> (8 * n))}, 1);
}

static void append_text(struct blob *blob, const char *text)
{
	blob_append(blob, text, strlen(text));
}

/* Decode a copy of exactly the file's length, so that a sanitizer notices reads beyond its end.
 * Returns NULL and sets `*ret_failure` if the file cannot be decoded. */
static void *decode(enum image_format format, const struct blob *file,
                    struct raster *ret_raster, struct failure *ret_failure)
{
	uint8_t *exact = malloc(file->n + (file->n == 0));
	void *samples = NULL;

	*ret_failure = (struct failure){0};
	REQUIRE(exact != NULL);
	memcpy(exact, file->bytes, file->n);
	if (raster_reads_file(format, exact, file->n) &&
	    raster_open(ret_raster, format, exact, file->n, NULL, ret_failure)) {
		samples = calloc(raster_bytes(ret_raster), 1);
		REQUIRE(samples != NULL);
		if (!raster_decode(ret_raster, samples, ret_failure)) {
			free(samples);
			samples = NULL;
		}
	}
	free(exact);
	return samples;
}

/* Check that the file shows the picture and has `n_bands` bands. */
static void expect_picture(enum image_format format, const struct blob *file,
                           unsigned n_bands, unsigned tolerance, const char *what)
{
	struct raster raster;
	struct failure failure;
	uint8_t *samples = decode(format, file, &raster, &failure);
	unsigned n_colours = n_bands < 3 ? 1 : 3;

	REQUIRE(samples != NULL, "%s: %s", what, failure.text);
	EXPECT_EQ(raster.n_bits, 8);
	REQUIRE(raster.n_bands == n_bands && raster.size.width == SIDE &&
	                raster.size.height == SIDE,
	        "%s: %u bands", what, raster.n_bands);
	for (int i = 0; i < N_PIXELS; i++) {
		int x = i % SIDE, y = i / SIDE;
		const uint8_t *got = samples + (size_t)i * n_bands;

		for (unsigned band = 0; band < n_colours; band++)
			EXPECT((unsigned)abs(got[band] - colour_at(x, y)[band]) <=
			               tolerance,
			       "%s: band %u of %d, %d is %d", what, band, x, y,
			       got[band]);
		if (n_bands > n_colours)
			EXPECT(got[n_colours] == alpha_at(x, y),
			       "%s: alpha of %d, %d is %d", what, x, y, got[n_colours]);
	}
	free(samples);
}

static void expect_failure(enum image_format format, const struct blob *file,
                           const char *class, const char *what)
{
	struct raster raster;
	struct failure failure;
	void *samples = decode(format, file, &raster, &failure);

	EXPECT(!samples && strcmp(fail_class_name(failure.class), class) == 0,
	       "%s: %s: %s", what, fail_class_name(failure.class), failure.text);
	free(samples);
}

/* The file must fail whenever it is truncated to at least `n_least` bytes. */
static void expect_each_cut_fails(enum image_format format, const struct blob *file,
                                  size_t n_least, const char *what)
{
	for (size_t n = n_least; n < file->n; n++) {
		const struct blob cut = {file->bytes, n};

		expect_failure(format, &cut, "bad-image", what);
	}
}

/* ---- PNM ---- */

/* The samples of the picture in ASCII. The text `separator` follows each sample. */
static struct blob plain_of(const char *header, int n_bands, const char *separator)
{
	struct blob file = {0};
	char text[8];

	append_text(&file, header);
	for (int i = 0; i < N_PIXELS; i++) {
		for (int band = 0; band < n_bands; band++) {
			snprintf(text, sizeof(text), "%d",
			         colour_at(i % SIDE, i / SIDE)[band]);
			append_text(&file, text);
			append_text(&file, separator);
		}
	}
	return file;
}

/* The samples of the picture as bytes. If `has_alpha` is true, alpha follows the `n_bands` colours
 * of each pixel. */
static struct blob raw_of(const char *header, int n_bands, bool has_alpha)
{
	struct blob file = {0};

	append_text(&file, header);
	for (int i = 0; i < N_PIXELS; i++) {
		int x = i % SIDE, y = i / SIDE;

		blob_append(&file, colour_at(x, y), (size_t)n_bands);
		if (has_alpha)
			append_little(&file, alpha_at(x, y), 1);
	}
	return file;
}

TEST(pnm_reader, comments_are_allowed_anywhere_in_a_pnm_header)
{
	static const char *const headers[] = {
		"P6 4 4 255\n",
		"P6\n4 4\n255 ",
		"P6\n# one\n# two 9 9\n4 4\n255\n",
		"P6#\n4#9\n4\n255\n",
		"P6 4# 9\r4 # 9\n\n#\n255#9 9\n",
		"P6\t4\v4\f255\r",
	};

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct blob file = raw_of(headers[i], 3, false);

		expect_picture(FORMAT_PNM, &file, 3, 0, headers[i]);
		blob_fini(&file);
	}
}

TEST(pnm_reader, comments_are_allowed_between_the_samples_of_a_plain_pnm)
{
	struct blob file = plain_of("P3 4 4 255 ", 3, "# 7\n");

	expect_picture(FORMAT_PNM, &file, 3, 0, "P3");
	blob_fini(&file);
	file = plain_of("P2 4 4 255 ", 1, "\r\n");
	expect_picture(FORMAT_PNM, &file, 1, 0, "P2");
	blob_fini(&file);
}

static void expect_bits(const char *text, size_t n)
{
	static const uint8_t want[] = {255, 0, 0, 255, 255, 255, 255, 0, 0};
	struct blob file = {0};
	struct raster raster;
	struct failure failure;
	uint8_t *samples;

	blob_append(&file, text, n);
	samples = decode(FORMAT_PNM, &file, &raster, &failure);
	REQUIRE(samples != NULL, "%s: %s", text, failure.text);
	EXPECT(raster.n_bands == 1 && raster.size.width == 9 && raster.size.height == 1);
	EXPECT(memcmp(samples, want, 9) == 0, "%s", text);
	free(samples);
	blob_fini(&file);
}

TEST(pnm_reader, digit_1_is_black_in_plain_bitmaps_and_digits_need_no_spaces)
{
	expect_bits("P1 9 1\n011000011", 16);
	expect_bits("P1 9 1\n0 1 1\n0000\t11\n", 21);
	expect_bits("P1 9 1\n0110#1\n00011", 19);
	expect_bits("P4 9 1\n\x61\xff", 9);
}

TEST(pnm_reader, truncation_of_every_kind_of_pnm_is_detected)
{
	static const char *const headers[] = {"P2 4 4 255\n", "P3 4 4 255\n"};
	struct blob file = {0};

	for (int i = 0; i < 2; i++) {
		file = plain_of(headers[i], i ? 3 : 1, " ");
		/* A number that loses its last digits is still a number. So a cut inside the last
		 * number cannot be noticed. */
		file.n -= 4;
		expect_each_cut_fails(FORMAT_PNM, &file, strlen(headers[i]), headers[i]);
		blob_fini(&file);
		file = (struct blob){0};
	}
	file = raw_of("P6 4 4 255\n", 3, false);
	expect_each_cut_fails(FORMAT_PNM, &file, 3, "P6");
	blob_fini(&file);
	file = raw_of("P5 4 4 255\n", 1, false);
	expect_each_cut_fails(FORMAT_PNM, &file, 3, "P5");
	blob_fini(&file);
	file = (struct blob){0};
	append_text(&file, "P1 4 2\n00001111");
	expect_each_cut_fails(FORMAT_PNM, &file, 3, "P1");
	memcpy(file.bytes, "P4 4 8\n", 7);
	expect_each_cut_fails(FORMAT_PNM, &file, 3, "P4");
	blob_fini(&file);
}

TEST(pnm_reader, invalid_samples_and_headers_are_bad_images)
{
	static const char *const files[] = {
		"P3 1 1 255 0 0 x", "P3 1 1 255 0 0 -1", "P2 1 1 255 256", "P1 1 1 2",
		"P2 1 1 0 0",       "P2 1 1 65536 0",    "P2 0 1 255 ",    "P2 1 0 255 ",
		"P2 x 1 255 0",     "P5 1 1 100\n\xff",  "P2 1 1",         "P2",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct blob file = {0};

		append_text(&file, files[i]);
		expect_failure(FORMAT_PNM, &file, "bad-image", files[i]);
		blob_fini(&file);
	}
}

TEST(pam_reader, extra_samples_are_alpha_only_if_the_tuple_type_says_so)
{
	static const struct {
		const char *header;
		int n_colours;
		bool has_extra;
		unsigned n_bands;
	} cases[] = {
		{"P7\nWIDTH 4\nHEIGHT 4\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n", 3,
	         false, 3},
		{"P7\n# a\n\nTUPLTYPE RGB_ALPHA \nMAXVAL 255\nDEPTH 4\nHEIGHT 4\n WIDTH\t4\n"
	         "ENDHDR\n",
	         3, true, 4},
		{"P7\nWIDTH 4\nHEIGHT 4\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n", 3,
	         true, 3},
		{"P7\nWIDTH 4\nHEIGHT 4\nDEPTH 4\nMAXVAL 255\nENDHDR\n", 3, true, 3},
		{"P7\nWIDTH 4\nHEIGHT 4\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n",
	         1, false, 1},
		{"P7\nWIDTH 4\nHEIGHT 4\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\n"
	         "ENDHDR\n",
	         1, true, 2},
		{"P7\nWIDTH 4\nHEIGHT 4\nDEPTH 2\nMAXVAL 255\nENDHDR\n", 1, true, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct blob file = raw_of(cases[i].header, cases[i].n_colours,
		                          cases[i].has_extra);

		expect_picture(FORMAT_PAM, &file, cases[i].n_bands, 0, cases[i].header);
		expect_each_cut_fails(FORMAT_PAM, &file, 3, cases[i].header);
		blob_fini(&file);
	}
}

TEST(pam_reader, value_1_is_white_in_a_black_and_white_pam)
{
	struct blob file = {0};
	struct raster raster;
	struct failure failure;
	uint8_t *samples;

	append_text(&file, "P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\n"
	                   "TUPLTYPE BLACKANDWHITE\nENDHDR\n");
	blob_append(&file, "\1\0", 2);
	samples = decode(FORMAT_PAM, &file, &raster, &failure);
	REQUIRE(samples != NULL, "%s", failure.text);
	EXPECT(samples[0] == 255 && samples[1] == 0);
	free(samples);
	blob_fini(&file);
}

/* ---- TGA ---- */

enum { TGA_PALETTE = 1, TGA_RGB = 2, TGA_GREY = 3, TGA_RUNS = 8 };
enum { FROM_RIGHT = 0x10, FROM_TOP = 0x20 };

static void append_tga_header(struct blob *file, int kind, int n_bits, int flags)
{
	bool has_palette = (kind & 7) == TGA_PALETTE;

	append_little(file, 3, 1); /* length of the text after the header */
	append_little(file, has_palette, 1);
	append_little(file, (uint32_t)kind, 1);
	append_little(file, has_palette ? 2 : 0, 2); /* the first palette index is 2 */
	append_little(file, has_palette ? 5 : 0, 2);
	append_little(file, has_palette ? 24 : 0, 1);
	append_little(file, 0, 4);
	append_little(file, SIDE, 2);
	append_little(file, SIDE, 2);
	append_little(file, (uint32_t)n_bits, 1);
	append_little(file, (uint32_t)flags, 1);
	append_text(file, "abc");
}

static void append_bgr(struct blob *file, const uint8_t *colour)
{
	const uint8_t bgr[3] = {colour[2], colour[1], colour[0]};

	blob_append(file, bgr, 3);
}

/* The index of a pixel in a palette of the five colours of the picture. */
static unsigned index_at(int x, int y)
{
	if (x == 0 && y == 0)
		return 4;
	return 2U * (y >= SIDE / 2) + (x >= SIDE / 2);
}

static void append_palette(struct blob *file, unsigned n_bytes)
{
	for (int i = 0; i < 5; i++) {
		append_bgr(file, i == 4 ? colour_at(0, 0) : rgbw.colours[i]);
		if (n_bytes == 4)
			append_little(file, 99, 1);
	}
}

static void append_tga_pixel(struct blob *file, int kind, int n_bits, int x, int y)
{
	const uint8_t *colour = colour_at(x, y);

	if (kind == TGA_PALETTE) {
		append_little(file, index_at(x, y) + 2, (unsigned)n_bits / 8);
	} else if (kind == TGA_GREY) {
		append_little(file, colour[0], 1);
	} else if (n_bits <= 16) {
		append_little(file,
		              (uint32_t)(colour[0] >> 3) << 10 |
		                      (uint32_t)(colour[1] >> 3) << 5 | colour[2] >> 3,
		              2);
	} else {
		append_bgr(file, colour);
	}
	if (n_bits == 32 || (kind == TGA_GREY && n_bits == 16))
		append_little(file, alpha_at(x, y), 1);
}

static struct blob tga_of(int kind, int n_bits, int flags)
{
	struct blob file = {0};

	append_tga_header(&file, kind, n_bits, flags);
	if ((kind & 7) == TGA_PALETTE)
		append_palette(&file, 3);
	for (int i = 0; i < SIDE; i++) {
		int y = flags & FROM_TOP ? i : SIDE - 1 - i;

		for (int j = 0; j < SIDE; j++) {
			int x = flags & FROM_RIGHT ? SIDE - 1 - j : j;

			/* Each row has a run packet for its first pixel, and a raw packet for all
			 * others. */
			if (kind & TGA_RUNS && j == 0)
				append_little(&file, 0x80, 1);
			if (kind & TGA_RUNS && j == 1)
				append_little(&file, SIDE - 2, 1);
			append_tga_pixel(&file, kind & 7, n_bits, x, y);
		}
	}
	return file;
}

/* For each kind of pixels: its number of bits, and how many bits the header declares as alpha. */
static const struct {
	int kind, n_bits, n_alpha_bits;
	unsigned n_bands, tolerance;
} tga_kinds[] = {
	{TGA_RGB, 24, 0, 3, 0},     {TGA_RGB, 32, 8, 4, 0},    {TGA_RGB, 32, 0, 3, 0},
	{TGA_RGB, 15, 0, 3, 4},     {TGA_RGB, 16, 0, 3, 4},    {TGA_PALETTE, 8, 0, 3, 0},
	{TGA_PALETTE, 16, 0, 3, 0}, {TGA_PALETTE, 8, 8, 3, 0}, {TGA_GREY, 8, 0, 1, 0},
	{TGA_GREY, 16, 8, 2, 0},    {TGA_GREY, 16, 0, 1, 0},
};
enum { N_TGA_KINDS = sizeof(tga_kinds) / sizeof(tga_kinds[0]) };

TEST(tga_reader, every_kind_of_tga_is_read_with_its_first_pixel_in_any_corner)
{
	static const int corners[] = {0, FROM_TOP, FROM_RIGHT, FROM_TOP | FROM_RIGHT};
	char what[64];

	for (int i = 0; i < N_TGA_KINDS * 8; i++) {
		int kind = tga_kinds[i / 8].kind | (i & 4 ? TGA_RUNS : 0);
		int n_bits = tga_kinds[i / 8].n_bits;
		struct blob file = tga_of(kind, n_bits,
		                          corners[i % 4] | tga_kinds[i / 8].n_alpha_bits);

		snprintf(what, sizeof(what), "kind %d of %d bits, corner %d", kind,
		         n_bits, corners[i % 4]);
		expect_picture(FORMAT_TGA, &file, tga_kinds[i / 8].n_bands,
		               tga_kinds[i / 8].tolerance, what);
		expect_each_cut_fails(FORMAT_TGA, &file, 18, what);
		blob_fini(&file);
	}
}

TEST(tga_reader, one_bit_of_a_16_bit_tga_pixel_is_alpha_if_the_header_says_so)
{
	struct blob file = tga_of(TGA_RGB, 16, FROM_TOP | 1);
	struct raster raster;
	struct failure failure;
	uint8_t *samples;

	file.bytes[file.n - 1] |= 0x80;
	samples = decode(FORMAT_TGA, &file, &raster, &failure);
	REQUIRE(samples != NULL && raster.n_bands == 4);
	EXPECT_EQ(samples[3], 0);
	EXPECT_EQ(samples[N_PIXELS * 4 - 1], 255);
	free(samples);
	blob_fini(&file);
}

/* Append what a TGA of version 2 has at its end: an extension area, which gives the meaning of
 * alpha, and a footer. */
static void append_extension(struct blob *file, int attributes)
{
	uint32_t extension = (uint32_t)file->n;

	for (int i = 0; i < 494; i++)
		append_little(file, 0, 1);
	append_little(file, (uint32_t)attributes, 1);
	append_little(file, extension, 4);
	append_little(file, 0, 4);
	blob_append(file, "TRUEVISION-XFILE.", 18);
}

TEST(tga_reader, the_extension_area_of_a_tga_decides_whether_its_alpha_is_used)
{
	for (int attributes = 0; attributes <= 3; attributes++) {
		struct blob file = tga_of(TGA_RGB, 32, 8);

		append_extension(&file, attributes);
		expect_picture(FORMAT_TGA, &file, attributes == 3 ? 4 : 3, 0,
		               "extension");
		blob_fini(&file);
	}
}

TEST(tga_reader, premultiplied_colours_are_divided_by_alpha)
{
	struct blob file = {0};
	struct raster raster;
	struct failure failure;
	uint8_t *samples;

	append_tga_header(&file, TGA_RGB, 32, FROM_TOP | 8);
	for (int i = 0; i < N_PIXELS; i++)
		append_little(&file, 0x80000840, 4);
	append_extension(&file, 4);
	samples = decode(FORMAT_TGA, &file, &raster, &failure);
	REQUIRE(samples != NULL && raster.n_bands == 4);
	EXPECT_EQ(samples[0], 0);
	EXPECT_EQ(samples[1], 16);
	EXPECT_EQ(samples[2], 128);
	EXPECT_EQ(samples[3], 128);
	free(samples);
	blob_fini(&file);
}

TEST(tga_reader, a_tga_pixel_with_an_index_outside_the_palette_is_a_bad_image)
{
	struct blob file = tga_of(TGA_PALETTE, 8, 0);

	file.bytes[file.n - 1] = 7;
	expect_failure(FORMAT_TGA, &file, "bad-image", "beyond the palette");
	file.bytes[file.n - 1] = 1;
	expect_failure(FORMAT_TGA, &file, "bad-image", "before the palette");
	blob_fini(&file);
}

TEST(tga_reader, a_tga_with_interleaved_rows_is_unsupported)
{
	struct blob file = tga_of(TGA_RGB, 24, 0);
	struct raster raster;
	struct failure failure = {0};

	file.bytes[17] |= 0x40;
	EXPECT(!raster_open(&raster, FORMAT_TGA, file.bytes, file.n, NULL, &failure));
	EXPECT_STR(fail_class_name(failure.class), "unsupported");
	EXPECT(strstr(failure.text, "interleaved rows") != NULL, "%s", failure.text);
	blob_fini(&file);
}

/* ---- BMP ---- */

struct bmp_kind {
	uint32_t n_header;
	uint32_t compression;
	unsigned n_bits;
	uint32_t alpha_mask;
	unsigned n_bands;
};

static void append_bmp_header(struct blob *file, const struct bmp_kind *kind,
                              bool is_from_top)
{
	bool is_oldest = kind->n_header == 12;
	unsigned n_side = is_oldest ? 2 : 4;

	blob_append(file, "BM", 2);
	append_little(file, 0, 8);
	append_little(file, 0, 4); /* the offset of the pixels, filled in later */
	append_little(file, kind->n_header, 4);
	append_little(file, SIDE, n_side);
	append_little(file, is_from_top ? (uint32_t)-SIDE : SIDE, n_side);
	append_little(file, 1, 2);
	append_little(file, kind->n_bits, 2);
	if (!is_oldest) {
		append_little(file, kind->compression, 4);
		append_little(file, 0, 12);
		append_little(file, kind->n_bits <= 8 ? 5 : 0, 4);
		append_little(file, 0, 4);
	}
	if (kind->n_header < 40)
		file->n = 14 + (size_t)kind->n_header;
	if (kind->n_header >= 52 || kind->compression == 3 || kind->compression == 6) {
		append_little(file, kind->n_bits == 16 ? 0x7c00 : 0xff0000, 4);
		append_little(file, kind->n_bits == 16 ? 0x3e0 : 0xff00, 4);
		append_little(file, kind->n_bits == 16 ? 0x1f : 0xff, 4);
	}
	if (kind->n_header > 52 || kind->compression == 6)
		append_little(file, kind->alpha_mask, 4);
	while (file->n < 14 + kind->n_header)
		append_little(file, 0, 1);
}

static void append_bmp_pixel(struct blob *file, unsigned n_bits, int x, int y)
{
	const uint8_t *colour = colour_at(x, y);

	if (n_bits == 16) {
		append_little(file,
		              (uint32_t)(colour[0] >> 3) << 10 |
		                      (uint32_t)(colour[1] >> 3) << 5 | colour[2] >> 3,
		              2);
		return;
	}
	append_bgr(file, colour);
	if (n_bits == 32)
		append_little(file, alpha_at(x, y), 1);
}

static void append_bmp_row(struct blob *file, unsigned n_bits, int y)
{
	uint32_t packed = 0;

	for (int x = 0; x < SIDE; x++) {
		if (n_bits > 8)
			append_bmp_pixel(file, n_bits, x, y);
		else
			packed = packed << n_bits | index_at(x, y);
	}
	if (n_bits <= 8)
		append_big(file, packed << (32 - SIDE * n_bits), 4);
}

static struct blob bmp_of(const struct bmp_kind *kind, bool is_from_top)
{
	struct blob file = {0};

	append_bmp_header(&file, kind, is_from_top);
	if (kind->n_bits <= 8)
		append_palette(&file, kind->n_header == 12 ? 3 : 4);
	file.bytes[10] = (uint8_t)file.n;
	for (int i = 0; i < SIDE; i++)
		append_bmp_row(&file, kind->n_bits, is_from_top ? i : SIDE - 1 - i);
	return file;
}

static const struct bmp_kind bmp_kinds[] = {
	{12, 0, 24, 0, 3},
	{12, 0, 8, 0, 3},
	/* Headers of OS/2, which may end after any field. */
	{16, 0, 24, 0, 3},
	{16, 0, 8, 0, 3},
	{20, 0, 4, 0, 3},
	{36, 0, 8, 0, 3},
	{42, 0, 24, 0, 3},
	{46, 0, 4, 0, 3},
	{48, 0, 8, 0, 3},
	{64, 0, 24, 0, 3},
	{64, 0, 4, 0, 3},
	/* Headers of Windows. */
	{40, 0, 4, 0, 3},
	{40, 0, 8, 0, 3},
	{40, 0, 16, 0, 3},
	{40, 0, 24, 0, 3},
	{124, 0, 8, 0, 3},
	{40, 3, 16, 0, 3},
	{52, 3, 16, 0, 3},
	/* Pixels of four bytes, without and with a mask that declares the fourth byte as alpha. */
	{40, 0, 32, 0, 3},
	{52, 0, 32, 0, 3},
	{56, 0, 32, 0, 3},
	{108, 0, 32, 0, 3},
	{124, 0, 32, 0, 3},
	{124, 0, 32, 0xff000000, 3},
	{40, 3, 32, 0, 3},
	{52, 3, 32, 0, 3},
	{56, 3, 32, 0, 3},
	{108, 3, 32, 0, 3},
	{124, 3, 32, 0, 3},
	{56, 3, 32, 0xff000000, 4},
	{108, 3, 32, 0xff000000, 4},
	{124, 3, 32, 0xff000000, 4},
	{40, 6, 32, 0xff000000, 4},
};

TEST(bmp_reader, the_fourth_byte_of_a_bmp_pixel_is_alpha_only_if_a_mask_says_so)
{
	char what[80];

	for (size_t i = 0; i < 2 * sizeof(bmp_kinds) / sizeof(bmp_kinds[0]); i++) {
		const struct bmp_kind *kind = &bmp_kinds[i / 2];
		struct blob file;

		/* Width and height have no sign in the oldest header, so they cannot be
		 * negative. */
		if (i % 2 && kind->n_header == 12)
			continue;
		file = bmp_of(kind, i % 2);
		snprintf(what, sizeof(what), "header of %u, compression %u, %u bits",
		         kind->n_header, kind->compression, kind->n_bits);
		EXPECT_EQ(format_of_bytes(file.bytes, file.n, ""), FORMAT_BMP);
		expect_picture(FORMAT_BMP, &file, kind->n_bands,
		               kind->n_bits == 16 ? 4 : 0, what);
		/* Only padding follows the last index, and a file without this padding is
		 * complete. */
		file.n -= kind->n_bits < 8 ? 4 - SIDE * kind->n_bits / 8 : 0;
		expect_each_cut_fails(FORMAT_BMP, &file, 14 + kind->n_header + 32, what);
		blob_fini(&file);
	}
}

TEST(bmp_reader, a_bmp_with_alpha_0_everywhere_is_opaque)
{
	const struct bmp_kind kind = {124, 3, 32, 0xff000000, 4};
	struct blob file = bmp_of(&kind, true);
	struct raster raster;
	struct failure failure;
	uint8_t *samples;

	for (int i = 0; i < N_PIXELS; i++)
		file.bytes[file.n - 1 - 4 * (size_t)i] = 0;
	samples = decode(FORMAT_BMP, &file, &raster, &failure);
	REQUIRE(samples != NULL);
	EXPECT_EQ(samples[3], 255);
	EXPECT_EQ(samples[4 * N_PIXELS - 1], 255);
	free(samples);
	blob_fini(&file);
}

TEST(bmp_reader, run_length_encoded_bmp_files_are_read)
{
	for (int i = 0; i < 2; i++) {
		const struct bmp_kind kind = {40, i ? 2 : 1, i ? 4 : 8, 0, 3};
		struct blob file = {0};

		append_bmp_header(&file, &kind, false);
		append_palette(&file, 4);
		file.bytes[10] = (uint8_t)file.n;
		/* The file begins with the bottom row. The first two rows have two runs each. The
		 * third row has a move and a run: the move skips two pixels, which get the first
		 * colour of the palette. The top row has four literal indexes. */
		for (int y = 0; y < 2; y++)
			blob_append(&file, i ? "\2\x22\2\x33\0\0" : "\2\2\2\3\0\0", 6);
		blob_append(&file, i ? "\0\2\2\0\2\x11\0\0" : "\0\2\2\0\2\1\0\0", 8);
		blob_append(&file, i ? "\0\4\x40\x11\0\1" : "\0\4\4\0\1\1\0\1",
		            i ? 6 : 8);
		expect_picture(FORMAT_BMP, &file, 3, 0, i ? "4 bits" : "8 bits");
		/* The end code may be missing if the last row is complete. */
		file.n -= 2;
		expect_each_cut_fails(FORMAT_BMP, &file, 14 + 40 + 20, "runs");
		blob_fini(&file);
	}
}

TEST(bmp_reader, an_index_outside_the_palette_in_a_run_damages_only_its_own_pixel)
{
	const struct bmp_kind kind = {40, 1, 8, 0, 3};
	/* The file begins with the bottom row. The third row in the file has four literal indexes.
	 * The last of them is not in the palette. The other rows have runs. */
	static const char rows[] = "\2\2\2\3\0\0\2\2\2\3\0\0\0\4\0\0\1\x77\0\0"
				   "\1\4\1\0\2\1\0\1";
	struct blob file = {0};
	struct raster raster;
	struct failure failure;
	bool is_damaged = false;
	uint8_t samples[3 * N_PIXELS] = {0};

	append_bmp_header(&file, &kind, false);
	append_palette(&file, 4);
	file.bytes[10] = (uint8_t)file.n;
	blob_append(&file, rows, sizeof(rows) - 1);
	expect_failure(FORMAT_BMP, &file, "bad-image", "an index outside the palette");
	REQUIRE(raster_open(&raster, FORMAT_BMP, file.bytes, file.n, &is_damaged,
	                    &failure));
	EXPECT(raster_decode(&raster, samples, &failure));
	EXPECT(is_damaged);
	for (int i = 0; i < N_PIXELS; i++) {
		int x = i % SIDE, y = i / SIDE;

		if (x != 3 || y != 1)
			EXPECT(memcmp(samples + 3 * (size_t)i, colour_at(x, y), 3) == 0,
			       "pixel %d, %d", x, y);
	}
	blob_fini(&file);
}

TEST(bmp_reader, bmp_files_with_rare_compressions_or_masks_over_8_bits_are_unsupported)
{
	static const struct bmp_kind kinds[] = {
		{40, 4, 24, 0, 0}, {40, 5, 24, 0, 0},  {64, 3, 24, 0, 0},
		{64, 4, 24, 0, 0}, {40, 1, 24, 0, 0},  {40, 0, 64, 0, 0},
		{40, 9, 24, 0, 0}, {124, 3, 24, 0, 0},
	};
	struct blob file;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		file = bmp_of(&kinds[i], false);
		expect_failure(FORMAT_BMP, &file, "unsupported", "rare");
		blob_fini(&file);
	}
	file = bmp_of(&(struct bmp_kind){124, 3, 32, 0, 0}, false);
	memcpy(file.bytes + 54, "\0\0\xf0\x3f\0\xfc\x0f\0\xff\3\0\0", 12);
	expect_failure(FORMAT_BMP, &file, "unsupported", "10 bits");
	blob_fini(&file);
}

/* ---- PSD ---- */

enum { GREY_MODE = 1, PALETTE_MODE = 2, RGB_MODE = 3 };

struct psd_kind {
	int mode, n_bits;
	bool is_packed, is_large;
	/* The section of layers and masks, or NULL. */
	const char *layers;
	size_t n_layers;
	bool has_extra; /* whether one more channel follows the colours */
	unsigned n_bands;
};

static uint8_t psd_sample(const struct psd_kind *kind, int channel, int x, int y)
{
	uint8_t sample, alpha = alpha_at(x, y);

	if (kind->mode == PALETTE_MODE)
		return channel == 0 ? (uint8_t)index_at(x, y) : alpha;
	if (channel == (kind->mode == RGB_MODE ? 3 : 1))
		return alpha;
	sample = colour_at(x, y)[channel];
	/* Colours are blended with white where there is transparency. */
	if (kind->n_bands == 2 || kind->n_bands == 4)
		sample = (uint8_t)((sample * alpha + 255 * (255 - alpha) + 127) / 255);
	return sample;
}

static void append_psd_palette(struct blob *file)
{
	for (int band = 0; band < 3; band++) {
		for (int i = 0; i < 256; i++) {
			const uint8_t *colour = i == 4 ? colour_at(0, 0)
			                               : rgbw.colours[i % 4];

			append_big(file, colour[band], 1);
		}
	}
}

static struct blob psd_of(const struct psd_kind *kind)
{
	struct blob file = {0};
	int n_channels = (kind->mode == RGB_MODE ? 3 : 1) + kind->has_extra;
	unsigned n_bytes = (unsigned)kind->n_bits / 8;

	append_text(&file, "8BPS");
	append_big(&file, kind->is_large ? 2 : 1, 2);
	append_big(&file, 0, 6);
	append_big(&file, (uint32_t)n_channels, 2);
	append_big(&file, SIDE, 4);
	append_big(&file, SIDE, 4);
	append_big(&file, (uint32_t)kind->n_bits, 2);
	append_big(&file, (uint32_t)kind->mode, 2);
	append_big(&file, kind->mode == PALETTE_MODE ? 768 : 0, 4);
	if (kind->mode == PALETTE_MODE)
		append_psd_palette(&file);
	append_big(&file, 5, 4); /* the image resources */
	append_text(&file, "12345");
	if (kind->is_large)
		append_big(&file, 0, 4);
	append_big(&file, (uint32_t)kind->n_layers, 4);
	if (kind->n_layers > 0)
		blob_append(&file, kind->layers, kind->n_layers);
	append_big(&file, kind->is_packed, 2);
	for (int row = 0; kind->is_packed && row < n_channels * SIDE; row++)
		append_big(&file, SIDE * n_bytes + 1, kind->is_large ? 4 : 2);
	for (int i = 0; i < n_channels * N_PIXELS; i++) {
		int at = i % N_PIXELS;

		/* Each row is one packet of literal bytes. */
		if (kind->is_packed && at % SIDE == 0)
			append_big(&file, SIDE * n_bytes - 1, 1);
		append_big(&file,
		           257U * psd_sample(kind, i / N_PIXELS, at % SIDE, at / SIDE),
		           n_bytes);
	}
	return file;
}

/* The PSD section of layers has the number of layers, which is negative if the first extra channel
 * is transparency. In a 16-bit file this number is in a block after empty masks. A file without
 * layers may instead have an empty block "Mtrn", which means transparency, too. */
#define LAYERS(text) text, sizeof(text) - 1
#define SAVED        LAYERS("\0\0\0\2\0\1")
#define CLEAR        LAYERS("\0\0\0\2\xff\xff")
#define CLEAR_LARGE  LAYERS("\0\0\0\0\0\0\0\2\xff\xff")
#define CLEAR_DEEP                                                                       \
	LAYERS("\0\0\0\0\0\0\0\0"                                                        \
	       "8BIMLr16\0\0\0\2\xff\xff\0\0")
#define CLEAR_SIGN                                                                       \
	LAYERS("\0\0\0\0\0\0\0\0"                                                        \
	       "8BIMPatt\0\0\0\1x\0\0\0"                                                 \
	       "8BIMMtrn\0\0\0\0")

static const struct psd_kind psd_kinds[] = {
	{RGB_MODE, 8, false, false, NULL, 0, false, 3},
	{RGB_MODE, 8, true, false, NULL, 0, false, 3},
	{RGB_MODE, 8, true, true, NULL, 0, false, 3},
	{RGB_MODE, 8, false, false, NULL, 0, true, 3},
	{RGB_MODE, 8, true, false, SAVED, true, 3},
	{RGB_MODE, 8, true, false, CLEAR, true, 4},
	{RGB_MODE, 8, true, true, CLEAR_LARGE, true, 4},
	{RGB_MODE, 8, false, false, CLEAR_DEEP, true, 4},
	{RGB_MODE, 8, false, false, CLEAR_SIGN, true, 4},
	{GREY_MODE, 8, false, false, NULL, 0, false, 1},
	{GREY_MODE, 8, true, false, SAVED, true, 1},
	{GREY_MODE, 8, true, false, CLEAR, true, 2},
	{PALETTE_MODE, 8, false, false, NULL, 0, false, 3},
};

TEST(psd_reader, a_saved_selection_is_not_transparency)
{
	char what[80];

	for (size_t i = 0; i < sizeof(psd_kinds) / sizeof(psd_kinds[0]); i++) {
		const struct psd_kind *kind = &psd_kinds[i];
		struct blob file = psd_of(kind);

		snprintf(what, sizeof(what), "case %zu", i);
		expect_picture(FORMAT_PSD, &file, kind->n_bands,
		               kind->n_bands % 2 ? 0 : 3, what);
		if (kind->n_bands % 2 == 0 || !kind->has_extra)
			expect_each_cut_fails(FORMAT_PSD, &file, 26, what);
		blob_fini(&file);
	}
}

TEST(psd_reader, samples_of_16_bits_are_kept_whether_compressed_or_not)
{
	for (int i = 0; i < 2; i++) {
		const struct psd_kind kind = {RGB_MODE, 16, i, false, NULL, 0, false, 3};
		struct blob file = psd_of(&kind);
		struct raster raster;
		struct failure failure;
		uint16_t *samples = decode(FORMAT_PSD, &file, &raster, &failure);

		REQUIRE(samples != NULL, "%s", failure.text);
		EXPECT_EQ(raster.n_bits, 16);
		for (int at = 0; at < N_PIXELS * 3; at++)
			EXPECT_EQ(samples[at],
			          257 * colour_at(at / 3 % SIDE, at / 3 / SIDE)[at % 3]);
		free(samples);
		blob_fini(&file);
	}
}

TEST(psd_reader, bitmap_cmyk_lab_and_32_bit_psds_are_unsupported)
{
	static const struct psd_kind kinds[] = {
		{4, 8, false, false, NULL, 0, false, 3},
		{9, 8, false, false, NULL, 0, false, 3},
		{0, 8, false, false, NULL, 0, false, 3},
		{RGB_MODE, 32, false, false, NULL, 0, false, 3},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct blob file = psd_of(&kinds[i]);

		expect_failure(FORMAT_PSD, &file, "unsupported", "psd");
		blob_fini(&file);
	}
}

/* ---- through the engines ---- */

TEST(raster, vips_and_stb_give_the_same_picture)
{
	const struct bmp_kind bmp = {40, 0, 32, 0, 3};
	const struct psd_kind psd = {RGB_MODE, 8, true, false, SAVED, true, 3};
	struct blob files[] = {
		raw_of("P6 # 9 9\n# 9\n4 4\n255\n", 3, false),
		raw_of("P7\nWIDTH 4\nHEIGHT 4\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n",
	               3, false),
		tga_of(TGA_RGB, 32, FROM_RIGHT),
		bmp_of(&bmp, false),
		psd_of(&psd),
	};
	static const char *const names[] = {"a.ppm", "a.pam", "a.tga", "a.bmp", "a.psd"};

	for (int i = 0; i < 5; i++) {
		FOR_EACH_ENGINE(engine)
		{
			struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
			struct outcome outcome = run_picture(&files[i], names[i],
			                                     &recipe);

			REQUIRE(outcome.is_done, "%s: %s", names[i],
			        outcome.answer.failure.text);
			EXPECT_EQ(outcome.n_bands, 3);
			for (int at = 0; at < N_PIXELS; at++)
				EXPECT(pixel_is_near(&outcome, at % SIDE, at / SIDE,
				                     colour_at(at % SIDE, at / SIDE)),
				       "%s: %d", names[i], at);
			outcome_fini(&outcome);
		}
		blob_fini(&files[i]);
	}
}

TEST(raster, a_truncated_file_fails_unless_damage_is_accepted)
{
	struct blob file = raw_of("P6 4 4 255\n", 3, false);

	file.n -= 5;
	FOR_EACH_ENGINE(engine)
	{
		struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
		struct outcome outcome = run_picture(&file, "a.ppm", &recipe);

		EXPECT_STR(fail_class_name(outcome.answer.failure.class), "bad-image");
		outcome_fini(&outcome);
		recipe.fail_on = FAIL_ON_NONE;
		outcome = run_picture(&file, "a.ppm", &recipe);
		EXPECT(outcome.is_done && pixel_is_near(&outcome, 1, 0, colour_at(1, 0)));
		EXPECT(outcome.answer.is_damaged);
		outcome_fini(&outcome);
	}
	blob_fini(&file);
}

/* A file with a broken header has no valid size or maximum value, so nothing in it can be
 * decoded. */
TEST(raster, an_invalid_header_fails_even_if_damage_is_accepted)
{
	static const char *const texts[] = {"P5 4 4 x", "P6 4 4 x", "P5 4 x", "P4 4 x"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct blob file = raw_of(texts[i], 3, false);

		FOR_EACH_ENGINE(engine)
		{
			struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
			struct outcome outcome;

			recipe.fail_on = FAIL_ON_NONE;
			outcome = run_picture(&file, "a.ppm", &recipe);
			EXPECT(outcome.answer.failure.class == FAIL_BAD_IMAGE, "%s: %s",
			       texts[i], outcome.answer.failure.text);
			outcome_fini(&outcome);
		}
		blob_fini(&file);
	}
}
