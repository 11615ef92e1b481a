/* Asks one worker a question: submits a task without input and waits for its result. */
#include "batch/worker_question.h"

#include <stdlib.h>
#include <string.h>

bool worker_ask(struct pxp_executor *pool, pxp_task_fn *run, void *ret_answer, size_t n,
                struct failure *ret_failure)
{
	struct pxp_future *future;
	struct pxp_error error;
	void *bytes = NULL;
	size_t n_got = 0;
	enum pxp_status status = pxp_executor_submit(pool, run, NULL, 0, NULL, &future);
	bool is_answered = false;

	if (status != PXP_OK)
		failure_set(ret_failure, FAIL_INTERNAL, "%s", pxp_status_name(status));
	else if (pxp_future_result(future, PXP_FOREVER, &bytes, &n_got, &error) != PXP_OK)
		failure_set(ret_failure, FAIL_INTERNAL, "%s", error.text);
	else if (n_got != n)
		failure_set(ret_failure, FAIL_INTERNAL,
		            "the worker's answer has %zu bytes instead of %zu", n_got, n);
	else
		is_answered = true;
	if (is_answered)
		memcpy(ret_answer, bytes, n);
	free(bytes);
	pxp_future_release(future);
	return is_answered;
}

bool worker_ask_once(const struct pxp_executor_options *options, pxp_task_fn *run,
                     void *ret_answer, size_t n, struct failure *ret_failure)
{
	struct pxp_executor *pool;
	struct pxp_error error;
	bool is_answered;

	if (pxp_executor_create(options, &pool, &error) != PXP_OK) {
		failure_set(ret_failure, FAIL_INTERNAL, "%s", error.text);
		return false;
	}
	is_answered = worker_ask(pool, run, ret_answer, n, ret_failure);
	pxp_executor_destroy(pool);
	return is_answered;
}
