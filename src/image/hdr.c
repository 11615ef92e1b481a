/* Tone mapping of HDR pictures. The unit of light is the white of a page, which is 203 nits. */
#include "image/hdr.h"

#include "image/icc.h"

#include <math.h>
#include <stdlib.h>

enum { N_LEVELS = 65536 };

static const float white_nits = 203, pq_max_nits = 10000, hlg_max_nits = 1000;

/* Values of light are compressed only if they are above this value. */
static const float knee = 0.5f;

/* Convert a value of PQ, 0 to 1, to light (BT.2100, table 4). */
static float light_of_pq(float value)
{
	const float m1 = 2610 / 16384.0f, m2 = 2523 / 4096.0f * 128;
	const float c1 = 3424 / 4096.0f, c2 = 2413 / 4096.0f * 32,
		    c3 = 2392 / 4096.0f * 32;
	float power = powf(value, 1 / m2), above = power - c1;

	if (above <= 0)
		return 0;
	return powf(above / (c2 - c3 * power), 1 / m1) * pq_max_nits / white_nits;
}

/* Convert a value of HLG, 0 to 1, to light in the scene, 0 to 1 (BT.2100, table 5). */
static float scene_light_of_hlg(float value)
{
	const float a = 0.17883277f, b = 1 - 4 * a, c = 0.55991073f;

	return value <= 0.5f ? value * value / 3 : (expf((value - c) / a) + b) / 12;
}

static float clip(float value)
{
	return value < 0 ? 0 : value > 1 ? 1 : value;
}

static uint16_t encode(float light)
{
	light = clip(light);
	light = light <= 0.0031308f ? 12.92f * light
	                            : 1.055f * powf(light, 1 / 2.4f) - 0.055f;
	return (uint16_t)(int)(light * (N_LEVELS - 1) + 0.5f);
}

/* Compute the light of one pixel. The table `levels` has a value for each sample value: for PQ its
 * light, for HLG its light in the scene. For HLG, the light of a colour also depends on the
 * brightness of the whole pixel. */
static void light_of_pixel(const float *levels, const uint16_t *pixel, unsigned n_colours,
                           unsigned transfer, float light[3])
{
	float brightness, factor;

	for (unsigned i = 0; i < 3; i++)
		light[i] = levels[pixel[n_colours == 3 ? i : 0]];
	if (transfer != CICP_TRANSFER_HLG)
		return;
	brightness = 0.2627f * light[0] + 0.6780f * light[1] + 0.0593f * light[2];
	factor = powf(brightness, 0.2f) * hlg_max_nits / white_nits;
	for (unsigned i = 0; i < 3; i++)
		light[i] *= factor;
}

static float brightest_of(const float light[3])
{
	return fmaxf(light[0], fmaxf(light[1], light[2]));
}

/* Compress light above the knee. Just above the knee the compression is weakest: the slope is 1.
 * The peak, the brightest light of the picture, becomes 1, the light of white. If the peak is at
 * most 1, nothing is compressed. */
static float compress(float light, float peak)
{
	float part = (light - knee) / (peak - knee);
	float slope = (peak - knee) / (1 - knee);

	if (peak <= 1 || light <= knee)
		return light;
	return knee + (1 - knee) * slope * part / (1 + (slope - 1) * part);
}

bool hdr_to_sdr(uint16_t *samples, size_t n_pixels, unsigned n_bands, unsigned transfer)
{
	unsigned n_colours = n_bands < 3 ? 1 : 3;
	float *levels = malloc(N_LEVELS * sizeof(*levels));
	float light[3], peak = 0;
	uint16_t *pixel = samples;

	if (!levels)
		return false;
	for (unsigned i = 0; i < N_LEVELS; i++) {
		float value = (float)i / (N_LEVELS - 1);

		levels[i] = transfer == CICP_TRANSFER_PQ ? light_of_pq(value)
		                                         : scene_light_of_hlg(value);
	}
	for (size_t i = 0; i < n_pixels; i++, pixel += n_bands) {
		light_of_pixel(levels, pixel, n_colours, transfer, light);
		peak = fmaxf(peak, brightest_of(light));
	}
	pixel = samples;
	for (size_t i = 0; i < n_pixels; i++, pixel += n_bands) {
		float brightest, factor;

		light_of_pixel(levels, pixel, n_colours, transfer, light);
		brightest = brightest_of(light);
		factor = brightest > 0 ? compress(brightest, peak) / brightest : 0;
		for (unsigned band = 0; band < n_colours; band++)
			pixel[band] = encode(light[band] * factor);
	}
	free(levels);
	return true;
}
