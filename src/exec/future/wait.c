/* pxp_wait(): waits for several futures at once. */
#include <pixpool/wait.h>

#include "base/clock.h"
#include "exec/future/waiter.h"

#include <stdlib.h>

/* The wait ends when n_done futures are done, or n_failed futures have failed. */
struct quota {
	size_t n_done, n_failed;
};

static struct quota quota_of(enum pxp_wait_until until, size_t n)
{
	size_t one = n > 0 ? 1 : 0;

	return (struct quota){
		.n_done = until == PXP_FIRST_COMPLETED ? one : n,
		.n_failed = until == PXP_FIRST_ERROR ? 1 : SIZE_MAX,
	};
}

/* Record in ret_done (may be NULL) which futures are done now. Returns whether enough are done to
 * end the wait. */
static bool count(struct pxp_future *const *futures, size_t n, struct quota quota,
                  bool *ret_done)
{
	struct quota have = {0};

	for (size_t i = 0; i < n; i++) {
		enum pxp_future_state state = future_peek(futures[i]);

		have.n_done += state >= PXP_FINISHED;
		have.n_failed += state == PXP_FAILED;
		if (ret_done)
			ret_done[i] = state >= PXP_FINISHED;
	}
	return have.n_done >= quota.n_done || have.n_failed >= quota.n_failed;
}

static bool would_deadlock(struct pxp_future *const *futures, size_t n)
{
	if (owner_context_number() == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (future_would_deadlock(futures[i]))
			return true;
	}
	return false;
}

static void watch_until(struct pxp_future *const *futures, size_t n,
                        struct watch *watches, struct quota quota, int64_t deadline_ns)
{
	struct waiter waiter;

	waiter_init(&waiter);
	for (size_t i = 0; i < n; i++)
		waiter_watch(&waiter, &watches[i], futures[i]);
	waiter_await(&waiter, quota.n_done, quota.n_failed, deadline_ns);
	for (size_t i = 0; i < n; i++)
		waiter_unwatch(&watches[i], futures[i]);
	waiter_fini(&waiter);
}

enum pxp_status pxp_wait(struct pxp_future *const *futures, size_t n,
                         enum pxp_wait_until until, int64_t timeout_ms, bool *ret_done)
{
	int64_t deadline_ns = clock_deadline_ns(clock_now_ns(), timeout_ms);
	struct quota quota = quota_of(until, n);
	struct watch *watches;

	if (until != PXP_FIRST_COMPLETED && until != PXP_FIRST_ERROR &&
	    until != PXP_ALL_COMPLETED)
		return PXP_EINVAL;
	if (count(futures, n, quota, ret_done))
		return PXP_OK;
	if (timeout_ms == 0)
		return PXP_ETIMEOUT;
	if (would_deadlock(futures, n))
		return PXP_EDEADLK;

	watches = calloc(n, sizeof(*watches));
	if (!watches)
		return PXP_ENOMEM;
	watch_until(futures, n, watches, quota, deadline_ns);
	free(watches);
	/* A done future stays done, so if enough futures were done before, enough are done now. */
	return count(futures, n, quota, ret_done) ? PXP_OK : PXP_ETIMEOUT;
}
