#include "exec/pool/process_pool.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/machine.h"
#include "base/thread.h"
#include "exec/process/zygote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
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

static void unwatch(struct process_pool *pool, int fd)
{
	if (fd >= 0)
		epoll_ctl(pool->epoll, EPOLL_CTL_DEL, fd, NULL);
}

void pool_unwatch(struct process_pool *pool, const struct pool_worker *worker)
{
	unwatch(pool, worker->socket);
	unwatch(pool, worker->log);
	unwatch(pool, worker->pidfd);
}

void pool_clear(struct process_pool *pool, struct pool_worker *worker)
{
	pool_unwatch(pool, worker);
	pool_worker_clear(worker);
}

/* ---- the supervisor's loop ---- */

void pool_read_clock(struct process_pool *pool)
{
	pool->now_ns = clock_now_ns();
}

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

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
	if (a_ns < 0 || (b_ns >= 0 && b_ns < a_ns))
		return b_ns;
	return a_ns;
}

/* When to wake up although nothing happens; -1: never. */
static int64_t next_wake_ns(const struct process_pool *pool)
{
	int64_t deadline_ns = -1;

	/* While the workers stand still so do their deadlines. */
	for (unsigned i = 0; i < pool->n_workers && pool->suspended_ns < 0; i++)
		deadline_ns = earlier(deadline_ns, earlier(pool->workers[i].deadline_ns,
		                                           pool->workers[i].stall_ns));
	if (deadline_ns >= 0)
		deadline_ns = earlier(deadline_ns,
		                      clock_deadline_ns(pool->now_ns, HEARTBEAT_MS));
	deadline_ns = earlier(deadline_ns, pool->executor.next_expiry_ns);
	if (pool->suspended_ns < 0)
		deadline_ns = earlier(deadline_ns, pool_retire_ns(pool));
	deadline_ns = earlier(deadline_ns, pool_listen_ns(pool));
	deadline_ns = earlier(deadline_ns, pool->late_ns);
	return earlier(deadline_ns, earlier(pool->retry_ns, pool->spawn_ns));
}

static void move_deadline(int64_t *deadline_ns, int64_t by_ns)
{
	if (*deadline_ns >= 0 && __builtin_add_overflow(*deadline_ns, by_ns, deadline_ns))
		*deadline_ns = INT64_MAX;
}

void pool_move_deadlines(struct process_pool *pool, int64_t by_ns)
{
	for (unsigned i = 0; i < pool->n_workers; i++) {
		move_deadline(&pool->workers[i].deadline_ns, by_ns);
		move_deadline(&pool->workers[i].stall_ns, by_ns);
	}
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
		if (pool->fork_server.control >= 0)
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
	if (pool->late_ns >= 0 && pool->late_ns <= pool->now_ns)
		pool_on_late_fork_server(pool);
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
		pool_move_deadlines(pool, pool->now_ns - wake_ns);
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
		pool_send_owed_signals(pool);
		/* After the workers have their next task: who is told may want this processor. */
		complete_all(pool);
		/* What came while the lock was given up is scheduled first. */
		if (!pool->has_news && !has_ended(pool))
			wait_and_handle(pool);
	}
	lock_release(&pool->executor.lock);
	return NULL;
}

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

	status = zygote_start_fork_server(&pool->executor.options, &pool->fork_server,
	                                  ret_error);
	if (status != PXP_OK)
		return status;
	if (pool_watch(pool, pool->wakeup, SOURCE_WAKEUP, 0) &&
	    pool_watch(pool, pool->fork_server.control, SOURCE_CONTROL, 0) &&
	    pool_watch(pool, pool->fork_server.pidfd, SOURCE_FORK_SERVER, 0) &&
	    start_supervisor(pool))
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
