/*
 * The input reader and the assertions of the fuzz targets.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool feed_has_more(const struct feed *feed)
{
	return feed->n > 0;
}

uint8_t feed_byte(struct feed *feed)
{
	if (feed->n == 0)
		return 0;
	feed->n--;
	return *feed->at++;
}

uint64_t feed_number(struct feed *feed, unsigned n_bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < n_bytes; i++)
		number = number << 8 | feed_byte(feed);
	return number;
}

const uint8_t *feed_bytes(struct feed *feed, size_t n, size_t *ret_n)
{
	const uint8_t *bytes = feed->at;

	*ret_n = n < feed->n ? n : feed->n;
	feed->at += *ret_n;
	feed->n -= *ret_n;
	return bytes;
}

static void *allocate(size_t n)
{
	void *block = malloc(n);

	if (!block)
		abort();
	return block;
}

char *feed_string(struct feed *feed, size_t n)
{
	const uint8_t *bytes = feed_bytes(feed, n, &n);
	char *string = allocate(n + 1);

	for (size_t i = 0; i < n; i++)
		string[i] = (char)(bytes[i] ? bytes[i] : '0');
	string[n] = 0;
	return string;
}

uint8_t *fuzz_copy(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = allocate(n);

	if (n > 0)
		memcpy(copy, bytes, n);
	return copy;
}

void fuzz_claim(bool claim, const char *file, int line, const char *text)
{
	if (claim)
		return;
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, text);
	abort();
}
