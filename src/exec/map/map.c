/*
 * Map: reads inputs from a source, submits them in chunks, and returns the results.
 *
 * Chunks are submitted as long as a whole chunk fits into the window. The next chunk (the oldest,
 * or in an unordered map the first that is done) is read when its future is done, and its items are
 * returned one by one.
 *
 * If the chunk size is 1, each item is submitted unpacked. If a worker dies with a packed chunk,
 * the item that was running fails or is retried, and the rest of the chunk is submitted again.
 */
#include <pixpool/map.h>

#include "base/clock.h"
#include "base/error.h"
#include "exec/executor/executor.h"
#include "exec/executor/options.h"
#include "exec/executor/task.h"
#include "exec/future/waiter.h"
#include "exec/map/chunk.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, LENGTH_BYTES = ALIGNMENT, MIN_CAPACITY = 512 };

struct chunk_head {
	pxp_task_fn *run;
	uint64_t n_items;
};

_Static_assert(sizeof(struct chunk_head) % ALIGNMENT == 0,
               "the items after the head of a chunk are aligned for any type");

/* ---- the bytes of a chunk ---- */

/* A growing array of bytes. */
struct buffer {
	/* The memory of the array, from malloc(); NULL: none. */
	char *bytes;
	size_t n, capacity;
};

/* Append room for n bytes, and return a pointer to it. Returns NULL if there is no memory. */
static char *extend(struct buffer *buffer, size_t n)
{
	size_t wanted, capacity = buffer->capacity;
	char *end;

	if (__builtin_add_overflow(buffer->n, n, &wanted) || wanted > SIZE_MAX / 2)
		return NULL;
	if (wanted > capacity) {
		capacity = capacity > 0 ? capacity * 2 : MIN_CAPACITY;
		if (capacity < wanted)
			capacity = wanted;

		char *grown = realloc(buffer->bytes, capacity);

		if (!grown)
			return NULL;
		buffer->bytes = grown;
		buffer->capacity = capacity;
	}
	end = buffer->bytes + buffer->n;
	buffer->n = wanted;
	return end;
}

/* ---- the input of a chunk ---- */

static size_t align(size_t n)
{
	return (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* Begin the input of a chunk. The function `run` will process the items of the chunk. Returns false
 * if there is no memory. */
static bool chunk_begin(struct buffer *input, pxp_task_fn *run)
{
	const struct chunk_head head = {.run = run};
	char *at;

	input->n = 0;
	at = extend(input, sizeof(head));
	if (at)
		memcpy(at, &head, sizeof(head));
	return at;
}

/* Append an item to the packed input of a chunk. Returns false, with the packed input unchanged, if
 * there is no memory. */
static bool chunk_add(struct buffer *input, const void *bytes, size_t n)
{
	uint64_t length = n;
	char *at;

	if (n > SIZE_MAX / 2)
		return false;
	at = extend(input, LENGTH_BYTES + align(n));
	if (!at)
		return false;
	memset(at, 0, LENGTH_BYTES);
	memcpy(at, &length, sizeof(length));
	if (n > 0)
		memcpy(at + LENGTH_BYTES, bytes, n);
	memset(at + LENGTH_BYTES + n, 0, align(n) - n);
	((struct chunk_head *)(void *)input->bytes)->n_items++;
	return true;
}

/* The size of the packed item at this position. */
static size_t item_bytes(const char *at)
{
	uint64_t length;

	memcpy(&length, at, sizeof(length));
	return LENGTH_BYTES + align((size_t)length);
}

/* Remove the item at a position, counted from 0. */
static void chunk_drop(struct buffer *input, size_t position)
{
	char *at = input->bytes + sizeof(struct chunk_head);
	size_t n;

	while (position-- > 0)
		at += item_bytes(at);
	n = item_bytes(at);
	memmove(at, at + n, (size_t)(input->bytes + input->n - (at + n)));
	input->n -= n;
	((struct chunk_head *)(void *)input->bytes)->n_items--;
}

/* ---- a chunk in the worker ---- */

static bool add_answer(struct buffer *answers, const struct pxp_task *item)
{
	bool has_failed = item->error.status != PXP_OK;
	const void *bytes = has_failed ? (const void *)&item->error : item->result;
	uint64_t n = has_failed ? sizeof(item->error) : item->n_result;
	uint64_t head = n << 1 | has_failed;
	char *at = extend(answers, sizeof(head) + n);

	if (!at)
		return false;
	memcpy(at, &head, sizeof(head));
	if (n > 0)
		memcpy(at + sizeof(head), bytes, n);
	return true;
}

/* Run the packed item at this position. Progress that the item reports is dropped, because the
 * progress of the task gives the index of the current item. Returns false if there is no memory. */
static bool run_item(pxp_task_fn *run, struct pxp_task *item, const char *at,
                     struct buffer *answers)
{
	uint64_t length;
	bool is_added;

	memcpy(&length, at, sizeof(length));
	item->input = at + LENGTH_BYTES;
	item->n_input = (size_t)length;
	task_run(run, item);
	is_added = add_answer(answers, item);
	free(item->result);
	item->result = NULL;
	item->n_result = 0;
	if (item->error.status != PXP_OK)
		memset(&item->error, 0, sizeof(item->error));
	return is_added;
}

/* The task of a chunk: runs the function for each item. */
static enum pxp_status chunk_run(struct pxp_task *task)
{
	const struct chunk_head *head = task->input;
	const char *at = (const char *)task->input + sizeof(*head);
	struct shared_progress nowhere = {0};
	struct pxp_task item = {
		.output = -1,
		.context = task->context,
		.is_asked_to_end = task->is_asked_to_end,
		.progress = &nowhere,
		.n_returned = PXP_MAX_DESCRIPTORS, /* an item cannot return descriptors */
		/* If the function of the map requests memory for an item, the limit of the whole
		 * worker is raised. */
		.need = task->need,
		.worker = task->worker,
	};
	struct buffer answers = {0};

	for (uint64_t i = 0; i < head->n_items; i++) {
		pxp_task_progress(task, i, head->n_items);
		if (pxp_task_is_cancelled(task)) {
			free(answers.bytes);
			return PXP_ECANCELLED;
		}
		if (!run_item(head->run, &item, at, &answers)) {
			free(answers.bytes);
			return pxp_task_fail(task, PXP_ENOMEM,
			                     "no memory for the results of a chunk");
		}
		at += item_bytes(at);
	}
	pxp_task_progress(task, head->n_items, head->n_items);
	task->result = answers.bytes;
	task->n_result = answers.n;
	return PXP_OK;
}

/* ---- the result of a chunk ---- */

/* Read the header of an item's result: its length, and whether the item failed. */
static uint64_t head_at(const void *result, size_t at, bool *ret_has_failed)
{
	uint64_t head;

	memcpy(&head, (const char *)result + at, sizeof(head));
	*ret_has_failed = head & 1;
	return head >> 1;
}

bool chunk_result_is_sound(const void *result, size_t n_result, size_t n_items)
{
	size_t at = 0;

	for (size_t i = 0; i < n_items; i++) {
		bool has_failed;
		uint64_t n;

		if (n_result - at < sizeof(n))
			return false;
		n = head_at(result, at, &has_failed);
		at += sizeof(n);
		if (n > n_result - at || (has_failed && n != sizeof(struct pxp_error)))
			return false;
		at += n;
	}
	return at == n_result;
}

/* Read the error of an item. The worker is not trusted, so a status that an item cannot have
 * becomes PXP_ETASK. */
static void read_error(const char *bytes, struct pxp_error *ret_error)
{
	struct pxp_error sent;

	memcpy(&sent, bytes, sizeof(sent));
	sent.text[sizeof(sent.text) - 1] = 0;
	if (sent.status != PXP_ECANCELLED && sent.status != PXP_EMEMORY)
		sent.status = PXP_ETASK;
	pxp_fail(ret_error, sent.status, "%s", sent.text);
	ret_error->code = sent.code;
}

void chunk_next(const void *result, size_t *at, struct pxp_error *ret_error,
                void **ret_bytes, size_t *ret_n)
{
	bool has_failed;
	size_t n = head_at(result, *at, &has_failed);
	const char *bytes = (const char *)result + *at + sizeof(uint64_t);

	*at += sizeof(uint64_t) + n;
	if (has_failed) {
		read_error(bytes, ret_error);
		return;
	}
	if (n == 0)
		return;
	*ret_bytes = malloc(n);
	if (!*ret_bytes) {
		pxp_fail(ret_error, PXP_ENOMEM, "no memory for a result of %zu bytes", n);
		return;
	}
	*ret_n = n;
	memcpy(*ret_bytes, bytes, n);
}

/* ---- the map ---- */

/* How many workers an item has killed, and the error of the item if it has failed. */
struct fault {
	unsigned n_kills;
	/* Whether the item has failed for good. If so, the member `error` is the reason, and the
	 * item is not submitted again. */
	bool has_failed;
	struct pxp_error error;
};

struct chunk {
	/* This is the first member, so that a pointer to the watch is a pointer to its chunk. */
	struct watch watch;
	/* The neighbours in the list of submitted chunks, in the order of their items. */
	struct chunk *before, *after;
	/* The future of the chunk. NULL: the chunk is not submitted, or its result was read. */
	struct pxp_future *future;
	/* The index of the chunk's first item in the map. */
	size_t first;
	size_t n_items, n_given;
	/* The number of items in the last submission. Items that have failed are left out. */
	size_t n_sent;
	/* The packed items. Used only if chunks are packed. */
	struct buffer input;
	/* The bytes of the item, if chunks are not packed and so have only one item. The bytes
	 * belong to the source. */
	const void *bytes;
	size_t n_bytes;
	/* For each item, the deaths of workers that were charged to it; NULL: no worker has
	 * died. */
	struct fault *faults;
	/* If the chunk has failed: the error that is returned for an item, unless `faults` has
	 * another error for this item. */
	struct pxp_error error;
	/* The result of the chunk, and the offset in it of the next item to return. */
	void *result;
	size_t n_result, at;
};

struct pxp_map {
	/* The executor, with one reference. */
	struct pxp_executor *executor;
	pxp_task_fn *run;
	pxp_input_fn *next;
	void *data;
	/* The options with defaults filled in. */
	struct pxp_map_options options;
	int64_t deadline_ns;

	/* The waiter that watches the submitted chunks. Only an unordered map uses it. */
	struct waiter waiter;
	size_t n_taken; /* how many watches were taken from the waiter */
	/* The submitted chunks whose results were not read yet. */
	struct chunk *first, *last;
	/* A chunk whose inputs were read, but that could not be submitted because the executor had
	 * no room. */
	struct chunk *unsent;
	/* The chunk whose items are being returned. */
	struct chunk *current;
	/* A list of unused chunks, linked by the member `after`. The chunks are kept for reuse,
	 * because their buffers have already grown to the size that is needed. */
	struct chunk *spare;
	/* n_pulled: how many inputs were read. n_out: for how many of these no result was returned
	 * yet. */
	size_t n_pulled, n_out;

	/* Whether the map has stopped reading inputs. If so, the member `ending` is the reason;
	 * PXP_ESTATE means that the source has no more inputs. */
	bool has_ended;
	enum pxp_status ending;
	/* Whether pxp_map_next() has nothing more to return. */
	bool is_over;
};

/* Whether a chunk may have several items, which are packed into one input. If not, each chunk has
 * one item, which is not packed. */
static bool is_packed(const struct pxp_map *map)
{
	return map->options.chunk > 1;
}

/* The remaining time of the map, as a timeout. */
static int64_t left_ms(const struct pxp_map *map)
{
	return map->deadline_ns < 0 ? PXP_FOREVER
	                            : clock_poll_ms(clock_now_ns(), map->deadline_ns);
}

static bool has_time(const struct pxp_map *map)
{
	return map->deadline_ns < 0 || clock_now_ns() < map->deadline_ns;
}

/* ---- chunks ---- */

static struct chunk *chunk_create(struct pxp_map *map)
{
	struct chunk *chunk = map->spare;

	if (!chunk)
		return calloc(1, sizeof(*chunk));
	map->spare = chunk->after;
	chunk->after = NULL;
	return chunk;
}

/* Keep a free chunk for reuse. */
static void recycle(struct pxp_map *map, struct chunk *chunk)
{
	struct buffer input = chunk->input;

	free(chunk->faults);
	free(chunk->result);
	memset(chunk, 0, sizeof(*chunk));
	chunk->input = input;
	chunk->after = map->spare;
	map->spare = chunk;
}

static void list_append(struct pxp_map *map, struct chunk *chunk)
{
	chunk->before = map->last;
	chunk->after = NULL;
	*(map->last ? &map->last->after : &map->first) = chunk;
	map->last = chunk;
}

static void list_remove(struct pxp_map *map, struct chunk *chunk)
{
	*(chunk->before ? &chunk->before->after : &map->first) = chunk->after;
	*(chunk->after ? &chunk->after->before : &map->last) = chunk->before;
	chunk->before = chunk->after = NULL;
}

/* Free a chunk in any state. Its task gets a cancel request. */
static void chunk_abandon(struct chunk *chunk)
{
	if (!chunk)
		return;
	if (chunk->future) {
		pxp_future_cancel_with(chunk->future, PXP_CANCEL_ASK);
		pxp_future_release(chunk->future);
	}
	free(chunk->faults);
	free(chunk->result);
	free(chunk->input.bytes);
	free(chunk);
}

/* ---- reading and submitting inputs ---- */

static void end(struct pxp_map *map, enum pxp_status why)
{
	map->has_ended = true;
	map->ending = why;
}

static enum pxp_status put(struct pxp_map *map, struct chunk *chunk, const void *bytes,
                           size_t n)
{
	if (n > 0 && !bytes)
		return PXP_EINVAL;
	if (is_packed(map)) {
		if ((chunk->n_items == 0 && !chunk_begin(&chunk->input, map->run)) ||
		    !chunk_add(&chunk->input, bytes, n))
			return PXP_ENOMEM;
	} else {
		/* The input is not copied here. It stays valid until the next input is read, and it
		 * is submitted before that. */
		chunk->bytes = bytes;
		chunk->n_bytes = n;
	}
	chunk->n_items++;
	chunk->n_sent++;
	map->n_pulled++;
	map->n_out++;
	return PXP_OK;
}

/* Read the inputs of a chunk. If no input could be read, sets has_ended, stores the reason in
 * `ending`, and returns NULL. */
static struct chunk *pull(struct pxp_map *map)
{
	struct chunk *chunk = chunk_create(map);

	if (!chunk) {
		end(map, PXP_ENOMEM);
		return NULL;
	}
	chunk->first = map->n_pulled;
	while (!map->has_ended && chunk->n_items < map->options.chunk) {
		const void *bytes = NULL;
		size_t n = 0;
		enum pxp_status status = map->next(map->data, &bytes, &n);

		if (status == PXP_OK)
			status = put(map, chunk, bytes, n);
		if (status != PXP_OK)
			end(map, status);
	}
	if (chunk->n_items > 0)
		return chunk;
	recycle(map, chunk);
	return NULL;
}

/*
 * Submit those items of a chunk that have not failed. Waits at most timeout_ms for room in
 * the queue.
 *
 * A packed chunk reports progress at each item, so its stall timeout acts as the deadline of an
 * item. The pool checks the progress only once per timeout, so an item may take up to twice the
 * timeout. Retries of a packed chunk are counted here, for each item.
 */
static enum pxp_status submit(struct pxp_map *map, struct chunk *chunk,
                              int64_t timeout_ms)
{
	const struct pxp_map_options *options = &map->options;
	bool packed = is_packed(map);
	const struct pxp_task_options task_options = {
		.size = sizeof(task_options),
		.retries = packed ? 0 : options->retries,
		.deadline_ms = packed ? 0 : options->deadline_ms,
		.stall_ms = packed ? options->deadline_ms : 0,
	};
	enum pxp_status status = pxp_executor_submit_within(
		map->executor, packed ? chunk_run : map->run,
		packed ? chunk->input.bytes : chunk->bytes,
		packed ? chunk->input.n : chunk->n_bytes, &task_options, timeout_ms,
		&chunk->future);

	if (status == PXP_OK && options->unordered)
		waiter_watch(&map->waiter, &chunk->watch, chunk->future);
	return status;
}

/* Submit a chunk of inputs. If the chunk cannot be submitted now, returns PXP_EAGAIN or
 * PXP_EDEADLK, and the map keeps the chunk. */
static enum pxp_status send(struct pxp_map *map, struct chunk *chunk)
{
	/* While chunks are running, the map returns results instead of waiting for room. */
	int64_t timeout_ms = map->first || map->current ? 0 : left_ms(map);
	enum pxp_status status = submit(map, chunk, timeout_ms);

	map->unsent = NULL;
	if (status == PXP_OK) {
		list_append(map, chunk);
	} else if (status == PXP_EAGAIN || status == PXP_EDEADLK) {
		map->unsent = chunk;
	} else {
		end(map, status);
		map->n_out -= chunk->n_items;
		recycle(map, chunk);
	}
	return status;
}

/* Submit chunks as long as a whole chunk fits into the window. Returns PXP_OK or PXP_EDEADLK. */
static enum pxp_status fill(struct pxp_map *map)
{
	while (map->unsent || (!map->has_ended &&
	                       map->options.window - map->n_out >= map->options.chunk)) {
		enum pxp_status status;
		struct chunk *chunk;

		if (!has_time(map))
			return PXP_OK;
		chunk = map->unsent ? map->unsent : pull(map);
		if (!chunk)
			return PXP_OK;
		status = send(map, chunk);
		if (status == PXP_EDEADLK)
			return status;
		if (status != PXP_OK)
			return PXP_OK;
	}
	return PXP_OK;
}

/* ---- reading ---- */

static bool is_death(enum pxp_status status)
{
	return status == PXP_ECRASHED || status == PXP_EDEADLINE ||
	       status == PXP_EPROTO || status == PXP_EPOISON || status == PXP_EMEMORY;
}

/* Called when an item has killed its worker: count the death. Returns true if the item has failed,
 * false if it is run again. */
static bool fault_count(struct fault *fault, const struct pxp_error *error,
                        unsigned retries)
{
	fault->n_kills++;
	fault->has_failed = error->status != PXP_ECRASHED || fault->n_kills > retries;
	if (fault->has_failed)
		fault->error = *error;
	return fault->has_failed;
}

/*
 * Charge a worker's death to the item that was running, and remove that item from the input if it
 * fails. If no item was running (the chunk had not started, or was sending its answer), or if the
 * progress makes no sense, charge every item. Returns false if there is no memory.
 */
static bool charge(struct chunk *chunk, const struct pxp_outcome *outcome,
                   unsigned retries)
{
	const struct pxp_progress *at = &outcome->progress;
	bool is_all = at->total != chunk->n_sent || at->done >= at->total;
	size_t n_seen = 0, n_kept = 0;

	if (!chunk->faults)
		chunk->faults = calloc(chunk->n_items, sizeof(*chunk->faults));
	if (!chunk->faults)
		return false;
	for (size_t i = 0; i < chunk->n_items; i++) {
		struct fault *fault = &chunk->faults[i];

		if (fault->has_failed)
			continue;
		if ((is_all || n_seen == at->done) &&
		    fault_count(fault, &outcome->error, retries))
			chunk_drop(&chunk->input, n_kept);
		else
			n_kept++;
		n_seen++;
	}
	chunk->n_sent = n_kept;
	return true;
}

static void release_future(struct chunk *chunk)
{
	pxp_future_release(chunk->future);
	chunk->future = NULL;
}

/* Called when a chunk's worker died: submit the rest of the chunk again.
 *
 * PXP_OK: every item has an error that can be returned. PXP_EAGAIN: the rest was submitted again.
 * PXP_ETIMEOUT: the deadline of the map passed first. */
static enum pxp_status recover(struct pxp_map *map, struct chunk *chunk)
{
	const struct pxp_outcome *outcome = pxp_future_outcome(chunk->future);
	bool is_charged = charge(chunk, outcome, map->options.retries);
	enum pxp_status status = PXP_OK;

	if (!is_charged)
		chunk->error = outcome->error;
	release_future(chunk);
	if (!is_charged || chunk->n_sent == 0)
		return PXP_OK;
	status = submit(map, chunk, left_ms(map));
	if (status == PXP_OK)
		return PXP_EAGAIN;
	if (status == PXP_EAGAIN)
		return PXP_ETIMEOUT;
	pxp_fail(&chunk->error, status,
	         "the items were not submitted again after their worker died: %s",
	         pxp_status_name(status));
	return PXP_OK;
}

/* Called when a chunk's future is done. Returns PXP_OK if the results of its items can be returned.
 * If not, calls recover() and returns its status. */
static enum pxp_status read_chunk(struct pxp_map *map, struct chunk *chunk)
{
	enum pxp_status status = pxp_future_result(chunk->future, 0, &chunk->result,
	                                           &chunk->n_result, &chunk->error);

	if (is_packed(map) && is_death(status)) {
		memset(&chunk->error, 0, sizeof(chunk->error));
		return recover(map, chunk);
	}
	if (is_packed(map) && status == PXP_OK &&
	    !chunk_result_is_sound(chunk->result, chunk->n_result, chunk->n_sent))
		pxp_fail(&chunk->error, PXP_EPROTO,
		         "the worker sent a malformed result for a chunk");
	release_future(chunk);
	return PXP_OK;
}

/* Wait until the next chunk is done. */
static enum pxp_status await(struct pxp_map *map, struct chunk **ret_chunk)
{
	if (!map->options.unordered) {
		*ret_chunk = map->first;
		return pxp_future_wait(map->first->future, left_ms(map));
	}

	*ret_chunk = (struct chunk *)waiter_take(&map->waiter);
	if (!*ret_chunk) {
		if (has_time(map) && owner_is_own_thread(&map->executor->owner))
			return PXP_EDEADLK;
		if (!waiter_await(&map->waiter, map->n_taken + 1, SIZE_MAX,
		                  map->deadline_ns))
			return PXP_ETIMEOUT;
		*ret_chunk = (struct chunk *)waiter_take(&map->waiter);
	}
	map->n_taken++;
	return PXP_OK;
}

/* Make the next chunk the current one. Returns PXP_OK, or the status that pxp_map_next() must
 * return. */
static enum pxp_status collect(struct pxp_map *map)
{
	enum pxp_status status;
	struct chunk *chunk;

	do {
		map->is_over = !map->first;
		if (map->is_over)
			return map->has_ended && !map->unsent ? map->ending
			                                      : PXP_ETIMEOUT;
		status = await(map, &chunk);
		if (status == PXP_OK)
			status = read_chunk(map, chunk);
	} while (status == PXP_EAGAIN);
	if (status == PXP_OK) {
		list_remove(map, chunk);
		map->current = chunk;
	}
	return status;
}

/* ---- returning results ---- */

static void give(struct pxp_map *map, struct pxp_map_item *ret_item)
{
	struct chunk *chunk = map->current;
	size_t i = chunk->n_given++;

	ret_item->index = chunk->first + i;
	if (chunk->faults && chunk->faults[i].has_failed) {
		ret_item->error = chunk->faults[i].error;
	} else if (chunk->error.status != PXP_OK) {
		ret_item->error = chunk->error;
	} else if (is_packed(map)) {
		chunk_next(chunk->result, &chunk->at, &ret_item->error, &ret_item->bytes,
		           &ret_item->n);
	} else {
		ret_item->bytes = chunk->result;
		ret_item->n = chunk->n_result;
		chunk->result = NULL;
	}
	map->n_out--;
	if (chunk->n_given == chunk->n_items) {
		map->current = NULL;
		recycle(map, chunk);
	}
}

/* End the map: cancel the chunks that are not done, and free all chunks. */
static void finish(struct pxp_map *map)
{
	map->is_over = true;
	/* Stop watching all chunks before the first chunk is freed. The waiter links done chunks
	 * into a list. If a chunk in the list were freed first, the waiter would link the next
	 * chunk to freed memory. */
	for (struct chunk *chunk = map->first; chunk && map->options.unordered;
	     chunk = chunk->after) {
		if (chunk->future) /* NULL: the chunk could not be submitted again */
			waiter_unwatch(&chunk->watch, chunk->future);
	}
	for (struct chunk *chunk = map->first, *after; chunk; chunk = after) {
		after = chunk->after;
		chunk_abandon(chunk);
	}
	map->first = map->last = NULL;
	chunk_abandon(map->unsent);
	chunk_abandon(map->current);
	map->unsent = map->current = NULL;
	while (map->spare) {
		struct chunk *chunk = map->spare;

		map->spare = chunk->after;
		chunk_abandon(chunk);
	}
}

static void clear_item(struct pxp_map_item *item)
{
	item->index = item->n = 0;
	item->bytes = NULL;
	error_clear(&item->error);
}

enum pxp_status pxp_map_next(struct pxp_map *map, struct pxp_map_item *ret_item)
{
	enum pxp_status status;

	clear_item(ret_item);
	if (map->is_over)
		return PXP_ESTATE;
	status = fill(map);
	if (status == PXP_OK && !map->current)
		status = collect(map);
	if (status == PXP_OK && map->current)
		give(map, ret_item);
	else if (status != PXP_EDEADLK || map->is_over)
		finish(map);
	return status;
}

/* ---- open and close ---- */

/* Whether workers can call the function of a map. The submission of a packed chunk checks only
 * chunk_run(), so the function is checked here. */
static bool has_function(const struct pxp_executor *executor, pxp_task_fn *run)
{
	return !executor->table->has_function ||
	       executor->table->has_function((uintptr_t)run);
}

static bool options_are_valid(const struct pxp_executor *executor,
                              const struct pxp_map_options *options)
{
	bool is_for_processes = options->deadline_ms != 0 || options->retries > 0;

	return options->deadline_ms >= 0 &&
	       !(is_for_processes && executor->options.kind != PXP_PROCESSES);
}

static size_t times(size_t a, size_t b)
{
	size_t product;

	return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static void fill_in_defaults(struct pxp_map_options *options, size_t n_workers)
{
	if (options->chunk == 0)
		options->chunk = 1;
	if (options->window == 0)
		options->window = options->chunk > 2
		                          ? times(n_workers, times(2, options->chunk))
		                          : times(n_workers, 4);
	if (options->chunk > options->window)
		options->chunk = options->window;
}

enum pxp_status pxp_map_open(struct pxp_executor *executor, pxp_task_fn *run,
                             pxp_input_fn *next, void *data,
                             const struct pxp_map_options *options,
                             struct pxp_map **ret_map)
{
	struct pxp_map_options ours = {.size = sizeof(ours)};
	struct pxp_map *map;

	*ret_map = NULL;
	if (options && !options_read(&ours, sizeof(ours), options, sizeof(size_t)))
		return PXP_EINVAL;
	if (!executor || !run || !next || !options_are_valid(executor, &ours) ||
	    !has_function(executor, run))
		return PXP_EINVAL;
	map = calloc(1, sizeof(*map));
	if (!map)
		return PXP_ENOMEM;

	executor_acquire(executor);
	map->executor = executor;
	map->run = run;
	map->next = next;
	map->data = data;
	map->options = ours;
	fill_in_defaults(&map->options, executor->options.n_workers);
	map->deadline_ns = ours.timeout_ms > 0
	                           ? clock_deadline_ns(clock_now_ns(), ours.timeout_ms)
	                           : -1;
	waiter_init(&map->waiter);
	*ret_map = map;
	return PXP_OK;
}

void pxp_map_close(struct pxp_map *map)
{
	if (!map)
		return;
	finish(map);
	waiter_fini(&map->waiter);
	executor_release(map->executor);
	free(map);
}
