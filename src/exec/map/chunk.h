/*
 * A chunk: items of a map that go to a worker as one task. Its input and its result are bytes like
 * those of any other task, so chunks work on every executor.
 *
 *   input   struct chunk_head, then for each item its length in 16 bytes and its bytes, padded to a
 *           multiple of 16, so that each is aligned for any type
 *   result  for each item its length and whether it failed, in 8 bytes, then its bytes, or its
 *           struct pxp_error
 *
 * The progress of the task gives the index of the current item. If the worker dies, that item is to
 * blame.
 *
 * map.c writes and reads chunks. The reader of results is declared here for its tests, because a
 * worker may have forged every byte.
 */
#ifndef PXP_CHUNK_H
#define PXP_CHUNK_H

#include <pixpool/task.h>

/* Whether the result is well-formed and has n_items items. The worker is not trusted. */
bool chunk_result_is_sound(const void *result, size_t n_result, size_t n_items);

/*
 * Read the next item of a well-formed result. *at begins at 0, and moves past the item.
 *
 * ret_error  the item's error, untouched if it has none; PXP_ENOMEM: no memory for its bytes.
 * ret_bytes  a copy of its bytes, from malloc(); untouched if it has none.
 */
void chunk_next(const void *result, size_t *at, struct pxp_error *ret_error,
                void **ret_bytes, size_t *ret_n);

#endif
