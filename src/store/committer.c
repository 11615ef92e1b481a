/* The committer's queue, its groups, and its thread. */
#include "store/committer.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"

#include <errno.h>
#include <stdlib.h>

struct committer {
	/* Fixed when it is created. */
	struct committer_options options;
	pthread_t thread; /* unless options.is_stepped */

	struct lock lock;             /* guards all below */
	struct cond has_work;         /* a file was added, or is_ending was set */
	struct commit *first, **last; /* waiting */
	bool is_stopped;
	bool is_ending;
};

static uint64_t n_bytes_of(const struct commit *commit)
{
	uint64_t n = 0;

	for (size_t i = 0; i < commit->n_outputs; i++)
		n += commit->outputs[i].n_bytes;
	return n;
}

/* Take a group off the queue, as a list of its own; NULL: none is waiting. The lock is held. */
static struct commit *take_group(struct committer *committer)
{
	struct commit *first = committer->first, **end = &committer->first;
	uint64_t n_bytes = 0;

	for (size_t n = 0; *end && n < COMMIT_GROUP_FILES; n++) {
		n_bytes += n_bytes_of(*end);
		if (n > 0 && n_bytes > COMMIT_GROUP_BYTES)
			break;
		end = &(*end)->next;
	}
	if (!first)
		return NULL;
	committer->first = *end;
	if (!committer->first)
		committer->last = &committer->first;
	*end = NULL;
	return first;
}

static bool is_stopped(struct committer *committer)
{
	bool is_stopped;

	lock_acquire(&committer->lock);
	is_stopped = committer->is_stopped;
	lock_release(&committer->lock);
	return is_stopped;
}

/* Publish the outputs of one file, up to the first that fails. */
static enum store_result publish(const struct committer_options *options,
                                 struct commit *commit)
{
	enum store_result result, all = STORE_SKIPPED;

	for (size_t i = 0; i < commit->n_outputs; i++) {
		const struct commit_output *output = &commit->outputs[i];
		const struct store_content content = {
			.fd = commit->fd,
			.offset = output->offset,
			.n_bytes = output->n_bytes,
			.dates = commit->dates,
		};

		result = store_publish(options->store, output->name, &content,
		                       options->overwrite, &commit->failure);
		if (result != STORE_DONE && result != STORE_SKIPPED)
			return result;
		if (result == STORE_DONE)
			all = STORE_DONE;
	}
	return all;
}

static void commit_one(struct committer *committer, struct commit *commit)
{
	int64_t began_ns = clock_now_ns();

	commit->result = publish(&committer->options, commit);
	commit->work_ns = clock_now_ns() - began_ns;
	if (commit->result == STORE_PLACE_FAILED)
		committer_stop(committer);
}

/*
 * A group has four steps, so that its files can share what is slow: every output gets its name;
 * then outputs and folders become durable; then the rows of the state; and only then is anybody
 * told. The two in the middle have no code yet: pixpool does not write state.
 */
static size_t commit_group(struct committer *committer, struct commit *first)
{
	struct commit *next;
	size_t n = 0;

	for (struct commit *commit = first; commit; commit = commit->next) {
		commit->failure.class = FAIL_NONE;
		commit->work_ns = 0;
		commit->result = STORE_DROPPED;
		if (!is_stopped(committer))
			commit_one(committer, commit);
	}
	for (struct commit *commit = first; commit; commit = next) {
		next = commit->next; /* done() may free the file */
		committer->options.done(commit, committer->options.data);
		n++;
	}
	return n;
}

static void *committer_main(void *data)
{
	struct committer *committer = data;
	struct commit *group;

	do {
		lock_acquire(&committer->lock);
		while (!committer->first && !committer->is_ending)
			cond_wait(&committer->has_work, &committer->lock);
		group = take_group(committer);
		lock_release(&committer->lock);
		commit_group(committer, group);
	} while (group);
	return NULL;
}

struct committer *committer_create(const struct committer_options *options)
{
	struct committer *committer = calloc(1, sizeof(*committer));
	int error;

	if (!committer)
		return NULL;
	committer->options = *options;
	committer->last = &committer->first;
	lock_init(&committer->lock);
	cond_init(&committer->has_work);
	error = options->is_stepped
	                ? 0
	                : thread_start(&committer->thread, committer_main, committer);
	if (error == 0)
		return committer;
	cond_fini(&committer->has_work);
	lock_fini(&committer->lock);
	free(committer);
	errno = error;
	return NULL;
}

void committer_add(struct committer *committer, struct commit *commit)
{
	commit->next = NULL;
	lock_acquire(&committer->lock);
	*committer->last = commit;
	committer->last = &commit->next;
	cond_signal(&committer->has_work);
	lock_release(&committer->lock);
}

void committer_stop(struct committer *committer)
{
	lock_acquire(&committer->lock);
	committer->is_stopped = true;
	lock_release(&committer->lock);
}

size_t committer_step(struct committer *committer)
{
	struct commit *group;

	lock_acquire(&committer->lock);
	group = take_group(committer);
	lock_release(&committer->lock);
	return commit_group(committer, group);
}

void committer_destroy(struct committer *committer)
{
	if (!committer)
		return;
	if (committer->options.is_stepped) {
		while (committer_step(committer) > 0)
			;
	} else {
		lock_acquire(&committer->lock);
		committer->is_ending = true;
		cond_signal(&committer->has_work);
		lock_release(&committer->lock);
		pthread_join(committer->thread, NULL);
	}
	cond_fini(&committer->has_work);
	lock_fini(&committer->lock);
	free(committer);
}
