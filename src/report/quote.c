/*
 * Quotes names as GNU ls does with shell-escape, by the rules of gnulib's quotearg:
 *
 *   - a name of harmless characters has no quotes;
 *   - any other name has single quotes, and $'...' around characters that cannot be printed, which
 *     become \n, \r, \t and so on, or three octal digits;
 *   - a name with an apostrophe has double quotes, as in "it's", if its other characters need no
 *     escape inside double quotes.
 *
 * The test names_are_quoted_as_gnu_ls_quotes_them compares the quoted names with those of ls.
 */
#include "report/quote.h"

#include "report/report.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

/* Get the length in bytes of the character at s, in the locale's encoding. If the byte at s does
 * not begin a valid character, the length is 1, and the character is not printable. */
static size_t character(const char *s, bool *ret_is_printable)
{
	mbstate_t state = {0};
	wchar_t wide;
	/* strlen() instead of strnlen() would make the time quadratic for a very long name. */
	size_t n = mbrtowc(&wide, s, strnlen(s, MB_LEN_MAX), &state);

	if (n == 0 || n > MB_LEN_MAX) {
		*ret_is_printable = false;
		return 1;
	}
	*ret_is_printable = iswprint((wint_t)wide) != 0;
	return n;
}

/* Whether a character has no special meaning to the shell, neither inside nor outside quotes. */
static bool is_harmless(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || strchr("%+,-./:]_@", c) != NULL;
}

struct needs {
	bool quotes, escapes;
	bool apostrophe;
	/* The name contains a character that GNU ls does not put into double quotes. */
	bool more_than_double;
};

static void needs_of_ascii(struct needs *needs, const char *name, const char *at)
{
	if (is_harmless((unsigned char)*at))
		return;
	switch (*at) {
	case '\'':
		needs->apostrophe = needs->quotes = true;
		return;
	case ' ':
		needs->quotes = true;
		return;
	case '{':
	case '}': /* a brace needs quotes only if it is the whole name */
		if (name[1]) {
			needs->more_than_double = true;
			return;
		}
		needs->quotes = true;
		return;
	case '#':
	case '~': /* '#' and '~' need quotes only at the start of the name */
		if (at == name)
			needs->quotes = true;
		else
			needs->more_than_double = true;
		return;
	default:
		needs->quotes = needs->more_than_double = true;
	}
}

static struct needs needs_of(const char *name)
{
	struct needs needs = {.quotes = !*name};
	bool is_printable;

	for (const char *at = name; *at;) {
		size_t n = character(at, &is_printable);

		if (!is_printable)
			needs.escapes = needs.quotes = needs.more_than_double = true;
		else if (n == 1 && (unsigned char)*at < 0x80)
			needs_of_ascii(&needs, name, at);
		at += n;
	}
	return needs;
}

/* Add n bytes, escaped as in $'...'. */
static void escape(struct text *text, const char *bytes, size_t n)
{
	static const char controls[] = "\a\b\f\n\r\t\v", letters[] = "abfnrtv";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];
		const char *control = strchr(controls, c);

		if (control)
			text_format(text, "\\%c", letters[control - controls]);
		else
			text_format(text, "\\%03o", c);
	}
}

static void quote_single(struct text *text, const char *name)
{
	bool in_escape = false, is_printable;

	text_put(text, "'");
	for (const char *at = name; *at;) {
		size_t n = character(at, &is_printable);

		if (!is_printable) {
			text_put(text, in_escape ? "" : "'$'");
			in_escape = true;
			escape(text, at, n);
		} else if (*at == '\'') {
			text_put(text, "'\\''");
			in_escape = false;
		} else {
			text_put(text, in_escape ? "''" : "");
			in_escape = false;
			text_add(text, at, n);
		}
		at += n;
	}
	text_put(text, "'");
}

void quote_name(struct text *text, const char *name)
{
	struct needs needs = needs_of(name);

	if (!needs.quotes) {
		text_put(text, name);
	} else if (needs.apostrophe && !needs.more_than_double) {
		text_put(text, "\"");
		text_put(text, name);
		text_put(text, "\"");
	} else {
		quote_single(text, name);
	}
}

void quote_message(struct text *text, const char *message)
{
	bool is_printable;

	while (*message) {
		size_t n = character(message, &is_printable);

		if (is_printable)
			text_add(text, message, n);
		else
			text_put(text, "?");
		message += n;
	}
}

const char *report_quote(const char *name, char *text, size_t n)
{
	static const char ellipsis[] = "...";
	struct text quoted = text_in(text, n);

	quote_name(&quoted, name);
	if (!quoted.is_cut)
		return text;

	bool has_room = n > sizeof(ellipsis);
	char *end = text + (has_room ? n - sizeof(ellipsis) : n - 1);

	/* Do not cut inside a UTF-8 character. In other encodings, assume that a character is one
	 * byte. If there is no room for the ellipsis, only remove an incomplete character at the
	 * end. */
	if (!has_room && end > text)
		end--;
	while (end > text && ((unsigned char)*end & 0xc0) == 0x80)
		end--;
	if (has_room)
		memcpy(end, ellipsis, sizeof(ellipsis));
	else if ((unsigned char)*end >= 0x80)
		*end = 0;
	return text;
}
