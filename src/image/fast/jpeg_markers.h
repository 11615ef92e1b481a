/*
 * The marker segments of a JPEG file (ITU-T T.81, annex B): its frame, and everything that is
 * needed to decode each scan. All segments of the file are parsed before a scan is decoded, so that
 * the decoder knows whether the file is complete and which scans it has.
 *
 * All structs point into the bytes of the file.
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
	/* Maximum number of quantization tables, and of Huffman tables of each class. */
	JPG_TABLES = 4,
	/* Maximum number of blocks in an MCU of several components (T.81, B.2.3). */
	JPG_MCU_BLOCKS = 10,
	/* A file with more scans is refused, because it may be an attack. */
	JPG_MAX_SCANS = 200,
	JPG_MAX_FACTOR = 4, /* maximum sampling factor */
	JPG_MAX_AL = 13,    /* maximum of al (T.81, table B.3) */
};

struct jpg_frame_component {
	uint8_t id;
	uint8_t h, v; /* sampling factors */
	uint8_t quantization_table;
	/* The quantization table, in zigzag order, as it was defined when the component's first
	 * scan began. A later table with the same number does not change it. */
	bool has_quantization;
	uint16_t quantization[JPG_BLOCK_SIZE];
};

struct jpg_scan {
	unsigned n_components;
	/* Indices of components in the frame, in ascending order. */
	uint8_t component[JPG_MAX_COMPONENTS];
	/* Huffman tables of component[i]. */
	struct jpg_table_bytes dc[JPG_MAX_COMPONENTS];
	struct jpg_table_bytes ac[JPG_MAX_COMPONENTS];
	/* First and last coefficient; previous and new lowest known bit (B.2.3). */
	uint8_t ss, se, ah, al;
	uint32_t restart_interval; /* in MCUs; 0: no restart markers */
	const uint8_t *bytes; /* the entropy-coded segments with their restart markers */
	size_t n_bytes;
	bool is_skipped; /* set by jpg_plan_scans() */
};

struct jpg_file {
	uint32_t width, height;
	bool is_progressive;
	unsigned n_components;
	unsigned h_max, v_max;
	struct jpg_frame_component component[JPG_MAX_COMPONENTS];

	size_t n_scans;
	struct jpg_scan scan[JPG_MAX_SCANS];

	bool has_end;       /* an EOI marker follows the last scan */
	bool has_stray;     /* some bytes between the segments belong to no segment */
	const char *reason; /* the reason for a status other than READ_OK: static text */
};

/* Read all segments. If the file ends without EOI, but after the data of its last scan, returns
 * READ_OK with has_end false. */
enum read_status jpg_file_read(struct jpg_file *ret_file, const uint8_t *bytes,
                               size_t n_bytes);

/* The number of samples of a component on one axis: ceil(n * factor / max_factor). n is the number
 * of pixels. */
static inline uint32_t jpg_samples(uint32_t n, unsigned factor, unsigned max_factor)
{
	return (n * factor + max_factor - 1) / max_factor;
}

static inline uint32_t jpg_blocks(uint32_t n_samples)
{
	return (n_samples + JPG_BLOCK_SIDE - 1) / JPG_BLOCK_SIDE;
}

#endif
