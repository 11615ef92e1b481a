/*
 * Makes colour profiles (ICC.1) from other descriptions of colours: the code points of CICP (ITU-T
 * H.273) in HEIC, AVIF and PNG, and gAMA with cHRM in PNG. For embedded profiles, it converts grey
 * levels and chooses the intent.
 *
 * The same arguments always give a profile with the same bytes: the time of creation, which lcms2
 * writes into a profile, is overwritten.
 */
#ifndef PXP_ICC_H
#define PXP_ICC_H

#include "recipe/recipe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Code points of CICP, which say which primaries and which transfer the colours have. */
struct cicp {
	unsigned primaries, transfer;
};

enum { CICP_TRANSFER_PQ = 16, CICP_TRANSFER_HLG = 18 };

/* Whether the transfer is PQ or HLG. These are the transfers of HDR. */
bool cicp_is_hdr(const struct cicp *cicp);

enum icc_result {
	ICC_SRGB, /* the colours are sRGB, so no profile is necessary */
	ICC_MADE,
	/* The code points are reserved or not supported, or gAMA or cHRM is impossible. */
	ICC_UNKNOWN,
	ICC_NO_MEMORY,
};

/*
 * Make the profile of the colour space that CICP code points describe. For an HDR transfer, the
 * profile describes the SDR picture that hdr_to_sdr() makes: it has the primaries of the HDR
 * picture, and the curve of sRGB.
 *
 * is_grey      make a grey profile, which has only the curve.
 * ret_profile  the caller frees it. NULL if the result is not ICC_MADE.
 */
enum icc_result icc_of_cicp(const struct cicp *cicp, bool is_grey, uint8_t **ret_profile,
                            size_t *ret_n);

/* The values of the chunks gAMA and cHRM of a PNG, in units of 1/100000. */
struct png_gamma {
	uint32_t gamma; /* never 0 */
	bool has_primaries;
	uint32_t xy[8]; /* x and y of white, red, green, blue */
};

/* Make the profile that corresponds to gAMA and cHRM. If gamma is about 1/2.2, and the primaries
 * are missing or those of sRGB, the colours are sRGB, because the PNG specification tells encoders
 * to write sRGB in this way. For a grey picture, cHRM is ignored. `ret_profile` is as in
 * icc_of_cicp(). */
enum icc_result icc_of_png_gamma(const struct png_gamma *gamma, bool is_grey,
                                 uint8_t **ret_profile, size_t *ret_n);

/*
 * Compute the sRGB values of n_levels grey levels of a grey profile, evenly from black to white.
 * lcms2 gets the grey levels as floats. libvips would give it integers. Then the results would be
 * wrong by up to 10 of 255 levels where the curve of the profile is steep.
 *
 * n_levels    at least 2
 * ret_values  n_levels values, each from 0 to 65535
 *
 * Returns false if lcms2 does not accept the profile as one for grey, or if memory ran out.
 */
bool icc_grey_levels(const void *profile, size_t n, enum intent intent, unsigned n_levels,
                     uint16_t *ret_values);

/* The intent with which an embedded profile must be used. If the profile has a table for the intent
 * `wanted`, or needs no table, returns `wanted`. If not, returns the first intent for which the
 * profile has a table. If the profile has no table, or lcms2 does not accept it, returns `wanted`.
 * This is necessary because libvips ignores a profile without a table for the requested intent,
 * although lcms2 would use another table of the profile. */
enum intent icc_usable_intent(const void *profile, size_t n, enum intent wanted);

#endif
