/* Fuzz target: detection of the format of a file by its first bytes and its name. */
#include "fuzz.h"

#include "recipe/format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const char *const names[] = {"a.jpg", "a.tga", "a.nef", "a.dng", "a.tif",
	                                    "a.cr2", "a",     "",      "x/.b",  "a.svg"};
	struct feed feed = {bytes, n};
	const char *name = names[feed_byte(&feed) % (sizeof(names) / sizeof(names[0]))];
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	enum image_format whole = format_of_bytes(copy, feed.n, name);
	char *word = feed_string(&feed, 64);

	CLAIM((unsigned)whole < N_FORMATS);
	CLAIM(format_info(whole)->name && format_info(whole)->extension);
	CLAIM((unsigned)format_of_name(word) < N_FORMATS);
	CLAIM((unsigned)format_of_word(word) < N_FORMATS);
	free(word);
	free(copy);
	return 0;
}
