/* Decides whether a profile is sRGB, by its curves and its primary colours. */
#include "image/header/profile.h"

#include "common/hash.h"

#include <math.h>
#include <string.h>

enum {
	HEADER_BYTES = 128,
	SPACE_AT = 16,
	SIGNATURE_AT = 36,
	TAG_BYTES = 12,
	MAX_TAGS = 100
};

static uint32_t number_at(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
	       at[3];
}

bool profile_has_space(const void *profile, size_t n, const char *space)
{
	return n >= HEADER_BYTES &&
	       memcmp((const uint8_t *)profile + SPACE_AT, space, 4) == 0;
}

/* The data of a tag, borrowed from the profile. */
struct tag {
	const uint8_t *at;
	size_t n;
};

/* Find the tag with this signature. Returns false if the profile has no such tag. */
static bool find_tag(const uint8_t *profile, size_t n, const char *signature,
                     struct tag *ret_tag)
{
	uint32_t n_tags;

	if (n < HEADER_BYTES + 4)
		return false;
	n_tags = number_at(profile + HEADER_BYTES);
	for (uint32_t i = 0; i < n_tags && i < MAX_TAGS; i++) {
		size_t at = HEADER_BYTES + 4 + (size_t)i * TAG_BYTES;

		if (at + TAG_BYTES > n)
			return false;
		if (memcmp(profile + at, signature, 4) != 0)
			continue;

		size_t offset = number_at(profile + at + 4),
		       length = number_at(profile + at + 8);

		if (offset > n || length > n - offset)
			return false;
		*ret_tag = (struct tag){profile + offset, length};
		return true;
	}
	return false;
}

/* Read a number with 16 fractional bits. */
static double fixed_at(const uint8_t *at)
{
	return (int32_t)number_at(at) / 65536.0;
}

/* Whether the tag with this signature has the given primary colour of sRGB. Profiles store colours
 * adapted to the white point D50, so `wanted` must be adapted to D50 too. */
static bool is_colorant(const uint8_t *profile, size_t n, const char *signature,
                        const double wanted[3])
{
	enum { VALUES_AT = 8, XYZ_BYTES = 20 };
	const double tolerance = 0.003;
	struct tag tag;

	if (!find_tag(profile, n, signature, &tag) || tag.n < XYZ_BYTES ||
	    memcmp(tag.at, "XYZ ", 4) != 0)
		return false;
	for (size_t i = 0; i < 3; i++) {
		double value = fixed_at(tag.at + VALUES_AT + 4 * i);

		if (fabs(value - wanted[i]) > tolerance)
			return false;
	}
	return true;
}

/* The value of a tone curve at x. The tag of the curve contains a table or the exponent of a power.
 * Returns NAN if the tag is malformed. */
static double value_of_table(struct tag tag, double x)
{
	enum { COUNT_AT = 8, VALUES_AT = 12 };
	uint32_t n_values = number_at(tag.at + COUNT_AT);
	const uint8_t *values = tag.at + VALUES_AT;
	double at, below, above;
	size_t i;

	if (n_values == 0)
		return x;
	if (n_values > (tag.n - VALUES_AT) / 2)
		return NAN;
	if (n_values == 1)
		return pow(x, (values[0] << 8 | values[1]) / 256.0);
	at = x * (n_values - 1);
	i = (size_t)at < n_values - 2 ? (size_t)at : n_values - 2;
	below = (values[2 * i] << 8 | values[2 * i + 1]) / 65535.0;
	above = (values[2 * i + 2] << 8 | values[2 * i + 3]) / 65535.0;
	return below + (above - below) * (at - (double)i);
}

/* The value of a tone curve at x. The tag of the curve contains the numbers of a formula. Returns
 * NAN if the tag is malformed. */
static double value_of_formula(struct tag tag, double x)
{
	enum { KIND_AT = 8, VALUES_AT = 12, N_KINDS = 5 };
	static const uint8_t n_numbers[N_KINDS] = {1, 3, 4, 5, 7};
	unsigned kind = (unsigned)tag.at[KIND_AT] << 8 | tag.at[KIND_AT + 1];
	double v[7] = {0}, base;

	if (kind >= N_KINDS || tag.n < VALUES_AT + 4U * n_numbers[kind])
		return NAN;
	for (size_t i = 0; i < n_numbers[kind]; i++)
		v[i] = fixed_at(tag.at + VALUES_AT + 4 * i);
	if (kind == 0)
		return pow(x, v[0]);
	/* From x = v[4] on, the curve is a power. Formulas of the kinds 1 and 2 do not store this
	 * x: in these formulas, the power begins at the x where its base is 0. */
	if (kind < 3)
		v[4] = v[1] != 0 ? -v[2] / v[1] : NAN;
	if (!(x >= v[4]))
		return kind == 1 ? 0 : kind == 2 ? v[3] : v[3] * x + v[6];
	base = v[1] * x + v[2];
	return pow(base < 0 ? 0 : base, v[0]) + (kind == 2 ? v[3] : kind == 4 ? v[5] : 0);
}

static double srgb_of_light(double light)
{
	return light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

/* Whether a tone curve is that of sRGB. Levels from 0 to 255 may differ by at most 0.6. */
static bool is_curve(const uint8_t *profile, size_t n, const char *signature)
{
	enum { MIN_BYTES = 12, N_STEPS = 51 };
	const double tolerance = 0.6 / 255;
	struct tag tag;

	if (!find_tag(profile, n, signature, &tag) || tag.n < MIN_BYTES)
		return false;
	for (int i = 0; i <= N_STEPS; i++) {
		double x = (double)i / N_STEPS, light = NAN;

		if (memcmp(tag.at, "curv", 4) == 0)
			light = value_of_table(tag, x);
		else if (memcmp(tag.at, "para", 4) == 0)
			light = value_of_formula(tag, x);
		if (!(fabs(srgb_of_light(light) - x) <= tolerance))
			return false;
	}
	return true;
}

bool profile_is_srgb(const void *profile, size_t n)
{
	static const double red[] = {0.4361, 0.2225, 0.0139},
			    green[] = {0.3851, 0.7169, 0.0971},
			    blue[] = {0.1431, 0.0606, 0.7141};
	static const char *const tables[] = {"A2B0", "A2B1", "A2B2", "D2B0"};
	struct tag tag;

	/* A profile with lookup tables does not count as sRGB. The tables take precedence over
	 * curves and primary colours, and this code does not evaluate them. */
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (find_tag(profile, n, tables[i], &tag))
			return false;
	}
	if (profile_has_space(profile, n, "GRAY"))
		return is_curve(profile, n, "kTRC");
	return profile_has_space(profile, n, "RGB ") &&
	       is_colorant(profile, n, "rXYZ", red) &&
	       is_colorant(profile, n, "gXYZ", green) &&
	       is_colorant(profile, n, "bXYZ", blue) && is_curve(profile, n, "rTRC") &&
	       is_curve(profile, n, "gTRC") && is_curve(profile, n, "bTRC");
}

bool profile_can_be_output(const void *profile, size_t n)
{
	return n <= PROFILE_MAX_BYTES && profile_has_space(profile, n, "RGB ") &&
	       memcmp((const uint8_t *)profile + SIGNATURE_AT, "acsp", 4) == 0;
}

uint64_t profile_hash(const void *profile, size_t n)
{
	/* The key is not secret. The hash is part of a recipe's fingerprint, so it must be the same
	 * on every machine. */
	static const struct hash_key key = {{0x7069787072666c21, 1}};
	uint64_t hash = hash_bytes(&key, profile, n);

	return hash ? hash : 1;
}
