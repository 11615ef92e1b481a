/*
 * Reads the entropy-coded data of one scan. The result is samples if the file is sequential, and
 * coefficients if it is progressive.
 */
#ifndef PXP_JPEG_SCAN_H
#define PXP_JPEG_SCAN_H

#include "image/fast/workspace.h"
#include "image/fast/jpeg_bits.h"
#include "image/fast/jpeg_huffman.h"
#include "image/fast/jpeg_markers.h"

enum {
	/* The number of entries of place[], which is indexed by k + run. k is at most 64, and the
	 * longest run is JPG_RUN_END_OF_BLOCK. */
	JPG_PLACES = JPG_BLOCK_SIZE + JPG_RUN_END_OF_BLOCK + 1,
	/* The number of coefficients for which a block of 8 x 8 has room: its own and one more, to
	 * which coefficients beyond the block are written. The number is rounded up to whole
	 * vectors. */
	JPG_BLOCK_ROOM = JPG_BLOCK_SIZE + 8,
};

/* Where coefficients are in a stored block of side x side. place[k] is the position of coefficient
 * k in zigzag order. For a coefficient that the scale does not use, place[k] is the first position
 * after the block. */
struct jpg_places {
	unsigned n_kept; /* number of stored coefficients of a block: side x side */
	unsigned last;   /* the last coefficient that the scale uses, in zigzag order */
	uint64_t used;
	uint8_t place[JPG_PLACES];
};

struct jpg_component {
	enum jpg_scale scale;
	unsigned side; /* width and height of a block in samples: 8, 4, 2 or 1 */
	const struct jpg_places *places;
	uint8_t h, v;
	/* The number of blocks on each axis. In a scan of several components, which consists of
	 * whole MCUs, it is n_blocks_x and n_blocks_y. In a scan of this component alone, it is
	 * n_own_blocks_x and n_own_blocks_y (T.81, A.2). */
	uint32_t n_blocks_x, n_blocks_y, n_own_blocks_x, n_own_blocks_y;

	/* The quantization steps, in the same order as the coefficients of a stored block. */
	_Alignas(16) int16_t quantization[JPG_BLOCK_SIZE];

	uint8_t *samples;
	size_t stride; /* distance in bytes between rows of samples */
	/* Distance in bytes from the samples of a block to those of its right neighbour. */
	size_t block_bytes;

	/* The coefficients of a progressive file. Each block has places->n_kept coefficients. */
	int16_t *coefficients;
	/* A mask for each block of a progressive file. Bit k is set if coefficient k, in zigzag
	 * order, is known not to be 0. The pointer is NULL if no AC scan is read. */
	uint64_t *nonzero;
};

/* The result of reading a scan. */
enum jpg_scan_status {
	JPG_SCAN_OK,
	JPG_SCAN_RAN_OUT,   /* the data ended before the last block */
	JPG_SCAN_LEFT_OVER, /* the data continue after the last block */
	/* A code is invalid, its run leads beyond the last coefficient of the block, or an
	 * end-of-band run leads beyond the segment. */
	JPG_SCAN_BAD_CODE,
	JPG_SCAN_BAD_TABLE,
	/* A restart marker is missing or out of order, or follows the last block. */
	JPG_SCAN_BAD_RESTART,
	JPG_SCAN_NO_MEMORY,
};

/* The input and the output of jpg_read_scan(). */
struct jpg_scan_job {
	const struct jpg_file *file;
	const struct jpg_scan *scan;
	struct jpg_component *component; /* all components of the frame */
	struct jpg_huffman_cache *cache;
	struct workspace *buffer; /* buffer for the unstuffed bytes */
};

enum jpg_scan_status jpg_read_scan(const struct jpg_scan_job *job);

#endif
