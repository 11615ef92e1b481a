/* Tests of the conversion of planes from a profile to sRGB, compared with lcms2 on single
 * pixels. */
#include "support/test.h"

#include "jpeg_maker.h"

#include "image/fast/colour.h"

#include <lcms2.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 40, HEIGHT = 30 };

static struct bytes bytes_of_profile(cmsHPROFILE profile)
{
	struct bytes bytes = {0};
	cmsUInt32Number n = 0;

	REQUIRE(profile && cmsSaveProfileToMem(profile, NULL, &n));
	bytes.at = malloc(n);
	bytes.n = n;
	REQUIRE(bytes.at && cmsSaveProfileToMem(profile, bytes.at, &n));
	cmsCloseProfile(profile);
	return bytes;
}

/* A profile with a larger gamut and another transfer curve than sRGB, or a grey profile with that
 * curve. */
static struct bytes make_profile(bool is_grey)
{
	const cmsCIExyY white = {0.3127, 0.3290, 1};
	const cmsCIExyYTRIPLE primaries = {
		{0.64, 0.33, 1}, {0.21, 0.71, 1}, {0.15, 0.06, 1}};
	cmsToneCurve *curve = cmsBuildGamma(NULL, 1.8);
	cmsToneCurve *curves[3] = {curve, curve, curve};
	struct bytes bytes = bytes_of_profile(
		is_grey ? cmsCreateGrayProfile(cmsD50_xyY(), curve)
			: cmsCreateRGBProfile(&white, &primaries, curves));

	cmsFreeToneCurve(curve);
	return bytes;
}

struct picture {
	struct workspace workspaces[MAX_PLANES];
	struct rendered rendered;
	/* Alpha from 0 to 1; colours are not premultiplied. */
	float rgb[WIDTH * HEIGHT][3];
	float alpha[WIDTH * HEIGHT];
};

static uint16_t to_16(double part)
{
	return (uint16_t)(fmin(fmax(part, 0), 1) * 65535 + 0.5);
}

static void picture_init(struct picture *picture, unsigned n_planes, bool has_alpha)
{
	uint64_t state = n_planes;

	*picture = (struct picture){
		.rendered = {.n_planes = n_planes, .has_alpha = has_alpha}};
	for (unsigned i = 0; i < MAX_PLANES; i++)
		REQUIRE(plane_reserve(&picture->rendered.planes[i],
		                      &picture->workspaces[i], WIDTH, HEIGHT, 16));
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
		float *rgb = picture->rgb[i];
		double alpha = has_alpha ? 0.2 + random_below(&state, 800) / 1000.0 : 1,
		       y;
		uint16_t *row[MAX_PLANES];

		for (unsigned j = 0; j < MAX_PLANES; j++)
			row[j] = plane_row(&picture->rendered.planes[j], i / WIDTH);
		for (unsigned j = 0; j < 3; j++)
			rgb[j] = (float)(0.1 + random_below(&state, 800) / 1000.0);
		if (n_planes == 1)
			rgb[1] = rgb[2] = rgb[0];
		picture->alpha[i] = (float)alpha;
		y = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
		row[0][i % WIDTH] = to_16(y * alpha);
		row[1][i % WIDTH] = to_16((rgb[2] - y) / 1.772 * alpha + 128 / 255.0);
		row[2][i % WIDTH] = to_16((rgb[0] - y) / 1.402 * alpha + 128 / 255.0);
		row[ALPHA][i % WIDTH] = to_16(alpha);
	}
}

static void picture_fini(struct picture *picture)
{
	for (unsigned i = 0; i < MAX_PLANES; i++)
		workspace_fini(&picture->workspaces[i]);
}

static void expect_converted(struct bytes profile, unsigned n_planes, bool has_alpha)
{
	cmsHPROFILE from = cmsOpenProfileFromMem(profile.at, (cmsUInt32Number)profile.n);
	cmsHPROFILE to = cmsCreate_sRGBProfile();
	cmsUInt32Number in = n_planes == 1 ? TYPE_GRAY_FLT : TYPE_RGB_FLT;
	cmsHTRANSFORM exact = cmsCreateTransform(from, in, to, TYPE_RGB_FLT,
	                                         INTENT_RELATIVE_COLORIMETRIC,
	                                         cmsFLAGS_NOOPTIMIZE);
	struct converter *converter = converter_create();
	struct picture picture;
	struct rendered converted;
	double largest = 0, largest_chroma = 0, sum = 0;

	REQUIRE(exact && converter);
	picture_init(&picture, n_planes, has_alpha);
	REQUIRE(converter_choose(converter, profile.at, profile.n, n_planes == 1,
	                         (enum intent)0));
	REQUIRE(converter_convert(converter, &picture.rendered, &converted));
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
		const uint16_t *luma = plane_row(&converted.planes[0], i / WIDTH);
		float rgb[3];
		double y, difference;

		cmsDoTransform(exact, picture.rgb[i], rgb, 1);
		for (unsigned j = 0; j < 3; j++)
			rgb[j] = fminf(fmaxf(rgb[j], 0), 1);
		y = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
		difference = fabs(luma[i % WIDTH] / 257.0 - y * picture.alpha[i] * 255);
		largest = fmax(largest, difference);
		sum += difference;
		for (unsigned j = 1; j < n_planes; j++) {
			const uint16_t *chroma = plane_row(&converted.planes[j],
			                                   i / WIDTH);
			double want = j == 1 ? (rgb[2] - y) / 1.772
			                     : (rgb[0] - y) / 1.402;

			want = want * picture.alpha[i] * 255 + 128;
			largest_chroma = fmax(largest_chroma,
			                      fabs(chroma[i % WIDTH] / 257.0 - want));
		}
	}
	/* One level of a dark colour in the profile corresponds to more than one level of sRGB. */
	EXPECT(largest < 3 && largest_chroma < 5 && sum / (WIDTH * HEIGHT) < 0.4,
	       "%u planes, alpha %d: luma is off by %.2f, chroma by %.2f", n_planes,
	       has_alpha, largest, largest_chroma);
	picture_fini(&picture);
	converter_trim(converter, 0);
	converter_destroy(converter);
	cmsDeleteTransform(exact);
	cmsCloseProfile(from);
	cmsCloseProfile(to);
}

TEST(converter, converting_planes_gives_the_same_colours_as_lcms_for_single_pixels)
{
	struct bytes rgb = make_profile(false), grey = make_profile(true);

	expect_converted(rgb, 3, false);
	expect_converted(rgb, 3, true);
	expect_converted(grey, 1, false);
	free(rgb.at);
	free(grey.at);
}

/* Before alpha is divided out, the colours of a transparent pixel are rounding errors near black.
 * The curve of this profile maps black to white, so these errors would become a bright colour. */
TEST(converter, a_transparent_pixel_has_no_colour_after_the_conversion)
{
	const cmsUInt16Number falling[2] = {UINT16_MAX, 0};
	cmsToneCurve *curve = cmsBuildTabulatedToneCurve16(NULL, 2, falling);
	struct bytes grey = bytes_of_profile(cmsCreateGrayProfile(cmsD50_xyY(), curve));
	struct converter *converter = converter_create();
	struct picture picture;
	struct rendered converted;

	REQUIRE(converter != NULL);
	picture_init(&picture, 1, true);
	for (uint32_t x = 0; x < WIDTH; x++) {
		uint16_t *luma = plane_row(&picture.rendered.planes[0], 0);
		uint16_t *alpha = plane_row(&picture.rendered.planes[ALPHA], 0);

		luma[x] = 0;
		alpha[x] = (uint16_t)x;
	}
	REQUIRE(converter_choose(converter, grey.at, grey.n, true, (enum intent)0));
	REQUIRE(converter_convert(converter, &picture.rendered, &converted));
	for (uint32_t x = 0; x < WIDTH; x++) {
		const uint16_t *luma = plane_row(&converted.planes[0], 0);

		EXPECT_EQ(luma[x], 0);
	}
	picture_fini(&picture);
	converter_destroy(converter);
	cmsFreeToneCurve(curve);
	free(grey.at);
}

TEST(converter, a_profile_that_is_broken_or_for_another_colour_space_is_refused)
{
	struct bytes rgb = make_profile(false);
	struct converter *converter = converter_create();

	REQUIRE(converter != NULL);
	EXPECT(!converter_choose(converter, rgb.at, rgb.n, true, (enum intent)0));
	EXPECT(!converter_choose(converter, rgb.at, 100, false, (enum intent)0));
	EXPECT(converter_choose(converter, rgb.at, rgb.n, false, (enum intent)0));
	converter_destroy(converter);
	converter_destroy(NULL);
	free(rgb.at);
}

TEST(converter, more_profiles_than_the_cache_holds_can_be_used)
{
	struct bytes rgb = make_profile(false);
	struct converter *converter = converter_create();

	REQUIRE(converter != NULL);
	for (unsigned i = 0; i < 40; i++) {
		/* A different creation date makes this a different profile. */
		rgb.at[25] = (uint8_t)(i % 11);
		EXPECT(converter_choose(converter, rgb.at, rgb.n, false,
		                        (enum intent)(i % N_INTENTS)));
	}
	converter_destroy(converter);
	free(rgb.at);
}
