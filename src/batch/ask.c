#include "batch/ask.h"

#include <stdlib.h>
#include <string.h>

enum pxp_status ask_makes_no_sense(struct pxp_error *ret_error)
{
	return pxp_fail(ret_error, PXP_EPROTO, "the worker's answer makes no sense");
}

static enum pxp_status take_answer(struct pxp_future *future, void *ret_answer, size_t n,
                                   struct pxp_error *ret_error)
{
	enum pxp_status status;
	void *bytes;
	size_t n_got;

	status = pxp_future_result(future, PXP_FOREVER, &bytes, &n_got, ret_error);
	if (status == PXP_OK && n_got == n)
		memcpy(ret_answer, bytes, n);
	else if (status == PXP_OK)
		status = ask_makes_no_sense(ret_error);
	free(bytes);
	return status;
}

enum pxp_status ask(struct pxp_executor *pool, pxp_task_fn *run, void *ret_answer,
                    size_t n, struct pxp_error *ret_error)
{
	struct pxp_future *future;
	enum pxp_status status = pxp_executor_submit(pool, run, NULL, 0, NULL, &future);

	if (status == PXP_OK)
		status = take_answer(future, ret_answer, n, ret_error);
	else
		pxp_fail(ret_error, status, "%s", pxp_status_name(status));
	pxp_future_release(future);
	return status;
}

enum pxp_status ask_once(struct pxp_executor *pool, pxp_task_fn *run, void *ret_answer,
                         size_t n, struct pxp_error *ret_error)
{
	enum pxp_status status = ask(pool, run, ret_answer, n, ret_error);

	pxp_executor_destroy(pool);
	return status;
}
