/* A test that each option has an effect: the output with the option differs from the output without
 * it. The effect itself is tested in tests/image/test_options.c and its neighbours. */
#include "cli_fixture.h"

#include <string.h>

static const struct {
	/* The command, and the option that the test adds to it. */
	const char *words, *option;
	const char *input;
	bool is_for_stb;
} cases[] = {
	{"resize -s 80x80 -f png", "--fit cover", "lake.jpg", true},
	{"resize -s 80x20 -f png --fit cover", "--position north", "lake.jpg", true},
	{"resize -s 80x20 -f png --fit cover", "--position 50%,10%", "lake.jpg", true},
	{"resize -s 80x20 -f png --fit cover", "--position entropy", "lake.jpg", false},
	{"resize -s 80x20 -f png --fit cover", "--position attention", "lake.jpg", false},
	{"resize -s 80x80 -f png --fit contain", "--background red", "lake.jpg", true},
	{"resize -s 80 -f png", "--linear", "lake.jpg", true},
	{"resize -s 80 -f png", "--kernel linear", "lake.jpg", true},
	{"resize -s 80 -f png", "--kernel nearest", "lake.jpg", false},
	{"resize -s 80 -f png", "--filter negate", "lake.jpg", true},
	{"resize -s 80 -f png", "--profile p3", "lake.jpg", false},
	{"resize -s 80 -f png", "--depth 16", "lake.jpg", false},
	{"resize -s 80 -f png", "--effort 0", "lake.jpg", true},
	{"resize -s 80 -f png", "--no-reduce", "lake.jpg", true},
	{"resize -s 800 -f png", "--no-enlarge", "balloon.png", true},
	{"resize -s 80 -f png", "--no-rotate", "orientation/6.jpg", true},
	{"resize -s 80 -f jpg", "-q 30", "lake.jpg", true},
	{"resize -s 80 -f jpg", "--progressive", "lake.jpg", false},
	{"resize -s 80 -f jpg", "--chroma 444", "lake.jpg", false},
	{"resize -s 80 -f jpg", "--engine stb", "lake.jpg", false},
	{"resize -s 80 -f webp", "--lossless", "lake.jpg", false},
	{"resize -s 80 -f jpg", "--keep all", "orientation/6.jpg", false},
	{"convert -f jpg", "--keep none", "orientation/6.jpg", false},
};

/* Make the output of a case without the option of the case. If the previous case has the same image
 * and the same command, its output is used again. */
static void make_without(size_t i)
{
	struct ended ended;

	if (i > 0 && strcmp(cases[i].words, cases[i - 1].words) == 0 &&
	    strcmp(cases[i].input, cases[i - 1].input) == 0)
		return;
	run("rm -rf without a.bin");
	sample(cases[i].input, "a.bin");
	ended = run("pixpool %s a.bin -o without", cases[i].words);
	EXPECT(ended.status == 0, "%s: %s", cases[i].words, ended.err);
}

TEST(options, each_option_changes_the_output)
{
	fixture_enter();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ended ended;

#ifndef PIXPOOL_VIPS
		if (!cases[i].is_for_stb)
			continue;
#endif
		make_without(i);
		ended = run("pixpool %s %s a.bin -o with", cases[i].words,
		            cases[i].option);
		EXPECT(ended.status == 0, "%s: %s", cases[i].option, ended.err);
		EXPECT(run("cmp -s without/a.* with/a.*").status == 1,
		       "%s %s changes nothing", cases[i].words, cases[i].option);
		EXPECT_EQ(run("rm -rf with").status, 0);
	}
	fixture_leave();
}
