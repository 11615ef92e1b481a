/* Tests of names on a terminal: they are quoted as GNU ls does, and have no control characters. */
#include "support/scratch.h"
#include "support/test.h"

#include "report_fixture.h"

#include "report/quote.h"
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *quoted(const char *name)
{
	static char text[32 * 1024];

	return report_quote(name, text, sizeof(text));
}

TEST(quote, a_name_without_special_characters_is_not_quoted)
{
	use_utf8();
	EXPECT_STR(quoted("photos/a.jpg"), "photos/a.jpg");
	EXPECT_STR(quoted("a#b~c{d}@e%,+:]_-"), "a#b~c{d}@e%,+:]_-");
	EXPECT_STR(quoted("h\xc3\xa4user.jpg"), "h\xc3\xa4user.jpg");
}

TEST(quote, names_with_special_characters_of_the_shell_are_quoted)
{
	EXPECT_STR(quoted(""), "''");
	EXPECT_STR(quoted("a b"), "'a b'");
	EXPECT_STR(quoted("#a"), "'#a'");
	EXPECT_STR(quoted("{"), "'{'");
	EXPECT_STR(quoted("a\\b"), "'a\\b'");
	EXPECT_STR(quoted("it's"), "\"it's\"");
	EXPECT_STR(quoted("it's $5"), "'it'\\''s $5'");
}

TEST(quote, unprintable_characters_are_escaped)
{
	use_utf8();
	EXPECT_STR(quoted("a\nb"), "'a'$'\\n''b'");
	EXPECT_STR(quoted("\033[2J"), "''$'\\033''[2J'");
	EXPECT_STR(quoted("\xff.jpg"), "''$'\\377''.jpg'");
	EXPECT_STR(quoted("\xc2\x9b"), "''$'\\302\\233'");
	EXPECT_STR(quoted("a\n'b"), "'a'$'\\n'\\''b'");
	EXPECT_STR(quoted("\200x'\t"), "''$'\\200''x'\\'''$'\\t'");
}

TEST(quote, characters_outside_ascii_are_escaped_without_a_utf8_locale)
{
	EXPECT_STR(quoted("\xc3\xa4"), "''$'\\303\\244'");
}

TEST(quote, a_name_too_long_for_its_buffer_is_cut_and_ends_in_an_ellipsis_if_one_fits)
{
	char name[4097], text[16];

	use_utf8();
	memset(name, '\001', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	EXPECT_EQ(strlen(quoted(name)), strlen("''$''") + 4 * 4096);

	EXPECT_STR(report_quote("0123456789abcde", text, sizeof(text)),
	           "0123456789abcde");
	EXPECT_STR(report_quote("0123456789abcdef", text, sizeof(text)),
	           "0123456789ab...");
	EXPECT_STR(report_quote("0123456789a\xc3\xa4"
	                        "bcd",
	                        text, sizeof(text)),
	           "0123456789a...");
	EXPECT_STR(report_quote("abcdef", text, 4), "abc");
	EXPECT_STR(report_quote("abcdef", text, 1), "");
}

/* A terminal may interpret half of a UTF-8 character as a control code. */
TEST(quote, a_name_is_never_cut_inside_a_character)
{
	char text[5];

	use_utf8();
	EXPECT_STR(report_quote("\xe2\x82\xacuro", text, 2), "");
	EXPECT_STR(report_quote("\xe2\x82\xacuro", text, 3), "");
	EXPECT_STR(report_quote("a\xc3\xa4z", text, 3), "a");
	EXPECT_STR(report_quote("abc\xc3\xa4z", text, 5), "a...");
}

TEST(quote, control_characters_in_a_message_are_replaced)
{
	struct text text = TEXT_EMPTY;

	use_utf8();
	quote_message(&text, "a\nb\033[2J \xc3\xa4 \xff \xc2\x9b it's");
	EXPECT_STR(text.bytes, "a?b?[2J \xc3\xa4 ? ? it's");
	text_fini(&text);
}

static uint32_t draw(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 16;
}

/* Random names of all kinds that the rules distinguish: harmless bytes, special characters of the
 * shell, control codes, valid and invalid UTF-8. Never ".", ".." or a slash. */
static void make_name(char *name, uint32_t *state)
{
	static const char *const pieces[] = {
		"a",        "B",        "'",
		"'",        " ",        "#",
		"~",        "{",        "}",
		"\\",       "\"",       "$",
		"?",        "*",        "!",
		"[",        "]",        "^",
		"=",        "@",        "`",
		"-",        "\n",       "\t",
		"\a",       "\001",     "\177",
		"\xc3\xa4", "\xff",     "\xc2\x80",
		"\xe2\x82", "\xe2\x80", "\xf0\x9f\x98\x80",
	};
	uint32_t n = 1 + draw(state) % 6;

	strcpy(name, draw(state) % 2 ? "x" : "");
	for (uint32_t i = 0; i < n; i++)
		strcat(name, pieces[draw(state) % (sizeof(pieces) / sizeof(pieces[0]))]);
	/* If a name contains an apostrophe and its last character must be escaped, the output of ls
	 * 9.1 is wrong: a shell would read another name from it. Our quoting is right and differs,
	 * so such names are avoided. */
	if (strchr(name, '\''))
		strcat(name, "x");
}

/* ls prints a newline after each name, and escapes newlines inside names. */
static void expect_as_ls(char names[][64], int n_names)
{
	FILE *ls = popen("LC_ALL=C.UTF-8 ls -A --quoting-style=shell-escape", "r");
	char line[512];
	int n_lines = 0;

	REQUIRE(ls != NULL);
	while (fgets(line, sizeof(line), ls)) {
		bool is_ours = false;

		line[strcspn(line, "\n")] = 0;
		for (int i = 0; i < n_names && !is_ours; i++)
			is_ours = strcmp(quoted(names[i]), line) == 0;
		EXPECT(is_ours, "ls prints %s, we never do", line);
		n_lines++;
	}
	EXPECT_EQ(pclose(ls), 0);
	EXPECT(n_lines > n_names / 2);
}

TEST(quote, names_are_quoted_as_gnu_ls_quotes_them)
{
	enum { N_NAMES = 400 };
	static char names[N_NAMES][64];
	uint32_t state = 2;

	if (system("ls --version 2>/dev/null | grep -q GNU") != 0) {
		scratch_skip("the comparison with ls", "ls is not GNU ls here");
		return;
	}
	use_utf8();
	scratch_enter(NULL);
	for (int i = 0; i < N_NAMES; i++) {
		make_name(names[i], &state);
		if (access(names[i], F_OK) != 0)
			scratch_file(names[i], "");
	}
	expect_as_ls(names, N_NAMES);
	scratch_leave();
}
