/*
 * Tests that the hidden colour of transparent pixels does not change the visible pixels of an
 * output. Also tests of the kernel "nearest", which mixes no colours. /
 */
#include "support/test.h"

#include "vips_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 60 };

/* A coloured disc that fades out over two pixels. The grey `hidden` is the hidden colour of the
 * transparent pixels. */
static struct blob disc_that_hides(uint8_t hidden, bool is_plain)
{
	uint8_t bytes[SIDE * SIDE * 4];

	for (int i = 0; i < SIDE * SIDE; i++) {
		int x = i % SIDE, y = i / SIDE;
		double inside = 20 - hypot(x - 30, y - 30);
		uint8_t *pixel = bytes + (size_t)i * 4;

		pixel[3] = (uint8_t)(inside >= 2 ? 255 : inside <= 0 ? 0 : inside * 127);
		pixel[0] = (uint8_t)(is_plain ? 128 : 60 + 2 * x);
		pixel[1] = (uint8_t)(is_plain ? 128 : 200 - 2 * y);
		pixel[2] = 128;
		if (pixel[3] == 0)
			memset(pixel, hidden, 3);
	}
	return png_of_bytes(bytes, SIDE, SIDE, 4);
}

/* The largest difference between the samples of two pictures. Pixels that are transparent in both
 * pictures are not compared. */
static double visible_difference(VipsImage *a, VipsImage *b)
{
	double most = 0;

	REQUIRE(a->Xsize == b->Xsize && a->Ysize == b->Ysize && a->Bands == b->Bands);
	for (int i = 0; i < a->Xsize * a->Ysize; i++) {
		int x = i % a->Xsize, y = i / a->Xsize, last = a->Bands - 1;

		if (value_at(a, x, y, last) == 0 && value_at(b, x, y, last) == 0)
			continue;
		for (int band = 0; band <= last; band++)
			most = fmax(most, fabs(value_at(a, x, y, band) -
			                       value_at(b, x, y, band)));
	}
	return most;
}

TEST(hidden_colours,
     colours_of_transparent_pixels_do_not_affect_filters_scaling_and_cropping)
{
	static const char *const recipes[] = {
		"filter sharpen",
		"filter sharpen 3 4 8",
		"filter blur 2",
		"filter median 5",
		"filter normalise 5 95",
		"filter modulate 1.2 1.5 40",
		"filter gamma 2",
		"filter negate",
		"filter grayscale",
		"filter threshold 100",
		"filter rotate 30",
		"filter trim",
		"filter flop",
		"size 31x31",
		"size 31x31; linear",
		"size 31x60; fit fill",
		"size 97x97",
		"size 31x31; kernel cubic",
		"size 31x31; kernel mitchell",
		"size 31x31; kernel linear",
		"size 31x31; kernel nearest",
		"size 40x20; fit cover; position attention",
		"size 40x20; fit cover; position entropy",
	};
	struct blob black = disc_that_hides(0, false),
		    white = disc_that_hides(255, false);

	for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++) {
		struct recipe recipe = recipe_of_words(recipes[i], FORMAT_PNG,
		                                       ENGINE_AUTO);
		VipsImage *a = cooked(&black, &recipe), *b = cooked(&white, &recipe);
		double difference = visible_difference(a, b);

		EXPECT(difference == 0, "%s: %g", recipes[i], difference);
		g_object_unref(a);
		g_object_unref(b);
	}
	blob_fini(&black);
	blob_fini(&white);
}

/* The picture is enlarged by this factor, because libvips adds reduced resolutions only to a large
 * JPEG 2000. */
enum { ZOOM = 8 };

static struct blob jp2_of_png(struct blob *png)
{
	VipsImage *image, *large;
	struct blob blob;

	vips_fixture_start();
	image = decoded(png);
	REQUIRE(!vips_zoom(image, &large, ZOOM, ZOOM, NULL));
	blob = encoded(large, ".jp2[lossless]");
	g_object_unref(large);
	g_object_unref(image);
	blob_fini(png);
	return blob;
}

/* A decoder can load a JPEG 2000 at a half, a quarter and so on of its size. */
TEST(hidden_colours,
     colours_of_transparent_pixels_in_a_jpeg_2000_do_not_affect_a_smaller_output)
{
	struct blob png = disc_that_hides(0, false), black = jp2_of_png(&png), white;

	png = disc_that_hides(255, false);
	white = jp2_of_png(&png);
	for (int side = SIDE * ZOOM; side > 4; side /= 2) {
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		VipsImage *a, *b;

		recipe.geometry.width = recipe.geometry.height = (uint32_t)side;
		a = cooked(&black, &recipe);
		b = cooked(&white, &recipe);
		EXPECT(visible_difference(a, b) == 0, "side %d: %g", side,
		       visible_difference(a, b));
		g_object_unref(a);
		g_object_unref(b);
	}
	blob_fini(&black);
	blob_fini(&white);
}

TEST(hidden_colours, a_disc_of_one_colour_is_not_changed_by_sharpening)
{
	struct blob disc = disc_that_hides(0, true);
	struct recipe recipe = recipe_of_words("filter sharpen", FORMAT_PNG, ENGINE_AUTO);
	VipsImage *image = cooked(&disc, &recipe);

	for (int i = 0; i < SIDE * SIDE; i++) {
		int x = i % SIDE, y = i / SIDE;

		if (value_at(image, x, y, 3) > 0)
			EXPECT(fabs(value_at(image, x, y, 0) - 128) <= 1, "%d, %d: %g", x,
			       y, value_at(image, x, y, 0));
	}
	g_object_unref(image);
	blob_fini(&disc);
}

/* ---- kernel nearest ---- */

/* Make a picture in which each pixel contains its own position. */
static struct blob make_places(int width, int height)
{
	static uint8_t bytes[256 * 256 * 3];

	for (int i = 0; i < width * height; i++) {
		bytes[3 * i] = (uint8_t)(i % width);
		bytes[3 * i + 1] = (uint8_t)(i / width);
		bytes[3 * i + 2] = 7;
	}
	return png_of_bytes(bytes, width, height, 3);
}

static int nearest(int i, int from, int to)
{
	return (int)floor((i + 0.5) * from / to);
}

TEST(kernel, the_nearest_kernel_takes_the_pixel_under_the_centre_of_each_output_pixel)
{
	static const int sizes[][4] = {
		{208, 208, 16, 16}, {7, 5, 3, 2},    {3, 2, 7, 5},  {100, 50, 99, 49},
		{60, 60, 1, 1},     {250, 3, 30, 9}, {12, 12, 6, 4}};

	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		const int *size = sizes[i / 2];
		bool is_mirrored = i % 2;
		struct blob blob = make_places(size[0], size[1]);
		char words[80];
		struct recipe recipe;
		VipsImage *image;

		if (is_mirrored) {
			uint8_t exif[EXIF_BYTES];

			make_exif(exif, 2, false);
			png_insert(&blob, "eXIf", exif, sizeof(exif));
		}
		snprintf(words, sizeof(words), "size %dx%d; fit fill; kernel nearest",
		         size[2], size[3]);
		recipe = recipe_of_words(words, FORMAT_PNG, ENGINE_AUTO);
		image = cooked(&blob, &recipe);
		for (int at = 0; at < size[2] * size[3]; at++) {
			int x = at % size[2], y = at / size[2];
			int from_x = nearest(x, size[0], size[2]);

			from_x = is_mirrored ? size[0] - 1 - from_x : from_x;
			EXPECT(value_at(image, x, y, 0) == from_x &&
			               value_at(image, x, y, 1) ==
			                       nearest(y, size[1], size[3]),
			       "%s at %d, %d", words, x, y);
		}
		g_object_unref(image);
		blob_fini(&blob);
	}
}
