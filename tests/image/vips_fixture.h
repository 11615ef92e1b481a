/* Pictures that libvips makes and reads for the tests of its engine. */
#ifndef PXP_VIPS_FIXTURE_H
#define PXP_VIPS_FIXTURE_H

#include "image_fixture.h"

#include <vips/vips.h>

/* Start libvips as the program does. */
void vips_fixture_start(void);

/* An image in memory of one colour, or of many: bytes row by row, copied. */
VipsImage *image_of_bytes(const uint8_t *bytes, int width, int height, int n_bands);

/* Encode, with a suffix and options such as ".png[strip]"; the image stays the caller's. */
struct blob encoded(VipsImage *image, const char *suffix);

/* A whole decode, of all frames; fails the test when there is none. */
VipsImage *decoded(const struct blob *blob);

/* One value of an image in memory, of 8 or 16 bit or float. */
double value_at(VipsImage *image, int x, int y, int band);

/* Whether the pixel at x, y is within tolerance of these values. Says so when not. */
bool is_colour(VipsImage *image, int x, int y, const double *values, double tolerance);

/* Run a recipe over a blob; fails the test when it fails. The answer's size is compared with
 * the fresh decode, which is the caller's. */
VipsImage *cooked(const struct blob *blob, const struct recipe *recipe);

/* Peak signal to noise in dB of two images of the same shape, 0 to 255. */
double psnr(VipsImage *a, VipsImage *b);

#endif
