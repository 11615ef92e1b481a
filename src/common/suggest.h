/* The word that somebody may have meant. */
#ifndef PXP_SUGGEST_H
#define PXP_SUGGEST_H

#include <stddef.h>

/* How many insertions, deletions, changes and swaps of neighbours turn a into b (the
 * "optimal string alignment" distance); words beyond 63 bytes are far from everything. */
unsigned suggest_distance(const char *a, const char *b);

/* Keep in *best the nearer of two: candidate, if it is near enough to word. */
void suggest_consider(const char **best, const char *word, const char *candidate);

#endif
