/*
 * The tasks of a batch. Most files have a task of their own; small files share a task. When a task
 * is done, callbacks continue with each of its files: they take its answer and pass its outputs to
 * the committer, or they let the feeder submit the file again.
 */
#include "batch/group.h"

#include "base/clock.h"
#include "base/fd.h"
#include "batch/descriptors.h"

#include <stdlib.h>
#include <string.h>

/*
 * The files of a task. Most files have a task of their own. Small files share a task, because the
 * cost of a task is high compared with a small picture: two messages, a memfd, and waking two
 * threads.
 */
struct group {
	struct batch *batch;
	bool is_small;    /* whether the files are small */
	int64_t began_ns; /* the time at which the first file was gathered */
	size_t n;
	/* The files. NULL: the file was taken out of the task. While the task is not done, the
	 * batch's lock guards this array. */
	struct file *files[PICTURE_MAX_FILES];
	bool is_split;
};

/* If one file of a task takes longer than this, the task is split, so that its other files do not
 * wait. */
#define SPLIT_NS ((int64_t)200 * 1000000)

/* Whether a submitted file shares its task with other files. */
static bool is_shared(const struct file *file)
{
	return file->group->n > 1;
}

/* Whether a worker has begun the file. Call this only when the task is done. If the task was
 * cancelled before a worker began it, the result means nothing. */
static bool was_begun(const struct file *file, struct pxp_future *task)
{
	return !is_shared(file) || pxp_future_state(task) == PXP_FINISHED ||
	       file->index <= picture_at_work(task);
}

/* Copy the worker's answer for a file, and the executor's measurements, into the result of the
 * file. */
static void copy_answer(struct file *file, struct pxp_future *task,
                        const struct picture_answer *answer)
{
	const struct pxp_outcome *outcome = pxp_future_outcome(task);
	struct file_result *result = file->result;

	file->has_hash = answer->has_in_hash;
	file->hash = answer->in_hash;
	result->failure = answer->failure;
	result->in = answer->in;
	if (result->in.bytes == 0)
		result->in.bytes = (uint64_t)file->stat.st_size;
	memcpy(result->engine, answer->engine, sizeof(result->engine));
	result->is_damaged = answer->is_damaged;
	result->read_ns = answer->read_ns > 0 ? answer->read_ns : -1;
	result->work_ns = answer->work_ns > 0 ? answer->work_ns : -1;
	result->queue_ns = outcome->attempts > 0 ? outcome->queue_ns : -1;
	result->attempts = file->has_killed_shared;
	if (was_begun(file, task))
		result->attempts += outcome->attempts;
	result->worker = outcome->worker;
}

/* ---- the list of submitted files ---- */

/* Called with the batch's lock held. */
static void enter_submitted(struct file *file)
{
	struct batch *batch = file->batch;

	file->began_ns = 0;
	file->next_submitted = batch->submitted;
	file->previous_submitted = &batch->submitted;
	if (batch->submitted)
		batch->submitted->previous_submitted = &file->next_submitted;
	batch->submitted = file;
}

/* Called with the batch's lock held. */
static void leave_submitted(struct file *file)
{
	*file->previous_submitted = file->next_submitted;
	if (file->next_submitted)
		file->next_submitted->previous_submitted = file->previous_submitted;
}

/* Whether a worker is processing the file. The file must be in the list of submitted files. Called
 * with the batch's lock held. */
static bool is_at_work(const struct file *file)
{
	struct pxp_future *task = file->result->task;

	return pxp_future_state(task) == PXP_RUNNING &&
	       (!is_shared(file) || picture_at_work(task) == file->index);
}

/* How long a worker has been processing the file; 0: no worker is processing it. The time counts
 * from the first call that finds a worker processing the file. The file must be in the list of
 * submitted files. Called with the batch's lock held. */
static int64_t running_ns(struct file *file, int64_t now_ns)
{
	if (!is_at_work(file))
		file->began_ns = 0;
	else if (file->began_ns == 0)
		file->began_ns = now_ns;
	return file->began_ns > 0 ? now_ns - file->began_ns : 0;
}

char *batch_slowest(struct batch *batch, int64_t min_ns, int64_t *ret_ns)
{
	const int64_t now_ns = clock_now_ns();
	const struct file *slowest = NULL;
	int64_t slowest_ns = 0;
	char *path = NULL;

	lock_acquire(&batch->lock);
	for (struct file *file = batch->submitted; file; file = file->next_submitted) {
		const int64_t ns = running_ns(file, now_ns);

		if (ns > slowest_ns) {
			slowest = file;
			slowest_ns = ns;
		}
	}
	if (slowest && slowest_ns >= min_ns) {
		*ret_ns = slowest_ns;
		path = strdup(slowest->result->input);
	}
	lock_release(&batch->lock);
	return path;
}

/* Count a finished file: the workers have one input less, and if there are outputs, the committer
 * has one file more. Both counts change in one step, so that the feeder never sees only one of the
 * changes. */
static void leave_workers(struct file *file)
{
	struct batch *batch = file->batch;

	fd_close(&file->input);
	lock_acquire(&batch->lock);
	batch->n_inputs--;
	if (file->content)
		batch->n_finished++;
	lock_release(&batch->lock);
}

/* The new mean of a time, after one more measurement. One long time raises the mean at once. Short
 * times lower it gradually. */
static int64_t mean_ns(int64_t before_ns, int64_t ns)
{
	const int64_t mean_ns = before_ns - before_ns / 8 + ns / 8;

	return before_ns == 0 || ns > mean_ns ? ns : mean_ns;
}

/* Count a finished task. Call this after its files were counted. small_ns: if its files are small,
 * the mean time for one of them; if not, 0. */
static void leave_task(struct batch *batch, int64_t small_ns)
{
	lock_acquire(&batch->lock);
	batch->n_tasks--;
	if (small_ns > 0)
		batch->small_ns = mean_ns(batch->small_ns, small_ns);
	if (batch->awaits_descriptor || batch->n_tasks <= batch->awaited_tasks)
		cond_signal(&batch->has_room);
	lock_release(&batch->lock);
}

/* Append a file to a list. Called with the lock held. */
static void append_to(struct file_list *list, struct file *file)
{
	file->next = NULL;
	*list->last = file;
	list->last = &file->next;
	list->n++;
}

/* Append a file with an open input to a list (batch->deferred or batch->left), or cancel the file
 * if the batch is being stopped. was_at_work: true if a worker had the input until now. The caller
 * must not use the file any more. */
static void append_or_cancel(struct file *file, struct file_list *list, bool was_at_work)
{
	struct batch *batch = file->batch;
	bool is_feeding;

	lock_acquire(&batch->lock);
	is_feeding = batch->state == BATCH_FEEDING;
	if (is_feeding)
		append_to(list, file);
	if (was_at_work)
		batch->n_inputs--;
	cond_signal(&batch->has_room);
	lock_release(&batch->lock);
	if (!is_feeding)
		file_complete(file, FILE_CANCELLED);
}

struct file *file_list_take(struct batch *batch, struct file_list *list)
{
	struct file *file;

	lock_acquire(&batch->lock);
	file = list->first;
	if (file) {
		list->first = file->next;
		if (!list->first)
			list->last = &list->first;
		list->n--;
		batch->n_inputs++;
	}
	lock_release(&batch->lock);
	return file;
}

void file_defer(struct file *file, bool was_at_work)
{
	file->is_drawn = true;
	file->result->failure.class = FAIL_NONE;
	append_or_cancel(file, &file->batch->deferred, was_at_work);
}

/* Let the feeder submit a file of a shared task again, alone. The caller must not use the file
 * any more. */
static void file_leave(struct file *file)
{
	file->result->failure.class = FAIL_NONE;
	/* The attempt to process the file in the shared task does not count. The file is submitted
	 * again or, if the batch is being stopped, is cancelled like a file that no worker has
	 * begun. */
	file->result->attempts = file->has_killed_shared;
	append_or_cancel(file, &file->batch->left, true);
}

/* Find all shared tasks or, with only_stuck, those whose current file has taken long. A task that
 * was found is not found again. Returns an array of *ret_n references. Returns NULL if no such task
 * exists, or if memory ran out. */
static struct pxp_future **find_shared_tasks(struct batch *batch, bool only_stuck,
                                             size_t *ret_n)
{
	struct pxp_future **tasks = NULL;
	const int64_t now_ns = clock_now_ns();

	*ret_n = 0;
	lock_acquire(&batch->lock);
	for (struct file *file = batch->submitted; file; file = file->next_submitted) {
		struct pxp_future *task = file->result->task;

		if (!is_shared(file) || file->group->is_split ||
		    (only_stuck && running_ns(file, now_ns) < SPLIT_NS))
			continue;
		if (!tasks)
			tasks = calloc(batch->n_tasks, sizeof(struct pxp_future *));
		if (!tasks)
			break;
		file->group->is_split = true;
		tasks[(*ret_n)++] = pxp_future_acquire(task);
	}
	lock_release(&batch->lock);
	return tasks;
}

/* Take all files except the current one out of a task, so that the feeder submits them again. The
 * worker was asked to end the task, so it will not begin any file that it has not begun yet. Files
 * that it has finished are processed again, because their answers were not sent yet. If the batch
 * is being stopped, no file is taken out. */
static void take_out(struct batch *batch, struct pxp_future *task)
{
	struct file *next;
	size_t at_work;

	/* This thread has stored the request to end, and now loads the current file. The worker
	 * stores its current file, and then loads the request (ends_here()). Without a fence on
	 * both sides both may load old values. Then the worker would begin a file that is taken out
	 * here. */
	atomic_thread_fence(memory_order_seq_cst);
	at_work = picture_at_work(task);
	lock_acquire(&batch->lock);
	for (struct file *file = batch->submitted; file; file = next) {
		next = file->next_submitted;
		if (file->result->task != task || file->index == at_work ||
		    batch->state != BATCH_FEEDING)
			continue;
		file->group->files[file->index] = NULL;
		leave_submitted(file);
		batch->n_inputs--;
		append_to(&batch->left, file);
	}
	cond_signal(&batch->has_room);
	lock_release(&batch->lock);
}

/* Ask workers to end shared tasks after their current file. A worker reports the file that it is
 * about to begin, and then checks whether it was asked to end. So the file that it reports after it
 * was asked to end is the last file that it can begin. */
static void end_groups(struct batch *batch, bool only_stuck)
{
	size_t n;
	struct pxp_future **tasks = find_shared_tasks(batch, only_stuck, &n);

	for (size_t i = 0; i < n; i++) {
		/* Cancelling may run callbacks, which take the lock. So the lock is not held here.
		 * */
		pxp_future_cancel_with(tasks[i], PXP_CANCEL_ASK);
		take_out(batch, tasks[i]);
		pxp_future_release(tasks[i]);
	}
	free(tasks);
}

void batch_split_groups(struct batch *batch)
{
	end_groups(batch, true);
}

void batch_end_groups(struct batch *batch)
{
	end_groups(batch, false);
}

/* Whether the task failed because descriptors ran out before any worker got the task. An answer of
 * a worker is not considered, because a forged answer must not end the batch. */
static bool was_not_sent(struct pxp_future *task)
{
	const struct pxp_outcome *outcome = pxp_future_outcome(task);

	return outcome->attempts == 0 && outcome->error.status == PXP_ESYS &&
	       is_lack_of_descriptors(outcome->error.sys_errno);
}

/* Whether a file of a shared task must be submitted again in a task of its own. There are four
 * reasons: the worker has not done the file, or the file has killed the worker and may be retried,
 * or the file needs memory that only a task of its own can get, or the task was cancelled although
 * the batch goes on. A hostile worker can cause the last one: it may claim that the request to end
 * has cancelled the task, or that it has not begun the task. */
static bool returns_alone(struct file *file, struct pxp_future *task,
                          const struct picture_taken *taken)
{
	const enum fail_class class = taken->answer.failure.class;

	if (!is_shared(file))
		return false;
	if (pxp_future_state(task) == PXP_CANCELLED)
		return batch_goes_on(file->batch);
	if (class == FAIL_CRASHED && file->batch->options->retries > 0) {
		file->has_killed_shared = true;
		return true;
	}
	return taken->is_left || class == FAIL_MEMORY;
}

/* Continue with a file whose task is done. content: the memfd with the outputs of the task; NULL:
 * the task has no outputs. */
static void file_take(struct file *file, struct pxp_future *task,
                      const struct picture_taken *taken, struct content *content)
{
	struct batch *batch = file->batch;
	const struct pxp_error *error = &pxp_future_outcome(task)->error;
	struct file_result *result = file->result;

	copy_answer(file, task, &taken->answer);
	if (was_not_sent(task)) {
		batch_stop_for_descriptors(batch, error->sys_errno);
		leave_workers(file);
		file_complete(file, FILE_CANCELLED);
		return;
	}
	if (returns_alone(file, task, taken)) {
		file_leave(file);
		return;
	}
	/* The answer may be forged, so is_to_draw is accepted only if drawing workers are safe
	 * here. */
	if (taken->answer.is_to_draw && !file->is_drawn &&
	    pools_leave_drawing(batch->pools)) {
		file_defer(file, true);
		return;
	}
	if (result->failure.class == FAIL_NONE && content && result->n_variants > 0)
		file_take_content(file, content);
	leave_workers(file);
	if (file->content) {
		file_commit(file);
	} else if (pxp_future_state(task) == PXP_CANCELLED) {
		file_complete(file, FILE_CANCELLED);
	} else if (error->status == PXP_EBROKEN) {
		batch_stop_early(batch, &result->failure);
		file_complete(file, FILE_CANCELLED);
	} else if (result->failure.class != FAIL_NONE) {
		file_fail(file);
	} else {
		/* The file was only decoded, or its output is written to a stream. */
		file_complete(file, FILE_DONE);
	}
}

/* Called when a task is done: remove its files from the list of submitted files. After this,
 * take_out() finds no file of the task any more. */
static void detach_files(struct group *group)
{
	struct batch *batch = group->batch;

	lock_acquire(&batch->lock);
	for (size_t i = 0; i < group->n; i++) {
		if (group->files[i])
			leave_submitted(group->files[i]);
	}
	lock_release(&batch->lock);
}

/* The callback of a task's future, in the thread that completes it: the supervisor of the pool, or
 * a thread that cancels. */
static void on_task_done(struct pxp_future *task, void *data)
{
	struct group *group = data;
	struct batch *batch = group->batch;
	struct picture_taken taken[PICTURE_MAX_FILES];
	const int64_t run_ns = pxp_future_outcome(task)->run_ns;
	const int64_t small_ns = group->is_small ? run_ns / (int64_t)group->n : 0;
	struct content *content = NULL;
	int output;

	detach_files(group);
	for (size_t i = 0; i < group->n; i++) {
		struct file *file = group->files[i];

		taken[i].is_taken_out = !file;
		taken[i].variants = file ? file->result->variants : NULL;
		taken[i].n_variants = file ? file->result->n_variants : 0;
	}
	picture_collect(task, taken, group->n, &output);
	if (output >= 0)
		content = content_create(batch, output);
	for (size_t i = 0; i < group->n; i++) {
		if (output >= 0 && !content)
			failure_set(&taken[i].answer.failure, FAIL_INTERNAL,
			            "out of memory");
		if (group->files[i])
			file_take(group->files[i], task, &taken[i], content);
	}
	content_release(&content);
	leave_task(batch, small_ns);
	free(group);
}

static void fail_submission(struct file *file, enum pxp_status status)
{
	struct batch *batch = file->batch;

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

/* Register on_task_done() for the end of the task. If there is no memory for that, kill the task
 * and let its files fail: the feeder must not wait for a task whose end would not be reported to
 * it. The caller must not use the group any more. */
static void watch_task(struct group *group, struct pxp_future *task)
{
	struct batch *batch = group->batch;

	if (pxp_future_on_done(task, on_task_done, group) == PXP_OK)
		return;
	pxp_future_cancel_with(task, PXP_CANCEL_KILL);
	detach_files(group);
	for (size_t i = 0; i < group->n; i++) {
		struct file *file = group->files[i];

		if (!file)
			continue;
		leave_workers(file);
		failure_set(&file->result->failure, FAIL_INTERNAL, "out of memory");
		file_fail(file);
	}
	leave_task(batch, 0);
	free(group);
}

/* Make the request for a file. `nothing_written` is the only variant of the request if the file is
 * only decoded and has no outputs. */
static struct picture_request request_of(const struct file *file,
                                         const struct variant *nothing_written)
{
	const struct batch *batch = file->batch;
	const struct batch_options *options = batch->options;
	const struct file_result *result = file->result;
	const bool is_written = result->n_variants > 0;

	return (struct picture_request){
		.variants = is_written ? result->variants : nothing_written,
		.n_variants = is_written ? result->n_variants : 1,
		.profile = options->profile,
		.n_profile = options->n_profile,
		.name = result->input,
		.input = file->input,
		.input_bytes = (uint64_t)file->stat.st_size,
		.timeout_ms = options->timeout_ms,
		.max_output = batch->limits.max_output,
		.retries = options->retries - file->has_killed_shared,
		.hashes_input = history_keeps_records(batch->history),
		.decodes_only = options->decodes_only,
	};
}

/* Submit the files of a group as one task. Their inputs are open and counted in n_inputs. The
 * caller must not use the group any more: the group and its files may be freed before this function
 * returns. */
static void group_submit(struct group *group)
{
	struct batch *batch = group->batch;
	const struct variant nothing_written = {.rule = &batch->rules[0]};
	struct picture_request requests[PICTURE_MAX_FILES];
	struct pxp_future *task;
	enum pxp_status status;
	bool is_stopped;

	for (size_t i = 0; i < group->n; i++)
		requests[i] = request_of(group->files[i], &nothing_written);
	status = pools_submit(batch->pools, requests, group->n, &task);
	if (status != PXP_OK) {
		for (size_t i = 0; i < group->n; i++)
			fail_submission(group->files[i], status);
		free(group);
		return;
	}
	for (size_t i = 0; i < group->n; i++) {
		struct file *file = group->files[i];

		file->group = group;
		file->index = i;
		pxp_future_release(file->result->task);
		file->result->task = pxp_future_acquire(task);
	}
	lock_acquire(&batch->lock);
	batch->n_tasks++;
	for (size_t i = 0; i < group->n; i++)
		enter_submitted(group->files[i]);
	is_stopped = batch->state != BATCH_FEEDING;
	lock_release(&batch->lock);
	/* Once on_task_done() is registered, the group and its files may be freed at any moment. So
	 * this function holds a reference of its own to the task. */
	watch_task(group, task);
	pxp_future_release(task);
	/* If the batch was stopped before the files were in the list of submitted files,
	 * batch_stop() has not ended this task, so it must end here. */
	if (is_stopped)
		batch_end_groups(batch);
}

bool file_is_small(const struct file *file)
{
	return file->stat.st_size > 0 && file->stat.st_size <= SMALL_FILE_BYTES;
}

/* Create an empty group, to which the caller adds this file. If memory ran out, fails the file and
 * returns NULL. */
static struct group *group_create(struct file *file)
{
	struct group *group = calloc(1, sizeof(*group));

	if (!group) {
		fail_submission(file, PXP_ENOMEM);
		return NULL;
	}
	group->batch = file->batch;
	group->is_small = file_is_small(file);
	return group;
}

void file_submit(struct file *file)
{
	struct group *group = group_create(file);

	if (!group)
		return;
	group->files[group->n++] = file;
	group_submit(group);
}

/* ---- small files that share a task; only the feeder calls these functions ---- */

void batch_submit_gathered(struct batch *batch)
{
	struct group *group = batch->gathered;

	batch->gathered = NULL;
	if (group)
		group_submit(group);
}

/* Whether the group that is being gathered has as many files as it may have. */
static bool is_complete(struct batch *batch)
{
	const uint64_t n_planned = batch->plan->n_images;
	const uint64_t n_to_feed = n_planned > batch->n_fed ? n_planned - batch->n_fed
	                                                    : 0;
	const size_t n = batch->gathered->n;
	int64_t small_ns;

	if (n >= batch->max_group)
		return true;
	lock_acquire(&batch->lock);
	small_ns = batch->small_ns;
	lock_release(&batch->lock);
	return n >= limits_group(n_to_feed + n, batch->n_workers, small_ns);
}

void file_gather(struct file *file)
{
	struct batch *batch = file->batch;
	struct group *group = batch->gathered;

	if (!group) {
		group = group_create(file);
		if (!group)
			return;
		group->began_ns = clock_now_ns();
		batch->gathered = group;
	}
	group->files[group->n++] = file;
	if (is_complete(batch))
		batch_submit_gathered(batch);
}

void batch_submit_if_old(struct batch *batch)
{
	if (batch->gathered &&
	    clock_now_ns() - batch->gathered->began_ns > limits_group_wait_ns())
		batch_submit_gathered(batch);
}

void batch_submit_left(struct batch *batch)
{
	struct file *file;

	while ((file = file_list_take(batch, &batch->left)))
		file_submit(file);
}
