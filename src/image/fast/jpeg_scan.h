/*
 * Reading the entropy-coded data of one scan into its components: samples of a sequential
 * file, coefficients of a progressive one.
 */
#ifndef PXP_JPEG_SCAN_H
#define PXP_JPEG_SCAN_H

#include "image/fast/workspace.h"
#include "image/fast/jpeg_bits.h"
#include "image/fast/jpeg_huffman.h"
#include "image/fast/jpeg_markers.h"

enum {
	/* Index k + run behind the last coefficient, with the longest run there is. */
	JPG_PLACES = JPG_BLOCK_SIZE + JPG_RUN_END_OF_BLOCK + 1,
	/* A block with room for the coefficients that are not wanted, in whole vectors. */
	JPG_BLOCK_ROOM = JPG_BLOCK_SIZE + 8,
};

/* Where the coefficients that a scale uses are kept in a block of side x side. Others have
 * the place behind its end. */
struct jpg_places {
	unsigned n_kept; /* side x side */
	unsigned last;   /* the last one used, in zigzag order */
	uint64_t used;
	uint8_t place[JPG_PLACES];
};

struct jpg_component {
	enum jpg_scale scale;
	unsigned side; /* of a block's samples: 8, 4, 2, 1 */
	const struct jpg_places *places;
	uint8_t h, v;
	/* Blocks in the frame's grid of MCUs, and those that scans of this component alone
	 * have (T.81, A.2). */
	uint32_t n_blocks_x, n_blocks_y, n_own_blocks_x, n_own_blocks_y;

	_Alignas(16) int16_t quantization[JPG_BLOCK_SIZE]; /* in a block's places */

	uint8_t *samples;
	size_t stride;      /* bytes between rows of samples */
	size_t block_bytes; /* from a block's samples to the next one's to the right */

	/* Of progressive files: n_kept coefficients of each block; and which of its 64,
	 * in zigzag order, are known not to be 0, NULL where no AC scan is read. */
	int16_t *coefficients;
	uint64_t *nonzero;
};

/* How a scan went. */
enum jpg_scan_status {
	JPG_SCAN_OK,
	JPG_SCAN_RAN_OUT,   /* fewer bits than blocks */
	JPG_SCAN_LEFT_OVER, /* more bits than blocks */
	JPG_SCAN_BAD_CODE, /* bits that are no code, or a code that leads out of the block */
	JPG_SCAN_BAD_TABLE,
	JPG_SCAN_BAD_RESTART, /* restart markers missing or out of order */
	JPG_SCAN_NO_MEMORY,
};

/* What a scan reads and what it writes into. */
struct jpg_scan_job {
	const struct jpg_file *file;
	const struct jpg_scan *scan;
	struct jpg_component *component; /* of the frame */
	struct jpg_huffman_cache *cache;
	struct workspace *buffer; /* for the unstuffed bytes */
};

enum jpg_scan_status jpg_read_scan(const struct jpg_scan_job *job);

#endif
