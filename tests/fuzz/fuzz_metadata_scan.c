/*
 * Fuzz target: the readers of metadata in JPEG, PNG, WebP and GIF, of EXIF, and of header fields
 * that libraries ignore. The first byte of the input selects one of them.
 */
#include "fuzz.h"

#include "image/header/header_quirks.h"
#include "image/header/metadata_scan.h"

#include <stdlib.h>

static void check(const struct metadata_scan *scan, const uint8_t *bytes, size_t n)
{
	CLAIM(scan->orientation >= 1 && scan->orientation <= 8);
	if (!scan->profile)
		return;
	CLAIM(scan->has_profile);
	CLAIM(scan->profile >= bytes && scan->profile <= bytes + n);
	CLAIM(scan->n_profile <= n - (size_t)(scan->profile - bytes));
}

static bool check_strip(void *data, const struct tiff_strip *strip)
{
	const struct feed *file = data;

	CLAIM(strip->n > 0 && strip->bytes >= file->at);
	CLAIM(strip->n <= (size_t)(file->at + file->n - strip->bytes));
	return true;
}

static void check_pages(const uint8_t *bytes, size_t n)
{
	struct chroma_ratio chroma = jpeg_chroma_ratio(bytes, n);
	struct tiff_pages pages;
	struct feed file = {bytes, n};

	CLAIM(tiff_visit_deflated(bytes, n, (struct tiff_range){0, UINT32_MAX},
	                          check_strip, &file));
	tiff_find_pages(bytes, n, &pages);
	CLAIM(pages.n > 0);
	CLAIM(pages.samples.n_colours <= 4);
	CLAIM(chroma.across >= 1 && chroma.across <= 4);
	CLAIM(chroma.down >= 1 && chroma.down <= 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	unsigned which = feed_byte(&feed) % 6;
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	struct metadata_scan scan;
	unsigned orientation;

	if (which == 0) {
		metadata_scan_jpeg(&scan, copy, feed.n);
		check(&scan, copy, feed.n);
	} else if (which == 1) {
		metadata_scan_png(&scan, copy, feed.n);
		check(&scan, copy, feed.n);
	} else if (which == 4) {
		(void)hdr_is_rgb_from_top_left(copy, feed.n);
		(void)tiff_is_raw_ycbcr(copy, feed.n);
		CLAIM(jp2_find_colours(copy, feed.n) <= JP2_COARSE);
		check_pages(copy, feed.n);
	} else if (which == 5) {
		metadata_scan_webp(&scan, copy, feed.n);
		check(&scan, copy, feed.n);
	} else if (which == 3) {
		(void)gif_is_whole(copy, feed.n);
	} else {
		orientation = exif_orientation(copy, feed.n);
		CLAIM(orientation >= 1 && orientation <= 8);
	}
	free(copy);
	return 0;
}
