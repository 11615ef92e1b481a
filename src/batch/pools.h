/*
 * The two pools of picture workers. The workers of one pool decode; those of the other draw SVG and
 * PDF, and may read fonts. The pools take turns: only one exists at a time, so that the number of
 * workers and their memory never exceed what was asked for.
 *
 * Threads: the feeder alone submits and changes the turn. Any thread may call pools_stop(), pools_suspend() and pools_resume().
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

/* Create the pool that decodes. Its workers start when there is work. NULL with a failure. */
struct pools *pools_create(const struct pools_options *options,
                           struct failure *ret_failure);

/* Wait until no task is running, and free the pools. NULL is fine. */
void pools_destroy(struct pools *pools);

/* Whether drawings are left to the pool that draws. */
bool pools_leave_drawing(const struct pools *pools);

/* The pool whose turn it is. */
enum pool_kind pools_turn(const struct pools *pools);

/*
 * Give a pool its turn: the other one ends, and this one is created. For the pool that draws this
 * waits until one of its workers has started, which shows that drawings can be drawn. No task may be
 * running. False with a failure when the pool cannot be created; then no pool exists until the next
 * call.
 */
bool pools_change(struct pools *pools, enum pool_kind kind, struct failure *ret_failure);

/* As picture_submit(), to the pool whose turn it is. PXP_EBROKEN when no pool exists. */
enum pxp_status pools_submit(struct pools *pools, const struct picture_request *request,
                             struct pxp_future **ret_task);

/* As pxp_executor_shutdown() without PXP_SHUTDOWN_WAIT, for the pool that exists and for any that
 * comes later. */
void pools_stop(struct pools *pools, unsigned flags);

/* As pxp_executor_suspend() and pxp_executor_resume(), for the pool that exists. */
void pools_suspend(struct pools *pools);
void pools_resume(struct pools *pools);

#endif
