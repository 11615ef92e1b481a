/* The number of usable processors. */
#ifndef PXP_CPUS_H
#define PXP_CPUS_H

/* How many processors this process may use: the smaller of its affinity mask and the CPU quota of
 * its cgroups (cgroup.h explains `root`), at least 1. Any thread may call this function. */
unsigned cpus_usable(const char *root);

#endif
