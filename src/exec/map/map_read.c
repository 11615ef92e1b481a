#include "exec/map/map_chunks.h"

#include <stdlib.h>
#include <string.h>

static bool is_death(enum pxp_status status)
{
	return status == PXP_ECRASHED || status == PXP_EDEADLINE ||
	       status == PXP_EPROTO || status == PXP_EPOISON || status == PXP_EMEMORY;
}

/* A worker died over an item: whether the item fails. */
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
 * Charge a worker's death to the item that it was at, or to each of them, when it was at
 * none (it had not begun, or was sending its answer) or says what cannot be. Take out
 * those that fail by that.
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

/* A chunk's worker died: submit once more what is left of it. PXP_EAGAIN: that is under
 * way; PXP_ETIMEOUT: the map's time was over first. */
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
	status = map_submit(map, chunk, map_left_ms(map));
	if (status == PXP_OK)
		return PXP_EAGAIN;
	if (status == PXP_EAGAIN)
		return PXP_ETIMEOUT;
	pxp_fail(&chunk->error, status, "not submitted again after a crash: %s",
	         pxp_status_name(status));
	return PXP_OK;
}

/* Its future is done: PXP_OK when its items can be given out. */
static enum pxp_status read_chunk(struct pxp_map *map, struct chunk *chunk)
{
	enum pxp_status status = pxp_future_result(chunk->future, 0, &chunk->result,
	                                           &chunk->n_result, &chunk->error);

	if (map_is_packed(map) && is_death(status)) {
		memset(&chunk->error, 0, sizeof(chunk->error));
		return recover(map, chunk);
	}
	if (map_is_packed(map) && status == PXP_OK &&
	    !chunk_result_is_sound(chunk->result, chunk->n_result, chunk->n_sent))
		pxp_fail(&chunk->error, PXP_EPROTO,
		         "the worker sent a result that is none of a chunk");
	release_future(chunk);
	return PXP_OK;
}

/* Wait for the chunk whose turn it is. */
static enum pxp_status await(struct pxp_map *map, struct chunk **ret_chunk)
{
	if (!map->options.unordered) {
		*ret_chunk = map->first;
		return pxp_future_wait(map->first->future, map_left_ms(map));
	}

	*ret_chunk = (struct chunk *)waiter_take(&map->waiter);
	if (!*ret_chunk) {
		if (map_has_time(map) && executor_is_own_thread(map->executor))
			return PXP_EDEADLK;
		if (!waiter_await(&map->waiter, map->n_taken + 1, SIZE_MAX,
		                  map->deadline_ns))
			return PXP_ETIMEOUT;
		*ret_chunk = (struct chunk *)waiter_take(&map->waiter);
	}
	map->n_taken++;
	return PXP_OK;
}

enum pxp_status map_collect(struct pxp_map *map)
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
		map_remove(map, chunk);
		map->current = chunk;
	}
	return status;
}
