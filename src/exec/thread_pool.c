/* Tasks on threads of this process: for work that waits. */
#include "base/clock.h"
#include "exec/executor.h"

#include <signal.h>
#include <stdlib.h>

struct thread_pool {
	struct pxp_executor executor; /* its lock guards all below */
	struct cond has_work;         /* a task was queued, or shutdown began */
	unsigned n_idle, n_running;
	unsigned n_threads;
	pthread_t threads[];
};

static struct thread_pool *pool_of(struct pxp_executor *executor)
{
	return (struct thread_pool *)executor;
}

static struct settlement run_here(struct task *task, void *context)
{
	struct pxp_task view = {
		.input = task->input,
		.n_input = task->n_input,
		.descriptors = task->descriptors,
		.n_descriptors = task->n_descriptors,
		.output = -1,
		.context = context,
	};
	struct settlement settlement = {.output = -1};

	task->started_ns = clock_now_ns();
	task_run(task->run, &view);

	settlement.state = view.error.status == PXP_OK ? PXP_FINISHED : PXP_FAILED;
	settlement.outcome.error = view.error;
	settlement.outcome.queue_ns = task->started_ns - task->submitted_ns;
	settlement.outcome.run_ns = clock_now_ns() - task->started_ns;
	settlement.result = view.result;
	settlement.n_result = view.n_result;
	return settlement;
}

/* The next task, waiting for one; NULL when the pool is stopping and has no more. */
static struct task *next_task(struct thread_pool *pool)
{
	struct pxp_executor *executor = &pool->executor;
	struct task *task;

	lock_acquire(&executor->lock);
	pool->n_idle++;
	while (!(task = executor_take(executor)) && !executor->is_stopping)
		cond_wait(&pool->has_work, &executor->lock);
	pool->n_idle--;
	if (task) {
		pool->n_running++;
		task->attempts = 1;
		future_start(task->future);
	}
	lock_release(&executor->lock);
	return task;
}

static void end_task(struct thread_pool *pool, struct task *task,
                     struct settlement *settlement)
{
	lock_acquire(&pool->executor.lock);
	pool->n_running--;
	task_detach(task);
	lock_release(&pool->executor.lock);
	task_settle(task, settlement);
}

/* An initialiser failed: no task will ever run here. */
static void break_pool(struct thread_pool *pool, const struct pxp_error *error)
{
	struct pxp_executor *executor = &pool->executor;
	struct task_list failed = {0};
	struct pxp_error broken;

	pxp_fail(&broken, PXP_EBROKEN, "%s", error->text);
	lock_acquire(&executor->lock);
	executor->broken = broken;
	while (executor->queue.first) {
		struct task *task = executor_take(executor);

		task_detach(task);
		task_list_append(&failed, task);
	}
	cond_broadcast(&executor->has_room);
	lock_release(&executor->lock);
	task_list_settle(&failed, &broken);
}

static void *thread_main(void *data)
{
	struct thread_pool *pool = data;
	const struct pxp_executor_options *options = &pool->executor.options;
	struct pxp_error error = {0};
	void *context = NULL;
	struct task *task;

	executor_adopt_thread(&pool->executor);
	if (options->initialise &&
	    options->initialise(options->init_bytes, options->n_init_bytes, &context,
	                        &error) != PXP_OK) {
		break_pool(pool, &error);
		return NULL;
	}

	while ((task = next_task(pool))) {
		struct settlement settlement = run_here(task, context);

		end_task(pool, task, &settlement);
	}
	if (options->finalise)
		options->finalise(context);
	return NULL;
}

/* Signals are for the threads of the program, not for ours. */
static int create_thread(pthread_t *ret_thread, struct thread_pool *pool)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(ret_thread, NULL, thread_main, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* Start a thread when every idle one has a task of the queue coming to it already. */
static bool pool_wake(struct pxp_executor *executor, struct pxp_error *ret_error)
{
	struct thread_pool *pool = pool_of(executor);

	if (executor->is_stopping) {
		cond_broadcast(&pool->has_work);
		return true;
	}
	if (executor->queue.n > pool->n_idle &&
	    pool->n_threads < executor->options.n_workers) {
		int error = create_thread(&pool->threads[pool->n_threads], pool);

		if (error == 0)
			pool->n_threads++;
		else if (pool->n_threads == 0)
			return pxp_fail(ret_error, PXP_ESYS, "no thread can be started"),
			       false;
	}
	cond_signal(&pool->has_work);
	return true;
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

	ret_stats->n_running = pool->n_running;
	ret_stats->n_workers = pool->n_threads;
	ret_stats->n_spawned = pool->n_threads;
}

static void pool_join(struct pxp_executor *executor)
{
	struct thread_pool *pool = pool_of(executor);

	/* No thread is started once shutdown began. */
	for (unsigned i = 0; i < pool->n_threads; i++)
		pthread_join(pool->threads[i], NULL);
}

static void pool_free(struct pxp_executor *executor)
{
	struct thread_pool *pool = pool_of(executor);

	cond_fini(&pool->has_work);
	executor_fini(executor);
	free(pool);
}

static const struct executor_table thread_pool_table = {
	.wake = pool_wake,
	.take_back = pool_take_back,
	.has_begun = pool_has_begun,
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
	struct thread_pool *pool = calloc(
		1, sizeof(*pool) + n_threads * sizeof(pool->threads[0]));

	if (!pool ||
	    executor_init(&pool->executor, &thread_pool_table, options) != PXP_OK) {
		free(pool);
		return pxp_fail(ret_error, PXP_ENOMEM, "no memory for a thread pool");
	}
	cond_init(&pool->has_work);
	*ret_executor = &pool->executor;
	return PXP_OK;
}
