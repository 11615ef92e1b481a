/* Finds the known word that is most similar to a misspelt one. */
#include "common/suggest.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

enum { MAX_WORD = 63, MIN_PREFIX = 4 };

static unsigned minimum(unsigned a, unsigned b, unsigned c)
{
	unsigned smaller = a < b ? a : b;

	return smaller < c ? smaller : c;
}

unsigned suggest_distance(const char *a, const char *b)
{
	unsigned table[MAX_WORD + 1][MAX_WORD + 1];
	size_t n_a = strlen(a), n_b = strlen(b);

	if (n_a > MAX_WORD || n_b > MAX_WORD)
		return UINT_MAX;
	for (size_t i = 0; i <= n_a; i++)
		table[i][0] = (unsigned)i;
	for (size_t j = 0; j <= n_b; j++)
		table[0][j] = (unsigned)j;

	for (size_t i = 1; i <= n_a; i++) {
		for (size_t j = 1; j <= n_b; j++) {
			table[i][j] = minimum(table[i - 1][j] + 1, table[i][j - 1] + 1,
			                      table[i - 1][j - 1] +
			                              (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && table[i - 2][j - 2] + 1 < table[i][j])
				table[i][j] = table[i - 2][j - 2] + 1;
		}
	}
	return table[n_a][n_b];
}

void suggest_consider(const char **best, const char *word, const char *candidate)
{
	unsigned distance = suggest_distance(word, candidate);
	size_t n = strlen(candidate);
	/* A candidate is also similar if the word begins with it: "thumbnail" suggests "thumb". */
	bool begins_with_it = n >= MIN_PREFIX && strncmp(word, candidate, n) == 0;

	if (!begins_with_it && (distance > (strlen(word) + 1) / 3 || distance >= n))
		return;
	if (!*best || distance < suggest_distance(word, *best))
		*best = candidate;
}
