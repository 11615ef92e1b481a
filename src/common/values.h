/*
 * Values as people type them: one of some words, a whole number, a decimal number. A value
 * that cannot be used gives false and a failure of class FAIL_USAGE, whose text names the
 * right values and the wrong one ("must be from 1 to 100, got '0'"); the caller's
 * variable then keeps its value. The caller puts the name of the option in front.
 */
#ifndef PXP_VALUES_H
#define PXP_VALUES_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of a fixed set of words; a table of them ends with a NULL word. A word whose value
 * stands earlier in the table is a synonym: it is understood, and not listed. */
struct choice {
	const char *word;
	int value;
};

bool choice_parse(const struct choice *choices, const char *value, int *ret_value,
                  struct failure *ret_failure);

/* The first word for a value, or NULL. */
const char *choice_word(const struct choice *choices, int value);

/* All words but synonyms, with separator between them; cut at n_text bytes. */
void choice_list(const struct choice *choices, const char *separator, char *text,
                 size_t n_text);

/* A whole number from minimum to maximum. */
bool whole_parse(const char *value, uint64_t minimum, uint64_t maximum,
                 uint64_t *ret_number, struct failure *ret_failure);

/* What K, M and G behind a number stand for: powers of 1000 or of 1024. */
enum unit { UNIT_PIXELS = 1000, UNIT_BYTES = 1024 };

/* A whole number from minimum to maximum, which may end in K, M or G (or k, m, g). */
bool amount_parse(const char *value, enum unit unit, uint64_t minimum, uint64_t maximum,
                  uint64_t *ret_number, struct failure *ret_failure);

/*
 * A decimal number at *next, which moves past it: a sign, up to 9 digits, a point and up
 * to 6 digits. No exponent, and the point whatever the locale. So each is a whole number
 * of millionths, and the nearest double to it. Where there is no such number it returns
 * false, and *next stays.
 */
bool decimal_parse(const char **next, double *ret_number);

enum { DECIMAL_TEXT_BYTES = 24 };

/* The shortest text from which decimal_parse() gives the same number. Returns text. */
const char *decimal_print(double number, char text[DECIMAL_TEXT_BYTES]);

/* Decimal numbers as whole millionths, to send them; a number from decimal_parse() comes
 * back equal. */
int64_t decimal_to_millionths(double number);
double decimal_of_millionths(int64_t millionths);

#endif
