/* What the readers of single formats share. */
#ifndef PXP_RASTER_READER_H
#define PXP_RASTER_READER_H

#include "image/raster/raster.h"

struct raster_reader {
	/* Set size, n_bands, n_bits and ready; the other members are set. */
	bool (*open)(struct raster *raster, struct failure *ret_failure);
	/* See raster_decode(). */
	bool (*decode)(const struct raster *raster, uint8_t *samples,
	               struct failure *ret_failure);
};

extern const struct raster_reader raster_bmp, raster_pnm, raster_psd, raster_tga;

/* A number of up to 4 bytes at an offset, least or most significant byte first. Bytes past the end
 * count as 0. */
uint32_t raster_little(const struct raster *raster, uint64_t at, unsigned n);
uint32_t raster_big(const struct raster *raster, uint64_t at, unsigned n);

/* What to return when the file ends early: whether the raster is lenient, else a failure is set. */
bool raster_ends_early(const struct raster *raster, struct failure *ret_failure);
/* The same for a sample that is not possible, which `what` describes. */
bool raster_is_damaged(const struct raster *raster, const char *what,
                       struct failure *ret_failure);

#endif
