/* Makes and uses colour profiles with lcms2. */
#include "image/icc.h"

#include <lcms2.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CREATED_AT = 24, CREATED_BYTES = 12, HEADER_BYTES = 128 };

/* A tone curve in the form that lcms2 takes: a type and its parameters. Type 1 is y = x^g. Type 4
 * also has a linear part. */
struct curve {
	int type;
	double numbers[5];
};

static const struct curve srgb_curve = {
	4, {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045}};

/* The chromaticities of a colour space. */
struct primaries {
	double white[2], red[2], green[2], blue[2];
};

#define D65                                                                              \
	{                                                                                \
		0.3127, 0.3290                                                           \
	}
#define ILLUMINANT_C                                                                     \
	{                                                                                \
		0.310, 0.316                                                             \
	}

/* The primaries of each code point (ITU-T H.273, table 2). A row of zeros: the code point is
 * reserved or not supported. */
static const struct primaries primaries_of_cicp[] = {
	[1] = {D65, {0.64, 0.33}, {0.30, 0.60}, {0.15, 0.06}},
	[4] = {ILLUMINANT_C, {0.67, 0.33}, {0.21, 0.71}, {0.14, 0.08}},
	[5] = {D65, {0.64, 0.33}, {0.29, 0.60}, {0.15, 0.06}},
	[6] = {D65, {0.630, 0.340}, {0.310, 0.595}, {0.155, 0.070}},
	[7] = {D65, {0.630, 0.340}, {0.310, 0.595}, {0.155, 0.070}},
	[8] = {ILLUMINANT_C, {0.681, 0.319}, {0.243, 0.692}, {0.145, 0.049}},
	[9] = {D65, {0.708, 0.292}, {0.170, 0.797}, {0.131, 0.046}},
	[11] = {{0.314, 0.351}, {0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}},
	[12] = {D65, {0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}},
	[22] = {D65, {0.630, 0.340}, {0.295, 0.605}, {0.155, 0.077}},
};

enum { UNSPECIFIED = 2, BT_709 = 1 };

/* The curve of a code point. The curves of television (BT.709 and similar) are replaced by the
 * curve of sRGB, as in browsers. PQ and HLG are, too, because hdr_to_sdr() converts their samples.
 * Returns NULL if the code point is reserved or not supported. */
static const struct curve *curve_of_cicp(unsigned transfer)
{
	static const struct curve gamma_22 = {1, {2.2}}, gamma_28 = {1, {2.8}},
				  linear = {1, {1}}, dcdm = {1, {2.6}},
				  smpte_240 = {4,
	                                       {1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115,
	                                        1 / 4.0, 0.0913}};

	switch (transfer) {
	case 1:
	case UNSPECIFIED:
	case 6:
	case 11:
	case 12:
	case 13:
	case 14:
	case 15:
	case CICP_TRANSFER_PQ:
	case CICP_TRANSFER_HLG:
		return &srgb_curve;
	case 4:
		return &gamma_22;
	case 5:
		return &gamma_28;
	case 7:
		return &smpte_240;
	case 8:
		return &linear;
	case 17:
		return &dcdm;
	default:
		return NULL;
	}
}

bool cicp_is_hdr(const struct cicp *cicp)
{
	return cicp->transfer == CICP_TRANSFER_PQ || cicp->transfer == CICP_TRANSFER_HLG;
}

static enum icc_result save(cmsHPROFILE profile, uint8_t **ret_profile, size_t *ret_n)
{
	cmsUInt32Number n = 0;
	uint8_t *bytes = NULL;

	if (!cmsSaveProfileToMem(profile, NULL, &n) || n < HEADER_BYTES)
		return ICC_NO_MEMORY;
	bytes = malloc(n);
	if (!bytes || !cmsSaveProfileToMem(profile, bytes, &n)) {
		free(bytes);
		return ICC_NO_MEMORY;
	}
	/* Set the date of creation to 2000-01-01. Each part of the date is a number of 16 bits. */
	memcpy(bytes + CREATED_AT, "\x07\xd0\0\1\0\1\0\0\0\0\0\0", CREATED_BYTES);
	*ret_profile = bytes;
	*ret_n = n;
	return ICC_MADE;
}

static void describe(cmsHPROFILE profile, const char *words)
{
	cmsMLU *text = cmsMLUalloc(NULL, 1);

	if (text && cmsMLUsetASCII(text, "en", "US", words))
		cmsWriteTag(profile, cmsSigProfileDescriptionTag, text);
	cmsMLUfree(text);
}

/* Build a profile. A grey profile gets the white point of the profile connection space (D50), so
 * that no adaptation is necessary. */
static cmsHPROFILE build(const struct primaries *primaries, cmsToneCurve *curve,
                         bool is_grey)
{
	cmsToneCurve *curves[3] = {curve, curve, curve};
	cmsCIExyY white;
	cmsCIExyYTRIPLE rgb;

	if (is_grey)
		return cmsCreateGrayProfile(cmsD50_xyY(), curve);
	white = (cmsCIExyY){primaries->white[0], primaries->white[1], 1};
	rgb = (cmsCIExyYTRIPLE){{primaries->red[0], primaries->red[1], 1},
	                        {primaries->green[0], primaries->green[1], 1},
	                        {primaries->blue[0], primaries->blue[1], 1}};
	return cmsCreateRGBProfile(&white, &rgb, curves);
}

static enum icc_result make(const struct primaries *primaries, const struct curve *curve,
                            bool is_grey, const char *words, uint8_t **ret_profile,
                            size_t *ret_n)
{
	cmsToneCurve *tone = cmsBuildParametricToneCurve(NULL, curve->type,
	                                                 curve->numbers);
	cmsHPROFILE profile = tone ? build(primaries, tone, is_grey) : NULL;
	enum icc_result result = ICC_UNKNOWN;

	if (profile) {
		describe(profile, words);
		result = save(profile, ret_profile, ret_n);
		cmsCloseProfile(profile);
	}
	if (tone)
		cmsFreeToneCurve(tone);
	return result;
}

enum icc_result icc_of_cicp(const struct cicp *cicp, bool is_grey, uint8_t **ret_profile,
                            size_t *ret_n)
{
	enum { N_PRIMARIES = sizeof(primaries_of_cicp) / sizeof(primaries_of_cicp[0]) };
	const struct curve *curve = curve_of_cicp(cicp->transfer);
	unsigned primaries = cicp->primaries == UNSPECIFIED ? BT_709 : cicp->primaries;
	const char *words = primaries == 12  ? "Display P3"
	                    : primaries == 9 ? "Rec. 2020"
	                                     : "CICP";

	*ret_profile = NULL;
	*ret_n = 0;
	if (!curve || primaries >= N_PRIMARIES ||
	    primaries_of_cicp[primaries].white[0] == 0)
		return ICC_UNKNOWN;
	if (curve == &srgb_curve && (is_grey || primaries == BT_709))
		return ICC_SRGB;
	return make(&primaries_of_cicp[primaries], curve, is_grey, words, ret_profile,
	            ret_n);
}

static bool is_near(double value, double wanted, double tolerance)
{
	return fabs(value - wanted) <= tolerance;
}

static bool are_srgb(const struct primaries *primaries)
{
	const struct primaries *srgb = &primaries_of_cicp[BT_709];
	const double tolerance = 0.002;

	for (int i = 0; i < 2; i++) {
		if (!is_near(primaries->white[i], srgb->white[i], tolerance) ||
		    !is_near(primaries->red[i], srgb->red[i], tolerance) ||
		    !is_near(primaries->green[i], srgb->green[i], tolerance) ||
		    !is_near(primaries->blue[i], srgb->blue[i], tolerance))
			return false;
	}
	return true;
}

/* Whether the chromaticities describe a colour space: all are in the possible range, and the three
 * primary colours are not on a line. */
static bool are_usable(const struct primaries *primaries)
{
	const double *const points[] = {primaries->white, primaries->red,
	                                primaries->green, primaries->blue};
	double area = (primaries->green[0] - primaries->red[0]) *
	                      (primaries->blue[1] - primaries->red[1]) -
	              (primaries->blue[0] - primaries->red[0]) *
	                      (primaries->green[1] - primaries->red[1]);

	for (int i = 0; i < 4; i++) {
		if (points[i][0] < 0 || points[i][1] <= 0 ||
		    points[i][0] + points[i][1] > 1.0001)
			return false;
	}
	return fabs(area) > 0.001 && primaries->white[0] > 0;
}

enum icc_result icc_of_png_gamma(const struct png_gamma *gamma, bool is_grey,
                                 uint8_t **ret_profile, size_t *ret_n)
{
	const double unit = 1e-5, of_srgb = 0.45455;
	double encoding = gamma->gamma * unit;
	struct primaries primaries = primaries_of_cicp[BT_709];
	const struct curve pure = {1, {1 / encoding}};
	const struct curve *curve = is_near(encoding, of_srgb, 0.002) ? &srgb_curve
	                                                              : &pure;

	*ret_profile = NULL;
	*ret_n = 0;
	if (gamma->has_primaries && !is_grey) {
		const uint32_t *xy = gamma->xy;

		primaries = (struct primaries){{xy[0] * unit, xy[1] * unit},
		                               {xy[2] * unit, xy[3] * unit},
		                               {xy[4] * unit, xy[5] * unit},
		                               {xy[6] * unit, xy[7] * unit}};
	}
	if (!are_usable(&primaries) || encoding < 0.05 || encoding > 20)
		return ICC_UNKNOWN;
	if (are_srgb(&primaries) && curve == &srgb_curve)
		return ICC_SRGB;
	if (!are_srgb(&primaries))
		/* With primaries other than those of sRGB, a gamma near 1/2.2 means a power, not
		 * the curve of sRGB. */
		curve = &pure;
	return make(&primaries, curve, is_grey, "gAMA and cHRM", ret_profile, ret_n);
}

/* lcms2's numbers for the intents, in the order of enum intent. */
static const cmsUInt32Number intents[N_INTENTS] = {
	INTENT_RELATIVE_COLORIMETRIC,
	INTENT_PERCEPTUAL,
	INTENT_SATURATION,
	INTENT_ABSOLUTE_COLORIMETRIC,
};

enum intent icc_usable_intent(const void *profile, size_t n, enum intent wanted)
{
	cmsHPROFILE opened = cmsOpenProfileFromMem(profile, (cmsUInt32Number)n);
	enum intent usable = wanted;

	if (!opened)
		return wanted;
	for (int i = 0; i < N_INTENTS && !cmsIsIntentSupported(opened, intents[usable],
	                                                       LCMS_USED_AS_INPUT);
	     i++)
		usable = (enum intent)i;
	if (!cmsIsIntentSupported(opened, intents[usable], LCMS_USED_AS_INPUT))
		usable = wanted;
	cmsCloseProfile(opened);
	return usable;
}

bool icc_grey_levels(const void *profile, size_t n, enum intent intent, unsigned n_levels,
                     uint16_t *ret_values)
{
	cmsHPROFILE from = cmsOpenProfileFromMem(profile, (cmsUInt32Number)n);
	cmsToneCurve *tone = cmsBuildParametricToneCurve(NULL, srgb_curve.type,
	                                                 srgb_curve.numbers);
	cmsHPROFILE to = tone ? build(NULL, tone, true) : NULL;
	cmsHTRANSFORM transform = NULL;

	if (from && to && cmsGetColorSpace(from) == cmsSigGrayData)
		transform = cmsCreateTransform(from, TYPE_GRAY_FLT, to, TYPE_GRAY_FLT,
		                               intents[intent], 0);
	for (unsigned i = 0; transform && i < n_levels; i++) {
		float level = (float)i / (float)(n_levels - 1), value = 0;

		cmsDoTransform(transform, &level, &value, 1);
		ret_values[i] = (uint16_t)lrintf(fminf(fmaxf(value, 0), 1) * UINT16_MAX);
	}
	if (from)
		cmsCloseProfile(from);
	if (to)
		cmsCloseProfile(to);
	if (tone)
		cmsFreeToneCurve(tone);
	if (transform)
		cmsDeleteTransform(transform);
	return transform != NULL;
}
