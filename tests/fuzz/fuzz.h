/*
 * What the fuzz targets share: a reader of the input, copies of exact length (so that the sanitizer
 * notices an access one byte beyond the end), and assertions. An assertion that fails ends the run
 * like a crash, and libFuzzer saves the input.
 */
#ifndef PXP_FUZZ_H
#define PXP_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The two functions that libFuzzer calls. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* The input of the fuzzer, read from its front. After its end, zeros follow. */
struct feed {
	const uint8_t *at;
	size_t n;
};

bool feed_has_more(const struct feed *feed);
uint8_t feed_byte(struct feed *feed);
uint64_t feed_number(struct feed *feed, unsigned n_bytes);
/* Take the next n bytes, or fewer at the end of the input. Sets *ret_n to the number of bytes
 * taken. */
const uint8_t *feed_bytes(struct feed *feed, size_t n, size_t *ret_n);
/* Take the next n bytes, or fewer at the end of the input, as a string. Each zero byte becomes the
 * digit 0. The caller frees the string. */
char *feed_string(struct feed *feed, size_t n);

/* Copy n bytes to a block of exactly that size. The caller frees it. */
uint8_t *fuzz_copy(const uint8_t *bytes, size_t n);

#define CLAIM(claim) fuzz_claim((claim), __FILE__, __LINE__, #claim)
void fuzz_claim(bool claim, const char *file, int line, const char *text);

#endif
