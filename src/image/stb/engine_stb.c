/*
 * The stb engine uses stb_image, stb_image_resize, stb_image_write and our readers of image/raster.
 * All of them need nothing but a C compiler. The engine has no colour management, so it refuses
 * pictures that are not sRGB. It cannot keep metadata, so it refuses a picture whose metadata may
 * contain something that the recipe keeps. metadata_scan.c reads the facts that stb_image does not
 * report.
 *
 * stb_image accepts some truncated JPEG files and fills the missing part with grey. So the engine
 * first looks for the end marker, and refuses a file without it, unless fail_on is none. The engine
 * does not detect damage in the middle of a scan. If the fast engine is built, it checks each JPEG
 * first.
 */
#include "image/engine.h"

#include "base/fd.h"
#include "image/header/header_quirks.h"
#include "image/header/metadata_scan.h"
#include "image/header/profile.h"
#include "image/memory_estimate.h"
#include "image/raster/raster.h"
#include "image/stb/stb.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- operations on plain pixels ---- */

/* Copy the pixels. Returns false if memory ran out. */
static bool pixels_copy(struct pixels *ret_pixels, const struct pixels *from)
{
	if (!pixels_init(ret_pixels, from->size, from->n_bands))
		return false;
	memcpy(ret_pixels->bytes, from->bytes,
	       (size_t)from->size.width * from->size.height * from->n_bands);
	return true;
}

/* Blend the pixels with the background, in place, so that they have no alpha. If the background is
 * not set, it is white. Pixels without alpha stay unchanged. */
static void pixels_flatten(struct pixels *pixels, const struct colour *background)
{
	uint8_t on[3] = {255, 255, 255};
	unsigned n_from = pixels->n_bands, n_to = n_from - 1;
	size_t n_pixels = (size_t)pixels->size.width * pixels->size.height;
	const uint8_t *from = pixels->bytes;
	uint8_t *to = pixels->bytes;

	if (n_from != 2 && n_from != 4)
		return;
	if (background->is_set)
		memcpy(on,
		       (uint8_t[]){background->red, background->green, background->blue},
		       sizeof(on));
	for (size_t i = 0; i < n_pixels; i++, from += n_from) {
		unsigned alpha = from[n_to];

		for (unsigned band = 0; band < n_to; band++)
			*to++ = (uint8_t)((from[band] * alpha + on[band] * (255 - alpha) +
			                   127) /
			                  255);
	}
	pixels->n_bands = n_to;
}

/*
 * Turn pixels upright. The pixel at x, y of the upright picture is the stored pixel in column x and
 * row y. If is_swapped is true (orientations 5 to 8), it is the stored pixel in column y and row x.
 * If from_right is true, columns are counted from the right. If from_bottom is true, rows are
 * counted from the bottom.
 * Returns false if memory ran out.
 */
static bool pixels_orient(struct pixels *pixels, unsigned orientation)
{
	static const struct {
		bool is_swapped, from_right, from_bottom;
	} turns[9] = {
		[2] = {false, true, false}, [3] = {false, true, true},
		[4] = {false, false, true}, [5] = {true, false, false},
		[6] = {true, false, true},  [7] = {true, true, true},
		[8] = {true, true, false},
	};
	struct size from = pixels->size, to = from;
	unsigned n_bands = pixels->n_bands;
	struct pixels turned;

	if (orientation < 2 || orientation > 8)
		return true;
	if (turns[orientation].is_swapped)
		to = (struct size){from.height, from.width};
	if (!pixels_init(&turned, to, n_bands))
		return false;

	uint8_t *out = turned.bytes;

	for (uint32_t y = 0; y < to.height; y++) {
		for (uint32_t x = 0; x < to.width; x++, out += n_bands) {
			size_t column = turns[orientation].is_swapped ? y : x;
			size_t row = turns[orientation].is_swapped ? x : y;

			if (turns[orientation].from_right)
				column = from.width - 1 - column;
			if (turns[orientation].from_bottom)
				row = from.height - 1 - row;
			memcpy(out, pixels->bytes + (row * from.width + column) * n_bands,
			       n_bands);
		}
	}
	pixels_fini(pixels);
	*pixels = turned;
	return true;
}

/* Replace the pixels by those of an area of them. Returns false if memory ran out. */
static bool pixels_cut(struct pixels *pixels, const struct area *area)
{
	struct size from = pixels->size, to = area->size;
	unsigned n_bands = pixels->n_bands;
	struct pixels cut;

	if (from.width == to.width && from.height == to.height)
		return true;
	if (!pixels_init(&cut, to, n_bands))
		return false;
	for (size_t y = 0; y < to.height; y++) {
		size_t at = (area->y + y) * from.width + area->x;

		memcpy(cut.bytes + y * to.width * n_bands, pixels->bytes + at * n_bands,
		       (size_t)to.width * n_bands);
	}
	pixels_fini(pixels);
	*pixels = cut;
	return true;
}

/* Convert a pixel from n_from bands to n_to bands. From grey to RGB, the three colours become
 * equal. If n_to includes alpha but n_from does not, the new alpha is opaque. */
static void widen(uint8_t to[4], const uint8_t *from, unsigned n_from, unsigned n_to)
{
	bool is_grey = n_from < 3, has_alpha = n_from % 2 == 0;
	unsigned n_colours = n_to - (n_to % 2 == 0);

	for (unsigned band = 0; band < n_colours; band++)
		to[band] = from[is_grey ? 0 : band];
	if (n_to % 2 == 0)
		to[n_colours] = has_alpha ? from[n_from - 1] : 255;
}

/* Place the pixels on the layout's canvas, in place. If the background is not grey, grey pixels
 * become RGB. If the background is not opaque, the pixels get alpha. Returns false if memory ran
 * out. */
static bool pixels_embed(struct pixels *pixels, const struct layout *layout,
                         const struct colour *background)
{
	struct size from = pixels->size, to = layout->canvas;
	const uint8_t paint[4] = {background->red, background->green, background->blue,
	                          background->alpha};
	bool is_grey = pixels->n_bands < 3 && paint[0] == paint[1] &&
	               paint[0] == paint[2];
	bool has_alpha = pixels->n_bands % 2 == 0 || paint[3] != 255;
	unsigned n_bands = (is_grey ? 1U : 3U) + (has_alpha ? 1U : 0U);
	const uint8_t *at = pixels->bytes;
	struct pixels canvas;
	uint8_t pixel[4];

	if (!pixels_init(&canvas, to, n_bands))
		return false;
	widen(pixel, paint, 4, n_bands);
	for (size_t i = 0; i < (size_t)to.width * to.height; i++)
		memcpy(canvas.bytes + i * n_bands, pixel, n_bands);
	for (size_t y = 0; y < from.height; y++) {
		uint8_t *out = canvas.bytes +
		               ((layout->y + y) * to.width + layout->x) * n_bands;

		for (size_t x = 0; x < from.width; x++, at += pixels->n_bands) {
			widen(pixel, at, pixels->n_bands, n_bands);
			memcpy(out + x * n_bands, pixel, n_bands);
		}
	}
	pixels_fini(pixels);
	*pixels = canvas;
	return true;
}

/*
 * ---- filters ----
 *
 * The results are the same as those of the vips engine, except for rounding.
 */

static unsigned colours_of(const struct pixels *pixels)
{
	return pixels->n_bands - (pixels->n_bands % 2 == 0);
}

static void map_colours(struct pixels *pixels, const uint8_t curve[256])
{
	size_t n = (size_t)pixels->size.width * pixels->size.height;
	unsigned n_colours = colours_of(pixels);
	uint8_t *at = pixels->bytes;

	for (size_t i = 0; i < n; i++, at += pixels->n_bands) {
		for (unsigned band = 0; band < n_colours; band++)
			at[band] = curve[at[band]];
	}
}

static bool negate(struct pixels *pixels, const struct filter *filter,
                   const struct recipe *recipe)
{
	uint8_t curve[256];

	(void)filter;
	(void)recipe;
	for (int i = 0; i < 256; i++)
		curve[i] = (uint8_t)(255 - i);
	map_colours(pixels, curve);
	return true;
}

static bool correct_gamma(struct pixels *pixels, const struct filter *filter,
                          const struct recipe *recipe)
{
	double gamma = filter->number[0];
	uint8_t curve[256];

	(void)recipe;
	for (int i = 0; i < 256; i++)
		curve[i] = (uint8_t)(255 * pow(i / 255.0, 1 / gamma) + 0.5);
	map_colours(pixels, curve);
	return true;
}

static double light_of(unsigned value)
{
	double v = value / 255.0;

	return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double value_of(double light)
{
	return light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

/* Convert to linear light, compute the luminance, and apply the sRGB curve. The result overwrites
 * the colours: it fits there, because it takes fewer bytes. */
static bool make_grey(struct pixels *pixels, const struct filter *filter,
                      const struct recipe *recipe)
{
	size_t n = (size_t)pixels->size.width * pixels->size.height;
	unsigned n_from = pixels->n_bands;
	const uint8_t *from = pixels->bytes;
	uint8_t *to = pixels->bytes;
	double light[256];

	(void)filter;
	(void)recipe;
	if (n_from < 3)
		return true;
	for (unsigned i = 0; i < 256; i++)
		light[i] = light_of(i);
	for (size_t i = 0; i < n; i++, from += n_from) {
		double y = 0.2126 * light[from[0]] + 0.7152 * light[from[1]] +
		           0.0722 * light[from[2]];
		uint8_t alpha = n_from == 4 ? from[3] : 0;

		*to++ = (uint8_t)(255 * value_of(y) + 0.5);
		if (n_from == 4)
			*to++ = alpha;
	}
	pixels->n_bands = n_from - 2;
	return true;
}

/* Convolve one row or column of a plane with the mask. The line has n values, at a distance of
 * `step` floats from each other. Beyond the ends of the line, its first and its last value are
 * repeated. `copy` has room for n values. */
static void blur_line(float *line, float *copy, size_t n, size_t step, const float *mask,
                      ptrdiff_t radius)
{
	ptrdiff_t last = (ptrdiff_t)n - 1;

	for (size_t i = 0; i < n; i++)
		copy[i] = line[i * step];
	for (ptrdiff_t i = 0; i <= last; i++) {
		float sum = 0;

		for (ptrdiff_t k = -radius; k <= radius; k++) {
			ptrdiff_t at = i + k;

			at = at < 0 ? 0 : at > last ? last : at;
			sum += copy[at] * mask[k + radius];
		}
		line[(size_t)i * step] = sum;
	}
}

/* Make a Gaussian mask whose values have the sum 1. The mask ends where the Gaussian falls below
 * 1/100 of its peak. Returns NULL if memory ran out. The caller frees the mask. */
static float *make_mask(double sigma, ptrdiff_t *ret_radius)
{
	ptrdiff_t radius = (ptrdiff_t)ceil(sigma * sqrt(-2 * log(0.01)));
	float *mask = calloc((size_t)(2 * radius + 1), sizeof(*mask));
	double sum = 0;

	if (!mask)
		return NULL;
	for (ptrdiff_t k = -radius; k <= radius; k++)
		sum += exp(-(double)(k * k) / (2 * sigma * sigma));
	for (ptrdiff_t k = -radius; k <= radius; k++)
		mask[k + radius] = (float)(exp(-(double)(k * k) / (2 * sigma * sigma)) /
		                           sum);
	*ret_radius = radius;
	return mask;
}

static void blur_plane(float *plane, struct size size, const float *mask,
                       ptrdiff_t radius, float *copy)
{
	for (size_t y = 0; y < size.height; y++)
		blur_line(plane + y * size.width, copy, size.width, 1, mask, radius);
	for (size_t x = 0; x < size.width; x++)
		blur_line(plane + x, copy, size.height, size.width, mask, radius);
}

/* Copy one band to a plane of floats. If the pixels have alpha, a band of colours is multiplied by
 * it. */
static void take_plane(const struct pixels *pixels, unsigned band, float *plane)
{
	size_t n = (size_t)pixels->size.width * pixels->size.height;
	unsigned n_bands = pixels->n_bands, alpha = n_bands - 1;
	bool is_multiplied = n_bands % 2 == 0 && band != alpha;
	const uint8_t *at = pixels->bytes;

	for (size_t i = 0; i < n; i++, at += n_bands)
		plane[i] = is_multiplied ? (float)at[band] * (float)at[alpha] / 255
		                         : (float)at[band];
}

static void put_plane(struct pixels *pixels, unsigned band, const float *plane,
                      const float *alpha)
{
	size_t n = (size_t)pixels->size.width * pixels->size.height;
	uint8_t *at = pixels->bytes + band;

	for (size_t i = 0; i < n; i++, at += pixels->n_bands) {
		float value = plane[i];

		if (alpha)
			value = alpha[i] > 0 ? value * 255 / alpha[i] : 0;
		*at = (uint8_t)((value > 255 ? 255 : value) + 0.5F);
	}
}

static bool blur(struct pixels *pixels, const struct filter *filter,
                 const struct recipe *recipe)
{
	size_t n = (size_t)pixels->size.width * pixels->size.height;
	size_t n_copy = pixels->size.width > pixels->size.height ? pixels->size.width
	                                                         : pixels->size.height;
	bool has_alpha = pixels->n_bands % 2 == 0;
	float *planes = calloc(2 * n + n_copy, sizeof(*planes));
	float *plane = planes, *alpha = planes + n, *copy = planes + 2 * n, *mask;
	ptrdiff_t radius = 0;
	unsigned n_colours = colours_of(pixels);

	(void)recipe;
	mask = make_mask(filter->number[0], &radius);
	if (!planes || !mask) {
		free(planes);
		free(mask);
		return false;
	}
	if (has_alpha) {
		take_plane(pixels, n_colours, alpha);
		blur_plane(alpha, pixels->size, mask, radius, copy);
	}
	for (unsigned band = 0; band < n_colours; band++) {
		take_plane(pixels, band, plane);
		blur_plane(plane, pixels->size, mask, radius, copy);
		put_plane(pixels, band, plane, has_alpha ? alpha : NULL);
	}
	if (has_alpha)
		put_plane(pixels, n_colours, alpha, NULL);
	free(planes);
	free(mask);
	return true;
}

static bool rotate(struct pixels *pixels, const struct filter *filter,
                   const struct recipe *recipe)
{
	/* A picture with the EXIF orientation orientations[i] becomes upright by i clockwise
	 * quarter turns. */
	static const unsigned orientations[] = {1, 6, 3, 8};
	double turned = fmod(fmod(filter->number[0], 360) + 360, 360);

	(void)recipe;
	return pixels_orient(pixels, orientations[(int)(turned / 90)]);
}

static bool flip(struct pixels *pixels, const struct filter *filter,
                 const struct recipe *recipe)
{
	(void)recipe;
	return pixels_orient(pixels, filter->kind == FILTER_FLIP ? 4 : 2);
}

static bool trim(struct pixels *pixels, const struct filter *filter,
                 const struct recipe *recipe)
{
	struct area left = pixels_without_border(pixels, filter->number[0]);

	(void)recipe;
	return pixels_cut(pixels, &left);
}

static bool flatten(struct pixels *pixels, const struct filter *filter,
                    const struct recipe *recipe)
{
	(void)filter;
	pixels_flatten(pixels, &recipe->background);
	return true;
}

/* ---- supported features ---- */

/* The function for each kind of filter. NULL: the kind is not supported. A function returns false
 * if memory ran out. */
static bool (*const filters[N_FILTER_KINDS])(struct pixels *pixels,
                                             const struct filter *filter,
                                             const struct recipe *recipe) = {
	[FILTER_BLUR] = blur,       [FILTER_GRAYSCALE] = make_grey,
	[FILTER_NEGATE] = negate,   [FILTER_GAMMA] = correct_gamma,
	[FILTER_ROTATE] = rotate,   [FILTER_FLIP] = flip,
	[FILTER_FLOP] = flip,       [FILTER_TRIM] = trim,
	[FILTER_FLATTEN] = flatten,
};

static const char *missing_filter(const struct filter_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++) {
		const struct filter *filter = &chain->at[i];

		if (!filters[filter->kind])
			return filter_info(filter->kind)->name;
		if (filter->kind == FILTER_ROTATE && !filter_is_quarter_turn(filter))
			return "rotate by an angle that is not a multiple of 90";
	}
	return NULL;
}

/* Get the name of the first feature of a recipe that this engine does not support. Returns NULL if
 * the engine supports the whole recipe. */
static const char *missing(const struct recipe *recipe)
{
	bool is_jpeg = recipe->format == FORMAT_JPEG;

	if (recipe->geometry.position == POSITION_ENTROPY)
		return "position entropy";
	if (recipe->geometry.position == POSITION_ATTENTION)
		return "position attention";
	if (recipe->kernel == KERNEL_NEAREST)
		return "kernel nearest";
	if (recipe->kernel == KERNEL_LANCZOS2)
		return "kernel lanczos2";
	if (recipe->space == SPACE_P3)
		return "profile p3";
	if (recipe->space == SPACE_FILE)
		return "profile FILE";
	if (recipe->depth == DEPTH_16 && format_info(recipe->format)->has_depth)
		return "depth 16";
	if (recipe->progressive && (is_jpeg || recipe->format == FORMAT_PNG))
		return "progressive";
	/* stb_image_write subsamples chroma at a quality of 90 and below, and not above. */
	if (is_jpeg && recipe->chroma == CHROMA_444 && engine_quality(recipe) <= 90)
		return "chroma 444 below a quality of 91";
	if (is_jpeg && recipe->chroma == CHROMA_420 && engine_quality(recipe) > 90)
		return "chroma 420 above a quality of 90";
	return missing_filter(&recipe->filters);
}

/* Whether the engine supports every feature of a recipe. If not, the failure names the first
 * feature that it does not support. */
static bool ps_takes(const struct recipe *recipe, struct failure *ret_failure)
{
	const char *what = missing(recipe);

	return !what || failure_set(ret_failure, FAIL_UNSUPPORTED,
	                            "recipe: '%s' is not supported by the stb engine; it "
	                            "needs the vips engine",
	                            what);
}

static bool apply(struct pixels *pixels, const struct filter_chain *chain,
                  const struct recipe *recipe)
{
	for (size_t i = 0; i < chain->n; i++) {
		if (!filters[chain->at[i].kind](pixels, &chain->at[i], recipe))
			return false;
	}
	return true;
}

static bool place(struct pixels *pixels, const struct layout *layout,
                  const struct recipe *recipe)
{
	struct colour on = {true, 255, 255, 255, 255};

	if (!pixels_cut(pixels, &layout->part))
		return false;
	if (layout->canvas.width == layout->part.size.width &&
	    layout->canvas.height == layout->part.size.height)
		return true;
	if (recipe->background.is_set)
		on = recipe->background;
	else if (format_info(recipe->format)->has_alpha)
		on = (struct colour){.is_set = true};
	if (!format_info(recipe->format)->has_alpha) {
		pixels_flatten(pixels, &recipe->background);
		on.alpha = 255;
	}
	return pixels_embed(pixels, layout, &on);
}

/* Get stb_image_resize's number for a kernel. It has no lanczos3, so its default filters are used
 * instead. ps_takes() has refused the other kernels that stb_image_resize does not have. */
static stbir_filter filter_of(enum kernel kernel)
{
	switch (kernel) {
	case KERNEL_MITCHELL:
		return STBIR_FILTER_MITCHELL;
	case KERNEL_CUBIC:
		return STBIR_FILTER_CATMULLROM;
	case KERNEL_LINEAR:
		return STBIR_FILTER_TRIANGLE;
	default:
		return STBIR_FILTER_DEFAULT;
	}
}

static bool scale(struct pixels *pixels, struct size to, const struct recipe *recipe)
{
	struct size from = pixels->size;
	int n_bands = (int)pixels->n_bands;
	int alpha = n_bands % 2 ? STBIR_ALPHA_CHANNEL_NONE : n_bands - 1;
	struct pixels scaled;

	if (from.width == to.width && from.height == to.height)
		return true;
	if (!pixels_init(&scaled, to, pixels->n_bands))
		return false;
	if (!stbir_resize_uint8_generic(
		    pixels->bytes, (int)from.width, (int)from.height, 0, scaled.bytes,
		    (int)to.width, (int)to.height, 0, n_bands, alpha, 0, STBIR_EDGE_CLAMP,
		    filter_of(recipe->kernel),
		    recipe->linear ? STBIR_COLORSPACE_SRGB : STBIR_COLORSPACE_LINEAR,
		    NULL)) {
		pixels_fini(&scaled);
		return false;
	}
	pixels_fini(pixels);
	*pixels = scaled;
	return true;
}

static bool fail_memory(struct failure *ret_failure)
{
	return failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
}

/* Make the pixels of the output from the stored pixels, in place. */
static bool ps_shape(struct pixels *pixels, unsigned orientation,
                     const struct recipe *recipe, struct failure *ret_failure)
{
	struct filter_chain before, after;
	struct layout layout;
	struct size upright = pixels->size;

	filters_split(&recipe->filters, &before, &after);
	/* Turning the picture upright is cheaper after scaling, when fewer pixels are left. But
	 * filters that come before scaling need the upright picture: then it is turned first. */
	if (before.n > 0) {
		if (!pixels_orient(pixels, orientation) ||
		    !apply(pixels, &before, recipe))
			return fail_memory(ret_failure);
		upright = pixels->size;
		orientation = 1;
	} else if (orientation > 4) {
		upright = (struct size){upright.height, upright.width};
	}
	if (!engine_layout(&layout, recipe, upright, 1, ret_failure))
		return false;

	struct size to = layout.scaled;

	if (layout.is_focused) {
		if (!pixels_orient(pixels, orientation) ||
		    !pixels_cut(pixels, &layout.focus))
			return fail_memory(ret_failure);
		orientation = 1;
	}
	if (orientation > 4)
		to = (struct size){to.height, to.width};
	if (!scale(pixels, to, recipe) || !pixels_orient(pixels, orientation) ||
	    !place(pixels, &layout, recipe) || !apply(pixels, &after, recipe))
		return fail_memory(ret_failure);
	if (!format_info(recipe->format)->has_alpha)
		pixels_flatten(pixels, &recipe->background);
	return true;
}

struct ps_state {
	struct size stored;   /* size of the picture before it is turned upright */
	struct pixels pixels; /* the result of decode() */
	/* The opened picture, if a reader of image/raster reads it. If not, raster.bytes is
	 * NULL. */
	struct raster raster;
	/* The picture is a JPEG without an end marker. The recipe's fail_on accepts such a file. */
	bool ends_early;
};

static const uint8_t jpeg_end[2] = {0xff, 0xd9};

static bool ps_reads(enum image_format format)
{
	switch (format) {
	case FORMAT_JPEG:
	case FORMAT_PNG:
	case FORMAT_GIF:
	case FORMAT_HDR:
		return true;
	default:
		return raster_reads(format);
	}
}

/* Convert stb_image's reason to a failure. Words in the reason determine the class: a damaged file,
 * an unsupported feature, a lack of memory, or a picture that is too large. */
static bool fail_stb(struct failure *ret_failure, const char *stage)
{
	const char *reason = stbi_failure_reason();
	enum fail_class class = FAIL_BAD_IMAGE;

	if (ps_is_out_of_memory)
		return failure_set(ret_failure, FAIL_MEMORY, "%s: out of memory", stage);
	if (!reason)
		reason = "no reason given";
	/* stb_image reads zeros beyond the end of a truncated PNG, and calls them an unknown chunk.
	 * So an unknown chunk counts as damage. */
	if (strstr(reason, "unknown PNG chunk"))
		class = FAIL_BAD_IMAGE;
	else if (strstr(reason, "nsupported") || strstr(reason, "not supported") ||
	         strstr(reason, "not in RGB") || strstr(reason, "is not 8 or 16 bit"))
		class = FAIL_UNSUPPORTED;
	else if (strstr(reason, "Out of memory"))
		class = FAIL_MEMORY;
	else if (strstr(reason, "Very large image"))
		class = FAIL_TOO_BIG;
	return failure_set(ret_failure, class, "%s: %s", stage, reason);
}

static bool fail_of_profile(struct failure *ret_failure)
{
	return failure_set(ret_failure, FAIL_UNSUPPORTED,
	                   "header: a colour profile other than sRGB needs the vips "
	                   "engine");
}

/* Refuse a picture with colours other than sRGB. */
static bool check_colours(const struct metadata_scan *scan, struct failure *ret_failure)
{
	enum { ROOM = 64 * 1024 }; /* more than the length of any sRGB profile */
	char *room;
	int n;
	bool is_srgb;

	if (scan->colours == COLOUR_CHUNK_NONE)
		return true;
	if (scan->colours != COLOUR_CHUNK_PROFILE || !scan->profile ||
	    scan->n_profile > INT_MAX)
		return fail_of_profile(ret_failure);
	if (!scan->profile_is_deflated)
		return profile_is_srgb(scan->profile, scan->n_profile) ||
		       fail_of_profile(ret_failure);

	room = malloc(ROOM);
	if (!room)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	n = stbi_zlib_decode_buffer(room, ROOM, (const char *)scan->profile,
	                            (int)scan->n_profile);
	is_srgb = n > 0 && profile_is_srgb(room, (size_t)n);
	free(room);
	return is_srgb || fail_of_profile(ret_failure);
}

/* ---- headers, which are checked before stb_image reads them ---- */

static uint64_t number_at(const struct source *source, uint64_t at, unsigned n)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number = number << 8 |
		         (at + i < source->n_bytes ? source->bytes[at + i] : 0);
	return number;
}

/*
 * Whether the source is a PNG that is too large for stb_image. stb_image itself would report a
 * wrong reason: when its PNG reader fails, it tries other formats, and their reasons overwrite the
 * right one.
 */
static bool png_is_too_big(const struct source *source)
{
	enum { WIDTH_AT = 16, HEIGHT_AT = 20, COLOURS_AT = 25, MOST = 1 << 30 };
	const uint8_t *b = source->bytes;
	uint64_t width, height, n_bands;

	if (source->format != FORMAT_PNG || source->n_bytes <= COLOURS_AT)
		return false;
	width = number_at(source, WIDTH_AT, 4);
	height = number_at(source, HEIGHT_AT, 4);
	n_bands = b[COLOURS_AT] == 3
	                  ? 4
	                  : (b[COLOURS_AT] & 2 ? 3U : 1U) + (b[COLOURS_AT] & 4 ? 1U : 0U);
	return width > STBI_MAX_DIMENSIONS || height > STBI_MAX_DIMENSIONS ||
	       width * height > MOST / n_bands;
}

/* Refuse files that stb_image would decode wrongly. */
static bool check_scan(const struct metadata_scan *scan, struct failure *ret_failure)
{
	if (scan->n_components > 3)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: CMYK needs the vips engine");
	if (scan->process > 0xc2)
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"header: the stb engine does not support this JPEG process");
	if (!check_colours(scan, ret_failure))
		return false;
	if (scan->has_bad_table)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: a Huffman table has too many codes");
	if (!scan->is_whole)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the file ends before its end marker");
	return true;
}

/* Refuse a file if it has metadata of a kind that the recipe keeps, or more than 8 bits and the
 * recipe keeps the depth. This engine can keep neither. */
static bool check_kept(const struct source *source, const struct metadata_scan *scan,
                       const struct raster *raster, const struct recipe *recipe,
                       struct failure *ret_failure)
{
	bool is_deep = raster->bytes
	                       ? raster->n_bits > 8
	                       : source->format == FORMAT_HDR ||
	                                 stbi_is_16_bit_from_memory(source->bytes,
	                                                            (int)source->n_bytes);
	/* Locations and copyright can be in EXIF, in XMP and in IPTC. */
	const unsigned anywhere = KEEP_GPS | KEEP_COPYRIGHT;
	const char *what = NULL;

	if ((recipe->keep & (KEEP_EXIF | anywhere)) && scan->has_exif)
		what = "EXIF";
	else if ((recipe->keep & (KEEP_XMP | anywhere)) && scan->has_xmp)
		what = "XMP";
	else if ((recipe->keep & (KEEP_IPTC | anywhere)) && scan->has_iptc)
		what = "IPTC";
	if (what)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: the stb engine cannot keep %s: use "
		                   "--keep none, or the vips engine",
		                   what);
	if (recipe->depth == DEPTH_KEEP && format_info(recipe->format)->has_depth &&
	    is_deep)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: the stb engine cannot keep 16 bits: use "
		                   "--depth 8, or the vips engine");
	return true;
}

/* Read the header with a reader of image/raster, or with stb_image if no such reader supports the
 * format. Sets state->stored. */
static bool read_header(struct source *source, struct ps_state *state,
                        struct failure *ret_failure)
{
	int width, height, n_bands;

	if (source->n_bytes > INT_MAX - sizeof(jpeg_end))
		return failure_set(
			ret_failure, FAIL_TOO_BIG,
			"header: the file is over 2 GiB, the limit of the stb engine");
	if (raster_reads_file(source->format, source->bytes, source->n_bytes)) {
		if (!raster_open(&state->raster, source->format, source->bytes,
		                 source->n_bytes,
		                 source->reading->fail_on == FAIL_ON_NONE
		                         ? &source->is_damaged
		                         : NULL,
		                 ret_failure))
			return false;
		state->stored = state->raster.size;
		return true;
	}
	if (raster_reads(source->format))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a PFM needs the vips engine");
	if (png_is_too_big(source))
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: the PNG is too large for the stb engine");
	ps_is_out_of_memory = false;
	if (!stbi_info_from_memory(source->bytes, (int)source->n_bytes, &width, &height,
	                           &n_bands))
		return fail_stb(ret_failure, "header");
	if (width < 1 || height < 1 || n_bands < 1 || n_bands > 4)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: invalid size %d x %d with %d bands", width,
		                   height, n_bands);
	if (width > STBI_MAX_DIMENSIONS || height > STBI_MAX_DIMENSIONS)
		return failure_set(
			ret_failure, FAIL_TOO_BIG,
			"header: the image is %d x %d, but the stb engine allows sides "
			"of at most %d pixels",
			width, height, STBI_MAX_DIMENSIONS);
	state->stored = (struct size){(uint32_t)width, (uint32_t)height};
	return true;
}

/* Read the facts that stb_image does not report: metadata, profile, orientation, and whether the
 * file is complete. */
static void scan_metadata(const struct source *source, struct metadata_scan *ret_scan)
{
	*ret_scan = (struct metadata_scan){.orientation = 1, .is_whole = true};
	if (source->format == FORMAT_JPEG)
		metadata_scan_jpeg(ret_scan, source->bytes, source->n_bytes);
	else if (source->format == FORMAT_PNG)
		metadata_scan_png(ret_scan, source->bytes, source->n_bytes);
	else if (source->format == FORMAT_GIF)
		ret_scan->is_whole = gif_is_whole(source->bytes, source->n_bytes);
}

static bool check_all_kept(const struct source *source, const struct metadata_scan *scan,
                           const struct raster *raster, struct failure *ret_failure)
{
	for (unsigned i = 0; i < source->n_variants; i++) {
		if (!check_kept(source, scan, raster, source->variants[i].recipe,
		                ret_failure))
			return false;
	}
	return true;
}

static bool open_source(struct source *source, struct failure *ret_failure)
{
	struct metadata_scan scan;
	struct ps_state state = {0};
	struct size stored;

	if (!read_header(source, &state, ret_failure))
		return false;
	scan_metadata(source, &scan);
	if (state.raster.gamma > 0)
		scan.colours = COLOUR_CHUNK_GAMMA;
	if (state.raster.profile) {
		scan.has_profile = true;
		scan.colours = COLOUR_CHUNK_PROFILE;
		scan.profile = state.raster.profile;
		scan.n_profile = state.raster.n_profile;
	}
	state.ends_early = source->format == FORMAT_JPEG && !scan.is_whole;
	if (source->reading->fail_on == FAIL_ON_NONE) {
		source->is_damaged |= !scan.is_whole;
		scan.is_whole = true;
	}
	if (!check_scan(&scan, ret_failure) ||
	    !check_all_kept(source, &scan, &state.raster, ret_failure))
		return false;
	source->state = malloc(sizeof(state));
	if (!source->state)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	memcpy(source->state, &state, sizeof(state));
	stored = state.stored;
	source->orientation = source->reading->no_rotate ? 1 : scan.orientation;
	source->size = source->orientation > 4
	                       ? (struct size){stored.height, stored.width}
	                       : stored;
	return true;
}

static enum claim ps_claim_source(struct source *source, struct failure *ret_reason)
{
	if (!ps_reads(source->format))
		return CLAIM_CANNOT;
	if (open_source(source, ret_reason))
		return CLAIM_CAN;
	/* An unsupported picture is left to the next engine, which may support it. */
	return ret_reason->class == FAIL_UNSUPPORTED ? CLAIM_CANNOT : CLAIM_FAILED;
}

static void ps_close(struct source *source)
{
	struct ps_state *state = source->state;

	pixels_fini(&state->pixels);
	free(state);
	source->state = NULL;
}

/*
 * A stream that gives the bytes of a GIF or HDR to stb_image, and records whether stb_image reads
 * beyond the end. For these formats stb_image itself does not notice the end of the file: it
 * continues with zeros. JPEG and PNG need no stream, because metadata_scan.c and stb_image find
 * their ends.
 */
struct feed {
	const struct source *source;
	size_t at;
	/* The buffer of stb_image. If a read into this buffer returns fewer bytes than requested,
	 * but at least one, this is not an overrun. */
	const char *buffer;
	bool is_overrun; /* stb_image requested bytes beyond the end */
};

static int feed_read(void *data, char *bytes, int n_int)
{
	struct feed *feed = data;
	size_t n = (size_t)n_int, n_left = feed->source->n_bytes - feed->at;
	size_t n_here = n < n_left ? n : n_left;

	/* The first read goes into stb_image's buffer, so `bytes` is this buffer. */
	if (!feed->buffer)
		feed->buffer = bytes;
	memcpy(bytes, feed->source->bytes + feed->at, n_here);
	feed->at += n_here;
	if (n_here == n || (n_here > 0 && bytes == feed->buffer))
		return (int)n_here;

	feed->is_overrun = true;
	if (feed->source->format != FORMAT_HDR) {
		memset(bytes + n_here, 0, n - n_here);
		return (int)n_here;
	}
	/* Beyond the end of an HDR, give newlines instead of zeros. stb_image 2.27 would read zeros
	 * as runs of length 0 and loop for ever; newlines end its loops. */
	memset(bytes + n_here, '\n', n - n_here);
	return n_int;
}

static void feed_skip(void *data, int n_int)
{
	struct feed *feed = data;
	size_t n_left = feed->source->n_bytes - feed->at, n = (size_t)n_int;

	feed->at += n < n_left ? n : n_left;
}

static int feed_is_over(void *data)
{
	const struct feed *feed = data;

	return feed->source->format != FORMAT_HDR && feed->at == feed->source->n_bytes;
}

static uint8_t *load_from_feed(const struct source *source, int *width, int *height,
                               int *n_bands, struct failure *ret_failure)
{
	static const stbi_io_callbacks calls = {feed_read, feed_skip, feed_is_over};
	struct feed feed = {.source = source};
	uint8_t *bytes = stbi_load_from_callbacks(&calls, &feed, width, height, n_bands,
	                                          0);

	if (!bytes) {
		fail_stb(ret_failure, "decode");
	} else if (feed.is_overrun) {
		failure_set(ret_failure, FAIL_BAD_IMAGE, "decode: the file ends early");
		stbi_image_free(bytes);
		bytes = NULL;
	}
	return bytes;
}

/* Decode a JPEG without an end marker. stb_image refuses some of these files, so the end marker is
 * added to a copy, which is decoded. */
static uint8_t *load_cut_jpeg(const struct source *source, int *width, int *height,
                              int *n_bands, struct failure *ret_failure)
{
	size_t n = source->n_bytes;
	uint8_t *whole = malloc(n + sizeof(jpeg_end)), *bytes;

	if (!whole) {
		failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
		return NULL;
	}
	memcpy(whole, source->bytes, n);
	memcpy(whole + n, jpeg_end, sizeof(jpeg_end));
	bytes = stbi_load_from_memory(whole, (int)(n + sizeof(jpeg_end)), width, height,
	                              n_bands, 0);
	if (!bytes)
		fail_stb(ret_failure, "decode");
	free(whole);
	return bytes;
}

/* Decode the picture. *n_bands is the number of bands that stb_image decodes. The number in the
 * header may be too small: in a PNG it does not count the alpha that the chunk tRNS adds. */
static uint8_t *load(const struct source *source, int *width, int *height, int *n_bands,
                     struct failure *ret_failure)
{
	const struct ps_state *state = source->state;
	uint8_t *bytes;

	if (source->format != FORMAT_JPEG && source->format != FORMAT_PNG)
		return load_from_feed(source, width, height, n_bands, ret_failure);
	if (state->ends_early)
		return load_cut_jpeg(source, width, height, n_bands, ret_failure);
	bytes = stbi_load_from_memory(source->bytes, (int)source->n_bytes, width, height,
	                              n_bands, 0);
	if (!bytes)
		fail_stb(ret_failure, "decode");
	return bytes;
}

/* Reduce 16-bit samples to 8 bits, in place. */
static void halve_depth(uint8_t *samples, size_t n)
{
	const uint16_t *wide = (const uint16_t *)(const void *)samples;

	for (size_t i = 0; i < n; i++)
		samples[i] = (uint8_t)((wide[i] + 128U) / 257);
}

static bool decode_raster(struct ps_state *state, struct failure *ret_failure)
{
	const struct raster *raster = &state->raster;
	size_t n = (size_t)raster_bytes(raster);
	uint8_t *samples = calloc(n, 1);

	if (!samples)
		return failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
	if (!raster_decode(raster, samples, ret_failure)) {
		free(samples);
		return false;
	}
	if (raster->n_bits == 16)
		halve_depth(samples, n / 2);
	state->pixels = (struct pixels){
		.size = raster->size,
		.n_bands = raster->n_bands,
		.bytes = samples,
		.free_bytes = free,
	};
	return true;
}

static bool ps_decode(struct source *source, struct failure *ret_failure)
{
	struct ps_state *state = source->state;
	struct size stored = state->stored;
	int width, height, n_bands;
	uint8_t *bytes;

	if (state->pixels.bytes)
		return true;
	if ((uint64_t)stored.width * stored.height * 4 > INT_MAX)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "decode: an image of %u x %u is too large for the "
		                   "stb engine",
		                   stored.width, stored.height);
	if (state->raster.bytes)
		return decode_raster(state, ret_failure);
	bytes = load(source, &width, &height, &n_bands, ret_failure);
	if (!bytes)
		return false;
	state->pixels = (struct pixels){
		.size = {(uint32_t)width, (uint32_t)height},
		.n_bands = (unsigned)n_bands,
		.bytes = bytes,
		.free_bytes = stbi_image_free,
	};
	return ((uint32_t)width == stored.width && (uint32_t)height == stored.height) ||
	       failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "decode: the size is %d x %d, but the header says %u x %u",
	                   width, height, stored.width, stored.height);
}

static const struct pixels *ps_lend_pixels(struct source *source,
                                           struct failure *ret_failure)
{
	struct ps_state *state = source->state;

	return ps_decode(source, ret_failure) ? &state->pixels : NULL;
}

static bool ps_derive(struct source *source, const struct pixels *lent,
                      const struct picture_variant *variant, bool is_last,
                      struct rendering *ret_rendering, struct failure *ret_failure)
{
	struct pixels *pixels = &ret_rendering->pixels;

	if (lent || !is_last) {
		const struct ps_state *state = source->state;

		if (!pixels_copy(pixels, lent ? lent : &state->pixels))
			return failure_set(ret_failure, FAIL_MEMORY,
			                   "decode: out of memory");
	} else {
		struct ps_state *state = source->state;

		*pixels = state->pixels;
		state->pixels = (struct pixels){0};
	}
	if (!ps_shape(pixels, source->orientation, variant->recipe, ret_failure))
		return false;
	ret_rendering->size = pixels->size;
	ret_rendering->n_frames = 1;
	return true;
}

/* ---- writing ---- */

static bool ps_writes(enum image_format format)
{
	return format == FORMAT_JPEG || format == FORMAT_PNG || format == FORMAT_BMP ||
	       format == FORMAT_TGA || format == FORMAT_HDR || format == FORMAT_PNM;
}

/* A buffer that collects the pieces that stb_image_write writes. */
struct buffer {
	char *bytes;
	size_t n, room;
	bool is_broken;
};

static void gather(void *data, void *bytes, int n_int)
{
	struct buffer *buffer = data;
	size_t n = n_int > 0 ? (size_t)n_int : 0;

	if (buffer->is_broken)
		return;
	if (n > buffer->room - buffer->n) {
		size_t room = 2 * (buffer->room + n) + 4096;
		char *bigger = realloc(buffer->bytes, room);

		if (!bigger) {
			buffer->is_broken = true;
			return;
		}
		buffer->bytes = bigger;
		buffer->room = room;
	}
	if (n > 0)
		memcpy(buffer->bytes + buffer->n, bytes, n);
	buffer->n += n;
}

/* Write a PNM: a few lines of text and the raw pixels. */
static int write_pnm(struct buffer *buffer, int width, int height, int n_bands,
                     void *bytes)
{
	char head[64];
	int n = snprintf(head, sizeof(head), "P%c\n%d %d\n255\n",
	                 n_bands == 1 ? '5' : '6', width, height);

	gather(buffer, head, n);
	gather(buffer, bytes, width * height * n_bands);
	return 1;
}

/* Encode three linear values as RGBE: one byte for each value, and one byte for the exponent. All
 * three values share this exponent. It is the exponent of the largest value. */
static void to_rgbe(uint8_t rgbe[4], const double light[3])
{
	double most = fmax(light[0], fmax(light[1], light[2]));
	int exponent = 0;
	double factor = most < 1e-32 ? 0 : frexp(most, &exponent) * 256 / most;

	for (int band = 0; band < 3; band++)
		rgbe[band] = (uint8_t)(light[band] * factor);
	rgbe[3] = factor > 0 ? (uint8_t)(exponent + 128) : 0;
}

/* Write an HDR: linear light, without run-length coding. The HDR writer of stb_image_write cannot
 * be used, because it requires stdio. */
static int write_hdr(struct buffer *buffer, int width, int height, int n_bands,
                     const uint8_t *bytes)
{
	char head[96];
	int n = snprintf(head, sizeof(head),
	                 "#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n", height,
	                 width);
	double curve[256], light[3];
	uint8_t rgbe[4];

	for (int i = 0; i < 256; i++)
		curve[i] = i <= 10 ? i / 255.0 / 12.92
		                   : pow((i / 255.0 + 0.055) / 1.055, 2.4);
	gather(buffer, head, n);
	for (size_t i = 0; i < (size_t)width * (size_t)height; i++, bytes += n_bands) {
		for (int band = 0; band < 3; band++)
			light[band] = curve[bytes[n_bands < 3 ? 0 : band]];
		to_rgbe(rgbe, light);
		gather(buffer, rgbe, sizeof(rgbe));
	}
	return 1;
}

static int encode_into(struct buffer *buffer, const struct pixels *pixels,
                       const struct recipe *recipe)
{
	int width = (int)pixels->size.width, height = (int)pixels->size.height;
	int n_bands = (int)pixels->n_bands;

	switch (recipe->format) {
	case FORMAT_JPEG:
		return stbi_write_jpg_to_func(gather, buffer, width, height, n_bands,
		                              pixels->bytes, (int)engine_quality(recipe));
	case FORMAT_PNG:
		stbi_write_png_compression_level = recipe->has_effort ? recipe->effort
		                                                      : 8;
		return stbi_write_png_to_func(gather, buffer, width, height, n_bands,
		                              pixels->bytes, width * n_bands);
	case FORMAT_BMP:
		return stbi_write_bmp_to_func(gather, buffer, width, height, n_bands,
		                              pixels->bytes);
	case FORMAT_TGA:
		return stbi_write_tga_to_func(gather, buffer, width, height, n_bands,
		                              pixels->bytes);
	case FORMAT_HDR:
		return write_hdr(buffer, width, height, n_bands, pixels->bytes);
	case FORMAT_PNM:
		return write_pnm(buffer, width, height, n_bands, pixels->bytes);
	default:
		return 0;
	}
}

/* Encode the pixels. If a write to `output` fails, picture.c finds out whether the reason is that
 * the output is too long. */
static bool ps_encode(const struct rendering *rendering, const struct recipe *recipe,
                      int output, struct failure *ret_failure)
{
	const struct pixels *pixels = &rendering->pixels;
	struct buffer buffer = {0};
	bool is_written = false;

	/* stb_image_write computes sizes as int, so refuse sizes that would overflow. */
	if ((uint64_t)pixels->size.width * pixels->size.height * 5 > INT_MAX / 2)
		return failure_set(
			ret_failure, FAIL_TOO_BIG,
			"encode: an image of %u x %u is too large for the stb engine",
			pixels->size.width, pixels->size.height);
	if (!encode_into(&buffer, pixels, recipe) || buffer.is_broken)
		failure_set(ret_failure, FAIL_MEMORY, "encode: out of memory");
	else if (!fd_write_all(output, buffer.bytes, buffer.n))
		engine_fail_to_write(ret_failure);
	else
		is_written = true;
	free(buffer.bytes);
	return is_written;
}

/* ---- the engine ---- */

static enum claim ps_claim_output(const struct source *source, bool is_lent,
                                  const struct recipe *recipe, struct failure *ret_reason)
{
	(void)source;
	(void)is_lent;
	return ps_takes(recipe, ret_reason) ? CLAIM_CAN : CLAIM_CANNOT;
}

/*
 * The numbers of bytes for one pixel follow from the source code of stb_image 2.27. JPEG: planes,
 * pixels, and all coefficients if the file has several scans. PNG: rows and pixels. GIF: pixels,
 * background and history. HDR: floats and pixels. Formats of image/raster: up to four samples of 16
 * bits.
 */
static uint64_t ps_decoder_memory(const struct picture_header *header,
                                  const struct picture_variant *variants,
                                  unsigned n_variants)
{
	uint64_t n_pixels = memory_area(header->size);
	uint64_t n_kept = n_variants > 1 ? memory_product(n_pixels, 4) : 0;

	(void)variants;
	switch (header->format) {
	case FORMAT_JPEG:
		return n_kept + memory_product(n_pixels, 6) + header->n_coefficient_bytes;
	case FORMAT_PNG:
		return n_kept +
		       memory_product(n_pixels, (uint64_t)3 * header->n_pixel_bytes);
	case FORMAT_GIF:
		return n_kept + memory_product(n_pixels, 9);
	case FORMAT_PSD:
	case FORMAT_PNM:
	case FORMAT_PAM:
		return n_kept + memory_product(n_pixels, 8);
	case FORMAT_HDR:
		return n_kept + memory_product(n_pixels, 20);
	default:
		return n_kept + memory_product(n_pixels, 4);
	}
}

static void ps_say_version(char *text, size_t n_text)
{
	/* The stb headers have their version only in a comment, so the text has no version. */
	snprintf(text, n_text, "stb_image, stb_image_write");
}

const struct engine engine_stb = {
	.name = "stb",
	.version = ps_say_version,
	.reads = ps_reads,
	.writes = ps_writes,
	.claim_source = ps_claim_source,
	.claim_output = ps_claim_output,
	.decoder_memory = ps_decoder_memory,
	.output_memory = memory_of_output,
	.decode = ps_decode,
	.check = ps_decode,
	.lend_pixels = ps_lend_pixels,
	.derive = ps_derive,
	.close = ps_close,
	.encode = ps_encode,
};
