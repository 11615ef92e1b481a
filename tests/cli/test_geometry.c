/* Tests of the options for size, fit and filters. The pixels of the outputs are compared. */
#include "bitmap.h"
#include "cli_fixture.h"

#include <stdio.h>
#include <string.h>

/* Run a command on in/a.ppm, and compare the BMP that it writes. */
struct act {
	const char *words, *shows;
};

static void expect_shows(const struct act *acts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ended ended = run("pixpool %s in -o out -f bmp", acts[i].words);

		EXPECT(ended.status == 0, "%s: %s", acts[i].words, ended.err);
		if (ended.status == 0)
			EXPECT(strcmp(look("out/a.bmp"), acts[i].shows) == 0,
			       "%s: %s, expected %s", acts[i].words, look("out/a.bmp"),
			       acts[i].shows);
		EXPECT_EQ(run("rm -rf out").status, 0);
	}
}

#define EXPECT_SHOWS(acts) expect_shows(acts, sizeof(acts) / sizeof((acts)[0]))

TEST(geometry,
     each_value_of_the_option_fit_gives_the_documented_size_and_part_of_the_picture)
{
	static const struct act acts[] = {
		{"resize -s 40x40", "40x20 rg/bw"},
		{"resize -s 40x40 --fit inside", "40x20 rg/bw"},
		{"resize -s 40x40 --fit fill", "40x40 rg/bw"},
		{"resize -s '40x40!'", "40x40 rg/bw"},
		{"resize -s 40x40 --fit outside", "80x40 rg/bw"},
		{"resize -s 40x40 --fit cover", "40x40 rg/bw"},
		{"resize -s 20x40 --fit cover --position west", "20x40 rr/bb"},
		{"resize -s 20x40 --fit cover --position east", "20x40 gg/ww"},
		{"resize -s 80x10 --fit cover --position north", "80x10 rg/rg"},
		{"resize -s 80x10 --fit cover --position south", "80x10 bw/bw"},
		{"resize -s 80x10 --fit cover --position southeast", "80x10 bw/bw"},
		{"resize -s 20x80 --fit contain --background lime", "20x80 gg/gg"},
		{"resize -s 20x80 --fit contain --position north --background '#f0f'",
	         "20x80 mm/mm"},
		{"resize -s 25%", "40x20 rg/bw"},
		{"resize -s 40x --fit cover", "40x20 rg/bw"},
	};

	fixture_enter();
	paint("in/a.ppm", 160, 80, 8);
	EXPECT_SHOWS(acts);
	fixture_leave();
}

TEST(geometry, the_option_position_decides_where_the_fit_mode_contain_places_the_picture)
{
	fixture_enter();
	paint("in/a.ppm", 160, 80, 8);
	EXPECT_EQ(
		run("pixpool resize -s 40x60 --fit contain --background yellow in -o n -f "
	            "bmp --position north")
			.status,
		0);
	EXPECT_EQ(look_at("n/a.bmp", 5, 4), 'r');
	EXPECT_EQ(look_at("n/a.bmp", 5, 30), 'y');
	EXPECT_EQ(look_at("n/a.bmp", -3, -3), 'y');
	EXPECT_EQ(
		run("pixpool resize -s 40x60 --fit contain --background yellow in -o c -f "
	            "bmp")
			.status,
		0);
	EXPECT_EQ(look_at("c/a.bmp", 5, 4), 'y');
	EXPECT_EQ(look_at("c/a.bmp", 5, 24), 'r');
	EXPECT_EQ(look_at("c/a.bmp", -5, -25), 'w');
	EXPECT_EQ(look_at("c/a.bmp", -5, -5), 'y');
	fixture_leave();
}

TEST(geometry, the_options_no_enlarge_and_no_reduce_keep_the_size)
{
	static const struct act acts[] = {
		{"resize -s 400 --no-enlarge", "160x80 rg/bw"},
		{"resize -s '400>'", "160x80 rg/bw"},
		{"resize -s 40 --no-enlarge", "40x20 rg/bw"},
		{"resize -s 40 --no-reduce", "160x80 rg/bw"},
		{"resize -s '40<'", "160x80 rg/bw"},
		{"resize -s 320 --no-reduce", "320x160 rg/bw"},
		{"thumb -s 400", "160x80 rg/bw"},
		{"thumb", "160x80 rg/bw"},
		{"resize -s 400x40 --fit cover --no-enlarge", "160x40 rg/bw"},
	};

	fixture_enter();
	paint("in/a.ppm", 160, 80, 8);
	EXPECT_SHOWS(acts);
	fixture_leave();
}

TEST(geometry, the_last_of_two_size_options_wins_and_the_modifier_of_the_first_is_ignored)
{
	static const struct act acts[] = {
		{"resize -s '40x40!' -s 20", "20x10 rg/bw"},
		{"resize -s '40>' -s 320", "320x160 rg/bw"},
	};

	fixture_enter();
	paint("in/a.ppm", 160, 80, 8);
	EXPECT_SHOWS(acts);
	fixture_leave();
}

#ifdef PIXPOOL_VIPS
TEST(geometry, a_png_reduced_to_one_pixel_becomes_its_mean)
{
	fixture_enter();
	scratch_folder("in");
	REQUIRE(run("awk 'BEGIN { print \"P3 300 90 255\"; for (i = 0; i < 27000; i++) "
	            "print i %% 300 < 100 ? \"255 0 0\" : i %% 300 < 200 ? \"0 255 0\" : "
	            "\"0 0 255\" }' > in/a.ppm")
	                .status == 0);
	EXPECT_EQ(run("pixpool convert in -o png -f png").status, 0);
	EXPECT_EQ(run("pixpool resize -s '1x1!' png -o out").status, 0);
	EXPECT_EQ(run("pixpool convert out -o back -f ppm").status, 0);
	EXPECT_STR(run("tail -c 3 back/a.ppm | od -An -tu1").out, "  85  85  85\n");
	fixture_leave();
}
#endif

TEST(geometry, extremely_long_images_keep_at_least_one_pixel_per_side)
{
	fixture_enter();
	paint("in/a.ppm", 2000, 1, 8);
	EXPECT_EQ(run("pixpool resize -s 100 in -o out -f png").status, 0);
	EXPECT_STR(tree("out"), "a.png png 100x1\n");
	EXPECT_EQ(run("pixpool resize -s 0.01%% in -o out2 -f png").status, 0);
	EXPECT_STR(tree("out2"), "a.png png 1x1\n");
	fixture_leave();
}

TEST(filters, flip_flop_and_negate_have_their_documented_effects)
{
	static const struct act acts[] = {
		{"filter flip", "160x80 bw/rg"},
		{"filter flop", "160x80 gr/wb"},
		{"filter 'flip, flop'", "160x80 wb/gr"},
		{"filter negate", "160x80 cm/yk"},
		{"filter 'negate, negate'", "160x80 rg/bw"},
	};

	fixture_enter();
	paint("in/a.ppm", 160, 80, 8);
	EXPECT_SHOWS(acts);
	fixture_leave();
}

#ifdef PIXPOOL_VIPS

TEST(filters, the_other_filters_have_their_documented_effects)
{
	static const struct act acts[] = {
		{"filter 'rotate 90'", "80x160 br/wg"},
		{"filter 'rotate -90'", "80x160 gw/rb"},
		{"filter 'rotate 180'", "160x80 wb/gr"},
		{"filter 'rotate 360'", "160x80 rg/bw"},
		{"filter 'threshold 200'", "160x80 kw/kw"},
		{"filter 'threshold 0'", "160x80 ww/ww"},
		{"filter 'modulate 0 0'", "160x80 kk/kk"},
		{"filter 'median 5'", "160x80 rg/bw"},
		{"filter 'blur 1, sharpen'", "160x80 rg/bw"},
		{"filter 'gamma 2'", "160x80 rg/bw"},
		{"filter 'grayscale, normalise'", "160x80 ee/kw"},
		{"filter flatten", "160x80 rg/bw"},
	};

	fixture_enter();
	paint("in/a.ppm", 160, 80, 8);
	EXPECT_SHOWS(acts);
	fixture_leave();
}

/* Filters that change the shape run first, whatever the order of the options: the box applies to
 * the rotated image. */
TEST(filters, filters_that_change_the_shape_run_before_scaling)
{
	static const struct act acts[] = {
		{"resize -s 20x --filter 'negate, rotate 90'", "20x40 yc/km"},
		{"resize -s 20x --filter 'rotate 90, negate'", "20x40 yc/km"},
		{"resize -s 40x --filter 'flip'", "40x20 bw/rg"},
	};

	fixture_enter();
	paint("in/a.ppm", 160, 80, 8);
	EXPECT_SHOWS(acts);
	fixture_leave();
}

TEST(filters, the_command_trims_a_border_before_it_scales)
{
	fixture_enter();
	paint("in/a.ppm", 160, 80, 8);
	EXPECT_EQ(run("pixpool resize -s 200x120 --fit contain --no-enlarge --background "
	              "yellow in -o framed -f png")
	                  .status,
	          0);
	EXPECT_STR(tree("framed"), "a.png png 200x120\n");
	EXPECT_EQ(run("pixpool resize -s 80x --filter trim framed -o out -f bmp").status,
	          0);
	EXPECT_STR(look("out/a.bmp"), "80x40 rg/bw");
	fixture_leave();
}

#endif
