/*
 * What lies ready in the channel of a worker that is busy, so that it finds its next task
 * without a round trip: one task, and more only where tasks are so quick that a worker would
 * be done with them before it is known.
 *
 * More than one lies there only while the last tasks were quick: their sum, as far as can be
 * told, is under AHEAD_NS. None that brings descriptors or that is long is laid behind another
 * prefetched one: a worker holds no more than four open inputs. Whoever has nothing to do takes
 * what another has only prefetched; and where nobody ever has nothing to do, it is taken over
 * as well, of any kind, once it is overtaken by twice as many tasks as lie in the channels.
 *
 * Tasks that are done sooner than anybody is woken for them (WAKE_NS) go where somebody is
 * awake, all that it will have done by then; and the supervisor sleeps on until a worker is
 * done or there are several.
 */
#include "exec/pool/process_pool.h"

#include "base/clock.h"

enum {
	AHEAD_NS = 1000 * 1000,  /* of work that lies in a channel, at most */
	SHORT_BYTES = 4096,      /* of an input that may lie behind a prefetched one */
	MAX_OVERTAKERS = 2,      /* of a task, a worker and a task that lies ahead */
	FIRST_NS = 8 * AHEAD_NS, /* how long a task takes, before it is known */
	LISTEN_MS = 1,           /* between two looks at the page of a quiet worker */
	WAKE_NS = 20 * 1000,     /* what it takes to wake a worker, about */
};

/* A long one is taken for the rule at once, a quick one only when it has company. */
void pool_note_time(struct process_pool *pool, int64_t run_ns)
{
	int64_t before_ns = pool->task_ns > 0 ? pool->task_ns : FIRST_NS;
	int64_t mean_ns = before_ns - before_ns / 8 + run_ns / 8;

	pool->task_ns = run_ns > mean_ns ? run_ns : mean_ns;
}

void pool_forget_time(struct process_pool *pool)
{
	pool->task_ns = FIRST_NS;
}

unsigned pool_depth(const struct process_pool *pool)
{
	if (pool->task_ns == 0 || pool->task_ns > AHEAD_NS / 2)
		return 1;
	if (pool->task_ns <= AHEAD_NS / (N_SLOTS - 1))
		return N_SLOTS - 1;
	return (unsigned)(AHEAD_NS / pool->task_ns);
}

static bool may_lie_deep(const struct task *task)
{
	return task->n_descriptors == 0 && !task->wants_output && task->input_memfd < 0 &&
	       task->n_input <= SHORT_BYTES && task->max_memory == 0 &&
	       !task->gets_all_memory;
}

/* Whether the task that runs there is not longer than was thought. */
static bool is_quick(const struct pool_worker *worker, int64_t now_ns)
{
	return now_ns - worker->front_since_ns <= AHEAD_NS;
}

/* How many tasks are done in the time that it takes to wake a worker. */
static unsigned count_fast(const struct process_pool *pool)
{
	if (pool->task_ns == 0 || pool->task_ns > WAKE_NS)
		return 0;
	if (pool->task_ns <= WAKE_NS / (N_SLOTS - 1))
		return N_SLOTS - 1;
	return (unsigned)(WAKE_NS / pool->task_ns);
}

static bool is_awake(const struct pool_worker *worker, int64_t now_ns)
{
	return worker->state == WORKER_READY && worker->n_held > 0 &&
	       is_quick(worker, now_ns);
}

/* ---- what lies there ---- */

size_t pool_count_prefetched(struct process_pool *pool)
{
	size_t n = 0;

	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		for (unsigned j = 1; j < worker->n_held; j++)
			n += worker->state == WORKER_READY &&
			     pool_worker_held(worker, j)->task;
	}
	return n;
}

struct prefetched {
	struct pool_worker *worker;
	struct slot *slot;
};

/* The oldest of the tasks that only lie prefetched; slot is NULL when there is none. */
static struct prefetched find_oldest(struct process_pool *pool)
{
	struct prefetched oldest = {0};

	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		for (unsigned j = 1; j < worker->n_held; j++) {
			struct slot *slot = pool_worker_held(worker, j);

			if (worker->state == WORKER_READY && slot->task &&
			    (!oldest.slot ||
			     slot->task->submitted < oldest.slot->task->submitted))
				oldest = (struct prefetched){worker, slot};
		}
	}
	return oldest;
}

/* Whether more tasks than it should have been handed out before it. */
static bool is_overtaken(const struct process_pool *pool, const struct task *task)
{
	const struct task *queued = pool->executor.queue.first;
	uint64_t most = (uint64_t)MAX_OVERTAKERS * pool->n_workers * pool_depth(pool);

	return task->submitted + most < queued->submitted;
}

/* The oldest that nobody has begun, be it in the queue or behind another one. But what lies
 * behind quick ones is begun as soon there as here. */
struct task *pool_take_next(struct process_pool *pool)
{
	const struct task *queued = pool->executor.queue.first;
	struct prefetched oldest = find_oldest(pool);
	struct task *task = oldest.slot ? oldest.slot->task : NULL;

	if (task && pool_depth(pool) > 1 && is_quick(oldest.worker, pool->now_ns) &&
	    (queued ? !is_overtaken(pool, task) : count_fast(pool) > 0))
		return executor_take(&pool->executor);
	if (task && (!queued || task->submitted < queued->submitted) &&
	    pool_worker_take_back(oldest.worker, oldest.slot, pool->now_ns))
		return task;
	return executor_take(&pool->executor);
}

/* The next task to lie behind another one. Without a need it is not taken from where it lies
 * already; but where workers are never idle, so that none takes it over, what lies behind a
 * long task would be overtaken without end. */
static struct task *take_for_later(struct process_pool *pool,
                                   const struct pool_worker *worker,
                                   struct prefetched *oldest)
{
	struct task *task = oldest->slot ? oldest->slot->task : NULL;

	if (!task || oldest->worker == worker || !is_overtaken(pool, task) ||
	    !pool_worker_take_back(oldest->worker, oldest->slot, pool->now_ns))
		return executor_take(&pool->executor);
	*oldest = find_oldest(pool);
	return task;
}

/* Whether one more may lie behind level others. One that has to begin by a time stays where
 * that is watched. */
static bool may_be_prefetched(const struct task *task, unsigned level)
{
	return task->expires_ns < 0 && (level == 1 || may_lie_deep(task));
}

/* Lay one more behind level others. False when there is no use in going on for now. */
static bool prefetch_one(struct process_pool *pool, struct pool_worker *worker,
                         unsigned level, struct prefetched *oldest)
{
	if (!pool_worker_can_prefetch(worker, level) || pool_is_used_up(pool, worker) ||
	    (level > 1 && !is_quick(worker, pool->now_ns)))
		return true;
	if (level > 1 && !worker->is_quiet)
		pool_page_be_quiet(worker, true);
	return pool_hand(pool, worker, take_for_later(pool, worker, oldest));
}

/* ---- tasks that are done sooner than a worker is woken ---- */

bool pool_is_fast(const struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers && count_fast(pool) > 0; i++) {
		if (is_awake(&pool->workers[i], pool->now_ns))
			return true;
	}
	return false;
}

void pool_fill(struct process_pool *pool, struct pool_worker *worker)
{
	const struct task_list *queue = &pool->executor.queue;
	unsigned most = count_fast(pool);
	struct prefetched oldest;
	size_t n_before = SIZE_MAX;

	if (queue->n == 0 || worker->n_held > most || !is_awake(worker, pool->now_ns))
		return;
	oldest = find_oldest(pool);
	while (queue->n > 0 && queue->n < n_before && worker->n_held <= most &&
	       is_awake(worker, pool->now_ns) &&
	       may_be_prefetched(queue->first, N_SLOTS)) {
		n_before = queue->n;
		if (!prefetch_one(pool, worker, worker->n_held, &oldest))
			return;
	}
}

void pool_expect_more(struct process_pool *pool, struct pool_worker *worker)
{
	const struct task *next = pool->executor.queue.first;

	if (next && count_fast(pool) > 0 && may_be_prefetched(next, N_SLOTS))
		pool_page_be_quiet(worker, true);
}

/* In turn, so that they begin in the order of their submission, more or less. */
void pool_prefetch(struct process_pool *pool, size_t n_coming)
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

/* ---- answers that nobody rings for ---- */

void pool_listen(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (!worker->is_quiet || worker->state >= WORKER_REAPING)
			continue;
		if (pool_read_page(pool, worker) && is_awake(worker, pool->now_ns))
			continue;
		pool_page_be_quiet(worker, false);
		pool_read_page(pool, worker);
	}
}

int64_t pool_listen_ns(const struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		if (pool->workers[i].is_quiet && pool->workers[i].state < WORKER_REAPING)
			return clock_deadline_ns(pool->now_ns, LISTEN_MS);
	}
	return pool_is_fast(pool) ? clock_deadline_ns(pool->now_ns, LISTEN_MS) : -1;
}
