/*
 * Decompression bombs: small files that contain an enormous picture, or whose header claims an
 * enormous picture. Each bomb is made by a few lines, which show what is wrong with it.
 */
#ifndef PXP_BOMBS_H
#define PXP_BOMBS_H

#include "image/image_fixture.h"

struct bomb {
	const char *name;   /* the file name with its suffix */
	const char *format; /* the format name that pixpool info prints */
	/* The correct outcomes, separated by blanks, such as "too-big bad-image". */
	const char *classes;
	void (*make)(struct blob *ret_blob);
};

extern const struct bomb bombs[]; /* the last row has a NULL name */

/* A JPEG of 64 megapixels with 5000 scans. */
void bomb_of_scans(struct blob *ret_blob);

#endif
