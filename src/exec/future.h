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
	char *log;  /* malloc(), or NULL: what outcome.log points to */
	int output; /* descriptor, or -1 */
};

struct settlement settlement_cancelled(const char *why);

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

#endif
