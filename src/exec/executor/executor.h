/*
 * What all executors share: a bounded queue under one lock, and a table of the functions in which
 * they differ.
 *
 * Order of locks: executor, future, waiter, never the reverse. No future is completed with an
 * executor's lock held.
 */
#ifndef PXP_EXEC_EXECUTOR_H
#define PXP_EXEC_EXECUTOR_H

#include "base/lock.h"
#include "exec/executor/task.h"

#include <stdatomic.h>

struct executor_table {
	/* Create an executor of this kind. options are valid and have their defaults filled in. Errors as
	 * of pxp_executor_create(). Without a lock. */
	enum pxp_status (*create)(const struct pxp_executor_options *options,
	                          struct pxp_executor **ret_executor,
	                          struct pxp_error *ret_error);

	/* Longer inputs are put into a memfd. SIZE_MAX: none is. */
	size_t max_inline_input;

	/* A task was queued, or shutdown began. Starts a worker for the task, or sets must_wake to
	 * wake one, unless a worker will look at the queue anyway. False: no worker can be started.
	 * With the lock held. */
	bool (*on_change)(struct pxp_executor *executor);

	/* Wake the worker for which on_change set must_wake. Without the lock, so that the worker
	 * does not wake up only to wait for it. NULL: never needed. */
	void (*wake)(struct pxp_executor *executor);

	/* The inline executor only: run the task that on_change took off the queue. Without the
	 * lock. NULL: a worker runs it. */
	void (*run_now)(struct pxp_executor *executor, struct task *task);

	/* Take back a task that a worker has not begun. Returns whether it did. With the lock
	 * held. NULL: workers begin tasks as they take them. */
	bool (*take_back)(struct pxp_executor *executor, struct task *task);

	/* The same for every such task: append them to list. With the lock held. NULL: workers
	 * begin tasks as they take them. */
	void (*take_back_all)(struct pxp_executor *executor, struct task_list *list);

	/* Whether a worker has begun a TASK_HANDED task. With the lock held. NULL: workers begin
	 * tasks as they take them. */
	bool (*has_begun)(struct pxp_executor *executor, const struct task *task);

	/* A task that was begun has been asked to end; if may_kill, kill its worker. Returns
	 * whether it did: then *ret_cancelled is how the task's future must be completed. With the
	 * lock held. NULL: workers cannot be killed. */
	bool (*end)(struct pxp_executor *executor, struct task *task, bool may_kill,
	            struct completion *ret_cancelled);

	/* The progress of a TASK_HANDED task. With the lock held. NULL: task->progress. */
	struct pxp_progress (*progress)(struct pxp_executor *executor, struct task *task);

	/* Kill all workers. With the lock held. NULL: workers cannot be killed. */
	void (*kill)(struct pxp_executor *executor);

	/* Stop the workers, or continue them. With the lock held. NULL: not possible. */
	void (*suspend)(struct pxp_executor *executor, bool stop);

	/* Fill in what executor.c does not know. With the lock held. */
	void (*stats)(struct pxp_executor *executor,
	              struct pxp_executor_stats *ret_stats);

	/* Wait until all workers have ended. Called once, without the lock. */
	void (*join)(struct pxp_executor *executor);

	/* The last reference was released. */
	void (*free)(struct pxp_executor *executor);
};

struct pxp_executor {
	/* First: the owner of the futures of its tasks. */
	struct future_owner owner;
	const struct executor_table *table;
	/* Defaults are filled in, name and init_bytes are copies. */
	struct pxp_executor_options options;
	atomic_uint n_references;
	char name[16];
	/* For tasks with their futures. */
	struct block_pool *blocks;
	/* How many tasks are done, and in the highest bit whether done_counter counts them too. One
	 * word, so that a counter that is created meanwhile counts each task exactly once. */
	_Atomic uint64_t n_done;

	/* Guards all below. */
	struct lock lock;
	/* The queue became shorter, or no more tasks are accepted. */
	struct cond has_room;
	/* has_joined was set, or n_completing became 0. */
	struct cond has_ended;
	/* Threads that wait for room. */
	unsigned n_waiting;
	struct task_list queue;
	/* The total size of the queued inputs, and how many of them are in a memfd. */
	size_t n_queued_bytes, n_queued_memfds;
	/* No queued task expires before this time; -1: none expires. */
	int64_t next_expiry_ns;
	/* pxp_executor_shutdown() was called. */
	bool is_stopping;
	/* executor_unlock() must call table->wake. */
	bool must_wake;
	uint64_t n_submitted;
	/* An eventfd that counts completed tasks, or -1. May be read without the lock once n_done
	 * says that it exists. */
	int done_counter;
	bool is_joining, has_joined;
	/* Threads, other than workers, that complete tasks which they took off the executor. */
	unsigned n_completing;
	/* Why no task can run any more; status PXP_OK: tasks can run. */
	struct pxp_error broken;
};

/* ---- life ---- */

/* Fill in what all executors have. options have their defaults filled in; init_bytes are copied.
 * PXP_OK or PXP_ENOMEM. */
enum pxp_status executor_init(struct pxp_executor *executor,
                              const struct executor_table *table,
                              const struct pxp_executor_options *options);
void executor_fini(struct pxp_executor *executor);

/* Take a reference, or give one back. The last release frees the executor. */
void executor_acquire(struct pxp_executor *executor);
void executor_release(struct pxp_executor *executor);

/* Release the lock, and then wake the worker that table->on_change chose, if any. */
void executor_unlock(struct pxp_executor *executor);

/* ---- the queue: with the lock held ---- */

/* The next task of the queue, or NULL. It is TASK_HANDED from here on. */
struct task *executor_take(struct pxp_executor *executor);

/* Put a task back at the head of the queue, because the worker that had it died. */
void executor_return(struct pxp_executor *executor, struct task *task);

/* Take and detach all tasks of the queue. */
struct task_list executor_take_all(struct pxp_executor *executor);

/* Take and detach the tasks of the queue that have expired. They must then be completed with
 * executor_complete_expired(). */
struct task_list executor_take_expired(struct pxp_executor *executor, int64_t now_ns);

/* ---- completion: without the lock ---- */

/* Complete the future of a detached task (see task_complete()) and count it. n_idle as in
 * future_complete_in_place(). */
void executor_complete(struct pxp_executor *executor, struct task *task,
                       atomic_uint *n_idle);

/* Complete a list of detached tasks with error: cancelled if it is PXP_ECANCELLED, else failed. */
void executor_complete_list(struct pxp_executor *executor, struct task_list *list,
                            const struct pxp_error *error);

/* Complete tasks from executor_take_expired() as failed with PXP_EQUEUED. */
void executor_complete_expired(struct pxp_executor *executor, struct task_list *expired);

/* ---- the kinds that run tasks in this process ---- */

extern const struct executor_table inline_executor, thread_pool_executor;

#endif
