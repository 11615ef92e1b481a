/*
 * Reads the entropy-coded data of one scan into its components: samples for a sequential file,
 * coefficients for a progressive one.
 */
#ifndef PXP_JPEG_SCAN_H
#define PXP_JPEG_SCAN_H

#include "image/fast/workspace.h"
#include "image/fast/jpeg_bits.h"
#include "image/fast/jpeg_huffman.h"
#include "image/fast/jpeg_markers.h"

enum {
	/* The largest index k + run, after the last coefficient, with the longest possible run. */
	JPG_PLACES = JPG_BLOCK_SIZE + JPG_RUN_END_OF_BLOCK + 1,
	/* A block with room for coefficients that are not used, in whole vectors. */
	JPG_BLOCK_ROOM = JPG_BLOCK_SIZE + 8,
};

/* The positions of the coefficients that a scale uses in a block of side x side. All others have
 * the position after its end. */
struct jpg_places {
	unsigned n_kept; /* number of coefficients: side x side */
	unsigned last;   /* the last used coefficient in zigzag order */
	uint64_t used;
	uint8_t place[JPG_PLACES];
};

struct jpg_component {
	enum jpg_scale scale;
	unsigned side; /* side of a block's samples: 8, 4, 2, 1 */
	const struct jpg_places *places;
	uint8_t h, v;
	/* The number of blocks in the frame's grid of MCUs, and in scans of this component alone
	 * (T.81, A.2). */
	uint32_t n_blocks_x, n_blocks_y, n_own_blocks_x, n_own_blocks_y;

	/* The quantization steps, in the order of the coefficients in a stored block. */
	_Alignas(16) int16_t quantization[JPG_BLOCK_SIZE];

	uint8_t *samples;
	size_t stride; /* distance in bytes between rows of samples */
	/* Distance from a block's samples to those of the next block to the right. */
	size_t block_bytes;

	/* For progressive files: n_kept coefficients of each block; and a mask of those of its 64,
	 * in zigzag order, that are known not to be 0; NULL if no AC scan is read. */
	int16_t *coefficients;
	uint64_t *nonzero;
};

/* The result of reading a scan. */
enum jpg_scan_status {
	JPG_SCAN_OK,
	JPG_SCAN_RAN_OUT,   /* the data ended before the last block */
	JPG_SCAN_LEFT_OVER, /* there are data after the last block */
	JPG_SCAN_BAD_CODE,  /* an invalid code, or a code that leads out of the block */
	JPG_SCAN_BAD_TABLE,
	JPG_SCAN_BAD_RESTART, /* restart markers missing or out of order */
	JPG_SCAN_NO_MEMORY,
};

/* The input and the output of a scan. */
struct jpg_scan_job {
	const struct jpg_file *file;
	const struct jpg_scan *scan;
	struct jpg_component *component; /* components of the frame */
	struct jpg_huffman_cache *cache;
	struct workspace *buffer; /* buffer for the unstuffed bytes */
};

enum jpg_scan_status jpg_read_scan(const struct jpg_scan_job *job);

#endif
