#include "base/clock.h"
#include "base/fd.h"
#include "exec/pool/process_pool.h"

#include <errno.h>
#include <string.h>

enum {
	RETRY_MS = 10, /* when descriptors or processes ran out, or a socket was full */
	BACK_OFF_MS = 10, /* when workers keep dying, doubled up to */
	MAX_BACK_OFF_MS = 1000,
	FREE_CRASHES = 2,      /* in a row, before it is waited at all */
	MAX_FAILED_SPAWNS = 6, /* in a row, with no worker left: the pool is broken */
	STOP_MS = 5000,        /* for a finaliser; then the worker is killed */
	N_GATHERED = N_SLOTS - 1,
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

bool pool_is_used_up(const struct process_pool *pool, const struct pool_worker *worker)
{
	size_t most = pool->executor.options.max_tasks_per_worker;

	return worker->is_worn || (most > 0 && worker->n_tasks >= most);
}

static unsigned count_idle(const struct process_pool *pool)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pool->n_workers; i++)
		n += pool_worker_is_idle(&pool->workers[i]) &&
		     !pool_is_used_up(pool, &pool->workers[i]);
	return n;
}

/* ---- starting workers ---- */

void pool_back_off(struct process_pool *pool, unsigned n_in_a_row)
{
	int64_t ms = BACK_OFF_MS;

	if (n_in_a_row <= FREE_CRASHES)
		return;
	for (unsigned n = n_in_a_row - FREE_CRASHES - 1; n > 0 && ms < MAX_BACK_OFF_MS;
	     n--)
		ms *= 2;
	pool->spawn_ns = clock_deadline_ns(pool->now_ns,
	                                   ms < MAX_BACK_OFF_MS ? ms : MAX_BACK_OFF_MS);
}

void pool_spawn_failed(struct process_pool *pool, int sys_errno)
{
	struct pxp_error error;

	/* Those asked for together fail together: that is one failure. */
	if (pool->spawn_ns < 0) {
		pool->n_failed_spawns++;
		pool_back_off(pool, pool->n_failed_spawns + FREE_CRASHES);
	}
	if (pool->n_failed_spawns < MAX_FAILED_SPAWNS ||
	    count_workers(pool, WORKER_STARTING, WORKER_READY) > 0)
		return;
	errno = sys_errno;
	pxp_fail_errno(&error, "no worker process can be started");
	pool_break(pool, error.text);
}

bool pool_has_ready(const struct process_pool *pool)
{
	return count_workers(pool, WORKER_READY, WORKER_READY) > 0;
}

/* Its log is watched before it is asked for: so nothing is under way when that fails. Its
 * channel is, once its death would be seen (on_spawned): it is not ready before, and is
 * handed nothing that would be lost with it. */
static bool spawn(struct process_pool *pool, struct pool_worker *worker)
{
	const struct process_frame request = {.kind = FRAME_SPAWN,
	                                      .worker = worker->index};
	int theirs[3];
	bool is_asked_for = pool_worker_prepare(worker, theirs) &&
	                    pool_watch(pool, worker->log, SOURCE_LOG, worker->index) &&
	                    pool_ask_fork_server(pool, &request, theirs, 3);
	int kept = errno;

	for (int i = 0; i < 3; i++)
		fd_close(&theirs[i]);
	if (is_asked_for)
		worker->state = WORKER_STARTING;
	else
		pool_clear(pool, worker);
	errno = kept;
	return is_asked_for;
}

static bool spawn_one(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state != WORKER_ABSENT)
			continue;
		if (spawn(pool, worker))
			return true;
		pool_spawn_failed(pool, errno);
		return false;
	}
	return false;
}

/* As many as have something to do, at most as many as were asked for. */
static void spawn_missing(struct process_pool *pool)
{
	/* Fast ones stay where they lie. */
	size_t n_wanted = pool->executor.queue.n +
	                  (pool_is_fast(pool) ? 0 : pool_count_prefetched(pool));
	size_t n_coming = count_workers(pool, WORKER_STARTING, WORKER_STARTING) +
	                  count_idle(pool);

	while (n_wanted > n_coming && pool->fork_server.control >= 0 &&
	       !pool->is_killed && pool->spawn_ns < 0 && spawn_one(pool))
		n_coming++;
}

/* ---- handing out tasks ---- */

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

/* A task could not be handed over: because its worker is gone, because there was no room,
 * which something under way may free, or because of what it is itself. */
static void hand_failed(struct process_pool *pool, struct pool_worker *worker,
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
		pxp_fail_errno(&failed.outcome.error,
		               "a task could not be sent to a worker");
		pool_complete(pool, task, &failed);
	}
}

bool pool_hand(struct process_pool *pool, struct pool_worker *worker, struct task *task)
{
	if (!pool_worker_hand(worker, task, ++pool->generation, pool->now_ns))
		hand_failed(pool, worker, task);
	return pool->retry_ns < 0;
}

/* Who is awake comes before who would have to be woken. */
static void hand_out(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++)
		pool_fill(pool, &pool->workers[i]);
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		/* Again while it is idle: a task that cannot be sent to anybody leaves it so, and
		 * nothing else would wake us for the next. */
		while (pool_worker_is_idle(worker) && !pool_is_used_up(pool, worker)) {
			struct task *task = pool_take_next(pool);

			if (!task)
				return;
			pool_expect_more(pool, worker);
			if (!pool_hand(pool, worker, task))
				return;
		}
		pool_fill(pool, worker);
	}
}

/* ---- stopping ---- */

static void stop_all(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_STARTING)
			pool_worker_kill(worker, KILLED_SHUTDOWN, NULL);
		else if (pool_worker_is_idle(worker))
			pool_worker_stop(worker,
			                 clock_deadline_ns(pool->now_ns, STOP_MS));
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

/* Those that have run as many tasks as they may, have grown too much, or had nothing to do
 * for too long. */
static void retire(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];
		int64_t until_ns = idle_until_ns(pool, worker);

		if (pool_worker_is_idle(worker) &&
		    (pool_is_used_up(pool, worker) ||
		     (until_ns >= 0 && until_ns <= pool->now_ns)))
			pool_worker_stop(worker,
			                 clock_deadline_ns(pool->now_ns, STOP_MS));
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

/* The control socket was full when they died. */
static void send_missing_reaps(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state != WORKER_REAPING || worker->reap_is_sent)
			continue;
		pool_send_reap(pool, worker);
		if (!worker->reap_is_sent)
			pool_try_again(pool);
	}
}

void pool_send_owed_signals(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers && pool->fork_server.control >= 0; i++) {
		struct pool_worker *worker = &pool->workers[i];
		struct process_frame request = {.kind = FRAME_SIGNAL,
		                                .pid = worker->pid,
		                                .status = worker->owed_signal};

		if (worker->owed_signal == 0)
			continue;
		if (worker->state == WORKER_REAPING ||
		    channel_send(pool->fork_server.control, &request, sizeof(request),
		                 NULL, 0, NULL, 0))
			worker->owed_signal = 0;
		else
			pool_try_again(pool);
	}
}

/* Whether a task that came now could be handed out, or would start a worker. */
static bool has_takers(const struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		const struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_ABSENT || pool_worker_is_idle(worker) ||
		    pool_worker_can_prefetch(worker, 1))
			return true;
	}
	return false;
}

size_t pool_n_to_wake(const struct process_pool *pool)
{
	size_t most = pool->executor.options.max_pending;

	if (!has_takers(pool))
		return SIZE_MAX;
	if (!pool_is_fast(pool))
		return 1;
	return most < N_GATHERED ? most : N_GATHERED;
}

void pool_schedule(struct process_pool *pool)
{
	if (pool->retry_ns >= 0 && pool->retry_ns <= pool->now_ns)
		pool->retry_ns = -1;
	if (pool->spawn_ns >= 0 && pool->spawn_ns <= pool->now_ns)
		pool->spawn_ns = -1;
	send_missing_reaps(pool);
	if (pool->suspended_ns >= 0)
		return;

	pool_share_memory(pool);
	if (pool->retry_ns < 0) {
		hand_out(pool);
		retire(pool);
		spawn_missing(pool);
		pool_prefetch(pool,
		              count_workers(pool, WORKER_STARTING, WORKER_STARTING));
	}
	if (pool->executor.is_stopping && pool->executor.queue.n == 0 &&
	    !holds_tasks(pool))
		stop_all(pool);
}
