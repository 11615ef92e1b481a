/* Pictures for the tests of samples, in colours that a test can compute. */
#ifndef PXP_TEST_PICTURE_H
#define PXP_TEST_PICTURE_H

/* A function that sets the red, green and blue of a pixel. */
typedef void picture_fn(int x, int y, unsigned char *ret_colour);

/* Write a PPM file. A failure ends the test. */
void picture_write(const char *path, int width, int height, picture_fn *paint);

#endif
