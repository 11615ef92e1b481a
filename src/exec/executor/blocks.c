#include "exec/executor/blocks.h"

#include "base/lock.h"

#include <stdlib.h>

struct idle_block {
	struct idle_block *next;
};

struct blocks {
	size_t n_bytes, n_kept;

	struct lock lock; /* guards all below */
	struct idle_block *first;
	size_t n_idle, n_out;
	bool is_abandoned;
};

struct blocks *blocks_create(size_t n_bytes, size_t n_kept)
{
	struct blocks *blocks = malloc(sizeof(*blocks));

	if (!blocks)
		return NULL;
		/* A sanitizer shall see who uses a block that was given back. */
#ifdef PIXPOOL_SANITIZE
	n_kept = 0;
#endif
	*blocks = (struct blocks){.n_bytes = n_bytes, .n_kept = n_kept};
	lock_init(&blocks->lock);
	return blocks;
}

static void destroy(struct blocks *blocks)
{
	lock_fini(&blocks->lock);
	free(blocks);
}

void blocks_abandon(struct blocks *blocks)
{
	struct idle_block *idle;
	bool is_last;

	if (!blocks)
		return;
	lock_acquire(&blocks->lock);
	blocks->is_abandoned = true;
	blocks->n_kept = 0;
	idle = blocks->first;
	is_last = blocks->n_out == 0;
	lock_release(&blocks->lock);

	for (struct idle_block *next; idle; idle = next) {
		next = idle->next;
		free(idle);
	}
	if (is_last)
		destroy(blocks);
}

void *blocks_get(struct blocks *blocks)
{
	struct idle_block *block;

	lock_acquire(&blocks->lock);
	block = blocks->first;
	if (block) {
		blocks->first = block->next;
		blocks->n_idle--;
	}
	blocks->n_out++;
	lock_release(&blocks->lock);
	if (block)
		return block;

	block = malloc(blocks->n_bytes);
	if (!block) {
		/* It has an owner, or nobody would ask: it stays. */
		lock_acquire(&blocks->lock);
		blocks->n_out--;
		lock_release(&blocks->lock);
	}
	return block;
}

void blocks_put(struct blocks *blocks, void *block)
{
	struct idle_block *idle = block;
	bool is_kept, is_last;

	lock_acquire(&blocks->lock);
	is_kept = blocks->n_idle < blocks->n_kept;
	if (is_kept) {
		idle->next = blocks->first;
		blocks->first = idle;
		blocks->n_idle++;
	}
	blocks->n_out--;
	is_last = blocks->is_abandoned && blocks->n_out == 0;
	lock_release(&blocks->lock);

	if (!is_kept)
		free(block);
	if (is_last)
		destroy(blocks);
}
