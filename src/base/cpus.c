/* How many processors this process may use. */
#include "base/cpus.h"

#include "base/cgroup.h"

#include <sched.h>

/* The kernel refuses a set that has fewer bits than it knows processors. */
enum { FIRST_BITS = 1024, MAX_BITS = 1024 * 1024 };

static unsigned count_affinity(void)
{
	for (size_t n_bits = FIRST_BITS; n_bits <= MAX_BITS; n_bits *= 4) {
		cpu_set_t *set = CPU_ALLOC(n_bits);
		size_t n_bytes = CPU_ALLOC_SIZE(n_bits);
		int n = 0;

		if (!set)
			return 1;
		if (sched_getaffinity(0, n_bytes, set) == 0)
			n = CPU_COUNT_S(n_bytes, set);
		CPU_FREE(set);
		if (n > 0)
			return (unsigned)n;
	}
	return 1;
}

unsigned cpus_usable(const char *root)
{
	unsigned n = count_affinity(), quota = cgroup_cpu_quota(root);

	return quota > 0 && quota < n ? quota : n;
}
