/* The two pools of picture workers, which take turns. A pool is not freed while another thread uses
 * it. */
#include "batch/picture_pools.h"

#include "base/lock.h"
#include "batch/worker_question.h"

#include <stdlib.h>

struct pools {
	struct pools_options options; /* constant after creation */

	/* The kind of the current pool, which gets all tasks. If pools_change() has failed, the
	 * kind that it could not create. Only the feeder uses this member. */
	enum pool_kind turn;

	/* Guards all members below. Only the feeder changes `pool`. */
	struct lock lock;
	struct cond is_unused;     /* signalled when n_users became 0 */
	struct pxp_executor *pool; /* the current pool; NULL: none exists */
	unsigned n_users;          /* the number of threads that are using `pool` */
	unsigned stop_flags;       /* the flags given to pools_stop(); 0: not stopped */
};

/* Get the current pool, which then exists at least until let_go(). Returns NULL if no pool exists.
 * Call let_go() in both cases. */
static struct pxp_executor *hold(struct pools *pools)
{
	struct pxp_executor *pool;

	lock_acquire(&pools->lock);
	pool = pools->pool;
	pools->n_users++;
	lock_release(&pools->lock);
	return pool;
}

static void let_go(struct pools *pools)
{
	lock_acquire(&pools->lock);
	if (--pools->n_users == 0)
		cond_signal(&pools->is_unused);
	lock_release(&pools->lock);
}

static void end_pool(struct pools *pools)
{
	struct pxp_executor *pool;

	lock_acquire(&pools->lock);
	pool = pools->pool;
	pools->pool = NULL;
	while (pools->n_users > 0)
		cond_wait(&pools->is_unused, &pools->lock);
	lock_release(&pools->lock);
	pxp_executor_destroy(pool);
}

static bool begin_pool(struct pools *pools, enum pool_kind kind,
                       struct failure *ret_failure)
{
	const struct pools_options *options = &pools->options;
	const struct picture_guard guard = kind == POOL_DRAWS ? picture_guard_to_draw(
									&options->guard)
	                                                      : options->guard;
	const struct pxp_executor_options executor = picture_pool_options(
		options->n_workers, options->max_pending, &options->limits, &guard);
	struct pxp_executor *pool;
	struct pxp_error error;
	unsigned stop_flags;

	if (pxp_executor_create(&executor, &pool, &error) != PXP_OK)
		return failure_set(ret_failure, FAIL_INTERNAL, "%s", error.text);
	lock_acquire(&pools->lock);
	pools->pool = pool;
	stop_flags = pools->stop_flags;
	lock_release(&pools->lock);
	/* If pools_stop() was called before pools->pool was set, it has not stopped this pool. Stop
	 * the pool here. */
	if (stop_flags)
		pxp_executor_shutdown(pool, stop_flags);
	return true;
}

struct pools *pools_create(const struct pools_options *options,
                           struct failure *ret_failure)
{
	struct pools *pools = calloc(1, sizeof(*pools));

	if (!pools) {
		failure_set(ret_failure, FAIL_INTERNAL, "out of memory");
		return NULL;
	}
	pools->options = *options;
	lock_init(&pools->lock);
	cond_init(&pools->is_unused);
	if (!begin_pool(pools, POOL_DECODES, ret_failure)) {
		pools_destroy(pools);
		return NULL;
	}
	return pools;
}

void pools_destroy(struct pools *pools)
{
	if (!pools)
		return;
	end_pool(pools);
	cond_fini(&pools->is_unused);
	lock_fini(&pools->lock);
	free(pools);
}

bool pools_leave_drawing(const struct pools *pools)
{
	return pools->options.guard.drawing == DRAWING_ELSEWHERE;
}

enum pool_kind pools_turn(const struct pools *pools)
{
	return pools->turn;
}

static enum pxp_status run_nothing(struct pxp_task *task)
{
	return pxp_task_return(task, "", 1);
}

bool pools_change(struct pools *pools, enum pool_kind kind, struct failure *ret_failure)
{
	char nothing;

	if (pools->turn == kind && pools->pool)
		return true;
	end_pool(pools);
	pools->turn = kind;
	if (!begin_pool(pools, kind, ret_failure))
		return false;
	/* For the drawing pool, wait for an answer, which shows that preload and lock-down have
	 * succeeded. */
	if (kind == POOL_DECODES ||
	    worker_ask(pools->pool, run_nothing, &nothing, 1, ret_failure))
		return true;
	end_pool(pools);
	return false;
}

enum pxp_status pools_submit(struct pools *pools, const struct picture_request *requests,
                             size_t n, struct pxp_future **ret_task)
{
	*ret_task = NULL;
	return pools->pool
	               ? picture_submit(pools->pool, requests, n,
	                                pools->options.limits.memory_allowance, ret_task)
	               : PXP_EBROKEN;
}

void pools_stop(struct pools *pools, unsigned flags)
{
	struct pxp_executor *pool;

	lock_acquire(&pools->lock);
	pools->stop_flags |= flags;
	lock_release(&pools->lock);
	pool = hold(pools);
	if (pool)
		pxp_executor_shutdown(pool, flags);
	let_go(pools);
}

void pools_suspend(struct pools *pools)
{
	struct pxp_executor *pool = hold(pools);

	if (pool)
		pxp_executor_suspend(pool);
	let_go(pools);
}

void pools_resume(struct pools *pools)
{
	struct pxp_executor *pool = hold(pools);

	if (pool)
		pxp_executor_resume(pool);
	let_go(pools);
}
