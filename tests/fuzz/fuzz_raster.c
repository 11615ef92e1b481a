/* Fuzz target: the readers of image/raster. The first byte of the input selects the format and
 * whether damage is accepted. */
#include "fuzz.h"

#include "image/raster/raster.h"

#include <stdlib.h>
#include <string.h>

/* Maximum number of bytes of all samples. The target opens a larger picture, but does not decode
 * it. */
enum { MAX_BYTES = 1 << 22 };

static void decode(const struct raster *raster)
{
	void *samples = calloc(raster_bytes(raster), 1);
	struct failure failure = {0};
	bool is_done;

	CLAIM(samples != NULL);
	is_done = raster_decode(raster, samples, &failure);
	CLAIM(is_done == (failure.class == FAIL_NONE));
	free(samples);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const enum image_format formats[] = {FORMAT_PNM, FORMAT_PAM, FORMAT_BMP,
	                                            FORMAT_TGA, FORMAT_PSD};
	struct feed feed = {bytes, n};
	uint8_t choice = feed_byte(&feed);
	enum image_format format = formats[choice / 2 % 5];
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	struct failure failure = {0};
	struct raster raster;
	bool is_damaged = false;

	/* The readers get only files whose format was detected by their first bytes. A PNM begins
	 * with P1 to P6. */
	if (feed.n >= 26 && raster_reads_file(format, copy, feed.n)) {
		if (format == FORMAT_PNM)
			copy[1] = (uint8_t)('1' + copy[1] % 6);
		if (raster_open(&raster, format, copy, feed.n,
		                choice & 1 ? &is_damaged : NULL, &failure)) {
			CLAIM(raster.size.width > 0 && raster.size.height > 0);
			CLAIM(raster.n_bands >= 1 && raster.n_bands <= 4);
			CLAIM(!raster.profile ||
			      (raster.profile >= copy &&
			       raster.n_profile <=
			               feed.n - (size_t)(raster.profile - copy)));
			CLAIM(raster.n_bits == 8 || raster.n_bits == 16);
			if (raster_bytes(&raster) <= MAX_BYTES)
				decode(&raster);
		} else {
			CLAIM(failure.class == FAIL_BAD_IMAGE ||
			      failure.class == FAIL_UNSUPPORTED);
		}
	}
	free(copy);
	return 0;
}
