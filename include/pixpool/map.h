/*
 * A map runs one function over many inputs. Only a limited number of inputs (the window) is
 * processed at a time. The map returns the results in the order of the inputs, or in the order in
 * which they are done. If an item fails, the map returns it like any other, with its error, and
 * continues.
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
 * Threads: only one thread at a time may use a map.
 */
struct pxp_map;

/**
 * A source of inputs. Each call returns the next input.
 *
 * data       the pointer that was given to pxp_map_open().
 * ret_bytes  the bytes of the input, *ret_n of them. They belong to the source and must stay valid
 *            until its next call. For an empty input, *ret_bytes is NULL and *ret_n is 0.
 *
 * PXP_OK       *ret_bytes and *ret_n are the next input.
 * PXP_ESTATE   the source has no more inputs.
 * any other    the source has failed. pxp_map_next() still returns the items before the failure,
 *              then returns this status once, and the map has ended.
 *
 * If the source returns PXP_OK with a *ret_bytes of NULL and a *ret_n over 0, this counts as a
 * failure with PXP_EINVAL.
 */
typedef enum pxp_status pxp_input_fn(void *data, const void **ret_bytes, size_t *ret_n);

/* A field that is zero has its default. Later versions may append fields. If size is smaller than
 * this struct, the fields beyond size count as zero. If size is larger, all bytes beyond this
 * struct must be zero. */
struct pxp_map_options {
	/* Set this field to sizeof(struct pxp_map_options); 0 is refused. */
	size_t size;
	/* The maximum number of items that are submitted and not returned yet. Default: 4 for each
	 * worker, and at least 2 chunks for each worker. */
	size_t window;
	/* How many items go to a worker as one task, but at most `window`. Default: 1. */
	size_t chunk;
	/* Whether to return items in the order in which they are done. Default: in the order of the
	 * inputs. */
	bool unordered;
	/* The time limit of the whole map in milliseconds, from pxp_map_open(). 0 (default) or
	 * negative: no limit. */
	int64_t timeout_ms;
	/* The deadline of each item, as in pxp_task_options. Default: none. */
	int64_t deadline_ms;
	/* How many times an item that killed its worker is run again. Default: 0. */
	unsigned retries;
};

/* The result of one item. */
struct pxp_map_item {
	/* The index of the item's input, from 0. */
	size_t index;
	/* The error of the item. Its status is PXP_OK if the item has a result. */
	struct pxp_error error;
	/* The result: n bytes, which the caller must free(). NULL if the result is empty or the
	 * item failed. */
	void *bytes;
	size_t n;
};

/**
 * Begin a map. Nothing is submitted before the first pxp_map_next(). At most one window of items is
 * submitted at a time, so the source may be endless.
 *
 * executor  may be destroyed before the map is closed; then nothing more can be submitted.
 * run       the function for each input, as in pxp_executor_submit().
 * next      the source. Called in the thread that calls pxp_map_next().
 * data      passed to next; must stay valid until pxp_map_close().
 * options   NULL: all defaults.
 * ret_map   on PXP_OK the map, which the caller must give back with pxp_map_close(). Otherwise
 *           NULL.
 *
 * PXP_OK      the map has begun.
 * PXP_EINVAL  `executor`, `run` or `next` is NULL, or an option is invalid, or an option for
 *             processes (deadline_ms, retries) is set and the executor has no processes, or `run`
 *             is known to be in a module that workers do not have.
 * PXP_ENOMEM  no memory.
 *
 * If options.chunk is over 1, several items run as one task. This has consequences:
 *   - If an item fails, the other items of its chunk are not affected. If an item kills its worker,
 *     this item fails or is retried, and the rest of its chunk is submitted again. Items whose
 *     results were lost with the worker run twice.
 *   - The results of a chunk come together: max_result limits their sum, and if the worker dies
 *     while it sends them, each item of the chunk fails or is retried.
 *   - An item cannot return descriptors, and pxp_task_restart_deadline() does nothing.
 *   - The pool may notice late that an item is over its deadline, but at the latest when twice the
 *     time of the deadline has passed.
 *   - Memory that pxp_task_need() granted to one item may also be used by the items after it in the
 *     chunk.
 */
enum pxp_status pxp_map_open(struct pxp_executor *executor, pxp_task_fn *run,
                             pxp_input_fn *next, void *data,
                             const struct pxp_map_options *options,
                             struct pxp_map **ret_map);

/**
 * Wait for the next result, at most for the rest of the map's time. If no item of the map is
 * submitted and the queue of the executor is full, wait first until the queue has room for an item.
 *
 * PXP_OK         *ret_item is filled. Its member error says whether the item succeeded.
 * PXP_ESTATE     all items were returned.
 * PXP_ETIMEOUT   the time of the map is over and the next item is not done. Items that have not
 *                begun are cancelled, items that have begun are asked to end, and the map has
 *                ended.
 * PXP_EDEADLK    the caller is a callback or a task of the executor, and would have to wait.
 * PXP_ESHUTDOWN, PXP_EBROKEN, PXP_ENOMEM, PXP_ESYS
 *                no more items can be submitted, and the map has ended.
 * any other      the status of the source. The map has ended.
 */
enum pxp_status pxp_map_next(struct pxp_map *map, struct pxp_map_item *ret_item);

/** End a map, at any point. Items that have not begun are cancelled. Items that have begun are
 *  asked to end (pxp_task_is_cancelled()), but this call does not wait for them. Results that were
 *  not returned are freed. NULL is allowed. */
void pxp_map_close(struct pxp_map *map);

#ifdef __cplusplus
}
#endif

#endif
