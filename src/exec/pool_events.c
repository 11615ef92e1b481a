#include "base/clock.h"
#include "base/fd.h"
#include "exec/process_pool.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

enum {
	/* From one worker, so that none keeps the others waiting. One is the rule, and asking
	 * for more that are not there costs a system call each. */
	MAX_FRAMES_AT_ONCE = 1,
	MAX_LOG_AT_ONCE = 64 * 1024,
	MAX_LAST_FRAMES = 1024, /* of a dead worker, whose children may hold its ends */
	MAX_LAST_LOG = 1024 * 1024,
	MAX_FAILED_STARTS = 3, /* workers in a row that died before they were ready */
	DEFAULT_MAX_CRASHES = 100,
	MAX_RETURNS = 3, /* of a task by workers that died before they began it */
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
	                    .run_ns = now_ns - started_ns,
	                    .progress = pool_worker_progress(worker, slot)},
		.output = -1,
	};
}

/* ---- answers ---- */

/* The result of an answer, which the worker could have made up in every part. */
static bool take_result(const struct answer_frame *answer, const char *body,
                        size_t n_body, struct frame *frame, struct settlement *settlement)
{
	size_t n = (size_t)answer->n_result;
	int memfd = -1;

	if (answer->n_descriptors > PXP_MAX_DESCRIPTORS || answer->result_is_memfd > 1 ||
	    frame->n_descriptors != answer->n_descriptors + answer->result_is_memfd ||
	    (!answer->result_is_memfd && n != n_body))
		return false;
	if (answer->result_is_memfd) {
		memfd = frame->descriptors[answer->n_descriptors];
		if (fcntl(memfd, F_GET_SEALS) < 0)
			return false; /* no memfd: reading it might block */
	}

	settlement->result = n > 0 ? malloc(n) : NULL;
	settlement->n_result = n;
	if (n > 0 && !settlement->result) {
		settlement->state = PXP_FAILED;
		pxp_fail(&settlement->outcome.error, PXP_ENOMEM,
		         "no memory for a result of %zu bytes", n);
		return true;
	}
	if (memfd >= 0 && fd_pread_full(memfd, settlement->result, n, 0) != (ssize_t)n)
		return false;
	if (memfd < 0 && n > 0)
		memcpy(settlement->result, body, n);

	settlement->n_descriptors = answer->n_descriptors;
	for (unsigned i = 0; i < answer->n_descriptors; i++) {
		settlement->descriptors[i] = frame->descriptors[i];
		frame->descriptors[i] = -1;
	}
	return true;
}

/* Seal the output, so that nobody can change what is published; it fails when the worker
 * kept a writable mapping of it. */
static bool seal(int output)
{
	return output < 0 ||
	       fcntl(output, F_ADD_SEALS,
	             F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

static void take_error(struct answer_frame *answer, struct pool_worker *worker,
                       struct settlement *settlement)
{
	struct pxp_error *error = &settlement->outcome.error;

	answer->error.text[sizeof(answer->error.text) - 1] = 0;
	if (answer->error.status == PXP_ECANCELLED) {
		settlement->state = PXP_CANCELLED;
		pxp_fail(error, PXP_ECANCELLED, "%s", answer->error.text);
		return;
	}
	pxp_fail(error, PXP_ETASK, "%s", answer->error.text);
	error->code = answer->error.code;
	pool_worker_read_log(worker, MAX_LOG_AT_ONCE);
	settlement->log = pool_worker_log(worker, &settlement->outcome.n_log);
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
		take_error(&answer, worker, &settlement);
	}
	if (answer.cpu_ns >= 0)
		settlement.outcome.cpu_ns = answer.cpu_ns;
	settlement.outcome.peak_bytes = answer.peak_bytes;
	slot->task->attempts++;
	pool->n_crashes_in_a_row = 0;
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

void pool_on_stall(struct process_pool *pool, struct pool_worker *worker, int64_t now_ns)
{
	if (pool_worker_has_progressed(worker, now_ns))
		return;
	read_frames(pool, worker, N_SLOTS, now_ns);
	if (worker->stall_ns >= 0 && worker->stall_ns <= now_ns)
		pool_worker_kill(worker, KILLED_STALL, NULL);
}

/* ---- deaths ---- */

void pool_on_death(struct process_pool *pool, struct pool_worker *worker, int64_t now_ns)
{
	struct process_frame request = {
		.kind = FRAME_REAP, .worker = worker->index, .pid = worker->pid};

	/* First all that it said: a complete answer wins. */
	read_frames(pool, worker, MAX_LAST_FRAMES, now_ns);
	pool_worker_read_log(worker, MAX_LAST_LOG);
	worker->deadline_ns = worker->stall_ns = -1;

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

static int64_t usage_cpu_ns(const struct rusage *usage)
{
	return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000 +
	       (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000;
}

static void describe_death(const struct pool_worker *worker, int status,
                           struct pxp_error *error)
{
	if (worker->reason == KILLED_DEADLINE) {
		pxp_fail(error, PXP_EDEADLINE,
		         "over its deadline: the worker was killed");
	} else if (worker->reason == KILLED_STALL) {
		pxp_fail(error, PXP_EDEADLINE,
		         "no progress for too long: the worker was killed");
	} else if (worker->reason == KILLED_CANCEL) {
		pxp_fail(error, PXP_ECANCELLED, "killed: it was cancelled");
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

/* Whether a task whose worker crashed is to be begun again; else error says for good why
 * not. */
static bool is_tried_again(struct task *task, struct pxp_error *error)
{
	int signal = error->signal, exit_code = error->exit_code;

	if (error->status != PXP_ECRASHED)
		return false;
	if (task->kills_left != UINT_MAX && --task->kills_left == 0) {
		pxp_fail(error, PXP_EPOISON,
		         "it killed as many workers as it may; the last: %s",
		         strdupa(error->text));
		error->signal = signal;
		error->exit_code = exit_code;
		return false;
	}
	if (task->retries_left == 0)
		return false;
	task->retries_left--;
	return true;
}

/* The task that a dead worker had begun. */
static void settle_begun(struct process_pool *pool, struct pool_worker *worker,
                         struct slot *slot, const struct process_frame *reaped,
                         int64_t now_ns)
{
	struct task *task = slot->task;
	struct settlement settlement = settlement_at(worker, slot, now_ns);
	struct pxp_outcome *outcome = &settlement.outcome;

	describe_death(worker, reaped->status, &outcome->error);
	if (outcome->error.status == PXP_ECANCELLED)
		settlement.state = PXP_CANCELLED;
	outcome->phase = pool_worker_phase(worker, slot);
	outcome->cpu_ns = usage_cpu_ns(&reaped->usage);
	outcome->peak_bytes = (uint64_t)reaped->usage.ru_maxrss * 1024;
	task->attempts++;
	if (is_tried_again(task, &outcome->error)) {
		executor_return(&pool->executor, task);
		return;
	}
	settlement.log = pool_worker_log(worker, &outcome->n_log);
	pool_settle(pool, task, &settlement);
}

/* What it held when it died: settle what it had begun, or begin that again; return the
 * rest to the head of the queue. The later slot first, so that the order stays. */
static void release_held(struct process_pool *pool, struct pool_worker *worker,
                         const struct process_frame *reaped, int64_t now_ns)
{
	for (unsigned i = worker->n_held; i-- > 0;) {
		struct slot *slot = &worker->slots[(worker->front + i) % N_SLOTS];

		if (!slot->task)
			continue;
		if (worker->reason == KILLED_SHUTDOWN || is_to_blame(worker, slot))
			settle_begun(pool, worker, slot, reaped, now_ns);
		else
			executor_return(&pool->executor, slot->task);
	}
}

static void count_death(struct process_pool *pool, const struct pool_worker *worker,
                        int64_t now_ns)
{
	unsigned most = pool->executor.options.max_crashes;

	if (worker->reason == KILLED_SHUTDOWN || worker->ended_in_order)
		return;
	if (worker->reason != KILLED_NOT) {
		pool->n_killed++;
		return;
	}
	pool->n_crashed++;
	pool->n_crashes_in_a_row++;
	pool_back_off(pool, now_ns);
	if (most != UINT_MAX &&
	    pool->n_crashes_in_a_row >= (most > 0 ? most : DEFAULT_MAX_CRASHES))
		pool_break(pool, "workers keep dying, with no task answered between");
}

static void forget_worker(struct process_pool *pool, struct pool_worker *worker,
                          const struct process_frame *reaped, int64_t now_ns)
{
	release_held(pool, worker, reaped, now_ns);
	count_death(pool, worker, now_ns);
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
	const struct process_frame unknown = {.status = -1};

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
		forget_worker(pool, worker, &unknown, now_ns);
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
		forget_worker(pool, worker, &answer, now_ns);
	frame_close_descriptors(&frame);
}
