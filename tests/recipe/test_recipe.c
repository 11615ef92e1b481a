/* Tests of recipes: their text, and their packed form, which is accepted only if it is complete and
 * valid. */
#include "support/test.h"

#include "recipe/recipe_text.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* A recipe in which every field differs from its default, except the percentages of the geometry. A
 * percentage excludes a width and a height. */
static const struct recipe full = {
	.geometry = {.width = 640,
                     .height = 480,
                     .no_enlarge = true,
                     .no_reduce = true,
                     .fit = FIT_OUTSIDE,
                     .position = POSITION_ATTENTION},
	.linear = true,
	.no_rotate = true,
	.kernel = KERNEL_NEAREST,
	.background = {true, 1, 2, 3, 4},
	.space = SPACE_FILE,
	.profile_hash = 0xfedcba9876543210,
	.intent = INTENT_ABSOLUTE,
	.depth = DEPTH_KEEP,
	.format = FORMAT_WEBP,
	.quality = 77,
	.has_effort = true,
	.effort = 9,
	.lossless = true,
	.progressive = true,
	.chroma = CHROMA_444,
	.keep = KEEP_ALL,
	.filters = {16,
                    {{FILTER_BLUR, {1.5}},
                     {FILTER_SHARPEN, {0.5, 1, 1000}},
                     {FILTER_GRAYSCALE, {0}},
                     {FILTER_NEGATE, {0}},
                     {FILTER_NORMALISE, {1, 99}},
                     {FILTER_GAMMA, {2.2}},
                     {FILTER_MEDIAN, {3}},
                     {FILTER_MODULATE, {1.1, 0.333333, -360}},
                     {FILTER_THRESHOLD, {128}},
                     {FILTER_ROTATE, {-90}},
                     {FILTER_FLIP, {0}},
                     {FILTER_FLOP, {0}},
                     {FILTER_TRIM, {10}},
                     {FILTER_FLATTEN, {0}},
                     {FILTER_BLUR, {1000}},
                     {FILTER_BLUR, {0.3}}}},
	.engine = "stb",
	.fail_on = FAIL_ON_WARNING,
	.max_pixels = 0x0102030405060708,
	.max_frames = 0x31323334,
	.max_file_bytes = 0x1112131415161718,
};

static void expect_equal_filters(const struct filter_chain *got,
                                 const struct filter_chain *want)
{
	EXPECT_EQ(got->n, want->n);
	for (size_t i = 0; i < got->n && i < want->n; i++) {
		EXPECT_EQ(got->at[i].kind, want->at[i].kind);
		for (int k = 0; k < FILTER_NUMBERS; k++)
			EXPECT(got->at[i].number[k] == want->at[i].number[k],
			       "filter %zu, number %d: %.17g", i, k,
			       got->at[i].number[k]);
	}
}

static void expect_equal(const struct recipe *got, const struct recipe *want)
{
	EXPECT_EQ(got->geometry.width, want->geometry.width);
	EXPECT_EQ(got->geometry.height, want->geometry.height);
	EXPECT(got->geometry.percent == want->geometry.percent);
	EXPECT_EQ(got->geometry.no_enlarge, want->geometry.no_enlarge);
	EXPECT_EQ(got->geometry.no_reduce, want->geometry.no_reduce);
	EXPECT_EQ(got->geometry.fit, want->geometry.fit);
	EXPECT_EQ(got->geometry.position, want->geometry.position);
	EXPECT(got->geometry.x_percent == want->geometry.x_percent);
	EXPECT(got->geometry.y_percent == want->geometry.y_percent);
	EXPECT_EQ(got->linear, want->linear);
	EXPECT_EQ(got->no_rotate, want->no_rotate);
	EXPECT_EQ(got->kernel, want->kernel);
	EXPECT_EQ(got->background.is_set, want->background.is_set);
	EXPECT_EQ(got->background.red, want->background.red);
	EXPECT_EQ(got->background.green, want->background.green);
	EXPECT_EQ(got->background.blue, want->background.blue);
	EXPECT_EQ(got->background.alpha, want->background.alpha);
	EXPECT_EQ(got->space, want->space);
	EXPECT_EQ(got->profile_hash, want->profile_hash);
	EXPECT_EQ(got->intent, want->intent);
	EXPECT_EQ(got->depth, want->depth);
	EXPECT_EQ(got->format, want->format);
	EXPECT_EQ(got->quality, want->quality);
	EXPECT_EQ(got->has_effort, want->has_effort);
	EXPECT_EQ(got->effort, want->effort);
	EXPECT_EQ(got->lossless, want->lossless);
	EXPECT_EQ(got->progressive, want->progressive);
	EXPECT_EQ(got->chroma, want->chroma);
	EXPECT_EQ(got->keep, want->keep);
	EXPECT_STR(got->engine, want->engine);
	EXPECT_EQ(got->fail_on, want->fail_on);
	EXPECT_EQ(got->max_pixels, want->max_pixels);
	EXPECT_EQ(got->max_frames, want->max_frames);
	EXPECT_EQ(got->max_file_bytes, want->max_file_bytes);
	expect_equal_filters(&got->filters, &want->filters);
}

TEST(recipe, a_recipe_is_unchanged_after_packing_and_unpacking)
{
	const struct recipe percent = {.geometry.percent = 12.345678,
	                               .format = FORMAT_PNG};
	uint8_t bytes[RECIPE_PACKED_BYTES];
	struct recipe got;

	recipe_pack(&full, bytes);
	REQUIRE(recipe_unpack(&got, bytes, sizeof(bytes)));
	expect_equal(&got, &full);
	recipe_pack(&percent, bytes);
	REQUIRE(recipe_unpack(&got, bytes, sizeof(bytes)));
	expect_equal(&got, &percent);
}

TEST(recipe, a_packed_recipe_of_the_wrong_length_is_refused)
{
	uint8_t bytes[RECIPE_PACKED_BYTES + 1] = {0};
	struct recipe got = {.quality = 3};

	recipe_pack(&full, bytes);
	EXPECT(!recipe_unpack(&got, bytes, 0));
	EXPECT(!recipe_unpack(&got, bytes, RECIPE_PACKED_BYTES - 1));
	EXPECT(!recipe_unpack(&got, bytes, RECIPE_PACKED_BYTES + 1));
	EXPECT_EQ(got.quality, 3);
}

/* Invalid packed recipes, as a broken parent process might send them. */
TEST(recipe, a_packed_recipe_with_a_field_out_of_range_is_refused)
{
	static const struct recipe good = {.format = FORMAT_PNG};
	struct recipe wrong[] = {
		{.format = FORMAT_NONE},
		{.format = N_FORMATS},
		{.format = FORMAT_PNG, .quality = 101},
		{.format = FORMAT_PNG, .engine = "no way"},
		{.format = FORMAT_PNG, .kernel = N_KERNELS},
		{.format = FORMAT_PNG, .space = N_COLOUR_SPACES},
		{.format = FORMAT_PNG, .space = SPACE_FILE},
		{.format = FORMAT_PNG, .space = SPACE_KEEP, .profile_hash = 1},
		{.format = FORMAT_PNG, .intent = N_INTENTS},
		{.format = FORMAT_PNG, .depth = N_DEPTHS},
		{.format = FORMAT_PNG, .chroma = N_CHROMAS},
		{.format = FORMAT_PNG, .fail_on = N_FAIL_ONS},
		{.format = FORMAT_PNG, .keep = KEEP_ALL + 1},
		{.format = FORMAT_PNG, .keep = KEEP_EXIF | KEEP_XMP | KEEP_IPTC},
		{.format = FORMAT_PNG, .engine = "auto"},
		{.format = FORMAT_PNG, .max_file_bytes = RECIPE_LARGEST_FILE + 1},
		{.format = FORMAT_PNG, .has_effort = true, .effort = 10},
		{.format = FORMAT_PNG, .effort = 5},
		{.format = FORMAT_PNG, .background = {.red = 1}},
		{.format = FORMAT_PNG, .geometry.fit = N_FITS},
		{.format = FORMAT_PNG, .geometry.position = N_POSITIONS},
		{.format = FORMAT_PNG,
	         .geometry = {.position = POSITION_POINT, .x_percent = 101}},
		{.format = FORMAT_PNG, .geometry.y_percent = 1},
		{.format = FORMAT_PNG, .geometry.width = RECIPE_MAX_SIDE + 1},
		{.format = FORMAT_PNG, .geometry.height = UINT32_MAX},
		{.format = FORMAT_PNG, .geometry.percent = 100001},
		{.format = FORMAT_PNG, .geometry.percent = -1},
		{.format = FORMAT_PNG, .geometry = {.percent = 50, .width = 10}},
		{.format = FORMAT_PNG, .filters = {1, {{FILTER_NONE, {0}}}}},
		{.format = FORMAT_PNG, .filters = {1, {{N_FILTER_KINDS, {0}}}}},
		{.format = FORMAT_PNG, .filters = {1, {{FILTER_BLUR, {0}}}}},
		{.format = FORMAT_PNG, .filters = {1, {{FILTER_BLUR, {1, 1}}}}},
		{.format = FORMAT_PNG, .filters = {1, {{FILTER_MEDIAN, {3.5}}}}},
		{.format = FORMAT_PNG, .filters = {1, {{FILTER_NORMALISE, {50, 50}}}}},
	};
	uint8_t bytes[RECIPE_PACKED_BYTES];
	struct recipe got;

	recipe_pack(&good, bytes);
	EXPECT(recipe_unpack(&got, bytes, sizeof(bytes)));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		recipe_pack(&wrong[i], bytes);
		EXPECT(!recipe_unpack(&got, bytes, sizeof(bytes)), "case %zu", i);
	}
}

/* A packed recipe in which one byte was changed is either refused or unpacked to another recipe. */
TEST(recipe, a_packed_recipe_with_a_changed_byte_is_refused_or_gives_another_recipe)
{
	uint8_t bytes[RECIPE_PACKED_BYTES], again[RECIPE_PACKED_BYTES];
	struct recipe got;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		recipe_pack(&full, bytes);
		bytes[i] ^= 1;
		if (!recipe_unpack(&got, bytes, sizeof(bytes)))
			continue;
		recipe_pack(&got, again);
		EXPECT(memcmp(bytes, again, sizeof(bytes)) == 0, "byte %zu", i);
	}
}

static bool parses(const char *words, struct recipe *ret_recipe, char *text)
{
	struct failure failure = {0};
	bool is_parsed = recipe_parse(ret_recipe, words, &failure);

	memcpy(text, failure.text, sizeof(failure.text));
	return is_parsed;
}

TEST(recipe, the_text_of_a_recipe_is_complete_and_can_be_parsed)
{
	char printed[RECIPE_TEXT_BYTES], text[FAILURE_TEXT_BYTES];
	struct recipe got;

	recipe_print(&full, printed);
	EXPECT_STR(
		printed,
		"size 640x480; no-enlarge; no-reduce; fit outside; position attention; "
		"kernel nearest; linear; no-rotate; background #01020304; profile file:fedcba9876543210; "
		"intent absolute; depth keep; format webp; quality 77; effort 9; "
		"lossless; progressive; chroma 444; keep all; filter blur 1.5, sharpen "
		"0.5 1 1000, grayscale, negate, normalise 1 99, gamma 2.2, median 3, "
		"modulate 1.1 0.333333 -360, threshold 128, rotate -90, flip, flop, "
		"trim 10, flatten, blur 1000, blur 0.3; engine stb; fail-on warning; "
		"max-pixels 72623859790382856; max-frames 825373492; max-file-size "
		"1230066625199609624");
	REQUIRE(parses(printed, &got, text), "%s", text);
	expect_equal(&got, &full);
}

TEST(recipe, a_recipe_with_only_defaults_has_the_empty_text)
{
	static const struct recipe none;
	char printed[RECIPE_TEXT_BYTES], text[FAILURE_TEXT_BYTES];
	struct recipe got = full;

	recipe_print(&none, printed);
	EXPECT_STR(printed, "");
	REQUIRE(parses("", &got, text));
	expect_equal(&got, &none);
}

TEST(recipe, every_recipe_has_one_canonical_text)
{
	static const struct {
		const char *words, *canonical;
	} cases[] = {
		{"format jpg;size 50x50>;", "size 50x50; no-enlarge; format jpeg"},
		{"size 50!", "size 50x50; fit fill"},
		{"size 12.50%<", "size 12.5%; no-reduce"},
		{"size 50x;quality 1", "size 50x; quality 1"},
		{"size x50", "size x50"},
		{"fit inside; position centre; kernel lanczos3; profile srgb; depth 8",
	         ""},
		{"keep xmp,exif,xmp", "keep exif,xmp"},
		{"keep exif,icc,xmp,iptc,gps", "keep all"},
		{"keep none", ""},
		{"background white", "background #ffffff"},
		{"background #F0a8", "background #ff00aa88"},
		{"background transparent", "background #00000000"},
		{"profile file:0123456789abcdef", "profile file:0123456789abcdef"},
		{"profile file:0123456789abcdef; profile srgb", ""},
		{"effort 0", "effort 0"},
		{"linear;  linear", "linear"},
		{"filter blur", "filter blur 1"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char printed[RECIPE_TEXT_BYTES], text[FAILURE_TEXT_BYTES];
		struct recipe got;

		REQUIRE(parses(cases[i].words, &got, text), "%s", text);
		recipe_print(&got, printed);
		EXPECT_STR(printed, cases[i].canonical);
	}
}

TEST(recipe, the_error_for_an_invalid_recipe_text_quotes_the_value_and_says_what_is_valid)
{
	static const struct {
		const char *words, *says;
	} cases[] = {
		{"siez 5", "unknown field 'siez'; did you mean 'size'?"},
		{"frobnicate", "unknown field 'frobnicate'"},
		{"size", "size needs a value"},
		{"linear 1", "linear takes no value"},
		{"size 5;;fit cover", "unknown field ''"},
		{"size 0", "size: a side must be from 1 to 10000000 pixels, got '0'"},
		{"size 0%", "size: a percentage must be from 0.001 to 100000, got '0%'"},
		{"fit covre", "fit: must be one of inside, cover, contain, fill, "
	                      "outside; got 'covre'; did you mean 'cover'?"},
		{"profile file:0123456789abcdeg",
	         "profile: must be 'file:' and 16 hexadecimal digits that are not all 0, got "
	         "'file:0123456789abcdeg'"},
		{"profile file:0000000000000000",
	         "profile: must be 'file:' and 16 hexadecimal digits that are not all 0, got "
	         "'file:0000000000000000'"},
		{"profile files", "profile: must be one of srgb, p3, keep; got 'files'"},
		{"quality 0", "quality: must be a whole number from 1 to 100, got '0'"},
		{"quality 101",
	         "quality: must be a whole number from 1 to 100, got '101'"},
		{"effort 10", "effort: must be a whole number from 0 to 9, got '10'"},
		{"depth 32", "depth: must be one of 8, 16, keep; got '32'"},
		{"keep exfi",
	         "keep: must be one of copyright, exif, icc, xmp, iptc, gps, all, "
	         "none; got 'exfi'; did you mean 'exif'?"},
		{"keep exif,",
	         "keep: must be one of copyright, exif, icc, xmp, iptc, gps, all, none; got ''"},
		{"keep exif,all",
	         "keep: 'all' cannot be combined with other classes, got 'exif,all'"},
		{"keep none,exif",
	         "keep: 'none' cannot be combined with other classes, got 'none,exif'"},
		{"background #12345",
	         "background: must be a colour name (white, red, transparent) or #rgb, #rgba, #rrggbb, #rrggbbaa; got '#12345'"},
		{"background #12345g",
	         "background: must be a colour name (white, red, transparent) or #rgb, #rgba, #rrggbb, #rrggbbaa; got '#12345g'"},
		{"background whit",
	         "background: must be a colour name or #rrggbb, got 'whit'; did you mean 'white'?"},
		{"filter blur 9999",
	         "filter: blur: SIGMA must be between 0.3 and 1000 pixels, got '9999'"},
		{"format wpeb",
	         "format: must be a format such as jpg, png or webp, got 'wpeb'"},
		{"max-pixels 18446744073709551616",
	         "max-pixels: must be a whole number of pixels, such as 300000, 300K, 50M or 2G; "
	         "got '18446744073709551616'"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct recipe got = full;
		char text[FAILURE_TEXT_BYTES];

		EXPECT(!parses(cases[i].words, &got, text), "%s", cases[i].words);
		EXPECT_STR(text, cases[i].says);
		expect_equal(&got, &full);
	}
}

TEST(recipe, a_recipe_text_that_is_too_long_is_refused)
{
	char words[2 * RECIPE_TEXT_BYTES], text[FAILURE_TEXT_BYTES];
	struct recipe got;

	memset(words, ';', sizeof(words));
	words[sizeof(words) - 1] = 0;
	EXPECT(!parses(words, &got, text));
	EXPECT_STR(text, "the recipe is too long");
}

/* The expected fingerprint is a constant: it must stay the same on every machine until
 * RECIPE_PICTURE_VERSION increases. */
TEST(recipe, the_fingerprint_of_a_recipe_is_stable_and_depends_on_every_field)
{
	static const char *const texts[] = {
		"",
		"size 50x50",
		"size 50x51",
		"size 50%",
		"no-enlarge",
		"no-reduce",
		"fit cover",
		"linear",
		"no-rotate",
		"position north",
		"kernel cubic",
		"background #fff",
		"profile p3",
		"profile file:0000000000000001",
		"profile file:1000000000000000",
		"depth 16",
		"intent absolute",
		"format png",
		"quality 1",
		"effort 0",
		"lossless",
		"progressive",
		"chroma 420",
		"keep gps",
		"filter flip",
		"engine stb",
		"fail-on none",
		"max-pixels 1",
		"max-frames 1",
		"max-file-size 1",
		"filter flop",
	};
	uint64_t seen[sizeof(texts) / sizeof(texts[0])];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct recipe recipe;
		char text[FAILURE_TEXT_BYTES];

		REQUIRE(parses(texts[i], &recipe, text), "%s", text);
		seen[i] = recipe_fingerprint(&recipe);
		for (size_t k = 0; k < i; k++)
			EXPECT(seen[k] != seen[i], "'%s' and '%s'", texts[k], texts[i]);
	}
	EXPECT(recipe_fingerprint(&full) == UINT64_C(0x520d24b06b07f528), "0x%jx",
	       (uintmax_t)recipe_fingerprint(&full));
}

/* Any valid combination of fields must be unchanged after a round trip through the text and the
 * packed form. */
TEST(recipe, random_recipes_are_unchanged_after_printing_and_packing)
{
	static const char *const words[] = {
		"size 640x480",
		"size 33.3%",
		"size x7>",
		"fit contain",
		"no-enlarge",
		"position southwest",
		"position 33.3%,0%",
		"kernel mitchell",
		"linear",
		"no-rotate",
		"background #1234",
		"profile p3",
		"intent saturation",
		"depth 16",
		"format avif",
		"quality 100",
		"effort 3",
		"lossless",
		"progressive",
		"chroma 444",
		"keep gps,iptc",
		"engine vips",
		"fail-on truncated",
		"max-pixels 9",
		"max-frames 7",
		"filter rotate 0.000001, trim 255",
		"filter modulate 99.999999 .000001 -.1",
	};
	unsigned seed = 5;

	for (int i = 0; i < 5000; i++) {
		char given[RECIPE_TEXT_BYTES] = "format png", printed[RECIPE_TEXT_BYTES],
		     text[FAILURE_TEXT_BYTES];
		uint8_t bytes[RECIPE_PACKED_BYTES], again[RECIPE_PACKED_BYTES];
		struct recipe recipe, unpacked, parsed;

		for (int k = rand_r(&seed) % 12; k > 0; k--) {
			strcat(given, "; ");
			strcat(given, words[(size_t)rand_r(&seed) %
			                    (sizeof(words) / sizeof(words[0]))]);
		}
		REQUIRE(parses(given, &recipe, text), "%s: %s", given, text);
		recipe_pack(&recipe, bytes);
		REQUIRE(recipe_unpack(&unpacked, bytes, sizeof(bytes)), "%s", given);
		recipe_print(&unpacked, printed);
		REQUIRE(parses(printed, &parsed, text), "%s: %s", printed, text);
		recipe_pack(&parsed, again);
		EXPECT(memcmp(bytes, again, sizeof(bytes)) == 0, "%s", given);
	}
}
