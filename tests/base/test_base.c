#include "support/test.h"

#include "base/clock.h"
#include "base/fd.h"
#include "common/hash.h"
#include "common/outcome.h"
#include "common/path.h"
#include "common/words.h"

#include <errno.h>
#include <pixpool/status.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

TEST(status, an_error_is_one_line_cut_at_its_size)
{
	struct pxp_error error;
	char longer[2 * PXP_ERROR_TEXT_BYTES];

	EXPECT_EQ(pxp_fail(&error, PXP_EINVAL, "%s", "a\nb\033[2J\x7f"), PXP_EINVAL);
	EXPECT_STR(error.text, "a?b?[2J?");

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	pxp_fail(&error, PXP_ETASK, "%s", longer);
	EXPECT_EQ(strlen(error.text), PXP_ERROR_TEXT_BYTES - 1);
}

TEST(status, a_failed_system_call_keeps_errno_and_adds_its_text)
{
	struct pxp_error error;

	errno = ENOSPC;
	EXPECT_EQ(pxp_fail_errno(&error, "write %s", "x"), PXP_ESYS);
	EXPECT_EQ(error.sys_errno, ENOSPC);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_STR(error.text, "write x: No space left on device");
}

TEST(outcome, every_class_has_its_word_and_a_stray_number_is_internal)
{
	EXPECT_STR(fail_class_name(FAIL_BAD_IMAGE), "bad-image");
	EXPECT_STR(fail_class_name((enum fail_class)99), "internal");
	for (int class = FAIL_NONE; class < N_FAIL_CLASSES; class ++)
		EXPECT(fail_class_name((enum fail_class) class) != NULL);
	EXPECT_EQ(fail_class_of_input_errno(EACCES), FAIL_PERMISSION);
	EXPECT_EQ(fail_class_of_input_errno(ENOENT), FAIL_VANISHED);
	EXPECT_EQ(fail_class_of_input_errno(EIO), FAIL_IO);
}

TEST(clock, deadlines_saturate_and_negative_is_never)
{
	EXPECT_EQ(clock_deadline_ns(5, -1), -1);
	EXPECT_EQ(clock_deadline_ns(5, 2), 2000005);
	EXPECT_EQ(clock_deadline_ns(5, INT64_MAX), INT64_MAX);
	EXPECT_EQ(clock_poll_ms(10, -1), -1);
	EXPECT_EQ(clock_poll_ms(10, 10), 0);
	EXPECT_EQ(clock_poll_ms(10, 11), 1);
	EXPECT_EQ(clock_poll_ms(0, INT64_MAX), 2147483647);
}

/* The vector of the paper's appendix A: key 00..0f, input 00..0e. */
TEST(hash, siphash_gives_the_published_vector)
{
	const struct hash_key key = {{0x0706050403020100U, 0x0f0e0d0c0b0a0908U}};
	unsigned char input[15];

	for (unsigned char i = 0; i < sizeof(input); i++)
		input[i] = i;
	EXPECT(hash_bytes(&key, input, sizeof(input)) == 0xa129ca6149be45e5U);
}

TEST(path, a_suffix_needs_a_name_before_it)
{
	EXPECT_STR(path_suffix("a.b.JPG"), "JPG");
	EXPECT_STR(path_suffix(".hidden"), "");
	EXPECT_STR(path_suffix("x.y/plain"), "");
	EXPECT_STR(path_suffix("a."), "");
}

TEST(path, base_and_join_are_bytes)
{
	size_t n;
	char *joined = path_join("a/", "\xff.jpg");

	EXPECT_STR(joined, "a/\xff.jpg");
	free(joined);
	EXPECT(strncmp(path_base("x/yz//", &n), "yz", 2) == 0 && n == 2);
	path_base("/", &n);
	EXPECT_EQ(n, 0);
}

TEST(fd, copy_says_when_the_source_is_shorter_than_promised)
{
	int from = memfd_create("from", MFD_CLOEXEC),
	    to = memfd_create("to", MFD_CLOEXEC);
	char got[8] = "";

	REQUIRE(from >= 0 && to >= 0);
	EXPECT(fd_write_all(from, "abcdef", 6));
	EXPECT(fd_copy(to, from, 2, 3));
	EXPECT_EQ(fd_pread_full(to, got, sizeof(got), 0), 3);
	EXPECT_STR(got, "cde");
	EXPECT(!fd_copy(to, from, 2, 5) && errno == ENODATA);
	fd_close(&from);
	fd_close(&to);
	EXPECT_EQ(from, -1);
}

TEST(words, a_decimal_is_read_as_it_stands_and_printed_as_short_as_can_be)
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

TEST(words, what_is_no_decimal_is_left_where_it_stands)
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

TEST(words, every_millionth_comes_back)
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

TEST(words, a_whole_number_does_not_wrap_around)
{
	uint64_t number = 7;
	char text[100];

	EXPECT(whole_parse("18446744073709551615", 0, UINT64_MAX, &number, text,
	                   sizeof(text)));
	EXPECT(number == UINT64_MAX);
	EXPECT(!whole_parse("18446744073709551616", 0, UINT64_MAX, &number, text,
	                    sizeof(text)));
	EXPECT(!whole_parse("99999999999999999999999", 0, 9, &number, text,
	                    sizeof(text)));
	EXPECT(!whole_parse("-1", 0, 9, &number, text, sizeof(text)));
	EXPECT(!whole_parse("", 0, 9, &number, text, sizeof(text)));
	EXPECT(!whole_parse("1 ", 0, 9, &number, text, sizeof(text)));
	EXPECT_STR(text, "'1 ' is not a whole number from 0 to 9");
	EXPECT(number == UINT64_MAX);
}
