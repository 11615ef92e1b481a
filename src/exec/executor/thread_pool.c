/* Tasks on threads of this process: for work that waits. */
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
	struct pxp_executor executor; /* its lock guards all below */
	struct cond has_work;         /* a task was queued, or shutdown began */
	struct cond has_expiry; /* for the keeper: the next task to expire changed */
	pthread_t keeper;       /* fails tasks that expire in the queue */
	bool has_keeper;        /* it is started when the first such task comes */
	unsigned n_asleep;      /* threads that wait for has_work */
	bool is_waking;         /* one of them was called, and has not come yet */
	/* From its creation on, and from the end of a task and its callbacks on, a thread is
	 * idle: it looks at the queue before it sleeps. It becomes so without the lock. */
	atomic_uint n_idle;
	unsigned n_threads, n_spawned;
	struct place
		left; /* who had nothing to do for too long; it joins who left before it */
	struct place places[];
};

static struct thread_pool *pool_of(struct pxp_executor *executor)
{
	return (struct thread_pool *)executor;
}

/* Whether to call a thread for what is queued. One at a time: it calls the next itself, as
 * long as there is more to do. With the lock held. */
static bool wants_call(struct thread_pool *pool)
{
	if (pool->is_waking || pool->n_asleep == 0 || pool->executor.queue.n == 0)
		return false;
	pool->is_waking = true;
	return true;
}

/* Give up the place of this thread, with the lock held. Whom it then has to join. */
static struct place leave(struct thread_pool *pool)
{
	struct place before = pool->left;
	unsigned i = 0;

	while (!pool->places[i].is_taken ||
	       !pthread_equal(pool->places[i].thread, pthread_self()))
		i++;
	pool->left = pool->places[i];
	pool->places[i].is_taken = false;
	pool->n_threads--;
	atomic_fetch_sub(&pool->n_idle, 1);
	return before;
}

/* Wait to be called. False when the time for that is over. */
static bool sleep_until_called(struct thread_pool *pool)
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

/* The next task, waiting for one; NULL when the pool is stopping and has no more, or when
 * there was none for too long: then this thread has left, and is to join *ret_before. */
static struct task *next_task(struct thread_pool *pool, struct place *ret_before)
{
	struct pxp_executor *executor = &pool->executor;
	bool has_time = true;
	struct task *task;

	lock_acquire(&executor->lock);
	while (!(task = executor_take(executor)) && !executor->is_stopping && has_time)
		has_time = sleep_until_called(pool);
	if (!task && !executor->is_stopping)
		*ret_before = leave(pool);
	if (task) {
		atomic_fetch_sub(&pool->n_idle, 1);
		task->attempts = 1;
		future_start(task->future);
		executor->is_calling |= wants_call(pool);
	}
	executor_unlock(executor);
	return task;
}

/* The initialiser of this thread failed: no task will ever run here. */
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

	executor_adopt_thread(&pool->executor);
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

/* Fails, at their time, the tasks that were not begun by then. */
static void *keeper_main(void *data)
{
	struct thread_pool *pool = data;
	struct pxp_executor *executor = &pool->executor;

	executor_adopt_thread(executor);
	lock_acquire(&executor->lock);
	while (!executor->is_stopping || executor->expiry.n > 0) {
		struct task_list expired = executor_take_expired(executor,
		                                                 clock_now_ns());

		if (expired.n > 0) {
			lock_release(&executor->lock);
			executor_complete_expired(executor, &expired);
			lock_acquire(&executor->lock);
		} else {
			cond_wait_until(&pool->has_expiry, &executor->lock,
			                expiry_next_ns(&executor->expiry));
		}
	}
	lock_release(&executor->lock);
	return NULL;
}

/* False when there is no thread at all. */
static bool add_worker(struct thread_pool *pool)
{
	unsigned i = 0;
	char name[32];

	while (pool->places[i].is_taken)
		i++;
	if (thread_start(&pool->places[i].thread, thread_main, pool) != 0)
		return pool->n_threads > 0;
	pool->places[i].is_taken = true;
	snprintf(name, sizeof(name), "%.11s_%u", pool->executor.name, i);
	name[15] = 0;
	pthread_setname_np(pool->places[i].thread, name);
	pool->n_threads++;
	pool->n_spawned++;
	atomic_fetch_add(&pool->n_idle, 1);
	return true;
}

static bool tell_keeper(struct thread_pool *pool)
{
	if (pool->executor.expiry.n > 0 && !pool->has_keeper) {
		if (thread_start(&pool->keeper, keeper_main, pool) != 0)
			return false;
		pool->has_keeper = true;
		pthread_setname_np(pool->keeper, "pxp-keeper");
	}
	if (pool->has_keeper)
		cond_signal(&pool->has_expiry);
	return true;
}

/* Start a thread when every idle one has a task of the queue coming to it already. */
static bool pool_wake(struct pxp_executor *executor, struct pxp_error *ret_error)
{
	struct thread_pool *pool = pool_of(executor);

	if (executor->is_stopping) {
		cond_broadcast(&pool->has_work);
		cond_signal(&pool->has_expiry);
		return true;
	}
	if (!tell_keeper(pool) ||
	    (executor->queue.n > atomic_load(&pool->n_idle) &&
	     pool->n_threads < executor->options.n_workers && !add_worker(pool))) {
		pxp_fail(ret_error, PXP_ESYS, "no thread can be started");
		return false;
	}
	executor->is_calling |= wants_call(pool);
	return true;
}

static void pool_call(struct pxp_executor *executor)
{
	cond_signal(&pool_of(executor)->has_work);
}

static bool pool_take_back(struct pxp_executor *executor, struct task *task)
{
	(void)executor;
	(void)task;
	return false; /* a thread begins what it takes */
}

static bool pool_has_begun(struct pxp_executor *executor, const struct task *task)
{
	(void)executor;
	(void)task;
	return true;
}

static bool pool_end(struct pxp_executor *executor, struct task *task, bool may_kill)
{
	(void)executor;
	(void)task;
	(void)may_kill;
	return false; /* it was asked; a thread cannot be killed */
}

static struct pxp_progress pool_progress(struct pxp_executor *executor, struct task *task)
{
	(void)executor;
	return shared_progress_read(&task->progress);
}

static void pool_take_back_all(struct pxp_executor *executor, struct task_list *list)
{
	(void)executor;
	(void)list;
}

static void pool_kill(struct pxp_executor *executor)
{
	(void)executor;
}

static void pool_suspend(struct pxp_executor *executor, bool stop)
{
	(void)executor;
	(void)stop;
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

	/* No thread is started, and none leaves, once shutdown began. */
	for (unsigned i = 0; i < executor->options.n_workers; i++) {
		if (pool->places[i].is_taken)
			pthread_join(pool->places[i].thread, NULL);
	}
	if (pool->left.is_taken)
		pthread_join(pool->left.thread, NULL);
	if (pool->has_keeper) {
		/* What it sleeps for may have begun since. */
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

static const struct executor_table thread_pool_table = {
	.wake = pool_wake,
	.call = pool_call,
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

enum pxp_status thread_pool_create(const struct pxp_executor_options *options,
                                   struct pxp_executor **ret_executor,
                                   struct pxp_error *ret_error)
{
	unsigned n_threads = executor_n_workers(options);
	struct thread_pool *pool = calloc(1, sizeof(*pool) +
	                                             n_threads * sizeof(pool->places[0]));

	if (!pool ||
	    executor_init(&pool->executor, &thread_pool_table, options) != PXP_OK) {
		free(pool);
		return pxp_fail(ret_error, PXP_ENOMEM, "no memory for a thread pool");
	}
	cond_init(&pool->has_work);
	cond_init(&pool->has_expiry);
	*ret_executor = &pool->executor;
	return PXP_OK;
}
