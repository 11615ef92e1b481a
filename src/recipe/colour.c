/* Colours in words. */
#include "recipe/recipe_text.h"

#include "common/suggest.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The basic colour names of CSS, and transparent. */
static const struct {
	const char *name;
	uint32_t rgba;
} names[] = {
	{"white", 0xffffffff},   {"black", 0x000000ff},   {"transparent", 0x00000000},
	{"silver", 0xc0c0c0ff},  {"gray", 0x808080ff},    {"grey", 0x808080ff},
	{"maroon", 0x800000ff},  {"red", 0xff0000ff},     {"purple", 0x800080ff},
	{"fuchsia", 0xff00ffff}, {"magenta", 0xff00ffff}, {"green", 0x008000ff},
	{"lime", 0x00ff00ff},    {"olive", 0x808000ff},   {"yellow", 0xffff00ff},
	{"navy", 0x000080ff},    {"blue", 0x0000ffff},    {"teal", 0x008080ff},
	{"aqua", 0x00ffffff},    {"cyan", 0x00ffffff},    {"orange", 0xffa500ff},
};

static int digit_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c | ('A' <= c && c <= 'F' ? 0x20 : 0))
	                      : NULL;

	return found ? (int)(found - digits) : -1;
}

/* "#rgb", "#rgba", "#rrggbb", "#rrggbbaa" */
static bool parse_digits(const char *word, uint32_t *ret_rgba)
{
	size_t n = strlen(word + 1);
	size_t n_repeats = n <= 4 ? 2 : 1;
	uint32_t rgba = 0;

	if (n != 3 && n != 4 && n != 6 && n != 8)
		return false;
	for (const char *c = word + 1; *c; c++) {
		if (digit_of(*c) < 0)
			return false;
		for (size_t i = 0; i < n_repeats; i++)
			rgba = rgba << 4 | (uint32_t)digit_of(*c);
	}
	*ret_rgba = n == 3 || n == 6 ? rgba << 8 | 0xff : rgba;
	return true;
}

static bool find_name(const char *word, uint32_t *ret_rgba, const char **best)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(names[i].name, word) == 0) {
			*ret_rgba = names[i].rgba;
			return true;
		}
		suggest_consider(best, word, names[i].name);
	}
	return false;
}

bool colour_parse(struct colour *ret_colour, const char *word,
                  struct failure *ret_failure)
{
	const char *best = NULL;
	uint32_t rgba;

	if (word[0] == '#' ? parse_digits(word, &rgba) : find_name(word, &rgba, &best)) {
		*ret_colour = (struct colour){true, (uint8_t)(rgba >> 24),
		                              (uint8_t)(rgba >> 16), (uint8_t)(rgba >> 8),
		                              (uint8_t)rgba};
		return true;
	}
	if (best)
		return failure_set(
			ret_failure, FAIL_USAGE,
			"must be a colour name or #rrggbb, got '%.40s'; did you "
			"mean '%s'?",
			word, best);
	return failure_set(ret_failure, FAIL_USAGE,
	                   "must be a colour name (white, red, transparent) or #rgb, "
	                   "#rgba, #rrggbb, #rrggbbaa; got '%.40s'",
	                   word);
}

void colour_print(const struct colour *colour, char text[COLOUR_TEXT_BYTES])
{
	int n = snprintf(text, COLOUR_TEXT_BYTES, "#%02x%02x%02x", colour->red,
	                 colour->green, colour->blue);

	if (colour->alpha != 0xff)
		snprintf(text + n, COLOUR_TEXT_BYTES - (size_t)n, "%02x", colour->alpha);
}
