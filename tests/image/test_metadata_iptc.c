/* Tests of the IPTC filter: which datasets are kept. */
#include "support/test.h"

#include "image/metadata/iptc.h"
#include "metadata_fixture.h"

#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static void add_dataset(struct block *to, unsigned record, unsigned number,
                        const char *value)
{
	block_add_number(to, 0x1c, 1, true);
	block_add_number(to, record, 1, true);
	block_add_number(to, number, 1, true);
	block_add_number(to, strlen(value), 2, true);
	block_add_text(to, value);
}

static struct block filtered(const struct block *datasets, unsigned keep, unsigned *lost)
{
	struct metadata_target target = fixture_target();
	struct block iptc = {0};

	*lost = 0;
	REQUIRE(iptc_filter(&iptc, block_bytes(datasets), keep, &target, lost));
	return iptc;
}

TEST(metadata_iptc, an_iptc_dataset_is_kept_only_if_its_metadata_class_is_kept)
{
	static const struct {
		unsigned record, number;
		const char *value;
		unsigned keep;
	} rows[] = {
		{2, 5, "word-of-title", KEEP_IPTC},
		{2, 25, "GPS-Tour", KEEP_IPTC},
		{2, 25, "geo:lat=48.1", KEEP_GPS},
		{2, 25, " \nGEO:LAT=48.1", KEEP_GPS},
		{2, 26, "FRA", KEEP_GPS},
		{2, 27, "word-of-content-location", KEEP_GPS},
		{2, 80, "word-of-by-line", KEEP_IPTC | KEEP_COPYRIGHT},
		{2, 90, "word-of-city", KEEP_GPS},
		{2, 92, "word-of-sub-location", KEEP_GPS},
		{2, 95, "word-of-state", KEEP_GPS},
		{2, 100, "DEU", KEEP_GPS},
		{2, 101, "word-of-country", KEEP_GPS},
		{2, 110, "word-of-credit", KEEP_IPTC | KEEP_COPYRIGHT},
		{2, 116, "word-of-copyright", KEEP_IPTC | KEEP_COPYRIGHT},
		{2, 120, "word-of-caption", KEEP_IPTC},
		{2, 202, "word-of-preview", 0},
		{8, 10, "word-of-object-data", 0},
	};
	struct block datasets = {0};

	add_dataset(&datasets, 1, 90, "\x1b%G");
	add_dataset(&datasets, 2, 0, "\0\4");
	for (size_t i = 0; i < N_OF(rows); i++)
		add_dataset(&datasets, rows[i].record, rows[i].number, rows[i].value);
	for (unsigned keep = 0; keep <= (KEEP_ALL | KEEP_COPYRIGHT); keep++) {
		unsigned lost;
		struct block iptc = filtered(&datasets, keep, &lost);

		EXPECT_EQ(lost, 0);
		for (size_t i = 0; i < N_OF(rows); i++)
			EXPECT(fixture_holds(block_bytes(&iptc), rows[i].value) ==
			               ((keep & rows[i].keep) != 0),
			       "%s, keep %u", rows[i].value, keep);
		/* The dataset that names the character encoding is kept if at least one other
		 * dataset is kept, and dropped otherwise. */
		EXPECT((iptc.n > 0) ==
		       ((keep & (KEEP_IPTC | KEEP_GPS | KEEP_COPYRIGHT)) != 0));
		EXPECT(fixture_holds(block_bytes(&iptc), "\x1b%G") == (iptc.n > 0));
		block_fini(&iptc);
	}
	block_fini(&datasets);
}

TEST(metadata_iptc, a_dataset_with_an_extended_length_is_kept)
{
	struct block datasets = {0}, iptc;
	unsigned lost;

	block_add(&datasets, BYTES_OF("\x1c\2\x78\x80\4\0\0\0\5Hello"));
	iptc = filtered(&datasets, KEEP_IPTC, &lost);
	EXPECT(bytes_equal(block_bytes(&iptc), block_bytes(&datasets)));
	EXPECT_EQ(lost, 0);
	block_fini(&iptc);
	block_fini(&datasets);
}

TEST(metadata_iptc, the_iptc_orientation_is_set_to_that_of_the_output)
{
	struct block datasets = {0}, iptc;
	unsigned lost;

	add_dataset(&datasets, 2, 131, "P");
	iptc = filtered(&datasets, KEEP_IPTC, &lost);
	REQUIRE(iptc.n == 6);
	EXPECT_EQ(iptc.at[5], 'L');
	block_fini(&iptc);
	block_fini(&datasets);
}

TEST(metadata_iptc,
     bytes_that_are_not_an_iptc_dataset_are_reported_lost_and_padding_is_ignored)
{
	static const struct {
		const char *tail;
		size_t n;
		unsigned lost;
	} tails[] = {{"\0\0\0", 3, 0},
	             {"\x1c\2\x78\0\x0fshort", 10, LOST_IPTC},
	             {"junk", 4, LOST_IPTC},
	             {"\x1c\2\x78\xff\xff", 5, LOST_IPTC}};

	for (size_t i = 0; i < N_OF(tails); i++) {
		struct block datasets = {0}, iptc;
		unsigned lost;

		add_dataset(&datasets, 2, 5, "Title");
		block_add(&datasets,
		          (struct bytes){(const uint8_t *)tails[i].tail, tails[i].n});
		iptc = filtered(&datasets, KEEP_IPTC, &lost);
		EXPECT_EQ(lost, tails[i].lost);
		EXPECT_EQ(iptc.n, 10);
		block_fini(&iptc);
		block_fini(&datasets);
	}
}

TEST(metadata_iptc, the_iptc_resource_is_found_after_resources_with_names_and_odd_lengths)
{
	static const uint8_t resources[] = "8BIM\3\xed\3abc\0\0\0\3xyz\0"
					   "8BIM\4\4\0\0\0\0\0\5datum\0"
					   "8BIM\4\x0c\0\0\0\0\0\7preview\0";
	struct bytes all = {resources, sizeof(resources) - 1};
	struct bytes found = photoshop_resource(all, PHOTOSHOP_IPTC);
	struct block again = {0};

	EXPECT(bytes_equal(found, BYTES_OF("datum")));
	EXPECT_EQ(photoshop_resource(all, PHOTOSHOP_XMP).n, 0);
	EXPECT_EQ(photoshop_resource(bytes_part(all, 0, 30), PHOTOSHOP_IPTC).n, 0);
	iptc_add_as_resource(&again, found);
	EXPECT(bytes_equal(photoshop_resource(block_bytes(&again), PHOTOSHOP_IPTC),
	                   found));
	EXPECT_EQ(again.n % 2, 0);
	block_fini(&again);
}
