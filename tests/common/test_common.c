/* Tests of code that the program has and the library does not have: failure classes, hashes, paths,
 * values of options, and suggestions. */
#include "support/test.h"

#include "common/hash.h"
#include "common/failure.h"
#include "common/path.h"
#include "common/suggest.h"
#include "common/values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST(failure, each_failure_class_has_a_unique_name_and_an_unknown_class_is_named_internal)
{
	for (int i = FAIL_NONE; i < N_FAIL_CLASSES; i++) {
		const char *name = fail_class_name((enum fail_class)i);

		REQUIRE(name != NULL && name[0]);
		for (int j = FAIL_NONE; j < i; j++)
			EXPECT(strcmp(name, fail_class_name((enum fail_class)j)) != 0);
	}
	EXPECT_STR(fail_class_name(FAIL_BAD_IMAGE), "bad-image");
	EXPECT_STR(fail_class_name(N_FAIL_CLASSES), "internal");
	EXPECT_STR(fail_class_name((enum fail_class)99), "internal");
	EXPECT_STR(fail_class_name((enum fail_class) - 1), "internal");
}

TEST(failure, errno_decides_the_failure_class_of_an_input)
{
	EXPECT_EQ(fail_class_of_input_errno(EACCES), FAIL_PERMISSION);
	EXPECT_EQ(fail_class_of_input_errno(EPERM), FAIL_PERMISSION);
	EXPECT_EQ(fail_class_of_input_errno(ENOENT), FAIL_VANISHED);
	EXPECT_EQ(fail_class_of_input_errno(ENOTDIR), FAIL_VANISHED);
	EXPECT_EQ(fail_class_of_input_errno(ESTALE), FAIL_VANISHED);
	EXPECT_EQ(fail_class_of_input_errno(ELOOP), FAIL_VANISHED);
	EXPECT_EQ(fail_class_of_input_errno(EIO), FAIL_IO);
}

TEST(failure, failure_text_is_one_line_and_is_truncated_to_its_buffer)
{
	struct failure failure;
	char longer[2 * FAILURE_TEXT_BYTES];

	EXPECT(!failure_set(&failure, FAIL_IO, "a%sc", "\n\033"));
	EXPECT_EQ(failure.class, FAIL_IO);
	EXPECT(!failure_append(&failure, "; %d\n", 7));
	EXPECT(!failure_prepend(&failure, "%s: ", "b"));
	EXPECT_STR(failure.text, "b: a??c; 7?");

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	failure_append(&failure, "%s", longer);
	EXPECT_EQ(strlen(failure.text), FAILURE_TEXT_BYTES - 1);
	failure_prepend(&failure, "%s", "0123");
	EXPECT(strncmp(failure.text, "0123b: a", 8) == 0);
	EXPECT_EQ(strlen(failure.text), FAILURE_TEXT_BYTES - 1);
	failure_append(&failure, "more");
	EXPECT_EQ(strlen(failure.text), FAILURE_TEXT_BYTES - 1);
	EXPECT_EQ(failure.class, FAIL_IO);
}

/* The test vector in appendix A of the SipHash paper: key 00..0f, input 00..0e. */
TEST(hash, siphash_matches_the_published_test_vector)
{
	const struct hash_key key = {{0x0706050403020100U, 0x0f0e0d0c0b0a0908U}};
	unsigned char input[15];

	for (unsigned char i = 0; i < sizeof(input); i++)
		input[i] = i;
	EXPECT(hash_bytes(&key, input, sizeof(input)) == 0xa129ca6149be45e5U);
}

TEST(path, a_leading_dot_does_not_begin_a_suffix)
{
	EXPECT_STR(path_suffix("a.b.JPG"), "JPG");
	EXPECT_STR(path_suffix(".hidden"), "");
	EXPECT_STR(path_suffix("x.y/plain"), "");
	EXPECT_STR(path_suffix("a."), "");
}

TEST(path, a_base_name_has_no_trailing_slash_and_joining_keeps_bytes_that_are_not_utf8)
{
	size_t n;
	char *joined = path_join("a/", "\xff.jpg");

	EXPECT_STR(joined, "a/\xff.jpg");
	free(joined);
	EXPECT(strncmp(path_base("x/yz//", &n), "yz", 2) == 0 && n == 2);
	path_base("/", &n);
	EXPECT_EQ(n, 0);
}

TEST(values, a_decimal_is_printed_in_its_shortest_form)
{
	static const struct {
		const char *word, *printed;
		double number;
	} cases[] = {
		{"0", "0", 0},
		{"-0", "0", 0},
		{"+1.50", "1.5", 1.5},
		{".25", "0.25", 0.25},
		{"0.1", "0.1", 0.1},
		{"-0.000001", "-0.000001", -0.000001},
		{"999999999.999999", "999999999.999999", 999999999.999999},
		{"007.100000", "7.1", 7.1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *next = cases[i].word;
		char text[DECIMAL_TEXT_BYTES];
		double number;

		REQUIRE(decimal_parse(&next, &number), "%s", cases[i].word);
		EXPECT_EQ(*next, 0);
		EXPECT(number == cases[i].number, "%s is %.17g", cases[i].word, number);
		EXPECT_STR(decimal_print(number, text), cases[i].printed);
		EXPECT(decimal_of_millionths(decimal_to_millionths(number)) == number);
	}
}

TEST(values, an_invalid_decimal_is_refused_and_not_consumed)
{
	static const char *const words[] = {"",    ".",   "-",          "+.",
	                                    "x1",  "--1", "1234567890", "0.1234567",
	                                    "inf", "nan", " 1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *next = words[i];
		double number;

		EXPECT(!decimal_parse(&next, &number), "%s", words[i]);
		EXPECT(next == words[i]);
	}
}

TEST(values, decimals_with_six_digits_survive_printing_and_parsing)
{
	unsigned seed = 11;

	for (int i = 0; i < 100000; i++) {
		int64_t millionths = (int64_t)rand_r(&seed) * 400000 + rand_r(&seed);
		const char *next;
		char text[DECIMAL_TEXT_BYTES];
		double number;

		if (i % 2)
			millionths = -millionths;
		next = decimal_print(decimal_of_millionths(millionths), text);
		REQUIRE(decimal_parse(&next, &number), "%s", text);
		EXPECT(decimal_to_millionths(number) == millionths, "%s", text);
	}
}

TEST(values, a_whole_number_that_overflows_is_refused)
{
	struct failure failure;
	uint64_t number = 7;

	EXPECT(whole_parse("18446744073709551615", 0, UINT64_MAX, &number, &failure));
	EXPECT(number == UINT64_MAX);
	EXPECT(!whole_parse("18446744073709551616", 0, UINT64_MAX, &number, &failure));
	EXPECT(!whole_parse("99999999999999999999999", 0, 9, &number, &failure));
	EXPECT(!whole_parse("-1", 0, 9, &number, &failure));
	EXPECT(!whole_parse("", 0, 9, &number, &failure));
	EXPECT(!whole_parse("1 ", 0, 9, &number, &failure));
	EXPECT_EQ(failure.class, FAIL_USAGE);
	EXPECT_STR(failure.text, "must be a whole number from 0 to 9, got '1 '");
	EXPECT(number == UINT64_MAX);
}

TEST(values, an_amount_may_end_in_K_M_or_G)
{
	static const struct {
		const char *value;
		uint64_t pixels, bytes;
	} right[] = {
		{"1", 1, 1},
		{"300000", 300000, 300000},
		{"7K", 7000, 7168},
		{"7k", 7000, 7168},
		{"50M", 50000000, 52428800},
		{"2G", 2000000000, UINT64_C(2) << 30},
	};
	static const char *const wrong[] = {"",   "M",  "1.5M", "-1",   "+1",  "1MB",
	                                    "1T", "1 ", " 1",   "0x10", "1KK", "1e3"};
	struct failure failure;
	uint64_t number;

	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		REQUIRE(amount_parse(right[i].value, UNIT_PIXELS, 1, UINT64_MAX, &number,
		                     &failure));
		EXPECT(number == right[i].pixels, "%s", right[i].value);
		REQUIRE(amount_parse(right[i].value, UNIT_BYTES, 1, UINT64_MAX, &number,
		                     &failure));
		EXPECT(number == right[i].bytes, "%s", right[i].value);
	}
	number = 7;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		EXPECT(!amount_parse(wrong[i], UNIT_BYTES, 0, UINT64_MAX, &number,
		                     &failure),
		       "%s", wrong[i]);
	EXPECT_EQ(number, 7);
}

TEST(values, an_amount_out_of_its_range_is_refused_with_the_limit)
{
	struct failure failure;
	uint64_t number = 7;

	EXPECT(!amount_parse("100M", UNIT_BYTES, UINT64_C(128) << 20, UINT64_MAX, &number,
	                     &failure));
	EXPECT_STR(failure.text, "must be at least 128M, got '100M'");
	EXPECT(!amount_parse("3K", UNIT_PIXELS, 1, 2000, &number, &failure));
	EXPECT_STR(failure.text, "must be at most 2K, got '3K'");
	EXPECT(!amount_parse("18446744073709551615K", UNIT_PIXELS, 1, UINT64_MAX, &number,
	                     &failure));
	EXPECT_EQ(number, 7);
}

static const struct choice compass[] = {
	{"north", 1}, {"south", 2}, {"top", 1}, {"bottom", 2}, {NULL, 0},
};

TEST(values, a_synonym_is_accepted_but_not_listed)
{
	struct failure failure;
	char text[64];
	int chosen = 0;

	EXPECT(choice_parse(compass, "bottom", &chosen, &failure));
	EXPECT_EQ(chosen, 2);
	EXPECT_STR(choice_word(compass, 2), "south");
	choice_list(compass, "|", text, sizeof(text));
	EXPECT_STR(text, "north|south");
	EXPECT(!choice_parse(compass, "nroth", &chosen, &failure));
	EXPECT_STR(failure.text,
	           "must be one of north, south; got 'nroth'; did you mean 'north'?");
	EXPECT_EQ(chosen, 2);
}

TEST(values, a_list_of_choices_is_truncated_to_its_buffer)
{
	char text[8];

	choice_list(compass, ", ", text, sizeof(text));
	EXPECT_STR(text, "north, ");
}

TEST(suggestions, edit_distance_counts_insertions_deletions_changes_and_swaps)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} cases[] = {
		{"info", "info", 0},     {"inof", "info", 1}, /* 2 letters swapped */
		{"xnof", "info", 2},     /* one letter changed, two letters swapped */
		{"ofrmta", "format", 2}, /* two letters swapped at each end */
		{"abcdef", "badcfe", 3}, /* three pairs of letters swapped */
		{"ca", "abc", 3}, /* not 2: no letter is inserted between swapped letters */
		{"format", "formt", 1},  {"", "size", 4},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT_EQ(suggest_distance(cases[i].a, cases[i].b), cases[i].distance);
		EXPECT_EQ(suggest_distance(cases[i].b, cases[i].a), cases[i].distance);
	}
}

TEST(suggestions, words_over_the_maximum_length_are_never_similar)
{
	char longer[65];

	memset(longer, 'a', 64);
	longer[64] = 0;
	EXPECT(suggest_distance(longer, longer) > 1000);
	longer[63] = 0;
	EXPECT_EQ(suggest_distance(longer, longer), 0);
}

TEST(suggestions, the_most_similar_word_is_suggested_if_it_is_similar_enough)
{
	const char *best = NULL;

	suggest_consider(&best, "skpi", "always");
	EXPECT(best == NULL);
	suggest_consider(&best, "size", "sized");
	suggest_consider(&best, "size", "sizes");
	EXPECT_STR(best, "sized"); /* of equally similar words, the first is suggested */
	suggest_consider(&best, "size", "size");
	EXPECT_STR(best, "size");
	best = NULL;
	/* For a word of one letter, no other word is suggested. */
	suggest_consider(&best, "x", "y");
	EXPECT(best == NULL);
}
