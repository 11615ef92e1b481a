/*
 * The two pools of picture workers. The workers of the first pool decode. The workers of the second
 * pool draw SVG and PDF, and may read fonts. The pools take turns: only one exists at a time, so
 * the number of workers and their memory never exceed the requested values.
 *
 * Only the feeder submits pictures, and only the feeder ends the turn of a pool. Any thread may
 * call pools_stop(), pools_suspend() and pools_resume().
 */
#ifndef PXP_BATCH_PICTURE_POOLS_H
#define PXP_BATCH_PICTURE_POOLS_H

#include "batch/picture_workers.h"

enum pool_kind { POOL_DECODES, POOL_DRAWS };

struct pools_options {
	unsigned n_workers;
	size_t max_pending;
	struct picture_limits limits;
	struct picture_guard guard; /* the settings of the decoding workers */
};

struct pools;

/* Create the pool of decoding workers, which start when there is work. Returns NULL with a
 * failure. */
struct pools *pools_create(const struct pools_options *options,
                           struct failure *ret_failure);

/* Wait until no task is running, and free the pools. NULL is allowed. */
void pools_destroy(struct pools *pools);

/* Whether drawings are left to the pool that draws. */
bool pools_leave_drawing(const struct pools *pools);

/* Which of the two pools has its turn: this pool gets the tasks that are submitted. */
enum pool_kind pools_turn(const struct pools *pools);

/*
 * Give a pool its turn: end the other pool, and create the pool of this kind. For the drawing pool,
 * wait until one of its workers has started, which shows that drawings can be drawn. No task may be
 * running. Returns false with a failure if the pool cannot be created, or if its worker does not
 * start. Then no pool exists until the next call.
 */
bool pools_change(struct pools *pools, enum pool_kind kind, struct failure *ret_failure);

/* Submit n files, 1 to PICTURE_MAX_FILES, as one task to the pool whose turn it is. The statuses
 * are those of pxp_executor_submit(); PXP_EBROKEN also if no pool exists. */
enum pxp_status pools_submit(struct pools *pools, const struct picture_request *requests,
                             size_t n, struct pxp_future **ret_task);

/* Shut down the current pool and any pool that is created later, like pxp_executor_shutdown()
 * without PXP_SHUTDOWN_WAIT. */
void pools_stop(struct pools *pools, unsigned flags);

/* Suspend or resume the current pool, like pxp_executor_suspend() and pxp_executor_resume(). */
void pools_suspend(struct pools *pools);
void pools_resume(struct pools *pools);

#endif
