/*
 * The life of a file, from its creation to the completion of its future. The feeder creates a file.
 * When the task of the file is done, the committer publishes the outputs, and the file's future is
 * completed with the result.
 */
#include "batch/file.h"

#include "base/fd.h"
#include "batch/naming.h"

#include <stdlib.h>
#include <string.h>

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
	/* item->relative is always the end of item->path, so result->name is the end of
	 * result->input. */
	result->name = result->input + strlen(item->path) - strlen(item->relative);
	return result;
}

/* ---- the counts of finished files and their outputs ---- */

bool committer_is_full(const struct batch *batch)
{
	return batch->n_content_bytes >= batch->limits.finished ||
	       batch->n_finished >= batch->max_finished;
}

/* Called when n_files files have left the committer, and n_bytes bytes of their outputs are
 * published or dropped. Subtracts them from the counts of finished files and bytes. */
static void leave_committer(struct batch *batch, unsigned n_files, uint64_t n_bytes)
{
	bool was_full;

	lock_acquire(&batch->lock);
	was_full = committer_is_full(batch);
	batch->n_finished -= n_files;
	batch->n_content_bytes -= n_bytes;
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

struct content *content_create(struct batch *batch, int fd)
{
	struct content *content = malloc(sizeof(*content));
	struct stat stat;

	if (!content) {
		fd_close(&fd);
		return NULL;
	}
	content->batch = batch;
	content->fd = fd;
	content->n_bytes = fstat(fd, &stat) == 0 ? (uint64_t)stat.st_size : 0;
	atomic_init(&content->n_users, 1);
	lock_acquire(&batch->lock);
	batch->n_content_bytes += content->n_bytes;
	lock_release(&batch->lock);
	return content;
}

void content_release(struct content **content)
{
	struct content *released = *content;

	*content = NULL;
	if (!released || atomic_fetch_sub(&released->n_users, 1) > 1)
		return;
	fd_close(&released->fd);
	leave_committer(released->batch, 0, released->n_bytes);
	free(released);
}

/* ---- creating and freeing a file ---- */

void file_destroy(struct file *file)
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

struct file *file_create(struct batch *batch, const struct walk_item *item)
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
	file->result->plans_only = batch->options->plans_only;
	return file;
}

/* Give the future of a complete file to the main thread. The caller gives up its reference. */
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

void file_complete(struct file *file, enum file_end end)
{
	struct batch *batch = file->batch;
	struct pxp_future *future = file->future;
	void *bytes = file->result;

	file->result->end = end;
	/* pxp_promise_finish() cannot fail, because only this function completes the promise, and
	 * only once. */
	pxp_promise_finish(future, &bytes, sizeof(*file->result));
	file->result = NULL;
	file->future = NULL;
	file_destroy(file);
	give_to_main(batch, future);
}

/* ---- the committer ---- */

/* Drain the batch if the state cannot be written, because its file system is full or broken, or
 * because memory ran out. */
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
	leave_committer(batch, 1, 0);
	check_state(batch);
	/* Without outputs, the committer had only rows or a failure to write to the state. */
	if (commit->n_outputs == 0) {
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

/* Some outputs are made only to be compared with existing files. Compare their bytes. If an output
 * and the file are equal, the output may replace the file. If not, stores the failure in the result
 * and returns false. */
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
		/* The existing file has the same bytes as the output. Let the output, which has a
		 * stamp, replace this file. */
		known->is_expected = true;
	}
	return true;
}

/* Insert the hashes of outputs into their names. If a file with such a name exists and has the same
 * bytes as the output, the output may replace the file. On failure stores the failure in the result
 * and returns false. */
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

void file_take_content(struct file *file, struct content *content)
{
	struct file_result *result = file->result;

	atomic_fetch_add(&content->n_users, 1);
	file->content = content;
	if ((file->known && !adopt_equal_ones(file)) || !name_by_content(file)) {
		content_release(&file->content);
		return;
	}
	/* The main thread will write the output to the stream. A batch with a stream has one input,
	 * so no other file uses the memfd. */
	if (file->batch->options->output_stream > 0) {
		result->content = file->content->fd;
		file->content->fd = -1;
		content_release(&file->content);
	}
}

static bool workers_have_inputs(struct batch *batch)
{
	bool have_inputs;

	lock_acquire(&batch->lock);
	have_inputs = batch->n_inputs > 0;
	lock_release(&batch->lock);
	return have_inputs;
}

void file_commit(struct file *file)
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
