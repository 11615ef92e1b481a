/* Buffers that a codec keeps between pictures. */
#include "image/fast/buffer.h"

#include <stdint.h>
#include <stdlib.h>

size_t size_times(size_t a, size_t b)
{
	size_t product;

	return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

size_t size_aligned(size_t n_bytes)
{
	size_t mask = BUFFER_ALIGNMENT - 1;

	return n_bytes > SIZE_MAX - mask ? SIZE_MAX : (n_bytes + mask) & ~mask;
}

void *buffer_reserve(struct buffer *buffer, size_t n_bytes)
{
	size_t n;

	if (buffer->n_bytes >= n_bytes && buffer->bytes)
		return buffer->bytes;

	/* The old contents are not kept, so the two never exist at the same time. */
	buffer_fini(buffer);
	n = size_aligned(n_bytes ? n_bytes : 1);
	if (n > PTRDIFF_MAX)
		return NULL;
	buffer->bytes = aligned_alloc(BUFFER_ALIGNMENT, n);
	buffer->n_bytes = buffer->bytes ? n : 0;
	return buffer->bytes;
}

void buffer_fini(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct buffer){0};
}
