/* The table of filters, and the parser and printer of filter chains. */
#include "recipe/filters.h"

#include "common/suggest.h"
#include "common/values.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct filter_info infos[N_FILTER_KINDS] = {
	[FILTER_NONE] = {.name = "none"},
	[FILTER_BLUR] = {"blur",
                         "Gaussian blur",
                         0,
                         false,
                         {{"SIGMA", "pixels", 0.3, 1000, 1, false}}},
	[FILTER_SHARPEN] = {"sharpen",
                            "sharpen, with strengths for flat areas and edges",
                            0,
                            false,
                            {{"SIGMA", "pixels", 0.3, 10, 0.5, false},
                             {"FLAT", NULL, 0, 1000, 0, false},
                             {"JAGGED", NULL, 0, 1000, 3, false}}},
	[FILTER_GRAYSCALE] = {.name = "grayscale", .does = "convert to shades of grey"},
	[FILTER_NEGATE] = {.name = "negate", .does = "invert colours; keep alpha"},
	[FILTER_NORMALISE] = {"normalise",
                              "stretch contrast from percentile LOWER to UPPER",
                              0,
                              false,
                              {{"LOWER", "percent", 0, 99, 1, false},
                               {"UPPER", "percent", 1, 100, 99, false}}},
	[FILTER_GAMMA] = {"gamma",
                          "gamma, v^(1/GAMMA): above 1 lightens, below 1 darkens",
                          0,
                          false,
                          {{"GAMMA", NULL, 0.1, 10, 2.2, false}}},
	[FILTER_MEDIAN] = {"median",
                           "median of a square window",
                           0,
                           false,
                           {{"SIDE", "pixels", 2, 50, 3, true}}},
	[FILTER_MODULATE] = {"modulate",
                             "change brightness, saturation and hue",
                             1,
                             false,
                             {{"BRIGHTNESS", NULL, 0, 100, 1, false},
                              {"SATURATION", NULL, 0, 100, 1, false},
                              {"HUE", "degrees", -360, 360, 0, false}}},
	[FILTER_THRESHOLD] = {"threshold",
                              "white at LEVEL or above, black below LEVEL",
                              0,
                              false,
                              {{"LEVEL", NULL, 0, 255, 128, false}}},
	[FILTER_ROTATE] = {"rotate",
                           "rotate clockwise; new corners show the background",
                           1,
                           true,
                           {{"ANGLE", "degrees", -360, 360, 0, false}}},
	[FILTER_FLIP] = {.name = "flip",
                         .does = "mirror top to bottom",
                         .comes_first = true},
	[FILTER_FLOP] = {.name = "flop",
                         .does = "mirror left to right",
                         .comes_first = true},
	[FILTER_TRIM] = {"trim",
                         "remove borders that look like the top left pixel",
                         0,
                         true,
                         {{"DIFFERENCE", NULL, 0, 255, 10, false}}},
	[FILTER_FLATTEN] = {.name = "flatten",
                            .does = "blend alpha with the --background"},
};

const struct filter_info *filter_info(enum filter_kind kind)
{
	return &infos[(unsigned)kind < N_FILTER_KINDS ? kind : FILTER_NONE];
}

static unsigned n_numbers_of(const struct filter_info *info)
{
	unsigned n = 0;

	while (n < FILTER_NUMBERS && info->numbers[n].name)
		n++;
	return n;
}

/* ---- parsing ---- */

struct reading {
	const char *next;
	struct failure *failure;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct reading *reading,
                                                         const char *format, ...)
{
	char text[FAILURE_TEXT_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	return failure_set(reading->failure, FAIL_USAGE, "%s", text);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct reading *reading)
{
	while (is_blank(*reading->next))
		reading->next++;
}

/* The number of bytes of the word at the current position. */
static int word_length(const struct reading *reading)
{
	return (int)strcspn(reading->next, " \t,");
}

static bool is_word(const struct reading *reading, const char *word)
{
	size_t n = (size_t)word_length(reading);

	return strlen(word) == n && memcmp(word, reading->next, n) == 0;
}

static bool refuse_name(struct reading *reading)
{
	const char *best = NULL;
	char word[64], names[256];
	size_t n = 0;

	if (word_length(reading) == 0)
		return *reading->next ? refuse(reading, "missing filter before '%s'",
		                               reading->next)
		                      : refuse(reading, "missing filter at the end");
	snprintf(word, sizeof(word), "%.*s", word_length(reading), reading->next);
	for (int kind = FILTER_NONE + 1; kind < N_FILTER_KINDS; kind++) {
		suggest_consider(&best, word, infos[kind].name);
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
		                      n > 0 ? ", " : "", infos[kind].name);
	}
	if (best)
		return refuse(reading, "'%s' is not a filter; did you mean '%s'?", word,
		              best);
	return refuse(reading, "'%s' is not a filter; the filters are %s", word, names);
}

static enum filter_kind kind_at(const struct reading *reading)
{
	/* Other names of filters. The parser accepts them, but the help does not list them. */
	static const struct {
		const char *name;
		enum filter_kind kind;
	} synonyms[] = {
		{"greyscale", FILTER_GRAYSCALE},
		{"normalize", FILTER_NORMALISE},
	};

	for (int kind = FILTER_NONE + 1; kind < N_FILTER_KINDS; kind++) {
		if (is_word(reading, infos[kind].name))
			return (enum filter_kind)kind;
	}
	for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++) {
		if (is_word(reading, synonyms[i].name))
			return synonyms[i].kind;
	}
	return FILTER_NONE;
}

/* Print a text such as "SIGMA, a number from 0.3 to 1000 pixels". */
static const char *describe(const struct filter_number *number,
                            char words[FILTER_NUMBER_BYTES])
{
	char minimum[DECIMAL_TEXT_BYTES], maximum[DECIMAL_TEXT_BYTES];

	snprintf(words, FILTER_NUMBER_BYTES, "%s, a %snumber from %s to %s%s%s",
	         number->name, number->is_whole ? "whole " : "",
	         decimal_print(number->minimum, minimum),
	         decimal_print(number->maximum, maximum), number->unit ? " " : "",
	         number->unit ? number->unit : "");
	return words;
}

/* Print a text such as "SIGMA must be between 0.3 and 1000 pixels". */
static const char *demand(const struct filter_number *number,
                          char words[FILTER_NUMBER_BYTES])
{
	char minimum[DECIMAL_TEXT_BYTES], maximum[DECIMAL_TEXT_BYTES];

	snprintf(words, FILTER_NUMBER_BYTES, "%s must be %sbetween %s and %s%s%s",
	         number->name, number->is_whole ? "a whole number " : "",
	         decimal_print(number->minimum, minimum),
	         decimal_print(number->maximum, maximum), number->unit ? " " : "",
	         number->unit ? number->unit : "");
	return words;
}

void filter_number_print(const struct filter_number *number, bool is_required,
                         char text[FILTER_NUMBER_BYTES])
{
	char words[FILTER_NUMBER_BYTES], usual[DECIMAL_TEXT_BYTES];

	describe(number, words);
	snprintf(text, FILTER_NUMBER_BYTES, "%.60s%s%s", words,
	         is_required ? "" : "; default ",
	         is_required ? "" : decimal_print(number->default_value, usual));
}

static bool number_is_sound(const struct filter_number *number, double value)
{
	if (!number->name)
		return value == 0;
	return value >= number->minimum && value <= number->maximum &&
	       (!number->is_whole || value == (double)(int)value);
}

static bool parse_number(struct reading *reading, const struct filter_info *info,
                         unsigned index, double *ret_number)
{
	const char *begin = reading->next;
	int n_word = word_length(reading);
	char words[FILTER_NUMBER_BYTES];
	double value;

	if (index >= n_numbers_of(info))
		return refuse(reading, "%s: takes %u number%s, '%.*s' is one too many",
		              info->name, index, index == 1 ? "" : "s", n_word, begin);
	if (!decimal_parse(&reading->next, &value) || reading->next != begin + n_word ||
	    !number_is_sound(&info->numbers[index], value))
		return refuse(reading, "%s: %s, got '%.*s'", info->name,
		              demand(&info->numbers[index], words), n_word, begin);
	*ret_number = value;
	return true;
}

/* Check that LOWER is less than UPPER in the filter normalise. */
static bool numbers_agree(const struct filter *filter)
{
	return filter->kind != FILTER_NORMALISE || filter->number[0] < filter->number[1];
}

static bool parse_filter(struct reading *reading, struct filter *ret_filter)
{
	const struct filter_info *info;
	struct filter filter = {.kind = kind_at(reading)};
	char words[FILTER_NUMBER_BYTES];
	unsigned n = 0;

	if (filter.kind == FILTER_NONE)
		return refuse_name(reading);
	info = filter_info(filter.kind);
	for (unsigned i = 0; i < FILTER_NUMBERS; i++)
		filter.number[i] = info->numbers[i].default_value;

	reading->next += word_length(reading);
	skip_blanks(reading);
	for (; *reading->next && *reading->next != ','; n++) {
		double number = 0;

		if (!parse_number(reading, info, n, &number))
			return false;
		filter.number[n] = number;
		skip_blanks(reading);
	}
	if (n < info->n_required)
		return refuse(reading, "%s: missing %s", info->name,
		              describe(&info->numbers[n], words));
	if (!numbers_agree(&filter))
		return refuse(reading, "%s: LOWER must be less than UPPER", info->name);
	*ret_filter = filter;
	return true;
}

bool filters_parse(struct filter_chain *ret_chain, const char *words,
                   struct failure *ret_failure)
{
	struct reading reading = {.next = words, .failure = ret_failure};
	struct filter_chain chain = {0};
	struct filter filter;
	bool goes_on;

	do {
		skip_blanks(&reading);
		if (chain.n == FILTER_CHAIN_MAX)
			return refuse(&reading,
			              "a chain has at most %d filters, '%.*s' is one "
			              "too many",
			              FILTER_CHAIN_MAX, word_length(&reading),
			              reading.next);
		if (!parse_filter(&reading, &filter))
			return false;
		chain.at[chain.n++] = filter;
		goes_on = *reading.next == ',';
		reading.next += goes_on;
	} while (goes_on);
	*ret_chain = chain;
	return true;
}

/* ---- the rest ---- */

static bool filter_is_sound(const struct filter *filter)
{
	const struct filter_info *info = filter_info(filter->kind);

	if (info == &infos[FILTER_NONE])
		return false;
	for (unsigned i = 0; i < FILTER_NUMBERS; i++) {
		double value = filter->number[i];

		if (!number_is_sound(&info->numbers[i], value) ||
		    decimal_of_millionths(decimal_to_millionths(value)) != value)
			return false;
	}
	return numbers_agree(filter);
}

bool filter_is_quarter_turn(const struct filter *filter)
{
	return filter->kind == FILTER_ROTATE && fmod(filter->number[0], 90) == 0;
}

bool filters_are_sound(const struct filter_chain *chain)
{
	if (chain->n > FILTER_CHAIN_MAX)
		return false;
	for (size_t i = 0; i < chain->n; i++) {
		if (!filter_is_sound(&chain->at[i]))
			return false;
	}
	return true;
}

void filters_print(const struct filter_chain *chain, char text[FILTERS_TEXT_BYTES])
{
	size_t n = 0;

	text[0] = 0;
	for (size_t i = 0; i < chain->n; i++) {
		const struct filter_info *info = filter_info(chain->at[i].kind);
		char number[DECIMAL_TEXT_BYTES];

		n += (size_t)snprintf(text + n, FILTERS_TEXT_BYTES - n, "%s%s",
		                      i > 0 ? ", " : "", info->name);
		for (unsigned k = 0; k < n_numbers_of(info); k++)
			n += (size_t)snprintf(
				text + n, FILTERS_TEXT_BYTES - n, " %s",
				decimal_print(chain->at[i].number[k], number));
	}
}

void filters_split(const struct filter_chain *chain, struct filter_chain *ret_before,
                   struct filter_chain *ret_after)
{
	*ret_before = *ret_after = (struct filter_chain){0};
	for (size_t i = 0; i < chain->n; i++) {
		struct filter_chain *to = filter_info(chain->at[i].kind)->comes_first
		                                  ? ret_before
		                                  : ret_after;

		to->at[to->n++] = chain->at[i];
	}
}
