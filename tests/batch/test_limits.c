/* Tests of how a batch divides its memory between the main process and the workers, and of how many
 * images share a task. */
#include "support/test.h"

#include "batch/limits.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/* Check that the shares of memory add up to the memory of the run. The main process gets 32 MiB. */
static void expect_sum(struct limits limits)
{
	EXPECT_EQ(32 * MIB + limits.finished + limits.n_workers * limits.allowance +
	                  limits.budget,
	          limits.memory);
}

TEST(limits,
     a_gigabyte_for_two_workers_is_enough_for_a_progressive_jpeg_of_100_megapixels)
{
	struct limits limits = limits_share(GIB, 2, 64 * GIB, 8);

	EXPECT_EQ(limits.n_workers, 2);
	EXPECT_EQ(limits.allowance, 128 * MIB);
	EXPECT(limits_of_picture(&limits) > 6 * 100000000 + 80 * MIB);
	expect_sum(limits);
}

TEST(limits, the_default_memory_limit_is_three_quarters_of_the_free_memory)
{
	EXPECT_EQ(limits_share(0, 0, 400 * MIB, 1).memory, 300 * MIB);
	EXPECT_EQ(limits_share(GIB, 0, 400 * MIB, 1).memory, GIB);
	expect_sum(limits_share(0, 0, 400 * MIB, 1));
}

TEST(limits, the_number_of_workers_is_limited_by_processors_and_by_memory)
{
	EXPECT_EQ(limits_share(0, 0, 64 * GIB, 4).n_workers, 4);
	EXPECT_EQ(limits_share(512 * MIB, 0, 64 * GIB, 64).n_workers, 3);
	EXPECT_EQ(limits_share(0, 0, 100 * MIB, 64).n_workers, 1);
	EXPECT_EQ(limits_share(512 * MIB, 64, 64 * GIB, 1).n_workers, 6);
	expect_sum(limits_share(512 * MIB, 64, 64 * GIB, 1));
}

TEST(limits, with_almost_no_memory_a_single_worker_gets_the_minimum_amount)
{
	struct limits limits = limits_share(0, 0, 0, 8);

	EXPECT_EQ(limits.memory, LIMITS_MIN_MEMORY);
	EXPECT_EQ(limits.n_workers, 1);
	EXPECT(limits.allowance >= 64 * MIB);
	expect_sum(limits);
}

/* The amount of free memory is not known. */
TEST(limits, the_memory_budget_is_valid_for_an_executor_if_the_free_memory_is_unknown)
{
	struct limits limits = limits_share(0, 0, UINT64_MAX, 2);

	EXPECT_EQ(limits.n_workers, 2);
	EXPECT(limits.budget <= INT64_MAX / 2, "an executor refuses this budget");
}

TEST(limits, small_images_share_a_task_of_about_16_milliseconds)
{
	EXPECT_EQ(limits_group(1000, 2, 1000000), 16);
	EXPECT_EQ(limits_group(1000, 2, 5000000), 3);
	EXPECT_EQ(limits_group(1000, 2, 60000000000), 1);
	/* The time that an image takes is not known yet. */
	EXPECT_EQ(limits_group(1000, 2, 0), 1);
}

TEST(limits, fewer_images_share_a_task_near_the_end_of_a_run)
{
	EXPECT_EQ(limits_group(40, 4, 1000000), 5);
	EXPECT_EQ(limits_group(8, 4, 1000000), 1);
	EXPECT_EQ(limits_group(0, 4, 1000000), 1);
}
