/* Tests of animations: frames, delays and loop count are kept, and each frame is processed
 * separately. */
#include "support/test.h"

#include "vips_fixture.h"

#include <string.h>

enum { WIDTH = 64, HEIGHT = 48, N_FRAMES = 5 };

static const int delays[N_FRAMES] = {40, 100, 70, 250, 90};

/* Each frame has one colour, so that bleeding from one frame into the next is visible. */
static const uint8_t colours[N_FRAMES][3] = {
	{255, 0, 0}, {0, 0, 255}, {255, 255, 255}, {0, 0, 0}, {0, 255, 0}};

static struct blob animation(const char *suffix, int loop)
{
	static uint8_t bytes[N_FRAMES * HEIGHT * WIDTH * 3];
	VipsImage *image;
	struct blob blob;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = colours[i / ((size_t)HEIGHT * WIDTH * 3)][i % 3];
	image = image_of_bytes(bytes, WIDTH, N_FRAMES * HEIGHT, 3);
	vips_image_set_int(image, VIPS_META_PAGE_HEIGHT, HEIGHT);
	vips_image_set_int(image, "loop", loop);
	vips_image_set_array_int(image, "delay", delays, N_FRAMES);
	blob = encoded(image, suffix);
	g_object_unref(image);
	return blob;
}

static void expect_frames(VipsImage *image, int width, int height, int loop)
{
	int *found, n;

	EXPECT_EQ(vips_image_get_width(image), width);
	EXPECT_EQ(vips_image_get_page_height(image), height);
	REQUIRE(vips_image_get_height(image) == N_FRAMES * height);
	REQUIRE(!vips_image_get_array_int(image, "delay", &found, &n));
	REQUIRE(n == N_FRAMES);
	for (int i = 0; i < N_FRAMES; i++)
		EXPECT_EQ(found[i], delays[i]);
	REQUIRE(!vips_image_get_int(image, "loop", &n));
	EXPECT_EQ(n, loop);
}

/* Check that each frame has its colour at a pixel of its first, middle and last row. */
static void expect_pure(VipsImage *image, double tolerance)
{
	int height = vips_image_get_page_height(image);

	for (int i = 0; i < N_FRAMES; i++) {
		const double want[] = {colours[i][0], colours[i][1], colours[i][2], 255};
		const int rows[] = {0, height / 2, height - 1};

		for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
			is_colour(image, 3, i * height + rows[k], want, tolerance);
	}
}

static const struct {
	const char *suffix;
	enum image_format from, to;
	double tolerance;
} ways[] = {
	{".gif", FORMAT_GIF, FORMAT_GIF, 2},
	{".gif", FORMAT_GIF, FORMAT_WEBP, 12},
	{".webp[lossless]", FORMAT_WEBP, FORMAT_WEBP, 12},
	{".webp[lossless]", FORMAT_WEBP, FORMAT_GIF, 2},
};

TEST(frames, frames_delays_and_loop_count_of_an_animation_are_kept)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct blob blob = animation(ways[i].suffix, 3);
		struct recipe recipe = recipe_for(ways[i].to, ENGINE_AUTO);
		VipsImage *image;

		recipe.geometry.width = recipe.geometry.height = 32;
		image = cooked(&blob, &recipe);
		expect_frames(image, 32, 24, 3);
		expect_pure(image, ways[i].tolerance);
		g_object_unref(image);

		/* An animation that is not scaled and loops for ever. */
		blob_fini(&blob);
		blob = animation(ways[i].suffix, 0);
		recipe.geometry = (struct geometry){0};
		image = cooked(&blob, &recipe);
		expect_frames(image, WIDTH, HEIGHT, 0);
		expect_pure(image, ways[i].tolerance);
		g_object_unref(image);
		blob_fini(&blob);
	}
}

TEST(frames, a_format_without_animation_gets_the_first_frame)
{
	static const enum image_format formats[] = {FORMAT_PNG, FORMAT_JPEG, FORMAT_TIFF};
	struct blob blob = animation(".gif", 0);

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct recipe recipe = recipe_for(formats[i], ENGINE_AUTO);
		VipsImage *image;

		recipe.max_frames = 1; /* additional frames are not decoded */
		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_height(image), HEIGHT);
		is_colour(image, 9, 9, (const double[]){255, 0, 0, 255}, 3);
		g_object_unref(image);
	}
	blob_fini(&blob);
}

TEST(frames, filters_and_cropping_apply_to_each_frame_separately)
{
	struct blob blob = animation(".gif", 7);
	struct recipe recipe = recipe_for(FORMAT_GIF, ENGINE_AUTO);
	struct failure failure;
	VipsImage *image;

	recipe.geometry = (struct geometry){.width = 20,
	                                    .height = 20,
	                                    .fit = FIT_COVER,
	                                    .position = POSITION_ATTENTION};
	REQUIRE(filters_parse(&recipe.filters, "rotate 90, flip, blur 3, median 3",
	                      &failure),
	        "%s", failure.text);
	image = cooked(&blob, &recipe);
	expect_frames(image, 20, 20, 7);
	expect_pure(image, 2);
	g_object_unref(image);

	recipe.geometry = (struct geometry){
		.width = 40, .height = 40, .fit = FIT_CONTAIN};
	recipe.background = (struct colour){true, 255, 0, 255, 255};
	recipe.filters.n = 0;
	image = cooked(&blob, &recipe);
	expect_frames(image, 40, 40, 7);
	for (int i = 0; i < N_FRAMES; i++)
		is_colour(image, 20, i * 40 + 1, (const double[]){255, 0, 255, 255}, 2);
	g_object_unref(image);
	blob_fini(&blob);
}

TEST(frames, all_frames_of_an_animation_count_towards_the_limits)
{
	struct blob blob = animation(".gif", 0);
	struct recipe recipe = recipe_for(FORMAT_WEBP, ENGINE_AUTO);
	struct outcome outcome;

	recipe.max_frames = N_FRAMES - 1;
	outcome = run_picture(&blob, "a.gif", &recipe);
	EXPECT_STR(fail_class_name(outcome.answer.failure.class), "too-big");
	EXPECT(strstr(outcome.answer.failure.text, "5 frames") != NULL, "%s",
	       outcome.answer.failure.text);
	EXPECT_EQ(outcome.n_headers, 0);
	outcome_fini(&outcome);

	recipe.max_frames = 0;
	recipe.max_pixels = N_FRAMES * WIDTH * HEIGHT - 1;
	outcome = run_picture(&blob, "a.gif", &recipe);
	EXPECT_STR(fail_class_name(outcome.answer.failure.class), "too-big");
	outcome_fini(&outcome);

	recipe.max_pixels++;
	outcome = run_picture(&blob, "a.gif", &recipe);
	EXPECT(outcome.is_done, "%s", outcome.answer.failure.text);
	outcome_fini(&outcome);
	blob_fini(&blob);
}

TEST(frames, a_truncated_animation_is_a_bad_image)
{
	struct blob blob = animation(".gif", 0);
	struct recipe recipe = recipe_for(FORMAT_GIF, ENGINE_AUTO);
	struct blob cut = {blob.bytes, blob.n / 2};
	struct outcome outcome = run_picture(&cut, "a.gif", &recipe);

	EXPECT_STR(fail_class_name(outcome.answer.failure.class), "bad-image");
	outcome_fini(&outcome);
	blob_fini(&blob);
}

/* ---- the canvas of a GIF ---- */

enum { CANVAS_WIDTH = 8, CANVAS_HEIGHT = 6 };

/* A frame of one colour: its position and size, the index of its colour, and the flags of its
 * extension. The flags are -1 if the frame has no extension. */
struct gif_frame {
	uint8_t x, y, width, height, colour;
	int flags;
};

static void append_byte(struct blob *blob, unsigned byte)
{
	blob_append(blob, &(uint8_t){(uint8_t)byte}, 1);
}

/* Append n pixels as LZW codes of 3 bits. The code table is cleared before each pair of pixels, so
 * that codes stay at 3 bits. */
static void append_pixels(struct blob *blob, unsigned n, unsigned colour)
{
	enum { CLEAR = 4, END = 5, CODE_BITS = 3 };
	uint8_t bytes[255] = {0};
	unsigned n_bits = 0, n_codes = 0;

	for (unsigned i = 0; i < n + (n + 1) / 2 + 1; i++) {
		unsigned code = n_codes == n + (n + 1) / 2 ? END
		                : i % 3 == 0               ? CLEAR
		                                           : colour;

		for (unsigned bit = 0; bit < CODE_BITS; bit++, n_bits++)
			bytes[n_bits / 8] |= (uint8_t)((code >> bit & 1) << n_bits % 8);
		n_codes++;
	}
	append_byte(blob, 2);
	append_byte(blob, (n_bits + 7) / 8);
	blob_append(blob, bytes, (n_bits + 7) / 8);
	append_byte(blob, 0);
}

/* A GIF with red, green, blue and white. */
static struct blob gif_of(const struct gif_frame *frames, int n)
{
	struct blob blob = {0};

	blob_append(&blob, "GIF89a\x08\0\x06\0\x81\0\0", 13);
	for (int i = 0; i < 4; i++)
		blob_append(&blob, rgbw.colours[i], 3);
	for (int i = 0; i < n; i++) {
		if (frames[i].flags >= 0) {
			blob_append(&blob, "!\xf9\4", 3);
			append_byte(&blob, (unsigned)frames[i].flags);
			blob_append(&blob, "\x0a\0\3", 4);
		}
		append_byte(&blob, ',');
		append_byte(&blob, frames[i].x);
		append_byte(&blob, 0);
		append_byte(&blob, frames[i].y);
		append_byte(&blob, 0);
		append_byte(&blob, frames[i].width);
		append_byte(&blob, 0);
		append_byte(&blob, frames[i].height);
		blob_append(&blob, "\0", 2);
		append_pixels(&blob, (unsigned)frames[i].width * frames[i].height,
		              frames[i].colour);
	}
	append_byte(&blob, ';');
	return blob;
}

/* Fails the test unless the corner of a frame is transparent and its middle has the colour. */
static void expect_clear_corner(VipsImage *image, int frame, const uint8_t *colour)
{
	int y = frame * CANVAS_HEIGHT;
	const double middle[] = {colour[0], colour[1], colour[2], 255};

	REQUIRE(vips_image_get_bands(image) == 4);
	EXPECT_EQ(value_at(image, 0, y, 3), 0);
	EXPECT(is_colour(image, 4, y + 3, middle, 8));
}

TEST(frames, the_canvas_of_a_gif_is_transparent_where_no_frame_draws)
{
	static const struct gif_frame small = {2, 2, 4, 3, 1, -1},
				      timed = {2, 2, 4, 3, 1, 0},
				      whole = {0, 0, 8, 6, 1, 0};
	static const struct gif_frame *const frames[] = {&small, &timed, &whole};

	for (int i = 0; i < 3; i++) {
		struct blob blob = gif_of(frames[i], 1);
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		VipsImage *image = cooked(&blob, &recipe);

		if (i < 2)
			expect_clear_corner(image, 0, rgbw.colours[1]);
		else
			EXPECT_EQ(vips_image_get_bands(image), 3);
		g_object_unref(image);
		blob_fini(&blob);
	}
}

TEST(frames, a_gif_frame_that_is_cleared_leaves_the_canvas_transparent)
{
	enum { CLEARED_AWAY = 2 << 2, TRANSPARENT = 1 };
	static const int flags[] = {CLEARED_AWAY, CLEARED_AWAY | TRANSPARENT};
	static const enum image_format formats[] = {FORMAT_GIF, FORMAT_WEBP};

	for (int i = 0; i < 4; i++) {
		const struct gif_frame frames[] = {
			{0, 0, 8, 6, 0, flags[i % 2]},
			{2, 2, 4, 3, 1, flags[i % 2]},
			{2, 2, 4, 3, 2, 0},
		};
		struct blob blob = gif_of(frames, 3);
		struct recipe recipe = recipe_for(formats[i / 2], ENGINE_AUTO);
		VipsImage *image;

		recipe.lossless = true;
		image = cooked(&blob, &recipe);

		EXPECT_EQ(vips_image_get_n_pages(image), 3);
		expect_clear_corner(image, 1, rgbw.colours[1]);
		expect_clear_corner(image, 2, rgbw.colours[2]);
		g_object_unref(image);
		blob_fini(&blob);
	}
}

TEST(frames, a_webp_declares_alpha_even_if_only_its_canvas_is_transparent)
{
	enum { FLAGS_AT = 20, ALPHA = 0x10, TRANSPARENT = 1 };
	static const struct gif_frame clear[] = {{2, 2, 4, 3, 0, TRANSPARENT},
	                                         {2, 2, 4, 3, 1, TRANSPARENT}},
				      opaque[] = {{0, 0, 8, 6, 0, 0}, {0, 0, 8, 6, 1, 0}};

	for (int i = 0; i < 2; i++) {
		struct blob blob = gif_of(i ? opaque : clear, 2);
		struct recipe recipe = recipe_for(FORMAT_WEBP, ENGINE_AUTO);
		struct outcome outcome = run_picture(&blob, "a.gif", &recipe);

		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT_EQ(outcome.output.bytes[FLAGS_AT] & ALPHA, i ? 0 : ALPHA);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}
