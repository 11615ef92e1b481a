#include "exec/map/map_chunks.h"

#include <stdlib.h>
#include <string.h>

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

void map_recycle(struct pxp_map *map, struct chunk *chunk)
{
	struct parcel input = chunk->input;

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

void map_remove(struct pxp_map *map, struct chunk *chunk)
{
	*(chunk->before ? &chunk->before->after : &map->first) = chunk->after;
	*(chunk->after ? &chunk->after->before : &map->last) = chunk->before;
	chunk->before = chunk->after = NULL;
}

/* ---- pulling and submitting ---- */

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
	if (map_is_packed(map)) {
		if ((chunk->n_items == 0 && !chunk_begin(&chunk->input, map->run)) ||
		    !chunk_add(&chunk->input, bytes, n))
			return PXP_ENOMEM;
	} else {
		/* Borrowed: nothing is pulled before it is submitted. */
		chunk->bytes = bytes;
		chunk->n_bytes = n;
	}
	chunk->n_items++;
	chunk->n_sent++;
	map->n_pulled++;
	map->n_out++;
	return PXP_OK;
}

/* Pull the inputs of a chunk; NULL when there are none. */
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
	map_recycle(map, chunk);
	return NULL;
}

/*
 * A packed chunk says with its progress where it is, so that the time for each item is the
 * time without a word of it: looked at only when it is over, it may be twice as long. And
 * its retries are counted here, for each item.
 */
enum pxp_status map_submit(struct pxp_map *map, struct chunk *chunk, int64_t timeout_ms)
{
	const struct pxp_map_options *options = &map->options;
	bool packed = map_is_packed(map);
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

/* Submit what was pulled. PXP_EAGAIN: no room now; it is tried again. */
static enum pxp_status send(struct pxp_map *map, struct chunk *chunk)
{
	/* While something is out there is something to give out instead of waiting. */
	int64_t timeout_ms = map->first || map->current ? 0 : map_left_ms(map);
	enum pxp_status status = map_submit(map, chunk, timeout_ms);

	map->unsent = NULL;
	if (status == PXP_OK) {
		list_append(map, chunk);
	} else if (status == PXP_EAGAIN || status == PXP_EDEADLK) {
		map->unsent = chunk;
	} else {
		end(map, status);
		map->n_out -= chunk->n_items;
		map_recycle(map, chunk);
	}
	return status;
}

enum pxp_status map_fill(struct pxp_map *map)
{
	while (map->unsent || (!map->has_ended &&
	                       map->options.window - map->n_out >= map->options.chunk)) {
		enum pxp_status status;
		struct chunk *chunk;

		if (!map_has_time(map))
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
