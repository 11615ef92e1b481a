/*
 * Map. Inputs are pulled and submitted in chunks as long as a whole one fits into the
 * window; the chunk whose turn it is (the oldest, or the one that was done first) is read
 * when its future is done, and its items are given out one by one.
 *
 * A chunk of one item is submitted as it is, without being packed. A longer one whose
 * worker died fails the item that the worker was at; what is left of it is submitted once
 * more.
 *
 *   map.c         what is given out, the beginning and the end
 *   map_submit.c  what is pulled and submitted
 *   map_read.c    what comes back
 */
#ifndef PXP_MAP_CHUNKS_H
#define PXP_MAP_CHUNKS_H

#include <pixpool/map.h>

#include "exec/map/chunk.h"
#include "exec/executor/executor.h"
#include "exec/future/waiter.h"

/* What workers died of over an item. */
struct fault {
	unsigned n_kills;
	bool has_failed; /* with error: it is not sent any more */
	struct pxp_error error;
};

struct chunk {
	struct watch watch;           /* first, so that a watch is its chunk */
	struct chunk *before, *after; /* among those that are submitted, by their index */
	struct pxp_future *future;    /* NULL: not submitted, or read */
	size_t first;                 /* the index of its first item */
	size_t n_items, n_given;
	size_t n_sent;       /* without those that have failed */
	struct parcel input; /* packed */
	const void *bytes;   /* of a single item: as the source gave them */
	size_t n_bytes;
	struct fault *faults;   /* NULL: no worker died over it */
	struct pxp_error error; /* of each item that has none of its own */
	void *result;
	size_t n_result, at;
};

struct pxp_map {
	struct pxp_executor *executor; /* one reference */
	pxp_task_fn *run;
	pxp_input_fn *next;
	void *data;
	struct pxp_map_options options; /* with defaults filled in */
	int64_t deadline_ns;

	struct waiter waiter;       /* unordered */
	size_t n_taken;             /* from the waiter */
	struct chunk *first, *last; /* submitted and not read */
	struct chunk *unsent;       /* pulled, but there was no room */
	struct chunk *current;      /* read, and being given out */
	struct chunk *spare;        /* for another time, by their after */
	size_t n_pulled, n_out;     /* inputs; those of them that were not given out */

	bool has_ended;         /* no more is pulled: ending says why */
	enum pxp_status ending; /* PXP_ESTATE: the source had no more */
	bool is_over;           /* there is nothing more to say */
};

/* Whether chunks are packed: of one item they are not. */
static inline bool map_is_packed(const struct pxp_map *map)
{
	return map->options.chunk > 1;
}

/* Until the map's time is over: for a call that waits, and whether there is any. */
int64_t map_left_ms(const struct pxp_map *map);
bool map_has_time(const struct pxp_map *map);

/* map_submit.c */

/* Submit as long as a whole chunk fits into the window. PXP_EDEADLK, or PXP_OK. */
enum pxp_status map_fill(struct pxp_map *map);
/* Submit a chunk, or what is left of it, waiting for room for so long. */
enum pxp_status map_submit(struct pxp_map *map, struct chunk *chunk, int64_t timeout_ms);
/* Keep it for another time: its input has grown to the size that is needed. */
void map_recycle(struct pxp_map *map, struct chunk *chunk);
/* Take it off those that are submitted. */
void map_remove(struct pxp_map *map, struct chunk *chunk);

/* map_read.c */

/* Make the chunk whose turn it is the current one. What else pxp_map_next() says when there
 * is none. */
enum pxp_status map_collect(struct pxp_map *map);

#endif
