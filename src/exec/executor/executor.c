/*
 * Executors. One table, three ways to run a task: here, on a thread, in a process.
 *
 * Promises that all keep (tests/exec/test_contract.c runs the same tests over each):
 *   - a submitted task is completed exactly once, by running, failing or cancel;
 *   - shutdown runs what is queued or cancels it; destroy runs it; neither forgets one;
 *   - tasks begin in the order of submission, and end in any order.
 */
#include "exec/executor/executor.h"

#include "base/clock.h"
#include "base/fd.h"
#include "exec/executor/blocks.h"
#include "exec/executor/options.h"
#include "exec/process/protocol.h"

#include <errno.h>
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
	       options->start_timeout_ms != 0 || options->max_crashes > 0 ||
	       options->memory_allowance > 0 || options->memory_budget > 0 ||
	       options->max_output > 0;
}

static const char *what_is_wrong(const struct pxp_executor_options *options)
{
	if (options->kind != PXP_PROCESSES && is_for_processes(options))
		return "prepare, preload, lock_down, max_tasks_per_worker, max_result, "
		       "start_timeout_ms, max_crashes, memory_allowance, memory_budget and "
		       "max_output are for processes";
	if (options->kind == PXP_INLINE && options->idle_timeout_ms != 0)
		return "idle_timeout_ms is for threads and processes";
	if (options->n_workers > MAX_WORKERS)
		return "n_workers is over 1024";
	if (options->n_init_bytes > 0 && !options->init_bytes)
		return "n_init_bytes without init_bytes";
	if (options->kind == PXP_PROCESSES && options->n_init_bytes > MAX_INIT_BYTES)
		return "n_init_bytes is over 32 KiB";
	if (options->memory_budget > 0 && options->memory_allowance == 0)
		return "memory_budget without memory_allowance";
	if (options->memory_allowance > INT64_MAX / 2 ||
	    options->memory_budget > INT64_MAX / 2)
		return "memory_allowance or memory_budget is over 4 EiB";
	if (options->idle_timeout_ms < 0 || options->start_timeout_ms < PXP_FOREVER)
		return "idle_timeout_ms or start_timeout_ms is negative";
	return NULL;
}

enum pxp_status pxp_executor_create(const struct pxp_executor_options *options,
                                    struct pxp_executor **ret_executor,
                                    struct pxp_error *ret_error)
{
	struct pxp_executor_options ours;

	*ret_executor = NULL;
	if (!options || !options_read(&ours, sizeof(ours), options,
	                              offsetof(struct pxp_executor_options, n_workers)))
		return pxp_fail(ret_error, PXP_EINVAL,
		                "options.size is none that this library knows");
	if (what_is_wrong(&ours))
		return pxp_fail(ret_error, PXP_EINVAL, "%s", what_is_wrong(&ours));

	switch (ours.kind) {
	case PXP_THREADS:
		return thread_pool_create(&ours, ret_executor, ret_error);
	case PXP_PROCESSES:
		return process_pool_create(&ours, ret_executor, ret_error);
	case PXP_INLINE:
		return inline_create(&ours, ret_executor, ret_error);
	}
	return pxp_fail(ret_error, PXP_EINVAL, "no such kind of executor: %d",
	                (int)ours.kind);
}

/* ---- submission ---- */

/* They are closed one by one: a number that stood there twice would be closed twice, when it may
 * be another's already. */
static bool descriptors_are_valid(const struct pxp_task_options *options)
{
	unsigned n = options->n_descriptors;

	if (n > PXP_MAX_DESCRIPTORS || (n > 0 && !options->descriptors))
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (options->descriptors[i] < 0)
			return false;
		for (unsigned j = 0; j < i; j++) {
			if (options->descriptors[i] == options->descriptors[j])
				return false;
		}
	}
	return true;
}

static bool options_are_valid(const struct pxp_executor *executor,
                              const struct pxp_task_options *options)
{
	bool is_for_a_process = options->output || options->retries > 0 ||
	                        options->max_kills > 0 || options->deadline_ms != 0 ||
	                        options->max_deadline_ms != 0 || options->stall_ms != 0 ||
	                        options->max_memory > 0 || options->retry_memory;

	return descriptors_are_valid(options) && options->deadline_ms >= 0 &&
	       options->max_deadline_ms >= 0 && options->stall_ms >= 0 &&
	       options->queue_timeout_ms >= 0 && options->max_memory <= INT64_MAX / 2 &&
	       !(is_for_a_process && executor->options.kind != PXP_PROCESSES);
}

static enum pxp_status submit(struct pxp_executor *executor, pxp_task_fn *run,
                              const void *input, size_t n_input,
                              const struct pxp_task_options *options, int64_t deadline_ns,
                              struct pxp_future **ret_future)
{
	struct pxp_task_options ours = {.size = sizeof(ours)};
	struct pxp_future *future;
	struct task *task;
	enum pxp_status status;

	if (ret_future)
		*ret_future = NULL;
	if (options && !options_read(&ours, sizeof(ours), options, sizeof(size_t)))
		return PXP_EINVAL;
	if (!run || (n_input > 0 && !input) || !options_are_valid(executor, &ours))
		return PXP_EINVAL;

	task = task_create(executor, run, input, n_input, &ours);
	if (!task)
		return errno == ENOMEM ? PXP_ENOMEM : PXP_ESYS;
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
