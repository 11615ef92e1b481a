#include "batch/run.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MAX_SETTLED = 1024 }; /* files that wait to be reported, before the feeder waits */

bool run_init(struct run *run, const struct batch_options *options)
{
	*run = (struct run){.options = options};
	run->last = &run->first;
	run->plan = plan_create();
	run->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	lock_init(&run->lock);
	cond_init(&run->changed);
	return run->plan && run->wakeup >= 0;
}

void run_fini(struct run *run)
{
	plan_destroy(run->plan);
	store_close(run->store);
	fd_close(&run->wakeup);
	cond_fini(&run->changed);
	lock_fini(&run->lock);
}

static void wake_main(struct run *run)
{
	const uint64_t one = 1;

	/* It fails only when the counter is full, and then main is woken as well. */
	(void)!write(run->wakeup, &one, sizeof(one));
}

void run_stop(struct run *run, enum run_stop stop)
{
	lock_acquire(&run->lock);
	if (stop > run->stop)
		run->stop = stop;
	cond_broadcast(&run->changed);
	lock_release(&run->lock);
	if (stop == RUN_GOES_ON)
		return;
	pxp_executor_shutdown(run->pictures, stop == RUN_KILLED
	                                             ? PXP_SHUTDOWN_KILL
	                                             : PXP_SHUTDOWN_CANCEL_PENDING);
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
static void give_to_main(struct pxp_future *future, void *data)
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
	wake_main(run);
}

static void settle(struct file *file)
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
static void stop_early(struct run *run, struct file *file)
{
	lock_acquire(&run->lock);
	if (run->stop_reason.class == FAIL_NONE)
		run->stop_reason = file->answer.failure;
	lock_release(&run->lock);
	file->is_cancelled = true;
	run_stop(run, RUN_DRAINS);
}

static void publish(struct run *run, struct file *file)
{
	struct failure *failure = &file->answer.failure;
	const struct store_content content = {
		.fd = file->content,
		.n_bytes = file->answer.out.bytes,
		.dates = run->options->keep_dates ? file->dates : NULL,
	};
	int sys_errno;

	if (!plan_take(run->plan, file->output.name)) {
		failure_set(
			failure, FAIL_COLLISION,
			"another input, which came after the plan, took this output's name");
		return;
	}
	switch (store_publish(run->store, file->output.name, &content,
	                      run->options->overwrite, failure, &sys_errno)) {
	case STORE_DONE:
	case STORE_FAILED:
		break;
	case STORE_SKIPPED:
		file->is_skipped = true;
		break;
	case STORE_PLACE:
		stop_early(run, file);
		break;
	}
}

static bool has_stopped_early(struct run *run)
{
	lock_acquire(&run->lock);

	bool has_stopped = run->stop_reason.class != FAIL_NONE;

	lock_release(&run->lock);
	return has_stopped;
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

/* A task of the committer for each output. */
static enum pxp_status commit(struct pxp_task *task)
{
	struct file *file = *(struct file *const *)pxp_task_input(task, NULL);
	struct run *run = file->run;
	int64_t began_ns = clock_now_ns();
	uint64_t n_bytes = file->answer.out.bytes;

	if (has_stopped_early(run))
		file->is_cancelled = true;
	else
		publish(run, file);
	file->commit_ns = clock_now_ns() - began_ns;
	fd_close(&file->content);

	count_finished(run, -1, n_bytes);
	settle(file);
	return PXP_OK;
}

static void change_inputs(struct run *run, int by)
{
	lock_acquire(&run->lock);
	run->n_inputs += (unsigned)by;
	cond_broadcast(&run->changed);
	lock_release(&run->lock);
}

/* Hand it to the committer. False: its failure says why. */
static bool submit_commit(struct file *file)
{
	struct run *run = file->run;

	/* Its input is the address. */
	/* NOLINTNEXTLINE(bugprone-sizeof-expression) */
	if (pxp_executor_try_submit(run->committer, commit, &file, sizeof(file), NULL,
	                            NULL) == PXP_OK)
		return true;
	count_finished(run, -1, file->answer.out.bytes);
	return failure_set(&file->answer.failure, FAIL_INTERNAL,
	                   "no memory to commit the output");
}

/* The task's callback, in the supervisor's thread. */
static void task_is_done(struct pxp_future *task, void *data)
{
	struct file *file = data;
	struct run *run = file->run;
	bool has_content;

	file_collect(file);
	has_content = file->content >= 0;
	if (pxp_future_outcome(task)->error.status == PXP_EBROKEN)
		stop_early(run, file);

	/* Counted as finished before it is no input any more: the feeder sees no gap. */
	if (has_content)
		count_finished(run, +1, file->answer.out.bytes);
	change_inputs(run, -1);

	if (!has_content || !submit_commit(file))
		settle(file);
}

/* ---- the feeder ---- */

static bool goes_on(void *data)
{
	struct run *run = data;

	lock_acquire(&run->lock);

	bool goes_on = run->stop == RUN_GOES_ON;

	lock_release(&run->lock);
	return goes_on;
}

/* Until an input may be opened. False when the run is told to end. */
static bool wait_for_window(struct run *run)
{
	bool goes_on;

	lock_acquire(&run->lock);
	while (run->stop == RUN_GOES_ON &&
	       (run->n_inputs >= run->max_inputs ||
	        run->n_finished_bytes >= run->limits.finished ||
	        run->n_finished >= run->max_finished || run->n_settled >= MAX_SETTLED))
		cond_wait(&run->changed, &run->lock);
	goes_on = run->stop == RUN_GOES_ON;
	lock_release(&run->lock);
	return goes_on;
}

/* No descriptor is free. The file's own input is counted: while there are others, wait for
 * one of them to be closed. False: there are none, so that would be in vain. */
static bool wait_for_descriptor(struct run *run)
{
	unsigned n_inputs;

	lock_acquire(&run->lock);
	n_inputs = run->n_inputs;
	while (run->n_inputs > 1 && run->n_inputs >= n_inputs)
		cond_wait(&run->changed, &run->lock);
	lock_release(&run->lock);
	return n_inputs > 1;
}

static int open_file(struct run *run, const struct walk_item *item, struct stat *ret_stat)
{
	int fd;

	do
		fd = walk_open_file(item, ret_stat);
	while (fd < 0 && (errno == EMFILE || errno == ENFILE) &&
	       wait_for_descriptor(run));
	return fd;
}

static bool open_input(struct file *file, const struct walk_item *item)
{
	struct failure *failure = &file->answer.failure;
	const struct recipe *recipe = &file->run->options->recipe;
	uint64_t max_bytes = recipe->max_file_bytes ? recipe->max_file_bytes
	                                            : RECIPE_MAX_FILE_BYTES;
	struct stat stat;

	file->descriptor = open_file(file->run, item, &stat);
	if (file->descriptor < 0 && errno == EINVAL)
		return failure_set(failure, FAIL_UNSUPPORTED, "open: not a regular file");
	if (file->descriptor < 0)
		return failure_set(failure, fail_class_of_input_errno(errno), "open: %s",
		                   strerrordesc_np(errno));
	file->n_bytes = (uint64_t)stat.st_size;
	if (file->n_bytes > max_bytes)
		return failure_set(failure, FAIL_TOO_BIG,
		                   "open: the file has %ju bytes, the limit is %ju",
		                   (uintmax_t)file->n_bytes, (uintmax_t)max_bytes);
	file->dates[0] = stat.st_atim;
	file->dates[1] = stat.st_mtim;
	if (!file->output.name && !file->run->options->decodes_only)
		return failure_set(failure, FAIL_BAD_IMAGE,
		                   "gate: not a picture of any known format");
	return true;
}

/* Give an opened file to a worker. False: its failure says why. */
static bool submit(struct run *run, struct file *file)
{
	struct picture_request request = {
		.recipe = run->options->recipe,
		.profile = run->options->profile,
		.n_profile = run->options->n_profile,
		.name = file->input,
		.input = file->descriptor,
		.input_bytes = file->n_bytes,
		.timeout_ms = run->options->timeout_ms,
		.max_output = run->limits.max_output,
		.retries = run->options->retries,
		.decodes_only = run->options->decodes_only,
	};
	enum pxp_status status;

	/* A whole recipe names a format, though nothing be written. */
	request.recipe.format = request.decodes_only ? FORMAT_PNG : file->output.format;
	status = picture_submit(run->pictures, &request, &file->task);
	if (status == PXP_OK) {
		file->descriptor = -1;
		if (pxp_future_on_done(file->task, task_is_done, file) != PXP_OK) {
			/* No memory for a callback: wait for it here instead. */
			pxp_future_wait(file->task, PXP_FOREVER);
			task_is_done(file->task, file);
		}
		return true;
	}
	file->is_cancelled = status == PXP_ESHUTDOWN;
	failure_set(&file->answer.failure, FAIL_INTERNAL, "submit: %s",
	            pxp_status_name(status));
	if (status == PXP_EBROKEN)
		stop_early(run, file);
	return false;
}

/* Whether the file's output is there already, when that is enough to skip it. */
static bool is_skipped(struct run *run, const struct file *file)
{
	return run->options->overwrite == OVERWRITE_SKIP && file->output.name &&
	       store_has(run->store, file->output.name);
}

/* What naming is told of the output's format. */
static enum image_format format_to_write(const struct run *run)
{
	return run->options->decodes_only ? (enum image_format)NAMING_NO_OUTPUT
	                                  : run->options->format;
}

static void feed_file(struct run *run, struct file *file, const struct walk_item *item)
{
	file->is_skipped = is_skipped(run, file);
	if (file->is_skipped) {
		settle(file);
		return;
	}
	change_inputs(run, +1);
	if (!open_input(file, item) || !submit(run, file)) {
		fd_close(&file->descriptor);
		change_inputs(run, -1);
		settle(file);
	}
}

/* Make a file of what the walk met, and bring it on its way. False: no memory. */
static bool feed_item(struct run *run, const struct walk_item *item)
{
	struct destination destination = {0};
	enum naming naming = NAMING_IMAGE;
	struct file *file = NULL;

	if (item->kind == WALK_OTHER)
		naming = NAMING_IGNORED;
	else if (item->kind == WALK_FILE)
		naming = naming_destination(item, format_to_write(run), &destination);
	if (naming != NAMING_NO_MEMORY)
		file = file_create(item, &destination);
	free(destination.name);
	if (!file)
		return false;

	file->run = run;
	file->is_ignored = naming == NAMING_IGNORED;
	if (pxp_future_on_done(file->future, give_to_main, file) != PXP_OK) {
		file_destroy(file);
		return false;
	}
	lock_acquire(&run->lock);
	run->n_under_way++;
	lock_release(&run->lock);
	if (item->kind == WALK_ERROR)
		failure_set(&file->answer.failure,
		            fail_class_of_input_errno(item->sys_errno), "%s: %s",
		            item->is_named ? "open" : "read folder",
		            strerrordesc_np(item->sys_errno));
	if (item->kind == WALK_ERROR || file->is_ignored)
		settle(file);
	else
		feed_file(run, file, item);
	return true;
}

static void feed_all(struct run *run)
{
	struct walk *walk = walk_open(&run->walk);
	bool has_memory = walk != NULL;
	struct walk_item item;

	while (has_memory && wait_for_window(run) && walk_next(walk, &item) != WALK_END)
		has_memory = feed_item(run, &item);
	walk_close(walk);

	if (!has_memory) {
		lock_acquire(&run->lock);
		failure_set(&run->stop_reason, FAIL_INTERNAL, "no memory");
		lock_release(&run->lock);
	}
}

static void enter_phase(struct run *run, enum run_phase phase)
{
	lock_acquire(&run->lock);
	run->phase = phase;
	lock_release(&run->lock);
	wake_main(run);
}

/* Until the main thread has seen the plan. False when there is nothing to feed. */
static bool wait_for_leave(struct run *run)
{
	bool may_feed;

	lock_acquire(&run->lock);
	while (run->phase == RUN_PLANNED && run->stop == RUN_GOES_ON)
		cond_wait(&run->changed, &run->lock);
	may_feed = run->phase == RUN_FEEDING;
	lock_release(&run->lock);
	return may_feed;
}

void run_let_feed(struct run *run)
{
	lock_acquire(&run->lock);
	if (run->phase ==
	    RUN_PLANNED) /* else it was stopped, and has gone on to its end */
		run->phase = RUN_FEEDING;
	cond_broadcast(&run->changed);
	lock_release(&run->lock);
}

enum pxp_status run_feed(struct pxp_task *task)
{
	struct run *run = *(struct run *const *)pxp_task_input(task, NULL);

	run->plan_result = plan_make(run->plan, &run->walk, format_to_write(run), goes_on,
	                             run);
	enter_phase(run, RUN_PLANNED);
	if (wait_for_leave(run))
		feed_all(run);
	enter_phase(run, RUN_FED);
	return PXP_OK;
}
