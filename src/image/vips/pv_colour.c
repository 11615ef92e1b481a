/*
 * Colours in the vips engine. Pixels are scaled as they are stored, in the space of their
 * own profile, and converted when only a few are left. For linear light they are
 * converted through that profile first, or through the sRGB curve if there is none.
 */
#include "image/vips/engine_vips.h"

#include "image/header/profile.h"

#include <string.h>

static VipsIntent intent_of(const struct pv_job *job)
{
	static const VipsIntent intents[N_INTENTS] = {
		[INTENT_RELATIVE] = VIPS_INTENT_RELATIVE,
		[INTENT_PERCEPTUAL] = VIPS_INTENT_PERCEPTUAL,
		[INTENT_SATURATION] = VIPS_INTENT_SATURATION,
		[INTENT_ABSOLUTE] = VIPS_INTENT_ABSOLUTE,
	};

	return intents[job->recipe->intent];
}

static int depth_of(const struct pv_job *job)
{
	return job->is_deep ? 16 : 8;
}

/* The working space of pixels that are not CMYK. */
static VipsInterpretation plain_space(const struct pv_job *job, bool is_grey)
{
	if (job->is_light)
		return VIPS_INTERPRETATION_scRGB;
	if (is_grey)
		return job->is_deep ? VIPS_INTERPRETATION_GREY16
		                    : VIPS_INTERPRETATION_B_W;
	return job->is_deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB;
}

/* The sample format of a working space; the samples of other spaces stay. */
static VipsBandFormat samples_of(VipsInterpretation space, VipsBandFormat others)
{
	switch (space) {
	case VIPS_INTERPRETATION_B_W:
	case VIPS_INTERPRETATION_sRGB:
		return VIPS_FORMAT_UCHAR;
	case VIPS_INTERPRETATION_GREY16:
	case VIPS_INTERPRETATION_RGB16:
		return VIPS_FORMAT_USHORT;
	default:
		return others;
	}
}

/* libvips believes the space that a picture claims, whatever its samples are. */
static bool convert(VipsImage **image, VipsInterpretation space)
{
	VipsImage *made = NULL;
	VipsBandFormat samples;

	if (vips_image_get_interpretation(*image) != space &&
	    !pv_replace(image, &made, vips_colourspace(*image, &made, space, NULL)))
		return false;
	samples = samples_of(space, vips_image_get_format(*image));
	return vips_image_get_format(*image) == samples ||
	       pv_replace(image, &made, vips_cast(*image, &made, samples, NULL));
}

/* Classify the profile. One that does not fit the pixels counts as none. */
static enum profile_kind kind_of_profile(VipsImage *image)
{
	VipsInterpretation space = vips_image_get_interpretation(image);
	bool is_grey = space == VIPS_INTERPRETATION_B_W ||
	               space == VIPS_INTERPRETATION_GREY16;
	const void *profile;
	size_t n;

	if (!vips_image_get_typeof(image, VIPS_META_ICC_NAME) ||
	    vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &n))
		return PROFILE_NONE;
	if (space == VIPS_INTERPRETATION_CMYK)
		return profile_has_space(profile, n, "CMYK") ? PROFILE_OTHER
		                                             : PROFILE_NONE;
	if (!is_grey && space != VIPS_INTERPRETATION_sRGB &&
	    space != VIPS_INTERPRETATION_RGB16 && space != VIPS_INTERPRETATION_RGB)
		return PROFILE_NONE;
	if (!profile_has_space(profile, n, is_grey ? "GRAY" : "RGB "))
		return PROFILE_NONE;
	return profile_is_srgb(profile, n) ? PROFILE_SRGB : PROFILE_OTHER;
}

static bool drop_profile(VipsImage **image)
{
	VipsImage *made = NULL;

	if (!pv_replace(image, &made, vips_copy(*image, &made, NULL)))
		return false;
	vips_image_remove(*image, VIPS_META_ICC_NAME);
	return true;
}

/* Convert through the embedded profile, or the default one, to another profile: the name
 * is one of the names of libvips, not a file. */
static bool transform(VipsImage **image, const struct pv_job *job, const char *to)
{
	VipsImage *made = NULL;

	return pv_replace(
		image, &made,
		vips_icc_transform(*image, &made, to, "embedded", TRUE, "input_profile",
	                           job->is_cmyk ? "cmyk" : "srgb", "intent",
	                           intent_of(job), "depth", depth_of(job), NULL));
}

/* A profile may describe itself well and still be broken: libvips tries it. */
static bool profile_works(VipsImage *image, const struct pv_job *job)
{
	VipsImage *pixel = NULL, *made = NULL, *there = NULL;
	bool is_working = !vips_crop(image, &pixel, 0, 0, 1, 1, NULL) &&
	                  !vips_copy(pixel, &there, NULL) &&
	                  !vips_icc_import(there, &made, "embedded", TRUE, "intent",
	                                   intent_of(job), NULL);

	VIPS_UNREF(pixel);
	VIPS_UNREF(there);
	VIPS_UNREF(made);
	vips_error_clear();
	return is_working;
}

bool pv_colour_begin(VipsImage **image, struct pv_job *job)
{
	if (!pv_normalise_samples(image))
		return false;
	job->is_cmyk = vips_image_get_interpretation(*image) == VIPS_INTERPRETATION_CMYK;
	job->is_grey = !job->is_cmyk && vips_image_get_bands(*image) < 3;
	job->profile = kind_of_profile(*image);
	if (!job->is_cmyk && !convert(image, plain_space(job, job->is_grey)))
		return false;
	if (job->profile == PROFILE_OTHER && !profile_works(*image, job))
		job->profile = PROFILE_NONE;
	if (job->profile == PROFILE_NONE && !drop_profile(image))
		return false;
	if (!job->is_cmyk || job->keeps_cmyk)
		return true;
	/* Filters do not work on CMYK. */
	if (job->before.n == 0)
		return true;
	job->profile = PROFILE_SRGB;
	if (!transform(image, job, "srgb"))
		return false;
	job->is_cmyk = false;
	return true;
}

/* Any profile but sRGB has its own curve. */
static bool is_foreign(const struct pv_job *job)
{
	return job->profile == PROFILE_OTHER || job->is_cmyk;
}

/* Convert to Lab through the embedded profile, or the default one. */
static bool import(VipsImage **image, const struct pv_job *job)
{
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  vips_icc_import(*image, &made, "embedded", TRUE,
	                                  "input_profile", job->is_cmyk ? "cmyk" : "srgb",
	                                  "intent", intent_of(job), NULL));
}

/* Convert by way of Lab: libvips 8.14 loses shadows when it exports from XYZ. */
bool pv_colour_linear(VipsImage **image, struct pv_job *job)
{
	if (!is_foreign(job))
		return convert(image, VIPS_INTERPRETATION_scRGB);
	job->is_imported = true;
	return import(image, job) && convert(image, VIPS_INTERPRETATION_XYZ);
}

/* Cast to the depth of the output. */
static bool make_depth(VipsImage **image, const struct pv_job *job)
{
	VipsBandFormat format = job->is_deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR;
	VipsImage *made = NULL;

	if (!job->is_cmyk)
		return convert(image, plain_space(job, vips_image_get_bands(*image) < 3));
	return vips_image_get_format(*image) == format ||
	       pv_replace(image, &made,
	                  vips_cast(*image, &made, format, "shift", TRUE, NULL));
}

/* Grey that went through a profile has three equal colours. */
static bool make_grey_again(VipsImage **image, const struct pv_job *job)
{
	VipsImage *green = NULL, *alpha = NULL, *joined = NULL, *made = NULL;
	int n_bands = vips_image_get_bands(*image);
	bool is_made;

	if (n_bands < 3)
		return true;
	is_made = !vips_extract_band(*image, &green, 1, NULL) &&
	          (n_bands == 3 || (!vips_extract_band(*image, &alpha, 3, NULL) &&
	                            !vips_bandjoin2(green, alpha, &joined, NULL)));
	if (is_made)
		is_made = pv_replace(image, &made,
		                     vips_copy(joined ? joined : green, &made,
		                               "interpretation", plain_space(job, true),
		                               NULL));
	VIPS_UNREF(green);
	VIPS_UNREF(alpha);
	VIPS_UNREF(joined);
	return is_made && drop_profile(image);
}

static bool export(VipsImage **image, const struct pv_job *job, const char *to)
{
	VipsImage *made = NULL;

	if (!to)
		return pv_replace(image, &made,
		                  vips_icc_export(*image, &made, "intent", intent_of(job),
		                                  "depth", depth_of(job), NULL));
	return pv_replace(image, &made,
	                  vips_icc_export(*image, &made, "output_profile", to, "intent",
	                                  intent_of(job), "depth", depth_of(job), NULL));
}

/* Export to the profile that came beside the recipe. */
static bool export_to_file(VipsImage **image, const struct pv_job *job)
{
	VipsImage *made = NULL;

	if (!pv_replace(image, &made, vips_copy(*image, &made, NULL)))
		return false;
	vips_image_set_blob_copy(*image, VIPS_META_ICC_NAME, job->variant->profile,
	                         job->variant->n_profile);
	if (export(image, job, NULL))
		return true;
	vips_error_clear();
	return failure_set(job->failure, FAIL_UNSUPPORTED,
	                   "colour: libvips cannot use the profile of --profile");
}

/* Whether the output stays in its own space. */
static bool keeps_space(const struct pv_job *job)
{
	return job->space == SPACE_KEEP && job->profile == PROFILE_OTHER &&
	       job->to->has_profile && (!job->is_cmyk || job->keeps_cmyk);
}

bool pv_colour_finish(VipsImage **image, struct pv_job *job)
{
	bool keeps = keeps_space(job);
	bool is_p3 = job->space == SPACE_P3 && !job->is_grey && job->to->has_profile;
	bool is_file = job->space == SPACE_FILE && !job->is_grey && job->to->has_profile;
	const char *to = keeps ? NULL : is_p3 ? "p3" : "srgb";

	job->is_tagged = keeps || is_p3 || is_file;
	if (job->is_imported) {
		if (!convert(image, VIPS_INTERPRETATION_LAB) ||
		    (is_file ? !export_to_file(image, job) : !export(image, job, to)))
			return false;
	} else {
		if (vips_image_get_interpretation(*image) == VIPS_INTERPRETATION_scRGB &&
		    !convert(image, plain_space(job, job->is_grey)))
			return false;
		if (is_file ? !import(image, job) || !export_to_file(image, job)
		            : to && (is_p3 || is_foreign(job)) &&
		                      !transform(image, job, to))
			return false;
	}
	if (to)
		job->is_cmyk = false;
	if (to && job->is_grey && !make_grey_again(image, job))
		return false;
	return make_depth(image, job);
}

struct colour pv_background(const struct pv_job *job)
{
	static const struct colour white = {true, 255, 255, 255, 255};

	return job->recipe->background.is_set ? job->recipe->background : white;
}

/* Convert one sRGB pixel to the space of the image, which carries its profile. */
static bool tag_pixel(VipsImage **pixel, VipsImage *image, const struct pv_job *job)
{
	VipsImage *made = NULL;
	const void *profile;
	size_t n;

	if (job->space == SPACE_P3)
		return pv_replace(pixel, &made,
		                  vips_icc_transform(*pixel, &made, "p3", "input_profile",
		                                     "srgb", "intent", intent_of(job),
		                                     NULL));
	if (vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &n) ||
	    !pv_replace(pixel, &made,
	                vips_icc_import(*pixel, &made, "input_profile", "srgb", "intent",
	                                intent_of(job), NULL)))
		return false;
	vips_image_set_blob_copy(*pixel, VIPS_META_ICC_NAME, profile, n);
	return pv_replace(pixel, &made,
	                  vips_icc_export(*pixel, &made, "intent", intent_of(job), NULL));
}

static bool find_values(VipsImage *image, const struct pv_job *job,
                        const struct colour *colour, double values[5], int n_colours)
{
	const uint8_t rgb[3] = {colour->red, colour->green, colour->blue};
	VipsImage *pixel, *named = NULL;
	double *found = NULL;
	int n;
	bool is_found;

	pixel = vips_image_new_from_memory_copy(rgb, 3, 1, 1, 3, VIPS_FORMAT_UCHAR);
	if (!pixel)
		return false;
	is_found = pv_replace(&pixel, &named,
	                      vips_copy(pixel, &named, "interpretation",
	                                VIPS_INTERPRETATION_sRGB, NULL)) &&
	           (!job->is_tagged || tag_pixel(&pixel, image, job)) &&
	           (!job->is_light || convert(&pixel, VIPS_INTERPRETATION_scRGB)) &&
	           !vips_getpoint(pixel, &found, &n, 0, 0, NULL) && n >= n_colours;
	for (int i = 0; is_found && i < n_colours; i++)
		values[i] = found[i];
	g_free(found);
	g_object_unref(pixel);
	return is_found;
}

bool pv_colour_values(VipsImage **image, const struct pv_job *job,
                      const struct colour *colour, double values[5])
{
	bool is_grey = vips_image_get_bands(*image) < 3;
	bool is_coloured = colour->red != colour->green || colour->red != colour->blue;
	int n_colours;

	if (is_grey && is_coloured && !job->is_tagged &&
	    !convert(image, plain_space(job, false)))
		return false;
	n_colours = vips_image_get_bands(*image) - (vips_image_hasalpha(*image) ? 1 : 0);
	if (!find_values(*image, job, colour, values, n_colours))
		return false;
	values[n_colours] = colour->alpha;
	for (int i = 0; i <= n_colours && job->is_deep && !job->is_light; i++)
		values[i] *= 257;
	return true;
}

bool pv_flatten_on_background(VipsImage **image, const struct pv_job *job)
{
	struct colour colour = pv_background(job);
	VipsArrayDouble *background;
	VipsImage *made = NULL;
	double values[5];
	int error;

	if (!vips_image_hasalpha(*image))
		return true;
	if (!pv_colour_values(image, job, &colour, values))
		return false;
	background = vips_array_double_new(values, vips_image_get_bands(*image) - 1);
	error = vips_flatten(*image, &made, "background", background, "max_alpha",
	                     job->is_deep ? 65535.0 : 255.0, NULL);
	vips_area_unref(VIPS_AREA(background));
	return pv_replace(image, &made, error);
}
