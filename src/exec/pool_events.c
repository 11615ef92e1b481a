#include "base/clock.h"
#include "base/fd.h"
#include "exec/process_pool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

enum {
	MAX_FRAMES_AT_ONCE =
		16, /* from one worker, so that none keeps the others waiting */
	MAX_LOG_AT_ONCE = 64 * 1024,
	MAX_LAST_FRAMES = 1024, /* of a dead worker, whose children may hold its ends */
	MAX_LAST_LOG = 1024 * 1024,
	MAX_FAILED_STARTS = 3, /* workers in a row that died before they were ready */
	MAX_RETURNS = 3,       /* of a task by workers that died before they began it */
};

void pool_settle(struct process_pool *pool, struct task *task,
                 struct settlement *settlement)
{
	task_detach(task);
	task->settlement = *settlement;
	task_list_append(&pool->settled, task);
}

void pool_break(struct process_pool *pool, const char *text)
{
	struct pxp_executor *executor = &pool->executor;
	struct task *task;

	if (executor->broken.status == PXP_OK)
		pxp_fail(&executor->broken, PXP_EBROKEN, "%s", text);
	while ((task = executor_take(executor))) {
		struct settlement failed = {.state = PXP_FAILED,
		                            .outcome.error = executor->broken,
		                            .output = -1};

		pool_settle(pool, task, &failed);
	}
	cond_broadcast(&executor->has_room);
}

/* What every settlement of a task with a worker says. */
static struct settlement settlement_at(struct pool_worker *worker,
                                       const struct slot *slot, int64_t now_ns)
{
	int64_t started_ns = pool_worker_started_ns(worker, slot, now_ns);

	return (struct settlement){
		.state = PXP_FAILED,
		.outcome = {.worker = worker->pid,
	                    .queue_ns = started_ns - slot->task->submitted_ns,
	                    .run_ns = now_ns - started_ns},
		.output = -1,
	};
}

/* ---- answers ---- */

/* The result of an answer, which the worker could have made up in every part. */
static bool take_result(const struct answer_frame *answer, const char *body,
                        size_t n_body, struct frame *frame, struct settlement *settlement)
{
	size_t n = (size_t)answer->n_result;
	unsigned n_descriptors = answer->result_is_memfd ? 1 : 0;

	if (frame->n_descriptors != n_descriptors ||
	    (!answer->result_is_memfd && n != n_body))
		return false;
	if (n == 0)
		return true;
	if (n_descriptors > 0 && fcntl(frame->descriptors[0], F_GET_SEALS) < 0)
		return false; /* no memfd: reading it might block */

	settlement->result = malloc(n);
	settlement->n_result = n;
	if (!settlement->result) {
		settlement->state = PXP_FAILED;
		pxp_fail(&settlement->outcome.error, PXP_ENOMEM,
		         "no memory for a result of %zu bytes", n);
		return true;
	}
	if (n_descriptors == 0) {
		memcpy(settlement->result, body, n);
		return true;
	}
	return fd_pread_full(frame->descriptors[0], settlement->result, n, 0) ==
	       (ssize_t)n;
}

/* Seal the output, so that nobody can change what is published; it fails when the worker
 * kept a writable mapping of it. */
static bool seal(int output)
{
	return output < 0 ||
	       fcntl(output, F_ADD_SEALS,
	             F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

/* The word of the front slot's task. NULL, or how it breaks the protocol. */
static const char *on_answer(struct process_pool *pool, struct pool_worker *worker,
                             const char *buffer, struct frame *frame, int64_t now_ns)
{
	struct slot *slot = &worker->slots[worker->front];
	struct answer_frame answer;
	struct settlement settlement;

	if (frame->n < sizeof(answer))
		return "sent an answer that is too short";
	memcpy(&answer, buffer, sizeof(answer));
	if (worker->n_held == 0 || answer.at.slot != worker->front ||
	    answer.at.generation != slot->generation || !slot->task)
		return "answered what it was not asked";

	settlement = settlement_at(worker, slot, now_ns);
	pool_worker_read_log(worker, MAX_LOG_AT_ONCE);
	if (answer.error.status == PXP_OK) {
		settlement.state = PXP_FINISHED;
		if (!take_result(&answer, buffer + sizeof(answer),
		                 frame->n - sizeof(answer), frame, &settlement)) {
			settlement_fini(&settlement);
			return "sent a result that is not what it says";
		}
		if (!seal(slot->output)) {
			settlement_fini(&settlement);
			return "kept its output open for writing";
		}
		settlement.output = slot->output;
		slot->output = -1;
	} else {
		answer.error.text[sizeof(answer.error.text) - 1] = 0;
		pxp_fail(&settlement.outcome.error, PXP_ETASK, "%s", answer.error.text);
		settlement.outcome.error.code = answer.error.code;
		settlement.log = pool_worker_log(worker, &settlement.outcome.n_log);
	}
	slot->task->attempts++;
	pool_settle(pool, slot->task, &settlement);
	worker->n_logged = 0;
	pool_worker_pop(worker, now_ns);
	return NULL;
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
	int64_t ms = at->ms;

	if (worker->n_held == 0 || at->slot != worker->front ||
	    at->generation != slot->generation || !slot->task || ms < 0)
		return "asked for time for a task that it does not have";
	if (worker->n_restarts >= PXP_MAX_RESTARTS || slot->task->deadline_ms == 0)
		return NULL;
	int64_t most = slot->task->max_deadline_ms > slot->task->deadline_ms
	                       ? slot->task->max_deadline_ms
	                       : slot->task->deadline_ms;

	worker->n_restarts++;
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

static const char *on_frame(struct process_pool *pool, struct pool_worker *worker,
                            const char *buffer, struct frame *frame, int64_t now_ns)
{
	struct slot_frame at = {0};

	memcpy(&at, buffer, frame->n < sizeof(at) ? frame->n : sizeof(at));
	if (at.kind == FRAME_ANSWER)
		return on_answer(pool, worker, buffer, frame, now_ns);
	if (frame->n_descriptors > 0)
		return "sent descriptors that nobody asked for";
	if (at.kind == FRAME_BROKEN && worker->state == WORKER_STARTING)
		return on_broken(pool, buffer, frame->n);
	if (frame->n != sizeof(at))
		return "sent a frame of a wrong length";

	switch (at.kind) {
	case FRAME_READY:
		if (worker->state == WORKER_STARTING)
			worker->state = WORKER_READY;
		pool->n_failed_starts = 0;
		return NULL;
	case FRAME_WITHDRAWN:
		return on_withdrawn(worker, &at, now_ns);
	case FRAME_DEADLINE:
		return on_restart_deadline(worker, &at, now_ns);
	default:
		return "sent a frame of no known kind";
	}
}

/* Read at most max_frames. False when the channel has ended or must not be read on: who
 * broke the protocol once is not listened to again. */
static bool read_frames(struct process_pool *pool, struct pool_worker *worker,
                        int max_frames, int64_t now_ns)
{
	_Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct frame frame;

	for (int i = 0; i < max_frames && worker->reason != KILLED_BREACH; i++) {
		enum received received = channel_receive(worker->socket, buffer, &frame);
		const char *breach =
			"sent a frame that is too long, or too many descriptors";

		if (received == RECEIVED_NOTHING)
			return true;
		if (received == RECEIVED_END)
			return false;
		if (received == RECEIVED_FRAME) {
			breach = on_frame(pool, worker, buffer, &frame, now_ns);
			frame_close_descriptors(&frame);
		}
		if (breach) {
			/* Also when it is dead already: what it broke counts, not how it ended. */
			pool_worker_kill(worker, KILLED_BREACH, breach);
			worker->reason = KILLED_BREACH;
			worker->breach = breach;
			return false;
		}
	}
	return true;
}

void pool_on_socket(struct process_pool *pool, struct pool_worker *worker, int64_t now_ns)
{
	if (read_frames(pool, worker, MAX_FRAMES_AT_ONCE, now_ns))
		return;
	/* It broke the protocol and is being killed; or it closed its channel: then it has
	 * died, and the pidfd will say so as well, or it lives on without one and must not. */
	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, worker->socket, NULL);
	pool_worker_signal(worker, SIGKILL);
}

void pool_on_deadline(struct process_pool *pool, struct pool_worker *worker,
                      int64_t now_ns)
{
	/* The answer may be waiting to be read. */
	read_frames(pool, worker, N_SLOTS, now_ns);
	if (worker->deadline_ns < 0 || worker->deadline_ns > now_ns)
		return;
	pool_worker_kill(worker,
	                 worker->state == WORKER_STOPPING ? KILLED_SHUTDOWN
	                                                  : KILLED_DEADLINE,
	                 NULL);
}

/* ---- deaths ---- */

void pool_on_death(struct process_pool *pool, struct pool_worker *worker, int64_t now_ns)
{
	struct process_frame request = {
		.kind = FRAME_REAP, .worker = worker->index, .pid = worker->pid};

	/* First all that it said: a complete answer wins. */
	read_frames(pool, worker, MAX_LAST_FRAMES, now_ns);
	pool_worker_read_log(worker, MAX_LAST_LOG);
	worker->deadline_ns = -1;

	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, worker->socket, NULL);
	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, worker->log, NULL);
	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, worker->pidfd, NULL);
	if (worker->state == WORKER_STARTING)
		pool->n_failed_starts++;
	worker->ended_in_order = worker->state == WORKER_STOPPING;
	worker->state = WORKER_REAPING;
	/* There is room: one request for each worker is the most that is under way. */
	channel_send(pool->control, &request, sizeof(request), NULL, 0, NULL, 0);
}

static void describe_death(const struct pool_worker *worker, int status,
                           struct pxp_error *error)
{
	if (worker->reason == KILLED_DEADLINE) {
		pxp_fail(error, PXP_EDEADLINE,
		         "over its deadline: the worker was killed");
	} else if (worker->reason == KILLED_BREACH) {
		pxp_fail(error, PXP_EPROTO, "the worker %s, and was killed",
		         worker->breach);
	} else if (worker->reason == KILLED_SHUTDOWN) {
		pxp_fail(error, PXP_ECANCELLED, "killed: the executor was shut down");
	} else if (status < 0) {
		pxp_fail(error, PXP_ECRASHED, "the worker died with its nursery");
	} else if (WIFSIGNALED(status)) {
		const char *name = sigabbrev_np(WTERMSIG(status));

		pxp_fail(error, PXP_ECRASHED, "worker died of SIG%s",
		         name ? name : "unknown");
		error->signal = WTERMSIG(status);
	} else {
		pxp_fail(error, PXP_ECRASHED, "worker exited with status %d",
		         WEXITSTATUS(status));
		error->exit_code = WEXITSTATUS(status);
	}
}

/* Blame is for who had begun. A worker could forge that it had not; so a task that workers
 * die over again and again is to blame as well. */
static bool is_to_blame(const struct pool_worker *worker, const struct slot *slot)
{
	return slot == &worker->slots[worker->front] &&
	       (pool_worker_has_begun(worker, slot) ||
	        ++slot->task->n_returned >= MAX_RETURNS);
}

static void return_to_queue(struct process_pool *pool, struct task *task)
{
	struct pxp_executor *executor = &pool->executor;

	task->place = TASK_QUEUED;
	task_list_prepend(&executor->queue, task);
}

/* What it held when it died: settle what it had begun, or begin that again; return the
 * rest to the head of the queue. The later slot first, so that the order stays. */
static void release_held(struct process_pool *pool, struct pool_worker *worker,
                         int status, int64_t now_ns)
{
	for (unsigned i = worker->n_held; i-- > 0;) {
		struct slot *slot = &worker->slots[(worker->front + i) % N_SLOTS];
		struct task *task = slot->task;
		struct settlement settlement;

		if (!task)
			continue;
		if (worker->reason != KILLED_SHUTDOWN && !is_to_blame(worker, slot)) {
			return_to_queue(pool, task);
			continue;
		}
		settlement = settlement_at(worker, slot, now_ns);
		describe_death(worker, status, &settlement.outcome.error);
		if (settlement.outcome.error.status == PXP_ECANCELLED)
			settlement.state = PXP_CANCELLED;
		task->attempts++;
		if (settlement.outcome.error.status == PXP_ECRASHED &&
		    task->retries_left > 0) {
			task->retries_left--;
			return_to_queue(pool, task);
			continue;
		}
		settlement.log = pool_worker_log(worker, &settlement.outcome.n_log);
		pool_settle(pool, task, &settlement);
	}
}

static void forget_worker(struct process_pool *pool, struct pool_worker *worker,
                          int status, int64_t now_ns)
{
	if (worker->reason == KILLED_DEADLINE || worker->reason == KILLED_BREACH)
		pool->n_killed++;
	else if (worker->reason == KILLED_NOT && !worker->ended_in_order)
		pool->n_crashed++;
	release_held(pool, worker, status, now_ns);
	pool_worker_clear(worker);
	if (pool->n_failed_starts >= MAX_FAILED_STARTS)
		pool_break(pool, "workers die before they are ready");
	else if (pool->executor.broken.status != PXP_OK)
		pool_break(pool, pool->executor.broken.text);
}

/* ---- the nursery ---- */

static void on_spawned(struct process_pool *pool, struct pool_worker *worker,
                       const struct process_frame *answer, struct frame *frame)
{
	if (frame->n_descriptors != 1)
		return;
	worker->pid = (pid_t)answer->pid;
	worker->pidfd = frame->descriptors[0];
	frame->descriptors[0] = -1;
	pool->n_spawned++;
	pool->n_failed_spawns = 0;
	pool_watch(pool, worker->pidfd, SOURCE_PIDFD, worker->index);
	if (worker->state == WORKER_DYING)
		pool_worker_signal(worker, SIGKILL); /* killed before it had a pid */
}

static void on_not_spawned(struct process_pool *pool, struct pool_worker *worker,
                           int sys_errno, int64_t now_ns)
{
	pool_worker_clear(worker);
	pool_spawn_failed(pool, sys_errno, now_ns);
}

static void on_unloaded(struct process_pool *pool, const char *buffer)
{
	struct broken_frame broken;

	memcpy(&broken, buffer, sizeof(broken));
	pool_break(pool, broken.error.text[0] ? broken.error.text : "the preload failed");
	/* None of those asked for will come: nothing of them is left but our ends. */
	for (unsigned i = 0; i < pool->n_workers; i++) {
		if (pool->workers[i].pid == 0)
			pool_worker_clear(&pool->workers[i]);
	}
}

/* It is gone, and its workers with it: what they answered before still counts. */
static void on_nursery_death(struct process_pool *pool, int64_t now_ns)
{
	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, pool->control, NULL);
	fd_close(&pool->control);
	pool_break(pool, "the nursery of the process pool died");
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_ABSENT)
			continue;
		if (worker->pidfd >= 0)
			pidfd_send_signal(worker->pidfd, SIGKILL, NULL, 0);
		if (worker->state != WORKER_REAPING)
			read_frames(pool, worker, MAX_LAST_FRAMES, now_ns);
		forget_worker(pool, worker, -1, now_ns);
	}
}

void pool_on_control(struct process_pool *pool, int64_t now_ns)
{
	_Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct process_frame answer;
	struct pool_worker *worker;
	struct frame frame;
	enum received received = channel_receive(pool->control, buffer, &frame);

	if (received == RECEIVED_NOTHING)
		return;
	if (received != RECEIVED_FRAME) {
		on_nursery_death(pool, now_ns);
		return;
	}
	memcpy(&answer, buffer, sizeof(answer));
	worker = &pool->workers[answer.worker < pool->n_workers ? answer.worker : 0];
	if (answer.kind == FRAME_UNLOADED)
		on_unloaded(pool, buffer);
	else if (answer.kind == FRAME_SPAWNED)
		on_spawned(pool, worker, &answer, &frame);
	else if (answer.kind == FRAME_NOT_SPAWNED)
		on_not_spawned(pool, worker, answer.sys_errno, now_ns);
	else if (answer.kind == FRAME_REAPED)
		forget_worker(pool, worker, answer.status, now_ns);
	frame_close_descriptors(&frame);
}
