/*
 * Tests of the effect of the numbers of filters, and of filters on pictures with alpha or 16 bits.
 * Each test has a simple picture and an expected result.
 */
#include "support/test.h"

#include "vips_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 100, HEIGHT = 24, MIDDLE = HEIGHT / 2 };

static VipsImage *filtered(const struct blob *blob, const char *words,
                           enum engine_choice engine)
{
	struct recipe recipe = recipe_of_words(words, FORMAT_PNG, engine);

	return cooked(blob, &recipe);
}

/* Make a picture of one band in which all rows are equal. */
static struct blob make_columns(int (*value)(int x))
{
	uint8_t bytes[WIDTH * HEIGHT];

	for (int at = 0; at < WIDTH * HEIGHT; at++)
		bytes[at] = (uint8_t)value(at % WIDTH);
	return png_of_bytes(bytes, WIDTH, HEIGHT, 1);
}

/* Apply the filter that `words` describe to a picture. Returns the value of column x. */
static double after(const struct blob *blob, const char *words, int x)
{
	VipsImage *image = filtered(blob, words, ENGINE_VIPS);
	double value = value_at(image, x, MIDDLE, 0);

	g_object_unref(image);
	return value;
}

static int step(int x)
{
	return x < 50 ? 100 : 150;
}

static int ripple(int x)
{
	return 100 + 2 * (x % 2);
}

static int ramp(int x)
{
	return 80 + x;
}

TEST(sharpen, sharpening_makes_an_edge_steeper_and_keeps_flat_areas)
{
	struct blob blob = make_columns(step);

	EXPECT(after(&blob, "filter sharpen", 50) > 151);
	EXPECT(after(&blob, "filter sharpen", 49) < 99);
	EXPECT_EQ(after(&blob, "filter sharpen", 5), 100);
	EXPECT_EQ(after(&blob, "filter sharpen", 95), 150);
	blob_fini(&blob);
}

TEST(sharpen, the_reach_of_sharpening_grows_with_sigma)
{
	struct blob blob = make_columns(step);

	EXPECT_EQ(after(&blob, "filter sharpen 0.5", 52), 150);
	EXPECT(after(&blob, "filter sharpen 3", 52) > 155);
	blob_fini(&blob);
}

TEST(sharpen, the_parameter_jagged_sharpens_at_edges_and_the_parameter_flat_elsewhere)
{
	struct blob edge = make_columns(step), calm = make_columns(ripple);
	double by_1 = after(&edge, "filter sharpen 1 0 0.4", 50) - 150;
	double by_2 = after(&edge, "filter sharpen 1 0 0.8", 50) - 150;

	EXPECT(by_1 > 2 && fabs(by_2 - 2 * by_1) < 2, "%g and %g", by_1, by_2);
	/* The samples of the ripple alternate between 100 and 102. Blurring makes all of them
	 * 101. */
	EXPECT_EQ(after(&calm, "filter sharpen 1 0 5", 51), 102);
	EXPECT(fabs(after(&calm, "filter sharpen 1 5 0", 51) - 107) <= 1.5);
	EXPECT(fabs(after(&calm, "filter sharpen 1 5 0", 50) - 95) <= 1.5);
	blob_fini(&edge);
	blob_fini(&calm);
}

TEST(normalise, the_filter_normalise_stretches_the_range_between_its_two_percentages)
{
	struct blob blob = make_columns(ramp);

	EXPECT(after(&blob, "filter normalise 25 75", 24) <= 6);
	EXPECT(after(&blob, "filter normalise 25 75", 30) > 12);
	EXPECT(after(&blob, "filter normalise 25 75", 70) < 243);
	EXPECT(after(&blob, "filter normalise 25 75", 75) >= 249);
	EXPECT(after(&blob, "filter normalise 0 100", 10) > 10);
	EXPECT(after(&blob, "filter normalise 0 100", 90) < 245);
	blob_fini(&blob);
}

TEST(threshold, the_filter_threshold_makes_values_at_or_above_its_level_white)
{
	struct blob blob = make_columns(ramp);

	for (int level = 90; level <= 170; level += 40) {
		char words[64];

		snprintf(words, sizeof(words), "filter threshold %d", level);
		EXPECT_EQ(after(&blob, words, level - 81), 0);
		EXPECT_EQ(after(&blob, words, level - 80), 255);
	}
	blob_fini(&blob);
}

TEST(median, median_takes_the_median_of_a_square_window_of_the_given_side)
{
	uint8_t bytes[WIDTH * HEIGHT];
	struct blob blob;

	memset(bytes, 50, sizeof(bytes));
	/* Nine pixels differ from all others. They fill a window of 3 x 3 pixels, but only a small
	 * part of a window of 5 x 5 pixels. */
	for (int at = 0; at < 9; at++)
		bytes[(MIDDLE - 1 + at / 3) * WIDTH + 49 + at % 3] = 200;
	blob = png_of_bytes(bytes, WIDTH, HEIGHT, 1);
	EXPECT_EQ(after(&blob, "filter median 3", 50), 200);
	EXPECT_EQ(after(&blob, "filter median 5", 50), 50);
	blob_fini(&blob);
}

static const enum engine_choice both[] = {ENGINE_VIPS, ENGINE_STB};

TEST(gamma, gamma_above_1_lightens_and_below_1_darkens)
{
	static const double gammas[] = {0.5, 1, 1.5, 3};
	struct blob blob = make_columns(ramp);

	for (size_t i = 0; i < 2 * sizeof(gammas) / sizeof(gammas[0]); i++) {
		char words[64];
		VipsImage *image;

		snprintf(words, sizeof(words), "filter gamma %g", gammas[i / 2]);
		image = filtered(&blob, words, both[i % 2]);
		for (int x = 0; x < WIDTH; x += 9) {
			double want = 255 * pow(ramp(x) / 255.0, 1 / gammas[i / 2]);

			EXPECT(fabs(value_at(image, x, MIDDLE, 0) - want) <= 1,
			       "%s, engine %d: %g, not %g", words, (int)both[i % 2],
			       value_at(image, x, MIDDLE, 0), want);
		}
		g_object_unref(image);
	}
	blob_fini(&blob);
}

static int framed(int x)
{
	return x < 20 || x >= 80 ? 100 + 3 * (x % 6) : 200;
}

TEST(trim, the_filter_trim_removes_a_border_that_differs_by_at_most_its_threshold)
{
	struct blob blob = make_columns(framed);

	for (int i = 0; i < 4; i++) {
		const char *words = i / 2 ? "filter trim 5" : "filter trim 15";
		VipsImage *image = filtered(&blob, words, both[i % 2]);

		EXPECT(vips_image_get_width(image) == (i / 2 ? 98 : 60),
		       "%s, engine %d: %d", words, (int)both[i % 2],
		       vips_image_get_width(image));
		g_object_unref(image);
	}
	blob_fini(&blob);
}

/* ---- alpha and depth ---- */

static const uint8_t colour[4] = {200, 100, 50, 90};

static struct blob make_plain(int n_bands)
{
	uint8_t bytes[WIDTH * HEIGHT * 4];

	for (int at = 0; at < WIDTH * HEIGHT; at++)
		memcpy(bytes + at * n_bands, colour, (size_t)n_bands);
	return png_of_bytes(bytes, WIDTH, HEIGHT, n_bands);
}

static const struct {
	const char *words;
	bool is_for_stb;
} on_colours[] = {
	{"filter grayscale", true},
	{"filter negate", true},
	{"filter gamma 1.7", true},
	{"filter blur 2", true},
	{"filter rotate 90", true},
	{"filter flip", true},
	{"filter flop", true},
	{"filter trim", true},
	{"filter normalise", false},
	{"filter median 3", false},
	{"filter modulate 1.1 0.7 40", false},
	{"filter threshold 90", false},
	{"filter threshold 150", false},
	{"filter sharpen 2 3 4", false},
	{"size 30x20; fit fill", true},
	{"size 300x80; fit fill", true},
	{"size 50x10; fit cover; linear", true},
};
enum { N_ON_COLOURS = sizeof(on_colours) / sizeof(on_colours[0]) };

TEST(alpha, colour_filters_keep_alpha_and_give_the_same_colours_with_and_without_alpha)
{
	struct blob opaque = make_plain(3), thin = make_plain(4);

	for (int i = 0; i < 2 * N_ON_COLOURS; i++) {
		const char *words = on_colours[i / 2].words;
		VipsImage *want, *got;
		int n_bands;

		if (both[i % 2] == ENGINE_STB && !on_colours[i / 2].is_for_stb)
			continue;
		want = filtered(&opaque, words, both[i % 2]);
		got = filtered(&thin, words, both[i % 2]);
		n_bands = vips_image_get_bands(got);
		EXPECT(n_bands == vips_image_get_bands(want) + 1, "%s: %d bands", words,
		       n_bands);
		EXPECT(fabs(value_at(got, 5, 5, n_bands - 1) - colour[3]) < 0.5,
		       "%s, engine %d: alpha of %g", words, (int)both[i % 2],
		       value_at(got, 5, 5, n_bands - 1));
		for (int band = 0; band < n_bands - 1; band++)
			EXPECT(fabs(value_at(got, 5, 5, band) -
			            value_at(want, 5, 5, band)) <= 2,
			       "%s, engine %d: %g, not %g", words, (int)both[i % 2],
			       value_at(got, 5, 5, band), value_at(want, 5, 5, band));
		g_object_unref(want);
		g_object_unref(got);
	}
	blob_fini(&opaque);
	blob_fini(&thin);
}

/* Make three red, two yellow and four transparent green pixels. If transparent pixels counted, the
 * median would be yellow. */
TEST(alpha, colours_of_transparent_pixels_do_not_influence_a_median)
{
	static const uint8_t red[] = {255, 0, 0, 255}, yellow[] = {255, 255, 0, 255},
			     clear[] = {0, 255, 0, 0};
	uint8_t bytes[3 * 3 * 4];
	struct blob blob;
	VipsImage *image;

	for (int at = 0; at < 9; at++)
		memcpy(bytes + 4 * at, at < 3 ? red : at < 5 ? yellow : clear, 4);
	blob = png_of_bytes(bytes, 3, 3, 4);
	image = filtered(&blob, "filter median 3", ENGINE_VIPS);
	is_colour(image, 1, 1, (const double[]){255, 0, 0, 255}, 0);
	g_object_unref(image);
	blob_fini(&blob);
}

TEST(flatten, flatten_blends_colours_with_the_background_by_alpha)
{
	static const struct {
		const char *words;
		int on[3];
	} cases[] = {
		{"filter flatten", {255, 255, 255}},
		{"filter flatten; background #102030", {16, 32, 48}},
	};
	struct blob blob = make_plain(4);

	for (int i = 0; i < 4; i++) {
		VipsImage *image = filtered(&blob, cases[i / 2].words, both[i % 2]);
		double want[3];

		for (int band = 0; band < 3; band++)
			want[band] = (colour[band] * colour[3] +
			              cases[i / 2].on[band] * (255 - colour[3])) /
			             255.0;
		EXPECT_EQ(vips_image_get_bands(image), 3);
		is_colour(image, 5, 5, want, 1);
		g_object_unref(image);
	}
	blob_fini(&blob);
}

static struct blob make_deep(int n_bands)
{
	uint16_t values[WIDTH * HEIGHT * 4];
	VipsImage *image;
	struct blob blob;

	vips_fixture_start();
	for (int at = 0; at < WIDTH * HEIGHT * n_bands; at++)
		values[at] = (uint16_t)(257 * colour[at % n_bands]);
	image = vips_image_new_from_memory_copy(
		values, (size_t)(WIDTH * HEIGHT * n_bands * 2), WIDTH, HEIGHT, n_bands,
		VIPS_FORMAT_USHORT);
	REQUIRE(image != NULL);
	image->Type = VIPS_INTERPRETATION_RGB16;
	blob = encoded(image, ".png");
	g_object_unref(image);
	return blob;
}

TEST(depth, filters_give_the_same_result_at_16_bits_as_at_8_bits_up_to_rounding)
{
	static const char *const more[] = {
		"filter flatten; background #102030",
		"size 200x200; fit contain; background #10203040",
		"size 200x200; fit contain; background #102030; profile p3",
		"filter rotate 10; background #102030",
		"profile p3",
		"size 40x; kernel mitchell",
	};
	enum { N_MORE = sizeof(more) / sizeof(more[0]) };

	for (int i = 0; i < 2 * (N_ON_COLOURS + N_MORE); i++) {
		const char *words = i / 2 < N_ON_COLOURS ? on_colours[i / 2].words
		                                         : more[i / 2 - N_ON_COLOURS];
		int n_bands = 3 + i % 2;
		struct blob shallow = make_plain(n_bands), deep = make_deep(n_bands);
		VipsImage *want = filtered(&shallow, words, ENGINE_VIPS), *got;
		char kept[150];

		snprintf(kept, sizeof(kept), "%s; depth keep", words);
		got = filtered(&deep, kept, ENGINE_VIPS);
		REQUIRE(vips_image_get_bands(got) == vips_image_get_bands(want));
		EXPECT_EQ(vips_image_get_format(got), VIPS_FORMAT_USHORT);
		for (int k = 0; k < 2 * vips_image_get_bands(got); k++) {
			int band = k / 2, x = k % 2 ? vips_image_get_width(got) / 2 : 1;
			int y = k % 2 ? vips_image_get_height(got) / 2 : 1;

			EXPECT(fabs(value_at(got, x, y, band) / 257 -
			            value_at(want, x, y, band)) <= 2,
			       "%s, %d bands, band %d: %g, not %g", words, n_bands, band,
			       value_at(got, x, y, band) / 257,
			       value_at(want, x, y, band));
		}
		g_object_unref(want);
		g_object_unref(got);
		blob_fini(&shallow);
		blob_fini(&deep);
	}
}

TEST(depth, the_stb_engine_refuses_to_keep_16_bits)
{
	struct blob deep = make_deep(3);

	for (int i = 0; i < 2; i++) {
		struct recipe recipe = recipe_of_words(i ? "depth keep" : "", FORMAT_PNG,
		                                       ENGINE_STB);
		struct outcome outcome = run_picture(&deep, "a.png", &recipe);

		EXPECT_EQ(outcome.answer.failure.class, i ? FAIL_UNSUPPORTED : FAIL_NONE);
		outcome_fini(&outcome);
	}
	blob_fini(&deep);
}
