/*
 * Executors. One table, three ways to run a task: here, on a thread, in a process.
 *
 * Promises that all keep (tests/exec/test_contract.c runs the same tests over each):
 *   - a submitted task is settled exactly once, by running, failing or cancel;
 *   - shutdown runs what is queued or cancels it; destroy runs it; neither forgets one;
 *   - tasks begin in the order of submission, and end in any order.
 */
#include "exec/executor.h"

#include "base/clock.h"
#include "base/fd.h"
#include "exec/blocks.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	DEFAULT_MAX_PENDING = 1024,
	DEFAULT_START_TIMEOUT_MS = 60 * 1000,
	MAX_WORKERS = 1024,
	MAX_KEPT_BLOCKS = 16 * 1024, /* of tasks that are done, for those to come */
};

static const size_t default_max_pending_bytes = (size_t)64 << 20;
static const size_t default_max_result = (size_t)256 << 20;

/* What this thread works for, the innermost first. */
static _Thread_local struct executor_role *thread_role;

bool executor_is_ours(const struct pxp_executor *executor)
{
	const struct executor_role *role = executor ? thread_role : NULL;

	while (role && role->executor != executor)
		role = role->outer;
	return role != NULL;
}

void executor_enter(struct executor_role *role, const struct pxp_executor *executor)
{
	static atomic_uint_least64_t n_roles;

	role->executor = executor;
	role->outer = thread_role;
	role->number = atomic_fetch_add_explicit(&n_roles, 1, memory_order_relaxed) + 1;
	thread_role = role;
}

void executor_leave(struct executor_role *role)
{
	thread_role = role->outer;
}

uint64_t executor_thread_role(void)
{
	return thread_role ? thread_role->number : 0;
}

void executor_adopt_thread(const struct pxp_executor *executor)
{
	static _Thread_local struct executor_role role;

	executor_enter(&role, executor);
}

/* ---- create and free ---- */

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

/* "pxp-1", "pxp-2", ... for those that were given no name. */
static void set_name(struct pxp_executor *executor, const char *name)
{
	static atomic_uint n_unnamed;

	if (name)
		snprintf(executor->name, sizeof(executor->name), "%s", name);
	else
		snprintf(executor->name, sizeof(executor->name), "pxp-%u",
		         atomic_fetch_add(&n_unnamed, 1) + 1);
	executor->options.name = executor->name;
}

enum pxp_status executor_init(struct pxp_executor *executor,
                              const struct executor_table *table,
                              const struct pxp_executor_options *options)
{
	struct blocks *blocks = blocks_create(task_block_bytes(), MAX_KEPT_BLOCKS);
	void *init_bytes = NULL;

	if (!blocks)
		return PXP_ENOMEM;
	if (options->n_init_bytes > 0) {
		init_bytes = malloc(options->n_init_bytes);
		if (!init_bytes) {
			blocks_abandon(blocks);
			return PXP_ENOMEM;
		}
		memcpy(init_bytes, options->init_bytes, options->n_init_bytes);
	}
	executor->table = table;
	executor->blocks = blocks;
	executor->options = *options;
	executor->options.init_bytes = init_bytes;
	executor->options.n_workers = executor_n_workers(options);
	if (options->max_pending == 0)
		executor->options.max_pending = DEFAULT_MAX_PENDING;
	if (options->max_pending_bytes == 0)
		executor->options.max_pending_bytes = default_max_pending_bytes;
	if (options->max_result == 0)
		executor->options.max_result = default_max_result;
	if (options->start_timeout_ms == 0)
		executor->options.start_timeout_ms = DEFAULT_START_TIMEOUT_MS;
	set_name(executor, options->name);

	executor->completions = -1;
	atomic_init(&executor->n_references, 1);
	lock_init(&executor->lock);
	cond_init(&executor->has_room);
	cond_init(&executor->has_ended);
	return PXP_OK;
}

void executor_fini(struct pxp_executor *executor)
{
	fd_close(&executor->completions);
	expiry_fini(&executor->expiry);
	cond_fini(&executor->has_ended);
	cond_fini(&executor->has_room);
	lock_fini(&executor->lock);
	blocks_abandon(executor->blocks);
	free((void *)executor->options.init_bytes);
}

bool executor_has_frames(const struct pxp_executor *executor)
{
	return executor->options.kind == PXP_PROCESSES;
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

static bool is_for_processes(const struct pxp_executor_options *options)
{
	return options->prepare || options->preload || options->lock_down ||
	       options->max_tasks_per_worker > 0 || options->max_result > 0 ||
	       options->idle_timeout_ms != 0 || options->start_timeout_ms != 0 ||
	       options->max_crashes > 0 || options->memory_allowance > 0 ||
	       options->memory_budget > 0 || options->max_output > 0;
}

static const char *what_is_wrong(const struct pxp_executor_options *options)
{
	if (options->kind != PXP_PROCESSES && is_for_processes(options))
		return "prepare, preload, lock_down, max_tasks_per_worker, max_result, idle_timeout_ms, "
		       "start_timeout_ms, max_crashes, memory_allowance, memory_budget and "
		       "max_output are for processes";
	if (options->n_workers > MAX_WORKERS)
		return "n_workers is over 1024";
	if (options->n_init_bytes > 0 && !options->init_bytes)
		return "n_init_bytes without init_bytes";
	if (options->memory_budget > 0 && options->memory_allowance == 0)
		return "memory_budget without memory_allowance";
	if (options->memory_allowance > INT64_MAX / 2 ||
	    options->memory_budget > INT64_MAX / 2)
		return "memory_allowance or memory_budget is over 4 EiB";
	if (options->idle_timeout_ms < 0 || options->start_timeout_ms < 0)
		return "idle_timeout_ms or start_timeout_ms is negative";
	return NULL;
}

enum pxp_status pxp_executor_create(const struct pxp_executor_options *options,
                                    struct pxp_executor **ret_executor,
                                    struct pxp_error *ret_error)
{
	*ret_executor = NULL;
	if (!options || options->size != sizeof(*options))
		return pxp_fail(ret_error, PXP_EINVAL,
		                "options.size is not that of this library");
	if (what_is_wrong(options))
		return pxp_fail(ret_error, PXP_EINVAL, "%s", what_is_wrong(options));

	switch (options->kind) {
	case PXP_THREADS:
		return thread_pool_create(options, ret_executor, ret_error);
	case PXP_PROCESSES:
		return process_pool_create(options, ret_executor, ret_error);
	case PXP_INLINE:
		return inline_create(options, ret_executor, ret_error);
	}
	return pxp_fail(ret_error, PXP_EINVAL, "no such kind of executor: %d",
	                (int)options->kind);
}

/* ---- submission ---- */

static bool options_are_valid(const struct pxp_executor *executor,
                              const struct pxp_task_options *options)
{
	bool is_for_a_process = options->output || options->retries > 0 ||
	                        options->max_kills > 0 || options->deadline_ms != 0 ||
	                        options->max_deadline_ms != 0 || options->stall_ms != 0 ||
	                        options->max_memory > 0 || options->retry_memory;

	return options->size == sizeof(*options) &&
	       options->n_descriptors <= PXP_MAX_DESCRIPTORS &&
	       (options->n_descriptors == 0 || options->descriptors) &&
	       options->deadline_ms >= 0 && options->max_deadline_ms >= 0 &&
	       options->stall_ms >= 0 && options->queue_timeout_ms >= 0 &&
	       options->max_memory <= INT64_MAX / 2 &&
	       !(is_for_a_process && executor->options.kind != PXP_PROCESSES);
}

static enum pxp_status submit(struct pxp_executor *executor, pxp_task_fn *run,
                              const void *input, size_t n_input,
                              const struct pxp_task_options *options, int64_t deadline_ns,
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
	/* Once it is queued the task may be done and gone at any time, and who sees that may
	 * destroy the executor. */
	future = pxp_future_acquire(task->future);
	executor_acquire(executor);
	status = executor_enqueue(executor, task, deadline_ns);
	if (status != PXP_OK) {
		task->n_descriptors = 0; /* still the caller's */
		task_destroy(task);
	} else if (executor->table->run_now) {
		executor->table->run_now(executor, task);
	}
	executor_release(executor);
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
	return submit(executor, run, input, n_input, options, -1, ret_future);
}

enum pxp_status pxp_executor_submit_within(struct pxp_executor *executor,
                                           pxp_task_fn *run, const void *input,
                                           size_t n_input,
                                           const struct pxp_task_options *options,
                                           int64_t timeout_ms,
                                           struct pxp_future **ret_future)
{
	int64_t deadline_ns = timeout_ms == 0
	                              ? 0
	                              : clock_deadline_ns(clock_now_ns(), timeout_ms);

	return submit(executor, run, input, n_input, options, deadline_ns, ret_future);
}

enum pxp_status pxp_executor_try_submit(struct pxp_executor *executor, pxp_task_fn *run,
                                        const void *input, size_t n_input,
                                        const struct pxp_task_options *options,
                                        struct pxp_future **ret_future)
{
	return submit(executor, run, input, n_input, options, 0, ret_future);
}

/* ---- for futures ---- */

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

/* A thread that settles what it took off an executor: nobody who waits for the executor's
 * end gets away before, and a callback that would wait for it is told so. */
static void begin_settling(struct pxp_executor *executor)
{
	executor->n_settling++;
}

static void end_settling(struct pxp_executor *executor)
{
	lock_acquire(&executor->lock);
	if (--executor->n_settling == 0)
		cond_broadcast(&executor->has_ended);
	lock_release(&executor->lock);
}

static void settle_cancelled(struct pxp_executor *executor, struct pxp_future *future)
{
	struct settlement cancelled = settlement_cancelled("cancelled");
	struct executor_role role;

	executor_enter(&role, executor);
	future_settle(future, &cancelled);
	executor_leave(&role);
}

void executor_cancel(struct pxp_executor *executor, struct pxp_future *future,
                     enum pxp_cancel force)
{
	struct task *task;
	bool is_taken, is_killed = false;
	int completions = -1;

	lock_acquire(&executor->lock);
	task = future_task(future);
	is_taken = task && take_back(executor, task, force);
	if (is_taken) {
		task_detach(task);
	} else if (task && force != PXP_CANCEL_PENDING) {
		atomic_store(&task->is_asked_to_end, true);
		if (task->place == TASK_HANDED)
			is_killed = executor->table->end(executor, task,
			                                 force == PXP_CANCEL_KILL);
		if (is_killed)
			task->is_settled = true;
	}
	begin_settling(executor);
	executor_unlock(executor);

	if (is_taken) {
		task_destroy(task);
		completions = executor_count_done(executor);
	}
	if (is_taken || is_killed)
		settle_cancelled(executor, future);
	executor_tell(completions);
	end_settling(executor);
}

/* ---- shutdown ---- */

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
	while (!executor->has_joined || executor->n_settling > 0)
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

static void settle_pending(struct pxp_executor *executor, struct task_list *pending)
{
	struct executor_role role;
	struct pxp_error why;

	pxp_fail(&why, PXP_ECANCELLED, "cancelled: the executor was shut down");
	executor_enter(&role, executor);
	executor_settle_list(executor, pending, &why);
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
	/* A callback of what is settled here may destroy the executor. */
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
	begin_settling(executor);
	executor_unlock(executor);

	settle_pending(executor, &pending);
	end_settling(executor);

	if (flags & PXP_SHUTDOWN_WAIT && !would_wait_for_itself)
		join_once(executor);
	executor_release(executor);
	return flags & PXP_SHUTDOWN_WAIT && would_wait_for_itself ? PXP_EDEADLK : PXP_OK;
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
