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

void jpg_places_init(struct jpg_places *ret_places, enum jpg_scale scale);

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

/* The bits of a scan, one entropy-coded segment after the other. */
struct jpg_entropy {
	struct jpg_bits bits;
	uint32_t n_mcus_left; /* in this segment */
	uint32_t restart_interval;
	unsigned next_restart;   /* the number m of the RSTm to come */
	const uint8_t *at, *end; /* what is left of the scan's bytes */
	uint8_t *unstuffed;      /* room for the longest segment */
};

/* Begin with the first segment. The buffer is borrowed until the scan ends. */
enum jpg_scan_status jpg_entropy_begin(struct jpg_entropy *ret_entropy,
                                       const struct jpg_scan *scan,
                                       struct workspace *buffer);

/* Finish the segment, which has no MCU left, and begin the next one. */
enum jpg_scan_status jpg_entropy_restart(struct jpg_entropy *entropy);

/* Whether the last segment was used up. */
enum jpg_scan_status jpg_entropy_end(const struct jpg_entropy *entropy);

/* DECODE of a DC difference, and the prediction (F.2.2.1), which wraps at 16 bits. */
static inline bool jpg_read_dc(struct jpg_bits *bits, const struct jpg_huffman *table,
                               int16_t *dc)
{
	struct jpg_value value;
	struct jpg_code code;
	int difference = 0;

	jpg_bits_refill(bits);
	value = table->value[jpg_bits_peek(bits, JPG_WINDOW_BITS)];
	if (__builtin_expect(value.n_bits != 0, 1)) {
		*dc = (int16_t)(*dc + value.value);
		jpg_bits_drop(bits, value.n_bits);
		return true;
	}
	code = jpg_huffman_peek(table, bits);
	if (!code.length)
		return false;
	jpg_bits_drop(bits, code.length);
	if (code.symbol)
		difference = jpg_extend(jpg_bits_take(bits, code.symbol), code.symbol);
	*dc = (int16_t)(*dc + difference);
	return true;
}

/* What a scan reads and what it writes into. */
struct jpg_scan_job {
	const struct jpg_file *file;
	const struct jpg_scan *scan;
	struct jpg_component *component; /* of the frame */
	struct jpg_huffman_cache *cache;
	struct workspace *buffer; /* for the unstuffed bytes */
};

enum jpg_scan_status jpg_read_sequential_scan(const struct jpg_scan_job *job);
enum jpg_scan_status jpg_read_progressive_scan(const struct jpg_scan_job *job);

/* The MCUs of a scan on both axes (A.2). */
void jpg_count_mcus(const struct jpg_scan_job *job, uint32_t *ret_x, uint32_t *ret_y);

#endif
