/*
 * A task: what was submitted, on its way from the queue to a worker and, when the worker
 * dies, back; and the view that its function has of it.
 */
#ifndef PXP_EXEC_TASK_H
#define PXP_EXEC_TASK_H

#include <pixpool/executor.h>

#include "exec/future/future.h"

#include <stdatomic.h>

/* Progress as two threads or processes see it. beats grows with every word of it. */
struct shared_progress {
	_Atomic uint64_t done, total, beats;
};

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
	int input_memfd; /* in place of input, when no frame can hold it: sealed;
	                                * -1: it is not so long */
	int descriptors[PXP_MAX_DESCRIPTORS];
	unsigned n_descriptors;
	bool wants_output;
	unsigned retries_left, kills_left;              /* UINT_MAX: no limit of kills */
	int64_t deadline_ms, max_deadline_ms, stall_ms; /* 0: none */
	uint64_t max_memory;                            /* 0: as the pool has it */
	bool may_retry_memory; /* once more, with all of the pool's budget */
	bool gets_all_memory;  /* this time */
	int64_t expires_ns;    /* when it must have begun; -1: none */
	size_t heap_index;     /* in the executor's heap of those that expire */

	atomic_bool is_asked_to_end;     /* PXP_CANCEL_ASK */
	struct shared_progress progress; /* of a task that runs in this process */
	uint64_t submitted;              /* its number in the order of submission */
	int64_t submitted_ns, started_ns;
	unsigned attempts;
	unsigned n_deaths_unbegun; /* of workers that held it and had not begun it */
	bool is_completed; /* by who has had its worker killed: what becomes of it is of no
	                  * interest any more */
};

/* A block for a task, its future and a short input: they are one allocation, which lives as
 * long as the future. */
size_t task_block_bytes(void);

/* A task with a future of executor. The descriptors are the task's from here on, unless
 * it is NULL, with errno: for lack of memory, or of a descriptor for a long input. */
struct task *task_create(struct pxp_executor *executor, pxp_task_fn *run,
                         const void *input, size_t n_input,
                         const struct pxp_task_options *options);

/* Free it, and close its descriptors. The future is only released, not completed. */
void task_destroy(struct task *task);

/* Take it from its future's sight, with the executor's lock held: from here on whoever
 * holds the task is the only one who may complete it. */
void task_detach(struct task *task);

/* Put what completes it in its future, for task_complete(). What completion owns is moved, or
 * freed when the task is completed already. For who holds the task, and after
 * task_detach(). */
void task_put_completion(struct task *task, struct completion *completion);

/* Complete its future, outside every lock, and destroy it. n_idle: NULL, or as in
 * future_complete_in_place(). */
void task_complete(struct task *task, atomic_uint *n_idle);

struct task_list {
	struct task *first, *last;
	size_t n;
};

void task_list_append(struct task_list *list, struct task *task);
void task_list_prepend(struct task_list *list, struct task *task);
void task_list_remove(struct task_list *list, struct task *task);

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
	int returned[PXP_MAX_DESCRIPTORS];
	unsigned n_returned;

	/* What tells it to end, and where it says how far it is. */
	atomic_bool *is_asked_to_end;
	struct shared_progress *progress;

	/* Processes: how to ask the parent for a new deadline; NULL on a thread. */
	void (*restart_deadline)(void *worker, int64_t ms);
	enum pxp_status (*need)(void *worker, uint64_t bytes);
	void *worker;
};

struct pxp_progress shared_progress_read(struct shared_progress *shared);

/* Free what a view holds that was not handed on. */
void task_view_fini(struct pxp_task *view);

/* Run the function and say how it ended in view->error: status PXP_OK, PXP_ETASK,
 * PXP_EMEMORY, or PXP_ECANCELLED when it was asked to end and did. */
void task_run(pxp_task_fn *run, struct pxp_task *view);

/* Run a task in this process, and put how it went in its future, for task_complete(). */
void task_run_here(struct task *task, void *context);

#endif
