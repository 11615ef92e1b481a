/*
 * Tests of the scaled JPEG decoder against libjpeg, with many files that differ in subsampling,
 * size, quality and scan script. libjpeg's planes before upsampling are compared with ours. At full
 * scale the samples must be equal. At 1/8 our samples must be equal after they are rounded to 8
 * bits. /
 */
#include "support/test.h"

#include "heap.h"
#include "jpeg_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	uint8_t h, v, ch, cv; /* sampling factors of luma and of chroma */
} samplings[] = {
	{1, 1, 1, 1}, {2, 1, 1, 1}, {1, 2, 1, 1}, {2, 2, 1, 1}, {4, 1, 1, 1},
	{1, 4, 1, 1}, {4, 2, 1, 1}, {2, 4, 1, 1}, {2, 2, 2, 1}, {2, 2, 1, 2},
	{3, 1, 1, 1}, {1, 1, 2, 2}, {3, 2, 1, 1},
};
enum { N_SAMPLINGS = sizeof(samplings) / sizeof(samplings[0]) };

static const struct {
	unsigned width, height;
} sizes[] = {{1, 1}, {2, 3}, {7, 9}, {8, 8}, {16, 17}, {33, 31}, {65, 40}, {130, 77}};
enum { N_SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static const int qualities[] = {1, 10, 50, 75, 90, 100};
enum { N_QUALITIES = sizeof(qualities) / sizeof(qualities[0]) };

/* The settings of test file number i. Each setting repeats with a different period in i, so that
 * the files have many combinations of settings. */
enum { N_SETTINGS = 400 };

static struct jpeg_settings settings_of(unsigned i)
{
	unsigned sampling = i % N_SAMPLINGS, size = i / 3 % N_SIZES;

	return (struct jpeg_settings){
		.width = sizes[size].width,
		.height = sizes[size].height,
		.drawing = (enum drawing)(i / 7 % N_DRAWINGS),
		.is_grey = i % 11 == 0,
		.h = {samplings[sampling].h, samplings[sampling].ch,
	              samplings[sampling].ch},
		.v = {samplings[sampling].v, samplings[sampling].cv,
	              samplings[sampling].cv},
		.quality = qualities[i / 5 % N_QUALITIES],
		.is_optimised = i % 3 == 0,
		.restart = i % 5 == 0 ? 1 + i % 7 : 0,
		.script = (enum script)(i / 2 % 4),
		.seed = i,
	};
}

static void expect_same(bool is_same, unsigned i, const char *what)
{
	struct jpeg_settings s = settings_of(i);

	EXPECT(is_same,
	       "%s: number %u, %ux%u, grey %d, luma %ux%u, chroma %ux%u, quality %d, "
	       "script %d, restart %u",
	       what, i, s.width, s.height, s.is_grey, s.h[0], s.v[0], s.h[1], s.v[1],
	       s.quality, (int)s.script, s.restart);
}

TEST(jpeg, at_full_scale_all_samples_equal_those_of_the_islow_transform_of_libjpeg)
{
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_request request = request_of(JPG_FULL);

	for (unsigned i = 0; i < N_SETTINGS; i++) {
		struct jpeg_settings settings = settings_of(i);
		struct bytes file = jpeg_encode(&settings);
		struct reference reference = reference_decode(file, 1);
		struct jpg_picture picture = decode_whole(decoder, file, &request);

		EXPECT(reference.is_clean);
		EXPECT_EQ(picture.n_planes, reference.n_planes);
		for (unsigned j = 0; j < picture.n_planes; j++) {
			EXPECT_EQ(picture.plane[j].width, reference.plane[j].width);
			EXPECT_EQ(picture.plane[j].height, reference.plane[j].height);
			expect_same(plane_difference(&picture.plane[j],
			                             &reference.plane[j]) == 0,
			            i, "differs from libjpeg");
		}
		reference_free(&reference);
		free(file.at);
	}
	jpeg_reader.destroy(decoder);
}

TEST(jpeg, rounded_samples_at_one_eighth_scale_equal_those_of_libjpeg)
{
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_request request = request_of(JPG_EIGHTH);
	unsigned n_compared = 0;

	for (unsigned i = 0; i < N_SETTINGS; i++) {
		struct jpeg_settings settings = settings_of(i);
		struct bytes file = jpeg_encode(&settings);
		struct reference reference = reference_decode(file, 8);
		struct jpg_picture picture = decode_whole(decoder, file, &request);

		for (unsigned j = 0; j < picture.n_planes; j++) {
			if (reference.plane[j].side != 1)
				/* At this scale libjpeg makes more than one sample from a block of
				 * subsampled chroma. */
				continue;
			expect_same(plane_difference(&picture.plane[j],
			                             &reference.plane[j]) == 0,
			            i, "differs from libjpeg");
			n_compared++;
		}
		reference_free(&reference);
		free(file.at);
	}
	EXPECT(n_compared > N_SETTINGS);
	jpeg_reader.destroy(decoder);
}

/* The same coefficients in other scans, tables and restart intervals give the same samples. So if
 * progressive files decode correctly at all four scales, sequential files do too. */
TEST(jpeg, the_order_of_scans_does_not_change_the_samples_at_any_scale)
{
	struct jpg_decoder *decoder = decoder_new();

	for (unsigned i = 0; i < N_SETTINGS; i++) {
		struct jpeg_settings settings = settings_of(i);
		struct bytes plain, file = jpeg_encode(&settings);

		settings.script = SCRIPT_SEQUENTIAL;
		settings.is_optimised = false;
		settings.restart = 0;
		plain = jpeg_encode(&settings);
		for (enum jpg_scale scale = 0; scale < N_JPG_SCALES; scale++) {
			struct jpg_request request = request_of(scale);
			struct jpg_picture picture = decode_whole(decoder, plain,
			                                          &request);
			struct bytes want = samples_of(&picture), got;

			for (int everything = 0; everything < 2; everything++) {
				request.reads_everything = everything;
				picture = decode_whole(decoder, file, &request);
				got = samples_of(&picture);
				expect_same(are_same(got, want), i,
				            "differs from sequential");
				free(got.at);
			}
			free(want.at);
		}
		free(plain.at);
		free(file.at);
	}
	jpeg_reader.destroy(decoder);
}

TEST(jpeg, each_component_can_be_decoded_at_its_own_scale)
{
	struct jpg_decoder *decoder = decoder_new();

	for (unsigned i = 0; i < 60; i++) {
		struct jpeg_settings settings = settings_of(i);
		struct jpg_request mixed = request_of(JPG_FULL);
		struct jpg_picture picture;
		struct bytes file, got;
		size_t at = 0;

		settings.is_grey = false;
		file = jpeg_encode(&settings);
		for (unsigned j = 0; j < 3; j++)
			mixed.scale[j] = (enum jpg_scale)((i + j) % N_JPG_SCALES);
		picture = decode_whole(decoder, file, &mixed);
		got = samples_of(&picture);
		for (unsigned j = 0; j < 3; j++) {
			struct jpg_request one = request_of(mixed.scale[j]);
			struct bytes want;

			picture = decode_whole(decoder, file, &one);
			picture.plane[0] = picture.plane[j];
			picture.n_planes = 1;
			want = samples_of(&picture);
			REQUIRE(at + want.n <= got.n);
			EXPECT(memcmp(got.at + at, want.at, want.n) == 0);
			at += want.n;
			free(want.at);
		}
		free(got.at);
		free(file.at);
	}
	jpeg_reader.destroy(decoder);
}

TEST(jpeg, subsampled_luma_keeps_enough_samples_for_the_output)
{
	struct jpeg_settings settings = {.width = 640,
	                                 .height = 480,
	                                 .h = {1, 2, 2},
	                                 .v = {1, 2, 2},
	                                 .quality = 80};
	const struct demand demand = {.ratio = 2.5};
	const struct read_request request = {.demands = &demand, .n_demands = 1};
	struct bytes file = jpeg_encode(&settings);
	void *reader = decoder_new();
	struct decoded decoded;
	struct read_header header;

	REQUIRE(jpeg_reader.open(reader, file.at, file.n, &header) == READ_OK);
	REQUIRE(jpeg_reader.decode(reader, &request, &decoded) == READ_OK);
	for (unsigned i = 0; i < 3; i++)
		EXPECT(decoded.planes[i].width >= 640 / demand.ratio, "plane %u: %u", i,
		       decoded.planes[i].width);
	jpeg_reader.destroy(reader);
	free(file.at);
}

TEST(jpeg, decoded_planes_report_which_part_of_them_belongs_to_the_picture)
{
	static const struct {
		enum jpg_scale scale;
		unsigned width, height, chroma_width, chroma_height;
		double true_width, true_height, chroma_true_width, chroma_true_height;
	} cases[] = {
		{JPG_FULL, 33, 31, 17, 16, 33, 31, 16.5, 15.5},
		{JPG_HALF, 17, 16, 9, 8, 16.5, 15.5, 8.25, 7.75},
		{JPG_QUARTER, 9, 8, 5, 4, 8.25, 7.75, 4.125, 3.875},
		{JPG_EIGHTH, 5, 4, 3, 2, 4.125, 3.875, 2.0625, 1.9375},
	};
	struct jpeg_settings settings = {
		.width = 33, .height = 31, .h = {2}, .v = {2}, .quality = 80};
	struct bytes file = jpeg_encode(&settings);
	struct jpg_decoder *decoder = decoder_new();

	for (unsigned i = 0; i < N_JPG_SCALES; i++) {
		struct jpg_request request = request_of(cases[i].scale);
		struct jpg_picture picture = decode_whole(decoder, file, &request);
		const struct plane *luma = &picture.plane[0], *chroma = &picture.plane[2];

		EXPECT_EQ(luma->width, cases[i].width);
		EXPECT_EQ(luma->height, cases[i].height);
		EXPECT_EQ(chroma->width, cases[i].chroma_width);
		EXPECT_EQ(chroma->height, cases[i].chroma_height);
		EXPECT(luma->true_width == cases[i].true_width);
		EXPECT(luma->true_height == cases[i].true_height);
		EXPECT(chroma->true_width == cases[i].chroma_true_width);
		EXPECT(chroma->true_height == cases[i].chroma_true_height);
		EXPECT_EQ(luma->n_bits, cases[i].scale >= JPG_QUARTER ? 16 : 8);
		EXPECT_EQ(luma->stride % 64, 0);
		EXPECT_EQ((uintptr_t)luma->samples % 64, 0);
	}
	free(file.at);
	jpeg_reader.destroy(decoder);
}

TEST(jpeg, scans_that_are_not_needed_at_the_requested_scale_are_skipped)
{
	struct jpeg_settings settings = {.width = 200,
	                                 .height = 150,
	                                 .drawing = DRAWING_BUSY,
	                                 .h = {2},
	                                 .v = {2},
	                                 .quality = 80,
	                                 .script = SCRIPT_USUAL};
	struct bytes file = jpeg_encode(&settings);
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_request request = request_of(JPG_EIGHTH);
	struct jpg_picture picture = decode_whole(decoder, file, &request);

	/* libjpeg's default script has ten scans, two of which are DC scans. */
	EXPECT_EQ(picture.n_scans, 10);
	EXPECT_EQ(picture.n_scans_skipped, 8);

	request = request_of(JPG_FULL);
	picture = decode_whole(decoder, file, &request);
	EXPECT_EQ(picture.n_scans_skipped, 0);

	request = request_of(JPG_EIGHTH);
	request.reads_everything = true;
	picture = decode_whole(decoder, file, &request);
	EXPECT_EQ(picture.n_scans_skipped, 0);
	free(file.at);
	jpeg_reader.destroy(decoder);
}

static double mean_square_difference(struct bytes a, struct bytes b)
{
	double sum = 0;

	REQUIRE(a.n == b.n && a.n > 0);
	for (size_t i = 0; i < a.n; i++)
		sum += (a.at[i] - b.at[i]) * (a.at[i] - b.at[i]);
	return sum / (double)a.n;
}

TEST(jpeg, refinement_scans_are_skipped_only_within_the_noise_budget)
{
	static const double budgets[] = {0, 0.5, 2, 8, 32, 1e9};
	struct jpg_decoder *decoder = decoder_new();

	for (unsigned seed = 0; seed < 24; seed++) {
		struct jpeg_settings settings = {
			.width = 160,
			.height = 120,
			.drawing = DRAWING_BUSY,
			.is_grey = true,
			.quality = 50 + (int)seed * 2,
			.script = seed % 2 ? SCRIPT_RANDOM : SCRIPT_USUAL,
			.seed = seed,
		};
		struct bytes file = jpeg_encode(&settings), exact = {0};
		unsigned n_skipped = 0;

		for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
			struct jpg_request request = request_of(JPG_FULL);
			struct jpg_picture picture;
			struct bytes got;

			request.noise_budget[0] = budgets[i];
			picture = decode_whole(decoder, file, &request);
			n_skipped = picture.n_scans_skipped;
			got = samples_of(&picture);
			if (i == 0)
				exact = got;
			/* The noise estimate does not include the rounding of samples. */
			EXPECT(mean_square_difference(got, exact) <= budgets[i] + 0.5);
			if (i > 0)
				free(got.at);
		}
		if (settings.script == SCRIPT_USUAL)
			EXPECT_EQ(n_skipped, 2);
		free(exact.at);
		free(file.at);
	}
	jpeg_reader.destroy(decoder);
}

/* Use a larger number of optimised Huffman tables than the cache can hold, in order and in reverse
 * order. */
TEST(jpeg, the_cache_evicts_no_huffman_table_of_the_current_file)
{
	enum { N_FILES = 40 };
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_request request = request_of(JPG_HALF);
	struct bytes file[N_FILES], want[N_FILES];

	for (unsigned i = 0; i < N_FILES; i++) {
		struct jpg_decoder *fresh = decoder_new();
		struct jpeg_settings settings = {
			.width = 64 + i,
			.height = 48,
			.drawing = DRAWING_BUSY,
			.quality = 30 + (int)i,
			.is_optimised = true,
			.script = i % 4 ? SCRIPT_SEQUENTIAL : SCRIPT_RANDOM,
			.seed = i,
		};
		struct jpg_picture picture;

		file[i] = jpeg_encode(&settings);
		picture = decode_whole(fresh, file[i], &request);
		want[i] = samples_of(&picture);
		jpeg_reader.destroy(fresh);
	}
	for (unsigned i = 0; i < 2 * N_FILES; i++) {
		unsigned j = i < N_FILES ? i : 2 * N_FILES - 1 - i;
		struct jpg_picture picture = decode_whole(decoder, file[j], &request);
		struct bytes got = samples_of(&picture);

		EXPECT(are_same(got, want[j]));
		free(got.at);
	}
	for (unsigned i = 0; i < N_FILES; i++) {
		free(file[i].at);
		free(want[i].at);
	}
	jpeg_reader.destroy(decoder);
}

TEST(jpeg, the_memory_estimate_of_the_decoder_is_an_upper_bound)
{
	const uint64_t n_samples = 640 * 480 * 3 / 2, slack = 4 << 20;
	struct jpeg_settings settings = {.width = 640,
	                                 .height = 480,
	                                 .drawing = DRAWING_BUSY,
	                                 .h = {2},
	                                 .v = {2},
	                                 .quality = 90,
	                                 .script = SCRIPT_USUAL};
	struct bytes file = jpeg_encode(&settings);
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_header header;
	struct jpg_request request = request_of(JPG_FULL);
	struct jpg_picture picture;
	uint64_t estimate;
	size_t n_before;

	n_before = heap_bytes();
	REQUIRE(jpg_decoder_open(decoder, file.at, file.n, &header) == READ_OK);
	estimate = jpg_memory_estimate(&header, &request, file.n);
	REQUIRE(jpg_decoder_decode(decoder, &request, &picture) == READ_OK);
	/* In a sanitizer build, heap_bytes() does not count the memory of the decoder. */
	EXPECT(heap_bytes() - n_before <= estimate, "%zu bytes", heap_bytes() - n_before);
	/* The estimate includes at least samples, coefficients, and a mask of 8 bytes for each
	 * block. */
	EXPECT(estimate >= n_samples * 3 + n_samples / 8);
	EXPECT(estimate <= n_samples * 6 + slack);
	request = request_of(JPG_EIGHTH);
	EXPECT(jpg_memory_estimate(&header, &request, file.n) < estimate / 2 + slack);

	/* A header with the largest possible size must not make the estimate overflow. */
	header.width = header.height = 65535;
	request = request_of(JPG_FULL);
	EXPECT(jpg_memory_estimate(&header, &request, file.n) >
	       UINT64_C(65535) * 65535 * 9 / 2);
	free(file.at);
	jpeg_reader.destroy(decoder);
}

TEST(jpeg, a_decoder_still_works_after_trimming_has_freed_its_memory)
{
	struct jpeg_settings settings = {.width = 100, .height = 80, .quality = 80};
	struct bytes file = jpeg_encode(&settings);
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_request request = request_of(JPG_FULL);
	struct jpg_picture picture = decode_whole(decoder, file, &request);
	struct bytes first = samples_of(&picture), second;

	EXPECT_TRIMS(jpeg_reader.trim, decoder);
	picture = decode_whole(decoder, file, &request);
	second = samples_of(&picture);
	EXPECT(are_same(first, second));
	free(first.at);
	free(second.at);
	free(file.at);
	jpeg_reader.destroy(decoder);
	jpeg_reader.destroy(NULL);
}
