/*
 * A task: what was submitted, on its way from the queue to a worker and, when the worker
 * dies, back; and the view that its function has of it.
 */
#ifndef PXP_EXEC_TASK_H
#define PXP_EXEC_TASK_H

#include <pixpool/executor.h>

#include "exec/future.h"

/* Where a task is. Guarded by its executor's lock. */
enum task_place {
	TASK_QUEUED, /* in the executor's queue */
	TASK_HANDED  /* with a worker, begun or not */
};

struct task {
	struct task *before, *after; /* in the queue */
	enum task_place place;
	struct pxp_future *future; /* one reference */

	pxp_task_fn *run;
	void *input; /* malloc(), or NULL */
	size_t n_input;
	int descriptors[PXP_MAX_DESCRIPTORS];
	unsigned n_descriptors;
	bool wants_output;
	unsigned retries_left;
	int64_t deadline_ms, max_deadline_ms; /* 0: none */

	int64_t submitted_ns, started_ns;
	unsigned attempts;
	unsigned n_returned; /* workers that died holding it without having begun */
	struct settlement settlement; /* while it waits in a list to be settled */
};

/* A task with a future of executor. The descriptors are the task's from here on, unless
 * it is NULL for lack of memory. */
struct task *task_create(struct pxp_executor *executor, pxp_task_fn *run,
                         const void *input, size_t n_input,
                         const struct pxp_task_options *options);

/* Free it, and close its descriptors. The future is only released, not settled. */
void task_destroy(struct task *task);

/* Take it from its future's sight, with the executor's lock held: from here on whoever
 * holds the task is the only one who may settle it. */
void task_detach(struct task *task);

/* Settle its future, outside every lock, and destroy it. Frees what is left of the
 * settlement. */
void task_settle(struct task *task, struct settlement *settlement);

struct task_list {
	struct task *first, *last;
	size_t n;
};

void task_list_append(struct task_list *list, struct task *task);
void task_list_prepend(struct task_list *list, struct task *task);
void task_list_remove(struct task_list *list, struct task *task);

/* Settle every task of a list as cancelled, or as failed with error. */
void task_list_settle(struct task_list *list, const struct pxp_error *error);

/* What the function sees. */
struct pxp_task {
	const void *input;
	size_t n_input;
	const int *descriptors;
	unsigned n_descriptors;
	int output;
	void *context;

	void *result; /* malloc(), or NULL */
	size_t n_result;
	struct pxp_error error; /* set by pxp_task_fail() */

	/* Processes: how to ask the parent for a new deadline; NULL on a thread. */
	void (*restart_deadline)(void *worker, int64_t ms);
	void *worker;
};

/* Run the function and say how it ended in view->error: status PXP_OK, or PXP_ETASK. */
void task_run(pxp_task_fn *run, struct pxp_task *view);

#endif
