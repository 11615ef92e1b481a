/*
 * How many small files share a task, for tests: as many as SCRIPT_GROUP in the environment says,
 * however long they wait for each other, and however long the task takes. With SCRIPT_LONG any time
 * that a task takes is too long. The program decides by the time that pictures take and that opening
 * takes, which differs between runs.
 *
 * This file is linked with --wrap for each of these functions.
 */
#include "batch/limits.h"

#include <stdlib.h>

uint64_t __real_limits_group(uint64_t n_left, unsigned n_workers, int64_t small_ns);
uint64_t __wrap_limits_group(uint64_t n_left, unsigned n_workers, int64_t small_ns);
int64_t __real_limits_group_wait_ns(void);
int64_t __wrap_limits_group_wait_ns(void);
int64_t __real_limits_group_max_ns(void);
int64_t __wrap_limits_group_max_ns(void);

uint64_t __wrap_limits_group(uint64_t n_left, unsigned n_workers, int64_t small_ns)
{
	const char *n = getenv("SCRIPT_GROUP");

	return n ? strtoull(n, NULL, 10)
	         : __real_limits_group(n_left, n_workers, small_ns);
}

int64_t __wrap_limits_group_wait_ns(void)
{
	return getenv("SCRIPT_GROUP") ? INT64_MAX : __real_limits_group_wait_ns();
}

int64_t __wrap_limits_group_max_ns(void)
{
	if (getenv("SCRIPT_LONG"))
		return -1;
	return getenv("SCRIPT_GROUP") ? INT64_MAX : __real_limits_group_max_ns();
}
