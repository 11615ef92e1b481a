/* What the machine leaves to this process at this moment. */
#ifndef PXP_MACHINE_H
#define PXP_MACHINE_H

#include <stdint.h>

/*
 * Bytes that can still be allocated without swapping: the minimum of the kernel's estimate
 * (MemAvailable) and of what the limit of each control group leaves. UINT64_MAX: no figure is
 * available. root as in base/cgroup.h. Any thread.
 */
uint64_t machine_free_memory(const char *root);

#endif
