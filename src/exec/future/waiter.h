/*
 * A waiter waits for several futures. Each future notifies the waiter, and the wait ends when
 * enough of them are done. The waiter's lock is the last in the order of locks: a future takes it
 * with its own lock held.
 */
#ifndef PXP_WAITER_H
#define PXP_WAITER_H

#include "base/lock.h"
#include "exec/future/future.h"

/* One future that a waiter watches. */
struct watch {
	struct future_hook hook;
	struct waiter *waiter;
	/* The next watch in the waiter's list of done watches. Guarded by the waiter's lock. */
	struct watch *next;
};

struct waiter {
	/* Guards all members below. */
	struct lock lock;
	/* Signalled when enough_done or enough_failed was reached. */
	struct cond has_enough;
	/* The list of watches whose future is done and that waiter_take() has not returned yet, in
	 * the order of completion. */
	struct watch *first, **last;
	/* How many watched futures are done, and how many of these have failed. */
	size_t n_done, n_failed;
	/* The counts that end the wait. A count of SIZE_MAX never ends it. Both are SIZE_MAX while
	 * no thread waits. */
	size_t enough_done, enough_failed;
};

void waiter_init(struct waiter *waiter);

/* Free the waiter. Every watch must have been notified or removed. */
void waiter_fini(struct waiter *waiter);

/* Watch a future. The caller must hold a reference to the future until the future is done or
 * waiter_unwatch() has returned. */
void waiter_watch(struct waiter *waiter, struct watch *watch, struct pxp_future *future);
void waiter_unwatch(struct watch *watch, struct pxp_future *future);

/* Wait until n_done futures are done or n_failed have failed, both counted since waiter_init().
 * Returns false if deadline_ns (clock.h) passed first. Only one thread at a time may wait. */
bool waiter_await(struct waiter *waiter, size_t n_done, size_t n_failed,
                  int64_t deadline_ns);

/* Take the first watch from the list of done watches. Returns NULL if the list is empty. */
struct watch *waiter_take(struct waiter *waiter);

#endif
