/*
 * A task: what a caller submitted, on its way from the queue to a worker and, if the worker dies,
 * back to the queue. And struct pxp_task, the view that the task's function has of it.
 */
#ifndef PXP_EXEC_TASK_H
#define PXP_EXEC_TASK_H

#include <pixpool/executor.h>

#include "exec/future/future.h"

#include <stdatomic.h>

struct block_pool;

/* Progress that one thread or process writes and another reads. */
struct shared_progress {
	_Atomic uint64_t done, total;
	/* How often the task has reported progress. */
	_Atomic uint64_t beats;
};

/* Where a task is. Guarded by its executor's lock. */
enum task_place {
	/* In the executor's queue. */
	TASK_QUEUED,
	/* With a worker, which may or may not have begun it. */
	TASK_HANDED
};

struct task {
	/* In a task_list. */
	struct task *before, *after;
	enum task_place place;
	/* One reference. */
	struct pxp_future *future;

	pxp_task_fn *run;
	/* NULL when n_input is 0 or input_memfd has the input. */
	void *input;
	size_t n_input;
	/* A sealed memfd with an input that no frame can hold, or -1. */
	int input_memfd;
	int descriptors[PXP_MAX_DESCRIPTORS];
	unsigned n_descriptors;
	bool wants_output;
	unsigned retries_left;
	/* Workers that it may still kill. UINT_MAX: any number. */
	unsigned kills_left;
	/* 0: none. */
	int64_t deadline_ms, max_deadline_ms, stall_ms;
	/* 0: the pool's allowance. */
	uint64_t max_memory;
	/* Whether to run it once more with all of the pool's budget if memory runs out. */
	bool may_retry_memory;
	/* Whether this attempt has all of the budget. */
	bool gets_all_memory;
	/* When it must have begun; -1: never. */
	int64_t expires_ns;

	/* Whether it was asked to end (PXP_CANCEL_ASK). */
	atomic_bool is_asked_to_end;
	/* Of a task that runs in this process. */
	struct shared_progress progress;
	/* Its number in the order of submission. */
	uint64_t submitted;
	int64_t submitted_ns, started_ns;
	unsigned attempts;
	/* Workers that died while they held the task and had not begun it. */
	unsigned n_deaths_unbegun;
	/* Whether its future no longer knows it: see task_detach(). */
	bool is_detached;
	/* Whether its future was completed by a cancel that killed its worker. Whatever becomes of
	 * the task after that is ignored. */
	bool is_completed;
};

/* Hide the task from its future, with the executor's lock held. From here on, the thread that holds
 * the task is the only one that may complete the future. */
void task_detach(struct task *task);

/* Move *completion into the future of a detached task, for task_complete(). If the task is
 * completed already, free what *completion owns. */
void task_put_completion(struct task *task, struct completion *completion);

struct task_list {
	struct task *first, *last;
	size_t n;
};

void task_list_append(struct task_list *list, struct task *task);
void task_list_remove(struct task_list *list, struct task *task);

/* The view that a task's function has of it. */
struct pxp_task {
	const void *input;
	size_t n_input;
	const int *descriptors;
	unsigned n_descriptors;
	int output;
	void *context;

	/* From malloc(), or NULL. */
	void *result;
	size_t n_result;
	/* Set by pxp_task_fail(). */
	struct pxp_error error;
	int returned[PXP_MAX_DESCRIPTORS];
	unsigned n_returned;

	atomic_bool *is_asked_to_end;
	struct shared_progress *progress;

	/* Worker processes: how to ask the parent for a new deadline or for memory. NULL in a
	 * thread. */
	void (*restart_deadline)(void *worker, int64_t ms);
	enum pxp_status (*need)(void *worker, uint64_t bytes);
	void *worker;
};

struct pxp_progress shared_progress_read(struct shared_progress *shared);

/* Free what a view holds that was not moved out of it. */
void task_view_fini(struct pxp_task *view);

/* Run the function and leave how it ended in view->error: its status is PXP_OK, PXP_ETASK,
 * PXP_EMEMORY, or PXP_ECANCELLED when it was asked to end and did. */
void task_run(pxp_task_fn *run, struct pxp_task *view);

/* Run a task in this process, and leave its completion in its future for task_complete(). */
void task_run_here(struct task *task, void *context);

#endif
