/*
 * The supervisor of a process pool: its loop, the start and end of workers, and the requests to the
 * fork server. It reads the frames of workers and their answers in shared slots, and notices
 * deadlines that pass without an answer. A worker may have forged every byte that it sends. This
 * file also decides how much memory each worker may have. Only the supervisor's thread runs this
 * code, except for pool_start_supervisor() and pool_refuse_need().
 */
#include "base/cgroup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "exec/pool/process_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* While a deadline runs, the supervisor wakes up at this interval. A longer pause shows
	 * that its own process was stopped (SIGSTOP). */
	HEARTBEAT_MS = 1000,
	/* If the supervisor wakes up at least this much later than planned, its own process was
	 * stopped. */
	GAP_MS = 250,
	MAX_EVENTS = 64,
	/* Before the log is read, the frames that have already arrived are read, because they may
	 * be the answers of earlier tasks. This is the maximum number of these frames. */
	MAX_FRAMES_BEFORE_LOG = 8 * N_SLOTS,
	/* The maximum number of frames that are read from a dead worker. Its children may hold the
	 * other end of the channel open and send frames without end. */
	MAX_LAST_FRAMES = 1024,
	MAX_LAST_LOG = 1024 * 1024,
	/* The pool breaks when this number of workers in a row have died before they were ready,
	 * and no worker is ready. */
	MAX_FAILED_STARTS = 3,
	/* If starting a worker process fails this number of times in a row, and the pool has no
	 * worker left, the pool breaks. */
	MAX_FAILED_SPAWNS = 6,
	DEFAULT_MAX_CRASHES = 100,
	/* A task that had not started may be innocent of the death of its worker. But if it was the
	 * front task of this many dead workers, it is blamed for the last death. */
	MAX_RETURNS = 3,
	/* The interval at which SIGCONT is sent to a fork server whose answer is late, and during a
	 * shutdown to all workers. */
	CONTINUE_MS = 1000,
	/* The pause before the next start when workers keep dying. Each further pause is twice as
	 * long, up to MAX_BACK_OFF_MS. */
	BACK_OFF_MS = 10,
	MAX_BACK_OFF_MS = 1000,
	/* A pause begins only after more than this number of crashes in a row. */
	FREE_CRASHES = 2,
	/* The maximum number of bytes of the log that are read when a task has failed, and when a
	 * worker is ready. */
	LOG_AT_ONCE = 64 * 1024,
	/* While a worker has not started its front task, the deadline of the task is deferred
	 * repeatedly. This ends when the delays together have reached this time. */
	BEGIN_MS = 5000,
	LEAST_BEGIN_MS = 20,
};

void pool_complete(struct process_pool *pool, struct task *task,
                   struct completion *completion)
{
	task_detach(task);
	task_put_completion(task, completion);
	task_list_append(&pool->completed, task);
}

/* Break the pool because it cannot run tasks any more: fail the queued tasks, and refuse new
 * ones. */
static void break_pool(struct process_pool *pool, const char *text)
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

static unsigned count_workers(const struct process_pool *pool,
                              enum pool_worker_state from, enum pool_worker_state to)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pool->n_workers; i++)
		n += pool->workers[i].state >= from && pool->workers[i].state <= to;
	return n;
}

/* ---- epoll ---- */

/* Which descriptor an event is about. */
enum source {
	SOURCE_SOCKET,
	SOURCE_PIDFD,
	SOURCE_LOG,
	SOURCE_WAKEUP,
	SOURCE_CONTROL,
	SOURCE_FORK_SERVER
};

static bool watch(struct process_pool *pool, int fd, enum source source, uint32_t worker)
{
	struct epoll_event event = {.events = EPOLLIN,
	                            .data.u64 = (uint64_t)worker << 8 | (uint64_t)source};

	return epoll_ctl(pool->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static enum source source_of(const struct epoll_event *event)
{
	return (enum source)(event->data.u64 & 0xff);
}

static struct pool_worker *worker_of(struct process_pool *pool,
                                     const struct epoll_event *event)
{
	return &pool->workers[event->data.u64 >> 8];
}

static void unwatch(struct process_pool *pool, int fd)
{
	if (fd >= 0)
		epoll_ctl(pool->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void unwatch_all(struct process_pool *pool, const struct pool_worker *worker)
{
	unwatch(pool, worker->socket);
	unwatch(pool, worker->log);
	unwatch(pool, worker->pidfd);
}

static void clear(struct process_pool *pool, struct pool_worker *worker)
{
	unwatch_all(pool, worker);
	pool_worker_clear(worker);
}

/* ---- requests to the fork server ---- */

static void watch_answers(struct process_pool *pool)
{
	pool->n_continues = 0;
	pool->continue_ns = pool->n_answers_due > 0
	                            ? clock_deadline_ns(pool->now_ns, CONTINUE_MS)
	                            : -1;
}

/* Send the fork server a request that it answers. The caller keeps the descriptors. Returns false
 * with errno, which is EAGAIN if the control socket is full. */
static bool ask_fork_server(struct process_pool *pool,
                            const struct process_frame *request, const int *descriptors,
                            unsigned n_descriptors)
{
	errno = EPIPE;
	if (pool->fork_server.control < 0 ||
	    !channel_send(pool->fork_server.control, request, sizeof(*request), NULL, 0,
	                  descriptors, n_descriptors))
		return false;
	if (pool->n_answers_due++ == 0)
		watch_answers(pool);
	return true;
}

static void send_reap(struct process_pool *pool, struct pool_worker *worker)
{
	const struct process_frame request = {
		.kind = FRAME_REAP, .worker = worker->index, .pid = worker->pid};

	worker->reap_is_sent = ask_fork_server(pool, &request, NULL, 0);
}

/* Some requests to reap a worker could not be sent, because the control socket was full. Send them
 * again. */
static void send_missing_reaps(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state != WORKER_REAPING || worker->reap_is_sent)
			continue;
		send_reap(pool, worker);
		if (!worker->reap_is_sent)
			pool_try_again(pool);
	}
}

static void send_owed_signals(struct process_pool *pool)
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

/* ---- starting workers ---- */

static void back_off(struct process_pool *pool, unsigned n_in_a_row)
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

static void spawn_failed(struct process_pool *pool, int sys_errno)
{
	struct pxp_error error;

	/* Requests that were sent together fail together. They count as one failure. */
	if (pool->spawn_ns < 0) {
		pool->n_failed_spawns++;
		back_off(pool, pool->n_failed_spawns + FREE_CRASHES);
	}
	if (pool->n_failed_spawns < MAX_FAILED_SPAWNS ||
	    count_workers(pool, WORKER_STARTING, WORKER_READY) > 0)
		return;
	errno = sys_errno;
	pxp_fail_errno(&error, "cannot start a worker process");
	break_pool(pool, error.text);
}

/* Watch the log of a worker before the fork server is asked for the worker, because a request
 * cannot be taken back if watching fails. The channel is watched later, together with the pidfd of
 * the worker (on_spawned). Until then the worker is not ready, and has no task that could be
 * lost. */
static bool spawn(struct process_pool *pool, struct pool_worker *worker)
{
	const struct process_frame request = {.kind = FRAME_SPAWN,
	                                      .worker = worker->index};
	int theirs[3];
	bool is_asked_for = pool_worker_open(worker, theirs) &&
	                    watch(pool, worker->log, SOURCE_LOG, worker->index) &&
	                    ask_fork_server(pool, &request, theirs, 3);
	int kept = errno;

	for (int i = 0; i < 3; i++)
		fd_close(&theirs[i]);
	if (is_asked_for)
		worker->state = WORKER_STARTING;
	else
		clear(pool, worker);
	errno = kept;
	return is_asked_for;
}

bool pool_spawn(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state != WORKER_ABSENT)
			continue;
		if (spawn(pool, worker))
			return true;
		spawn_failed(pool, errno);
		return false;
	}
	return false;
}

/*
 * ---- memory ----
 *
 * How much memory each worker may have. Every worker has the allowance. A task that needs more
 * gets it from one budget, in the order of the requests. The limit of a worker is in one of these
 * states:
 *
 *   STEADY     the limit is in force
 *   WAITING    the task has asked for more memory and waits; its deadlines are paused
 *   RAISING    the request was granted, and the fork server is setting the limit
 *   TO_ANSWER  the limit is set or refused, and the worker was not answered yet
 *   TO_LOWER   the task has ended, and the fork server must be told to lower the limit
 *   LOWERING   the fork server was told to lower the limit
 *
 * A grant counts against the budget until the limit is lowered or the worker is gone. No two tasks
 * can wait for each other: if a task that holds a part of the budget asks for more, its request is
 * granted or refused at once, whatever other tasks wait for.
 *
 * No task is prefetched behind a task that has asked for memory. A prefetched task would wait for
 * no reason, and would start with memory that was granted to the task before it.
 */

enum {
	/* The maximum number of memory requests in one attempt: PXP_MAX_NEEDS requests of the
	 * task's function, and one for max_memory. */
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

/* The part of a memory limit that counts against the memory budget; 0 if the pool has no
 * allowance. */
static uint64_t beyond_allowance(const struct process_pool *pool, uint64_t limit)
{
	uint64_t allowance = allowance_of(pool);

	return allowance > 0 && limit > allowance ? limit - allowance : 0;
}

/* ---- memory: the deadlines of a task that waits ---- */

/* Whether a frame is about the front slot of its worker. The task in this slot may have been
 * withdrawn. */
static bool is_about_front(const struct pool_worker *worker, const struct slot_frame *at)
{
	return worker->n_held > 0 && at->slot == worker->front &&
	       at->generation == worker->slots[worker->front].generation;
}

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

/* ---- memory: limits, which the fork server sets ---- */

static bool send_limit(struct process_pool *pool, struct pool_worker *worker,
                       uint64_t limit)
{
	struct process_frame request = {.kind = FRAME_LIMIT,
	                                .worker = worker->index,
	                                .pid = worker->pid,
	                                .limit = limit};

	if (ask_fork_server(pool, &request, NULL, 0))
		return true;
	pool_try_again(pool);
	return false;
}

/* Answer a request for memory. The task then continues, and its deadlines run again. Without the
 * answer it would wait for ever, so the answer is sent again until it arrives or the worker
 * ends. */
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

/* ---- memory: requests ---- */

/* Withdraw the tasks that are prefetched behind the front task, and return them to the queue. */
static void return_prefetched(struct process_pool *pool, struct pool_worker *worker)
{
	/* The last task is withdrawn first, so that the tasks keep their order in the queue. */
	for (unsigned i = worker->n_held; i-- > 1;) {
		struct slot *slot = pool_worker_slot(worker, i);
		struct task *task = slot->task;

		if (task && pool_worker_withdraw(worker, slot, pool->now_ns))
			executor_return(&pool->executor, task);
	}
}

/* The memory that a task should get if it asks for n_bytes. */
static uint64_t limit_for(const struct process_pool *pool, const struct task *task,
                          uint64_t n_bytes)
{
	if (task->gets_all_memory && allowance_of(pool) > 0)
		return allowance_of(pool) + pool->executor.options.memory_budget;
	if (task->max_memory > 0)
		return task->max_memory;
	return n_bytes;
}

/* Grant a worker's request. Returns false if too little of the budget is free, or if the fork
 * server could not be told. */
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

/* Called when a worker requests memory for the task that it runs. Returns NULL if the request is
 * allowed; if not, a text that says how the worker broke the protocol. */
static const char *on_need(struct process_pool *pool, struct pool_worker *worker,
                           const struct slot_frame *at)
{
	const struct slot *slot = &worker->slots[worker->front];
	uint64_t beyond;

	if (!is_about_front(worker, at) || !slot->task || at->number < 0)
		return "asked for memory for a task that it does not have";
	if (worker->limit_state != LIMIT_STEADY || worker->n_needs++ >= MAX_NEEDS)
		return "asked for memory too often";
	if (worker->state != WORKER_READY)
		/* The worker is about to end, so its request for memory gets no answer. */
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
	else if (worker->granted > 0)
		grant(pool, worker);
	return NULL;
}

bool pool_refuse_need(struct process_pool *pool, struct pool_worker *worker)
{
	if (worker->limit_state != LIMIT_WAITING || worker->state != WORKER_READY)
		return false;
	answer_need(pool, worker, PXP_ECANCELLED);
	return true;
}

/* Whether worker `a` gets memory before worker `b`. Usually the worker that has waited longer comes
 * first. But a worker that already holds a part of the budget comes before all others, because one
 * of them may wait for this part. */
static bool is_before(const struct pool_worker *a, const struct pool_worker *b)
{
	bool a_holds = a->granted > 0, b_holds = b->granted > 0;

	return a_holds == b_holds ? a->need_number < b->need_number : a_holds;
}

/* The worker that gets memory next, or NULL if no worker waits for memory. */
static struct pool_worker *find_first_in_row(struct process_pool *pool)
{
	struct pool_worker *first = NULL;

	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_READY &&
		    worker->limit_state == LIMIT_WAITING &&
		    (!first || is_before(worker, first)))
			first = worker;
	}
	return first;
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

/* Called when the fork server reports that it has set a memory limit, or that it could not. */
static void on_limited(struct process_pool *pool, struct pool_worker *worker,
                       const struct process_frame *answer)
{
	/* The worker may have died, and another one may have its place. */
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

/* ---- memory: after a task ---- */

/* Called when a task has ended and its worker still uses data_bytes: take back the granted
 * memory. */
static void reclaim_memory(struct process_pool *pool, struct pool_worker *worker,
                           uint64_t data_bytes)
{
	uint64_t allowance = allowance_of(pool);

	worker->n_needs = 0;
	worker->was_refused = false;
	/* A worker that keeps too much memory is replaced before a task fails for lack of memory.
	 * The grant of the worker counts against the budget until the worker is gone. */
	worker->needs_recycle |= keeps_too_much(data_bytes, allowance);
	if (worker->needs_recycle)
		return_prefetched(pool, worker);
	if (worker->limit != allowance && !worker->needs_recycle)
		worker->limit_state = LIMIT_TO_LOWER;
}

/* Whether a task that ran out of memory is run once more with the whole budget. If it is, this
 * function has marked the task, and the caller must return it to the queue. */
static bool retries_with_all_memory(struct process_pool *pool,
                                    const struct pool_worker *worker, struct task *task)
{
	/* The pool does not start tasks any more, or the task was cancelled. */
	if (pool->is_killed || task->is_completed)
		return false;
	if (!task->may_retry_memory || task->gets_all_memory || worker->was_refused ||
	    allowance_of(pool) == 0)
		return false;
	task->gets_all_memory = true;
	return true;
}

/* ---- what comes from workers: answers ---- */

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

/* Take over a result that is in a memfd. The result is read later, without the lock. */
static bool adopt_long_result(int *memfd, uint64_t n, struct completion *completion)
{
	struct stat stat;

	/* Only a memfd is accepted, which has seals. Reading any other kind of file could block. */
	if (fcntl(*memfd, F_GET_SEALS) < 0 || fstat(*memfd, &stat) != 0 ||
	    (uint64_t)stat.st_size != n)
		return false;
	completion->n_result = (size_t)n;
	completion->long_result = *memfd;
	*memfd = -1;
	return true;
}

/* Read the result of an answer. Returns NULL if the answer is valid; if not, a text that says how
 * the worker broke the protocol. */
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

/* Seal an output, so that nobody can change it any more. Sealing fails if the worker kept a
 * writable mapping. */
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

/* Complete the front task with an answer. Returns NULL if the answer is valid; if not, a text that
 * says how the worker broke the protocol. */
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
	/* A worker may report a cancel only for a task that got a cancel request. */
	if (answer->error.status == PXP_ECANCELLED &&
	    !atomic_load(&slot->task->is_asked_to_end))
		return "reported a cancel that was not requested";

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
	/* The run time that was measured here includes the delay until the answer was read. So use
	 * the run time that the worker reports, unless that time is negative or longer than the
	 * measured one. */
	if (answer->run_ns >= 0 && answer->run_ns < outcome->run_ns)
		outcome->run_ns = answer->run_ns;
	pool_note_time(pool, outcome->run_ns);
	slot->task->attempts++;
	future_start(slot->task->future);
	pool->n_crashes_in_a_row = 0;
	if (outcome->error.status == PXP_EMEMORY &&
	    retries_with_all_memory(pool, worker, slot->task)) {
		completion_fini(&completion);
		executor_return(&pool->executor, slot->task);
	} else {
		pool_complete(pool, slot->task, &completion);
	}
	reclaim_memory(pool, worker, answer->data_bytes);
	pool_worker_pop_slot(worker, pool->now_ns);
	return NULL;
}

static const char *on_answer(struct process_pool *pool, struct pool_worker *worker,
                             const char *buffer, struct frame *frame)
{
	struct answer_frame answer;

	if (frame->n < sizeof(answer))
		return "sent an answer that is too short";
	memcpy(&answer, buffer, sizeof(answer));
	if (!is_about_front(worker, &answer.at) || !pool_worker_slot(worker, 0)->task)
		return "answered a task that it does not have";
	return accept_answer(pool, worker, &answer, buffer + sizeof(answer),
	                     frame->n - sizeof(answer), frame);
}

/* Read an answer from a shared slot. Returns NULL if the answer is valid; if not, a text that says
 * how it breaks the protocol. */
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
		return "wrote a result that is too long for its slot";
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

/* ---- what comes from workers: other frames ---- */

static const char *on_withdrawn(struct pool_worker *worker, const struct slot_frame *at,
                                int64_t now_ns)
{
	if (!is_about_front(worker, at) || worker->slots[worker->front].task)
		return "acknowledged a withdrawal that was not requested";
	pool_worker_pop_slot(worker, now_ns);
	return NULL;
}

static const char *on_restart_deadline(struct pool_worker *worker,
                                       const struct slot_frame *at, int64_t now_ns)
{
	const struct slot *slot = &worker->slots[worker->front];
	int64_t ms = at->number;

	if (!is_about_front(worker, at) || !slot->task || ms < 0)
		return "asked for more time for a task that it does not have";
	if (worker->n_restarts >= slot->task->max_restarts)
		return "asked for more time too often";
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
	break_pool(pool, broken.error.text[0] ? broken.error.text
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
	/* The log of the initialiser belongs to no task. */
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
		return on_need(pool, worker, &at);
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

/* Read the answers in the shared slots of a worker, then at most max_frames frames. Returns false
 * if the channel has ended, or the worker broke the protocol. After a breach of the protocol, the
 * channel is never read again. */
static bool read_frames(struct process_pool *pool, struct pool_worker *worker,
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
	bool goes_on = read_frames(pool, worker, 1);

	/* Usually there is one frame, and trying to read another one costs a system call. So try
	 * this only if the worker is answering its next task already, as with quick tasks. If not,
	 * stop, so that one worker does not delay the others. */
	for (int i = 1;
	     i < N_SLOTS && goes_on && worker->n_held > 0 && !worker->polls_slots &&
	     pool_worker_phase(worker, pool_worker_slot(worker, 0)) ==
	             PXP_PHASE_ANSWERING;
	     i++)
		goes_on = read_frames(pool, worker, 1);
	if (goes_on)
		return;
	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, worker->socket, NULL);
	pool_worker_hang_up(worker, pool->now_ns);
}

/* Read the answers of a worker that was told not to notify the supervisor of them. If the worker's
 * tasks are not quick any more, let the worker notify the supervisor again. */
static void poll_slots(struct process_pool *pool, struct pool_worker *worker)
{
	if (!worker->polls_slots || worker->state >= WORKER_REAPING)
		return;
	if (read_slots(pool, worker) && pool_worker_is_awake(worker, pool->now_ns))
		return;
	pool_worker_suppress_notify(worker, false);
	read_slots(pool, worker);
}

/* ---- what comes from workers: deadlines that pass without an answer ---- */

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

	/* A worker that has sent a frame about the task has started the task, even if the slot says
	 * that it has not. */
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

/* Called when the time of the front task is over. If the task has not started yet, defers its
 * deadline for some time. If the task has just ended, waits for its answer, because the worker may
 * already run the next task. In all other cases kills the worker. */
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
	/* First read what the worker has sent: its answer may have arrived already. */
	read_frames(pool, worker, N_SLOTS);
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
	read_frames(pool, worker, N_SLOTS);
	if (worker->stall_ns >= 0 && worker->stall_ns <= pool->now_ns)
		kill_late(worker, KILLED_STALL, pool->now_ns);
}

void pool_check_workers(struct process_pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++)
		poll_slots(pool, &pool->workers[i]);
	/* Deadlines are paused while the pool is suspended. */
	for (unsigned i = 0; i < pool->n_workers && pool->suspended_ns < 0; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->deadline_ns >= 0 && worker->deadline_ns <= pool->now_ns)
			on_deadline(pool, worker);
		if (worker->stall_ns >= 0 && worker->stall_ns <= pool->now_ns)
			on_stall(pool, worker);
	}
}

/* ---- deaths ---- */

/* Called when a worker is dead or dying: ask the fork server to reap it and to report its wait
 * status. */
static void begin_reaping(struct process_pool *pool, struct pool_worker *worker)
{
	worker->deadline_ns = worker->stall_ns = -1;
	worker->state = WORKER_REAPING;
	unwatch_all(pool, worker);
	send_reap(pool, worker);
}

void pool_on_death(struct process_pool *pool, struct pool_worker *worker)
{
	/* Read everything that the worker sent before it died. A complete answer is accepted. */
	read_frames(pool, worker, MAX_LAST_FRAMES);
	pool_worker_read_log(worker, MAX_LAST_LOG);

	if (!worker->is_ready && worker->reason != KILLED_SHUTDOWN) {
		pool->n_failed_starts++;
		back_off(pool, pool->n_failed_starts);
	}
	worker->ended_in_order |= worker->state == WORKER_STOPPING;
	begin_reaping(pool, worker);
}

static void describe_death(const struct pool_worker *worker, int status,
                           struct pxp_error *error)
{
	if (worker->reason == KILLED_DEADLINE) {
		pxp_fail(error, PXP_EDEADLINE,
		         "the task exceeded its deadline: the worker was killed");
	} else if (worker->reason == KILLED_START) {
		pxp_fail(error, PXP_ECRASHED, "the worker was not ready in time");
	} else if (worker->reason == KILLED_STALL) {
		pxp_fail(error, PXP_EDEADLINE,
		         "the task made no progress for too long: the worker was killed");
	} else if (worker->reason == KILLED_CANCEL) {
		pxp_fail(error, PXP_ECANCELLED, "cancelled: the worker was killed");
	} else if (worker->reason == KILLED_BREACH) {
		pxp_fail(error, PXP_EPROTO, "the worker %s, and was killed",
		         worker->breach);
	} else if (worker->reason == KILLED_SHUTDOWN) {
		pxp_fail(error, PXP_ECANCELLED, "killed: the executor was shut down");
	} else if (status < 0) {
		pxp_fail(error, PXP_ECRASHED, "the worker died with its fork server");
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

/* Whether a worker died because memory ran out. */
enum memory_death {
	DIED_OTHERWISE,
	/* The worker had used at least half of its limit. Memory may have run out, but this is not
	 * certain. */
	DIED_NEAR_LIMIT,
	/* The worker had used at least seven eighths of its limit. */
	DIED_AT_LIMIT,
	/* The kernel's counter of OOM kills in our cgroup has grown. */
	DIED_OF_OOM_KILLER,
};

/* Whether the kernel has killed a process in our cgroup since the counter was last read. */
static bool oom_killer_was_here(struct process_pool *pool)
{
	uint64_t before = pool->n_oom_kills;

	pool->n_oom_kills = cgroup_oom_kills();
	return pool->n_oom_kills > before;
}

static enum memory_death memory_death_of(struct process_pool *pool,
                                         const struct pool_worker *worker,
                                         const struct process_frame *reaped)
{
	uint64_t peak = (uint64_t)reaped->usage.ru_maxrss * 1024;
	bool is_killed = reaped->status >= 0 && WIFSIGNALED(reaped->status) &&
	                 WTERMSIG(reaped->status) == SIGKILL;

	if (worker->reason != KILLED_NOT || reaped->status < 0)
		return DIED_OTHERWISE;
	if (is_killed)
		return oom_killer_was_here(pool) ? DIED_OF_OOM_KILLER : DIED_OTHERWISE;
	if (worker->limit == 0 || peak < worker->limit / 2)
		return DIED_OTHERWISE;
	return peak >= worker->limit - worker->limit / 8 ? DIED_AT_LIMIT
	                                                 : DIED_NEAR_LIMIT;
}

/* Replace *error with `by`, but keep the signal and the exit code of the old *error. */
static void replace_error(struct pxp_error *error, struct pxp_error by)
{
	by.signal = error->signal;
	by.exit_code = error->exit_code;
	*error = by;
}

/* Count one more worker that the task has killed. Returns whether the task may be run again. If
 * not, sets *error to the reason. */
static bool may_kill_again(struct task *task, struct pxp_error *error)
{
	struct pxp_error poison;

	if (task->kills_left == UINT_MAX || --task->kills_left > 0)
		return true;
	pxp_fail(&poison, PXP_EPOISON,
	         "the task killed too many workers; last failure: %s", error->text);
	replace_error(error, poison);
	return false;
}

/* Find out whether the worker died for lack of memory. If that is certain, describe it in *error.
 * Returns whether the task is run once more with the whole budget. */
static bool blame_memory(struct process_pool *pool, const struct pool_worker *worker,
                         const struct process_frame *reaped, struct task *task,
                         struct pxp_error *error)
{
	enum memory_death death = memory_death_of(pool, worker, reaped);
	struct pxp_error blamed = *error;

	if (death == DIED_AT_LIMIT)
		pxp_fail(&blamed, PXP_EMEMORY, "%s at its memory limit of %ju MiB",
		         error->text, (uintmax_t)(worker->limit >> 20));
	else if (death == DIED_OF_OOM_KILLER)
		pxp_fail(&blamed, PXP_EMEMORY,
		         "worker was killed by the kernel because memory ran out");
	replace_error(error, blamed);
	return death != DIED_OTHERWISE && retries_with_all_memory(pool, worker, task) &&
	       may_kill_again(task, error);
}

/* Whether a task is blamed for the death of its worker. A task that had started is blamed. But a
 * worker could pretend that the task had not started. So a task is also blamed after several
 * workers have died while it was their front task. */
static bool is_blamed(const struct pool_worker *worker, const struct slot *slot)
{
	return slot == &worker->slots[worker->front] &&
	       (pool_worker_has_begun(worker, slot) ||
	        ++slot->task->n_deaths_unbegun >= MAX_RETURNS);
}

/* Whether a task whose worker crashed is run again. If not, *error is the final error of the
 * task. */
static bool is_tried_again(struct task *task, struct pxp_error *error)
{
	/* The seccomp filter that killed this worker would kill the next one too. */
	if (error->status != PXP_ECRASHED || error->signal == SIGSYS)
		return false;
	if (!may_kill_again(task, error) || task->retries_left == 0)
		return false;
	task->retries_left--;
	return true;
}

/* Complete the task that a dead worker had started, or retry it. */
static void complete_or_retry(struct process_pool *pool, struct pool_worker *worker,
                              struct slot *slot, const struct process_frame *reaped)
{
	struct task *task = slot->task;
	struct completion completion = pool_worker_completion(worker, slot, pool->now_ns);
	struct pxp_outcome *outcome = &completion.outcome;
	struct pxp_error unbegun;

	if (pool->is_killed)
		pool_worker_kill(worker, KILLED_SHUTDOWN, NULL);
	describe_death(worker, reaped->status, &outcome->error);
	if (task->n_deaths_unbegun >= MAX_RETURNS) {
		pxp_fail(&unbegun, PXP_ECRASHED,
		         "%d workers died before they started the task", MAX_RETURNS);
		replace_error(&outcome->error, unbegun);
	}
	if (outcome->error.status == PXP_ECANCELLED)
		completion.state = PXP_CANCELLED;
	outcome->phase = pool_worker_phase(worker, slot);
	outcome->cpu_ns = clock_cpu_ns(&reaped->usage);
	outcome->peak_bytes = (uint64_t)reaped->usage.ru_maxrss * 1024;
	task->attempts++;
	future_start(task->future);
	if (blame_memory(pool, worker, reaped, task, &outcome->error) ||
	    is_tried_again(task, &outcome->error)) {
		executor_return(&pool->executor, task);
		return;
	}
	completion.log = pool_worker_log(worker, &outcome->n_log);
	pool_complete(pool, task, &completion);
}

/* Complete or retry the task that a dead worker had started, and return its other tasks to the head
 * of the queue. The last slot is handled first, so that the order is kept. */
static void release_tasks(struct process_pool *pool, struct pool_worker *worker,
                          const struct process_frame *reaped)
{
	for (unsigned i = worker->n_held; i-- > 0;) {
		struct slot *slot = &worker->slots[(worker->front + i) % N_SLOTS];

		if (!slot->task)
			continue;
		if (pool->is_killed || worker->reason == KILLED_SHUTDOWN ||
		    slot->task->is_completed || is_blamed(worker, slot))
			complete_or_retry(pool, worker, slot, reaped);
		else
			executor_return(&pool->executor, slot->task);
	}
}

static void count_death(struct process_pool *pool, const struct pool_worker *worker)
{
	unsigned maximum = pool->executor.options.max_crashes;

	if (worker->reason == KILLED_SHUTDOWN || worker->ended_in_order)
		return;
	if (worker->reason != KILLED_NOT) {
		pool->n_killed++;
		return;
	}
	pool->n_crashed++;
	pool->n_crashes_in_a_row++;
	back_off(pool, pool->n_crashes_in_a_row);
	if (maximum != UINT_MAX &&
	    pool->n_crashes_in_a_row >= (maximum > 0 ? maximum : DEFAULT_MAX_CRASHES))
		break_pool(pool, "workers keep dying, and no task completes");
}

static void release_worker(struct process_pool *pool, struct pool_worker *worker,
                           const struct process_frame *reaped)
{
	release_tasks(pool, worker, reaped);
	count_death(pool, worker);
	clear(pool, worker);
	if (pool->n_failed_starts >= MAX_FAILED_STARTS &&
	    count_workers(pool, WORKER_READY, WORKER_READY) == 0)
		break_pool(pool, "workers die before they are ready");
	else if (pool->executor.broken.status != PXP_OK)
		break_pool(pool, pool->executor.broken.text);
}

/* ---- answers of the fork server ---- */

/* The worker lives, but its pidfd cannot be watched: kill and reap it. */
static void abandon_worker(struct process_pool *pool, struct pool_worker *worker,
                           int sys_errno)
{
	kill(worker->pid, SIGKILL);
	worker->reason = KILLED_START;
	begin_reaping(pool, worker);
	spawn_failed(pool, sys_errno);
}

static void on_spawned(struct process_pool *pool, struct pool_worker *worker,
                       const struct process_frame *answer, struct frame *frame)
{
	worker->pid = (pid_t)answer->pid;
	if (frame->n_descriptors != 1) {
		abandon_worker(pool, worker, EMFILE);
		return;
	}
	worker->pidfd = fd_keep_above_standard(frame->descriptors[0]);
	frame->descriptors[0] = -1;
	if (worker->pidfd < 0 ||
	    !watch(pool, worker->pidfd, SOURCE_PIDFD, worker->index) ||
	    !watch(pool, worker->socket, SOURCE_SOCKET, worker->index)) {
		abandon_worker(pool, worker, errno);
		return;
	}
	worker->limit = pool->executor.options.memory_allowance;
	pool->n_spawned++;
	pool->n_failed_spawns = 0;
	if (worker->state == WORKER_STARTING)
		worker->deadline_ns = clock_deadline_ns(
			pool->now_ns, pool->executor.options.start_timeout_ms);
	if (worker->state == WORKER_DYING)
		/* The pool decided to kill this worker while its pid was still unknown. Kill the
		 * worker now. */
		pool_worker_signal(worker, SIGKILL);
	else if (pool->suspended_ns >= 0)
		pool_worker_signal(worker, SIGSTOP);
}

static void on_not_spawned(struct process_pool *pool, struct pool_worker *worker,
                           int sys_errno)
{
	clear(pool, worker);
	spawn_failed(pool, sys_errno);
}

static void on_unloaded(struct process_pool *pool, const char *buffer)
{
	struct broken_frame broken;

	memcpy(&broken, buffer, sizeof(broken));
	break_pool(pool, broken.error.text[0] ? broken.error.text : "the preload failed");
	/* The workers that were requested will not be started. Only this process's ends of their
	 * channels exist. */
	for (unsigned i = 0; i < pool->n_workers; i++) {
		if (pool->workers[i].pid == 0)
			clear(pool, &pool->workers[i]);
	}
}

/* Called when the fork server is dead: its workers die with it. Answers that the workers sent
 * before are still read. */
static void on_fork_server_death(struct process_pool *pool)
{
	const struct process_frame unknown = {.status = -1};

	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, pool->fork_server.control, NULL);
	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, pool->fork_server.pidfd, NULL);
	channel_close(&pool->fork_server.control);
	pool->n_answers_due = 0;
	watch_answers(pool);
	break_pool(pool, "the fork server of the process pool died");
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_ABSENT)
			continue;
		/* If the pidfd accepts a signal, the pid still belongs to the worker. */
		if (worker->pidfd >= 0 &&
		    pidfd_send_signal(worker->pidfd, SIGKILL, NULL, 0) == 0)
			kill(-worker->pid, SIGKILL);
		if (worker->state != WORKER_REAPING)
			read_frames(pool, worker, MAX_LAST_FRAMES);
		release_worker(pool, worker, &unknown);
	}
}

static void continue_fork_server(struct process_pool *pool)
{
	/* As long as no worker was started, the fork server may be running the preload, which may
	 * take any time. So the fork server is not killed before it has started a worker. */
	if (++pool->n_continues <= POOL_MAX_CONTINUES || pool->n_spawned == 0)
		pidfd_send_signal(pool->fork_server.pidfd, SIGCONT, NULL, 0);
	else if (pidfd_send_signal(pool->fork_server.pidfd, SIGKILL, NULL, 0) != 0) {
		on_fork_server_death(pool);
		return;
	}
	pool->continue_ns = clock_deadline_ns(pool->now_ns, CONTINUE_MS);
}

static bool read_control(struct process_pool *pool)
{
	_Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct process_frame answer;
	struct pool_worker *worker;
	struct frame frame;
	enum received received = channel_receive(pool->fork_server.control, buffer,
	                                         &frame);

	if (received == RECEIVED_NOTHING)
		return false;
	if (received == RECEIVED_END) {
		on_fork_server_death(pool);
		return false;
	}
	pool->n_answers_due -= pool->n_answers_due > 0;
	watch_answers(pool);
	memcpy(&answer, buffer, sizeof(answer));
	worker = &pool->workers[answer.worker < pool->n_workers ? answer.worker : 0];
	if (answer.kind == FRAME_UNLOADED)
		on_unloaded(pool, buffer);
	else if (answer.kind == FRAME_SPAWNED)
		on_spawned(pool, worker, &answer, &frame);
	else if (answer.kind == FRAME_NOT_SPAWNED)
		on_not_spawned(pool, worker, answer.sys_errno);
	else if (answer.kind == FRAME_LIMITED)
		on_limited(pool, worker, &answer);
	else if (answer.kind == FRAME_REAPED)
		release_worker(pool, worker, &answer);
	frame_close_descriptors(&frame);
	return true;
}

static void on_fork_server_end(struct process_pool *pool)
{
	/* The fork server may have sent frames before it died. Read them first. */
	while (pool->fork_server.control >= 0 && read_control(pool))
		;
	if (pool->fork_server.control >= 0)
		on_fork_server_death(pool);
}

void pool_on_control(struct process_pool *pool)
{
	if (pool->fork_server.control >= 0)
		read_control(pool);
}

/* A pool that shuts down waits for its tasks, which may have no deadline. A worker that was
 * stopped by SIGSTOP would block the shutdown for ever. So all workers get SIGCONT once a
 * second. */
static void continue_workers(struct process_pool *pool)
{
	if (!pool->executor.is_stopping || pool->suspended_ns >= 0 ||
	    pool->continue_workers_ns > pool->now_ns)
		return;
	pool->continue_workers_ns = clock_deadline_ns(pool->now_ns, CONTINUE_MS);
	for (unsigned i = 0; i < pool->n_workers; i++) {
		if (pool->workers[i].state != WORKER_ABSENT && pool->workers[i].pid > 0)
			pool_worker_signal(&pool->workers[i], SIGCONT);
	}
}

static void tend_fork_server(struct process_pool *pool)
{
	continue_workers(pool);
	send_missing_reaps(pool);
	send_owed_signals(pool);
	if (pool->continue_ns >= 0 && pool->continue_ns <= pool->now_ns)
		continue_fork_server(pool);
}

/* ---- the loop ---- */

static void complete_all(struct process_pool *pool)
{
	struct pxp_executor *executor = &pool->executor;
	struct task_list completed = pool->completed;

	if (completed.n == 0)
		return;
	pool->completed = (struct task_list){0};
	lock_release(&executor->lock);
	while (completed.first) {
		struct task *task = completed.first;

		task_list_remove(&completed, task);
		if (!task->is_completed)
			completion_load(future_completion(task->future));
		executor_complete(executor, task, NULL);
	}
	lock_acquire(&executor->lock);
	pool->now_ns = clock_now_ns();
}

static bool has_ended(const struct process_pool *pool)
{
	if (!pool->executor.is_stopping || pool->executor.queue.n > 0 ||
	    pool->completed.n > 0)
		return false;
	for (unsigned i = 0; i < pool->n_workers; i++) {
		if (pool->workers[i].state != WORKER_ABSENT)
			return false;
	}
	return true;
}

/* The time to wake up even if nothing happens; -1: never. */
static int64_t next_wake_ns(const struct process_pool *pool)
{
	int64_t deadline_ns = -1;

	/* Deadlines are paused while the pool is suspended. */
	for (unsigned i = 0; i < pool->n_workers && pool->suspended_ns < 0; i++)
		deadline_ns = clock_earlier_ns(
			deadline_ns, clock_earlier_ns(pool->workers[i].deadline_ns,
		                                      pool->workers[i].stall_ns));
	if (deadline_ns >= 0)
		deadline_ns = clock_earlier_ns(
			deadline_ns, clock_deadline_ns(pool->now_ns, HEARTBEAT_MS));
	deadline_ns = clock_earlier_ns(deadline_ns, pool->executor.next_expiry_ns);
	deadline_ns = clock_earlier_ns(deadline_ns, pool->continue_ns);
	if (pool->executor.is_stopping && pool->suspended_ns < 0)
		deadline_ns = clock_earlier_ns(deadline_ns, pool->continue_workers_ns);
	deadline_ns = clock_earlier_ns(deadline_ns, pool->retry_ns);
	deadline_ns = clock_earlier_ns(deadline_ns, pool->spawn_ns);
	return clock_earlier_ns(deadline_ns, pool->next_schedule_ns);
}

static void on_log(struct process_pool *pool, const struct epoll_event *event)
{
	struct pool_worker *worker = worker_of(pool, event);

	if (worker->log < 0 || worker->state >= WORKER_REAPING)
		return;
	pool_note_time(pool, -1);
	/* The new text of the log may come from the next task, if that task has started. So first
	 * read the answers of the earlier tasks: each answer drops the text that was read before
	 * it. */
	if (worker->n_held > 1 &&
	    pool_worker_has_begun(worker, pool_worker_slot(worker, 1)))
		read_frames(pool, worker, MAX_FRAMES_BEFORE_LOG);
	pool_worker_read_log(worker, 1);
	/* If no process can write to the log pipe any more, stop watching the pipe. Otherwise epoll
	 * would report its end again and again. */
	if (!(event->events & EPOLLIN))
		epoll_ctl(pool->epoll, EPOLL_CTL_DEL, worker->log, NULL);
}

static void on_event(struct process_pool *pool, const struct epoll_event *event)
{
	struct pool_worker *worker = worker_of(pool, event);
	uint64_t count;

	switch (source_of(event)) {
	case SOURCE_WAKEUP:
		if (read(pool->wakeup, &count, sizeof(count)) < 0)
			/* EAGAIN: the counter was read already. */
			return;
		break;
	case SOURCE_CONTROL:
		pool_on_control(pool);
		break;
	case SOURCE_FORK_SERVER:
		on_fork_server_end(pool);
		break;
	case SOURCE_SOCKET:
		if (worker->socket >= 0 && worker->state < WORKER_REAPING)
			pool_on_socket(pool, worker);
		break;
	/* wait_and_handle() reads all logs before it calls this function. */
	case SOURCE_LOG:
		break;
	case SOURCE_PIDFD:
		if (worker->pidfd >= 0 && worker->state < WORKER_REAPING)
			pool_on_death(pool, worker);
		break;
	}
}

static void complete_expired(struct process_pool *pool)
{
	struct task_list expired = executor_take_expired(&pool->executor, pool->now_ns);

	if (expired.n == 0)
		return;
	lock_release(&pool->executor.lock);
	executor_complete_expired(&pool->executor, &expired);
	lock_acquire(&pool->executor.lock);
	pool->now_ns = clock_now_ns();
}

/* Wait for events without the lock, then handle them. */
static void wait_and_handle(struct process_pool *pool)
{
	struct epoll_event events[MAX_EVENTS];
	int64_t before_ns = pool->now_ns, wake_ns = next_wake_ns(pool);
	unsigned n_suspends = pool->n_suspends;
	int n;

	pool->wake_ns = wake_ns;
	pool->is_asleep = true;
	lock_release(&pool->executor.lock);
	n = epoll_wait(pool->epoll, events, MAX_EVENTS,
	               clock_poll_ms(before_ns, wake_ns));
	lock_acquire(&pool->executor.lock);
	pool->now_ns = clock_now_ns();
	pool->is_asleep = false;

	/* If the supervisor woke up much too late, this process or the machine was stopped. That
	 * time must not count for the tasks. (For a suspension, pool_suspend() has moved the
	 * deadlines.) */
	if (wake_ns > before_ns && pool->now_ns - wake_ns > (int64_t)GAP_MS * 1000000 &&
	    pool->suspended_ns < 0 && pool->n_suspends == n_suspends)
		for (unsigned i = 0; i < pool->n_workers; i++)
			pool_worker_move_deadlines(&pool->workers[i],
			                           pool->now_ns - wake_ns);
	/* Logs are read first, because the text that a task wrote before its answer must not be
	 * taken for text of the next task. */
	for (int i = 0; i < n; i++) {
		if (source_of(&events[i]) == SOURCE_LOG)
			on_log(pool, &events[i]);
	}
	for (int i = 0; i < n; i++)
		on_event(pool, &events[i]);
	complete_expired(pool);
	pool_check_workers(pool);
}

static void *supervisor_main(void *data)
{
	struct process_pool *pool = data;

	owner_adopt_thread(&pool->executor.owner);
	lock_acquire(&pool->executor.lock);
	pool->now_ns = clock_now_ns();
	while (!has_ended(pool)) {
		pool->must_schedule = false;
		pool_schedule(pool);
		tend_fork_server(pool);
		/* Futures are completed after workers have got their next tasks, because a thread
		 * that waits for a future may need this processor. */
		complete_all(pool);
		/* If another thread has changed something while the lock was free, schedule before
		 * waiting. */
		if (!pool->must_schedule && !has_ended(pool))
			wait_and_handle(pool);
	}
	lock_release(&pool->executor.lock);
	return NULL;
}

/* ---- start ---- */

static enum pxp_status start_fork_server(struct process_pool *pool,
                                         struct pxp_error *ret_error)
{
	enum pxp_status status = zygote_start_fork_server(&pool->executor.options,
	                                                  &pool->fork_server, ret_error);

	if (status != PXP_OK)
		return status;
	if (watch(pool, pool->fork_server.control, SOURCE_CONTROL, 0) &&
	    watch(pool, pool->fork_server.pidfd, SOURCE_FORK_SERVER, 0))
		return PXP_OK;
	pxp_fail_errno(ret_error, "cannot start the supervisor of a process pool");
	zygote_end_fork_server(&pool->fork_server);
	return PXP_ESYS;
}

enum pxp_status pool_start_supervisor(struct process_pool *pool,
                                      struct pxp_error *ret_error)
{
	enum pxp_status status;

	pool->epoll = fd_keep_above_standard(epoll_create1(EPOLL_CLOEXEC));
	pool->wakeup = fd_keep_above_standard(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (pool->epoll < 0 || pool->wakeup < 0)
		return pxp_fail_errno(ret_error,
		                      "cannot create the descriptors of a process pool");

	status = start_fork_server(pool, ret_error);
	if (status != PXP_OK)
		return status;
	if (watch(pool, pool->wakeup, SOURCE_WAKEUP, 0)) {
		errno = thread_start(&pool->supervisor, supervisor_main, pool);
		if (errno == 0)
			return PXP_OK;
	}
	pxp_fail_errno(ret_error, "cannot start the supervisor of a process pool");
	zygote_end_fork_server(&pool->fork_server);
	return PXP_ESYS;
}
