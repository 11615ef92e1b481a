/*
 * Values as users write them: one of several words, a whole number, or a decimal number. If a value
 * is invalid, its parser returns false with a failure of class FAIL_USAGE and leaves the caller's
 * variable unchanged. The text of the failure names the valid values and the invalid one ("must be
 * from 1 to 100, got '0'"). The caller puts the name of the option in front of the text.
 */
#ifndef PXP_VALUES_H
#define PXP_VALUES_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A choice is one of a fixed set of words. A table of choices ends with a NULL word. A word whose
 * value also occurs earlier in the table is a synonym: it is accepted, but not listed. */
struct choice {
	const char *word;
	int value;
};

bool choice_parse(const struct choice *choices, const char *value, int *ret_value,
                  struct failure *ret_failure);

/* The first word for a value, or NULL if no word has that value. */
const char *choice_word(const struct choice *choices, int value);

/* List all words except synonyms, with separator between them. The list is cut at n_text bytes. */
void choice_list(const struct choice *choices, const char *separator, char *text,
                 size_t n_text);

/* Parse a whole number from minimum to maximum. */
bool whole_parse(const char *value, uint64_t minimum, uint64_t maximum,
                 uint64_t *ret_number, struct failure *ret_failure);

/* The factor that the letter K after a number stands for: 1000 for pixels, 1024 for bytes. M stands
 * for the square of this factor, and G for its cube. */
enum unit { UNIT_PIXELS = 1000, UNIT_BYTES = 1024 };

/* Parse a whole number from minimum to maximum. It may end in K, M or G (or k, m, g). */
bool amount_parse(const char *value, enum unit unit, uint64_t minimum, uint64_t maximum,
                  uint64_t *ret_number, struct failure *ret_failure);

/*
 * Parse a decimal number at *next, and move *next past it: a sign, up to 9 digits, a point and up
 * to 6 digits. There is no exponent, and the point does not depend on the locale. So each value is
 * a whole number of millionths, stored as the nearest double. If no such number is at *next,
 * returns false and leaves *next unchanged.
 */
bool decimal_parse(const char **next, double *ret_number);

enum { DECIMAL_TEXT_BYTES = 24 };

/* Print a number as the shortest text that decimal_parse() reads as the same number. Returns
 * text. */
const char *decimal_print(double number, char text[DECIMAL_TEXT_BYTES]);

/* Convert decimal numbers to whole millionths and back, so that they can be sent as integers. A
 * number from decimal_parse() does not change on the way. */
int64_t decimal_to_millionths(double number);
double decimal_of_millionths(int64_t millionths);

#endif
