/* The vips engine's filters, each with the meaning that filters.h gives it. */
#include "image/vips/engine_vips.h"

#include <string.h>

enum { PERCENT_STEPS = 65535 };

static bool premultiply(VipsImage **image, double max_alpha)
{
	VipsImage *made = NULL;

	return pv_take(image, &made,
	               max_alpha > 0 ? vips_premultiply(*image, &made, "max_alpha",
	                                                max_alpha, NULL)
	                             : vips_premultiply(*image, &made, NULL));
}

static bool unpremultiply(VipsImage **image, double max_alpha)
{
	VipsImage *made = NULL;

	return pv_take(image, &made,
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
	       pv_take(image, &made, vips_cast(*image, &made, format, NULL));
}

static bool is_deep(VipsImage *image)
{
	return vips_image_get_format(image) == VIPS_FORMAT_USHORT;
}

/* Do something to the colours alone. */
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
	          pv_take(image, &made, vips_bandjoin2(colours, alpha, &made, NULL));
	VIPS_UNREF(colours);
	VIPS_UNREF(alpha);
	return is_done;
}

/* Work on a wider space and come back. */
static bool in_space(VipsImage **image, VipsInterpretation space,
                     bool (*work)(VipsImage **image, void *data), void *data)
{
	VipsInterpretation back = vips_image_get_interpretation(*image);
	VipsImage *made = NULL;

	return pv_take(image, &made, vips_colourspace(*image, &made, space, NULL)) &&
	       without_alpha(image, work, data) &&
	       pv_take(image, &made, vips_colourspace(*image, &made, back, NULL));
}

static bool name_space(VipsImage **image, VipsInterpretation space)
{
	VipsImage *made = NULL;

	return pv_take(image, &made,
	               vips_copy(*image, &made, "interpretation", space, NULL));
}

/* The same luminance in all three. libvips' own way to grey has weights of one digit. */
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
	return pv_take(image, &made, error) &&
	       name_space(image, VIPS_INTERPRETATION_scRGB);
}

static bool take_first(VipsImage **image, void *data)
{
	VipsImage *made = NULL;

	(void)data;
	return pv_take(image, &made, vips_extract_band(*image, &made, 0, NULL));
}

static bool to_grey(VipsImage **image)
{
	VipsInterpretation grey = is_deep(*image) ? VIPS_INTERPRETATION_GREY16
	                                          : VIPS_INTERPRETATION_B_W;

	return vips_image_get_bands(*image) < 3 ||
	       (in_space(image, VIPS_INTERPRETATION_scRGB, spread_luminance, NULL) &&
	        without_alpha(image, take_first, NULL) && name_space(image, grey));
}

static bool blur(VipsImage **image, void *data)
{
	const struct filter *filter = data;
	VipsImage *made = NULL;

	/* The mask goes on until a hundredth, and is not rounded: sums stay true. */
	return pv_take(image, &made,
	               vips_gaussblur(*image, &made, filter->number[0], "min_ampl", 0.01,
	                              "precision", VIPS_PRECISION_FLOAT, NULL));
}

/* Its edges are repeated around a picture, which may be smaller than the window. */
static bool median(VipsImage **image, void *data)
{
	const struct filter *filter = data;
	int side = (int)filter->number[0], margin = side / 2;
	int width = vips_image_get_width(*image), height = vips_image_get_height(*image);
	VipsBandFormat format = vips_image_get_format(*image);
	VipsImage *made = NULL;

	return pv_take(image, &made,
	               vips_embed(*image, &made, margin, margin, width + 2 * margin,
	                          height + 2 * margin, "extend", VIPS_EXTEND_COPY,
	                          NULL)) &&
	       pv_take(image, &made, vips_median(*image, &made, side, NULL)) &&
	       pv_take(image, &made,
	               vips_crop(*image, &made, margin, margin, width, height, NULL)) &&
	       pv_take(image, &made, vips_cast(*image, &made, format, NULL));
}

static bool sharpen(VipsImage **image, void *data)
{
	const struct filter *filter = data;
	VipsImage *made = NULL;

	return pv_take(image, &made,
	               vips_sharpen(*image, &made, "sigma", filter->number[0], "m1",
	                            filter->number[1], "m2", filter->number[2], NULL));
}

static bool negate(VipsImage **image, void *data)
{
	VipsImage *made = NULL;

	(void)data;
	return pv_take(image, &made, vips_invert(*image, &made, NULL));
}

static bool correct_gamma(VipsImage **image, void *data)
{
	const struct filter *filter = data;
	VipsImage *made = NULL;

	return pv_take(image, &made,
	               vips_gamma(*image, &made, "exponent", filter->number[0], NULL));
}

static bool threshold(VipsImage **image, void *data)
{
	const struct filter *filter = data;
	VipsImage *made = NULL;
	bool was_deep = is_deep(*image);
	VipsInterpretation space = vips_image_get_interpretation(*image);

	/* The comparison gives 255 or 0. */
	if (!pv_take(image, &made,
	             vips_moreeq_const1(*image, &made,
	                                filter->number[0] * (was_deep ? 257 : 1), NULL)))
		return false;
	if (was_deep &&
	    (!pv_take(image, &made, vips_linear1(*image, &made, 257, 0, NULL)) ||
	     !pv_take(image, &made, vips_cast(*image, &made, VIPS_FORMAT_USHORT, NULL))))
		return false;
	return pv_take(image, &made,
	               vips_copy(*image, &made, "interpretation", space, NULL));
}

static bool modulate(VipsImage **image, void *data)
{
	const struct filter *filter = data;
	double factors[3] = {filter->number[0], filter->number[1], 1};
	double shifts[3] = {0, 0, filter->number[2]};
	VipsImage *made = NULL;

	return pv_take(image, &made,
	               vips_linear(*image, &made, factors, shifts, 3, NULL)) &&
	       name_space(image, VIPS_INTERPRETATION_LCH);
}

struct stretch {
	double low, high; /* of L, 0 to 100 */
};

static bool apply_stretch(VipsImage **image, void *data)
{
	const struct stretch *stretch = data;
	double factor = 100 / (stretch->high - stretch->low);
	double factors[3] = {factor, 1, 1};
	double shifts[3] = {-stretch->low * factor, 0, 0};
	VipsImage *made = NULL;

	return pv_take(image, &made,
	               vips_linear(*image, &made, factors, shifts, 3, NULL)) &&
	       name_space(image, VIPS_INTERPRETATION_LAB);
}

/* The lightness that so many percent of the pixels are not above. */
static bool find_percent(VipsImage *lightness, double percent, double *ret_lightness)
{
	int found;

	if (percent <= 0) {
		if (vips_min(lightness, ret_lightness, NULL))
			return false;
	} else if (percent >= 100) {
		if (vips_max(lightness, ret_lightness, NULL))
			return false;
	} else {
		if (vips_percent(lightness, percent, &found, NULL))
			return false;
		*ret_lightness = found;
	}
	*ret_lightness *= 100.0 / PERCENT_STEPS;
	return true;
}

static bool normalise(VipsImage **image, const struct filter *filter)
{
	VipsImage *lightness = NULL, *made = NULL;
	struct stretch stretch = {0};
	bool is_found;

	if (!pv_settle(image) ||
	    vips_colourspace(*image, &lightness, VIPS_INTERPRETATION_LAB, NULL))
		return false;
	is_found = pv_take(&lightness, &made,
	                   vips_extract_band(lightness, &made, 0, NULL)) &&
	           pv_take(&lightness, &made,
	                   vips_linear1(lightness, &made, PERCENT_STEPS / 100.0, 0,
	                                NULL)) &&
	           pv_take(&lightness, &made,
	                   vips_cast(lightness, &made, VIPS_FORMAT_USHORT, NULL)) &&
	           find_percent(lightness, filter->number[0], &stretch.low) &&
	           find_percent(lightness, filter->number[1], &stretch.high);
	g_object_unref(lightness);
	if (!is_found)
		return false;
	/* A flat picture has nothing to stretch. */
	return stretch.high - stretch.low < 0.5 ||
	       in_space(image, VIPS_INTERPRETATION_LAB, apply_stretch, &stretch);
}

struct turn {
	struct pv_job *job;
	struct filter *filter;
};

static bool trim(VipsImage **image, void *data)
{
	const struct turn *turn = data;

	return pv_trim(image, turn->job, turn->filter->number[0]);
}

static bool rotate(VipsImage **image, void *data)
{
	const struct turn *turn = data;

	return pv_rotate_by(image, turn->job, turn->filter->number[0]);
}

static bool flip(VipsImage **image, void *data)
{
	const struct turn *turn = data;
	VipsImage *made = NULL;

	return pv_settle(image) && pv_take(image, &made,
	                                   vips_flip(*image, &made,
	                                             turn->filter->kind == FILTER_FLIP
	                                                     ? VIPS_DIRECTION_VERTICAL
	                                                     : VIPS_DIRECTION_HORIZONTAL,
	                                             NULL));
}

static bool spread(VipsImage **image, void *data)
{
	const struct turn *turn = data;

	return pv_with_alpha_in(image, 0, blur, turn->filter);
}

static bool smooth(VipsImage **image, void *data)
{
	const struct turn *turn = data;

	return pv_with_alpha_in(image, 0, median, turn->filter);
}

static bool crisp(VipsImage **image, void *data)
{
	const struct turn *turn = data;

	return sharpen(image, turn->filter);
}

static bool apply(VipsImage **image, struct pv_job *job, struct filter *filter,
                  uint32_t n_frames)
{
	struct turn turn = {job, filter};

	switch (filter->kind) {
	case FILTER_BLUR:
		return pv_each_frame(image, n_frames, spread, &turn);
	case FILTER_SHARPEN:
		return pv_each_frame(image, n_frames, crisp, &turn);
	case FILTER_MEDIAN:
		return pv_each_frame(image, n_frames, smooth, &turn);
	case FILTER_TRIM:
		return pv_each_frame(image, n_frames, trim, &turn);
	case FILTER_ROTATE:
		return pv_each_frame(image, n_frames, rotate, &turn);
	case FILTER_FLIP:
	case FILTER_FLOP:
		return pv_each_frame(image, n_frames, flip, &turn);
	case FILTER_GRAYSCALE:
		return to_grey(image);
	case FILTER_NEGATE:
		return without_alpha(image, negate, NULL);
	case FILTER_NORMALISE:
		return normalise(image, filter);
	case FILTER_GAMMA:
		return without_alpha(image, correct_gamma, filter);
	case FILTER_MODULATE:
		return in_space(image, VIPS_INTERPRETATION_LCH, modulate, filter);
	case FILTER_THRESHOLD:
		return to_grey(image) && without_alpha(image, threshold, filter);
	case FILTER_FLATTEN:
		return pv_flatten_on_background(image, job);
	default:
		return failure_set(job->failure, FAIL_INTERNAL,
		                   "filter: no filter has the number %d",
		                   (int)filter->kind);
	}
}

bool pv_filters_apply(VipsImage **image, struct pv_job *job,
                      const struct filter_chain *chain, uint32_t n_frames)
{
	for (size_t i = 0; i < chain->n; i++) {
		struct filter filter = chain->at[i];

		if (!apply(image, job, &filter, n_frames))
			return false;
	}
	return true;
}
