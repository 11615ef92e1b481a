/*
 * What the fuzz targets share: a reader of the input, a copy of bytes in a block of their
 * exact length (so that the sanitizer sees one byte too many), and claims. A claim that
 * does not hold ends the run like a crash, with the input kept.
 */
#ifndef PXP_FUZZ_H
#define PXP_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libFuzzer's two calls. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* The input, taken from its front. Past its end all is zero. */
struct feed {
	const uint8_t *at;
	size_t n;
};

bool feed_has_more(const struct feed *feed);
uint8_t feed_byte(struct feed *feed);
uint64_t feed_number(struct feed *feed, unsigned n_bytes);
/* Up to n bytes, fewer at the end: *ret_n of them. */
const uint8_t *feed_bytes(struct feed *feed, size_t n, size_t *ret_n);
/* Up to n bytes as a string without zeros, in malloc() memory. */
char *feed_string(struct feed *feed, size_t n);

/* n bytes in a block of their own; to be freed. */
uint8_t *fuzz_copy(const uint8_t *bytes, size_t n);

#define CLAIM(claim) fuzz_claim((claim), __FILE__, __LINE__, #claim)
void fuzz_claim(bool claim, const char *file, int line, const char *text);

#endif
