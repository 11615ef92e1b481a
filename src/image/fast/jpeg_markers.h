/*
 * The marker segments of a JPEG file (ITU-T T.81, annex B): its frame, and everything that is
 * needed to decode each scan. The whole file is parsed before anything is decoded, so that it is
 * known whether the file is complete and which scans it has.
 *
 * All structs borrow from the file's bytes.
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
	JPG_TABLES = 4,      /* number of quantization and of Huffman tables */
	JPG_MCU_BLOCKS = 10, /* T.81, B.2.3 */
	JPG_MAX_SCANS = 200, /* more scans in one file are refused as an attack */
	JPG_MAX_FACTOR = 4,  /* maximum sampling factor */
	JPG_MAX_AL = 13,     /* T.81, table B.3 */
};

struct jpg_frame_component {
	uint8_t id;
	uint8_t h, v; /* sampling factors */
	uint8_t quantization_table;
	/* The quantization table at the time of the component's first scan, in zigzag order. */
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
	uint8_t ss, se, ah, al;    /* spectral selection, successive approximation */
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
	bool has_stray;     /* there are bytes between segments that belong to none */
	const char *reason; /* reason for a status other than READ_OK; static text */
};

/* Read all segments. A file that ends without EOI after the data of its last scan gives READ_OK
 * with has_end false. */
enum read_status jpg_file_read(struct jpg_file *ret_file, const uint8_t *bytes,
                               size_t n_bytes);

/* The number of samples or blocks of a component on one axis: ceil(n * factor / max_factor). */
static inline uint32_t jpg_samples(uint32_t n, unsigned factor, unsigned max_factor)
{
	return (n * factor + max_factor - 1) / max_factor;
}

static inline uint32_t jpg_blocks(uint32_t n_samples)
{
	return (n_samples + JPG_BLOCK_SIDE - 1) / JPG_BLOCK_SIDE;
}

#endif
