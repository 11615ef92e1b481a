/* The filters of PNG undone (PNG specification, 9.2), with SIMD where the machine has it. */
#ifndef PXP_FAST_PNG_UNFILTER_H
#define PXP_FAST_PNG_UNFILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Undo a filter in place. above is the row above, undone; zeros for the first row. n_pixel_bytes
 * is 1 to 4. */
void png_unfilter(enum png_filter filter, uint8_t *row, const uint8_t *above, size_t n,
                  unsigned n_pixel_bytes);

/* The same without SIMD, for machines that have none and for the tests. */
void png_unfilter_portable(enum png_filter filter, uint8_t *row, const uint8_t *above,
                           size_t n, unsigned n_pixel_bytes);

#endif
