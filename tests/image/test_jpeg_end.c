/* Tests of truncated and damaged JPEG files: if only the end marker is missing, the picture is
 * complete. Checks and conversions agree on which files are broken. */
#include "support/test.h"

#include "vips_fixture.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 64 };

/* A picture with detail in each block. With four bands it is CMYK. */
static struct blob make_detailed_bands(const char *suffix, int n_bands)
{
	uint8_t bytes[SIDE * SIDE * 4];
	struct blob blob;
	VipsImage *image;

	for (int i = 0; i < SIDE * SIDE * n_bands; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 50 * 31);
	vips_fixture_start();
	image = image_of_bytes(bytes, SIDE, SIDE, n_bands);
	if (n_bands == 4)
		image->Type = VIPS_INTERPRETATION_CMYK;
	blob = encoded(image, suffix);
	g_object_unref(image);
	return blob;
}

static struct blob make_detailed(const char *suffix)
{
	return make_detailed_bands(suffix, 3);
}

static const char *const suffixes[] = {".jpg[Q=90]", ".jpg[Q=90,interlace]"};
static const enum engine_choice engines[] = {ENGINE_AUTO, ENGINE_VIPS};

/* Only the last recipe accepts damage. */
static const char *const recipes[] = {"", "size 32x32", "size 20x20; fit cover",
                                      "filter negate", "fail-on none"};

static struct outcome run_over(const struct blob *jpeg, const char *words,
                               enum image_format format, enum engine_choice engine)
{
	struct recipe recipe = recipe_of_words(words, format, engine);

	return run_picture(jpeg, "a.jpg", &recipe);
}

/* Decode a file with and without its end marker, and compare the pixels. With an end marker the
 * fast engine skips scans that a small output does not need. Without it, the engine skips no scan,
 * so its pixels may differ slightly. Therefore only the pixels of the vips engine must be equal. */
static void expect_equal(const struct blob *whole, const struct blob *without,
                         const char *words, enum image_format format,
                         enum engine_choice engine)
{
	struct outcome a = run_over(whole, words, format, engine),
		       b = run_over(without, words, format, engine);

	REQUIRE(a.is_done && b.is_done, "%s: %s", words, b.answer.failure.text);
	EXPECT(!a.answer.is_damaged && !b.answer.is_damaged, "%s", words);
	EXPECT(a.width == b.width && a.height == b.height && a.n_bands == b.n_bands, "%s",
	       words);
	EXPECT(engine != ENGINE_VIPS ||
	               memcmp(a.pixels, b.pixels,
	                      (size_t)(a.width * a.height * a.n_bands)) == 0,
	       "%s", words);
	outcome_fini(&a);
	outcome_fini(&b);
}

TEST(jpeg_end, a_jpeg_that_lacks_only_its_end_marker_is_complete)
{
	for (int i = 0; i < 2; i++) {
		struct blob whole = make_detailed(suffixes[i]);

		for (size_t n_missing = 1; n_missing <= 2; n_missing++) {
			struct blob without = whole;

			without.n -= n_missing;
			for (size_t k = 0; k < 10; k++) {
				enum engine_choice engine = engines[k / 5];

				expect_equal(&whole, &without, recipes[k % 5],
				             FORMAT_JPEG, engine);
				expect_equal(&whole, &without, recipes[k % 5], FORMAT_PNG,
				             engine);
			}
		}
		blob_fini(&whole);
	}
}

static void expect_failure(const struct blob *jpeg, enum engine_choice engine)
{
	for (size_t i = 0; i < 4; i++) {
		struct outcome outcome = run_over(jpeg, recipes[i], FORMAT_PNG, engine);

		EXPECT(!outcome.is_done, "%s, %zu bytes", recipes[i], jpeg->n);
		EXPECT_EQ(outcome.answer.failure.class, FAIL_BAD_IMAGE);
		EXPECT(!outcome.answer.is_damaged);
		outcome_fini(&outcome);
	}
}

/* Check that "fail-on none" accepts the file as damaged. The exception is a file that ends in a
 * Huffman table, which libjpeg refuses. Of the files of this test, only the progressive ones have
 * Huffman tables after their first scan. */
static void expect_damaged(const struct blob *jpeg, enum engine_choice engine)
{
	struct outcome outcome = run_over(jpeg, "fail-on none", FORMAT_PNG, engine);

	EXPECT(outcome.answer.is_damaged ||
	               strstr(outcome.answer.failure.text, "Huffman table"),
	       "%zu bytes: %s", jpeg->n, outcome.answer.failure.text);
	outcome_fini(&outcome);
}

/* A file also counts as truncated if it ends between two scans. */
TEST(jpeg_end,
     a_truncated_jpeg_fails_unless_the_option_fail_on_none_accepts_it_as_damaged)
{
	for (int i = 0; i < 2; i++) {
		struct blob whole = make_detailed(suffixes[i]);

		for (size_t n = whole.n / 3; n < whole.n - 6; n += whole.n / 23) {
			struct blob cut = whole;

			cut.n = n;
			expect_failure(&cut, engines[n % 2]);
			expect_damaged(&cut, engines[n % 2]);
		}
		for (size_t n = 100; n < whole.n - 2; n++) {
			struct blob cut = whole;

			cut.n = n;
			if (memcmp(whole.bytes + n, "\xff\xda", 2) == 0)
				expect_failure(&cut, ENGINE_VIPS);
		}
		blob_fini(&whole);
	}
}

/* ---- damage inside of the file ---- */

/* Whether a check accepts the picture. Fails the test if a conversion to JPEG, PNG or WebP
 * disagrees with the check. */
static bool is_accepted(const struct blob *jpeg, const char *words)
{
	static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_PNG, FORMAT_WEBP};
	struct recipe recipe = recipe_of_words(words, FORMAT_JPEG, ENGINE_AUTO);
	struct outcome outcome = check_picture(jpeg, "a.jpg", &recipe);
	bool is_whole = outcome.is_done;

	outcome_fini(&outcome);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		outcome = run_over(jpeg, words, formats[i], ENGINE_AUTO);
		EXPECT_EQ(outcome.is_done, is_whole);
		outcome_fini(&outcome);
	}
	return is_whole;
}

/* Damage one byte of the picture at a time, at several places. Returns for how many of these bytes
 * the damaged picture is accepted. `*ret_n` is the number of bytes. */
static unsigned count_accepted(struct blob *blob, const char *words, unsigned *ret_n)
{
	unsigned n_accepted = 0;

	*ret_n = 0;
	for (size_t at = blob->n / 2; at < blob->n - 2; at += blob->n / 23) {
		uint8_t kept = blob->bytes[at];

		blob->bytes[at] ^= 0x5a;
		n_accepted += is_accepted(blob, words);
		blob->bytes[at] = kept;
		++*ret_n;
	}
	return n_accepted;
}

TEST(jpeg_damage, checks_and_conversions_agree_on_which_jpeg_files_are_broken)
{
	for (int i = 0; i < 2; i++) {
		struct blob blob = make_detailed(suffixes[i]);
		unsigned n, n_error = count_accepted(&blob, "fail-on error", &n);
		unsigned n_truncated = count_accepted(&blob, "fail-on truncated", &n);
		unsigned n_none = count_accepted(&blob, "fail-on none", &n);

		/* With "fail-on error" a picture passes only if the wrong byte turned codes into
		 * other valid codes of the same length. No decoder can notice such damage. */
		EXPECT(n_error < n / 2, "%u of %u", n_error, n);
		/* A wrong byte may also make an end marker, which ends the file early. */
		EXPECT(n_error < n_truncated && n_truncated <= n_none);
		blob_fini(&blob);
	}
}

/* The fast engine checks CMYK and RGB files, although it cannot convert them. libjpeg alone would
 * accept nearly all of the damaged files. */
TEST(jpeg_damage, checks_and_conversions_agree_on_broken_jpeg_files_of_cmyk_and_rgb)
{
	struct blob cmyk = make_detailed_bands(suffixes[0], 4),
		    rgb = make_detailed(suffixes[0]);
	unsigned n, n_accepted;

	n_accepted = count_accepted(&cmyk, "fail-on error", &n);
	EXPECT(n_accepted <= n * 2 / 3, "CMYK: %u of %u", n_accepted, n);
	/* libvips writes no JFIF segment, so the transform 0 of Adobe means RGB. */
	REQUIRE(!memmem(rgb.bytes, rgb.n, "JFIF", 4));
	jpeg_insert(&rgb, 0xee, "Adobe\0\x64\0\0\0\0", 12);
	n_accepted = count_accepted(&rgb, "fail-on error", &n);
	EXPECT(n_accepted <= n * 2 / 3, "RGB: %u of %u", n_accepted, n);
	blob_fini(&cmyk);
	blob_fini(&rgb);
}

/* libjpeg warns if it has not used all bytes of a scan. Such a scan may have wrong codes. */
TEST(jpeg_damage, a_jpeg_decoded_only_by_libvips_fails_by_default_at_any_detected_damage)
{
	struct blob blob = make_detailed(suffixes[1]);
	unsigned n_damaged = 0;

	for (size_t at = blob.n / 2; at < blob.n - 2; at += blob.n / 97) {
		struct outcome outcome;

		blob.bytes[at] ^= 0x5a;
		outcome = run_over(&blob, "", FORMAT_PNG, ENGINE_VIPS);
		EXPECT(!outcome.is_done || !outcome.answer.is_damaged, "byte %zu", at);
		outcome_fini(&outcome);
		outcome = run_over(&blob, "fail-on truncated", FORMAT_PNG, ENGINE_VIPS);
		n_damaged += outcome.is_done && outcome.answer.is_damaged;
		outcome_fini(&outcome);
		blob.bytes[at] ^= 0x5a;
	}
	EXPECT(n_damaged > 0);
	blob_fini(&blob);
}
