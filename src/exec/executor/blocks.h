/*
 * Blocks of one size, kept for those to come: tasks with their futures, of which there may
 * be a million a second. So the heap is not grown and trimmed again for each batch, and
 * what one thread allocates another one may free at no more than a lock.
 */
#ifndef PXP_BLOCKS_H
#define PXP_BLOCKS_H

#include <stddef.h>

struct blocks;

/* Blocks of n_bytes, of which at most n_kept lie idle. NULL when memory ran out. */
struct blocks *blocks_create(size_t n_bytes, size_t n_kept);

/* Its owner is gone: the last block that comes back frees it. NULL is fine. */
void blocks_abandon(struct blocks *blocks);

/* A block, not cleared; NULL when memory ran out. */
void *blocks_get(struct blocks *blocks);
/* Give one back. */
void blocks_put(struct blocks *blocks, void *block);

#endif
