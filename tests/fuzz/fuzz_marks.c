/*
 * The readers of what stands in a JPEG or PNG beside its pixels, and of the EXIF in it. The
 * first byte of the input chooses among the three.
 */
#include "fuzz.h"

#include "image/marks.h"

#include <stdlib.h>

static void check(const struct marks *marks, const uint8_t *bytes, size_t n)
{
	CLAIM(marks->orientation >= 1 && marks->orientation <= 8);
	if (!marks->profile)
		return;
	CLAIM(marks->has_profile);
	CLAIM(marks->profile >= bytes && marks->profile <= bytes + n);
	CLAIM(marks->n_profile <= n - (size_t)(marks->profile - bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	unsigned which = feed_byte(&feed) % 3;
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	struct marks marks;
	unsigned orientation;

	if (which == 0) {
		marks_of_jpeg(&marks, copy, feed.n);
		check(&marks, copy, feed.n);
	} else if (which == 1) {
		marks_of_png(&marks, copy, feed.n);
		check(&marks, copy, feed.n);
	} else {
		orientation = exif_orientation(copy, feed.n);
		CLAIM(orientation >= 1 && orientation <= 8);
	}
	free(copy);
	return 0;
}
