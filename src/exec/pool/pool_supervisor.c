/* The supervisor of a process pool: its loop, how workers start and end, and what the fork server
 * is asked. Only the supervisor's thread runs this code, except for pool_complete() and
 * pool_break(). */
#include "base/cgroup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "exec/pool/process_pool.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* While a deadline runs the supervisor wakes up so often, to notice when it was
	 * stopped. */
	HEARTBEAT_MS = 1000,
	/* A wake-up that is later than this means that the supervisor was stopped. */
	GAP_MS = 250,
	MAX_EVENTS = 64,
	/* Room for answers, and for frames that only announce answers. */
	MAX_FRAMES_BEFORE_LOG = 8 * N_SLOTS,
	/* Of a dead worker, whose children may hold the other ends open. */
	MAX_LAST_FRAMES = 1024,
	MAX_LAST_LOG = 1024 * 1024,
	/* Workers in a row that died before they were ready. */
	MAX_FAILED_STARTS = 3,
	/* In a row, without a worker left. Then the pool is broken. */
	MAX_FAILED_SPAWNS = 6,
	DEFAULT_MAX_CRASHES = 100,
	/* How often a task may be returned by workers that died before they started it. */
	MAX_RETURNS = 3,
	/* How long the fork server has for an answer before it is continued. */
	CONTINUE_MS = 1000,
	/* The first pause when workers keep dying. It doubles up to the maximum. */
	BACK_OFF_MS = 10,
	MAX_BACK_OFF_MS = 1000,
	/* Crashes in a row without a pause. */
	FREE_CRASHES = 2,
};

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

bool pool_ask_fork_server(struct process_pool *pool, const struct process_frame *request,
                          const int *descriptors, unsigned n_descriptors)
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

	worker->reap_is_sent = pool_ask_fork_server(pool, &request, NULL, 0);
}

/* Some may be missing because the control socket was full. */
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
	pool_break(pool, error.text);
}

/* The log is watched before the request is sent, so that nothing must be undone if that fails.
 * The channel is watched once the death of the worker can be seen (on_spawned): until then the
 * worker is not ready and has no task to lose. */
static bool spawn(struct process_pool *pool, struct pool_worker *worker)
{
	const struct process_frame request = {.kind = FRAME_SPAWN,
	                                      .worker = worker->index};
	int theirs[3];
	bool is_asked_for = pool_worker_open(worker, theirs) &&
	                    watch(pool, worker->log, SOURCE_LOG, worker->index) &&
	                    pool_ask_fork_server(pool, &request, theirs, 3);
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

/* ---- deaths ---- */

/* The worker is dead or dying: ask the fork server for its status. */
static void begin_reaping(struct process_pool *pool, struct pool_worker *worker)
{
	worker->deadline_ns = worker->stall_ns = -1;
	worker->state = WORKER_REAPING;
	unwatch_all(pool, worker);
	send_reap(pool, worker);
}

void pool_on_death(struct process_pool *pool, struct pool_worker *worker)
{
	/* Read everything that it sent first: a complete answer counts. */
	pool_read_frames(pool, worker, MAX_LAST_FRAMES);
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
		         "over its deadline: the worker was killed");
	} else if (worker->reason == KILLED_START) {
		pxp_fail(error, PXP_ECRASHED, "the worker was not ready in time");
	} else if (worker->reason == KILLED_STALL) {
		pxp_fail(error, PXP_EDEADLINE,
		         "no progress for too long: the worker was killed");
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
	/* In doubt: it had used at least half of its limit. */
	DIED_NEAR_LIMIT,
	DIED_AT_LIMIT,
	/* The kernel's counter of OOM kills has grown. */
	DIED_OF_OOM_KILLER,
};

/* Whether the kernel has killed a process in our control group since the counter was last
 * read. */
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

/* Whether a task may cost another worker. If not, error says so. */
static bool may_kill_again(struct task *task, struct pxp_error *error)
{
	int signal = error->signal, exit_code = error->exit_code;

	if (task->kills_left == UINT_MAX || --task->kills_left > 0)
		return true;
	pxp_fail(error, PXP_EPOISON, "the task killed too many workers; last failure: %s",
	         strdupa(error->text));
	error->signal = signal;
	error->exit_code = exit_code;
	return false;
}

/* Tell a death for lack of memory from others, and describe it in error. Returns whether the task
 * is run once more with the whole budget. */
static bool blame_memory(struct process_pool *pool, const struct pool_worker *worker,
                         const struct process_frame *reaped, struct task *task,
                         struct pxp_error *error)
{
	enum memory_death death = memory_death_of(pool, worker, reaped);
	int signal = error->signal, exit_code = error->exit_code;

	if (death == DIED_AT_LIMIT)
		pxp_fail(error, PXP_EMEMORY, "%s at its memory limit of %ju MiB",
		         strdupa(error->text), (uintmax_t)(worker->limit >> 20));
	else if (death == DIED_OF_OOM_KILLER)
		pxp_fail(error, PXP_EMEMORY,
		         "worker was killed by the kernel, which was out of memory");
	error->signal = signal;
	error->exit_code = exit_code;
	return death != DIED_OTHERWISE &&
	       pool_retries_with_all_memory(pool, worker, task) &&
	       may_kill_again(task, error);
}

/* Only a task that had started is blamed for the death. But a worker could forge that it had not.
 * So a task is blamed too when several workers died while they had it. */
static bool is_blamed(const struct pool_worker *worker, const struct slot *slot)
{
	return slot == &worker->slots[worker->front] &&
	       (pool_worker_has_begun(worker, slot) ||
	        ++slot->task->n_deaths_unbegun >= MAX_RETURNS);
}

/* Whether a task whose worker crashed is run again. If not, error gives the final reason. */
static bool is_tried_again(struct task *task, struct pxp_error *error)
{
	/* A seccomp filter that killed the worker once would do so again. */
	if (error->status != PXP_ECRASHED || error->signal == SIGSYS)
		return false;
	if (!may_kill_again(task, error) || task->retries_left == 0)
		return false;
	task->retries_left--;
	return true;
}

/* The signal or exit code of the last worker stays in error. */
static void blame_returned(struct pxp_error *error)
{
	int signal = error->signal, exit_code = error->exit_code;

	pxp_fail(error, PXP_ECRASHED, "%d workers died before they started the task",
	         MAX_RETURNS);
	error->signal = signal;
	error->exit_code = exit_code;
}

/* Complete the task that a dead worker had started, or run it again. */
static void complete_or_retry(struct process_pool *pool, struct pool_worker *worker,
                              struct slot *slot, const struct process_frame *reaped)
{
	struct task *task = slot->task;
	struct completion completion = pool_worker_completion(worker, slot, pool->now_ns);
	struct pxp_outcome *outcome = &completion.outcome;

	if (pool->is_killed)
		pool_worker_kill(worker, KILLED_SHUTDOWN, NULL);
	describe_death(worker, reaped->status, &outcome->error);
	if (task->n_deaths_unbegun >= MAX_RETURNS)
		blame_returned(&outcome->error);
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

/* Complete or retry the task that a dead worker had started, and return its other tasks to the
 * head of the queue. The last slot comes first, so that the order stays. */
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
		pool_break(pool, "workers keep dying, and no task completes");
}

static void release_worker(struct process_pool *pool, struct pool_worker *worker,
                           const struct process_frame *reaped)
{
	release_tasks(pool, worker, reaped);
	count_death(pool, worker);
	clear(pool, worker);
	if (pool->n_failed_starts >= MAX_FAILED_STARTS &&
	    count_workers(pool, WORKER_READY, WORKER_READY) == 0)
		pool_break(pool, "workers die before they are ready");
	else if (pool->executor.broken.status != PXP_OK)
		pool_break(pool, pool->executor.broken.text);
}

/* ---- answers of the fork server ---- */

/* The worker lives, but we cannot watch it: have it killed and reaped. */
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
		/* It was killed before its pid was known. */
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
	pool_break(pool, broken.error.text[0] ? broken.error.text : "the preload failed");
	/* The workers that were requested will not come. Only our ends of their channels
	 * exist. */
	for (unsigned i = 0; i < pool->n_workers; i++) {
		if (pool->workers[i].pid == 0)
			clear(pool, &pool->workers[i]);
	}
}

/* The fork server is dead, and its workers die with it. The answers that they sent still
 * count. */
static void on_fork_server_death(struct process_pool *pool)
{
	const struct process_frame unknown = {.status = -1};

	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, pool->fork_server.control, NULL);
	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, pool->fork_server.pidfd, NULL);
	channel_close(&pool->fork_server.control);
	pool->n_answers_due = 0;
	watch_answers(pool);
	pool_break(pool, "the fork server of the process pool died");
	for (unsigned i = 0; i < pool->n_workers; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->state == WORKER_ABSENT)
			continue;
		/* The pid is still that of the worker if the pidfd takes a signal. */
		if (worker->pidfd >= 0 &&
		    pidfd_send_signal(worker->pidfd, SIGKILL, NULL, 0) == 0)
			kill(-worker->pid, SIGKILL);
		if (worker->state != WORKER_REAPING)
			pool_read_frames(pool, worker, MAX_LAST_FRAMES);
		release_worker(pool, worker, &unknown);
	}
}

static void continue_fork_server(struct process_pool *pool)
{
	/* A preload may take any time. */
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
		pool_on_limited(pool, worker, &answer);
	else if (answer.kind == FRAME_REAPED)
		release_worker(pool, worker, &answer);
	frame_close_descriptors(&frame);
	return true;
}

static void on_fork_server_end(struct process_pool *pool)
{
	/* Read everything that it sent first. */
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

static void tend_fork_server(struct process_pool *pool)
{
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

/* When to wake up although nothing happens; -1: never. */
static int64_t next_wake_ns(const struct process_pool *pool)
{
	int64_t deadline_ns = -1;

	/* While the pool is suspended, deadlines stand still. */
	for (unsigned i = 0; i < pool->n_workers && pool->suspended_ns < 0; i++)
		deadline_ns = clock_earlier_ns(
			deadline_ns, clock_earlier_ns(pool->workers[i].deadline_ns,
		                                      pool->workers[i].stall_ns));
	if (deadline_ns >= 0)
		deadline_ns = clock_earlier_ns(
			deadline_ns, clock_deadline_ns(pool->now_ns, HEARTBEAT_MS));
	deadline_ns = clock_earlier_ns(deadline_ns, pool->executor.next_expiry_ns);
	deadline_ns = clock_earlier_ns(deadline_ns, pool->continue_ns);
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
	/* If the next task has started, the log may be that task's. So the answers before it are
	 * read first, or the log would be dropped with them. */
	if (worker->n_held > 1 &&
	    pool_worker_has_begun(worker, pool_worker_slot(worker, 1)))
		pool_read_frames(pool, worker, MAX_FRAMES_BEFORE_LOG);
	pool_worker_read_log(worker, 1);
	/* All writers have closed the pipe, and epoll would report that again and again. */
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
			/* EAGAIN: an earlier event has read it. */
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
	/* It was read before. */
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

	/* This process or the machine was stopped. The tasks must not pay for that. A suspension
	 * moves the deadlines itself when it ends. */
	if (wake_ns > before_ns && pool->now_ns - wake_ns > (int64_t)GAP_MS * 1000000 &&
	    pool->suspended_ns < 0 && pool->n_suspends == n_suspends)
		for (unsigned i = 0; i < pool->n_workers; i++)
			pool_worker_move_deadlines(&pool->workers[i],
			                           pool->now_ns - wake_ns);
	/* The logs come first. What a task wrote before it answered must not be taken for the
	 * next task's. */
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
		/* After workers have their next tasks: a thread that waits for a future may need
		 * this processor. */
		complete_all(pool);
		/* If another thread changed something while the lock was free, schedule first. */
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
