/* Tests of the reasons of failures: each picture gets its own reason, whatever the worker processed
 * before. */
#include "support/test.h"

#include "image_fixture.h"

#include <stdio.h>
#include <string.h>

static const uint8_t one_run[] = {0x55, 0x55, 0x55, 0x55};

static void expect_reason(const struct blob *blob, const char *name,
                          enum engine_choice engine, const char *reason)
{
	struct recipe recipe = recipe_for(FORMAT_PNG, engine);
	struct outcome outcome = run_picture(blob, name, &recipe);

	EXPECT(!outcome.is_done);
	EXPECT_EQ(outcome.answer.failure.class, FAIL_BAD_IMAGE);
	EXPECT(strstr(outcome.answer.failure.text, reason) != NULL, "%s",
	       outcome.answer.failure.text);
	outcome_fini(&outcome);
}

/* Convert a JPEG with extra bytes between two segments. libjpeg skips the bytes with a warning. The
 * fast engine accepts the pixels, but it does not support the filter `negate` of the recipe. So the
 * vips engine makes the output. */
static void run_warned_picture(void)
{
	struct blob blob = make_jpeg(16, 16, 3, &rgbw);
	struct recipe recipe = recipe_of_words("filter negate", FORMAT_PNG, ENGINE_AUTO);
	struct outcome outcome;

	jpeg_insert(&blob, 0xfe, "comment", 7);
	blob_insert(&blob, 2 + 4 + 7, one_run, sizeof(one_run));
	outcome = run_picture(&blob, "warns.jpg", &recipe);
	EXPECT(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT(outcome.answer.is_damaged);
	EXPECT_STR(outcome.answer.engine, "vips");
	outcome_fini(&outcome);
	blob_fini(&blob);
}

TEST(reasons, a_picture_counts_as_damaged_only_for_its_own_warnings)
{
	static const enum engine_choice engines[] = {ENGINE_VIPS, ENGINE_AUTO};
	struct blob whole = make_jpeg(16, 16, 3, &rgbw);

	for (int i = 0; i < 2; i++) {
		struct recipe recipe = recipe_for(FORMAT_JPEG, engines[i]);
		struct outcome outcome;

		run_warned_picture();
		outcome = run_picture(&whole, "whole.jpg", &recipe);
		EXPECT(outcome.is_done && !outcome.answer.is_damaged);
		outcome_fini(&outcome);
	}
	blob_fini(&whole);
}

TEST(reasons,
     the_failure_of_a_truncated_jpeg_does_not_mention_warnings_about_earlier_pictures)
{
	enum { MANY = 120 }; /* libvips truncates its messages if there are many */
	struct blob cut = make_jpeg(160, 120, 3, &rgbw);

	cut.n -= cut.n / 3;
	for (int i = 0; i < MANY; i++)
		run_warned_picture();
	expect_reason(&cut, "cut.jpg", ENGINE_VIPS, "ends early");
	blob_fini(&cut);
}

TEST(reasons, a_truncated_jpeg_with_warnings_fails_with_the_reason_premature_end)
{
	struct blob cut = make_jpeg(160, 120, 3, &rgbw);

	jpeg_insert(&cut, 0xfe, "comment", 7);
	blob_insert(&cut, 2 + 4 + 7, one_run, sizeof(one_run));
	cut.n -= cut.n / 3;
	expect_reason(&cut, "cut.jpg", ENGINE_VIPS, "Premature end");
	blob_fini(&cut);
}

TEST(reasons, the_failure_of_a_png_with_a_wrong_checksum_names_the_checksum)
{
	struct blob png = make_png(16, 16, 3, &rgbw);

	png.bytes[8 + 8 + 13] ^= 1; /* damage the checksum of the first chunk */
	expect_reason(&png, "bad.png", ENGINE_VIPS, "IHDR: CRC error");
	blob_fini(&png);
}

/* Check the reason for which a JPEG is refused if its frame header has this marker and this number
 * of bits for each sample. */
static void expect_unsupported(uint8_t marker, uint8_t n_bits, const char *reason)
{
	struct blob jpeg = make_jpeg(16, 16, 3, &rgbw);
	uint8_t *frame = memmem(jpeg.bytes, jpeg.n, "\xff\xc0", 2);
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	struct outcome outcome;

	REQUIRE(frame != NULL);
	frame[1] = marker;
	frame[4] = n_bits;
	outcome = run_picture(&jpeg, "a.jpg", &recipe);
	EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
	EXPECT(strstr(outcome.answer.failure.text, reason) != NULL, "%s",
	       outcome.answer.failure.text);
	outcome_fini(&outcome);
	blob_fini(&jpeg);
}

TEST(reasons, kinds_of_jpeg_that_no_library_reads_are_unsupported)
{
	expect_unsupported(0xc0, 12, "precision 12");
	expect_unsupported(0xf7, 8, "0xf7");
	expect_unsupported(0xc3, 8, "process");
}

static void expect_fast_reason(const struct blob *jpeg, const char *words,
                               const char *reason)
{
	struct recipe recipe = recipe_of_words(words, FORMAT_JPEG, ENGINE_AUTO);
	struct outcome outcome;

	snprintf(recipe.engine, sizeof(recipe.engine), "fast");
	outcome = run_picture(jpeg, "a.jpg", &recipe);
	EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
	EXPECT_STR(outcome.answer.failure.text, reason);
	outcome_fini(&outcome);
}

TEST(reasons, the_fast_engine_says_which_part_of_a_recipe_it_does_not_support)
{
	struct blob jpeg = make_jpeg(16, 16, 3, &rgbw);

	expect_fast_reason(&jpeg, "filter negate",
	                   "header: the fast engine supports no filter except flatten");
	expect_fast_reason(&jpeg, "linear",
	                   "header: the fast engine does not scale in linear light");
	expect_fast_reason(&jpeg, "profile p3",
	                   "header: the fast engine converts colours to sRGB only");
	expect_fast_reason(&jpeg, "fail-on none",
	                   "header: the fast engine supports only --fail-on error and "
	                   "--fail-on warning");
	blob_fini(&jpeg);
}

TEST(reasons, the_fast_engine_says_why_it_refuses_a_file)
{
	struct blob jpeg = make_jpeg(16, 16, 3, &rgbw);
	uint8_t *frame = memmem(jpeg.bytes, jpeg.n, "\xff\xc0", 2);

	REQUIRE(frame != NULL);
	frame[4] = 12;
	expect_fast_reason(
		&jpeg, "size 16x",
		"header: the fast engine refuses the file: samples do not have "
		"8 bits");
	blob_fini(&jpeg);
}
