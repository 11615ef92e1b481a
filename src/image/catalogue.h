/*
 * The formats that this build reads and writes, for `pixpool info`. Each one was tried. The
 * catalogue must be filled in a worker, after picture_preload(). It has no pointers, so that it can
 * be sent.
 */
#ifndef PXP_CATALOGUE_H
#define PXP_CATALOGUE_H

#include "recipe/format.h"

enum { CATALOGUE_ENGINES_MAX = 4 };

struct catalogue_engine {
	/* Name of the engine, such as "vips". */
	char name[8];
	/* Version, such as "libvips 8.14.1". */
	char version[56];
	uint8_t reads[N_FORMATS], writes[N_FORMATS]; /* whether the engine can: 1 or 0 */
};

struct catalogue {
	uint32_t n_engines; /* engines in the order in which they are asked */
	struct catalogue_engine engines[CATALOGUE_ENGINES_MAX];
};

/* Fill in the catalogue. This takes some tenths of a second, because each saver writes a small
 * picture. */
void catalogue_fill(struct catalogue *ret_catalogue);

#endif
