/* A pool of memory blocks of one size: it keeps a list of unused blocks. */
#include "base/block_pool.h"

#include "base/lock.h"

#include <stdlib.h>

struct idle_block {
	struct idle_block *next;
};

struct block_pool {
	size_t n_bytes;

	/* Guards all members below. */
	struct lock lock;
	struct idle_block *first;
	size_t n_kept, n_idle, n_out;
	bool is_released;
};

struct block_pool *block_pool_create(size_t n_bytes, size_t n_kept)
{
	struct block_pool *pool = malloc(sizeof(*pool));

	if (!pool)
		return NULL;
	*pool = (struct block_pool){.n_bytes = n_bytes, .n_kept = n_kept};
	lock_init(&pool->lock);
	return pool;
}

static void destroy(struct block_pool *pool)
{
	lock_fini(&pool->lock);
	free(pool);
}

void block_pool_release(struct block_pool *pool)
{
	struct idle_block *idle;
	bool is_last;

	if (!pool)
		return;
	lock_acquire(&pool->lock);
	pool->is_released = true;
	pool->n_kept = 0;
	idle = pool->first;
	is_last = pool->n_out == 0;
	lock_release(&pool->lock);

	for (struct idle_block *next; idle; idle = next) {
		next = idle->next;
		free(idle);
	}
	if (is_last)
		destroy(pool);
}

void *block_pool_get(struct block_pool *pool)
{
	struct idle_block *block;

	lock_acquire(&pool->lock);
	block = pool->first;
	if (block) {
		pool->first = block->next;
		pool->n_idle--;
	}
	pool->n_out++;
	lock_release(&pool->lock);
	if (block)
		return block;

	block = malloc(pool->n_bytes);
	if (!block) {
		/* The caller gets blocks only before it releases the pool. So the pool still exists
		 * here, even if no block is in use. */
		lock_acquire(&pool->lock);
		pool->n_out--;
		lock_release(&pool->lock);
	}
	return block;
}

void block_pool_put(struct block_pool *pool, void *block)
{
	struct idle_block *idle = block;
	bool is_kept, is_last;

	lock_acquire(&pool->lock);
	is_kept = pool->n_idle < pool->n_kept;
	if (is_kept) {
		idle->next = pool->first;
		pool->first = idle;
		pool->n_idle++;
	}
	pool->n_out--;
	is_last = pool->is_released && pool->n_out == 0;
	lock_release(&pool->lock);

	if (!is_kept)
		free(block);
	if (is_last)
		destroy(pool);
}
