/* Pictures that libvips makes and reads for the tests of its engine. */
#ifndef PXP_VIPS_FIXTURE_H
#define PXP_VIPS_FIXTURE_H

#include "image_fixture.h"

#include <vips/vips.h>

/* Start libvips as the program does. */
void vips_fixture_start(void);

/* Make an image from a copy of samples of 8 bits, which are stored row by row. Images with 1 or 2
 * bands are grey, images with 3 or 4 bands are sRGB. */
VipsImage *image_of_bytes(const uint8_t *bytes, int width, int height, int n_bands);

/* Encode an image with a suffix and options such as ".png[strip]". The image still belongs to the
 * caller. */
struct blob encoded(VipsImage *image, const char *suffix);

/* Decode a picture completely, with all frames. Fails the test if that fails. */
VipsImage *decoded(const struct blob *blob);

/* One sample of an image in memory, with 8 or 16 bits or float. */
double value_at(VipsImage *image, int x, int y, int band);

/* Whether the pixel at x, y is within tolerance of these values. Prints a message if not. */
bool is_colour(VipsImage *image, int x, int y, const double *values, double tolerance);

/* Run a recipe on a blob. Fails the test if the run fails, or if the output does not have the size
 * that the engine's answer gives. Returns the decoded output, which the caller frees. */
VipsImage *cooked(const struct blob *blob, const struct recipe *recipe);

/* Peak signal-to-noise ratio in dB of two images of the same shape, with values 0 to 255. */
double psnr(VipsImage *a, VipsImage *b);

#endif
