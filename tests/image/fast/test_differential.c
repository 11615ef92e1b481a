/*
 * Compares the fast engine with libvips. Both process the same picture with the same options, and
 * the pixels of their outputs must nearly agree. The pictures have slopes, round edges and noise.
 */
#include "image_fixture.h"
#include "jpeg_maker.h"
#include "support/test.h"

#include "image/engine.h"
#include "image/picture.h"

#include <libdeflate.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <webp/decode.h>
#include <webp/encode.h>
#include <webp/mux_types.h>

enum { WIDTH = 803, HEIGHT = 611 };

/* The allowed difference between the engines: the smallest PSNR in dB, and the largest
 * difference of a sample. Encoders, kernels and roundings differ, so the outputs never agree
 * exactly. */
struct bound {
	double psnr;
	int largest;
};

/* Make a picture of up to four bands. If there are two or four bands, the last band is alpha, which
 * is opaque on the left. */
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

/* Insert a chunk into a WebP: before the pixels, or at the end of the file. */
static void webp_insert(struct blob *webp, bool is_at_end, const char *type,
                        const void *bytes, size_t n)
{
	enum { FILE_HEAD = 12 };
	const uint8_t head[8] = {(uint8_t)type[0], (uint8_t)type[1], (uint8_t)type[2],
	                         (uint8_t)type[3], (uint8_t)n,       (uint8_t)(n >> 8)};
	size_t at = is_at_end ? webp->n : FILE_HEAD;

	blob_insert(webp, at, head, sizeof(head));
	blob_insert(webp, at + sizeof(head), bytes, n);
	if (n % 2)
		blob_insert(webp, at + sizeof(head) + n, "", 1);
	for (unsigned i = 0; i < 4; i++)
		webp->bytes[4 + i] = (uint8_t)((webp->n - 8) >> 8 * i);
}

/* Add EXIF with this orientation. If `profile` is not NULL, add the profile, too. */
static void webp_add_metadata(struct blob *webp, unsigned orientation,
                              const struct blob *profile)
{
	const uint8_t head[10] = {(uint8_t)(EXIF_FLAG | (profile ? ICCP_FLAG : 0)),
	                          [4] = (WIDTH - 1) & 255, [5] = (WIDTH - 1) >> 8,
	                          [7] = (HEIGHT - 1) & 255, [8] = (HEIGHT - 1) >> 8};
	uint8_t exif[EXIF_BYTES];

	make_exif(exif, orientation, false);
	if (profile)
		webp_insert(webp, false, "ICCP", profile->bytes, profile->n);
	webp_insert(webp, false, "VP8X", head, sizeof(head));
	webp_insert(webp, true, "EXIF", exif, sizeof(exif));
}

static void png_add_profile(struct blob *png, const struct blob *profile)
{
	struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
	/* The chunk begins with the name of the profile, "x", and the compression method, 0. */
	uint8_t chunk[4096] = "x\0";
	size_t n;

	REQUIRE(compressor != NULL);
	n = libdeflate_zlib_compress(compressor, profile->bytes, profile->n, chunk + 3,
	                             sizeof(chunk) - 3);
	libdeflate_free_compressor(compressor);
	REQUIRE(n > 0);
	png_insert(png, "iCCP", chunk, 3 + n);
}

/* Make a PNG with the pixels of a WebP. libvips gets this PNG, because libvips reduces a WebP less
 * exactly than a PNG. */
static struct blob png_of_webp(const struct blob *webp, int n_bands)
{
	int width, height;
	uint8_t *pixels = n_bands == 4
	                          ? WebPDecodeRGBA(webp->bytes, webp->n, &width, &height)
	                          : WebPDecodeRGB(webp->bytes, webp->n, &width, &height);
	struct blob png;

	REQUIRE(pixels != NULL);
	png = png_of_bytes(pixels, width, height, n_bands);
	WebPFree(pixels);
	return png;
}

static struct blob make_webp_file(int n_bands, bool is_lossless)
{
	uint8_t *pixels = make_pixels(n_bands), *bytes;
	struct blob webp = {0};
	int stride = WIDTH * n_bands;
	size_t n;

	if (is_lossless)
		n = n_bands == 4 ? WebPEncodeLosslessRGBA(pixels, WIDTH, HEIGHT, stride,
		                                          &bytes)
		                 : WebPEncodeLosslessRGB(pixels, WIDTH, HEIGHT, stride,
		                                         &bytes);
	else
		n = n_bands == 4
		            ? WebPEncodeRGBA(pixels, WIDTH, HEIGHT, stride, 90, &bytes)
		            : WebPEncodeRGB(pixels, WIDTH, HEIGHT, stride, 90, &bytes);
	free(pixels);
	REQUIRE(n > 0);
	blob_append(&webp, bytes, n);
	WebPFree(bytes);
	return webp;
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

/* Compare the output that the fast engine makes from one file with the output that libvips makes
 * from another file with the same pixels. */
static void expect_agreement_of(const struct blob *input, const struct blob *for_vips,
                                const char *words, enum image_format format,
                                struct bound bound)
{
	struct outcome fast = run_by("fast", input, words, format);
	struct outcome vips = run_by("vips", for_vips, words, format);
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

static void expect_agreement(const struct blob *input, const char *words,
                             enum image_format format, struct bound bound)
{
	expect_agreement_of(input, input, words, format, bound);
}

static const char *const sizes[] = {"size 400x400", "size 250x250", "size 100x100",
                                    "size 33x33", "size 120x120; fit cover"};

TEST(differential, jpeg_outputs_of_jpeg_inputs_agree_with_libvips)
{
	/* The bound for colours is wider, because each engine has its own way to halve the
	 * resolution of chroma. */
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

TEST(differential, lossy_webp_agrees_with_libvips)
{
	/* The engines differ for the same reasons as with JPEG inputs. In a PNG output, the
	 * encoders add no differences. */
	static const struct bound jpeg_bound = {33, 45}, png_bound = {42, 48};
	struct blob webp = make_webp_file(3, false), png = png_of_webp(&webp, 3);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		expect_agreement_of(&webp, &png, sizes[i], FORMAT_JPEG, jpeg_bound);
		expect_agreement_of(&webp, &png, sizes[i], FORMAT_PNG, png_bound);
	}
	blob_fini(&webp);
	blob_fini(&png);
}

TEST(differential, lossless_webp_and_webp_with_alpha_agree_with_libvips)
{
	static const struct bound bound = {49, 24};

	for (int kind = 0; kind < 3; kind++) {
		int n_bands = kind ? 4 : 3;
		struct blob webp = make_webp_file(n_bands, kind < 2);
		struct blob png = png_of_webp(&webp, n_bands);

		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			expect_agreement_of(&webp, &png, sizes[i], FORMAT_PNG, bound);
		blob_fini(&webp);
		blob_fini(&png);
	}
}

TEST(differential, webp_of_every_orientation_and_with_a_profile_agrees_with_libvips)
{
	static const struct bound bound = {49, 24};
	struct blob profile = make_rgb_profile("x", 1.8);

	for (unsigned orientation = 1; orientation <= 8; orientation++) {
		struct blob webp = make_webp_file(3, true), png = png_of_webp(&webp, 3);
		uint8_t exif[EXIF_BYTES];

		make_exif(exif, orientation, false);
		png_insert(&png, "eXIf", exif, sizeof(exif));
		webp_add_metadata(&webp, orientation, orientation % 2 ? NULL : &profile);
		if (orientation % 2 == 0)
			png_add_profile(&png, &profile);
		expect_agreement_of(&webp, &png, "size 250x250", FORMAT_PNG, bound);
		expect_agreement_of(&webp, &png, "size 120x100; fit cover", FORMAT_PNG,
		                    bound);
		blob_fini(&webp);
		blob_fini(&png);
	}
	blob_fini(&profile);
}

/* Decode the WebP of an outcome to RGB. */
static uint8_t *pixels_of_webp(const struct outcome *outcome)
{
	int width, height;
	uint8_t *pixels = WebPDecodeRGB(outcome->output.bytes, outcome->output.n, &width,
	                                &height);

	REQUIRE(pixels != NULL && width == WIDTH && height == HEIGHT);
	return pixels;
}

/* The mean difference between two pictures of WIDTH x HEIGHT pixels in RGB. */
static double mean_difference(const uint8_t *a, const uint8_t *b)
{
	size_t n = (size_t)WIDTH * HEIGHT * 3;
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += abs(a[i] - b[i]);
	return sum / (double)n;
}

TEST(differential, flattened_webp_has_the_colours_of_flattened_png)
{
	struct blob png = make_png_file(4);
	struct recipe recipe = recipe_of_words("filter flatten", FORMAT_WEBP,
	                                       ENGINE_AUTO);
	struct outcome flat = run_by("fast", &png, "filter flatten", FORMAT_PNG);
	struct outcome webp;
	uint8_t *pixels;
	double apart;

	snprintf(recipe.engine, sizeof(recipe.engine), "fast");
	webp = run_picture(&png, "picture", &recipe);
	REQUIRE(webp.is_done && flat.n_bands == 3);
	pixels = pixels_of_webp(&webp);
	apart = mean_difference(pixels, flat.pixels);
	EXPECT(apart < 4, "%.2f", apart);
	WebPFree(pixels);
	outcome_fini(&webp);
	outcome_fini(&flat);
	blob_fini(&png);
}

TEST(differential, a_webp_does_not_change_the_colours_of_later_outputs_of_the_picture)
{
	struct blob png = make_png_file(3);
	struct outcome jpeg = run_by("fast", &png, "quality 80", FORMAT_JPEG);
	struct recipe recipes[] = {
		recipe_of_words("", FORMAT_WEBP, ENGINE_AUTO),
		recipe_of_words("", FORMAT_JPEG, ENGINE_AUTO),
	};
	struct outcome outcomes[2];
	double apart;

	REQUIRE(run_variants(&jpeg.output, recipes, 2, outcomes));
	EXPECT_STR(outcomes[1].answer.engine, "fast");
	REQUIRE(outcomes[1].pixels != NULL);
	apart = mean_difference(outcomes[1].pixels, jpeg.pixels);
	EXPECT(apart < 1, "%.2f", apart);
	outcome_fini(&outcomes[0]);
	outcome_fini(&outcomes[1]);
	outcome_fini(&jpeg);
	blob_fini(&png);
}

/* If libvips does not write PNG or WebP, it applies the filters, and the fast engine only
 * encodes. */
TEST(differential, pixels_of_another_engine_keep_their_alpha_whatever_the_filters_are)
{
	enum { COLOUR_TYPE_AT = 25, RGBA = 6 };
	struct recipe recipe = recipe_of_words("filter blur 2", FORMAT_PNG, ENGINE_AUTO);
	struct rendering rendering = {
		.size = {WIDTH, HEIGHT},
		.n_frames = 1,
		.pixels = {{WIDTH, HEIGHT}, 4, make_pixels(4), free},
	};
	int output = memfd_create("output", MFD_CLOEXEC);
	struct failure failure = {0};
	uint8_t colour_type = 0;

	REQUIRE(output >= 0);
	REQUIRE(engine_fast.encode(&rendering, &recipe, output, &failure), "%s",
	        failure.text);
	EXPECT_EQ(pread(output, &colour_type, 1, COLOUR_TYPE_AT), 1);
	EXPECT_EQ(colour_type, RGBA);
	close(output);
	pixels_fini(&rendering.pixels);
}
