/* HEIC and AVIF pictures that libheif makes for tests of their reader. */
#ifndef PXP_HEIF_FIXTURE_H
#define PXP_HEIF_FIXTURE_H

#include "image_fixture.h"

enum { HEIF_WIDTH = 64, HEIF_HEIGHT = 48 };

/* The parameters of a picture of four quarters. */
struct heif_recipe {
	enum image_format format; /* HEIC or AVIF */
	int n_bands;              /* number of bands: 1 (monochrome), 3 or 4 */
	int n_bits;               /* bits per sample: 8, 10 or 12 */
	bool has_limited_range;
	/* Code points of CICP; 0: those of sRGB. */
	unsigned primaries, transfer;
	/* Only the stream of AV1 or HEVC has the code points and the range. The file has no box for
	 * them. */
	bool has_colours_in_stream;
	/* The colours are multiplied by alpha, and the file says so. */
	bool is_premultiplied;
	unsigned orientation; /* orientation, written as irot and imir; 0: none */
	const struct quarters *quarters;
};

/* Make the picture. Fails the test if libheif cannot make it. Free the result with blob_fini(). */
struct blob make_heif_picture(const struct heif_recipe *recipe);

/* Whether libheif has an encoder for the format. */
bool can_make_heif(enum image_format format);

#endif
