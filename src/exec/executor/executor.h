/*
 * What all executors share: a bounded queue under one lock, and a table of functions that differ
 * between the kinds.
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
	/* Create an executor of this kind. `options` are valid and have their defaults filled in.
	 * Errors are those of pxp_executor_create(). Called without a lock. */
	enum pxp_status (*create)(const struct pxp_executor_options *options,
	                          struct pxp_executor **ret_executor,
	                          struct pxp_error *ret_error);

	/* Whether workers can call a function of this process. This pointer is NULL if workers can
	 * call every function. */
	bool (*has_function)(uintptr_t function);

	/* Inputs longer than this are put into a memfd. SIZE_MAX: no input is put into a memfd. */
	size_t max_inline_input;

	/* Called when a task was queued or a shutdown began. If no worker is about to look at the
	 * queue, starts a worker, or sets must_wake. (The inline executor takes the task from the
	 * queue instead.) Returns false if no worker can be started. Called with the lock held. */
	bool (*on_change)(struct pxp_executor *executor);

	/* Wake one worker, or the thread that serves the workers. Called after must_wake was set,
	 * and without the lock, because the woken thread would have to wait for the lock. This
	 * pointer is NULL in the inline executor, which has no workers. */
	void (*wake)(struct pxp_executor *executor);

	/* Run the task that on_change took from the queue. Called without the lock. This pointer is
	 * NULL except in the inline executor: in the other kinds, workers run the tasks. */
	void (*run_now)(struct pxp_executor *executor, struct task *task);

	/* Take back a task that a worker has not started. Returns false if it cannot be taken back.
	 * Called with the lock held. This pointer is NULL if workers start tasks as soon as they
	 * take them. */
	bool (*take_back)(struct pxp_executor *executor, struct task *task);

	/* Take back every task that no worker has started, and append these tasks to `list`. Called
	 * with the lock held. This pointer is NULL if workers start tasks as soon as they take
	 * them. */
	void (*take_back_all)(struct pxp_executor *executor, struct task_list *list);

	/* Whether a worker has started a TASK_HANDED task. Called with the lock held. This pointer
	 * is NULL if workers start tasks as soon as they take them. */
	bool (*has_begun)(struct pxp_executor *executor, const struct task *task);

	/* Called when a started task has got a cancel request. If may_kill is true, tries to kill
	 * the worker of the task. Returns true if the worker was killed: then *ret_cancelled is the
	 * completion for the task's future. Called with the lock held. This pointer is NULL if
	 * workers cannot be killed. */
	bool (*end)(struct pxp_executor *executor, struct task *task, bool may_kill,
	            struct completion *ret_cancelled);

	/* Returns the progress of a TASK_HANDED task. Called with the lock held. The function
	 * pointer is NULL if task->progress has the progress. */
	struct pxp_progress (*progress)(struct pxp_executor *executor, struct task *task);

	/* Kill all workers. Called with the lock held. This pointer is NULL if workers cannot be
	 * killed. */
	void (*kill)(struct pxp_executor *executor);

	/* Stop the workers if `stop` is true; if not, continue them. Called with the lock held.
	 * This pointer is NULL if workers cannot be stopped. */
	void (*suspend)(struct pxp_executor *executor, bool stop);

	/* Fill in the statistics that executor.c does not have. Called with the lock held. */
	void (*stats)(struct pxp_executor *executor,
	              struct pxp_executor_stats *ret_stats);

	/* Wait until all workers have ended. Called once, without the lock. */
	void (*join)(struct pxp_executor *executor);

	/* Called when the last reference was released. Frees the executor. */
	void (*free)(struct pxp_executor *executor);
};

struct pxp_executor {
	/* The owner of the futures of this executor's tasks. Must be the first member. */
	struct future_owner owner;
	const struct executor_table *table;
	/* The options, with defaults filled in. `name` and `init_bytes` are copies. */
	struct pxp_executor_options options;
	atomic_uint n_references;
	char name[16];
	/* Memory blocks for tasks with their futures. */
	struct block_pool *blocks;
	/* The number of completed tasks. The highest bit says whether done_counter counts them too.
	 * The bit and the number share one word, so that a done_counter that is created while tasks
	 * are completed counts each task exactly once. */
	_Atomic uint64_t n_done;

	/* Guards all members below. */
	struct lock lock;
	/* Signalled when the queue has room for several tasks, or when no more tasks are
	 * accepted. */
	struct cond has_room;
	/* Signalled when has_joined was set, or n_completing became 0. */
	struct cond has_ended;
	/* How many threads wait for room in the queue. */
	unsigned n_waiting;
	struct task_list queue;
	/* The total size of the queued inputs, and how many of them are in a memfd. */
	size_t n_queued_bytes, n_queued_memfds;
	/* No queued task expires before this time; -1: none expires. */
	int64_t next_expiry_ns;
	/* Whether pxp_executor_shutdown() was called. */
	bool is_stopping;
	/* Whether executor_unlock() must call table->wake. */
	bool must_wake;
	uint64_t n_submitted;
	/* An eventfd that counts completed tasks, or -1. May be read without the lock once the
	 * highest bit of n_done is set. */
	int done_counter;
	bool is_joining, has_joined;
	/* How many threads are inside a call that cancels or shuts down, and may complete tasks. */
	unsigned n_completing;
	/* The reason why the executor cannot run tasks any more. Status PXP_OK: it can run
	 * tasks. */
	struct pxp_error broken;
};

/* ---- creating and freeing an executor ---- */

/* Initialise the part that all executors have. The caller has filled the defaults into `options`.
 * init_bytes are copied. Returns PXP_OK or PXP_ENOMEM. */
enum pxp_status executor_init(struct pxp_executor *executor,
                              const struct executor_table *table,
                              const struct pxp_executor_options *options);
void executor_fini(struct pxp_executor *executor);

/* Take a reference, or release one. The last release frees the executor. */
void executor_acquire(struct pxp_executor *executor);
void executor_release(struct pxp_executor *executor);

/* Release the lock. If must_wake was set, clear it and then call table->wake. */
void executor_unlock(struct pxp_executor *executor);

/* ---- the queue: call these functions with the lock held ---- */

/* Take the next task from the queue. Returns NULL if the queue is empty. The task becomes
 * TASK_HANDED. */
struct task *executor_take(struct pxp_executor *executor);

/* Put a task that its worker did not complete back at the head of the queue. */
void executor_return(struct pxp_executor *executor, struct task *task);

/* Take and detach all tasks of the queue. */
struct task_list executor_take_all(struct pxp_executor *executor);

/* Take and detach the expired tasks of the queue. The caller must then complete them with
 * executor_complete_expired(). */
struct task_list executor_take_expired(struct pxp_executor *executor, int64_t now_ns);

/* ---- completion: call these functions without the lock ---- */

/* Complete the future of a task with the completion that task_put_completion() or task_run_here()
 * stored in the future, count the task, and destroy it. The task was detached, or ran in this
 * process. Runs callbacks. future_complete_in_place() describes the parameter `n_idle`. */
void executor_complete(struct pxp_executor *executor, struct task *task,
                       atomic_uint *n_idle);

/* Complete all detached tasks of a list with the given error. If the status of the error is
 * PXP_ECANCELLED, the tasks are cancelled; if not, they have failed. */
void executor_complete_list(struct pxp_executor *executor, struct task_list *list,
                            const struct pxp_error *error);

/* Complete tasks from executor_take_expired() as failed with PXP_EQUEUED. */
void executor_complete_expired(struct pxp_executor *executor, struct task_list *expired);

/* ---- the kinds that run tasks in this process ---- */

extern const struct executor_table inline_executor, thread_pool_executor;

#endif
