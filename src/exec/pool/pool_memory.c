/*
 * How much memory each worker may have. Every worker has the allowance. A task that needs more
 * gets it from one budget, in the order of the requests. The limit of a worker is in one of these
 * states:
 *
 *   STEADY     it is in force
 *   WAITING    its task asked for more and waits; its deadlines stand still
 *   RAISING    the request was granted, and the fork server is setting the limit
 *   TO_ANSWER  the limit is set or refused; the answer to the worker is still to be sent
 *   TO_LOWER   the task has ended; the fork server is still to be told
 *   LOWERING   the fork server was told
 *
 * A grant counts until the limit is lowered or the worker is gone. No two tasks can wait for each
 * other: a task that waits holds nothing of the budget. One that holds some and asks for more
 * gets it at once or not at all.
 *
 * No task is prefetched behind one that has asked. It would wait for no reason, and would start
 * with the memory of another.
 */
#include "exec/pool/process_pool.h"

#include <limits.h>

enum {
	/* Requests in one attempt: those of the task, and one for its own limit. */
	MAX_NEEDS = PXP_MAX_NEEDS + 1,
};

static uint64_t allowance_of(const struct process_pool *pool)
{
	return pool->executor.options.memory_allowance;
}

static uint64_t granted_bytes(const struct process_pool *pool)
{
	uint64_t granted = 0;

	for (unsigned i = 0; i < pool->n_workers; i++)
		granted += pool->workers[i].granted;
	return granted;
}

/* The part of a limit that counts against the budget. Without an allowance nothing does. */
static uint64_t beyond_allowance(const struct process_pool *pool, uint64_t limit)
{
	uint64_t allowance = allowance_of(pool);

	return allowance > 0 && limit > allowance ? limit - allowance : 0;
}

/* ---- the deadlines of a task that waits ---- */

static void stop_clock(int64_t *deadline_ns, int64_t *deadline_left_ns, int64_t now_ns)
{
	*deadline_left_ns = -1;
	if (*deadline_ns >= 0)
		*deadline_left_ns = *deadline_ns > now_ns ? *deadline_ns - now_ns : 0;
	*deadline_ns = -1;
}

static void start_clock(int64_t *deadline_ns, int64_t deadline_left_ns, int64_t now_ns)
{
	if (deadline_left_ns < 0)
		*deadline_ns = -1;
	else if (__builtin_add_overflow(now_ns, deadline_left_ns, deadline_ns))
		*deadline_ns = INT64_MAX;
}

/* ---- limits, which the fork server sets ---- */

static bool send_limit(struct process_pool *pool, struct pool_worker *worker,
                       uint64_t limit)
{
	struct process_frame request = {.kind = FRAME_LIMIT,
	                                .worker = worker->index,
	                                .pid = worker->pid,
	                                .limit = limit};

	if (pool_ask_fork_server(pool, &request, NULL, 0))
		return true;
	pool_try_again(pool);
	return false;
}

/* Answer a request for memory. The task goes on, and its deadlines run again. Without the answer
 * it would wait for ever, so it is sent again until it arrives or the worker ends. */
static void answer_need(struct process_pool *pool, struct pool_worker *worker,
                        enum pxp_status status)
{
	const struct grant_frame grant = {
		.at = {.kind = FRAME_GRANT,
	               .slot = worker->front,
	               .generation = worker->slots[worker->front].generation,
	               .number = (int64_t)status},
		.limit = worker->limit,
	};

	worker->answer = status;
	if (!channel_send(worker->socket, &grant, sizeof(grant), NULL, 0, NULL, 0)) {
		worker->limit_state = LIMIT_TO_ANSWER;
		pool_try_again(pool);
		return;
	}
	worker->limit_state = LIMIT_STEADY;
	start_clock(&worker->deadline_ns, worker->deadline_left_ns, pool->now_ns);
	start_clock(&worker->stall_ns, worker->stall_left_ns, pool->now_ns);
}

/* ---- requests ---- */

/* Withdraw the tasks behind one that waits. */
static void return_prefetched(struct process_pool *pool, struct pool_worker *worker)
{
	/* The last one comes first, so that the order stays. */
	for (unsigned i = worker->n_held; i-- > 1;) {
		struct slot *slot = pool_worker_slot(worker, i);
		struct task *task = slot->task;

		if (task && pool_worker_withdraw(worker, slot, pool->now_ns))
			executor_return(&pool->executor, task);
	}
}

/* The limit for a task that asks for n_bytes. */
static uint64_t limit_for(const struct process_pool *pool, const struct task *task,
                          uint64_t n_bytes)
{
	if (task->gets_all_memory && allowance_of(pool) > 0)
		return allowance_of(pool) + pool->executor.options.memory_budget;
	if (task->max_memory > 0)
		return task->max_memory;
	return n_bytes;
}

const char *pool_on_need(struct process_pool *pool, struct pool_worker *worker,
                         const struct slot_frame *at)
{
	const struct slot *slot = &worker->slots[worker->front];
	uint64_t beyond;

	if (worker->n_held == 0 || at->slot != worker->front ||
	    at->generation != slot->generation || !slot->task || at->number < 0)
		return "asked for memory for a task that it does not have";
	if (worker->limit_state != LIMIT_STEADY || worker->n_needs++ >= MAX_NEEDS)
		return "asked for memory too often";
	if (worker->state != WORKER_READY)
		/* It is about to end. */
		return NULL;

	return_prefetched(pool, worker);
	stop_clock(&worker->deadline_ns, &worker->deadline_left_ns, pool->now_ns);
	stop_clock(&worker->stall_ns, &worker->stall_left_ns, pool->now_ns);
	worker->needed = limit_for(pool, slot->task, (uint64_t)at->number);
	worker->need_number = ++pool->n_needs;
	worker->limit_state = LIMIT_WAITING;

	beyond = beyond_allowance(pool, worker->needed);
	worker->was_refused = (uint64_t)at->number > worker->needed ||
	                      beyond > pool->executor.options.memory_budget;
	if (worker->was_refused)
		answer_need(pool, worker, PXP_EMEMORY);
	else if (worker->granted > 0 && beyond > pool->executor.options.memory_budget -
	                                                 granted_bytes(pool) +
	                                                 worker->granted)
		answer_need(pool, worker, PXP_EAGAIN);
	return NULL;
}

bool pool_refuse_need(struct process_pool *pool, struct pool_worker *worker)
{
	if (worker->limit_state != LIMIT_WAITING || worker->state != WORKER_READY)
		return false;
	answer_need(pool, worker, PXP_ECANCELLED);
	return true;
}

/* The worker that has waited longest, or NULL. */
static struct pool_worker *find_first_in_row(struct process_pool *pool)
{
	struct pool_worker *first = NULL;

	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_READY &&
		    worker->limit_state == LIMIT_WAITING &&
		    (!first || worker->need_number < first->need_number))
			first = worker;
	}
	return first;
}

static bool grant(struct process_pool *pool, struct pool_worker *worker)
{
	uint64_t beyond = beyond_allowance(pool, worker->needed);
	uint64_t others = granted_bytes(pool) - worker->granted;

	if (others + beyond > pool->executor.options.memory_budget && beyond > 0)
		return false;
	if (worker->needed == worker->limit) {
		answer_need(pool, worker, PXP_OK);
		return true;
	}
	if (!send_limit(pool, worker, worker->needed))
		return false;
	worker->granted = beyond;
	worker->limit_state = LIMIT_RAISING;
	return true;
}

static void lower(struct process_pool *pool, struct pool_worker *worker)
{
	if (send_limit(pool, worker, allowance_of(pool)))
		worker->limit_state = LIMIT_LOWERING;
}

void pool_grant_memory(struct process_pool *pool)
{
	struct pool_worker *first;

	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state != WORKER_READY)
			continue;
		if (worker->limit_state == LIMIT_TO_LOWER)
			lower(pool, worker);
		else if (worker->limit_state == LIMIT_TO_ANSWER)
			answer_need(pool, worker, worker->answer);
	}
	do
		first = find_first_in_row(pool);
	while (first && grant(pool, first));
}

void pool_on_limited(struct process_pool *pool, struct pool_worker *worker,
                     const struct process_frame *answer)
{
	/* The worker has died, and another may have its place. */
	if (answer->pid != worker->pid || worker->state != WORKER_READY)
		return;
	if (worker->limit_state == LIMIT_RAISING) {
		if (answer->sys_errno == 0)
			worker->limit = worker->needed;
		else
			worker->granted = beyond_allowance(pool, worker->limit);
		answer_need(pool, worker, answer->sys_errno == 0 ? PXP_OK : PXP_ESYS);
	} else if (worker->limit_state == LIMIT_LOWERING) {
		worker->limit_state = LIMIT_STEADY;
		worker->limit = allowance_of(pool);
		worker->needs_recycle |= answer->sys_errno != 0;
		worker->granted = 0;
	}
}

/* ---- after a task ---- */

void pool_reclaim_memory(struct process_pool *pool, struct pool_worker *worker,
                         uint64_t data_bytes)
{
	uint64_t allowance = allowance_of(pool);

	worker->n_needs = 0;
	worker->was_refused = false;
	/* Such a worker is replaced before its growth costs a task. Its grant counts until it is
	 * gone. */
	worker->needs_recycle |= keeps_too_much(data_bytes, allowance);
	if (worker->needs_recycle)
		return_prefetched(pool, worker);
	if (worker->limit != allowance && !worker->needs_recycle)
		worker->limit_state = LIMIT_TO_LOWER;
}

bool pool_retries_with_all_memory(struct process_pool *pool,
                                  const struct pool_worker *worker, struct task *task)
{
	/* The pool starts no task any more, or nobody would see the result. */
	if (pool->is_killed || task->is_completed)
		return false;
	if (!task->may_retry_memory || task->gets_all_memory || worker->was_refused ||
	    allowance_of(pool) == 0)
		return false;
	task->gets_all_memory = true;
	return true;
}
