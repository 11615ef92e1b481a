/* The file that a writer has made. */
#ifndef PXP_FAST_WRITTEN_H
#define PXP_FAST_WRITTEN_H

#include <stddef.h>
#include <stdint.h>

/* It belongs to the writer, until the writer's next call. */
struct written {
	const uint8_t *bytes;
	size_t n_bytes;
};

#endif
