/* What workers say, all of which they could have made up; and their deadlines. */
#include "base/clock.h"
#include "exec/pool/process_pool.h"

#include <string.h>
#include <sys/epoll.h>

void pool_complete(struct process_pool *pool, struct task *task,
                   struct completion *completion)
{
	task_detach(task);
	task_put_completion(task, completion);
	task_list_append(&pool->completed, task);
}

void pool_break(struct process_pool *pool, const char *text)
{
	struct pxp_executor *executor = &pool->executor;
	struct task *task;

	if (executor->broken.status == PXP_OK)
		pxp_fail(&executor->broken, PXP_EBROKEN, "%s", text);
	while ((task = executor_take(executor))) {
		struct completion failed = completion_of(PXP_FAILED);

		failed.outcome.error = executor->broken;
		pool_complete(pool, task, &failed);
	}
	cond_broadcast(&executor->has_room);
}

static const char *on_withdrawn(struct pool_worker *worker, const struct slot_frame *at,
                                int64_t now_ns)
{
	const struct slot *slot = &worker->slots[worker->front];

	if (worker->n_held == 0 || at->slot != worker->front ||
	    at->generation != slot->generation || slot->task)
		return "gave back what was not taken from it";
	pool_worker_pop(worker, now_ns);
	return NULL;
}

static const char *on_restart_deadline(struct pool_worker *worker,
                                       const struct slot_frame *at, int64_t now_ns)
{
	const struct slot *slot = &worker->slots[worker->front];
	int64_t ms = at->number;

	if (worker->n_held == 0 || at->slot != worker->front ||
	    at->generation != slot->generation || !slot->task || ms < 0)
		return "asked for time for a task that it does not have";
	if (worker->n_restarts >= PXP_MAX_RESTARTS)
		return "asked for time more often than it may";
	int64_t most = slot->task->max_deadline_ms > slot->task->deadline_ms
	                       ? slot->task->max_deadline_ms
	                       : slot->task->deadline_ms;

	worker->n_restarts++;
	if (slot->task->deadline_ms > 0 && worker->state < WORKER_HUNG_UP &&
	    !worker->is_overdue && worker->limit_state == LIMIT_STEADY)
		worker->deadline_ns = clock_deadline_ns(now_ns, ms < most ? ms : most);
	return NULL;
}

static const char *on_broken(struct process_pool *pool, const char *buffer, size_t n)
{
	struct broken_frame broken;

	if (n != sizeof(broken))
		return "sent a frame of a wrong length";
	memcpy(&broken, buffer, sizeof(broken));
	broken.error.text[sizeof(broken.error.text) - 1] = 0;
	pool_break(pool, broken.error.text[0] ? broken.error.text
	                                      : "the initialiser of a worker failed");
	return NULL;
}

static const char *on_ready(struct process_pool *pool, struct pool_worker *worker)
{
	if (worker->is_ready)
		return "said twice that it is ready";
	worker->is_ready = true;
	worker->idle_since_ns = pool->now_ns;
	pool->n_failed_starts = 0;
	if (worker->state == WORKER_STARTING) {
		worker->state = WORKER_READY;
		worker->deadline_ns = -1;
	}
	/* What the initialiser wrote is nobody's. */
	pool_worker_read_log(worker, POOL_LOG_AT_ONCE);
	pool_worker_forget_log(worker);
	return NULL;
}

static const char *on_frame(struct process_pool *pool, struct pool_worker *worker,
                            const char *buffer, struct frame *frame)
{
	struct slot_frame at = {0};

	memcpy(&at, buffer, frame->n < sizeof(at) ? frame->n : sizeof(at));
	if (at.kind == FRAME_ANSWER)
		return pool_on_answer(pool, worker, buffer, frame);
	if (frame->n_descriptors > 0)
		return "sent descriptors that nobody asked for";
	if (at.kind == FRAME_BROKEN && worker->state == WORKER_STARTING)
		return on_broken(pool, buffer, frame->n);
	if (frame->n != sizeof(at))
		return "sent a frame of a wrong length";

	switch (at.kind) {
	case FRAME_READY:
		return on_ready(pool, worker);
	case FRAME_WITHDRAWN:
		return on_withdrawn(worker, &at, pool->now_ns);
	case FRAME_DEADLINE:
		return on_restart_deadline(worker, &at, pool->now_ns);
	case FRAME_NEED:
		return pool_on_need(pool, worker, &at);
	case FRAME_BELL:
		return NULL;
	default:
		return "sent a frame of no known kind";
	}
}

bool pool_read_page(struct process_pool *pool, struct pool_worker *worker)
{
	const char *breach = NULL;

	if (worker->reason != KILLED_BREACH)
		breach = pool_take_page_answers(pool, worker);
	if (breach)
		pool_worker_kill(worker, KILLED_BREACH, breach);
	return worker->reason != KILLED_BREACH;
}

bool pool_read_frames(struct process_pool *pool, struct pool_worker *worker,
                      int max_frames)
{
	_Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct frame frame;

	if (!pool_read_page(pool, worker))
		return false;
	for (int i = 0; i < max_frames && worker->reason != KILLED_BREACH; i++) {
		enum received received = channel_receive(worker->socket, buffer, &frame);
		const char *breach =
			"sent a frame that is too long, or too many descriptors";

		if (received == RECEIVED_NOTHING)
			return true;
		if (received == RECEIVED_END)
			return false;
		if (received == RECEIVED_FRAME) {
			breach = pool_take_page_answers(pool, worker);
			if (!breach)
				breach = on_frame(pool, worker, buffer, &frame);
			frame_close_descriptors(&frame);
		}
		if (breach) {
			pool_worker_kill(worker, KILLED_BREACH, breach);
			return false;
		}
	}
	return true;
}

void pool_on_socket(struct process_pool *pool, struct pool_worker *worker)
{
	bool goes_on = pool_read_frames(pool, worker, 1);

	/* One is the rule, and asking for more that are not there costs a system call each. But
	 * the answers of quick tasks may be there as well by now, or be on their way. No more
	 * than those, so that no worker keeps the others waiting. */
	for (int i = 1;
	     i < N_SLOTS && goes_on && worker->n_held > 0 && !worker->is_quiet &&
	     pool_worker_phase(worker, pool_worker_held(worker, 0)) ==
	             PXP_PHASE_ANSWERING;
	     i++)
		goes_on = pool_read_frames(pool, worker, 1);
	if (goes_on)
		return;
	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, worker->socket, NULL);
	pool_worker_hang_up(worker, pool->now_ns);
}

/* The front task's time is over. But if it has just ended, its answer is waited for: the
 * worker may have begun the next one, which is not to pay for it. */
static void kill_late(struct pool_worker *worker, enum kill_reason reason, int64_t now_ns)
{
	const struct slot *slot = pool_worker_held(worker, 0);

	if (pool_worker_gets_time_to_begin(worker, now_ns))
		return;
	if (pool_page_claim_kill(worker, slot) || worker->is_overdue ||
	    !pool_worker_has_begun(worker, slot))
		pool_worker_kill(worker, reason, NULL);
	else
		pool_worker_expect_answer(worker, slot, now_ns);
}

void pool_on_deadline(struct process_pool *pool, struct pool_worker *worker)
{
	/* The answer may be waiting to be read. */
	pool_read_frames(pool, worker, N_SLOTS);
	if (worker->deadline_ns < 0 || worker->deadline_ns > pool->now_ns)
		return;
	if (worker->state == WORKER_STOPPING)
		pool_worker_kill(worker, KILLED_SHUTDOWN, NULL);
	else if (worker->state == WORKER_HUNG_UP)
		pool_worker_kill(worker, KILLED_BREACH, "closed its channel");
	else if (worker->state == WORKER_STARTING)
		pool_worker_kill(worker, KILLED_START, NULL);
	else if (!worker->slots[worker->front].task)
		pool_worker_kill(worker, KILLED_BREACH,
		                 "did not give back what was withdrawn");
	else
		kill_late(worker, KILLED_DEADLINE, pool->now_ns);
}

void pool_on_stall(struct process_pool *pool, struct pool_worker *worker)
{
	if (pool_worker_has_progressed(worker, pool->now_ns))
		return;
	pool_read_frames(pool, worker, N_SLOTS);
	if (worker->stall_ns >= 0 && worker->stall_ns <= pool->now_ns)
		kill_late(worker, KILLED_STALL, pool->now_ns);
}
