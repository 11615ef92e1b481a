/* Planes of samples. */
#include "image/fast/plane.h"

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

bool plane_reserve_with_margin(struct plane *ret_plane, struct workspace *workspace,
                               uint32_t width, uint32_t height, unsigned n_bits)
{
	struct plane *plane = ret_plane;
	uint32_t n_sides = 2 * PLANE_MARGIN_BYTES / (n_bits / 8);

	if (width > UINT32_MAX - n_sides || height > UINT32_MAX - 2 * PLANE_MARGIN_ROWS ||
	    !plane_reserve(plane, workspace, width + n_sides,
	                   height + 2 * PLANE_MARGIN_ROWS, n_bits))
		return false;
	plane->samples = (uint8_t *)plane_row(plane, PLANE_MARGIN_ROWS) +
	                 PLANE_MARGIN_BYTES;
	plane->width = width;
	plane->height = height;
	plane->true_width = width;
	plane->true_height = height;
	plane->has_margin = true;
	return true;
}
