/*
 * The limits of a run: how many workers there are, and how they share its memory.
 *
 *   --memory = main process + finished outputs + workers x allowance + budget
 *
 * Every worker always has its allowance. The memory that a picture needs beyond that is taken from
 * the budget (pxp_task_need()). So one picture may use an allowance and the budget, and the sum
 * never exceeds the requested memory.
 */
#ifndef PXP_LIMITS_H
#define PXP_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#define LIMITS_MIN_MEMORY ((uint64_t)128 << 20)

/* All values are in bytes, unless stated otherwise. */
struct limits {
	uint64_t memory;     /* memory of the whole run */
	uint64_t allowance;  /* allowance of each worker */
	uint64_t budget;     /* budget for all pictures together, beyond the allowances */
	uint64_t finished;   /* memory for outputs that wait to be committed */
	uint64_t max_output; /* maximum output of one picture */
	unsigned n_workers;
	/* The name of the limit on processes that allows no more workers; NULL: another limit, or
	 * none. */
	const char *tasks_limit;
};

/*
 * Divide the memory. memory 0: three quarters of the free memory of the machine and its cgroups.
 * n_workers 0: the number of usable processors, or fewer if there is not enough memory for as many
 * workers; otherwise the requested number, if there is enough memory. At least one worker, with
 * memory for it.
 */
struct limits limits_make(uint64_t memory, unsigned n_workers);

/* Divide the memory of a machine with the given free memory and number of processors. */
struct limits limits_share(uint64_t memory, unsigned n_workers, uint64_t free_memory,
                           unsigned n_cpus);

/* The maximum memory of one picture. */
uint64_t limits_of_picture(const struct limits *limits);

#endif
