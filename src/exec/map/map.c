#include "exec/map/map_chunks.h"

#include "base/clock.h"
#include "exec/executor/options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int64_t map_left_ms(const struct pxp_map *map)
{
	return map->deadline_ns < 0 ? PXP_FOREVER
	                            : clock_poll_ms(clock_now_ns(), map->deadline_ns);
}

bool map_has_time(const struct pxp_map *map)
{
	return map->deadline_ns < 0 || clock_now_ns() < map->deadline_ns;
}

/* Drop it at any point. */
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

/* ---- giving out ---- */

static void give(struct pxp_map *map, struct pxp_map_item *ret_item)
{
	struct chunk *chunk = map->current;
	size_t i = chunk->n_given++;

	ret_item->index = chunk->first + i;
	if (chunk->faults && chunk->faults[i].has_failed) {
		ret_item->error = chunk->faults[i].error;
	} else if (chunk->error.status != PXP_OK) {
		ret_item->error = chunk->error;
	} else if (map_is_packed(map)) {
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
		map_recycle(map, chunk);
	}
}

/* At the end for good: cancel what is out. */
static void finish(struct pxp_map *map)
{
	map->is_over = true;
	/* First all of them: one that is done lies in the waiter's list, and the next that is
	 * told would be written behind it. */
	for (struct chunk *chunk = map->first; chunk && map->options.unordered;
	     chunk = chunk->after) {
		if (chunk->future) /* else it could not be submitted again */
			waiter_unwatch(&chunk->watch, chunk->future);
	}
	while (map->first) {
		struct chunk *chunk = map->first;

		map_remove(map, chunk);
		chunk_abandon(chunk);
	}
	chunk_abandon(map->unsent);
	chunk_abandon(map->current);
	map->unsent = map->current = NULL;
	while (map->spare) {
		struct chunk *chunk = map->spare;

		map->spare = chunk->after;
		chunk_abandon(chunk);
	}
}

/* All but the rest of the error's text: there may be millions a second. */
static void item_clear(struct pxp_map_item *item)
{
	item->index = item->n = 0;
	item->bytes = NULL;
	memset(&item->error, 0, offsetof(struct pxp_error, text) + 1);
}

enum pxp_status pxp_map_next(struct pxp_map *map, struct pxp_map_item *ret_item)
{
	enum pxp_status status;

	item_clear(ret_item);
	if (map->is_over)
		return PXP_ESTATE;
	status = map_fill(map);
	if (status == PXP_OK && !map->current)
		status = map_collect(map);
	if (status == PXP_OK)
		give(map, ret_item);
	else if (status != PXP_EDEADLK || map->is_over)
		finish(map);
	return status;
}

/* ---- open and close ---- */

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
	if (!executor || !run || !next || !options_are_valid(executor, &ours))
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
