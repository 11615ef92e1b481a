/* Tests of the size of an output: how the option is parsed, and the function that computes the
 * layout. */
#include "support/test.h"

#include "recipe/geometry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parses(const char *word, struct geometry *ret_geometry, char *text)
{
	struct failure failure = {0};
	bool is_parsed = geometry_parse(ret_geometry, word, &failure);

	memcpy(text, failure.text, sizeof(failure.text));
	return is_parsed;
}

TEST(geometry, a_size_sets_the_width_the_height_or_both_sides_of_the_box)
{
	struct geometry geometry;
	char text[FAILURE_TEXT_BYTES];

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

TEST(geometry, an_invalid_size_is_refused_and_its_invalid_part_is_named)
{
	static const struct {
		const char *word, *part;
	} words[] = {
		{"", "''"},
		{"x", "'x'"},
		{"0", "'0'"},
		{"0x10", "'0'"},
		{"10x0", "'0'"},
		{"10000001", "'10000001'"},
		{"256y", "'y'"},
		{"256 ", "' '"},
		{"-5", "'-5'"},
		{"10x20x30", "'x30'"},
		{"50%%", "'%'"},
		{"99999999999999999999", "'9999999999"},
		{"1e3", "'e3'"},
		{"x-1", "'-1'"},
		{"256\n", "'?'"},
		{"5%0", "'0'"},
		{"50<>", "'>'"},
		{"x!", "'!'"},
		{"!", "'!'"},
		{"0%", "'0%'"},
		{"100001%", "'100001%'"},
		{"0.0001%", "'0.0001%'"},
		{"1.5", "'.5'"},
		{"1.5x3", "'.5x3'"},
		{"256>x", "'x'"},
		{"<256", "'<256'"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct geometry geometry = {.width = 7};
		char text[FAILURE_TEXT_BYTES];

		EXPECT(!parses(words[i].word, &geometry, text), "%s", words[i].word);
		EXPECT(strstr(text, words[i].part) != NULL, "%s: %s", words[i].word,
		       text);
		EXPECT_EQ(geometry.width, 7);
	}
}

/* The definition of an output size, computed with extra precision. */
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

TEST(geometry,
     both_sides_of_a_picture_are_divided_by_the_larger_ratio_of_picture_side_to_box_side)
{
	unsigned seed = 1;

	for (int i = 0; i < 200000; i++) {
		unsigned bits = 1 + (unsigned)rand_r(&seed) % 16;
		struct size from = {1 + ((unsigned)rand_r(&seed) >> bits) % 100000,
		                    1 + ((unsigned)rand_r(&seed) >> bits) % 100000};
		struct geometry box = {.width = (unsigned)rand_r(&seed) % 4000,
		                       .height = (unsigned)rand_r(&seed) % 4000};
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

TEST(geometry, each_form_of_the_size_option_gives_the_documented_output_size)
{
	static const struct {
		const char *word;
		struct size from, to;
	} cases[] = {
		{"256", {6000, 4000}, {256, 171}},
		{"256", {100, 50}, {256, 128}},
		{"256>", {100, 50}, {100, 50}},
		{"256>", {257, 50}, {256, 50}},
		{"256<", {100, 50}, {256, 128}},
		{"256<", {6000, 4000}, {6000, 4000}},
		{"256x", {512, 1}, {256, 1}},
		{"x10", {65535, 1}, {655350, 10}},
		{"100", {1, 65535}, {1, 100}},
		{"1", {65535, 65535}, {1, 1}},
		{"30x40!", {1000, 7}, {30, 40}},
		{"30x!", {1000, 7}, {30, 7}},
		{"x40!", {1000, 7}, {1000, 40}},
		{"50%", {101, 3}, {51, 2}},
		{"30%", {5, 15}, {2, 5}},
		{"0.001%", {1000, 10}, {1, 1}},
		{"150%", {3, 5}, {5, 8}},
		{"150%>", {3, 5}, {3, 5}},
		{"50%<", {3, 5}, {3, 5}},
		{"10000000x", {1, 4000000}, {10000000, UINT32_MAX}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct geometry geometry;
		struct size to;
		char text[FAILURE_TEXT_BYTES];

		REQUIRE(parses(cases[i].word, &geometry, text), "%s", text);
		to = geometry_size(&geometry, cases[i].from);
		EXPECT(to.width == cases[i].to.width && to.height == cases[i].to.height,
		       "%s of %u x %u is %u x %u", cases[i].word, cases[i].from.width,
		       cases[i].from.height, to.width, to.height);
	}
}

static struct geometry random_geometry(unsigned *seed)
{
	unsigned bits = 1 + (unsigned)rand_r(seed) % 14;
	struct geometry geometry = {
		.fit = (enum fit)(rand_r(seed) % N_FITS),
		.position = (enum position)(rand_r(seed) % N_POSITIONS),
		.no_enlarge = rand_r(seed) % 4 == 0,
		.no_reduce = rand_r(seed) % 4 == 0,
	};

	if (rand_r(seed) % 8 == 0) {
		geometry.percent = (1 + rand_r(seed) % 400000) / 1000.0;
		return geometry;
	}
	geometry.width = ((unsigned)rand_r(seed) % 100000) >> bits;
	geometry.height = ((unsigned)rand_r(seed) % 100000) >> bits;
	if (rand_r(seed) % 4 == 0)
		geometry.height = geometry.width;
	return geometry;
}

static struct size random_size(unsigned *seed)
{
	unsigned bits = (unsigned)rand_r(seed) % 17;

	return (struct size){
		1 + (((unsigned)rand_r(seed) % 100000) >> bits),
		1 + (((unsigned)rand_r(seed) % 100000) >> (unsigned)rand_r(seed) % 17)};
}

/* Check the properties that every layout has, whatever was requested. */
static void check_sound(struct layout l, const char *what)
{
	(void)what; /* only messages of EXPECT() use `what` */
	EXPECT(l.scaled.width && l.scaled.height && l.part.size.width &&
	               l.part.size.height,
	       "%s: a side of 0", what);
	EXPECT(l.part.x <= l.scaled.width - l.part.size.width &&
	               l.part.size.width <= l.scaled.width &&
	               l.part.y <= l.scaled.height - l.part.size.height &&
	               l.part.size.height <= l.scaled.height,
	       "%s: the part is beyond the picture", what);
	EXPECT(l.x <= l.canvas.width - l.part.size.width &&
	               l.part.size.width <= l.canvas.width &&
	               l.y <= l.canvas.height - l.part.size.height &&
	               l.part.size.height <= l.canvas.height,
	       "%s: the part is beyond the canvas", what);
}

static void check_limits(struct geometry g, struct size from, struct layout l,
                         const char *what)
{
	(void)what;
	EXPECT(!g.no_enlarge ||
	               (l.scaled.width <= from.width && l.scaled.height <= from.height),
	       "%s: enlarged", what);
	EXPECT(!g.no_reduce ||
	               (l.scaled.width >= from.width && l.scaled.height >= from.height),
	       "%s: reduced", what);
}

static bool is_size(struct size size, uint32_t width, uint32_t height)
{
	return size.width == width && size.height == height;
}

/* Check the promises of each fit. The box must have a width and a height, and enlarging and
 * reducing must be allowed. */
static void check_fit(struct geometry g, struct layout l, const char *what)
{
	struct size s = l.scaled, c = l.canvas;
	bool touches = s.width == g.width || s.height == g.height;

	(void)what;
	switch (g.fit) {
	case FIT_INSIDE:
		EXPECT(s.width <= g.width && s.height <= g.height && touches, "%s", what);
		break;
	case FIT_CONTAIN:
		EXPECT(s.width <= g.width && s.height <= g.height && touches, "%s", what);
		EXPECT(is_size(c, g.width, g.height), "%s", what);
		break;
	case FIT_OUTSIDE:
		EXPECT(s.width >= g.width && s.height >= g.height && touches, "%s", what);
		break;
	case FIT_COVER:
		EXPECT(s.width >= g.width && s.height >= g.height && touches, "%s", what);
		EXPECT(is_size(c, g.width, g.height), "%s", what);
		break;
	default:
		EXPECT(is_size(s, g.width, g.height), "%s", what);
		break;
	}
	if (g.fit != FIT_CONTAIN)
		EXPECT(is_size(c, l.part.size.width, l.part.size.height), "%s", what);
	if (g.fit != FIT_COVER)
		EXPECT(is_size(l.part.size, s.width, s.height), "%s", what);
}

TEST(geometry, every_layout_lies_inside_the_picture_and_has_the_size_that_its_fit_demands)
{
	unsigned seed = 7;

	for (int i = 0; i < 300000; i++) {
		struct geometry g = random_geometry(&seed);
		struct size from = random_size(&seed);
		struct layout l = geometry_layout(&g, from);
		char what[200];

		snprintf(what, sizeof(what),
		         "%ux%u, %g%%, fit %d, position %d, no enlarge %d, reduce %d, of "
		         "%u x %u",
		         g.width, g.height, g.percent, g.fit, g.position, g.no_enlarge,
		         g.no_reduce, from.width, from.height);
		check_sound(l, what);
		check_limits(g, from, l, what);
		if (g.width && g.height && !g.no_enlarge && !g.no_reduce)
			check_fit(g, l, what);
	}
}

/* In each case, the picture has 4 pixels more or fewer than the box on one axis. These 4 pixels are
 * cropped or padded. The offsets are rounded down. At 0, 50 and 100 percent they are equal to the
 * offsets of libvips' gravity. */
TEST(geometry,
     a_position_in_percent_splits_the_cropped_or_padded_pixels_between_both_sides)
{
	static const struct {
		double x, y;
		uint32_t left, top;
	} cases[] = {{0, 0, 0, 0}, {100, 100, 4, 4}, {50, 50, 2, 2}, {25, 90, 1, 3}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct geometry g = {.width = 4,
		                     .height = 8,
		                     .fit = FIT_COVER,
		                     .position = POSITION_POINT,
		                     .x_percent = cases[i].x,
		                     .y_percent = cases[i].y};
		struct layout l = geometry_layout(&g, (struct size){8, 8});

		EXPECT_EQ(l.part.x, cases[i].left);
		EXPECT_EQ(l.part.y, 0);
		EXPECT(!l.is_searched);
		g.fit = FIT_CONTAIN;
		g.height = 4;
		g.width = 8;
		l = geometry_layout(&g, (struct size){4, 4});
		EXPECT_EQ(l.x, cases[i].left);
		EXPECT_EQ(l.y, 0);
		g.height = 8;
		g.width = 4;
		l = geometry_layout(&g, (struct size){4, 4});
		EXPECT_EQ(l.x, 0);
		EXPECT_EQ(l.y, cases[i].top);
	}
}

TEST(geometry, the_position_decides_what_is_cropped_and_where_a_picture_is_placed)
{
	static const struct {
		enum position position;
		uint32_t x, y;
	} cases[] = {
		{POSITION_CENTRE, 2, 2},    {POSITION_NORTH, 2, 0},
		{POSITION_NORTHEAST, 4, 0}, {POSITION_EAST, 4, 2},
		{POSITION_SOUTHEAST, 4, 4}, {POSITION_SOUTH, 2, 4},
		{POSITION_SOUTHWEST, 0, 4}, {POSITION_WEST, 0, 2},
		{POSITION_NORTHWEST, 0, 0}, {POSITION_ENTROPY, 2, 2},
		{POSITION_ATTENTION, 2, 2},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct geometry g = {.width = 10,
		                     .height = 10,
		                     .no_enlarge = true,
		                     .no_reduce = true,
		                     .fit = FIT_COVER,
		                     .position = cases[i].position};
		struct layout l = geometry_layout(&g, (struct size){14, 14});

		EXPECT_EQ(l.part.x, cases[i].x);
		EXPECT_EQ(l.part.y, cases[i].y);
		EXPECT_EQ(l.is_searched, cases[i].position >= POSITION_ENTROPY);
		EXPECT(is_size(l.canvas, 10, 10));

		g.fit = FIT_CONTAIN;
		l = geometry_layout(&g, (struct size){6, 6});
		EXPECT_EQ(l.x, cases[i].x);
		EXPECT_EQ(l.y, cases[i].y);
		EXPECT(!l.is_searched);
		EXPECT(is_size(l.canvas, 10, 10) && is_size(l.part.size, 6, 6));
	}
}

/* As in the library sharp, a picture that must not be scaled is cropped or placed on the canvas
 * unscaled. */
TEST(geometry, a_picture_can_be_cropped_and_placed_without_being_resized)
{
	struct geometry g = {
		.width = 100, .height = 50, .no_enlarge = true, .fit = FIT_COVER};
	struct layout l = geometry_layout(&g, (struct size){80, 80});

	EXPECT(is_size(l.scaled, 80, 80) && is_size(l.canvas, 80, 50));
	g.fit = FIT_CONTAIN;
	l = geometry_layout(&g, (struct size){20, 10});
	EXPECT(is_size(l.scaled, 20, 10) && is_size(l.canvas, 100, 50));
	EXPECT(l.x == 40 && l.y == 20);
	g.no_enlarge = false;
	g.no_reduce = true;
	l = geometry_layout(&g, (struct size){200, 10});
	EXPECT(is_size(l.scaled, 200, 10) && is_size(l.canvas, 200, 50));
}

TEST(geometry, an_empty_geometry_changes_nothing)
{
	static const struct geometry none;
	unsigned seed = 3;

	for (int i = 0; i < 1000; i++) {
		struct size from = random_size(&seed);
		struct layout l = geometry_layout(&none, from);

		EXPECT(is_size(l.scaled, from.width, from.height) &&
		       is_size(l.part.size, from.width, from.height) &&
		       is_size(l.canvas, from.width, from.height) && !l.part.x &&
		       !l.part.y && !l.x && !l.y && !l.is_searched);
	}
}

TEST(geometry, only_a_small_part_around_the_crop_of_a_long_picture_is_scaled)
{
	for (unsigned i = 0; i < 400; i++) {
		const struct size from = {1 + i % 7, 9000 + 97 * i};
		const struct size turned = {from.height, from.width};
		struct size of = i % 2 ? from : turned;
		struct geometry g = {.width = 300 + i,
		                     .height = 300 + 2 * i,
		                     .fit = FIT_COVER,
		                     .position = (enum position)(i % POSITION_POINT)};
		struct layout l = geometry_layout(&g, of);
		struct size kept = l.part.size;

		geometry_focus(&l, of);
		EXPECT(l.is_focused, "%u", i);
		EXPECT(l.focus.x + l.focus.size.width <= of.width &&
		               l.focus.y + l.focus.size.height <= of.height,
		       "%u: the focus must lie inside the picture", i);
		EXPECT(l.part.x + kept.width <= l.scaled.width &&
		               l.part.y + kept.height <= l.scaled.height,
		       "%u: the part must lie inside the scaled picture", i);
		EXPECT((double)l.scaled.width * l.scaled.height < 4e7, "%u: %u x %u", i,
		       l.scaled.width, l.scaled.height);
	}
}

TEST(geometry, a_picture_of_ordinary_shape_is_scaled_as_a_whole_and_then_cropped)
{
	struct geometry g = {.width = 4000, .height = 3000, .fit = FIT_COVER};
	struct size from = {600, 400};
	struct layout l = geometry_layout(&g, from);

	geometry_focus(&l, from);
	EXPECT(!l.is_focused && l.scaled.width == 4500 && l.scaled.height == 3000);
}
