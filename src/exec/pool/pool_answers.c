/* What tasks have answered, in a frame or in the page: the worker could have made it up in every
 * part. */
#include "exec/pool/process_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct completion pool_completion(struct pool_worker *worker, const struct slot *slot,
                                  int64_t now_ns)
{
	int64_t started_ns = pool_worker_started_ns(worker, slot, now_ns);

	struct completion completion = completion_of(PXP_FAILED);

	completion.outcome.worker = worker->pid;
	completion.outcome.queue_ns = started_ns - slot->task->submitted_ns;
	completion.outcome.run_ns = now_ns - started_ns;
	completion.outcome.progress = pool_worker_progress(worker, slot);
	return completion;
}

static void take_inline(const char *body, size_t n, struct completion *completion)
{
	completion->n_result = n;
	if (n == 0)
		return;
	completion->result = malloc(n);
	if (completion->result) {
		memcpy(completion->result, body, n);
		return;
	}
	completion->state = PXP_FAILED;
	pxp_fail(&completion->outcome.error, PXP_ENOMEM,
	         "no memory for a result of %zu bytes", n);
}

/* A result in a memfd is only taken over here; it is read without the lock. */
static bool take_long(int *memfd, uint64_t n, struct completion *completion)
{
	struct stat stat;

	/* Another kind of file might make who reads it wait. */
	if (fcntl(*memfd, F_GET_SEALS) < 0 || fstat(*memfd, &stat) != 0 ||
	    (uint64_t)stat.st_size != n)
		return false;
	completion->n_result = (size_t)n;
	completion->long_result = *memfd;
	*memfd = -1;
	return true;
}

/* The result of an answer, which the worker could have made up in every part. NULL, or how
 * it breaks the protocol. */
static const char *take_result(const struct process_pool *pool,
                               const struct answer_frame *answer, const char *body,
                               size_t n_body, struct frame *frame,
                               struct completion *completion)
{
	unsigned n = answer->n_descriptors;

	if (frame->lost_descriptors) {
		completion->state = PXP_FAILED;
		errno = EMFILE;
		pxp_fail_errno(&completion->outcome.error,
		               "the result could not be received");
		return NULL;
	}
	if (n > PXP_MAX_DESCRIPTORS || answer->result_is_memfd > 1 ||
	    frame->n_descriptors != n + answer->result_is_memfd ||
	    (!answer->result_is_memfd && answer->n_result != n_body))
		return "sent a result that is not what it says";
	if (answer->n_result > pool->executor.options.max_result)
		return "sent a result that is longer than max_result";
	if (!answer->result_is_memfd)
		take_inline(body, n_body, completion);
	else if (!take_long(&frame->descriptors[n], answer->n_result, completion))
		return "sent a result that is not what it says";

	completion->n_descriptors = n;
	for (unsigned i = 0; i < n; i++) {
		completion->descriptors[i] = frame->descriptors[i];
		frame->descriptors[i] = -1;
	}
	return NULL;
}

/* Seal the output, so that nobody can change what is published; it fails when the worker
 * kept a writable mapping of it. */
static bool seal(int output)
{
	return output < 0 ||
	       fcntl(output, F_ADD_SEALS,
	             F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

static bool may_be_said(enum pxp_status status)
{
	return status == PXP_ETASK || status == PXP_EMEMORY || status == PXP_ESYS;
}

static void take_error(struct answer_frame *answer, struct pool_worker *worker,
                       struct completion *completion)
{
	struct pxp_error *error = &completion->outcome.error;

	answer->error.text[sizeof(answer->error.text) - 1] = 0;
	if (answer->error.status == PXP_ECANCELLED) {
		completion->state = PXP_CANCELLED;
		pxp_fail(error, PXP_ECANCELLED, "%s", answer->error.text);
		return;
	}
	pxp_fail(error,
	         may_be_said(answer->error.status) ? answer->error.status : PXP_ETASK,
	         "%s", answer->error.text);
	error->code = answer->error.code;
	error->sys_errno = answer->error.sys_errno;
	pool_worker_read_log(worker, POOL_LOG_AT_ONCE);
	completion->log = pool_worker_log(worker, &completion->outcome.n_log);
}

/* The word of the front slot's task. NULL, or how it breaks the protocol. */
static const char *take_answer(struct process_pool *pool, struct pool_worker *worker,
                               struct answer_frame *answer, const char *body,
                               size_t n_body, struct frame *frame)
{
	struct slot *slot = pool_worker_held(worker, 0);
	struct completion completion;
	struct pxp_outcome *outcome = &completion.outcome;
	const char *breach;

	if (worker->limit_state != LIMIT_STEADY)
		return "answered while it waited for memory";

	completion = pool_completion(worker, slot, pool->now_ns);
	if (answer->error.status == PXP_OK) {
		completion.state = PXP_FINISHED;
		breach = take_result(pool, answer, body, n_body, frame, &completion);
		if (!breach && !seal(slot->output))
			breach = "kept its output open for writing";
		if (breach) {
			completion_fini(&completion);
			return breach;
		}
		completion.output = slot->output;
		slot->output = -1;
	} else {
		take_error(answer, worker, &completion);
	}
	if (answer->cpu_ns >= 0)
		outcome->cpu_ns = answer->cpu_ns;
	outcome->peak_bytes = answer->peak_bytes;
	/* Its word for it, if it can be true: in ours is the time until we looked. */
	if (answer->run_ns >= 0 && answer->run_ns < outcome->run_ns)
		outcome->run_ns = answer->run_ns;
	pool_note_time(pool, outcome->run_ns);
	slot->task->attempts++;
	future_start(slot->task->future);
	pool->n_crashes_in_a_row = 0;
	if (outcome->error.status == PXP_EMEMORY &&
	    pool_tries_with_all(pool, worker, slot->task)) {
		completion_fini(&completion);
		executor_return(&pool->executor, slot->task);
	} else {
		pool_complete(pool, slot->task, &completion);
	}
	pool_take_memory_back(pool, worker, answer->data_bytes);
	pool_worker_pop(worker, pool->now_ns);
	pool_worker_forget_log(worker);
	return NULL;
}

const char *pool_on_answer(struct process_pool *pool, struct pool_worker *worker,
                           const char *buffer, struct frame *frame)
{
	const struct slot *slot = pool_worker_held(worker, 0);
	struct answer_frame answer;

	if (frame->n < sizeof(answer))
		return "sent an answer that is too short";
	memcpy(&answer, buffer, sizeof(answer));
	if (worker->n_held == 0 || answer.at.slot != worker->front ||
	    answer.at.generation != slot->generation || !slot->task)
		return "answered what it was not asked";
	return take_answer(pool, worker, &answer, buffer + sizeof(answer),
	                   frame->n - sizeof(answer), frame);
}

static const char *on_page_answer(struct process_pool *pool, struct pool_worker *worker)
{
	const struct page_answer page = pool_page_answer(worker,
	                                                 pool_worker_held(worker, 0));
	struct answer_frame answer = {
		.run_ns = page.run_ns,
		.cpu_ns = page.cpu_ns,
		.peak_bytes = page.peak_bytes,
		.data_bytes = page.data_bytes,
		.n_result = page.n_result,
	};
	struct frame none = {0};

	if (page.n_result > sizeof(page.result))
		return "left a result that is not what it says";
	return take_answer(pool, worker, &answer, page.result, (size_t)page.n_result,
	                   &none);
}

const char *pool_take_page_answers(struct process_pool *pool, struct pool_worker *worker)
{
	const char *breach = NULL;

	while (!breach && worker->n_held > 0 && pool_worker_held(worker, 0)->task &&
	       pool_page_has_answer(worker, pool_worker_held(worker, 0)))
		breach = on_page_answer(pool, worker);
	return breach;
}
