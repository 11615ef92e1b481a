/*
 * The internal interface of futures, for executors and waiters; <pixpool/future.h> is the public
 * one.
 *
 * Order of locks: executor, future, waiter, never the reverse. A thread that completes a future
 * holds no lock when it calls the function, and callbacks run while no lock is held.
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

/* The members that every task touches come first. */
struct pxp_future {
	atomic_uint n_references;
	/* An enum pxp_future_state, and a bit that says whether a thread sleeps on this word until
	 * the future is done. The state changes to a final state only while the lock is held. */
	atomic_uint state;
	/* The function that frees the memory of the future. */
	future_free_fn *free;
	/* Whether the future is a promise, which has no owner. Never changes. */
	bool is_promise;
	/* Whether the result was moved out to a caller. */
	atomic_bool is_taken;
	_Atomic(void *) tag;

	/* Guards all members below. */
	struct lock lock;
	/* The owner, which completes the future. NULL if the future is a promise, or is done. */
	struct future_owner *owner;
	struct callback *first, **last;
	struct future_hook *hooks;
	/* How the future was completed; valid once the future is done. If only one thread may
	 * complete the future, that thread may write this member earlier (future_completion()).
	 * Callers can move the result and the descriptors out. */
	struct completion completion;
};

/* Make a pending future with one reference.
 *
 * owner        completes the future, and must exist until then. If owner is NULL, the future is a
 *              promise.
 * free_memory  frees the memory of the future once its last reference is released. */
void future_init(struct pxp_future *future, struct future_owner *owner,
                 future_free_fn *free_memory);

/* Change the state from pending to running. Returns false if the future is running or done
 * already. */
bool future_start(struct pxp_future *future);

/* Complete the future. The first completion wins, takes everything that *completion owns and
 * returns true. A later completion returns false and leaves *completion unchanged. Runs
 * callbacks. */
bool future_complete(struct pxp_future *future, struct completion *completion);

/* Returns where to write the completion for future_complete_in_place(). Call this only in a thread
 * that holds a reference to the future, and only if no other thread may complete the future. This
 * saves a copy of struct completion (about 400 bytes) for each task. */
struct completion *future_completion(struct pxp_future *future);

/* Complete the future with the contents of future_completion(). Runs callbacks.
 *
 * n_idle  NULL, or a counter of idle threads, to which this thread adds itself before it wakes any
 *         waiter. So a waiter that submits a task finds an idle thread. If the future has
 *         callbacks, this thread adds itself after they have returned. */
void future_complete_in_place(struct pxp_future *future, atomic_uint *n_idle);

/* The state stored in the future. The owner is not asked, so PXP_PENDING may be out of date: the
 * task may already be running. */
enum pxp_future_state future_peek(struct pxp_future *future);

/* Whether a wait for the future in this thread might never end: the future is not done, and this
 * thread works for the owner of the future. */
bool future_would_deadlock(struct pxp_future *future);

/*
 * A hook notifies one waiter of one future, and only once: when the future is done, or at once if
 * it is done already.
 *
 * notify() is called with the future's lock held. This has two effects: waiters are notified in the
 * order in which futures are completed, and after future_hook_remove() has returned, notify() is
 * not running and will not be called. The only lock that notify() may take is that of its waiter,
 * which is the last in the order of locks. The waiter may free the hook as soon as it was notified.
 */
struct future_hook {
	void (*notify)(struct future_hook *hook, enum pxp_future_state state);
	/* The members `next` and `at` are guarded by the future's lock. `at` is NULL once the hook
	 * has notified or was removed. */
	struct future_hook *next, **at;
};

#endif
