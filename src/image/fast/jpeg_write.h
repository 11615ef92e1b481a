/*
 * JPEG written by libjpeg-turbo straight from planes of Y, Cb and Cr.
 *
 * Threads: a writer belongs to one thread at a time.
 */
#ifndef PXP_FAST_JPEG_WRITE_H
#define PXP_FAST_JPEG_WRITE_H

#include "image/fast/plane.h"
#include "image/fast/written.h"

struct jpeg_writer;

struct jpeg_options {
	unsigned quality; /* 1 to 100 */
	bool is_progressive;
	bool has_own_tables;  /* Huffman tables made for the picture: smaller, slower */
	bool has_half_chroma; /* on both axes, rounded up; else chroma has luma's size */
};

/* A marker segment that is written behind the header; the bytes are borrowed. */
struct jpeg_segment {
	uint8_t marker; /* APP1: 0xe1, ... */
	const uint8_t *bytes;
	size_t n_bytes; /* at most 65533 */
};

/* NULL when out of memory. */
struct jpeg_writer *jpeg_writer_create(void);
void jpeg_writer_destroy(struct jpeg_writer *writer); /* NULL too */
void jpeg_writer_trim(struct jpeg_writer *writer, size_t max_bytes);

/*
 * Write a whole file.
 *
 * planes     n_planes of them: 1 (grey) or 3, of 8 bits, of which the first is the size of the
 *            picture. Samples behind the last column may change.
 * segments   n_segments of them, written in this order behind JFIF's.
 * return     false when out of memory.
 */
bool jpeg_writer_write(struct jpeg_writer *writer, struct plane *planes,
                       unsigned n_planes, const struct jpeg_options *options,
                       const struct jpeg_segment *segments, size_t n_segments,
                       struct written *ret_written);

#endif
