/*
 * The catalogue has the formats that this build reads and writes, for `pixpool info`. Each format
 * is tried. A worker must fill in the catalogue, after picture_preload(). The catalogue has no
 * pointers, so that the worker can send it.
 */
#ifndef PXP_CATALOGUE_H
#define PXP_CATALOGUE_H

#include "recipe/format.h"

enum { CATALOGUE_ENGINES_MAX = 4 };

struct catalogue_engine {
	/* The name, such as "vips". */
	char name[8];
	/* The version, such as "libvips 8.14.1". */
	char version[56];
	/* 1: the engine can; 0: it cannot. */
	uint8_t reads[N_FORMATS], writes[N_FORMATS];
};

struct catalogue {
	uint32_t n_engines; /* number of engines, in the order in which they are asked */
	struct catalogue_engine engines[CATALOGUE_ENGINES_MAX];
};

/* Fill in the catalogue. This takes some tenths of a second, because each saver writes a small
 * picture. */
void catalogue_fill(struct catalogue *ret_catalogue);

#endif
