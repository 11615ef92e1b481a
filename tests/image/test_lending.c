/*
 * Tests of lending: one engine decodes the pixels, and another engine makes outputs from them. The
 * table of engines of this program has stb before vips, so stb decodes each PNG, and vips makes the
 * outputs that stb cannot make.
 */
#include "support/test.h"

#include "image/engine.h"
#include "image_fixture.h"

#include <string.h>

/* This table replaces engine_table.c. */
const struct engine *const engines[] = {&engine_stb, &engine_vips, NULL};

static void expect_equal(const struct outcome *lent, const struct outcome *alone)
{
	REQUIRE(lent->pixels && alone->pixels);
	EXPECT_EQ(lent->width, alone->width);
	EXPECT_EQ(lent->height, alone->height);
	REQUIRE(lent->n_bands == alone->n_bands);
	EXPECT(memcmp(lent->pixels, alone->pixels,
	              (size_t)lent->width * (size_t)lent->height *
	                      (size_t)lent->n_bands) == 0);
}

/* stb has no kernel "nearest", so it lends its pixels to vips for the first and the last output. */
TEST(lending, an_engine_derives_its_outputs_from_pixels_that_another_engine_decoded)
{
	static const char *const words[] = {"size 40x40; kernel nearest", "size 30x30",
	                                    "filter negate; kernel nearest"};
	uint8_t exif[EXIF_BYTES];

	for (int n_bands = 1; n_bands <= 4; n_bands++) {
		struct blob png = make_png(90, 60, n_bands, &rgbw);
		struct recipe recipes[3];
		struct outcome outcomes[3];

		make_exif(exif, 6, true);
		png_insert(&png, "eXIf", exif, sizeof(exif));
		for (int i = 0; i < 3; i++)
			recipes[i] = recipe_of_words(words[i], FORMAT_PNG, ENGINE_AUTO);
		REQUIRE(run_variants(&png, recipes, 3, outcomes), "%s",
		        outcomes[0].answer.failure.text);
		EXPECT_STR(outcomes[0].answer.engine, "stb");
		for (int i = 0; i < 3; i++) {
			enum engine_choice engine = i == 1 ? ENGINE_STB : ENGINE_VIPS;
			struct outcome alone;

			recipe_use_engine(&recipes[i], engine);
			alone = run_picture(&png, "a.png", &recipes[i]);
			REQUIRE(alone.is_done, "%s", alone.answer.failure.text);
			expect_equal(&outcomes[i], &alone);
			outcome_fini(&alone);
			outcome_fini(&outcomes[i]);
		}
		blob_fini(&png);
	}
}
