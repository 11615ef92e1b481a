/*
 * The owner of a future is the executor that completes it. This interface is all that a future
 * knows of its executor. A promise has no owner.
 *
 * Each thread has a list of the owners that it currently works for. If a thread waited for a future
 * of such an owner, the wait might never end. So such a wait is refused.
 */
#ifndef PXP_FUTURE_OWNER_H
#define PXP_FUTURE_OWNER_H

#include <pixpool/future.h>

#include <stdbool.h>
#include <stdint.h>

struct future_owner;

/* Every function except `acquire` is called without the future's lock. */
struct future_owner_table {
	/* Take a reference to the owner, or release one. `acquire` is called with the lock of one
	 * of the owner's futures held, and must not take a lock. */
	void (*acquire)(struct future_owner *owner);
	void (*release)(struct future_owner *owner);

	/* Whether a worker has started the future's task. */
	bool (*has_begun)(struct future_owner *owner, struct pxp_future *future);

	/* The progress that the future's task has reported. */
	struct pxp_progress (*progress)(struct future_owner *owner,
	                                struct pxp_future *future);

	/* Cancel the future's task. `force` says how to cancel a task that a worker has started. If
	 * the task is cancelled now, complete the future. */
	void (*cancel)(struct future_owner *owner, struct pxp_future *future,
	               enum pxp_cancel force);
};

/* Common part of all owners. It must be their first member. */
struct future_owner {
	const struct future_owner_table *table;
};

/* ---- the owners that a thread works for ---- */

/* One entry in a thread's list of owners. A task of an inline executor may run inside a task of
 * another executor, so a thread may have several entries. */
struct owner_context {
	const struct future_owner *owner;
	struct owner_context *outer;
	/* The number of this context, unique in the process: see owner_context_number(). */
	uint64_t number;
};

/* Between owner_enter() and owner_leave(), this thread works for `owner`. The context belongs to
 * the caller, and must exist until owner_leave(). The context that was entered last is left
 * first. */
void owner_enter(struct owner_context *context, const struct future_owner *owner);
void owner_leave(struct owner_context *context);

/* Record that this thread works for `owner` until the thread ends. Call this once in a thread. */
void owner_adopt_thread(const struct future_owner *owner);

/* Whether this thread works for `owner`. Returns false if `owner` is NULL. */
bool owner_is_own_thread(const struct future_owner *owner);

/* The number of this thread's innermost context; 0 if the thread works for no owner. As long as the
 * number is the same, owner_is_own_thread() gives the same answers. */
uint64_t owner_context_number(void);

#endif
