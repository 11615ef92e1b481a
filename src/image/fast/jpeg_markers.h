/*
 * The marker segments of a JPEG file (ITU-T T.81, annex B): its frame, and for each scan
 * everything that is needed to decode it. All segments are parsed before the first scan is
 * decoded. So the decoder knows which scans the file has and whether the file is complete.
 *
 * The structs borrow the bytes of the file.
 */
#ifndef PXP_JPEG_MARKERS_H
#define PXP_JPEG_MARKERS_H

#include "image/fast/jpeg.h"
#include "image/fast/jpeg_huffman.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	JPG_BLOCK_SIDE = 8,
	JPG_BLOCK_SIZE = 64,
	/* Maximum number of quantization tables, of DC Huffman tables, and of AC Huffman tables. */
	JPG_TABLES = 4,
	/* Maximum number of blocks in an MCU of several components (T.81, B.2.3). */
	JPG_MCU_BLOCKS = 10,
	/* A file with more scans than this is refused, because it may be an attack. */
	JPG_MAX_SCANS = 200,
	JPG_MAX_FACTOR = 4, /* maximum sampling factor */
	JPG_MAX_AL = 13,    /* maximum of the parameter Al of a scan (T.81, table B.3) */
};

struct jpg_frame_component {
	uint8_t id;
	uint8_t h, v; /* sampling factors */
	uint8_t quantization_table;
	/* The quantization table in zigzag order. It is copied when the component's first scan
	 * begins; a later table with the same number does not change it. */
	bool has_quantization;
	uint16_t quantization[JPG_BLOCK_SIZE];
};

struct jpg_scan {
	unsigned n_components;
	/* Indices of the scan's components in the frame, in ascending order. */
	uint8_t component[JPG_MAX_COMPONENTS];
	/* The Huffman tables of component[i] are dc[i] and ac[i]. */
	struct jpg_table_bytes dc[JPG_MAX_COMPONENTS];
	struct jpg_table_bytes ac[JPG_MAX_COMPONENTS];
	/* The members have the names of T.81, B.2.3. ss, se: the first and the last coefficient.
	 * ah, al: the lowest bit that is known before and after the scan. If no bit is known
	 * before, ah is 0. */
	uint8_t ss, se, ah, al;
	/* The number of MCUs between restart markers; 0: no restart markers. */
	uint32_t restart_interval;
	const uint8_t *bytes; /* the entropy-coded segments with their restart markers */
	size_t n_bytes;
	bool is_skipped; /* whether the scan is skipped; set by jpg_plan_scans() */
};

struct jpg_file {
	uint32_t width, height;
	bool is_progressive;
	unsigned n_components;
	bool has_other_colours; /* the colours are RGB, CMYK or YCCK */
	unsigned h_max, v_max;
	struct jpg_frame_component component[JPG_MAX_COMPONENTS];

	size_t n_scans;
	struct jpg_scan scan[JPG_MAX_SCANS];

	bool has_end;       /* an EOI marker follows the last scan */
	bool has_stray;     /* some bytes between two segments belong to neither */
	const char *reason; /* the reason for a status other than READ_OK: static text */
};

/* Read all segments. If only the end marker (EOI) is missing after the data of the last scan,
 * returns READ_OK, and has_end is false. */
enum read_status jpg_file_read(struct jpg_file *ret_file, const uint8_t *bytes,
                               size_t n_bytes);

/* The number of samples of a component on an axis of n pixels: n * factor / max_factor, rounded
 * up. */
static inline uint32_t jpg_samples(uint32_t n, unsigned factor, unsigned max_factor)
{
	return (n * factor + max_factor - 1) / max_factor;
}

static inline uint32_t jpg_blocks(uint32_t n_samples)
{
	return (n_samples + JPG_BLOCK_SIDE - 1) / JPG_BLOCK_SIDE;
}

#endif
