/*
 * Declares struct task: a task in the queue or with a worker. Also declares struct pxp_task: what
 * the task's function gets.
 */
#ifndef PXP_EXEC_TASK_H
#define PXP_EXEC_TASK_H

#include <pixpool/executor.h>

#include "exec/future/future.h"

#include <stdatomic.h>

struct block_pool;

/* Progress numbers that one thread or process writes and another reads. */
struct shared_progress {
	_Atomic uint64_t done, total;
	/* How many times the task has reported progress. */
	_Atomic uint64_t beats;
};

/* Where a task is now. Guarded by its executor's lock. */
enum task_place {
	/* The task is in the executor's queue. */
	TASK_QUEUED,
	/* A worker has the task, and may or may not have started it. */
	TASK_HANDED
};

struct task {
	/* The neighbours in a task_list. */
	struct task *before, *after;
	enum task_place place;
	/* The task's future, with one reference. */
	struct pxp_future *future;

	pxp_task_fn *run;
	/* The input; NULL if n_input is 0 or input_memfd contains the input. */
	void *input;
	size_t n_input;
	/* A sealed memfd with an input that is too long for a frame, or -1. */
	int input_memfd;
	int descriptors[PXP_MAX_DESCRIPTORS];
	unsigned n_descriptors;
	/* Whether the descriptors belong to the caller, not to the task. */
	bool keeps_descriptors;
	bool wants_output;
	unsigned retries_left;
	/* How many workers the task may still kill. UINT_MAX: any number. */
	unsigned kills_left;
	/* Time limits in milliseconds; 0: no limit. deadline_ms is the deadline of the task,
	 * max_deadline_ms the longest deadline that the task may request, and stall_ms the stall
	 * timeout. */
	int64_t deadline_ms, max_deadline_ms, stall_ms;
	unsigned max_restarts;
	unsigned counts_as;
	/* The memory limit of the task; 0: the pool's allowance. */
	uint64_t max_memory;
	/* Whether the task is run once more, with all of the pool's memory budget, if it runs out
	 * of memory. */
	bool may_retry_memory;
	/* Whether this attempt has all of the pool's memory budget. */
	bool gets_all_memory;
	/* The time by which the task must have started; -1: no limit. */
	int64_t expires_ns;

	/* Whether the task was asked to end, by PXP_CANCEL_ASK or PXP_CANCEL_KILL. */
	atomic_bool is_asked_to_end;
	/* The progress of a task that runs in this process. */
	struct shared_progress progress;
	/* The number of the task in the order of submission. */
	uint64_t submitted;
	int64_t submitted_ns, started_ns;
	unsigned attempts;
	/* How many workers died while this task was their front task but had not started. */
	unsigned n_deaths_unbegun;
	/* Whether the task is hidden from its future: see task_detach(). */
	bool is_detached;
	/* Whether the future was completed by a cancel that also killed the worker. If so, later
	 * results of the task are ignored. */
	bool is_completed;
};

/* Create a task and its future. `owner` will complete the future. `blocks` is the executor's pool
 * of blocks.
 *
 * max_inline_input  the maximum length of an input in bytes; a longer one is put into a memfd.
 *
 * On success the task owns the descriptors in options, unless options.keep_descriptors is set.
 * Returns NULL with errno if there is no memory, or no descriptor for a long input. Then the caller
 * still owns the descriptors in options. */
struct task *task_create(struct future_owner *owner, struct block_pool *blocks,
                         size_t max_inline_input, pxp_task_fn *run, const void *input,
                         size_t n_input, const struct pxp_task_options *options);

/* Hide the task from its future. After that, the thread that holds the task is the only one that
 * may complete the future. Called with the executor's lock held. */
void task_detach(struct task *task);

/* Move *completion into the future of a task, for executor_complete(). No other thread may complete
 * the future. If a cancel has completed it already, free what *completion owns. */
void task_put_completion(struct task *task, struct completion *completion);

struct task_list {
	struct task *first, *last;
	size_t n;
};

void task_list_append(struct task_list *list, struct task *task);
void task_list_remove(struct task_list *list, struct task *task);

/* The struct that a task's function gets. */
struct pxp_task {
	const void *input;
	size_t n_input;
	const int *descriptors;
	unsigned n_descriptors;
	int output;
	void *context;

	/* The result, allocated with malloc(). NULL: no result. */
	void *result;
	size_t n_result;
	/* The error that pxp_task_fail() set. */
	struct pxp_error error;
	int returned[PXP_MAX_DESCRIPTORS];
	unsigned n_returned;

	atomic_bool *is_asked_to_end;
	struct shared_progress *progress;

	/* These functions request a new deadline or memory from the pool. NULL outside of worker
	 * processes. */
	void (*restart_deadline)(void *worker, int64_t ms);
	enum pxp_status (*need)(void *worker, uint64_t bytes);
	void *worker;
};

struct pxp_progress shared_progress_read(struct shared_progress *shared);

/* Free everything that `view` still owns. */
void task_view_fini(struct pxp_task *view);

/* Run the task's function and store its outcome in view->error. The status is PXP_OK, PXP_ETASK,
 * PXP_EMEMORY, or PXP_ECANCELLED if the task got a cancel request and obeyed. */
void task_run(pxp_task_fn *run, struct pxp_task *view);

/* Run a task in this process, and leave its completion in its future for executor_complete(). */
void task_run_here(struct task *task, void *context);

#endif
