/* Measures the three executors of pixpool. */
#include "executors.h"

#include <pixpool/pixpool.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum pxp_status do_nothing(struct pxp_task *task)
{
	(void)task;
	return PXP_OK;
}

static enum pxp_status send_back(struct pxp_task *task)
{
	size_t n;
	const void *input = pxp_task_input(task, &n);

	return pxp_task_return(task, input, n);
}

/* A task that runs until the other end of the pipe is closed. */
static enum pxp_status hold(struct pxp_task *task)
{
	char byte;

	return read(pxp_task_descriptor(task, 0), &byte, 1) == 0 ? PXP_OK : PXP_ESYS;
}

static enum pxp_executor_kind kind_of(enum subject_id subject)
{
	if (subject == OUR_INLINE)
		return PXP_INLINE;
	if (subject == OUR_THREADS || subject == OUR_THREADS_BOUNDED)
		return PXP_THREADS;
	return PXP_PROCESSES;
}

/* Create the executor of a job. Its queue has no limit, because the queues of the other executors
 * have none. Only the two subjects that are called bounded have the default limits. */
static struct pxp_executor *create(const struct job *job)
{
	bool is_bounded = job->subject == OUR_THREADS_BOUNDED ||
	                  job->subject == OUR_PROCESSES_BOUNDED;
	struct pxp_executor_options options = {
		.size = sizeof(options),
		.kind = kind_of(job->subject),
		.n_workers = job->n_workers,
		.max_pending = is_bounded ? 0 : PXP_UNLIMITED,
		.max_pending_bytes = is_bounded ? 0 : PXP_UNLIMITED,
	};
	struct pxp_executor *executor = NULL;
	struct pxp_error error = {0};

	if (pxp_executor_create(&options, &executor, &error) != PXP_OK)
		failed(error.text);
	return executor;
}

static bool start_zygote(const struct job *job)
{
	struct pxp_error error = {0};

	return kind_of(job->subject) != PXP_PROCESSES ||
	       pxp_zygote_start(&error) == PXP_OK || failed(error.text);
}

static bool submit(struct pxp_executor *executor, const struct job *job,
                   struct pxp_future **ret_future)
{
	return pxp_executor_submit(executor, job->n_bytes > 0 ? send_back : do_nothing,
	                           job->payload, job->n_bytes, NULL,
	                           ret_future) == PXP_OK;
}

static bool collect(struct pxp_future *future, const struct job *job)
{
	void *bytes = NULL;
	size_t n = 0;
	bool is_right = pxp_future_result(future, PXP_FOREVER, &bytes, &n, NULL) ==
	                        PXP_OK &&
	                n == job->n_bytes;

	free(bytes);
	pxp_future_release(future);
	return is_right;
}

/* ---- the rate ---- */

struct ours {
	struct pxp_executor *executor;
	/* The futures of the tasks of a batch. */
	struct pxp_future **futures;
};

static bool do_batch(void *subject, const struct job *job, size_t n)
{
	struct ours *ours = subject;
	bool is_done = true;

	for (size_t i = 0; i < n; i++) {
		if (!submit(ours->executor, job, &ours->futures[i]))
			return false;
	}
	for (size_t i = 0; i < n; i++)
		is_done &= collect(ours->futures[i], job);
	return is_done;
}

bool ours_rate(const struct job *job, struct reading *ret_reading)
{
	struct ours ours = {.futures = calloc(job->n_batch, sizeof(*ours.futures))};
	bool is_done = ours.futures && start_zygote(job) &&
	               (ours.executor = create(job)) &&
	               repeat_batches(job, do_batch, &ours, ret_reading);

	pxp_executor_destroy(ours.executor);
	free(ours.futures);
	pxp_zygote_stop();
	return is_done;
}

static enum pxp_status next_nothing(void *data, const void **ret_bytes, size_t *ret_n)
{
	size_t *n_left = data;

	*ret_bytes = NULL;
	*ret_n = 0;
	return (*n_left)-- > 0 ? PXP_OK : PXP_ESTATE;
}

static bool map_batch(void *subject, const struct job *job, size_t n)
{
	const struct pxp_map_options options = {.size = sizeof(options), .chunk = CHUNK};
	struct pxp_map *map;
	struct pxp_map_item item;
	size_t n_left = n, n_done = 0;

	(void)job;
	if (pxp_map_open(subject, do_nothing, next_nothing, &n_left, &options, &map) !=
	    PXP_OK)
		return false;
	while (pxp_map_next(map, &item) == PXP_OK) {
		n_done += item.error.status == PXP_OK;
		free(item.bytes);
	}
	pxp_map_close(map);
	return n_done == n;
}

bool ours_chunked(const struct job *job, struct reading *ret_reading)
{
	struct pxp_executor *executor = start_zygote(job) ? create(job) : NULL;
	bool is_done = executor && repeat_batches(job, map_batch, executor, ret_reading);

	pxp_executor_destroy(executor);
	pxp_zygote_stop();
	return is_done;
}

/* ---- start-up ---- */

static bool start_once(const struct job *job, struct reading *reading)
{
	bool has_zygote = job->subject == OUR_PROCESSES_AND_ZYGOTE;
	struct pxp_executor *executor;
	struct pxp_future *future;
	struct watch watch;
	bool is_done;

	watch_begin(&watch);
	executor = !has_zygote || start_zygote(job) ? create(job) : NULL;
	is_done = executor && submit(executor, job, &future) && collect(future, job);
	watch_end(&watch, reading);

	pxp_executor_destroy(executor);
	if (has_zygote)
		pxp_zygote_stop();
	return is_done;
}

bool ours_start(const struct job *job, struct reading *ret_reading)
{
	bool is_done = job->subject == OUR_PROCESSES_AND_ZYGOTE || start_zygote(job);

	for (size_t i = 0; is_done && i < job->n_batch; i++, ret_reading->n++)
		is_done = start_once(job, ret_reading);
	pxp_zygote_stop();
	return is_done;
}

/* ---- memory ---- */

static bool hold_workers(struct pxp_executor *executor, unsigned n_workers, int gate)
{
	for (unsigned i = 0; i < n_workers; i++) {
		int descriptor = dup(gate);
		const struct pxp_task_options options = {.size = sizeof(options),
		                                         .descriptors = &descriptor,
		                                         .n_descriptors = 1};

		if (descriptor < 0 || pxp_executor_submit(executor, hold, NULL, 0,
		                                          &options, NULL) != PXP_OK)
			return failed("cannot submit the tasks that keep all workers "
			              "busy");
	}
	return true;
}

static bool weigh(struct pxp_executor *executor, const struct job *job, int gate,
                  struct pxp_future **futures, struct reading *reading)
{
	bool is_done = hold_workers(executor, job->n_workers, gate);
	double before = resident_bytes();

	for (size_t i = 0; is_done && i < job->n_batch; i++)
		is_done = submit(executor, job, &futures[i]);
	reading->bytes = resident_bytes() - before;
	reading->n = (double)job->n_batch;
	return is_done;
}

bool ours_pending(const struct job *job, struct reading *ret_reading)
{
	size_t n_bytes = job->n_batch * sizeof(struct pxp_future *);
	struct pxp_future **futures = malloc(n_bytes);
	struct pxp_executor *executor = NULL;
	int gate[2] = {-1, -1};
	bool is_done = false;

	if (!futures)
		return failed("out of memory");
	/* The memory is made resident now, so that it does not count as growth. */
	memset(futures, 1, n_bytes);

	if (start_zygote(job) && (executor = create(job)) && pipe(gate) == 0)
		is_done = weigh(executor, job, gate[0], futures, ret_reading);
	if (executor)
		pxp_executor_shutdown(executor, PXP_SHUTDOWN_CANCEL_PENDING);
	close(gate[0]);
	close(gate[1]);
	pxp_executor_destroy(executor);
	pxp_zygote_stop();
	for (size_t i = 0; is_done && i < job->n_batch; i++)
		pxp_future_release(futures[i]);
	free(futures);
	return is_done;
}
