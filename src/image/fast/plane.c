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
