/*
 * Tests of geometry and filters with the engines vips and stb. Most results are compared with
 * values that are computed here from a test chart. /
 */
#include "support/test.h"

#include "image/engine.h"
#include "vips_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHART_WIDTH = 120, CHART_HEIGHT = 90 };

/* A smooth test chart: waves of three lengths, so that no two places look alike. */
static double wave(double x, double y, int band)
{
	static const double lengths[] = {61, 43, 97};

	return 128 + 100 * sin((x + 0.5) * 6.2832 / lengths[band]) *
	                     cos((y + 0.5) * 6.2832 / lengths[(band + 1) % 3]);
}

static VipsImage *chart(int n_bands)
{
	static uint8_t bytes[CHART_WIDTH * CHART_HEIGHT * 4];
	uint8_t *to = bytes;

	for (int y = 0; y < CHART_HEIGHT; y++) {
		for (int x = 0; x < CHART_WIDTH; x++) {
			for (int band = 0; band < n_bands; band++)
				*to++ = (uint8_t)(band == 3 ? 200
				                            : wave(x, y, band) + 0.5);
		}
	}
	return image_of_bytes(bytes, CHART_WIDTH, CHART_HEIGHT, n_bands);
}

static struct blob chart_png(void)
{
	VipsImage *image = chart(3);
	struct blob blob = encoded(image, ".png");

	g_object_unref(image);
	return blob;
}

static const enum engine_choice both[] = {ENGINE_VIPS, ENGINE_STB};

static struct recipe recipe_of(enum engine_choice engine, const char *size,
                               const char *filters)
{
	struct recipe recipe = recipe_for(FORMAT_PNG, engine);
	struct failure failure;

	if (size)
		REQUIRE(geometry_parse(&recipe.geometry, size, &failure), "%s",
		        failure.text);
	if (filters)
		REQUIRE(filters_parse(&recipe.filters, filters, &failure), "%s",
		        failure.text);
	return recipe;
}

/* The mean difference between the result and the chart. Each pixel of the result is compared with
 * the place in the chart that it shows. */
static double distance(VipsImage *image, double scale, double left, double top)
{
	double sum = 0;
	int width = vips_image_get_width(image), height = vips_image_get_height(image);

	for (int y = 2; y < height - 2; y++) {
		for (int x = 2; x < width - 2; x++) {
			double at_x = (x + 0.5) / scale + left - 0.5;
			double at_y = (y + 0.5) / scale + top - 0.5;

			for (int band = 0; band < 3; band++)
				sum += fabs(value_at(image, x, y, band) -
				            wave(at_x, at_y, band));
		}
	}
	return sum / ((width - 4) * (height - 4) * 3);
}

TEST(shapes, scaling_does_not_shift_the_picture)
{
	static const char *const sizes[] = {"60", "40x40", "97x", "x77", "240", "50%"};
	struct blob blob = chart_png();

	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct recipe recipe = recipe_of(both[i % 2], sizes[i / 2], NULL);
		VipsImage *image = cooked(&blob, &recipe);
		double scale = (double)vips_image_get_width(image) / CHART_WIDTH;

		EXPECT(distance(image, scale, 0, 0) < 2, "%s, engine %d: %g",
		       sizes[i / 2], (int)both[i % 2], distance(image, scale, 0, 0));
		g_object_unref(image);
	}
	blob_fini(&blob);
}

TEST(shapes, enlarging_does_not_shift_by_part_of_a_pixel)
{
	static const char *const sizes[] = {"168", "240", "300"};
	struct blob blob = chart_png();

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct recipe recipe = recipe_of(ENGINE_VIPS, sizes[i], NULL);
		VipsImage *image = cooked(&blob, &recipe);
		double scale = (double)vips_image_get_width(image) / CHART_WIDTH;

		EXPECT(distance(image, scale, 0, 0) < 0.5, "%s: %g", sizes[i],
		       distance(image, scale, 0, 0));
		g_object_unref(image);
	}
	blob_fini(&blob);
}

TEST(shapes, every_kernel_reduces_without_a_shift)
{
	struct blob blob = chart_png();

	for (int kernel = 0; kernel < N_KERNELS; kernel++) {
		struct recipe recipe = recipe_of(ENGINE_VIPS, "40", NULL);
		VipsImage *image;

		recipe.kernel = (enum kernel)kernel;
		image = cooked(&blob, &recipe);
		EXPECT(distance(image, 1 / 3.0, 0, 0) < 2, "kernel %d: %g", kernel,
		       distance(image, 1 / 3.0, 0, 0));
		g_object_unref(image);
	}
	blob_fini(&blob);
}

TEST(shapes, the_fit_mode_cover_keeps_the_part_that_the_position_names)
{
	/* The output is 45 x 45. At half the size the picture is 60 x 45, so 15 columns are
	 * cropped. */
	static const struct {
		enum position position;
		double left;
	} wide[] = {
		{POSITION_CENTRE, 14}, {POSITION_NORTH, 14},     {POSITION_WEST, 0},
		{POSITION_EAST, 30},   {POSITION_SOUTHEAST, 30}, {POSITION_NORTHWEST, 0},
	};
	struct blob blob = chart_png();

	for (size_t i = 0; i < 2 * sizeof(wide) / sizeof(wide[0]); i++) {
		struct recipe recipe = recipe_of(both[i % 2], "45x45", NULL);
		struct layout layout;
		VipsImage *image;
		double left;

		recipe.geometry.fit = FIT_COVER;
		recipe.geometry.position = wide[i / 2].position;
		layout = geometry_layout(&recipe.geometry,
		                         (struct size){CHART_WIDTH, CHART_HEIGHT});
		left = 2.0 * layout.part.x;
		EXPECT(fabs(left - wide[i / 2].left) <= 2);
		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_width(image), 45);
		EXPECT_EQ(vips_image_get_height(image), 45);
		EXPECT(distance(image, 0.5, left, 0) < 1.5, "case %zu: %g", i,
		       distance(image, 0.5, left, 0));
		g_object_unref(image);
	}
	blob_fini(&blob);
}

/* If the whole picture were scaled, it would have 400 x 12000000 pixels. */
TEST(shapes, the_fit_mode_cover_scales_only_the_kept_part_of_a_very_long_picture)
{
	enum { LENGTH = 30000, SIDE = 400 };
	static const struct {
		enum position position;
		double value;
	} ends[] = {{POSITION_NORTH, 0}, {POSITION_CENTRE, 127.5}, {POSITION_SOUTH, 255}};
	static uint8_t bytes[LENGTH];
	struct blob blob;
	VipsImage *image;

	for (int i = 0; i < LENGTH; i++)
		bytes[i] = (uint8_t)(i * 255 / (LENGTH - 1));
	image = image_of_bytes(bytes, 1, LENGTH, 1);
	blob = encoded(image, ".png");
	g_object_unref(image);
	for (size_t i = 0; i < 2 * sizeof(ends) / sizeof(ends[0]); i++) {
		struct recipe recipe = recipe_of(both[i % 2], "400x400", NULL);

		recipe.geometry.fit = FIT_COVER;
		recipe.geometry.position = ends[i / 2].position;
		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_width(image), SIDE);
		EXPECT_EQ(vips_image_get_height(image), SIDE);
		is_colour(image, SIDE / 2, SIDE / 2, &ends[i / 2].value, 1.5);
		g_object_unref(image);
	}
	blob_fini(&blob);
}

TEST(shapes, the_positions_entropy_and_attention_find_the_interesting_part)
{
	static uint8_t bytes[200 * 50 * 3];
	VipsImage *image;
	struct blob blob;
	unsigned seed = 1;

	/* A grey picture with a detailed red area at x = 150. */
	memset(bytes, 128, sizeof(bytes));
	for (int y = 10; y < 40; y++) {
		for (int x = 150; x < 180; x++) {
			bytes[(y * 200 + x) * 3] = (uint8_t)(155 + rand_r(&seed) % 100);
			bytes[(y * 200 + x) * 3 + 1] = (uint8_t)(rand_r(&seed) % 60);
			bytes[(y * 200 + x) * 3 + 2] = 30;
		}
	}
	image = image_of_bytes(bytes, 200, 50, 3);
	blob = encoded(image, ".png");
	g_object_unref(image);
	for (int i = 0; i < 2; i++) {
		struct recipe recipe = recipe_of(ENGINE_VIPS, "50x50", NULL);
		VipsImage *red = NULL;
		double most = 0;

		recipe.geometry.fit = FIT_COVER;
		recipe.geometry.position = i ? POSITION_ENTROPY : POSITION_ATTENTION;
		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_width(image), 50);
		REQUIRE(!vips_extract_band(image, &red, 0, NULL) &&
		        !vips_max(red, &most, NULL));
		EXPECT(most > 180, "position %d", i);
		g_object_unref(red);
		g_object_unref(image);
	}
	blob_fini(&blob);
}

/* A long grey picture with a detailed red area at three quarters of its length. */
static struct blob red_in_a_thread(int width, int length, bool is_lying)
{
	uint8_t *bytes = malloc((size_t)width * (size_t)length * 3);
	unsigned seed = 1;
	VipsImage *image;
	struct blob blob;

	REQUIRE(bytes != NULL);
	memset(bytes, 128, (size_t)width * (size_t)length * 3);
	for (int i = 0; i < width * length / 16; i++) {
		int along = length * 3 / 4 + i / width, across = i % width;
		uint8_t *at = bytes + 3 * (is_lying ? across * length + along
		                                    : along * width + across);

		at[0] = (uint8_t)(200 + rand_r(&seed) % 55);
		at[1] = at[2] = (uint8_t)(rand_r(&seed) % 40);
	}
	image = image_of_bytes(bytes, is_lying ? length : width,
	                       is_lying ? width : length, 3);
	blob = encoded(image, ".png");
	g_object_unref(image);
	free(bytes);
	return blob;
}

TEST(shapes,
     the_positions_entropy_and_attention_find_the_interesting_part_of_a_very_long_picture)
{
	static const struct {
		int width, length;
		bool is_lying;
	} threads[] = {{1, 20000, false}, {1, 20000, true}, {3, 60000, false}};

	for (size_t i = 0; i < 2 * sizeof(threads) / sizeof(threads[0]); i++) {
		struct blob blob = red_in_a_thread(threads[i / 2].width,
		                                   threads[i / 2].length,
		                                   threads[i / 2].is_lying);
		struct recipe recipe = recipe_of(ENGINE_VIPS, "600x500", NULL);
		VipsImage *image;

		recipe.geometry.fit = FIT_COVER;
		recipe.geometry.position = i % 2 ? POSITION_ENTROPY : POSITION_ATTENTION;
		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_width(image), 600);
		EXPECT_EQ(vips_image_get_height(image), 500);
		EXPECT(value_at(image, 300, 250, 0) > 180 &&
		               value_at(image, 300, 250, 1) < 60,
		       "case %zu shows %g, %g", i, value_at(image, 300, 250, 0),
		       value_at(image, 300, 250, 1));
		g_object_unref(image);
		blob_fini(&blob);
	}
}

TEST(shapes, the_fit_mode_contain_fills_the_remaining_area_with_the_background)
{
	static const double white[] = {255, 255, 255}, blue[] = {0, 0, 255, 255},
			    clear[] = {0, 0, 0, 0};
	struct blob blob = chart_png();

	for (int i = 0; i < 6; i++) {
		struct recipe recipe = recipe_of(both[i % 2], "80x80", NULL);
		VipsImage *image;

		recipe.geometry.fit = FIT_CONTAIN;
		recipe.format = i < 2 ? FORMAT_JPEG : FORMAT_PNG;
		if (i >= 4)
			recipe.background = (struct colour){true, 0, 0, 255, 255};
		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_width(image), 80);
		EXPECT_EQ(vips_image_get_height(image), 80);
		is_colour(image, 40, 3, i < 2 ? white : i < 4 ? clear : blue, 3);
		is_colour(image, 40, 77, i < 2 ? white : i < 4 ? clear : blue, 3);
		EXPECT(fabs(value_at(image, 40, 40, 0) - wave(60, 45, 0)) < 6);
		g_object_unref(image);
	}
	blob_fini(&blob);
}

TEST(shapes, a_coloured_background_turns_a_grey_picture_into_a_coloured_one)
{
	VipsImage *grey = chart(1), *image;
	struct blob blob = encoded(grey, ".png");

	for (int i = 0; i < 2; i++) {
		struct recipe recipe = recipe_of(both[i], "80x80", NULL);

		recipe.geometry.fit = FIT_CONTAIN;
		recipe.background = (struct colour){true, 255, 0, 0, 255};
		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_bands(image), 3);
		is_colour(image, 40, 3, (const double[]){255, 0, 0}, 0);
		g_object_unref(image);
	}
	g_object_unref(grey);
	blob_fini(&blob);
}

/* In HEIF the container holds the orientation, and readers must ignore the orientation in EXIF.
 * Here libvips writes the orientation to EXIF only, so a HEIC or an AVIF is not rotated. */
TEST(shapes, an_orientation_is_applied_once_wherever_it_is_stored)
{
	static const struct {
		const char *suffix;
		bool is_turned;
	} places[] = {{".jpg", true},  {".png", true},   {".tif", true},
	              {".webp", true}, {".heic", false}, {".avif", false}};
	VipsImage *image = chart(3), *made;

	vips_image_set_int(image, VIPS_META_ORIENTATION, 6);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct recipe recipe = recipe_of(ENGINE_AUTO, "60", NULL);
		struct blob blob;

		if (!engine_vips.writes(format_of_word(places[i].suffix + 1)))
			continue;
		blob = encoded(image, places[i].suffix);
		if (strcmp(places[i].suffix, ".png") ==
		    0) { /* libvips writes no orientation to a PNG */
			uint8_t exif[EXIF_BYTES];

			make_exif(exif, 6, true);
			png_insert(&blob, "eXIf", exif, sizeof(exif));
		}
		made = cooked(&blob, &recipe);
		EXPECT(vips_image_get_width(made) == (places[i].is_turned ? 45 : 60),
		       "%s: %d", places[i].suffix, vips_image_get_width(made));
		EXPECT_EQ(vips_image_get_orientation(made), 1);
		g_object_unref(made);
		blob_fini(&blob);
	}
	g_object_unref(image);
}

TEST(shapes, the_option_no_rotate_keeps_the_stored_orientation)
{
	static const struct quarters stored = {{{255, 0, 0, 255},
	                                        {0, 255, 0, 255},
	                                        {0, 0, 255, 255},
	                                        {255, 255, 255, 255}}};
	uint8_t exif[6 + EXIF_BYTES] = "Exif\0\0";
	struct blob blob = make_jpeg(64, 128, 3, &stored);

	make_exif(exif + 6, 6, false);
	jpeg_insert(&blob, 0xe1, exif, sizeof(exif));
	for (int i = 0; i < 2; i++) {
		struct recipe recipe = recipe_of(both[i], "32", NULL);
		struct outcome outcome;

		recipe.no_rotate = true;
		outcome = run_picture(&blob, "a.jpg", &recipe);
		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT(outcome.width == 16 && outcome.height == 32);
		EXPECT(shows_quarters(&outcome, &stored));
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
}

/* ---- filters ---- */

/* Each of these functions returns the value that the filtered chart must have at x and y. */
static double mirrored(double x, double y, int band)
{
	return wave(CHART_WIDTH - 1 - x, y, band);
}

static double flipped(double x, double y, int band)
{
	return wave(x, CHART_HEIGHT - 1 - y, band);
}

static double quarter(double x, double y, int band)
{
	return wave(y, CHART_HEIGHT - 1 - x, band);
}

static double half(double x, double y, int band)
{
	return wave(CHART_WIDTH - 1 - x, CHART_HEIGHT - 1 - y, band);
}

static double negative(double x, double y, int band)
{
	return 255 - wave(x, y, band);
}

static double brighter(double x, double y, int band)
{
	return 255 * pow(wave(x, y, band) / 255, 1 / 2.2);
}

static double light(double v)
{
	v /= 255;
	return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double grey(double x, double y, int band)
{
	double l = 0.2126 * light(wave(x, y, 0)) + 0.7152 * light(wave(x, y, 1)) +
	           0.0722 * light(wave(x, y, 2));

	(void)band;
	return 255 * (l <= 0.0031308 ? 12.92 * l : 1.055 * pow(l, 1 / 2.4) - 0.055);
}

static double same(double x, double y, int band)
{
	return wave(x, y, band);
}

/* Blur the chart with an exact Gaussian. */
static double blurred(double x, double y, int band)
{
	double sum = 0, weights = 0;

	for (int dy = -8; dy <= 8; dy++) {
		for (int dx = -8; dx <= 8; dx++) {
			double weight = exp(-(dx * dx + dy * dy) / (2 * 2.0 * 2.0));

			sum += weight * wave(x + dx, y + dy, band);
			weights += weight;
		}
	}
	return sum / weights;
}

TEST(filters, filters_compute_the_documented_pixel_values)
{
	static const struct {
		const char *words;
		double (*want)(double x, double y, int band);
		int n_bands;
		bool has_both;
	} cases[] = {
		{"flop", mirrored, 3, true},      {"flip", flipped, 3, true},
		{"rotate 90", quarter, 3, true},  {"rotate 180", half, 3, true},
		{"rotate 360", same, 3, true},    {"flip, flop", half, 3, true},
		{"negate", negative, 3, true},    {"negate, negate", same, 3, true},
		{"gamma 2.2", brighter, 3, true}, {"grayscale", grey, 1, true},
		{"blur 2", blurred, 3, true},     {"modulate 1 1 0", same, 3, false},
		{"median 3", same, 3, false},     {"flatten", same, 3, true},
	};
	struct blob blob = chart_png();

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct recipe recipe = recipe_of(both[i % 2], NULL, cases[i / 2].words);
		VipsImage *image;
		double worst = 0;

		if (i % 2 && !cases[i / 2].has_both)
			continue;
		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_bands(image), cases[i / 2].n_bands);
		for (int y = 9; y < vips_image_get_height(image) - 9; y += 7) {
			for (int x = 9; x < vips_image_get_width(image) - 9; x += 7) {
				for (int band = 0; band < cases[i / 2].n_bands; band++)
					worst = fmax(worst,
					             fabs(value_at(image, x, y, band) -
					                  cases[i / 2].want(x, y, band)));
			}
		}
		EXPECT(worst < 2.5, "%s, engine %d: %g off", cases[i / 2].words,
		       (int)both[i % 2], worst);
		g_object_unref(image);
	}
	blob_fini(&blob);
}

TEST(filters, modulate_changes_hue_saturation_and_brightness)
{
	static const uint8_t red[] = {200, 60, 60};
	static const double want_grey = 109; /* a grey as light as `red`: L 45.5 */
	uint8_t bytes[16 * 16 * 3];
	VipsImage *image;
	struct blob blob;
	struct recipe recipe;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = red[i % 3];
	image = image_of_bytes(bytes, 16, 16, 3);
	blob = encoded(image, ".png");
	g_object_unref(image);

	recipe = recipe_of(ENGINE_VIPS, NULL, "modulate 1 0");
	image = cooked(&blob, &recipe);
	is_colour(image, 8, 8, (const double[]){want_grey, want_grey, want_grey}, 4);
	g_object_unref(image);

	recipe = recipe_of(ENGINE_VIPS, NULL, "modulate 1 1 120");
	image = cooked(&blob, &recipe);
	EXPECT(value_at(image, 8, 8, 1) > value_at(image, 8, 8, 0) + 40);
	g_object_unref(image);

	recipe = recipe_of(ENGINE_VIPS, NULL, "modulate 1.5 1");
	image = cooked(&blob, &recipe);
	EXPECT(value_at(image, 8, 8, 0) > 230 && value_at(image, 8, 8, 1) > 100);
	g_object_unref(image);
	blob_fini(&blob);
}

TEST(filters, normalise_stretches_low_contrast)
{
	static uint8_t bytes[100 * 100];
	VipsImage *image;
	struct blob blob;
	struct recipe recipe;

	for (int i = 0; i < 100 * 100; i++)
		bytes[i] = (uint8_t)(100 + i % 100 * 50 / 99);
	image = image_of_bytes(bytes, 100, 100, 1);
	blob = encoded(image, ".png");
	g_object_unref(image);
	recipe = recipe_of(ENGINE_VIPS, NULL, "normalise 0 100");
	image = cooked(&blob, &recipe);
	EXPECT_EQ(vips_image_get_bands(image), 1);
	EXPECT(value_at(image, 0, 50, 0) < 5);
	EXPECT(value_at(image, 99, 50, 0) > 250);
	g_object_unref(image);

	/* The contrast of a picture with a single value cannot be stretched, so the value stays. */
	memset(bytes, 77, sizeof(bytes));
	image = image_of_bytes(bytes, 100, 100, 1);
	blob_fini(&blob);
	blob = encoded(image, ".png");
	g_object_unref(image);
	image = cooked(&blob, &recipe);
	EXPECT(fabs(value_at(image, 50, 50, 0) - 77) < 2);
	g_object_unref(image);
	blob_fini(&blob);
}

TEST(filters, the_filters_threshold_sharpen_and_median_change_pixel_values)
{
	static uint8_t bytes[60 * 60];
	VipsImage *image;
	struct blob blob;
	struct recipe recipe;
	double blurred_value;

	for (int i = 0; i < 60 * 60; i++)
		bytes[i] = i % 60 < 30 ? 99 : 101;
	bytes[15 * 60 + 15] = 255; /* a single pixel of another value */
	image = image_of_bytes(bytes, 60, 60, 1);
	blob = encoded(image, ".png");
	g_object_unref(image);

	recipe = recipe_of(ENGINE_VIPS, NULL, "threshold 100");
	image = cooked(&blob, &recipe);
	EXPECT_EQ(value_at(image, 10, 10, 0), 0);
	EXPECT_EQ(value_at(image, 50, 10, 0), 255);
	g_object_unref(image);

	recipe = recipe_of(ENGINE_VIPS, NULL, "median 3");
	image = cooked(&blob, &recipe);
	EXPECT_EQ(value_at(image, 15, 15, 0), 99);
	g_object_unref(image);

	recipe = recipe_of(ENGINE_VIPS, NULL, "blur 2");
	image = cooked(&blob, &recipe);
	blurred_value = value_at(image, 15, 15, 0);
	g_object_unref(image);
	recipe = recipe_of(ENGINE_VIPS, NULL, "blur 2, sharpen 2 1 5");
	image = cooked(&blob, &recipe);
	EXPECT(value_at(image, 15, 15, 0) > blurred_value);
	g_object_unref(image);
	blob_fini(&blob);
}

TEST(filters, trim_removes_the_border_before_scaling)
{
	static uint8_t bytes[100 * 80 * 3];
	VipsImage *image;
	struct blob blob;

	/* A red block of 40 x 20 at 30, 10 on a background of 250. The border has noise of 3
	 * levels. */
	for (int i = 0; i < 100 * 80 * 3; i++)
		bytes[i] = (uint8_t)(250 + i % 4);
	for (int y = 10; y < 30; y++) {
		for (int x = 30; x < 70; x++)
			memcpy(bytes + (y * 100 + x) * 3, (uint8_t[]){255, 0, 0}, 3);
	}
	image = image_of_bytes(bytes, 100, 80, 3);
	blob = encoded(image, ".png");
	g_object_unref(image);
	for (int i = 0; i < 4; i++) {
		struct recipe recipe = recipe_of(both[i % 2], i < 2 ? NULL : "20",
		                                 "trim 10");

		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_width(image), i < 2 ? 40 : 20);
		EXPECT_EQ(vips_image_get_height(image), i < 2 ? 20 : 10);
		is_colour(image, 0, 0, (const double[]){255, 0, 0}, 1);
		g_object_unref(image);
	}
	blob_fini(&blob);

	/* A picture that consists only of border is not trimmed. */
	memset(bytes, 9, sizeof(bytes));
	image = image_of_bytes(bytes, 100, 80, 3);
	blob = encoded(image, ".png");
	g_object_unref(image);
	for (int i = 0; i < 2; i++) {
		struct recipe recipe = recipe_of(both[i], NULL, "trim 10");

		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_width(image), 100);
		g_object_unref(image);
	}
	blob_fini(&blob);
}

TEST(filters, rotating_by_an_arbitrary_angle_fills_the_corners_with_the_background)
{
	static const double white[] = {255, 255, 255}, green[] = {0, 255, 0};
	struct blob blob = chart_png();
	struct recipe recipe = recipe_of(ENGINE_VIPS, NULL, "rotate 45");
	VipsImage *image = cooked(&blob, &recipe);

	/* Rotated by 45 degrees, 120 x 90 becomes 148.5 in each direction. */
	EXPECT(abs(vips_image_get_width(image) - 148) <= 2);
	EXPECT(abs(vips_image_get_height(image) - 148) <= 2);
	EXPECT_EQ(vips_image_get_bands(image), 4);
	EXPECT_EQ(value_at(image, 2, 2, 3), 0);
	EXPECT_EQ(value_at(image, 74, 74, 3), 255);
	EXPECT(fabs(value_at(image, 74, 74, 0) - wave(60, 45, 0)) < 12);
	g_object_unref(image);

	recipe.format = FORMAT_JPEG;
	image = cooked(&blob, &recipe);
	is_colour(image, 2, 2, white, 3);
	g_object_unref(image);

	recipe.format = FORMAT_PNG;
	recipe.background = (struct colour){true, 0, 255, 0, 255};
	image = cooked(&blob, &recipe);
	EXPECT_EQ(vips_image_get_bands(image), 3);
	is_colour(image, 2, 2, green, 3);
	g_object_unref(image);
	blob_fini(&blob);
}

TEST(filters, the_stb_engine_names_each_unsupported_filter)
{
	static const char *const chains[] = {"median 3",   "sharpen",     "normalise",
	                                     "modulate 2", "threshold 9", "rotate 45"};
	struct blob blob = chart_png();

	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		struct recipe recipe = recipe_of(ENGINE_STB, NULL, chains[i]);
		struct outcome outcome = run_picture(&blob, "a", &recipe);
		char name[16];

		sscanf(chains[i], "%15s", name);
		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		EXPECT(strstr(outcome.answer.failure.text, name) != NULL, "%s",
		       outcome.answer.failure.text);
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
}

TEST(filters, blur_premultiplies_by_alpha_and_colour_filters_keep_alpha)
{
	/* The picture is opaque red on the left and transparent green on the right: no green may
	 * appear. */
	static uint8_t bytes[40 * 40 * 4];
	VipsImage *image;
	struct blob blob;

	for (int i = 0; i < 40 * 40; i++)
		memcpy(bytes + 4 * i,
		       i % 40 < 20 ? (uint8_t[]){255, 0, 0, 255}
		                   : (uint8_t[]){0, 255, 0, 0},
		       4);
	image = image_of_bytes(bytes, 40, 40, 4);
	blob = encoded(image, ".png");
	g_object_unref(image);
	for (int i = 0; i < 2; i++) {
		struct recipe recipe = recipe_of(both[i], NULL, "blur 2");

		image = cooked(&blob, &recipe);
		for (int x = 14; x < 24; x++)
			EXPECT(value_at(image, x, 20, 1) < 3 &&
			               value_at(image, x, 20, 0) > 250,
			       "engine %d at %d: %g %g %g", (int)both[i], x,
			       value_at(image, x, 20, 0), value_at(image, x, 20, 1),
			       value_at(image, x, 20, 3));
		EXPECT(fabs(value_at(image, 19, 20, 3) - 153) < 4);
		g_object_unref(image);

		recipe = recipe_of(both[i], NULL, "negate");
		image = cooked(&blob, &recipe);
		is_colour(image, 5, 5, (const double[]){0, 255, 255, 255}, 0);
		EXPECT_EQ(value_at(image, 35, 5, 3), 0);
		g_object_unref(image);
	}
	blob_fini(&blob);
}
