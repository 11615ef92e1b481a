/*
 * The inline executor runs each task at once, in the thread that submits it: for debugging, and for
 * programs that must not start threads. No task stays in its queue: on_change, which is called with
 * the lock held, takes out the task that the submitting thread has just queued, and that thread
 * then runs the task.
 *
 * Several threads may submit at the same time, and a task may submit another one to its own
 * executor. All these tasks share one context, which the initialise function made.
 */
#include "exec/executor/executor.h"

#include <stdlib.h>

struct inline_executor {
	/* The lock in this member guards all members below. */
	struct pxp_executor executor;
	/* Signalled when n_running became 0. */
	struct cond is_idle;
	unsigned n_running;
	void *context;
	bool is_initialised;
	/* The error with which `initialise` failed. Its status is PXP_OK if `initialise` did not
	 * fail. */
	struct pxp_error failure;
};

static struct inline_executor *inline_of(struct pxp_executor *executor)
{
	return (struct inline_executor *)executor;
}

static bool inline_on_change(struct pxp_executor *executor)
{
	struct task *task = executor_take(executor);

	if (!task)
		return true; /* a shutdown has begun */
	inline_of(executor)->n_running++;
	/* If `initialise` has failed, the first task fails with the same error, and later
	 * submissions are refused. The pools do the same. */
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
	struct owner_context context;

	owner_enter(&context, &executor->owner);
	run(self, task);
	executor_complete(executor, task, NULL);
	owner_leave(&context);

	lock_acquire(&executor->lock);
	if (--self->n_running == 0)
		cond_broadcast(&self->is_idle);
	lock_release(&executor->lock);
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

static enum pxp_status create_inline(const struct pxp_executor_options *options,
                                     struct pxp_executor **ret_executor,
                                     struct pxp_error *ret_error)
{
	struct inline_executor *self = calloc(1, sizeof(*self));

	if (!self ||
	    executor_init(&self->executor, &inline_executor, options) != PXP_OK) {
		free(self);
		return pxp_fail(ret_error, PXP_ENOMEM,
		                "no memory for an inline executor");
	}
	cond_init(&self->is_idle);
	initialise(self);
	*ret_executor = &self->executor;
	return PXP_OK;
}

const struct executor_table inline_executor = {
	.create = create_inline,
	.max_inline_input = SIZE_MAX,
	.on_change = inline_on_change,
	.run_now = inline_run_now,
	.stats = inline_stats,
	.join = inline_join,
	.free = inline_free,
};
