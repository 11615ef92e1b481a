/* Renders the planes of a decoded picture to the planes of an output. */
#include "image/fast/render.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zimg.h>

/*
 * ---- resampling ----
 *
 * zimg resamples one plane at a time with Lanczos3. Building a filter graph takes as long as
 * running it on a small picture, so graphs are kept between pictures.
 */

/* A region of a plane, in samples. The resampler scales the region. Where the region is outside the
 * plane, the samples at the plane's edge are repeated. */
struct region {
	double x, y, width, height;
};

/* The parameters of a filter graph. Graphs with equal parameters are equal. */
struct graph_key {
	uint32_t from_width, from_height, to_width, to_height;
	struct region region;
	uint32_t from_bits, to_bits;
	bool is_limited;
};

struct graph {
	struct graph_key key;
	zimg_filter_graph *filter;
	size_t n_working_bytes;
	uint64_t last_used;
};

enum { N_GRAPHS = 96, LANCZOS_LOBES = 3 };

struct resampler {
	struct graph graphs[N_GRAPHS];
	uint64_t clock;
	struct workspace working;
};

static void resampler_fini(struct resampler *resampler)
{
	for (size_t i = 0; i < N_GRAPHS; i++)
		zimg_filter_graph_free(resampler->graphs[i].filter);
	workspace_fini(&resampler->working);
}

/* Free the working memory if it is larger than max_bytes. Graphs are kept. */
static void resampler_trim(struct resampler *resampler, size_t max_bytes)
{
	if (resampler->working.n_bytes > max_bytes)
		workspace_fini(&resampler->working);
}

static zimg_pixel_type_e pixel_type(uint32_t n_bits)
{
	return n_bits == 8 ? ZIMG_PIXEL_BYTE : ZIMG_PIXEL_WORD;
}

/* Describe a plane to zimg. Every plane is declared as grey, so zimg does not convert colours. It
 * converts only the range of levels, if necessary. */
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
	parameters.filter_param_a = LANCZOS_LOBES;
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

/* Resample a region of `from` into `to`. The size and the number of bits of `to` are already set.
 * If is_limited is true, the levels of the result are 16 to 235, as WebP requires for luma. If not,
 * they are 0 to 255. Returns false if memory ran out. */
static bool resample(struct resampler *resampler, const struct plane *from,
                     const struct region *region, struct plane *to, bool is_limited)
{
	zimg_image_buffer_const in = {.version = ZIMG_API_VERSION};
	zimg_image_buffer out = {.version = ZIMG_API_VERSION};
	const struct graph_key key = {
		.from_width = from->width,
		.from_height = from->height,
		.to_width = to->width,
		.to_height = to->height,
		.region = *region,
		.from_bits = from->n_bits,
		.to_bits = to->n_bits,
		.is_limited = is_limited,
	};
	struct graph *graph = find_graph(resampler, &key);
	void *working;

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

/* ---- orientation ---- */

/* Transpose a plane: the rows of `to` are the columns of `from`, mirrored as `turn` says. The work
 * is done square by square, so that a square of each plane fits in the cache. `size` is the number
 * of bytes of a sample, and a constant wherever this function is inlined. */
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

static bool orient_plane(struct plane *ret_plane, struct workspace *workspace,
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

/* ---- the renderer ---- */

struct renderer {
	struct resampler resampler;
	/* A copy of the region that is resampled, and a margin around it. */
	struct workspace surroundings;
	/* The planes after each step. The elements with the index MAX_PLANES are for a copy of
	 * alpha that has the size of chroma. */
	struct workspace resampled[MAX_PLANES + 1], turned[MAX_PLANES + 1];
	struct workspace finished[MAX_PLANES];
};

struct renderer *renderer_create(void)
{
	return calloc(1, sizeof(struct renderer));
}

static void free_buffers(struct renderer *renderer)
{
	workspace_fini(&renderer->surroundings);
	for (unsigned i = 0; i <= MAX_PLANES; i++) {
		workspace_fini(&renderer->resampled[i]);
		workspace_fini(&renderer->turned[i]);
	}
	for (unsigned i = 0; i < MAX_PLANES; i++)
		workspace_fini(&renderer->finished[i]);
}

void renderer_destroy(struct renderer *renderer)
{
	if (!renderer)
		return;
	free_buffers(renderer);
	resampler_fini(&renderer->resampler);
	free(renderer);
}

void renderer_trim(struct renderer *renderer, size_t max_bytes)
{
	size_t n_bytes = renderer->surroundings.n_bytes;

	for (unsigned i = 0; i <= MAX_PLANES; i++)
		n_bytes += renderer->resampled[i].n_bytes + renderer->turned[i].n_bytes;
	for (unsigned i = 0; i < MAX_PLANES; i++)
		n_bytes += renderer->finished[i].n_bytes;
	if (n_bytes > max_bytes)
		free_buffers(renderer);
	resampler_trim(&renderer->resampler, max_bytes);
}

bool render_takes_layout(const struct layout *layout, struct size from)
{
	return !layout->is_searched && !layout->is_focused &&
	       layout->scaled.width <= from.width &&
	       layout->scaled.height <= from.height &&
	       layout->canvas.width == layout->part.size.width &&
	       layout->canvas.height == layout->part.size.height;
}

/* One axis of the picture as it is stored. The axis is scaled to `scaled` pixels. Of these, n
 * pixels are kept, beginning with pixel number `first`. If is_mirrored is true, the axis is
 * mirrored afterwards. */
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

/* Compute which samples of a plane belong to the kept part. The plane has true_n samples on this
 * axis. If is_half is true, chroma is subsampled. Then, if the number of kept pixels is odd, one
 * sample of chroma also covers a pixel that is not kept. This is the pixel after the last kept
 * pixel or, if the axis will be mirrored, the pixel before the first kept pixel. */
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

/* A plane, and what must be done with it. */
struct plane_job {
	const struct plane *from;
	unsigned place; /* index of the plane in the renderer's workspaces */
	const struct axis *x, *y;
	bool is_half, is_limited;
	unsigned n_bits;
	unsigned orientation;
};

/* Whether the plane can be used unchanged: the region is the whole plane, and the result has the
 * same size and number of bits. */
static bool is_whole(const struct plane_job *job, const struct region *region,
                     uint32_t width, uint32_t height)
{
	const struct plane *from = job->from;

	return !job->is_limited && from->n_bits == job->n_bits && from->width == width &&
	       from->height == height && region->x == 0 && region->y == 0 &&
	       region->width == width && region->height == height;
}

/* The resampler also reads samples beyond both ends of a region. Compute their number at one end:
 * as many as three samples of the output cover, and one more because of rounding. */
static double margin_of(double n_from, uint32_t n_to)
{
	double ratio = n_from / n_to;

	return ceil(LANCZOS_LOBES * (ratio > 1 ? ratio : 1)) + 1;
}

/* Copy n samples of a row, beginning with sample number `first`, which may be negative. The row has
 * n_row samples. Beyond its ends, its first and its last sample are repeated. `size` is the number
 * of bytes of a sample, a constant wherever this function is inlined. */
static inline void copy_row(uint8_t *to, const uint8_t *row, int64_t first, uint32_t n,
                            uint32_t n_row, size_t size)
{
	uint32_t n_before = first < 0 ? (uint32_t)-first : 0;
	uint32_t begin = first < 0 ? 0 : (uint32_t)first;
	uint32_t n_inside = n - n_before < n_row - begin ? n - n_before : n_row - begin;

	for (uint32_t i = 0; i < n_before; i++)
		memcpy(to + i * size, row, size);
	memcpy(to + n_before * size, row + begin * size, n_inside * size);
	for (uint32_t i = n_before + n_inside; i < n; i++)
		memcpy(to + i * size, row + (n_row - 1) * size, size);
}

/* Fill the margin of a plane with copies of the samples at its edges: n_columns samples on the left
 * and on the right, n_rows rows above and below. `size` is the number of bytes of a sample, a
 * constant wherever this function is inlined. */
static inline void fill_margin(const struct plane *plane, uint32_t n_columns,
                               uint32_t n_rows, size_t size)
{
	const size_t row_bytes = plane->width * size + (size_t)2 * PLANE_MARGIN_BYTES;
	uint8_t *first = (uint8_t *)plane_row(plane, 0) - PLANE_MARGIN_BYTES;
	uint8_t *last = (uint8_t *)plane_row(plane, plane->height - 1) -
	                PLANE_MARGIN_BYTES;

	for (uint32_t y = 0; y < plane->height; y++) {
		uint8_t *row = plane_row(plane, y), *end = row + plane->width * size;

		for (size_t i = 0; i < n_columns; i++) {
			memcpy(row - (i + 1) * size, row, size);
			memcpy(end + i * size, end - size, size);
		}
	}
	for (uint32_t i = 1; i <= n_rows; i++) {
		memcpy(first - i * plane->stride, first, row_bytes);
		memcpy(last + i * plane->stride, last, row_bytes);
	}
}

/* Fill the margin of a plane. *ret_plane becomes the plane including its margin. *region is changed
 * to the same region in *ret_plane. Returns false if the margin is too narrow for resampling the
 * region to width x height. */
static bool use_margin(const struct plane *from, uint32_t width, uint32_t height,
                       struct region *region, struct plane *ret_plane)
{
	const size_t size = from->n_bits / 8;
	double x_margin = margin_of(region->width, width);
	double y_margin = margin_of(region->height, height);
	uint32_t n_side = PLANE_MARGIN_BYTES / (uint32_t)size, n_rows;

	if (!from->has_margin || y_margin > PLANE_MARGIN_ROWS || x_margin > n_side)
		return false;
	n_rows = (uint32_t)y_margin;
	if (size == 1)
		fill_margin(from, (uint32_t)x_margin, n_rows, 1);
	else
		fill_margin(from, (uint32_t)x_margin, n_rows, 2);
	*ret_plane = *from;
	ret_plane->samples = (uint8_t *)from->samples - n_rows * from->stride -
	                     PLANE_MARGIN_BYTES;
	ret_plane->width += 2 * n_side;
	ret_plane->height += 2 * n_rows;
	region->x += n_side;
	region->y += n_rows;
	return true;
}

/*
 * Copy the region of a plane with a margin around it. Where the margin is outside the plane, the
 * samples at the plane's edge are repeated. Without a margin, zimg would mirror the samples at the
 * edge. A bright or dark line at the edge would then count twice. *region is changed to the same
 * region in the copy.
 */
static bool copy_surroundings(struct renderer *renderer, const struct plane *from,
                              uint32_t width, uint32_t height, struct region *region,
                              struct plane *ret_plane)
{
	double x_margin = margin_of(region->width, width);
	double y_margin = margin_of(region->height, height);
	double left = floor(region->x) - x_margin, top = floor(region->y) - y_margin;
	double right = ceil(region->x + region->width) + x_margin;
	double bottom = ceil(region->y + region->height) + y_margin;
	const uint8_t *last = NULL;

	if (!plane_reserve(ret_plane, &renderer->surroundings, (uint32_t)(right - left),
	                   (uint32_t)(bottom - top), from->n_bits))
		return false;
	region->x -= left;
	region->y -= top;
	for (uint32_t y = 0; y < ret_plane->height; y++) {
		double at = top + y < 0 ? 0 : top + y;
		const uint8_t *row = plane_row(
			from, at < from->height ? (uint32_t)at : from->height - 1);
		uint8_t *to = plane_row(ret_plane, y);

		if (row == last)
			memcpy(to, to - ret_plane->stride, ret_plane->stride);
		else if (from->n_bits == 8)
			copy_row(to, row, (int64_t)left, ret_plane->width, from->width,
			         1);
		else
			copy_row(to, row, (int64_t)left, ret_plane->width, from->width,
			         2);
		last = row;
	}
	return true;
}

static bool render_plane(struct renderer *renderer, const struct plane_job *job,
                         struct plane *ret_plane)
{
	const struct plane *from = job->from;
	uint32_t width = samples_on_axis(job->x, job->is_half);
	uint32_t height = samples_on_axis(job->y, job->is_half);
	struct plane resampled = *from, surroundings;
	struct region region;

	region_on_axis(job->x, from->true_width, job->is_half, &region.x, &region.width);
	region_on_axis(job->y, from->true_height, job->is_half, &region.y,
	               &region.height);
	if (!is_whole(job, &region, width, height) &&
	    (!plane_reserve(&resampled, &renderer->resampled[job->place], width, height,
	                    job->n_bits) ||
	     !(use_margin(from, width, height, &region, &surroundings) ||
	       copy_surroundings(renderer, from, width, height, &region,
	                         &surroundings)) ||
	     !resample(&renderer->resampler, &surroundings, &region, &resampled,
	               job->is_limited)))
		return false;
	if (job->orientation > 1)
		return orient_plane(ret_plane, &renderer->turned[job->place], &resampled,
		                    job->orientation);
	*ret_plane = resampled;
	return true;
}

static bool render_opaque(struct renderer *renderer, const struct decoded *from,
                          const struct plane_job *common,
                          const struct render_options *options, struct rendered *rendered)
{
	for (unsigned i = 0; i < from->n_planes; i++) {
		struct plane_job job = *common;

		job.from = &from->planes[i];
		job.place = i;
		job.is_half = i > 0 && options->has_half_chroma;
		job.is_limited = i == 0 && options->is_limited;
		job.n_bits = options->is_deep ? 16 : 8;
		if (!render_plane(renderer, &job, &rendered->planes[i]))
			return false;
	}
	return true;
}

/* ---- alpha ---- */

/* The numbers for converting a plane to levels of 8 bits. The plane has samples of 16 bits, which
 * are multiplied by alpha. */
struct finish {
	float neutral; /* the neutral sample: black in luma, grey in chroma */
	/* the range to which (sample - neutral) / alpha is clipped */
	float low, high;
	/* If colours are divided by alpha: level = (sample - neutral) / alpha * scale + offset. */
	float scale, offset;
	/* The level of the background minus the level of the neutral sample. */
	float background;
};

/* Divide the colours of a row by alpha. Where alpha is almost 0, the colours become neutral. */
static void divide_row(uint8_t *restrict out, const uint16_t *restrict in,
                       const uint16_t *restrict alpha, uint32_t n,
                       const struct finish *finish)
{
	enum { LEAST_ALPHA = 64 };

	for (uint32_t x = 0; x < n; x++) {
		float factor = alpha[x] > LEAST_ALPHA ? 1.0f / alpha[x] : 0;
		float colour = ((float)in[x] - finish->neutral) * factor;

		colour = colour < finish->low ? finish->low : colour;
		colour = colour > finish->high ? finish->high : colour;
		out[x] = (uint8_t)(int)(colour * finish->scale + finish->offset);
	}
}

/* Blend the colours of a row with the background. */
static void flatten_row(uint8_t *restrict out, const uint16_t *restrict in,
                        const uint16_t *restrict alpha, uint32_t n,
                        const struct finish *finish)
{
	const float all = UINT16_MAX, level_16 = 257;

	for (uint32_t x = 0; x < n; x++) {
		float transparency = (all - alpha[x]) / all;
		float level = ((float)in[x] - finish->neutral) / level_16 +
		              transparency * finish->background;

		level = level * finish->scale / 255 + finish->offset;
		level = level < 0 ? 0 : level > 255 ? 255 : level;
		out[x] = (uint8_t)(int)level;
	}
}

static struct finish finish_of(unsigned i, const struct render_options *options)
{
	const float neutral_level = i ? 128 : 0;
	struct finish finish = {
		.neutral = neutral_level * 257,
		.low = i ? -0.5f : 0,
		.high = i ? 0.5f : 1,
		.scale = 255,
		.offset = neutral_level + 0.5f,
		.background = options->background[i] - neutral_level,
	};

	/* A flattened picture has no alpha, so its chroma keeps the full range. */
	if (options->is_limited && !(i && options->is_flattened)) {
		finish.scale = i ? 224 : 219;
		finish.offset = i ? 128.5f : 16.5f;
	}
	return finish;
}

static bool finish_plane(struct renderer *renderer, unsigned i, const struct plane *plane,
                         const struct plane *alpha, const struct render_options *options,
                         struct plane *ret_plane)
{
	struct finish finish = finish_of(i, options);

	if (!plane_reserve(ret_plane, &renderer->finished[i], plane->width, plane->height,
	                   8))
		return false;
	for (uint32_t y = 0; y < plane->height; y++) {
		if (options->is_flattened)
			flatten_row(plane_row(ret_plane, y), plane_row(plane, y),
			            plane_row(alpha, y), plane->width, &finish);
		else
			divide_row(plane_row(ret_plane, y), plane_row(plane, y),
			           plane_row(alpha, y), plane->width, &finish);
	}
	return true;
}

/* Convert alpha from 16 bits to 8 bits. */
static bool finish_alpha(struct renderer *renderer, const struct plane *alpha,
                         struct plane *ret_plane)
{
	if (!plane_reserve(ret_plane, &renderer->finished[ALPHA], alpha->width,
	                   alpha->height, 8))
		return false;
	for (uint32_t y = 0; y < alpha->height; y++) {
		const uint16_t *in = plane_row(alpha, y);
		uint8_t *out = plane_row(ret_plane, y);

		for (uint32_t x = 0; x < alpha->width; x++)
			out[x] = (uint8_t)((in[x] + 128u) / 257u);
	}
	return true;
}

/* Render a picture with alpha. All planes are resampled with 16 bits. With 8 bits, a colour that is
 * divided by a small alpha would consist mostly of rounding errors. */
static bool render_alpha(struct renderer *renderer, const struct decoded *from,
                         const struct plane_job *common,
                         const struct render_options *options, struct rendered *rendered)
{
	struct plane deep[MAX_PLANES + 1];
	bool has_half_alpha = options->has_half_chroma && from->n_planes > 1;

	for (unsigned i = 0; i <= MAX_PLANES; i++) {
		struct plane_job job = *common;
		bool is_colour = i < from->n_planes, is_half_alpha = i == MAX_PLANES;

		if (!is_colour && i != ALPHA && !(is_half_alpha && has_half_alpha))
			continue;
		job.from = &from->planes[is_colour ? i : ALPHA];
		job.place = i;
		job.is_half = (is_colour && i > 0 && options->has_half_chroma) ||
		              is_half_alpha;
		job.n_bits = 16;
		if (!render_plane(renderer, &job, &deep[i]))
			return false;
	}
	rendered->has_alpha = !options->is_flattened;
	if (options->is_deep && rendered->has_alpha) {
		for (unsigned i = 0; i < MAX_PLANES; i++)
			rendered->planes[i] = deep[i];
		return true;
	}
	for (unsigned i = 0; i < from->n_planes; i++) {
		const struct plane *alpha =
			&deep[i > 0 && has_half_alpha ? MAX_PLANES : ALPHA];

		if (!finish_plane(renderer, i, &deep[i], alpha, options,
		                  &rendered->planes[i]))
			return false;
	}
	return options->is_flattened ||
	       finish_alpha(renderer, &deep[ALPHA], &rendered->planes[ALPHA]);
}

bool render(struct renderer *renderer, const struct decoded *from,
            const struct layout *layout, const struct render_options *options,
            struct rendered *ret_rendered)
{
	struct axis x, y;
	const struct plane_job common = {
		.x = &x, .y = &y, .orientation = from->orientation};

	axes_of(layout, from->orientation, &x, &y);
	*ret_rendered = (struct rendered){.n_planes = from->n_planes,
	                                  .has_half_chroma = options->has_half_chroma};
	if (from->has_alpha)
		return render_alpha(renderer, from, &common, options, ret_rendered);
	return render_opaque(renderer, from, &common, options, ret_rendered);
}
