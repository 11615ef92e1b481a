/*
 * The feeder, and the processing of each file that it feeds. The feeder is a thread that makes the
 * plan and then walks the inputs once more. It names and opens each file and gives it to a worker.
 * SVG and PDF files stay open and wait until drawing workers can take them. Small files share a
 * task. When the task of a file is done, callbacks continue with the file: they take its answer, pass
 * its outputs to the committer, and complete its future.
 */
#include "batch/batch_internal.h"

#include "base/clock.h"
#include "base/fd.h"
#include "batch/naming.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct group;

/* The memfd with the outputs of a task, which the files of the task share. */
struct content {
	int fd;
	atomic_uint n_users;
};

/*
 * A file that is being processed. One thread at a time owns it: the feeder, then the thread that
 * completes its task, then the committer. The file has a promise, a future that this code completes
 * with the result when the outputs are written under their names, or when the file has failed. Then
 * the file is freed.
 */
struct file {
	struct batch *batch;
	struct pxp_future *future;
	/* The result is filled in step by step, then moved into the future. */
	struct file_result *result;
	/* the next file in the list batch->deferred or batch->left */
	struct file *next;
	/* The neighbours in the list of submitted files, guarded by the batch's lock. If
	 * previous_submitted is NULL, the file is not in the list. */
	struct file **previous_submitted, *next_submitted;
	/* The time when the worker was first found processing the file; 0: not yet. */
	int64_t running_ns;
	struct group *group; /* the files that share the task of this file */
	size_t index;        /* the position of the file in its task */
	/* The number of shared tasks in which the file has killed its worker. */
	unsigned n_shared_deaths;
	bool is_shared; /* whether the task has other files */

	/* The input, which is open until the task is done, and while the file is deferred; -1: it is
	 * not open. */
	int input;
	/* The identity of the input, from fstat() after opening it: size, time of the last change,
	 * device, inode. */
	struct stat stat;
	int64_t mtime_ns; /* the input's time for records, or STAMP_NO_TIME (history.h) */
	struct input_hash hash;
	bool has_hash;
	/* the number of earlier runs in which the picture killed its worker */
	unsigned n_deaths;
	/* The format by the suffix or, if the suffix is not known, by the first bytes. */
	enum image_format named_format;
	bool is_drawn; /* whether a drawing worker has the file, or will get it */

	/* With --in-place: the folder of the input, and its name in that folder, with links
	 * resolved. */
	struct store_original original;
	char *own_name;

	/* the sealed memfd of the outputs, until they are committed; NULL: none */
	struct content *content;
	uint64_t n_content_bytes;
	struct timespec dates[2]; /* atime and mtime of the input */
	/* What is known about each output, and its new stamp; NULL: nothing is written. */
	struct known_output *known;
	struct known_failure known_failure; /* the record of a failure, for the state */
	enum file_end end; /* how the file ends, once the state is written */
	struct commit commit;
	struct commit_output outputs[];
};

/* ---- creating and freeing a file ---- */

void file_result_destroy(struct file_result *result)
{
	if (!result)
		return;
	pxp_future_release(result->task);
	for (size_t i = 0; i < result->n_variants; i++)
		free(result->variants[i].name);
	fd_close(&result->content);
	free(result->input);
	free(result);
}

/* Make an empty result for an item of the walk. Returns NULL if memory ran out. */
static struct file_result *create_result(const struct walk_item *item, size_t n_variants)
{
	struct file_result *result = calloc(
		1, sizeof(*result) + n_variants * sizeof(result->variants[0]));

	if (!result)
		return NULL;
	result->n_variants = n_variants;
	result->content = -1;
	result->queue_ns = result->read_ns = -1;
	result->work_ns = result->commit_ns = -1;
	result->input = strdup(item->path);
	if (!result->input) {
		file_result_destroy(result);
		return NULL;
	}
	/* item->relative is always the end of item->path, so the name is the end of input. */
	result->name = result->input + strlen(item->path) - strlen(item->relative);
	return result;
}

/* Take over a memfd that n_users files use. Returns NULL if memory ran out; then the
 * memfd is closed. */
static struct content *content_create(int fd, unsigned n_users)
{
	struct content *content = malloc(sizeof(*content));

	if (!content) {
		fd_close(&fd);
		return NULL;
	}
	content->fd = fd;
	atomic_init(&content->n_users, n_users);
	return content;
}

/* Called when a file does not use the memfd any more. The last such call closes the memfd. */
static void content_release(struct content **content)
{
	if (*content && atomic_fetch_sub(&(*content)->n_users, 1) == 1) {
		fd_close(&(*content)->fd);
		free(*content);
	}
	*content = NULL;
}

/* Free a file, and release its future. NULL is allowed. */
static void file_destroy(struct file *file)
{
	if (!file)
		return;
	fd_close(&file->input);
	content_release(&file->content);
	fd_close(&file->original.folder);
	free(file->own_name);
	file_result_destroy(file->result);
	free(file->known);
	pxp_future_release(file->future);
	free(file);
}

/* Create a file for an item of the walk, without the names of its outputs. Returns NULL if memory
 * ran out. */
static struct file *file_create(struct batch *batch, const struct walk_item *item)
{
	const size_t n_outputs = batch->n_outputs;
	struct file *file = calloc(1,
	                           sizeof(*file) + n_outputs * sizeof(file->outputs[0]));

	if (!file)
		return NULL;
	file->batch = batch;
	file->input = file->original.folder = -1;
	file->result = create_result(item, n_outputs);
	file->future = pxp_promise_create();
	if (!file->result || !file->future) {
		file_destroy(file);
		return NULL;
	}
	file->result->decodes_only = batch->options->decodes_only;
	file->result->plans_only = batch->options->plans_only;
	return file;
}

/* Give the future of a complete file to the main thread. The reference is moved in. */
static void give_to_main(struct batch *batch, struct pxp_future *future)
{
	bool is_due;

	lock_acquire(&batch->lock);
	batch->complete[(batch->first_complete + batch->n_complete) % batch->max_files] =
		future;
	batch->n_complete++;
	/* The main thread checks every COLLECT_MS anyway. Waking it earlier for one file would cost
	 * more than the report of a small picture. */
	is_due = batch->n_complete == COLLECT_FILES ||
	         batch->n_complete == batch->n_files;
	lock_release(&batch->lock);
	if (is_due)
		batch_wake_main(batch);
}

/* Complete the file's future with its result, and free the file. */
static void file_complete(struct file *file, enum file_end end)
{
	struct batch *batch = file->batch;
	struct pxp_future *future = file->future;
	void *bytes = file->result;

	file->result->end = end;
	/* This cannot fail, because only this function completes the promise, and only once. */
	pxp_promise_finish(future, &bytes, sizeof(*file->result));
	file->result = NULL;
	file->future = NULL;
	file_destroy(file);
	give_to_main(batch, future);
}

/* ---- the committer ---- */

/* Whether the committer has so many files that no other input may be opened. Called with the lock
 * held. */
static bool committer_is_full(const struct batch *batch)
{
	return batch->n_finished_bytes >= batch->limits.finished ||
	       batch->n_finished >= batch->max_finished;
}

static void leave_committer(struct batch *batch, uint64_t n_bytes)
{
	bool was_full;

	lock_acquire(&batch->lock);
	was_full = committer_is_full(batch);
	batch->n_finished--;
	batch->n_finished_bytes -= n_bytes;
	if (batch->awaits_descriptor || (was_full && !committer_is_full(batch)))
		cond_signal(&batch->has_room);
	lock_release(&batch->lock);
}

static void enter_committer(struct batch *batch)
{
	lock_acquire(&batch->lock);
	batch->n_finished++;
	lock_release(&batch->lock);
}

/* Drain the batch if the state cannot be written because its file system is full or broken. */
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

	content_release(&file->content);
	leave_committer(batch, file->n_content_bytes);
	check_state(batch);
	if (commit->n_outputs == 0) { /* no output was written, only the state */
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
		batch_count_failure(batch, false);
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

/* Whether an output has the same bytes as the existing file with its name. */
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

/* Some outputs are made only to compare them with the existing files: do this now. A file with the
 * same bytes then counts as ours. If a file differs, stores the failure in the result and returns
 * false. */
static bool adopt_equal_ones(struct file *file)
{
	struct file_result *result = file->result;

	for (size_t i = 0; i < result->n_variants; i++) {
		struct known_output *known = &file->known[i];

		if (!known->is_compared)
			continue;
		if (!is_same_as_there(file->batch, &result->variants[i], known,
		                      file->content->fd))
			return failure_set(&result->failure, FAIL_EXISTS,
			                   "publish: a file with the name of the "
			                   "output exists");
		/* let the output, which has the same bytes and a stamp, replace the file */
		known->is_expected = true;
	}
	return true;
}

/* Insert the hashes of outputs into their names. If a file with such a name exists and has the same
 * bytes, it counts as ours. On failure stores the failure in the result and returns false. */
static bool name_by_content(struct file *file)
{
	struct file_result *result = file->result;

	for (size_t i = 0; i < result->n_variants; i++) {
		struct variant *variant = &result->variants[i];
		struct known_output *known = file->known ? &file->known[i] : NULL;
		struct output_hash hash;

		if (!variant->has_hash)
			continue;
		if (!output_hash_of_range(file->content->fd, variant->side.offset,
		                          variant->side.bytes, &hash) ||
		    !naming_fill_hash(variant, &hash))
			return failure_set(&result->failure, FAIL_INTERNAL,
			                   "publish: cannot hash the output");
		if (!known)
			continue;
		known->is_expected = store_look(file->batch->store, variant->name,
		                                &known->expected) == OUTPUT_FILE &&
		                     is_same_as_there(file->batch, variant, known,
		                                      file->content->fd);
	}
	return true;
}

static bool workers_have_inputs(struct batch *batch)
{
	bool have_inputs;

	lock_acquire(&batch->lock);
	have_inputs = batch->n_inputs > 0;
	lock_release(&batch->lock);
	return have_inputs;
}

static void add_to_committer(struct file *file)
{
	const struct file_result *result = file->result;
	struct batch *batch = file->batch;
	const bool in_place = batch->options->in_place;
	const struct opened_input input = opened_input_of(file);
	const bool has_records = history_keeps_records(batch->history) && file->known &&
	                         file->has_hash;

	if (in_place && !(file->known && file->known[0].has_backup))
		file->original.backup_suffix = batch->options->backup_suffix;
	if (has_records)
		history_fill(file->known, result->variants, result->n_variants, &input);
	for (size_t i = 0; i < result->n_variants; i++) {
		const struct variant *variant = &result->variants[i];
		struct known_output *known = file->known ? &file->known[i] : NULL;

		file->outputs[i] = (struct commit_output){
			.name = in_place ? file->own_name : variant->name,
			.offset = variant->side.offset,
			.n_bytes = variant->side.bytes,
			.expected = in_place                      ? &file->stat
		                    : known && known->is_expected ? &known->expected
		                                                  : NULL,
			.stamp = has_records ? &known->stamp : NULL,
		};
	}
	file->commit = (struct commit){
		.owner = file,
		.fd = file->content->fd,
		.outputs = file->outputs,
		.n_outputs = result->n_variants,
		.has_followers = workers_have_inputs(batch),
		.dates = batch->options->keep_dates ? file->dates : NULL,
		.original = in_place ? &file->original : NULL,
		.source = batch->database ? result->name : NULL,
	};
	committer_add(batch->committer, &file->commit);
}

/* Let the committer write the commit to the state, and then complete the file. */
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

/* Record the new times of up-to-date outputs in the state, then complete the file as up to date. */
static void file_note_fresh(struct file *file)
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

/* Complete the future of a file whose result has a failure, and free the file. */
static void file_fail(struct file *file)
{
	struct batch *batch = file->batch;
	struct file_result *result = file->result;
	const struct opened_input input = opened_input_of(file);

	batch_count_failure(batch, false);
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

/*
 * The files of a task. Most files have a task of their own. Small files share a task, because the
 * cost of a task is high compared with a small picture: two messages, a memfd, and waking two
 * threads.
 */
struct group {
	struct batch *batch;
	bool is_small;    /* whether its files are small */
	int64_t began_ns; /* the time at which its first file was gathered */
	size_t n;
	/* The files. NULL: the file was taken out of the task. While the task is not done, the
	 * batch's lock guards this array. */
	struct file *files[PICTURE_MAX_FILES];
	/* at_work is the index of the current file, as the main thread last found it. at_work_ns is
	 * the time at which the main thread found it first; 0: the main thread has not looked
	 * yet. */
	size_t at_work;
	int64_t at_work_ns;
	bool is_split;
};

/* If one file of a task takes longer than this, the task is split, so that its other files do not
 * wait. */
#define SPLIT_NS ((int64_t)200 * 1000000)

/* Whether a worker has begun the file. Call this only when the task is done, and only for a task
 * that a worker has begun. */
static bool was_begun(const struct file *file, struct pxp_future *task)
{
	return !file->is_shared || pxp_future_state(task) == PXP_FINISHED ||
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
	result->attempts = file->n_shared_deaths;
	if (was_begun(file, task))
		result->attempts += outcome->attempts;
	result->worker = outcome->worker;
}

/* Called with the batch's lock held. */

static void enter_submitted(struct file *file)
{
	struct batch *batch = file->batch;

	file->running_ns = 0;
	file->next_submitted = batch->submitted;
	file->previous_submitted = &batch->submitted;
	if (batch->submitted)
		batch->submitted->previous_submitted = &file->next_submitted;
	batch->submitted = file;
}

static void leave_submitted(struct file *file)
{
	if (!file->previous_submitted)
		return;
	*file->previous_submitted = file->next_submitted;
	if (file->next_submitted)
		file->next_submitted->previous_submitted = file->previous_submitted;
	file->previous_submitted = NULL;
}

/* Whether a worker is processing the file. The file must be in the list of submitted files. */
static bool is_at_work(const struct file *file)
{
	struct pxp_future *task = file->result->task;

	return pxp_future_state(task) == PXP_RUNNING &&
	       (!file->is_shared || picture_at_work(task) == file->index);
}

char *batch_slowest(struct batch *batch, int64_t min_ns, int64_t *ret_ns)
{
	const int64_t now_ns = clock_now_ns();
	const struct file *slowest = NULL;
	char *path = NULL;

	lock_acquire(&batch->lock);
	for (struct file *file = batch->submitted; file; file = file->next_submitted) {
		if (file->running_ns == 0 && is_at_work(file))
			file->running_ns = now_ns;
		if (file->running_ns != 0 &&
		    (!slowest || file->running_ns < slowest->running_ns))
			slowest = file;
	}
	if (slowest && now_ns - slowest->running_ns >= min_ns) {
		*ret_ns = now_ns - slowest->running_ns;
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
	leave_submitted(file);
	batch->n_inputs--;
	if (file->content) {
		batch->n_finished++;
		batch->n_finished_bytes += file->n_content_bytes;
	}
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

/* Append a file with an open input to list, which is batch->deferred or batch->left. Returns false
 * if the batch is being stopped. was_at_work: true if a worker had the input until now. */
static bool append(struct file *file, struct file_list *list, bool was_at_work)
{
	struct batch *batch = file->batch;
	bool is_feeding;

	lock_acquire(&batch->lock);
	is_feeding = batch->state == BATCH_FEEDING;
	if (is_feeding)
		append_to(list, file);
	if (was_at_work) {
		leave_submitted(file);
		batch->n_inputs--;
	}
	cond_signal(&batch->has_room);
	lock_release(&batch->lock);
	return is_feeding;
}

/* Take the oldest file from a list, and count it as an input of the workers again. Returns NULL if
 * the list is empty. */
static struct file *take_first(struct batch *batch, struct file_list *list)
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

/* Defer a file with an open input until the drawing workers can take it. was_at_work: true if a
 * decoding worker has found the drawing. The caller must not use the file any more. */
static void file_defer(struct file *file, bool was_at_work)
{
	file->is_drawn = true;
	file->result->failure.class = FAIL_NONE;
	if (!append(file, &file->batch->deferred, was_at_work))
		file_complete(file, FILE_CANCELLED);
}

/* Let the feeder submit a file of a shared task again, alone. The file is moved in. */
static void file_leave(struct file *file)
{
	file->result->failure.class = FAIL_NONE;
	/* The attempt in the shared task does not count. The file is submitted again or, if the
	 * batch is being stopped, is cancelled like a file that no worker has begun. */
	file->result->attempts = file->n_shared_deaths;
	if (!append(file, &file->batch->left, true))
		file_complete(file, FILE_CANCELLED);
}

/* Whether the current file of a shared task has taken long. Called with the lock held. */
static bool is_stuck(struct group *group, struct pxp_future *task, int64_t now_ns)
{
	const size_t at_work = picture_at_work(task);

	if (pxp_future_state(task) != PXP_RUNNING)
		return false;
	if (group->at_work_ns == 0 || group->at_work != at_work) {
		group->at_work = at_work;
		group->at_work_ns = now_ns;
	}
	return now_ns - group->at_work_ns >= SPLIT_NS;
}

/* Find all shared tasks or, with only_stuck, those whose current file has taken long. Returns an
 * array of *ret_n references. Returns NULL if no such task exists, or if memory ran out. */
static struct pxp_future **find_shared_tasks(struct batch *batch, bool only_stuck,
                                             size_t *ret_n)
{
	struct pxp_future **tasks = NULL;
	const int64_t now_ns = clock_now_ns();

	*ret_n = 0;
	lock_acquire(&batch->lock);
	for (struct file *file = batch->submitted; file; file = file->next_submitted) {
		struct pxp_future *task = file->result->task;

		if (!file->is_shared || file->group->is_split ||
		    (only_stuck && !is_stuck(file->group, task, now_ns)))
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
 * that it has finished are processed again, because their answers were not sent yet. */
static void take_out(struct batch *batch, struct pxp_future *task)
{
	const size_t at_work = picture_at_work(task);
	struct file *next;

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

static bool is_lack_of_descriptors(int sys_errno)
{
	return sys_errno == EMFILE || sys_errno == ENFILE;
}

/* End the batch because descriptors ran out, which is not the fault of any picture. */
static void stop_for_descriptors(struct batch *batch, int sys_errno)
{
	struct failure failure;

	failure_set(&failure, FAIL_IO, "too many open files%s",
	            sys_errno == EMFILE ? "; raise their limit (ulimit -n)"
	                                : " on this machine");
	batch_stop_early(batch, &failure);
}

/* Whether the task never reached a worker because descriptors ran out. An answer of a worker is not
 * considered, because a forged answer must not end the batch. */
static bool was_not_sent(struct pxp_future *task)
{
	const struct pxp_outcome *outcome = pxp_future_outcome(task);

	return outcome->attempts == 0 && outcome->error.status == PXP_ESYS &&
	       is_lack_of_descriptors(outcome->error.sys_errno);
}

/* Whether a file of a shared task must be submitted again in a task of its own. There are three
 * reasons: the worker has not done the file, or the file has killed the worker and may be retried,
 * or the file needs memory that only a task of its own can get. */
static bool returns_alone(struct file *file, const struct picture_taken *taken)
{
	const enum fail_class class = taken->answer.failure.class;

	if (!file->is_shared)
		return false;
	if (class == FAIL_CRASHED && file->batch->options->retries > 0) {
		file->n_shared_deaths++;
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
		stop_for_descriptors(batch, error->sys_errno);
		leave_workers(file);
		file_complete(file, FILE_CANCELLED);
		return;
	}
	if (returns_alone(file, taken)) {
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
	if (result->failure.class == FAIL_NONE && content && result->n_variants > 0) {
		atomic_fetch_add(&content->n_users, 1);
		file->content = content;
		file->n_content_bytes = 0;
		for (size_t i = 0; i < result->n_variants; i++)
			file->n_content_bytes += result->variants[i].side.bytes;
	}
	if (file->content && file->known && !adopt_equal_ones(file))
		content_release(&file->content);
	if (file->content && !name_by_content(file))
		content_release(&file->content);
	/* The main thread will write the output to the stream. A batch with a stream has one input,
	 * so no other file uses the memfd. */
	if (file->content && batch->options->output_stream > 0) {
		result->content = file->content->fd;
		file->content->fd = -1;
		content_release(&file->content);
	}
	leave_workers(file);
	if (file->content) {
		add_to_committer(file);
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
	const struct pxp_outcome *outcome = pxp_future_outcome(task);
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
		content = content_create(output, 1);
	for (size_t i = 0; i < group->n; i++) {
		if (output >= 0 && !content)
			failure_set(&taken[i].answer.failure, FAIL_INTERNAL,
			            "out of memory");
		if (group->files[i])
			file_take(group->files[i], task, &taken[i], content);
	}
	content_release(&content);
	leave_task(batch, group->is_small ? outcome->run_ns / (int64_t)group->n : 0);
	free(group);
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

/* Make the request for a file. nothing_written: a variant for files that are only
 * decoded. */
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
		.retries = options->retries - file->n_shared_deaths,
		.hashes_input = history_keeps_records(batch->history),
		.decodes_only = options->decodes_only,
	};
}

/* Submit the files of a group as one task. Their inputs are open and counted in n_inputs. The group
 * is moved in: it and its files may be freed before this returns. */
static void group_submit(struct group *group)
{
	struct batch *batch = group->batch;
	const struct variant nothing_written = {.rule = &batch->rules[0]};
	struct picture_request requests[PICTURE_MAX_FILES];
	struct pxp_future *task;
	enum pxp_status status;

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
		file->is_shared = group->n > 1;
		pxp_future_release(file->result->task);
		file->result->task = pxp_future_acquire(task);
	}
	lock_acquire(&batch->lock);
	batch->n_tasks++;
	for (size_t i = 0; i < group->n; i++)
		enter_submitted(group->files[i]);
	lock_release(&batch->lock);
	/* Once on_task_done() is registered, the group and its files may be freed at any moment. So
	 * this function holds a reference of its own to the task. */
	watch_task(group, task);
	pxp_future_release(task);
}

static bool is_small(const struct file *file)
{
	return file->stat.st_size > 0 && file->stat.st_size <= SMALL_FILE_BYTES;
}

/* Submit a file in a task of its own, as group_submit() does. The file is moved in. */
static void file_submit(struct file *file)
{
	struct group *group = calloc(1, sizeof(*group));

	if (!group) {
		fail_submission(file, PXP_ENOMEM);
		return;
	}
	group->batch = file->batch;
	group->is_small = is_small(file);
	group->files[group->n++] = file;
	group_submit(group);
}

/* ---- small files that share a task; all functions are the feeder's ---- */

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

/* Add a small file, whose input is open and counted in n_inputs, to the group that is being
 * gathered, and submit the group if it is complete. The file is moved in. */
static void gather(struct file *file)
{
	struct batch *batch = file->batch;
	struct group *group = batch->gathered;

	if (!group) {
		group = calloc(1, sizeof(*group));
		if (!group) {
			fail_submission(file, PXP_ENOMEM);
			return;
		}
		group->batch = batch;
		group->is_small = true;
		group->began_ns = clock_now_ns();
		batch->gathered = group;
	}
	group->files[group->n++] = file;
	if (is_complete(batch))
		batch_submit_gathered(batch);
}

/* Submit the gathered files if the first of them has waited long, because the next files are opened
 * slowly. */
static void submit_if_old(struct batch *batch)
{
	if (batch->gathered &&
	    clock_now_ns() - batch->gathered->began_ns > limits_group_wait_ns())
		batch_submit_gathered(batch);
}

/* Submit the files of shared tasks that must have a task of their own. */
static void submit_left(struct batch *batch)
{
	struct file *file;

	while ((file = take_first(batch, &batch->left)))
		file_submit(file);
}

/* ---- waiting; each function returns false if the batch is being stopped ---- */

/* Called with the lock held. */
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
		submit_left(batch);
		lock_acquire(&batch->lock);
	}
	while (batch->state == BATCH_FEEDING && !has_room(batch))
		cond_wait(&batch->has_room, &batch->lock);
	goes_on = batch->state == BATCH_FEEDING;
	lock_release(&batch->lock);
	return goes_on;
}

/* Wait until the workers have no inputs. */
static bool wait_for_workers(struct batch *batch)
{
	bool goes_on, has_left;

	do {
		batch_submit_gathered(batch);
		submit_left(batch);
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

/* Close the input of a file that take_first() has returned, if no worker gets the file. */
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

/* Give the drawing workers their turn. If they cannot be started, set no_renderer: every drawing
 * then fails with this reason. */
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
	while (wait_for_room(batch) && (file = take_first(batch, &batch->deferred)))
		submit_drawing(file);
	return batch_goes_on(batch);
}

/* Cancel the files of a list, because the batch is being stopped. */
static void cancel_all(struct batch *batch, struct file_list *list)
{
	struct file *file;

	while ((file = take_first(batch, list))) {
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
		/* each file is fed only once, so two inputs never have the same output */
		return true;
	for (size_t i = 0; i < result->n_variants; i++) {
		const char *name = result->variants[i].name;

		if (name && !plan_take(file->batch->plan, name))
			return failure_set(
				&result->failure, FAIL_COLLISION,
				"another input already writes this output name");
	}
	return true;
}

/* Wait until a worker or the committer has closed a descriptor. Returns false if no descriptor will
 * be closed. */
static bool wait_for_descriptor(struct batch *batch)
{
	unsigned n_before;
	bool goes_on;

	batch_submit_gathered(batch);
	submit_left(batch);
	lock_acquire(&batch->lock);
	n_before = batch->n_inputs + batch->n_finished;
	batch->awaits_descriptor = true;
	while (batch->state == BATCH_FEEDING && n_before > 0 &&
	       batch->n_inputs + batch->n_finished >= n_before)
		cond_wait(&batch->has_room, &batch->lock);
	batch->awaits_descriptor = false;
	goes_on = batch->state == BATCH_FEEDING;
	lock_release(&batch->lock);
	if (n_before > 0)
		return goes_on;
	return n_deferred(batch) > 0 && draw_deferred(batch);
}

/* Open an item of the walk, and wait for a free descriptor if necessary. Returns -1 with errno on
 * failure. */
static int open_item(struct batch *batch, const struct walk_item *item,
                     struct stat *ret_stat)
{
	int fd;

	do
		fd = walk_open_file(item, ret_stat);
	while (fd < 0 && is_lack_of_descriptors(errno) && wait_for_descriptor(batch));
	if (fd < 0 && is_lack_of_descriptors(errno) && batch_goes_on(batch))
		stop_for_descriptors(batch, errno);
	return fd;
}

/* Set the input of a file to a descriptor that was just opened. */
static void set_input(struct file *file, int fd, const struct stat *stat)
{
	file->input = fd;
	file->stat = *stat;
	file->mtime_ns = history_time_of_now(stat);
}

/* Open the input of a file. Returns 0 or an errno. */
static int open_input(struct file *file, const struct walk_item *item)
{
	struct stat stat;
	int fd = open_item(file->batch, item, &stat), open_errno = errno;

	if (fd < 0)
		return open_errno;
	set_input(file, fd, &stat);
	return 0;
}

/* Copy the properties of up-to-date outputs from their stamps into the result, for the report. */
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
	uint8_t bytes[FORMAT_SNIFF_BYTES];
	ssize_t n = fd_pread_full(file->input, bytes, sizeof(bytes), 0);

	return n > 0 ? format_of_bytes(bytes, (size_t)n, file->result->input)
	             : FORMAT_NONE;
}

/* Fill in what the report says of an input that is known to be bad. Its format is that of its
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
 * not be made, completes the file and returns false. Then the caller must not use the file any
 * more. */
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

/* Open the folder of an input that its output replaces. Returns 0 or an errno. */
static int open_own_folder(struct file *file, const struct walk_item *item)
{
	struct stat stat;
	bool is_open;

	do {
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
	} while (!is_open && is_lack_of_descriptors(errno) &&
	         wait_for_descriptor(file->batch));
	if (is_open)
		store_sweep(file->batch->store, file->original.folder);
	return is_open ? 0 : errno;
}

/* Give the decoding workers their turn, when no drawing is being processed any more. Returns false
 * if the pool cannot be changed, with the failure in the result, or if the batch is being
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

	return batch->max_group > 1 && !file->is_drawn && is_small(file) &&
	       file->result->n_variants <= MAX_SHARED_VARIANTS;
}

/* Give a file with an open, checked input to the workers whose turn it is, or defer it. */
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
		gather(file);
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
	/* If the history could not examine the input before it was opened, the history decides now.
	 * Without a decision the output would get no record, and a later run would not recognise
	 * it. */
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
		stop_for_descriptors(file->batch, item->sys_errno);
		file_complete(file, FILE_CANCELLED);
		return;
	}
	failure_set(&file->result->failure, fail_class_of_input_errno(item->sys_errno),
	            "%s: %s", item->is_named ? "open" : "read folder",
	            strerrordesc_np(item->sys_errno));
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
		if (is_of_other_shard(file, item) || is_repeated(file, item)) {
			file_destroy(file);
			return true;
		}
	}
	count_file(batch);
	if (item->kind == WALK_ERROR)
		fail_by_walk(file, item);
	else if (item->kind == WALK_MARKED)
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

/* Walk, and feed every item. Deferred drawings are drawn when there are max_deferred of them,
 * and at the end. */
static void feed_all(struct batch *batch)
{
	struct walk *walk = walk_open(&batch->walk);
	struct failure no_memory = {.class = FAIL_NONE};
	bool has_memory = walk != NULL, has_more = true;
	struct walk_item item;

	while (has_memory && has_more && wait_for_room(batch)) {
		submit_if_old(batch);
		if (n_deferred(batch) >= batch->max_deferred && !draw_deferred(batch))
			break;
		has_more = walk_next(walk, &item) != WALK_END;
		if (has_more)
			has_memory = feed_item(batch, &item);
	}
	walk_close(walk);
	if (!has_memory) {
		failure_set(&no_memory, FAIL_INTERNAL, "out of memory");
		batch_stop_early(batch, &no_memory);
	}
	/* Any file that a worker still has may turn out to be a drawing, so wait for all of
	 * them. */
	while (wait_for_workers(batch) && n_deferred(batch) > 0)
		draw_deferred(batch);
	/* the batch is being stopped, so this cancels the gathered files */
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
