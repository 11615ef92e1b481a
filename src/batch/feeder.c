/*
 * The feeder: a thread that makes the plan and then walks the inputs once more. It names and opens
 * each file and gives it to a worker. Drawings wait, open, until the workers that draw have their turn.
 */
#include "batch/batch_internal.h"

#include "base/fd.h"
#include "batch/naming.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- waiting; false: the batch is being stopped ---- */

/* Wait until another input may be opened. */
static bool wait_for_room(struct batch *batch)
{
	bool goes_on;

	lock_acquire(&batch->lock);
	while (batch->state == BATCH_FEEDING &&
	       (batch->n_inputs >= batch->max_inputs ||
	        batch->n_finished_bytes >= batch->limits.finished ||
	        batch->n_finished >= batch->max_finished ||
	        batch->n_files >= batch->max_files))
		cond_wait(&batch->has_room, &batch->lock);
	goes_on = batch->state == BATCH_FEEDING;
	lock_release(&batch->lock);
	return goes_on;
}

/* Wait until the workers have at most n inputs. */
static bool wait_for_inputs(struct batch *batch, unsigned n)
{
	bool goes_on;

	lock_acquire(&batch->lock);
	while (batch->state == BATCH_FEEDING && batch->n_inputs > n)
		cond_wait(&batch->has_room, &batch->lock);
	goes_on = batch->state == BATCH_FEEDING;
	lock_release(&batch->lock);
	return goes_on;
}

/* ---- the workers that draw ---- */

static unsigned n_deferred(struct batch *batch)
{
	unsigned n;

	lock_acquire(&batch->lock);
	n = batch->n_deferred;
	lock_release(&batch->lock);
	return n;
}

/* Take the oldest deferred file, which counts as an input of the workers again. NULL: no file is
 * deferred. */
static struct file *take_deferred(struct batch *batch)
{
	struct file *file;

	lock_acquire(&batch->lock);
	file = batch->deferred;
	if (file) {
		batch->deferred = file->next;
		if (!batch->deferred)
			batch->last_deferred = &batch->deferred;
		batch->n_deferred--;
		batch->n_inputs++;
	}
	lock_release(&batch->lock);
	return file;
}

/* Close an input that take_deferred() returned and that no worker will get. */
static void put_down(struct file *file)
{
	struct batch *batch = file->batch;

	fd_close(&file->input);
	lock_acquire(&batch->lock);
	batch->n_inputs--;
	lock_release(&batch->lock);
}

static void submit_drawing(struct file *file)
{
	const struct failure *no_renderer = &file->batch->no_renderer;

	if (no_renderer->class == FAIL_NONE) {
		file_submit(file);
		return;
	}
	put_down(file);
	file->result->failure = *no_renderer;
	file_fail(file);
}

/* Give the workers that draw their turn. If they cannot be started, every drawing fails for that
 * reason. */
static void change_to_drawing(struct batch *batch)
{
	struct failure why;

	if (batch->no_renderer.class != FAIL_NONE ||
	    pools_change(batch->pools, POOL_DRAWS, &why) || !batch_goes_on(batch))
		return;
	failure_set(
		&batch->no_renderer, FAIL_UNSUPPORTED,
		"format: SVG and PDF are drawn by workers of their own, and none can be "
		"started: %s",
		why.text);
}

/* Wait until the workers are idle, and then have all deferred drawings drawn. */
static bool draw_deferred(struct batch *batch)
{
	struct file *file;

	if (!wait_for_inputs(batch, 0))
		return false;
	change_to_drawing(batch);
	while (wait_for_room(batch) && (file = take_deferred(batch)))
		submit_drawing(file);
	return batch_goes_on(batch);
}

/* Cancel all deferred drawings: the batch is being stopped. */
static void cancel_deferred(struct batch *batch)
{
	struct file *file;

	while ((file = take_deferred(batch))) {
		put_down(file);
		file_complete(file, FILE_CANCELLED);
	}
}

/* ---- one file ---- */

static bool has_name(const struct file *file)
{
	const struct file_result *result = file->result;

	for (size_t i = 0; i < result->n_variants; i++) {
		if (!result->variants[i].name)
			return false;
	}
	return true;
}

/* Claim the names of the outputs. False when an earlier input has claimed one of them. The plan
 * found no collision, so one of the two inputs is newer than the plan. */
static bool take_names(struct file *file)
{
	struct file_result *result = file->result;

	for (size_t i = 0; i < result->n_variants; i++) {
		const char *name = result->variants[i].name;

		if (name && !plan_take(file->batch->plan, name))
			return failure_set(
				&result->failure, FAIL_COLLISION,
				"another input already writes this output name");
	}
	return true;
}

/* Wait until some descriptor is closed. False when none will be. */
static bool wait_for_descriptor(struct batch *batch)
{
	unsigned n_inputs;

	lock_acquire(&batch->lock);
	n_inputs = batch->n_inputs;
	lock_release(&batch->lock);
	if (n_inputs > 0)
		return wait_for_inputs(batch, n_inputs - 1);
	return n_deferred(batch) > 0 && draw_deferred(batch);
}

/* Open an item of the walk, and wait for a free descriptor if need be. -1 with errno. */
static int open_item(struct batch *batch, const struct walk_item *item,
                     struct stat *ret_stat)
{
	int fd;

	do
		fd = walk_open_file(item, ret_stat);
	while (fd < 0 && (errno == EMFILE || errno == ENFILE) &&
	       wait_for_descriptor(batch));
	return fd;
}

/* Set the input of a file, which was opened just now. */
static void set_input(struct file *file, int fd, const struct stat *stat)
{
	file->input = fd;
	file->stat = *stat;
	file->mtime_ns = history_time_of_now(stat);
}

/* Open the input of a file. 0, or why it cannot be opened. */
static int open_input(struct file *file, const struct walk_item *item)
{
	struct stat stat;
	int fd = open_item(file->batch, item, &stat), open_errno = errno;

	if (fd < 0)
		return open_errno;
	set_input(file, fd, &stat);
	return 0;
}

/* Copy the figures of fresh outputs from their stamps into the result, for the report. */
static void tell_of_fresh(struct file *file)
{
	struct file_result *result = file->result;

	result->in.bytes = (uint64_t)file->stat.st_size;
	for (size_t i = 0; i < result->n_variants; i++) {
		const struct stamp *stamp = &file->known[i].stamp;

		result->variants[i].side = (struct picture_side){
			.width = stamp->width,
			.height = stamp->height,
			.format = result->variants[i].format,
			.bytes = stamp->out_bytes,
		};
	}
}

/* Decide from the records of earlier runs whether the file must be made. False: the file is
 * complete and no longer ours. */
static bool is_to_be_made(struct file *file, const struct walk_item *item)
{
	struct batch *batch = file->batch;
	struct file_result *result = file->result;
	struct history_input input = {
		.item = item,
		.variants = result->variants,
		.n_variants = result->n_variants,
		.fd = file->input,
		.stat = file->stat,
	};
	enum history_verdict verdict;

	if (!batch->history || result->n_variants == 0 || !has_name(file))
		return true;
	verdict = history_decide(batch->history, &input, &file->known, &result->failure);
	if (file->input < 0 && input.fd >= 0)
		set_input(file, input.fd, &input.stat);
	file->stat = input.stat;
	file->n_deaths = input.n_deaths;
	switch (verdict) {
	case HISTORY_MAKE:
		return true;
	case HISTORY_FRESH:
		tell_of_fresh(file);
		file_complete(file, FILE_FRESH);
		break;
	case HISTORY_FRESH_MOVED:
		tell_of_fresh(file);
		file_note_fresh(file);
		break;
	case HISTORY_KEEP:
		file_complete(file, FILE_SKIPPED);
		break;
	case HISTORY_KNOWN_BAD:
		result->is_remembered = true;
		result->in.format = file->named_format;
		result->in.bytes = (uint64_t)file->stat.st_size;
		file_complete(file, FILE_FAILED);
		break;
	case HISTORY_EXISTS:
		file_complete(file, FILE_FAILED);
		break;
	}
	return false;
}

/* Check the input. False with the file's failure. open_errno: why it is not open, if it is not. */
static bool check_input(struct file *file, int open_errno)
{
	struct failure *failure = &file->result->failure;
	const struct recipe *recipe = &file->batch->rules[0].recipe;
	uint64_t max_bytes = recipe->max_file_bytes ? recipe->max_file_bytes
	                                            : RECIPE_MAX_FILE_BYTES;
	uint64_t n_bytes = (uint64_t)file->stat.st_size;

	if (file->input < 0 && open_errno == EINVAL)
		return failure_set(failure, FAIL_UNSUPPORTED, "open: not a regular file");
	if (file->input < 0)
		return failure_set(failure, fail_class_of_input_errno(open_errno),
		                   "open: %s", strerrordesc_np(open_errno));
	file->result->in.bytes = n_bytes;
	if (n_bytes > max_bytes)
		return failure_set(failure, FAIL_TOO_BIG,
		                   "open: the file has %ju bytes, the limit is %ju",
		                   (uintmax_t)n_bytes, (uintmax_t)max_bytes);
	file->dates[0] = file->stat.st_atim;
	file->dates[1] = file->stat.st_mtim;
	return has_name(file) || failure_set(failure, FAIL_BAD_IMAGE,
	                                     "format: not an image of any known format");
}

/* Give the workers that decode their turn, once no drawing is at work. False with the file's failure,
 * or because the batch is being stopped. */
static bool change_to_decoding(struct file *file)
{
	struct batch *batch = file->batch;

	if (pools_turn(batch->pools) == POOL_DECODES)
		return true;
	return wait_for_inputs(batch, 0) &&
	       pools_change(batch->pools, POOL_DECODES, &file->result->failure);
}

/* Have the main thread start the workers, when the first picture needs one. (It owns the
 * report.) False: no worker can be started, or the batch is being stopped. */
static bool have_workers(struct batch *batch)
{
	bool have;

	lock_acquire(&batch->lock);
	if (batch->workers == WORKERS_NONE) {
		batch->workers = WORKERS_WANTED;
		batch_wake_main(batch);
	}
	while (batch->state == BATCH_FEEDING && batch->workers == WORKERS_WANTED)
		cond_wait(&batch->has_room, &batch->lock);
	have = batch->state == BATCH_FEEDING && batch->workers == WORKERS_READY;
	lock_release(&batch->lock);
	return have;
}

/* Give an opened and checked file to the workers whose turn it is, or defer it. */
static void hand_over(struct file *file)
{
	struct batch *batch = file->batch;

	file->is_drawn = pools_leave_drawing(batch->pools) &&
	                 format_info(file->named_format)->is_drawn;
	if (file->is_drawn && batch->no_renderer.class != FAIL_NONE) {
		file->result->failure = batch->no_renderer;
		file_fail(file);
		return;
	}
	if (file->is_drawn && pools_turn(batch->pools) != POOL_DRAWS) {
		file_defer(file);
		return;
	}
	if (!file->is_drawn && !change_to_decoding(file)) {
		if (file->result->failure.class != FAIL_NONE)
			batch_stop_early(batch, &file->result->failure);
		file_complete(file, FILE_CANCELLED);
		return;
	}
	lock_acquire(&batch->lock);
	batch->n_inputs++;
	lock_release(&batch->lock);
	file_submit(file);
}

static void feed_file(struct file *file, const struct walk_item *item)
{
	int open_errno = 0;

	if (!take_names(file)) {
		file_fail(file);
		return;
	}
	if (!is_to_be_made(file, item))
		return;
	if (file->input < 0)
		open_errno = open_input(file, item);
	if (!check_input(file, open_errno))
		file_fail(file);
	else if (have_workers(file->batch))
		hand_over(file);
	else
		file_complete(file, FILE_CANCELLED);
}

/* ---- the items of the walk ---- */

/* Name its outputs. False when memory ran out. */
static bool name_outputs(struct file *file, const struct walk_item *item,
                         enum image_format from)
{
	struct file_result *result = file->result;

	for (size_t i = 0; i < result->n_variants; i++) {
		if (!naming_output(item, from, &file->batch->rules[i],
		                   &result->variants[i]))
			return false;
	}
	return true;
}

static bool is_of_other_shard(const struct file *file)
{
	const struct file_result *result = file->result;

	return result->n_variants > 0 && result->variants[0].name &&
	       !naming_is_of_shard(&file->batch->options->shard,
	                           result->variants[0].name);
}

static void fail_by_walk(struct file *file, const struct walk_item *item)
{
	failure_set(&file->result->failure, fail_class_of_input_errno(item->sys_errno),
	            "%s: %s", item->is_named ? "open" : "read folder",
	            strerrordesc_np(item->sys_errno));
	file_fail(file);
}

/* Count a file, until it is reported. */
static void count_file(struct batch *batch)
{
	lock_acquire(&batch->lock);
	batch->n_files++;
	lock_release(&batch->lock);
}

/* Feed an item of the walk. False when memory ran out. */
static bool feed_item(struct batch *batch, const struct walk_item *item)
{
	struct file *file = file_create(batch, item);
	enum image_format from = FORMAT_NONE;

	if (!file)
		return false;
	if (item->kind == WALK_FILE) {
		if (naming_needs_content(item))
			open_input(file, item);
		from = naming_format(item, file->input);
		file->named_format = from;
		if (!name_outputs(file, item, from)) {
			file_destroy(file);
			return false;
		}
		if (is_of_other_shard(file)) {
			file_destroy(file);
			return true;
		}
	}
	count_file(batch);
	if (item->kind == WALK_ERROR)
		fail_by_walk(file, item);
	else if (item->kind == WALK_OTHER || !naming_is_image(item, from))
		file_complete(file, FILE_IGNORED);
	else
		feed_file(file, item);
	return true;
}

/* Walk, and feed every item. Deferred drawings are drawn when there are max_deferred of them,
 * and at the end. */
static void feed_all(struct batch *batch)
{
	struct walk *walk = walk_open(&batch->walk);
	struct failure no_memory = {.class = FAIL_NONE};
	bool has_memory = walk != NULL, has_more = true;
	struct walk_item item;

	while (has_memory && has_more && wait_for_room(batch)) {
		if (n_deferred(batch) >= batch->max_deferred && !draw_deferred(batch))
			break;
		has_more = walk_next(walk, &item) != WALK_END;
		if (has_more)
			has_memory = feed_item(batch, &item);
	}
	walk_close(walk);
	if (!has_memory) {
		failure_set(&no_memory, FAIL_INTERNAL, "no memory");
		batch_stop_early(batch, &no_memory);
	}
	/* Each file that a worker still has may turn out to be a drawing. */
	while (wait_for_inputs(batch, 0) && n_deferred(batch) > 0)
		draw_deferred(batch);
	cancel_deferred(batch);
}

/* ---- the thread ---- */

static bool may_go_on(void *data)
{
	return batch_goes_on(data);
}

/* Wait until the main thread has decided about the plan. False: nothing is fed. */
static bool wait_for_decision(struct batch *batch)
{
	bool may_feed;

	lock_acquire(&batch->lock);
	while (batch->state == BATCH_PLANNED)
		cond_wait(&batch->has_room, &batch->lock);
	may_feed = batch->state == BATCH_FEEDING;
	lock_release(&batch->lock);
	return may_feed;
}

static void end_feeding(struct batch *batch)
{
	lock_acquire(&batch->lock);
	batch->n_files--;
	lock_release(&batch->lock);
	batch_wake_main(batch);
}

void *feeder_main(void *data)
{
	struct batch *batch = data;

	batch->plan_result = plan_make(batch->plan, &batch->walk, batch->rules,
	                               batch->n_outputs, &batch->options->shard,
	                               may_go_on, batch);
	batch_enter(batch, BATCH_PLANNED);
	if (wait_for_decision(batch)) {
		feed_all(batch);
		batch_enter(batch, BATCH_FED);
	}
	end_feeding(batch);
	return NULL;
}
