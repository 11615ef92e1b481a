/* Simple images that a test writes and reads without any engine. */
#ifndef PXP_BITMAP_H
#define PXP_BITMAP_H

/* Write a PPM of four quarters: red, green; blue, white. n_bits is 8 or 16. */
void paint(const char *path, unsigned width, unsigned height, unsigned n_bits);

/* A BMP as text: its size, and letters for the colours in the middle of its four quarters, as in
 * "40x20 rg/bw". k is black, y yellow, m magenta, c cyan, e grey, ? any other colour. Static text. */
const char *look(const char *path);

/* The colour of a pixel, counted from the top left. Negative coordinates count from the other
 * side. */
char look_at(const char *path, int x, int y);

#endif
