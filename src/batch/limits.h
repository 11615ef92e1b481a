/*
 * The limits of a run: how many workers there are, and how they share its memory.
 *
 *   --memory = main process + finished outputs + workers x allowance + budget
 *
 * Every worker has its allowance at all times. The memory that a picture needs beyond it comes out of
 * the budget (pxp_task_need()). So one picture may have an allowance and the budget, and the sum
 * never exceeds what was asked for.
 */
#ifndef PXP_LIMITS_H
#define PXP_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#define LIMITS_MIN_MEMORY ((uint64_t)128 << 20)

/* Bytes, unless said otherwise. */
struct limits {
	uint64_t memory;     /* of the whole run */
	uint64_t allowance;  /* of each worker */
	uint64_t budget;     /* of all pictures together, beyond the allowances */
	uint64_t finished;   /* for outputs that wait to be committed */
	uint64_t max_output; /* of one picture */
	unsigned n_workers;
	/* The limit on processes that allows no more workers; NULL: another limit, or none. */
	const char *tasks_limit;
};

/*
 * Share the memory. memory 0: three quarters of what the machine and its control groups leave.
 * n_workers 0: the minimum of the processors that may be used and the workers that the memory is
 * enough for; else as many as were asked for, if the memory is enough for them. At least one worker,
 * with memory for it. The limits on processes and threads (pids.max, ulimit -u) allow fewer workers, too,
 * because libraries start threads in them.
 */
struct limits limits_make(uint64_t memory, unsigned n_workers);

/* The same, for a machine with the given free memory and number of processors. */
struct limits limits_share(uint64_t memory, unsigned n_workers, uint64_t free_memory,
                           unsigned n_cpus);

/* The maximum memory of one picture. */
uint64_t limits_of_picture(const struct limits *limits);

#endif
