/*
 * A waiter hears of many futures, and waits until enough of them are done. Its lock is the
 * last in the order of locks: a future tells it with the future's own lock held.
 */
#ifndef PXP_WAITER_H
#define PXP_WAITER_H

#include "base/lock.h"
#include "exec/future/future.h"

/* One future that a waiter watches. */
struct watch {
	struct future_hook hook;
	struct waiter *waiter;
	struct watch *next; /* among those that are done; guarded by the waiter's lock */
};

struct waiter {
	struct lock lock;       /* guards all below */
	struct cond has_enough; /* as many are done, or have failed, as are waited for */
	struct watch *first, **last; /* done and not taken, in the order of completion */
	size_t n_done, n_failed;     /* since the beginning */
	size_t enough_done, enough_failed; /* SIZE_MAX: nobody waits */
};

void waiter_init(struct waiter *waiter);
void waiter_fini(struct waiter *waiter); /* when every watch is told, or was removed */

/* Watch a future, which must stay until it is told or waiter_unwatch(). */
void waiter_watch(struct waiter *waiter, struct watch *watch, struct pxp_future *future);
void waiter_unwatch(struct watch *watch, struct pxp_future *future);

/* Wait until, counted from the beginning, so many are done or so many have failed. False
 * when deadline_ns (clock.h) came first. One thread at a time. */
bool waiter_await(struct waiter *waiter, size_t n_done, size_t n_failed,
                  int64_t deadline_ns);

/* Take the first of those that are done, or NULL. */
struct watch *waiter_take(struct waiter *waiter);

#endif
