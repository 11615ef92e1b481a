/*
 * Functions that wait for several futures: until one is done, until all are done, or for one after
 * the other as they are done. The futures may belong to different executors, and promises may be
 * among them. A cancelled future is done.
 */
#ifndef PXP_WAIT_H
#define PXP_WAIT_H

#include <pixpool/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Later versions may append values. */
enum pxp_wait_until {
	/* Wait until at least one future is done. */
	PXP_FIRST_COMPLETED = 1,
	/* Wait until at least one future has failed, or all are done. A cancelled future has not
	 * failed. */
	PXP_FIRST_ERROR = 2,
	/* Wait until all futures are done. */
	PXP_ALL_COMPLETED = 3
};

/**
 * Wait until enough futures are done.
 *
 * futures     n futures, borrowed for the call. A future may appear several times. If n is 0, the
 *             call returns at once.
 * timeout_ms  milliseconds for the whole call; 0 only polls, PXP_FOREVER waits without limit.
 * ret_done    NULL, or n flags: ret_done[i] tells whether futures[i] is done. Filled on PXP_OK and
 *             PXP_ETIMEOUT.
 *
 * PXP_OK        enough futures are done.
 * PXP_ETIMEOUT  the time is over, and not enough futures are done.
 * PXP_EINVAL    `until` is not a value of the enum.
 * PXP_EDEADLK   the caller would have to wait, but is a callback or a task of an executor that must
 *               still run the task of one of the futures.
 * PXP_ENOMEM    no memory.
 *
 * Any thread may call this function.
 */
enum pxp_status pxp_wait(struct pxp_future *const *futures, size_t n,
                         enum pxp_wait_until until, int64_t timeout_ms, bool *ret_done);

/**
 * An iteration over futures in the order in which they are done.
 *
 * Threads: only one thread at a time may use an iteration.
 */
struct pxp_as_completed;

/**
 * Begin an iteration. It returns first the futures that are done already, in the order of the
 * array, and then each other future when it is done. A future that appears several times is
 * returned once.
 *
 * futures        n futures. The iteration takes its own reference to each of them.
 * timeout_ms     the time limit of the whole iteration in milliseconds, from this call on;
 *                PXP_FOREVER: no limit.
 * ret_iteration  on PXP_OK the iteration, which the caller must give back with
 *                pxp_as_completed_close(). Otherwise NULL.
 *
 * PXP_OK      the iteration has begun.
 * PXP_ENOMEM  no memory.
 */
enum pxp_status pxp_as_completed_open(struct pxp_future *const *futures, size_t n,
                                      int64_t timeout_ms,
                                      struct pxp_as_completed **ret_iteration);

/**
 * Wait for the next future that is done.
 *
 * ret_future  on PXP_OK the future, which is borrowed: the iteration holds a reference to it until
 *             the next call or pxp_as_completed_close(). The caller does not release it. A caller
 *             that needs the future for longer must hold a reference of its own. NULL if all
 *             futures were returned, or if the status is not PXP_OK.
 *
 * PXP_OK        *ret_future is a future, or NULL at the end.
 * PXP_ETIMEOUT  the time of the iteration is over, and every future that is done was returned.
 *               pxp_as_completed_left() futures are not done. The caller may try again.
 * PXP_EDEADLK   as for pxp_wait().
 */
enum pxp_status pxp_as_completed_next(struct pxp_as_completed *iteration,
                                      struct pxp_future **ret_future);

/** How many futures were not returned yet. */
size_t pxp_as_completed_left(const struct pxp_as_completed *iteration);

/** End an iteration, at any point, and release all of its references. NULL is allowed. */
void pxp_as_completed_close(struct pxp_as_completed *iteration);

#ifdef __cplusplus
}
#endif

#endif
