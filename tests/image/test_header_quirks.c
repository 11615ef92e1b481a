/* Tests of header fields that libvips ignores although they change the meaning of the pixels. */
#include "support/test.h"

#include "image/header/header_quirks.h"
#include "image/header/metadata_scan.h"
#include "vips_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 8 };

/* A sample of the test picture, whose four quarters have the four colours of `rgbw`. Each sample is
 * 0 or the maximum value. In the first row, half the maximum value takes the place of the maximum
 * value. */
static unsigned sample_at(int x, int y, int band, unsigned most)
{
	unsigned value = rgbw.colours[2 * (y >= SIDE / 2) + (x >= SIDE / 2)][band];

	return value && y == 0 ? most / 2 : value * most / 255;
}

static struct blob pnm_of(char kind, unsigned most)
{
	bool is_grey = kind == '2' || kind == '5', is_text = kind < '4';
	struct blob blob = {0};
	char text[100];
	int n = snprintf(text, sizeof(text), "P%c # 9 8 7\n%d %d\n# 6\n%u\n", kind, SIDE,
	                 SIDE, most);

	blob_append(&blob, text, (size_t)n);
	for (int i = 0; i < SIDE * SIDE * 3; i++) {
		unsigned value = sample_at(i / 3 % SIDE, i / 3 / SIDE, i % 3, most);

		if (is_grey && i % 3 > 0)
			continue;
		n = is_text      ? snprintf(text, sizeof(text), "%u\n", value)
		    : most > 255 ? snprintf(text, sizeof(text), "%c%c", value >> 8,
		                            value & 255)
		                 : snprintf(text, sizeof(text), "%c", value);
		blob_append(&blob, text, (size_t)n);
	}
	return blob;
}

TEST(header_quirks, the_maximum_value_of_a_pnm_is_shown_as_white)
{
	static const unsigned mosts[] = {4, 100, 254, 255, 256, 1000, 65535};

	for (size_t i = 0; i < 4 * sizeof(mosts) / sizeof(mosts[0]); i++) {
		char kind = "2356"[i % 4];
		unsigned most = mosts[i / 4];
		struct blob blob = pnm_of(kind, most);
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_VIPS);
		double half = most / 2 * 255.0 / most;
		const double dim[] = {half, 0, 0}, blue[] = {0, 0, 255}, grey[] = {0};
		const double white[] = {255, 255, 255};
		VipsImage *image = cooked(&blob, &recipe);
		bool is_grey = vips_image_get_bands(image) == 1;

		EXPECT(is_grey == (kind == '2' || kind == '5'));
		EXPECT(is_colour(image, 1, 0, dim, 1.01) &&
		               is_colour(image, 1, SIDE - 1, is_grey ? grey : blue, 0) &&
		               is_colour(image, SIDE - 1, SIDE - 1, white, 0),
		       "P%c of %u", kind, most);
		g_object_unref(image);
		blob_fini(&blob);
	}
}

TEST(header_quirks, the_maximum_value_of_a_pnm_is_white_after_scaling_at_16_bits_too)
{
	struct blob blob = pnm_of('6', 1000);
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	const double white[] = {65535, 65535, 65535};
	VipsImage *image;

	recipe.depth = DEPTH_KEEP;
	recipe.geometry.width = 4;
	image = cooked(&blob, &recipe);
	EXPECT(is_colour(image, 3, 3, white, 0));
	g_object_unref(image);
	blob_fini(&blob);
}

/* Make a PFM: rows of floats, the bottom row first. */
static struct blob pfm_of(int n_bands, bool is_big_endian, double factor)
{
	struct blob blob = {0};
	char head[40];
	int n = snprintf(head, sizeof(head), "P%c\n%d %d\n%s\n", n_bands == 1 ? 'f' : 'F',
	                 SIDE, SIDE, is_big_endian ? "1.0" : "-1.0");

	blob_append(&blob, head, (size_t)n);
	for (int i = 0; i < SIDE * SIDE * n_bands; i++) {
		int at = i / n_bands, y = SIDE - 1 - at / SIDE;
		float value = (float)(sample_at(at % SIDE, y, i % n_bands, 2) * factor);
		uint8_t bytes[4], other[4];

		memcpy(bytes, &value, 4);
		for (int b = 0; b < 4; b++)
			other[b] = bytes[3 - b];
		blob_append(&blob, is_big_endian ? other : bytes, 4);
	}
	return blob;
}

TEST(header_quirks, a_pfm_holds_linear_light_with_the_bottom_row_first)
{
	/* The sRGB level of a pixel with half as much linear light as white. */
	const double half = 255 * (1.055 * pow(0.5, 1 / 2.4) - 0.055);
	const double dim[] = {half, 0, 0}, blue[] = {0, 0, 255}, dark[] = {0};

	for (int i = 0; i < 4; i++) {
		int n_bands = i < 2 ? 3 : 1;
		struct blob blob = pfm_of(n_bands, i & 1, 0.5);
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		VipsImage *image;

		recipe.no_rotate = i & 1;
		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_bands(image), n_bands);
		is_colour(image, 1, 0, dim, 1);
		is_colour(image, 1, SIDE - 1, i < 2 ? blue : dark, 0);
		g_object_unref(image);
		blob_fini(&blob);
	}
}

TEST(header_quirks, values_above_1_in_a_pfm_are_kept_in_an_hdr_output)
{
	struct blob blob = pfm_of(3, false, 4);
	struct recipe recipe = recipe_for(FORMAT_HDR, ENGINE_AUTO);
	VipsImage *image = cooked(&blob, &recipe), *made = NULL, *light;
	const double red[] = {4, 0, 0}, white[] = {8, 8, 8};

	REQUIRE(!vips_rad2float(image, &made, NULL));
	light = vips_image_copy_memory(made);
	is_colour(light, 1, 0, red, 0.1);
	is_colour(light, SIDE - 1, SIDE - 1, white, 0.1);
	g_object_unref(light);
	g_object_unref(made);
	g_object_unref(image);
	blob_fini(&blob);
}

TEST(header_quirks, a_grey_float_tiff_holds_linear_light_up_to_1_or_levels_up_to_255)
{
	for (int i = 0; i < 2; i++) {
		float values[SIDE * SIDE];
		const double light = 255 * (1.055 * pow(0.5, 1 / 2.4) - 0.055);
		const double grey = i ? 128 : light, white = 255;
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		struct blob blob;
		VipsImage *image;

		for (int at = 0; at < SIDE * SIDE; at++)
			values[at] = (at < SIDE ? 1.0F : 0.5F) * (i ? 256 : 1);
		vips_fixture_start();
		image = vips_image_new_from_memory_copy(values, sizeof(values), SIDE,
		                                        SIDE, 1, VIPS_FORMAT_FLOAT);
		blob = encoded(image, ".tif");
		g_object_unref(image);
		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_bands(image), 1);
		is_colour(image, 3, 0, &white, 1);
		is_colour(image, 3, 3, &grey, 1);
		g_object_unref(image);
		blob_fini(&blob);
	}
}

/* Find the value of a tag in the first directory of a little-endian TIFF. The value must be a
 * single number of the type SHORT (16 bits). */
static uint8_t *tiff_short_at(struct blob *tiff, unsigned tag)
{
	uint32_t at;
	unsigned n;

	memcpy(&at, tiff->bytes + 4, 4);
	n = tiff->bytes[at] | (unsigned)tiff->bytes[at + 1] << 8;
	for (at += 2; n > 0; n--, at += 12) {
		if ((tiff->bytes[at] | (unsigned)tiff->bytes[at + 1] << 8) == tag)
			return tiff->bytes + at + 8;
	}
	REQUIRE(false, "no tag %u", tag);
	return NULL;
}

TEST(header_quirks, a_ycbcr_tiff_is_read_if_it_is_jpeg_compressed_and_unsupported_if_not)
{
	enum { PHOTOMETRIC = 262, YCBCR = 6 };
	static const uint8_t red[] = {255, 0, 0};
	const double wanted[] = {255, 0, 0};
	uint8_t bytes[64 * 64 * 3];
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	VipsImage *image, *result;
	struct blob blob;
	struct outcome outcome;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = red[i % 3];
	image = image_of_bytes(bytes, 64, 64, 3);
	blob = encoded(image, ".tif[compression=jpeg,Q=80]");
	EXPECT_EQ(*tiff_short_at(&blob, PHOTOMETRIC), YCBCR);
	result = cooked(&blob, &recipe);
	is_colour(result, 32, 32, wanted, 6);
	g_object_unref(result);
	blob_fini(&blob);

	blob = encoded(image, ".tif[compression=deflate]");
	*tiff_short_at(&blob, PHOTOMETRIC) = YCBCR;
	outcome = run_picture(&blob, "a.tif", &recipe);
	EXPECT_STR(fail_class_name(outcome.answer.failure.class), "unsupported");
	outcome_fini(&outcome);
	blob_fini(&blob);
	g_object_unref(image);
}

/* A BigTIFF with two directories. The first one is empty. The second one says that its pixels are
 * compressed with deflate, and that it has 2^63 strips. The offset and the length of a strip take 2
 * bytes each, so the size of each list in bytes exceeds 64 bits. */
static const char endless_strips[] = "II+\0\10\0\0\0\20\0\0\0\0\0\0\0"
				     "\0\0\0\0\0\0\0\0\40\0\0\0\0\0\0\0"
				     "\3\0\0\0\0\0\0\0"
				     "\3\1\3\0\1\0\0\0\0\0\0\0\10\0\0\0\0\0\0\0"
				     "\21\1\3\0\0\0\0\0\0\0\0\200\0\0\0\0\0\0\0\0"
				     "\27\1\3\0\0\0\0\0\0\0\0\200\0\0\0\0\0\0\0\0"
				     "\0\0\0\0\0\0\0";

/* Zeros follow the file. If they were read as lengths, all strips would be empty, which is no
 * damage. */
TEST(header_quirks,
     values_behind_the_end_of_a_tiff_are_not_read_if_the_number_of_bytes_overflows)
{
	uint8_t bytes[8 * sizeof(endless_strips)] = {0};
	struct tiff_pages pages;

	memcpy(bytes, endless_strips, sizeof(endless_strips));
	tiff_find_pages(bytes, sizeof(endless_strips), &pages);
	EXPECT_EQ(pages.n, 2);
	EXPECT(!pages.is_whole);
}

static bool accept_strip(void *data, const struct tiff_strip *strip)
{
	(void)data;
	(void)strip;
	return true;
}

/* The headers are read from copies of exact length, so that a sanitizer notices reads past the
 * end. */
TEST(header_quirks, the_header_readers_never_read_past_the_end_of_the_file)
{
	static const char heads[][60] = {
		"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 2\n",
		"II*\0\10\0\0\0\1\0\6\1\3\0\1\0\0\0\6\0\0\0",
		"MM\0+\0\10\0\0\0\0\0\0\0\0\0\20\0\0\0\0\0\0\0\1\1\6\0\3\0\0\0\0\0\0\0\1\0\6\0\0\0\0\0\0",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		for (size_t n = 0; n <= sizeof(heads[0]); n++) {
			uint8_t *exact = malloc(n ? n : 1);
			bool is_all = n == sizeof(heads[0]);

			REQUIRE(exact != NULL);
			memcpy(exact, heads[i], n);
			EXPECT(hdr_is_rgb_from_top_left(exact, n) || i != 0 || !is_all);
			EXPECT(!is_all || tiff_is_raw_ycbcr(exact, n) == (i >= 1));
			free(exact);
		}
	}
	for (size_t n = 0; n <= sizeof(endless_strips); n++) {
		struct tiff_range all = {0, UINT32_MAX};
		uint8_t *exact = malloc(n ? n : 1);
		struct tiff_pages pages;

		REQUIRE(exact != NULL);
		memcpy(exact, endless_strips, n);
		tiff_find_pages(exact, n, &pages);
		EXPECT(tiff_visit_deflated(exact, n, all, accept_strip, NULL));
		free(exact);
	}
}

/* ---- JPEG 2000 ---- */

/* Make a lossless JPEG 2000 in which every pixel has the values `samples`. */
static struct blob make_jp2(const uint8_t *samples, int n_bands)
{
	enum { JP2_SIDE = 32 };
	uint8_t bytes[JP2_SIDE * JP2_SIDE * 4];
	struct blob blob;
	VipsImage *image;

	for (int i = 0; i < JP2_SIDE * JP2_SIDE * n_bands; i++)
		bytes[i] = samples[i % n_bands];
	vips_fixture_start();
	image = image_of_bytes(bytes, JP2_SIDE, JP2_SIDE, n_bands);
	blob = encoded(image, ".jp2[lossless]");
	g_object_unref(image);
	return blob;
}

static uint8_t *find_words(const struct blob *blob, const char *words)
{
	uint8_t *at = memmem(blob->bytes, blob->n, words, strlen(words));

	REQUIRE(at != NULL, "%s", words);
	return at;
}

/* Set the number of the colour space in the box "colr". */
static void set_space(struct blob *blob, uint8_t number)
{
	enum { SPACE_AT = 10 };

	find_words(blob, "colr")[SPACE_AT] = number;
}

TEST(header_quirks, a_jpeg_2000_in_ycbcr_is_converted_to_rgb)
{
	/* The colour 230, 120, 40 as YCbCr, and then an alpha of 77. */
	static const uint8_t samples[] = {144, 69, 189, 77};
	static const double colour[] = {230, 120, 40, 77};
	static const char *const words[] = {"", "size 16x16", "size 16x8; fit fill"};

	for (int n_bands = 3; n_bands <= 4; n_bands++) {
		struct blob blob = make_jp2(samples, n_bands);

		set_space(&blob, 18);
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			struct recipe recipe = recipe_of_words(words[i], FORMAT_PNG,
			                                       ENGINE_AUTO);
			VipsImage *image = cooked(&blob, &recipe);

			EXPECT_EQ(vips_image_get_bands(image), n_bands);
			is_colour(image, 5, 5, colour, 1);
			g_object_unref(image);
		}
		blob_fini(&blob);
	}
}

TEST(header_quirks, a_jpeg_2000_that_libvips_would_misread_is_unsupported)
{
	static const uint8_t samples[] = {144, 69, 189};
	enum { N_KINDS = 5, BITS_AT = 42, DISTANCES_AT = 43, SIGNED = 0x80 };

	for (int kind = 0; kind < N_KINDS; kind++) {
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		struct blob blob = make_jp2(samples, 3);
		struct outcome outcome;

		if (kind == 0)
			memcpy(find_words(&blob, "colr"), "pclr", 4);
		else if (kind < 3)
			set_space(&blob, kind == 1 ? 14 : 24);
		else if (kind == 3)
			memset(find_words(&blob, "\xff\x4f\xff\x51") + DISTANCES_AT, 2,
			       2);
		else
			set_space(&blob, 18);
		for (int i = 0; kind == 4 && i < 3; i++)
			find_words(&blob, "\xff\x4f\xff\x51")[BITS_AT + 3 * i] |= SIGNED;
		outcome = run_picture(&blob, "a.jp2", &recipe);
		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		EXPECT(strstr(outcome.answer.failure.text, "JPEG 2000"), "%s",
		       outcome.answer.failure.text);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}
