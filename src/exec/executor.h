/*
 * What every executor shares: a bounded queue under one lock, and a table of the few
 * things that differ.
 *
 * Order of locks: executor before future, never the reverse. Nothing is settled with an
 * executor's lock held.
 */
#ifndef PXP_EXEC_EXECUTOR_H
#define PXP_EXEC_EXECUTOR_H

#include "base/lock.h"
#include "exec/task.h"

#include <stdatomic.h>

struct executor_table {
	/* A task was queued, or shutdown began: with the lock held. False when no worker
	 * can be had for it (error says why). */
	bool (*wake)(struct pxp_executor *executor, struct pxp_error *ret_error);
	/* Take back a task that a worker has but has not begun: with the lock held. */
	bool (*take_back)(struct pxp_executor *executor, struct task *task);
	/* Whether a worker has begun a TASK_HANDED task: with the lock held. */
	bool (*has_begun)(struct pxp_executor *executor, const struct task *task);
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

	struct lock lock;      /* guards all below */
	struct cond has_room;  /* the queue shrank, or no more is taken */
	struct cond has_ended; /* has_joined was set */
	struct task_list queue;
	bool is_stopping; /* pxp_executor_shutdown() was called */
	bool is_joining, has_joined;
	struct pxp_error broken; /* status PXP_OK while it can run tasks */
};

/* How many workers the options ask for, the default filled in. */
unsigned executor_n_workers(const struct pxp_executor_options *options);

/* Fill what every executor has. Copies the initialiser's bytes. */
enum pxp_status executor_init(struct pxp_executor *executor,
                              const struct executor_table *table,
                              const struct pxp_executor_options *options);
void executor_fini(struct pxp_executor *executor);

void executor_acquire(struct pxp_executor *executor);
void executor_release(struct pxp_executor *executor); /* NULL is fine */

/* The next task of the queue, or NULL; tells who waits for room. With the lock held. */
struct task *executor_take(struct pxp_executor *executor);

/* For futures. */
bool executor_has_begun(struct pxp_executor *executor, struct pxp_future *future);
/* Take its task out of the executor's hands, if no worker has begun it. */
bool executor_withdraw(struct pxp_executor *executor, struct pxp_future *future);

/* Whether this thread belongs to executor; and how such a thread says so. */
bool executor_is_ours(const struct pxp_executor *executor);
void executor_adopt_thread(struct pxp_executor *executor);

enum pxp_status thread_pool_create(const struct pxp_executor_options *options,
                                   struct pxp_executor **ret_executor,
                                   struct pxp_error *ret_error);
enum pxp_status process_pool_create(const struct pxp_executor_options *options,
                                    struct pxp_executor **ret_executor,
                                    struct pxp_error *ret_error);

#endif
