/* Converts colours to sRGB with lcms2. */
#include "image/fast/colour.h"

#include "common/hash.h"

#include <lcms2.h>
#include <stdlib.h>
#include <string.h>

enum { N_TRANSFORMS = 8, RGB_BANDS = 3 };

struct kept_transform {
	uint64_t hash; /* the hash of the profile with the converter's key */
	size_t n_bytes;
	bool is_grey;
	enum intent intent;
	cmsHTRANSFORM transform;
	uint64_t last_used;
};

struct converter {
	/* The key of the hash is secret, so that nobody can make a profile that has the hash of
	 * another profile. */
	struct hash_key key;
	struct kept_transform kept[N_TRANSFORMS];
	uint64_t clock;
	cmsHTRANSFORM chosen;
	struct workspace planes[MAX_PLANES], pixels;
};

struct converter *converter_create(void)
{
	struct converter *converter = calloc(1, sizeof(*converter));

	if (converter)
		converter->key = hash_key_random();
	return converter;
}

static void free_buffers(struct converter *converter)
{
	for (unsigned i = 0; i < MAX_PLANES; i++)
		workspace_fini(&converter->planes[i]);
	workspace_fini(&converter->pixels);
}

void converter_destroy(struct converter *converter)
{
	if (!converter)
		return;
	for (size_t i = 0; i < N_TRANSFORMS; i++) {
		if (converter->kept[i].transform)
			cmsDeleteTransform(converter->kept[i].transform);
	}
	free_buffers(converter);
	free(converter);
}

void converter_trim(struct converter *converter, size_t max_bytes)
{
	size_t n_bytes = converter->pixels.n_bytes;

	for (unsigned i = 0; i < MAX_PLANES; i++)
		n_bytes += converter->planes[i].n_bytes;
	if (n_bytes > max_bytes)
		free_buffers(converter);
}

/* A grey profile with the white point and the curve of sRGB. */
static cmsHPROFILE grey_profile(void)
{
	cmsFloat64Number parameters[] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92,
	                                 0.04045};
	cmsToneCurve *curve = cmsBuildParametricToneCurve(NULL, 4, parameters);
	cmsHPROFILE profile = curve ? cmsCreateGrayProfile(cmsD50_xyY(), curve) : NULL;

	if (curve)
		cmsFreeToneCurve(curve);
	return profile;
}

static cmsHTRANSFORM build(const uint8_t *profile, size_t n_bytes, bool is_grey,
                           enum intent intent)
{
	/* lcms2's numbers for the intents, in the order of enum intent. */
	static const cmsUInt32Number intents[N_INTENTS] = {
		INTENT_RELATIVE_COLORIMETRIC,
		INTENT_PERCEPTUAL,
		INTENT_SATURATION,
		INTENT_ABSOLUTE_COLORIMETRIC,
	};
	cmsHPROFILE from = cmsOpenProfileFromMem(profile, (cmsUInt32Number)n_bytes);
	cmsHPROFILE to = is_grey ? grey_profile() : cmsCreate_sRGBProfile();
	/* Convert with 8 bits. lcms2 then computes curves and matrices exactly. With 16 bits it
	 * would interpolate in a grid, which gives an error of several levels where colours are
	 * clipped. */
	cmsUInt32Number format = is_grey ? TYPE_GRAY_8 : TYPE_RGB_8;
	cmsHTRANSFORM transform = NULL;

	if (from && to &&
	    cmsGetColorSpace(from) == (is_grey ? cmsSigGrayData : cmsSigRgbData))
		transform = cmsCreateTransform(from, format, to, format, intents[intent],
		                               0);
	if (from)
		cmsCloseProfile(from);
	if (to)
		cmsCloseProfile(to);
	return transform;
}

bool converter_choose(struct converter *converter, const uint8_t *profile, size_t n_bytes,
                      bool is_grey, enum intent intent)
{
	uint64_t hash = hash_bytes(&converter->key, profile, n_bytes);
	struct kept_transform *oldest = &converter->kept[0];

	for (size_t i = 0; i < N_TRANSFORMS; i++) {
		struct kept_transform *kept = &converter->kept[i];

		if (kept->transform && kept->hash == hash && kept->n_bytes == n_bytes &&
		    kept->is_grey == is_grey && kept->intent == intent) {
			kept->last_used = ++converter->clock;
			converter->chosen = kept->transform;
			return true;
		}
		if (kept->last_used < oldest->last_used)
			oldest = kept;
	}
	if (oldest->transform)
		cmsDeleteTransform(oldest->transform);
	*oldest = (struct kept_transform){
		.hash = hash,
		.n_bytes = n_bytes,
		.is_grey = is_grey,
		.intent = intent,
		.transform = build(profile, n_bytes, is_grey, intent),
		.last_used = ++converter->clock,
	};
	converter->chosen = oldest->transform;
	return converter->chosen != NULL;
}

static uint16_t to_sample(float value)
{
	value += 0.5f;
	value = value < 0 ? 0 : value > UINT16_MAX ? UINT16_MAX : value;
	return (uint16_t)(int)value;
}

/* A sample of a 16-bit plane is the level of an 8-bit sample times level_16. neutral is the chroma of
 * grey. */
static const float level_16 = 257, neutral = 128 * 257;

/* The alpha of a pixel, 0 to 1. The pixel's colours were multiplied by this factor. If alpha is
 * almost 0, returns 0; the caller then leaves the colours at 0. */
static float alpha_at(const struct rendered *from, uint32_t x, uint32_t y)
{
	enum { LEAST_ALPHA = 64 };
	const uint16_t *row;

	if (!from->has_alpha)
		return 1;
	row = plane_row(&from->planes[ALPHA], y);
	return row[x] > LEAST_ALPHA ? (float)row[x] / UINT16_MAX : 0;
}

static uint8_t to_byte(float value)
{
	value = value / level_16 + 0.5f;
	value = value < 0 ? 0 : value > UINT8_MAX ? UINT8_MAX : value;
	return (uint8_t)(int)value;
}

static void row_to_pixels(const struct rendered *from, uint32_t y, uint8_t *pixels)
{
	size_t width = from->planes[0].width;
	const uint16_t *luma = plane_row(&from->planes[0], y);
	const uint16_t *chroma[2] = {NULL, NULL};

	for (unsigned i = 1; i < from->n_planes; i++)
		chroma[i - 1] = plane_row(&from->planes[i], y);
	for (size_t x = 0; x < width; x++) {
		float alpha = alpha_at(from, (uint32_t)x, y),
		      factor = alpha > 0 ? 1 / alpha : 0;
		float cb, cr;

		if (!chroma[0] || !chroma[1]) {
			pixels[x] = to_byte((float)luma[x] * factor);
			continue;
		}
		cb = plane_chroma(chroma[0][x]);
		cr = plane_chroma(chroma[1][x]);
		pixels[3 * x] = to_byte(((float)luma[x] + 1.402f * cr) * factor);
		pixels[3 * x + 1] = to_byte(
			((float)luma[x] - 0.344136286f * cb - 0.714136286f * cr) *
			factor);
		pixels[3 * x + 2] = to_byte(((float)luma[x] + 1.772f * cb) * factor);
	}
}

static void pixels_to_row(const uint8_t *pixels, const struct rendered *from,
                          struct rendered *to, uint32_t y)
{
	uint32_t width = from->planes[0].width;
	uint16_t *luma = plane_row(&to->planes[0], y);
	uint16_t *chroma[2] = {NULL, NULL};

	for (unsigned i = 1; i < to->n_planes; i++)
		chroma[i - 1] = plane_row(&to->planes[i], y);
	for (uint32_t x = 0; x < width; x++) {
		const uint8_t *rgb = pixels + (size_t)3 * x;
		float alpha = alpha_at(from, x, y) * level_16, level;

		if (!chroma[0] || !chroma[1]) {
			luma[x] = to_sample((float)pixels[x] * alpha);
			continue;
		}
		level = 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
		luma[x] = to_sample(level * alpha);
		chroma[0][x] = to_sample((rgb[2] - level) / 1.772f * alpha + neutral);
		chroma[1][x] = to_sample((rgb[0] - level) / 1.402f * alpha + neutral);
	}
}

bool converter_convert(struct converter *converter, const struct rendered *from,
                       struct rendered *ret_rendered)
{
	uint32_t width = from->planes[0].width, height = from->planes[0].height;
	uint8_t *pixels = workspace_reserve(&converter->pixels,
	                                    size_times(width, RGB_BANDS));

	if (!pixels)
		return false;
	*ret_rendered = *from;
	for (unsigned i = 0; i < from->n_planes; i++) {
		if (!plane_reserve(&ret_rendered->planes[i], &converter->planes[i], width,
		                   height, 16))
			return false;
	}
	for (uint32_t y = 0; y < height; y++) {
		row_to_pixels(from, y, pixels);
		cmsDoTransform(converter->chosen, pixels, pixels, width);
		pixels_to_row(pixels, from, ret_rendered, y);
	}
	return true;
}
