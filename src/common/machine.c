/* Free memory, of the machine and of the control groups. */
#include "common/machine.h"

#include "base/cgroup.h"

#include <stdio.h>

/* Lower *data to what the group's limit leaves. Page cache that was not used lately is free. */
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

uint64_t machine_free_memory(const char *root)
{
	char folder[PATH_MAX];
	uint64_t minimum = UINT64_MAX, kib;

	snprintf(folder, sizeof(folder), "%s/proc", root);
	if (cgroup_read_number(folder, "meminfo", "MemAvailable:", &kib))
		minimum = kib * 1024;
	cgroup_each(root, "memory", lower_to_free, &minimum);
	return minimum;
}
