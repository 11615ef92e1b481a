/* The way of a file from its submission to its future: task, answer, committer. */
#include "batch/file.h"

#include "base/fd.h"
#include "batch/batch_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- life and end ---- */

struct file *file_create(struct batch *batch, const struct walk_item *item)
{
	const size_t n_outputs = batch->n_outputs;
	struct file *file = calloc(1,
	                           sizeof(*file) + n_outputs * sizeof(file->outputs[0]));

	if (!file)
		return NULL;
	file->batch = batch;
	file->input = file->content = -1;
	file->result = file_result_create(item, n_outputs);
	file->future = pxp_promise_create();
	if (!file->result || !file->future) {
		file_destroy(file);
		return NULL;
	}
	file->result->decodes_only = batch->options->decodes_only;
	return file;
}

void file_destroy(struct file *file)
{
	if (!file)
		return;
	fd_close(&file->input);
	fd_close(&file->content);
	file_result_destroy(file->result);
	pxp_future_release(file->future);
	free(file);
}

void file_complete(struct file *file, enum file_end end)
{
	struct batch *batch = file->batch;
	struct pxp_future *future = file->future;
	void *bytes = file->result;

	file->result->end = end;
	/* A promise of ours that is not done yet takes it. */
	pxp_promise_finish(future, &bytes, sizeof(*file->result));
	file->result = NULL;
	file->future = NULL;
	file_destroy(file);
	batch_give_to_main(batch, future);
}

void file_fail(struct file *file)
{
	file_complete(file, FILE_FAILED);
}

/* ---- the committer ---- */

static void leave_committer(struct batch *batch, uint64_t n_bytes)
{
	lock_acquire(&batch->lock);
	batch->n_finished--;
	batch->n_finished_bytes -= n_bytes;
	cond_signal(&batch->has_room);
	lock_release(&batch->lock);
}

void file_on_committed(struct commit *commit, void *data)
{
	struct file *file = commit->owner;
	struct batch *batch = data;

	file->result->commit_ns = commit->work_ns;
	file->result->failure = commit->failure;
	fd_close(&file->content);
	leave_committer(batch, file->n_content_bytes);
	switch (commit->result) {
	case STORE_DONE:
		file_complete(file, FILE_DONE);
		break;
	case STORE_SKIPPED:
		file_complete(file, FILE_SKIPPED);
		break;
	case STORE_FAILED:
		file_fail(file);
		break;
	case STORE_PLACE_FAILED:
		batch_stop_early(batch, &commit->failure);
		file_complete(file, FILE_CANCELLED);
		break;
	case STORE_DROPPED:
		file->result->commit_ns = -1;
		file_complete(file, FILE_CANCELLED);
		break;
	}
}

static void add_to_committer(struct file *file)
{
	const struct file_result *result = file->result;

	for (size_t i = 0; i < result->n_variants; i++) {
		const struct variant *variant = &result->variants[i];

		file->outputs[i] = (struct commit_output){
			.name = variant->name,
			.offset = variant->side.offset,
			.n_bytes = variant->side.bytes,
		};
	}
	file->commit = (struct commit){
		.owner = file,
		.fd = file->content,
		.outputs = file->outputs,
		.n_outputs = result->n_variants,
		.dates = file->batch->options->keep_dates ? file->dates : NULL,
	};
	committer_add(file->batch->committer, &file->commit);
}

/* ---- the task ---- */

/* Take what became of the task into the result; the outputs, too. */
static void collect(struct file *file, struct pxp_future *task,
                    struct picture_answer *ret_answer)
{
	const struct pxp_outcome *outcome = pxp_future_outcome(task);
	struct file_result *result = file->result;

	picture_collect(task, result->variants, result->n_variants, ret_answer,
	                &file->content);
	file->n_content_bytes = 0;
	for (size_t i = 0; i < result->n_variants && file->content >= 0; i++)
		file->n_content_bytes += result->variants[i].side.bytes;
	result->failure = ret_answer->failure;
	result->in = ret_answer->in;
	if (result->in.bytes == 0)
		result->in.bytes = (uint64_t)file->stat.st_size;
	memcpy(result->engine, ret_answer->engine, sizeof(result->engine));
	result->read_ns = ret_answer->read_ns > 0 ? ret_answer->read_ns : -1;
	result->work_ns = ret_answer->work_ns > 0 ? ret_answer->work_ns : -1;
	result->queue_ns = outcome->attempts > 0 ? outcome->queue_ns : -1;
	result->attempts = outcome->attempts;
	result->worker = outcome->worker;
}

/* The task of an input is over. In one step it is counted as finished, if it has outputs: the
 * feeder sees no gap in between. */
static void leave_workers(struct file *file)
{
	struct batch *batch = file->batch;

	lock_acquire(&batch->lock);
	batch->n_inputs--;
	if (file->content >= 0) {
		batch->n_finished++;
		batch->n_finished_bytes += file->n_content_bytes;
	}
	cond_signal(&batch->has_room);
	lock_release(&batch->lock);
}

/* Put it at the end of the deferred, unless the batch ends. Of a task that is over it is no longer
 * one of the inputs at work. */
static bool defer(struct file *file, bool was_at_work)
{
	struct batch *batch = file->batch;
	bool is_deferred;

	file->is_drawn = true;
	file->next = NULL;
	lock_acquire(&batch->lock);
	is_deferred = batch->state == BATCH_FEEDING;
	if (is_deferred) {
		*batch->last_deferred = file;
		batch->last_deferred = &file->next;
		batch->n_deferred++;
	}
	if (was_at_work)
		batch->n_inputs--;
	cond_signal(&batch->has_room);
	lock_release(&batch->lock);
	return is_deferred;
}

void file_defer(struct file *file)
{
	if (!defer(file, false))
		file_complete(file, FILE_CANCELLED);
}

/* A worker that decodes says that the picture must be drawn, and hands the input back. */
static void leave_to_be_drawn(struct file *file, struct pxp_future *task)
{
	file->input = picture_take_input(task, &file->stat);
	if (file->input < 0) {
		failure_set(&file->result->failure, FAIL_VIOLATION,
		            "the worker did not hand back the input");
		leave_workers(file);
		file_fail(file);
		return;
	}
	file->result->failure.class = FAIL_NONE;
	if (!defer(file, true))
		file_complete(file, FILE_CANCELLED);
}

/* In the thread that ends the task: the pool's own, or one that cancels. */
static void on_task_done(struct pxp_future *task, void *data)
{
	struct file *file = data;
	struct batch *batch = file->batch;
	struct picture_answer answer;

	collect(file, task, &answer);
	/* Only where such workers are safe: the answer may be a lie. */
	if (answer.is_to_draw && !file->is_drawn && pools_leave_drawing(batch->pools)) {
		leave_to_be_drawn(file, task);
		return;
	}
	leave_workers(file);
	if (file->content >= 0) {
		add_to_committer(file);
	} else if (pxp_future_state(task) == PXP_CANCELLED) {
		file_complete(file, FILE_CANCELLED);
	} else if (pxp_future_outcome(task)->error.status == PXP_EBROKEN) {
		batch_stop_early(batch, &file->result->failure);
		file_complete(file, FILE_CANCELLED);
	} else if (file->result->failure.class != FAIL_NONE) {
		file_fail(file);
	} else {
		file_complete(file, FILE_DONE); /* it was decoded, and that is all */
	}
}

static void fail_submission(struct file *file, enum pxp_status status)
{
	struct batch *batch = file->batch;

	fd_close(&file->input);
	leave_workers(file);
	failure_set(&file->result->failure, FAIL_INTERNAL, "submit: %s",
	            pxp_status_name(status));
	if (status == PXP_EBROKEN)
		batch_stop_early(batch, &file->result->failure);
	if (status == PXP_EBROKEN || status == PXP_ESHUTDOWN)
		file_complete(file, FILE_CANCELLED);
	else
		file_fail(file);
}

/* Have on_task_done() called. Without memory for that the task is killed at once, so that nobody
 * has to wait for it, and the file fails. */
static void watch_task(struct file *file, struct pxp_future *task)
{
	if (pxp_future_on_done(task, on_task_done, file) == PXP_OK)
		return;
	pxp_future_cancel_with(task, PXP_CANCEL_KILL);
	leave_workers(file);
	failure_set(&file->result->failure, FAIL_INTERNAL, "no memory");
	file_fail(file);
}

void file_submit(struct file *file)
{
	struct batch *batch = file->batch;
	const struct batch_options *options = batch->options;
	struct file_result *result = file->result;
	struct variant nothing_written = {.rule = &batch->rules[0]};
	const struct picture_request request = {
		.variants = result->n_variants > 0 ? result->variants : &nothing_written,
		.n_variants = result->n_variants > 0 ? result->n_variants : 1,
		.profile = options->profile,
		.n_profile = options->n_profile,
		.name = result->input,
		.input = file->input,
		.input_bytes = (uint64_t)file->stat.st_size,
		.timeout_ms = options->timeout_ms,
		.max_output = batch->limits.max_output,
		.retries = options->retries,
		.decodes_only = options->decodes_only,
	};
	struct pxp_future *task;
	enum pxp_status status = pools_submit(batch->pools, &request, &task);

	if (status != PXP_OK) {
		fail_submission(file, status);
		return;
	}
	file->input = -1;
	pxp_future_release(result->task);
	result->task = task;
	/* Once the task is watched the file may be gone at any moment, and its reference too. */
	pxp_future_acquire(task);
	watch_task(file, task);
	pxp_future_release(task);
}
