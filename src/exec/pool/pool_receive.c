/* What comes from workers: frames, answers in shared slots, and deadlines that pass without an
 * answer. A worker may have forged every byte of it. */
#include "base/clock.h"
#include "exec/pool/process_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

enum {
	/* Bytes of the log that are read before an answer is accepted. */
	LOG_AT_ONCE = 64 * 1024,
	/* How long a worker has to start a task that it was sent. */
	BEGIN_MS = 5000,
	LEAST_BEGIN_MS = 20,
};

/* ---- answers ---- */

static void copy_result(const char *body, size_t n, struct completion *completion)
{
	completion->n_result = n;
	if (n == 0)
		return;
	completion->result = malloc(n);
	if (completion->result) {
		memcpy(completion->result, body, n);
		return;
	}
	completion->state = PXP_FAILED;
	pxp_fail(&completion->outcome.error, PXP_ENOMEM,
	         "no memory for a result of %zu bytes", n);
}

/* Take a result over that is in a memfd. It is read later, without the lock. */
static bool adopt_long_result(int *memfd, uint64_t n, struct completion *completion)
{
	struct stat stat;

	/* Reading any other kind of file could block. */
	if (fcntl(*memfd, F_GET_SEALS) < 0 || fstat(*memfd, &stat) != 0 ||
	    (uint64_t)stat.st_size != n)
		return false;
	completion->n_result = (size_t)n;
	completion->long_result = *memfd;
	*memfd = -1;
	return true;
}

/* Read the result of an answer. Returns NULL, or how the worker breaks the protocol. */
static const char *read_result(const struct process_pool *pool,
                               const struct answer_frame *answer, const char *body,
                               size_t n_body, struct frame *frame,
                               struct completion *completion)
{
	unsigned n = answer->n_descriptors;

	if (frame->lost_descriptors) {
		completion->state = PXP_FAILED;
		errno = EMFILE;
		pxp_fail_errno(&completion->outcome.error, "cannot receive the result");
		return NULL;
	}
	if (n > PXP_MAX_DESCRIPTORS || answer->result_is_memfd > 1 ||
	    frame->n_descriptors != n + answer->result_is_memfd ||
	    (!answer->result_is_memfd && answer->n_result != n_body))
		return "sent a result that does not match its description";
	if (answer->n_result > pool->executor.options.max_result)
		return "sent a result that is longer than max_result";
	if (!answer->result_is_memfd)
		copy_result(body, n_body, completion);
	else if (!adopt_long_result(&frame->descriptors[n], answer->n_result, completion))
		return "sent a result that does not match its description";

	completion->n_descriptors = n;
	for (unsigned i = 0; i < n; i++) {
		completion->descriptors[i] = frame->descriptors[i];
		frame->descriptors[i] = -1;
	}
	return NULL;
}

/* Seal an output, so that nobody can change it any more. It fails if the worker kept a writable
 * mapping. */
static bool seal(int output)
{
	return output < 0 ||
	       fcntl(output, F_ADD_SEALS,
	             F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

static bool may_report(enum pxp_status status)
{
	return status == PXP_ETASK || status == PXP_EMEMORY || status == PXP_ESYS;
}

static void read_error(struct answer_frame *answer, struct pool_worker *worker,
                       struct completion *completion)
{
	struct pxp_error *error = &completion->outcome.error;

	answer->error.text[sizeof(answer->error.text) - 1] = 0;
	if (answer->error.status == PXP_ECANCELLED) {
		completion->state = PXP_CANCELLED;
		pxp_fail(error, PXP_ECANCELLED, "%s", answer->error.text);
		return;
	}
	pxp_fail(error,
	         may_report(answer->error.status) ? answer->error.status : PXP_ETASK,
	         "%s", answer->error.text);
	error->code = answer->error.code;
	error->sys_errno = answer->error.sys_errno;
	pool_worker_read_log(worker, LOG_AT_ONCE);
	completion->log = pool_worker_log(worker, &completion->outcome.n_log);
}

/* Complete the front task with an answer. Returns NULL, or how the worker breaks the protocol. */
static const char *accept_answer(struct process_pool *pool, struct pool_worker *worker,
                                 struct answer_frame *answer, const char *body,
                                 size_t n_body, struct frame *frame)
{
	struct slot *slot = pool_worker_slot(worker, 0);
	struct completion completion;
	struct pxp_outcome *outcome = &completion.outcome;
	const char *breach;

	if (worker->limit_state != LIMIT_STEADY)
		return "answered while it waited for memory";

	completion = pool_worker_completion(worker, slot, pool->now_ns);
	if (answer->error.status == PXP_OK) {
		completion.state = PXP_FINISHED;
		breach = read_result(pool, answer, body, n_body, frame, &completion);
		if (!breach && !seal(slot->output))
			breach = "kept its output open for writing";
		if (breach) {
			completion_fini(&completion);
			return breach;
		}
		completion.output = slot->output;
		slot->output = -1;
	} else {
		read_error(answer, worker, &completion);
	}
	if (answer->cpu_ns >= 0)
		outcome->cpu_ns = answer->cpu_ns;
	outcome->peak_bytes = answer->peak_bytes;
	/* The worker's figure, if it is possible. Ours includes the time until the answer was
	 * read. */
	if (answer->run_ns >= 0 && answer->run_ns < outcome->run_ns)
		outcome->run_ns = answer->run_ns;
	pool_note_time(pool, outcome->run_ns);
	slot->task->attempts++;
	future_start(slot->task->future);
	pool->n_crashes_in_a_row = 0;
	if (outcome->error.status == PXP_EMEMORY &&
	    pool_retries_with_all_memory(pool, worker, slot->task)) {
		completion_fini(&completion);
		executor_return(&pool->executor, slot->task);
	} else {
		pool_complete(pool, slot->task, &completion);
	}
	pool_reclaim_memory(pool, worker, answer->data_bytes);
	pool_worker_pop_slot(worker, pool->now_ns);
	return NULL;
}

static const char *on_answer(struct process_pool *pool, struct pool_worker *worker,
                             const char *buffer, struct frame *frame)
{
	const struct slot *slot = pool_worker_slot(worker, 0);
	struct answer_frame answer;

	if (frame->n < sizeof(answer))
		return "sent an answer that is too short";
	memcpy(&answer, buffer, sizeof(answer));
	if (worker->n_held == 0 || answer.at.slot != worker->front ||
	    answer.at.generation != slot->generation || !slot->task)
		return "answered a task that it does not have";
	return accept_answer(pool, worker, &answer, buffer + sizeof(answer),
	                     frame->n - sizeof(answer), frame);
}

/* Returns NULL, or how an answer in a shared slot breaks the protocol. */
static const char *on_slot_answer(struct process_pool *pool, struct pool_worker *worker,
                                  const struct slot_answer *left)
{
	struct answer_frame answer = {
		.run_ns = left->run_ns,
		.cpu_ns = left->cpu_ns,
		.peak_bytes = left->peak_bytes,
		.data_bytes = left->data_bytes,
		.n_result = left->n_result,
	};
	struct frame none = {0};

	if (left->n_result > sizeof(left->result))
		return "left a result that is too long for its slot";
	return accept_answer(pool, worker, &answer, left->result, (size_t)left->n_result,
	                     &none);
}

static const char *read_slot_answers(struct process_pool *pool,
                                     struct pool_worker *worker)
{
	const char *breach = NULL;
	struct slot_answer answer;

	while (!breach && worker->n_held > 0 && pool_worker_slot(worker, 0)->task &&
	       pool_worker_read_answer(worker, pool_worker_slot(worker, 0), &answer))
		breach = on_slot_answer(pool, worker, &answer);
	return breach;
}

/* ---- other frames ---- */

static const char *on_withdrawn(struct pool_worker *worker, const struct slot_frame *at,
                                int64_t now_ns)
{
	const struct slot *slot = &worker->slots[worker->front];

	if (worker->n_held == 0 || at->slot != worker->front ||
	    at->generation != slot->generation || slot->task)
		return "acknowledged a withdrawal that was not requested";
	pool_worker_pop_slot(worker, now_ns);
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
		return "asked for time too often";
	int64_t maximum = slot->task->max_deadline_ms > slot->task->deadline_ms
	                          ? slot->task->max_deadline_ms
	                          : slot->task->deadline_ms;

	worker->n_restarts++;
	if (slot->task->deadline_ms > 0 && worker->state < WORKER_HUNG_UP &&
	    !worker->awaits_answer && worker->limit_state == LIMIT_STEADY)
		worker->deadline_ns = clock_deadline_ns(now_ns,
		                                        ms < maximum ? ms : maximum);
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
		return "reported twice that it is ready";
	worker->is_ready = true;
	worker->idle_since_ns = pool->now_ns;
	pool->n_failed_starts = 0;
	if (worker->state == WORKER_STARTING) {
		worker->state = WORKER_READY;
		worker->deadline_ns = -1;
	}
	/* The initialiser's log belongs to no task. */
	pool_worker_read_log(worker, LOG_AT_ONCE);
	worker->log_begins = worker->n_logged;
	return NULL;
}

static const char *on_frame(struct process_pool *pool, struct pool_worker *worker,
                            const char *buffer, struct frame *frame)
{
	struct slot_frame at = {0};

	memcpy(&at, buffer, frame->n < sizeof(at) ? frame->n : sizeof(at));
	if (at.kind == FRAME_ANSWER)
		return on_answer(pool, worker, buffer, frame);
	if (frame->n_descriptors > 0)
		return "sent descriptors that were not requested";
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
	case FRAME_DOORBELL:
		return NULL;
	default:
		return "sent a frame of an unknown kind";
	}
}

static bool read_slots(struct process_pool *pool, struct pool_worker *worker)
{
	const char *breach = NULL;

	if (worker->reason != KILLED_BREACH)
		breach = read_slot_answers(pool, worker);
	if (breach)
		pool_worker_kill(worker, KILLED_BREACH, breach);
	return worker->reason != KILLED_BREACH;
}

bool pool_read_frames(struct process_pool *pool, struct pool_worker *worker,
                      int max_frames)
{
	_Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct frame frame;

	if (!read_slots(pool, worker))
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
			breach = read_slot_answers(pool, worker);
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

	/* Usually there is one frame, and asking for another that is not there costs a system
	 * call. But quick tasks may have sent more answers by now, or be about to. At most these
	 * are read, so that one worker does not delay the others. */
	for (int i = 1;
	     i < N_SLOTS && goes_on && worker->n_held > 0 && !worker->polls_slots &&
	     pool_worker_phase(worker, pool_worker_slot(worker, 0)) ==
	             PXP_PHASE_ANSWERING;
	     i++)
		goes_on = pool_read_frames(pool, worker, 1);
	if (goes_on)
		return;
	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, worker->socket, NULL);
	pool_worker_hang_up(worker, pool->now_ns);
}

/* Read the answers that a worker left without a notification. If it is not quick any more, it
 * must notify us again. */
static void poll_slots(struct process_pool *pool, struct pool_worker *worker)
{
	if (!worker->polls_slots || worker->state >= WORKER_REAPING)
		return;
	if (read_slots(pool, worker) && pool_worker_is_awake(worker, pool->now_ns))
		return;
	pool_worker_suppress_notify(worker, false);
	read_slots(pool, worker);
}

/* ---- deadlines ---- */

static bool has_progressed(struct pool_worker *worker, int64_t now_ns)
{
	const struct task *task = worker->slots[worker->front].task;
	uint64_t n_beats = atomic_load(
		&worker->shared->slots[worker->front].progress.beats);

	if (!task || n_beats == worker->n_beats)
		return false;
	worker->n_beats = n_beats;
	worker->stall_ns = clock_deadline_ns(now_ns, task->stall_ms);
	return true;
}

static bool gets_time_to_begin(struct pool_worker *worker, int64_t now_ns)
{
	const struct slot *slot = &worker->slots[worker->front];
	int64_t ms = LEAST_BEGIN_MS;

	/* A worker that has sent a frame about the task has started it, whatever its slot
	 * says. */
	if (worker->state != WORKER_READY || worker->n_held == 0 || !slot->task ||
	    worker->n_restarts > 0 || pool_worker_has_begun(worker, slot) ||
	    worker->unbegun_ms >= BEGIN_MS)
		return false;
	if (slot->task->deadline_ms > ms)
		ms = slot->task->deadline_ms < BEGIN_MS ? slot->task->deadline_ms
		                                        : BEGIN_MS;
	worker->unbegun_ms += ms;
	if (slot->task->deadline_ms > 0)
		worker->deadline_ns = clock_deadline_ns(now_ns, ms);
	if (slot->task->stall_ms > 0)
		worker->stall_ns = clock_deadline_ns(
			now_ns, ms > slot->task->stall_ms ? ms : slot->task->stall_ms);
	return true;
}

/* The time of the front task is over: kill its worker. But if the task has just ended, wait for
 * the answer: the worker may have started the next task, which must not pay for it. */
static void kill_late(struct pool_worker *worker, enum kill_reason reason, int64_t now_ns)
{
	const struct slot *slot = pool_worker_slot(worker, 0);

	if (gets_time_to_begin(worker, now_ns))
		return;
	if (pool_worker_claim_kill(worker, slot) || worker->awaits_answer ||
	    !pool_worker_has_begun(worker, slot))
		pool_worker_kill(worker, reason, NULL);
	else
		pool_worker_await_answer(worker, slot, now_ns);
}

static void on_deadline(struct process_pool *pool, struct pool_worker *worker)
{
	/* The answer may have arrived. */
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
		                 "did not acknowledge a withdrawal");
	else
		kill_late(worker, KILLED_DEADLINE, pool->now_ns);
}

static void on_stall(struct process_pool *pool, struct pool_worker *worker)
{
	if (has_progressed(worker, pool->now_ns))
		return;
	pool_read_frames(pool, worker, N_SLOTS);
	if (worker->stall_ns >= 0 && worker->stall_ns <= pool->now_ns)
		kill_late(worker, KILLED_STALL, pool->now_ns);
}

void pool_check_workers(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++)
		poll_slots(pool, &pool->workers[i]);
	/* While the pool is suspended, deadlines stand still. */
	for (unsigned i = 0; i < pool->n_workers && pool->suspended_ns < 0; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->deadline_ns >= 0 && worker->deadline_ns <= pool->now_ns)
			on_deadline(pool, worker);
		if (worker->stall_ns >= 0 && worker->stall_ns <= pool->now_ns)
			on_stall(pool, worker);
	}
}
