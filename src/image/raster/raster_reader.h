/* The interface of a reader of one format, and the functions that these readers share. */
#ifndef PXP_RASTER_READER_H
#define PXP_RASTER_READER_H

#include "image/raster/raster.h"

struct raster_reader {
	/* Read the header. The function sets size, n_bands, n_bits, ready, and the profile if
	 * the file has one. The caller has already set the other members. */
	bool (*open)(struct raster *raster, struct failure *ret_failure);
	/* See raster_decode(). */
	bool (*decode)(const struct raster *raster, uint8_t *samples,
	               struct failure *ret_failure);
};

extern const struct raster_reader raster_bmp, raster_pnm, raster_psd, raster_tga;

/* Read a number of up to 4 bytes at an offset, least significant byte first. Bytes past the end of
 * the file count as 0. */
uint32_t raster_little(const struct raster *raster, uint64_t at, unsigned n);

/* Set the profile to the n bytes at an offset, if all of them are inside the file. */
void raster_take_profile(struct raster *raster, uint64_t at, uint64_t n);

/* Handle a file that ends early. If the raster accepts damage, this function records the damage and
 * returns true. If not, it sets a failure and returns false. */
bool raster_ends_early(const struct raster *raster, struct failure *ret_failure);
/* Handle damage such as an impossible sample: do the same as raster_ends_early(). The text `what`
 * describes the damage. */
bool raster_is_damaged(const struct raster *raster, const char *what,
                       struct failure *ret_failure);

#endif
