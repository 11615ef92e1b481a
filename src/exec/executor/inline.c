/*
 * Tasks at once, in the thread that submits them: for debugging, and for a program that is
 * given no threads. Its queue is always empty, because wake, which is called with the lock
 * held, takes the task off again for the thread that put it there.
 *
 * Several threads may submit at the same time, and a task may submit another one to its
 * own executor. They all share one context: what the initialiser left.
 */
#include "exec/executor/executor.h"

#include <stdlib.h>

struct inline_executor {
	struct pxp_executor executor; /* its lock guards all below */
	struct cond is_idle;          /* n_running became 0 */
	unsigned n_running;
	void *context;
	bool is_initialised;
	struct pxp_error failure; /* of the initialiser; status PXP_OK: none */
};

static struct inline_executor *inline_of(struct pxp_executor *executor)
{
	return (struct inline_executor *)executor;
}

static bool inline_wake(struct pxp_executor *executor, struct pxp_error *ret_error)
{
	struct task *task = executor_take(executor);

	(void)ret_error;
	if (!task)
		return true; /* shutdown began */
	inline_of(executor)->n_running++;
	/* As of a pool, the first task after an initialiser that failed learns why, and those
	 * that come later are refused. */
	if (inline_of(executor)->failure.status != PXP_OK)
		executor->broken = inline_of(executor)->failure;
	else
		task->attempts = 1;
	future_start(task->future);
	return true;
}

static void run(struct inline_executor *self, struct task *task)
{
	struct completion broken = completion_of(PXP_FAILED);

	if (self->failure.status == PXP_OK) {
		task_run_here(task, self->context);
		return;
	}
	broken.outcome.error = self->failure;
	task_put_completion(task, &broken);
}

static void inline_run_now(struct pxp_executor *executor, struct task *task)
{
	struct inline_executor *self = inline_of(executor);
	struct executor_role role;

	executor_enter(&role, executor);
	run(self, task);
	executor_complete(executor, task, NULL);
	executor_leave(&role);

	/* Last of all: who waits for it may free the executor. */
	lock_acquire(&executor->lock);
	if (--self->n_running == 0)
		cond_broadcast(&self->is_idle);
	lock_release(&executor->lock);
}

static bool inline_take_back(struct pxp_executor *executor, struct task *task)
{
	(void)executor;
	(void)task;
	return false; /* it has begun */
}

static bool inline_has_begun(struct pxp_executor *executor, const struct task *task)
{
	(void)executor;
	(void)task;
	return true;
}

static bool inline_end(struct pxp_executor *executor, struct task *task, bool may_kill)
{
	(void)executor;
	(void)task;
	(void)may_kill;
	return false; /* it was asked; the caller's thread cannot be killed */
}

static struct pxp_progress inline_progress(struct pxp_executor *executor,
                                           struct task *task)
{
	(void)executor;
	return shared_progress_read(&task->progress);
}

static void inline_take_back_all(struct pxp_executor *executor, struct task_list *list)
{
	(void)executor;
	(void)list;
}

static void inline_kill(struct pxp_executor *executor)
{
	(void)executor;
}

static void inline_suspend(struct pxp_executor *executor, bool stop)
{
	(void)executor;
	(void)stop;
}

static void inline_stats(struct pxp_executor *executor,
                         struct pxp_executor_stats *ret_stats)
{
	ret_stats->n_running = inline_of(executor)->n_running;
}

static void inline_join(struct pxp_executor *executor)
{
	struct inline_executor *self = inline_of(executor);

	lock_acquire(&executor->lock);
	while (self->n_running > 0)
		cond_wait(&self->is_idle, &executor->lock);
	lock_release(&executor->lock);
	if (self->is_initialised && executor->options.finalise)
		executor->options.finalise(self->context);
}

static void inline_free(struct pxp_executor *executor)
{
	struct inline_executor *self = inline_of(executor);

	cond_fini(&self->is_idle);
	executor_fini(executor);
	free(self);
}

static const struct executor_table inline_table = {
	.wake = inline_wake,
	.run_now = inline_run_now,
	.take_back = inline_take_back,
	.has_begun = inline_has_begun,
	.end = inline_end,
	.progress = inline_progress,
	.take_back_all = inline_take_back_all,
	.kill = inline_kill,
	.join = inline_join,
	.suspend = inline_suspend,
	.stats = inline_stats,
	.free = inline_free,
};

static void initialise(struct inline_executor *self)
{
	const struct pxp_executor_options *options = &self->executor.options;
	struct pxp_error error = {0};

	self->is_initialised = !options->initialise ||
	                       options->initialise(options->init_bytes,
	                                           options->n_init_bytes, &self->context,
	                                           &error) == PXP_OK;
	if (!self->is_initialised)
		pxp_fail(&self->failure, PXP_EBROKEN, "%s", error.text);
}

enum pxp_status inline_create(const struct pxp_executor_options *options,
                              struct pxp_executor **ret_executor,
                              struct pxp_error *ret_error)
{
	struct inline_executor *self = calloc(1, sizeof(*self));

	if (!self || executor_init(&self->executor, &inline_table, options) != PXP_OK) {
		free(self);
		return pxp_fail(ret_error, PXP_ENOMEM,
		                "no memory for an inline executor");
	}
	cond_init(&self->is_idle);
	initialise(self);
	*ret_executor = &self->executor;
	return PXP_OK;
}
