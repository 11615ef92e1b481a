/* What a recipe says, and that its packed form is believed only when it is whole. */
#include "support/test.h"

#include "image/recipe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool parses(const char *word, struct geometry *ret_geometry, char *text)
{
	text[0] = 0;
	return geometry_parse(ret_geometry, word, text, 100);
}

TEST(geometry, a_box_one_side_or_both)
{
	struct geometry geometry;
	char text[100];

	REQUIRE(parses("256", &geometry, text));
	EXPECT_EQ(geometry.width, 256);
	EXPECT_EQ(geometry.height, 256);
	REQUIRE(parses("640x480", &geometry, text));
	EXPECT_EQ(geometry.width, 640);
	EXPECT_EQ(geometry.height, 480);
	REQUIRE(parses("640x", &geometry, text));
	EXPECT_EQ(geometry.width, 640);
	EXPECT_EQ(geometry.height, 0);
	REQUIRE(parses("x10000000", &geometry, text));
	EXPECT_EQ(geometry.width, 0);
	EXPECT_EQ(geometry.height, 10000000);
	EXPECT(!geometry.no_enlarge);
}

TEST(geometry, a_wrong_word_is_refused_and_its_wrong_part_named)
{
	static const struct {
		const char *word, *part;
	} words[] = {
		{"", "''"},        {"x", "'x'"},
		{"0", "'0'"},      {"0x10", "'0'"},
		{"10x0", "'0'"},   {"10000001", "'10000001'"},
		{"256y", "'y'"},   {"256 ", "' '"},
		{"-5", "'-5'"},    {"10x20x30", "'x30'"},
		{"50%", "'%'"},    {"99999999999999999999", "'9999999999"},
		{"1e3", "'e3'"},   {"x-1", "'-1'"},
		{"256\n", "'\n'"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct geometry geometry = {7, 7, true};
		char text[100];

		EXPECT(!parses(words[i].word, &geometry, text), "%s", words[i].word);
		EXPECT(strstr(text, words[i].part) != NULL, "%s: %s", words[i].word,
		       text);
		EXPECT_EQ(geometry.width, 7);
	}
}

/* The definition, with digits to spare. */
static long double wanted_side(uint32_t side, struct geometry box, struct size from)
{
	long double f = 0, g = 0;

	if (box.width)
		f = (long double)from.width / box.width;
	if (box.height)
		g = (long double)from.height / box.height;
	if (g > f)
		f = g;
	return side / f;
}

static void check_side(uint32_t got, uint32_t side, struct geometry box, struct size from)
{
	long double exact = wanted_side(side, box, from);
	long double nearest = floorl(exact + 0.5L);
	bool is_half = fabsl(exact + 0.5L - roundl(exact + 0.5L)) < 1e-9L * exact;

	if (nearest < 1)
		nearest = 1;
	EXPECT(got == nearest || (is_half && fabsl(got - exact) < 0.6L),
	       "%u x %u into %u x %u: %u, expected %.0Lf", from.width, from.height,
	       box.width, box.height, got, nearest);
}

TEST(geometry, a_size_is_the_true_one_over_the_larger_ratio_rounded)
{
	unsigned seed = 1;

	for (int i = 0; i < 200000; i++) {
		unsigned bits = 1 + (unsigned)rand_r(&seed) % 16;
		struct size from = {1 + ((unsigned)rand_r(&seed) >> bits) % 100000,
		                    1 + ((unsigned)rand_r(&seed) >> bits) % 100000};
		struct geometry box = {(unsigned)rand_r(&seed) % 4000,
		                       (unsigned)rand_r(&seed) % 4000, false};
		struct size to;

		if (i % 4 == 0)
			box.height = box.width;
		if (i % 16 == 1)
			box.height = 0;
		if (i % 16 == 2)
			box.width = 0;
		to = geometry_size(&box, from);
		if (!box.width && !box.height) {
			EXPECT(to.width == from.width && to.height == from.height);
			continue;
		}
		check_side(to.width, from.width, box, from);
		check_side(to.height, from.height, box, from);
		EXPECT(!box.width || to.width <= box.width);
		EXPECT(!box.height || to.height <= box.height);
	}
}

TEST(geometry, sizes_of_note)
{
	static const struct {
		struct geometry box;
		struct size from, to;
	} cases[] = {
		{{256, 256, false}, {6000, 4000}, {256, 171}},
		{{256, 256, false}, {100, 50}, {256, 128}},
		{{256, 256, true}, {100, 50}, {100, 50}},
		{{256, 256, true}, {257, 50}, {256, 50}},
		{{256, 0, false}, {512, 1}, {256, 1}},
		{{0, 10, false}, {65535, 1}, {655350, 10}},
		{{100, 100, false}, {1, 65535}, {1, 100}},
		{{1, 1, false}, {65535, 65535}, {1, 1}},
		{{0, 0, false}, {123, 456}, {123, 456}},
		{{0, 0, true}, {123, 456}, {123, 456}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct size to = geometry_size(&cases[i].box, cases[i].from);

		EXPECT(to.width == cases[i].to.width && to.height == cases[i].to.height,
		       "case %zu is %u x %u", i, to.width, to.height);
	}
	EXPECT_EQ(geometry_size(&(struct geometry){10000000, 0, false},
	                        (struct size){1, 4000000})
	                  .height,
	          UINT32_MAX);
}

static const struct recipe full = {
	.geometry = {640, 480, true},
	.format = FORMAT_WEBP,
	.quality = 77,
	.engine = ENGINE_STB,
	.max_pixels = 0x0102030405060708,
	.max_file_bytes = 0x1112131415161718,
};

TEST(recipe, comes_out_as_it_went_in)
{
	uint8_t bytes[RECIPE_PACKED_BYTES];
	struct recipe got;

	recipe_pack(&full, bytes);
	REQUIRE(recipe_unpack(&got, bytes, sizeof(bytes)));
	EXPECT_EQ(got.geometry.width, 640);
	EXPECT_EQ(got.geometry.height, 480);
	EXPECT(got.geometry.no_enlarge);
	EXPECT_EQ(got.format, FORMAT_WEBP);
	EXPECT_EQ(got.quality, 77);
	EXPECT_EQ(got.engine, ENGINE_STB);
	EXPECT(got.max_pixels == full.max_pixels);
	EXPECT(got.max_file_bytes == full.max_file_bytes);
}

TEST(recipe, a_wrong_length_or_field_is_refused)
{
	static const struct {
		int at;
		uint8_t value;
	} wrong[] = {
		{0, 0},   {0, 2},                 /* version */
		{1, 0},   {1, N_FORMATS},         /* format */
		{2, 101},                         /* quality */
		{3, 3},                           /* engine */
		{4, 2},                           /* flags */
		{5, 1},   {6, 1},         {7, 1}, /* padding */
		{11, 1},  {15, 1},                /* sides over ten million */
		{36, 1},  {47, 0x80},             /* room for later fields */
	};
	uint8_t bytes[RECIPE_PACKED_BYTES + 1] = {0};
	struct recipe got = {.quality = 3};

	recipe_pack(&full, bytes);
	EXPECT(!recipe_unpack(&got, bytes, 0));
	EXPECT(!recipe_unpack(&got, bytes, RECIPE_PACKED_BYTES - 1));
	EXPECT(!recipe_unpack(&got, bytes, RECIPE_PACKED_BYTES + 1));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		recipe_pack(&full, bytes);
		bytes[wrong[i].at] = wrong[i].value;
		EXPECT(!recipe_unpack(&got, bytes, RECIPE_PACKED_BYTES), "byte %d",
		       wrong[i].at);
	}
	EXPECT_EQ(got.quality, 3);
}
