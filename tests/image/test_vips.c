/* Tests of the vips engine: features that no other engine has, and output sizes equal to those of
 * vipsthumbnail. */
#include "support/test.h"

#include "image/catalogue.h"
#include "image_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

static void start(void)
{
	struct failure failure = {0};

	REQUIRE(picture_preload(&failure), "%s", failure.text);
}

TEST(vips, sizes_equal_those_of_vips_thumbnail)
{
	unsigned seed = 1;

	start();
	for (int i = 0; i < 3000; i++) {
		unsigned bits = (unsigned)rand_r(&seed) % 10;
		struct size from = {1 + ((unsigned)rand_r(&seed) % 6000 >> bits),
		                    1 + (unsigned)rand_r(&seed) % 6000};
		unsigned side = 1 + (unsigned)rand_r(&seed) % (i % 2 ? 300 : 3000);
		struct geometry box = {.width = side,
		                       .height = i % 4 ? side : side / 2 + 1};
		struct size to = geometry_size(&box, from);
		VipsImage *black = NULL, *thumbnail = NULL;

		/* For every eighth picture, one side of the output is a whole number plus one
		 * half before it is rounded. */
		if (i % 8 == 0) {
			from = (struct size){2 * box.width, 2 * (side / 3) + 1};
			to = geometry_size(&box, from);
		}
		REQUIRE(!vips_black(&black, (int)from.width, (int)from.height, NULL));
		REQUIRE(!vips_thumbnail_image(black, &thumbnail, (int)box.width, "height",
		                              (int)box.height, NULL));
		EXPECT(vips_image_get_width(thumbnail) == (int)to.width &&
		               vips_image_get_height(thumbnail) == (int)to.height,
		       "%u x %u into %u x %u: %u x %u, libvips %d x %d", from.width,
		       from.height, box.width, box.height, to.width, to.height,
		       vips_image_get_width(thumbnail), vips_image_get_height(thumbnail));
		g_object_unref(thumbnail);
		g_object_unref(black);
	}
}

/* Make a picture of four quarters in any format that libvips writes. The function `convert` is
 * called before writing, and may be NULL. */
static struct blob make_by_vips(const char *suffix,
                                int (*convert)(VipsImage *, VipsImage **))
{
	struct blob png = make_png(160, 120, 3, &rgbw), made = {0};
	VipsImage *image, *converted = NULL;
	void *bytes = NULL;
	size_t n = 0;

	start();
	image = vips_image_new_from_buffer(png.bytes, png.n, "", NULL);
	REQUIRE(image != NULL);
	if (convert) {
		REQUIRE(!convert(image, &converted), "%s", vips_error_buffer());
		g_object_unref(image);
		image = converted;
	}
	REQUIRE(!vips_image_write_to_buffer(image, suffix, &bytes, &n, NULL), "%s",
	        vips_error_buffer());
	g_object_unref(image);
	blob_append(&made, bytes, n);
	g_free(bytes);
	blob_fini(&png);
	return made;
}

static struct outcome shrink(const struct blob *blob, enum image_format format,
                             enum engine_choice engine)
{
	struct recipe recipe = recipe_for(format, engine);

	recipe.geometry = (struct geometry){.width = 80, .height = 80};
	return run_picture(blob, "a", &recipe);
}

/* The three values of an HDR pixel share an exponent. If the largest value is 1, the smallest is
 * read as 1/256, which is 13 in sRGB. */
static const struct quarters rgbw_of_hdr = {{{255, 13, 13, 255},
                                             {13, 255, 13, 255},
                                             {13, 13, 255, 255},
                                             {255, 255, 255, 255}}};

/* The row of the vips engine in the catalogue. */
static const struct catalogue_engine *row_of_vips(const struct catalogue *catalogue)
{
	for (size_t i = 0; i < catalogue->n_engines; i++) {
		if (strcmp(catalogue->engines[i].name, "vips") == 0)
			return &catalogue->engines[i];
	}
	REQUIRE(false, "no vips in the catalogue");
	return NULL;
}

TEST(vips, every_format_written_by_libvips_can_be_read_back)
{
	struct blob png = make_png(160, 120, 3, &rgbw);
	struct catalogue catalogue;
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_VIPS);

	start();
	/* At the default quality of JXL, pure colours differ more than this test allows. */
	recipe.quality = 95;
	recipe.geometry.width = recipe.geometry.height = 80;
	catalogue_fill(&catalogue);
	for (int i = FORMAT_NONE + 1; i < N_FORMATS; i++) {
		enum image_format format = (enum image_format)i;
		struct outcome written, again;

		recipe.format = format;
		written = run_picture(&png, "a", &recipe);
		EXPECT(written.is_done == row_of_vips(&catalogue)->writes[format],
		       "%s: %s", format_info(format)->name, written.answer.failure.text);
		if (written.is_done) {
			again = run_picture(&written.output, "b",
			                    &(struct recipe){.format = FORMAT_PNG});
			EXPECT(again.is_done, "%s: %s", format_info(format)->name,
			       again.answer.failure.text);
			EXPECT_EQ(again.answer.in.format, format);
			EXPECT_EQ(again.width, 80);
			EXPECT_EQ(again.height, 60);
			EXPECT(!again.is_done ||
			               shows_quarters(&again, format == FORMAT_HDR
			                                              ? &rgbw_of_hdr
			                                              : &rgbw),
			       "%s", format_info(format)->name);
			outcome_fini(&again);
		}
		outcome_fini(&written);
	}
	blob_fini(&png);
}

TEST(vips, formats_built_into_libvips_can_be_written)
{
	const struct catalogue_engine *vips;
	struct catalogue catalogue;

	start();
	catalogue_fill(&catalogue);
	vips = row_of_vips(&catalogue);
	EXPECT_EQ(catalogue.n_engines, 3);
	EXPECT(vips->writes[FORMAT_JPEG] && vips->reads[FORMAT_JPEG]);
	EXPECT(vips->writes[FORMAT_PNG] && vips->reads[FORMAT_PNG]);
	EXPECT(vips->writes[FORMAT_WEBP] && vips->reads[FORMAT_WEBP]);
	EXPECT(!vips->writes[FORMAT_RAW] && !vips->reads[FORMAT_RAW]);
	EXPECT(strstr(vips->version, "libvips 8.") != NULL);
	EXPECT_STR(catalogue.engines[0].name, "fast");
	EXPECT_STR(catalogue.engines[2].name, "stb");
}

TEST(vips, alpha_is_kept_in_formats_that_support_it)
{
	static const struct quarters clear = {{{255, 0, 0, 255},
	                                       {0, 255, 0, 0},
	                                       {0, 0, 255, 128},
	                                       {255, 255, 255, 255}}};
	static const enum image_format formats[] = {FORMAT_WEBP, FORMAT_TIFF, FORMAT_GIF,
	                                            FORMAT_AVIF};
	struct blob png = make_png(160, 120, 4, &clear);

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct outcome written = shrink(&png, formats[i], ENGINE_VIPS), again;

		if (written.answer.failure.class == FAIL_UNSUPPORTED)
			continue;
		REQUIRE(written.is_done, "%s", written.answer.failure.text);
		again = run_picture(&written.output, "b",
		                    &(struct recipe){.format = FORMAT_PNG});
		EXPECT(again.n_bands == 4 && again.pixels[(15 * 80 + 60) * 4 + 3] < 8,
		       "%s", format_info(formats[i])->name);
		outcome_fini(&again);
		outcome_fini(&written);
	}
	blob_fini(&png);
}

static int to_cmyk(VipsImage *in, VipsImage **out)
{
	return vips_icc_transform(in, out, "cmyk", "input_profile", "srgb", NULL);
}

TEST(vips, cmyk_is_converted_to_srgb_by_libvips_and_refused_by_stb)
{
	/* The expected colours come from the CMYK profile of libvips and differ from those of a
	 * printing press. */
	static const struct quarters inks = {{{225, 30, 40, 255},
	                                      {202, 207, 23, 255},
	                                      {46, 49, 146, 255},
	                                      {255, 255, 255, 255}}};
	struct blob jpeg = make_by_vips(".jpg[Q=95]", to_cmyk);
	struct outcome outcome = shrink(&jpeg, FORMAT_PNG, ENGINE_VIPS);

	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT_EQ(outcome.n_bands, 3);
	for (int i = 0; i < 4; i++) {
		const uint8_t *pixel = outcome.pixels +
		                       ((i / 2 * 30 + 15) * 80 + i % 2 * 40 + 20) * 3;

		for (int band = 0; band < 3; band++)
			EXPECT(abs(pixel[band] - inks.colours[i][band]) < 60,
			       "quarter %d: %d %d %d", i, pixel[0], pixel[1], pixel[2]);
	}
	outcome_fini(&outcome);

	outcome = shrink(&jpeg, FORMAT_PNG, ENGINE_STB);
	EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
	EXPECT(strstr(outcome.answer.failure.text, "CMYK") != NULL);
	outcome_fini(&outcome);
	blob_fini(&jpeg);
}

static int to_p3(VipsImage *in, VipsImage **out)
{
	return vips_icc_transform(in, out, "p3", "input_profile", "srgb", NULL);
}

static int to_tagged_srgb(VipsImage *in, VipsImage **out)
{
	return vips_icc_transform(in, out, "srgb", "input_profile", "srgb", NULL);
}

TEST(vips, profiles_other_than_srgb_are_converted_by_libvips_and_refused_by_stb)
{
	static const char *const suffixes[] = {".jpg[Q=95]", ".png"};

	for (int i = 0; i < 2; i++) {
		struct blob blob = make_by_vips(suffixes[i], to_p3);
		struct outcome outcome = shrink(&blob, FORMAT_PNG, ENGINE_VIPS);

		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT(shows_quarters(&outcome, &rgbw), "%s", suffixes[i]);
		EXPECT(!blob_holds(&outcome.output, "iCCP"));
		outcome_fini(&outcome);

		outcome = shrink(&blob, FORMAT_PNG, ENGINE_STB);
		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		EXPECT(strstr(outcome.answer.failure.text, "profile") != NULL);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

TEST(vips, an_srgb_profile_is_accepted_by_vips_and_by_stb)
{
	static const char *const suffixes[] = {".jpg[Q=95]", ".png"};

	for (int i = 0; i < 4; i++) {
		struct blob blob = make_by_vips(suffixes[i / 2], to_tagged_srgb);
		struct outcome outcome = shrink(&blob, FORMAT_PNG,
		                                i % 2 ? ENGINE_VIPS : ENGINE_STB);

		EXPECT(outcome.is_done && shows_quarters(&outcome, &rgbw), "%s",
		       outcome.answer.failure.text);
		EXPECT(blob_holds(&blob, i / 2 ? "iCCP" : "ICC_PROFILE"));
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

TEST(vips, a_broken_profile_is_ignored)
{
	uint8_t icc[14 + 256] = "ICC_PROFILE\0\1\1";
	struct blob jpeg = make_jpeg(160, 120, 3, &rgbw);
	struct blob profile = make_profile("RGB ", "nothing after it");
	struct outcome outcome;

	memcpy(icc + 14, profile.bytes, profile.n);
	jpeg_insert(&jpeg, 0xe2, icc, 14 + profile.n);
	outcome = shrink(&jpeg, FORMAT_PNG, ENGINE_VIPS);
	EXPECT(outcome.is_done && shows_quarters(&outcome, &rgbw), "%s",
	       outcome.answer.failure.text);
	outcome_fini(&outcome);
	blob_fini(&jpeg);
	blob_fini(&profile);
}

static int to_16_bit(VipsImage *in, VipsImage **out)
{
	return vips_colourspace(in, out, VIPS_INTERPRETATION_RGB16, NULL);
}

static int to_lab(VipsImage *in, VipsImage **out)
{
	return vips_colourspace(in, out, VIPS_INTERPRETATION_LAB, NULL);
}

TEST(vips, pictures_with_16_bits_or_lab_colours_become_8_bit_srgb)
{
	struct blob blobs[] = {make_by_vips(".png", to_16_bit),
	                       make_by_vips(".tif", to_16_bit),
	                       make_by_vips(".tif", to_lab)};

	for (size_t i = 0; i < sizeof(blobs) / sizeof(blobs[0]); i++) {
		struct outcome outcome = shrink(&blobs[i], FORMAT_PNG, ENGINE_VIPS);

		EXPECT(outcome.is_done && shows_quarters(&outcome, &rgbw), "%zu: %s", i,
		       outcome.answer.failure.text);
		EXPECT(!outcome.is_done || outcome.output.bytes[24] == 8);
		outcome_fini(&outcome);
		blob_fini(&blobs[i]);
	}
}

/* The file begins like an HDR. Before libvips tries its loader of HDR, it tries its loader of SVG,
 * which accepts a file with the text "<svg". */
TEST(vips, a_picture_fails_if_the_loader_does_not_match_the_detected_format)
{
	static const char text[] = "#?RADIANCE\n# <svg \nFORMAT=32-bit_rle_rgbe\n\n"
				   "-Y 1 +X 1\n\1\1\1\1";
	struct blob blob = {0};
	struct outcome outcome;

	start();
	if (!vips_type_find("VipsForeignLoad", "svgload_source"))
		SKIP("this libvips cannot load SVG");
	blob_append(&blob, text, strlen(text));
	outcome = shrink(&blob, FORMAT_PNG, ENGINE_VIPS);
	EXPECT_STR(
		outcome.answer.failure.text,
		"header: the file begins like hdr, but libvips takes it for another format");
	outcome_fini(&outcome);
	blob_fini(&blob);
}

TEST(vips, a_file_with_only_the_first_bytes_of_a_format_is_a_bad_image)
{
	static const char *const texts[] = {"\xff\x4f\xff\x51 but no more",
	                                    "\xff\x0a and text"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct blob blob = {0};
		struct outcome outcome;

		blob_append(&blob, texts[i], strlen(texts[i]));
		outcome = shrink(&blob, FORMAT_PNG, ENGINE_VIPS);
		EXPECT_STR(fail_class_name(outcome.answer.failure.class), "bad-image");
		EXPECT(!strchr(outcome.answer.failure.text, '?'), "%s",
		       outcome.answer.failure.text);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

/* The test files: a truncated JPEG, a JPEG in which a marker interrupts a block, a GIF that is
 * truncated in its second frame, and a truncated PNG. */
static struct blob make_damaged(int how)
{
	static const char gif[] = "GIF89a\1\0\1\0\x80\0\0\xff\0\0\0\0\xff"
				  "!\xf9\4\0\1\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
				  "!\xf9\4\0\1\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x4c";
	struct blob blob = {0};

	if (how == 2) {
		blob_append(&blob, gif, sizeof(gif) - 1);
		return blob;
	}
	if (how == 3) {
		blob = make_png(64, 64, 3, &rgbw);
		blob.n -= 40;
		return blob;
	}
	blob = make_jpeg(64, 64, 3, &rgbw);
	if (how == 0)
		blob.n -= 150;
	else
		blob_insert(&blob, blob.n - 150, "\xff\xd3", 2);
	return blob;
}

TEST(vips, each_level_of_the_option_fail_on_accepts_only_the_documented_kinds_of_damage)
{
	static const struct {
		const char *word;
		bool passes[4]; /* expected results for each kind of damage */
	} levels[] = {
		{"none", {true, true, true, true}},
		{"truncated", {false, true, false, false}},
		{"error", {false, false, false, false}},
		{"warning", {false, false, false, false}},
	};
	/* The first recipe loads the picture in one call, the second one step by step. */
	static const char *const ways[] = {"", "; linear"};

	for (int how = 0; how < 4; how++) {
		struct blob blob = make_damaged(how);

		for (int i = 0; i < 8; i++) {
			struct recipe recipe;
			struct outcome outcome;
			char words[64];

			snprintf(words, sizeof(words), "fail-on %s%s", levels[i / 2].word,
			         ways[i % 2]);
			recipe = recipe_of_words(words, FORMAT_PNG, ENGINE_VIPS);
			outcome = run_picture(&blob, "a", &recipe);
			EXPECT(outcome.is_done == levels[i / 2].passes[how],
			       "damage %d, %s: %s", how, words,
			       outcome.answer.failure.text);
			EXPECT(outcome.is_done ||
			       outcome.answer.failure.class == FAIL_BAD_IMAGE);
			EXPECT(outcome.answer.is_damaged == outcome.is_done,
			       "damage %d, %s", how, words);
			outcome_fini(&outcome);
		}
		blob_fini(&blob);
	}
}

/* A grey picture with grey noise on the left and a plain red patch on the right. */
static struct blob make_noise_and_red(void)
{
	enum { WIDTH = 240, HEIGHT = 60 };
	static uint8_t bytes[WIDTH * HEIGHT * 3];
	unsigned seed = 4;

	memset(bytes, 128, sizeof(bytes));
	for (int at = 0; at < WIDTH * HEIGHT; at++) {
		int x = at % WIDTH;

		if (x < 40)
			memset(bytes + 3 * at, 120 + rand_r(&seed) % 17, 3);
		else if (x >= 200)
			memcpy(bytes + 3 * at, (uint8_t[]){230, 60, 40}, 3);
	}
	return png_of_bytes(bytes, WIDTH, HEIGHT, 3);
}

TEST(vips,
     the_position_entropy_keeps_the_detailed_part_and_attention_keeps_the_coloured_part)
{
	static const char *const words[] = {"size 60x60; fit cover; position entropy",
	                                    "size 60x60; fit cover; position attention"};
	struct blob blob = make_noise_and_red();

	for (int i = 0; i < 2; i++) {
		struct recipe recipe = recipe_of_words(words[i], FORMAT_PNG, ENGINE_VIPS);
		struct outcome outcome = run_picture(&blob, "a.png", &recipe);
		int n_red = 0, n_noisy = 0;

		REQUIRE(outcome.is_done && outcome.width == 60 && outcome.height == 60);
		for (int at = 0; at < 60 * 60; at++) {
			const uint8_t *pixel = outcome.pixels + at * outcome.n_bands;

			n_red += pixel[0] > pixel[1] + 100;
			n_noisy += pixel[0] == pixel[1] && pixel[0] != 128;
		}
		EXPECT((n_red > 1000) == (i == 1) && (n_noisy > 1000) == (i == 0),
		       "%s: %d red, %d of noise", words[i], n_red, n_noisy);
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
}

/* Pretend that libheif and libjxl have no codecs: the savers of libvips exist, but do not work. */
TEST(vips, savers_without_codecs_are_not_listed)
{
	static const char *const broken[] = {"VipsForeignSaveHeif", "VipsForeignSaveJxl"};
	struct blob png = make_png(16, 16, 3, &rgbw);
	struct recipe recipe = recipe_for(FORMAT_JXL, ENGINE_AUTO);
	const struct catalogue_engine *vips;
	struct catalogue catalogue;
	struct outcome outcome;

	start();
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		vips_operation_block_set(broken[i], TRUE);
	catalogue_fill(&catalogue);
	vips = row_of_vips(&catalogue);
	EXPECT(!vips->writes[FORMAT_HEIC] && !vips->writes[FORMAT_AVIF] &&
	       !vips->writes[FORMAT_JXL]);
	EXPECT(vips->writes[FORMAT_PNG]);
	outcome = run_picture(&png, "a.png", &recipe);
	EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
	outcome_fini(&outcome);
	blob_fini(&png);
}
