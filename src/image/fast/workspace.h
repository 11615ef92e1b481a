/*
 * Memory that a codec keeps between pictures. It grows when necessary and is used again, so that a
 * worker need not map and unmap memory for each picture.
 *
 * Ownership: the bytes belong to the workspace. Their address changes when the workspace grows. A
 *            workspace of zeros is valid and empty.
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

/* Get memory of at least n_bytes, whose contents are undefined. If memory runs out, returns NULL
 * and leaves the workspace empty. */
void *workspace_reserve(struct workspace *workspace, size_t n_bytes);

/* Free the bytes. The workspace is then empty and can be used again. */
void workspace_fini(struct workspace *workspace);

/* Compute a * b. If the product overflows, returns SIZE_MAX, for which workspace_reserve()
 * fails. */
size_t size_times(size_t a, size_t b);

/* Round n_bytes up to a multiple of PLANE_ALIGNMENT. Returns SIZE_MAX if the multiple is too large
 * for a size_t. */
size_t size_aligned(size_t n_bytes);

#endif
