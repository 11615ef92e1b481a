/* Planes resampled by zimg. */
#include "image/fast/resample.h"

#include <stdlib.h>
#include <string.h>
#include <zimg.h>

/* All that a graph depends on. Compared byte by byte, so it is filled over zeros. */
struct graph_key {
	uint32_t from_width, from_height, to_width, to_height;
	struct region region;
	uint32_t from_bits, to_bits, is_limited, reserved;
};

struct graph {
	struct graph_key key;
	zimg_filter_graph *filter;
	size_t n_working_bytes;
	uint64_t last_used;
};

enum { N_GRAPHS = 96 };

struct resampler {
	struct graph graphs[N_GRAPHS];
	uint64_t clock;
	struct workspace working;
};

struct resampler *resampler_create(void)
{
	return calloc(1, sizeof(struct resampler));
}

void resampler_destroy(struct resampler *resampler)
{
	if (!resampler)
		return;
	for (size_t i = 0; i < N_GRAPHS; i++)
		zimg_filter_graph_free(resampler->graphs[i].filter);
	workspace_fini(&resampler->working);
	free(resampler);
}

void resampler_trim(struct resampler *resampler, size_t max_bytes)
{
	if (resampler->working.n_bytes > max_bytes)
		workspace_fini(&resampler->working);
}

static zimg_pixel_type_e pixel_type(uint32_t n_bits)
{
	return n_bits == 8 ? ZIMG_PIXEL_BYTE : ZIMG_PIXEL_WORD;
}

/* One grey plane, whatever it holds: zimg has nothing to convert then but the range. */
static zimg_image_format format_of(uint32_t width, uint32_t height, uint32_t n_bits)
{
	zimg_image_format format;

	zimg_image_format_default(&format, ZIMG_API_VERSION);
	format.width = width;
	format.height = height;
	format.pixel_type = pixel_type(n_bits);
	format.depth = n_bits;
	format.color_family = ZIMG_COLOR_GREY;
	format.pixel_range = ZIMG_RANGE_FULL;
	return format;
}

static bool build(struct graph *graph, const struct graph_key *key)
{
	zimg_image_format from = format_of(key->from_width, key->from_height,
	                                   key->from_bits);
	zimg_image_format to = format_of(key->to_width, key->to_height, key->to_bits);
	zimg_graph_builder_params parameters;

	from.active_region.left = key->region.x;
	from.active_region.top = key->region.y;
	from.active_region.width = key->region.width;
	from.active_region.height = key->region.height;
	if (key->is_limited)
		to.pixel_range = ZIMG_RANGE_LIMITED;
	zimg_graph_builder_params_default(&parameters, ZIMG_API_VERSION);
	parameters.resample_filter = ZIMG_RESIZE_LANCZOS;
	parameters.filter_param_a = 3;
	parameters.dither_type = ZIMG_DITHER_NONE;
	parameters.cpu_type = ZIMG_CPU_AUTO;

	zimg_filter_graph_free(graph->filter);
	graph->filter = zimg_filter_graph_build(&from, &to, &parameters);
	if (!graph->filter ||
	    zimg_filter_graph_get_tmp_size(graph->filter, &graph->n_working_bytes))
		return false;
	graph->key = *key;
	return true;
}

static bool regions_are_equal(const struct region *a, const struct region *b)
{
	return a->x == b->x && a->y == b->y && a->width == b->width &&
	       a->height == b->height;
}

static bool keys_are_equal(const struct graph_key *a, const struct graph_key *b)
{
	return a->from_width == b->from_width && a->from_height == b->from_height &&
	       a->to_width == b->to_width && a->to_height == b->to_height &&
	       a->from_bits == b->from_bits && a->to_bits == b->to_bits &&
	       a->is_limited == b->is_limited &&
	       regions_are_equal(&a->region, &b->region);
}

static struct graph *find_graph(struct resampler *resampler, const struct graph_key *key)
{
	struct graph *oldest = &resampler->graphs[0];

	for (size_t i = 0; i < N_GRAPHS; i++) {
		struct graph *graph = &resampler->graphs[i];

		if (graph->filter && keys_are_equal(&graph->key, key))
			return graph;
		if (graph->last_used < oldest->last_used)
			oldest = graph;
	}
	if (build(oldest, key))
		return oldest;
	zimg_filter_graph_free(oldest->filter);
	*oldest = (struct graph){0};
	return NULL;
}

bool resample(struct resampler *resampler, const struct plane *from,
              const struct region *region, struct plane *to, bool is_limited)
{
	zimg_image_buffer_const in = {.version = ZIMG_API_VERSION};
	zimg_image_buffer out = {.version = ZIMG_API_VERSION};
	struct graph_key key;
	struct graph *graph;
	void *working;

	memset(&key, 0, sizeof(key));
	key.from_width = from->width;
	key.from_height = from->height;
	key.to_width = to->width;
	key.to_height = to->height;
	key.region = *region;
	key.from_bits = from->n_bits;
	key.to_bits = to->n_bits;
	key.is_limited = is_limited;

	graph = find_graph(resampler, &key);
	if (!graph)
		return false;
	graph->last_used = ++resampler->clock;
	working = workspace_reserve(&resampler->working, graph->n_working_bytes);
	if (!working)
		return false;
	in.plane[0].data = from->samples;
	in.plane[0].stride = (ptrdiff_t)from->stride;
	in.plane[0].mask = ZIMG_BUFFER_MAX;
	out.plane[0].data = to->samples;
	out.plane[0].stride = (ptrdiff_t)to->stride;
	out.plane[0].mask = ZIMG_BUFFER_MAX;
	return zimg_filter_graph_process(graph->filter, &in, &out, working, NULL, NULL,
	                                 NULL, NULL) == ZIMG_ERROR_SUCCESS;
}
