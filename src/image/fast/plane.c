/* Planes of samples: reserved, sharpened, turned. */
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

/* Rows of the result are columns of from, mirrored or not. In squares, so that both stay in the
 * cache. size is that of a sample, a constant where this is inlined. */
static inline void transpose(struct plane *to, const struct plane *from,
                             const struct turn *turn, size_t size)
{
	enum { SIDE = 32 };

	for (uint32_t y0 = 0; y0 < to->height; y0 += SIDE) {
		uint32_t y1 = y0 + SIDE < to->height ? y0 + SIDE : to->height;

		for (uint32_t x0 = 0; x0 < to->width; x0 += SIDE) {
			uint32_t x1 = x0 + SIDE < to->width ? x0 + SIDE : to->width;

			for (uint32_t y = y0; y < y1; y++) {
				uint32_t column = turn->mirrors_y ? to->height - 1 - y
				                                  : y;
				uint8_t *row = plane_row(to, y);

				for (uint32_t x = x0; x < x1; x++) {
					uint32_t at = turn->mirrors_x ? to->width - 1 - x
					                              : x;
					const uint8_t *in = plane_row(from, at);

					memcpy(row + x * size, in + column * size, size);
				}
			}
		}
	}
}

static inline void mirror(struct plane *to, const struct plane *from,
                          const struct turn *turn, size_t size)
{
	for (uint32_t y = 0; y < to->height; y++) {
		const uint8_t *in = plane_row(from,
		                              turn->mirrors_y ? to->height - 1 - y : y);
		uint8_t *out = plane_row(to, y);

		if (!turn->mirrors_x) {
			memcpy(out, in, to->width * size);
			continue;
		}
		for (uint32_t x = 0; x < to->width; x++)
			memcpy(out + x * size, in + (to->width - 1 - x) * size, size);
	}
}

static inline void orient(struct plane *to, const struct plane *from,
                          const struct turn *turn, size_t size)
{
	if (turn->exchanges)
		transpose(to, from, turn, size);
	else
		mirror(to, from, turn, size);
}

struct turn turn_of(unsigned orientation)
{
	static const struct turn turns[9] = {
		[1] = {false, false, false}, [2] = {false, true, false},
		[3] = {false, true, true},   [4] = {false, false, true},
		[5] = {true, false, false},  [6] = {true, true, false},
		[7] = {true, true, true},    [8] = {true, false, true},
	};

	return turns[orientation];
}

bool plane_orient(struct plane *ret_plane, struct workspace *workspace,
                  const struct plane *from, unsigned orientation)
{
	struct turn turn = turn_of(orientation);
	uint32_t width = turn.exchanges ? from->height : from->width;
	uint32_t height = turn.exchanges ? from->width : from->height;

	if (!plane_reserve(ret_plane, workspace, width, height, from->n_bits))
		return false;
	if (from->n_bits == 8)
		orient(ret_plane, from, &turn, 1);
	else
		orient(ret_plane, from, &turn, 2);
	return true;
}

void plane_extend_rows(struct plane *plane, uint32_t width)
{
	for (uint32_t y = 0; y < plane->height && width > plane->width; y++) {
		uint8_t *row = plane_row(plane, y);

		memset(row + plane->width, row[plane->width - 1], width - plane->width);
	}
}
