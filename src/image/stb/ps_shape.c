/*
 * Scaling, turning, placing and filters in the stb engine, and the list of what it cannot
 * do. The results equal those of the vips engine to within a rounding step.
 */
#include "image/stb/stb.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* Compute the luminance of linear RGB, and apply the sRGB curve. In place, because grey takes
 * fewer bytes. */
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

/* Convolve one line of a plane with the mask, with its ends repeated. step is the
 * distance between values. */
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

/* The values of a Gaussian down to a hundredth. */
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

/* Get a premultiplied band, or alpha. */
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
	/* The EXIF orientation that is undone by this number of quarter turns. */
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

/* ---- what the engine takes ---- */

/* A kind without a row is one that the engine does not take. False when memory ran out. */
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
			return "rotate by a non-multiple of 90";
	}
	return NULL;
}

/* The first feature of a recipe that only the vips engine has. */
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
	/* stb_image_write subsamples chroma up to a quality of 90. */
	if (is_jpeg && recipe->chroma == CHROMA_444 && engine_quality(recipe) <= 90)
		return "chroma 444 below a quality of 91";
	if (is_jpeg && recipe->chroma == CHROMA_420 && engine_quality(recipe) > 90)
		return "chroma 420 above a quality of 90";
	return missing_filter(&recipe->filters);
}

bool ps_takes(const struct recipe *recipe, struct failure *ret_failure)
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

/* The kernel of stb; ps_takes() refuses kernels that it lacks. */
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

/* Make the output pixels from the stored pixels. */
bool ps_shape(struct pixels *pixels, unsigned orientation, const struct recipe *recipe,
              struct failure *ret_failure)
{
	struct filter_chain before, after;
	struct layout layout;
	struct size upright = pixels->size;

	filters_split(&recipe->filters, &before, &after);
	/* Turning after scaling is cheaper, but filters before scaling need the upright
	 * picture. */
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
