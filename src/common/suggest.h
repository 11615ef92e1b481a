/* Suggestions for misspelt words. */
#ifndef PXP_SUGGEST_H
#define PXP_SUGGEST_H

#include <stddef.h>

/* The number of edits that turn a into b (the "optimal string alignment" distance). An edit
 * inserts, deletes or changes a letter, or swaps two neighbouring letters. Returns UINT_MAX if a or
 * b is longer than 63 bytes. */
unsigned suggest_distance(const char *a, const char *b);

/* Set *best to `candidate` if it is similar to `word`, and more similar than the old *best. The
 * caller sets *best to NULL before the first candidate. */
void suggest_consider(const char **best, const char *word, const char *candidate);

#endif
