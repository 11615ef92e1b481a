/* What becomes of one task that an executor has, as its future asks. */
#include "exec/executor/executor.h"

bool executor_has_begun(struct pxp_executor *executor, struct pxp_future *future)
{
	const struct task *task;
	bool has_begun = false;

	lock_acquire(&executor->lock);
	task = future_task(future);
	if (task)
		has_begun = task->attempts > 0 ||
		            (task->place == TASK_HANDED &&
		             executor->table->has_begun(executor, task));
	lock_release(&executor->lock);
	return has_begun;
}

struct pxp_progress executor_progress(struct pxp_executor *executor,
                                      struct pxp_future *future)
{
	struct pxp_progress progress = {0};
	struct task *task;

	lock_acquire(&executor->lock);
	task = future_task(future);
	if (task && task->place == TASK_HANDED)
		progress = executor->table->progress(executor, task);
	lock_release(&executor->lock);
	return progress;
}

/* Take a task that no worker has begun (or, by force, one that waits to be begun again)
 * out of the executor's hands. */
static bool take_back(struct pxp_executor *executor, struct task *task,
                      enum pxp_cancel force)
{
	if (task->attempts > 0 && force != PXP_CANCEL_KILL)
		return false; /* between two attempts it is running */
	if (task->place == TASK_HANDED)
		return executor->table->take_back(executor, task);
	executor_remove(executor, task);
	return true;
}

static void complete(struct pxp_executor *executor, struct pxp_future *future,
                     struct completion *cancelled)
{
	int completions = executor_count_done(executor);
	struct executor_role role;

	executor_enter(&role, executor);
	future_complete(future, cancelled);
	executor_leave(&role);
	executor_tell(completions);
}

/* Have a task that was begun end: whether it is cancelled by that. */
static bool end(struct pxp_executor *executor, struct task *task, enum pxp_cancel force,
                struct completion *ret_cancelled)
{
	atomic_store(&task->is_asked_to_end, true);
	if (task->place != TASK_HANDED || task->is_completed ||
	    !executor->table->end(executor, task, force == PXP_CANCEL_KILL))
		return false;
	*ret_cancelled = executor->table->killed(executor, task);
	task->is_completed = true;
	return true;
}

void executor_cancel(struct pxp_executor *executor, struct pxp_future *future,
                     enum pxp_cancel force)
{
	struct completion cancelled = completion_cancelled("cancelled");
	bool is_taken, is_killed = false;
	struct task *task;

	lock_acquire(&executor->lock);
	task = future_task(future);
	is_taken = task && take_back(executor, task, force);
	if (is_taken)
		task_detach(task);
	else if (task && force != PXP_CANCEL_PENDING)
		is_killed = end(executor, task, force, &cancelled);
	executor_begin_completing(executor);
	executor_unlock(executor);

	if (is_taken)
		task_destroy(task);
	if (is_taken || is_killed)
		complete(executor, future, &cancelled);
	executor_end_completing(executor);
}
