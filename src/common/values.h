/*
 * Values as users write them: one of several words, a whole number, or a decimal number. If a value
 * is invalid, its parser returns false and leaves the caller's variable unchanged. A parser that
 * takes a failure sets its class to FAIL_USAGE. The failure's text says which values are valid,
 * and shows up to 40 bytes of the invalid value, as in "must be a whole number from 1 to 100, got
 * '0'". The caller adds the name of the option before the text.
 */
#ifndef PXP_VALUES_H
#define PXP_VALUES_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A choice is one of a fixed set of words. A table of choices ends with a row whose word is NULL.
 * If several words in a table have the same value, all words after the first are synonyms: they are
 * accepted, but not listed. */
struct choice {
	const char *word;
	int value;
};

bool choice_parse(const struct choice *choices, const char *value, int *ret_value,
                  struct failure *ret_failure);

/* Get the first word for a value. Returns NULL if no word has that value. */
const char *choice_word(const struct choice *choices, int value);

/* List all words except synonyms, with `separator` between them. The list is truncated to n_text
 * bytes, including the NUL. */
void choice_list(const struct choice *choices, const char *separator, char *text,
                 size_t n_text);

/* Parse a whole number from `minimum` to `maximum`. */
bool whole_parse(const char *value, uint64_t minimum, uint64_t maximum,
                 uint64_t *ret_number, struct failure *ret_failure);

/* The factor that the letter K after a number stands for: 1000 for pixels, 1024 for bytes. M stands
 * for the square of this factor, and G for its cube. */
enum unit { UNIT_PIXELS = 1000, UNIT_BYTES = 1024 };

/* Parse a whole number from `minimum` to `maximum`. The number may end in K, M or G (or k, m,
 * g). */
bool amount_parse(const char *value, enum unit unit, uint64_t minimum, uint64_t maximum,
                  uint64_t *ret_number, struct failure *ret_failure);

/*
 * Parse a decimal number at *next, and move *next past it. The number may have a sign, up to 9
 * digits before the point, and up to 6 digits after the point. It has no exponent, and the point
 * does not depend on the locale. Each number is a whole number of millionths, stored as the nearest
 * double. If there is no such number at *next, returns false and leaves *next unchanged.
 */
bool decimal_parse(const char **next, double *ret_number);

enum { DECIMAL_TEXT_BYTES = 24 };

/* Print a number, rounded to millionths, without zeros at the end of its decimals. From the text of
 * a number that decimal_parse() has read, decimal_parse() reads the same number again. Returns
 * `text`. */
const char *decimal_print(double number, char text[DECIMAL_TEXT_BYTES]);

/* Convert decimal numbers to whole millionths and back, so that they can be sent as integers.
 * Converting a number from decimal_parse() to millionths and back gives the same number. */
int64_t decimal_to_millionths(double number);
double decimal_of_millionths(int64_t millionths);

#endif
