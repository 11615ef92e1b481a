/*
 * Readers decode formats whose colours the loaders of libvips do not read correctly. A reader gives
 * one frame with the full number of bits, and a profile that describes the colours. The vips engine
 * asks the readers before the loaders of libvips. Each reader has a folder of its own, and no other
 * folder includes the reader's library.
 */
#ifndef PXP_READER_H
#define PXP_READER_H

#include "image/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decoded samples in rows without gaps. 1 band is grey, 2 grey and alpha, 3 RGB, 4 RGBA. Colours
 * are not multiplied by alpha. */
struct samples {
	struct size size;
	unsigned n_bands;
	/* true: samples have 16 bits in the byte order of the machine, and 65535 is white. false:
	 * samples have 8 bits. */
	bool is_deep;
	void *bytes;
	/* The ICC profile of the colours. NULL: the colours are sRGB. */
	uint8_t *profile;
	size_t n_profile;
};

/* Free the samples and their profile. A struct that is all zeros is allowed. */
void samples_fini(struct samples *samples);

/* Allocate samples of this size and kind. Returns false if memory ran out or a side is 0. */
bool samples_init(struct samples *ret_samples, struct size size, unsigned n_bands,
                  bool is_deep);

/* An open picture. */
struct reading {
	struct size size; /* size in pixels, before the orientation is applied */
	/* The orientation to apply to the samples, 1 to 8 as in EXIF. */
	unsigned orientation;
	bool is_deep, has_alpha;
	unsigned lost; /* a mask of enum lost: the parts that the reader leaves out */
	/* The caller may set this before decode(). If it is true, frames after the first are
	 * decoded too, to check them, and then dropped. */
	bool reads_everything;
	void *state; /* the reader's own state */
};

struct reader {
	/* Write the name and the version of the library, such as "libheif 1.15.1", into `text`,
	 * which has n_text bytes. */
	void (*version)(char *text, size_t n_text);
	/* Start the reader's library. The start() of the vips engine calls this once. NULL: the
	 * library needs no start. */
	bool (*start)(void);
	/* Whether the library has a decoder for the format. */
	bool (*reads)(enum image_format format);
	/* Read the header of a source. The bytes of the source must stay in place until close(). On
	 * failure returns false, and close() must not be called. */
	bool (*open)(struct reading *ret_reading, const struct source *source,
	             struct failure *ret_failure);
	/* Decode the picture. On failure returns false, and *ret_samples is empty. May be called
	 * several times. */
	bool (*decode)(struct reading *reading, struct samples *ret_samples,
	               struct failure *ret_failure);
	void (*close)(struct reading *reading);
};

extern const struct reader reader_heif, reader_jxl;

#endif
