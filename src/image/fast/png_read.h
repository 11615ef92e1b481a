/*
 * A PNG reader (PNG specification, third edition) that reduces the picture while it decompresses
 * it. So it has only a few decompressed rows in memory at a time, and they fit in the cache.
 *
 * The reader supports samples of 8 bits, and palettes of 1, 2, 4 or 8 bits with transparency. It
 * does not support these: 16 bits, grey of less than 8 bits, one transparent colour (tRNS without a
 * palette), interlaced pictures, animations, and the chunk cICP. It does not apply colour profiles.
 *
 * The reader checks the checksum of the decompressed pixels. It also checks the checksums of the
 * chunks, except those of IEND and of IDAT chunks after the end of the pixels. A file that ends
 * early counts as truncated, even if only its IEND is missing.
 *
 * Threads: a reader belongs to one thread at a time.
 */
#ifndef PXP_FAST_PNG_READ_H
#define PXP_FAST_PNG_READ_H

#include "image/fast/box.h"
#include "image/fast/codec.h"

struct png_reader_header {
	uint32_t width, height;
	/* The number of bands: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. A picture with a palette
	 * has 3 bands, or 4 if the file has a tRNS chunk. */
	unsigned n_bands;
};

/* The state of the reader. The table png_reader has the functions that create, trim and destroy it,
 * and that give the reason why a file was refused. */
struct png_reader;

/* Read all chunks except the pixels. The bytes are borrowed until the file is decoded or another
 * file is opened. */
enum read_status png_reader_open(struct png_reader *reader, const uint8_t *bytes,
                                 size_t n_bytes, struct png_reader_header *ret_header);

/*
 * Decode the file that was opened, and reduce it by `factor`, which is 1 to BOX_MAX_FACTOR.
 *
 * ret_box   the reduced planes, which belong to the reader and are valid until its next call.
 */
enum read_status png_reader_decode(struct png_reader *reader, unsigned factor,
                                   const struct box **ret_box);

/* An upper bound of the number of bytes that decoding and rendering allocate, without the reader
 * itself. */
uint64_t png_reader_memory(const struct png_reader_header *header, unsigned factor);

/* ---- row filters (9.2), undone with SIMD if the processor has it ---- */

enum png_filter {
	PNG_FILTER_NONE,
	PNG_FILTER_SUB,
	PNG_FILTER_UP,
	PNG_FILTER_AVERAGE,
	PNG_FILTER_PAETH,
	N_PNG_FILTERS
};

/* How many bytes after the end of a row png_unfilter() may read and write. It may read as many
 * bytes after the end of the row above. */
enum { PNG_ROW_ROOM = 16 };

/*
 * Undo the filter of the first of n_rows rows, in place. If undoing two rows together is faster,
 * also undo the filter of the second row. Each row is a filter byte and n bytes of pixels. A pixel
 * has n_pixel_bytes bytes, 1 to 4.
 *
 * The pointer `above` points to the row above the first row, after its filter was undone, without
 * its filter byte. For the first row of a picture, it points to zeros.
 *
 * return  the number of rows whose filter was undone; 0: the filter is unknown.
 */
unsigned png_unfilter(uint8_t *rows, unsigned n_rows, const uint8_t *above, size_t n,
                      unsigned n_pixel_bytes);

/* Undo the filter of one row without SIMD. png_unfilter() uses this where it has no SIMD code, and
 * the tests compare both. `row` has no filter byte. */
void png_unfilter_portable(enum png_filter filter, uint8_t *row, const uint8_t *above,
                           size_t n, unsigned n_pixel_bytes);

#endif
