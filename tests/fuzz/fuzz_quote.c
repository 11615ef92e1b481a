/*
 * Fuzz target: quoting of names and messages for a terminal. No control character is printed, and a
 * shell that reads a quoted name gets the same bytes back.
 */
#include "fuzz.h"

#include "report/quote.h"
#include "report/report.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* The byte that one escape in $'...' stands for. The pointer `at` points after the backslash. Sets
 * *ret_n to the number of characters of the escape, without the backslash. */
static char escaped(const char *at, size_t *ret_n)
{
	static const char controls[] = "\a\b\f\n\r\t\v", letters[] = "abfnrtv";
	const char *letter = strchr(letters, *at);

	*ret_n = 1;
	if (*at && letter)
		return controls[letter - letters];
	CLAIM(is_octal(at[0]) && is_octal(at[1]) && is_octal(at[2]));
	*ret_n = 3;
	return (char)((at[0] - '0') << 6 | (at[1] - '0') << 3 | (at[2] - '0'));
}

/* Read a word as a shell does: '...', "...", $'...' and unquoted characters. */
static void unquote(const char *word, char *name)
{
	while (*word) {
		bool is_dollar = word[0] == '$' && word[1] == '\'';
		char quote = is_dollar ? '\'' : *word;

		if (!is_dollar && quote == '\\') {
			*name++ = word[1];
			word += 2;
			continue;
		}
		if (quote != '\'' && quote != '"') {
			*name++ = *word++;
			continue;
		}
		for (word += is_dollar ? 2 : 1; *word != quote;) {
			size_t n = 1;

			CLAIM(*word != 0);
			if (is_dollar && *word == '\\') {
				*name++ = escaped(word + 1, &n);
				n++;
			} else {
				*name++ = *word;
			}
			word += n;
		}
		word++;
	}
	*name = 0;
}

/* Check that the text is valid UTF-8 and has no control characters, neither C0 nor C1. An 8-bit
 * terminal could take a byte of invalid UTF-8 for a control character. */
static void check_is_harmless(const char *text)
{
	mbstate_t state = {0};
	wchar_t wide;

	while (*text) {
		size_t n = mbrtowc(&wide, text, strlen(text), &state);

		CLAIM(n != 0 && n <= 4);
		CLAIM(wide >= 0x20 && wide != 0x7f && !(wide >= 0x80 && wide < 0xa0));
		text += n;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	CLAIM(setlocale(LC_ALL, "C.UTF-8") != NULL);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	size_t n_short = 1 + feed_byte(&feed);
	char *name = feed_string(&feed, n), *back, *small = malloc(n_short);
	struct text text = TEXT_EMPTY, message = TEXT_EMPTY;

	quote_name(&text, name);
	CLAIM(!text.is_cut && text.bytes);
	check_is_harmless(text.bytes);
	back = malloc(text.n + 1);
	CLAIM(back && small);
	unquote(text.bytes, back);
	CLAIM(strcmp(back, name) == 0);

	quote_message(&message, name);
	check_is_harmless(message.bytes ? message.bytes : "");
	report_quote(name, small, n_short);
	CLAIM(memchr(small, 0, n_short) != NULL);
	check_is_harmless(small);

	text_fini(&text);
	text_fini(&message);
	free(back);
	free(small);
	free(name);
	return 0;
}
