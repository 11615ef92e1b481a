/*
 * The formats that this build reads and writes, for `pixpool info`. Each was tried. It must be
 * filled in a worker, after picture_preload(). Plain bytes, so that it can be sent.
 */
#ifndef PXP_CATALOGUE_H
#define PXP_CATALOGUE_H

#include "recipe/format.h"

enum { CATALOGUE_ENGINES_MAX = 4 };

struct catalogue_engine {
	char name[8];                                /* "vips" */
	char version[56];                            /* "libvips 8.14.1" */
	uint8_t reads[N_FORMATS], writes[N_FORMATS]; /* 1 or 0 */
};

struct catalogue {
	uint32_t n_engines; /* in the order in which they are asked */
	struct catalogue_engine engines[CATALOGUE_ENGINES_MAX];
};

/* Takes some tenths of a second, because each saver writes a small picture. */
void catalogue_fill(struct catalogue *ret_catalogue);

#endif
