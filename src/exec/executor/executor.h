/*
 * What every executor shares: a bounded queue under one lock, and a table of the few
 * things that differ.
 *
 * Order of locks: executor, future, waiter, never the reverse. Nothing is completed with an
 * executor's lock held.
 */
#ifndef PXP_EXEC_EXECUTOR_H
#define PXP_EXEC_EXECUTOR_H

#include "base/lock.h"
#include "exec/executor/expiry.h"
#include "exec/executor/task.h"

#include <stdatomic.h>

struct executor_table {
	/* A task was queued, or shutdown began: with the lock held. False when no worker
	 * can be had for it (error says why). */
	bool (*wake)(struct pxp_executor *executor, struct pxp_error *ret_error);
	/* The inline executor alone: run the task that its wake took off the queue, without
	 * the lock. Else NULL. */
	void (*run_now)(struct pxp_executor *executor, struct task *task);
	/* Call the worker that wake wants called (is_calling): without the lock, so that it
	 * does not run into it. */
	void (*call)(struct pxp_executor *executor);
	/* Take back a task that a worker has but has not begun: with the lock held. */
	bool (*take_back)(struct pxp_executor *executor, struct task *task);
	/* Whether a worker has begun a TASK_HANDED task: with the lock held. */
	bool (*has_begun)(struct pxp_executor *executor, const struct task *task);
	/* Ask a task that was begun to end, or kill its worker, which only a process pool can:
	 * with the lock held. Whether it is killed. */
	bool (*end)(struct pxp_executor *executor, struct task *task, bool may_kill);
	/* What completes a task whose worker end has just killed: with the lock held. NULL where
	 * end kills nobody. */
	struct completion (*killed)(struct pxp_executor *executor, struct task *task);
	/* How far a TASK_HANDED task says it is: with the lock held. */
	struct pxp_progress (*progress)(struct pxp_executor *executor, struct task *task);
	/* Take back every task that no worker has begun, into list: with the lock held. */
	void (*take_back_all)(struct pxp_executor *executor, struct task_list *list);
	void (*kill)(struct pxp_executor *executor); /* with the lock held */
	void (*join)(struct pxp_executor *executor); /* without; only once */
	void (*suspend)(struct pxp_executor *executor,
	                bool stop);                  /* with the lock held */
	void (*stats)(struct pxp_executor *executor, /* with the lock held */
	              struct pxp_executor_stats *ret_stats);
	void (*free)(struct pxp_executor *executor); /* the last reference is gone */
};

struct pxp_executor {
	const struct executor_table *table;
	struct pxp_executor_options options; /* with defaults filled in, bytes copied */
	atomic_uint n_references;
	char name[16];
	struct blocks *blocks; /* for tasks with their futures */
	/* Tasks completed, however they ended; and, in one step with that, whether a descriptor
	 * counts them as well (HAS_COMPLETIONS), so that one made meanwhile neither misses one
	 * nor has it twice. */
	_Atomic uint64_t n_done;

	struct lock lock;      /* guards all below */
	struct cond has_room;  /* the queue shrank, or no more is taken */
	struct cond has_ended; /* has_joined was set */
	unsigned n_waiting;    /* threads that wait for room */
	struct task_list queue;
	size_t n_queued_bytes; /* the inputs of the queue */
	size_t n_queued_long;  /* those of them that hold a descriptor */
	struct expiry expiry;  /* those of the queue that have to begin by a time */
	bool is_stopping;      /* pxp_executor_shutdown() was called */
	bool is_calling;       /* who gives up the lock is to call (executor_unlock()) */
	uint64_t n_submitted;
	int completions; /* eventfd that counts completed tasks, or -1; good without the lock
	                  * once n_done says that it is there */
	bool is_joining, has_joined;
	unsigned n_completing;   /* threads of others that complete what they took off */
	struct pxp_error broken; /* status PXP_OK while it can run tasks */
};

/* How many workers the options ask for, the default filled in. */
unsigned executor_n_workers(const struct pxp_executor_options *options);

/* Fill what every executor has. Copies the initialiser's bytes. */
enum pxp_status executor_init(struct pxp_executor *executor,
                              const struct executor_table *table,
                              const struct pxp_executor_options *options);
void executor_fini(struct pxp_executor *executor);

/* Whether its tasks go to workers in frames. */
bool executor_has_frames(const struct pxp_executor *executor);

void executor_acquire(struct pxp_executor *executor);
void executor_release(struct pxp_executor *executor); /* NULL is fine */

/* Queue a task and wake who is to run it. Waits for room until deadline_ns: 0 not at all,
 * -1 for ever. Errors as of pxp_executor_submit(). */
enum pxp_status executor_enqueue(struct pxp_executor *executor, struct task *task,
                                 int64_t deadline_ns);

/* Take a task out of the queue; tells who waits for room. With the lock held. */
void executor_remove(struct pxp_executor *executor, struct task *task);

/* The next task of the queue, or NULL; tells who waits for room. With the lock held. */
struct task *executor_take(struct pxp_executor *executor);

/* Back to the head of the queue: a worker died that had it. With the lock held. */
void executor_return(struct pxp_executor *executor, struct task *task);

/* Take the tasks of the queue whose time to begin is over, and detach them: with the lock
 * held. They are to be completed with PXP_EQUEUED (executor_complete_expired()). */
struct task_list executor_take_expired(struct pxp_executor *executor, int64_t now_ns);
void executor_complete_expired(struct pxp_executor *executor, struct task_list *expired);

/* Take all of the queue, and detach it: with the lock held. */
struct task_list executor_take_all(struct pxp_executor *executor);

/* Give up the lock, and then call whom wake wants called. */
void executor_unlock(struct pxp_executor *executor);

uint64_t executor_n_done(const struct pxp_executor *executor);

/* Complete a task with what was put in its future, count it and tell the completion
 * descriptor; without the lock. For who alone holds the task. n_idle: NULL, or as in
 * future_complete_in_place(). */
void executor_complete(struct pxp_executor *executor, struct task *task,
                       atomic_uint *n_idle);
/* Count one that is about to be completed, so that who sees it completed sees it counted; and,
 * once it is, tell the completion descriptor that was there then. Without the lock. */
int executor_count_done(struct pxp_executor *executor);
void executor_tell(int completions);
/* The same for a list, cancelled or failed with error. */
void executor_complete_list(struct pxp_executor *executor, struct task_list *list,
                            const struct pxp_error *error);

/* A thread that completes what it took off an executor: nobody who waits for the executor's
 * end gets away before, and a callback that would wait for it is told so. */
void executor_begin_completing(struct pxp_executor *executor); /* with the lock held */
void executor_end_completing(struct pxp_executor *executor);

/* For futures. */
struct pxp_progress executor_progress(struct pxp_executor *executor,
                                      struct pxp_future *future);
bool executor_has_begun(struct pxp_executor *executor, struct pxp_future *future);
/* Take its task out of the executor's hands, if no worker has begun it, else do to it what
 * force says; and complete it, if it is cancelled by that. */
void executor_cancel(struct pxp_executor *executor, struct pxp_future *future,
                     enum pxp_cancel force);

/* What a thread works for. A task of an inline executor may run inside one of another. */
struct executor_role {
	const struct pxp_executor *executor;
	struct executor_role *outer;
	uint64_t number; /* no two are the same, ever */
};

/* Whether this thread belongs to executor; and how such a thread says so, for a time or
 * for its life. */
bool executor_is_ours(const struct pxp_executor *executor);
void executor_enter(struct executor_role *role, const struct pxp_executor *executor);
void executor_leave(struct executor_role *role);
void executor_adopt_thread(const struct pxp_executor *executor);

/* The number of this thread's role, 0 without one: while it is the same, so is every answer
 * of executor_is_ours(). */
uint64_t executor_thread_role(void);

enum pxp_status inline_create(const struct pxp_executor_options *options,
                              struct pxp_executor **ret_executor,
                              struct pxp_error *ret_error);
enum pxp_status thread_pool_create(const struct pxp_executor_options *options,
                                   struct pxp_executor **ret_executor,
                                   struct pxp_error *ret_error);
enum pxp_status process_pool_create(const struct pxp_executor_options *options,
                                    struct pxp_executor **ret_executor,
                                    struct pxp_error *ret_error);

#endif
