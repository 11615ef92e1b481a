/* Tests of how much memory and how many processors a process may use, and how many processes it may
 * start. Most tests make the files of /proc and of the cgroups themselves. */
#include "support/scratch.h"
#include "support/test.h"

#include "base/cgroup.h"
#include "base/cpus.h"
#include "common/machine.h"

#include <pixpool/executor.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

static const char *here(void)
{
	static char folder[4096];

	REQUIRE(getcwd(folder, sizeof(folder)));
	return folder;
}

/* Make a machine with 1000 MiB of available memory, and with these contents of /proc/self/cgroup
 * and /proc/self/mountinfo. */
static void enter(const char *groups, const char *mounts)
{
	scratch_enter(NULL);
	scratch_folder("proc");
	scratch_folder("proc/self");
	scratch_file("proc/meminfo", "MemTotal:       2048000 kB\nMemFree:  1 kB\n"
	                             "MemAvailable:   1024000 kB\n");
	scratch_file("proc/self/cgroup", groups);
	scratch_file("proc/self/mountinfo", mounts);
	scratch_folder("cg");
}

/* Make a cgroup of version 2. `folder` is the path of its folder. The other parameters are the
 * contents of memory.max, memory.current and cpu.max. The cgroup also has 10 MiB of cache that the
 * kernel can drop. */
static void group_v2(const char *folder, const char *max, const char *used,
                     const char *cpu)
{
	char path[256];

	if (access(folder, F_OK) != 0)
		scratch_folder(folder);
	snprintf(path, sizeof(path), "%s/memory.max", folder);
	scratch_file(path, max);
	snprintf(path, sizeof(path), "%s/memory.current", folder);
	scratch_file(path, used);
	snprintf(path, sizeof(path), "%s/memory.stat", folder);
	scratch_file(path, "anon 5\nactive_file 1048576\ninactive_file 10485760\n");
	snprintf(path, sizeof(path), "%s/cpu.max", folder);
	scratch_file(path, cpu);
}

static const char v2_mount[] = "22 1 0:1 / /proc rw - proc proc rw\n"
			       "37 30 0:40 / /cg rw,relatime - cgroup2 cgroup2 rw\n";

TEST(machine, without_cgroups_the_kernels_estimate_of_free_memory_is_used)
{
	enter("", "");
	EXPECT_EQ(machine_free_memory(here()), 1000 * MIB);
	EXPECT_EQ(cgroup_cpu_quota(here()), 0);
	scratch_leave();
}

TEST(machine, free_memory_is_unlimited_if_proc_and_cgroup_files_are_missing)
{
	scratch_enter(NULL);
	EXPECT(machine_free_memory(here()) == UINT64_MAX);
	EXPECT_EQ(cgroup_cpu_quota(here()), 0);
	scratch_leave();
}

/* The limit is 500 MiB. 200 MiB are used, and 10 MiB of these are cache that the kernel can drop. */
TEST(machine, free_memory_in_a_cgroup_v2_is_its_limit_minus_its_usage)
{
	enter("0::/\n", v2_mount);
	group_v2("cg", "524288000\n", "209715200\n", "150000 100000\n");
	EXPECT_EQ(machine_free_memory(here()), 310 * MIB);
	EXPECT_EQ(cgroup_cpu_quota(here()), 2);
	scratch_leave();
}

TEST(machine, free_memory_and_cpu_quota_are_the_minimum_over_a_cgroup_and_its_ancestors)
{
	enter("0::/a b/c\n", v2_mount);
	group_v2("cg", "max\n", "209715200\n", "max 100000\n");
	group_v2("cg/a b", "314572800\n", "209715200\n", "50000 100000\n");
	group_v2("cg/a b/c", "524288000\n", "10485760\n", "300000 100000\n");
	EXPECT_EQ(machine_free_memory(here()), 110 * MIB);
	EXPECT_EQ(cgroup_cpu_quota(here()), 1);
	scratch_leave();
}

TEST(machine, a_cgroup_over_its_limit_has_no_free_memory)
{
	enter("0::/\n", v2_mount);
	group_v2("cg", "104857600\n", "524288000\n", "max 100000\n");
	EXPECT_EQ(machine_free_memory(here()), 0);
	scratch_leave();
}

/* In a container the mount shows only a part of the cgroup tree, and the path of the process may
 * lie outside of that part. */
TEST(machine, limits_are_found_in_a_container_that_sees_only_a_part_of_the_cgroup_tree)
{
	enter("0::/docker/1/x\n",
	      "37 30 0:40 /docker/1 /cg rw,relatime shared:9 - cgroup2 cgroup2 rw\n");
	group_v2("cg", "524288000\n", "0\n", "max 100000\n");
	group_v2("cg/x", "104857600\n", "0\n", "100000 100000\n");
	EXPECT_EQ(machine_free_memory(here()), 100 * MIB);
	EXPECT_EQ(cgroup_cpu_quota(here()), 1);
	REQUIRE(unlink("proc/self/cgroup") == 0);
	scratch_file("proc/self/cgroup", "0::/elsewhere\n");
	EXPECT_EQ(machine_free_memory(here()), 500 * MIB);
	REQUIRE(unlink("proc/self/cgroup") == 0);
	scratch_file("proc/self/cgroup", "0::/../..\n");
	EXPECT_EQ(machine_free_memory(here()), 500 * MIB);
	scratch_leave();
}

TEST(machine, cgroup_v1_limits_are_read_from_the_tree_of_each_controller)
{
	enter("4:memory:/m/n\n2:cpu,cpuacct:/q\n0::/\n",
	      "31 30 0:28 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	      "34 30 0:31 / /cg/me\\155 rw - cgroup cgroup rw,memory\n");
	scratch_folder("cg/cpu");
	scratch_folder("cg/cpu/q");
	scratch_folder("cg/mem");
	scratch_folder("cg/mem/m");
	scratch_folder("cg/mem/m/n");
	scratch_file("cg/mem/memory.limit_in_bytes", "9223372036854771712\n");
	scratch_file("cg/mem/m/memory.limit_in_bytes", "314572800\n");
	scratch_file("cg/mem/m/memory.usage_in_bytes", "209715200\n");
	scratch_file("cg/mem/m/memory.stat",
	             "cache 1\ninactive_file 7\ntotal_inactive_file 10485760\n");
	scratch_file("cg/mem/m/n/memory.limit_in_bytes", "524288000\n");
	scratch_file("cg/mem/m/n/memory.usage_in_bytes", "10485760\n");
	scratch_file("cg/cpu/cpu.cfs_quota_us", "-1\n");
	scratch_file("cg/cpu/cpu.cfs_period_us", "100000\n");
	scratch_file("cg/cpu/q/cpu.cfs_quota_us", "210000\n");
	scratch_file("cg/cpu/q/cpu.cfs_period_us", "100000\n");
	EXPECT_EQ(machine_free_memory(here()), 110 * MIB);
	EXPECT_EQ(cgroup_cpu_quota(here()), 3);
	scratch_leave();
}

TEST(machine, the_test_machine_has_free_memory_and_a_processor)
{
	EXPECT(machine_free_memory("") > 0);
	EXPECT(cpus_usable("") >= 1);
}

TEST(machine, a_cpu_quota_limits_the_processor_count_and_is_rounded_up)
{
	unsigned n_without_quota;

	enter("0::/\n", v2_mount);
	group_v2("cg", "max\n", "0\n", "max 100000\n");
	n_without_quota = cpus_usable(here());
	REQUIRE(unlink("cg/cpu.max") == 0);
	scratch_file("cg/cpu.max", "1000 100000\n");
	EXPECT_EQ(cpus_usable(here()), 1);
	REQUIRE(unlink("cg/cpu.max") == 0);
	scratch_file("cg/cpu.max", "110000 100000\n");
	EXPECT_EQ(cpus_usable(here()), n_without_quota < 2 ? n_without_quota : 2);
	REQUIRE(unlink("cg/cpu.max") == 0);
	scratch_file("cg/cpu.max", "99999900000 100000\n");
	EXPECT_EQ(cpus_usable(here()), n_without_quota);
	scratch_leave();
}

TEST(machine, only_processors_in_the_affinity_mask_are_counted)
{
	cpu_set_t before, one;
	size_t first = 0;

	REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
	while (!CPU_ISSET(first, &before))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	enter("", "");
	EXPECT_EQ(cpus_usable(here()), (unsigned)CPU_COUNT(&before));
	REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
	EXPECT_EQ(cpus_usable(here()), 1);
	REQUIRE(sched_setaffinity(0, sizeof(before), &before) == 0);
	scratch_leave();
}

TEST(machine, the_default_number_of_workers_is_the_number_of_usable_processors)
{
	EXPECT_EQ(pxp_default_workers(), cpus_usable(""));
}

TEST(machine, the_number_of_processes_that_can_be_started_is_the_minimum_over_all_cgroups)
{
	struct machine_tasks tasks;

	enter("0::/a/b\n", v2_mount);
	scratch_folder("cg/a");
	scratch_folder("cg/a/b");
	tasks = machine_free_tasks(here());
	EXPECT(tasks.n_free == UINT64_MAX || strcmp(tasks.limit, "ulimit -u") == 0);
	scratch_file("cg/a/pids.max", "40\n");
	scratch_file("cg/a/pids.current", "33\n");
	scratch_file("cg/a/b/pids.max", "max\n");
	scratch_file("cg/a/b/pids.current", "3\n");
	tasks = machine_free_tasks(here());
	EXPECT_EQ(tasks.n_free, 7);
	EXPECT_STR(tasks.limit, "pids.max of the cgroup");
	REQUIRE(unlink("cg/a/pids.current") == 0);
	scratch_file("cg/a/pids.current", "50\n");
	EXPECT_EQ(machine_free_tasks(here()).n_free, 0);
	scratch_leave();
}
