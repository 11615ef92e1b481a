/*
 * Tests of the effect of options on the output of the engines vips and stb, checked in decoded
 * pixels or in markers of the format. /
 */
#include "support/test.h"

#include "image_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct outcome make(const struct blob *blob, const char *words,
                           enum image_format format, enum engine_choice engine)
{
	struct recipe recipe = recipe_of_words(words, format, engine);
	struct outcome outcome = run_picture(blob, "a.png", &recipe);

	REQUIRE(outcome.is_done, "%s: %s", words, outcome.answer.failure.text);
	return outcome;
}

/* ---- positions ---- */

static const char *const places[3][3] = {{"northwest", "north", "northeast"},
                                         {"west", "centre", "east"},
                                         {"southwest", "south", "southeast"}};

static void colour_of_tile(int column, int row, uint8_t colour[3])
{
	colour[0] = (uint8_t)(60 + 80 * column);
	colour[1] = (uint8_t)(60 + 80 * row);
	colour[2] = 20;
}

TEST(position, the_option_position_selects_the_part_that_the_fit_mode_cover_keeps)
{
	enum { TILE = 20, SIDE = 3 * TILE };
	static uint8_t bytes[SIDE * SIDE * 3];
	struct blob png;

	for (int at = 0; at < SIDE * SIDE; at++)
		colour_of_tile(at % SIDE / TILE, at / SIDE / TILE, bytes + 3 * at);
	png = png_of_bytes(bytes, SIDE, SIDE, 3);
	FOR_EACH_ENGINE(engine)
	{
		for (int i = 0; i < 9; i++) {
			struct outcome outcome;
			uint8_t want[3];
			char words[100];

			snprintf(words, sizeof(words),
			         "size 20x20; no-reduce; fit cover; position %s",
			         places[i / 3][i % 3]);
			outcome = make(&png, words, FORMAT_PNG, *engine);
			colour_of_tile(i % 3, i / 3, want);
			EXPECT(outcome.width == TILE && outcome.height == TILE &&
			               pixel_is_near(&outcome, 0, 0, want) &&
			               pixel_is_near(&outcome, TILE - 1, TILE - 1, want),
			       "%s, engine %d", words, (int)*engine);
			outcome_fini(&outcome);
		}
	}
	blob_fini(&png);
}

TEST(position, the_option_position_selects_where_the_fit_mode_contain_places_the_picture)
{
	static const struct quarters red = {
		{{255, 0, 0, 255}, {255, 0, 0, 255}, {255, 0, 0, 255}, {255, 0, 0, 255}}};
	static const uint8_t inside[] = {255, 0, 0}, outside[] = {0, 0, 255};
	struct blob png = make_png(20, 20, 3, &red);

	FOR_EACH_ENGINE(engine)
	{
		for (int i = 0; i < 9; i++) {
			struct outcome outcome;
			char words[100];

			snprintf(words, sizeof(words),
			         "size 60x60; no-enlarge; fit contain; position %s; "
			         "background blue",
			         places[i / 3][i % 3]);
			outcome = make(&png, words, FORMAT_PNG, *engine);
			REQUIRE(outcome.width == 60 && outcome.height == 60);
			for (int k = 0; k < 9; k++)
				EXPECT(pixel_is_near(&outcome, 10 + k % 3 * 20,
				                     10 + k / 3 * 20,
				                     k == i ? inside : outside),
				       "%s, engine %d: tile %d", words, (int)*engine, k);
			outcome_fini(&outcome);
		}
	}
	blob_fini(&png);
}

/* ---- kernels ---- */

enum shape { LANCZOS3, LANCZOS2, MITCHELL, CATMULL_ROM, TRIANGLE, NEAREST, N_SHAPES };

static double sinc(double x)
{
	return fabs(x) < 1e-9 ? 1 : sin(M_PI * x) / (M_PI * x);
}

/* The cubic kernels of Mitchell and Netravali (1988). */
static double cubic(double b, double c, double x)
{
	if (x < 1)
		return ((12 - 9 * b - 6 * c) * x * x * x +
		        (-18 + 12 * b + 6 * c) * x * x + 6 - 2 * b) /
		       6;
	return x >= 2 ? 0
	              : ((-b - 6 * c) * x * x * x + (6 * b + 30 * c) * x * x +
	                 (-12 * b - 48 * c) * x + 8 * b + 24 * c) /
	                        6;
}

static double weight(enum shape shape, double distance)
{
	double x = fabs(distance);

	switch (shape) {
	case LANCZOS3:
		return x < 3 ? sinc(x) * sinc(x / 3) : 0;
	case LANCZOS2:
		return x < 2 ? sinc(x) * sinc(x / 2) : 0;
	case MITCHELL:
		return cubic(1 / 3.0, 1 / 3.0, x);
	case CATMULL_ROM:
		return cubic(0, 0.5, x);
	default:
		return x < 1 ? 1 - x : 0;
	}
}

enum { N_COLUMNS = 60, N_ROWS = 30 };

/* Bars of two values, which leave room for the overshoot of kernels. The bars in the eleven columns
 * around column 31 make the largest difference between the kernels Lanczos 2 and Catmull-Rom when
 * the picture is reduced to a third. */
static double column_value(int x)
{
	static const bool around[] = {1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1};
	bool is_bright = x >= 26 && x <= 36 ? around[x - 26] : x * (7 * x + 3) % 11 > 4;

	return is_bright ? 215 : 40;
}

static double resampled(enum shape shape, int n_to, int i)
{
	double factor = (double)N_COLUMNS / n_to, stretch = fmax(factor, 1);
	double centre = (i + 0.5) * factor - 0.5, sum = 0, weights = 0;

	if (shape == NEAREST)
		return column_value((int)((i + 0.5) * factor));
	for (int x = -20; x < N_COLUMNS + 20; x++) {
		double w = weight(shape, (x - centre) / stretch);

		sum += w * column_value(x < 0 ? 0 : x < N_COLUMNS ? x : N_COLUMNS - 1);
		weights += w;
	}
	return sum / weights;
}

static double worst_distance(const struct outcome *outcome, enum shape shape)
{
	double worst = 0;

	for (int x = 0; x < outcome->width; x++) {
		int at = outcome->height / 2 * outcome->width + x;

		worst = fmax(worst, fabs(outcome->pixels[at * outcome->n_bands] -
		                         resampled(shape, outcome->width, x)));
	}
	return worst;
}

static struct blob make_bars(void)
{
	static uint8_t bytes[N_COLUMNS * N_ROWS];

	for (int at = 0; at < N_COLUMNS * N_ROWS; at++)
		bytes[at] = (uint8_t)column_value(at % N_COLUMNS);
	return png_of_bytes(bytes, N_COLUMNS, N_ROWS, 1);
}

TEST(kernel, each_kernel_reduces_and_enlarges_by_the_expected_formula)
{
	static const struct {
		enum engine_choice engine;
		const char *word;
		enum shape smaller, larger;
	} cases[] = {
		{ENGINE_VIPS, "lanczos3", LANCZOS3, CATMULL_ROM},
		{ENGINE_VIPS, "lanczos2", LANCZOS2, CATMULL_ROM},
		{ENGINE_VIPS, "mitchell", MITCHELL, CATMULL_ROM},
		{ENGINE_VIPS, "cubic", CATMULL_ROM, CATMULL_ROM},
		{ENGINE_VIPS, "linear", TRIANGLE, TRIANGLE},
		{ENGINE_VIPS, "nearest", NEAREST, NEAREST},
		/* For lanczos3, stb reduces with Mitchell and enlarges with Catmull-Rom. */
		{ENGINE_STB, "lanczos3", MITCHELL, CATMULL_ROM},
		{ENGINE_STB, "mitchell", MITCHELL, MITCHELL},
		{ENGINE_STB, "cubic", CATMULL_ROM, CATMULL_ROM},
		{ENGINE_STB, "linear", TRIANGLE, TRIANGLE},
	};
	struct blob png = make_bars();

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_larger = i % 2;
		enum shape want = is_larger ? cases[i / 2].larger : cases[i / 2].smaller;
		struct outcome outcome;
		char words[100];

		if (cases[i / 2].engine != ENGINE_STB && fixture_engines[0] == ENGINE_STB)
			continue; /* skip this engine in a build without libvips */
		snprintf(words, sizeof(words), "size %s; kernel %s",
		         is_larger ? "180x90" : "20x10", cases[i / 2].word);
		outcome = make(&png, words, FORMAT_PNG, cases[i / 2].engine);
		for (int shape = 0; shape < N_SHAPES; shape++) {
			double worst = worst_distance(&outcome, (enum shape)shape);

			EXPECT((worst < (is_larger ? 1.5 : 1)) ==
			               ((enum shape)shape == want),
			       "%s, engine %d: %g from shape %d", words,
			       (int)cases[i / 2].engine, worst, shape);
		}
		outcome_fini(&outcome);
	}
	blob_fini(&png);
}

TEST(linear, linear_scaling_averages_linear_light_and_not_encoded_values)
{
	enum { SIDE = 64 };
	static uint8_t board[SIDE * SIDE];
	struct blob png;

	for (int at = 0; at < SIDE * SIDE; at++)
		board[at] = (at % SIDE + at / SIDE) % 2 ? 255 : 0;
	png = png_of_bytes(board, SIDE, SIDE, 1);
	FOR_EACH_ENGINE(engine)
	{
		static const struct {
			const char *words;
			/* 128 is half of 255. 188 is the sRGB value of half the linear light. */
			int value;
		} cases[] = {{"size 8x8", 128}, {"size 8x8; linear", 188}};

		for (int i = 0; i < 2; i++) {
			struct outcome outcome = make(&png, cases[i].words, FORMAT_PNG,
			                              *engine);

			EXPECT(abs(outcome.pixels[(4 * 8 + 4) * outcome.n_bands] -
			           cases[i].value) <= 2,
			       "%s, engine %d: %d", cases[i].words, (int)*engine,
			       outcome.pixels[(4 * 8 + 4) * outcome.n_bands]);
			outcome_fini(&outcome);
		}
	}
	blob_fini(&png);
}

/* ---- options of encoders ---- */

/* The bytes of the first segment with one of these two markers in a JPEG. */
static const uint8_t *find_segment(const struct blob *jpeg, uint8_t marker, uint8_t other)
{
	for (size_t at = 2; at + 4 < jpeg->n && jpeg->bytes[at] == 0xff;
	     at += 2 + (size_t)(jpeg->bytes[at + 2] << 8 | jpeg->bytes[at + 3])) {
		if (jpeg->bytes[at + 1] == marker || jpeg->bytes[at + 1] == other)
			return jpeg->bytes + at;
	}
	return NULL;
}

/* A soft picture with some detail, which every encoder can compress well. */
static struct blob make_waves(void)
{
	enum { SIDE = 96 };
	static uint8_t bytes[SIDE * SIDE * 3];

	for (int at = 0; at < SIDE * SIDE; at++) {
		double x = at % SIDE, y = at / SIDE + 0.5;

		for (int band = 0; band < 3; band++)
			bytes[3 * at + band] =
				(uint8_t)(128 + 60 * sin(x / (5 + band)) * cos(y / 7) +
			                  40 * sin(x * y / 300));
	}
	return png_of_bytes(bytes, SIDE, SIDE, 3);
}

/* In the quantization tables of the JPEG standard the first step of luma is 16. This function
 * scales the step for a quality as libjpeg does. */
static int first_step(int quality)
{
	int percent = quality < 50 ? 5000 / quality : 200 - 2 * quality;

	return (16 * percent + 50) / 100;
}

TEST(encoders, the_quality_option_reaches_the_jpeg_encoder_of_each_engine)
{
	static const struct {
		const char *words;
		int quality;
	} cases[] = {{"", 80},
	             {"quality 20", 20},
	             {"quality 50", 50},
	             {"quality 80", 80},
	             {"quality 95", 95}};
	struct blob png = make_waves();

	FOR_EACH_ENGINE(engine)
	{
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct outcome outcome = make(&png, cases[i].words, FORMAT_JPEG,
			                              *engine);
			const uint8_t *table = find_segment(&outcome.output, 0xdb, 0xdb);

			REQUIRE(table != NULL);
			EXPECT(table[5] == first_step(cases[i].quality),
			       "'%s', engine %d: a step of %d", cases[i].words,
			       (int)*engine, table[5]);
			outcome_fini(&outcome);
		}
	}
	blob_fini(&png);
}

TEST(encoders, chroma_subsampling_of_a_jpeg_follows_the_option)
{
	static const struct {
		const char *words;
		int sampling;
		bool is_for_stb;
	} cases[] = {
		{"", 0x22, true},
		{"chroma auto; quality 95", 0x11, true},
		{"chroma 420; quality 70", 0x22, true},
		{"chroma 420; quality 95", 0x22, false},
		{"chroma 444; quality 70", 0x11, false},
		{"chroma 444; quality 95", 0x11, true},
	};
	struct blob png = make_waves();

	FOR_EACH_ENGINE(engine)
	{
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct outcome outcome;
			const uint8_t *frame;

			if (*engine == ENGINE_STB && !cases[i].is_for_stb)
				continue;
			outcome = make(&png, cases[i].words, FORMAT_JPEG, *engine);
			frame = find_segment(&outcome.output, 0xc0, 0xc2);
			REQUIRE(frame != NULL && frame[1] == 0xc0 && frame[9] == 3);
			EXPECT(frame[11] == cases[i].sampling && frame[14] == 0x11 &&
			               frame[17] == 0x11,
			       "'%s', engine %d: 0x%x", cases[i].words, (int)*engine,
			       frame[11]);
			outcome_fini(&outcome);
		}
	}
	blob_fini(&png);
}

TEST(encoders, more_effort_makes_a_png_smaller_with_the_same_pixels)
{
	struct blob png = make_waves();

	FOR_EACH_ENGINE(engine)
	{
		struct outcome fast = make(&png, "effort 0", FORMAT_PNG, *engine);
		struct outcome small = make(&png, "effort 9", FORMAT_PNG, *engine);
		struct outcome usual = make(&png, "", FORMAT_PNG, *engine);
		size_t n = (size_t)(fast.width * fast.height * fast.n_bands);

		EXPECT(small.output.n < fast.output.n, "engine %d: %zu and %zu",
		       (int)*engine, small.output.n, fast.output.n);
		EXPECT(usual.output.n < fast.output.n, "engine %d: %zu", (int)*engine,
		       usual.output.n);
		EXPECT(memcmp(fast.pixels, small.pixels, n) == 0);
		outcome_fini(&fast);
		outcome_fini(&small);
		outcome_fini(&usual);
	}
	blob_fini(&png);
}

TEST(fail_on, the_option_fail_on_none_accepts_the_readable_part_of_a_truncated_picture)
{
	static const uint8_t red[] = {255, 0, 0}, green[] = {0, 255, 0};
	static const char *const stricter[] = {"", "fail-on truncated", "fail-on error",
	                                       "fail-on warning"};
	struct blob jpeg = make_jpeg(64, 64, 3, &rgbw);
	struct blob cut = {jpeg.bytes, jpeg.n - 150};

	FOR_EACH_ENGINE(engine)
	{
		struct outcome outcome = make(&cut, "fail-on none", FORMAT_PNG, *engine);

		EXPECT(pixel_is_near(&outcome, 10, 10, red) &&
		       pixel_is_near(&outcome, 50, 10, green));
		EXPECT(outcome.answer.is_damaged);
		outcome_fini(&outcome);
		for (size_t i = 0; i < sizeof(stricter) / sizeof(stricter[0]); i++) {
			struct recipe recipe = recipe_of_words(stricter[i], FORMAT_PNG,
			                                       *engine);

			outcome = run_picture(&cut, "a.jpg", &recipe);
			EXPECT(outcome.answer.failure.class == FAIL_BAD_IMAGE,
			       "'%s', engine %d", stricter[i], (int)*engine);
			outcome_fini(&outcome);
		}
	}
	blob_fini(&jpeg);
}

/* Half-transparent noise in a grey frame: every filter changes this picture. */
static struct blob make_noise(void)
{
	enum { SIDE = 24 };
	uint8_t bytes[SIDE * SIDE * 4], *at = bytes;
	uint32_t seed = 1;

	for (int y = 0; y < SIDE; y++) {
		for (int x = 0; x < SIDE; x++, at += 4) {
			bool is_frame = x < 2 || y < 2 || x > SIDE - 3 || y > SIDE - 4;

			for (int band = 0; band < 4; band++) {
				seed = seed * 1664525 + 1013904223;
				at[band] = is_frame ? 90 : (uint8_t)(seed >> 25) + 64;
			}
		}
	}
	return png_of_bytes(bytes, SIDE, SIDE, 4);
}

static bool differ(const struct outcome *a, const struct outcome *b)
{
	return a->width != b->width || a->height != b->height ||
	       a->n_bands != b->n_bands ||
	       memcmp(a->pixels, b->pixels,
	              (size_t)a->width * (size_t)a->height * (size_t)a->n_bands) != 0;
}

TEST(options, an_engine_that_refuses_a_filter_names_the_filter)
{
	struct blob noise = make_noise();

	FOR_EACH_ENGINE(engine)
	{
		struct recipe plain = recipe_for(FORMAT_PNG, *engine);
		struct outcome unfiltered = run_picture(&noise, "a", &plain);

		for (int kind = FILTER_NONE + 1; kind < N_FILTER_KINDS; kind++) {
			const struct filter_info *info = filter_info(
				(enum filter_kind)kind);
			struct recipe recipe;
			struct outcome outcome;
			char words[64];

			snprintf(words, sizeof(words), "filter %s%s", info->name,
			         info->n_required > 0 ? " 90" : "");
			recipe = recipe_of_words(words, FORMAT_PNG, *engine);
			outcome = run_picture(&noise, "a", &recipe);
			EXPECT(outcome.is_done ? differ(&outcome, &unfiltered)
			                       : strstr(outcome.answer.failure.text,
			                                info->name) != NULL,
			       "%s, engine %d: %s", info->name, (int)*engine,
			       outcome.answer.failure.text);
			if (!outcome.is_done)
				EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
			outcome_fini(&outcome);
		}
		outcome_fini(&unfiltered);
	}
	blob_fini(&noise);
}
