/*
 * How many small files share a task, for tests: as many as SCRIPT_GROUP in the environment says. The
 * program decides by the time that pictures take, which differs between runs.
 *
 * This file is linked with --wrap=limits_group.
 */
#include "batch/limits.h"

#include <stdlib.h>

uint64_t __real_limits_group(uint64_t n_left, unsigned n_workers, int64_t small_ns);
uint64_t __wrap_limits_group(uint64_t n_left, unsigned n_workers, int64_t small_ns);

uint64_t __wrap_limits_group(uint64_t n_left, unsigned n_workers, int64_t small_ns)
{
	const char *n = getenv("SCRIPT_GROUP");

	return n ? strtoull(n, NULL, 10)
	         : __real_limits_group(n_left, n_workers, small_ns);
}
