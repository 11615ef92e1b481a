/* Memory that a codec keeps between pictures. */
#include "image/fast/workspace.h"

#include <stdint.h>
#include <stdlib.h>

size_t size_times(size_t a, size_t b)
{
	size_t product;

	return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

size_t size_aligned(size_t n_bytes)
{
	size_t mask = PLANE_ALIGNMENT - 1;

	return n_bytes > SIZE_MAX - mask ? SIZE_MAX : (n_bytes + mask) & ~mask;
}

void *workspace_reserve(struct workspace *workspace, size_t n_bytes)
{
	size_t n;

	if (workspace->n_bytes >= n_bytes && workspace->bytes)
		return workspace->bytes;

	/* Free the old memory before allocating the new, so that both never exist at the same time.
	 * The old contents are lost. */
	workspace_fini(workspace);
	n = size_aligned(n_bytes ? n_bytes : 1);
	if (n > PTRDIFF_MAX)
		return NULL;
	workspace->bytes = aligned_alloc(PLANE_ALIGNMENT, n);
	workspace->n_bytes = workspace->bytes ? n : 0;
	return workspace->bytes;
}

void workspace_fini(struct workspace *workspace)
{
	free(workspace->bytes);
	*workspace = (struct workspace){0};
}
