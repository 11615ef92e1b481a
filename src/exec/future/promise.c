/* Futures that the caller completes. */
#include "exec/future/future.h"

#include <stdlib.h>

struct pxp_future *pxp_promise_create(void)
{
	struct pxp_future *promise = malloc(sizeof(*promise));

	if (promise)
		future_init(promise, NULL, NULL);
	return promise;
}

static bool is_promise(const struct pxp_future *future)
{
	return future->is_promise;
}

bool pxp_promise_start(struct pxp_future *promise)
{
	return is_promise(promise) && future_start(promise);
}

enum pxp_status pxp_promise_finish(struct pxp_future *promise, void **bytes, size_t n)
{
	struct completion finished = completion_of(PXP_FINISHED);

	finished.result = *bytes;
	finished.n_result = n;
	if (!is_promise(promise))
		return PXP_EINVAL;
	if (!future_complete(promise, &finished))
		return PXP_ESTATE;
	*bytes = NULL;
	return PXP_OK;
}

enum pxp_status pxp_promise_fail(struct pxp_future *promise,
                                 const struct pxp_error *error)
{
	struct completion failed = completion_of(
		error->status == PXP_ECANCELLED ? PXP_CANCELLED : PXP_FAILED);

	if (error->status == PXP_OK || !is_promise(promise))
		return PXP_EINVAL;
	failed.outcome.error = *error;
	return future_complete(promise, &failed) ? PXP_OK : PXP_ESTATE;
}
