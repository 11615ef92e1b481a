/* Tests of the JSON writer, of UTF-8 and base64, of numbers for people, which do not depend on the
 * locale, and of texts in memory. */
#include "support/scratch.h"
#include "support/test.h"

#include "common/utf8.h"
#include "report/figures.h"
#include "report/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *string_of(const char *value)
{
	static char line[512];
	struct text text = text_in(line, sizeof(line));
	struct json json = {.text = &text};

	json_string(&json, "s", value);
	return line;
}

static const char *path_of(const char *path)
{
	static char line[512];
	struct text text = text_in(line, sizeof(line));
	struct json json = {.text = &text};

	json_path(&json, "input", path);
	return line;
}

TEST(json, commas_separate_json_members_at_every_depth)
{
	char line[128];
	struct text text = text_in(line, sizeof(line));
	struct json json = {.text = &text};

	json_open(&json, NULL);
	json_open(&json, "a");
	json_whole(&json, "b", UINT64_MAX);
	json_close(&json);
	json_open(&json, "c");
	json_close(&json);
	json_decimal(&json, "d", 31, 1);
	json_decimal(&json, "e", 0.049, 2);
	json_close(&json);
	EXPECT_STR(line,
	           "{\"a\":{\"b\":18446744073709551615},\"c\":{},\"d\":31.0,\"e\":0.05}");
}

TEST(json, control_characters_and_quotes_are_escaped)
{
	EXPECT_STR(string_of("a\"b\\c/"), "\"s\":\"a\\\"b\\\\c/\"");
	EXPECT_STR(string_of("\b\f\n\r\t\001\037\177"),
	           "\"s\":\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"");
	EXPECT_STR(string_of("\xc2\x80\xc2\x9f\xc2\xa0"),
	           "\"s\":\"\\u0080\\u009f\xc2\xa0\"");
}

TEST(json, invalid_utf8_in_a_message_becomes_the_replacement_character)
{
	EXPECT_STR(string_of("a\xff"
	                     "b\xc3"),
	           "\"s\":\"a\xef\xbf\xbd"
	           "b\xef\xbf\xbd\"");
}

TEST(json, a_path_that_is_not_utf8_is_written_in_base64)
{
	EXPECT_STR(path_of("h\xc3\xa4user.jpg"), "\"input\":\"h\xc3\xa4user.jpg\"");
	EXPECT_STR(path_of(""), "\"input\":\"\"");
	EXPECT_STR(path_of("\xff.jpg"), "\"input_b64\":\"/y5qcGc=\"");
	EXPECT_STR(path_of("a\nb"), "\"input\":\"a\\nb\"");
}

/* The rows of table 3-7 in the Unicode standard: the first and the last character of each row. */
static const struct {
	unsigned char first[5], last[5];
} rows[] = {
	{"\x00", "\x7f"},
	{"\xc2\x80", "\xdf\xbf"},
	{"\xe0\xa0\x80", "\xe0\xbf\xbf"},
	{"\xe1\x80\x80", "\xec\xbf\xbf"},
	{"\xed\x80\x80", "\xed\x9f\xbf"},
	{"\xee\x80\x80", "\xef\xbf\xbf"},
	{"\xf0\x90\x80\x80", "\xf0\xbf\xbf\xbf"},
	{"\xf1\x80\x80\x80", "\xf3\xbf\xbf\xbf"},
	{"\xf4\x80\x80\x80", "\xf4\x8f\xbf\xbf"},
};

static size_t length_of(const unsigned char bytes[5])
{
	return utf8_length((const char *)bytes, SIZE_MAX);
}

/* The test also moves each byte after the first one below its lower limit, and one above its upper
 * limit. */
TEST(utf8, valid_characters_have_a_length_and_bytes_beyond_a_limit_have_none)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = i == 0 ? 1 : strlen((const char *)rows[i].first);

		EXPECT_EQ(length_of(rows[i].first), n);
		EXPECT_EQ(length_of(rows[i].last), n);
		for (size_t k = 1; k < n; k++) {
			unsigned char below[5], above[5];

			memcpy(below, rows[i].first, sizeof(below));
			below[k]--;
			EXPECT_EQ(length_of(below), 0);
			memcpy(above, rows[i].last, sizeof(above));
			above[k]++;
			EXPECT_EQ(length_of(above), 0);
		}
	}
}

TEST(utf8, invalid_first_bytes_and_incomplete_characters_have_no_length)
{
	static const char *const invalid[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf",     "\xf5\x80\x80\x80",
		"\xff", "\xc2", "\xe2\x82", "\xe2\x82\x41", "\xf0\x9f\x98",
	};

	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		EXPECT_EQ(utf8_length(invalid[i], SIZE_MAX), 0);
	/* If a text ends inside a sequence, the sequence is invalid. */
	EXPECT_EQ(utf8_length("\xe2\x82\xac", 3), 3);
	EXPECT_EQ(utf8_length("\xe2\x82\xac", 2), 0);
	EXPECT_EQ(utf8_length("a", 0), 0);
}

/* These test vectors are in RFC 4648, section 10. */
TEST(base64, base64_matches_the_published_test_vectors)
{
	static const char *const encoded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
	                                      "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};

	for (size_t n = 0; n < sizeof(encoded) / sizeof(encoded[0]); n++) {
		char line[16];
		struct text text = text_in(line, sizeof(line));

		base64_add(&text, "foobar", n);
		EXPECT_STR(line, encoded[n]);
	}
}

static const char *figure(void (*write)(struct text *, double), double value)
{
	static char line[64];
	struct text text = text_in(line, sizeof(line));

	write(&text, value);
	return line;
}

static void tenths(struct text *text, double value)
{
	figure_decimal(text, value, 1);
}

static const char *bytes(uint64_t n)
{
	static char line[64];
	struct text text = text_in(line, sizeof(line));

	figure_bytes(&text, n);
	return line;
}

static const char *count(uint64_t n)
{
	static char line[64];
	struct text text = text_in(line, sizeof(line));

	figure_count(&text, n);
	return line;
}

TEST(numbers, counts_are_grouped_by_thousands)
{
	EXPECT_STR(count(0), "0");
	EXPECT_STR(count(999), "999");
	EXPECT_STR(count(1000), "1,000");
	EXPECT_STR(count(1234567), "1,234,567");
	EXPECT_STR(count(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(numbers, byte_counts_use_the_unit_of_the_rounded_value)
{
	EXPECT_STR(bytes(0), "0 B");
	EXPECT_STR(bytes(999), "999 B");
	EXPECT_STR(bytes(1000), "1.0 kB");
	EXPECT_STR(bytes(9120), "9.1 kB");
	EXPECT_STR(bytes(999949), "999.9 kB");
	EXPECT_STR(bytes(999950), "1.0 MB");
	EXPECT_STR(bytes(UINT64_MAX), "18.4 EB");
}

TEST(numbers, decimals_are_rounded_and_saturate)
{
	EXPECT_STR(figure(tenths, 31), "31.0");
	EXPECT_STR(figure(tenths, 0.25), "0.3");
	EXPECT_STR(figure(tenths, 9.96), "10.0");
	EXPECT_STR(figure(tenths, (double)NAN), "0.0");
	EXPECT_STR(figure(tenths, -1), "0.0");
	EXPECT_STR(figure(tenths, (double)INFINITY), "1844674407370955161.5");
}

TEST(numbers, rates_are_rounded_and_durations_are_printed_like_a_clock)
{
	EXPECT_STR(figure(figure_rate, 0.05), "0.05/s");
	EXPECT_STR(figure(figure_rate, 0.999), "1.0/s");
	EXPECT_STR(figure(figure_rate, 56.32), "56.3/s");
	EXPECT_STR(figure(figure_rate, 99.97), "100/s");
	EXPECT_STR(figure(figure_rate, 1234.4), "1,234/s");
	EXPECT_STR(figure(figure_clock, 0), "0:00");
	EXPECT_STR(figure(figure_clock, 29.4), "0:29");
	EXPECT_STR(figure(figure_clock, 3599.6), "1:00:00");
	EXPECT_STR(figure(figure_clock, 100 * 3600), "4d");
	EXPECT(strlen(figure(figure_clock, (double)INFINITY)) < 20);
}

/* Set a locale with a decimal comma: either an installed one, or one that the test compiles if the
 * sources of locales are installed. */
static bool use_comma(void)
{
	static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "pl_PL.UTF-8",
	                                    "made"};

	if (system("localedef -f UTF-8 -i de_DE --no-archive ./made >localedef.log 2>&1") ==
	    0)
		REQUIRE(setenv("LOCPATH", ".", 1) == 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (setlocale(LC_ALL, names[i]) &&
		    strcmp(localeconv()->decimal_point, ",") == 0)
			return true;
	}
	return false;
}

TEST(numbers, a_locale_with_decimal_commas_changes_no_number)
{
	scratch_enter(NULL);
	if (use_comma()) {
		EXPECT_STR(figure(tenths, 1.5), "1.5");
		EXPECT_STR(figure(figure_rate, 1.5), "1.5/s");
		EXPECT_STR(bytes(1500), "1.5 kB");
		EXPECT_STR(count(1500), "1,500");
	} else {
		scratch_skip("numbers with a decimal comma",
		             "no locale with one is installed");
	}
	scratch_leave();
}

TEST(text, too_long_text_is_truncated_and_flagged)
{
	char line[6];
	struct text text = text_in(line, sizeof(line));

	text_put(&text, "abc");
	text_format(&text, "%d", 456);
	EXPECT_STR(line, "abc45");
	EXPECT(text.is_cut);
	text_fill(&text, 'x', 3);
	EXPECT_EQ(text.n, 5);
}

TEST(text, the_growth_of_a_text_is_bounded)
{
	struct text text = TEXT_EMPTY;

	for (int i = 0; i < 40 && !text.is_cut; i++)
		text_fill(&text, 'x', 1000000);
	EXPECT(text.is_cut);
	EXPECT(text.n < TEXT_MAX_BYTES && text.room <= TEXT_MAX_BYTES);
	EXPECT_EQ(strlen(text.bytes), text.n);
	text_fini(&text);
}
