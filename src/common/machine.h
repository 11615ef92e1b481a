/* The resources that are free for this process now. */
#ifndef PXP_MACHINE_H
#define PXP_MACHINE_H

#include <stdint.h>

/*
 * Get the number of bytes that can still be allocated without swapping. This is the minimum of the
 * kernel's estimate (MemAvailable) and of the memory that the limit of each cgroup leaves free.
 * UINT64_MAX: unknown. The parameter `root` is described in base/cgroup.h. Any thread may call this
 * function.
 */
uint64_t machine_free_memory(const char *root);

/* The number of processes and threads that can still be started, and the limit that gives this
 * number. */
struct machine_tasks {
	uint64_t n_free; /* UINT64_MAX: the number is not limited */
	/* The name of the limit: "pids.max of the cgroup" or "ulimit -u". NULL: the number
	 * is not limited. */
	const char *limit;
};

/* Get the number of tasks that the limits of the cgroups and of the user leave free. The lowest
 * limit decides. The parameter `root` is described in base/cgroup.h. Any thread may call this
 * function. */
struct machine_tasks machine_free_tasks(const char *root);

#endif
