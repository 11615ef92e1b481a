/*
 * Tests of the accuracy of a simple resize. The reference is a full decode that this file resamples
 * with Lanczos in double precision. Our output and that of vips_thumbnail() are compared with the
 * reference, sample by sample.
 */
#include "support/test.h"

#include "vips_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct blob sample(const char *name)
{
	const char *folder = getenv("PIXPOOL_SAMPLES");
	char path[512], part[4096];
	struct blob blob = {0};
	size_t n;
	FILE *file;

	if (!folder)
		SKIP("PIXPOOL_SAMPLES is not set to the folder of sample pictures");
	snprintf(path, sizeof(path), "%s/pictures/%s", folder, name);
	file = fopen(path, "rb");
	REQUIRE(file != NULL, "%s", path);
	while ((n = fread(part, 1, sizeof(part), file)) > 0)
		blob_append(&blob, part, n);
	fclose(file);
	return blob;
}

static double lanczos(double x)
{
	double a = M_PI * x;

	if (fabs(x) < 1e-9)
		return 1;
	return fabs(x) >= 3 ? 0 : 3 * sin(a) * sin(a / 3) / (a * a);
}

/* Resample a line of `n_from` values to `n_to` values. A stride is the distance between two
 * neighbours in the array. */
static void resample_line(const double *from, int n_from, int from_stride, double *to,
                          int n_to, int to_stride)
{
	double factor = (double)n_from / n_to, wide = factor > 1 ? factor : 1;

	for (int i = 0; i < n_to; i++) {
		double centre = (i + 0.5) * factor - 0.5, sum = 0, weights = 0;

		for (int k = (int)ceil(centre - 3 * wide); k <= centre + 3 * wide; k++) {
			int at = k < 0 ? 0 : k >= n_from ? n_from - 1 : k;
			double weight = lanczos((k - centre) / wide);

			sum += weight * from[at * from_stride];
			weights += weight;
		}
		to[i * to_stride] = sum / weights;
	}
}

/* Resample an image of 8 bits, which is in memory, to this width and height. */
static VipsImage *resampled(VipsImage *image, int width, int height)
{
	int from_width = vips_image_get_width(image);
	int from_height = vips_image_get_height(image);
	int n_bands = vips_image_get_bands(image);
	size_t n_from = (size_t)from_width * (size_t)from_height;
	double *from = malloc(n_from * sizeof(*from));
	double *half = malloc((size_t)width * (size_t)from_height * sizeof(*half));
	double *whole = malloc((size_t)width * (size_t)height * sizeof(*whole));
	uint8_t *bytes = malloc((size_t)width * (size_t)height * (size_t)n_bands);
	VipsImage *made;

	REQUIRE(from && half && whole && bytes);
	for (int band = 0; band < n_bands; band++) {
		for (size_t i = 0; i < n_from; i++)
			from[i] = ((const uint8_t *)image
			                   ->data)[i * (size_t)n_bands + (size_t)band];
		for (int y = 0; y < from_height; y++)
			resample_line(from + (size_t)y * (size_t)from_width, from_width,
			              1, half + (size_t)y * (size_t)width, width, 1);
		for (int x = 0; x < width; x++)
			resample_line(half + x, from_height, width, whole + x, height,
			              width);
		for (size_t i = 0; i < (size_t)width * (size_t)height; i++)
			bytes[i * (size_t)n_bands + (size_t)band] =
				(uint8_t)(fmin(255, fmax(0, whole[i])) + 0.5);
	}
	made = image_of_bytes(bytes, width, height, n_bands);
	free(from);
	free(half);
	free(whole);
	free(bytes);
	return made;
}

static VipsImage *thumbnail(const struct blob *blob, int side)
{
	VipsImage *image = NULL, *settled;

	REQUIRE(!vips_thumbnail_buffer(blob->bytes, blob->n, &image, side, NULL), "%s",
	        vips_error_buffer());
	settled = vips_image_copy_memory(image);
	REQUIRE(settled != NULL);
	g_object_unref(image);
	return settled;
}

/* Scale the picture with our code and with vips_thumbnail(), and compare both results with the
 * reference. */
static void compare(const struct blob *blob, __attribute__((unused)) const char *name,
                    int side)
{
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_VIPS);
	VipsImage *whole, *ours, *theirs, *want;
	double our_psnr, their_psnr;

	recipe.geometry.width = recipe.geometry.height = (uint32_t)side;
	ours = cooked(blob, &recipe);
	theirs = thumbnail(blob, side);
	EXPECT(abs(vips_image_get_width(ours) - vips_image_get_width(theirs)) <= 1, "%s",
	       name);
	EXPECT(abs(vips_image_get_height(ours) - vips_image_get_height(theirs)) <= 1,
	       "%s", name);
	whole = decoded(blob);
	want = resampled(whole, vips_image_get_width(ours), vips_image_get_height(ours));
	our_psnr = psnr(ours, want);
	if (vips_image_get_width(ours) == vips_image_get_width(theirs) &&
	    vips_image_get_height(ours) == vips_image_get_height(theirs)) {
		their_psnr = psnr(theirs, want);
		EXPECT(our_psnr > their_psnr - 0.3, "%s to %d: %.2f dB, theirs %.2f",
		       name, side, our_psnr, their_psnr);
	}
	EXPECT(our_psnr > 33, "%s to %d: %.2f dB", name, side, our_psnr);
	g_object_unref(ours);
	g_object_unref(theirs);
	g_object_unref(whole);
	g_object_unref(want);
}

TEST(quality, outputs_are_at_most_0_3_db_less_accurate_than_those_of_vipsthumbnail)
{
	static const char *const names[] = {"dunes.jpg", "lake.jpg", "lighthouse.tiff",
	                                    "meadow.webp"};
	static const int sides[] = {64, 200, 256, 333, 1600};

	vips_fixture_start();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct blob blob = sample(names[i]);

		for (size_t s = 0; s < sizeof(sides) / sizeof(sides[0]); s++)
			compare(&blob, names[i], sides[s]);
		blob_fini(&blob);
	}
}

/* If a side is not a multiple of 8, the last block of a JPEG lies only partly inside the
 * picture. */
TEST(quality, jpegs_with_incomplete_edge_blocks_are_scaled_accurately)
{
	struct blob small = sample("lake.jpg"), large;
	VipsImage *image, *made = NULL, *settled;

	vips_fixture_start();
	image = decoded(&small);
	REQUIRE(!vips_resize(image, &made, 2253.0 / vips_image_get_width(image), "vscale",
	                     1267.0 / vips_image_get_height(image), NULL));
	settled = vips_image_copy_memory(made);
	REQUIRE(settled != NULL);
	large = encoded(settled, ".jpg[Q=95]");
	compare(&large, "odd.jpg", 64);
	compare(&large, "odd.jpg", 128);
	compare(&large, "odd.jpg", 256);
	g_object_unref(image);
	g_object_unref(made);
	g_object_unref(settled);
	blob_fini(&small);
	blob_fini(&large);
}

TEST(quality, scaling_while_loading_gives_a_result_like_scaling_after_full_decoding)
{
	struct blob blob = sample("lake.jpg");
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_VIPS);
	VipsImage *quick, *careful;
	struct failure failure;

	vips_fixture_start();
	recipe.geometry.width = recipe.geometry.height = 200;
	quick = cooked(&blob, &recipe);
	/* Both flips run before scaling, and the second undoes the first. */
	REQUIRE(filters_parse(&recipe.filters, "flip, flip", &failure));
	careful = cooked(&blob, &recipe);
	EXPECT(psnr(quick, careful) > 40, "%.2f dB", psnr(quick, careful));
	g_object_unref(quick);
	g_object_unref(careful);
	blob_fini(&blob);
}

TEST(quality, all_eight_orientations_of_a_picture_give_similar_outputs)
{
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	VipsImage *first = NULL;

	vips_fixture_start();
	recipe.geometry.width = recipe.geometry.height = 60;
	for (int engine = ENGINE_VIPS; engine <= ENGINE_STB; engine++) {
		for (int i = 1; i <= 8; i++) {
			char name[32];
			struct blob blob;
			VipsImage *image;

			snprintf(name, sizeof(name), "orientation/%d.jpg", i);
			blob = sample(name);
			recipe_use_engine(&recipe, (enum engine_choice)engine);
			image = cooked(&blob, &recipe);
			if (!first)
				first = g_object_ref(image);
			EXPECT(psnr(first, image) > 28, "%s, engine %d: %.2f dB", name,
			       engine, psnr(first, image));
			g_object_unref(image);
			blob_fini(&blob);
		}
	}
	g_object_unref(first);
}
