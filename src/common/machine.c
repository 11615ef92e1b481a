/* The free memory of the machine and of the cgroups. */
#include "common/machine.h"

#include "base/cgroup.h"

#include <stdio.h>
#include <sys/sysinfo.h>

/* Reduce *data to the free memory under the cgroup's limit. Page cache that was not used recently
 * counts as free. */
static void lower_to_free(const struct cgroup *group, void *data)
{
	uint64_t *minimum = data, limit, used = 0, cache = 0;
	const char *folder = group->folder;

	if (!cgroup_read_number(folder,
	                        group->is_v2 ? "memory.max" : "memory.limit_in_bytes",
	                        NULL, &limit))
		return;
	cgroup_read_number(folder,
	                   group->is_v2 ? "memory.current" : "memory.usage_in_bytes",
	                   NULL, &used);
	cgroup_read_number(folder, "memory.stat",
	                   group->is_v2 ? "inactive_file " : "total_inactive_file ",
	                   &cache);
	used -= cache < used ? cache : used;
	limit = used < limit ? limit - used : 0;
	if (limit < *minimum)
		*minimum = limit;
}

/* Without /proc: what is free, and buffers. Page cache cannot be told from other memory. */
static uint64_t free_memory_of_kernel(void)
{
	struct sysinfo info;

	if (sysinfo(&info) != 0)
		return UINT64_MAX;
	return ((uint64_t)info.freeram + info.bufferram) * info.mem_unit;
}

uint64_t machine_free_memory(const char *root)
{
	char folder[PATH_MAX];
	uint64_t minimum = UINT64_MAX, kib;

	snprintf(folder, sizeof(folder), "%s/proc", root);
	if (cgroup_read_number(folder, "meminfo", "MemAvailable:", &kib))
		minimum = kib * 1024;
	else if (root[0] == 0)
		minimum = free_memory_of_kernel();
	cgroup_each(root, "memory", lower_to_free, &minimum);
	return minimum;
}
