/* The resources that are free for this process now. */
#ifndef PXP_MACHINE_H
#define PXP_MACHINE_H

#include <stdint.h>

/*
 * How many bytes can still be allocated without swapping: the minimum of the kernel's estimate
 * (MemAvailable) and of what the limit of each cgroup leaves free. UINT64_MAX: unknown. root is
 * explained in base/cgroup.h. Any thread may call this function.
 */
uint64_t machine_free_memory(const char *root);

/* How many processes and threads can still be started, and the name of the limit that decides
 * this. */
struct machine_tasks {
	uint64_t n_free; /* the number; UINT64_MAX: not limited */
	/* The name of the limit that gives the number: "pids.max of the cgroup" or "ulimit -u";
	 * NULL: not limited. */
	const char *limit;
};

/* Get the minimum of what the limits of the cgroups and of the user leave free. root is explained
 * in base/cgroup.h. Any thread may call this function. */
struct machine_tasks machine_free_tasks(const char *root);

#endif
