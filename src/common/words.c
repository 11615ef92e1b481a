#include "common/words.h"

#include "common/suggest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MILLION = 1000000, MAX_WHOLE_DIGITS = 9, MAX_FRACTION_DIGITS = 6 };

bool choice_parse(const struct choice *choices, const char *value, int *ret_value,
                  char *text, size_t n_text)
{
	const char *best = NULL;
	size_t n;

	for (const struct choice *choice = choices; choice->word; choice++) {
		if (strcmp(choice->word, value) == 0) {
			*ret_value = choice->value;
			return true;
		}
		suggest_consider(&best, value, choice->word);
	}

	n = (size_t)snprintf(text, n_text, "'%s' is not one of", value);
	for (const struct choice *choice = choices; choice->word && n < n_text; choice++)
		n += (size_t)snprintf(text + n, n_text - n, "%s %s",
		                      choice == choices ? "" : ",", choice->word);
	if (best && n < n_text)
		snprintf(text + n, n_text - n, "; did you mean '%s'?", best);
	return false;
}

const char *choice_word(const struct choice *choices, int value)
{
	for (const struct choice *choice = choices; choice->word; choice++) {
		if (choice->value == value)
			return choice->word;
	}
	return NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool whole_parse(const char *value, uint64_t least, uint64_t most, uint64_t *ret_number,
                 char *text, size_t n_text)
{
	const char *next = value;
	uint64_t number = 0;
	bool is_one = is_digit(*next);

	for (; is_digit(*next) && is_one; next++) {
		uint64_t digit = (uint64_t)(*next - '0');

		is_one = number <= (UINT64_MAX - digit) / 10;
		number = number * 10 + digit;
	}
	if (!is_one || *next || number < least || number > most) {
		snprintf(text, n_text,
		         "'%s' is not a whole number from %" PRIu64 " to %" PRIu64, value,
		         least, most);
		return false;
	}
	*ret_number = number;
	return true;
}

/* Digits at *next, at most n_max, which it moves past. How many. */
static int take_digits(const char **next, int n_max, int64_t *number)
{
	int n = 0;

	for (; is_digit(**next) && n < n_max; (*next)++, n++)
		*number = *number * 10 + (**next - '0');
	return n;
}

bool decimal_parse(const char **next, double *ret_number)
{
	const char *at = *next;
	bool is_negative = *at == '-';
	int64_t number = 0;
	int n_whole, n_fraction = 0;

	at += *at == '-' || *at == '+';
	n_whole = take_digits(&at, MAX_WHOLE_DIGITS, &number);
	if (*at == '.' && is_digit(at[1])) {
		at++;
		n_fraction = take_digits(&at, MAX_FRACTION_DIGITS, &number);
	}
	if (n_whole + n_fraction == 0 || is_digit(*at))
		return false;
	for (; n_fraction < MAX_FRACTION_DIGITS; n_fraction++)
		number *= 10;
	*ret_number = decimal_of_millionths(is_negative ? -number : number);
	*next = at;
	return true;
}

const char *decimal_print(double number, char text[DECIMAL_TEXT_BYTES])
{
	int64_t millionths = decimal_to_millionths(number);
	uint64_t size = millionths < 0 ? -(uint64_t)millionths : (uint64_t)millionths;
	int n = snprintf(text, DECIMAL_TEXT_BYTES, "%s%" PRIu64,
	                 millionths < 0 ? "-" : "", size / MILLION);

	if (size % MILLION > 0) {
		n += snprintf(text + n, DECIMAL_TEXT_BYTES - (size_t)n, ".%06u",
		              (unsigned)(size % MILLION));
		while (text[n - 1] == '0')
			text[--n] = 0;
	}
	return text;
}

int64_t decimal_to_millionths(double number)
{
	return (int64_t)(number * MILLION + (number < 0 ? -0.5 : 0.5));
}

double decimal_of_millionths(int64_t millionths)
{
	return (double)millionths / MILLION;
}
