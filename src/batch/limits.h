/*
 * The limits of a run: how many workers there are, and how they share its memory.
 *
 *   --memory = main process + finished outputs + workers x allowance + budget
 *
 * Every worker always has its allowance. The memory that a picture needs beyond that is taken from
 * the budget (pxp_task_need()). So one picture may use up to one allowance and the whole budget,
 * and all pictures together never exceed --memory.
 */
#ifndef PXP_LIMITS_H
#define PXP_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#define LIMITS_MIN_MEMORY ((uint64_t)128 << 20)

/* All values are in bytes, unless stated otherwise. */
struct limits {
	uint64_t memory;    /* the memory of the whole run */
	uint64_t allowance; /* the memory that each worker may always use */
	/* the memory that all workers together may use beyond their allowances */
	uint64_t budget;
	uint64_t finished; /* the memory for outputs that wait to be committed */
	/* the maximum length of the memfd with the outputs of a task */
	uint64_t max_output;
	unsigned n_workers;
	/* If a limit on processes determines n_workers: the name of that limit. Otherwise NULL. */
	const char *tasks_limit;
};

/*
 * Divide the memory of a run among its workers. The result has at least one worker, however little
 * memory there is.
 *
 * memory 0: three quarters of the free memory of the machine and its cgroups.
 *
 * n_workers 0: as many workers as there are usable processors. Otherwise the requested number. If
 * the memory or a limit on processes does not allow so many workers, there are fewer.
 */
struct limits limits_make(uint64_t memory, unsigned n_workers);

/* Like limits_make(), for a machine with this free memory and this number of processors. */
struct limits limits_share(uint64_t memory, unsigned n_workers, uint64_t free_memory,
                           unsigned n_cpus);

/*
 * How many small files may share a task. Such a task takes at most about 16 ms.
 *
 * n_left    the number of files that are not submitted yet. If few are left, tasks become smaller,
 *           so that all workers end at about the same time.
 * small_ns  the mean time of the last small files; 0: unknown.
 *
 * Returns 1 or more; 1 if small_ns is 0. The caller limits the number to what a task can hold.
 */
uint64_t limits_group(uint64_t n_left, unsigned n_workers, int64_t small_ns);

/* How long the first file of a shared task waits for more files, if inputs are opened slowly. */
int64_t limits_group_wait_ns(void);

/* A task that has taken longer than this time begins no other small file. The rest of its files
 * then go to tasks of their own, which other workers may take. */
int64_t limits_group_max_ns(void);

/* The maximum memory of one picture. */
uint64_t limits_of_picture(const struct limits *limits);

#endif
