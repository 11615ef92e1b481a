/* The end of an executor, and what is asked about it while it lives. */
#include "exec/executor/executor.h"

void executor_begin_completing(struct pxp_executor *executor)
{
	executor->n_completing++;
}

void executor_end_completing(struct pxp_executor *executor)
{
	lock_acquire(&executor->lock);
	if (--executor->n_completing == 0)
		cond_broadcast(&executor->has_ended);
	lock_release(&executor->lock);
}

static void join_once(struct pxp_executor *executor)
{
	bool is_first;

	lock_acquire(&executor->lock);
	is_first = !executor->is_joining;
	executor->is_joining = true;
	lock_release(&executor->lock);
	if (is_first)
		executor->table->join(executor);

	lock_acquire(&executor->lock);
	if (is_first) {
		executor->has_joined = true;
		cond_broadcast(&executor->has_ended);
	}
	while (!executor->has_joined || executor->n_completing > 0)
		cond_wait(&executor->has_ended, &executor->lock);
	lock_release(&executor->lock);
}

/* Take everything that no worker has begun off the executor. */
static struct task_list take_pending(struct pxp_executor *executor)
{
	struct task_list list = executor_take_all(executor), handed = {0};

	executor->table->take_back_all(executor, &handed);
	while (handed.first) {
		struct task *task = handed.first;

		task_list_remove(&handed, task);
		task_detach(task);
		task_list_append(&list, task);
	}
	return list;
}

static void complete_pending(struct pxp_executor *executor, struct task_list *pending)
{
	struct executor_role role;
	struct pxp_error why;

	pxp_fail(&why, PXP_ECANCELLED, "cancelled: the executor was shut down");
	executor_enter(&role, executor);
	executor_complete_list(executor, pending, &why);
	executor_leave(&role);
}

enum pxp_status pxp_executor_shutdown(struct pxp_executor *executor, unsigned flags)
{
	const unsigned known = PXP_SHUTDOWN_WAIT | PXP_SHUTDOWN_CANCEL_PENDING |
	                       PXP_SHUTDOWN_KILL;
	bool would_wait_for_itself = executor_is_ours(executor);
	struct task_list pending = {0};

	if (flags & ~known)
		return PXP_EINVAL;
	/* Another thread may destroy the executor meanwhile, told by a callback of what is
	 * completed here. */
	executor_acquire(executor);
	lock_acquire(&executor->lock);
	executor->is_stopping = true;
	executor->table->suspend(executor, false);
	if (flags & (PXP_SHUTDOWN_CANCEL_PENDING | PXP_SHUTDOWN_KILL))
		pending = take_pending(executor);
	if (flags & PXP_SHUTDOWN_KILL)
		executor->table->kill(executor);
	cond_broadcast(&executor->has_room);
	executor->table->wake(executor, NULL);
	executor_begin_completing(executor);
	executor_unlock(executor);

	complete_pending(executor, &pending);
	executor_end_completing(executor);

	if (flags & PXP_SHUTDOWN_WAIT && !would_wait_for_itself)
		join_once(executor);
	executor_release(executor);
	return flags & PXP_SHUTDOWN_WAIT && would_wait_for_itself ? PXP_EDEADLK : PXP_OK;
}

void pxp_executor_destroy(struct pxp_executor *executor)
{
	if (!executor)
		return;
	/* Who still runs in it needs it. */
	if (pxp_executor_shutdown(executor, PXP_SHUTDOWN_WAIT) == PXP_OK)
		executor_release(executor);
}

static void suspend(struct pxp_executor *executor, bool stop)
{
	lock_acquire(&executor->lock);
	executor->table->suspend(executor, stop);
	executor_unlock(executor);
}

void pxp_executor_suspend(struct pxp_executor *executor)
{
	suspend(executor, true);
}

void pxp_executor_resume(struct pxp_executor *executor)
{
	suspend(executor, false);
}

void pxp_executor_stats(struct pxp_executor *executor,
                        struct pxp_executor_stats *ret_stats)
{
	*ret_stats = (struct pxp_executor_stats){0};
	lock_acquire(&executor->lock);
	ret_stats->n_pending = executor->queue.n;
	ret_stats->n_done = executor_n_done(executor);
	executor->table->stats(executor, ret_stats);
	lock_release(&executor->lock);
}
