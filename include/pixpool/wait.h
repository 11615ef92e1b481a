/*
 * Waiting for many futures: for the first, for all, or for each as it is done. Futures of
 * different executors, and promises, may be mixed. One that is cancelled is done.
 */
#ifndef PXP_WAIT_H
#define PXP_WAIT_H

#include <pixpool/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Values are only ever appended. */
enum pxp_wait_until {
	PXP_FIRST_COMPLETED = 1, /* one is done */
	PXP_FIRST_ERROR =
		2, /* one has failed (cancelled is no failure), or all are done */
	PXP_ALL_COMPLETED = 3
};

/**
 * Wait until enough of them are done.
 *
 * futures     n of them, borrowed for the call; the same one may stand there twice. With
 *             n 0 it returns at once.
 * timeout_ms  for the whole call; 0 polls, PXP_FOREVER does not time out.
 * ret_done    NULL, or n flags: ret_done[i] is whether futures[i] is done. Filled when
 *             the return value is PXP_OK or PXP_ETIMEOUT.
 *
 * PXP_OK        enough are done.
 * PXP_ETIMEOUT  not yet. What is done is in ret_done.
 * PXP_EINVAL    until is none of the three.
 * PXP_EDEADLK   asked in a callback or a task of an executor that would have to run one
 *               of them.
 * PXP_ENOMEM    no memory.
 */
enum pxp_status pxp_wait(struct pxp_future *const *futures, size_t n,
                         enum pxp_wait_until until, int64_t timeout_ms, bool *ret_done);

/* An iteration over futures in the order in which they are done. One thread at a time. */
struct pxp_as_completed;

/**
 * Begin. Those that are done come first, in the order of futures; then each as it is
 * done. One that stands there twice comes once.
 *
 * futures     n of them; a reference to each is held until it is given out.
 * timeout_ms  for the whole iteration, from this call; PXP_FOREVER: none.
 * ret_iteration  on PXP_OK yours, to be given back with pxp_as_completed_close().
 *
 * PXP_ENOMEM  no memory; *ret_iteration is NULL.
 */
enum pxp_status pxp_as_completed_open(struct pxp_future *const *futures, size_t n,
                                      int64_t timeout_ms,
                                      struct pxp_as_completed **ret_iteration);

/**
 * The next one that is done.
 *
 * ret_future  on PXP_OK one reference, yours. NULL when there are no more.
 *
 * PXP_OK        here it is, or (NULL) the end.
 * PXP_ETIMEOUT  the time is over, and none that was done is left to be given out:
 *               pxp_as_completed_left() were not done.
 * PXP_EDEADLK   as pxp_wait().
 */
enum pxp_status pxp_as_completed_next(struct pxp_as_completed *iteration,
                                      struct pxp_future **ret_future);

/** How many have not been given out. */
size_t pxp_as_completed_left(const struct pxp_as_completed *iteration);

/** End it, at any point. NULL is fine. Futures not given out are only released. */
void pxp_as_completed_close(struct pxp_as_completed *iteration);

#ifdef __cplusplus
}
#endif

#endif
