/* Tests of one picture from input bytes to output bytes. Many of them run with each engine of the
 * build except the fast engine. */
#include "support/test.h"

#include "image_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void expect_failure(const struct outcome *outcome, enum fail_class class,
                           const char *words)
{
	EXPECT(!outcome->is_done);
	EXPECT_STR(fail_class_name(outcome->answer.failure.class),
	           fail_class_name(class));
	EXPECT(strstr(outcome->answer.failure.text, words) != NULL,
	       "\"%s\" has no \"%s\"", outcome->answer.failure.text, words);
}

TEST(picture, a_picture_is_scaled_and_the_answer_gives_the_sizes_of_input_and_output)
{
	struct blob png = make_png(400, 200, 3, &rgbw);

	FOR_EACH_ENGINE(engine)
	{
		struct recipe recipe = recipe_for(FORMAT_JPEG, *engine);
		struct outcome outcome;

		recipe.geometry = (struct geometry){.width = 100, .height = 100};
		outcome = run_picture(&png, "a.png", &recipe);
		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT_EQ(outcome.width, 100);
		EXPECT_EQ(outcome.height, 50);
		EXPECT(shows_quarters(&outcome, &rgbw));
		EXPECT_EQ(outcome.answer.in.width, 400);
		EXPECT_EQ(outcome.answer.in.height, 200);
		EXPECT_EQ(outcome.answer.in.format, FORMAT_PNG);
		EXPECT_EQ(outcome.answer.in.bytes, png.n);
		EXPECT_EQ(outcome.answer.out[0].width, 100);
		EXPECT_EQ(outcome.answer.out[0].height, 50);
		EXPECT_EQ(outcome.answer.out[0].format, FORMAT_JPEG);
		EXPECT_EQ(outcome.answer.out[0].bytes, outcome.output.n);
		EXPECT_STR(outcome.answer.engine,
		           *engine == ENGINE_VIPS ? "vips" : "stb");
		EXPECT(outcome.answer.read_ns > 0 && outcome.answer.work_ns > 0);
		EXPECT_EQ(outcome.n_headers, 1);
		outcome_fini(&outcome);
	}
	blob_fini(&png);
}

TEST(picture, an_input_whose_length_changed_fails_as_vanished)
{
	struct blob png = make_png(8, 8, 3, &rgbw);
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	struct outcome outcome = run_picture_of(&png, "a.png", &recipe, png.n + 1);

	expect_failure(&outcome, FAIL_VANISHED, "length");
	outcome_fini(&outcome);
	outcome = run_picture_of(&png, "a.png", &recipe, png.n - 1);
	expect_failure(&outcome, FAIL_VANISHED, "length");
	EXPECT_EQ(outcome.n_headers, 0);
	outcome_fini(&outcome);
	blob_fini(&png);
}

/* The files in /proc report the size 0. So do FUSE file systems that learn the size of a file only
 * when it is read. */
TEST(picture, a_file_whose_reported_size_is_0_is_read_to_its_end)
{
	struct blob png = make_png(8, 8, 3, &rgbw);
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	struct outcome outcome = run_picture_of(&png, "a.png", &recipe, 0);

	EXPECT(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT_EQ(outcome.answer.in.bytes, png.n);
	outcome_fini(&outcome);
	recipe.max_file_bytes = png.n - 1;
	outcome = run_picture_of(&png, "a.png", &recipe, 0);
	expect_failure(&outcome, FAIL_TOO_BIG, "the limit is");
	outcome_fini(&outcome);
	blob_fini(&png);
}

/* In a batch, the output is a memfd, so a write fails for want of space if the machine is out of
 * memory. Such a failure must not be remembered as a fault of the picture. Here, writes to
 * /dev/full fail for want of space. */
TEST(picture, a_failure_to_write_an_output_never_counts_as_a_fault_of_the_picture)
{
	struct blob png = make_png(8, 8, 3, &rgbw);
	int full = open("/dev/full", O_RDWR | O_CLOEXEC);

	REQUIRE(full >= 0);
	FOR_EACH_ENGINE(engine)
	{
		struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
		struct outcome outcome = run_picture_into(&png, "a.png", &recipe, full);

		expect_failure(&outcome, FAIL_MEMORY, "encode: out of memory");
		outcome_fini(&outcome);
		outcome = run_picture_into(&png, "a.png", &recipe, -1);
		expect_failure(&outcome, FAIL_INTERNAL, "encode: Bad file descriptor");
		outcome_fini(&outcome);
	}
	close(full);
	blob_fini(&png);
}

TEST(picture, a_file_that_is_not_an_image_fails_as_bad_image)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *words;
	} cases[] = {
		{"", 0, "empty"},
		{"just some text, no picture at all", 33, "format"},
		{"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0junkjunk",
	         33, "format"},
		{"\x89PNG\r\n\x1a\n", 8, "header"},
		{"\xff\xd8\xff\xe0\0\x10JFIF", 10, "header"},
		{"GIF89a", 6, "header"},
	};

	FOR_EACH_ENGINE(engine)
	{
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct blob blob = {0};
			struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
			struct outcome outcome;

			blob_append(&blob, cases[i].bytes, cases[i].n);
			outcome = run_picture(&blob, "x.jpg", &recipe);
			expect_failure(&outcome, FAIL_BAD_IMAGE, cases[i].words);
			outcome_fini(&outcome);
			blob_fini(&blob);
		}
	}
}

TEST(picture, a_format_that_cannot_be_read_or_written_is_unsupported)
{
	struct blob png = make_png(8, 8, 3, &rgbw), raw = {0}, ico = {0};
	struct recipe recipe = recipe_for(FORMAT_EXR, ENGINE_AUTO);
	struct outcome outcome = run_picture(&png, "a.png", &recipe);

	expect_failure(&outcome, FAIL_UNSUPPORTED, "exr cannot be written");
	outcome_fini(&outcome);

	recipe.format = FORMAT_WEBP;
	recipe_use_engine(&recipe, ENGINE_STB);
	outcome = run_picture(&png, "a.png", &recipe);
	expect_failure(&outcome, FAIL_UNSUPPORTED,
	               "webp cannot be written by the engine");
	outcome_fini(&outcome);

	recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	blob_append(&raw, "II*\0\x10\0\0\0CR\2\0", 12);
	outcome = run_picture(&raw, "a.cr2", &recipe);
	expect_failure(&outcome, FAIL_UNSUPPORTED, "raw");
	outcome_fini(&outcome);

	blob_append(&ico, "\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0\0", 23);
	outcome = run_picture(&ico, "a.ico", &recipe);
	expect_failure(&outcome, FAIL_UNSUPPORTED, "ico cannot be read");
	outcome_fini(&outcome);
	blob_fini(&png);
	blob_fini(&raw);
	blob_fini(&ico);
}

TEST(picture, limits_are_checked_before_decoding)
{
	struct blob png = make_png(20, 10, 3, &rgbw);

	FOR_EACH_ENGINE(engine)
	{
		struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
		struct outcome outcome;

		recipe.max_file_bytes = png.n - 1;
		outcome = run_picture(&png, "a.png", &recipe);
		expect_failure(&outcome, FAIL_TOO_BIG, "bytes");
		outcome_fini(&outcome);

		recipe = recipe_for(FORMAT_PNG, *engine);
		recipe.max_pixels = 199;
		outcome = run_picture(&png, "a.png", &recipe);
		expect_failure(&outcome, FAIL_TOO_BIG,
		               "20 x 10 is 200 pixels; the limit is 199");
		EXPECT_EQ(outcome.n_headers, 0);
		EXPECT_EQ(outcome.answer.in.width, 20);
		outcome_fini(&outcome);

		recipe.max_pixels = 200;
		outcome = run_picture(&png, "a.png", &recipe);
		EXPECT(outcome.is_done, "%s", outcome.answer.failure.text);
		outcome_fini(&outcome);

		recipe.geometry = (struct geometry){.width = 21, .height = 21};
		outcome = run_picture(&png, "a.png", &recipe);
		expect_failure(&outcome, FAIL_TOO_BIG,
		               "size: the output would be 21 x 11");
		outcome_fini(&outcome);
	}
	blob_fini(&png);
}

TEST(picture, a_picture_with_a_side_too_long_for_the_output_format_fails_as_too_big)
{
	static const struct {
		enum image_format format;
		uint32_t most;
	} formats[] = {
		{FORMAT_JPEG, 65500}, {FORMAT_WEBP, 16383}, {FORMAT_GIF, 65535},
		{FORMAT_HEIC, 16384}, {FORMAT_AVIF, 16384}, {FORMAT_TGA, 65535},
	};
	struct blob png = make_png(400, 8, 3, &rgbw);

	for (size_t i = 0; i < 2 * sizeof(formats) / sizeof(formats[0]); i++) {
		struct recipe recipe = recipe_for(formats[i / 2].format, ENGINE_AUTO);
		struct outcome outcome;
		char words[64];

		recipe.geometry = (struct geometry){.width = formats[i / 2].most + i % 2,
		                                    .height = 8,
		                                    .fit = FIT_FILL};
		outcome = run_picture(&png, "a.png", &recipe);
		snprintf(words, sizeof(words), "%s allows sides of at most %u pixels",
		         format_info(recipe.format)->name, formats[i / 2].most);
		if (outcome.answer.failure.class == FAIL_UNSUPPORTED)
			/* This build does not support the format. */
			EXPECT(fixture_engines[0] == ENGINE_STB);
		else if (i % 2)
			expect_failure(&outcome, FAIL_TOO_BIG, words);
		else
			EXPECT(outcome.is_done, "%s: %s", words,
			       outcome.answer.failure.text);
		EXPECT_EQ(outcome.n_headers, outcome.is_done);
		outcome_fini(&outcome);
	}
	blob_fini(&png);
}

TEST(picture, a_picture_with_a_side_over_the_maximum_fails_as_too_big)
{
	struct blob png = make_png(2, 4, 3, &rgbw);
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	struct outcome outcome;

	recipe.geometry = (struct geometry){.width = 10000000};
	recipe.max_pixels = UINT64_MAX;
	outcome = run_picture(&png, "a.png", &recipe);
	expect_failure(&outcome, FAIL_TOO_BIG, "10000000 x 20000000");
	outcome_fini(&outcome);
	blob_fini(&png);
}

/* stored_quarters[o][c] is the quarter of the upright picture that is in corner c of the stored
 * picture, for orientation o. These numbers were written by hand from the picture of eight letters
 * F in the EXIF standard. */
static const int stored_quarters[9][4] = {
	[1] = {0, 1, 2, 3}, [2] = {1, 0, 3, 2}, [3] = {3, 2, 1, 0}, [4] = {2, 3, 0, 1},
	[5] = {0, 2, 1, 3}, [6] = {1, 3, 0, 2}, [7] = {3, 1, 2, 0}, [8] = {2, 0, 3, 1},
};

static struct blob make_turned(unsigned orientation, bool is_png)
{
	int width = orientation > 4 ? 64 : 128, height = orientation > 4 ? 128 : 64;
	uint8_t exif[6 + EXIF_BYTES] = "Exif\0\0";
	struct quarters stored;
	struct blob blob;

	for (int i = 0; i < 4; i++)
		memcpy(stored.colours[i], rgbw.colours[stored_quarters[orientation][i]],
		       4);
	make_exif(exif + 6, orientation, orientation % 2);
	if (is_png) {
		blob = make_png(width, height, 3, &stored);
		png_insert(&blob, "eXIf", exif + 6, EXIF_BYTES);
	} else {
		blob = make_jpeg(width, height, 3, &stored);
		jpeg_insert(&blob, 0xe1, exif, sizeof(exif));
	}
	return blob;
}

/* The first recipe rotates the picture while it is loaded, the second one after scaling, and the
 * third one before filters. */
static const char *const ways_to_turn[] = {"size 40x40", "size 40x40; linear",
                                           "size 40x40; filter flip, flip"};
enum { N_WAYS_TO_TURN = sizeof(ways_to_turn) / sizeof(ways_to_turn[0]) };

static void expect_upright(const struct blob *blob, const char *words,
                           enum engine_choice engine, __attribute__((unused)) unsigned i)
{
	struct recipe recipe = recipe_of_words(words, FORMAT_PNG, engine);
	struct outcome outcome = run_picture(blob, "a.jpg", &recipe);

	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT(outcome.width == 40 && outcome.height == 20, "%u: %d x %d", i,
	       outcome.width, outcome.height);
	EXPECT_EQ(outcome.answer.in.width, 128);
	EXPECT(shows_quarters(&outcome, &rgbw), "engine %d, orientation %u, %s",
	       (int)engine, i, words);
	EXPECT(!blob_holds(&outcome.output, "eXIf"));
	outcome_fini(&outcome);
}

TEST(picture, pictures_of_every_orientation_become_upright)
{
	FOR_EACH_ENGINE(engine)
	{
		for (unsigned i = 1; i <= 16; i++) {
			unsigned orientation = (i + 1) / 2;
			struct blob blob = make_turned(orientation, i % 2);

			for (int way = 0; way < N_WAYS_TO_TURN; way++)
				expect_upright(&blob, ways_to_turn[way], *engine,
				               orientation);
			blob_fini(&blob);
		}
	}
}

TEST(picture, malformed_exif_is_ignored)
{
	uint8_t exif[6 + EXIF_BYTES] = "Exif\0\0";

	make_exif(exif + 6, 6, false);
	exif[6 + 4] = 200; /* the directory would begin after the end of the block */
	FOR_EACH_ENGINE(engine)
	{
		struct blob jpeg = make_jpeg(64, 32, 3, &rgbw);
		struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
		struct outcome outcome;

		jpeg_insert(&jpeg, 0xe1, exif, sizeof(exif));
		outcome = run_picture(&jpeg, "a.jpg", &recipe);
		EXPECT(outcome.is_done && outcome.width == 64, "%s",
		       outcome.answer.failure.text);
		EXPECT(shows_quarters(&outcome, &rgbw));
		outcome_fini(&outcome);
		blob_fini(&jpeg);
	}
}

TEST(picture, a_png_output_keeps_alpha_and_a_jpeg_output_is_blended_with_white)
{
	static const struct quarters clear = {
		{{255, 0, 0, 255}, {0, 0, 0, 0}, {0, 0, 0, 128}, {0, 0, 255, 255}}};
	static const struct quarters flat = {{{255, 0, 0, 255},
	                                      {255, 255, 255, 255},
	                                      {127, 127, 127, 255},
	                                      {0, 0, 255, 255}}};
	struct blob png = make_png(80, 80, 4, &clear);

	FOR_EACH_ENGINE(engine)
	{
		struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
		struct outcome outcome;

		recipe.geometry = (struct geometry){.width = 40, .height = 40};
		outcome = run_picture(&png, "a.png", &recipe);
		EXPECT_EQ(outcome.n_bands, 4);
		EXPECT(shows_quarters(&outcome, &clear));
		outcome_fini(&outcome);

		recipe.format = FORMAT_JPEG;
		outcome = run_picture(&png, "a.png", &recipe);
		EXPECT_EQ(outcome.n_bands, 3);
		EXPECT(shows_quarters(&outcome, &flat));
		outcome_fini(&outcome);
	}
	blob_fini(&png);
}

TEST(picture, colours_of_transparent_pixels_do_not_bleed_into_opaque_ones)
{
	/* Red next to transparent green: without premultiplied alpha the edge would be muddy. */
	static const struct quarters edge = {
		{{255, 0, 0, 255}, {0, 255, 0, 0}, {255, 0, 0, 255}, {0, 255, 0, 0}}};
	/* Ways of scaling: while loading, in linear light, with another kernel, in one direction
	 * only, and enlarging. */
	static const char *const ways[] = {"size 15x15", "size 15x15; linear",
	                                   "size 15x15; kernel mitchell", "size 15x90!",
	                                   "size 200x200"};
	struct blob png = make_png(90, 90, 4, &edge);

	FOR_EACH_ENGINE(engine)
	{
		for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
			struct recipe recipe = recipe_of_words(ways[i], FORMAT_PNG,
			                                       *engine);
			struct outcome outcome = run_picture(&png, "a.png", &recipe);

			REQUIRE(outcome.is_done && outcome.n_bands == 4);
			for (int x = 0; x < outcome.width; x++) {
				const uint8_t *pixel =
					outcome.pixels +
					(outcome.height / 2 * outcome.width + x) * 4;

				EXPECT(pixel[3] < 32 || (pixel[0] > 240 && pixel[1] < 16),
				       "engine %d, %s, at %d: %d %d %d %d", (int)*engine,
				       ways[i], x, pixel[0], pixel[1], pixel[2],
				       pixel[3]);
			}
			outcome_fini(&outcome);
		}
	}
	blob_fini(&png);
}

TEST(picture, grey_pictures_stay_grey_with_and_without_alpha)
{
	static const struct quarters greys = {{{0, 0, 0, 255},
	                                       {80, 80, 80, 255},
	                                       {160, 160, 160, 255},
	                                       {255, 255, 255, 255}}};

	FOR_EACH_ENGINE(engine)
	{
		for (int n_bands = 1; n_bands <= 2; n_bands++) {
			struct blob png = make_png(64, 64, n_bands, &greys);
			struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
			struct outcome outcome;

			recipe.geometry = (struct geometry){.width = 16, .height = 16};
			outcome = run_picture(&png, "a.png", &recipe);
			REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
			EXPECT_EQ(outcome.n_bands, n_bands);
			EXPECT(pixel_is_near(&outcome, 12, 4,
			                     (const uint8_t[]){80, 255}));
			outcome_fini(&outcome);
			blob_fini(&png);
		}
	}
}

TEST(picture, a_truncated_jpeg_or_png_is_a_bad_image)
{
	struct blob blobs[] = {make_jpeg(64, 64, 3, &rgbw), make_png(64, 64, 3, &rgbw)};

	FOR_EACH_ENGINE(engine)
	{
		for (int i = 0; i < 2; i++) {
			struct blob cut = {blobs[i].bytes, blobs[i].n * 3 / 4};
			struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
			struct outcome outcome = run_picture(&cut, "a.jpg", &recipe);

			expect_failure(&outcome, FAIL_BAD_IMAGE, "");
			outcome_fini(&outcome);
		}
	}
	blob_fini(&blobs[0]);
	blob_fini(&blobs[1]);
}

/* A BMP, TGA or PNM without its last row must fail: the row must not be filled with zeros or old
 * memory. */
TEST(picture, a_truncated_bmp_tga_or_pnm_is_a_bad_image_in_stb)
{
	static const enum image_format formats[] = {FORMAT_BMP, FORMAT_TGA, FORMAT_PNM};
	struct blob png = make_png(80, 40, 3, &rgbw);

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct recipe recipe = recipe_for(formats[i], ENGINE_STB);
		struct outcome whole = run_picture(&png, "a.png", &recipe);
		size_t n = whole.output.n;

		REQUIRE(whole.is_done && n > 100);
		recipe.format = FORMAT_PNG;
		for (size_t kept = n - 1; kept > n / 4; kept -= kept / 5) {
			struct blob cut = {whole.output.bytes, kept};
			struct outcome outcome = run_picture(&cut, "a.tga", &recipe);

			expect_failure(&outcome, FAIL_BAD_IMAGE, "");
			outcome_fini(&outcome);
		}
		outcome_fini(&whole);
	}
	blob_fini(&png);
}

TEST(picture, a_huffman_table_with_too_many_codes_is_refused_before_stb_sees_it)
{
	struct blob jpeg = make_jpeg(64, 64, 3, &rgbw);
	uint8_t *table = memmem(jpeg.bytes, jpeg.n, "\xff\xc4", 2);
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_STB);
	struct outcome outcome;

	REQUIRE(table != NULL);
	memset(table + 5, 255, 16); /* the number of Huffman codes of each length */
	outcome = run_picture(&jpeg, "a.jpg", &recipe);
	expect_failure(&outcome, FAIL_BAD_IMAGE, "Huffman");
	outcome_fini(&outcome);
	blob_fini(&jpeg);
}

TEST(picture, stb_refuses_cmyk)
{
	/* A JPEG of a start marker, a frame of 16 x 16 with four components, and an end marker. */
	static const char head[] = "\xff\xd8\xff\xc0\0\x14\x08\0\x10\0\x10\4"
				   "\1\x11\0\2\x11\0\3\x11\0\4\x11\0\xff\xd9";
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_STB);
	struct blob jpeg = {0};
	struct outcome outcome;

	blob_append(&jpeg, head, sizeof(head) - 1);
	outcome = run_picture(&jpeg, "a.jpg", &recipe);
	expect_failure(&outcome, FAIL_UNSUPPORTED, "CMYK");
	outcome_fini(&outcome);
	blob_fini(&jpeg);
}

TEST(picture, a_profile_that_is_not_srgb_is_unsupported_in_stb)
{
	uint8_t icc[14 + 1024] = "ICC_PROFILE\0\1\1";
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_STB);
	struct blob jpeg = make_jpeg(64, 64, 3, &rgbw), png = make_png(64, 64, 3, &rgbw);
	struct blob profile = make_profile("RGB ", "Display P3");
	struct outcome outcome;

	memcpy(icc + 14, profile.bytes, profile.n);
	jpeg_insert(&jpeg, 0xe2, icc, 14 + profile.n);
	outcome = run_picture(&jpeg, "a.jpg", &recipe);
	expect_failure(&outcome, FAIL_UNSUPPORTED, "profile");
	outcome_fini(&outcome);

	png_insert(&png, "iCCP", "x\0\0not even deflated", 20);
	outcome = run_picture(&png, "a.png", &recipe);
	expect_failure(&outcome, FAIL_UNSUPPORTED, "profile");
	outcome_fini(&outcome);
	blob_fini(&profile);
	blob_fini(&jpeg);
	blob_fini(&png);
}

TEST(picture, a_grey_png_with_one_transparent_colour_gets_alpha)
{
	static const struct quarters greys = {{{0, 0, 0, 255},
	                                       {80, 80, 80, 255},
	                                       {160, 160, 160, 255},
	                                       {255, 255, 255, 255}}};
	struct blob png = make_png(64, 64, 1, &greys);

	png_insert(&png, "tRNS", "\0\x50", 2);
	FOR_EACH_ENGINE(engine)
	{
		struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
		struct outcome outcome = run_picture(&png, "a.png", &recipe);

		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT(outcome.n_bands % 2 == 0, "engine %d: %d bands", (int)*engine,
		       outcome.n_bands);
		EXPECT_EQ(outcome.pixels[(16 * 64 + 48) * outcome.n_bands +
		                         outcome.n_bands - 1],
		          0);
		EXPECT_EQ(outcome.pixels[(16 * 64 + 16) * outcome.n_bands +
		                         outcome.n_bands - 1],
		          255);
		outcome_fini(&outcome);
	}
	blob_fini(&png);
}

TEST(picture, a_truncated_hdr_does_not_hang_the_stb_engine)
{
	static const char hdr[] =
		"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 4 +X 16\n\2\2\0\x10\x90";
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_STB);

	for (size_t n = sizeof(hdr) - 1; n >= 11; n--) {
		struct blob cut = {0};
		struct outcome outcome;

		blob_append(&cut, hdr, n);
		outcome = run_picture(&cut, "a.hdr", &recipe);
		expect_failure(&outcome, FAIL_BAD_IMAGE, "");
		outcome_fini(&outcome);
		blob_fini(&cut);
	}
}

TEST(picture, the_stb_engine_can_read_every_format_that_it_writes)
{
	static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_PNG, FORMAT_BMP,
	                                            FORMAT_TGA,  FORMAT_PNM, FORMAT_HDR};
	struct blob png = make_png(80, 40, 3, &rgbw);

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct recipe recipe = recipe_for(formats[i], ENGINE_STB);
		struct outcome outcome = run_picture(&png, "a.png", &recipe), again;

		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		recipe.format = FORMAT_PNG;
		again = run_picture(&outcome.output, "a.tga", &recipe);
		EXPECT(again.is_done && shows_quarters(&again, &rgbw), "%s: %s",
		       format_info(formats[i])->name, again.answer.failure.text);
		EXPECT_EQ(again.answer.in.format, formats[i]);
		outcome_fini(&again);
		outcome_fini(&outcome);
	}
	blob_fini(&png);
}

TEST(picture, metadata_is_dropped_by_default)
{
	static const char *const words[] = {"Exif", "eXIf",   "ICC_PROFILE",
	                                    "iCCP", "secret", "sRGB IEC"};
	static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_PNG};
	uint8_t exif[6 + EXIF_BYTES + 6] = "Exif\0\0";
	uint8_t icc[14 + 1024] = "ICC_PROFILE\0\1\1";
	struct blob jpeg = make_jpeg(64, 64, 3, &rgbw);
	struct blob profile = make_rgb_profile("sRGB IEC61966-2.1", 0);

	make_exif(exif + 6, 1, false);
	memcpy(exif + 6 + EXIF_BYTES, "secret", 6);
	memcpy(icc + 14, profile.bytes, profile.n);
	jpeg_insert(&jpeg, 0xe1, exif, sizeof(exif));
	jpeg_insert(&jpeg, 0xe2, icc, 14 + profile.n);
	jpeg_insert(&jpeg, 0xfe, "secret", 6);
	FOR_EACH_ENGINE(engine)
	{
		for (int i = 0; i < 2; i++) {
			struct recipe recipe = recipe_for(formats[i], *engine);
			struct outcome outcome = run_picture(&jpeg, "a.jpg", &recipe);

			REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
			for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
				EXPECT(!blob_holds(&outcome.output, words[w]), "%s",
				       words[w]);
			EXPECT(shows_quarters(&outcome, &rgbw));
			outcome_fini(&outcome);
		}
	}
	blob_fini(&jpeg);
	blob_fini(&profile);
}

TEST(picture, a_format_without_animation_gets_the_first_frame_of_an_animation)
{
	static const char gif[] = "GIF89a\1\0\1\0\x80\0\0\xff\0\0\0\0\xff"
				  "!\xf9\4\0\1\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
				  "!\xf9\4\0\1\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x4c\1\0;";
	struct blob blob = {0};

	blob_append(&blob, gif, sizeof(gif) - 1);
	FOR_EACH_ENGINE(engine)
	{
		struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
		struct outcome outcome = run_picture(&blob, "a.gif", &recipe);

		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT(outcome.width == 1 && outcome.height == 1);
		EXPECT(pixel_is_near(&outcome, 0, 0, rgbw.colours[0]));
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
}

TEST(picture, a_picture_one_pixel_wide_or_high_can_be_scaled)
{
	static const struct {
		int width, height;
		uint32_t box, to_width, to_height;
	} cases[] = {
		{1, 30000, 100, 1, 100},     {30000, 1, 100, 100, 1}, {1, 30000, 1, 1, 1},
		{1, 3, 300, 100, 300},       {3, 1, 300, 300, 100},   {1, 1, 64, 64, 64},
		{30000, 2, 29999, 29999, 2},
	};

	FOR_EACH_ENGINE(engine)
	{
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct blob png = make_png(cases[i].width, cases[i].height, 3,
			                           &rgbw);
			struct recipe recipe = recipe_for(FORMAT_PNG, *engine);
			struct outcome outcome;

			recipe.geometry = (struct geometry){.width = cases[i].box,
			                                    .height = cases[i].box};
			outcome = run_picture(&png, "a.png", &recipe);
			EXPECT(outcome.is_done, "engine %d, case %zu: %s", (int)*engine,
			       i, outcome.answer.failure.text);
			EXPECT_EQ(outcome.width, cases[i].to_width);
			EXPECT_EQ(outcome.height, cases[i].to_height);
			outcome_fini(&outcome);
			blob_fini(&png);
		}
	}
}

TEST(picture, one_worker_serves_many_pictures)
{
	struct blob small = make_png(8, 8, 3, &rgbw),
		    large = make_png(500, 400, 3, &rgbw);
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	struct picture_worker *worker = picture_worker_create();
	struct failure failure = {0};

	REQUIRE(worker && picture_preload(&failure));
	for (int i = 0; i < 6; i++) {
		const struct blob *blob = i % 2 ? &large : &small;
		struct outcome outcome = run_with_worker(worker, blob, "a", &recipe,
		                                         blob->n);

		EXPECT_EQ(outcome.width, i % 2 ? 500 : 8);
		EXPECT(shows_quarters(&outcome, &rgbw));
		outcome_fini(&outcome);
		outcome = run_with_worker(worker, blob, "a", &recipe, blob->n / 2);
		expect_failure(&outcome, FAIL_VANISHED, "");
		outcome_fini(&outcome);
	}
	picture_worker_destroy(worker);
	picture_worker_destroy(NULL);
	blob_fini(&small);
	blob_fini(&large);
}
