/* Replaces the functions that allocate, counts their calls, and lets one call fail. */
#include "failing_allocation.h"

#include <stdatomic.h>
#include <stdlib.h>

/* The number of the allocation that fails, from 1; 0: none. */
static atomic_uint failing;
static atomic_uint n_allocations;

void allocation_arm(unsigned nth)
{
	atomic_store(&n_allocations, 0);
	atomic_store(&failing, nth);
}

unsigned allocation_disarm(void)
{
	atomic_store(&failing, 0);
	return atomic_load(&n_allocations);
}

static int fails(void)
{
	return atomic_fetch_add(&n_allocations, 1) + 1 == atomic_load(&failing);
}

#define WRAP(name, parameters, arguments)                                                \
	void *__real_##name parameters;                                                  \
	void *__wrap_##name parameters;                                                  \
	void *__wrap_##name parameters                                                   \
	{                                                                                \
		return fails() ? NULL : __real_##name arguments;                         \
	}

WRAP(malloc, (size_t n), (n))
WRAP(calloc, (size_t n, size_t size), (n, size))
WRAP(realloc, (void *old, size_t n), (old, n))
WRAP(aligned_alloc, (size_t alignment, size_t n), (alignment, n))
