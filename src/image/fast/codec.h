/*
 * Readers and writers of one format each, as the fast engine sees them: tables of functions over a
 * state that is kept between pictures, with its buffers and the handles of its library.
 *
 * Threads: a state belongs to one thread at a time.
 */
#ifndef PXP_FAST_CODEC_H
#define PXP_FAST_CODEC_H

#include "image/fast/render.h"
#include "image/header/picture_header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- readers ---- */

enum read_status {
	READ_OK,
	READ_CANNOT, /* not a file of the kinds that the reader takes: another reader may */
	READ_DAMAGED,   /* the file contradicts its standard or itself */
	READ_TRUNCATED, /* the file ends early */
	READ_NO_MEMORY, /* an allocation failed */
};

/* What an output asks of a reader. */
struct demand {
	double ratio; /* of the picture to the output, on the axis that is reduced least */
	bool has_half_chroma;
	bool is_lossless; /* nothing hides what the reader leaves out */
	/* How wrong decoded planes may be: a mean squared error in levels of 0 to 255. */
	double noise_budget;
};

struct read_request {
	const struct demand *demands; /* of all outputs */
	unsigned n_demands;
	bool reads_everything; /* skip nothing, and tolerate nothing */
};

struct reader {
	void *(*create)(void);        /* NULL when out of memory */
	void (*destroy)(void *state); /* NULL too */
	/* Free buffers that together have more than max_bytes. */
	void (*trim)(void *state, size_t max_bytes);

	/* Read all but the pixels. The bytes are borrowed until the file is decoded, or another
	 * one is opened. The size is that of the picture as it is stored. */
	enum read_status (*open)(void *state, const uint8_t *bytes, size_t n_bytes,
	                         struct size *ret_size, bool *ret_is_grey);
	/* Decode the file that open() said READ_OK of. The planes belong to the reader until its
	 * next call. The orientation is left to the caller. */
	enum read_status (*decode)(void *state, const struct read_request *request,
	                           struct decoded *ret_decoded);
	/* One line about the last status that was not READ_OK. Static text. */
	const char *(*reason)(const void *state);

	/* Bytes that decode() allocates at most, as far as the header tells. */
	uint64_t (*memory)(const struct picture_header *header,
	                   const struct read_request *request);
};

extern const struct reader jpeg_reader, png_reader;

/* ---- writers ---- */

struct write_options {
	unsigned quality; /* 0 to 100; not of PNG */
	unsigned effort;  /* 0 (fast) to 9 (small); not of JPEG */
	/* Of JPEG. Huffman tables made for the picture are smaller and slower. */
	bool is_progressive, has_own_tables;
};

/* The file that a writer has made. It belongs to the writer, until the writer's next call. */
struct written {
	const uint8_t *bytes;
	size_t n_bytes;
};

struct writer {
	void *(*create)(void);        /* NULL when out of memory */
	void (*destroy)(void *state); /* NULL too */
	/* Free buffers that together have more than max_bytes. */
	void (*trim)(void *state, size_t max_bytes);

	/*
	 * Write a whole file without metadata. Planes of the rendering may be changed.
	 *
	 * JPEG  takes 8 bits and the full range; chroma whole or half.
	 * PNG   takes 8 or 16 bits, with alpha only 16, the full range, and whole chroma.
	 * WebP  takes 8 bits, luma of the limited range, and half chroma of the full range, with
	 *       alpha of the limited one.
	 *
	 * return  false when out of memory.
	 */
	bool (*write)(void *state, struct rendered *rendered,
	              const struct write_options *options, struct written *ret_written);
};

extern const struct writer jpeg_writer, png_writer, webp_writer;

#endif
