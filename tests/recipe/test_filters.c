/* Tests of filter chains: which ones are accepted, which are refused, and with which message. */
#include "support/test.h"

#include "recipe/filters.h"

#include <stdio.h>
#include <string.h>

static bool parses(const char *words, struct filter_chain *ret_chain, char *text)
{
	struct failure failure = {0};
	bool is_parsed = filters_parse(ret_chain, words, &failure);

	memcpy(text, failure.text, sizeof(failure.text));
	return is_parsed;
}

TEST(filters, a_filter_chain_is_parsed_from_names_and_numbers)
{
	static const struct {
		const char *words, *canonical;
	} cases[] = {
		{"grayscale, blur 1.5, sharpen", "grayscale, blur 1.5, sharpen 0.5 0 3"},
		{"flip", "flip"},
		{" flip\t,flop ", "flip, flop"},
		{"blur", "blur 1"},
		{"blur 01.500", "blur 1.5"},
		{"blur .5", "blur 0.5"},
		{"rotate -90", "rotate -90"},
		{"rotate +0.000001", "rotate 0.000001"},
		{"rotate -0", "rotate 0"},
		{"modulate 1.2", "modulate 1.2 1 0"},
		{"modulate 1 0.5 -30.25", "modulate 1 0.5 -30.25"},
		{"normalise 2", "normalise 2 99"},
		{"negate,normalise,gamma,median,threshold,trim,flatten",
	         "negate, normalise 1 99, gamma 2.2, median 3, threshold 128, trim 10, "
	         "flatten"},
		{"flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,"
	         "flip,flip",
	         "flip, flip, flip, flip, flip, flip, flip, flip, flip, flip, flip, flip, "
	         "flip, flip, flip, flip"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct filter_chain chain;
		char text[FAILURE_TEXT_BYTES], printed[FILTERS_TEXT_BYTES],
			again[FILTERS_TEXT_BYTES];

		REQUIRE(parses(cases[i].words, &chain, text), "%s", text);
		EXPECT(filters_are_sound(&chain));
		filters_print(&chain, printed);
		EXPECT_STR(printed, cases[i].canonical);
		REQUIRE(parses(printed, &chain, text), "%s", text);
		filters_print(&chain, again);
		EXPECT_STR(again, printed);
	}
}

#define ALL_FILTERS                                                                      \
	"the filters are blur, sharpen, grayscale, negate, normalise, gamma, median, "   \
	"modulate, threshold, rotate, flip, flop, trim, flatten"
#define A_SIGMA "SIGMA must be between 0.3 and 1000 pixels"

TEST(filters, the_error_for_an_invalid_filter_quotes_it_and_says_what_is_valid)
{
	static const struct {
		const char *words, *says;
	} cases[] = {
		{"", "missing filter at the end"},
		{"flip,", "missing filter at the end"},
		{",flip", "missing filter before ',flip'"},
		{"flip,,flop", "missing filter before ',flop'"},
		{"grayscael", "'grayscael' is not a filter; did you mean 'grayscale'?"},
		{"flip, frobnicate 3", "'frobnicate' is not a filter; " ALL_FILTERS},
		{"BLUR", "'BLUR' is not a filter; " ALL_FILTERS},
		{"blur 0.2", "blur: " A_SIGMA ", got '0.2'"},
		{"blur 1001", "blur: " A_SIGMA ", got '1001'"},
		{"flip, blur 1e1", "blur: " A_SIGMA ", got '1e1'"},
		{"blur 1.0000001", "blur: " A_SIGMA ", got '1.0000001'"},
		{"blur nan", "blur: " A_SIGMA ", got 'nan'"},
		{"blur 1,5", "'5' is not a filter; " ALL_FILTERS},
		{"median 2.5", "median: SIDE must be a whole number between 2 and 50 "
	                       "pixels, got '2.5'"},
		{"blur 1 2", "blur: takes 1 number, '2' is one too many"},
		{"flip 1", "flip: takes 0 numbers, '1' is one too many"},
		{"sharpen 1 2 3 4", "sharpen: takes 3 numbers, '4' is one too many"},
		{"rotate", "rotate: missing ANGLE, a number from -360 to 360 degrees"},
		{"modulate", "modulate: missing BRIGHTNESS, a number from 0 to 100"},
		{"gamma 0", "gamma: GAMMA must be between 0.1 and 10, got '0'"},
		{"normalise 60 40", "normalise: LOWER must be less than UPPER"},
		{"flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,"
	         "flip,flip, flop 7",
	         "a chain has at most 16 filters, 'flop' is one too many"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct filter_chain chain = {.n = 7};
		char text[FAILURE_TEXT_BYTES];

		EXPECT(!parses(cases[i].words, &chain, text), "%s", cases[i].words);
		EXPECT_STR(text, cases[i].says);
		EXPECT_EQ(chain.n, 7);
	}
}

TEST(filters, every_row_of_the_filter_table_is_complete)
{
	for (int kind = FILTER_NONE + 1; kind < N_FILTER_KINDS; kind++) {
		const struct filter_info *info = filter_info((enum filter_kind)kind);
		struct filter_chain chain = {.n = 1};

		REQUIRE(info->name && info->does);
		chain.at[0].kind = (enum filter_kind)kind;
		for (unsigned i = 0; i < FILTER_NUMBERS; i++) {
			EXPECT(info->numbers[i].name || i >= info->n_required);
			chain.at[0].number[i] = info->numbers[i].default_value;
		}
		EXPECT(filters_are_sound(&chain), "%s", info->name);
	}
	EXPECT_STR(filter_info(N_FILTER_KINDS)->name, "none");
}

TEST(filters, filters_that_change_the_shape_run_before_scaling)
{
	struct filter_chain chain, before, after;
	char text[FILTERS_TEXT_BYTES];

	REQUIRE(parses("blur, rotate 90, negate, trim, flip, sharpen, flop", &chain,
	               text));
	filters_split(&chain, &before, &after);
	filters_print(&before, text);
	EXPECT_STR(text, "rotate 90, trim 10, flip, flop");
	filters_print(&after, text);
	EXPECT_STR(text, "blur 1, negate, sharpen 0.5 0 3");
}
