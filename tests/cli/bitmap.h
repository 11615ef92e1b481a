/* Pictures that a test paints and looks at without the help of any engine. */
#ifndef PXP_BITMAP_H
#define PXP_BITMAP_H

/* A PPM of four areas: red, green; blue, white. n_bits is 8 or 16. */
void paint(const char *path, unsigned width, unsigned height, unsigned n_bits);

/* What a BMP shows: its size, then the colours in the middle of its four quarters, as
 * letters: "40x20 rg/bw"; k is black, y yellow, m magenta, c cyan, e grey, ? another one.
 * Static text. */
const char *look(const char *path);

/* The colour at a place of it, from the top left; place is counted from the other side
 * when negative. */
char look_at(const char *path, int x, int y);

#endif
