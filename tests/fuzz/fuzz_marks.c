/*
 * The readers of what stands in a JPEG, PNG or GIF beside its pixels, and of the EXIF in it; and of what
 * other headers say that libraries pass over. The first byte of the input chooses.
 */
#include "fuzz.h"

#include "image/header/fine_print.h"
#include "image/header/marks.h"

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
	unsigned which = feed_byte(&feed) % 5;
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	struct marks marks;
	unsigned orientation;

	if (which == 0) {
		marks_of_jpeg(&marks, copy, feed.n);
		check(&marks, copy, feed.n);
	} else if (which == 1) {
		marks_of_png(&marks, copy, feed.n);
		check(&marks, copy, feed.n);
	} else if (which == 4) {
		(void)hdr_is_usual(copy, feed.n);
		(void)tiff_is_plain_ycc(copy, feed.n);
		CLAIM(pnm_white(copy, feed.n) <= UINT16_MAX);
	} else if (which == 3) {
		(void)gif_is_whole(copy, feed.n);
	} else {
		orientation = exif_orientation(copy, feed.n);
		CLAIM(orientation >= 1 && orientation <= 8);
	}
	free(copy);
	return 0;
}
