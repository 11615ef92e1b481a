/*
 * A waiter is notified by many futures, and waits until enough of them are done. Its lock is the last
 * in the order of locks: a future takes it with its own lock held.
 */
#ifndef PXP_WAITER_H
#define PXP_WAITER_H

#include "base/lock.h"
#include "exec/future/future.h"

/* One future that a waiter watches. */
struct watch {
	struct future_hook hook;
	struct waiter *waiter;
	/* In the waiter's list of done watches. Guarded by the waiter's lock. */
	struct watch *next;
};

struct waiter {
	/* Guards all below. */
	struct lock lock;
	/* enough_done or enough_failed was reached. */
	struct cond has_enough;
	/* Watches whose future is done and that were not taken, in the order of completion. */
	struct watch *first, **last;
	/* Futures that are done, and those of them that failed, since waiter_init(). */
	size_t n_done, n_failed;
	/* SIZE_MAX: no thread waits. */
	size_t enough_done, enough_failed;
};

void waiter_init(struct waiter *waiter);

/* Every watch has been notified or removed. */
void waiter_fini(struct waiter *waiter);

/* Watch a future. The caller keeps a reference to it until it is done or waiter_unwatch(). */
void waiter_watch(struct waiter *waiter, struct watch *watch, struct pxp_future *future);
void waiter_unwatch(struct watch *watch, struct pxp_future *future);

/* Wait until n_done futures are done or n_failed have failed, both counted since waiter_init().
 * False: deadline_ns (clock.h) passed first. One thread at a time. */
bool waiter_await(struct waiter *waiter, size_t n_done, size_t n_failed,
                  int64_t deadline_ns);

/* Take the first of the done watches, or NULL. */
struct watch *waiter_take(struct waiter *waiter);

#endif
