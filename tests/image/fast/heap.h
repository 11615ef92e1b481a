/* Checks that readers, writers and the renderer give memory back when they are trimmed. */
#ifndef PXP_TEST_HEAP_H
#define PXP_TEST_HEAP_H

#include "support/test.h"

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>

/* The number of bytes that malloc() has given out and that were not freed. */
static inline size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* Expect that the function `trim` keeps buffers below its limit and frees those above it.
 * In a sanitizer build, `trim` is called but nothing is checked, because mallinfo2() does
 * not count the memory of the sanitizer's allocator. */
#ifdef PIXPOOL_SANITIZE
#define EXPECT_TRIMS(trim, state) ((trim)((state), SIZE_MAX), (trim)((state), 0))
#else
#define EXPECT_TRIMS(trim, state)                                                        \
	do {                                                                             \
		size_t n_before = heap_bytes();                                          \
                                                                                         \
		(trim)((state), SIZE_MAX);                                               \
		EXPECT_EQ(heap_bytes(), n_before);                                       \
		(trim)((state), 0);                                                      \
		EXPECT(heap_bytes() < n_before);                                         \
	} while (0)
#endif

#endif
