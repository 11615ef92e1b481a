/* Planes of samples: reserved and sharpened. */
#include "image/fast/plane.h"

#include <string.h>

bool plane_reserve(struct plane *ret_plane, struct workspace *workspace, uint32_t width,
                   uint32_t height, unsigned n_bits)
{
	size_t stride = size_aligned(size_times(width, n_bits / 8));
	size_t n_bytes = size_times(stride, height);
	void *samples = workspace_reserve(workspace, n_bytes);

	if (!samples)
		return false;
	*ret_plane = (struct plane){
		.width = width,
		.height = height,
		.true_width = width,
		.true_height = height,
		.n_bits = n_bits,
		.stride = stride,
		.samples = samples,
	};
	return true;
}

static const float sharpness = 0.05f;

/* One row, sharpened on its own axis. Beyond its ends are samples like its last ones. */
static void sharpen_row(float *restrict out, const uint16_t *restrict row, uint32_t width)
{
	const float centre = 1 + 2 * sharpness;
	uint32_t last = width - 1;

	if (width == 1) {
		out[0] = row[0];
		return;
	}
	out[0] = centre * row[0] - sharpness * (float)(row[0] + row[1]);
	for (uint32_t x = 1; x < last; x++)
		out[x] = centre * row[x] - sharpness * (float)(row[x - 1] + row[x + 1]);
	out[last] = centre * row[last] - sharpness * (float)(row[last - 1] + row[last]);
}

static void sharpen_column(uint16_t *restrict out, const float *restrict above,
                           const float *restrict here, const float *restrict below,
                           uint32_t width)
{
	const float centre = 1 + 2 * sharpness;

	for (uint32_t x = 0; x < width; x++) {
		float value = centre * here[x] - sharpness * (above[x] + below[x]) + 0.5f;

		value = value < 0 ? 0 : value > UINT16_MAX ? UINT16_MAX : value;
		out[x] = (uint16_t)(int)value;
	}
}

bool plane_sharpen(struct plane *plane, struct workspace *workspace)
{
	size_t row_floats = size_aligned(plane->width * sizeof(float)) / sizeof(float);
	float *rows = workspace_reserve(workspace,
	                                size_times(3 * sizeof(float), row_floats));
	float *above, *here, *below;

	if (!rows)
		return false;
	above = rows;
	here = rows + row_floats;
	below = rows + 2 * row_floats;
	sharpen_row(here, plane_row(plane, 0), plane->width);
	memcpy(above, here, plane->width * sizeof(float));
	for (uint32_t y = 0; y < plane->height; y++) {
		float *done = above;

		if (y + 1 < plane->height)
			sharpen_row(below, plane_row(plane, y + 1), plane->width);
		else
			memcpy(below, here, plane->width * sizeof(float));
		sharpen_column(plane_row(plane, y), above, here, below, plane->width);
		above = here;
		here = below;
		below = done;
	}
	return true;
}
