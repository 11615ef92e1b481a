/* Tests of files with several pages or frames: which of them an output gets, and what the record
 * reports as lost. */
#include "support/test.h"

#include "common/lost.h"
#include "image/header/metadata_scan.h"
#include "vips_fixture.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 6, HEIGHT = 4, N_PAGES = 3 };
enum {
	SUBFILE_TYPE = 254,
	PREVIEW = 1,
	MASK = 4,
	IMAGE_WIDTH = 256,
	IMAGE_LENGTH,
	STRIPS = 273,
	STRIP_BYTES = 279
};

/* Every pixel of page i has the grey value 50 * (i + 1). */
static VipsImage *roll_of_pages(int n)
{
	uint8_t bytes[WIDTH * HEIGHT * N_PAGES];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(50 * (i / (WIDTH * HEIGHT) + 1));
	return image_of_bytes(bytes, WIDTH, HEIGHT * n, 1);
}

static struct blob make_pages(const char *suffix)
{
	VipsImage *roll = roll_of_pages(N_PAGES);
	struct blob blob;

	vips_image_set_int(roll, VIPS_META_PAGE_HEIGHT, HEIGHT);
	blob = encoded(roll, suffix);
	g_object_unref(roll);
	return blob;
}

static uint32_t little(const struct blob *blob, size_t at, unsigned n)
{
	uint32_t number = 0;

	REQUIRE(at + n <= blob->n);
	while (n-- > 0)
		number = number << 8 | blob->bytes[at + n];
	return number;
}

/* Find the entry of a tag in a directory of a little-endian TIFF. */
static size_t find_tag(const struct blob *tiff, int directory, unsigned tag)
{
	uint32_t at = little(tiff, 4, 4), n;

	for (; directory > 0; directory--)
		at = little(tiff, at + 2 + 12 * little(tiff, at, 2), 4);
	n = little(tiff, at, 2);
	for (uint32_t i = 0; i < n; i++) {
		size_t entry = at + 2 + 12 * i;

		if (little(tiff, entry, 2) == tag)
			return entry;
	}
	REQUIRE(false, "there is no tag %u", tag);
	return 0;
}

static void set_tag(struct blob *tiff, int directory, unsigned tag, uint8_t value)
{
	size_t entry = find_tag(tiff, directory, tag);

	memset(tiff->bytes + entry + 8, 0, 4);
	tiff->bytes[entry + 8] = value;
}

static uint32_t get_tag(const struct blob *tiff, int directory, unsigned tag)
{
	return little(tiff, find_tag(tiff, directory, tag) + 8, 4);
}

static int count_pages(const struct blob *blob)
{
	VipsImage *image = decoded(blob);
	int n = vips_image_get_n_pages(image);

	g_object_unref(image);
	return n;
}

/* Read the grey value at the top left of the output's page. */
static double grey_of(const struct blob *blob, int page)
{
	VipsImage *image = page > 0 ? vips_image_new_from_buffer(blob->bytes, blob->n, "",
	                                                         "page", page, NULL)
	                            : decoded(blob);
	VipsImage *memory;
	double grey;

	REQUIRE(image != NULL);
	memory = vips_image_copy_memory(image);
	grey = value_at(memory, 0, 0, 0);
	g_object_unref(memory);
	g_object_unref(image);
	return grey;
}

static struct outcome run_to(const struct blob *blob, const char *name,
                             enum image_format format)
{
	struct recipe recipe = recipe_for(format, ENGINE_AUTO);
	struct outcome outcome = run_picture(blob, name, &recipe);

	REQUIRE(outcome.is_done, "%s: %s", name, outcome.answer.failure.text);
	return outcome;
}

TEST(pages, a_tiff_output_gets_all_pages_of_a_tiff)
{
	struct blob blob = make_pages(".tif");
	struct outcome outcome = run_to(&blob, "a.tif", FORMAT_TIFF);

	EXPECT_EQ(count_pages(&outcome.output), N_PAGES);
	for (int page = 0; page < N_PAGES; page++)
		EXPECT_EQ(grey_of(&outcome.output, page), 50 * (page + 1));
	EXPECT_EQ(outcome.answer.out[0].lost, 0);
	outcome_fini(&outcome);
	blob_fini(&blob);
}

TEST(pages, pages_of_a_tiff_are_scaled_separately)
{
	struct blob blob = make_pages(".tif");
	struct recipe recipe = recipe_of_words("size 3x3", FORMAT_TIFF, ENGINE_AUTO);
	struct outcome outcome = run_picture(&blob, "a.tif", &recipe);

	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT_EQ(outcome.answer.out[0].height, 2);
	EXPECT_EQ(count_pages(&outcome.output), N_PAGES);
	EXPECT_EQ(grey_of(&outcome.output, 2), 150);
	outcome_fini(&outcome);
	blob_fini(&blob);
}

TEST(pages, pages_of_a_tiff_are_lost_in_other_formats_and_reported)
{
	static const enum image_format formats[] = {FORMAT_PNG, FORMAT_JPEG, FORMAT_WEBP,
	                                            FORMAT_GIF};
	struct blob blob = make_pages(".tif"), single;
	VipsImage *one = roll_of_pages(1);

	single = encoded(one, ".tif");
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct outcome outcome = run_to(&blob, "a.tif", formats[i]);

		EXPECT_EQ(outcome.answer.out[0].lost, LOST_PAGES);
		EXPECT_EQ(count_pages(&outcome.output), 1);
		EXPECT(formats[i] == FORMAT_JPEG || grey_of(&outcome.output, 0) == 50);
		outcome_fini(&outcome);
		outcome = run_to(&single, "a.tif", formats[i]);
		EXPECT_EQ(outcome.answer.out[0].lost, 0);
		outcome_fini(&outcome);
	}
	g_object_unref(one);
	blob_fini(&single);
	blob_fini(&blob);
}

/* Convert a TIFF. Check how many pages the output has, the grey value of its last page, and what is
 * reported as lost. */
static void expect_pages(const struct blob *tiff, enum image_format format, int n_pages,
                         double last_grey, unsigned lost)
{
	struct outcome outcome = run_to(tiff, "a.tif", format);

	EXPECT_EQ(count_pages(&outcome.output), n_pages);
	EXPECT_EQ(grey_of(&outcome.output, n_pages - 1), last_grey);
	EXPECT_EQ(outcome.answer.out[0].lost, lost);
	outcome_fini(&outcome);
}

TEST(pages, the_first_full_page_is_the_picture_and_previews_do_not_count_as_pages)
{
	struct blob blob = make_pages(".tif");

	set_tag(&blob, 0, SUBFILE_TYPE, PREVIEW);
	expect_pages(&blob, FORMAT_PNG, 1, 100, LOST_PAGES);
	expect_pages(&blob, FORMAT_TIFF, 2, 150, 0);
	set_tag(&blob, 1, SUBFILE_TYPE, MASK);
	expect_pages(&blob, FORMAT_PNG, 1, 150, 0);
	/* If no directory is a full page, the first directory is the picture. */
	set_tag(&blob, 2, SUBFILE_TYPE, PREVIEW);
	expect_pages(&blob, FORMAT_PNG, 1, 50, 0);
	blob_fini(&blob);
}

TEST(pages, pages_of_different_sizes_or_separated_by_a_preview_are_reported_lost)
{
	struct blob blob = make_pages(".tif");

	set_tag(&blob, 1, SUBFILE_TYPE, PREVIEW);
	expect_pages(&blob, FORMAT_TIFF, 1, 50, LOST_PAGES);
	blob_fini(&blob);

	blob = make_pages(".tif");
	set_tag(&blob, 1, IMAGE_WIDTH, WIDTH - 1);
	expect_pages(&blob, FORMAT_TIFF, 1, 50, LOST_PAGES);
	blob_fini(&blob);
}

TEST(pages, a_tiff_without_its_last_page_fails_unless_the_option_fail_on_is_none)
{
	static const enum image_format formats[] = {FORMAT_PNG, FORMAT_TIFF};
	struct blob blob = make_pages(".tif[compression=deflate]");

	/* Truncate the file to lengths from eleven twelfths down to a half of its length. */
	for (int i = 0; i < 6; i++) {
		struct blob cut = {blob.bytes,
		                   blob.n - (blob.n / 2) * (size_t)(i + 1) / 6};
		struct recipe recipe = recipe_for(formats[i % 2], ENGINE_AUTO);
		struct outcome outcome = run_picture(&cut, "a.tif", &recipe);

		EXPECT_STR(fail_class_name(outcome.answer.failure.class), "bad-image");
		EXPECT(strstr(outcome.answer.failure.text, "ends early") != NULL, "%s",
		       outcome.answer.failure.text);
		outcome_fini(&outcome);
		/* A PNG needs only the first page, and the truncated file has all of it. */
		recipe = recipe_of_words("fail-on none", FORMAT_PNG, ENGINE_AUTO);
		outcome = run_picture(&cut, "a.tif", &recipe);
		EXPECT(outcome.is_done && outcome.answer.is_damaged, "%s",
		       outcome.answer.failure.text);
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
}

/* Change the last byte of the only strip of a directory in a little-endian TIFF. This byte belongs
 * to the checksum of the compressed pixels. */
static void break_checksum(struct blob *tiff, int directory)
{
	size_t end = get_tag(tiff, directory, STRIPS) +
	             get_tag(tiff, directory, STRIP_BYTES);

	REQUIRE(end <= tiff->n);
	tiff->bytes[end - 1] ^= 1;
}

enum { FEWER_ROWS = 200 };

/* A black TIFF of n pages. Each page has one strip of 300 rows, but shows only the first 200
 * rows. */
static struct blob make_long_strips(int n, int width)
{
	enum { ROWS = 300 };
	VipsImage *roll = NULL, *pages = NULL;
	struct blob blob;

	vips_fixture_start();
	REQUIRE(!vips_black(&roll, width, n * ROWS, NULL));
	REQUIRE(!vips_copy(roll, &pages, NULL));
	vips_image_set_int(pages, VIPS_META_PAGE_HEIGHT, ROWS);
	blob = encoded(pages, ".tif[compression=deflate,tile_height=300]");
	g_object_unref(pages);
	g_object_unref(roll);
	for (int page = 0; page < n; page++)
		set_tag(&blob, page, IMAGE_LENGTH, FEWER_ROWS);
	return blob;
}

static void expect_damage(struct outcome outcome, bool has_damage, bool is_accepted)
{
	EXPECT_EQ(outcome.is_done, !has_damage || is_accepted);
	if (outcome.is_done)
		EXPECT_EQ(outcome.answer.is_damaged, has_damage);
	else
		EXPECT_STR(outcome.answer.failure.text,
		           "decode: compressed pixels are damaged");
	outcome_fini(&outcome);
}

/* Wrong bytes can make a strip longer than its page. libtiff stops at the last row of the page, so
 * it does not reach the checksum at the end of such a strip. */
TEST(pages, wrong_bytes_in_deflate_data_are_found_by_conversions_and_checks)
{
	static const char *const words[] = {"", "fail-on warning", "fail-on truncated",
	                                    "fail-on none"};
	struct blob blob = make_long_strips(2, 1);

	/* A PNG gets the first page only, so its conversion does not find a broken second page. */
	for (int page = 1; page >= 0; page--) {
		break_checksum(&blob, page);
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			struct recipe recipe = recipe_of_words(words[i], FORMAT_PNG,
			                                       ENGINE_VIPS);

			expect_damage(run_picture(&blob, "a.tif", &recipe), page == 0,
			              i > 1);
			expect_damage(check_picture(&blob, "a.tif", &recipe), true,
			              i > 1);
			recipe.format = FORMAT_TIFF;
			expect_damage(run_picture(&blob, "a.tif", &recipe), true, i > 1);
		}
	}
	blob_fini(&blob);
}

TEST(pages, wrong_bytes_in_deflate_are_found_on_the_last_of_many_pages)
{
	enum { N_MANY = 60 };
	struct blob blob = make_long_strips(N_MANY, 300);
	struct recipe recipe = recipe_for(FORMAT_TIFF, ENGINE_VIPS);

	expect_damage(check_picture(&blob, "a.tif", &recipe), false, false);
	break_checksum(&blob, N_MANY - 1);
	expect_damage(check_picture(&blob, "a.tif", &recipe), true, false);
	expect_damage(run_picture(&blob, "a.tif", &recipe), true, false);
	blob_fini(&blob);
}

TEST(pages, wrong_bytes_in_deflate_are_found_on_a_page_that_is_larger_than_the_first)
{
	struct blob blob = make_long_strips(2, 300);
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_VIPS);

	set_tag(&blob, 0, IMAGE_LENGTH, 1);
	expect_damage(check_picture(&blob, "a.tif", &recipe), false, false);
	break_checksum(&blob, 1);
	expect_damage(check_picture(&blob, "a.tif", &recipe), true, false);
	blob_fini(&blob);
}

static void add_number(struct blob *blob, uint32_t number, size_t n)
{
	uint8_t bytes[4] = {(uint8_t)number, (uint8_t)(number >> 8),
	                    (uint8_t)(number >> 16), (uint8_t)(number >> 24)};

	blob_append(blob, bytes, n);
}

static void add_entry(struct blob *tiff, unsigned tag, uint32_t n, uint32_t value)
{
	enum { LONG = 4 };

	add_number(tiff, tag, 2);
	add_number(tiff, LONG, 2);
	add_number(tiff, n, 4);
	add_number(tiff, value, 4);
}

/* A zlib stream of `n_blocks` empty blocks and a last block. The last block is empty if `is_empty`
 * is true, and has 100 zeros otherwise. */
static struct blob make_stream(bool is_empty, unsigned n_blocks)
{
	static const uint8_t zeros[100] = {0}, head[] = {0x78, 0x01};
	static const uint8_t block[] = {0, 0, 0, 0xff, 0xff},
			     last[] = {1, 0, 0, 0xff, 0xff};
	static const uint8_t empty_sum[] = {0, 0, 0, 1}, sum[] = {0, 100, 0, 1};
	struct blob stream = {0};

	blob_append(&stream, head, sizeof(head));
	for (unsigned i = 0; i < n_blocks; i++)
		blob_append(&stream, block, sizeof(block));
	if (is_empty) {
		blob_append(&stream, last, sizeof(last));
		blob_append(&stream, empty_sum, sizeof(empty_sum));
	} else {
		blob_append(&stream, last, 1);
		add_number(&stream, 100 | (uint32_t)~100 << 16, 4);
		blob_append(&stream, zeros, sizeof(zeros));
		blob_append(&stream, sum, sizeof(sum));
	}
	return stream;
}

/* A TIFF of 1 x 100 pixels. The first strip has the pixels, and the last strip has a wrong
 * checksum. The other n strips share the stream `shared`. Zeros follow, so that the file has 40 KB
 * or more. */
static struct blob make_shared_strips(const struct blob *shared, uint32_t n)
{
	enum { N_ENTRIES = 9, HEAD = 8 + 2 + 12 * N_ENTRIES + 4 };
	struct blob pixels = make_stream(false, 0);
	uint32_t n_pixels = (uint32_t)pixels.n, n_shared = (uint32_t)shared->n;
	uint32_t wrong_at = HEAD + n_pixels + n_shared, places_at = wrong_at + n_pixels;
	struct blob tiff = {0};

	blob_append(&tiff, "II*\0\10\0\0\0", 8);
	add_number(&tiff, N_ENTRIES, 2);
	add_entry(&tiff, IMAGE_WIDTH, 1, 1);
	add_entry(&tiff, IMAGE_LENGTH, 1, 100);
	add_entry(&tiff, 258, 1, 8); /* bits */
	add_entry(&tiff, 259, 1, 8); /* deflate */
	add_entry(&tiff, 262, 1, 1); /* samples of 0 are black */
	add_entry(&tiff, STRIPS, n + 2, places_at);
	add_entry(&tiff, 277, 1, 1);   /* bands */
	add_entry(&tiff, 278, 1, 100); /* number of rows in a strip */
	add_entry(&tiff, STRIP_BYTES, n + 2, places_at + 4 * (n + 2));
	add_number(&tiff, 0, 4);
	blob_append(&tiff, pixels.bytes, pixels.n);
	blob_append(&tiff, shared->bytes, shared->n);
	pixels.bytes[pixels.n - 1] ^= 1;
	blob_append(&tiff, pixels.bytes, pixels.n);
	for (uint32_t i = 0; i < n + 2; i++)
		add_number(&tiff, i == 0 ? HEAD : i <= n ? HEAD + n_pixels : wrong_at, 4);
	for (uint32_t i = 0; i < n + 2; i++)
		add_number(&tiff, i == 0 || i > n ? n_pixels : n_shared, 4);
	for (int i = 0; i < 10000; i++)
		add_number(&tiff, 0, 4);
	blob_fini(&pixels);
	return tiff;
}

/* Check that the wrong checksum of the last strip is found if `is_checked` is true, and is not
 * found otherwise. */
static void expect_checked(const struct blob *shared, uint32_t n, bool is_checked)
{
	struct blob blob = make_shared_strips(shared, n);
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_VIPS);

	expect_damage(check_picture(&blob, "a.tif", &recipe), is_checked, false);
	blob_fini(&blob);
}

/* The budget for the compressed bytes is twice the size of the file. */
TEST(pages, the_deflate_check_gives_up_if_empty_strips_share_the_same_bytes)
{
	struct blob blocks = make_stream(true, 2000);

	expect_checked(&blocks, 0, true);
	expect_checked(&blocks, 5, true);
	expect_checked(&blocks, 100, false);
	blob_fini(&blocks);
}

/* The budget for the decompressed bytes of a page is 64 bytes for each pixel, plus 64 KiB. */
TEST(pages, the_deflate_check_gives_up_if_strips_have_far_more_bytes_than_the_page)
{
	struct blob page = make_long_strips(1, 100);
	struct blob strip = {page.bytes + get_tag(&page, 0, STRIPS),
	                     get_tag(&page, 0, STRIP_BYTES)};

	REQUIRE(strip.n < 1000); /* 30,000 bytes when decompressed */
	expect_checked(&strip, 1, true);
	expect_checked(&strip, 5, false);
	blob_fini(&page);
}

static struct blob make_page_with_profile(void)
{
	struct blob profile = make_rgb_profile("x", 1.8), blob;
	VipsImage *roll = roll_of_pages(1);

	vips_image_set_blob_copy(roll, VIPS_META_ICC_NAME, profile.bytes, profile.n);
	blob = encoded(roll, ".tif");
	g_object_unref(roll);
	blob_fini(&profile);
	return blob;
}

/* If a palette or a profile is not inside the file, libtiff ignores it, and the colours are
 * wrong. */
TEST(pages, a_tiff_that_ends_inside_its_palette_or_profile_is_reported_as_ending_early)
{
	enum { PALETTE = 320, PROFILE = 34675 };

	for (unsigned tag = PALETTE; tag <= PROFILE; tag += PROFILE - PALETTE) {
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		struct blob blob = make_page_with_profile();
		size_t entry = find_tag(&blob, 0, PROFILE);
		size_t n = little(&blob, entry + 4, 4), at;
		struct outcome outcome = run_picture(&blob, "a.tif", &recipe);

		EXPECT(outcome.is_done, "%s", outcome.answer.failure.text);
		outcome_fini(&outcome);
		/* Move the values, so that their last byte is behind the end of the file. */
		at = blob.n - n + 1;
		blob.bytes[entry] = (uint8_t)tag;
		blob.bytes[entry + 1] = (uint8_t)(tag >> 8);
		blob.bytes[entry + 8] = (uint8_t)at;
		blob.bytes[entry + 9] = (uint8_t)(at >> 8);
		outcome = run_picture(&blob, "a.tif", &recipe);
		EXPECT_STR(outcome.answer.failure.text,
		           "header: the file ends early: a page or its colours are "
		           "missing");
		outcome_fini(&outcome);
		outcome = check_picture(&blob, "a.tif", &recipe);
		EXPECT_EQ(outcome.answer.failure.class, FAIL_BAD_IMAGE);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

TEST(pages, all_pages_of_a_bigtiff_are_counted_and_counting_a_circular_chain_ends)
{
	struct blob blob = make_pages(".tif[bigtiff]");
	struct tiff_pages pages;
	uint32_t at;

	tiff_find_pages(blob.bytes, blob.n, &pages);
	EXPECT_EQ(pages.n, N_PAGES);
	EXPECT(pages.is_whole && pages.are_adjacent && pages.first == 0);
	tiff_find_pages(blob.bytes, blob.n - 1, &pages);
	EXPECT(!pages.is_whole);
	blob_fini(&blob);

	blob = make_pages(".tif");
	at = little(&blob, 4, 4);
	memcpy(blob.bytes + at + 2 + 12 * little(&blob, at, 2), blob.bytes + 4, 4);
	tiff_find_pages(blob.bytes, blob.n, &pages);
	EXPECT(pages.n > N_PAGES);
	for (size_t n = 0; n < blob.n; n++) {
		uint8_t *exact = malloc(n + (n == 0));

		REQUIRE(exact != NULL);
		memcpy(exact, blob.bytes, n);
		tiff_find_pages(exact, n, &pages);
		free(exact);
	}
	blob_fini(&blob);
}

/* ---- samples beyond the colours ---- */

enum { EXTRA_SAMPLES = 338, UNSPECIFIED = 0, ASSOCIATED = 1, UNASSOCIATED = 2 };

/* Make a TIFF in which every pixel has the values `samples`. */
static struct blob make_tiff_of(const uint8_t *samples, int n_samples,
                                VipsInterpretation space)
{
	uint8_t bytes[WIDTH * HEIGHT * 8];
	VipsImage *image, *copy;
	struct blob blob;

	for (int i = 0; i < WIDTH * HEIGHT * n_samples; i++)
		bytes[i] = samples[i % n_samples];
	image = image_of_bytes(bytes, WIDTH, HEIGHT, n_samples);
	REQUIRE(!vips_copy(image, &copy, "interpretation", space, NULL));
	blob = encoded(copy, ".tif");
	g_object_unref(copy);
	g_object_unref(image);
	return blob;
}

static void expect_png(const struct blob *tiff, int n_bands, const double *values,
                       double tolerance, const char *what)
{
	struct outcome outcome = run_to(tiff, "a.tif", FORMAT_PNG);
	VipsImage *image = decoded(&outcome.output);

	EXPECT(vips_image_get_bands(image) == n_bands, "%s: %d bands", what,
	       vips_image_get_bands(image));
	EXPECT(vips_image_get_bands(image) != n_bands ||
	               is_colour(image, 2, 2, values, tolerance),
	       "%s", what);
	g_object_unref(image);
	outcome_fini(&outcome);
}

TEST(tiff, an_extra_tiff_sample_of_unspecified_meaning_is_not_alpha)
{
	static const uint8_t rgb[] = {200, 100, 50, 0}, grey[] = {90, 0},
			     cmyk[] = {0, 255, 255, 0, 0};
	static const double red[] = {255, 0, 0}, colour[] = {200, 100, 50, 0},
			    dark[] = {90, 0};
	struct blob blob = make_tiff_of(rgb, 4, VIPS_INTERPRETATION_sRGB);

	set_tag(&blob, 0, EXTRA_SAMPLES, UNSPECIFIED);
	expect_png(&blob, 3, colour, 0, "RGB and a sample");
	set_tag(&blob, 0, EXTRA_SAMPLES, UNASSOCIATED);
	expect_png(&blob, 4, colour, 0, "RGB and alpha");
	blob_fini(&blob);

	blob = make_tiff_of(grey, 2, VIPS_INTERPRETATION_B_W);
	set_tag(&blob, 0, EXTRA_SAMPLES, UNSPECIFIED);
	expect_png(&blob, 1, dark, 0, "grey and a sample");
	set_tag(&blob, 0, EXTRA_SAMPLES, UNASSOCIATED);
	expect_png(&blob, 2, dark, 0, "grey and alpha");
	blob_fini(&blob);

	blob = make_tiff_of(cmyk, 5, VIPS_INTERPRETATION_CMYK);
	set_tag(&blob, 0, EXTRA_SAMPLES, UNSPECIFIED);
	expect_png(&blob, 3, red, 50, "CMYK and a spot colour");
	blob_fini(&blob);
}

/* A TIFF whose pixels all have these samples. It has a single strip, or one strip for each sample
 * if `is_in_planes` is true. Colour number i of its palette is (2 i modulo 256, 255 - i, 7), or the
 * grey i if `has_grey_palette` is true. */
struct tiff_by_hand {
	bool is_big_endian, is_in_planes, has_grey_palette;
	unsigned photometric, n_samples;
	uint8_t samples[4];
	unsigned extra; /* the value of ExtraSamples for every sample beyond the first */
};

static void put_number(const struct tiff_by_hand *how, uint8_t *at, uint32_t number,
                       unsigned n)
{
	put_big_endian(at, number, n);
	for (unsigned i = 0; !how->is_big_endian && i < n / 2; i++) {
		uint8_t byte = at[i];

		at[i] = at[n - 1 - i];
		at[n - 1 - i] = byte;
	}
}

static struct blob make_tiff_by_hand(const struct tiff_by_hand *how)
{
	enum { SHORT = 3, LONG = 4, N_ENTRIES = 11, HEAD = 8, LISTS = 64, AREA = 6 * 4 };
	enum { PALETTE_AT = HEAD + LISTS, PIXELS_AT = PALETTE_AT + 3 * 256 * 2 };
	enum {
		DIRECTORY_AT = PIXELS_AT + AREA * 4,
		N_BYTES = DIRECTORY_AT + 6 + 12 * 11
	};
	unsigned n = how->n_samples, n_strips = how->is_in_planes ? n : 1;
	const uint32_t entries[N_ENTRIES][4] = {
		{256, SHORT, 1, 6},
		{257, SHORT, 1, 4},
		{258, SHORT, n, 8},
		{262, SHORT, 1, how->photometric},
		{273, LONG, n_strips, PIXELS_AT},
		{277, SHORT, 1, n},
		{278, SHORT, 1, 4},
		{279, LONG, n_strips, AREA * n / n_strips},
		{284, SHORT, 1, how->is_in_planes ? 2 : 1},
		{320, SHORT, 3 * 256, PALETTE_AT},
		{338, SHORT, n > 1 ? n - 1 : 1, how->extra},
	};
	struct blob blob = {calloc(1, N_BYTES), N_BYTES};
	uint8_t *at = blob.bytes;
	uint32_t list = HEAD;

	REQUIRE(at != NULL);
	memcpy(at, how->is_big_endian ? "MM\0*" : "II*\0", 4);
	put_number(how, at + 4, DIRECTORY_AT, 4);
	for (unsigned i = 0; i < 3 * 256; i++) {
		unsigned colour = i % 256;
		unsigned rgb[] = {2 * colour % 256, 255 - colour, 7};

		put_number(how, at + PALETTE_AT + 2 * i,
		           257 * (how->has_grey_palette ? colour : rgb[i / 256]), 2);
	}
	for (unsigned i = 0; i < AREA * n; i++)
		at[PIXELS_AT + i] = how->samples[how->is_in_planes ? i / AREA : i % n];
	put_number(how, at + DIRECTORY_AT, N_ENTRIES, 2);
	for (unsigned i = 0; i < N_ENTRIES; i++) {
		uint8_t *entry = at + DIRECTORY_AT + 2 + 12 * (size_t)i;
		unsigned n_value = entries[i][1] == SHORT ? 2 : 4;
		uint32_t count = entries[i][2];
		bool is_place = entries[i][0] == 320;
		bool is_listed = count * n_value > 4 && !is_place;

		put_number(how, entry, entries[i][0], 2);
		put_number(how, entry + 2, entries[i][1], 2);
		put_number(how, entry + 4, count, 4);
		if (is_listed || is_place)
			put_number(how, entry + 8, is_place ? entries[i][3] : list, 4);
		for (uint32_t k = 0; k < count && !is_place; k++) {
			put_number(how, (is_listed ? at + list : entry + 8) + k * n_value,
			           entries[i][3] + (entries[i][0] == 273 ? AREA * k : 0),
			           n_value);
		}
		list += is_listed ? count * n_value : 0;
	}
	return blob;
}

TEST(tiff, the_colours_of_a_palette_are_kept_with_and_without_further_samples)
{
	enum { PALETTE = 3 };
	static const double colour[] = {60, 225, 7, 120}, grey[] = {30, 120};
	static const uint8_t samples[] = {30, 120, 0, 0};

	for (unsigned i = 0; i < 24; i++) {
		struct tiff_by_hand how = {
			.is_big_endian = i & 1,
			.has_grey_palette = i & 2,
			.is_in_planes = i & 4,
			.photometric = PALETTE,
			.n_samples = i < 8 ? 1 : 2,
			.extra = i < 16 ? UNSPECIFIED : UNASSOCIATED,
		};
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		struct outcome outcome;
		struct blob blob;

		memcpy(how.samples, samples, sizeof(samples));
		blob = make_tiff_by_hand(&how);
		if (how.is_in_planes && how.n_samples > 1) {
			outcome = run_picture(&blob, "a.tif", &recipe);
			EXPECT(!outcome.is_done);
			EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
			outcome_fini(&outcome);
		} else {
			expect_png(&blob, (how.has_grey_palette ? 1 : 3) + (i >= 16),
			           how.has_grey_palette ? grey : colour, 0, "palette");
		}
		blob_fini(&blob);
	}
}

TEST(tiff, grey_with_further_samples_in_separate_planes_is_unsupported)
{
	enum { WHITE_IS_ZERO = 0, BLACK_IS_ZERO = 1 };
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);

	for (unsigned i = 0; i < 4; i++) {
		struct tiff_by_hand how = {
			.is_in_planes = true,
			.photometric = i & 1 ? WHITE_IS_ZERO : BLACK_IS_ZERO,
			.n_samples = i & 2 ? 2 : 4,
			.extra = UNASSOCIATED,
		};
		struct blob blob = make_tiff_by_hand(&how);
		struct outcome outcome = run_picture(&blob, "a.tif", &recipe);

		EXPECT(!outcome.is_done);
		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

/* libtiff accepts bytes for tags that should have the type SHORT. */
TEST(tiff, tiff_tags_that_describe_samples_may_have_the_type_BYTE)
{
	enum { PHOTOMETRIC = 262, N_SAMPLES = 277, TYPE_BYTE = 1 };
	static const unsigned tags[] = {PHOTOMETRIC, N_SAMPLES, EXTRA_SAMPLES};
	static const uint8_t rgba[] = {200, 100, 50, 120};
	static const double colour[] = {200, 100, 50, 120};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		struct blob blob = make_tiff_of(rgba, 4, VIPS_INTERPRETATION_sRGB);
		size_t entry = find_tag(&blob, 0, tags[i]);

		blob.bytes[entry + 2] = TYPE_BYTE;
		expect_png(&blob, 4, colour, 0, "RGB and alpha");
		blob_fini(&blob);
	}
}

TEST(tiff, among_several_extra_tiff_samples_only_the_declared_alpha_is_alpha)
{
	static const uint8_t samples[] = {200, 100, 50, 0, 120};
	static const double colour[] = {200, 100, 50, 120};
	struct blob blob = make_tiff_of(samples, 5, VIPS_INTERPRETATION_sRGB);
	uint32_t at = little(&blob, 4, 4), n = little(&blob, at, 2);
	bool is_set = false;

	/* Two values of two bytes are stored in the entry itself. */
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *entry = blob.bytes + at + 2 + 12 * (size_t)i;

		if ((entry[0] | entry[1] << 8) != EXTRA_SAMPLES)
			continue;
		EXPECT_EQ(entry[4], 2);
		memcpy(entry + 8, "\0\0\2\0", 4);
		is_set = true;
	}
	REQUIRE(is_set);
	expect_png(&blob, 4, colour, 0, "RGB, a spot colour and alpha");
	blob_fini(&blob);
}

TEST(frames, frames_of_an_animation_are_reported_lost_in_formats_without_animation)
{
	static const char *const suffixes[] = {".gif", ".webp"};

	for (int i = 0; i < 2; i++) {
		struct blob blob = make_pages(suffixes[i]);
		struct outcome outcome = run_to(&blob, "a", FORMAT_PNG);

		EXPECT_EQ(outcome.answer.out[0].lost, LOST_ANIMATION);
		outcome_fini(&outcome);
		outcome = run_to(&blob, "a", FORMAT_TIFF);
		EXPECT_EQ(outcome.answer.out[0].lost, LOST_ANIMATION);
		EXPECT_EQ(count_pages(&outcome.output), 1);
		outcome_fini(&outcome);
		outcome = run_to(&blob, "a", FORMAT_WEBP);
		EXPECT_EQ(outcome.answer.out[0].lost, 0);
		EXPECT_EQ(count_pages(&outcome.output), N_PAGES);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

TEST(frames, frames_of_an_animated_png_are_reported_lost)
{
	struct blob blob = make_png(8, 8, 3, &rgbw);
	struct outcome outcome;

	png_insert(&blob, "acTL", "\0\0\0\1\0\0\0\0", 8);
	outcome = run_to(&blob, "a.png", FORMAT_PNG);
	EXPECT_EQ(outcome.answer.out[0].lost, 0);
	outcome_fini(&outcome);
	blob_fini(&blob);

	blob = make_png(8, 8, 3, &rgbw);
	png_insert(&blob, "acTL", "\0\0\0\2\0\0\0\0", 8);
	for (int i = 0; i < 2; i++) {
		outcome = run_to(&blob, "a.png", i ? FORMAT_JPEG : FORMAT_PNG);
		EXPECT_EQ(outcome.answer.out[0].lost, LOST_ANIMATION);
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
}
