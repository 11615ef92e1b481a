/*
 * What the machine, and the control groups that this process is in, leave to it. A group
 * is bounded by its ancestors as well: all of them are asked, as far as they can be seen.
 * Version 1 and version 2 are understood, also beside each other.
 *
 * Figures of a moment; nothing is kept. Any thread.
 */
#ifndef PXP_MACHINE_H
#define PXP_MACHINE_H

#include <stdint.h>

/*
 * Bytes that could still be had without swapping: the least of what the kernel calls
 * available and of what each group's limit leaves; page cache that can be dropped counts
 * as free. UINT64_MAX when nothing says. root is put before every name: "", or a folder of
 * tests.
 */
uint64_t machine_free_memory(const char *root);

/* How many processors' worth of time the groups' quotas allow, rounded up; 0: no quota. */
unsigned machine_quota(const char *root);

/* Processors this process may use: the least of its affinity and the quota, at least 1. */
unsigned machine_cpus(void);

/* How many processes of our own group the kernel has killed for want of memory, ever; 0 when
 * it does not say. */
uint64_t machine_oom_kills(void);

#endif
