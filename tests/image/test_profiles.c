/*
 * Tests with colour profiles that this file makes, and with those of libvips. The expected values
 * are computed from the numbers in the profiles.
 */
#include "support/test.h"

#include "vips_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing profiles (ICC.1:2001-04) ---- */

static void put_number(struct blob *blob, uint32_t number, int n_bytes)
{
	uint8_t bytes[4];

	for (int i = 0; i < n_bytes; i++)
		bytes[i] = (uint8_t)(number >> (8 * (n_bytes - 1 - i)));
	blob_append(blob, bytes, (size_t)n_bytes);
}

static void put_fixed(struct blob *blob, double number)
{
	put_number(blob, (uint32_t)lround(number * 65536), 4);
}

static void put_xyz(struct blob *blob, const double xyz[3])
{
	blob_append(blob, "XYZ \0\0\0\0", 8);
	for (int i = 0; i < 3; i++)
		put_fixed(blob, xyz[i]);
}

/* A transfer curve that is a power, stored with 8 fractional bits. */
static void put_curve(struct blob *blob, double gamma)
{
	blob_append(blob, "curv\0\0\0\0\0\0\0\1", 12);
	put_number(blob, (uint32_t)lround(gamma * 256), 2);
	put_number(blob, 0, 2);
}

/* Append a lookup table with eight corners. The first corner has one colour, and all others have
 * another colour. Colours between the corners are interpolated. */
static void put_table(struct blob *blob, const uint8_t first[3], const uint8_t others[3])
{
	blob_append(blob, "mft1\0\0\0\0\3\3\2\0", 12);
	for (int i = 0; i < 9; i++)
		put_fixed(blob, i % 4 == 0);
	for (int part = 0; part < 2; part++) {
		for (int i = 0; i < 3 * 256; i++)
			put_number(blob, (uint32_t)i % 256, 1);
		for (int i = 0; part == 0 && i < 8; i++)
			blob_append(blob, i == 0 ? first : others, 3);
	}
}

struct tag {
	const char *name;
	struct blob bytes;
};

/* Write an ICC profile with these tags, and free the tags. */
static struct blob make_icc(const char *class_and_spaces, struct tag *tags, size_t n_tags)
{
	static const double d50[] = {0.9642, 1, 0.8249};
	struct blob icc = {0};
	size_t at = 128 + 4 + 12 * n_tags;

	for (size_t i = 0; i < n_tags; i++)
		at += tags[i].bytes.n;
	put_number(&icc, (uint32_t)at, 4);
	blob_append(&icc, "\0\0\0\0\2\x40\0\0", 8);
	blob_append(&icc, class_and_spaces, 12);
	blob_append(&icc, "\7\xd0\0\1\0\1\0\0\0\0\0\0acsp", 16);
	while (icc.n < 68)
		put_number(&icc, 0, 4);
	for (int i = 0; i < 3; i++)
		put_fixed(&icc, d50[i]);
	while (icc.n < 128)
		put_number(&icc, 0, 4);
	put_number(&icc, (uint32_t)n_tags, 4);
	at = 128 + 4 + 12 * n_tags;
	for (size_t i = 0; i < n_tags; i++) {
		blob_append(&icc, tags[i].name, 4);
		put_number(&icc, (uint32_t)at, 4);
		put_number(&icc, (uint32_t)tags[i].bytes.n, 4);
		at += tags[i].bytes.n;
	}
	for (size_t i = 0; i < n_tags; i++) {
		blob_append(&icc, tags[i].bytes.bytes, tags[i].bytes.n);
		blob_fini(&tags[i].bytes);
	}
	return icc;
}

/* The primaries of sRGB, adapted to D50. */
static const double red[] = {0.4360, 0.2225, 0.0139}, green[] = {0.3851, 0.7169, 0.0971},
		    blue[] = {0.1431, 0.0606, 0.7141}, white[] = {0.9642, 1, 0.8249};

/* Make a profile with the primaries of sRGB, but with red and green exchanged. Its transfer curve
 * is the power `gamma`. */
static struct blob make_exchanged(double gamma)
{
	struct tag tags[] = {{"wtpt", {0}}, {"rXYZ", {0}}, {"gXYZ", {0}}, {"bXYZ", {0}},
	                     {"rTRC", {0}}, {"gTRC", {0}}, {"bTRC", {0}}};

	put_xyz(&tags[0].bytes, white);
	put_xyz(&tags[1].bytes, green);
	put_xyz(&tags[2].bytes, red);
	put_xyz(&tags[3].bytes, blue);
	for (int i = 4; i < 7; i++)
		put_curve(&tags[i].bytes, gamma);
	return make_icc("mntrRGB XYZ ", tags, sizeof(tags) / sizeof(tags[0]));
}

/* The profile has a lookup table for each intent in both directions: table 0 for the perceptual
 * intent, table 1 for the relative intent, and table 2 for saturation. When the profile is an input
 * profile, table i maps the first corner to black, and all other corners to the grey
 * lightnesses[i], in which 255 means L* 100. When it is an output profile, table i maps every
 * colour to values[i]. The white of the profile is half as bright as usual. */
static const uint8_t lightnesses[] = {77, 128, 204}, values[] = {60, 120, 180};

static struct blob make_profile_of_intents(void)
{
	static const double half_white[] = {0.4821, 0.5, 0.41245};
	struct tag tags[] = {{"wtpt", {0}}, {"A2B0", {0}}, {"A2B1", {0}}, {"A2B2", {0}},
	                     {"B2A0", {0}}, {"B2A1", {0}}, {"B2A2", {0}}};

	put_xyz(&tags[0].bytes, half_white);
	for (int i = 0; i < 3; i++) {
		const uint8_t black[] = {0, 128, 128},
			      grey[] = {lightnesses[i], 128, 128};
		const uint8_t result[] = {values[i], values[i], values[i]};

		put_table(&tags[1 + i].bytes, black, grey);
		put_table(&tags[4 + i].bytes, result, result);
	}
	return make_icc("prtrRGB Lab ", tags, sizeof(tags) / sizeof(tags[0]));
}

/* ---- expected results ---- */

static double light_of(double value)
{
	double v = value / 255;

	return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double value_of(double light)
{
	return 255 *
	       (light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055);
}

/* The linear light of a lightness L* above 8. */
static double light_of_lightness(double lightness)
{
	return pow((lightness + 16) / 116, 3);
}

/* The test colours avoid the edge of the gamut, where libvips is off by some steps. */
static const uint8_t colours[][3] = {
	{200, 100, 50}, {60, 180, 90}, {50, 80, 200}, {130, 130, 130}, {20, 20, 20}};
enum { N_COLOURS = sizeof(colours) / sizeof(colours[0]) };

static struct blob plain(const uint8_t *colour, const struct blob *profile)
{
	uint8_t bytes[32 * 32 * 3];
	VipsImage *image;
	struct blob blob;

	for (int i = 0; i < 32 * 32 * 3; i++)
		bytes[i] = colour[i % 3];
	image = image_of_bytes(bytes, 32, 32, 3);
	if (profile)
		vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile->bytes,
		                         profile->n);
	blob = encoded(image, ".png");
	g_object_unref(image);
	return blob;
}

/* Recipes that take different code paths when colours are converted. */
static const char *const ways[] = {"size 16x16", "size 16x16; linear",
                                   "size 16x16; kernel cubic", "depth 16",
                                   "size 60x60; filter flip"};
enum { N_WAYS = sizeof(ways) / sizeof(ways[0]) };

static void expect_colour(const struct outcome *outcome, const double want[3],
                          double tolerance, __attribute__((unused)) const char *words)
{
	VipsImage *image;

	REQUIRE(outcome->is_done, "%s: %s", words, outcome->answer.failure.text);
	image = decoded(&outcome->output);
	for (int band = 0; band < 3; band++) {
		double value = value_at(image, 8, 8, band);

		if (vips_image_get_format(image) == VIPS_FORMAT_USHORT)
			value /= 257;
		EXPECT(fabs(value - want[band]) <= tolerance, "%s: band %d is %g, not %g",
		       words, band, value, want[band]);
	}
	g_object_unref(image);
}

/* Whether the output has a profile with exactly these bytes. */
static bool carries(const struct outcome *outcome, const struct blob *profile)
{
	VipsImage *image = decoded(&outcome->output);
	const void *bytes = NULL;
	size_t n = 0;
	bool is_same = vips_image_get_typeof(image, VIPS_META_ICC_NAME) &&
	               !vips_image_get_blob(image, VIPS_META_ICC_NAME, &bytes, &n) &&
	               n == profile->n && memcmp(bytes, profile->bytes, n) == 0;

	g_object_unref(image);
	return is_same;
}

static double fixed_at(const uint8_t *at)
{
	return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	                 (uint32_t)at[2] << 8 | at[3]) /
	       65536.0;
}

/* Read the three numbers of a tag in the profile of the result. */
static void find_xyz(const struct outcome *outcome, const char *tag, double ret_xyz[3])
{
	VipsImage *image = decoded(&outcome->output);
	const uint8_t *icc, *entry;
	const void *blob;
	size_t n;

	REQUIRE(!vips_image_get_blob(image, VIPS_META_ICC_NAME, &blob, &n));
	icc = blob;
	entry = memmem(icc, n, tag, 4);
	REQUIRE(entry != NULL);
	for (int i = 0; i < 3; i++)
		ret_xyz[i] = fixed_at(icc + (entry[6] << 8 | entry[7]) + 8 + 4 * i);
	g_object_unref(image);
}

TEST(profiles,
     the_option_profile_p3_embeds_the_display_p3_primaries_and_converts_the_values)
{
	/* sRGB and Display P3 both have the white point D65, so only the primaries are
	 * converted. */
	static const double to_p3[3][3] = {{0.822462, 0.177538, 0},
	                                   {0.033194, 0.966806, 0},
	                                   {0.017083, 0.072397, 0.910520}};
	static const struct {
		const char *tag;
		double xyz[3];
	} primaries[] = {{"rXYZ", {0.5151, 0.2412, -0.0011}},
	                 {"gXYZ", {0.2920, 0.6922, 0.0419}},
	                 {"bXYZ", {0.1571, 0.0666, 0.7841}}};

	for (int i = 0; i < N_COLOURS * N_WAYS; i++) {
		const uint8_t *colour = colours[i / N_WAYS];
		struct blob blob = plain(colour, NULL);
		char words[100];
		double want[3], xyz[3];
		struct recipe recipe;
		struct outcome outcome;

		snprintf(words, sizeof(words), "%s; profile p3", ways[i % N_WAYS]);
		recipe = recipe_of_words(words, FORMAT_PNG, ENGINE_AUTO);
		outcome = run_picture(&blob, "a", &recipe);
		for (int k = 0; k < 3; k++)
			want[k] = value_of(to_p3[k][0] * light_of(colour[0]) +
			                   to_p3[k][1] * light_of(colour[1]) +
			                   to_p3[k][2] * light_of(colour[2]));
		expect_colour(&outcome, want, 1.5, words);
		for (int k = 0; k < 3; k++) {
			find_xyz(&outcome, primaries[k].tag, xyz);
			for (int axis = 0; axis < 3; axis++)
				EXPECT(fabs(xyz[axis] - primaries[k].xyz[axis]) < 0.002,
				       "%s: %g", primaries[k].tag, xyz[axis]);
		}
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

TEST(profiles, a_profile_from_a_file_is_embedded_and_used_for_conversion)
{
	struct blob profile = make_exchanged(2);

	for (int i = 0; i < N_COLOURS * N_WAYS; i++) {
		const uint8_t *colour = colours[i / N_WAYS];
		const double want[] = {255 * sqrt(light_of(colour[1])),
		                       255 * sqrt(light_of(colour[0])),
		                       255 * sqrt(light_of(colour[2]))};
		struct recipe recipe = recipe_of_words(ways[i % N_WAYS], FORMAT_PNG,
		                                       ENGINE_AUTO);
		struct blob blob = plain(colour, NULL);
		struct outcome outcome;

		recipe.space = SPACE_FILE;
		outcome = run_picture_to_profile(&blob, &recipe, &profile);
		expect_colour(&outcome, want, 3, ways[i % N_WAYS]);
		EXPECT(carries(&outcome, &profile));
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
	blob_fini(&profile);
}

/* This profile has a valid header, but no tables. */
TEST(profiles, a_broken_output_profile_fails_the_picture)
{
	struct blob broken = make_profile("RGB ", "nothing after it");
	struct blob exchanged = make_exchanged(2);

	for (int i = 0; i < 2 * N_WAYS; i++) {
		struct recipe recipe = recipe_of_words(ways[i / 2], FORMAT_PNG,
		                                       ENGINE_AUTO);
		struct blob blob = plain(colours[0], i % 2 ? &exchanged : NULL);
		struct outcome outcome;

		recipe.space = SPACE_FILE;
		outcome = run_picture_to_profile(&blob, &recipe, &broken);
		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		EXPECT_STR(outcome.answer.failure.text,
		           "colour: libvips cannot use the profile of --profile");
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
	blob_fini(&broken);
	blob_fini(&exchanged);
}

/* lcms2 accepts the impossible intent of this profile, but libpng does not. */
TEST(profiles, an_output_profile_that_the_saver_refuses_fails_the_picture)
{
	struct blob odd = make_exchanged(2), blob = plain(colours[0], NULL);
	struct recipe recipe = recipe_of_words("size 16x16", FORMAT_PNG, ENGINE_AUTO);
	struct outcome outcome;

	memset(odd.bytes + 64, 0xff, 4);
	recipe.space = SPACE_FILE;
	outcome = run_picture_to_profile(&blob, &recipe, &odd);
	EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
	EXPECT_STR(outcome.answer.failure.text,
	           "colour: the library that writes png does not accept the profile of "
	           "--profile");
	outcome_fini(&outcome);
	recipe.format = FORMAT_TIFF;
	outcome = run_picture_to_profile(&blob, &recipe, &odd);
	EXPECT(outcome.is_done, "%s", outcome.answer.failure.text);
	outcome_fini(&outcome);
	blob_fini(&blob);
	blob_fini(&odd);
}

TEST(profiles, pnm_and_gif_which_hold_no_profile_get_srgb_values)
{
	static const enum image_format formats[] = {FORMAT_PNM, FORMAT_GIF};
	struct blob profile = make_exchanged(2);

	for (int i = 0; i < 4 * N_COLOURS; i++) {
		const uint8_t *colour = colours[i / 4];
		const double want[] = {colour[0], colour[1], colour[2]};
		struct recipe recipe = recipe_of_words("profile p3", formats[i % 2],
		                                       ENGINE_AUTO);
		struct blob blob = plain(colour, NULL);
		struct outcome outcome;

		if (i / 2 % 2)
			recipe.space = SPACE_FILE;
		outcome = run_picture_to_profile(&blob, &recipe, &profile);
		expect_colour(&outcome, want, 2, format_info(formats[i % 2])->name);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
	blob_fini(&profile);
}

/* Make a grey profile with a transfer curve different from sRGB's. */
TEST(profiles, a_grey_profile_keeps_the_picture_grey)
{
	struct tag tags[] = {{"wtpt", {0}}, {"kTRC", {0}}};
	struct blob profile;

	put_xyz(&tags[0].bytes, white);
	put_curve(&tags[1].bytes, 1.5);
	profile = make_icc("mntrGRAYXYZ ", tags, 2);
	for (int i = 0; i < 2 * N_WAYS; i++) {
		int n_bands = 1 + i % 2;
		uint8_t bytes[32 * 32 * 2];
		const double want[] = {value_of(pow(90 / 255.0, 1.5)), 200};
		struct recipe recipe = recipe_of_words(ways[i / 2], FORMAT_PNG,
		                                       ENGINE_AUTO);
		VipsImage *image, *result;
		struct blob blob;

		for (int at = 0; at < 32 * 32 * n_bands; at++)
			bytes[at] = at % n_bands ? 200 : 90;
		image = image_of_bytes(bytes, 32, 32, n_bands);
		vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile.bytes,
		                         profile.n);
		blob = encoded(image, ".png");
		recipe.depth = DEPTH_8;
		result = cooked(&blob, &recipe);
		EXPECT(vips_image_get_bands(result) == n_bands, "%s: %d bands",
		       ways[i / 2], vips_image_get_bands(result));
		is_colour(result, 8, 8, want, 2);
		g_object_unref(result);
		g_object_unref(image);
		blob_fini(&blob);
	}
	blob_fini(&profile);
}

TEST(profiles, the_embedded_profile_is_kept_or_applied_as_the_option_profile_says)
{
	struct blob profile = make_exchanged(1.5);

	for (int i = 0; i < 2 * N_COLOURS * N_WAYS; i++) {
		const uint8_t *colour = colours[i / 2 % N_COLOURS];
		const char *way = ways[i / 2 / N_COLOURS];
		bool is_kept = i % 2;
		struct recipe recipe = recipe_of_words(way, FORMAT_PNG, ENGINE_AUTO);
		struct blob blob = plain(colour, &profile);
		struct outcome outcome;
		double want[3];

		for (int k = 0; k < 3; k++) {
			int from = k == 2 ? 2 : 1 - k;

			want[k] = is_kept ? colour[k]
			                  : value_of(pow(colour[from] / 255.0, 1.5));
		}
		recipe.space = is_kept ? SPACE_KEEP : SPACE_SRGB;
		outcome = run_picture(&blob, "a", &recipe);
		expect_colour(&outcome, want, 3, way);
		EXPECT_EQ(carries(&outcome, &profile), is_kept);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
	blob_fini(&profile);
}

/* The background #c86432 is the first of the test colours. `want` has its values in the profile
 * with exchanged primaries. */
TEST(profiles, the_background_colour_is_converted_to_the_output_profile_too)
{
	static const char words[] =
		"size 60x60; no-enlarge; fit contain; background #c86432";
	struct blob profile = make_exchanged(2), blob = plain(colours[1], NULL),
		    tagged = plain(colours[1], &profile);
	const double want[] = {255 * sqrt(light_of(100)), 255 * sqrt(light_of(200)),
	                       255 * sqrt(light_of(50))};

	for (int i = 0; i < 4; i++) {
		struct recipe recipe = recipe_of_words(words, FORMAT_PNG, ENGINE_AUTO);
		struct outcome outcome;

		recipe.linear = i % 2;
		recipe.space = i / 2 ? SPACE_KEEP : SPACE_FILE;
		outcome = i / 2 ? run_picture(&tagged, "a", &recipe)
		                : run_picture_to_profile(&blob, &recipe, &profile);
		expect_colour(&outcome, want, 3, i / 2 ? "keep" : "file");
		EXPECT(carries(&outcome, &profile));
		outcome_fini(&outcome);
	}
	blob_fini(&tagged);
	blob_fini(&blob);
	blob_fini(&profile);
}

static const char *const intents[] = {"perceptual", "relative", "saturation", "absolute"};
enum { ABSOLUTE = 3, N_INTENT_WORDS = 4 };

TEST(profiles, the_intent_selects_the_table_of_the_input_profile)
{
	/* The colour is a corner of the lookup table, so it gets the grey of the table. The white
	 * corner cannot be used, because lcms maps white to white whatever the table says. */
	static const uint8_t corner[] = {255, 0, 0};
	struct blob profile = make_profile_of_intents();
	struct blob blob = plain(corner, &profile);

	for (int i = 0; i < N_INTENT_WORDS * N_WAYS; i++) {
		int intent = i % N_INTENT_WORDS;
		/* The absolute intent uses the table of the relative intent. The result has half
		 * the light, because the white of the profile is half as bright as usual. */
		double light = light_of_lightness(
			lightnesses[intent == ABSOLUTE ? 1 : intent] * 100 / 255.0);
		double value = value_of(intent == ABSOLUTE ? light / 2 : light);
		const double want[] = {value, value, value};
		struct recipe recipe;
		struct outcome outcome;
		char words[100];

		snprintf(words, sizeof(words), "%s; intent %s", ways[i / N_INTENT_WORDS],
		         intents[intent]);
		recipe = recipe_of_words(words, FORMAT_PNG, ENGINE_AUTO);
		outcome = run_picture(&blob, "a", &recipe);
		expect_colour(&outcome, want, intent == ABSOLUTE ? 8 : 2, words);
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
	blob_fini(&profile);
}

/* Many profiles have a single table, for the intent perceptual. */
TEST(profiles,
     a_profile_without_a_table_for_the_intent_is_used_with_the_table_that_it_has)
{
	static const uint8_t corner[] = {255, 0, 0}, black[] = {0, 128, 128},
			     grey[] = {128, 128, 128};
	double value = value_of(light_of_lightness(128 * 100 / 255.0));
	const double want[] = {value, value, value};
	struct tag tags[] = {{"wtpt", {0}}, {"A2B0", {0}}};
	struct blob profile, blob;

	put_xyz(&tags[0].bytes, white);
	put_table(&tags[1].bytes, black, grey);
	profile = make_icc("prtrRGB Lab ", tags, sizeof(tags) / sizeof(tags[0]));
	blob = plain(corner, &profile);
	for (int i = 0; i < N_INTENT_WORDS * N_WAYS * 2; i++) {
		struct recipe recipe;
		struct outcome outcome;
		char words[100];

		snprintf(words, sizeof(words), "%s; intent %s", ways[i / 2 % N_WAYS],
		         intents[i / 2 / N_WAYS]);
		recipe = recipe_of_words(words, FORMAT_PNG,
		                         i % 2 ? ENGINE_VIPS : ENGINE_AUTO);
		outcome = run_picture(&blob, "a", &recipe);
		expect_colour(&outcome, want, 2, words);
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
	blob_fini(&profile);
}

TEST(profiles, the_intent_selects_the_table_of_the_output_profile)
{
	struct blob profile = make_profile_of_intents(), blob = plain(colours[0], NULL);

	for (int i = 0; i < 3 * N_WAYS; i++) {
		const double want[] = {values[i % 3], values[i % 3], values[i % 3]};
		struct recipe recipe;
		struct outcome outcome;
		char words[100];

		snprintf(words, sizeof(words), "%s; intent %s", ways[i / 3],
		         intents[i % 3]);
		recipe = recipe_of_words(words, FORMAT_PNG, ENGINE_AUTO);
		recipe.space = SPACE_FILE;
		outcome = run_picture_to_profile(&blob, &recipe, &profile);
		expect_colour(&outcome, want, 1, words);
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
	blob_fini(&profile);
}

/* Half of the picture is translucent red, the other half opaque blue. */
static VipsImage *make_thin(bool is_deep, const struct blob *profile)
{
	static const uint8_t halves[2][4] = {{200, 100, 50, 90}, {50, 80, 200, 255}};
	uint8_t bytes[32 * 32 * 4];
	VipsImage *image, *deep = NULL;

	for (int i = 0; i < 32 * 32; i++)
		memcpy(bytes + 4 * i, halves[i % 32 >= 16], 4);
	image = image_of_bytes(bytes, 32, 32, 4);
	if (is_deep) {
		REQUIRE(!vips_colourspace(image, &deep, VIPS_INTERPRETATION_RGB16, NULL));
		g_object_unref(image);
		image = deep;
	}
	vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile->bytes, profile->n);
	return image;
}

TEST(profiles, colours_with_alpha_and_a_kept_profile_are_unchanged_at_8_and_16_bits)
{
	struct blob profile = make_exchanged(1.5), blobs[2];
	const double kept[2][4] = {{200, 100, 50, 90}, {50, 80, 200, 255}};

	for (int i = 0; i < 2; i++) {
		VipsImage *image = make_thin(i, &profile);

		blobs[i] = encoded(image, ".png");
		g_object_unref(image);
	}
	for (int i = 0; i < 2 * N_WAYS; i++) {
		struct recipe recipe = recipe_of_words(ways[i / 2], FORMAT_PNG,
		                                       ENGINE_AUTO);
		VipsImage *image;

		recipe.space = SPACE_KEEP;
		recipe.depth = DEPTH_KEEP;
		image = cooked(&blobs[i % 2], &recipe);
		for (int k = 0; k < 8; k++) {
			int width = vips_image_get_width(image);
			double value = value_at(image, k < 4 ? 2 : width - 3, 5, k % 4);

			value /= vips_image_get_format(image) == VIPS_FORMAT_USHORT ? 257
			                                                            : 1;
			EXPECT(fabs(value - kept[k / 4][k % 4]) <= 3,
			       "%s, depth %d: band %d is %g, not %g", ways[i / 2], i % 2,
			       k % 4, value, kept[k / 4][k % 4]);
		}
		g_object_unref(image);
	}
	blob_fini(&blobs[0]);
	blob_fini(&blobs[1]);
	blob_fini(&profile);
}
