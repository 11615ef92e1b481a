/*
 * Buffers that a codec keeps between pictures: they grow and are used again, so that a
 * worker neither maps nor unmaps memory for each picture.
 *
 * Ownership: the bytes belong to the buffer and move when it grows. A buffer of zeros is
 *            empty and valid.
 * Threads:   one thread at a time.
 */
#ifndef PXP_FAST_BUFFER_H
#define PXP_FAST_BUFFER_H

#include <stddef.h>

/* Start and stride of every plane; zimg requires 64. */
enum { BUFFER_ALIGNMENT = 64 };

struct buffer {
	void *bytes; /* aligned to BUFFER_ALIGNMENT */
	size_t n_bytes;
};

/* At least n_bytes, with undefined contents; NULL when out of memory, and then the buffer
 * is empty. */
void *buffer_reserve(struct buffer *buffer, size_t n_bytes);

/* Free the bytes. */
void buffer_fini(struct buffer *buffer);

/* a * b, or SIZE_MAX where that overflows: buffer_reserve() then fails. */
size_t size_times(size_t a, size_t b);

/* n_bytes rounded up to a multiple of BUFFER_ALIGNMENT, or SIZE_MAX. */
size_t size_aligned(size_t n_bytes);

#endif
