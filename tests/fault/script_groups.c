/*
 * Lets a test choose how many small files share a task. The program itself derives this number from
 * the times that it has measured, and these differ between runs.
 *
 * If SCRIPT_GROUP is in the environment, its value is the number of files. The files of a task then
 * wait for each other without a time limit, and a task may take any time. If SCRIPT_LONG is in the
 * environment, the time of every task is over at once, so each task ends after its current file.
 *
 * The linker option --wrap=NAME makes the program call __wrap_NAME of this file instead of NAME.
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
