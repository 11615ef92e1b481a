/* A process pool: its creation, the loop of its supervisor, and what other threads ask of it. */
#include "exec/pool/process_pool.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/machine.h"
#include "base/thread.h"
#include "exec/process/zygote.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum {
	HEARTBEAT_MS =
		1000, /* while a deadline runs, so that a gap in our time is seen */
	GAP_MS = 250, /* a wake-up that is later than this is one */
	MAX_EVENTS = 64,
	MAX_FRAMES_BEFORE_LOG = 8 * N_SLOTS, /* answers, and what rang for others */
};

bool pool_watch(struct process_pool *pool, int fd, enum pool_source source,
                uint32_t worker)
{
	struct epoll_event event = {.events = EPOLLIN,
	                            .data.u64 = pool_source(source, worker)};

	return epoll_ctl(pool->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void pool_read_clock(struct process_pool *pool)
{
	pool->now_ns = clock_now_ns();
}

static void move_deadline(int64_t *deadline_ns, int64_t by_ns)
{
	if (*deadline_ns >= 0 && __builtin_add_overflow(*deadline_ns, by_ns, deadline_ns))
		*deadline_ns = INT64_MAX;
}

static void move_deadlines(struct process_pool *pool, int64_t by_ns)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		move_deadline(&pool->workers[i].deadline_ns, by_ns);
		move_deadline(&pool->workers[i].stall_ns, by_ns);
	}
}

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

/* ---- the loop of the supervisor ---- */

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
	pool_read_clock(pool);
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

	/* While the workers stand still so do their deadlines. */
	for (unsigned i = 0; i < pool->n_workers && pool->suspended_ns < 0; i++)
		deadline_ns = clock_earlier_ns(
			deadline_ns, clock_earlier_ns(pool->workers[i].deadline_ns,
		                                      pool->workers[i].stall_ns));
	if (deadline_ns >= 0)
		deadline_ns = clock_earlier_ns(
			deadline_ns, clock_deadline_ns(pool->now_ns, HEARTBEAT_MS));
	deadline_ns = clock_earlier_ns(deadline_ns, pool->executor.next_expiry_ns);
	deadline_ns = clock_earlier_ns(deadline_ns, pool->late_ns);
	return clock_earlier_ns(deadline_ns, pool_next_schedule_ns(pool));
}

static enum pool_source source_of(const struct epoll_event *event)
{
	return (enum pool_source)(event->data.u64 & 0xff);
}

static void on_log(struct process_pool *pool, const struct epoll_event *event)
{
	struct pool_worker *worker = &pool->workers[event->data.u64 >> 8];

	if (worker->log < 0 || worker->state >= WORKER_REAPING)
		return;
	pool_forget_time(pool);
	/* Where the next task has begun, what is there is taken for its words: else they would
	 * be lost with the answers before it. */
	if (worker->n_held > 1 &&
	    pool_worker_has_begun(worker, pool_worker_held(worker, 1)))
		pool_read_frames(pool, worker, MAX_FRAMES_BEFORE_LOG);
	pool_worker_read_log(worker, 1);
	if (!(event->events &
	      EPOLLIN)) /* everybody has closed it: it would be told for ever */
		epoll_ctl(pool->epoll, EPOLL_CTL_DEL, worker->log, NULL);
}

static void on_event(struct process_pool *pool, const struct epoll_event *event)
{
	struct pool_worker *worker = &pool->workers[event->data.u64 >> 8];
	uint64_t count;

	switch (source_of(event)) {
	case SOURCE_WAKEUP:
		if (read(pool->wakeup, &count, sizeof(count)) < 0)
			return; /* EAGAIN: another event has told already */
		break;
	case SOURCE_CONTROL:
		pool_on_control(pool);
		break;
	case SOURCE_FORK_SERVER:
		pool_on_fork_server_end(pool);
		break;
	case SOURCE_SOCKET:
		if (worker->socket >= 0 && worker->state < WORKER_REAPING)
			pool_on_socket(pool, worker);
		break;
	case SOURCE_LOG:
		break; /* read already */
	case SOURCE_PIDFD:
		if (worker->pidfd >= 0 && worker->state < WORKER_REAPING)
			pool_on_death(pool, worker);
		break;
	}
}

static void watch_time(struct process_pool *pool)
{
	struct task_list expired = executor_take_expired(&pool->executor, pool->now_ns);

	if (expired.n > 0) {
		lock_release(&pool->executor.lock);
		executor_complete_expired(&pool->executor, &expired);
		lock_acquire(&pool->executor.lock);
		pool_read_clock(pool);
	}
	for (unsigned i = 0; i < pool->n_workers && pool->suspended_ns < 0; i++) {
		struct pool_worker *worker = &pool->workers[i];

		if (worker->deadline_ns >= 0 && worker->deadline_ns <= pool->now_ns)
			pool_on_deadline(pool, worker);
		if (worker->stall_ns >= 0 && worker->stall_ns <= pool->now_ns)
			pool_on_stall(pool, worker);
	}
}

/* Wait without the lock for what happens next, and deal with it. */
static void wait_and_handle(struct process_pool *pool)
{
	struct epoll_event events[MAX_EVENTS];
	int64_t before_ns = pool->now_ns, wake_ns = next_wake_ns(pool);
	unsigned n_suspends = pool->n_suspends;
	int n;

	pool->wake_ns = wake_ns;
	pool->n_to_wake = pool_n_to_wake(pool);
	pool->is_asleep = true;
	lock_release(&pool->executor.lock);
	n = epoll_wait(pool->epoll, events, MAX_EVENTS,
	               clock_poll_ms(before_ns, wake_ns));
	lock_acquire(&pool->executor.lock);
	pool_read_clock(pool);
	pool->is_asleep = false;

	/* We were stopped ourselves, or the machine was: the tasks shall not pay for it. A
	 * suspension moves them itself, at its end. */
	if (wake_ns > before_ns && pool->now_ns - wake_ns > (int64_t)GAP_MS * 1000000 &&
	    pool->suspended_ns < 0 && pool->n_suspends == n_suspends)
		move_deadlines(pool, pool->now_ns - wake_ns);
	/* What a task wrote to its log before it answered is read before the answer, so that
	 * it is not taken for the next one's. */
	for (int i = 0; i < n; i++) {
		if (source_of(&events[i]) == SOURCE_LOG)
			on_log(pool, &events[i]);
	}
	for (int i = 0; i < n; i++)
		on_event(pool, &events[i]);
	pool_listen(pool);
	watch_time(pool);
}

static void *supervisor_main(void *data)
{
	struct process_pool *pool = data;

	owner_adopt_thread(&pool->executor.owner);
	lock_acquire(&pool->executor.lock);
	pool_read_clock(pool);
	while (!has_ended(pool)) {
		pool->has_news = false;
		pool_schedule(pool);
		pool_tend_fork_server(pool);
		/* After the workers have their next task: who is told may want this processor. */
		complete_all(pool);
		/* What came while the lock was given up is scheduled first. */
		if (!pool->has_news && !has_ended(pool))
			wait_and_handle(pool);
	}
	lock_release(&pool->executor.lock);
	return NULL;
}

/* ---- what other threads ask ---- */

static struct process_pool *pool_of(struct pxp_executor *executor)
{
	return (struct process_pool *)executor;
}

static void wake_supervisor(struct process_pool *pool)
{
	pool->has_news = true;
	pool->executor.must_wake |= pool->is_asleep;
	pool->is_asleep = false;
}

static void pool_wake(struct pxp_executor *executor)
{
	const uint64_t one = 1;

	/* It fails only when the counter is full, and then it is readable as well. */
	(void)!write(pool_of(executor)->wakeup, &one, sizeof(one));
}

/* A task that no worker could take yet is found when one becomes free, and so are a few for
 * which it is not worth while to wake another; so most submissions need no system call. */
static bool pool_on_change(struct pxp_executor *executor)
{
	struct process_pool *pool = pool_of(executor);
	int64_t expires_ns = executor->next_expiry_ns;

	if (!pool->is_asleep || executor->queue.n >= pool->n_to_wake ||
	    executor->is_stopping ||
	    (expires_ns >= 0 && (pool->wake_ns < 0 || expires_ns < pool->wake_ns)))
		wake_supervisor(pool);
	return true;
}

/* The worker and slot of a handed task; false when it is not there. */
static bool find(struct process_pool *pool, const struct task *task,
                 struct pool_worker **ret_worker, struct slot **ret_slot)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		for (unsigned j = 0; j < N_SLOTS; j++) {
			*ret_worker = &pool->workers[i];
			*ret_slot = &pool->workers[i].slots[j];
			if ((*ret_slot)->task == task)
				return true;
		}
	}
	return false;
}

static bool pool_take_back(struct pxp_executor *executor, struct task *task)
{
	struct pool_worker *worker;
	struct slot *slot;

	pool_read_clock(pool_of(executor));
	return find(pool_of(executor), task, &worker, &slot) &&
	       pool_worker_take_back(worker, slot, pool_of(executor)->now_ns);
}

/* How the future of a task is completed whose worker was killed for a cancel. */
static struct completion killed_completion(const struct process_pool *pool,
                                           struct pool_worker *worker,
                                           const struct slot *slot)
{
	struct completion completion = completion_cancelled("cancelled");

	completion.outcome = pool_completion(worker, slot, pool->now_ns).outcome;
	pxp_fail(&completion.outcome.error, PXP_ECANCELLED, "cancelled");
	completion.outcome.attempts = slot->task->attempts + 1;
	completion.outcome.phase = pool_worker_phase(worker, slot);
	return completion;
}

static bool pool_end(struct pxp_executor *executor, struct task *task, bool may_kill,
                     struct completion *ret_cancelled)
{
	struct process_pool *pool = pool_of(executor);
	struct pool_worker *worker;
	struct slot *slot;

	if (!find(pool, task, &worker, &slot))
		return false;
	pool_read_clock(pool);
	pool_worker_ask_to_end(worker, slot);
	if (!may_kill && slot == &worker->slots[worker->front] &&
	    pool_refuse_need(pool, worker))
		wake_supervisor(pool); /* its deadlines go on */
	if (!may_kill || !pool_worker_has_begun(worker, slot))
		return false;
	if (!pool_page_claim_kill(worker, slot)) {
		pool_worker_expect_answer(worker, slot, pool->now_ns);
		wake_supervisor(pool);
		return false;
	}
	pool_worker_kill(worker, KILLED_CANCEL, NULL);
	if (worker->owed_signal)
		wake_supervisor(pool);
	if (worker->reason != KILLED_CANCEL)
		return false;
	*ret_cancelled = killed_completion(pool, worker, slot);
	return true;
}

static struct pxp_progress pool_progress(struct pxp_executor *executor, struct task *task)
{
	struct pool_worker *worker;
	struct slot *slot;

	if (!find(pool_of(executor), task, &worker, &slot))
		return (struct pxp_progress){0};
	return pool_worker_progress(worker, slot);
}

static bool pool_has_begun(struct pxp_executor *executor, const struct task *task)
{
	struct pool_worker *worker;
	struct slot *slot;

	return find(pool_of(executor), task, &worker, &slot) &&
	       pool_worker_has_begun(worker, slot);
}

static void pool_take_back_all(struct pxp_executor *executor, struct task_list *list)
{
	struct process_pool *pool = pool_of(executor);

	pool_read_clock(pool);
	for (unsigned i = 0; i < pool->n_workers; i++) {
		for (int j = 0; j < N_SLOTS; j++) {
			struct slot *slot = &pool->workers[i].slots[j];
			struct task *task = slot->task;

			if (task &&
			    pool_worker_take_back(&pool->workers[i], slot, pool->now_ns))
				task_list_append(list, task);
		}
	}
}

static void pool_kill(struct pxp_executor *executor)
{
	struct process_pool *pool = pool_of(executor);

	pool->is_killed = true;
	for (unsigned i = 0; i < pool->n_workers; i++)
		pool_worker_kill(&pool->workers[i], KILLED_SHUTDOWN, NULL);
	/* The fork server is busy with the preload, for who knows how long. */
	if (pool->n_owed > 0 && pool->n_spawned == 0)
		pidfd_send_signal(pool->fork_server.pidfd, SIGKILL, NULL, 0);
}

static void pool_suspend(struct pxp_executor *executor, bool stop)
{
	struct process_pool *pool = pool_of(executor);

	if (stop == (pool->suspended_ns >= 0))
		return;
	for (unsigned i = 0; i < pool->n_workers; i++)
		pool_worker_signal(&pool->workers[i], stop ? SIGSTOP : SIGCONT);
	pool_read_clock(pool);
	if (!stop)
		move_deadlines(pool, pool->now_ns - pool->suspended_ns);
	pool->suspended_ns = stop ? pool->now_ns : -1;
	pool->n_suspends++;
	wake_supervisor(pool);
}

static void pool_stats(struct pxp_executor *executor,
                       struct pxp_executor_stats *ret_stats)
{
	struct process_pool *pool = pool_of(executor);

	for (unsigned i = 0; i < pool->n_workers; i++) {
		const struct pool_worker *worker = &pool->workers[i];

		ret_stats->n_workers += worker->state == WORKER_STARTING ||
		                        worker->state == WORKER_READY;
		ret_stats->n_waiting += worker->state == WORKER_READY &&
		                        worker->limit_state == LIMIT_WAITING;
		bool is_running = false;

		for (int j = 0; j < N_SLOTS; j++) {
			if (!worker->slots[j].task)
				continue;
			if (pool_worker_has_begun(worker, &worker->slots[j]))
				is_running = true;
			else
				ret_stats->n_prefetched++;
		}
		ret_stats->n_running += is_running; /* the others have ended, unread */
	}
	ret_stats->n_spawned = pool->n_spawned;
	ret_stats->n_crashed = pool->n_crashed;
	ret_stats->n_killed = pool->n_killed;
	ret_stats->granted_bytes = pool_granted(pool);
}

static void pool_join(struct pxp_executor *executor)
{
	struct process_pool *pool = pool_of(executor);

	pthread_join(pool->supervisor, NULL);
	zygote_end_fork_server(&pool->fork_server);
}

static void pool_free(struct pxp_executor *executor)
{
	struct process_pool *pool = pool_of(executor);

	fd_close(&pool->wakeup);
	fd_close(&pool->epoll);
	executor_fini(executor);
	free(pool);
}

static const struct executor_table process_pool_table = {
	.max_inline_input = INLINE_INPUT_BYTES,
	.on_change = pool_on_change,
	.wake = pool_wake,
	.take_back = pool_take_back,
	.has_begun = pool_has_begun,
	.end = pool_end,
	.progress = pool_progress,
	.take_back_all = pool_take_back_all,
	.kill = pool_kill,
	.join = pool_join,
	.suspend = pool_suspend,
	.stats = pool_stats,
	.free = pool_free,
};

/* ---- create ---- */

static bool start_supervisor(struct process_pool *pool)
{
	errno = thread_start(&pool->supervisor, supervisor_main, pool);
	return errno == 0;
}

static enum pxp_status start(struct process_pool *pool, struct pxp_error *ret_error)
{
	enum pxp_status status;

	pool->epoll = fd_keep_above_standard(epoll_create1(EPOLL_CLOEXEC));
	pool->wakeup = fd_keep_above_standard(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (pool->epoll < 0 || pool->wakeup < 0)
		return pxp_fail_errno(ret_error, "descriptors for a process pool");

	status = pool_start_fork_server(pool, ret_error);
	if (status != PXP_OK)
		return status;
	if (pool_watch(pool, pool->wakeup, SOURCE_WAKEUP, 0) && start_supervisor(pool))
		return PXP_OK;

	pxp_fail_errno(ret_error, "the supervisor of a process pool");
	zygote_end_fork_server(&pool->fork_server);
	return PXP_ESYS;
}

enum pxp_status process_pool_create(const struct pxp_executor_options *options,
                                    struct pxp_executor **ret_executor,
                                    struct pxp_error *ret_error)
{
	unsigned n_workers = options->n_workers;
	struct process_pool *pool = calloc(
		1, sizeof(*pool) + n_workers * sizeof(pool->workers[0]));
	enum pxp_status status;

	if (!pool ||
	    executor_init(&pool->executor, &process_pool_table, options) != PXP_OK) {
		free(pool);
		return pxp_fail(ret_error, PXP_ENOMEM, "no memory for a process pool");
	}
	pool->epoll = pool->wakeup = pool->fork_server.control = -1;
	pool->retry_ns = pool->spawn_ns = pool->suspended_ns = pool->late_ns = -1;
	pool->n_workers = n_workers;
	pool->n_oom_kills = machine_oom_kills();
	for (unsigned i = 0; i < n_workers; i++)
		pool_worker_init(&pool->workers[i], i);

	status = start(pool, ret_error);
	if (status != PXP_OK) {
		process_pool_table.free(&pool->executor);
		return status;
	}
	*ret_executor = &pool->executor;
	return PXP_OK;
}
