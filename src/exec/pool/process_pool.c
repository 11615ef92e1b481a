/* Creates a process pool, and has the functions that other threads call: those in the table of its
 * executor. They are called with the lock held, except has_function, create, wake, join and
 * free. */
#include "exec/pool/process_pool.h"

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "exec/process/zygote.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <unistd.h>

static struct process_pool *pool_of(struct pxp_executor *executor)
{
	return (struct process_pool *)executor;
}

static void wake_supervisor(struct process_pool *pool)
{
	pool->must_schedule = true;
	pool->executor.must_wake |= pool->is_asleep;
	pool->is_asleep = false;
}

static void pool_wake(struct pxp_executor *executor)
{
	const uint64_t one = 1;

	/* The write can fail only because the counter is full. In that case the eventfd is readable
	 * already. */
	(void)!write(pool_of(executor)->wakeup, &one, sizeof(one));
}

/* Most submissions need no system call, because they do not wake the supervisor. When a worker
 * becomes free, the supervisor is awake anyway and sends the waiting tasks. If the tasks are quick,
 * waking another worker would take longer than running a few of them. */
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

/* Find the worker that has a task, and the slot of the task. Returns false if no worker has the
 * task. */
static bool find_slot(struct process_pool *pool, const struct task *task,
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

	pool_of(executor)->now_ns = clock_now_ns();
	return find_slot(pool_of(executor), task, &worker, &slot) &&
	       pool_worker_withdraw(worker, slot, pool_of(executor)->now_ns);
}

/* Make the completion of a task that was cancelled by killing its worker. */
static struct completion killed_completion(const struct process_pool *pool,
                                           struct pool_worker *worker,
                                           const struct slot *slot)
{
	struct completion completion = completion_cancelled("cancelled");

	completion.outcome = pool_worker_completion(worker, slot, pool->now_ns).outcome;
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

	if (!find_slot(pool, task, &worker, &slot))
		return false;
	pool->now_ns = clock_now_ns();
	pool_worker_ask_to_end(worker, slot);
	if (!may_kill && slot == &worker->slots[worker->front] &&
	    pool_refuse_need(pool, worker))
		/* The deadlines of the task stood still while it waited for memory. Now they run
		 * again, so the supervisor must compute anew when to wake up. */
		wake_supervisor(pool);
	if (!may_kill || !pool_worker_has_begun(worker, slot))
		return false;
	if (!pool_worker_claim_kill(worker, slot)) {
		pool_worker_await_answer(worker, slot, pool->now_ns);
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

	if (!find_slot(pool_of(executor), task, &worker, &slot))
		return (struct pxp_progress){0};
	return pool_worker_progress(worker, slot);
}

static bool pool_has_begun(struct pxp_executor *executor, const struct task *task)
{
	struct pool_worker *worker;
	struct slot *slot;

	return find_slot(pool_of(executor), task, &worker, &slot) &&
	       pool_worker_has_begun(worker, slot);
}

static void pool_take_back_all(struct pxp_executor *executor, struct task_list *list)
{
	struct process_pool *pool = pool_of(executor);

	pool->now_ns = clock_now_ns();
	for (unsigned i = 0; i < pool->n_workers; i++) {
		for (int j = 0; j < N_SLOTS; j++) {
			struct slot *slot = &pool->workers[i].slots[j];
			struct task *task = slot->task;

			if (task &&
			    pool_worker_withdraw(&pool->workers[i], slot, pool->now_ns))
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
	/* If no worker was started yet, the fork server of this pool may be running the preload,
	 * which may take any time. So this fork server is killed. */
	if (pool->n_answers_due > 0 && pool->n_spawned == 0)
		pidfd_send_signal(pool->fork_server.pidfd, SIGKILL, NULL, 0);
}

static void pool_suspend(struct pxp_executor *executor, bool stop)
{
	struct process_pool *pool = pool_of(executor);

	if (stop == (pool->suspended_ns >= 0))
		return;
	for (unsigned i = 0; i < pool->n_workers; i++)
		pool_worker_signal(&pool->workers[i], stop ? SIGSTOP : SIGCONT);
	pool->now_ns = clock_now_ns();
	if (!stop)
		for (unsigned i = 0; i < pool->n_workers; i++)
			pool_worker_move_deadlines(&pool->workers[i],
			                           pool->now_ns - pool->suspended_ns);
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
		ret_stats->granted_bytes += worker->granted;
		bool is_running = false;

		for (int j = 0; j < N_SLOTS; j++) {
			if (!worker->slots[j].task)
				continue;
			if (pool_worker_has_begun(worker, &worker->slots[j]))
				is_running = true;
			else
				ret_stats->n_prefetched++;
		}
		/* At most one task of a worker runs at a time. If the worker has started other
		 * tasks, they have ended, and only their answers were not read yet. */
		ret_stats->n_running += is_running;
	}
	ret_stats->n_spawned = pool->n_spawned;
	ret_stats->n_crashed = pool->n_crashed;
	ret_stats->n_killed = pool->n_killed;
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

static enum pxp_status create_pool(const struct pxp_executor_options *options,
                                   struct pxp_executor **ret_executor,
                                   struct pxp_error *ret_error)
{
	unsigned n_workers = options->n_workers;
	struct process_pool *pool = calloc(
		1, sizeof(*pool) + n_workers * sizeof(pool->workers[0]));
	enum pxp_status status;

	if (!pool ||
	    executor_init(&pool->executor, &process_pool_executor, options) != PXP_OK) {
		free(pool);
		return pxp_fail(ret_error, PXP_ENOMEM, "no memory for a process pool");
	}
	pool->epoll = pool->wakeup = pool->fork_server.control = -1;
	pool->retry_ns = pool->spawn_ns = pool->suspended_ns = pool->continue_ns =
		pool->continue_workers_ns = -1;
	pool->n_workers = n_workers;
	pool->n_oom_kills = cgroup_oom_kills();
	for (unsigned i = 0; i < n_workers; i++)
		pool_worker_init(&pool->workers[i], i);

	status = pool_start_supervisor(pool, ret_error);
	if (status != PXP_OK) {
		process_pool_executor.free(&pool->executor);
		return status;
	}
	*ret_executor = &pool->executor;
	return PXP_OK;
}

const struct executor_table process_pool_executor = {
	.has_function = zygote_has_function,
	.create = create_pool,
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
