/* The resources that the machine, the cgroups and the user's limits leave free: memory, processes
 * and threads. */
#include "common/machine.h"

#include "base/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* If the cgroup's limit leaves less free memory than *data bytes, reduce *data to that amount. Page
 * cache that was not used recently counts as free. */
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

/* The free memory on a system whose /proc/meminfo does not tell it. It is the sum of unused memory
 * and buffers. The page cache does not count, because sysinfo() does not report it. */
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

/* ---- processes and threads ---- */

/* If the cgroup allows fewer new processes and threads than *data says, reduce *data to that
 * number. */
static void lower_to_free_tasks(const struct cgroup *group, void *data)
{
	struct machine_tasks *tasks = data;
	uint64_t limit, used = 0;

	if (!cgroup_read_number(group->folder, "pids.max", NULL, &limit))
		return;
	cgroup_read_number(group->folder, "pids.current", NULL, &used);
	limit = used < limit ? limit - used : 0;
	if (limit < tasks->n_free)
		*tasks = (struct machine_tasks){limit, "pids.max of the cgroup"};
}

/* Count the tasks of a user. The count stops when it reaches `max`. Each process has a folder
 * /proc/PID/task, which belongs to the user of the process. The number of hard links of this folder
 * is the number of tasks plus 2. */
static uint64_t count_tasks_of_user(const char *root, uid_t user, uint64_t max)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	uint64_t n = 0;
	DIR *processes;

	snprintf(path, sizeof(path), "%s/proc", root);
	processes = opendir(path);
	while (processes && n < max && (entry = readdir(processes))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/task", entry->d_name);
		if (fstatat(dirfd(processes), path, &st, 0) == 0 && st.st_uid == user)
			n += st.st_nlink > 2 ? st.st_nlink - 2 : 1;
	}
	if (processes)
		closedir(processes);
	return n;
}

/* If the user's limit on tasks leaves fewer free tasks than *tasks says, reduce *tasks to that
 * number. The limit does not apply to root. But if root runs the program, its workers run as
 * another user, and the limit applies to that user. That user is assumed to have no other
 * processes. */
static void lower_to_limit_of_user(const char *root, struct machine_tasks *tasks)
{
	/* A limit above this number is ignored: users rarely have so many tasks, and counting them
	 * would take long. */
	enum { HIGH = 16384 };
	uid_t user = getuid();
	struct rlimit limit;
	uint64_t used;

	if (getrlimit(RLIMIT_NPROC, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
	    limit.rlim_cur > HIGH)
		return;
	used = user == 0 ? 0 : count_tasks_of_user(root, user, limit.rlim_cur);
	if (used > limit.rlim_cur)
		used = limit.rlim_cur;
	if (limit.rlim_cur - used < tasks->n_free)
		*tasks = (struct machine_tasks){limit.rlim_cur - used, "ulimit -u"};
}

struct machine_tasks machine_free_tasks(const char *root)
{
	struct machine_tasks tasks = {UINT64_MAX, NULL};

	cgroup_each(root, "pids", lower_to_free_tasks, &tasks);
	lower_to_limit_of_user(root, &tasks);
	return tasks;
}
