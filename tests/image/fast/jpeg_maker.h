/*
 * JPEG files made by libjpeg, in every way that it can make them. Out of memory ends the
 * process.
 */
#ifndef PXP_JPEG_MAKER_H
#define PXP_JPEG_MAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *at; /* to be freed */
	size_t n;
};

enum drawing { DRAWING_SMOOTH, DRAWING_BUSY, DRAWING_NOISE, DRAWING_FLAT, N_DRAWINGS };

/* In which scans a file is written. */
enum script {
	SCRIPT_SEQUENTIAL,
	SCRIPT_ONE_EACH, /* sequential, one scan for each component */
	SCRIPT_USUAL,    /* libjpeg's progression */
	SCRIPT_RANDOM, /* a progression of bands and bits in random order, by the seed */
};

struct jpeg_settings {
	unsigned width, height;
	enum drawing drawing;
	bool is_grey;
	unsigned h[3], v[3]; /* sampling factors; 0: 1 */
	int quality;         /* 1 to 100 */
	bool is_optimised;   /* Huffman tables of its own */
	unsigned restart;    /* MCUs to a restart interval; 0: none */
	enum script script;
	unsigned seed; /* of drawing and script */
	bool is_arithmetic;
	bool is_rgb, is_cmyk, is_ycck; /* other colours than YCbCr */
};

struct bytes jpeg_encode(const struct jpeg_settings *settings);

/* Pseudo-random numbers, the same on every machine. */
uint32_t random_next(uint64_t *state);
unsigned random_below(uint64_t *state, unsigned n);

#endif
