/*
 * Memory that a codec keeps between pictures: it grows and is used again, so that a worker
 * neither maps nor unmaps memory for each picture.
 *
 * Ownership: the bytes belong to the workspace and move when it grows. A workspace of zeros
 *            is empty and valid.
 * Threads:   one thread at a time.
 */
#ifndef PXP_FAST_WORKSPACE_H
#define PXP_FAST_WORKSPACE_H

#include <stddef.h>

/* The alignment of start and stride of every plane; zimg requires 64. */
enum { PLANE_ALIGNMENT = 64 };

struct workspace {
	void *bytes; /* aligned to PLANE_ALIGNMENT */
	size_t n_bytes;
};

/* Get at least n_bytes, with undefined contents. Returns NULL if memory ran out, and then the
 * workspace is empty. */
void *workspace_reserve(struct workspace *workspace, size_t n_bytes);

/* Free the bytes. */
void workspace_fini(struct workspace *workspace);

/* a * b, or SIZE_MAX if that overflows, for which workspace_reserve() fails. */
size_t size_times(size_t a, size_t b);

/* n_bytes rounded up to a multiple of PLANE_ALIGNMENT, or SIZE_MAX. */
size_t size_aligned(size_t n_bytes);

#endif
