/*
 * The two pools of picture workers: one decodes, one draws SVG and PDF and may read fonts. They take
 * turns: only one of them exists at a time, so that there are never more workers, nor do they
 * have more memory, than was asked for.
 *
 * Threads: one thread, the feeder, starts the pools, submits and changes the turn. Any thread may
 * call pools_stop(), pools_suspend() and pools_resume().
 */
#ifndef PXP_POOLS_H
#define PXP_POOLS_H

#include "batch/picture_task.h"

enum pool_kind { POOL_DECODES, POOL_DRAWS };

struct pools_options {
	unsigned n_workers;
	size_t max_pending;
	struct picture_limits limits;
	struct picture_guard guard; /* of the workers that decode */
};

struct pools;

/* Create the pool that decodes; no worker begins yet. NULL with a failure. */
struct pools *pools_create(const struct pools_options *options,
                           struct failure *ret_failure);

/* Wait until nothing runs, and free. NULL is fine. */
void pools_destroy(struct pools *pools);

/* Whether a picture of a format is left to the pool that draws. */
bool pools_leave_drawing(const struct pools *pools);

/* Whose turn it is. */
enum pool_kind pools_turn(const struct pools *pools);

/*
 * Give a kind its turn: the pool of the other kind ends, and this one is created. A pool that draws
 * is tried, too: it has a worker that can. No task may be running. False with a failure when there
 * is no such pool now; then none exists, until another turn is asked for.
 */
bool pools_change(struct pools *pools, enum pool_kind kind, struct failure *ret_failure);

/* As picture_submit(), to the pool whose turn it is; PXP_EBROKEN without one. */
enum pxp_status pools_submit(struct pools *pools, const struct picture_request *request,
                             struct pxp_future **ret_task);

/* As pxp_executor_shutdown() without PXP_SHUTDOWN_WAIT, for the pool that exists and for any that
 * comes later. */
void pools_stop(struct pools *pools, unsigned flags);

/* As pxp_executor_suspend() and pxp_executor_resume(), for the pool that exists. */
void pools_suspend(struct pools *pools);
void pools_resume(struct pools *pools);

#endif
