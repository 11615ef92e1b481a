/*
 * Futures from inside: what executors and waiters need beyond <pixpool/future.h>.
 *
 * Order of locks: executor, future, waiter, never the reverse. No future is completed, and no
 * callback runs, with a lock held.
 */
#ifndef PXP_EXEC_FUTURE_H
#define PXP_EXEC_FUTURE_H

#include "base/lock.h"
#include "exec/future/completion.h"
#include "exec/future/owner.h"

#include <pixpool/future.h>

#include <stdatomic.h>

struct callback;
struct future_hook;

typedef void future_free_fn(struct pxp_future *future);

/* The fields that every task touches come first. */
struct pxp_future {
	atomic_uint n_references;
	/* An enum pxp_future_state, and whether a thread sleeps on this word until the future is
	 * done. It becomes a done state only while the lock is held. */
	atomic_uint state;
	/* Frees the memory of the future. */
	future_free_fn *free;
	/* Whether it was created without an owner. Never changes. */
	bool is_promise;
	/* Whether the result was moved out. */
	atomic_bool is_taken;

	/* Guards all below. */
	struct lock lock;
	/* Completes the future. NULL: a promise, or the future is done. */
	struct future_owner *owner;
	struct callback *first, **last;
	struct future_hook *hooks;
	/* Valid once the future is done. Before that, it belongs to the thread that alone may
	 * complete the future, if there is such a thread (future_completion()). Callers can move
	 * the result and the descriptors out. */
	struct completion completion;
};

/* Make a pending future with one reference.
 *
 * owner        completes the future, and must stay until then. NULL: the future is a promise.
 * free_memory  frees the memory of the future once its last reference is released. */
void future_init(struct pxp_future *future, struct future_owner *owner,
                 future_free_fn *free_memory);

/* Pending becomes running. Returns whether it did: false when the future runs or is done. */
bool future_start(struct pxp_future *future);

/* Complete the future. The first completion wins, takes what *completion owns and returns true. A
 * later one returns false and leaves *completion as it was. Runs callbacks. */
bool future_complete(struct pxp_future *future, struct completion *completion);

/* Where a thread that alone may complete the future, and holds a reference to it, writes the
 * completion for future_complete_in_place(): there a task leaves its result without copying a
 * struct completion of 400 bytes. */
struct completion *future_completion(struct pxp_future *future);

/* Complete the future with what stands in future_completion(). Runs callbacks.
 *
 * n_idle  NULL, or a counter of idle threads that this thread adds itself to. It does so before
 *         any waiter is woken, so that a waiter that submits a task finds an idle thread. If the
 *         future has callbacks, this thread is not idle until they have returned. */
void future_complete_in_place(struct pxp_future *future, atomic_uint *n_idle);

/* The state stored in the future; the owner is not asked. PXP_PENDING may be out of date: the task
 * may already be running. */
enum pxp_future_state future_peek(struct pxp_future *future);

/* Whether a wait in this thread could never end: the future is not done, and this thread works
 * for its owner. */
bool future_would_deadlock(struct pxp_future *future);

/*
 * A hook notifies one waiter of a future, once: when the future is done, or at once if it is
 * done already.
 *
 * notify is called with the future's lock held. So futures notify in the order in which they
 * were completed, and once future_hook_remove() has returned, notify neither runs nor will. notify
 * may take the lock of its waiter, which is the last in the order of locks, and nothing else. The
 * waiter may free the hook as soon as it was notified.
 */
struct future_hook {
	void (*notify)(struct future_hook *hook, enum pxp_future_state state);
	/* Guarded by the future's lock. at is NULL once the hook has notified or was removed. */
	struct future_hook *next, **at;
};

#endif
