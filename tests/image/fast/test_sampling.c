/* Reduces JPEG files with eight kinds of chroma subsampling to small pictures. The decoder must not
 * start from too few chroma samples. */
#include "support/test.h"

#include "image/fast/codec.h"
#include "image/header/metadata_scan.h"
#include "jpeg_maker.h"
#include "vips_fixture.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 640, HEIGHT = 480, SMALL_WIDTH = 40 };

static const unsigned samplings[][2] = {{1, 1}, {2, 2}, {2, 1}, {1, 2},
                                        {4, 1}, {1, 4}, {4, 2}, {2, 4}};
enum { N_SAMPLINGS = sizeof(samplings) / sizeof(samplings[0]) };

static struct blob make_sampled(const unsigned sampling[2])
{
	const struct jpeg_settings settings = {
		.width = WIDTH,
		.height = HEIGHT,
		.drawing = DRAWING_SMOOTH,
		.h = {sampling[0], 1, 1},
		.v = {sampling[1], 1, 1},
		.quality = 92,
		.seed = 5,
	};
	struct bytes bytes = jpeg_encode(&settings);
	struct blob blob = {0};

	blob_append(&blob, bytes.at, bytes.n);
	free(bytes.at);
	return blob;
}

/* Decode all pixels, and then reduce them. */
static VipsImage *reduce_exactly(const struct blob *jpeg)
{
	VipsImage *whole = decoded(jpeg), *small, *memory;

	REQUIRE(!vips_resize(whole, &small, (double)SMALL_WIDTH / WIDTH, NULL));
	memory = vips_image_copy_memory(small);
	g_object_unref(small);
	g_object_unref(whole);
	return memory;
}

static double quality_of(const struct blob *jpeg, const char *words,
                         enum image_format format)
{
	struct recipe recipe = recipe_of_words(words, format, ENGINE_AUTO);
	VipsImage *want = reduce_exactly(jpeg), *got;
	double quality;

	got = cooked(jpeg, &recipe);
	quality = psnr(want, got);
	g_object_unref(want);
	g_object_unref(got);
	return quality;
}

TEST(sampling,
     scaling_is_at_most_5_db_less_accurate_for_any_chroma_subsampling_than_for_4_2_0)
{
	double least_by_vips = 0, least_by_fast = 0;

	vips_fixture_start();

	for (int i = 0; i < N_SAMPLINGS; i++) {
		/* All files show the same drawing. The first file is 4:2:0. */
		const unsigned *sampling = samplings[(i + 1) % N_SAMPLINGS];
		struct blob jpeg = make_sampled(sampling);
		double by_vips = quality_of(&jpeg, "size 40x40", FORMAT_PNG);
		double by_fast = quality_of(&jpeg, "size 40x40; quality 100; chroma 444",
		                            FORMAT_JPEG);

		if (i == 0) {
			least_by_vips = by_vips - 5;
			least_by_fast = by_fast - 5;
		}
		EXPECT(by_vips >= least_by_vips && by_fast >= least_by_fast,
		       "%ux%u: %g and %g dB, at least %g and %g", sampling[0],
		       sampling[1], by_vips, by_fast, least_by_vips, least_by_fast);
		blob_fini(&jpeg);
	}
}

/* Decode a JPEG for an output that is `ratio` times smaller. */
static struct decoded decode_for(void *state, const struct blob *jpeg, double ratio,
                                 bool has_half_chroma)
{
	const struct demand demand = {.ratio = ratio, .has_half_chroma = has_half_chroma};
	const struct read_request request = {&demand, 1, false};
	struct read_header header;
	struct decoded picture;

	REQUIRE(jpeg_reader.open(state, jpeg->bytes, jpeg->n, &header) == READ_OK);
	REQUIRE(jpeg_reader.decode(state, &request, &picture) == READ_OK);
	return picture;
}

/* Luma may be decoded at a half or a quarter of its size. Chroma of 4:2:0 has half as many samples
 * on each axis, so it must then be decoded at a larger part of its size. */
TEST(sampling, chroma_is_decoded_with_at_least_as_many_samples_as_the_output_has)
{
	void *state = jpeg_reader.create();
	struct blob jpeg = make_sampled(samplings[1]);

	REQUIRE(state != NULL);
	for (double ratio = 2; ratio < 16; ratio += 0.25) {
		for (int has_half = 0; has_half < 2; has_half++) {
			struct decoded picture = decode_for(state, &jpeg, ratio,
			                                    has_half);
			double wanted = WIDTH / ratio / (has_half ? 2 : 1);

			EXPECT(picture.planes[1].width >= (uint32_t)wanted,
			       "%g times smaller: %u samples, not %g", ratio,
			       picture.planes[1].width, wanted);
		}
	}
	jpeg_reader.destroy(state);
	blob_fini(&jpeg);
}

TEST(sampling, the_chroma_subsampling_is_read_from_the_frame_header)
{
	for (int i = 0; i < N_SAMPLINGS; i++) {
		struct blob jpeg = make_sampled(samplings[i]);
		struct chroma_ratio ratio = jpeg_chroma_ratio(jpeg.bytes, jpeg.n);

		EXPECT_EQ(ratio.across, samplings[i][0]);
		EXPECT_EQ(ratio.down, samplings[i][1]);
		/* Read copies of exactly n bytes, so that a sanitizer detects reads beyond
		 * the end. */
		for (size_t n = 0; n < 700 && n < jpeg.n; n++) {
			uint8_t *exact = malloc(n + (n == 0));

			REQUIRE(exact != NULL);
			memcpy(exact, jpeg.bytes, n);
			ratio = jpeg_chroma_ratio(exact, n);
			EXPECT(ratio.across >= 1 && ratio.across <= 4 &&
			       ratio.down >= 1 && ratio.down <= 4);
			free(exact);
		}
		blob_fini(&jpeg);
	}
}
