/* Processors. */
#ifndef PXP_CPUS_H
#define PXP_CPUS_H

/* How many processors this process may use: the smaller of its affinity and the CPU quota of its
 * control groups (cgroup.h, also for root), at least 1. Any thread. */
unsigned cpus_usable(const char *root);

#endif
