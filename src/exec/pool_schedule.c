#include "base/clock.h"
#include "exec/process_pool.h"

#include <errno.h>
#include <string.h>

enum {
	RETRY_MS = 10,         /* when descriptors or processes ran out */
	MAX_FAILED_SPAWNS = 6, /* in a row, with no worker left: the pool is broken */
	STOP_MS = 5000,        /* for a finaliser; then the worker is killed */
};

static bool holds_tasks(const struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		if (pool->workers[i].n_held > 0)
			return true;
	}
	return false;
}

static unsigned count_workers(const struct process_pool *pool,
                              enum pool_worker_state from, enum pool_worker_state to)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pool->n_workers; i++)
		n += pool->workers[i].state >= from && pool->workers[i].state <= to;
	return n;
}

static unsigned count_idle(const struct process_pool *pool)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pool->n_workers; i++)
		n += pool_worker_is_idle(&pool->workers[i]);
	return n;
}

/* ---- starting workers ---- */

void pool_spawn_failed(struct process_pool *pool, int sys_errno, int64_t now_ns)
{
	pool->n_failed_spawns++;
	pool->retry_ns = clock_deadline_ns(
		now_ns, (int64_t)RETRY_MS << (pool->n_failed_spawns & 7));
	if (pool->n_failed_spawns >= MAX_FAILED_SPAWNS &&
	    count_workers(pool, WORKER_STARTING, WORKER_READY) == 0) {
		struct pxp_error error;

		errno = sys_errno;
		pxp_fail_errno(&error, "no worker process can be started");
		pool_break(pool, error.text);
	}
}

static bool spawn_one(struct process_pool *pool, int64_t now_ns)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state != WORKER_ABSENT)
			continue;
		if (!pool_worker_spawn(worker, pool->control)) {
			pool_spawn_failed(pool, errno, now_ns);
			return false;
		}
		return pool_watch(pool, worker->socket, SOURCE_SOCKET, worker->index) &&
		       pool_watch(pool, worker->log, SOURCE_LOG, worker->index);
	}
	return false;
}

/* As many as have something to do, at most as many as were asked for. */
static void spawn_missing(struct process_pool *pool, int64_t now_ns)
{
	size_t n_ready_for_work = count_workers(pool, WORKER_STARTING, WORKER_STARTING) +
	                          count_idle(pool);

	while (pool->executor.queue.n > n_ready_for_work && pool->control >= 0 &&
	       pool->retry_ns < 0 && spawn_one(pool, now_ns))
		n_ready_for_work++;
}

/* ---- handing out tasks ---- */

/* What could not be handed over goes back to the head of the queue, to be tried again in
 * a moment; when nothing is under way that could free a descriptor, it fails. */
static void hand_failed(struct process_pool *pool, struct task *task, int64_t now_ns)
{
	struct settlement failed = {.state = PXP_FAILED, .output = -1};

	if (errno == EAGAIN || holds_tasks(pool)) {
		task->place = TASK_QUEUED;
		task_list_prepend(&pool->executor.queue, task);
		pool->retry_ns = clock_deadline_ns(now_ns, RETRY_MS);
		return;
	}
	pxp_fail_errno(&failed.outcome.error, "a task could not be sent to its worker");
	pool_settle(pool, task, &failed);
}

static bool hand_next(struct process_pool *pool, struct pool_worker *worker,
                      int64_t now_ns)
{
	struct task *task = executor_take(&pool->executor);

	if (!task)
		return false;
	if (pool_worker_hand(worker, task, ++pool->generation, now_ns))
		return true;
	hand_failed(pool, task, now_ns);
	return false;
}

/* A worker is idle and the queue is empty: what another one has only prefetched is better
 * off here. */
static bool steal_for(struct process_pool *pool, struct pool_worker *idle, int64_t now_ns)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];
		struct slot *slot = &worker->slots[(worker->front + 1) % N_SLOTS];
		struct task *task = slot->task;

		if (worker->state != WORKER_READY || worker->n_held < 2 || !task ||
		    !pool_worker_take_back(worker, slot))
			continue;
		if (pool_worker_hand(idle, task, ++pool->generation, now_ns))
			return true;
		hand_failed(pool, task, now_ns);
		return false;
	}
	return false;
}

static void hand_out(struct process_pool *pool, int64_t now_ns)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (pool_worker_is_idle(worker) && !hand_next(pool, worker, now_ns) &&
		    pool->executor.queue.n == 0)
			steal_for(pool, worker, now_ns);
	}
}

/* Only when every worker is busy: so that it finds its next task without a round trip. */
static void prefetch(struct process_pool *pool, int64_t now_ns)
{
	size_t n_coming = count_workers(pool, WORKER_STARTING, WORKER_STARTING);

	for (unsigned i = 0; i < pool->n_workers && pool->executor.queue.n > n_coming;
	     i++) {
		if (pool_worker_can_prefetch(&pool->workers[i]) &&
		    !hand_next(pool, &pool->workers[i], now_ns))
			return;
	}
}

/* ---- stopping ---- */

static void stop_idle(struct process_pool *pool, int64_t now_ns)
{
	const struct slot_frame stop = {.kind = FRAME_STOP};

	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_STARTING) {
			pool_worker_kill(worker, KILLED_SHUTDOWN, NULL);
		} else if (pool_worker_is_idle(worker)) {
			worker->state = WORKER_STOPPING;
			worker->deadline_ns = clock_deadline_ns(now_ns, STOP_MS);
			channel_send(worker->socket, &stop, sizeof(stop), NULL, 0, NULL,
			             0);
		}
	}
}

void pool_schedule(struct process_pool *pool, int64_t now_ns)
{
	if (pool->retry_ns >= 0 && pool->retry_ns <= now_ns)
		pool->retry_ns = -1;
	if (pool->suspended_ns >= 0)
		return;

	if (pool->retry_ns < 0) {
		hand_out(pool, now_ns);
		spawn_missing(pool, now_ns);
		prefetch(pool, now_ns);
	}
	if (pool->executor.is_stopping && pool->executor.queue.n == 0 &&
	    !holds_tasks(pool))
		stop_idle(pool, now_ns);
}
