/* The interface of a reader of one format, and the functions that these readers share. */
#ifndef PXP_RASTER_READER_H
#define PXP_RASTER_READER_H

#include "image/raster/raster.h"

struct raster_reader {
	/* Read the header. The caller has set format, bytes, n and is_damaged; all other members
	 * are zero. The function sets them to what the header says. */
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
/* Handle damage such as an impossible sample. If the raster accepts damage, this function records
 * the damage and returns true. If not, it sets a failure with the text `what` and returns false. */
bool raster_is_damaged(const struct raster *raster, const char *what,
                       struct failure *ret_failure);

#endif
