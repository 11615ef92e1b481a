/*
 * The feeder: the plan pass, then the work pass: where does a file go, open it, submit it. What
 * is drawn is left for a second work pass (run.h says why), which comes only when the first has
 * met something of the kind.
 */
#include "batch/run_internal.h"

#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SETTLED = 1024 }; /* files that wait to be reported, before the feeder waits */

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
	status = picture_submit(run_pool_at_work(run), &request, &file->task);
	if (status == PXP_OK) {
		file->descriptor = -1;
		if (pxp_future_on_done(file->task, run_task_is_done, file) != PXP_OK) {
			/* No memory for a callback: wait for it here instead. */
			pxp_future_wait(file->task, PXP_FOREVER);
			run_task_is_done(file->task, file);
		}
		return true;
	}
	file->is_cancelled = status == PXP_ESHUTDOWN;
	failure_set(&file->answer.failure, FAIL_INTERNAL, "submit: %s",
	            pxp_status_name(status));
	if (status == PXP_EBROKEN)
		run_stop_early(run, file);
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

static int compare_hashes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Whether a worker found that this one is to be drawn, whatever its name says. In the second
 * pass, when no more of them are found. */
static bool is_misnamed(const struct run *run, const char *path)
{
	const struct run_paths *paths = &run->misnamed;
	uint64_t hash = hash_bytes(&paths->key, path, strlen(path));

	return paths->n > 0 &&
	       bsearch(&hash, paths->at, paths->n, sizeof(hash), compare_hashes);
}

/* False when an input that was fed before has the output's name: a twin that came after the
 * plan. */
static bool take_output(struct run *run, struct file *file)
{
	if (!file->output.name || (run->draws && is_misnamed(run, file->input)) ||
	    plan_take(run->plan, file->output.name))
		return true;
	return failure_set(
		&file->answer.failure, FAIL_COLLISION,
		"another input, which came after the plan, took this output's name");
}

static void feed_file(struct run *run, struct file *file, const struct walk_item *item)
{
	file->is_skipped = is_skipped(run, file);
	if (!file->is_skipped && !take_output(run, file)) {
		run_settle(file);
		return;
	}
	if (file->is_drawing && !file->is_skipped)
		file->answer.failure = run->no_drawers;
	if (file->is_skipped || file->answer.failure.class != FAIL_NONE) {
		run_settle(file);
		return;
	}
	run_change_inputs(run, +1);
	if (!open_input(file, item) || !submit(run, file)) {
		fd_close(&file->descriptor);
		run_change_inputs(run, -1);
		run_settle(file);
	}
}

/* Whether it is this pass that has to do with it. */
static bool is_of_pass(struct run *run, const struct walk_item *item,
                       const struct destination *destination)
{
	bool is_drawn = item->kind == WALK_FILE &&
	                run->guard.drawing == DRAWING_ELSEWHERE &&
	                format_info(destination->from)->is_drawn;

	if (run->draws)
		return is_drawn ||
		       (item->kind == WALK_FILE && is_misnamed(run, item->path));
	run->has_drawings |= is_drawn;
	return !is_drawn;
}

/* Make a file of what the walk met, and bring it on its way. False: no memory. */
static bool feed_item(struct run *run, const struct walk_item *item)
{
	struct destination destination = {0};
	enum naming naming = NAMING_IMAGE;
	struct file *file = NULL;
	bool is_to_feed;

	if (item->kind == WALK_OTHER)
		naming = NAMING_IGNORED;
	else if (item->kind == WALK_FILE)
		naming = naming_destination(item, format_to_write(run), &destination);
	is_to_feed = is_of_pass(run, item, &destination);
	if (is_to_feed && naming != NAMING_NO_MEMORY)
		file = file_create(item, &destination);
	free(destination.name);
	if (!file)
		return !is_to_feed && naming != NAMING_NO_MEMORY;

	file->run = run;
	file->is_ignored = naming == NAMING_IGNORED;
	file->is_drawing = run->draws;
	if (pxp_future_on_done(file->future, run_give_to_main, file) != PXP_OK) {
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
		run_settle(file);
	else
		feed_file(run, file, item);
	return true;
}

/* One pass over what the walk meets. */
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

/* Until no worker has anything any more. Whether there is something to draw then. */
static bool wait_for_workers(struct run *run)
{
	bool has_drawings;

	lock_acquire(&run->lock);
	while (run->stop == RUN_GOES_ON && run->n_inputs > 0)
		cond_wait(&run->changed, &run->lock);
	has_drawings = run->stop == RUN_GOES_ON && run->stop_reason.class == FAIL_NONE &&
	               (run->has_drawings || run->misnamed.n > 0);
	lock_release(&run->lock);
	return has_drawings;
}

/* The workers that decode end, and others come, which may read fonts. When these cannot be had,
 * that is each drawing's failure. False: the run was stopped meanwhile. */
static bool change_workers(struct run *run)
{
	const struct picture_guard to_draw = picture_guard_to_draw(&run->guard);
	struct pxp_executor *drawers = NULL;
	struct pxp_error error;
	enum pxp_status status;
	bool is_stopped;

	pxp_executor_shutdown(run->pictures, PXP_SHUTDOWN_WAIT);
	status = picture_pool_create(run->n_workers, run->max_inputs,
	                             &run->picture_limits, &to_draw, &drawers, &error);
	lock_acquire(&run->lock);
	run->drawers = drawers;
	is_stopped = run->stop != RUN_GOES_ON;
	lock_release(&run->lock);

	/* From here on who stops the run stops them too. */
	if (status == PXP_OK && !is_stopped)
		status = picture_pool_try(drawers, &error);
	if (status != PXP_OK)
		failure_set(&run->no_drawers, FAIL_UNSUPPORTED,
		            "gate: it is drawn, and no worker can: %s", error.text);
	if (run->misnamed.n > 0)
		qsort(run->misnamed.at, run->misnamed.n, sizeof(run->misnamed.at[0]),
		      compare_hashes);
	run->draws = true;
	return !is_stopped;
}

static void enter_phase(struct run *run, enum run_phase phase)
{
	lock_acquire(&run->lock);
	run->phase = phase;
	lock_release(&run->lock);
	run_wake_main(run);
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
	if (wait_for_leave(run)) {
		feed_all(run);
		if (wait_for_workers(run) && change_workers(run))
			feed_all(run);
	}
	enter_phase(run, RUN_FED);
	return PXP_OK;
}
