/* Tests of colour: profiles, depth, linear light, grey and alpha, measured in decoded pixels. */
#include "support/test.h"

#include "vips_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Make a picture of one colour, 32 x 32. */
static VipsImage *plain(const uint8_t *colour, int n_bands)
{
	uint8_t bytes[32 * 32 * 4];

	for (int i = 0; i < 32 * 32 * n_bands; i++)
		bytes[i] = colour[i % n_bands];
	return image_of_bytes(bytes, 32, 32, n_bands);
}

static struct recipe small(enum image_format format)
{
	struct recipe recipe = recipe_for(format, ENGINE_VIPS);

	recipe.geometry.width = recipe.geometry.height = 16;
	return recipe;
}

static bool has_profile(VipsImage *image)
{
	return vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0;
}

static void finish(VipsImage *image, struct blob *blob)
{
	g_object_unref(image);
	blob_fini(blob);
}

/* Pure sRGB red, converted to the Display P3 profile of libvips. The values are computed from the
 * primaries of sRGB and of Display P3. */
static const double red_in_p3[] = {234, 51, 35};

TEST(colour, p3_output_carries_its_profile_even_if_no_metadata_is_kept)
{
	static const uint8_t red[] = {255, 0, 0};
	static const enum image_format formats[] = {FORMAT_PNG, FORMAT_TIFF, FORMAT_JXL};
	VipsImage *image = plain(red, 3);
	struct blob blob = encoded(image, ".png");

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct recipe recipe = small(formats[i]);
		VipsImage *result;

		recipe.space = SPACE_P3;
		recipe.lossless = true;
		recipe.quality = 100;
		result = cooked(&blob, &recipe);
		EXPECT(has_profile(result));
		is_colour(result, 8, 8, red_in_p3, 3);
		g_object_unref(result);
	}
	finish(image, &blob);
}

TEST(colour,
     the_option_profile_keep_keeps_p3_colours_and_the_option_profile_srgb_converts_them)
{
	static const uint8_t values[] = {200, 100, 50};
	static const double kept[] = {200, 100, 50};
	VipsImage *image = plain(values, 3), *p3 = NULL, *result;
	struct blob blob;
	struct recipe recipe = small(FORMAT_PNG);
	const void *profile;
	size_t n;

	/* These values are P3 values; as sRGB they would be different. */
	REQUIRE(!vips_icc_transform(image, &p3, "p3", "input_profile", "srgb", NULL));
	REQUIRE(!vips_image_get_blob(p3, VIPS_META_ICC_NAME, &profile, &n));
	vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile, n);
	blob = encoded(image, ".png");

	recipe.space = SPACE_KEEP;
	result = cooked(&blob, &recipe);
	EXPECT(has_profile(result));
	is_colour(result, 8, 8, kept, 0);
	g_object_unref(result);

	recipe.space = SPACE_SRGB;
	result = cooked(&blob, &recipe);
	EXPECT(!has_profile(result));
	EXPECT(value_at(result, 8, 8, 0) > 205 && value_at(result, 8, 8, 2) < 40);
	g_object_unref(result);

	/* A format without profiles must hold sRGB colours. */
	recipe = small(FORMAT_PNM);
	recipe.space = SPACE_KEEP;
	result = cooked(&blob, &recipe);
	EXPECT(value_at(result, 8, 8, 0) > 205 && value_at(result, 8, 8, 2) < 40);
	g_object_unref(result);
	g_object_unref(p3);
	finish(image, &blob);
}

/* libvips 8.14.1 frees the profile with the opened picture. */
TEST(colour, the_profile_of_a_heic_or_avif_is_kept)
{
	static const uint8_t values[] = {200, 100, 50};
	static const char *const suffixes[] = {".heic", ".avif"};
	VipsImage *image = plain(values, 3), *p3 = NULL;
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_VIPS);
	const void *profile, *kept;
	size_t n, n_kept;

	recipe.keep = KEEP_ALL;
	recipe.space = SPACE_KEEP;
	REQUIRE(!vips_icc_transform(image, &p3, "p3", "input_profile", "srgb", NULL));
	REQUIRE(!vips_image_get_blob(p3, VIPS_META_ICC_NAME, &profile, &n));
	for (int i = 0; i < 2; i++) {
		struct blob blob = encoded(p3, suffixes[i]);
		VipsImage *result = cooked(&blob, &recipe);

		REQUIRE(has_profile(result), "%s", suffixes[i]);
		REQUIRE(!vips_image_get_blob(result, VIPS_META_ICC_NAME, &kept, &n_kept));
		EXPECT(n_kept == n && memcmp(kept, profile, n) == 0, "%s", suffixes[i]);
		g_object_unref(result);
		blob_fini(&blob);
	}
	g_object_unref(p3);
	g_object_unref(image);
}

TEST(colour, cmyk_is_converted_by_its_embedded_profile)
{
	static const uint8_t colour[] = {60, 120, 180};
	static const double want[] = {60, 120, 180};
	VipsImage *image = plain(colour, 3), *cmyk = NULL, *result;
	struct recipe recipe = small(FORMAT_PNG);
	struct blob blob;

	REQUIRE(!vips_icc_transform(image, &cmyk, "cmyk", "input_profile", "srgb", NULL));
	EXPECT_EQ(vips_image_get_bands(cmyk), 4);
	blob = encoded(cmyk, ".tif");
	result = cooked(&blob, &recipe);
	EXPECT_EQ(vips_image_get_bands(result), 3);
	is_colour(result, 8, 8, want, 6);
	g_object_unref(result);

	/* If a file has no profile, libvips uses its built-in CMYK profile. The previous file had
	 * this profile embedded, so the colours must be equal. */
	blob_fini(&blob);
	blob = encoded(cmyk, ".tif[strip]");
	result = cooked(&blob, &recipe);
	EXPECT(!has_profile(result));
	is_colour(result, 8, 8, want, 6);
	g_object_unref(result);
	g_object_unref(cmyk);
	finish(image, &blob);
}

TEST(colour, cmyk_is_kept_in_a_tiff_and_converted_for_a_png)
{
	static const uint8_t colour[] = {60, 120, 180};
	VipsImage *image = plain(colour, 3), *cmyk = NULL, *result;
	struct recipe recipe = small(FORMAT_TIFF);
	struct blob blob;
	double *ink;
	int n;

	REQUIRE(!vips_icc_transform(image, &cmyk, "cmyk", "input_profile", "srgb", NULL));
	blob = encoded(cmyk, ".tif");
	REQUIRE(!vips_getpoint(cmyk, &ink, &n, 8, 8, NULL) && n == 4);
	recipe.space = SPACE_KEEP;
	result = cooked(&blob, &recipe);
	EXPECT_EQ(vips_image_get_interpretation(result), VIPS_INTERPRETATION_CMYK);
	EXPECT(has_profile(result));
	for (int band = 0; band < 4; band++)
		EXPECT(value_at(result, 8, 8, band) == ink[band]);
	g_object_unref(result);

	g_free(ink);
	/* PNG does not support CMYK. */
	recipe.format = FORMAT_PNG;
	result = cooked(&blob, &recipe);
	EXPECT_EQ(vips_image_get_bands(result), 3);
	EXPECT(!has_profile(result));
	g_object_unref(result);
	g_object_unref(cmyk);
	finish(image, &blob);
}

TEST(colour, the_option_depth_keep_keeps_16_bits_in_every_format_that_supports_them)
{
	static const enum image_format formats[] = {FORMAT_PNG, FORMAT_TIFF, FORMAT_PNM,
	                                            FORMAT_JP2, FORMAT_JXL};
	uint16_t values[32 * 32 * 3];
	VipsImage *image;
	struct blob blob;

	vips_fixture_start();
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		/* a value that 8 bits cannot represent */
		values[i] = (uint16_t)(10000 + 37 * (i % 3));
	image = vips_image_new_from_memory_copy(values, sizeof(values), 32, 32, 3,
	                                        VIPS_FORMAT_USHORT);
	image->Type = VIPS_INTERPRETATION_RGB16;
	blob = encoded(image, ".png");
	for (size_t i = 0; i < 2 * sizeof(formats) / sizeof(formats[0]); i++) {
		struct recipe recipe = small(formats[i / 2]);
		VipsImage *result;

		recipe.depth = i % 2 ? DEPTH_16 : DEPTH_KEEP;
		recipe.lossless = true;
		recipe.quality = 100;
		result = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_format(result), VIPS_FORMAT_USHORT);
		for (int band = 0; band < 3; band++)
			EXPECT(fabs(value_at(result, 8, 8, band) - 10000 - 37 * band) <
			               12,
			       "%s: %g", format_info(formats[i / 2])->name,
			       value_at(result, 8, 8, band));
		g_object_unref(result);
	}
	finish(image, &blob);
}

TEST(colour,
     the_option_depth_keep_keeps_16_bits_of_grey_with_alpha_and_the_default_gives_8_bits)
{
	uint16_t values[32 * 32 * 2];
	struct recipe recipe = small(FORMAT_PNG);
	VipsImage *image, *result;
	struct blob blob;

	vips_fixture_start();
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i += 2) {
		values[i] = 20560;
		values[i + 1] = 32896;
	}
	image = vips_image_new_from_memory_copy(values, sizeof(values), 32, 32, 2,
	                                        VIPS_FORMAT_USHORT);
	image->Type = VIPS_INTERPRETATION_GREY16;
	blob = encoded(image, ".png");

	result = cooked(&blob, &recipe);
	EXPECT_EQ(vips_image_get_bands(result), 2);
	is_colour(result, 8, 8, (const double[]){80, 128}, 1);
	g_object_unref(result);

	recipe.depth = DEPTH_KEEP;
	result = cooked(&blob, &recipe);
	EXPECT_EQ(vips_image_get_bands(result), 2);
	is_colour(result, 8, 8, (const double[]){20560, 32896}, 3);
	g_object_unref(result);
	finish(image, &blob);
}

TEST(colour, the_option_depth_16_turns_8_bit_input_into_16_bit_output)
{
	static const uint8_t colour[] = {10, 128, 255};
	VipsImage *image = plain(colour, 3), *result;
	struct blob blob = encoded(image, ".png");
	struct recipe recipe = small(FORMAT_PNG);

	recipe.depth = DEPTH_16;
	result = cooked(&blob, &recipe);
	EXPECT_EQ(vips_image_get_format(result), VIPS_FORMAT_USHORT);
	is_colour(result, 8, 8, (const double[]){2570, 32896, 65535}, 130);
	g_object_unref(result);
	finish(image, &blob);
}

/* Lines in black and white. The mean of their encoded values is 128. The mean of their linear light
 * has the sRGB value 188. */
static VipsImage *stripes(void)
{
	static uint8_t bytes[64 * 64 * 3];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i / 192 % 2 ? 255 : 0;
	return image_of_bytes(bytes, 64, 64, 3);
}

/* libvips would multiply RGB by 256, so that white would become 65280 instead of 65535. */
TEST(colour, an_8_bit_picture_converted_to_16_bits_has_full_white_and_full_alpha)
{
	static const uint8_t samples[] = {255, 128, 1, 255};
	static const enum image_format formats[] = {FORMAT_PNG, FORMAT_TIFF};

	for (int i = 0; i < 2 * 4 * 2; i++) {
		int n_bands = 1 + i / 2 % 4;
		/* If there are 2 or 4 bands, the last band is alpha. */
		const uint8_t *used = n_bands == 2 ? samples + 2 : samples;
		VipsImage *image = plain(used, n_bands), *result;
		struct blob blob = encoded(image, ".png");
		struct recipe recipe = small(formats[i % 2]);
		double wanted[4];

		for (int band = 0; band < n_bands; band++)
			wanted[band] = used[band] * 257.0;
		recipe.depth = DEPTH_16;
		if (i / 8)
			recipe.geometry.width = recipe.geometry.height = 0;
		result = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_format(result), VIPS_FORMAT_USHORT);
		is_colour(result, 8, 8, wanted, i / 8 ? 0 : 1);
		g_object_unref(result);
		finish(image, &blob);
	}
}

TEST(colour, linear_scaling_averages_linear_light)
{
	VipsImage *image = stripes(), *result;
	struct blob blob = encoded(image, ".png");
	struct recipe recipe = small(FORMAT_PNG);

	recipe.geometry.width = recipe.geometry.height = 8;
	result = cooked(&blob, &recipe);
	is_colour(result, 4, 4, (const double[]){128, 128, 128}, 3);
	g_object_unref(result);

	recipe.linear = true;
	result = cooked(&blob, &recipe);
	is_colour(result, 4, 4, (const double[]){188, 188, 188}, 3);
	g_object_unref(result);

	recipe.filters.n = 1;
	recipe.filters.at[0].kind = FILTER_GRAYSCALE;
	result = cooked(&blob, &recipe);
	EXPECT_EQ(vips_image_get_bands(result), 1);
	is_colour(result, 4, 4, (const double[]){188}, 3);
	g_object_unref(result);
	finish(image, &blob);
}

/* The mean of the linear light of the stripes has the value 174 in a profile with a power curve of
 * 1.8. */
TEST(colour, linear_scaling_uses_the_transfer_curve_of_the_profile)
{
	VipsImage *image = stripes(), *result, *p3 = NULL;
	struct recipe recipe = small(FORMAT_PNG);
	struct blob blob, profile = make_rgb_profile("x", 1.8);

	REQUIRE(!vips_icc_transform(image, &p3, "p3", "input_profile", "srgb", NULL));
	blob = encoded(p3, ".png");
	recipe.geometry.width = recipe.geometry.height = 8;
	recipe.linear = true;
	for (int space = 0; space <= SPACE_KEEP; space++) {
		recipe.space = (enum colour_space)space;
		result = cooked(&blob, &recipe);
		is_colour(result, 4, 4, (const double[]){188, 188, 188}, 4);
		EXPECT(has_profile(result) == (space != SPACE_SRGB));
		g_object_unref(result);
	}
	blob_fini(&blob);
	vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile.bytes, profile.n);
	blob = encoded(image, ".png");
	recipe.space = SPACE_KEEP;
	result = cooked(&blob, &recipe);
	is_colour(result, 4, 4, (const double[]){174, 174, 174}, 4);
	g_object_unref(result);
	blob_fini(&profile);
	g_object_unref(p3);
	finish(image, &blob);
}

TEST(colour, grey_pictures_stay_grey_in_any_colour_space_and_with_linear_scaling)
{
	static const uint8_t colour[] = {90, 200};

	for (int n_bands = 1; n_bands <= 2; n_bands++) {
		VipsImage *image = plain(colour, n_bands), *result;
		struct blob blob = encoded(image, ".png");

		for (int i = 0; i < 2 * (SPACE_KEEP + 1); i++) {
			struct recipe recipe = small(FORMAT_PNG);

			recipe.space = (enum colour_space)(i / 2);
			recipe.linear = i % 2;
			result = cooked(&blob, &recipe);
			EXPECT_EQ(vips_image_get_bands(result), n_bands);
			EXPECT(!has_profile(result));
			is_colour(result, 8, 8, (const double[]){90, 200}, 1);
			g_object_unref(result);
		}
		finish(image, &blob);
	}
}

TEST(colour, tiff_files_with_samples_of_8_16_and_32_bits_are_read)
{
	static const struct {
		VipsBandFormat format;
		double factor;
	} depths[] = {
		{VIPS_FORMAT_UCHAR, 1},
		{VIPS_FORMAT_USHORT, 257},
		{VIPS_FORMAT_UINT, 16843009},
	};
	static const uint8_t colour[] = {50, 100, 200};

	for (size_t i = 0; i < 6; i++) {
		VipsImage *image = plain(colour, 3), *scaled = NULL, *cast = NULL,
			  *result;
		struct recipe recipe = small(FORMAT_PNG);
		struct blob blob;

		REQUIRE(!vips_linear1(image, &scaled, depths[i / 2].factor, 0, NULL) &&
		        !vips_cast(scaled, &cast, depths[i / 2].format, NULL));
		cast->Type = i / 2 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB;
		blob = encoded(cast, i % 2 ? ".tif[tile,compression=lzw]" : ".tif");
		result = cooked(&blob, &recipe);
		is_colour(result, 8, 8, (const double[]){50, 100, 200}, 1);
		g_object_unref(result);
		g_object_unref(scaled);
		g_object_unref(cast);
		finish(image, &blob);
	}
}

TEST(colour, lossless_outputs_keep_the_pixel_values)
{
	/* AVIF and HEIC convert RGB to luma and chroma, which rounds values. */
	static const struct {
		enum image_format format;
		double tolerance;
	} formats[] = {
		{FORMAT_PNG, 0},  {FORMAT_WEBP, 0}, {FORMAT_TIFF, 0}, {FORMAT_JXL, 0},
		{FORMAT_JP2, 0},  {FORMAT_PNM, 0},  {FORMAT_BMP, 0},  {FORMAT_TGA, 0},
		{FORMAT_AVIF, 2}, {FORMAT_HEIC, 2},
	};
	static uint8_t bytes[64 * 64 * 3];
	VipsImage *image;
	struct blob blob;
	unsigned seed = 3;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rand_r(&seed);
	image = image_of_bytes(bytes, 64, 64, 3);
	blob = encoded(image, ".png");
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct recipe recipe = recipe_for(formats[i].format, ENGINE_AUTO);
		const struct recipe plain = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		struct outcome outcome;
		char name[16];
		VipsImage *again;
		double worst = 0;

		recipe.lossless = true;
		outcome = run_picture(&blob, "a.png", &recipe);
		if (outcome.answer.failure.class == FAIL_UNSUPPORTED)
			continue;
		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		snprintf(name, sizeof(name), "a.%s",
		         format_info(formats[i].format)->extension);
		struct outcome read = run_picture(&outcome.output, name, &plain);

		REQUIRE(read.is_done, "%s: %s", name, read.answer.failure.text);
		again = decoded(&read.output);
		for (int at = 0; at < 64 * 64 * 3; at++)
			worst = fmax(worst,
			             fabs(value_at(again, at / 3 % 64, at / 192, at % 3) -
			                  bytes[at]));
		EXPECT(worst <= formats[i].tolerance, "%s: %g", name, worst);
		g_object_unref(again);
		outcome_fini(&read);
		outcome_fini(&outcome);
	}
	finish(image, &blob);
}
