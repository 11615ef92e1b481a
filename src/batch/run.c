#include "batch/run_internal.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool run_init(struct run *run, const struct batch_options *options)
{
	*run = (struct run){.options = options};
	run->last = &run->first;
	run->plan = plan_create();
	run->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	run->misnamed.key = hash_key_random();
	lock_init(&run->lock);
	cond_init(&run->changed);
	return run->plan && run->wakeup >= 0;
}

void run_fini(struct run *run)
{
	plan_destroy(run->plan);
	store_close(run->store);
	fd_close(&run->wakeup);
	free(run->misnamed.at);
	cond_fini(&run->changed);
	lock_fini(&run->lock);
}

void run_wake_main(struct run *run)
{
	const uint64_t one = 1;

	/* It fails only when the counter is full, and then main is woken as well. */
	(void)!write(run->wakeup, &one, sizeof(one));
}

void run_stop(struct run *run, enum run_stop stop)
{
	unsigned flags = stop == RUN_KILLED ? PXP_SHUTDOWN_KILL
	                                    : PXP_SHUTDOWN_CANCEL_PENDING;
	struct pxp_executor *drawers;

	lock_acquire(&run->lock);
	if (stop > run->stop)
		run->stop = stop;
	cond_broadcast(&run->changed);
	drawers = run->drawers;
	lock_release(&run->lock);
	if (stop == RUN_GOES_ON)
		return;
	pxp_executor_shutdown(run->pictures, flags);
	if (drawers)
		pxp_executor_shutdown(drawers, flags);
}

struct pxp_executor *run_pool_at_work(struct run *run)
{
	struct pxp_executor *pool;

	lock_acquire(&run->lock);
	pool = run->drawers ? run->drawers : run->pictures;
	lock_release(&run->lock);
	return pool;
}

struct file *run_take_settled(struct run *run)
{
	struct file *first;

	lock_acquire(&run->lock);
	first = run->first;
	run->first = NULL;
	run->last = &run->first;
	run->n_settled = 0;
	cond_broadcast(&run->changed);
	lock_release(&run->lock);
	return first;
}

/* ---- one file: from the task to its future ---- */

/* The callback of the file's future: it is the main thread's from here on. */
void run_give_to_main(struct pxp_future *future, void *data)
{
	struct file *file = data;
	struct run *run = file->run;

	(void)future;
	lock_acquire(&run->lock);
	*run->last = file;
	run->last = &file->next;
	run->n_settled++;
	run->n_under_way--;
	lock_release(&run->lock);
	run_wake_main(run);
}

void run_settle(struct file *file)
{
	struct pxp_error error;
	void *nothing = NULL;

	if (file->is_cancelled)
		pxp_fail(&error, PXP_ECANCELLED, "cancelled");
	else if (file->answer.failure.class != FAIL_NONE)
		pxp_fail(&error, PXP_ETASK, "%s", file->answer.failure.text);
	else
		error.status = PXP_OK;

	/* The callback may free the file at once. */
	if (error.status == PXP_OK)
		pxp_promise_finish(file->future, &nothing, 0);
	else
		pxp_promise_fail(file->future, &error);
}

/* Something that is not this file's fault, and that no other would fare better with: the
 * file was not done, and the run ends, for the reason that stands in its failure. */
void run_stop_early(struct run *run, struct file *file)
{
	lock_acquire(&run->lock);
	if (run->stop_reason.class == FAIL_NONE)
		run->stop_reason = file->answer.failure;
	lock_release(&run->lock);
	file->is_cancelled = true;
	if (run->committer)
		committer_stop(run->committer);
	run_stop(run, RUN_DRAINS);
}

/* By one output of n_bytes more or less with the committer. */
static void count_finished(struct run *run, int by, uint64_t n_bytes)
{
	lock_acquire(&run->lock);
	run->n_finished += (unsigned)by;
	run->n_finished_bytes += by > 0 ? n_bytes : -n_bytes;
	cond_broadcast(&run->changed);
	lock_release(&run->lock);
}

void run_is_committed(struct commit *commit, void *data)
{
	struct run *run = data;
	struct file *file = commit->owner;

	file->answer.failure = commit->failure;
	file->is_skipped = commit->result == STORE_SKIPPED;
	file->is_cancelled = commit->result == STORE_DROPPED;
	file->commit_ns = commit->work_ns;
	if (commit->result == STORE_PLACE_FAILED)
		run_stop_early(run, file);
	fd_close(&file->content);
	count_finished(run, -1, file->commit_output.n_bytes);
	run_settle(file);
}

void run_change_inputs(struct run *run, int by)
{
	lock_acquire(&run->lock);
	run->n_inputs += (unsigned)by;
	cond_broadcast(&run->changed);
	lock_release(&run->lock);
}

static void add_to_committer(struct run *run, struct file *file)
{
	file->commit_output = (struct commit_output){
		.name = file->output.name,
		.n_bytes = file->answer.out[0].bytes,
	};
	file->commit = (struct commit){
		.owner = file,
		.fd = file->content,
		.outputs = &file->commit_output,
		.n_outputs = 1,
		.dates = run->options->keep_dates ? file->dates : NULL,
	};
	committer_add(run->committer, &file->commit);
}

/* A worker that decodes found a picture that is drawn, whatever it is called: note its path, by
 * which the second pass finds it. False: no memory. */
static bool note_misnamed(struct run *run, const char *path)
{
	struct run_paths *paths = &run->misnamed;
	bool has_room;

	lock_acquire(&run->lock);
	has_room = paths->n < paths->capacity;
	if (!has_room) {
		size_t capacity = paths->capacity > 0 ? paths->capacity * 2 : 64;
		uint64_t *at = reallocarray(paths->at, capacity, sizeof(*at));

		has_room = at != NULL;
		paths->at = at ? at : paths->at;
		paths->capacity = at ? capacity : paths->capacity;
	}
	if (has_room)
		paths->at[paths->n++] = hash_bytes(&paths->key, path, strlen(path));
	lock_release(&run->lock);
	return has_room;
}

/* The task's callback, in the supervisor's thread. */
void run_task_is_done(struct pxp_future *task, void *data)
{
	struct file *file = data;
	struct run *run = file->run;
	bool has_content;

	file_collect(file);
	has_content = file->content >= 0;
	if (pxp_future_outcome(task)->error.status == PXP_EBROKEN)
		run_stop_early(run, file);
	file->is_put_off = file->answer.is_to_draw && !file->is_drawing &&
	                   note_misnamed(run, file->input);

	/* Counted as finished before it is no input any more: the feeder sees no gap. */
	if (has_content)
		count_finished(run, +1, file->answer.out[0].bytes);
	run_change_inputs(run, -1);

	if (has_content)
		add_to_committer(run, file);
	else
		run_settle(file);
}
