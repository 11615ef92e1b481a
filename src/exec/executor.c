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

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { DEFAULT_MAX_PENDING = 1024, MAX_WORKERS = 1024 };

static const size_t default_max_pending_bytes = 64 * 1024 * 1024;

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
	void *init_bytes = NULL;

	if (options->n_init_bytes > 0) {
		init_bytes = malloc(options->n_init_bytes);
		if (!init_bytes)
			return PXP_ENOMEM;
		memcpy(init_bytes, options->init_bytes, options->n_init_bytes);
	}
	executor->table = table;
	executor->options = *options;
	executor->options.init_bytes = init_bytes;
	executor->options.n_workers = executor_n_workers(options);
	if (options->max_pending == 0)
		executor->options.max_pending = DEFAULT_MAX_PENDING;
	if (options->max_pending_bytes == 0)
		executor->options.max_pending_bytes = default_max_pending_bytes;
	set_name(executor, options->name);

	atomic_init(&executor->completions, -1);
	atomic_init(&executor->n_references, 1);
	lock_init(&executor->lock);
	cond_init(&executor->has_room);
	cond_init(&executor->has_ended);
	return PXP_OK;
}

void executor_fini(struct pxp_executor *executor)
{
	if (executor->completions >= 0)
		close(executor->completions);
	expiry_fini(&executor->expiry);
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

static bool is_for_processes(const struct pxp_executor_options *options)
{
	return options->preload || options->lock_down ||
	       options->max_tasks_per_worker > 0 || options->idle_timeout_ms != 0 ||
	       options->max_crashes > 0;
}

static const char *what_is_wrong(const struct pxp_executor_options *options)
{
	if (options->kind != PXP_PROCESSES && is_for_processes(options))
		return "preload, lock_down, max_tasks_per_worker, idle_timeout_ms and "
		       "max_crashes are for processes";
	if (options->n_workers > MAX_WORKERS)
		return "n_workers is over 1024";
	if (options->n_init_bytes > 0 && !options->init_bytes)
		return "n_init_bytes without init_bytes";
	if (options->idle_timeout_ms < 0)
		return "idle_timeout_ms is negative";
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

/* ---- the queue ---- */

static void queue_remove(struct pxp_executor *executor, struct task *task)
{
	task_list_remove(&executor->queue, task);
	expiry_remove(&executor->expiry, task);
	executor->n_queued_bytes -= task->n_input;
	if (executor->n_waiting > 0)
		cond_broadcast(&executor->has_room);
}

struct task *executor_take(struct pxp_executor *executor)
{
	struct task *task = executor->queue.first;

	if (!task)
		return NULL;
	queue_remove(executor, task);
	task->place = TASK_HANDED;
	return task;
}

void executor_return(struct pxp_executor *executor, struct task *task)
{
	/* It had begun, or was about to: from here on it does not expire. */
	task->expires_ns = -1;
	task->place = TASK_QUEUED;
	task_list_prepend(&executor->queue, task);
	executor->n_queued_bytes += task->n_input;
}

struct task_list executor_take_all(struct pxp_executor *executor)
{
	struct task_list list = {0};
	struct task *task;

	while ((task = executor_take(executor))) {
		task_detach(task);
		task_list_append(&list, task);
	}
	return list;
}

struct task_list executor_take_expired(struct pxp_executor *executor, int64_t now_ns)
{
	struct task_list expired = {0};

	while (executor->expiry.n > 0 && expiry_next_ns(&executor->expiry) <= now_ns) {
		struct task *task = executor->expiry.tasks[0];

		queue_remove(executor, task);
		task_detach(task);
		task_list_append(&expired, task);
	}
	return expired;
}

static bool has_room(const struct pxp_executor *executor, const struct task *task)
{
	const struct pxp_executor_options *options = &executor->options;

	if (executor->queue.n == 0)
		return true;
	return executor->queue.n < options->max_pending &&
	       executor->n_queued_bytes <= options->max_pending_bytes &&
	       task->n_input <= options->max_pending_bytes - executor->n_queued_bytes;
}

/* Why the task is not taken now, having waited for room until deadline_ns (0: not at all,
 * -1: for ever); the lock is held. */
static enum pxp_status wait_for_room(struct pxp_executor *executor,
                                     const struct task *task, int64_t deadline_ns)
{
	bool has_time = deadline_ns != 0;

	while (!executor->is_stopping && executor->broken.status == PXP_OK &&
	       !has_room(executor, task)) {
		if (!has_time)
			return PXP_EAGAIN;
		if (executor_is_ours(executor))
			return PXP_EDEADLK;
		executor->n_waiting++;
		has_time = cond_wait_until(&executor->has_room, &executor->lock,
		                           deadline_ns);
		executor->n_waiting--;
	}
	if (executor->is_stopping)
		return PXP_ESHUTDOWN;
	return executor->broken.status == PXP_OK ? PXP_OK : PXP_EBROKEN;
}

static enum pxp_status enqueue(struct pxp_executor *executor, struct task *task,
                               int64_t deadline_ns)
{
	enum pxp_status status;

	lock_acquire(&executor->lock);
	status = wait_for_room(executor, task, deadline_ns);
	if (status == PXP_OK && task->expires_ns >= 0 &&
	    !expiry_reserve(&executor->expiry))
		status = PXP_ENOMEM;
	if (status == PXP_OK) {
		task_list_append(&executor->queue, task);
		expiry_add(&executor->expiry, task);
		executor->n_queued_bytes += task->n_input;
		if (!executor->table->wake(executor, NULL)) {
			queue_remove(executor, task);
			status = PXP_ESYS;
		}
	}
	lock_release(&executor->lock);
	return status;
}

/* ---- submission ---- */

static bool options_are_valid(const struct pxp_executor *executor,
                              const struct pxp_task_options *options)
{
	bool is_for_a_process = options->output || options->retries > 0 ||
	                        options->max_kills > 0 || options->deadline_ms != 0 ||
	                        options->max_deadline_ms != 0 || options->stall_ms != 0;

	return options->size == sizeof(*options) &&
	       options->n_descriptors <= PXP_MAX_DESCRIPTORS &&
	       (options->n_descriptors == 0 || options->descriptors) &&
	       options->deadline_ms >= 0 && options->max_deadline_ms >= 0 &&
	       options->stall_ms >= 0 && options->queue_timeout_ms >= 0 &&
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
	/* Once it is queued the task may be gone at any time; the future is held by us. */
	future = pxp_future_acquire(task->future);
	status = enqueue(executor, task, deadline_ns);
	if (status != PXP_OK) {
		task->n_descriptors = 0; /* still the caller's */
		task_destroy(task);
	} else if (executor->table->run_now) {
		executor->table->run_now(executor, task);
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

/* ---- settling ---- */

void executor_settle(struct pxp_executor *executor, struct task *task,
                     struct settlement *settlement)
{
	const uint64_t one = 1;
	int completions;

	/* Counted first: a descriptor that is made in between begins with it. */
	atomic_fetch_add(&executor->n_done, 1);
	completions = atomic_load(&executor->completions);
	task_settle(task, settlement);
	/* It fails only when the counter is full, and then it is readable as well. */
	if (completions >= 0)
		(void)!write(completions, &one, sizeof(one));
}

void executor_settle_list(struct pxp_executor *executor, struct task_list *list,
                          const struct pxp_error *error)
{
	while (list->first) {
		struct task *task = list->first;
		struct settlement settlement = {
			.state = error->status == PXP_ECANCELLED ? PXP_CANCELLED
		                                                 : PXP_FAILED,
			.outcome.error = *error,
			.output = -1,
		};

		task_list_remove(list, task);
		executor_settle(executor, task, &settlement);
	}
}

void executor_settle_expired(struct pxp_executor *executor, struct task_list *expired)
{
	struct pxp_error error;

	pxp_fail(&error, PXP_EQUEUED,
	         "it had not begun when its time in the queue was over");
	executor_settle_list(executor, expired, &error);
}

int pxp_executor_descriptor(struct pxp_executor *executor)
{
	int descriptor;

	lock_acquire(&executor->lock);
	if (executor->completions < 0)
		executor->completions = eventfd((unsigned)executor->n_done,
		                                EFD_CLOEXEC | EFD_NONBLOCK);
	descriptor = executor->completions;
	lock_release(&executor->lock);
	return descriptor;
}

uint64_t pxp_executor_acknowledge(struct pxp_executor *executor)
{
	int descriptor = pxp_executor_descriptor(executor);
	uint64_t count;

	if (descriptor < 0 || read(descriptor, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
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
	queue_remove(executor, task);
	return true;
}

bool executor_withdraw(struct pxp_executor *executor, struct pxp_future *future,
                       enum pxp_cancel force)
{
	struct task *task;
	bool is_taken, is_killed = false;

	lock_acquire(&executor->lock);
	task = future_task(future);
	is_taken = task && take_back(executor, task, force);
	if (is_taken) {
		task_detach(task);
		atomic_fetch_add(&executor->n_done, 1);
	} else if (task && force != PXP_CANCEL_PENDING) {
		atomic_store(&task->is_asked_to_end, true);
		if (task->place == TASK_HANDED)
			is_killed = executor->table->end(executor, task,
			                                 force == PXP_CANCEL_KILL);
	}
	lock_release(&executor->lock);

	if (is_taken)
		task_destroy(task);
	return is_taken || is_killed;
}

/* ---- shutdown ---- */

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
	executor_settle_list(executor, &cancelled, &why);

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
	ret_stats->n_done = executor->n_done;
	executor->table->stats(executor, ret_stats);
	lock_release(&executor->lock);
}
