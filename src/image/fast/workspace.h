/*
 * Memory that a codec keeps between pictures. It grows when necessary and is used again, so that a
 * worker neither maps nor unmaps memory for each picture.
 *
 * Ownership: the bytes belong to the workspace. They move when it grows. A workspace of zeros is
 *            valid and empty.
 * Threads:   one thread at a time.
 */
#ifndef PXP_FAST_WORKSPACE_H
#define PXP_FAST_WORKSPACE_H

#include <stddef.h>

/* The alignment of the start and the stride of every plane, in bytes. zimg requires 64. */
enum { PLANE_ALIGNMENT = 64 };

struct workspace {
	void *bytes; /* aligned to PLANE_ALIGNMENT */
	size_t n_bytes;
};

/* Get at least n_bytes with undefined contents. If memory runs out, returns NULL and leaves the
 * workspace empty. */
void *workspace_reserve(struct workspace *workspace, size_t n_bytes);

/* Free the bytes. The workspace is empty then and can be used again. */
void workspace_fini(struct workspace *workspace);

/* Compute a * b, or SIZE_MAX if the product overflows. workspace_reserve() fails for SIZE_MAX. */
size_t size_times(size_t a, size_t b);

/* Round n_bytes up to a multiple of PLANE_ALIGNMENT. Returns SIZE_MAX if the result overflows. */
size_t size_aligned(size_t n_bytes);

#endif
