/* Fuzz target: the readers of headers of AV1 and HEVC, and of the boxes before them. The readers
 * are static, so this file includes their source file. The first byte of the input selects the
 * reader. */
#include "fuzz.h"

#include "image/metadata/heif_stream.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	unsigned which = feed_byte(&feed) % 4;
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	struct bytes rest = {copy, feed.n};
	struct heif_stream stream = {0};

	if (which == 0)
		(void)read_av1(rest, &stream);
	else if (which == 1)
		(void)read_hevc(rest, &stream);
	else if (which == 2)
		(void)read_parameter_set(rest, &stream);
	else
		(void)heif_read_stream(rest, 1, &stream);
	CLAIM(stream.primaries <= UINT8_MAX && stream.transfer <= UINT8_MAX);
	free(copy);
	return 0;
}
