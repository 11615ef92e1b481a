/* The pool of blocks that executors allocate tasks from, in sanitizer builds as well, where executors
 * do not let it keep any block. */
#include "base/block_pool.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 100 };

static void *get(struct block_pool *pool)
{
	void *block = block_pool_get(pool);

	REQUIRE(block != NULL);
	memset(block, 'x', BLOCK_BYTES);
	return block;
}

TEST(block_pool, a_block_that_was_given_back_is_the_next_one)
{
	struct block_pool *pool = block_pool_create(BLOCK_BYTES, 2);
	void *first = get(pool), *second = get(pool);

	EXPECT(first != second);
	block_pool_put(pool, first);
	block_pool_put(pool, second);
	EXPECT(get(pool) == second);
	EXPECT(get(pool) == first);
	block_pool_put(pool, first);
	block_pool_put(pool, second);
	block_pool_release(pool);
}

/* The leak checker sees a block that is neither kept nor freed. */
TEST(block_pool, a_pool_that_keeps_no_block_frees_each)
{
	struct block_pool *pool = block_pool_create(BLOCK_BYTES, 0);
	void *block = get(pool);

	block_pool_put(pool, block);
	block_pool_put(pool, get(pool));
	block_pool_release(pool);
}

TEST(block_pool, more_blocks_than_it_keeps_are_freed)
{
	struct block_pool *pool = block_pool_create(BLOCK_BYTES, 1);
	void *first = get(pool), *second = get(pool);

	block_pool_put(pool, first);
	block_pool_put(pool, second);
	EXPECT(get(pool) == first);
	block_pool_put(pool, first);
	block_pool_release(pool);
}

TEST(block_pool, a_released_pool_lives_until_its_last_block_is_given_back)
{
	struct block_pool *pool = block_pool_create(BLOCK_BYTES, 2);
	void *first = get(pool), *second = get(pool);

	block_pool_put(pool, first);
	block_pool_release(pool);
	memset(second, 'y', BLOCK_BYTES);
	block_pool_put(pool, second);
}

TEST(block_pool, no_pool_can_be_released)
{
	block_pool_release(NULL);
}
