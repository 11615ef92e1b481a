/*
 * Executors. One table, two ways to run a task: on a thread, in a process.
 *
 * Promises that both keep (tests/exec/test_contract.c runs the same tests over both):
 *   - a submitted task is settled exactly once, by running, failing or cancel;
 *   - shutdown runs what is queued or cancels it; destroy runs it; neither forgets one;
 *   - tasks begin in the order of submission, and end in any order.
 */
#include "exec/executor.h"

#include "base/clock.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MAX_PENDING = 1024, MAX_WORKERS = 1024 };

/* The executor that this thread works for. */
static _Thread_local struct pxp_executor *thread_executor;

bool executor_is_ours(const struct pxp_executor *executor)
{
	return executor && executor == thread_executor;
}

void executor_adopt_thread(struct pxp_executor *executor)
{
	thread_executor = executor;
}

unsigned pxp_default_workers(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
	return 1;
}

unsigned executor_n_workers(const struct pxp_executor_options *options)
{
	return options->n_workers > 0 ? options->n_workers : pxp_default_workers();
}

enum pxp_status executor_init(struct pxp_executor *executor,
                              const struct executor_table *table,
                              const struct pxp_executor_options *options)
{
	executor->table = table;
	executor->options = *options;
	executor->options.n_workers = executor_n_workers(options);
	if (executor->options.max_pending == 0)
		executor->options.max_pending = DEFAULT_MAX_PENDING;
	executor->options.init_bytes = NULL;
	if (options->n_init_bytes > 0) {
		void *copy = malloc(options->n_init_bytes);

		if (!copy)
			return PXP_ENOMEM;
		memcpy(copy, options->init_bytes, options->n_init_bytes);
		executor->options.init_bytes = copy;
	}

	atomic_init(&executor->n_references, 1);
	lock_init(&executor->lock);
	cond_init(&executor->has_room);
	cond_init(&executor->has_ended);
	return PXP_OK;
}

void executor_fini(struct pxp_executor *executor)
{
	cond_fini(&executor->has_ended);
	cond_fini(&executor->has_room);
	lock_fini(&executor->lock);
	free((void *)executor->options.init_bytes);
}

void executor_acquire(struct pxp_executor *executor)
{
	atomic_fetch_add_explicit(&executor->n_references, 1, memory_order_relaxed);
}

void executor_release(struct pxp_executor *executor)
{
	if (executor && atomic_fetch_sub_explicit(&executor->n_references, 1,
	                                          memory_order_acq_rel) == 1)
		executor->table->free(executor);
}

enum pxp_status pxp_executor_create(const struct pxp_executor_options *options,
                                    struct pxp_executor **ret_executor,
                                    struct pxp_error *ret_error)
{
	*ret_executor = NULL;
	if (!options || options->size != sizeof(*options))
		return pxp_fail(ret_error, PXP_EINVAL,
		                "options.size is not that of this library");
	if (options->n_workers > MAX_WORKERS)
		return pxp_fail(ret_error, PXP_EINVAL, "n_workers is over %d",
		                MAX_WORKERS);
	if (options->n_init_bytes > 0 && !options->init_bytes)
		return pxp_fail(ret_error, PXP_EINVAL, "n_init_bytes without init_bytes");

	switch (options->kind) {
	case PXP_THREADS:
		if (options->preload || options->lock_down)
			return pxp_fail(ret_error, PXP_EINVAL,
			                "preload and lock_down are for processes");
		return thread_pool_create(options, ret_executor, ret_error);
	case PXP_PROCESSES:
		return process_pool_create(options, ret_executor, ret_error);
	}
	return pxp_fail(ret_error, PXP_EINVAL, "no such kind of executor: %d",
	                (int)options->kind);
}

static bool options_are_valid(const struct pxp_executor *executor,
                              const struct pxp_task_options *options)
{
	bool is_for_processes = options->output || options->retries > 0 ||
	                        options->deadline_ms != 0 ||
	                        options->max_deadline_ms != 0;

	return options->size == sizeof(*options) &&
	       options->n_descriptors <= PXP_MAX_DESCRIPTORS &&
	       (options->n_descriptors == 0 || options->descriptors) &&
	       options->deadline_ms >= 0 && options->max_deadline_ms >= 0 &&
	       !(is_for_processes && executor->options.kind == PXP_THREADS);
}

/* Why no task is taken now, waiting for room until deadline_ns; the lock is held. */
static enum pxp_status wait_for_room(struct pxp_executor *executor, bool may_wait)
{
	while (!executor->is_stopping && executor->broken.status == PXP_OK &&
	       executor->queue.n >= executor->options.max_pending) {
		if (!may_wait)
			return PXP_EAGAIN;
		if (executor_is_ours(executor))
			return PXP_EDEADLK;
		cond_wait(&executor->has_room, &executor->lock);
	}
	if (executor->is_stopping)
		return PXP_ESHUTDOWN;
	return executor->broken.status == PXP_OK ? PXP_OK : PXP_EBROKEN;
}

static enum pxp_status enqueue(struct pxp_executor *executor, struct task *task,
                               bool may_wait)
{
	enum pxp_status status;

	lock_acquire(&executor->lock);
	status = wait_for_room(executor, may_wait);
	if (status == PXP_OK) {
		task_list_append(&executor->queue, task);
		if (!executor->table->wake(executor, NULL)) {
			task_list_remove(&executor->queue, task);
			status = PXP_ESYS;
		}
	}
	lock_release(&executor->lock);
	return status;
}

static enum pxp_status submit(struct pxp_executor *executor, pxp_task_fn *run,
                              const void *input, size_t n_input,
                              const struct pxp_task_options *options, bool may_wait,
                              struct pxp_future **ret_future)
{
	static const struct pxp_task_options defaults = {.size = sizeof(defaults)};
	struct pxp_future *future;
	struct task *task;
	enum pxp_status status;

	if (ret_future)
		*ret_future = NULL;
	if (!options)
		options = &defaults;
	if (!run || (n_input > 0 && !input) || !options_are_valid(executor, options))
		return PXP_EINVAL;

	task = task_create(executor, run, input, n_input, options);
	if (!task)
		return PXP_ENOMEM;
	/* Once it is queued the task may be gone at any time; the future is held by us. */
	future = pxp_future_acquire(task->future);
	status = enqueue(executor, task, may_wait);
	if (status != PXP_OK) {
		task->n_descriptors = 0; /* still the caller's */
		task_destroy(task);
	}
	if (status == PXP_OK && ret_future)
		*ret_future = future;
	else
		pxp_future_release(future);
	return status;
}

enum pxp_status pxp_executor_submit(struct pxp_executor *executor, pxp_task_fn *run,
                                    const void *input, size_t n_input,
                                    const struct pxp_task_options *options,
                                    struct pxp_future **ret_future)
{
	return submit(executor, run, input, n_input, options, true, ret_future);
}

enum pxp_status pxp_executor_try_submit(struct pxp_executor *executor, pxp_task_fn *run,
                                        const void *input, size_t n_input,
                                        const struct pxp_task_options *options,
                                        struct pxp_future **ret_future)
{
	return submit(executor, run, input, n_input, options, false, ret_future);
}

struct task *executor_take(struct pxp_executor *executor)
{
	struct task *task = executor->queue.first;

	if (!task)
		return NULL;
	task_list_remove(&executor->queue, task);
	task->place = TASK_HANDED;
	cond_signal(&executor->has_room);
	return task;
}

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

bool executor_withdraw(struct pxp_executor *executor, struct pxp_future *future)
{
	struct task *task;

	lock_acquire(&executor->lock);
	task = future_task(future);
	if (task && task->attempts > 0) {
		task = NULL; /* it waits to be tried again: it is running */
	} else if (task && task->place == TASK_QUEUED) {
		task_list_remove(&executor->queue, task);
		cond_signal(&executor->has_room);
	} else if (task && !executor->table->take_back(executor, task)) {
		task = NULL;
	}
	if (task)
		task_detach(task);
	lock_release(&executor->lock);

	task_destroy(task);
	return task != NULL;
}

/* Take everything that no worker has begun off the executor. */
static struct task_list take_pending(struct pxp_executor *executor)
{
	struct task_list list = executor->queue;

	executor->queue = (struct task_list){0};
	executor->table->take_back_all(executor, &list);
	for (struct task *task = list.first; task; task = task->after)
		task_detach(task);
	return list;
}

static void join_once(struct pxp_executor *executor)
{
	bool is_first;

	lock_acquire(&executor->lock);
	is_first = !executor->is_joining;
	executor->is_joining = true;
	while (!is_first && !executor->has_joined)
		cond_wait(&executor->has_ended, &executor->lock);
	lock_release(&executor->lock);
	if (!is_first)
		return;

	executor->table->join(executor);
	lock_acquire(&executor->lock);
	executor->has_joined = true;
	cond_broadcast(&executor->has_ended);
	lock_release(&executor->lock);
}

enum pxp_status pxp_executor_shutdown(struct pxp_executor *executor, unsigned flags)
{
	struct task_list cancelled = {0};
	struct pxp_error why;

	lock_acquire(&executor->lock);
	executor->is_stopping = true;
	if (flags & (PXP_SHUTDOWN_CANCEL_PENDING | PXP_SHUTDOWN_KILL))
		cancelled = take_pending(executor);
	if (flags & PXP_SHUTDOWN_KILL)
		executor->table->kill(executor);
	cond_broadcast(&executor->has_room);
	executor->table->wake(executor, NULL);
	lock_release(&executor->lock);

	pxp_fail(&why, PXP_ECANCELLED, "cancelled: the executor was shut down");
	task_list_settle(&cancelled, &why);

	if (!(flags & PXP_SHUTDOWN_WAIT))
		return PXP_OK;
	if (executor_is_ours(executor))
		return PXP_EDEADLK;
	join_once(executor);
	return PXP_OK;
}

void pxp_executor_destroy(struct pxp_executor *executor)
{
	if (!executor)
		return;
	pxp_executor_shutdown(executor, PXP_SHUTDOWN_WAIT);
	executor_release(executor);
}

static void suspend(struct pxp_executor *executor, bool stop)
{
	lock_acquire(&executor->lock);
	executor->table->suspend(executor, stop);
	lock_release(&executor->lock);
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
	executor->table->stats(executor, ret_stats);
	lock_release(&executor->lock);
}
