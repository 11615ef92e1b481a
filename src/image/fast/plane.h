/*
 * A plane: the samples of one component of a picture, luma, chroma or alpha.
 *
 * Samples are centred: sample i of n stands for the middle of the i-th of n equal parts of the
 * picture, in every plane whatever its size, so that each plane can be resampled separately.
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
	/* The part of the plane that belongs to the picture, in samples: at most width and
	 * height. */
	double true_width, true_height;
	/* 8: uint8_t. 16: uint16_t, 257 for each level of 0 to 255. */
	unsigned n_bits;
	size_t stride; /* bytes from row to row, a multiple of PLANE_ALIGNMENT */
	void *samples; /* aligned to PLANE_ALIGNMENT; rows may be used up to the stride */
	/* Memory around the samples may be written: PLANE_MARGIN_BYTES before and after each row,
	 * and PLANE_MARGIN_ROWS rows above the first and below the last one. */
	bool has_margin;
};

enum { PLANE_MARGIN_BYTES = PLANE_ALIGNMENT, PLANE_MARGIN_ROWS = 32 };

/* Make a plane of this size in the workspace, all of which belongs to the picture; false if memory
 * ran out. */
bool plane_reserve(struct plane *ret_plane, struct workspace *workspace, uint32_t width,
                   uint32_t height, unsigned n_bits);

/* Make a plane with a margin. */
bool plane_reserve_with_margin(struct plane *ret_plane, struct workspace *workspace,
                               uint32_t width, uint32_t height, unsigned n_bits);

/*
 * Get the chroma of a 16-bit sample, without its neutral value, in units of 1/257 of a level.
 *
 * The largest sample is 255 levels, but the chroma of pure red and pure blue is 255.5. The largest
 * sample therefore counts as 255.25 levels, the middle of the values that are stored as it: so
 * each RGB colour of 8 bits is restored exactly.
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
