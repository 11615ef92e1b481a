/*
 * JPEG files made by libjpeg, with many combinations of its settings. Running out of memory ends
 * the process. /
 */
#ifndef PXP_JPEG_MAKER_H
#define PXP_JPEG_MAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *at; /* the caller frees these bytes */
	size_t n;
};

enum drawing { DRAWING_SMOOTH, DRAWING_BUSY, DRAWING_NOISE, DRAWING_FLAT, N_DRAWINGS };

/* The scans in which a file is written. */
enum script {
	SCRIPT_SEQUENTIAL,
	SCRIPT_ONE_EACH, /* sequential, one scan for each component */
	SCRIPT_USUAL,    /* libjpeg's default progressive script */
	/* a progressive script with bands and bits in random order, chosen by the seed */
	SCRIPT_RANDOM,
	SCRIPT_LONG, /* a progressive script of `n_scans` scans */
};

enum { MAX_SCRIPT_SCANS = 256 };

struct jpeg_settings {
	unsigned width, height;
	enum drawing drawing;
	bool is_grey;
	unsigned h[3], v[3]; /* sampling factors of each component; 0 means 1 */
	int quality;         /* quality from 1 to 100 */
	bool is_optimised;   /* whether Huffman tables are optimised for the picture */
	unsigned restart;    /* MCUs in a restart interval; 0: no restart markers */
	enum script script;
	/* The number of scans of SCRIPT_LONG, up to MAX_SCRIPT_SCANS. */
	unsigned n_scans;
	unsigned seed; /* seed of the drawing and of the scan script */
	bool is_arithmetic;
	bool is_rgb, is_cmyk, is_ycck; /* colour spaces other than YCbCr */
};

struct bytes jpeg_encode(const struct jpeg_settings *settings);

/* Pseudo-random numbers, the same on every machine. */
uint32_t random_next(uint64_t *state);
unsigned random_below(uint64_t *state, unsigned n);

#endif
