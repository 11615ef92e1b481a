/*
 * Map: run one function over many inputs, a window of them at a time, and take the results
 * in the order of the inputs or as they come. A failed item is an item like any other: the
 * iteration goes on.
 */
#ifndef PXP_MAP_H
#define PXP_MAP_H

#include <pixpool/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pxp_map;

/**
 * The next input.
 *
 * ret_bytes  n bytes, which must stay until the next call; NULL with n 0 is an empty one.
 *
 * PXP_OK       here it is.
 * PXP_ESTATE   there are no more.
 * any other    the source has failed: the items before it still come, then
 *              pxp_map_next() returns this status once, and the map is at its end.
 */
typedef enum pxp_status pxp_input_fn(void *data, const void **ret_bytes, size_t *ret_n);

/* Zero is the default that stands beside each field. Fields are only ever appended: those that a
 * smaller size leaves out are zero, and those beyond what the library knows must be. */
struct pxp_map_options {
	size_t size;    /* sizeof(struct pxp_map_options); no default */
	size_t window;  /* items that are submitted and not yet given out; 0: 4 for each
	                        * worker, and at least 2 chunks for each */
	size_t chunk;   /* items that go to a worker together; 0: 1 */
	bool unordered; /* give out what is done first */
	int64_t timeout_ms;  /* for the whole map, from pxp_map_open(); 0 or less: none */
	int64_t deadline_ms; /* for each item, as in pxp_task_options; 0: none */
	unsigned retries;    /* for each item, after it killed its worker; 0: none */
};

/* One result. */
struct pxp_map_item {
	size_t index;           /* of its input, from 0 */
	struct pxp_error error; /* status PXP_OK when it has a result */
	void *bytes;            /* yours to free; NULL when there is none */
	size_t n;
};

/**
 * Begin. Nothing is submitted before the first pxp_map_next(), and never more than a window:
 * so inputs may be without end.
 *
 * run      for each input, as in pxp_executor_submit(); also when they go in chunks, where
 *          an item that fails costs that item, and one that kills the worker costs itself:
 *          the rest of its chunk is submitted again, also those whose results were lost
 *          with the worker: so they may run twice. In a chunk a task can return no
 *          descriptor, a restart of its deadline does nothing, and a deadline is noticed
 *          at twice its time at the latest. What memory one was granted, those after it
 *          have as well; and as one task they may ask for it (pxp_task_need()). The results
 *          of a chunk come together: max_result bounds their sum, and a worker that dies
 *          while it sends them costs them all.
 * next     asked for each input, in the thread that calls pxp_map_next().
 * options  NULL: all defaults.
 *
 * The executor may be destroyed before the map: then no more can be submitted.
 *
 * ret_map  on PXP_OK yours, to be given back with pxp_map_close(); else NULL.
 *
 * PXP_EINVAL  a wrong option, or one for processes (deadline_ms, retries) elsewhere.
 * PXP_ENOMEM  no memory.
 */
enum pxp_status pxp_map_open(struct pxp_executor *executor, pxp_task_fn *run,
                             pxp_input_fn *next, void *data,
                             const struct pxp_map_options *options,
                             struct pxp_map **ret_map);

/**
 * The next result. Waits for it, no longer than the map's time, and before that for room in
 * the executor as long as nothing of the map's is out. One thread at a time.
 *
 * PXP_OK         *ret_item is filled; look at its error.
 * PXP_ESTATE     the end.
 * PXP_ETIMEOUT   the map's time is over, and what comes next is not done: what has not
 *                begun is cancelled, what has is asked to end, and the map is at its end.
 * PXP_EDEADLK    would have to wait, in a callback or task of the executor.
 * any other      what the source said, or why nothing can be submitted any more (PXP_ESHUTDOWN,
 *                PXP_EBROKEN, PXP_ENOMEM): the map is at its end.
 */
enum pxp_status pxp_map_next(struct pxp_map *map, struct pxp_map_item *ret_item);

/** End it, at any point: what has not begun is cancelled, what has is asked to end
 *  (pxp_task_is_cancelled()) and not waited for, results not taken are freed. NULL is
 *  fine. */
void pxp_map_close(struct pxp_map *map);

#ifdef __cplusplus
}
#endif

#endif
