/*
 * A plane has the samples of one component of a picture: luma, chroma or alpha.
 *
 * Samples are centred: if n samples cover the picture, they divide it into n equal parts, and
 * sample i stands for the middle of part i. This holds for planes of all sizes, so each plane can
 * be resampled separately.
 */
#ifndef PXP_FAST_PLANE_H
#define PXP_FAST_PLANE_H

#include "image/fast/workspace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plane {
	/* The size in samples. The last sample of a row or column may lie partly outside the
	 * picture. */
	uint32_t width, height;
	/* The size in samples of the part of the plane that belongs to the picture. It is at most
	 * width and height, and may be a fraction. */
	double true_width, true_height;
	/* 8: samples are uint8_t. 16: samples are uint16_t, each 257 times the level of an 8-bit
	 * sample. */
	unsigned n_bits;
	size_t stride; /* bytes from one row to the next, a multiple of PLANE_ALIGNMENT */
	/* The first sample, aligned to PLANE_ALIGNMENT. The bytes between the end of a row and the
	 * next row may be written. */
	void *samples;
	/* The memory around the samples may be written: PLANE_MARGIN_BYTES before and after each
	 * row, and PLANE_MARGIN_ROWS rows above the first row and below the last row. */
	bool has_margin;
};

enum { PLANE_MARGIN_BYTES = PLANE_ALIGNMENT, PLANE_MARGIN_ROWS = 32 };

/* Make a plane of this size in the workspace. true_width and true_height become equal to width and
 * height. Returns false if memory ran out. */
bool plane_reserve(struct plane *ret_plane, struct workspace *workspace, uint32_t width,
                   uint32_t height, unsigned n_bits);

/* Make a plane as plane_reserve() does, with a margin around it. */
bool plane_reserve_with_margin(struct plane *ret_plane, struct workspace *workspace,
                               uint32_t width, uint32_t height, unsigned n_bits);

/*
 * Get the chroma of a 16-bit sample, relative to the neutral value 128 * 257. One level is 257.
 *
 * The largest sample is level 255, but the chroma of pure red and pure blue is level 255.5. So all
 * levels from 255 to 255.5 are stored as the largest sample. This function reads the largest
 * sample as 255.25, the middle of this range. Then every RGB colour of 8 bits is restored exactly.
 */
static inline float plane_chroma(uint16_t sample)
{
	const float level = 257;

	return sample == UINT16_MAX ? 127.25f * level : (float)sample - 128 * level;
}

static inline void *plane_row(const struct plane *plane, uint32_t y)
{
	return (uint8_t *)plane->samples + (size_t)y * plane->stride;
}

#endif
