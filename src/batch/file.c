/* Takes a file from its submission to its completed future: task, answer, committer. */
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
	free(file->known);
	pxp_future_release(file->future);
	free(file);
}

void file_complete(struct file *file, enum file_end end)
{
	struct batch *batch = file->batch;
	struct pxp_future *future = file->future;
	void *bytes = file->result;

	file->result->end = end;
	/* This cannot fail: only this room completes the promise, and only once. */
	pxp_promise_finish(future, &bytes, sizeof(*file->result));
	file->result = NULL;
	file->future = NULL;
	file_destroy(file);
	batch_give_to_main(batch, future);
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

static void enter_committer(struct batch *batch)
{
	lock_acquire(&batch->lock);
	batch->n_finished++;
	lock_release(&batch->lock);
}

/* End the batch if the state cannot be written because its place is full or broken. */
static void check_state(struct batch *batch)
{
	const struct failure *failure = committer_state_failure(batch->committer);

	if (failure->class != FAIL_NONE)
		batch_stop_early(batch, failure);
}

void file_on_committed(struct commit *commit, void *data)
{
	struct file *file = commit->owner;
	struct batch *batch = data;

	fd_close(&file->content);
	leave_committer(batch, file->n_content_bytes);
	check_state(batch);
	if (commit->n_outputs == 0) { /* only the state was written */
		file_complete(file, file->end);
		return;
	}
	file->result->commit_ns = commit->work_ns;
	file->result->failure = commit->failure;
	switch (commit->result) {
	case STORE_DONE:
		file_complete(file, FILE_DONE);
		break;
	case STORE_SKIPPED:
		file_complete(file, FILE_SKIPPED);
		break;
	case STORE_FAILED:
		file_complete(file, FILE_FAILED);
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

static struct opened_input opened_input_of(const struct file *file)
{
	return (struct opened_input){
		.n_bytes = (uint64_t)file->stat.st_size,
		.mtime_ns = file->mtime_ns,
		.hash = file->has_hash ? &file->hash : NULL,
	};
}

/* Whether an output has the same bytes as the existing file of its name. */
static bool is_same_as_there(struct batch *batch, const struct variant *variant,
                             const struct known_output *known, int content)
{
	struct output_hash made, there;
	int fd = store_open_output(batch->store, variant->name, &known->expected);
	bool is_same = fd >= 0 &&
	               (uint64_t)known->expected.st_size == variant->side.bytes &&
	               output_hash_of_range(content, variant->side.offset,
	                                    variant->side.bytes, &made) &&
	               output_hash_of_range(fd, 0, variant->side.bytes, &there) &&
	               memcmp(&made, &there, sizeof(made)) == 0;

	fd_close(&fd);
	return is_same;
}

/* Compare the outputs that were made for comparison. Equal existing files become ours. False
 * with the file's failure when an existing file differs. */
static bool adopt_equal_ones(struct file *file)
{
	struct file_result *result = file->result;

	for (size_t i = 0; i < result->n_variants; i++) {
		struct known_output *known = &file->known[i];

		if (!known->is_compared)
			continue;
		if (!is_same_as_there(file->batch, &result->variants[i], known,
		                      file->content))
			return failure_set(&result->failure, FAIL_EXISTS,
			                   "publish: the output name is already taken");
		known->is_expected = true; /* replaced by the same bytes, with a stamp */
	}
	return true;
}

static void add_to_committer(struct file *file)
{
	const struct file_result *result = file->result;
	struct batch *batch = file->batch;
	const struct opened_input input = opened_input_of(file);
	const bool has_records = history_keeps_records(batch->history) && file->known &&
	                         file->has_hash;

	if (has_records)
		history_fill(file->known, result->variants, result->n_variants, &input);
	for (size_t i = 0; i < result->n_variants; i++) {
		const struct variant *variant = &result->variants[i];
		struct known_output *known = file->known ? &file->known[i] : NULL;

		file->outputs[i] = (struct commit_output){
			.name = variant->name,
			.offset = variant->side.offset,
			.n_bytes = variant->side.bytes,
			.expected = known && known->is_expected ? &known->expected : NULL,
			.stamp = has_records ? &known->stamp : NULL,
		};
	}
	file->commit = (struct commit){
		.owner = file,
		.fd = file->content,
		.outputs = file->outputs,
		.n_outputs = result->n_variants,
		.dates = batch->options->keep_dates ? file->dates : NULL,
		.source = batch->database ? result->name : NULL,
	};
	committer_add(batch->committer, &file->commit);
}

/* Complete the file once the committer has written the commit to the state. */
static void complete_with_state(struct file *file, enum file_end end,
                                struct commit commit)
{
	file->end = end;
	file->n_content_bytes = 0;
	file->commit = commit;
	file->commit.owner = file;
	enter_committer(file->batch);
	committer_add(file->batch->committer, &file->commit);
}

void file_note_fresh(struct file *file)
{
	const struct file_result *result = file->result;
	struct commit commit = {.source = result->name};

	if (!file->batch->database || !state_is_writable(file->batch->database)) {
		file_complete(file, FILE_FRESH);
		return;
	}
	for (size_t i = 0; i < result->n_variants; i++)
		file->outputs[i] = (struct commit_output){.stamp = &file->known[i].stamp};
	commit.rows = file->outputs;
	commit.n_rows = result->n_variants;
	complete_with_state(file, FILE_FRESH, commit);
}

void file_fail(struct file *file)
{
	struct batch *batch = file->batch;
	struct file_result *result = file->result;
	const struct opened_input input = opened_input_of(file);

	if (!batch->database || !state_is_writable(batch->database) ||
	    result->n_variants == 0 ||
	    !history_note_failure(batch->history, result->variants, result->n_variants,
	                          &input, file->n_deaths, &result->failure,
	                          &file->known_failure)) {
		file_complete(file, FILE_FAILED);
		return;
	}
	complete_with_state(
		file, FILE_FAILED,
		(struct commit){.source = result->name, .known = &file->known_failure});
}

/* ---- the task ---- */

/* Copy the answer of the task, and the executor's figures about it, into the result. Takes the
 * memfd of the outputs. */
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
	file->has_hash = ret_answer->has_in_hash;
	file->hash = ret_answer->in_hash;
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

/* The task is done: the workers have one input less, and if there are outputs, the committer has one
 * file more. Both counts change in one step, so that the feeder sees no gap in between. */
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

/* Append the file to the deferred ones. False when the batch is being stopped. was_at_work: a worker
 * had its input until now. */
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

/* A worker that decodes has found a drawing and handed back the input: defer the file. */
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

/* The callback of the task's future, in the thread that completes it: the supervisor of the pool, or
 * a thread that cancels. */
static void on_task_done(struct pxp_future *task, void *data)
{
	struct file *file = data;
	struct batch *batch = file->batch;
	struct picture_answer answer;

	collect(file, task, &answer);
	/* The answer may be forged, so it counts only where workers that draw are safe. */
	if (answer.is_to_draw && !file->is_drawn && pools_leave_drawing(batch->pools)) {
		leave_to_be_drawn(file, task);
		return;
	}
	if (file->content >= 0 && file->known && !adopt_equal_ones(file))
		fd_close(&file->content);
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
		file_complete(file, FILE_DONE); /* it was only decoded */
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

/* Have on_task_done() called when the task is done. If there is no memory for that, the task is killed
 * and the file fails; the feeder must not wait for the picture. */
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
		.hashes_input = history_keeps_records(batch->history),
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
	/* Once the task is watched, the file and its reference to the task may go at any moment. */
	pxp_future_acquire(task);
	watch_task(file, task);
	pxp_future_release(task);
}
