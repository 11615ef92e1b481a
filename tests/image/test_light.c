/* Tests of linear light values above 1, and of the header of HDR files. HDR and float samples can
 * have values above 1. Other formats clip them. */
#include "support/test.h"

#include "vips_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 80, HEIGHT = 60 };

/* The red value rises by 1/4 with each pixel to the right. The green value rises by 1/4 with each
 * pixel downwards. The blue value is 40. */
static VipsImage *ramp(void)
{
	float *values = malloc(sizeof(*values) * WIDTH * HEIGHT * 3), *to = values;
	VipsImage *image;

	REQUIRE(values != NULL);
	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			*to++ = (float)(x + 0.5) / 4;
			*to++ = (float)(y + 0.5) / 4;
			*to++ = 40;
		}
	}
	vips_fixture_start();
	image = vips_image_new_from_memory_copy(values,
	                                        sizeof(*values) * WIDTH * HEIGHT * 3,
	                                        WIDTH, HEIGHT, 3, VIPS_FORMAT_FLOAT);
	free(values);
	REQUIRE(image != NULL);
	image->Type = VIPS_INTERPRETATION_scRGB;
	return image;
}

static struct blob ramp_as(const char *suffix)
{
	VipsImage *image = ramp();
	struct blob blob = encoded(image, suffix);

	g_object_unref(image);
	return blob;
}

/* The output as float samples. */
static VipsImage *light_of(const struct blob *blob, const struct recipe *recipe)
{
	VipsImage *coded = cooked(blob, recipe), *made = NULL, *image;

	REQUIRE(!vips_rad2float(coded, &made, NULL), "%s", vips_error_buffer());
	image = vips_image_copy_memory(made);
	REQUIRE(image != NULL);
	g_object_unref(made);
	g_object_unref(coded);
	return image;
}

/* The three samples of a pixel share the exponent of the largest sample. If the largest sample is
 * 40, the other two are rounded to multiples of 1/4. */
enum { STEPS = 2 };
static const double step = 0.25;

TEST(linear_light, values_above_1_survive_scaling_cropping_and_rotating)
{
	static const char *const suffixes[] = {".hdr", ".tif"};

	for (size_t i = 0; i < 2; i++) {
		struct blob blob = ramp_as(suffixes[i]);
		struct recipe recipe = recipe_for(FORMAT_HDR, ENGINE_AUTO);
		VipsImage *image;
		struct failure failure;

		/* Crop the middle 60 x 60 pixels, reduce them to a third, rotate and mirror
		 * them. */
		recipe.geometry = (struct geometry){
			.width = 20, .height = 20, .fit = FIT_COVER};
		REQUIRE(filters_parse(&recipe.filters, "rotate 90, flop", &failure));
		image = light_of(&blob, &recipe);
		for (int at = 2; at < 18; at += 5) {
			const double want[] = {(10 + 3 * (at + 0.5)) / 4,
			                       3 * (10 + 0.5) / 4, 40};

			is_colour(image, 10, at, want, STEPS * step);
		}
		g_object_unref(image);
		blob_fini(&blob);
	}
}

TEST(linear_light, values_above_1_survive_enlarging_and_padding_on_a_canvas)
{
	/* The linear light of the sRGB value 128. */
	const double grey = pow((128 / 255.0 + 0.055) / 1.055, 2.4);
	const double around[] = {grey, grey, grey}, inside[] = {10, 7.5, 40};
	struct blob blob = ramp_as(".hdr");
	struct recipe recipe = recipe_for(FORMAT_HDR, ENGINE_AUTO);
	VipsImage *image;

	recipe.geometry = (struct geometry){
		.width = 160, .height = 160, .fit = FIT_CONTAIN};
	recipe.background = (struct colour){true, 128, 128, 128, 255};
	image = light_of(&blob, &recipe);
	is_colour(image, 3, 3, around, 0.004);
	is_colour(image, 80, 80, inside, STEPS * step);
	g_object_unref(image);
	blob_fini(&blob);
}

TEST(linear_light,
     values_above_1_are_clipped_by_formats_and_filters_without_a_float_range)
{
	struct blob blob = ramp_as(".hdr");
	struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	struct recipe to_hdr = recipe_for(FORMAT_HDR, ENGINE_AUTO);
	const double white[] = {255, 255, 255}, one[] = {1, 1, 1};
	VipsImage *image = cooked(&blob, &to_png);
	struct failure failure;

	is_colour(image, 70, 50, white, 0);
	g_object_unref(image);
	REQUIRE(filters_parse(&to_hdr.filters, "threshold 128", &failure));
	image = light_of(&blob, &to_hdr);
	is_colour(image, 70, 50, one, 0.01);
	g_object_unref(image);
	blob_fini(&blob);
}

TEST(linear_light, an_hdr_made_from_16_bits_keeps_dark_values_that_8_bits_would_lose)
{
	static const uint16_t dark[] = {1000, 1100, 1200};
	double want[3];
	VipsImage *pixel, *image, *made = NULL;
	struct blob blob;
	struct recipe recipe = recipe_for(FORMAT_HDR, ENGINE_AUTO);

	vips_fixture_start();
	pixel = vips_image_new_from_memory_copy(dark, sizeof(dark), 1, 1, 3,
	                                        VIPS_FORMAT_USHORT);
	REQUIRE(pixel && !vips_embed(pixel, &made, 0, 0, 16, 16, "extend",
	                             VIPS_EXTEND_COPY, NULL));
	made->Type = VIPS_INTERPRETATION_RGB16;
	blob = encoded(made, ".png");
	image = light_of(&blob, &recipe);
	for (int band = 0; band < 3; band++)
		want[band] = dark[band] / 65535.0 / 12.92;
	is_colour(image, 8, 8, want, want[2] / 100);
	g_object_unref(image);
	g_object_unref(made);
	g_object_unref(pixel);
	blob_fini(&blob);
}

TEST(linear_light, exposure_and_primaries_of_an_hdr_are_kept)
{
	static const char mark[] =
		"EXPOSURE=2.5\nPRIMARIES=0.7 0.3 0.2 0.7 0.1 0 0.3 0.35\n";
	static const struct {
		const char *name;
		double value;
	} primaries[] = {{"rad-prims-rx", 0.7}, {"rad-prims-ry", 0.3},
	                 {"rad-prims-gx", 0.2}, {"rad-prims-gy", 0.7},
	                 {"rad-prims-bx", 0.1}, {"rad-prims-by", 0},
	                 {"rad-prims-wx", 0.3}, {"rad-prims-wy", 0.35}};
	struct blob blob = ramp_as(".hdr");
	struct recipe recipe = recipe_for(FORMAT_HDR, ENGINE_AUTO);
	VipsImage *plain, *image;
	double number;

	recipe.geometry.width = 20;
	plain = light_of(&blob, &recipe);
	REQUIRE(!vips_image_get_double(plain, "rad-expos", &number));
	EXPECT(fabs(number - 1) < 1e-6);
	/* If a header line occurs twice, the last one counts. */
	blob_insert(&blob,
	            (size_t)(strstr((char *)blob.bytes, "\n\n") + 1 - (char *)blob.bytes),
	            mark, sizeof(mark) - 1);
	image = light_of(&blob, &recipe);
	REQUIRE(!vips_image_get_double(image, "rad-expos", &number));
	EXPECT(fabs(number - 2.5) < 1e-6, "exposure %g", number);
	for (size_t i = 0; i < sizeof(primaries) / sizeof(primaries[0]); i++) {
		REQUIRE(!vips_image_get_double(image, primaries[i].name, &number));
		EXPECT(fabs(number - primaries[i].value) < 1e-6, "%s: %g",
		       primaries[i].name, number);
	}
	g_object_unref(plain);
	g_object_unref(image);
	blob_fini(&blob);
}

TEST(linear_light, hdr_files_with_unusual_row_order_or_xyz_colours_are_unsupported)
{
	static const struct {
		const char *format, *sides;
		bool is_read;
	} cases[] = {
		{"rgbe", "-Y 2 +X 2", true},  {"rgbe", "+Y 2 +X 2", false},
		{"rgbe", "-Y 2 -X 2", false}, {"rgbe", "+X 2 -Y 2", false},
		{"xyze", "-Y 2 +X 2", false},
	};
	static const uint8_t pixels[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_VIPS);
		struct blob blob = {0};
		struct outcome outcome;
		char head[100];
		int n = snprintf(head, sizeof(head),
		                 "#?RADIANCE\nFORMAT=32-bit_rle_%s\n\n%s\n",
		                 cases[i].format, cases[i].sides);

		blob_append(&blob, head, (size_t)n);
		blob_append(&blob, pixels, sizeof(pixels));
		outcome = run_picture(&blob, "a.hdr", &recipe);
		EXPECT_STR(outcome.is_done
		                   ? "read"
		                   : fail_class_name(outcome.answer.failure.class),
		           cases[i].is_read ? "read" : "unsupported");
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

static unsigned lost_in(const struct blob *blob, enum image_format format)
{
	struct recipe recipe = recipe_for(format, ENGINE_VIPS);
	struct outcome outcome = run_picture(blob, "a", &recipe);
	unsigned lost = outcome.answer.out[0].lost;

	EXPECT(outcome.is_done, "%s", outcome.answer.failure.text);
	outcome_fini(&outcome);
	return lost;
}

TEST(linear_light, values_above_1_are_reported_lost_in_a_png_and_not_in_an_hdr)
{
	static const char *const suffixes[] = {".hdr", ".tif", ".pfm"};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		struct blob bright = ramp_as(suffixes[i]), dim;
		VipsImage *image = ramp(), *made = NULL;

		REQUIRE(!vips_linear1(image, &made, 1 / 100.0, 0, NULL));
		made->Type = VIPS_INTERPRETATION_scRGB;
		dim = encoded(made, suffixes[i]);
		EXPECT_EQ(lost_in(&bright, FORMAT_PNG), LOST_HDR);
		EXPECT_EQ(lost_in(&bright, FORMAT_HDR), 0);
		EXPECT_EQ(lost_in(&dim, FORMAT_PNG), 0);
		g_object_unref(made);
		g_object_unref(image);
		blob_fini(&bright);
		blob_fini(&dim);
	}
}
