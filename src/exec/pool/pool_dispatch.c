/*
 * Dispatching of tasks: which worker gets the next task, how many tasks are prefetched, and which
 * workers start or stop.
 *
 * A busy worker has one more task in its channel, so that it finds its next task without a round
 * trip. While tasks are very quick, a worker prefetches more of them, because it would finish one
 * task before the pool could send the next one. If a worker has prefetched more than one task,
 * these tasks may take AHEAD_NS together, as estimated from the last tasks. A task with
 * descriptors, an output, a long input or a memory limit of its own is not prefetched behind
 * another prefetched one, unless it was overtaken too often (see below).
 *
 * An idle worker takes over tasks that another worker has prefetched and not started. If no worker
 * is ever idle, a prefetched task that too many newer tasks have overtaken is moved to another
 * worker. The limit is twice the number of tasks that may be prefetched in the pool.
 *
 * Waking a worker takes about WAKE_NS. Tasks that take less time are sent to a worker that is awake
 * already, as many as it finishes within WAKE_NS. The supervisor then sleeps until a worker is done
 * or several tasks are queued.
 */
#include "base/clock.h"
#include "exec/pool/process_pool.h"

#include <errno.h>
#include <string.h>

enum {
	/* The maximum run time, in total, of the tasks that one worker has prefetched, if these are
	 * more than one. */
	AHEAD_NS = 1000 * 1000,
	/* The maximum length of an input that is prefetched behind another prefetched task. */
	SHORT_BYTES = 4096,
	/* How many newer tasks may overtake a prefetched task. This number is multiplied by the
	 * number of workers and by the number of tasks that each of them may prefetch. */
	MAX_OVERTAKERS = 2,
	/* The estimate of a task's time before any task has run. */
	FIRST_NS = 8 * AHEAD_NS,
	/* The interval at which the slots of a worker are polled while the worker does not notify
	 * the supervisor. */
	POLL_SLOTS_MS = 1,
	/* About how long it takes to wake a worker. */
	WAKE_NS = 20 * 1000,
	/* The supervisor is not woken for quick tasks before this number of them is queued. */
	N_GATHERED = N_SLOTS - 1,
	/* How long the pool waits before it tries again to send, after descriptors or socket space
	 * ran out. */
	RETRY_MS = 10,
	/* How long a worker may take to end, finaliser included, before it is killed. */
	STOP_MS = 5000,
};

static bool is_idle(const struct pool_worker *worker)
{
	return worker->state == WORKER_READY && worker->n_held == 0 &&
	       worker->limit_state == LIMIT_STEADY;
}

static bool can_prefetch(const struct pool_worker *worker, unsigned depth)
{
	return worker->state == WORKER_READY && worker->n_held > 0 &&
	       worker->n_held <= depth && worker->limit_state == LIMIT_STEADY &&
	       worker->n_needs == 0;
}

static bool holds_tasks(const struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		if (pool->workers[i].n_held > 0)
			return true;
	}
	return false;
}

static bool is_due_for_recycle(const struct process_pool *pool,
                               const struct pool_worker *worker)
{
	size_t maximum = pool->executor.options.max_tasks_per_worker;

	return worker->needs_recycle || (maximum > 0 && worker->n_tasks >= maximum);
}

/* ---- the estimate of a task's time ---- */

/* Update pool->task_ns, the estimate of a task's time. One long task raises the estimate at once.
 * Quick tasks lower it gradually. A negative run_ns resets the estimate. */
void pool_note_time(struct process_pool *pool, int64_t run_ns)
{
	if (run_ns < 0) {
		pool->task_ns = FIRST_NS;
		return;
	}

	int64_t before_ns = pool->task_ns > 0 ? pool->task_ns : FIRST_NS;
	int64_t mean_ns = before_ns - before_ns / 8 + run_ns / 8;

	pool->task_ns = run_ns > mean_ns ? run_ns : mean_ns;
}

unsigned pool_depth(const struct process_pool *pool)
{
	if (pool->task_ns == 0 || pool->task_ns > AHEAD_NS / 2)
		return 1;
	if (pool->task_ns <= AHEAD_NS / (N_SLOTS - 1))
		return N_SLOTS - 1;
	return (unsigned)(AHEAD_NS / pool->task_ns);
}

/* How many tasks a worker finishes in the time that it takes to wake another worker. */
static unsigned count_quicker_than_wake(const struct process_pool *pool)
{
	if (pool->task_ns == 0 || pool->task_ns > WAKE_NS)
		return 0;
	if (pool->task_ns <= WAKE_NS / (N_SLOTS - 1))
		return N_SLOTS - 1;
	return (unsigned)(WAKE_NS / pool->task_ns);
}

/* Whether some worker is awake and tasks take less time than a wake-up. */
static bool has_awake_worker(const struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers && count_quicker_than_wake(pool) > 0;
	     i++) {
		if (pool_worker_is_awake(&pool->workers[i], pool->now_ns))
			return true;
	}
	return false;
}

/* ---- sending one task ---- */

void pool_try_again(struct process_pool *pool)
{
	if (pool->retry_ns < 0)
		pool->retry_ns = clock_deadline_ns(pool->now_ns, RETRY_MS);
}

static bool passes_by_itself(int sys_errno)
{
	return sys_errno == EAGAIN || sys_errno == EMFILE || sys_errno == ENFILE ||
	       sys_errno == ENOMEM || sys_errno == ENOBUFS || sys_errno == ETOOMANYREFS;
}

/* Called when a task could not be sent. There are three possible reasons: the worker has died, or a
 * resource ran out and may be freed by the tasks that run, or this task cannot be sent at all. */
static void send_failed(struct process_pool *pool, struct pool_worker *worker,
                        struct task *task)
{
	struct completion failed = completion_of(PXP_FAILED);
	int sys_errno = errno;

	if (sys_errno == EPIPE || sys_errno == ECONNRESET) {
		pool_worker_hang_up(worker, pool->now_ns);
		executor_return(&pool->executor, task);
	} else if (sys_errno == EAGAIN ||
	           (passes_by_itself(sys_errno) && holds_tasks(pool))) {
		executor_return(&pool->executor, task);
		pool->retry_ns = clock_deadline_ns(pool->now_ns, RETRY_MS);
	} else {
		pxp_fail_errno(&failed.outcome.error, "cannot send a task to a worker");
		pool_complete(pool, task, &failed);
	}
}

/* Send a task. Returns false if sending must pause. */
static bool send_task(struct process_pool *pool, struct pool_worker *worker,
                      struct task *task)
{
	if (!pool_worker_send_task(worker, task, ++pool->generation, pool->now_ns))
		send_failed(pool, worker, task);
	return pool->retry_ns < 0;
}

/* ---- prefetching ---- */

/* Whether a task may be prefetched behind another prefetched one. */
static bool may_be_prefetched_deep(const struct task *task)
{
	return task->n_descriptors == 0 && !task->wants_output && task->input_memfd < 0 &&
	       task->n_input <= SHORT_BYTES && task->max_memory == 0 &&
	       !task->gets_all_memory;
}

/* Whether a task from the queue may be sent to a worker that already has `level` other tasks. A
 * task that must start by a given time stays in the queue, where that time is watched. */
static bool may_be_prefetched(const struct task *task, unsigned level)
{
	return task->expires_ns < 0 && (level == 1 || may_be_prefetched_deep(task));
}

static size_t count_prefetched(struct process_pool *pool)
{
	size_t n = 0;

	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		for (unsigned j = 1; j < worker->n_held; j++)
			n += worker->state == WORKER_READY &&
			     pool_worker_slot(worker, j)->task;
	}
	return n;
}

struct prefetched {
	struct pool_worker *worker;
	struct slot *slot;
};

/* Find the oldest prefetched task. If no task is prefetched, the member `slot` of the returned
 * struct is NULL. */
static struct prefetched find_oldest(struct process_pool *pool)
{
	struct prefetched oldest = {0};

	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		for (unsigned j = 1; j < worker->n_held; j++) {
			struct slot *slot = pool_worker_slot(worker, j);

			if (worker->state == WORKER_READY && slot->task &&
			    (!oldest.slot ||
			     slot->task->submitted < oldest.slot->task->submitted))
				oldest = (struct prefetched){worker, slot};
		}
	}
	return oldest;
}

/* Whether too many newer tasks have overtaken this prefetched task. */
static bool is_overtaken(const struct process_pool *pool, const struct task *task)
{
	const struct task *queued = pool->executor.queue.first;
	uint64_t maximum = (uint64_t)MAX_OVERTAKERS * pool->n_workers * pool_depth(pool);

	return task->submitted + maximum < queued->submitted;
}

/* The oldest task that has not started, from the queue or from the slots of a worker. But a task
 * that waits behind quick tasks stays where it is, since another worker would not start it
 * sooner. */
static struct task *next_task(struct process_pool *pool)
{
	const struct task *queued = pool->executor.queue.first;
	struct prefetched oldest = find_oldest(pool);
	struct task *task = oldest.slot ? oldest.slot->task : NULL;

	if (task && pool_depth(pool) > 1 &&
	    pool_worker_is_awake(oldest.worker, pool->now_ns) &&
	    (queued ? !is_overtaken(pool, task) : count_quicker_than_wake(pool) > 0))
		return executor_take(&pool->executor);
	if (task && (!queued || task->submitted < queued->submitted) &&
	    pool_worker_withdraw(oldest.worker, oldest.slot, pool->now_ns))
		return task;
	return executor_take(&pool->executor);
}

/* The next task to prefetch. Usually it comes from the queue. But if no worker is ever idle, no
 * worker takes over the tasks that are prefetched behind a long one. So if a task was overtaken too
 * often, this function takes it back from its worker and returns it. */
static struct task *next_task_ahead(struct process_pool *pool,
                                    const struct pool_worker *worker,
                                    struct prefetched *oldest)
{
	struct task *task = oldest->slot ? oldest->slot->task : NULL;

	if (!task || oldest->worker == worker || !is_overtaken(pool, task) ||
	    !pool_worker_withdraw(oldest->worker, oldest->slot, pool->now_ns))
		return executor_take(&pool->executor);
	*oldest = find_oldest(pool);
	return task;
}

/* Let a worker prefetch one more task if it has at most `level` tasks. Returns false if sending
 * must pause. */
static bool prefetch_one(struct process_pool *pool, struct pool_worker *worker,
                         unsigned level, struct prefetched *oldest)
{
	if (!can_prefetch(worker, level) || is_due_for_recycle(pool, worker) ||
	    (level > 1 && !pool_worker_is_awake(worker, pool->now_ns)))
		return true;
	if (level > 1 && !worker->polls_slots)
		pool_worker_suppress_notify(worker, true);
	return send_task(pool, worker, next_task_ahead(pool, worker, oldest));
}

/* Every worker prefetches one task before any worker prefetches a second one, so that tasks start
 * about in the order of submission. */
static void prefetch(struct process_pool *pool, size_t n_coming)
{
	const struct task_list *queue = &pool->executor.queue;
	unsigned depth = pool_depth(pool);
	struct prefetched oldest;

	if (queue->n <= n_coming)
		return;
	oldest = find_oldest(pool);
	for (unsigned level = 1; level <= depth; level++) {
		for (unsigned i = 0; i < pool->n_workers; i++) {
			if (queue->n <= n_coming ||
			    !may_be_prefetched(queue->first, level) ||
			    !prefetch_one(pool, &pool->workers[i], level, &oldest))
				return;
		}
	}
}

/* ---- tasks that are quicker than a wake-up ---- */

/* Let an awake worker prefetch as many quick tasks as it can finish in the time that another worker
 * needs to wake up. */
static void fill_awake_worker(struct process_pool *pool, struct pool_worker *worker)
{
	const struct task_list *queue = &pool->executor.queue;
	unsigned maximum = count_quicker_than_wake(pool);
	struct prefetched oldest;
	size_t n_before = SIZE_MAX;

	if (queue->n == 0 || worker->n_held > maximum ||
	    !pool_worker_is_awake(worker, pool->now_ns))
		return;
	oldest = find_oldest(pool);
	while (queue->n > 0 && queue->n < n_before && worker->n_held <= maximum &&
	       pool_worker_is_awake(worker, pool->now_ns) &&
	       may_be_prefetched(queue->first, N_SLOTS)) {
		n_before = queue->n;
		if (!prefetch_one(pool, worker, worker->n_held, &oldest))
			return;
	}
}

/* A worker is about to get the first of several quick tasks, so it need not notify the supervisor
 * of each answer. */
static void announce_more(struct process_pool *pool, struct pool_worker *worker)
{
	const struct task *next = pool->executor.queue.first;

	if (next && count_quicker_than_wake(pool) > 0 && may_be_prefetched(next, N_SLOTS))
		pool_worker_suppress_notify(worker, true);
}

/* Workers that are awake get tasks before workers that must be woken. */
static void dispatch(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++)
		fill_awake_worker(pool, &pool->workers[i]);
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		/* This is a loop, because a task that cannot be sent at all leaves the worker idle,
		 * and no event would then make the supervisor send the next task. */
		while (is_idle(worker) && !is_due_for_recycle(pool, worker)) {
			struct task *task = next_task(pool);

			if (!task)
				return;
			announce_more(pool, worker);
			if (!send_task(pool, worker, task))
				return;
		}
		fill_awake_worker(pool, worker);
	}
}

/* ---- starting and stopping workers ---- */

static unsigned count_idle(const struct process_pool *pool)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pool->n_workers; i++)
		n += is_idle(&pool->workers[i]) &&
		     !is_due_for_recycle(pool, &pool->workers[i]);
	return n;
}

static unsigned count_starting(const struct process_pool *pool)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pool->n_workers; i++)
		n += pool->workers[i].state == WORKER_STARTING;
	return n;
}

/* Start workers until there is one for each waiting task, or until there are n_workers. */
static void spawn_missing(struct process_pool *pool)
{
	/* If a worker is awake and tasks are quick, it runs all its prefetched tasks itself, so no
	 * worker is started for them. */
	size_t n_wanted = pool->executor.queue.n +
	                  (has_awake_worker(pool) ? 0 : count_prefetched(pool));
	size_t n_coming = count_starting(pool) + count_idle(pool);

	while (n_wanted > n_coming && pool->fork_server.control >= 0 &&
	       !pool->is_killed && pool->spawn_ns < 0 && pool_spawn(pool))
		n_coming++;
}

static void stop_worker(struct pool_worker *worker, int64_t deadline_ns)
{
	const struct slot_frame stop = {.kind = FRAME_STOP};

	worker->state = WORKER_STOPPING;
	worker->deadline_ns = deadline_ns;
	channel_send(worker->socket, &stop, sizeof(stop), NULL, 0, NULL, 0);
}

static void stop_all(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_STARTING)
			pool_worker_kill(worker, KILLED_SHUTDOWN, NULL);
		else if (is_idle(worker))
			stop_worker(worker, clock_deadline_ns(pool->now_ns, STOP_MS));
	}
}

static int64_t idle_until_ns(const struct process_pool *pool,
                             const struct pool_worker *worker)
{
	int64_t ms = pool->executor.options.idle_timeout_ms;

	if (ms == 0 || !is_idle(worker))
		return -1;
	return clock_deadline_ns(worker->idle_since_ns, ms);
}

/* Stop idle workers that have run their maximum number of tasks, keep too much memory, or have been
 * idle for too long. */
static void recycle(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];
		int64_t until_ns = idle_until_ns(pool, worker);

		if (is_idle(worker) && (is_due_for_recycle(pool, worker) ||
		                        (until_ns >= 0 && until_ns <= pool->now_ns)))
			stop_worker(worker, clock_deadline_ns(pool->now_ns, STOP_MS));
	}
}

/* ---- when to schedule again ---- */

/* Whether a new task could be sent to a worker, or would start a worker. */
static bool has_takers(const struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		const struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_ABSENT || is_idle(worker) ||
		    can_prefetch(worker, 1))
			return true;
	}
	return false;
}

size_t pool_n_to_wake(const struct process_pool *pool)
{
	size_t maximum = pool->executor.options.max_pending;

	if (!has_takers(pool))
		return SIZE_MAX;
	if (!has_awake_worker(pool))
		return 1;
	return maximum < N_GATHERED ? maximum : N_GATHERED;
}

/* The next time at which a worker will have been idle for too long; -1: never. */
static int64_t recycle_ns(const struct process_pool *pool)
{
	int64_t first_ns = -1;

	for (unsigned i = 0; i < pool->n_workers; i++)
		first_ns = clock_earlier_ns(first_ns,
		                            idle_until_ns(pool, &pool->workers[i]));
	return first_ns;
}

/* Polling is needed while a worker leaves answers without a notification, or while tasks are queued
 * for which no worker was woken. */
static int64_t poll_slots_ns(const struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		if (pool->workers[i].polls_slots &&
		    pool->workers[i].state < WORKER_REAPING)
			return clock_deadline_ns(pool->now_ns, POLL_SLOTS_MS);
	}
	return has_awake_worker(pool) ? clock_deadline_ns(pool->now_ns, POLL_SLOTS_MS)
	                              : -1;
}

static int64_t next_schedule_ns(const struct process_pool *pool)
{
	if (pool->suspended_ns >= 0)
		return poll_slots_ns(pool);
	return clock_earlier_ns(recycle_ns(pool), poll_slots_ns(pool));
}

static void schedule(struct process_pool *pool)
{
	if (pool->retry_ns >= 0 && pool->retry_ns <= pool->now_ns)
		pool->retry_ns = -1;
	if (pool->spawn_ns >= 0 && pool->spawn_ns <= pool->now_ns)
		pool->spawn_ns = -1;
	if (pool->suspended_ns >= 0)
		return;

	pool_grant_memory(pool);
	if (pool->retry_ns < 0) {
		dispatch(pool);
		recycle(pool);
		spawn_missing(pool);
		prefetch(pool, count_starting(pool));
	}
	if (pool->executor.is_stopping && pool->executor.queue.n == 0 &&
	    !holds_tasks(pool))
		stop_all(pool);
}

void pool_schedule(struct process_pool *pool)
{
	schedule(pool);
	pool->next_schedule_ns = next_schedule_ns(pool);
	pool->n_to_wake = pool_n_to_wake(pool);
}
