/* How the memory of a run is shared out. */
#include "support/test.h"

#include "batch/limits.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/* Nothing is shared out twice: 32 MiB are the main process's. */
static void expect_sum(struct limits limits)
{
	EXPECT_EQ(32 * MIB + limits.finished + limits.n_workers * limits.allowance +
	                  limits.budget,
	          limits.memory);
}

TEST(limits, a_gigabyte_for_two_workers_has_room_for_a_hundred_progressive_megapixels)
{
	struct limits limits = limits_share(GIB, 2, 64 * GIB, 8);

	EXPECT_EQ(limits.n_workers, 2);
	EXPECT_EQ(limits.allowance, 128 * MIB);
	EXPECT(limits_of_picture(&limits) > 6 * 100000000 + 80 * MIB);
	expect_sum(limits);
}

TEST(limits, by_itself_it_takes_three_quarters_of_what_is_left)
{
	EXPECT_EQ(limits_share(0, 0, 400 * MIB, 1).memory, 300 * MIB);
	EXPECT_EQ(limits_share(GIB, 0, 400 * MIB, 1).memory, GIB);
	expect_sum(limits_share(0, 0, 400 * MIB, 1));
}

TEST(limits, workers_are_the_least_of_processors_and_memory)
{
	EXPECT_EQ(limits_share(0, 0, 64 * GIB, 4).n_workers, 4);
	EXPECT_EQ(limits_share(512 * MIB, 0, 64 * GIB, 64).n_workers, 3);
	EXPECT_EQ(limits_share(0, 0, 100 * MIB, 64).n_workers, 1);
	EXPECT_EQ(limits_share(512 * MIB, 64, 64 * GIB, 1).n_workers, 6);
	expect_sum(limits_share(512 * MIB, 64, 64 * GIB, 1));
}

TEST(limits, hardly_any_memory_is_one_worker_and_some_memory)
{
	struct limits limits = limits_share(0, 0, 0, 8);

	EXPECT_EQ(limits.memory, LIMITS_MIN_MEMORY);
	EXPECT_EQ(limits.n_workers, 1);
	EXPECT(limits.allowance >= 64 * MIB);
	expect_sum(limits);
}

/* "max" of every group: nothing says how much there is. */
TEST(limits, no_limit_at_all_is_a_lot)
{
	struct limits limits = limits_share(0, 0, UINT64_MAX, 2);

	EXPECT_EQ(limits.n_workers, 2);
	EXPECT(limits.budget <= INT64_MAX / 2, "the executor takes it");
}
