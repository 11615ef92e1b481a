/* Fuzz target: the filter for untrusted IPTC, either bare or inside Photoshop resources. */
#include "fuzz.h"

#include "image/metadata/iptc.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	unsigned keep = feed_byte(&feed), lost = 0, lost_again = 0;
	bool is_resource = feed_byte(&feed) & 1;
	const struct metadata_target target = {.width = 2, .height = 1};
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	struct bytes datasets = {copy, feed.n};
	struct block iptc = {0}, again = {0};

	if (is_resource)
		datasets = photoshop_resource(datasets, PHOTOSHOP_IPTC);
	CLAIM(iptc_filter(&iptc, datasets, keep, &target, &lost));
	CLAIM(iptc.n <= datasets.n);
	CLAIM(iptc_filter(&again, block_bytes(&iptc), keep, &target, &lost_again));
	CLAIM(lost_again == 0);
	CLAIM(bytes_equal(block_bytes(&again), block_bytes(&iptc)));
	block_fini(&again);
	block_fini(&iptc);
	free(copy);
	return 0;
}
