/*
 * Pictures that lie: small files that claim, or are, far more than they look like. Made on
 * the spot, each by a few lines that say what is wrong with it.
 */
#ifndef PXP_BOMBS_H
#define PXP_BOMBS_H

#include "image/lab.h"

struct bomb {
	const char *name;    /* with its suffix */
	const char *format;  /* as info calls it */
	const char *classes; /* what may become of it, blanks between: "too-big ok" */
	void (*make)(struct blob *ret_blob);
};

extern const struct bomb bombs[]; /* ends with a NULL name */

/* One that is honest about its size, and goes on and on. */
void bomb_of_scans(struct blob *ret_blob);

#endif
