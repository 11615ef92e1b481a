/* The committer's queue, its groups, and its thread. */
#include "store/committer.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"
#include "store/state.h"

#include <errno.h>
#include <stdlib.h>

struct committer {
	/* The options do not change after creation. */
	struct committer_options options;
	pthread_t thread; /* the thread is not started if options.is_stepped is set */

	/* Used only by the committing thread. */
	struct failure state_failure;

	struct lock lock; /* guards all members below */
	/* Signalled when a file was added or is_ending was set. */
	struct cond has_work;
	struct commit *first, **last; /* files that are waiting */
	size_t n_waiting;
	/* A file with has_followers = false was added since the queue was last empty. */
	bool is_awaited;
	bool is_stopped;
	bool is_ending;
};

/* ---- the queue ---- */

static uint64_t n_bytes_of(const struct commit *commit)
{
	uint64_t n = 0;

	for (size_t i = 0; i < commit->n_outputs; i++)
		n += commit->outputs[i].n_bytes;
	return n;
}

/* Remove a group from the queue and return it as a list. Returns NULL if no file is waiting. Called
 * with the lock held. */
static struct commit *take_group(struct committer *committer)
{
	struct commit *first = committer->first, **end = &committer->first;
	size_t n_outputs = 0;
	uint64_t n_bytes = 0;

	while (*end) {
		n_bytes += n_bytes_of(*end);
		n_outputs += (*end)->n_outputs ? (*end)->n_outputs : 1;
		if (*end != first && (n_bytes > COMMIT_GROUP_BYTES ||
		                      n_outputs > committer->options.group_outputs))
			break;
		end = &(*end)->next;
		committer->n_waiting--;
	}
	if (!first)
		return NULL;
	committer->first = *end;
	if (!committer->first) {
		committer->last = &committer->first;
		committer->is_awaited = false;
	}
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

/* ---- publishing ---- */

static size_t n_outputs_of(const struct commit *first)
{
	size_t n = 0;

	for (const struct commit *commit = first; commit; commit = commit->next)
		n += commit->n_outputs;
	return n;
}

static void ask_for_outputs(const struct committer_options *options,
                            const struct commit *commit, struct store_output *outputs)
{
	for (size_t i = 0; i < commit->n_outputs; i++) {
		const struct commit_output *output = &commit->outputs[i];

		outputs[i] = (struct store_output){
			.name = output->name,
			.file = commit,
			.content = {.fd = commit->fd,
		                    .offset = output->offset,
		                    .n_bytes = output->n_bytes,
		                    .dates = commit->dates},
			.overwrite = options->overwrite,
			.expected = output->expected,
			.original = commit->original,
			.stamp = output->stamp,
		};
	}
}

/*
 * Compute the result of a file from the results of its outputs. The first case that applies counts:
 * 1. An output failed: the file fails as the first failed output did.
 * 2. An output was dropped: STORE_DROPPED.
 * 3. An output was published, or the file has no outputs: STORE_DONE.
 * 4. All outputs were skipped: STORE_SKIPPED.
 */
static void sum_up(struct commit *commit, const struct store_output *outputs)
{
	bool is_dropped = false;

	commit->result = commit->n_outputs == 0 ? STORE_DONE : STORE_SKIPPED;
	for (size_t i = 0; i < commit->n_outputs; i++) {
		switch (outputs[i].result) {
		case STORE_DONE:
			commit->result = STORE_DONE;
			break;
		case STORE_SKIPPED:
			break;
		case STORE_DROPPED:
			is_dropped = true;
			break;
		case STORE_FAILED:
		case STORE_PLACE_FAILED:
			commit->result = outputs[i].result;
			commit->failure = outputs[i].failure;
			return;
		}
	}
	if (is_dropped)
		commit->result = STORE_DROPPED;
}

/* Publish the outputs of a group. Returns how long publishing took, in nanoseconds. */
static int64_t publish(struct committer *committer, struct commit *first)
{
	size_t n = n_outputs_of(first), i = 0;
	struct store_output *outputs = calloc(n ? n : 1, sizeof(*outputs));
	int64_t began_ns = clock_now_ns();

	for (struct commit *commit = first; commit; commit = commit->next) {
		commit->result = STORE_FAILED;
		if (!outputs)
			failure_set(&commit->failure, FAIL_MEMORY,
			            "publish: out of memory");
		else
			ask_for_outputs(&committer->options, commit, outputs + i);
		i += commit->n_outputs;
	}
	if (!outputs)
		return 0;
	store_publish_group(committer->options.store, outputs, n);
	i = 0;
	for (struct commit *commit = first; commit; commit = commit->next) {
		sum_up(commit, outputs + i);
		i += commit->n_outputs;
		if (commit->result == STORE_PLACE_FAILED)
			committer_stop(committer);
	}
	free(outputs);
	return clock_now_ns() - began_ns;
}

/* ---- the state ---- */

/* Write the rows of outputs that have no stamp, just before the outputs get their names. If the
 * process is killed after the outputs got their names, but before write_state(), the next run knows
 * these outputs only by these rows. */
static bool intend_outputs(const struct store_output *outputs, size_t n, void *data,
                           struct failure *ret_failure)
{
	struct state *state = data;
	enum state_result result = state_begin(state);

	for (size_t i = 0; i < n && result == STATE_OK; i++) {
		if (outputs[i].is_intended)
			result = state_intend(state, outputs[i].stamp);
	}
	if (result == STATE_OK)
		result = state_commit(state, ret_failure);
	else
		state_undo(state, ret_failure);
	/* If the database is damaged, the batch continues without it. */
	return result != STATE_PLACE && result != STATE_MEMORY;
}

/* Write the rows of the outputs, if they were published, and the rows in commit->rows. Record the
 * failure of the picture, or delete a recorded one. */
static enum state_result put_rows(struct state *state, const struct commit *commit)
{
	enum state_result result = STATE_OK;

	for (size_t i = 0; i < commit->n_outputs && result == STATE_OK; i++) {
		if (commit->result == STORE_DONE && commit->outputs[i].stamp)
			result = state_put(state, commit->outputs[i].stamp);
	}
	for (size_t i = 0; i < commit->n_rows && result == STATE_OK; i++)
		result = state_put(state, commit->rows[i].stamp);
	if (result == STATE_OK && commit->source && commit->known)
		result = state_put_failure(state, commit->source, commit->known);
	else if (result == STATE_OK && commit->source && commit->result == STORE_DONE)
		result = state_drop_failure(state, commit->source);
	return result;
}

/* A group whose rows cannot be written is nevertheless complete, because the stamps on its outputs
 * hold the same records. But if the state's file system is full or broken, or if memory ran out,
 * the outputs will probably fail too, so the committer stops. */
static void write_state(struct committer *committer, const struct commit *first)
{
	struct state *state = committer->options.state;
	enum state_result result;

	if (!state)
		return;
	result = state_begin(state);
	for (const struct commit *commit = first; commit && result == STATE_OK;
	     commit = commit->next)
		result = put_rows(state, commit);
	if (result == STATE_OK)
		result = state_commit(state, &committer->state_failure);
	else
		state_undo(state, &committer->state_failure);
	if (result == STATE_PLACE || result == STATE_MEMORY)
		committer_stop(committer);
	else
		committer->state_failure.class =
			FAIL_NONE; /* the committer continues, with or without a state */
}

/* ---- groups ---- */

/*
 * A group has three steps, so that its files share the slow operations. First its outputs are
 * published and made durable, then the rows of the state are written, and only then the results are
 * reported.
 */
static size_t commit_group(struct committer *committer, struct commit *first)
{
	bool is_dropped = is_stopped(committer);
	struct commit *next;
	int64_t group_ns = 0;
	size_t n = 0;

	for (struct commit *commit = first; commit; commit = commit->next) {
		commit->failure.class = FAIL_NONE;
		commit->work_ns = 0;
		commit->result = STORE_DROPPED;
		n++;
	}
	if (!is_dropped && first) {
		group_ns = publish(committer, first);
		write_state(committer, first);
	}
	for (struct commit *commit = first; commit; commit = next) {
		next = commit->next; /* done() may free the file */
		if (commit->result != STORE_DROPPED)
			commit->work_ns = group_ns / (int64_t)n;
		committer->options.done(commit, committer->options.data);
	}
	return n;
}

const struct failure *committer_state_failure(const struct committer *committer)
{
	return &committer->state_failure;
}

/* Whether a group must be committed now: enough files are waiting, no other file is expected soon,
 * or the committer is ending. Called with the lock held. */
static bool is_group_due(const struct committer *committer)
{
	return committer->is_ending || committer->is_awaited ||
	       committer->n_waiting >= COMMIT_GROUP_FILES;
}

static void wait_for_group(struct committer *committer)
{
	int64_t until_ns;

	while (!committer->first && !committer->is_ending)
		cond_wait(&committer->has_work, &committer->lock);
	until_ns = clock_deadline_ns(clock_now_ns(), committer->options.wait_ms);
	while (!is_group_due(committer) &&
	       cond_wait_until(&committer->has_work, &committer->lock, until_ns))
		;
}

static void *committer_main(void *data)
{
	struct committer *committer = data;
	struct commit *group;

	do {
		lock_acquire(&committer->lock);
		wait_for_group(committer);
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
	if (options->state)
		store_before_naming(options->store, intend_outputs, options->state);
	if (options->group_outputs == 0)
		committer->options.group_outputs = COMMIT_GROUP_OUTPUTS;
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
	committer->n_waiting++;
	committer->is_awaited |= !commit->has_followers;
	if (committer->n_waiting == 1 || is_group_due(committer))
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
