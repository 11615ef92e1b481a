/* The filters of the vips engine. src/recipe/filters.h defines what they do. */
#include "image/vips/engine_vips.h"

#include <string.h>

enum { PERCENT_STEPS = 65535 };

static bool premultiply(VipsImage **image, double max_alpha)
{
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  max_alpha > 0 ? vips_premultiply(*image, &made, "max_alpha",
	                                                   max_alpha, NULL)
	                                : vips_premultiply(*image, &made, NULL));
}

static bool unpremultiply(VipsImage **image, double max_alpha)
{
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  max_alpha > 0 ? vips_unpremultiply(*image, &made, "max_alpha",
	                                                     max_alpha, NULL)
	                                : vips_unpremultiply(*image, &made, NULL));
}

bool pv_with_alpha_in(VipsImage **image, double max_alpha,
                      bool (*work)(VipsImage **image, void *data), void *data)
{
	VipsBandFormat format = vips_image_get_format(*image);
	VipsImage *made = NULL;

	if (!vips_image_hasalpha(*image))
		return work(image, data);
	return premultiply(image, max_alpha) && work(image, data) &&
	       unpremultiply(image, max_alpha) &&
	       pv_replace(image, &made, vips_cast(*image, &made, format, NULL));
}

static bool is_deep(VipsImage *image)
{
	return vips_image_get_format(image) == VIPS_FORMAT_USHORT;
}

/* Call work() for the colours of the image. Alpha is removed before the call, and is added again
 * unchanged after the call. */
static bool without_alpha(VipsImage **image, bool (*work)(VipsImage **image, void *data),
                          void *data)
{
	VipsImage *colours = NULL, *alpha = NULL, *made = NULL;
	int n = vips_image_get_bands(*image);
	bool is_done;

	if (!vips_image_hasalpha(*image))
		return work(image, data);
	is_done = !vips_extract_band(*image, &colours, 0, "n", n - 1, NULL) &&
	          !vips_extract_band(*image, &alpha, n - 1, NULL) &&
	          work(&colours, data) &&
	          pv_replace(image, &made, vips_bandjoin2(colours, alpha, &made, NULL));
	VIPS_UNREF(colours);
	VIPS_UNREF(alpha);
	return is_done;
}

/* Convert the image to another colour space, call work() for the colours, and convert the image
 * back. */
static bool in_space(VipsImage **image, VipsInterpretation space,
                     bool (*work)(VipsImage **image, void *data), void *data)
{
	VipsInterpretation back = vips_image_get_interpretation(*image);
	VipsImage *made = NULL;

	return pv_replace(image, &made, vips_colourspace(*image, &made, space, NULL)) &&
	       without_alpha(image, work, data) &&
	       pv_replace(image, &made, vips_colourspace(*image, &made, back, NULL));
}

static bool name_space(VipsImage **image, VipsInterpretation space)
{
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  vips_copy(*image, &made, "interpretation", space, NULL));
}

/* Set all three bands to the luminance. libvips' own conversion to grey is not used, because its
 * weights have only one decimal place. */
static bool spread_luminance(VipsImage **image, void *data)
{
	VipsImage *weights = vips_image_new_matrixv(3, 3, 0.2126, 0.7152, 0.0722, 0.2126,
	                                            0.7152, 0.0722, 0.2126, 0.7152,
	                                            0.0722);
	VipsImage *made = NULL;
	int error;

	(void)data;
	error = !weights || vips_recomb(*image, &made, weights, NULL);
	VIPS_UNREF(weights);
	return pv_replace(image, &made, error) &&
	       name_space(image, VIPS_INTERPRETATION_scRGB);
}

static bool take_first(VipsImage **image, void *data)
{
	VipsImage *made = NULL;

	(void)data;
	return pv_replace(image, &made, vips_extract_band(*image, &made, 0, NULL));
}

static bool to_grey(VipsImage **image)
{
	VipsInterpretation grey = is_deep(*image) ? VIPS_INTERPRETATION_GREY16
	                                          : VIPS_INTERPRETATION_B_W;

	return vips_image_get_bands(*image) < 3 ||
	       (in_space(image, VIPS_INTERPRETATION_scRGB, spread_luminance, NULL) &&
	        without_alpha(image, take_first, NULL) && name_space(image, grey));
}

/* The argument `data` of the filter functions below: a filter, and the job that needs it. */
struct call {
	struct pv_job *job;
	const struct filter *filter;
};

static bool blur(VipsImage **image, void *data)
{
	const struct filter *filter = ((const struct call *)data)->filter;
	VipsImage *made = NULL;

	/* The mask ends where the Gaussian falls below 1/100 of its peak. The mask consists of
	 * floats, because libvips would round integers. */
	return pv_replace(image, &made,
	                  vips_gaussblur(*image, &made, filter->number[0], "min_ampl",
	                                 0.01, "precision", VIPS_PRECISION_FLOAT, NULL));
}

/* The median of a square window. A margin that repeats the edge pixels is added first, so that the
 * picture may be smaller than the window. */
static bool median(VipsImage **image, void *data)
{
	const struct filter *filter = ((const struct call *)data)->filter;
	int side = (int)filter->number[0], margin = side / 2;
	int width = vips_image_get_width(*image), height = vips_image_get_height(*image);
	VipsBandFormat format = vips_image_get_format(*image);
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  vips_embed(*image, &made, margin, margin, width + 2 * margin,
	                             height + 2 * margin, "extend", VIPS_EXTEND_COPY,
	                             NULL)) &&
	       pv_replace(image, &made, vips_median(*image, &made, side, NULL)) &&
	       pv_replace(
		       image, &made,
		       vips_crop(*image, &made, margin, margin, width, height, NULL)) &&
	       pv_replace(image, &made, vips_cast(*image, &made, format, NULL));
}

static bool sharpen_opaque(VipsImage **image, const struct filter *filter)
{
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  vips_sharpen(*image, &made, "sigma", filter->number[0], "m1",
	                               filter->number[1], "m2", filter->number[2], NULL));
}

/*
 * Mix into each pixel the mean colour of the visible pixels around it, in proportion to its
 * transparency. A filter that reads neighbouring pixels then does not read the hidden colours of
 * transparent pixels.
 *
 * ret_filled  the resulting colours in memory, without alpha
 */
static bool fill_hidden(VipsImage *image, double sigma, VipsImage **ret_filled)
{
	VipsBandFormat format = vips_image_get_format(image);
	VipsInterpretation space = vips_image_get_interpretation(image);
	int n = vips_image_get_bands(image) - 1;
	double most = is_deep(image) ? 65535 : 255;
	VipsImage *around = image, *share = NULL, *colours = NULL, *made = NULL;
	bool is_done;

	g_object_ref(around);
	is_done = premultiply(&around, most) &&
	          pv_replace(&around, &made,
	                     vips_gaussblur(around, &made, sigma, "min_ampl", 0.01,
	                                    "precision", VIPS_PRECISION_FLOAT, NULL)) &&
	          unpremultiply(&around, most) &&
	          pv_replace(&around, &made,
	                     vips_extract_band(around, &made, 0, "n", n, NULL)) &&
	          !vips_extract_band(image, &share, n, NULL) &&
	          pv_replace(&share, &made,
	                     vips_linear1(share, &made, 1 / most, 0, NULL)) &&
	          !vips_extract_band(image, &colours, 0, "n", n, NULL) &&
	          /* Compute `around` + (`colours` - `around`) * `share`, rounded. */
	          pv_replace(&colours, &made,
	                     vips_subtract(colours, around, &made, NULL)) &&
	          pv_replace(&colours, &made,
	                     vips_multiply(colours, share, &made, NULL)) &&
	          pv_replace(&colours, &made, vips_add(colours, around, &made, NULL)) &&
	          pv_replace(&colours, &made, vips_rint(colours, &made, NULL)) &&
	          pv_replace(&colours, &made, vips_cast(colours, &made, format, NULL)) &&
	          pv_replace(&colours, &made,
	                     vips_copy(colours, &made, "interpretation", space, NULL)) &&
	          pv_to_memory(&colours);
	VIPS_UNREF(around);
	VIPS_UNREF(share);
	*ret_filled = colours;
	if (!is_done)
		VIPS_UNREF(*ret_filled);
	return is_done;
}

/* Add the effect of sharpening to the colours of an image. The effect is the difference between
 * `sharpened` and `filled`. */
static bool add_change(VipsImage **image, VipsImage *filled, VipsImage *sharpened)
{
	VipsBandFormat format = vips_image_get_format(*image);
	VipsInterpretation space = vips_image_get_interpretation(*image);
	int n = vips_image_get_bands(*image) - 1;
	VipsImage *change = NULL, *colours = NULL, *alpha = NULL, *made = NULL;
	bool is_done =
		!vips_subtract(sharpened, filled, &change, NULL) &&
		!vips_extract_band(*image, &colours, 0, "n", n, NULL) &&
		!vips_extract_band(*image, &alpha, n, NULL) &&
		pv_replace(&colours, &made, vips_add(colours, change, &made, NULL)) &&
		pv_replace(&colours, &made, vips_cast(colours, &made, format, NULL)) &&
		pv_replace(image, &made, vips_bandjoin2(colours, alpha, &made, NULL)) &&
		name_space(image, space);

	VIPS_UNREF(change);
	VIPS_UNREF(colours);
	VIPS_UNREF(alpha);
	return is_done;
}

static bool sharpen(VipsImage **image, void *data)
{
	const struct filter *filter = ((const struct call *)data)->filter;
	VipsImage *filled = NULL, *sharpened;
	bool is_done;

	if (!vips_image_hasalpha(*image))
		return sharpen_opaque(image, filter);
	if (!pv_to_memory(image) || !fill_hidden(*image, filter->number[0], &filled))
		return false;
	sharpened = g_object_ref(filled);
	is_done = sharpen_opaque(&sharpened, filter) &&
	          add_change(image, filled, sharpened);
	g_object_unref(sharpened);
	g_object_unref(filled);
	return is_done;
}

static bool negate(VipsImage **image, void *data)
{
	VipsImage *made = NULL;

	(void)data;
	return pv_replace(image, &made, vips_invert(*image, &made, NULL));
}

static bool correct_gamma(VipsImage **image, void *data)
{
	const struct filter *filter = ((const struct call *)data)->filter;
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  vips_gamma(*image, &made, "exponent", filter->number[0], NULL));
}

static bool threshold(VipsImage **image, void *data)
{
	const struct filter *filter = ((const struct call *)data)->filter;
	VipsImage *made = NULL;
	bool was_deep = is_deep(*image);
	VipsInterpretation space = vips_image_get_interpretation(*image);

	/* vips_moreeq_const1() gives 255 where the condition is true, and 0 where it is false. */
	if (!pv_replace(image, &made,
	                vips_moreeq_const1(*image, &made,
	                                   filter->number[0] * (was_deep ? 257 : 1),
	                                   NULL)))
		return false;
	if (was_deep &&
	    (!pv_replace(image, &made, vips_linear1(*image, &made, 257, 0, NULL)) ||
	     !pv_replace(image, &made,
	                 vips_cast(*image, &made, VIPS_FORMAT_USHORT, NULL))))
		return false;
	return pv_replace(image, &made,
	                  vips_copy(*image, &made, "interpretation", space, NULL));
}

static bool modulate_lch(VipsImage **image, void *data)
{
	const struct filter *filter = ((const struct call *)data)->filter;
	double factors[3] = {filter->number[0], filter->number[1], 1};
	double shifts[3] = {0, 0, filter->number[2]};
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  vips_linear(*image, &made, factors, shifts, 3, NULL)) &&
	       name_space(image, VIPS_INTERPRETATION_LCH);
}

static bool modulate(VipsImage **image, void *data)
{
	return in_space(image, VIPS_INTERPRETATION_LCH, modulate_lch, data);
}

struct stretch {
	double low, high; /* the values of the lightness L that become 0 and 100 */
};

static bool apply_stretch(VipsImage **image, void *data)
{
	const struct stretch *stretch = data;
	double factor = 100 / (stretch->high - stretch->low);
	double factors[3] = {factor, 1, 1};
	double shifts[3] = {-stretch->low * factor, 0, 0};
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  vips_linear(*image, &made, factors, shifts, 3, NULL)) &&
	       name_space(image, VIPS_INTERPRETATION_LAB);
}

/* A histogram of n visible pixels: counts[i] of them have lightness i. */
struct lightness {
	uint64_t n, counts[PERCENT_STEPS + 1];
};

/* Count the pixels with each lightness, except pixels whose alpha is 0. The image `steps` has the
 * lightness of each pixel, from 0 to PERCENT_STEPS. The image `alpha` is NULL if the picture has no
 * alpha. Both images have samples of 16 bits and are in memory. */
static void count_lightness(struct lightness *ret_lightness, VipsImage *steps,
                            VipsImage *alpha)
{
	const uint16_t *step = (const void *)steps->data;
	const uint16_t *cover = alpha ? (const void *)alpha->data : NULL;
	uint64_t n = (uint64_t)vips_image_get_width(steps) *
	             (uint64_t)vips_image_get_height(steps);

	memset(ret_lightness, 0, sizeof(*ret_lightness));
	for (uint64_t i = 0; i < n; i++) {
		if (cover && cover[i] == 0)
			continue;
		ret_lightness->counts[step[i]]++;
		ret_lightness->n++;
	}
}

/* Find a percentile of the lightness, which is from 0 to 100: `percent` percent of the pixels are
 * not lighter than the result. If `percent` is 0, the result is the minimum; if 100, the maximum.
 * The histogram must not be empty. */
static double find_percent(const struct lightness *lightness, double percent)
{
	uint64_t n_below = 0;
	unsigned step = 0, last = 0;

	for (; step <= PERCENT_STEPS; step++) {
		n_below += lightness->counts[step];
		last = lightness->counts[step] > 0 ? step : last;
		if ((double)n_below * 100 > percent * (double)lightness->n)
			break;
	}
	return (step > PERCENT_STEPS ? last : step) * 100.0 / PERCENT_STEPS;
}

/* Count how many visible pixels of an image have each lightness. */
static bool measure_lightness(struct lightness *ret_lightness, VipsImage *image)
{
	VipsImage *steps = NULL, *alpha = NULL, *made = NULL;
	bool is_done =
		!vips_colourspace(image, &steps, VIPS_INTERPRETATION_LAB, NULL) &&
		pv_replace(&steps, &made, vips_extract_band(steps, &made, 0, NULL)) &&
		pv_replace(&steps, &made,
	                   vips_linear1(steps, &made, PERCENT_STEPS / 100.0, 0, NULL)) &&
		pv_replace(&steps, &made,
	                   vips_cast(steps, &made, VIPS_FORMAT_USHORT, NULL)) &&
		pv_to_memory(&steps);

	if (is_done && vips_image_hasalpha(image))
		is_done = !vips_extract_band(image, &alpha,
		                             vips_image_get_bands(image) - 1, NULL) &&
		          pv_replace(&alpha, &made,
		                     vips_cast(alpha, &made, VIPS_FORMAT_USHORT, NULL)) &&
		          pv_to_memory(&alpha);
	if (is_done)
		count_lightness(ret_lightness, steps, alpha);
	VIPS_UNREF(steps);
	VIPS_UNREF(alpha);
	return is_done;
}

static bool normalise(VipsImage **image, void *data)
{
	const struct filter *filter = ((const struct call *)data)->filter;
	struct lightness *lightness = g_try_new(struct lightness, 1);
	struct stretch stretch = {0};

	if (!lightness) {
		vips_error("normalise", "out of memory");
		return false;
	}
	if (!pv_to_memory(image) || !measure_lightness(lightness, *image)) {
		g_free(lightness);
		return false;
	}
	if (lightness->n > 0) {
		stretch.low = find_percent(lightness, filter->number[0]);
		stretch.high = find_percent(lightness, filter->number[1]);
	}
	g_free(lightness);
	/* If the two percentiles have almost the same lightness, or no pixel is visible, the
	 * picture cannot be stretched and stays unchanged. */
	return stretch.high - stretch.low < 0.5 ||
	       in_space(image, VIPS_INTERPRETATION_LAB, apply_stretch, &stretch);
}

static bool trim(VipsImage **image, void *data)
{
	const struct call *call = data;

	return pv_trim(image, call->job, call->filter->number[0]);
}

static bool rotate(VipsImage **image, void *data)
{
	const struct call *call = data;

	return pv_rotate_by(image, call->job, call->filter->number[0]);
}

static bool flip(VipsImage **image, void *data)
{
	const struct call *call = data;
	VipsImage *made = NULL;

	return pv_to_memory(image) &&
	       pv_replace(image, &made,
	                  vips_flip(*image, &made,
	                            call->filter->kind == FILTER_FLIP
	                                    ? VIPS_DIRECTION_VERTICAL
	                                    : VIPS_DIRECTION_HORIZONTAL,
	                            NULL));
}

/* Do nothing. The table sets makes_grey for this filter, so apply() has already converted the image
 * to grey. */
static bool grayscale(VipsImage **image, void *data)
{
	(void)image;
	(void)data;
	return true;
}

static bool flatten(VipsImage **image, void *data)
{
	const struct call *call = data;

	return pv_flatten_on_background(image, call->job);
}

/* ---- the table ---- */

/* How each kind of filter is applied. The engine does not support a kind whose apply is NULL. */
static const struct kind {
	bool (*apply)(VipsImage **image, void *call);
	enum {
		/* apply() gets alpha. It either knows which band is alpha, or treats all bands in
		 * the same way. */
		ALPHA_IS_A_BAND,
		/* Colours are multiplied by alpha before apply(), and divided by alpha after
		 * apply(). */
		ALPHA_COVERS,
		ALPHA_STAYS /* apply() gets only the colours; alpha stays unchanged */
	} alpha;
	/* apply() is called for each frame separately. It moves pixels or reads neighbouring
	 * pixels, so in a call for all frames, pixels of one frame would get into another. */
	bool is_per_frame;
	bool makes_grey; /* the picture is converted to grey before apply() */
	/* apply() also works on samples of linear light that are greater than 1 */
	bool keeps_light;
} kinds[N_FILTER_KINDS] = {
	[FILTER_BLUR] =
		{
			.apply = blur,
			.alpha = ALPHA_COVERS,
			.is_per_frame = true,
			.keeps_light = true,
		},
	[FILTER_SHARPEN] =
		{
			.apply = sharpen,
			.is_per_frame = true,
		},
	[FILTER_GRAYSCALE] =
		{
			.apply = grayscale,
			.makes_grey = true,
		},
	[FILTER_NEGATE] =
		{
			.apply = negate,
			.alpha = ALPHA_STAYS,
		},
	[FILTER_NORMALISE] =
		{
			.apply = normalise,
		},
	[FILTER_GAMMA] =
		{
			.apply = correct_gamma,
			.alpha = ALPHA_STAYS,
		},
	[FILTER_MEDIAN] =
		{
			.apply = median,
			.alpha = ALPHA_COVERS,
			.is_per_frame = true,
		},
	[FILTER_MODULATE] =
		{
			.apply = modulate,
		},
	[FILTER_THRESHOLD] =
		{
			.apply = threshold,
			.alpha = ALPHA_STAYS,
			.makes_grey = true,
		},
	[FILTER_ROTATE] =
		{
			.apply = rotate,
			.is_per_frame = true,
			.keeps_light = true,
		},
	[FILTER_FLIP] =
		{
			.apply = flip,
			.is_per_frame = true,
			.keeps_light = true,
		},
	[FILTER_FLOP] =
		{
			.apply = flip,
			.is_per_frame = true,
			.keeps_light = true,
		},
	[FILTER_TRIM] =
		{
			.apply = trim,
			.is_per_frame = true,
		},
	[FILTER_FLATTEN] =
		{
			.apply = flatten,
			.keeps_light = true,
		},
};

const char *pv_missing_filter(const struct filter_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++) {
		if (!kinds[chain->at[i].kind].apply)
			return filter_info(chain->at[i].kind)->name;
	}
	return NULL;
}

bool pv_filters_make_grey(const struct filter_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++) {
		if (kinds[chain->at[i].kind].makes_grey)
			return true;
	}
	return false;
}

bool pv_filters_keep_light(const struct filter_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++) {
		const struct filter *filter = &chain->at[i];

		if (!kinds[filter->kind].keeps_light ||
		    (filter->kind == FILTER_ROTATE && !filter_is_quarter_turn(filter)))
			return false;
	}
	return true;
}

static bool apply(VipsImage **image, void *data)
{
	struct call *call = data;
	const struct kind *kind = &kinds[call->filter->kind];

	if (kind->makes_grey && !to_grey(image))
		return false;
	switch (kind->alpha) {
	case ALPHA_COVERS:
		return pv_with_alpha_in(image, 0, kind->apply, call);
	case ALPHA_STAYS:
		return without_alpha(image, kind->apply, call);
	default:
		return kind->apply(image, call);
	}
}

bool pv_filters_apply(VipsImage **image, struct pv_job *job,
                      const struct filter_chain *chain, uint32_t n_frames)
{
	for (size_t i = 0; i < chain->n; i++) {
		struct call call = {job, &chain->at[i]};

		if (kinds[chain->at[i].kind].is_per_frame
		            ? !pv_each_frame(image, n_frames, apply, &call)
		            : !apply(image, &call))
			return false;
	}
	return true;
}
