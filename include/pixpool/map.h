/*
 * Map runs one function over many inputs, a window of them at a time, and gives out the results in
 * the order of the inputs or as they are done. An item that fails is given out like any other, with
 * its error, and the map continues.
 */
#ifndef PXP_MAP_H
#define PXP_MAP_H

#include <pixpool/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A running map.
 *
 * Threads: one thread at a time.
 */
struct pxp_map;

/**
 * A source of inputs: gives the next one.
 *
 * data       what pxp_map_open() was called with.
 * ret_bytes  n bytes, borrowed until the next call. NULL with *ret_n 0 is an empty input.
 *
 * PXP_OK       here is an input.
 * PXP_ESTATE   the source has no more inputs.
 * any other    the source has failed. The items before it are still given out, then pxp_map_next()
 *              returns this status once, and the map has ended.
 */
typedef enum pxp_status pxp_input_fn(void *data, const void **ret_bytes, size_t *ret_n);

/* Zero in a field is its default. New fields are only appended: those that a smaller size leaves out
 * are zero, and those that this library does not know must be zero. */
struct pxp_map_options {
	/* sizeof(struct pxp_map_options). No default. */
	size_t size;
	/* Items that may be submitted and not given out yet. Default: 4 for each worker, and at
	 * least 2 chunks for each worker. */
	size_t window;
	/* Items that go to a worker together. Default: 1. */
	size_t chunk;
	/* Give out the items that are done first. Default: in the order of the inputs. */
	bool unordered;
	/* Milliseconds for the whole map, from pxp_map_open(). Default, and negative: no limit. */
	int64_t timeout_ms;
	/* For each item, as in pxp_task_options. Default: none. */
	int64_t deadline_ms;
	/* How often an item that killed its worker is run again. Default: never. */
	unsigned retries;
};

/* One result. */
struct pxp_map_item {
	/* Of its input, from 0. */
	size_t index;
	/* Status PXP_OK if the item has a result. */
	struct pxp_error error;
	/* The result: n bytes, which the caller must free(). NULL if the result is empty or the
	 * item failed. */
	void *bytes;
	size_t n;
};

/**
 * Begin a map. Nothing is submitted before the first pxp_map_next(), and never more than a window, so
 * the source may be endless.
 *
 * executor  may be destroyed before the map; then nothing more can be submitted.
 * run       the function for each input, as in pxp_executor_submit().
 * next      the source. Called in the thread that calls pxp_map_next().
 * data      passed to next; must stay valid until pxp_map_close().
 * options   NULL: all defaults.
 * ret_map   on PXP_OK the map, which the caller must give back with pxp_map_close(). Otherwise NULL.
 *
 * PXP_OK      begun.
 * PXP_EINVAL  an option is invalid, or is for processes (deadline_ms, retries) and the executor is not.
 * PXP_ENOMEM  no memory.
 *
 * With options.chunk over 1, several items are one task, with these differences:
 *   - An item that fails costs only itself. One that kills the worker costs itself, and the rest of
 *     its chunk is submitted again. Items whose results died with the worker run twice.
 *   - The results of a chunk come together: max_result limits their sum, and if the worker dies while
 *     it sends them, the whole chunk is run again.
 *   - An item cannot return descriptors, and pxp_task_restart_deadline() does nothing.
 *   - A deadline is noticed after at most twice its time.
 *   - Memory that pxp_task_need() granted to one item is there for those after it too.
 */
enum pxp_status pxp_map_open(struct pxp_executor *executor, pxp_task_fn *run,
                             pxp_input_fn *next, void *data,
                             const struct pxp_map_options *options,
                             struct pxp_map **ret_map);

/**
 * Wait for the next result, at most for the rest of the map's time. If none of the map's items is with
 * the executor, wait for room there first.
 *
 * PXP_OK         *ret_item is filled. See its error for whether the item succeeded.
 * PXP_ESTATE     the end.
 * PXP_ETIMEOUT   the time of the map is over and the next item is not done. Items that have not
 *                begun are cancelled, the others are asked to end, and the map has ended.
 * PXP_EDEADLK    this is a callback or a task of the executor, and the call would have to wait.
 * PXP_ESHUTDOWN, PXP_EBROKEN, PXP_ENOMEM
 *                no more can be submitted, and the map has ended.
 * any other      the status of the source. The map has ended.
 */
enum pxp_status pxp_map_next(struct pxp_map *map, struct pxp_map_item *ret_item);

/** End a map, at any point. Items that have not begun are cancelled, the others are asked to end
 *  (pxp_task_is_cancelled()) and not waited for. Results that were not given out are freed. NULL is
 *  allowed. */
void pxp_map_close(struct pxp_map *map);

#ifdef __cplusplus
}
#endif

#endif
