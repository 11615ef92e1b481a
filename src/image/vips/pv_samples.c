/* Kinds of samples in the vips engine: converts the many kinds in files to a few. */
#include "image/vips/engine_vips.h"

static bool is_signed(VipsImage *image)
{
	VipsBandFormat format = vips_image_get_format(image);

	return format == VIPS_FORMAT_CHAR || format == VIPS_FORMAT_SHORT ||
	       format == VIPS_FORMAT_INT;
}

static bool is_of_16_bit(VipsInterpretation space)
{
	return space == VIPS_INTERPRETATION_GREY16 ||
	       space == VIPS_INTERPRETATION_RGB16 || space == VIPS_INTERPRETATION_LABS;
}

bool pv_is_pfm(VipsImage *image)
{
	return vips_image_get_typeof(image, "pfm-scale") != 0;
}

static bool is_float(VipsImage *image)
{
	return vips_image_get_format(image) == VIPS_FORMAT_FLOAT;
}

bool pv_has_light(VipsImage *image)
{
	VipsInterpretation space = vips_image_guess_interpretation(image);

	return vips_image_get_coding(image) == VIPS_CODING_RAD ||
	       (is_float(image) && vips_image_get_bands(image) == 3 &&
	        (space == VIPS_INTERPRETATION_scRGB || pv_is_pfm(image)));
}

bool pv_has_plain_floats(VipsImage *image)
{
	VipsInterpretation space = vips_image_guess_interpretation(image);

	return is_float(image) &&
	       (space == VIPS_INTERPRETATION_B_W || space == VIPS_INTERPRETATION_sRGB);
}

bool pv_has_deep_samples(VipsImage *image)
{
	if (vips_image_get_coding(image) != VIPS_CODING_NONE)
		return true;
	if (is_signed(image))
		return is_of_16_bit(vips_image_guess_interpretation(image));
	return vips_image_get_format(image) != VIPS_FORMAT_UCHAR;
}

/* Values below 0, and above the maximum of the space, are clipped. */
static bool drop_sign(VipsImage **image, VipsInterpretation *space)
{
	VipsBandFormat format = VIPS_FORMAT_USHORT;
	VipsImage *made = NULL;

	if (*space == VIPS_INTERPRETATION_LABS)
		return true;
	if (!is_of_16_bit(*space)) {
		format = VIPS_FORMAT_UCHAR;
		*space = vips_image_get_bands(*image) < 3 ? VIPS_INTERPRETATION_B_W
		                                          : VIPS_INTERPRETATION_sRGB;
	}
	return pv_replace(image, &made, vips_cast(*image, &made, format, NULL));
}

/* Decode the packed codings of libvips. (From LABQ, libvips converts to sRGB by a table
 * of 6 bits a sample.) */
static bool uncode(VipsImage **image)
{
	VipsImage *made = NULL;

	switch (vips_image_get_coding(*image)) {
	case VIPS_CODING_RAD:
		return pv_replace(image, &made, vips_rad2float(*image, &made, NULL));
	case VIPS_CODING_LABQ:
		return pv_replace(image, &made, vips_LabQ2Lab(*image, &made, NULL));
	default:
		return true;
	}
}

/* Linear light of one band goes through the curve as three equal bands. */
static bool make_grey_of_light(VipsImage **image)
{
	VipsImage *thrice[] = {*image, *image, *image}, *made = NULL;

	return pv_replace(image, &made, vips_bandjoin(thrice, &made, 3, NULL)) &&
	       pv_replace(image, &made,
	                  vips_copy(*image, &made, "interpretation",
	                            VIPS_INTERPRETATION_scRGB, NULL)) &&
	       pv_replace(
		       image, &made,
		       vips_colourspace(*image, &made, VIPS_INTERPRETATION_GREY16, NULL));
}

/* PFM holds linear light. Some writers of grey TIFF use 0 to 1, which is linear light, and
 * others 0 to 255. */
static bool light_up(VipsImage **image)
{
	VipsImage *made = NULL;
	double most = 0;

	if (vips_image_get_bands(*image) == 3)
		return !pv_is_pfm(*image) ||
		       pv_replace(image, &made,
		                  vips_copy(*image, &made, "interpretation",
		                            VIPS_INTERPRETATION_scRGB, NULL));
	if (vips_image_get_bands(*image) != 1)
		return true;
	if (!pv_is_pfm(*image) && (!pv_to_memory(image) || vips_max(*image, &most, NULL)))
		return false;
	return most > 1 || make_grey_of_light(image);
}

bool pv_normalise_samples(VipsImage **image)
{
	VipsInterpretation space;
	VipsImage *made = NULL;
	int n_bands, n_most;

	if (!uncode(image) || (pv_has_plain_floats(*image) && !light_up(image)))
		return false;
	n_bands = vips_image_get_bands(*image);
	space = vips_image_guess_interpretation(*image);
	if (vips_image_get_format(*image) == VIPS_FORMAT_UINT) {
		if (!pv_replace(image, &made,
		                vips_linear1(*image, &made, 1 / 65537.0, 0, NULL)) ||
		    !pv_replace(image, &made,
		                vips_cast(*image, &made, VIPS_FORMAT_USHORT, NULL)))
			return false;
		space = n_bands < 3 ? VIPS_INTERPRETATION_GREY16
		                    : VIPS_INTERPRETATION_RGB16;
	} else if (is_signed(*image)) {
		if (!drop_sign(image, &space))
			return false;
	} else if (space == VIPS_INTERPRETATION_MULTIBAND) {
		space = n_bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
	}
	n_most = space == VIPS_INTERPRETATION_CMYK ? 5 : n_bands < 3 ? 2 : 4;
	if (n_bands > n_most &&
	    !pv_replace(image, &made,
	                vips_extract_band(*image, &made, 0, "n", n_most, NULL)))
		return false;
	return pv_replace(image, &made,
	                  vips_copy(*image, &made, "interpretation", space, NULL));
}
