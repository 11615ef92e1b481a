/*
 * A chunk: items of a map that go to a worker as one task. Its input and its result are bytes like
 * those of any other task, so chunks work on every executor.
 *
 *   input   struct chunk_head, then for each item its length in 16 bytes, and its bytes, padded to
 *           a multiple of 16, so that every item is aligned for any type
 *   result  for each item 8 bytes with its length and a bit that says whether it failed, then the
 *           bytes of its result, or its struct pxp_error if it failed
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

/* Whether the result is well-formed and has n_items items. The result comes from a worker and may
 * be forged. */
bool chunk_result_is_sound(const void *result, size_t n_result, size_t n_items);

/*
 * Read the result of the next item. The result of the chunk must be well-formed. *at is 0 for the
 * first item; each call moves it past the item that it reads.
 *
 * ret_error  the error of the item, or PXP_ENOMEM if there is no memory for the copy of its result.
 *            Unchanged if there is no error.
 * ret_bytes  a copy of the item's result, from malloc(). Unchanged if the item failed or its result
 *            is empty.
 */
void chunk_next(const void *result, size_t *at, struct pxp_error *ret_error,
                void **ret_bytes, size_t *ret_n);

#endif
