/* Futures, as the executors see them. */
#ifndef PXP_EXEC_FUTURE_H
#define PXP_EXEC_FUTURE_H

#include <pixpool/future.h>

struct pxp_executor;
struct task;

/* What settles a future. Plain data; what it owns is moved by future_settle(). */
struct settlement {
	enum pxp_future_state state; /* PXP_FINISHED, PXP_FAILED or PXP_CANCELLED */
	struct pxp_outcome outcome;
	void *result; /* malloc(), or NULL */
	size_t n_result;
	int long_result; /* a memfd that the result is still to be read from, or -1 */
	char *log;       /* malloc(), or NULL: what outcome.log points to */
	int output;      /* descriptor, or -1 */
	int descriptors[PXP_MAX_DESCRIPTORS];
	unsigned n_descriptors;
};

struct settlement settlement_cancelled(const char *why);

/* An empty one of this state. */
struct settlement settlement_of(enum pxp_future_state state);

/* Read the long result, which may take its time: without a lock. When it cannot be had the
 * settlement becomes a failure. */
void settlement_load(struct settlement *settlement);

/* Free what a settlement still owns. */
void settlement_fini(struct settlement *settlement);

/* A pending future of an executor (NULL: a promise), one reference. The executor must
 * stay until it has settled the future. NULL when memory ran out. */
struct pxp_future *future_create(struct pxp_executor *executor);

/* The task behind a future of an executor; NULL once it is about to be settled. Guarded
 * by the executor's lock. */
struct task *future_task(const struct pxp_future *future);
void future_set_task(struct pxp_future *future, struct task *task);

/* Pending to running; false when it is done. */
bool future_start(struct pxp_future *future);

/* Settle it. The first call counts and takes what the settlement owns; else false, and
 * the settlement is as before. Runs callbacks: never call it with a lock held. */
bool future_settle(struct pxp_future *future, struct settlement *settlement);

/*
 * A hook is how one waiter hears of many futures: tell is called once, when its future is
 * done, or at once when it is already.
 *
 * It is called with the future's lock held, and by that three things hold: futures tell
 * in the order in which they were settled; who has removed a hook knows that tell is not
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

/* Whether it is not done, and this thread belongs to the executor that is to settle it. */
bool future_is_ours(struct pxp_future *future);

#endif
