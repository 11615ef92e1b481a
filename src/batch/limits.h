/*
 * The limits of a run: how many workers, and how the memory that it may have is shared out.
 *
 *   --memory = main process + finished outputs + workers x allowance + budget
 *
 * Every worker has its allowance at all times; what a picture needs beyond it comes out of
 * the budget (image/memory_estimate.h, pxp_task_need()). So one picture may have an allowance and the
 * budget, and the sum is never more than what was asked for.
 */
#ifndef PXP_LIMITS_H
#define PXP_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#define LIMITS_LEAST_MEMORY ((uint64_t)128 << 20)

struct limits {
	uint64_t memory;     /* in all */
	uint64_t allowance;  /* of a worker */
	uint64_t budget;     /* of all pictures beyond that */
	uint64_t finished;   /* outputs that wait to be committed */
	uint64_t max_output; /* of one picture */
	unsigned n_workers;
};

/*
 * Share it out. memory 0: three quarters of what the machine and its control groups leave.
 * n_workers 0: the least of the processors' affinity, the groups' quota and what the memory
 * bears; a number is kept as far as the memory bears it. At least one, and memory for it.
 */
struct limits limits_make(uint64_t memory, unsigned n_workers);

/* The same of figures given: free memory and processors. */
struct limits limits_share(uint64_t memory, unsigned n_workers, uint64_t free_memory,
                           unsigned n_cpus);

/* What one picture may have at most. */
uint64_t limits_of_picture(const struct limits *limits);

#endif
