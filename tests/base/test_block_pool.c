/* Tests of the pool of memory blocks from which executors allocate tasks. In a sanitizer build
 * executors keep no returned blocks. The pools of these tests keep as many as in other builds. */
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

TEST(block_pool, a_returned_block_is_reused_first)
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

/* The leak checker would report a block that is neither kept nor freed. */
TEST(block_pool, a_pool_with_capacity_0_frees_every_returned_block)
{
	struct block_pool *pool = block_pool_create(BLOCK_BYTES, 0);
	void *block = get(pool);

	block_pool_put(pool, block);
	block_pool_put(pool, get(pool));
	block_pool_release(pool);
}

TEST(block_pool, blocks_beyond_the_capacity_of_the_pool_are_freed)
{
	struct block_pool *pool = block_pool_create(BLOCK_BYTES, 1);
	void *first = get(pool), *second = get(pool);

	block_pool_put(pool, first);
	block_pool_put(pool, second);
	EXPECT(get(pool) == first);
	block_pool_put(pool, first);
	block_pool_release(pool);
}

TEST(block_pool, a_released_pool_lives_until_its_last_block_is_returned)
{
	struct block_pool *pool = block_pool_create(BLOCK_BYTES, 2);
	void *first = get(pool), *second = get(pool);

	block_pool_put(pool, first);
	block_pool_release(pool);
	memset(second, 'y', BLOCK_BYTES);
	block_pool_put(pool, second);
}

TEST(block_pool, releasing_a_null_pool_does_nothing)
{
	block_pool_release(NULL);
}
