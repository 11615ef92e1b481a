/*
 * A chunk: items of a map that go to a worker as one task. Its input and its result are
 * bytes like any other task's, so that it works on every executor.
 *
 *   input   struct chunk_head, then of each item its length in 16 bytes, and its bytes
 *           filled up to a multiple of 16: so each is aligned for any type
 *   result  of each item a word (its length, and whether it failed), then its bytes, or
 *           its struct pxp_error
 *
 * The worker says with its progress which item it is at. When it dies, that is the one.
 */
#ifndef PXP_CHUNK_H
#define PXP_CHUNK_H

#include <pixpool/task.h>

/* A growing run of bytes. */
struct parcel {
	char *bytes; /* malloc(), or NULL */
	size_t n, capacity;
};

/* Begin the input of a chunk whose items run is called for. False: no memory. */
bool chunk_begin(struct parcel *input, pxp_task_fn *run);
/* Add an item. False: no memory, and the input is as before. */
bool chunk_add(struct parcel *input, const void *bytes, size_t n);
/* Take the item at a position (from 0) out again. */
void chunk_drop(struct parcel *input, size_t position);

/* The task of a chunk: calls its function for each item. */
pxp_task_fn chunk_run;

/* Whether a result is that of n_items items, in every byte: a worker could have made it
 * up. */
bool chunk_result_is_sound(const void *result, size_t n_result, size_t n_items);

/*
 * The next item of a sound result, which *at (at first 0) moves past: its error, and when
 * that has status PXP_OK a copy of its bytes. PXP_ENOMEM is its error when there is no
 * memory for that.
 */
void chunk_next(const void *result, size_t *at, struct pxp_error *ret_error,
                void **ret_bytes, size_t *ret_n);

#endif
