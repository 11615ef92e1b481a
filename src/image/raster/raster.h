/*
 * Readers of our own for simple formats that no library reads well from memory: PNM and PAM, TGA,
 * BMP, PSD. The bytes are untrusted: every offset is checked before a byte is read.
 */
#ifndef PXP_RASTER_H
#define PXP_RASTER_H

#include "common/failure.h"
#include "recipe/format.h"
#include "recipe/geometry.h"

/* A picture whose header was read. It borrows the bytes of the file. */
struct raster {
	enum image_format format;
	const uint8_t *bytes;
	size_t n;
	/* The reader sets *is_damaged to true if samples are missing or impossible, and chooses
	 * values for them. If is_damaged is NULL, a missing or impossible sample is a failure. */
	bool *is_damaged;

	struct size size;
	unsigned n_bands; /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA */
	/* Number of bits of a sample: 8 or 16. Samples of 16 bits are in the byte order of this
	 * machine. */
	unsigned n_bits;
	/* The ICC profile of the colours, inside the bytes of the file. NULL: the file has no
	 * profile. If gamma is 0 too, the colours are sRGB. */
	const uint8_t *profile;
	size_t n_profile;
	/* The colours of a calibrated BMP, in units of 1/100000. gamma is the exponent of the
	 * encoding, as in the chunk gAMA of a PNG. primaries are x and y of red, green and blue.
	 * gamma is 0 if the file is not calibrated, or if its colours are those of sRGB. */
	uint32_t gamma, primaries[6];
	/* The first sample, if the file stores the samples in the form that raster_decode() writes.
	 * If not: NULL. */
	const uint8_t *ready;
};

/* raster_reads(): whether the readers support a format. raster_reads_file(): whether they support
 * this file of the format. They support every PNM except PFM, which has floats. */
bool raster_reads(enum image_format format);
bool raster_reads_file(enum image_format format, const uint8_t *bytes, size_t n);

/*
 * Read the header of a file that raster_reads_file() accepts.
 *
 * is_damaged  may be NULL; borrowed until the last raster_decode(); see struct raster
 *
 * FAIL_BAD_IMAGE    the header is damaged
 * FAIL_UNSUPPORTED  the file has a feature that the reader does not support
 */
bool raster_open(struct raster *ret_raster, enum image_format format,
                 const uint8_t *bytes, size_t n, bool *is_damaged,
                 struct failure *ret_failure);

/* The number of bytes of all samples. The number may be huge, so compare the picture's size with
 * the limits before allocating so much memory. */
uint64_t raster_bytes(const struct raster *raster);

/*
 * Write the samples, row by row from the top left.
 *
 * samples  memory of raster_bytes() bytes, all zero
 *
 * FAIL_BAD_IMAGE  the file ends early, or a sample is impossible
 * FAIL_MEMORY     memory ran out
 */
bool raster_decode(const struct raster *raster, void *samples,
                   struct failure *ret_failure);

#endif
