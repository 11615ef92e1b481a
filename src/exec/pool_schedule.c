#include "base/clock.h"
#include "exec/process_pool.h"

#include <errno.h>
#include <string.h>

enum {
	RETRY_MS = 10,    /* when descriptors or processes ran out */
	BACK_OFF_MS = 10, /* when workers keep dying, doubled up to */
	MAX_BACK_OFF_MS = 1000,
	FREE_CRASHES = 2,      /* in a row, before it is waited at all */
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

/* Whether the worker has run as many tasks as it may. */
static bool is_used_up(const struct process_pool *pool, const struct pool_worker *worker)
{
	size_t most = pool->executor.options.max_tasks_per_worker;

	return most > 0 && worker->n_tasks >= most;
}

static unsigned count_idle(const struct process_pool *pool)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pool->n_workers; i++)
		n += pool_worker_is_idle(&pool->workers[i]) &&
		     !is_used_up(pool, &pool->workers[i]);
	return n;
}

/* ---- starting workers ---- */

void pool_back_off(struct process_pool *pool, int64_t now_ns)
{
	unsigned n = pool->n_crashes_in_a_row;
	int64_t ms = BACK_OFF_MS;

	if (n <= FREE_CRASHES)
		return;
	for (n -= FREE_CRASHES + 1; n > 0 && ms < MAX_BACK_OFF_MS; n--)
		ms *= 2;
	pool->spawn_ns = clock_deadline_ns(now_ns,
	                                   ms < MAX_BACK_OFF_MS ? ms : MAX_BACK_OFF_MS);
}

void pool_spawn_failed(struct process_pool *pool, int sys_errno, int64_t now_ns)
{
	pool->n_failed_spawns++;
	pool->spawn_ns = clock_deadline_ns(
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
	       pool->spawn_ns < 0 && spawn_one(pool, now_ns))
		n_ready_for_work++;
}

/* ---- handing out tasks ---- */

/* What could not be handed over goes back to the head of the queue, to be tried again in
 * a moment; when nothing is under way that could free a descriptor, it fails. */
static void hand_failed(struct process_pool *pool, struct task *task, int64_t now_ns)
{
	struct settlement failed = {.state = PXP_FAILED, .output = -1};

	if (errno == EAGAIN || holds_tasks(pool)) {
		executor_return(&pool->executor, task);
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

		if (pool_worker_is_idle(worker) && !is_used_up(pool, worker) &&
		    !hand_next(pool, worker, now_ns) && pool->executor.queue.n == 0)
			steal_for(pool, worker, now_ns);
	}
}

/* Only when every worker is busy: so that it finds its next task without a round trip. */
static void prefetch(struct process_pool *pool, int64_t now_ns)
{
	size_t n_coming = count_workers(pool, WORKER_STARTING, WORKER_STARTING);

	for (unsigned i = 0; i < pool->n_workers && pool->executor.queue.n > n_coming;
	     i++) {
		struct pool_worker *worker = &pool->workers[i];

		/* One that has to begin by a time stays where that is watched. */
		if (pool->executor.queue.first->expires_ns >= 0)
			return;
		if (pool_worker_can_prefetch(worker) && !is_used_up(pool, worker) &&
		    !hand_next(pool, worker, now_ns))
			return;
	}
}

/* ---- stopping ---- */

static void stop_all(struct process_pool *pool, int64_t now_ns)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_STARTING)
			pool_worker_kill(worker, KILLED_SHUTDOWN, NULL);
		else if (pool_worker_is_idle(worker))
			pool_worker_stop(worker, clock_deadline_ns(now_ns, STOP_MS));
	}
}

static int64_t idle_until_ns(const struct process_pool *pool,
                             const struct pool_worker *worker)
{
	int64_t ms = pool->executor.options.idle_timeout_ms;

	if (ms == 0 || !pool_worker_is_idle(worker))
		return -1;
	return clock_deadline_ns(worker->idle_since_ns, ms);
}

/* Those that have run as many tasks as they may, or had nothing to do for too long. */
static void retire(struct process_pool *pool, int64_t now_ns)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];
		int64_t until_ns = idle_until_ns(pool, worker);

		if (pool_worker_is_idle(worker) &&
		    (is_used_up(pool, worker) || (until_ns >= 0 && until_ns <= now_ns)))
			pool_worker_stop(worker, clock_deadline_ns(now_ns, STOP_MS));
	}
}

int64_t pool_retire_ns(const struct process_pool *pool)
{
	int64_t first_ns = -1;

	for (unsigned i = 0; i < pool->n_workers; i++) {
		int64_t until_ns = idle_until_ns(pool, &pool->workers[i]);

		if (until_ns >= 0 && (first_ns < 0 || until_ns < first_ns))
			first_ns = until_ns;
	}
	return first_ns;
}

bool pool_has_takers(const struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		const struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_ABSENT || pool_worker_is_idle(worker) ||
		    pool_worker_can_prefetch(worker))
			return true;
	}
	return false;
}

void pool_schedule(struct process_pool *pool, int64_t now_ns)
{
	if (pool->retry_ns >= 0 && pool->retry_ns <= now_ns)
		pool->retry_ns = -1;
	if (pool->spawn_ns >= 0 && pool->spawn_ns <= now_ns)
		pool->spawn_ns = -1;
	if (pool->suspended_ns >= 0)
		return;

	if (pool->retry_ns < 0) {
		hand_out(pool, now_ns);
		retire(pool, now_ns);
		spawn_missing(pool, now_ns);
		prefetch(pool, now_ns);
	}
	if (pool->executor.is_stopping && pool->executor.queue.n == 0 &&
	    !holds_tasks(pool))
		stop_all(pool, now_ns);
}
