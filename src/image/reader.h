/*
 * Readers decode formats whose colours need more than an engine's own loader can give: one frame,
 * upright, with all of its bits and with a profile that describes the colours. The vips engine asks
 * readers before its own loaders. Each reader has a folder, and only that folder includes the
 * reader's library.
 */
#ifndef PXP_READER_H
#define PXP_READER_H

#include "image/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decoded samples as rows without gaps. 1 band is grey, 2 grey and alpha, 3 RGB, 4 RGBA. Colours
 * are not premultiplied. */
struct samples {
	struct size size;
	unsigned n_bands;
	/* If set, samples have 16 bits in the byte order of the machine, and 65535 is white;
	 * otherwise 8 bits. */
	bool is_deep;
	void *bytes;
	/* The ICC profile of the colours; NULL: sRGB. */
	uint8_t *profile;
	size_t n_profile;
};

/* Frees the samples; does nothing if the struct is all zeros. */
void samples_fini(struct samples *samples);

/* Allocate samples of this shape; false if memory ran out. */
bool samples_init(struct samples *ret_samples, struct size size, unsigned n_bands,
                  bool is_deep);

/* An open picture. */
struct reading {
	struct size size; /* size and bands of the samples */
	/* Orientation as in EXIF, 1 to 8, which makes the samples upright. */
	unsigned orientation;
	bool is_deep, has_alpha;
	unsigned lost; /* a mask of enum lost: parts that the reader leaves out */
	/* If set before decode(), frames after the first are decoded too, and dropped. */
	bool reads_everything;
	void *state; /* state of the reader */
};

struct reader {
	/* Write name and version of the library, such as "libheif 1.15.1", to text, which has
	 * n_text bytes. */
	void (*version)(char *text, size_t n_text);
	/* Start the reader's library, once in the fork server. NULL: there is nothing to start. */
	bool (*start)(void);
	/* Whether a decoder for the format is available. */
	bool (*reads)(enum image_format format);
	/* Read the header of a source, whose bytes stay in place until close(). Returns false with
	 * a failure; then nothing is left to close. */
	bool (*open)(struct reading *ret_reading, const struct source *source,
	             struct failure *ret_failure);
	/* Decode the picture. Returns false with a failure; ret_samples is empty then. May be
	 * called again. */
	bool (*decode)(struct reading *reading, struct samples *ret_samples,
	               struct failure *ret_failure);
	void (*close)(struct reading *reading);
};

extern const struct reader reader_heif, reader_jxl;

#endif
