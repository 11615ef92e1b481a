/* What a recipe says, and that its packed form is believed only when it is whole. */
#include "support/test.h"

#include "image/recipe.h"

#include <stdlib.h>
#include <string.h>

/* Every field differs from its default. */
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
	.space = SPACE_KEEP,
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
	.engine = ENGINE_STB,
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
	EXPECT_EQ(got->linear, want->linear);
	EXPECT_EQ(got->no_rotate, want->no_rotate);
	EXPECT_EQ(got->kernel, want->kernel);
	EXPECT_EQ(got->background.is_set, want->background.is_set);
	EXPECT_EQ(got->background.red, want->background.red);
	EXPECT_EQ(got->background.green, want->background.green);
	EXPECT_EQ(got->background.blue, want->background.blue);
	EXPECT_EQ(got->background.alpha, want->background.alpha);
	EXPECT_EQ(got->space, want->space);
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
	EXPECT_EQ(got->engine, want->engine);
	EXPECT_EQ(got->fail_on, want->fail_on);
	EXPECT_EQ(got->max_pixels, want->max_pixels);
	EXPECT_EQ(got->max_frames, want->max_frames);
	EXPECT_EQ(got->max_file_bytes, want->max_file_bytes);
	expect_equal_filters(&got->filters, &want->filters);
}

TEST(recipe, comes_out_as_it_went_in)
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

TEST(recipe, a_wrong_length_is_refused)
{
	uint8_t bytes[RECIPE_PACKED_BYTES + 1] = {0};
	struct recipe got = {.quality = 3};

	recipe_pack(&full, bytes);
	EXPECT(!recipe_unpack(&got, bytes, 0));
	EXPECT(!recipe_unpack(&got, bytes, RECIPE_PACKED_BYTES - 1));
	EXPECT(!recipe_unpack(&got, bytes, RECIPE_PACKED_BYTES + 1));
	EXPECT_EQ(got.quality, 3);
}

/* Wrong recipes, as a parent that lost its mind would pack them. */
TEST(recipe, a_field_out_of_its_range_is_refused)
{
	static const struct recipe good = {.format = FORMAT_PNG};
	struct recipe wrong[] = {
		{.format = FORMAT_NONE},
		{.format = N_FORMATS},
		{.format = FORMAT_PNG, .quality = 101},
		{.format = FORMAT_PNG, .engine = N_ENGINE_CHOICES},
		{.format = FORMAT_PNG, .kernel = N_KERNELS},
		{.format = FORMAT_PNG, .space = N_COLOUR_SPACES},
		{.format = FORMAT_PNG, .intent = N_INTENTS},
		{.format = FORMAT_PNG, .depth = N_DEPTHS},
		{.format = FORMAT_PNG, .chroma = N_CHROMAS},
		{.format = FORMAT_PNG, .fail_on = N_FAIL_ONS},
		{.format = FORMAT_PNG, .keep = KEEP_ALL + 1},
		{.format = FORMAT_PNG, .has_effort = true, .effort = 10},
		{.format = FORMAT_PNG, .effort = 5},
		{.format = FORMAT_PNG, .background = {.red = 1}},
		{.format = FORMAT_PNG, .geometry.fit = N_FITS},
		{.format = FORMAT_PNG, .geometry.position = N_POSITIONS},
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

/* Each byte is one of the fields, where a change shows, or a zero of the tail. */
TEST(recipe, no_byte_is_ignored)
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
