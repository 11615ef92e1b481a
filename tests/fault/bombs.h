/*
 * Bombs: small files whose picture is enormous, or whose header claims so. Each is made by a few
 * lines that show what is wrong with it.
 */
#ifndef PXP_BOMBS_H
#define PXP_BOMBS_H

#include "image/image_fixture.h"

struct bomb {
	const char *name;   /* of the file, with its suffix */
	const char *format; /* as pixpool info prints it */
	/* The right outcomes, separated by blanks: "too-big ok". */
	const char *classes;
	void (*make)(struct blob *ret_blob);
};

extern const struct bomb bombs[]; /* ends with a NULL name */

/* A JPEG of 64 megapixels with 5000 scans. */
void bomb_of_scans(struct blob *ret_blob);

#endif
