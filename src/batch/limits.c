/* Shares the memory of a run among its workers. */
#include "batch/limits.h"

#include "base/cpus.h"
#include "common/machine.h"

/* Sizes in MiB. */
enum {
	MAIN = 32, /* the memory of the main process, the zygote and the fork server */
	/* The minimum memory of a worker. With libvips a worker takes 32 MiB before its first
	 * picture. */
	MIN_ALLOWANCE = 64,
	MAX_ALLOWANCE = 256,
	MAX_FINISHED = 64,
	MAX_OUTPUT = 2048,
};

/* Numbers of processes and threads. */
enum {
	/* How many threads and processes there are besides the workers: the threads of the main
	 * process, and the fork servers. The openers (openers.h) do not count, although there may
	 * be 16 of them: they are started only for file systems that may hang, and if no other
	 * opener can be forked, the calls wait for those that run. */
	OTHER_TASKS = 8,
	/* The number of threads of one worker, including those that libraries start for a
	 * picture. At most 7 were observed. */
	THREADS_PER_WORKER = 8,
};

/* The maximum memory of a run, in bytes. */
static const uint64_t max_memory = (uint64_t)1 << 50;

static uint64_t min(uint64_t a, uint64_t b)
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
	if (limits.memory < LIMITS_MIN_MEMORY)
		limits.memory = LIMITS_MIN_MEMORY;
	if (limits.memory > max_memory)
		limits.memory = max_memory;
	limits.finished = min(limits.memory / 8, mib(MAX_FINISHED));
	limits.allowance = min(limits.memory / 8, mib(MAX_ALLOWANCE));
	if (limits.allowance < mib(MIN_ALLOWANCE))
		limits.allowance = mib(MIN_ALLOWANCE);

	left = limits.memory - limits.finished - mib(MAIN);
	if (left < limits.allowance)
		left = limits.allowance;
	/* If n_workers is 0, the workers get at most half of the memory, and the other half is for
	 * pictures that need more. If the user requested a number of workers, the workers may get
	 * all of the memory. */
	bearable = n_workers > 0 ? left / limits.allowance : left / 2 / limits.allowance;
	if (bearable == 0)
		bearable = 1;
	limits.n_workers = (unsigned)min(n_workers > 0 ? n_workers : n_cpus, bearable);
	limits.budget = left - limits.n_workers * limits.allowance;
	limits.max_output = min(limits_of_picture(&limits), mib(MAX_OUTPUT));
	return limits;
}

struct limits limits_make(uint64_t memory, unsigned n_workers)
{
	const struct machine_tasks tasks = machine_free_tasks("");
	unsigned n_cpus = cpus_usable(""), n_wanted = n_workers > 0 ? n_workers : n_cpus;
	uint64_t n_free = tasks.n_free > OTHER_TASKS ? tasks.n_free - OTHER_TASKS : 0;
	uint64_t bearable = n_free / THREADS_PER_WORKER;
	struct limits limits;

	if (bearable == 0)
		bearable = 1;
	limits = limits_share(memory, (unsigned)min(n_workers, bearable),
	                      machine_free_memory(""), (unsigned)min(n_cpus, bearable));
	if (bearable < n_wanted && limits.n_workers == bearable)
		limits.tasks_limit = tasks.limit;
	return limits;
}

uint64_t limits_of_picture(const struct limits *limits)
{
	return limits->allowance + limits->budget;
}

uint64_t limits_group(uint64_t n_left, unsigned n_workers, int64_t small_ns)
{
	static const uint64_t GROUP_NS = (uint64_t)16 * 1000000;
	uint64_t n;

	if (small_ns <= 0)
		return 1;
	n = min(n_left / (2 * (uint64_t)n_workers), GROUP_NS / (uint64_t)small_ns);
	return n > 0 ? n : 1;
}

int64_t limits_group_wait_ns(void)
{
	return (int64_t)2 * 1000000;
}

int64_t limits_group_max_ns(void)
{
	return (int64_t)100 * 1000000;
}
