/*
 * Values as users write them: one of several words, a whole number, or a decimal number. A parser
 * of an invalid value returns false with a failure of class FAIL_USAGE. Its text names the valid
 * values and the invalid one ("must be from 1 to 100, got '0'"), and the caller's variable is
 * unchanged. The caller puts the name of the option in front of the text.
 */
#ifndef PXP_VALUES_H
#define PXP_VALUES_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A choice is one of a fixed set of words. A table of them ends with a NULL word. A word whose
 * value also occurs earlier in the table is a synonym: it is accepted, but not listed. */
struct choice {
	const char *word;
	int value;
};

bool choice_parse(const struct choice *choices, const char *value, int *ret_value,
                  struct failure *ret_failure);

/* The first word for a value, or NULL if no word has that value. */
const char *choice_word(const struct choice *choices, int value);

/* List all words except synonyms, with separator between them; truncated at n_text bytes. */
void choice_list(const struct choice *choices, const char *separator, char *text,
                 size_t n_text);

/* Parse a whole number from minimum to maximum. */
bool whole_parse(const char *value, uint64_t minimum, uint64_t maximum,
                 uint64_t *ret_number, struct failure *ret_failure);

/* The factors that K, M and G after a number stand for: powers of 1000 or of 1024. */
enum unit { UNIT_PIXELS = 1000, UNIT_BYTES = 1024 };

/* A whole number from minimum to maximum, which may end in K, M or G (or k, m, g). */
bool amount_parse(const char *value, enum unit unit, uint64_t minimum, uint64_t maximum,
                  uint64_t *ret_number, struct failure *ret_failure);

/*
 * Parse a decimal number at *next, and move *next past it: a sign, up to 9 digits, a point and up
 * to 6 digits. There is no exponent, and the point does not depend on the locale. So each value is
 * a whole number of millionths, stored as the nearest double. If there is no such number, returns
 * false and leaves *next unchanged.
 */
bool decimal_parse(const char **next, double *ret_number);

enum { DECIMAL_TEXT_BYTES = 24 };

/* Print the shortest text from which decimal_parse() gives the same number. Returns text. */
const char *decimal_print(double number, char text[DECIMAL_TEXT_BYTES]);

/* Convert decimal numbers to and from whole millionths, to send them; a number from decimal_parse()
 * is unchanged by both conversions. */
int64_t decimal_to_millionths(double number);
double decimal_of_millionths(int64_t millionths);

#endif
