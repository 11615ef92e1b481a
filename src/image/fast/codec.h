/*
 * Readers and writers of one format each, as the fast engine uses them: tables of functions over a
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
	/* The reader does not support this kind of file; another reader may. */
	READ_CANNOT,
	READ_DAMAGED,   /* the file contradicts its standard or itself */
	READ_TRUNCATED, /* the file ends early */
	READ_NO_MEMORY, /* an allocation failed */
};

/* The requirements of an output for a reader. */
struct demand {
	/* Ratio of picture to output size, on the axis that is reduced least. */
	double ratio;
	bool has_half_chroma;
	bool is_lossless; /* the output hides no inaccuracy of the reader */
	/* The allowed error of decoded planes: a mean squared error in levels of 0 to 255. */
	double noise_budget;
};

struct read_request {
	const struct demand *demands; /* requirements of all outputs */
	unsigned n_demands;
	bool reads_everything; /* skip nothing, and tolerate no damage */
};

struct reader {
	void *(*create)(void);        /* create the state; NULL if memory ran out */
	void (*destroy)(void *state); /* destroy the state; NULL is allowed */
	/* Free the buffers if together they have more than max_bytes. */
	void (*trim)(void *state, size_t max_bytes);

	/* Read everything except the pixels. The bytes are borrowed until the file is decoded, or
	 * another one is opened. The size is that of the picture as it is stored. */
	enum read_status (*open)(void *state, const uint8_t *bytes, size_t n_bytes,
	                         struct size *ret_size, bool *ret_is_grey);
	/* Decode the file for which open() returned READ_OK. The planes belong to the reader until
	 * its next call. The caller applies the orientation. */
	enum read_status (*decode)(void *state, const struct read_request *request,
	                           struct decoded *ret_decoded);
	/* A one-line message about the last status that was not READ_OK. Static text. */
	const char *(*reason)(const void *state);

	/* An upper bound of the bytes that decode() allocates, estimated from the header. */
	uint64_t (*memory)(const struct picture_header *header,
	                   const struct read_request *request);
};

extern const struct reader jpeg_reader, png_reader;

/* ---- writers ---- */

struct write_options {
	unsigned quality; /* quality, 0 to 100; unused for PNG */
	unsigned effort;  /* effort, 0 (fast) to 9 (small); unused for JPEG */
	/* For JPEG: make Huffman tables for the picture, which is slower but gives smaller
	 * files. */
	bool is_progressive, has_own_tables;
};

/* The file that a writer has made. It belongs to the writer, until the writer's next call. */
struct written {
	const uint8_t *bytes;
	size_t n_bytes;
};

struct writer {
	void *(*create)(void);        /* create the state; NULL if memory ran out */
	void (*destroy)(void *state); /* destroy the state; NULL is allowed */
	/* Free the buffers if together they have more than max_bytes. */
	void (*trim)(void *state, size_t max_bytes);

	/*
	 * Write a complete file without metadata. The planes of the rendering may be changed.
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
