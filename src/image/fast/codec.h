/*
 * Readers and writers of the fast engine. A reader reads one format, and a writer writes one. Each
 * is a table of functions with a common state. The state has the buffers and the handles of the
 * format's library, and is kept between pictures.
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
	/* This reader does not support the file; another engine may. */
	READ_CANNOT,
	READ_DAMAGED,   /* the file breaks the rules of its format */
	READ_TRUNCATED, /* the file ends early */
	READ_NO_MEMORY, /* an allocation failed */
};

/* What an output requires of the function that reads the picture. */
struct demand {
	/* On each axis, divide the size of the picture by the size to which the output scales it.
	 * ratio is the smaller result. */
	double ratio;
	bool has_half_chroma; /* the output has chroma with half of luma's width and height */
	/* The output keeps its pixels without loss, so it also keeps small errors of decoding. */
	bool is_lossless;
	/* The allowed error of decoded planes: a mean squared error, in levels of 8-bit samples. */
	double noise_budget;
};

struct read_request {
	const struct demand *demands; /* the requirements of each output */
	unsigned n_demands;
	bool reads_everything; /* if true, the reader skips no scan of a JPEG */
};

/* The facts that a reader knows before it decodes pixels. */
struct read_header {
	struct size size; /* size as stored, before the orientation is applied */
	bool is_grey;
	/* The decoded planes will not be luma and chroma. Such a file can be decoded only to check
	 * it. */
	bool has_other_colours;
	/* True for a WebP whose planes are decoded without a conversion to RGB. Their chroma has
	 * half of luma's width and height. */
	bool has_half_chroma;
};

/* The first member of the state of every reader. */
struct read_state {
	/* One line of static text: the reason for the last status other than READ_OK. NULL: every
	 * status was READ_OK. */
	const char *reason;
};

/* Keep the reason for a status, and return the status. */
static inline enum read_status read_say(struct read_state *state, enum read_status status,
                                        const char *reason)
{
	state->reason = reason;
	return status;
}

/* The function `reason` of every struct reader. `state` points to a struct read_state, which is the
 * first member of the state of every reader. */
static inline const char *read_reason(const void *state)
{
	const struct read_state *common = state;

	return common->reason ? common->reason : "";
}

struct reader {
	void *(*create)(void);        /* create the state; NULL if memory ran out */
	void (*destroy)(void *state); /* destroy the state; NULL is allowed */
	/* Free the buffers if together they have more than max_bytes. */
	void (*trim)(void *state, size_t max_bytes);

	/* Read everything except the pixels. The bytes are borrowed until the file is decoded or
	 * another file is opened. */
	enum read_status (*open)(void *state, const uint8_t *bytes, size_t n_bytes,
	                         struct read_header *ret_header);
	/* Decode the file for which open() returned READ_OK. The planes belong to the reader and
	 * are valid until its next call. The caller applies the EXIF orientation. */
	enum read_status (*decode)(void *state, const struct read_request *request,
	                           struct decoded *ret_decoded);
	/* Get the reason for the last status other than READ_OK: one line of static text. */
	const char *(*reason)(const void *state);

	/* Estimate from the header how many bytes decode() and the renderer allocate. */
	uint64_t (*memory)(const struct picture_header *header,
	                   const struct read_request *request);
};

extern const struct reader jpeg_reader, png_reader, webp_reader;

/* ---- writers ---- */

struct write_options {
	unsigned quality; /* from 0 (small files) to 100 (best quality); unused for PNG */
	unsigned effort;  /* from 0 (fast encoding) to 9 (small files); unused for JPEG */
	/* For JPEG only. has_own_tables: make Huffman tables for this picture. This is slower but
	 * gives smaller files. */
	bool is_progressive, has_own_tables;
};

/* The file that a writer has made. The bytes belong to the writer and are valid until its next
 * call. */
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
	 * Write a complete file without metadata. The function does not change the samples of the
	 * planes, but it may write to the bytes between their rows. The planes must have:
	 *
	 * JPEG  8 bits; the full range of levels; chroma as large as luma or half as large.
	 * PNG   8 or 16 bits, with alpha only 16; the full range; chroma as large as luma.
	 * WebP  8 bits; luma in the limited range; chroma half as large as luma, in the full range
	 *       without alpha and in the limited range with alpha.
	 *
	 * return  false if memory ran out. Also false if the compressed pixels of a PNG have 2^31
	 *         bytes or more, or if the installed libwebp has another interface.
	 */
	bool (*write)(void *state, struct rendered *rendered,
	              const struct write_options *options, struct written *ret_written);
};

extern const struct writer jpeg_writer, png_writer, webp_writer;

#endif
