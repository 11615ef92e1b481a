/* The resources that are free for this process now. */
#ifndef PXP_MACHINE_H
#define PXP_MACHINE_H

#include <stdint.h>

/*
 * How many bytes can still be allocated without swapping: the minimum of the kernel's estimate
 * (MemAvailable) and the free memory under the limit of each cgroup. UINT64_MAX: unknown. root is
 * explained in base/cgroup.h. Any thread may call this function.
 */
uint64_t machine_free_memory(const char *root);

#endif
