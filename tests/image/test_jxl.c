/* Tests of the reader of JPEG XL: colours of lossy files, depth, alpha, and unsupported
 * features. */
#include "support/test.h"

#include "image/icc.h"
#include "vips_fixture.h"

#include <jxl/encode.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 256, HEIGHT = 16 };

/* ---- files that libjxl makes ---- */

struct jxl_recipe {
	uint32_t n_colours;        /* colour bands, 1 or 3 */
	JxlExtraChannelType extra; /* the type of the additional channel */
	bool has_extra;            /* whether there is an additional channel */
	/* HDR transfer, with the primaries of BT.2100; 0: sRGB. */
	JxlTransferFunction transfer;
	/* With an HDR transfer: the primaries, or the white point, are given by coordinates. */
	bool has_custom_primaries, has_custom_white;
	unsigned n_frames; /* number of frames; 0 for a still picture */
	bool is_lossy;
};

static void add_frame(JxlEncoderFrameSettings *settings, const struct jxl_recipe *recipe,
                      unsigned value)
{
	static uint16_t samples[WIDTH * HEIGHT * 3], extra[WIDTH * HEIGHT];
	const JxlPixelFormat format = {recipe->n_colours, JXL_TYPE_UINT16,
	                               JXL_NATIVE_ENDIAN, 0};
	const JxlPixelFormat of_extra = {1, JXL_TYPE_UINT16, JXL_NATIVE_ENDIAN, 0};
	size_t n = (size_t)WIDTH * HEIGHT * recipe->n_colours;
	JxlFrameHeader header;

	for (size_t i = 0; i < n; i++)
		samples[i] = (uint16_t)value;
	memset(extra, 255, sizeof(extra));
	JxlEncoderInitFrameHeader(&header);
	header.duration = recipe->n_frames > 0;
	REQUIRE(JxlEncoderSetFrameHeader(settings, &header) == JXL_ENC_SUCCESS);
	REQUIRE(JxlEncoderAddImageFrame(settings, &format, samples,
	                                n * sizeof(samples[0])) == JXL_ENC_SUCCESS);
	if (recipe->has_extra)
		REQUIRE(JxlEncoderSetExtraChannelBuffer(settings, &of_extra, extra,
		                                        sizeof(extra),
		                                        0) == JXL_ENC_SUCCESS);
}

static void set_colours(JxlEncoder *encoder, const struct jxl_recipe *recipe)
{
	JxlColorEncoding colours;

	JxlColorEncodingSetToSRGB(&colours, recipe->n_colours == 1);
	if (recipe->transfer) {
		colours.primaries = JXL_PRIMARIES_2100;
		colours.transfer_function = recipe->transfer;
	}
	if (recipe->has_custom_primaries) {
		static const double red[] = {0.64, 0.33}, green[] = {0.21, 0.71},
				    blue[] = {0.15, 0.06};

		colours.primaries = JXL_PRIMARIES_CUSTOM;
		memcpy(colours.primaries_red_xy, red, sizeof(red));
		memcpy(colours.primaries_green_xy, green, sizeof(green));
		memcpy(colours.primaries_blue_xy, blue, sizeof(blue));
	}
	if (recipe->has_custom_white) {
		colours.white_point = JXL_WHITE_POINT_CUSTOM;
		colours.white_point_xy[0] = 0.3457;
		colours.white_point_xy[1] = 0.3585;
	}
	REQUIRE(JxlEncoderSetColorEncoding(encoder, &colours) == JXL_ENC_SUCCESS);
}

static void set_info(JxlEncoder *encoder, const struct jxl_recipe *recipe)
{
	JxlBasicInfo info;
	JxlExtraChannelInfo extra;

	JxlEncoderInitBasicInfo(&info);
	info.xsize = WIDTH;
	info.ysize = HEIGHT;
	info.bits_per_sample = 16;
	info.num_color_channels = recipe->n_colours;
	info.num_extra_channels = recipe->has_extra;
	info.alpha_bits = recipe->has_extra && recipe->extra == JXL_CHANNEL_ALPHA ? 16
	                                                                          : 0;
	info.uses_original_profile = !recipe->is_lossy;
	if (recipe->n_frames) {
		info.have_animation = JXL_TRUE;
		info.animation.tps_numerator = 10;
		info.animation.tps_denominator = 1;
	}
	REQUIRE(JxlEncoderSetCodestreamLevel(encoder, 10) == JXL_ENC_SUCCESS);
	REQUIRE(JxlEncoderSetBasicInfo(encoder, &info) == JXL_ENC_SUCCESS);
	if (!recipe->has_extra)
		return;
	JxlEncoderInitExtraChannelInfo(recipe->extra, &extra);
	extra.bits_per_sample = 16;
	REQUIRE(JxlEncoderSetExtraChannelInfo(encoder, 0, &extra) == JXL_ENC_SUCCESS);
}

/* Make a picture whose samples all have the same value. Frames after the first are black. */
static struct blob make_jxl(const struct jxl_recipe *recipe, unsigned value)
{
	JxlEncoder *encoder = JxlEncoderCreate(NULL);
	JxlEncoderFrameSettings *settings;
	struct blob blob = {0};
	JxlEncoderStatus status = JXL_ENC_NEED_MORE_OUTPUT;

	REQUIRE(encoder != NULL);
	set_info(encoder, recipe);
	set_colours(encoder, recipe);
	settings = JxlEncoderFrameSettingsCreate(encoder, NULL);
	JxlEncoderSetFrameLossless(settings, !recipe->is_lossy);
	add_frame(settings, recipe, value);
	for (unsigned i = 1; i < recipe->n_frames; i++)
		add_frame(settings, recipe, 0);
	JxlEncoderCloseInput(encoder);
	while (status == JXL_ENC_NEED_MORE_OUTPUT) {
		uint8_t bytes[4096], *next = bytes;
		size_t n_left = sizeof(bytes);

		status = JxlEncoderProcessOutput(encoder, &next, &n_left);
		blob_append(&blob, bytes, sizeof(bytes) - n_left);
	}
	REQUIRE(status == JXL_ENC_SUCCESS);
	JxlEncoderDestroy(encoder);
	return blob;
}

static struct outcome run_jxl(const struct blob *blob, const char *words)
{
	struct recipe recipe = recipe_of_words(words, FORMAT_PNG, ENGINE_VIPS);

	return run_picture(blob, "a.jxl", &recipe);
}

/* ---- tests ---- */

/* The levels 0 to 63 of a gradient. For these dark levels, 8-bit linear light has only a few
 * values. */
TEST(jxl, a_lossy_file_with_a_profile_keeps_its_dark_levels)
{
	const struct png_gamma adobe = {
		.gamma = 45455,
		.has_primaries = true,
		.xy = {31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000}};
	struct recipe recipe = recipe_of_words("profile keep; keep icc", FORMAT_PNG,
	                                       ENGINE_VIPS);
	uint8_t ramp[WIDTH * HEIGHT * 3], *profile;
	VipsImage *image, *result;
	struct blob jxl;
	size_t n;

	for (int i = 0; i < WIDTH * HEIGHT * 3; i++)
		ramp[i] = (uint8_t)(i / 3 % WIDTH / 4);
	REQUIRE(icc_of_png_gamma(&adobe, false, &profile, &n) == ICC_MADE);
	vips_fixture_start();
	image = image_of_bytes(ramp, WIDTH, HEIGHT, 3);
	vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile, n);
	jxl = encoded(image, ".jxl[Q=95]");
	result = cooked(&jxl, &recipe);
	for (int x = 2; x < WIDTH; x += 4) {
		double wanted[] = {x / 4, x / 4, x / 4};

		is_colour(result, x, 8, wanted, 2);
	}
	EXPECT(vips_image_get_typeof(result, VIPS_META_ICC_NAME) != 0);
	g_object_unref(result);
	g_object_unref(image);
	blob_fini(&jxl);
	free(profile);
}

/* The bytes at the end make the profile long, but do not change its meaning. They are noise,
 * because libjxl refuses a profile that is compressed too well. */
TEST(jxl, a_jxl_with_a_profile_of_more_than_4_mib_is_unsupported)
{
	enum { N_PROFILE = (4 << 20) + 4 };
	static uint8_t noise[N_PROFILE], pixels[WIDTH * HEIGHT * 3];
	struct blob profile = make_rgb_profile("gamma 1.8", 1.8), jxl;
	struct outcome outcome;
	uint32_t state = 1;
	VipsImage *image;

	for (size_t i = 0; i < N_PROFILE; i++) {
		state = state * 1664525 + 1013904223;
		noise[i] = (uint8_t)(state >> 31);
	}
	blob_append(&profile, noise, N_PROFILE - profile.n);
	put_big_endian(profile.bytes, N_PROFILE, 4);
	vips_fixture_start();
	image = image_of_bytes(pixels, WIDTH, HEIGHT, 3);
	vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile.bytes, profile.n);
	jxl = encoded(image, ".jxl[lossless]");
	outcome = run_jxl(&jxl, "");
	EXPECT(!outcome.is_done);
	EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
	EXPECT(strstr(outcome.answer.failure.text, "more than 4 MiB") != NULL, "%s",
	       outcome.answer.failure.text);
	outcome_fini(&outcome);
	g_object_unref(image);
	blob_fini(&jxl);
	blob_fini(&profile);
}

TEST(jxl, samples_of_16_bits_and_grey_are_decoded_exactly)
{
	static const struct jxl_recipe recipes[] = {
		{.n_colours = 3},
		{.n_colours = 1},
		{.n_colours = 3, .has_extra = true, .extra = JXL_CHANNEL_ALPHA},
		{.n_colours = 1, .has_extra = true, .extra = JXL_CHANNEL_ALPHA},
	};
	struct recipe recipe = recipe_of_words("depth keep", FORMAT_PNG, ENGINE_VIPS);

	for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++) {
		struct blob blob = make_jxl(&recipes[i], 12345);
		int n_bands = (int)recipes[i].n_colours + recipes[i].has_extra;
		VipsImage *image = cooked(&blob, &recipe);

		EXPECT_EQ(vips_image_get_bands(image), n_bands);
		EXPECT_EQ(value_at(image, 8, 8, 0), 12345);
		if (recipes[i].has_extra)
			EXPECT_EQ(value_at(image, 8, 8, n_bands - 1), 65535);
		g_object_unref(image);
		blob_fini(&blob);
	}
}

TEST(jxl, cmyk_and_spot_colours_are_unsupported)
{
	static const JxlExtraChannelType extras[] = {
		JXL_CHANNEL_BLACK, JXL_CHANNEL_SPOT_COLOR, JXL_CHANNEL_CFA};

	for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
		const struct jxl_recipe recipe = {
			.n_colours = 3, .has_extra = true, .extra = extras[i]};
		struct blob blob = make_jxl(&recipe, 12345);
		struct outcome outcome = run_jxl(&blob, "");

		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

/* Check that a picture with this level becomes white in SDR, and that its HDR is reported lost. */
static void expect_white_sdr(const struct jxl_recipe *recipe, unsigned level)
{
	static const uint8_t white[] = {250, 250, 250};
	struct blob blob = make_jxl(recipe, level);
	struct outcome outcome = run_jxl(&blob, "profile srgb");

	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT_EQ(outcome.answer.out[0].lost, LOST_HDR);
	EXPECT(pixel_is_near(&outcome, 8, 8, white));
	outcome_fini(&outcome);
	blob_fini(&blob);
}

/* White paper is at 58 % of the PQ range and 75 % of the HLG range. */
TEST(jxl, an_hdr_jxl_is_converted_to_sdr_and_the_loss_is_reported)
{
	static const struct jxl_recipe recipes[] = {
		{.n_colours = 3, .transfer = JXL_TRANSFER_FUNCTION_PQ},
		{.n_colours = 3, .transfer = JXL_TRANSFER_FUNCTION_HLG},
		{.n_colours = 3, .transfer = JXL_TRANSFER_FUNCTION_PQ, .is_lossy = true},
		{.n_colours = 3,
	         .transfer = JXL_TRANSFER_FUNCTION_HLG,
	         .is_lossy = true}};
	static const unsigned whites[] = {38070, 49151};

	for (size_t i = 0; i < 4; i++)
		expect_white_sdr(&recipes[i], whites[i % 2]);
}

TEST(jxl, a_grey_hdr_jxl_is_converted_to_sdr)
{
	const struct jxl_recipe recipe = {.n_colours = 1,
	                                  .transfer = JXL_TRANSFER_FUNCTION_PQ};

	expect_white_sdr(&recipe, 38070);
}

TEST(jxl, an_hdr_jxl_with_custom_primaries_or_a_custom_white_point_is_unsupported)
{
	for (int i = 0; i < 2; i++) {
		const struct jxl_recipe recipe = {.n_colours = 3,
		                                  .transfer = JXL_TRANSFER_FUNCTION_PQ,
		                                  .has_custom_primaries = i == 0,
		                                  .has_custom_white = i == 1};
		struct blob blob = make_jxl(&recipe, 38070);
		struct outcome outcome = run_jxl(&blob, "profile srgb");

		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		EXPECT(strstr(outcome.answer.failure.text,
		              "HDR with custom primaries or a custom white point") !=
		               NULL,
		       "%s", outcome.answer.failure.text);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

TEST(jxl, the_first_frame_of_an_animation_is_read_and_the_others_are_reported_lost)
{
	const struct jxl_recipe recipe = {.n_colours = 3, .n_frames = 3};
	static const uint8_t grey[] = {128, 128, 128};
	struct blob blob = make_jxl(&recipe, 128 * 257);
	struct outcome outcome = run_jxl(&blob, "");

	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT_EQ(outcome.answer.out[0].lost, LOST_ANIMATION);
	EXPECT(pixel_is_near(&outcome, 8, 8, grey));
	outcome_fini(&outcome);
	blob_fini(&blob);
}

TEST(jxl, a_truncated_jxl_is_a_bad_image)
{
	const struct jxl_recipe recipe = {.n_colours = 3};
	struct blob blob = make_jxl(&recipe, 12345);

	for (size_t n = 2; n < blob.n; n++) {
		struct blob cut = blob;
		struct outcome outcome;

		cut.n = n;
		outcome = run_jxl(&cut, "");
		EXPECT(!outcome.is_done);
		EXPECT_EQ(outcome.answer.failure.class, FAIL_BAD_IMAGE);
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
}
