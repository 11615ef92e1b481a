/*
 * A PNG reader (PNG specification, third edition) that reduces the picture while it inflates it:
 * at no time are more rows in memory than fit in the cache.
 *
 * It reads 8 bits a sample, and palettes of 1, 2, 4 or 8 bits with their transparency; not
 * interlaced. Other pictures are for other readers: 16 bits, grey of less than 8 bits, one
 * colour that is transparent, and animations. A colour profile is not applied.
 *
 * Every checksum is checked. A file that ends early, even only without its IEND, is truncated.
 *
 * Threads: a reader belongs to one thread at a time.
 */
#ifndef PXP_FAST_PNG_READ_H
#define PXP_FAST_PNG_READ_H

#include "image/fast/box.h"
#include "image/fast/codec.h"

struct png_reader_header {
	uint32_t width, height;
	/* 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; a palette's colours. */
	unsigned n_bands;
};

struct png_reader;

/* NULL when out of memory. */
struct png_reader *png_reader_create(void);
void png_reader_destroy(struct png_reader *reader); /* NULL too */

/* Free buffers that together have more than max_bytes. */
void png_reader_trim(struct png_reader *reader, size_t max_bytes);

/* Read all chunks, but none of the pixels. The bytes are borrowed until the file is decoded, or
 * another one is opened. */
enum read_status png_reader_open(struct png_reader *reader, const uint8_t *bytes,
                                 size_t n_bytes, struct png_reader_header *ret_header);

/*
 * Decode the file that was opened, reduced by factor, 1 to BOX_MAX_FACTOR.
 *
 * ret_box   the reduced planes, which belong to the reader until its next call.
 */
enum read_status png_reader_decode(struct png_reader *reader, unsigned factor,
                                   const struct box **ret_box);

/* One line about the last status that was not READ_OK. Static text. */
const char *png_reader_reason(const struct png_reader *reader);

/* Bytes that decoding allocates at most, beside the reader itself. */
uint64_t png_reader_memory(const struct png_reader_header *header, unsigned factor);

/* ---- the filters of a row (9.2), undone with SIMD where the machine has it ---- */

enum png_filter {
	PNG_FILTER_NONE,
	PNG_FILTER_SUB,
	PNG_FILTER_UP,
	PNG_FILTER_AVERAGE,
	PNG_FILTER_PAETH,
	N_PNG_FILTERS
};

/* Bytes behind the end of a row, and of the row above, that may be read, and of the row written. */
enum { PNG_ROW_ROOM = 16 };

/*
 * Undo the filter of the first of n_rows rows in place, or of the first two where that is faster. Each
 * row has the byte of its filter and n bytes of pixels, which are n_pixel_bytes long, 1 to 4. above
 * is the row above, undone and without a filter; zeros for the first row.
 *
 * return  how many rows are undone; 0: the filter is unknown.
 */
unsigned png_unfilter(uint8_t *rows, unsigned n_rows, const uint8_t *above, size_t n,
                      unsigned n_pixel_bytes);

/* The same of one row, without SIMD, for machines that have none and for the tests. row has no
 * filter's byte. */
void png_unfilter_portable(enum png_filter filter, uint8_t *row, const uint8_t *above,
                           size_t n, unsigned n_pixel_bytes);

#endif
