/* The table of the readers in this folder, and the functions that these readers share. */
#include "image/raster/raster_reader.h"

#include <string.h>

static const struct raster_reader *const readers[N_FORMATS] = {
	[FORMAT_PNM] = &raster_pnm, [FORMAT_PAM] = &raster_pnm,
	[FORMAT_BMP] = &raster_bmp, [FORMAT_TGA] = &raster_tga,
	[FORMAT_PSD] = &raster_psd,
};

bool raster_reads(enum image_format format)
{
	return readers[format] != NULL;
}

bool raster_reads_file(enum image_format format, const uint8_t *bytes, size_t n)
{
	bool is_pfm = format == FORMAT_PNM && n > 1 &&
	              (bytes[1] == 'F' || bytes[1] == 'f');

	return raster_reads(format) && !is_pfm;
}

bool raster_open(struct raster *ret_raster, enum image_format format,
                 const uint8_t *bytes, size_t n, bool *is_damaged,
                 struct failure *ret_failure)
{
	*ret_raster = (struct raster){
		.format = format, .bytes = bytes, .n = n, .is_damaged = is_damaged};
	if (!readers[format]->open(ret_raster, ret_failure))
		return false;
	return (ret_raster->size.width > 0 && ret_raster->size.height > 0) ||
	       failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "header: the width or the "
	                   "height is 0");
}

uint64_t raster_bytes(const struct raster *raster)
{
	uint64_t n_pixels = (uint64_t)raster->size.width * raster->size.height, n;

	/* The sides have up to 32 bits each, so the product may overflow. */
	if (__builtin_mul_overflow(n_pixels,
	                           (uint64_t)raster->n_bands * raster->n_bits / 8, &n))
		return UINT64_MAX;
	return n;
}

bool raster_decode(const struct raster *raster, void *samples,
                   struct failure *ret_failure)
{
	if (raster->ready) {
		memcpy(samples, raster->ready, raster_bytes(raster));
		return true;
	}
	return readers[raster->format]->decode(raster, samples, ret_failure);
}

uint32_t raster_little(const struct raster *raster, uint64_t at, unsigned n)
{
	uint32_t number = 0;

	while (n-- > 0)
		number = number << 8 | (at + n < raster->n ? raster->bytes[at + n] : 0U);
	return number;
}

void raster_take_profile(struct raster *raster, uint64_t at, uint64_t n)
{
	if (n == 0 || at > raster->n || n > raster->n - at)
		return;
	raster->profile = raster->bytes + at;
	raster->n_profile = (size_t)n;
}

bool raster_ends_early(const struct raster *raster, struct failure *ret_failure)
{
	return raster_is_damaged(raster, "the file ends early", ret_failure);
}

bool raster_is_damaged(const struct raster *raster, const char *what,
                       struct failure *ret_failure)
{
	if (!raster->is_damaged)
		return failure_set(ret_failure, FAIL_BAD_IMAGE, "decode: %s", what);
	*raster->is_damaged = true;
	return true;
}
