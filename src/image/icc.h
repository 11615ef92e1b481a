/*
 * Makes colour profiles (ICC.1) from other descriptions of colours: the code points of CICP (ITU-T
 * H.273) in HEIC, AVIF and PNG, and gAMA with cHRM in PNG.
 *
 * The bytes depend on the arguments alone: the time of creation, which lcms2 writes into
 * profiles, is overwritten.
 */
#ifndef PXP_ICC_H
#define PXP_ICC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code points of CICP that describe colours. */
struct cicp {
	unsigned primaries, transfer;
};

enum { CICP_TRANSFER_PQ = 16, CICP_TRANSFER_HLG = 18 };

/* Whether the transfer is that of HDR: PQ or HLG. */
bool cicp_is_hdr(const struct cicp *cicp);

enum icc_result {
	ICC_SRGB, /* no profile is needed */
	ICC_MADE,
	ICC_UNKNOWN, /* reserved or unusual values */
	ICC_NO_MEMORY,
};

/*
 * Make the profile that corresponds to code points. For an HDR transfer it is that of the SDR
 * picture that hdr_to_sdr() makes: the same primaries with the curve of sRGB.
 *
 * is_grey      for grey pictures: a profile of the curve alone.
 * ret_profile  for the caller to free; NULL unless the result is ICC_MADE.
 */
enum icc_result icc_of_cicp(const struct cicp *cicp, bool is_grey, uint8_t **ret_profile,
                            size_t *ret_n);

/* The values of the chunks gAMA and cHRM of a PNG, in their unit, 1/100000. */
struct png_gamma {
	uint32_t gamma; /* gamma, never 0 */
	bool has_primaries;
	uint32_t xy[8]; /* chromaticities of white, red, green, blue */
};

/* Make the profile for a PNG. A gamma of 1/2.2 with the primaries of sRGB, or without primaries,
 * means sRGB, as the PNG specification requires of encoders. */
enum icc_result icc_of_png_gamma(const struct png_gamma *gamma, bool is_grey,
                                 uint8_t **ret_profile, size_t *ret_n);

#endif
