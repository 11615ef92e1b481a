/*
 * PNG written from planes: 8 bits, grey or RGB, with alpha or without, compressed by libdeflate.
 *
 * Threads: a writer belongs to one thread at a time.
 */
#ifndef PXP_FAST_PNG_WRITE_H
#define PXP_FAST_PNG_WRITE_H

#include "image/fast/render.h"
#include "image/fast/written.h"

struct png_writer;

/* NULL when out of memory. */
struct png_writer *png_writer_create(void);
void png_writer_destroy(struct png_writer *writer); /* NULL too */
void png_writer_trim(struct png_writer *writer, size_t max_bytes);

/*
 * Write a whole file without metadata.
 *
 * rendered  planes with whole chroma and the full range, of 8 or 16 bits; with alpha only of 16.
 * level     of compression: 0 (none) to 9 (small).
 * return    false when out of memory.
 */
bool png_writer_write(struct png_writer *writer, const struct rendered *rendered,
                      unsigned level, struct written *ret_written);

#endif
