/* Simple images that a test writes and reads without any image library. */
#ifndef PXP_BITMAP_H
#define PXP_BITMAP_H

/* Write a PPM with four quarters: red and green above, blue and white below. n_bits is 8 or 16. */
void paint(const char *path, unsigned width, unsigned height, unsigned n_bits);

/* Describe a BMP as static text: its size, then one letter for the colour in the middle of each
 * quarter, as in "40x20 rg/bw". k is black, y yellow, m magenta, c cyan, e grey, ? any other
 * colour. */
const char *look(const char *path);

/* The colour of the pixel at x, y, counted from the top left. Negative coordinates count from the
 * right or bottom edge. */
char look_at(const char *path, int x, int y);

#endif
