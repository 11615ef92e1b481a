/* Tests of the EXIF filter: which fields are kept, set and dropped. */
#include "support/test.h"

#include "image/metadata/exif.h"
#include "metadata_fixture.h"

#include <stdlib.h>
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct fixture_field camera[] = {
	{FIXTURE_MAIN, 0x010e, FIXTURE_ASCII, "word-of-description", {0}, 0},
	{FIXTURE_MAIN, 0x0112, FIXTURE_SHORT, NULL, {6}, 1},
	{FIXTURE_MAIN, 0x013b, FIXTURE_ASCII, "J\xf6rg M\xfcller", {0}, 0},
	{FIXTURE_MAIN, 0x8298, FIXTURE_ASCII, "\xc2\xa9 2024 J\xc3\xb6rg", {0}, 0},
	{FIXTURE_EXIF, 0x9000, FIXTURE_UNDEFINED, "0232", {0}, 0},
	{FIXTURE_EXIF, 0x9286, FIXTURE_UNDEFINED, "word-of-comment", {0}, 0},
	{FIXTURE_EXIF, 0x927c, FIXTURE_UNDEFINED, "word-of-maker-note", {0}, 0},
	{FIXTURE_EXIF, 0xa001, FIXTURE_SHORT, NULL, {0xffff}, 1},
	{FIXTURE_EXIF, 0xa002, FIXTURE_LONG, NULL, {640}, 1},
	{FIXTURE_EXIF, 0xa003, FIXTURE_SHORT, NULL, {480}, 1},
	{FIXTURE_EXIF, 0xfe01, FIXTURE_ASCII, "word-of-unknown-tag", {0}, 0},
	{FIXTURE_GPS, 0x0001, FIXTURE_ASCII, "N", {0}, 0},
	{FIXTURE_GPS, 0x0012, FIXTURE_ASCII, "word-of-gps", {0}, 0},
	{FIXTURE_INTEROP, 0x0001, FIXTURE_ASCII, "R03", {0}, 0},
	{FIXTURE_THUMBNAIL, 0x013b, FIXTURE_ASCII, "word-of-thumbnail", {0}, 0},
};

static struct block filtered(struct bytes tiff, unsigned keep,
                             const struct metadata_target *target, unsigned *lost)
{
	struct block exif = {0};

	*lost = 0;
	REQUIRE(exif_filter(&exif, tiff, keep, target, lost));
	return exif;
}

/* Filter these fields. The filter must lose nothing. */
static struct block kept(const struct fixture_field *fields, size_t n, unsigned keep,
                         const struct metadata_target *target)
{
	struct block tiff = fixture_exif(true, fields, n);
	unsigned lost;
	struct block exif = filtered(block_bytes(&tiff), keep, target, &lost);

	EXPECT_EQ(lost, 0);
	block_fini(&tiff);
	return exif;
}

TEST(metadata_exif, each_exif_field_is_kept_only_if_its_class_is_kept)
{
	static const struct {
		enum fixture_directory directory;
		uint16_t tag;
		unsigned keep;
	} fields[] = {
		{FIXTURE_MAIN, 0x010e, KEEP_EXIF},
		{FIXTURE_MAIN, 0x013b, KEEP_EXIF | KEEP_COPYRIGHT},
		{FIXTURE_MAIN, 0x8298, KEEP_EXIF | KEEP_COPYRIGHT},
		{FIXTURE_EXIF, 0x9000, KEEP_EXIF},
		{FIXTURE_EXIF, 0x9286, KEEP_EXIF},
		{FIXTURE_EXIF, 0xfe01, KEEP_EXIF},
		{FIXTURE_EXIF, 0x927c, 0},
		{FIXTURE_GPS, 0x0012, KEEP_GPS},
		{FIXTURE_INTEROP, 0x0001, KEEP_EXIF},
		{FIXTURE_THUMBNAIL, 0x013b, 0},
	};
	struct metadata_target target = fixture_target();

	for (int is_big = 0; is_big < 2; is_big++) {
		struct block tiff = fixture_exif(is_big, camera, N_OF(camera));

		for (unsigned keep = 0; keep <= (KEEP_ALL | KEEP_COPYRIGHT); keep++) {
			unsigned lost;
			struct block exif = filtered(block_bytes(&tiff), keep, &target,
			                             &lost);
			struct bytes bytes = block_bytes(&exif);

			EXPECT_EQ(lost, 0);
			for (size_t i = 0; i < N_OF(fields); i++) {
				bool is_there = fixture_exif_value(bytes,
				                                   fields[i].directory,
				                                   fields[i].tag)
				                        .n > 0;

				EXPECT(is_there == ((keep & fields[i].keep) != 0),
				       "tag %x, keep %u", fields[i].tag, keep);
			}
			EXPECT(!fixture_holds(bytes, "word-of-maker-note"));
			EXPECT(!fixture_holds(bytes, "word-of-thumbnail"));
			EXPECT(fixture_holds(bytes, "word-of-gps") ==
			       ((keep & KEEP_GPS) != 0));
			block_fini(&exif);
		}
		block_fini(&tiff);
	}
}

TEST(metadata_exif, exif_text_keeps_its_bytes_in_latin_1_and_in_utf_8)
{
	struct metadata_target target = fixture_target();
	struct block exif = kept(camera, N_OF(camera), KEEP_EXIF, &target);
	struct bytes artist = fixture_exif_value(block_bytes(&exif), FIXTURE_MAIN,
	                                         0x013b);
	struct bytes rights = fixture_exif_value(block_bytes(&exif), FIXTURE_MAIN,
	                                         0x8298);

	REQUIRE(artist.n == 12 && rights.n == 14);
	EXPECT(memcmp(artist.at, "J\xf6rg M\xfcller", 12) == 0);
	EXPECT(memcmp(rights.at, "\xc2\xa9 2024 J\xc3\xb6rg", 14) == 0);
	block_fini(&exif);
}

TEST(metadata_exif, exif_orientation_and_size_are_set_to_those_of_the_output)
{
	struct metadata_target target = fixture_target();
	struct block exif = kept(camera, N_OF(camera), KEEP_EXIF, &target);

	EXPECT_EQ(fixture_exif_number(block_bytes(&exif), FIXTURE_MAIN, 0x0112), 1);
	EXPECT_EQ(fixture_exif_number(block_bytes(&exif), FIXTURE_EXIF, 0xa002), 320);
	EXPECT_EQ(fixture_exif_number(block_bytes(&exif), FIXTURE_EXIF, 0xa003), 240);
	block_fini(&exif);

	target.is_as_stored = true;
	target.height = 70000;
	exif = kept(camera, N_OF(camera), KEEP_EXIF, &target);
	EXPECT_EQ(fixture_exif_number(block_bytes(&exif), FIXTURE_MAIN, 0x0112), 6);
	EXPECT_EQ(fixture_exif_number(block_bytes(&exif), FIXTURE_EXIF, 0xa003), 70000);
	block_fini(&exif);
}

TEST(metadata_exif, exif_colour_space_fields_describe_the_output_samples)
{
	static const struct {
		enum metadata_colour colour;
		int space;
		const char *index;
	} colours[] = {{COLOUR_SRGB, 1, "R98"},
	               {COLOUR_KEPT, 0xffff, "R03"},
	               {COLOUR_OTHER, 0xffff, NULL}};
	struct metadata_target target = fixture_target();

	for (size_t i = 0; i < N_OF(colours); i++) {
		struct block exif;
		struct bytes index;

		target.colour = colours[i].colour;
		exif = kept(camera, N_OF(camera), KEEP_EXIF, &target);
		EXPECT_EQ(fixture_exif_number(block_bytes(&exif), FIXTURE_EXIF, 0xa001),
		          colours[i].space);
		index = fixture_exif_value(block_bytes(&exif), FIXTURE_INTEROP, 1);
		EXPECT((index.n == 4) == (colours[i].index != NULL));
		if (index.n == 4 && colours[i].index)
			EXPECT_STR((const char *)index.at, colours[i].index);
		block_fini(&exif);
	}
}

TEST(metadata_exif, no_exif_field_is_added_that_the_input_did_not_have)
{
	static const struct fixture_field artist[] = {
		{FIXTURE_MAIN, 0x013b, FIXTURE_ASCII, "Jane", {0}, 0}};
	struct metadata_target target = fixture_target();
	struct block exif = kept(artist, 1, KEEP_EXIF, &target);

	EXPECT_EQ(bytes_be16(block_bytes(&exif), 8), 1);
	EXPECT_EQ(exif.n, 8 + 2 + 12 + 4 + 6);
	block_fini(&exif);
}

TEST(metadata_exif, pixel_density_is_written_to_exif_on_request)
{
	static const struct fixture_field fields[] = {
		{FIXTURE_MAIN, 0x011a, FIXTURE_RATIONAL, NULL, {72, 1}, 0},
		{FIXTURE_MAIN, 0x013b, FIXTURE_ASCII, "Jane", {0}, 0}};
	struct metadata_target target = fixture_target();
	struct density density;
	struct block exif;

	target.density = (struct density){300, 149.9};
	exif = kept(fields, 2, KEEP_COPYRIGHT, &target);
	EXPECT_EQ(fixture_exif_number(block_bytes(&exif), FIXTURE_MAIN, 0x011a), 300);
	EXPECT_EQ(fixture_exif_number(block_bytes(&exif), FIXTURE_MAIN, 0x0128), 2);
	density = exif_density(block_bytes(&exif));
	EXPECT(density.x == 300 && density.y == 149.9);
	block_fini(&exif);
}

TEST(metadata_exif, exif_density_is_read_in_both_units_and_ignored_without_a_unit)
{
	static const struct {
		uint32_t unit;
		double x;
	} units[] = {{2, 100}, {3, 254}, {1, 0}};

	for (size_t i = 0; i < N_OF(units); i++) {
		const struct fixture_field fields[] = {
			{FIXTURE_MAIN, 0x011a, FIXTURE_RATIONAL, NULL, {200, 2}, 0},
			{FIXTURE_MAIN, 0x011b, FIXTURE_RATIONAL, NULL, {100, 1}, 0},
			{FIXTURE_MAIN, 0x0128, FIXTURE_SHORT, NULL, {units[i].unit}, 0}};
		struct block tiff = fixture_exif(false, fields, 3);

		EXPECT(exif_density(block_bytes(&tiff)).x == units[i].x);
		block_fini(&tiff);
	}
}

TEST(metadata_exif, the_exif_subject_area_is_rotated_and_scaled_with_the_picture)
{
	static const struct fixture_field fields[] = {
		{FIXTURE_EXIF, 0x9214, FIXTURE_SHORT, NULL, {64, 48, 32, 96}, 4}};
	struct metadata_target target = fixture_target();
	struct block exif = kept(fields, 1, KEEP_EXIF, &target);
	struct bytes area = fixture_exif_value(block_bytes(&exif), FIXTURE_EXIF, 0x9214);

	REQUIRE(area.n == 8);
	EXPECT_EQ(bytes_be16(area, 0), 32);
	EXPECT_EQ(bytes_be16(area, 2), 24);
	EXPECT_EQ(bytes_be16(area, 4), 16);
	EXPECT_EQ(bytes_be16(area, 6), 48);
	block_fini(&exif);

	/* The centre of the subject area is a tenth of the width and a tenth of the height away
	 * from the top left corner. The clockwise rotation moves this corner to the top right. */
	target = (struct metadata_target){.width = 240,
	                                  .height = 320,
	                                  .from_width = 640,
	                                  .from_height = 480,
	                                  .orientation = 6,
	                                  .is_whole = true};
	exif = kept(fields, 1, KEEP_EXIF, &target);
	area = fixture_exif_value(block_bytes(&exif), FIXTURE_EXIF, 0x9214);
	REQUIRE(area.n == 8);
	EXPECT_EQ(bytes_be16(area, 0), 216);
	EXPECT_EQ(bytes_be16(area, 2), 32);
	EXPECT_EQ(bytes_be16(area, 4), 48);
	EXPECT_EQ(bytes_be16(area, 6), 16);
	block_fini(&exif);

	target.is_whole = false;
	exif = kept(fields, 1, KEEP_EXIF, &target);
	EXPECT_EQ(exif.n, 0);
	block_fini(&exif);
}

TEST(metadata_exif, the_exif_subject_area_may_be_beyond_65535_pixels)
{
	static const struct fixture_field fields[] = {
		{FIXTURE_EXIF, 0x9214, FIXTURE_SHORT, NULL, {576, 48, 32, 96}, 4}};
	struct metadata_target target = fixture_target();
	struct block exif;
	struct bytes area;

	target.width = 80000;
	exif = kept(fields, 1, KEEP_EXIF, &target);
	area = fixture_exif_value(block_bytes(&exif), FIXTURE_EXIF, 0x9214);
	REQUIRE(area.n == 16, "%zu", area.n);
	EXPECT_EQ(bytes_be32(area, 0), 72000);
	EXPECT_EQ(bytes_be32(area, 4), 24);
	EXPECT_EQ(bytes_be32(area, 8), 4000);
	EXPECT_EQ(bytes_be32(area, 12), 48);
	block_fini(&exif);
}

TEST(metadata_exif, exif_fields_that_describe_the_input_file_are_dropped)
{
	static const struct fixture_field fields[] = {
		{FIXTURE_MAIN, 0x0102, FIXTURE_SHORT, NULL, {8, 8, 8}, 3},
		{FIXTURE_MAIN, 0x0111, FIXTURE_LONG, NULL, {446}, 1},
		{FIXTURE_MAIN, 0x013b, FIXTURE_ASCII, "Jane", {0}, 0},
		{FIXTURE_MAIN, 0x013e, FIXTURE_RATIONAL, NULL, {1, 3}, 0},
		{FIXTURE_MAIN, 0x02bc, FIXTURE_UNDEFINED, "<x:xmpmeta/>", {0}, 0},
		{FIXTURE_MAIN, 0x83bb, FIXTURE_UNDEFINED, "word-of-iptc", {0}, 0}};
	struct metadata_target target = fixture_target();
	struct block exif = kept(fields, N_OF(fields), KEEP_EXIF | KEEP_GPS, &target);

	EXPECT_EQ(bytes_be16(block_bytes(&exif), 8), 1);
	EXPECT(fixture_exif_value(block_bytes(&exif), FIXTURE_MAIN, 0x013b).n == 5);
	block_fini(&exif);
}

TEST(metadata_exif, geotiff_fields_are_kept_only_if_the_class_gps_is_kept)
{
	static const struct fixture_field fields[] = {
		{FIXTURE_MAIN, 0x830e, FIXTURE_ASCII, "word-of-scale", {0}, 0},
		{FIXTURE_MAIN, 0x8482, FIXTURE_ASCII, "word-of-tie-points", {0}, 0},
		{FIXTURE_MAIN, 0x87af, FIXTURE_ASCII, "word-of-keys", {0}, 0}};
	struct metadata_target target = fixture_target();
	struct block exif = kept(fields, N_OF(fields), KEEP_EXIF, &target);

	EXPECT_EQ(exif.n, 0);
	exif = kept(fields, N_OF(fields), KEEP_GPS, &target);
	EXPECT_EQ(bytes_be16(block_bytes(&exif), 8), 3);
	block_fini(&exif);
}

TEST(metadata_exif, an_exif_value_outside_the_block_is_lost_and_the_rest_is_kept)
{
	struct metadata_target target = fixture_target();
	struct block tiff = fixture_exif(false, camera, N_OF(camera));
	size_t main_at = bytes_le32(block_bytes(&tiff), 4);
	struct block exif;
	unsigned lost;

	/* Let the first field of the block, the description, point beyond the end of the block. */
	block_set_number(&tiff, main_at + 2 + 8, 0xfffffff0, 4, false);
	exif = filtered(block_bytes(&tiff), KEEP_EXIF, &target, &lost);
	EXPECT_EQ(lost, LOST_EXIF);
	EXPECT(!fixture_holds(block_bytes(&exif), "word-of-description"));
	EXPECT(fixture_holds(block_bytes(&exif), "word-of-comment"));
	block_fini(&exif);

	exif = filtered(block_bytes(&tiff), KEEP_COPYRIGHT, &target, &lost);
	/* The field was not requested, so it is not reported as lost. */
	EXPECT_EQ(lost, 0);
	block_fini(&exif);
	block_fini(&tiff);
}

TEST(metadata_exif, bytes_that_are_not_an_exif_structure_are_reported_lost)
{
	static const struct bytes blocks[] = {
		{(const uint8_t *)"", 0},
		{(const uint8_t *)"MM", 2},
		{(const uint8_t *)"MM\0*\0\0\0\x08", 8},
		{(const uint8_t *)"II*\0\xff\xff\xff\xff", 8},
		{(const uint8_t *)"Exif\0\0MM\0*", 10}};
	struct metadata_target target = fixture_target();

	for (size_t i = 0; i < N_OF(blocks); i++) {
		unsigned lost;
		struct block exif = filtered(blocks[i], KEEP_EXIF, &target, &lost);

		EXPECT_EQ(exif.n, 0);
		EXPECT_EQ(lost, i == 0 ? 0 : LOST_EXIF);
	}
}

TEST(metadata_exif, an_exif_directory_that_points_to_itself_is_read_once)
{
	/* The directory has two entries. The second one points to the directory itself. */
	static const uint8_t loop[] = "MM\0*\0\0\0\x08"
				      "\0\2"
				      "\x01\x3b\0\2\0\0\0\4abc\0"
				      "\x87\x69\0\4\0\0\0\1\0\0\0\x08"
				      "\0\0\0\x08";
	struct metadata_target target = fixture_target();
	unsigned lost;
	struct block exif = filtered((struct bytes){loop, sizeof(loop) - 1}, KEEP_EXIF,
	                             &target, &lost);

	EXPECT(fixture_exif_value(block_bytes(&exif), FIXTURE_MAIN, 0x013b).n == 4);
	EXPECT(exif.n < 2 * sizeof(loop));
	block_fini(&exif);
}

TEST(metadata_exif, a_large_value_shared_by_many_exif_fields_is_not_copied_for_each_field)
{
	enum { N_FIELDS = 1000, N_VALUE = 20000 };
	struct metadata_target target = fixture_target();
	struct block tiff = {0}, exif;
	unsigned lost;

	block_add(&tiff, BYTES_OF("MM\0*\0\0\0\x08"));
	block_add_number(&tiff, N_FIELDS, 2, true);
	for (unsigned i = 0; i < N_FIELDS; i++) {
		block_add_number(&tiff, 0xe000 + i, 2, true);
		block_add_number(&tiff, FIXTURE_UNDEFINED, 2, true);
		block_add_number(&tiff, N_VALUE, 4, true);
		block_add_number(&tiff, 8, 4, true);
	}
	memset(block_extend(&tiff, N_VALUE), 0, N_VALUE);
	exif = filtered(block_bytes(&tiff), KEEP_EXIF, &target, &lost);
	EXPECT_EQ(lost, LOST_EXIF);
	EXPECT(exif.n < 3 * tiff.n);
	block_fini(&exif);
	block_fini(&tiff);
}
