/*
 * The feeder, a thread that makes the plan and then walks the inputs once more. It names and opens
 * each file and gives it to a worker. SVG and PDF files stay open and wait until drawing workers
 * can take them. Small files are gathered, so that they share a task.
 */
#include "batch/group.h"

#include "base/fd.h"
#include "batch/descriptors.h"
#include "batch/naming.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* ---- waiting; each function that waits returns false if the batch is being stopped ---- */

/* Whether another input may be opened. Called with the lock held. */
static bool has_room(const struct batch *batch)
{
	return batch->n_tasks <= batch->awaited_tasks && !committer_is_full(batch) &&
	       batch->n_files < batch->max_files;
}

/* Wait until another input may be opened. If the maximum number of tasks is reached, wait until
 * half of them are done, because waking up for each task would take longer than a small picture. */
static bool wait_for_room(struct batch *batch)
{
	bool goes_on;

	lock_acquire(&batch->lock);
	batch->awaited_tasks = batch->n_tasks < batch->max_tasks ? batch->max_tasks - 1
	                                                         : batch->max_tasks / 2;
	if (!has_room(batch) || batch->left.n > 0) {
		lock_release(&batch->lock);
		batch_submit_gathered(batch);
		batch_submit_left(batch);
		lock_acquire(&batch->lock);
	}
	while (batch->state == BATCH_FEEDING && !has_room(batch))
		cond_wait(&batch->has_room, &batch->lock);
	goes_on = batch->state == BATCH_FEEDING;
	lock_release(&batch->lock);
	return goes_on;
}

/* Submit all gathered files, and wait until no worker has an input. Returns false if the batch is
 * being stopped. */
static bool wait_for_workers(struct batch *batch)
{
	bool goes_on, has_left;

	do {
		batch_submit_gathered(batch);
		batch_submit_left(batch);
		lock_acquire(&batch->lock);
		batch->awaited_tasks = 0;
		while (batch->state == BATCH_FEEDING && batch->n_tasks > 0 &&
		       batch->left.n == 0)
			cond_wait(&batch->has_room, &batch->lock);
		goes_on = batch->state == BATCH_FEEDING;
		has_left = batch->left.n > 0;
		lock_release(&batch->lock);
	} while (goes_on && has_left);
	return goes_on;
}

/* ---- the drawing workers ---- */

static unsigned n_deferred(struct batch *batch)
{
	unsigned n;

	lock_acquire(&batch->lock);
	n = batch->deferred.n;
	lock_release(&batch->lock);
	return n;
}

/* Close the input of a file that file_list_take() has returned, if no worker gets the file. */
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

/* Change from the decoding workers to the drawing workers. If drawing workers cannot be started,
 * store the reason in no_renderer. Then every drawing fails with this reason. */
static void change_to_drawing(struct batch *batch)
{
	struct failure why;

	if (batch->no_renderer.class != FAIL_NONE ||
	    pools_change(batch->pools, POOL_DRAWS, &why) || !batch_goes_on(batch))
		return;
	failure_set(&batch->no_renderer, FAIL_UNSUPPORTED,
	            "format: SVG and PDF are drawn by separate workers, which cannot be "
	            "started: %s",
	            why.text);
}

/* Wait until the workers have no input, then submit all deferred drawings to drawing workers. */
static bool draw_deferred(struct batch *batch)
{
	struct file *file;

	if (!wait_for_workers(batch))
		return false;
	change_to_drawing(batch);
	while (wait_for_room(batch) && (file = file_list_take(batch, &batch->deferred)))
		submit_drawing(file);
	return batch_goes_on(batch);
}

/* Cancel the files of a list, because the batch is being stopped. */
static void cancel_all(struct batch *batch, struct file_list *list)
{
	struct file *file;

	while ((file = file_list_take(batch, list))) {
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

/* Claim the names of the outputs. Returns false if an earlier input has claimed one of them. Since
 * the plan found no collision, this happens only if one of the two inputs is newer than the
 * plan. */
static bool take_names(struct file *file)
{
	struct file_result *result = file->result;

	if (file->batch->options->in_place)
		/* an output has the path of its input, and each file is fed only once, so no two
		 * inputs have the same output */
		return true;
	for (size_t i = 0; i < result->n_variants; i++) {
		const char *name = result->variants[i].name;

		if (name && !plan_take(file->batch->plan, name))
			return failure_set(
				&result->failure, FAIL_COLLISION,
				"another input already has an output of this name");
	}
	return true;
}

/* Count the files with descriptors that will be closed while the feeder waits. The files in
 * batch->left are among them, because the feeder submits them before it waits. Called with the lock
 * held. */
static unsigned count_open(const struct batch *batch)
{
	return batch->n_inputs + batch->left.n + batch->n_finished;
}

/* The result of count_open(). Call this before each try to open a file. */
static unsigned n_open(struct batch *batch)
{
	unsigned n;

	lock_acquire(&batch->lock);
	n = count_open(batch);
	lock_release(&batch->lock);
	return n;
}

/* Wait until fewer files are open than n_before, which is the result of n_open() before the failed
 * try to open a file. Returns whether to try again: false if no descriptor will be closed, or if
 * the batch is being stopped. */
static bool wait_for_descriptor(struct batch *batch, unsigned n_before)
{
	bool goes_on;

	batch_submit_gathered(batch);
	if (n_before == 0)
		return n_deferred(batch) > 0 && draw_deferred(batch);
	batch_submit_left(batch);
	lock_acquire(&batch->lock);
	batch->awaits_descriptor = true;
	/* A new file in batch->left ends the wait, because the feeder must submit that file. */
	while (batch->state == BATCH_FEEDING && batch->left.n == 0 &&
	       count_open(batch) >= n_before)
		cond_wait(&batch->has_room, &batch->lock);
	batch->awaits_descriptor = false;
	goes_on = batch->state == BATCH_FEEDING;
	lock_release(&batch->lock);
	return goes_on;
}

/* Called when a file could not be opened, with the errno in sys_errno. Returns whether to try
 * again. Waits for a free descriptor, or stops the batch if no descriptor will be closed. n_before:
 * as in wait_for_descriptor(). */
static bool may_try_again(struct batch *batch, int sys_errno, unsigned n_before)
{
	if (!is_lack_of_descriptors(sys_errno))
		return false;
	if (wait_for_descriptor(batch, n_before))
		return true;
	if (batch_goes_on(batch))
		batch_stop_for_descriptors(batch, sys_errno);
	return false;
}

/* Open an item of the walk, and wait for a free descriptor if necessary. Returns -1 with errno on
 * failure. */
static int open_item(struct batch *batch, const struct walk_item *item,
                     struct stat *ret_stat)
{
	unsigned n_before;
	int fd, open_errno;

	do {
		n_before = n_open(batch);
		fd = walk_open_file(item, ret_stat);
		open_errno = errno;
	} while (fd < 0 && may_try_again(batch, open_errno, n_before));
	errno = open_errno;
	return fd;
}

/* Set the input of a file to a descriptor that was just opened. */
static void set_input(struct file *file, int fd, const struct stat *stat)
{
	file->input = fd;
	file->stat = *stat;
	file->mtime_ns = history_time_of_now(stat);
}

/* Open the input `item`, and put its descriptor and its stat into `file`. Returns 0 or an errno. */
static int open_input(struct file *file, const struct walk_item *item)
{
	struct stat stat;
	int fd = open_item(file->batch, item, &stat), open_errno = errno;

	if (fd < 0)
		return open_errno;
	set_input(file, fd, &stat);
	return 0;
}

/* Copy the properties of up-to-date outputs from their records into the result, for the report. */
static void tell_of_fresh(struct file *file)
{
	struct file_result *result = file->result;

	result->in.bytes = (uint64_t)file->stat.st_size;
	for (size_t i = 0; i < result->n_variants; i++) {
		const struct stamp *stamp = &file->known[i].stamp;

		(void)naming_fill_hash(&result->variants[i], &stamp->out_hash);
		result->variants[i].side = (struct picture_side){
			.width = stamp->width,
			.height = stamp->height,
			.format = result->variants[i].format,
			.bytes = stamp->out_bytes,
		};
	}
}

/* The format of an open input, by its first bytes. */
static enum image_format content_format(const struct file *file)
{
	return naming_content_format(file->input, file->result->input);
}

/* Fill in the result of an input that is known to be bad. The format in the result is that of the
 * content, as in the report of the run that found the failure. */
static void tell_of_known_bad(struct file *file, const struct walk_item *item)
{
	struct file_result *result = file->result;

	result->is_remembered = true;
	result->in.bytes = (uint64_t)file->stat.st_size;
	if (file->input < 0)
		(void)open_input(file, item);
	result->in.format = file->input >= 0 ? content_format(file) : file->named_format;
}

/* Decide from the records of earlier runs whether the outputs of a file must be made. If they need
 * not or cannot be made, completes the file and returns false. Then the caller must not use the
 * file any more. */
static bool is_to_be_made(struct file *file, const struct walk_item *item)
{
	struct batch *batch = file->batch;
	struct file_result *result = file->result;
	struct history_input input = {
		.item = item,
		.variants = result->variants,
		.n_variants = result->n_variants,
		.folder = file->original.folder,
		.name = file->own_name,
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
		for (size_t i = 0; i < result->n_variants; i++)
			(void)naming_fill_hash(&result->variants[i],
			                       &file->known[i].stamp.out_hash);
		file_complete(file, FILE_SKIPPED);
		break;
	case HISTORY_KNOWN_BAD:
		tell_of_known_bad(file, item);
		batch_count_failure(batch, true);
		file_complete(file, FILE_FAILED);
		break;
	case HISTORY_EXISTS:
		batch_count_failure(batch, false);
		file_complete(file, FILE_FAILED);
		break;
	case HISTORY_UNKNOWN:
		batch_stop_early(batch, &result->failure);
		file_complete(file, FILE_CANCELLED);
		break;
	}
	return false;
}

/* Whether the input has only one name. The name of its backup does not count, because a killed run
 * may have left the backup as a second name of the same file. */
static bool has_one_name(const struct file *file)
{
	const char *suffix = file->batch->options->backup_suffix;

	return file->stat.st_nlink <= 1 ||
	       (file->stat.st_nlink == 2 && suffix &&
	        store_backup(file->original.folder, file->own_name, suffix) ==
	                BACKUP_LEFT);
}

/* For a plan: check that a run could read the format of the input. If not, stores the failure in
 * the result and returns false. */
static bool check_format(struct file *file)
{
	struct file_result *result = file->result;
	enum image_format format = content_format(file);

	if (format == FORMAT_NONE)
		format = file->named_format;
	if (picture_may_read(format))
		return true;
	result->in.format = format;
	return picture_refuse_format(format, &result->failure);
}

/* For --in-place: check that the output may replace the input. If not, stores the failure in the
 * result and returns false. */
static bool check_in_place(const struct file *file)
{
	struct failure *failure = &file->result->failure;
	enum image_format named = file->named_format,
			  made = file->result->variants[0].format,
			  content = content_format(file);

	if (made != named)
		return failure_set(
			failure, FAIL_UNSUPPORTED,
			"in place: the format would change from %s to %s; use -o DIR",
			format_info(named)->name, format_info(made)->name);
	if (content != FORMAT_NONE && content != named)
		return failure_set(
			failure, FAIL_UNSUPPORTED,
			"in place: the format would change from %s to %s, because of "
			"the suffix; rename the file",
			format_info(content)->name, format_info(named)->name);
	if (!has_one_name(file))
		return failure_set(failure, FAIL_UNSUPPORTED,
		                   "in place: the file has %ju hard links, and only one "
		                   "of them would be replaced; use -o DIR",
		                   (uintmax_t)file->stat.st_nlink);
	return true;
}

/* Check the input of a file. If it cannot be used, stores the failure in the result and returns
 * false. open_errno: the errno with which opening the input failed; 0: it is open. */
static bool check_input(struct file *file, int open_errno)
{
	struct failure *failure = &file->result->failure;
	const struct batch_options *options = file->batch->options;
	const struct recipe *recipe = &file->batch->rules[0].recipe;
	uint64_t max_bytes = recipe->max_file_bytes ? recipe->max_file_bytes
	                                            : RECIPE_MAX_FILE_BYTES;
	uint64_t n_bytes = (uint64_t)file->stat.st_size;

	if (file->input < 0 && open_errno == EINVAL)
		return failure_set(failure, FAIL_UNSUPPORTED, "open: not a regular file");
	if (file->input < 0)
		return failure_set(
			failure, fail_class_of_input_errno(open_errno), "open: %s",
			open_errno == ETIMEDOUT ? "the file system does not answer"
						: strerrordesc_np(open_errno));
	file->result->in.bytes = n_bytes;
	if (n_bytes > max_bytes)
		return failure_set(failure, FAIL_TOO_BIG,
		                   "open: the file has %ju bytes; the limit is %ju",
		                   (uintmax_t)n_bytes, (uintmax_t)max_bytes);
	file->dates[0] = file->stat.st_atim;
	file->dates[1] = file->stat.st_mtim;
	if (!has_name(file))
		return failure_set(failure, FAIL_BAD_IMAGE,
		                   "format: not an image of any known format");
	return (!options->in_place || check_in_place(file)) &&
	       (!options->plans_only || check_format(file));
}

static int open_folder(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Resolve the links in the path of an input, and open the folder in which the resolved path ends.
 * Returns false with errno on failure. */
static bool resolve_links(struct file *file, const char *path)
{
	char *real = realpath(path, NULL), *slash = real ? strrchr(real, '/') : NULL;

	if (slash) {
		file->own_name = strdup(slash + 1);
		*slash = 0;
		file->original.folder = open_folder(slash == real ? "/" : real);
	}
	free(real);
	return file->own_name && file->original.folder >= 0;
}

/* Open the folder of an input that will be replaced by its output. Returns 0 or an errno. */
static int open_own_folder(struct file *file, const struct walk_item *item)
{
	struct batch *batch = file->batch;
	struct stat stat;
	unsigned n_before;
	int open_errno;
	bool is_open;

	do {
		n_before = n_open(batch);
		fd_close(&file->original.folder);
		free(file->own_name);
		file->own_name = NULL;
		if (item->is_named ||
		    (fstatat(item->folder, item->name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		     S_ISLNK(stat.st_mode))) {
			is_open = resolve_links(file, item->path);
		} else {
			file->own_name = strdup(item->name);
			file->original.folder = fcntl(item->folder, F_DUPFD_CLOEXEC, 0);
			is_open = file->own_name && file->original.folder >= 0;
		}
		open_errno = errno;
	} while (!is_open && may_try_again(batch, open_errno, n_before));
	if (is_open)
		store_sweep(batch->store, file->original.folder);
	return is_open ? 0 : open_errno;
}

/* Wait until no drawing is being processed, then give the decoding workers their turn. Returns
 * false if the pool cannot be changed, with the failure in the result, or if the batch is being
 * stopped. */
static bool change_to_decoding(struct file *file)
{
	struct batch *batch = file->batch;

	if (pools_turn(batch->pools) == POOL_DECODES)
		return true;
	return wait_for_workers(batch) &&
	       pools_change(batch->pools, POOL_DECODES, &file->result->failure);
}

/* Wait until the workers are started. The main thread starts them when the first picture needs one,
 * because it owns the report. Returns false if no worker can be started, or if the batch is being
 * stopped. */
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

/* A file with more than this number of outputs does not share its task. */
enum { MAX_SHARED_VARIANTS = 4 };

/* Whether a file may share its task with others. */
static bool may_share(const struct file *file)
{
	const struct batch *batch = file->batch;

	return batch->max_group > 1 && !file->is_drawn && file_is_small(file) &&
	       file->result->n_variants <= MAX_SHARED_VARIANTS;
}

/* Give a file with an open, checked input to the workers. A drawing is deferred if it is not the
 * turn of the drawing workers. */
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
		file_defer(file, false);
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
	if (may_share(file))
		file_gather(file);
	else
		file_submit(file);
}

/* For a plan: report that a run would make the file's outputs. The first output that must be made
 * gives the reason. */
static void complete_planned(struct file *file)
{
	struct file_result *result = file->result;

	result->reason = NULL;
	for (size_t i = 0; file->known && i < result->n_variants && !result->reason; i++)
		result->reason = file->known[i].reason;
	if (!result->reason)
		result->reason = "new";
	file_complete(file, FILE_PLANNED);
}

static void feed_file(struct file *file, const struct walk_item *item)
{
	int open_errno = 0;

	if (!take_names(file)) {
		file_fail(file);
		return;
	}
	if (file->batch->options->in_place)
		open_errno = open_own_folder(file, item);
	if (open_errno == 0 && !is_to_be_made(file, item))
		return;
	if (open_errno != 0)
		fd_close(&file->input);
	else if (file->input < 0)
		open_errno = open_input(file, item);
	/* If the input could not be examined before it was opened, nothing has decided yet whether
	 * to make its outputs. Decide now. Without this decision the outputs would get no record,
	 * and a later run would not recognise them. */
	if (file->input >= 0 && !file->known && !is_to_be_made(file, item))
		return;
	if (file->input < 0 &&
	    (is_lack_of_descriptors(open_errno) || open_errno == ECANCELED))
		file_complete(file, FILE_CANCELLED);
	else if (!check_input(file, open_errno))
		file_fail(file);
	else if (file->batch->options->plans_only)
		complete_planned(file);
	else if (have_workers(file->batch))
		hand_over(file);
	else
		file_complete(file, FILE_CANCELLED);
}

/* ---- the items of the walk ---- */

/* Name the outputs of a file. Returns false if memory ran out. */
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

static bool is_of_other_shard(const struct file *file, const struct walk_item *item)
{
	const struct file_result *result = file->result;

	return result->n_variants > 0 && !naming_is_of_shard(&file->batch->options->shard,
	                                                     item, &result->variants[0]);
}

/* Whether the same file was already fed under another name. */
static bool is_repeated(const struct file *file, const struct walk_item *item)
{
	const struct file_result *result = file->result;
	const char *name = result->n_variants > 0 ? result->variants[0].name
	                                          : item->relative;

	return name && plan_is_repeated(file->batch->plan, name, item);
}

/* Whether the file is an image that has outputs although the plan has found no image. Then the
 * outputs were not opened (decide()), so the image is left to the next run. */
static bool is_too_late(struct batch *batch, const struct walk_item *item,
                        enum image_format from)
{
	return batch->plan->n_images == 0 && batch->n_outputs > 0 &&
	       naming_is_image(item, from);
}

/* Set the failure of an item that the walk could not look up or read. */
static void set_walk_failure(struct file *file, const struct walk_item *item)
{
	const struct batch_options *options = file->batch->options;
	const enum fail_class class = fail_class_of_input_errno(item->sys_errno);
	struct failure *failure = &file->result->failure;

	/* The INPUTs of the command line were checked when the run began. The names of a list were
	 * not checked, so a file of a list may never have existed. */
	if (item->is_named && options->list_positions &&
	    (item->sys_errno == ENOENT || item->sys_errno == ENOTDIR))
		failure_set(failure, class, "no such file or folder (%s %u of the list)",
		            options->list_unit, options->list_positions[item->input]);
	else
		failure_set(failure, class, "%s: %s",
		            item->is_named ? "open" : "read folder",
		            strerrordesc_np(item->sys_errno));
}

static void fail_by_walk(struct file *file, const struct walk_item *item)
{
	struct batch *batch = file->batch;

	lock_acquire(&batch->lock);
	batch->has_walk_errors = true;
	lock_release(&batch->lock);
	if (item->sys_errno == ECANCELED) { /* the batch is being stopped */
		file_complete(file, FILE_CANCELLED);
		return;
	}
	if (is_lack_of_descriptors(item->sys_errno)) {
		batch_stop_for_descriptors(file->batch, item->sys_errno);
		file_complete(file, FILE_CANCELLED);
		return;
	}
	set_walk_failure(file, item);
	file_fail(file);
}

/* Count a file as fed. take_complete() decreases the count. */
static void count_file(struct batch *batch)
{
	lock_acquire(&batch->lock);
	batch->n_files++;
	lock_release(&batch->lock);
}

/* Report a file whose format this build cannot read. Such a file has no outputs. */
static void complete_unread(struct file *file, const struct walk_item *item,
                            enum image_format from)
{
	struct stat stat;

	file->result->in.format = from;
	if (walk_stat_file(item, &stat) && stat.st_size > 0)
		file->result->in.bytes = (uint64_t)stat.st_size;
	file_complete(file, FILE_UNREAD);
}

/* Feed an item of the walk. Returns false if memory ran out. */
static bool feed_item(struct batch *batch, const struct walk_item *item)
{
	struct file *file = file_create(batch, item);
	enum image_format from = FORMAT_NONE;

	if (!file)
		return false;
	if (item->kind == WALK_FILE) {
		if (naming_needs_content(item) || batch->options->in_place)
			open_input(file, item);
		from = naming_format(item, file->input);
		file->named_format = from;
		if (naming_is_unread(item, from)) {
			count_file(batch);
			complete_unread(file, item, from);
			return true;
		}
		if (!name_outputs(file, item, from)) {
			file_destroy(file);
			return false;
		}
		if (is_of_other_shard(file, item) || is_repeated(file, item) ||
		    is_too_late(batch, item, from)) {
			file_destroy(file);
			return true;
		}
	}
	count_file(batch);
	if (item->kind == WALK_ERROR) {
		fail_by_walk(file, item);
		return plan_note_reported(batch->plan, item);
	}
	if (item->kind == WALK_MARKED)
		file_complete(file, FILE_MARKED);
	else if (item->kind == WALK_OTHER || !naming_is_image(item, from) ||
	         naming_is_backup(item, &batch->rules[0], file->input)) {
		file->result->is_loop = item->sys_errno == ELOOP;
		file_complete(file, FILE_IGNORED);
	} else {
		batch->n_fed++;
		feed_file(file, item);
	}
	return true;
}

/* Wait until another item may be fed. Draws the deferred drawings if there are max_deferred of
 * them. Returns false if the batch is being stopped. */
static bool may_feed(struct batch *batch)
{
	if (!wait_for_room(batch))
		return false;
	batch_submit_if_old(batch);
	return n_deferred(batch) < batch->max_deferred || draw_deferred(batch);
}

/* Feed the largest inputs of the plan, before the walk. Inputs that walk_visit() does not find are
 * fed in the walk. Returns false if memory ran out. */
static bool feed_largest(struct batch *batch)
{
	struct largest *largest = &batch->plan->largest;
	struct walk *walk = walk_open(&batch->walk);
	bool has_memory = walk != NULL;
	struct walk_item item;

	largest_sort(largest);
	for (size_t i = 0; i < largest->n && has_memory && may_feed(batch); i++) {
		struct largest_input *input = &largest->inputs[i];

		if (walk_visit(walk, &input->address, &item)) {
			input->is_fed = true;
			has_memory = feed_item(batch, &item);
		} else if (errno == ETIMEDOUT) {
			/* do not wait for this file system again */
			break;
		}
	}
	walk_close(walk);
	largest_keep_fed(largest);
	return has_memory;
}

static void stop_without_memory(struct batch *batch)
{
	struct failure no_memory = {.class = FAIL_NONE};

	failure_set(&no_memory, FAIL_INTERNAL, "out of memory");
	batch_stop_early(batch, &no_memory);
}

/* Fail an item that only the plan could not read. Returns false if memory ran out or the batch is
 * being stopped. */
static bool feed_lost_error(void *data, const struct walk_item *item)
{
	struct batch *batch = data;

	if (!may_feed(batch))
		return false;
	if (feed_item(batch, item))
		return true;
	stop_without_memory(batch);
	return false;
}

/* Feed the largest inputs, then walk, and feed all other items. Deferred drawings are drawn when
 * there are max_deferred of them, and at the end. */
static void feed_all(struct batch *batch)
{
	bool has_memory = feed_largest(batch), has_more = true;
	struct walk *walk = walk_open(&batch->walk);
	struct walk_item item;

	has_memory = has_memory && walk;
	while (has_memory && has_more && may_feed(batch)) {
		has_more = walk_next(walk, &item) != WALK_END;
		if (has_more && !largest_was_fed(&batch->plan->largest, &item))
			has_memory = feed_item(batch, &item);
	}
	walk_close(walk);
	if (!has_memory)
		stop_without_memory(batch);
	else if (!has_more)
		(void)plan_report_lost(batch->plan, feed_lost_error, batch);
	/* Any file that a worker still has may turn out to be a drawing, so wait for all of
	 * them. */
	while (wait_for_workers(batch) && n_deferred(batch) > 0)
		draw_deferred(batch);
	/* If the batch is being stopped, some files may still wait for others to share a task. This
	 * call cancels them. */
	batch_submit_gathered(batch);
	cancel_all(batch, &batch->left);
	cancel_all(batch, &batch->deferred);
}

/* ---- the thread ---- */

static bool may_go_on(void *data)
{
	return batch_goes_on(data);
}

/* Wait until the main thread has accepted or refused the plan. Returns false if nothing may be
 * fed. */
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

	/* The largest inputs are fed first, with three exceptions. With one worker, the order does
	 * not change the time at which the run ends. A run that only prints the plan lists files in
	 * the order of the walk. A run in place makes backups in the folders of its inputs, so the
	 * walk must list a folder before a file of the folder is fed. */
	batch->plan->keeps_largest = batch->n_workers > 1 &&
	                             !batch->options->plans_only &&
	                             !batch->options->in_place;
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
