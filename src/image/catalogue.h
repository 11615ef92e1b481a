/*
 * The catalogue says which formats this build reads and writes, for `pixpool info`. To fill in the
 * catalogue, the libraries try each format. Only a worker may do this, after picture_preload(). The
 * catalogue has no pointers, so that the worker can send it to the main process.
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
	/* For each format: 1 if the engine can read (or write) it, 0 if not. */
	uint8_t reads[N_FORMATS], writes[N_FORMATS];
};

struct catalogue {
	/* The number of engines in the array. They are in the order in which they are asked to read
	 * a picture. */
	uint32_t n_engines;
	struct catalogue_engine engines[CATALOGUE_ENGINES_MAX];
};

/* Fill in the catalogue. This takes some tenths of a second, because each saver writes a small
 * picture. */
void catalogue_fill(struct catalogue *ret_catalogue);

#endif
