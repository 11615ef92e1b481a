/*
 * Tests of reading WebP. libwebp makes the files, and also decodes them to planes or to pixels.
 * From planes, simple code in this file computes the planes that our reader must give. Pixels are
 * reduced with `struct box`, which test_png.c tests. /
 */
#include "support/test.h"

#include "heap.h"
#include "jpeg_maker.h"

#include "image/fast/box.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/encode.h>
#include <webp/mux_types.h>

struct webp_settings {
	int width, height;
	bool is_lossless, has_alpha;
	/* From pixel to pixel, to the right and downwards, the levels of red rise by this number
	 * and those of blue fall by it. If it is 0, all levels are noise. */
	int slope;
};

static uint8_t *make_pixels(const struct webp_settings *settings)
{
	size_t n = (size_t)settings->width * (size_t)settings->height;
	uint8_t *rgba = malloc(n * 4);
	uint64_t state = 3;

	REQUIRE(rgba != NULL);
	for (size_t i = 0; i < n; i++) {
		int x = (int)i % settings->width, y = (int)i / settings->width;
		int level = 20 + (x + y) * settings->slope;

		for (unsigned band = 0; band < 4; band++)
			rgba[4 * i + band] = (uint8_t)random_below(&state, 256);
		if (settings->slope) {
			rgba[4 * i] = (uint8_t)level;
			rgba[4 * i + 1] = 90;
			rgba[4 * i + 2] = (uint8_t)(250 - level);
		}
		if (!settings->has_alpha)
			rgba[4 * i + 3] = 255;
	}
	return rgba;
}

static struct bytes make_webp(const struct webp_settings *settings)
{
	uint8_t *rgba = make_pixels(settings), *encoded;
	int stride = settings->width * 4;
	struct bytes webp = {0};

	if (settings->is_lossless)
		webp.n = WebPEncodeLosslessRGBA(rgba, settings->width, settings->height,
		                                stride, &encoded);
	else
		webp.n = WebPEncodeRGBA(rgba, settings->width, settings->height, stride,
		                        settings->slope ? 100 : 40, &encoded);
	free(rgba);
	REQUIRE(webp.n > 0);
	webp.at = malloc(webp.n);
	REQUIRE(webp.at != NULL);
	memcpy(webp.at, encoded, webp.n);
	WebPFree(encoded);
	return webp;
}

static void *open_new(const struct bytes *webp)
{
	void *reader = webp_reader.create();
	struct read_header header;

	REQUIRE(reader != NULL);
	REQUIRE(webp_reader.open(reader, webp->at, webp->n, &header) == READ_OK);
	return reader;
}

/* Decode for an output that is smaller by this ratio. */
static enum read_status decode(void *reader, double ratio, struct decoded *ret_decoded)
{
	const struct demand demand = {.ratio = ratio};
	const struct read_request request = {.demands = &demand, .n_demands = 1};

	return webp_reader.decode(reader, &request, ret_decoded);
}

/* ---- planes ---- */

static int widened(int level, bool is_chroma)
{
	double wide = is_chroma ? floor((level - 128) * 255 / 224.0 + 128.5)
	                        : floor((level - 16) * 255 / 219.0 + 0.5);

	return (int)fmax(0, fmin(wide, 255));
}

/* Check that a plane has the samples of the file, `limited`, after their conversion from the
 * limited range to the full range. seen[] records the levels that occurred, so that a test can
 * check that most levels were tested. */
static void expect_widened(const struct plane *plane, const uint8_t *limited, int stride,
                           bool is_chroma, bool seen[256])
{
	unsigned n_wrong = 0;

	for (uint32_t y = 0; y < plane->height; y++) {
		const uint8_t *row = plane_row(plane, y);

		for (uint32_t x = 0; x < plane->width; x++) {
			int level = limited[y * (size_t)stride + x];

			/* The reader treats chroma levels below 16 as 16. The conversion of 16 to
			 * the full range gives 0.5, which is rounded to 1. */
			n_wrong += row[x] != (is_chroma && level < 16
			                              ? 1
			                              : widened(level, is_chroma));
			seen[level] = true;
		}
	}
	EXPECT_EQ(n_wrong, 0);
}

TEST(webp_read, planes_of_lossy_pictures_are_converted_to_full_range)
{
	static const int sizes[][2] = {{1, 1}, {3, 5}, {64, 48}, {301, 133}};
	bool seen[2][256] = {{false}};
	unsigned n_seen[2] = {0, 0};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct webp_settings settings = {sizes[i][0], sizes[i][1], false, false,
		                                 0};
		struct bytes webp = make_webp(&settings);
		void *reader = open_new(&webp);
		int width, height, stride, chroma_stride;
		uint8_t *levels[3];
		struct decoded decoded;

		levels[0] = WebPDecodeYUV(webp.at, webp.n, &width, &height, &levels[1],
		                          &levels[2], &stride, &chroma_stride);
		REQUIRE(levels[0] != NULL);
		REQUIRE(decode(reader, 1, &decoded) == READ_OK);
		EXPECT(decoded.n_planes == 3 && !decoded.has_alpha);
		EXPECT_EQ(decoded.size.width, width);
		EXPECT_EQ(decoded.planes[1].width, (width + 1) / 2);
		EXPECT(decoded.planes[1].true_width == width / 2.0);
		for (unsigned k = 0; k < 3; k++)
			expect_widened(&decoded.planes[k], levels[k],
			               k ? chroma_stride : stride, k > 0, seen[k > 0]);
		WebPFree(levels[0]);
		webp_reader.destroy(reader);
		free(webp.at);
	}
	for (unsigned level = 0; level < 256; level++) {
		n_seen[0] += seen[0][level];
		n_seen[1] += seen[1][level];
	}
	EXPECT(n_seen[0] > 200 && n_seen[1] > 150, "%u, %u", n_seen[0], n_seen[1]);
}

/* The levels of the picture change steadily (settings->slope). Get the largest difference between a
 * sample of a plane and the value that it should have. Samples at the edges are ignored. */
static double distance_from_slope(const struct plane *plane, unsigned i,
                                  const struct webp_settings *settings)
{
	double x_step = settings->width / plane->true_width, largest = 0;
	double y_step = settings->height / plane->true_height;

	for (uint32_t y = 1; y + 2 < plane->height; y++) {
		for (uint32_t x = 1; x + 2 < plane->width; x++) {
			/* The middle of pixel 0 is at 0.5. */
			double way = (x + 0.5) * x_step + (y + 0.5) * y_step - 1;
			double level = 20 + way * settings->slope;
			double colours[3] = {level, 90, 250 - level}, want;

			want = 0.299 * colours[0] + 0.587 * colours[1] +
			       0.114 * colours[2];
			if (i == 1)
				want = (colours[2] - want) / 1.772 + 128;
			if (i == 2)
				want = (colours[0] - want) / 1.402 + 128;
			largest = fmax(
				largest,
				fabs(want - ((const uint8_t *)plane_row(plane, y))[x]));
		}
	}
	return largest;
}

TEST(webp_read, reduced_planes_cover_the_picture_exactly)
{
	static const int sizes[][2] = {{33, 35}, {47, 46}, {63, 50}};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct webp_settings settings = {sizes[i][0], sizes[i][1], false, false,
		                                 2};
		struct bytes webp = make_webp(&settings);
		void *reader = open_new(&webp);

		for (unsigned factor = 1; factor <= 4; factor++) {
			struct decoded decoded;

			/* The reader reduces a picture by the largest factor that leaves at least
			 * four times the resolution of the output. The output is 4 * factor times
			 * smaller than the picture, so the reader must reduce by `factor`. */
			REQUIRE(decode(reader, factor * 4.0, &decoded) == READ_OK);
			EXPECT_EQ(decoded.planes[0].width,
			          ((unsigned)settings.width + factor - 1) / factor);
			for (unsigned k = 0; k < 3; k++) {
				double distance = distance_from_slope(&decoded.planes[k],
				                                      k, &settings);

				EXPECT(distance < 2.5, "%d x %d by %u, plane %u: %.2f",
				       settings.width, settings.height, factor, k,
				       distance);
			}
		}
		webp_reader.destroy(reader);
		free(webp.at);
	}
}

/* ---- pixels ---- */

static void expect_like_box(const struct decoded *decoded, const uint8_t *rgba,
                            unsigned factor)
{
	struct box box = {0};
	struct decoded wanted;

	REQUIRE(box_begin(&box, decoded->size.width, decoded->size.height, 4, factor));
	for (uint32_t y = 0; y < decoded->size.height; y++)
		box_add_row(&box, rgba + (size_t)y * decoded->size.width * 4);
	wanted = box_decoded(&box);
	EXPECT_EQ(decoded->n_planes, wanted.n_planes);
	EXPECT_EQ(decoded->has_alpha, wanted.has_alpha);
	for (unsigned i = 0; i < (wanted.has_alpha ? 4 : 3); i++) {
		const struct plane *got = &decoded->planes[i], *want = &wanted.planes[i];

		REQUIRE(got->width == want->width && got->height == want->height);
		for (uint32_t y = 0; y < got->height; y++)
			EXPECT(memcmp(plane_row(got, y), plane_row(want, y),
			              got->width * sizeof(uint16_t)) == 0,
			       "plane %u, row %u", i, y);
	}
	box_fini(&box);
}

TEST(webp_read, lossless_pictures_and_alpha_are_reduced_by_averaging_pixels)
{
	static const struct webp_settings kinds[] = {
		{57, 43, .is_lossless = true},
		{57, 43, .is_lossless = true, .has_alpha = true},
		{57, 43, .has_alpha = true},
		{1, 1, .is_lossless = true, .has_alpha = true},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct bytes webp = make_webp(&kinds[i]);
		void *reader = open_new(&webp);
		int width, height;
		uint8_t *rgba = WebPDecodeRGBA(webp.at, webp.n, &width, &height);

		REQUIRE(rgba != NULL);
		for (unsigned factor = 1; factor <= 3; factor++) {
			struct decoded decoded;

			/* The reader reduces a picture by the largest factor that leaves at least
			 * twice the resolution of the output. The output is 2 * factor times
			 * smaller than the picture, so the reader must reduce by `factor`. */
			REQUIRE(decode(reader, factor * 2.0, &decoded) == READ_OK);
			EXPECT_EQ(decoded.size.width, width);
			expect_like_box(&decoded, rgba, factor);
		}
		WebPFree(rgba);
		webp_reader.destroy(reader);
		free(webp.at);
	}
}

/* ---- damage ---- */

static void put32(uint8_t *at, size_t number)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(number >> 8 * i);
}

static const struct webp_settings damaged_kinds[] = {
	{45, 38, .slope = 0},
	{45, 38, .has_alpha = true},
	{45, 38, .is_lossless = true, .has_alpha = true},
};
enum { N_DAMAGED_KINDS = sizeof(damaged_kinds) / sizeof(damaged_kinds[0]) };

/* Read a copy of exactly n bytes, so that a sanitizer detects reads beyond the end. If
 * `is_corrected` is true, the size in the RIFF header is set to the size of the copy. */
static enum read_status status_of(void *reader, const uint8_t *bytes, size_t n,
                                  bool is_corrected)
{
	uint8_t *copy = malloc(n);
	struct read_header header;
	struct decoded decoded;
	enum read_status status;

	REQUIRE(copy != NULL);
	memcpy(copy, bytes, n);
	if (is_corrected && n >= 12)
		put32(copy + 4, n - 8);
	status = webp_reader.open(reader, copy, n, &header);
	if (status == READ_OK)
		status = decode(reader, 3, &decoded);
	EXPECT(status == READ_OK || webp_reader.reason(reader)[0] != '\0');
	free(copy);
	return status;
}

TEST(webp_read, truncation_by_two_or_more_bytes_is_detected)
{
	void *reader = webp_reader.create();

	REQUIRE(reader != NULL);
	for (size_t i = 0; i < N_DAMAGED_KINDS; i++) {
		struct bytes webp = make_webp(&damaged_kinds[i]);

		EXPECT_EQ(status_of(reader, webp.at, webp.n, false), READ_OK);
		/* The last byte may be padding, so the picture may be complete without it. */
		for (size_t n = 1; n + 1 < webp.n; n++) {
			EXPECT(status_of(reader, webp.at, n, false) != READ_OK, "%zu", n);
			EXPECT(status_of(reader, webp.at, n, true) != READ_OK, "%zu", n);
		}
		free(webp.at);
	}
	webp_reader.destroy(reader);
}

/* Apart from headers, our reader must find damage exactly where libwebp finds damage. */
TEST(webp_read, damage_is_detected_wherever_libwebp_detects_it)
{
	void *reader = webp_reader.create();
	uint64_t state = 5;
	unsigned n_good = 0, n_bad = 0;

	REQUIRE(reader != NULL);
	for (size_t i = 0; i < N_DAMAGED_KINDS; i++) {
		struct bytes webp = make_webp(&damaged_kinds[i]);

		for (unsigned k = 0; k < 1000; k++) {
			size_t at = 20 + random_below(&state, (unsigned)webp.n - 20);
			uint8_t was = webp.at[at];
			enum read_status status;
			int width, height;
			uint8_t *rgba;

			webp.at[at] = (uint8_t)random_below(&state, 256);
			rgba = WebPDecodeRGBA(webp.at, webp.n, &width, &height);
			status = status_of(reader, webp.at, webp.n, false);
			/* Damage in headers is not compared, because our reader checks headers more
			 * strictly than libwebp does. */
			if (at > 60)
				EXPECT_EQ(status == READ_OK, rgba != NULL);
			n_good += status == READ_OK;
			n_bad += status != READ_OK;
			WebPFree(rgba);
			webp.at[at] = was;
		}
		free(webp.at);
	}
	EXPECT(n_good > 50 && n_bad > 50, "%u, %u", n_good, n_bad);
	webp_reader.destroy(reader);
}

/* Read a lossless picture of 20 x 20 pixels with alpha, behind an extended header with these
 * flags. */
static enum read_status status_with_flags(uint8_t flags)
{
	enum { FILE_HEAD = 12, HEAD = 18 };
	const uint8_t head[HEAD] = {'V', 'P', '8', 'X', 10, 0, 0,  0, flags,
	                            0,   0,   0,   19,  0,  0, 19, 0, 0};
	const struct webp_settings settings = {20, 20, .is_lossless = true,
	                                       .has_alpha = true};
	struct bytes webp = make_webp(&settings);
	void *reader = webp_reader.create();
	uint8_t *extended = malloc(webp.n + HEAD);
	enum read_status status;

	REQUIRE(reader != NULL && extended != NULL);
	memcpy(extended, webp.at, FILE_HEAD);
	memcpy(extended + FILE_HEAD, head, HEAD);
	memcpy(extended + FILE_HEAD + HEAD, webp.at + FILE_HEAD, webp.n - FILE_HEAD);
	status = status_of(reader, extended, webp.n + HEAD, true);
	webp_reader.destroy(reader);
	free(extended);
	free(webp.at);
	return status;
}

/* Read an animation of one frame, which is a lossless picture of 20 x 20 pixels with alpha. */
static enum read_status status_of_animation(void)
{
	enum { FILE_HEAD = 12, FRAME_BYTES_AT = 36, FRAME_HEAD = 16 };
	uint8_t head[] = {
		'V', 'P', '8', 'X', 10, 0,   0,   0,   ALPHA_FLAG | ANIMATION_FLAG,
		0,   0,   0,   19,  0,  0,   19,  0,   0,
		'A', 'N', 'I', 'M', 6,  0,   0,   0,   0,
		0,   0,   0,   0,   0,  'A', 'N', 'M', 'F',
		0,   0,   0,   0,   0,  0,   0,   0,   0,
		0,   19,  0,   0,   19, 0,   0,   100, 0,
		0,   0};
	const struct webp_settings settings = {20, 20, .is_lossless = true,
	                                       .has_alpha = true};
	struct bytes webp = make_webp(&settings);
	size_t n_frame = webp.n - FILE_HEAD;
	void *reader = webp_reader.create();
	uint8_t *animation = malloc(webp.n + sizeof(head));
	enum read_status status;

	REQUIRE(reader != NULL && animation != NULL);
	put32(head + FRAME_BYTES_AT, FRAME_HEAD + n_frame);
	memcpy(animation, webp.at, FILE_HEAD);
	memcpy(animation + FILE_HEAD, head, sizeof(head));
	memcpy(animation + FILE_HEAD + sizeof(head), webp.at + FILE_HEAD, n_frame);
	status = status_of(reader, animation, webp.n + sizeof(head), true);
	webp_reader.destroy(reader);
	free(animation);
	free(webp.at);
	return status;
}

TEST(webp_read, animations_and_unannounced_alpha_are_left_to_other_engines)
{
	EXPECT_EQ(status_with_flags(ALPHA_FLAG), READ_OK);
	EXPECT_EQ(status_with_flags(0), READ_CANNOT);
	EXPECT_EQ(status_of_animation(), READ_CANNOT);
}

TEST(webp_read, a_reader_still_works_after_trimming_has_freed_its_memory)
{
	const struct webp_settings kinds[] = {
		{200, 100, .slope = 0},
		{200, 100, .is_lossless = true, .has_alpha = true},
	};

	for (size_t i = 0; i < 2; i++) {
		struct bytes webp = make_webp(&kinds[i]);
		void *reader = open_new(&webp);

		for (unsigned k = 0; k < 3; k++) {
			struct decoded decoded;

			REQUIRE(decode(reader, 2, &decoded) == READ_OK);
			EXPECT_TRIMS(webp_reader.trim, reader);
		}
		webp_reader.destroy(reader);
		free(webp.at);
	}
	webp_reader.destroy(NULL);
}
