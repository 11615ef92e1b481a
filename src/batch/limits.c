#include "batch/limits.h"

#include "base/cpus.h"
#include "common/machine.h"

/* MiB */
enum {
	MAIN = 32, /* the main process, the zygote and the fork server */
	LEAST_ALLOWANCE =
		64, /* a worker with libvips takes 32 before its first picture */
	MOST_ALLOWANCE = 256,
	MOST_FINISHED = 64,
	MOST_OUTPUT = 2048,
};

static const uint64_t most_memory = (uint64_t)1 << 50; /* where nothing sets a limit */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t mib(uint64_t n)
{
	return n << 20;
}

struct limits limits_share(uint64_t memory, unsigned n_workers, uint64_t free_memory,
                           unsigned n_cpus)
{
	struct limits limits = {.memory = memory};
	uint64_t bearable, left;

	if (limits.memory == 0)
		limits.memory = free_memory - free_memory / 4;
	if (limits.memory < LIMITS_LEAST_MEMORY)
		limits.memory = LIMITS_LEAST_MEMORY;
	if (limits.memory > most_memory)
		limits.memory = most_memory;
	limits.finished = least(limits.memory / 8, mib(MOST_FINISHED));
	limits.allowance = least(limits.memory / 8, mib(MOST_ALLOWANCE));
	if (limits.allowance < mib(LEAST_ALLOWANCE))
		limits.allowance = mib(LEAST_ALLOWANCE);

	left = limits.memory - limits.finished - mib(MAIN);
	if (left < limits.allowance)
		left = limits.allowance;
	/* By itself it leaves half for pictures that need more; who says how many, may use it
	 * up. */
	bearable = n_workers > 0 ? left / limits.allowance : left / 2 / limits.allowance;
	if (bearable == 0)
		bearable = 1;
	limits.n_workers = (unsigned)least(n_workers > 0 ? n_workers : n_cpus, bearable);
	limits.budget = left - limits.n_workers * limits.allowance;
	limits.max_output = least(limits_of_picture(&limits), mib(MOST_OUTPUT));
	return limits;
}

struct limits limits_make(uint64_t memory, unsigned n_workers)
{
	return limits_share(memory, n_workers, machine_free_memory(""), cpus_usable(""));
}

uint64_t limits_of_picture(const struct limits *limits)
{
	return limits->allowance + limits->budget;
}
