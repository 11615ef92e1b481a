/*
 * The thread pool runs tasks on threads of this process: for work that mostly waits.
 *
 * Threads are started as tasks need them, up to n_workers. A new task wakes at most one sleeping
 * thread, which wakes the next one itself if the queue still has tasks. If several threads were
 * woken for short tasks, most of them would find the queue empty. A thread that has been idle for
 * idle_timeout_ms ends.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "exec/executor/executor.h"

#include <stdio.h>
#include <stdlib.h>

struct place {
	pthread_t thread;
	bool is_taken;
};

struct thread_pool {
	/* The lock in this member guards all members below. */
	struct pxp_executor executor;
	/* Signalled when a task was queued or a shutdown began. */
	struct cond has_work;
	/* How many threads wait for has_work. */
	unsigned n_asleep;
	/* Whether a thread that waited for has_work was woken and does not run yet. */
	bool is_waking;
	/* How many threads are idle, which means that they will look at the queue before they
	 * sleep. A thread becomes idle when it is created, and again when its task and the
	 * callbacks of that task have ended. May be increased without the lock. */
	atomic_uint n_idle;
	unsigned n_threads, n_spawned;

	/* The keeper thread completes tasks that expire in the queue. Without it, an expired task
	 * would wait until a thread is free. The keeper is started with the first task that has a
	 * queue_timeout_ms, and sleeps until keeper_wake_ns. */
	pthread_t keeper;
	bool has_keeper;
	int64_t keeper_wake_ns;
	/* The keeper waits for this condition. It is signalled when a task is queued that will
	 * expire before keeper_wake_ns, and when the keeper must end. */
	struct cond has_expiry;

	/* The last thread that ended because it had been idle for too long. The next thread that
	 * ends for this reason joins it, and the pool joins the last such thread. Threads are not
	 * detached: once the pool is destroyed, no thread may still run the library's code, because
	 * the program may unload this code with dlclose(). */
	struct place ended;
	struct place places[];
};

static struct thread_pool *pool_of(struct pxp_executor *executor)
{
	return (struct thread_pool *)executor;
}

/* Whether to wake a thread for a queued task. Called with the lock held. */
static bool wants_wake(struct thread_pool *pool)
{
	if (pool->is_waking || pool->n_asleep == 0 || pool->executor.queue.n == 0)
		return false;
	pool->is_waking = true;
	return true;
}

/* Remove this thread from the pool. Returns the thread that this thread must join. Called with the
 * lock held. */
static struct place leave(struct thread_pool *pool)
{
	struct place before = pool->ended;
	unsigned i = 0;

	while (!pool->places[i].is_taken ||
	       !pthread_equal(pool->places[i].thread, pthread_self()))
		i++;
	pool->ended = pool->places[i];
	pool->places[i].is_taken = false;
	pool->n_threads--;
	atomic_fetch_sub(&pool->n_idle, 1);
	return before;
}

/* Wait to be woken. Returns false if idle_timeout_ms passed first. */
static bool sleep_until_woken(struct thread_pool *pool)
{
	int64_t ms = pool->executor.options.idle_timeout_ms;
	bool has_time;

	pool->n_asleep++;
	has_time = cond_wait_until(&pool->has_work, &pool->executor.lock,
	                           ms > 0 ? clock_deadline_ns(clock_now_ns(), ms) : -1);
	pool->n_asleep--;
	pool->is_waking = false;
	return has_time;
}

/* Wait for the next task. Returns NULL if this thread must end. There are two cases: the pool is
 * stopping and the queue is empty, or this thread was idle for too long. In the second case this
 * function has removed the thread from the pool, and the thread must join *ret_before. */
static struct task *next_task(struct thread_pool *pool, struct place *ret_before)
{
	struct pxp_executor *executor = &pool->executor;
	bool has_time = true;
	struct task *task;

	lock_acquire(&executor->lock);
	while (!(task = executor_take(executor)) && !executor->is_stopping && has_time)
		has_time = sleep_until_woken(pool);
	if (!task && !executor->is_stopping)
		*ret_before = leave(pool);
	if (task) {
		atomic_fetch_sub(&pool->n_idle, 1);
		task->attempts = 1;
		future_start(task->future);
		executor->must_wake |= wants_wake(pool);
	}
	executor_unlock(executor);
	return task;
}

/* Called when the initialiser of this thread failed: the pool starts no more tasks. */
static void break_pool(struct thread_pool *pool, const struct pxp_error *error)
{
	struct pxp_executor *executor = &pool->executor;
	struct task_list failed;
	struct pxp_error broken;

	pxp_fail(&broken, PXP_EBROKEN, "%s", error->text);
	lock_acquire(&executor->lock);
	executor->broken = broken;
	pool->n_threads--;
	atomic_fetch_sub(&pool->n_idle, 1);
	failed = executor_take_all(executor);
	cond_broadcast(&executor->has_room);
	lock_release(&executor->lock);
	executor_complete_list(executor, &failed, &broken);
}

static void *thread_main(void *data)
{
	struct thread_pool *pool = data;
	const struct pxp_executor_options *options = &pool->executor.options;
	struct pxp_error error = {0};
	struct place before = {0};
	void *context = NULL;
	struct task *task;

	owner_adopt_thread(&pool->executor.owner);
	if (options->initialise &&
	    options->initialise(options->init_bytes, options->n_init_bytes, &context,
	                        &error) != PXP_OK) {
		break_pool(pool, &error);
		return NULL;
	}

	while ((task = next_task(pool, &before))) {
		task_run_here(task, context);
		executor_complete(&pool->executor, task, &pool->n_idle);
	}
	if (options->finalise)
		options->finalise(context);
	if (before.is_taken)
		pthread_join(before.thread, NULL);
	return NULL;
}

static void *keeper_main(void *data)
{
	struct thread_pool *pool = data;
	struct pxp_executor *executor = &pool->executor;

	owner_adopt_thread(&executor->owner);
	lock_acquire(&executor->lock);
	while (!executor->is_stopping || executor->queue.n > 0) {
		struct task_list expired = executor_take_expired(executor,
		                                                 clock_now_ns());

		if (expired.n > 0) {
			lock_release(&executor->lock);
			executor_complete_expired(executor, &expired);
			lock_acquire(&executor->lock);
		} else {
			pool->keeper_wake_ns = executor->next_expiry_ns;
			cond_wait_until(&pool->has_expiry, &executor->lock,
			                pool->keeper_wake_ns);
		}
	}
	lock_release(&executor->lock);
	return NULL;
}

/* Name a thread "NAME_I". The kernel allows 15 bytes, so NAME may be cut, but the number is whole. */
static void name_thread(pthread_t thread, const char *executor, unsigned i)
{
	enum { MAX_BYTES = 15 };
	char number[MAX_BYTES], name[MAX_BYTES + 1];
	int n = snprintf(number, sizeof(number), "_%u", i);
	int n_of_executor = MAX_BYTES - n < 11 ? MAX_BYTES - n : 11;

	snprintf(name, sizeof(name), "%.*s%s", n_of_executor, executor, number);
	pthread_setname_np(thread, name);
}

/* Start a thread. Returns false if it cannot be started and there is no other thread. */
static bool add_thread(struct thread_pool *pool)
{
	unsigned i = 0;

	while (pool->places[i].is_taken)
		i++;
	if (thread_start(&pool->places[i].thread, thread_main, pool) != 0)
		return pool->n_threads > 0;
	pool->places[i].is_taken = true;
	name_thread(pool->places[i].thread, pool->executor.name, i);
	pool->n_threads++;
	pool->n_spawned++;
	atomic_fetch_add(&pool->n_idle, 1);
	return true;
}

/* If a queued task has an expiry time, start the keeper thread unless it runs already, and wake it
 * if it would sleep for too long. Returns false if the thread cannot be started. */
static bool update_keeper(struct thread_pool *pool)
{
	int64_t expiry_ns = pool->executor.next_expiry_ns;

	if (expiry_ns < 0)
		return true;
	if (!pool->has_keeper) {
		if (thread_start(&pool->keeper, keeper_main, pool) != 0)
			return false;
		pool->has_keeper = true;
		pthread_setname_np(pool->keeper, "pxp-keeper");
	}
	if (pool->keeper_wake_ns < 0 || expiry_ns < pool->keeper_wake_ns) {
		pool->keeper_wake_ns = expiry_ns;
		cond_signal(&pool->has_expiry);
	}
	return true;
}

/* Start a thread if more tasks are queued than threads are idle. If the pool is stopping, wake all
 * threads instead. */
static bool pool_on_change(struct pxp_executor *executor)
{
	struct thread_pool *pool = pool_of(executor);

	if (executor->is_stopping) {
		cond_broadcast(&pool->has_work);
		cond_signal(&pool->has_expiry);
		return true;
	}
	if (!update_keeper(pool))
		return false;
	if (executor->queue.n > atomic_load(&pool->n_idle) &&
	    pool->n_threads < executor->options.n_workers && !add_thread(pool))
		return false;
	executor->must_wake |= wants_wake(pool);
	return true;
}

static void pool_wake(struct pxp_executor *executor)
{
	cond_signal(&pool_of(executor)->has_work);
}

static void pool_stats(struct pxp_executor *executor,
                       struct pxp_executor_stats *ret_stats)
{
	struct thread_pool *pool = pool_of(executor);

	ret_stats->n_running = pool->n_threads - atomic_load(&pool->n_idle);
	ret_stats->n_workers = pool->n_threads;
	ret_stats->n_spawned = pool->n_spawned;
}

static void pool_join(struct pxp_executor *executor)
{
	struct thread_pool *pool = pool_of(executor);

	/* Once shutdown has begun, no thread is started, and no thread leaves the pool. */
	for (unsigned i = 0; i < executor->options.n_workers; i++) {
		if (pool->places[i].is_taken)
			pthread_join(pool->places[i].thread, NULL);
	}
	if (pool->ended.is_taken)
		pthread_join(pool->ended.thread, NULL);
	if (pool->has_keeper) {
		/* The queue is empty now, but the keeper thread may not have noticed that. Wake
		 * it. */
		lock_acquire(&executor->lock);
		cond_signal(&pool->has_expiry);
		lock_release(&executor->lock);
		pthread_join(pool->keeper, NULL);
	}
	lock_acquire(&executor->lock);
	pool->n_threads = 0;
	atomic_store(&pool->n_idle, 0);
	lock_release(&executor->lock);
}

static void pool_free(struct pxp_executor *executor)
{
	struct thread_pool *pool = pool_of(executor);

	cond_fini(&pool->has_expiry);
	cond_fini(&pool->has_work);
	executor_fini(executor);
	free(pool);
}

static enum pxp_status create_pool(const struct pxp_executor_options *options,
                                   struct pxp_executor **ret_executor,
                                   struct pxp_error *ret_error)
{
	struct thread_pool *pool = calloc(
		1, sizeof(*pool) + options->n_workers * sizeof(pool->places[0]));

	if (!pool ||
	    executor_init(&pool->executor, &thread_pool_executor, options) != PXP_OK) {
		free(pool);
		return pxp_fail(ret_error, PXP_ENOMEM, "no memory for a thread pool");
	}
	pool->keeper_wake_ns = -1;
	cond_init(&pool->has_work);
	cond_init(&pool->has_expiry);
	*ret_executor = &pool->executor;
	return PXP_OK;
}

const struct executor_table thread_pool_executor = {
	.create = create_pool,
	.max_inline_input = SIZE_MAX,
	.on_change = pool_on_change,
	.wake = pool_wake,
	.stats = pool_stats,
	.join = pool_join,
	.free = pool_free,
};
