/*
 * Waits for several futures: for the first, for all, or for each as it is done. The futures may
 * belong to different executors, and promises may be among them. A cancelled future is done.
 */
#ifndef PXP_WAIT_H
#define PXP_WAIT_H

#include <pixpool/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* New values are only appended. */
enum pxp_wait_until {
	/* At least one is done. */
	PXP_FIRST_COMPLETED = 1,
	/* At least one has failed (cancelled does not count), or all are done. */
	PXP_FIRST_ERROR = 2,
	/* All are done. */
	PXP_ALL_COMPLETED = 3
};

/**
 * Wait until enough futures are done.
 *
 * futures     n futures, borrowed for the call. The same future may appear twice. If n is 0, the
 *             call returns at once.
 * timeout_ms  milliseconds for the whole call; 0 only polls, PXP_FOREVER waits without limit.
 * ret_done    NULL, or n flags: ret_done[i] tells whether futures[i] is done. Filled on PXP_OK and
 *             PXP_ETIMEOUT.
 *
 * PXP_OK        enough are done.
 * PXP_ETIMEOUT  not enough are done.
 * PXP_EINVAL    until is not a value of the enum.
 * PXP_EDEADLK   this is a callback or a task of the executor that must run one of the tasks.
 * PXP_ENOMEM    no memory.
 *
 * Any thread.
 */
enum pxp_status pxp_wait(struct pxp_future *const *futures, size_t n,
                         enum pxp_wait_until until, int64_t timeout_ms, bool *ret_done);

/**
 * An iteration over futures in the order in which they are done.
 *
 * Threads: one thread at a time.
 */
struct pxp_as_completed;

/**
 * Begin an iteration. Futures that are done already come first, in the order of the array; then each
 * one as it is done. A future that appears twice comes once.
 *
 * futures        n futures. The iteration takes a reference to each.
 * timeout_ms     milliseconds for the whole iteration, from this call; PXP_FOREVER: no limit.
 * ret_iteration  on PXP_OK the iteration, which the caller must give back with
 *                pxp_as_completed_close(). Otherwise NULL.
 *
 * PXP_OK      begun.
 * PXP_ENOMEM  no memory.
 */
enum pxp_status pxp_as_completed_open(struct pxp_future *const *futures, size_t n,
                                      int64_t timeout_ms,
                                      struct pxp_as_completed **ret_iteration);

/**
 * Wait for the next future that is done.
 *
 * ret_future  on PXP_OK the future, borrowed: the iteration keeps a reference to it until the next
 *             call or pxp_as_completed_close(). There is nothing to release; a caller that needs the
 *             future for longer holds a reference of its own, such as that from submitting it.
 *             NULL if all futures were returned. On all other statuses NULL.
 *
 * PXP_OK        a future, or the end.
 * PXP_ETIMEOUT  the time of the iteration is over, and every done future was given out. The others,
 *               pxp_as_completed_left() of them, were not done. The caller may try again.
 * PXP_EDEADLK   as for pxp_wait().
 */
enum pxp_status pxp_as_completed_next(struct pxp_as_completed *iteration,
                                      struct pxp_future **ret_future);

/** How many futures were not given out yet. */
size_t pxp_as_completed_left(const struct pxp_as_completed *iteration);

/** End an iteration, at any point, and release all of its references. NULL is allowed. */
void pxp_as_completed_close(struct pxp_as_completed *iteration);

#ifdef __cplusplus
}
#endif

#endif
