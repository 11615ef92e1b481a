/* Converts colours to sRGB with lcms2. */
#include "image/fast/colour.h"

#include "common/hash.h"

#include <lcms2.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	N_TRANSFORMS = 8,
	RGB_BANDS = 3,
	/* The number of entries in a table of grey levels, from black to white. */
	N_LEVELS = 4097,
};

struct kept_transform {
	uint64_t hash; /* the hash of the profile, computed with the converter's key */
	size_t n_bytes;
	bool is_grey;
	enum intent intent;
	/* For RGB: a transform. NULL: lcms2 does not accept the profile, or the entry is
	 * unused. */
	cmsHTRANSFORM transform;
	/* For grey, if has_levels is true: a table of sRGB values. */
	bool has_levels;
	uint16_t levels[N_LEVELS];
	uint64_t last_used;
};

struct converter {
	/* The key of the hash is secret, so that nobody can make a profile that has the hash of
	 * another profile. */
	struct hash_key key;
	struct kept_transform kept[N_TRANSFORMS];
	uint64_t clock;
	const struct kept_transform *chosen;
	struct workspace planes[MAX_PLANES], pixels;
};

struct converter *converter_create(void)
{
	struct converter *converter = calloc(1, sizeof(*converter));

	if (converter)
		converter->key = hash_key_random();
	return converter;
}

static void forget_transform(struct kept_transform *kept)
{
	if (kept->transform)
		cmsDeleteTransform(kept->transform);
	*kept = (struct kept_transform){0};
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
	for (size_t i = 0; i < N_TRANSFORMS; i++)
		forget_transform(&converter->kept[i]);
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

/* A grey profile with the curve of sRGB and the white point of the profile connection space
 * (D50). */
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

/* Make a transform between two profiles, and close the profiles. Returns NULL if a profile is NULL,
 * or if the profiles have different colour spaces. */
static cmsHTRANSFORM build(cmsHPROFILE from, cmsHPROFILE to, cmsUInt32Number format,
                           enum intent intent)
{
	/* lcms2's numbers for the intents, in the order of enum intent. */
	static const cmsUInt32Number intents[N_INTENTS] = {
		INTENT_RELATIVE_COLORIMETRIC,
		INTENT_PERCEPTUAL,
		INTENT_SATURATION,
		INTENT_ABSOLUTE_COLORIMETRIC,
	};
	cmsHTRANSFORM transform = NULL;

	if (from && to && cmsGetColorSpace(from) == cmsGetColorSpace(to))
		transform = cmsCreateTransform(from, format, to, format, intents[intent],
		                               0);
	if (from)
		cmsCloseProfile(from);
	if (to)
		cmsCloseProfile(to);
	return transform;
}

/* Make the table of a grey profile. lcms2 computes it with floats. With 8 bits, its results would
 * be up to 10 levels wrong where a curve is steep, such as near black if the profile is linear
 * light. Returns false if lcms2 does not accept the profile. */
static bool make_levels(cmsHPROFILE from, enum intent intent, uint16_t levels[N_LEVELS])
{
	cmsHTRANSFORM transform = build(from, grey_profile(), TYPE_GRAY_FLT, intent);

	for (unsigned i = 0; transform && i < N_LEVELS; i++) {
		float level = (float)i / (N_LEVELS - 1), value = 0;

		cmsDoTransform(transform, &level, &value, 1);
		value = value > 0 ? value * UINT16_MAX + 0.5f : 0;
		levels[i] = value < UINT16_MAX ? (uint16_t)value : UINT16_MAX;
	}
	if (transform)
		cmsDeleteTransform(transform);
	return transform != NULL;
}

static void keep_transform(struct kept_transform *kept, const uint8_t *profile)
{
	cmsHPROFILE from = cmsOpenProfileFromMem(profile, (cmsUInt32Number)kept->n_bytes);

	/* RGB is converted with 8 bits. lcms2 then computes curves and matrices exactly. With 16
	 * bits it would interpolate in a grid, which gives an error of several levels where colours
	 * are clipped. */
	if (kept->is_grey)
		kept->has_levels = make_levels(from, kept->intent, kept->levels);
	else
		kept->transform = build(from, cmsCreate_sRGBProfile(), TYPE_RGB_8,
		                        kept->intent);
}

bool converter_choose(struct converter *converter, const uint8_t *profile, size_t n_bytes,
                      bool is_grey, enum intent intent)
{
	uint64_t hash = hash_bytes(&converter->key, profile, n_bytes);
	struct kept_transform *oldest = &converter->kept[0];

	for (size_t i = 0; i < N_TRANSFORMS; i++) {
		struct kept_transform *kept = &converter->kept[i];

		if ((kept->transform || kept->has_levels) && kept->hash == hash &&
		    kept->n_bytes == n_bytes && kept->is_grey == is_grey &&
		    kept->intent == intent) {
			kept->last_used = ++converter->clock;
			converter->chosen = kept;
			return true;
		}
		if (kept->last_used < oldest->last_used)
			oldest = kept;
	}
	forget_transform(oldest);
	*oldest = (struct kept_transform){
		.hash = hash,
		.n_bytes = n_bytes,
		.is_grey = is_grey,
		.intent = intent,
		.last_used = ++converter->clock,
	};
	keep_transform(oldest, profile);
	converter->chosen = oldest;
	return oldest->transform || oldest->has_levels;
}

static uint16_t to_sample(float value)
{
	value += 0.5f;
	value = value < 0 ? 0 : value > UINT16_MAX ? UINT16_MAX : value;
	return (uint16_t)(int)value;
}

/* A sample of a 16-bit plane is the level of an 8-bit sample times level_16. The chroma of grey is
 * `neutral`. */
static const float level_16 = 257, neutral = 128 * 257;

/* The alpha of a pixel, 0 to 1. The pixel's colours were multiplied by this factor. If alpha is
 * almost 0, returns 0; the caller then makes the pixel black. */
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
	const uint16_t *chroma[] = {plane_row(&from->planes[1], y),
	                            plane_row(&from->planes[2], y)};

	for (size_t x = 0; x < width; x++) {
		float alpha = alpha_at(from, (uint32_t)x, y),
		      factor = alpha > 0 ? 1 / alpha : 0;
		float cb, cr;

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
	uint16_t *chroma[] = {plane_row(&to->planes[1], y), plane_row(&to->planes[2], y)};

	for (uint32_t x = 0; x < width; x++) {
		const uint8_t *rgb = pixels + (size_t)3 * x;
		float alpha = alpha_at(from, x, y) * level_16, level;

		level = 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
		luma[x] = to_sample(level * alpha);
		chroma[0][x] = to_sample((rgb[2] - level) / 1.772f * alpha + neutral);
		chroma[1][x] = to_sample((rgb[0] - level) / 1.402f * alpha + neutral);
	}
}

/* Convert a row of grey. Values between two entries of the table are interpolated. */
static void convert_grey_row(const uint16_t *levels, const struct rendered *from,
                             struct rendered *to, uint32_t y)
{
	const uint16_t *luma = plane_row(&from->planes[0], y);
	uint16_t *converted = plane_row(&to->planes[0], y);

	for (uint32_t x = 0; x < from->planes[0].width; x++) {
		float alpha = alpha_at(from, x, y);
		float level = alpha > 0 ? (float)luma[x] / alpha : 0;
		unsigned i;

		level = fminf(level, UINT16_MAX) * (N_LEVELS - 1) / UINT16_MAX;
		i = level < N_LEVELS - 1 ? (unsigned)level : N_LEVELS - 2;
		level -= (float)i;
		converted[x] = to_sample(alpha * ((float)levels[i] * (1 - level) +
		                                  (float)levels[i + 1] * level));
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
		if (converter->chosen->is_grey) {
			convert_grey_row(converter->chosen->levels, from, ret_rendered,
			                 y);
			continue;
		}
		row_to_pixels(from, y, pixels);
		cmsDoTransform(converter->chosen->transform, pixels, pixels, width);
		pixels_to_row(pixels, from, ret_rendered, y);
	}
	return true;
}
