/*
 * Lossy WebP written by libwebp straight from planes of Y, Cb, Cr and alpha, in one thread.
 *
 * Threads: a writer belongs to one thread at a time.
 */
#ifndef PXP_FAST_WEBP_WRITE_H
#define PXP_FAST_WEBP_WRITE_H

#include "image/fast/plane.h"
#include "image/fast/written.h"

struct webp_writer;

struct webp_options {
	unsigned quality; /* 0 to 100 */
	unsigned method;  /* 0 (fast) to 6 (small) */
};

/* NULL when out of memory. */
struct webp_writer *webp_writer_create(void);
void webp_writer_destroy(struct webp_writer *writer); /* NULL too */
void webp_writer_trim(struct webp_writer *writer, size_t max_bytes);

/*
 * Write a whole file without metadata.
 *
 * planes    of 8 bits: n_planes of them, 1 (grey) or 3. Luma has the picture's size and the
 *           limited range, 16 to 235; chroma has half of it, rounded up, and the full range,
 *           which the writer limits in place, or with alpha the limited range.
 * alpha     of luma's size, or NULL.
 * return    false when out of memory.
 */
bool webp_writer_write(struct webp_writer *writer, struct plane *planes,
                       unsigned n_planes, const struct plane *alpha,
                       const struct webp_options *options, struct written *ret_written);

#endif
