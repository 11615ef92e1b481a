/*
 * Lets one allocation of a test program fail. The program must be linked with --wrap for malloc,
 * calloc, realloc and aligned_alloc, so that each call in the program is counted. Any thread may
 * allocate.
 */
#ifndef PXP_TEST_FAILING_ALLOCATION_H
#define PXP_TEST_FAILING_ALLOCATION_H

/* Count allocations from now on, and let the nth of them fail; 0: none fails. */
void allocation_arm(unsigned nth);

/* Let no allocation fail any more. Returns the number of allocations since allocation_arm(). */
unsigned allocation_disarm(void);

#endif
