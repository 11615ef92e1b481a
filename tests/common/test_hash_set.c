/* Tests of the set of hashes: sorting, duplicates and bounds. */
#include "support/test.h"

#include "common/hash_set.h"

#include <stdlib.h>

TEST(hash_set, a_hash_set_finds_exactly_the_added_hashes)
{
	struct hash_set set = {0};
	size_t index;

	EXPECT(!hash_set_find(&set, 7, &index) && index == 0);
	/* Append so many hashes that the set grows more than once. They are not sorted. */
	for (uint64_t i = 0; i < 5000; i++)
		REQUIRE(hash_set_append(&set, i * 2654435761U % 5003 * 2));
	hash_set_sort(&set);
	EXPECT_EQ(set.n, 5000);
	for (size_t i = 1; i < set.n; i++)
		EXPECT(set.hashes[i - 1] <= set.hashes[i]);
	for (uint64_t i = 0; i < 5000; i++) {
		uint64_t hash = i * 2654435761U % 5003 * 2;

		EXPECT(hash_set_find(&set, hash, &index) && set.hashes[index] == hash);
		EXPECT(!hash_set_find(&set, hash + 1, &index));
	}
	hash_set_fini(&set);
	EXPECT_EQ(set.n, 0);
}

TEST(hash_set, lookup_returns_the_first_of_equal_hashes)
{
	static const uint64_t hashes[] = {9, 4, 9, 9, 1};
	struct hash_set set = {0};
	size_t index;

	for (size_t i = 0; i < 5; i++)
		REQUIRE(hash_set_append(&set, hashes[i]));
	hash_set_sort(&set);
	EXPECT(hash_set_find(&set, 9, &index));
	EXPECT_EQ(index, 2);
	EXPECT(!hash_set_find(&set, 5, &index));
	EXPECT_EQ(index, 2);
	EXPECT(!hash_set_find(&set, UINT64_MAX, &index));
	EXPECT_EQ(index, 5);
	hash_set_fini(&set);
}

TEST(hash_set, hashes_stay_sorted_after_insertions)
{
	struct hash_set set = {0};
	size_t index;

	for (uint64_t i = 0; i < 2000; i++)
		REQUIRE(hash_set_insert(&set, (i * 7919) % 2003));
	EXPECT_EQ(set.n, 2000);
	for (size_t i = 1; i < set.n; i++)
		EXPECT(set.hashes[i - 1] < set.hashes[i]);
	EXPECT(hash_set_find(&set, 7919 % 2003, &index));
	hash_set_fini(&set);
}
