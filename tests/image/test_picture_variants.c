/*
 * Tests of several outputs for one picture: the picture is decoded once, each output nearly equals
 * that of a separate run, and each has its own range of the same memfd.
 */
#include "support/test.h"

#include "image/engine.h"
#include "image_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The mean difference between the samples of two pictures; a very large value if their shapes
 * differ. */
static double distance(const struct outcome *a, const struct outcome *b)
{
	size_t n = (size_t)a->width * (size_t)a->height * (size_t)a->n_bands;
	double sum = 0;

	if (!a->pixels || !b->pixels || a->width != b->width || a->height != b->height ||
	    a->n_bands != b->n_bands)
		return 1000;
	for (size_t i = 0; i < n; i++)
		sum += abs(a->pixels[i] - b->pixels[i]);
	return sum / (double)n;
}

/* Gradients inside a frame of another colour, so that a shift or a wrong size is noticed. */
static struct blob make_ramps(int width, int height)
{
	uint8_t *bytes = malloc((size_t)width * (size_t)height * 3), *at = bytes;
	struct blob blob;

	REQUIRE(bytes != NULL);
	for (int y = 0; y < height; y++) {
		for (int x = 0; x < width; x++) {
			bool is_frame = x < 5 || y < 5 || x >= width - 5 ||
			                y >= height - 5;

			*at++ = (uint8_t)(x * 255 / width);
			*at++ = (uint8_t)(y * 255 / height);
			*at++ = is_frame ? 255 : 0;
		}
	}
	blob = png_of_bytes(bytes, width, height, 3);
	free(bytes);
	return blob;
}

static struct blob make_ramps_jpeg(int width, int height)
{
	struct blob png = make_ramps(width, height);
	struct recipe recipe = recipe_of_words("quality 95", FORMAT_JPEG, ENGINE_AUTO);
	struct outcome outcome = run_picture(&png, "a", &recipe);
	struct blob jpeg = outcome.output;

	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	outcome.output = (struct blob){0};
	outcome_fini(&outcome);
	blob_fini(&png);
	return jpeg;
}

/* Run all recipes together, and each one separately. */
static void expect_same(const struct blob *input, const struct recipe *recipes,
                        unsigned n_recipes, double max_distance)
{
	struct outcome together[PICTURE_MAX_VARIANTS];
	uint64_t offset = 0;

	REQUIRE(run_variants(input, recipes, n_recipes, together), "%s",
	        together[0].answer.failure.text);
	EXPECT_EQ(together[0].n_headers, 1);
	EXPECT_EQ(together[0].answer.n_out, n_recipes);
	for (unsigned i = 0; i < n_recipes; i++) {
		struct outcome alone = run_picture(input, "a", &recipes[i]);
		const struct picture_side *out = &together[i].answer.out[i],
					  *out_alone = &alone.answer.out[0];
		double apart = distance(&together[i], &alone);

		REQUIRE(alone.is_done);
		EXPECT_EQ(out->offset, offset);
		offset += out->bytes;
		EXPECT_EQ(out->width, out_alone->width);
		EXPECT_EQ(out->height, out_alone->height);
		EXPECT_EQ(out->format, recipes[i].format);
		EXPECT_EQ(format_of_bytes(together[i].output.bytes, together[i].output.n,
		                          "a.tga"),
		          recipes[i].format);
		if (alone.pixels)
			EXPECT(apart <= max_distance,
			       "output %u beside %s: %.3f, %d and %d bands", i,
			       format_info(recipes[1].format)->name, apart,
			       together[i].n_bands, alone.n_bands);
		EXPECT_STR(together[i].answer.engine, alone.answer.engine);
		outcome_fini(&alone);
		outcome_fini(&together[i]);
	}
}

TEST(picture_variants, each_variant_nearly_equals_the_output_of_a_separate_run)
{
	struct blob png = make_ramps(400, 300), jpeg = make_ramps_jpeg(1200, 800);

	FOR_EACH_ENGINE(engine)
	{
		const struct recipe recipes[] = {
			recipe_of_words("size 40x40", FORMAT_PNG, *engine),
			recipe_of_words("size 200x200; quality 95", FORMAT_JPEG, *engine),
			recipe_of_words("size 64x64; fit cover", FORMAT_PNG, *engine),
			recipe_of_words("size 100x100; filter flip, blur 2", FORMAT_PNG,
		                        *engine),
			recipe_of_words("linear; size 50x50", FORMAT_PNG, *engine),
			recipe_of_words("", FORMAT_PNG, *engine),
		};
		unsigned n = sizeof(recipes) / sizeof(recipes[0]);

		expect_same(&png, recipes, n, 0.6);
		expect_same(&jpeg, recipes, n, 0.6);
		/* The last recipe needs the full size. Without it, the picture may be reduced while
		 * it is loaded. */
		expect_same(&jpeg, recipes, n - 1, 0.6);
	}
	blob_fini(&png);
	blob_fini(&jpeg);
}

TEST(picture_variants,
     variants_nearly_equal_separate_runs_whether_or_not_the_orientation_is_applied)
{
	struct blob jpeg = make_ramps_jpeg(160, 96);
	uint8_t exif[6 + EXIF_BYTES] = "Exif\0";

	make_exif(exif + 6, 6, false);
	jpeg_insert(&jpeg, 0xe1, exif, sizeof(exif));
	FOR_EACH_ENGINE(engine)
	{
		const struct recipe upright[] = {
			recipe_of_words("size 40x40", FORMAT_PNG, *engine),
			recipe_of_words("size 60x60; filter flop", FORMAT_PNG, *engine),
		};
		const struct recipe stored[] = {
			recipe_of_words("no-rotate; size 40x40", FORMAT_PNG, *engine),
			recipe_of_words("no-rotate; size 60x60", FORMAT_PNG, *engine),
		};

		expect_same(&jpeg, upright, 2, 0.6);
		expect_same(&jpeg, stored, 2, 0.6);
	}
	blob_fini(&jpeg);
}

/* Some encoders seek in their output. They must stay within the range that belongs to the
 * output. */
TEST(picture_variants, a_variant_of_each_format_can_be_written_between_two_png_variants)
{
	struct blob png = make_ramps(48, 40);

	FOR_EACH_ENGINE(engine)
	{
		for (int format = FORMAT_NONE + 1; format < N_FORMATS; format++) {
			struct recipe recipes[] = {
				recipe_of_words("size 20x20", FORMAT_PNG, *engine),
				recipe_of_words("effort 1", (enum image_format)format,
			                        *engine),
				recipe_of_words("", FORMAT_PNG, *engine),
			};

			if (!engine_that_writes(recipes[1].format, &recipes[1]))
				continue;
			expect_same(&png, recipes, 3, 0);
		}
	}
	blob_fini(&png);
}

TEST(picture_variants, variants_of_different_engines_share_one_decoding)
{
	struct blob png = make_ramps(90, 60);
	struct recipe bmp = recipe_for(FORMAT_BMP, ENGINE_AUTO);
	struct outcome made = run_picture(&png, "a", &bmp);
	const struct recipe recipes[] = {
		recipe_of_words("size 40x40", FORMAT_PNG, ENGINE_AUTO),
		recipe_of_words("size 30x30; filter negate", FORMAT_BMP, ENGINE_AUTO),
		recipe_of_words("", FORMAT_JPEG, ENGINE_AUTO),
	};

	REQUIRE(made.is_done);
	expect_same(&made.output, recipes, 3, 0);
	outcome_fini(&made);
	blob_fini(&png);
}

TEST(picture_variants, a_variant_that_cannot_be_made_fails_the_whole_picture)
{
	struct blob png = make_ramps(40, 30);
	struct recipe recipes[] = {
		recipe_of_words("", FORMAT_PNG, ENGINE_STB),
		recipe_of_words("filter sharpen", FORMAT_PNG, ENGINE_STB),
	};
	struct outcome outcomes[2];

	EXPECT(!run_variants(&png, recipes, 2, outcomes));
	EXPECT_EQ(outcomes[0].answer.failure.class, FAIL_UNSUPPORTED);
	EXPECT(strstr(outcomes[0].answer.failure.text, "sharpen"), "%s",
	       outcomes[0].answer.failure.text);

	recipes[1] = recipe_of_words("size 70000x10; fit fill", FORMAT_PNG, ENGINE_STB);
	recipes[1].format = FORMAT_JPEG;
	EXPECT(!run_variants(&png, recipes, 2, outcomes));
	EXPECT_EQ(outcomes[0].answer.failure.class, FAIL_TOO_BIG);
	blob_fini(&png);
}

TEST(picture_variants, variants_that_read_the_picture_in_different_ways_are_refused)
{
	struct blob png = make_ramps(40, 30);
	const struct recipe recipes[] = {
		recipe_of_words("", FORMAT_PNG, ENGINE_STB),
		recipe_of_words("no-rotate", FORMAT_PNG, ENGINE_STB),
	};
	struct outcome outcomes[2];

	EXPECT(!run_variants(&png, recipes, 2, outcomes));
	EXPECT_EQ(outcomes[0].answer.failure.class, FAIL_INTERNAL);
	blob_fini(&png);
}

TEST(picture_variants, a_picture_with_more_than_64_variants_is_refused)
{
	struct blob png = make_ramps(40, 30);
	struct recipe many[PICTURE_MAX_VARIANTS + 1];
	struct outcome outcomes[PICTURE_MAX_VARIANTS + 1];

	EXPECT_EQ(PICTURE_MAX_VARIANTS, 64);
	for (unsigned i = 0; i <= PICTURE_MAX_VARIANTS; i++)
		many[i] = recipe_of_words("size 4x4", FORMAT_PNG, ENGINE_STB);
	REQUIRE(run_variants(&png, many, PICTURE_MAX_VARIANTS, outcomes));
	for (unsigned i = 0; i < PICTURE_MAX_VARIANTS; i++)
		outcome_fini(&outcomes[i]);
	EXPECT(!run_variants(&png, many, PICTURE_MAX_VARIANTS + 1, outcomes));
	EXPECT_EQ(outcomes[0].answer.failure.class, FAIL_INTERNAL);
	blob_fini(&png);
}
