/*
 * Values that a person types: one of some words, a whole number, a decimal one. A value
 * that is wrong gets a message that names it and says what would be right, in text of
 * n_text bytes; what was to be set is then as it was.
 */
#ifndef PXP_WORDS_H
#define PXP_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of a fixed set of words; a table of them ends with a NULL word. */
struct choice {
	const char *word;
	int value;
};

bool choice_parse(const struct choice *choices, const char *value, int *ret_value,
                  char *text, size_t n_text);

/* The first word for a value, or NULL. */
const char *choice_word(const struct choice *choices, int value);

/* A whole number from least to most. */
bool whole_parse(const char *value, uint64_t least, uint64_t most, uint64_t *ret_number,
                 char *text, size_t n_text);

/*
 * A decimal number at *next, which moves past it: a sign, up to 9 digits, a point and up
 * to 6 digits. No exponent, and the point whatever the locale. So each is a whole number
 * of millionths, and the nearest double to it. False, and *next stays, when there is none.
 */
bool decimal_parse(const char **next, double *ret_number);

enum { DECIMAL_TEXT_BYTES = 24 };

/* The shortest text that decimal_parse() gives the same number from. */
const char *decimal_print(double number, char text[DECIMAL_TEXT_BYTES]);

/* Numbers as whole millionths, to send them; what decimal_parse() gives comes back equal. */
int64_t decimal_to_millionths(double number);
double decimal_of_millionths(int64_t millionths);

#endif
