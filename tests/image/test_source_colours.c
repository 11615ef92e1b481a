/* Tests of the colour descriptions in files: profiles that do not seem to fit, the profile or
 * calibration of PSD and BMP, and the chunks of PNG. */
#include "support/test.h"

#include "image/icc.h"
#include "vips_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct quarters stored = {{{128, 128, 128, 255},
                                        {230, 120, 40, 255},
                                        {255, 255, 255, 255},
                                        {0, 0, 0, 255}}};
static const struct quarters greys = {
	{{128, 128, 128, 255}, {64, 0, 0, 255}, {255, 255, 255, 255}, {0, 0, 0, 255}}};
/* The grey 128 and the colour 230, 120, 40 with a power curve of 1.8, converted to sRGB. */
static const double grey_of_18[] = {146, 146, 146}, patch_of_18[] = {235, 139, 53};

/* Gamma in 1/100000, as in PNG. */
enum { GAMMA_18 = 55556, GAMMA_1 = 100000, GAMMA_SRGB = 45455 };

static void jpeg_insert_profile(struct blob *jpeg, const void *profile, size_t n)
{
	uint8_t icc[14 + 1024] = "ICC_PROFILE\0\1\1";

	REQUIRE(n <= sizeof(icc) - 14);
	memcpy(icc + 14, profile, n);
	jpeg_insert(jpeg, 0xe2, icc, 14 + n);
}

static struct blob jpeg_with_profile(int n_bands, const struct blob *profile)
{
	struct blob png = make_png(64, 64, n_bands, n_bands == 1 ? &greys : &stored);
	struct blob jpeg;
	VipsImage *image;

	vips_fixture_start();
	image = decoded(&png);
	jpeg = encoded(image, ".jpg[Q=98,strip]");
	jpeg_insert_profile(&jpeg, profile->bytes, profile->n);
	g_object_unref(image);
	blob_fini(&png);
	return jpeg;
}

/* Make a grey profile with a power curve of 1.8. */
static struct blob make_grey_profile(void)
{
	const struct png_gamma gamma = {.gamma = GAMMA_18};
	struct blob profile = {0};

	REQUIRE(icc_of_png_gamma(&gamma, true, &profile.bytes, &profile.n) == ICC_MADE);
	return profile;
}

/* Check a pixel of the output of a recipe: with the engine chosen by default, and with vips. */
static void expect_colour(const struct blob *blob, const char *words, int n_bands,
                          const double *values, double tolerance)
{
	static const enum engine_choice engines[] = {ENGINE_AUTO, ENGINE_VIPS};

	for (size_t i = 0; i < 2; i++) {
		struct recipe recipe = recipe_of_words(words, FORMAT_PNG, engines[i]);
		VipsImage *image = cooked(blob, &recipe);

		EXPECT_EQ(vips_image_get_bands(image), n_bands);
		EXPECT(is_colour(image, 8, 8, values, tolerance), "%s", words);
		g_object_unref(image);
	}
}

TEST(source_colours, a_profile_that_is_srgb_by_name_only_is_applied)
{
	struct blob profile = make_rgb_profile("sRGB IEC61966-2.1", 1.8);
	struct blob jpeg = jpeg_with_profile(3, &profile);
	struct recipe recipe = recipe_of_words("profile srgb", FORMAT_PNG, ENGINE_AUTO);
	VipsImage *image = cooked(&jpeg, &recipe);

	is_colour(image, 8, 8, grey_of_18, 3);
	is_colour(image, 56, 8, patch_of_18, 4);
	g_object_unref(image);
	recipe = recipe_of_words("profile keep; keep icc", FORMAT_PNG, ENGINE_AUTO);
	image = cooked(&jpeg, &recipe);
	EXPECT(vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0);
	g_object_unref(image);
	blob_fini(&jpeg);
	blob_fini(&profile);
}

TEST(source_colours, grey_with_an_rgb_profile_is_converted_by_that_profile)
{
	static const double kept[] = {128, 128, 128};
	struct blob profile = make_rgb_profile("any", 1.8);
	struct blob jpeg = jpeg_with_profile(1, &profile);

	expect_colour(&jpeg, "profile srgb", 1, grey_of_18, 2);
	expect_colour(&jpeg, "profile srgb; size 32x32", 1, grey_of_18, 2);
	/* A picture with a profile for RGB must have three bands. */
	expect_colour(&jpeg, "profile keep; keep icc", 3, kept, 2);
	blob_fini(&jpeg);
	blob_fini(&profile);
}

/* Pictures of these formats always have three colours. A grey profile is not valid for such
 * pictures. */
TEST(source_colours, grey_with_a_profile_becomes_srgb_in_formats_without_grey)
{
	static const enum image_format formats[] = {FORMAT_WEBP, FORMAT_AVIF,
	                                            FORMAT_HEIC};
	struct blob profile = make_grey_profile();
	struct blob jpeg = jpeg_with_profile(1, &profile);

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct recipe recipe = recipe_of_words(
			"profile keep; keep all; quality 95", formats[i], ENGINE_AUTO);
		struct outcome outcome = run_picture(&jpeg, "a.jpg", &recipe);
		VipsImage *image;

		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT_EQ(outcome.answer.out[0].lost, LOST_PROFILE);
		image = decoded(&outcome.output);
		EXPECT(!vips_image_get_typeof(image, VIPS_META_ICC_NAME));
		is_colour(image, 8, 8, grey_of_18, 4);
		g_object_unref(image);
		outcome_fini(&outcome);
	}
	blob_fini(&jpeg);
	blob_fini(&profile);
}

TEST(source_colours, grey_with_a_grey_profile_stays_grey_in_a_png)
{
	static const double kept[] = {128};
	struct blob profile = make_grey_profile();
	struct blob jpeg = jpeg_with_profile(1, &profile);

	expect_colour(&jpeg, "profile keep; keep icc", 1, kept, 2);
	expect_colour(&jpeg, "profile srgb", 1, grey_of_18, 2);
	blob_fini(&jpeg);
	blob_fini(&profile);
}

/* A PNG that has all grey levels from 0 to 255, and a grey profile with a power curve. */
static struct blob make_levels(double gamma, int n_bands)
{
	enum { SIDE = 16 };
	const struct png_gamma curve = {.gamma = (uint32_t)(100000 / gamma + 0.5)};
	uint8_t bytes[SIDE * SIDE * 2];
	struct blob profile = {0}, png;
	VipsImage *image;

	for (int i = 0; i < SIDE * SIDE; i++) {
		bytes[i * n_bands] = (uint8_t)i;
		bytes[i * n_bands + n_bands - 1] = n_bands == 1 ? (uint8_t)i : 255;
	}
	vips_fixture_start();
	REQUIRE(icc_of_png_gamma(&curve, true, &profile.bytes, &profile.n) == ICC_MADE);
	image = image_of_bytes(bytes, SIDE, SIDE, n_bands);
	vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile.bytes, profile.n);
	png = encoded(image, ".png");
	g_object_unref(image);
	blob_fini(&profile);
	return png;
}

static double srgb_of_light(double light)
{
	return 255 *
	       (light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055);
}

/* Near black, one level of linear light is 13 levels of sRGB. */
TEST(source_colours,
     each_grey_level_is_converted_from_a_grey_profile_to_within_0_6_levels)
{
	static const double gammas[] = {1, 1.8, 2.6};

	for (int i = 0; i < 3 * 2 * 2 * 2; i++) {
		bool is_deep = i / 4 % 2;
		double gamma = gammas[i / 8], unit = is_deep ? 257 : 1;
		struct blob png = make_levels(gamma, 1 + i / 2 % 2);
		struct recipe recipe = recipe_of_words(
			is_deep ? "profile srgb; depth 16" : "profile srgb", FORMAT_PNG,
			i % 2 ? ENGINE_VIPS : ENGINE_AUTO);
		VipsImage *image = cooked(&png, &recipe);

		for (int level = 0; level < 256; level++) {
			double right = srgb_of_light(pow(level / 255.0, gamma));
			double value = value_at(image, level % 16, level / 16, 0) / unit;

			EXPECT(fabs(value - right) < 0.6, "%g: level %d is %g, not %g",
			       gamma, level, value, right);
		}
		g_object_unref(image);
		blob_fini(&png);
	}
}

/* ---- PSD and BMP ---- */

static void append_number(struct blob *blob, uint64_t number, unsigned n, bool is_big)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t byte = (uint8_t)(number >> 8 * (is_big ? n - 1 - i : i));

		blob_append(blob, &byte, 1);
	}
}

/* A PSD of 64 x 64 pixels of one colour, with the profile as its only resource. */
static struct blob make_psd(const struct blob *profile, const uint8_t colour[3])
{
	enum { SIDE = 64, RESOURCE_HEAD = 12 };
	struct blob psd = {0};

	blob_append(&psd, "8BPS\0\1\0\0\0\0\0\0\0\3", 14);
	append_number(&psd, SIDE, 4, true);
	append_number(&psd, SIDE, 4, true);
	append_number(&psd, 8, 2, true);
	append_number(&psd, 3, 2, true);
	append_number(&psd, 0, 4, true);
	append_number(&psd, RESOURCE_HEAD + profile->n + profile->n % 2, 4, true);
	blob_append(&psd, "8BIM\4\17\0\0", 8);
	append_number(&psd, profile->n, 4, true);
	blob_append(&psd, profile->bytes, profile->n);
	append_number(&psd, 0, profile->n % 2, true);
	append_number(&psd, 0, 4, true); /* no layers */
	append_number(&psd, 0, 2, true); /* not compressed */
	for (int i = 0; i < 3 * SIDE * SIDE; i++)
		append_number(&psd, colour[i / (SIDE * SIDE)], 1, true);
	return psd;
}

/* A BMP with the newest header, and the profile behind the pixels. */
static struct blob make_bmp(const struct blob *profile, const uint8_t colour[3])
{
	enum { SIDE = 64, HEADER = 124, PIXELS = 3 * SIDE * SIDE };
	struct blob bmp = {0};

	blob_append(&bmp, "BM", 2);
	append_number(&bmp, 14 + HEADER + PIXELS + profile->n, 4, false);
	append_number(&bmp, 0, 4, false);
	append_number(&bmp, 14 + HEADER, 4, false);
	append_number(&bmp, HEADER, 4, false);
	append_number(&bmp, SIDE, 4, false);
	append_number(&bmp, SIDE, 4, false);
	append_number(&bmp, 1 | 24 << 16, 4, false);
	for (int i = 16; i < HEADER; i += 4)
		append_number(&bmp,
		              i == 56    ? 0x4d424544
		              : i == 112 ? HEADER + PIXELS
		              : i == 116 ? profile->n
		                         : 0,
		              4, false);
	for (int i = 0; i < SIDE * SIDE; i++) {
		for (int band = 2; band >= 0; band--)
			append_number(&bmp, colour[band], 1, false);
	}
	blob_append(&bmp, profile->bytes, profile->n);
	return bmp;
}

TEST(source_colours, profiles_of_psd_and_bmp_are_applied)
{
	static const uint8_t colour[] = {230, 120, 40};
	struct blob profile = make_rgb_profile("x", 1.8);
	struct blob blobs[] = {make_psd(&profile, colour), make_bmp(&profile, colour)};

	for (size_t i = 0; i < 2; i++) {
		struct recipe recipe = recipe_of_words("profile srgb", FORMAT_PNG,
		                                       ENGINE_STB);
		struct outcome outcome = run_picture(&blobs[i], "a", &recipe);

		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		expect_colour(&blobs[i], "profile srgb", 3, patch_of_18, 2);
		outcome_fini(&outcome);
		blob_fini(&blobs[i]);
	}
	blob_fini(&profile);
}

/* Store the colours of a calibrated BMP in its header: chromaticities in units of 1/1000, and gamma
 * in units of 1/10. */
static void calibrate(struct blob *bmp, const unsigned xy[6], unsigned gamma)
{
	enum { SPACE_AT = 14 + 56, POINTS_AT = 14 + 60 };
	const double point_unit = (1 << 30) / 1000.0, gamma_unit = 65536 / 10.0;
	uint32_t numbers[12];

	for (unsigned i = 0; i < 3; i++) {
		unsigned x = xy[2 * i], y = xy[2 * i + 1];

		numbers[3 * i] = (uint32_t)(x * point_unit);
		numbers[3 * i + 1] = (uint32_t)(y * point_unit);
		numbers[3 * i + 2] = (uint32_t)((1000 - x - y) * point_unit);
		numbers[9 + i] = (uint32_t)(gamma * gamma_unit);
	}
	memset(bmp->bytes + SPACE_AT, 0, 4);
	for (size_t i = 0; i < sizeof(numbers); i++)
		bmp->bytes[POINTS_AT + i] = (uint8_t)(numbers[i / 4] >> 8 * (i % 4));
}

TEST(source_colours, the_calibration_of_a_bmp_is_applied_if_its_values_are_possible)
{
	static const uint8_t colour[] = {230, 120, 40};
	static const double plain[] = {230, 120, 40}, adobe[] = {255, 121, 25};
	static const struct {
		unsigned xy[6], gamma;
		const double *values;
	} cases[] = {
		{{640, 330, 300, 600, 150, 60}, 22, plain}, /* sRGB */
		{{640, 330, 300, 600, 150, 60}, 18, patch_of_18},
		{{640, 330, 210, 710, 150, 60}, 22, adobe},
		/* In the next two rows gamma is outside the possible range of 1.2 to 3. In the last
		 * row all fields are 0. */
		{{640, 330, 300, 600, 150, 60}, 10, plain},
		{{640, 330, 300, 600, 150, 60}, 220, plain},
		{{0, 0, 0, 0, 0, 0}, 0, plain},
	};
	const struct blob none = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct blob bmp = make_bmp(&none, colour);
		struct recipe recipe = recipe_of_words("profile srgb", FORMAT_PNG,
		                                       ENGINE_STB);
		struct outcome outcome;

		calibrate(&bmp, cases[i].xy, cases[i].gamma);
		expect_colour(&bmp, "profile srgb", 3, cases[i].values, 2);
		outcome = run_picture(&bmp, "a.bmp", &recipe);
		EXPECT_EQ(outcome.is_done, cases[i].values == plain);
		outcome_fini(&outcome);
		blob_fini(&bmp);
	}
}

/* ---- PNG ---- */

static void png_insert_gamma(struct blob *png, uint32_t gamma)
{
	uint8_t bytes[4];

	put_big_endian(bytes, gamma, 4);
	png_insert(png, "gAMA", bytes, sizeof(bytes));
}

/* The primary colours of Adobe RGB (1998), or of sRGB. */
static void png_insert_primaries(struct blob *png, bool is_adobe)
{
	static const uint32_t srgb[] = {31270, 32900, 64000, 33000,
	                                30000, 60000, 15000, 6000},
			      adobe[] = {31270, 32900, 64000, 33000,
	                                 21000, 71000, 15000, 6000};
	uint8_t bytes[32];

	for (size_t i = 0; i < 8; i++)
		put_big_endian(bytes + 4 * i, is_adobe ? adobe[i] : srgb[i], 4);
	png_insert(png, "cHRM", bytes, sizeof(bytes));
}

static void png_insert_cicp(struct blob *png, uint8_t primaries, uint8_t transfer)
{
	const uint8_t bytes[] = {primaries, transfer, 0, 1};

	png_insert(png, "cICP", bytes, sizeof(bytes));
}

/* Check the colour of the second quarter of a PNG, at full size and reduced. Frees the PNG. */
static void expect_patch(struct blob *png, const double *patch)
{
	struct recipe recipe = recipe_of_words("profile srgb", FORMAT_PNG, ENGINE_AUTO);
	VipsImage *image = cooked(png, &recipe);

	is_colour(image, 56, 8, patch, 2);
	g_object_unref(image);
	recipe = recipe_of_words("profile srgb; size 32x32", FORMAT_PNG, ENGINE_AUTO);
	image = cooked(png, &recipe);
	is_colour(image, 28, 4, patch, 2);
	g_object_unref(image);
	blob_fini(png);
}

static struct blob make_stored_png(void)
{
	return make_png(64, 64, 3, &stored);
}

TEST(source_colours, png_gamma_is_applied)
{
	static const double linear[] = {244, 182, 110};
	struct blob png = make_stored_png();

	png_insert_gamma(&png, GAMMA_1);
	expect_patch(&png, linear);
	png = make_stored_png();
	png_insert_gamma(&png, GAMMA_18);
	expect_patch(&png, patch_of_18);
}

TEST(source_colours, png_gamma_with_primaries_is_applied)
{
	static const double adobe[] = {255, 121, 25};
	struct blob png = make_stored_png();

	png_insert_primaries(&png, true);
	png_insert_gamma(&png, GAMMA_SRGB);
	expect_patch(&png, adobe);
}

/* Encoders write this gamma together with the sRGB chunk, for readers that do not know
 * that chunk. */
TEST(source_colours, a_png_gamma_equal_to_that_of_srgb_changes_no_value)
{
	static const double patch[] = {230, 120, 40};
	struct blob png = make_stored_png();

	png_insert_gamma(&png, GAMMA_SRGB);
	expect_patch(&png, patch);
	png = make_stored_png();
	png_insert_gamma(&png, GAMMA_SRGB);
	png_insert_primaries(&png, false);
	expect_patch(&png, patch);
}

TEST(source_colours, the_colour_code_points_of_a_png_are_applied)
{
	static const double p3[] = {247, 112, 0};
	struct blob png = make_stored_png();

	png_insert_cicp(&png, 12, 13);
	expect_patch(&png, p3);
}

TEST(source_colours,
     png_colour_chunks_take_precedence_in_the_order_cicp_profile_srgb_gamma)
{
	static const double plain[] = {230, 120, 40}, p3[] = {247, 112, 0};
	VipsImage *image;
	struct recipe recipe = recipe_of_words("profile srgb", FORMAT_PNG, ENGINE_AUTO);
	struct blob png = make_stored_png(), profile = make_rgb_profile("x", 1.8);
	struct blob with_profile;

	vips_fixture_start();
	png_insert_gamma(&png, GAMMA_1);
	png_insert(&png, "sRGB", "\0", 1);
	expect_patch(&png, plain);

	png = make_stored_png();
	image = decoded(&png);
	vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile.bytes, profile.n);
	with_profile = encoded(image, ".png");
	g_object_unref(image);
	blob_fini(&png);
	png_insert_gamma(&with_profile, GAMMA_1);
	image = cooked(&with_profile, &recipe);
	is_colour(image, 56, 8, patch_of_18, 2);
	g_object_unref(image);
	png_insert_cicp(&with_profile, 12, 13);
	expect_patch(&with_profile, p3);
	blob_fini(&profile);
}

/* libpng ignores a profile that follows the chunk sRGB. But the PNG specification gives precedence
 * to the profile. */
TEST(source_colours,
     the_profile_of_a_png_is_applied_even_if_an_srgb_chunk_precedes_the_profile)
{
	static const double stored_patch[] = {230, 120, 40};
	struct recipe kept = recipe_of_words("profile keep; keep icc", FORMAT_PNG,
	                                     ENGINE_AUTO);
	struct blob profile = make_rgb_profile("x", 1.8), png = make_stored_png();
	VipsImage *image;

	vips_fixture_start();
	image = decoded(&png);
	blob_fini(&png);
	vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile.bytes, profile.n);
	png = encoded(image, ".png");
	g_object_unref(image);
	png_insert(&png, "sRGB", "\0", 1);
	image = cooked(&png, &kept);
	is_colour(image, 56, 8, stored_patch, 0);
	EXPECT(vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0);
	g_object_unref(image);
	for (int i = 0; i < 2; i++) {
		struct recipe recipe = recipe_of_words("profile srgb", FORMAT_PNG,
		                                       i ? ENGINE_VIPS : ENGINE_AUTO);

		image = cooked(&png, &recipe);
		is_colour(image, 56, 8, patch_of_18, 2);
		g_object_unref(image);
	}
	expect_patch(&png, patch_of_18);
	blob_fini(&profile);
}

TEST(source_colours, png_gamma_is_converted_to_a_profile_if_colours_are_kept)
{
	static const double patch[] = {230, 120, 40};
	struct recipe recipe = recipe_of_words("profile keep; keep all", FORMAT_PNG,
	                                       ENGINE_AUTO);
	struct blob png = make_stored_png();
	struct outcome outcomes[2];
	VipsImage *image;

	png_insert_gamma(&png, GAMMA_18);
	for (int i = 0; i < 2; i++) {
		outcomes[i] = run_picture(&png, "a.png", &recipe);
		REQUIRE(outcomes[i].is_done, "%s", outcomes[i].answer.failure.text);
	}
	image = decoded(&outcomes[0].output);
	is_colour(image, 56, 8, patch, 0);
	EXPECT(vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0);
	EXPECT(outcomes[0].output.n == outcomes[1].output.n &&
	               memcmp(outcomes[0].output.bytes, outcomes[1].output.bytes,
	                      outcomes[0].output.n) == 0,
	       "equal inputs give equal bytes");
	g_object_unref(image);
	for (int i = 0; i < 2; i++)
		outcome_fini(&outcomes[i]);
	blob_fini(&png);
}

/* If a profile contained its creation time, every output would be different. */
TEST(source_colours, a_generated_profile_contains_no_creation_time)
{
	static const uint8_t year_2000[] = {0x07, 0xd0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0};
	const struct cicp p3 = {12, 13};
	uint8_t *profile;
	size_t n;

	REQUIRE(icc_of_cicp(&p3, false, &profile, &n) == ICC_MADE);
	EXPECT(n > 128 && memcmp(profile + 24, year_2000, sizeof(year_2000)) == 0);
	free(profile);
}

TEST(source_colours, an_hdr_png_is_converted_to_sdr_and_the_loss_is_reported)
{
	/* White paper is at 58 % of the PQ range. */
	static const struct quarters hdr = {
		{{148, 148, 148, 255}, {0, 0, 0, 255}, {0, 0, 0, 255}, {0, 0, 0, 255}}};
	static const uint8_t white[] = {250, 250, 250}, black[] = {0, 0, 0};
	struct recipe recipe = recipe_of_words("profile srgb", FORMAT_PNG, ENGINE_AUTO);
	struct blob png = make_png(64, 64, 3, &hdr);
	struct outcome outcome;

	png_insert_cicp(&png, 9, 16);
	outcome = run_picture(&png, "a.png", &recipe);
	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT_EQ(outcome.answer.out[0].lost, LOST_HDR);
	EXPECT(pixel_is_near(&outcome, 8, 8, white));
	EXPECT(pixel_is_near(&outcome, 56, 8, black));
	outcome_fini(&outcome);
	blob_fini(&png);
}

/* ---- what an output is reported to have lost ---- */

static unsigned lost_of(const struct blob *blob, const char *words,
                        enum image_format format, enum engine_choice engine)
{
	struct recipe recipe = recipe_of_words(words, format, engine);
	struct outcome outcome = run_picture(blob, "a", &recipe);
	unsigned lost = outcome.answer.out[0].lost;

	EXPECT(outcome.is_done, "%s", outcome.answer.failure.text);
	outcome_fini(&outcome);
	return lost;
}

TEST(source_colours, alpha_is_reported_lost_only_if_it_is_not_opaque)
{
	static const struct quarters half = {
		{{9, 9, 9, 128}, {9, 9, 9, 255}, {9, 9, 9, 255}, {9, 9, 9, 255}}};
	static const enum engine_choice engines[] = {ENGINE_AUTO, ENGINE_VIPS};
	struct blob opaque = make_png(64, 64, 4, &stored),
		    other = make_png(64, 64, 4, &half);

	for (size_t i = 0; i < 2; i++) {
		EXPECT_EQ(lost_of(&opaque, "", FORMAT_JPEG, engines[i]), 0);
		EXPECT_EQ(lost_of(&other, "", FORMAT_JPEG, engines[i]), LOST_ALPHA);
		EXPECT_EQ(lost_of(&other, "size 32x32", FORMAT_JPEG, engines[i]),
		          LOST_ALPHA);
		EXPECT_EQ(lost_of(&other, "", FORMAT_WEBP, engines[i]), 0);
		EXPECT_EQ(lost_of(&other, "filter flatten", FORMAT_JPEG, engines[i]), 0);
	}
	blob_fini(&opaque);
	blob_fini(&other);
}

TEST(source_colours,
     a_lower_bit_depth_is_reported_as_a_loss_only_if_the_depth_should_be_kept)
{
	struct blob png = make_stored_png(), deep;
	VipsImage *image, *wide = NULL;

	vips_fixture_start();
	image = decoded(&png);
	REQUIRE(!vips_colourspace(image, &wide, VIPS_INTERPRETATION_RGB16, NULL));
	deep = encoded(wide, ".png");
	EXPECT_EQ(lost_of(&deep, "depth keep", FORMAT_JPEG, ENGINE_AUTO), LOST_DEPTH);
	EXPECT_EQ(lost_of(&deep, "depth keep", FORMAT_TIFF, ENGINE_AUTO), 0);
	EXPECT_EQ(lost_of(&deep, "depth 8", FORMAT_JPEG, ENGINE_AUTO), 0);
	EXPECT_EQ(lost_of(&png, "depth keep", FORMAT_JPEG, ENGINE_AUTO), 0);
	g_object_unref(wide);
	g_object_unref(image);
	blob_fini(&deep);
	blob_fini(&png);
}

TEST(source_colours, a_profile_is_reported_lost_only_if_it_should_be_kept)
{
	struct blob profile = make_rgb_profile("x", 1.8);
	struct blob jpeg = jpeg_with_profile(3, &profile);

	EXPECT_EQ(lost_of(&jpeg, "profile keep; keep all", FORMAT_GIF, ENGINE_AUTO),
	          LOST_PROFILE);
	EXPECT_EQ(lost_of(&jpeg, "profile keep; keep all", FORMAT_PNG, ENGINE_AUTO), 0);
	EXPECT_EQ(lost_of(&jpeg, "profile srgb", FORMAT_GIF, ENGINE_AUTO), 0);
	blob_fini(&jpeg);
	blob_fini(&profile);
}

/* lcms2 accepts the impossible intent of this profile. libpng and libjxl do not. */
static struct blob make_odd_profile(double gamma)
{
	enum { INTENT_AT = 64 };
	struct blob profile = make_rgb_profile("x", gamma);

	memset(profile.bytes + INTENT_AT, 0xff, 4);
	return profile;
}

TEST(source_colours, a_profile_that_the_saver_refuses_is_applied_and_reported_lost)
{
	struct blob profile = make_odd_profile(1.8),
		    jpeg = jpeg_with_profile(3, &profile);
	struct recipe png = recipe_of_words("profile keep; keep all", FORMAT_PNG,
	                                    ENGINE_AUTO);
	VipsImage *image;

	EXPECT_EQ(lost_of(&jpeg, "profile keep; keep all", FORMAT_PNG, ENGINE_AUTO),
	          LOST_PROFILE);
	if (vips_type_find("VipsForeignSave", "jxlsave_target"))
		EXPECT_EQ(
			lost_of(&jpeg, "profile keep; keep all", FORMAT_JXL, ENGINE_AUTO),
			LOST_PROFILE);
	EXPECT_EQ(lost_of(&jpeg, "profile srgb", FORMAT_PNG, ENGINE_AUTO), 0);
	EXPECT_EQ(lost_of(&jpeg, "profile keep; keep all", FORMAT_TIFF, ENGINE_AUTO), 0);
	image = cooked(&jpeg, &png);
	is_colour(image, 56, 8, patch_of_18, 4);
	g_object_unref(image);
	blob_fini(&jpeg);
	blob_fini(&profile);
}

TEST(source_colours, an_srgb_profile_that_the_saver_refuses_is_reported_lost)
{
	struct blob profile = make_odd_profile(0), jpeg = jpeg_with_profile(3, &profile);

	EXPECT_EQ(lost_of(&jpeg, "profile keep; keep all", FORMAT_PNG, ENGINE_AUTO),
	          LOST_PROFILE);
	EXPECT_EQ(lost_of(&jpeg, "profile keep; keep all", FORMAT_TIFF, ENGINE_AUTO), 0);
	EXPECT_EQ(lost_of(&jpeg, "profile keep", FORMAT_PNG, ENGINE_AUTO), 0);
	blob_fini(&jpeg);
	blob_fini(&profile);
}

TEST(source_colours, a_profile_that_cannot_be_used_is_reported_lost)
{
	struct blob profile = make_rgb_profile("x", 1.8), jpeg;

	memcpy(profile.bytes + 12, "link", 4);
	jpeg = jpeg_with_profile(3, &profile);
	EXPECT_EQ(lost_of(&jpeg, "profile keep; keep all", FORMAT_TIFF, ENGINE_AUTO),
	          LOST_PROFILE);
	EXPECT_EQ(lost_of(&jpeg, "profile srgb", FORMAT_TIFF, ENGINE_AUTO), 0);
	blob_fini(&jpeg);
	blob_fini(&profile);
}
