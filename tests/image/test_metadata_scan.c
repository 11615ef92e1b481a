/* Tests of readers of metadata and structure, with correct files and with files that contain false
 * information. */
#include "support/test.h"

#include "image/header/metadata_scan.h"
#include "image/header/profile.h"
#include "image_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The orientation, read from a copy of exact length, so that a sanitizer notices reads past the
 * end. */
static unsigned orientation_of(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);
	unsigned orientation;

	memcpy(exact, bytes, n);
	orientation = exif_orientation(exact, n);
	free(exact);
	return orientation;
}

TEST(exif, all_orientations_are_read_in_both_byte_orders)
{
	uint8_t exif[EXIF_BYTES];

	for (unsigned orientation = 1; orientation <= 8; orientation++) {
		for (int is_big = 0; is_big <= 1; is_big++) {
			make_exif(exif, orientation, is_big);
			EXPECT_EQ(orientation_of(exif, sizeof(exif)), orientation);
		}
	}
}

TEST(exif, truncated_exif_means_orientation_1)
{
	uint8_t exif[EXIF_BYTES];

	make_exif(exif, 6, false);
	/* The value has two bytes, at the offsets 18 and 19, but its field has four bytes. */
	for (size_t n = 0; n < 22; n++)
		EXPECT_EQ(orientation_of(exif, n), 1);
	EXPECT_EQ(orientation_of(exif, 22), 6);
}

TEST(exif, an_invalid_orientation_field_means_orientation_1)
{
	static const struct {
		int at;
		uint8_t value;
	} lies[] = {
		{0, 'X'},   {1, 'M'}, {2, 41},           /* wrong byte order or magic */
		{4, 9},     {4, 25},  {5, 1},  {7, 255}, /* wrong directory offset */
		{8, 0},                                  /* a directory without entries */
		{10, 0x13},                    /* a tag other than the orientation */
		{12, 4},                       /* a type other than SHORT */
		{14, 2},    {17, 1},           /* more than one value */
		{18, 0},    {18, 9},  {19, 1}, /* invalid orientation */
	};
	uint8_t exif[EXIF_BYTES];

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		make_exif(exif, 6, false);
		exif[lies[i].at] = lies[i].value;
		EXPECT(orientation_of(exif, sizeof(exif)) == 1, "byte %d", lies[i].at);
	}
	make_exif(exif, 6, false);
	/* The directory claims more entries than fit into the block. The first entry is still
	 * valid. */
	exif[8] = 255;
	exif[9] = 255;
	EXPECT_EQ(orientation_of(exif, sizeof(exif)), 6);
}

TEST(metadata_scan, the_scan_of_a_webp_finds_the_announced_profile)
{
	/* After the extended header comes a chunk of 3 bytes and padding, then the profile. */
	static const char file[] = "RIFFabcdWEBPVP8X\12\0\0\0\40\0\0\0\0\0\0\0\0\0"
				   "junk\3\0\0\0abc\0ICCP\7\0\0\0profile";
	const size_t n = sizeof(file) - 1;
	uint8_t bytes[sizeof(file)];
	struct metadata_scan scan;

	memcpy(bytes, file, sizeof(file));
	metadata_scan_webp(&scan, bytes, n);
	EXPECT_EQ(scan.colours, COLOUR_CHUNK_PROFILE);
	REQUIRE(scan.has_profile && scan.profile == bytes + n - 7);
	EXPECT_EQ(scan.n_profile, 7);
	EXPECT(!scan.profile_is_deflated);

	metadata_scan_webp(&scan, bytes, n - 1);
	EXPECT(!scan.has_profile, "a truncated profile");
	bytes[20] = 0;
	metadata_scan_webp(&scan, bytes, n);
	EXPECT(!scan.has_profile && scan.colours == COLOUR_CHUNK_NONE,
	       "a profile that is not announced");
}

TEST(metadata_scan, the_scan_of_a_jpeg_finds_orientation_profile_and_components)
{
	struct blob jpeg = make_jpeg(16, 8, 3, &rgbw),
		    profile = make_rgb_profile("sRGB x", 0);
	uint8_t exif[6 + EXIF_BYTES] = "Exif\0\0";
	uint8_t icc[14 + 1024] = "ICC_PROFILE\0\1\1";
	struct metadata_scan scan;

	metadata_scan_jpeg(&scan, jpeg.bytes, jpeg.n);
	EXPECT_EQ(scan.orientation, 1);
	EXPECT_EQ(scan.n_components, 3);
	EXPECT_EQ(scan.process, 0xc0);
	EXPECT(scan.is_whole && !scan.has_profile);

	make_exif(exif + 6, 8, true);
	jpeg_insert(&jpeg, 0xe1, exif, sizeof(exif));
	memcpy(icc + 14, profile.bytes, profile.n);
	jpeg_insert(&jpeg, 0xe2, icc, 14 + profile.n);
	metadata_scan_jpeg(&scan, jpeg.bytes, jpeg.n);
	EXPECT_EQ(scan.orientation, 8);
	REQUIRE(scan.has_profile && scan.profile);
	EXPECT_EQ(scan.n_profile, profile.n);
	EXPECT(profile_is_srgb(scan.profile, scan.n_profile));
	EXPECT_EQ(scan.n_components, 3);

	/* This segment is the first of two parts of a profile. jpeg_insert() puts it before the
	 * segment of the complete profile. */
	icc[13] = 2;
	jpeg_insert(&jpeg, 0xe2, icc, 14 + profile.n);
	metadata_scan_jpeg(&scan, jpeg.bytes, jpeg.n - 2);
	EXPECT(scan.has_profile);
	EXPECT(!scan.is_whole, "without its end marker");
	blob_fini(&jpeg);
	blob_fini(&profile);
}

TEST(metadata_scan, the_scan_never_reads_past_the_end_of_the_file)
{
	struct blob jpeg = make_jpeg(16, 8, 3, &rgbw), png = make_png(16, 8, 4, &rgbw);
	struct blob profile = make_rgb_profile("sRGB IEC61966-2.1", 0);
	uint8_t exif[6 + EXIF_BYTES] = "Exif\0\0";
	const struct blob *blobs[] = {&jpeg, &png, &profile};
	unsigned seed = 1;

	make_exif(exif + 6, 5, false);
	jpeg_insert(&jpeg, 0xe1, exif, sizeof(exif));
	png_insert(&png, "eXIf", exif + 6, EXIF_BYTES);
	png_insert(&png, "iCCP", "name\0\0x", 7);

	for (int round = 0; round < 30000; round++) {
		const struct blob *blob = blobs[round % 3];
		size_t n = (size_t)rand_r(&seed) % (blob->n + 1);
		uint8_t *exact = malloc(n ? n : 1);
		struct metadata_scan scan;

		memcpy(exact, blob->bytes, n);
		for (int flips = rand_r(&seed) % 4; n && flips > 0; flips--)
			exact[(size_t)rand_r(&seed) % (n < 200 ? n : 200)] =
				(uint8_t)rand_r(&seed);
		metadata_scan_jpeg(&scan, exact, n);
		EXPECT(scan.orientation >= 1 && scan.orientation <= 8);
		EXPECT(!scan.profile || scan.profile + scan.n_profile <= exact + n);
		metadata_scan_png(&scan, exact, n);
		EXPECT(scan.orientation >= 1 && scan.orientation <= 8);
		EXPECT(!scan.profile || scan.profile + scan.n_profile <= exact + n);
		profile_is_srgb(exact, n);
		profile_has_space(exact, n, "RGB ");
		free(exact);
	}
	blob_fini(&jpeg);
	blob_fini(&png);
	blob_fini(&profile);
}

/* A GIF header of one pixel and two colours, a control block, a frame, and the end. */
TEST(metadata_scan, a_gif_that_ends_inside_of_a_block_is_incomplete)
{
	enum { TABLE_END = 19, CONTROL_END = 27 };
	static const char gif[] =
		"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff\x21\xf9\4\0\1\0\0"
		"\0\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0;";
	size_t n = sizeof(gif) - 1;

	EXPECT(gif_is_whole((const uint8_t *)gif, n));
	EXPECT(gif_is_whole((const uint8_t *)gif, n + 1),
	       "bytes after the end are ignored");
	/* Many GIF files lack only the end marker. So a file that ends between two blocks counts as
	 * complete. Every other cut is noticed. */
	for (size_t cut = 0; cut < n; cut++) {
		bool is_between = cut == TABLE_END || cut == CONTROL_END || cut == n - 1;
		uint8_t *exact = malloc(cut);

		memcpy(exact, gif, cut);
		EXPECT_EQ(gif_is_whole(exact, cut), is_between);
		free(exact);
	}
}

TEST(profile, the_curves_of_a_profile_and_not_its_name_decide_whether_it_is_srgb)
{
	static const struct {
		const char *words;
		double gamma;
		bool is_srgb;
	} cases[] = {
		{"sRGB IEC61966-2.1", 0, true},
		{"my monitor", 0, true},
		{"sRGB IEC61966-2.1", 1.8, false},
		{"sRGB", 2.2, false},
		{"sRGB", 1, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct blob profile = make_rgb_profile(cases[i].words, cases[i].gamma);

		EXPECT(profile_is_srgb(profile.bytes, profile.n) == cases[i].is_srgb,
		       "%s, %g", cases[i].words, cases[i].gamma);
		blob_fini(&profile);
	}
}

TEST(profile, a_profile_is_srgb_only_with_the_primary_colours_of_srgb)
{
	struct blob profile = make_rgb_profile("sRGB", 0);

	profile.bytes[228 + 2 * 20 + 8 + 2] ^= 0x40; /* the X value of green */
	EXPECT(!profile_is_srgb(profile.bytes, profile.n));
	blob_fini(&profile);
}

/* The curves of sRGB as a table of 1024 values. */
static struct blob make_table(void)
{
	enum { N = 1024 };
	uint8_t head[12] = {'c', 'u', 'r', 'v', 0, 0, 0, 0, 0, 0, N >> 8, N & 255};
	struct blob table = {0};

	blob_append(&table, head, sizeof(head));
	for (int i = 0; i < N; i++) {
		double x = (double)i / (N - 1);
		double light = x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
		unsigned value = (unsigned)lround(light * 65535);
		uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

		blob_append(&table, bytes, 2);
	}
	return table;
}

TEST(profile, a_profile_whose_curves_are_stored_as_a_table_can_be_srgb)
{
	struct blob profile = make_rgb_profile("sRGB", 0), table = make_table();
	size_t at = profile.n;

	blob_append(&profile, table.bytes, table.n);
	for (size_t i = 4; i < 7; i++) {
		put_big_endian(profile.bytes + 132 + 12 * i + 4, (uint32_t)at, 4);
		put_big_endian(profile.bytes + 132 + 12 * i + 8, (uint32_t)table.n, 4);
	}
	EXPECT(profile_is_srgb(profile.bytes, profile.n));
	for (size_t n = 0; n < profile.n; n += 7)
		EXPECT(!profile_is_srgb(profile.bytes, n), "cut to %zu bytes", n);
	for (size_t i = 0; i < 100; i++)
		profile.bytes[at + table.n / 2 + i] = 0;
	EXPECT(!profile_is_srgb(profile.bytes, profile.n));
	blob_fini(&profile);
	blob_fini(&table);
}

TEST(profile, a_profile_without_curves_is_not_srgb_even_if_it_is_named_srgb)
{
	struct blob profile = make_profile("RGB ", "sRGB IEC61966-2.1");

	EXPECT(!profile_is_srgb(profile.bytes, profile.n));
	blob_fini(&profile);
}

TEST(profile, a_profile_fits_only_pixels_of_its_colour_space)
{
	struct blob rgb = make_profile("RGB ", "x"), grey = make_profile("GRAY", "x");

	EXPECT(profile_has_space(rgb.bytes, rgb.n, "RGB "));
	EXPECT(!profile_has_space(rgb.bytes, rgb.n, "GRAY"));
	EXPECT(profile_has_space(grey.bytes, grey.n, "GRAY"));
	EXPECT(!profile_has_space(grey.bytes, grey.n, "CMYK"));
	EXPECT(!profile_has_space(rgb.bytes, 127, "RGB "));
	blob_fini(&rgb);
	blob_fini(&grey);
}
