/*
 * Compares the fast engine with libvips. Both make the same output from the same picture, and the
 * pixels must agree. The pictures have slopes, round edges and noise.
 */
#include "image_fixture.h"
#include "jpeg_maker.h"
#include "support/test.h"

#include "image/picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 803, HEIGHT = 611 };

/* The allowed difference between the engines: the smallest PSNR in dB, and the largest
 * difference of a sample. Encoders, kernels and roundings differ, so the outputs never agree
 * exactly. */
struct bound {
	double psnr;
	int largest;
};

/* Make a picture of up to four bands. Alpha, the fourth band, is opaque on the left. */
static uint8_t *make_pixels(int n_bands)
{
	uint8_t *pixels = malloc((size_t)WIDTH * HEIGHT * (size_t)n_bands), *at = pixels;
	uint64_t state = 11;

	REQUIRE(pixels != NULL);
	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			double ring = sin(hypot(x - 300, y - 250) / 23);
			int noise = (int)random_below(&state, 9);
			int level = (ring > 0 ? 60 : 0) + x / 8 + y / 8 + noise;
			int bands[4] = {level, 230 - level, 40 + x / 5,
			                x < 400 ? 255 : 90 + y / 8};

			if (n_bands < 3)
				bands[1] = bands[3];
			for (int band = 0; band < n_bands; band++)
				*at++ = (uint8_t)bands[band];
		}
	}
	return pixels;
}

static struct blob make_png_file(int n_bands)
{
	uint8_t *pixels = make_pixels(n_bands);
	struct blob png = png_of_bytes(pixels, WIDTH, HEIGHT, n_bands);

	free(pixels);
	return png;
}

static struct outcome run_by(const char *engine, const struct blob *input,
                             const char *words, enum image_format format)
{
	struct recipe recipe = recipe_of_words(words, format, ENGINE_AUTO);
	struct outcome outcome;

	snprintf(recipe.engine, sizeof(recipe.engine), "%s", engine);
	outcome = run_picture(input, "picture", &recipe);
	REQUIRE(outcome.is_done, "%s: %s", engine, outcome.answer.failure.text);
	EXPECT_STR(outcome.answer.engine, engine);
	REQUIRE(outcome.pixels != NULL);
	return outcome;
}

static void expect_agreement(const struct blob *input, const char *words,
                             enum image_format format, struct bound bound)
{
	struct outcome fast = run_by("fast", input, words, format);
	struct outcome vips = run_by("vips", input, words, format);
	size_t n = (size_t)fast.width * (size_t)fast.height * (size_t)fast.n_bands;
	double sum = 0, psnr;
	int largest = 0;

	EXPECT_EQ(fast.width, vips.width);
	EXPECT_EQ(fast.height, vips.height);
	REQUIRE(fast.n_bands == vips.n_bands);
	for (size_t i = 0; i < n; i++) {
		int difference = abs(fast.pixels[i] - vips.pixels[i]);

		sum += difference * difference;
		largest = difference > largest ? difference : largest;
	}
	psnr = 10 * log10(255.0 * 255 / (sum / (double)n + 1e-9));
	EXPECT(psnr >= bound.psnr && largest <= bound.largest,
	       "%s to %s: %.2f dB, at most %d", words, format_info(format)->name, psnr,
	       largest);
	outcome_fini(&fast);
	outcome_fini(&vips);
}

static const char *const sizes[] = {"size 400x400", "size 250x250", "size 100x100",
                                    "size 33x33", "size 120x120; fit cover"};

TEST(differential, jpeg_outputs_of_jpeg_inputs_agree_with_libvips)
{
	/* The bound for colours is wider, because the engines halve chroma twice in different
	 * ways. */
	static const struct bound grey = {37, 16}, colours = {33, 36};

	for (int n_bands = 1; n_bands <= 3; n_bands += 2) {
		struct blob png = make_png_file(n_bands);
		struct recipe recipe = recipe_for(FORMAT_JPEG, ENGINE_AUTO);
		struct outcome jpeg;

		recipe.quality = 92;
		jpeg = run_picture(&png, "picture", &recipe);
		REQUIRE(jpeg.is_done);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			expect_agreement(&jpeg.output, sizes[i], FORMAT_JPEG,
			                 n_bands == 1 ? grey : colours);
		outcome_fini(&jpeg);
		blob_fini(&png);
	}
}

TEST(differential, png_outputs_of_png_inputs_agree_with_libvips)
{
	static const struct bound bound = {49, 24};

	for (int n_bands = 1; n_bands <= 4; n_bands++) {
		struct blob png = make_png_file(n_bands);

		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			expect_agreement(&png, sizes[i], FORMAT_PNG, bound);
		blob_fini(&png);
	}
}
