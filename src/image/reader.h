/*
 * Readers decode formats whose colours need more than an engine's own loader gives: one frame,
 * upright, with all of its bits and with a profile that says what the colours mean. The vips
 * engine asks them before its loaders. A reader is a folder of its own, which alone includes its
 * library.
 */
#ifndef PXP_READER_H
#define PXP_READER_H

#include "image/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decoded samples: rows without gaps. 1 band is grey, 2 grey and alpha, 3 RGB, 4 RGBA. Alpha is not
 * multiplied in. */
struct samples {
	struct size size;
	unsigned n_bands;
	/* Samples of 16 bits in the order of the machine, of which 65535 is white; else bytes. */
	bool is_deep;
	void *bytes;
	/* The ICC profile of the colours; NULL: sRGB. */
	uint8_t *profile;
	size_t n_profile;
};

void samples_fini(struct samples *samples); /* does nothing if the struct is all zeros */

/* A buffer for samples of this shape; false when memory ran out. */
bool samples_init(struct samples *ret_samples, struct size size, unsigned n_bands,
                  bool is_deep);

/* An open picture. */
struct reading {
	struct size size;     /* of the samples */
	unsigned orientation; /* 1 to 8, as in EXIF: it turns the samples upright */
	bool is_deep, has_alpha;
	unsigned lost; /* a mask of enum lost: parts that the reader leaves out */
	/* Set before decode(): frames after the first are decoded too, and dropped. */
	bool reads_everything;
	void *state; /* the reader's own */
};

struct reader {
	/* Start its library, once in the fork server. NULL: there is nothing to start. */
	bool (*start)(void);
	/* Whether a decoder for the format is there. */
	bool (*reads)(enum image_format format);
	/* Read the header of a source, whose bytes stay in place until close(). False with a
	 * failure; nothing is left to close then. */
	bool (*open)(struct reading *ret_reading, const struct source *source,
	             struct failure *ret_failure);
	/* Decode. False with a failure; ret_samples is empty then. It may be called again. */
	bool (*decode)(struct reading *reading, struct samples *ret_samples,
	               struct failure *ret_failure);
	void (*close)(struct reading *reading);
};

extern const struct reader reader_heif, reader_jxl;

#endif
