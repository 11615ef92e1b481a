/* Futures, as the executors see them. */
#ifndef PXP_EXEC_FUTURE_H
#define PXP_EXEC_FUTURE_H

#include "base/lock.h"
#include "exec/future/completion.h"

#include <pixpool/future.h>

#include <stdatomic.h>

struct pxp_executor;
struct task;
struct blocks;
struct callback;
struct future_hook;

/*
 * What every task touches comes first, and the error's text is in the completion: a future
 * that is fine never touches that.
 */
struct pxp_future {
	atomic_uint n_references;
	atomic_uint state; /* an enum pxp_future_state, and whether somebody sleeps until
	                       * it is a done one, which it becomes with the lock held */
	struct blocks *home;  /* where its memory came from; NULL: the heap */
	struct task *task;    /* guarded by the executor's lock */
	bool is_promise;      /* for good: no executor completes it */
	atomic_bool is_taken; /* its result, by somebody */

	struct lock lock; /* guards all below */
	struct pxp_executor
		*executor; /* who will complete it; NULL: a promise, or done */
	struct callback *first, **last;
	struct future_hook *hooks;
	struct completion
		completion; /* once done; before that it belongs to who alone may
	                            * complete it. What can be taken moves out */
};

/* A pending future of an executor (NULL: a promise), with one reference. The executor must
 * stay until it has completed the future. home: of its block (NULL: the heap). */
void future_init(struct pxp_future *future, struct pxp_executor *executor,
                 struct blocks *home);

/* The task behind a future of an executor; NULL once it is about to be completed. Guarded
 * by the executor's lock. */
struct task *future_task(const struct pxp_future *future);
void future_set_task(struct pxp_future *future, struct task *task);

/* Pending to running; false when it is done. */
bool future_start(struct pxp_future *future);

/* Complete it. The first call counts and takes what the completion owns; else false, and
 * the completion is as before. Runs callbacks: never call it with a lock held. */
bool future_complete(struct pxp_future *future, struct completion *completion);

/* The same, for the only one who may complete it, and who has put the completion in its place
 * (future->completion) and holds a reference.
 *
 * n_idle  NULL, or one is added to it: before anybody is told, so that who submits then
 *         finds this thread; or after the callbacks, as long as it has them to run. */
void future_complete_in_place(struct pxp_future *future, atomic_uint *n_idle);

/*
 * A hook is how one waiter hears of many futures: tell is called once, when its future is
 * done, or at once when it is already.
 *
 * It is called with the future's lock held, and by that three things hold: futures tell
 * in the order in which they were completed; who has removed a hook knows that tell is not
 * running and never will; and it takes no memory, so that nothing can fail. In return,
 * tell may take a lock of its waiter, which is the last in the order of locks, and nothing
 * else. The hook may be gone as soon as its waiter has been told.
 */
struct future_hook {
	void (*tell)(struct future_hook *hook, enum pxp_future_state state);
	struct future_hook *next, **at; /* guarded by the future's lock; at NULL: told, or
	                                 * removed */
};

void future_hook_add(struct pxp_future *future, struct future_hook *hook);

/* In O(1). Fine when it was told. A reference to the future must be held. */
void future_hook_remove(struct pxp_future *future, struct future_hook *hook);

/* Its state as it stands here, without asking its executor: pending may be running. */
enum pxp_future_state future_peek(struct pxp_future *future);

/* Whether it is not done, and this thread belongs to the executor that is to complete it. */
bool future_is_ours(struct pxp_future *future);

#endif
