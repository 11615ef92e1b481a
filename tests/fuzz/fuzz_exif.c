/* Fuzz target: the filter for untrusted EXIF. Filtering its result again must change nothing. */
#include "fuzz.h"

#include "image/metadata/exif.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	unsigned keep = feed_byte(&feed), lost = 0, lost_again = 0;
	struct metadata_target target = {
		.width = feed_byte(&feed) + 1U,
		.height = 70000,
		.from_width = 640,
		.from_height = feed_byte(&feed),
		.orientation = feed_byte(&feed) % 9U,
		.is_whole = true,
		.colour = (enum metadata_colour)(feed_byte(&feed) % 3),
	};
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	struct block exif = {0}, again = {0};
	struct density density = exif_density((struct bytes){copy, feed.n});

	CLAIM(density.x >= 0 && density.y >= 0);
	CLAIM(exif_filter(&exif, (struct bytes){copy, feed.n}, keep, &target, &lost));
	CLAIM(exif.n <= 3 * feed.n + 4096);
	/* The first pass made all changes. So the second pass must change nothing and lose
	 * nothing. */
	target.is_whole = false;
	CLAIM(exif_filter(&again, block_bytes(&exif), keep, NULL, &lost_again));
	CLAIM(lost_again == 0);
	CLAIM(bytes_equal(block_bytes(&again), block_bytes(&exif)));
	block_fini(&again);
	block_fini(&exif);
	free(copy);
	return 0;
}
