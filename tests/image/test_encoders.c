/*
 * Tests of options of the encoders, checked by markers in the file, or by the difference of its
 * pixels from the input. /
 */
#include "support/test.h"

#include "image/engine.h"
#include "vips_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 96 };

/* A picture whose colours change within a few pixels, so that every lossy encoder changes it. */
static VipsImage *busy(void)
{
	static uint8_t bytes[SIDE * SIDE * 3];

	for (int at = 0; at < SIDE * SIDE; at++) {
		int x = at % SIDE, y = at / SIDE;

		bytes[3 * at] = (uint8_t)(128 + 100 * sin(x / 2.1) * cos(y / 5.0));
		bytes[3 * at + 1] = (uint8_t)(128 + 80 * sin(x * y / 200.0));
		bytes[3 * at + 2] = (uint8_t)(128 + 100 * cos(x / 3.0 + y / 1.9));
	}
	return image_of_bytes(bytes, SIDE, SIDE, 3);
}

/* Convert the image to the format. Returns false if this build cannot write the format. */
static bool make(struct outcome *ret_outcome, VipsImage *image, const char *words,
                 enum image_format format)
{
	struct blob blob = encoded(image, ".tif");
	struct recipe recipe = recipe_of_words(words, format, ENGINE_AUTO);

	*ret_outcome = run_picture(&blob, "a.tif", &recipe);
	blob_fini(&blob);
	if (ret_outcome->is_done)
		return true;
	EXPECT(ret_outcome->answer.failure.class == FAIL_UNSUPPORTED &&
	               !engine_vips.writes(format),
	       "%s: %s", words, ret_outcome->answer.failure.text);
	outcome_fini(ret_outcome);
	return false;
}

/* Get the PSNR of the output compared with the input, and the size of the output. Returns false if
 * this build cannot write the format. */
static bool measure(const char *words, enum image_format format, double *ret_psnr,
                    size_t *ret_bytes)
{
	VipsImage *image = busy(), *again;
	struct outcome outcome;
	bool is_made = make(&outcome, image, words, format);

	if (is_made) {
		again = decoded(&outcome.output);
		*ret_psnr = psnr(image, again);
		*ret_bytes = outcome.output.n;
		g_object_unref(again);
		outcome_fini(&outcome);
	}
	g_object_unref(image);
	return is_made;
}

TEST(encoders, higher_quality_is_closer_to_the_input_and_takes_more_bytes)
{
	static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_WEBP, FORMAT_AVIF,
	                                            FORMAT_HEIC, FORMAT_JXL,  FORMAT_JP2};
	static const char *const words[] = {"quality 25", "quality 35", "quality 45",
	                                    "quality 55"};
	enum { N_WORDS = sizeof(words) / sizeof(words[0]) };

	for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
		double near[N_WORDS];
		size_t n[N_WORDS];

		for (int i = 0; i < N_WORDS; i++) {
			if (!measure(words[i], formats[f], &near[i], &n[i]))
				break;
			EXPECT(i == 0 || (near[i] > near[i - 1] && n[i] > n[i - 1]),
			       "%s, %s: %.2f dB in %zu bytes",
			       format_info(formats[f])->name, words[i], near[i], n[i]);
		}
	}
}

TEST(encoders, each_encoder_has_its_documented_default_quality)
{
	static const struct {
		enum image_format format;
		const char *words;
	} cases[] = {
		{FORMAT_JPEG, "quality 80"}, {FORMAT_WEBP, "quality 80"},
		{FORMAT_JXL, "quality 80"},  {FORMAT_JP2, "quality 80"},
		{FORMAT_AVIF, "quality 50"}, {FORMAT_HEIC, "quality 50"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double usual, told;
		size_t n_usual, n_told;

		if (!measure("", cases[i].format, &usual, &n_usual) ||
		    !measure(cases[i].words, cases[i].format, &told, &n_told))
			continue;
		EXPECT(fabs(usual - told) < 1e-9 && n_usual == n_told, "%s: %g and %g dB",
		       format_info(cases[i].format)->name, usual, told);
	}
}

/* In some formats effort only costs time, and the picture stays the same. In the other formats the
 * picture may come closer to the input. */
TEST(encoders, more_effort_makes_smaller_files)
{
	static const struct {
		enum image_format format;
		const char *words;
		bool is_exact;
	} cases[] = {
		{FORMAT_JPEG, "", true},          {FORMAT_PNG, "", true},
		{FORMAT_WEBP, "", false},         {FORMAT_WEBP, "lossless; ", true},
		{FORMAT_AVIF, "", false},         {FORMAT_JXL, "", false},
		{FORMAT_JXL, "lossless; ", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double fast, small;
		size_t n_fast, n_small;
		char words[2][64];

		for (int k = 0; k < 2; k++)
			snprintf(words[k], sizeof(words[k]), "%seffort %d",
			         cases[i].words, k ? 9 : 0);
		if (!measure(words[0], cases[i].format, &fast, &n_fast) ||
		    !measure(words[1], cases[i].format, &small, &n_small))
			continue;
		EXPECT(n_small < n_fast, "%s, %s: %zu, not below %zu",
		       format_info(cases[i].format)->name, cases[i].words, n_small,
		       n_fast);
		EXPECT(!cases[i].is_exact || fabs(fast - small) < 1e-9, "%s: %g and %g",
		       format_info(cases[i].format)->name, fast, small);
	}
}

/* For a GIF, the effort determines how carefully the colours of the palette are chosen. */
TEST(encoders, more_effort_gives_a_gif_better_colours)
{
	double fast, slow;
	size_t n;

	REQUIRE(measure("effort 0", FORMAT_GIF, &fast, &n));
	REQUIRE(measure("effort 9", FORMAT_GIF, &slow, &n));
	EXPECT(slow > fast, "%g and %g", slow, fast);
}

/* ---- markers in the file ---- */

static const uint8_t *find(const struct outcome *outcome, const char *name)
{
	const uint8_t *found = memmem(outcome->output.bytes, outcome->output.n, name,
	                              strlen(name));

	REQUIRE(found != NULL, "no %s", name);
	return found + strlen(name);
}

static bool jpeg_is_progressive(const struct outcome *outcome)
{
	size_t n = outcome->output.n;
	bool is_baseline = memmem(outcome->output.bytes, n, "\xff\xc0\0\x11", 4);

	EXPECT(is_baseline !=
	       (memmem(outcome->output.bytes, n, "\xff\xc2\0\x11", 4) != NULL));
	return !is_baseline;
}

static bool png_is_interlaced(const struct outcome *outcome)
{
	return find(outcome, "IHDR")[12] == 1;
}

/* The descriptor of the first frame follows the last extension. */
static bool gif_is_interlaced(const struct outcome *outcome)
{
	static const uint8_t whole_frame[] = {0x2c, 0, 0, 0, 0, SIDE, 0, SIDE, 0};
	const uint8_t *found = memmem(outcome->output.bytes, outcome->output.n,
	                              whole_frame, sizeof(whole_frame));

	REQUIRE(found != NULL);
	return found[sizeof(whole_frame)] & 0x40;
}

TEST(encoders, outputs_are_progressive_only_on_request)
{
	static const struct {
		enum image_format format;
		bool (*is_progressive)(const struct outcome *outcome);
	} formats[] = {{FORMAT_JPEG, jpeg_is_progressive},
	               {FORMAT_PNG, png_is_interlaced},
	               {FORMAT_GIF, gif_is_interlaced}};
	VipsImage *image = busy();

	for (size_t i = 0; i < 2 * sizeof(formats) / sizeof(formats[0]); i++) {
		const char *words = i % 2 ? "progressive" : "";
		struct outcome outcome;

		REQUIRE(make(&outcome, image, words, formats[i / 2].format));
		EXPECT(formats[i / 2].is_progressive(&outcome) == i % 2, "%s %s",
		       format_info(formats[i / 2].format)->name, words);
		outcome_fini(&outcome);
	}
	g_object_unref(image);
}

/* The chroma subsampling, from the HEVC or AV1 configuration in the file. The result is 1 for one
 * chroma sample for four pixels (4:2:0), and 3 for one chroma sample for each pixel (4:4:4). */
static int heif_chroma(const struct outcome *outcome, enum image_format format)
{
	if (format == FORMAT_HEIC)
		return find(outcome, "hvcC")[16] & 3;
	return find(outcome, "av1C")[2] & 0x0c ? 1 : 3;
}

TEST(encoders,
     the_options_chroma_quality_and_lossless_decide_the_subsampling_of_heic_and_avif)
{
	static const enum image_format formats[] = {FORMAT_HEIC, FORMAT_AVIF};
	static const struct {
		const char *words;
		int chroma;
	} cases[] = {
		{"quality 50", 1},
		{"chroma auto; quality 95", 3},
		{"chroma 420; quality 95", 1},
		{"chroma 444; quality 50", 3},
		{"chroma 420; lossless", 3},
	};
	VipsImage *image = busy();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int f = 0; f < 2; f++) {
			struct outcome outcome;

			if (!make(&outcome, image, cases[i].words, formats[f]))
				continue;
			EXPECT(heif_chroma(&outcome, formats[f]) == cases[i].chroma,
			       "%s, %s: %d", format_info(formats[f])->name,
			       cases[i].words, heif_chroma(&outcome, formats[f]));
			outcome_fini(&outcome);
		}
	}
	g_object_unref(image);
}

/* Thin lines of pure colours, which chroma subsampling blurs visibly. */
TEST(encoders, webp_with_subsampling_444_keeps_thin_coloured_lines_better_than_with_420)
{
	static uint8_t bytes[SIDE * SIDE * 3];
	VipsImage *image;
	double near[2];

	for (int at = 0; at < SIDE * SIDE; at++)
		memcpy(bytes + 3 * at,
		       at % SIDE % 6 < 3 ? (uint8_t[]){230, 20, 20}
		                         : (uint8_t[]){20, 20, 230},
		       3);
	image = image_of_bytes(bytes, SIDE, SIDE, 3);
	for (int i = 0; i < 2; i++) {
		struct outcome outcome;
		VipsImage *again;

		REQUIRE(make(&outcome, image, i ? "chroma 444; quality 95" : "quality 95",
		             FORMAT_WEBP));
		again = decoded(&outcome.output);
		near[i] = psnr(image, again);
		g_object_unref(again);
		outcome_fini(&outcome);
	}
	EXPECT(near[1] > near[0] + 0.5, "%g and %g dB", near[0], near[1]);
	g_object_unref(image);
}

TEST(encoders, only_lossless_encoding_keeps_all_pixels_which_avif_and_heic_still_round)
{
	/* AVIF and HEIC convert RGB to luma and chroma, which rounds values. psnr() returns 99 for
	 * equal pictures. */
	static const struct {
		enum image_format format;
		double least;
	} cases[] = {{FORMAT_WEBP, 99},
	             {FORMAT_JXL, 99},
	             {FORMAT_JP2, 99},
	             {FORMAT_AVIF, 48},
	             {FORMAT_HEIC, 48}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double lossy, lossless;
		size_t n;

		if (!measure("quality 40", cases[i].format, &lossy, &n) ||
		    !measure("lossless; quality 40", cases[i].format, &lossless, &n))
			continue;
		EXPECT(lossless >= cases[i].least && lossy < 45, "%s: %g and %g dB",
		       format_info(cases[i].format)->name, lossless, lossy);
	}
}

TEST(encoders, lossless_webp_is_written_as_a_vp8l_chunk)
{
	VipsImage *image = busy();

	for (int i = 0; i < 2; i++) {
		struct outcome outcome;

		REQUIRE(make(&outcome, image, i ? "lossless" : "", FORMAT_WEBP));
		find(&outcome, i ? "VP8L" : "VP8 ");
		outcome_fini(&outcome);
	}
	g_object_unref(image);
}

/* A gradient whose steps are 16 times smaller than a step of 8 bits. With 8 bits, the largest error
 * of a value would be a half of 257. */
TEST(encoders, heic_and_avif_can_keep_more_than_8_bits_per_sample)
{
	static const enum image_format formats[] = {FORMAT_HEIC, FORMAT_AVIF};
	static uint16_t values[SIDE * SIDE * 3];
	VipsImage *image;

	vips_fixture_start();
	for (int at = 0; at < SIDE * SIDE * 3; at++)
		values[at] = (uint16_t)(30000 + at / 3 % SIDE * 16);
	image = vips_image_new_from_memory_copy(values, sizeof(values), SIDE, SIDE, 3,
	                                        VIPS_FORMAT_USHORT);
	image->Type = VIPS_INTERPRETATION_RGB16;
	for (int i = 0; i < 4; i++) {
		struct outcome outcome;
		VipsImage *again;

		if (!make(&outcome, image,
		          i % 2 ? "depth keep; lossless" : "depth 8; lossless",
		          formats[i / 2]))
			continue;
		again = decoded(&outcome.output);
		if (i % 2 == 0) {
			EXPECT_EQ(vips_image_get_format(again), VIPS_FORMAT_UCHAR);
		} else {
			double worst = 0;

			EXPECT_EQ(vips_image_get_format(again), VIPS_FORMAT_USHORT);
			for (int x = 0; x < SIDE; x++)
				worst = fmax(worst, fabs(value_at(again, x, 40, 1) -
				                         30000 - x * 16));
			EXPECT(worst < 100, "%s: %g", format_info(formats[i / 2])->name,
			       worst);
		}
		g_object_unref(again);
		outcome_fini(&outcome);
	}
	g_object_unref(image);
}
