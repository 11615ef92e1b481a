/* From the planes of a decoded picture to those of an output. */
#include "image/fast/render.h"

#include "image/fast/resample.h"

#include <stdlib.h>

struct renderer {
	struct resampler *resampler;
	struct workspace resampled[MAX_PLANES], turned[MAX_PLANES];
};

struct renderer *renderer_create(void)
{
	struct renderer *renderer = calloc(1, sizeof(*renderer));

	if (!renderer)
		return NULL;
	renderer->resampler = resampler_create();
	if (!renderer->resampler) {
		renderer_destroy(renderer);
		return NULL;
	}
	return renderer;
}

static void free_buffers(struct renderer *renderer)
{
	for (unsigned i = 0; i < MAX_PLANES; i++) {
		workspace_fini(&renderer->resampled[i]);
		workspace_fini(&renderer->turned[i]);
	}
}

void renderer_destroy(struct renderer *renderer)
{
	if (!renderer)
		return;
	free_buffers(renderer);
	resampler_destroy(renderer->resampler);
	free(renderer);
}

void renderer_trim(struct renderer *renderer, size_t max_bytes)
{
	size_t n_bytes = 0;

	for (unsigned i = 0; i < MAX_PLANES; i++)
		n_bytes += renderer->resampled[i].n_bytes + renderer->turned[i].n_bytes;
	if (n_bytes > max_bytes)
		free_buffers(renderer);
	resampler_trim(renderer->resampler, max_bytes);
}

bool render_takes_layout(const struct layout *layout, struct size from)
{
	return !layout->is_searched && !layout->is_focused &&
	       layout->scaled.width <= from.width &&
	       layout->scaled.height <= from.height &&
	       layout->canvas.width == layout->part.size.width &&
	       layout->canvas.height == layout->part.size.height;
}

/* One axis of the picture as it is stored: it is scaled to so many pixels, of which a part is
 * kept, and later mirrored or not. */
struct axis {
	uint32_t scaled, first, n;
	bool is_mirrored;
};

static struct axis axis_of(uint32_t scaled, uint32_t first, uint32_t n, bool is_mirrored)
{
	return (struct axis){scaled, is_mirrored ? scaled - first - n : first, n,
	                     is_mirrored};
}

static void axes_of(const struct layout *layout, unsigned orientation, struct axis *ret_x,
                    struct axis *ret_y)
{
	const struct area *part = &layout->part;
	struct turn turn = turn_of(orientation);
	struct axis x = axis_of(layout->scaled.width, part->x, part->size.width,
	                        turn.mirrors_x);
	struct axis y = axis_of(layout->scaled.height, part->y, part->size.height,
	                        turn.mirrors_y);

	*ret_x = turn.exchanges ? y : x;
	*ret_y = turn.exchanges ? x : y;
}

/* Where on a plane of true_n samples the kept part lies. Half chroma of an odd number of pixels
 * has one sample for half a pixel more, behind the last one; where the axis is mirrored later,
 * in front of the first one. */
static void region_on_axis(const struct axis *axis, double true_n, bool is_half,
                           double *ret_first, double *ret_n)
{
	double first = axis->first, n = axis->n;

	if (is_half && axis->n % 2) {
		n++;
		first -= axis->is_mirrored;
	}
	*ret_first = first * true_n / axis->scaled;
	*ret_n = n * true_n / axis->scaled;
}

static uint32_t samples_on_axis(const struct axis *axis, bool is_half)
{
	return is_half ? (axis->n + 1) / 2 : axis->n;
}

/* Whether the plane itself is what the region asks for. */
static bool is_whole(const struct plane *from, const struct region *region,
                     uint32_t width, uint32_t height)
{
	return from->n_bits == 8 && from->width == width && from->height == height &&
	       region->x == 0 && region->y == 0 && region->width == width &&
	       region->height == height;
}

static bool render_plane(struct renderer *renderer, const struct decoded *from,
                         unsigned i, const struct axis *x, const struct axis *y,
                         const struct render_options *options, struct plane *ret_plane)
{
	const struct plane *plane = &from->planes[i];
	bool is_half = i > 0 && options->has_half_chroma;
	bool is_limited = i == 0 && options->is_limited;
	uint32_t width = samples_on_axis(x, is_half),
		 height = samples_on_axis(y, is_half);
	struct region region;
	struct plane resampled = *plane;

	region_on_axis(x, plane->true_width, is_half, &region.x, &region.width);
	region_on_axis(y, plane->true_height, is_half, &region.y, &region.height);
	if (is_limited || !is_whole(plane, &region, width, height)) {
		if (!plane_reserve(&resampled, &renderer->resampled[i], width, height,
		                   8) ||
		    !resample(renderer->resampler, plane, &region, &resampled,
		              is_limited))
			return false;
	}
	if (from->orientation > 1)
		return plane_orient(ret_plane, &renderer->turned[i], &resampled,
		                    from->orientation);
	*ret_plane = resampled;
	return true;
}

bool render(struct renderer *renderer, const struct decoded *from,
            const struct layout *layout, const struct render_options *options,
            struct rendered *ret_rendered)
{
	struct axis x, y;

	axes_of(layout, from->orientation, &x, &y);
	*ret_rendered = (struct rendered){.n_planes = from->n_planes,
	                                  .has_half_chroma = options->has_half_chroma};
	for (unsigned i = 0; i < from->n_planes; i++) {
		if (!render_plane(renderer, from, i, &x, &y, options,
		                  &ret_rendered->planes[i]))
			return false;
	}
	return true;
}
