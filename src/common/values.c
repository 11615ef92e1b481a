/* Parses the values of options and recipes, with messages for invalid ones. */
#include "common/values.h"

#include "common/suggest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MILLION = 1000000, MAX_WHOLE_DIGITS = 9, MAX_FRACTION_DIGITS = 6 };

/* ---- choices ---- */

static bool is_synonym(const struct choice *choices, const struct choice *choice)
{
	while (choices->value != choice->value)
		choices++;
	return choices != choice;
}

void choice_list(const struct choice *choices, const char *separator, char *text,
                 size_t n_text)
{
	size_t n = 0;

	text[0] = 0;
	for (const struct choice *choice = choices; choice->word && n < n_text;
	     choice++) {
		if (!is_synonym(choices, choice))
			n += (size_t)snprintf(text + n, n_text - n, "%s%s",
			                      n > 0 ? separator : "", choice->word);
	}
}

bool choice_parse(const struct choice *choices, const char *value, int *ret_value,
                  struct failure *ret_failure)
{
	const char *best = NULL;
	char words[FAILURE_TEXT_BYTES];

	for (const struct choice *choice = choices; choice->word; choice++) {
		if (strcmp(choice->word, value) == 0) {
			*ret_value = choice->value;
			return true;
		}
		suggest_consider(&best, value, choice->word);
	}

	choice_list(choices, ", ", words, sizeof(words));
	failure_set(ret_failure, FAIL_USAGE, "must be one of %s; got '%.40s'", words,
	            value);
	if (best)
		failure_append(ret_failure, "; did you mean '%s'?", best);
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

/* ---- whole numbers ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Read a whole number at *next, and move *next past the digits. Returns false if there is no digit
 * at *next, or if the number does not fit into 64 bits. */
static bool read_whole(const char **next, uint64_t *ret_number)
{
	uint64_t number = 0;
	bool fits = is_digit(**next);

	for (; is_digit(**next) && fits; (*next)++) {
		uint64_t digit = (uint64_t)(**next - '0');

		fits = number <= (UINT64_MAX - digit) / 10;
		number = number * 10 + digit;
	}
	*ret_number = number;
	return fits;
}

bool whole_parse(const char *value, uint64_t minimum, uint64_t maximum,
                 uint64_t *ret_number, struct failure *ret_failure)
{
	const char *next = value;
	uint64_t number;

	if (!read_whole(&next, &number) || *next || number < minimum || number > maximum)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "must be a whole number from %" PRIu64 " to %" PRIu64
		                   ", got '%.40s'",
		                   minimum, maximum, value);
	*ret_number = number;
	return true;
}

/* Read a letter K, M or G (or k, m, g) at *next, and move *next past the letter. Returns the factor
 * that the letter stands for. If there is no such letter, returns 1 and leaves *next unchanged. */
static uint64_t read_factor(const char **next, enum unit unit)
{
	static const char letters[] = "KkMmGg";
	const char *letter = **next ? strchr(letters, **next) : NULL;
	uint64_t factor = 1;

	if (!letter)
		return factor;
	(*next)++;
	for (long i = (letter - letters) / 2; i >= 0; i--)
		factor *= (uint64_t)unit;
	return factor;
}

/* Print a number as users write it. For example, 128 << 20 bytes become "128M". */
static const char *print_amount(uint64_t number, enum unit unit, char text[32])
{
	static const char *const suffixes[] = {"", "K", "M", "G"};
	unsigned i = 0;

	while (i < 3 && number > 0 && number % (uint64_t)unit == 0) {
		number /= (uint64_t)unit;
		i++;
	}
	snprintf(text, 32, "%" PRIu64 "%s", number, suffixes[i]);
	return text;
}

bool amount_parse(const char *value, enum unit unit, uint64_t minimum, uint64_t maximum,
                  uint64_t *ret_number, struct failure *ret_failure)
{
	const char *next = value, *what = unit == UNIT_BYTES ? "bytes" : "pixels";
	uint64_t number;
	char limit[32];

	if (!read_whole(&next, &number) ||
	    __builtin_mul_overflow(number, read_factor(&next, unit), &number) || *next)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "must be a whole number of %s, such as 300000, 300K, "
		                   "50M or 2G; got '%.40s'",
		                   what, value);
	if (number < minimum)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "must be at least %s, got \'%.40s\'",
		                   print_amount(minimum, unit, limit), value);
	if (number > maximum)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "must be at most %s, got \'%.40s\'",
		                   print_amount(maximum, unit, limit), value);
	*ret_number = number;
	return true;
}

/* ---- decimal numbers ---- */

/* Read at most n_max digits at *next, append them to *number, and move *next past them. Returns the
 * number of digits. */
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
