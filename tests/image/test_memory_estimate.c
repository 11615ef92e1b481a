/* Tests of the estimate of memory that a picture will need, from headers that are correct,
 * truncated or forged. */
#include "support/test.h"

#include "image/memory_estimate.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

static const struct recipe small = {.geometry = {.width = 64, .height = 64},
                                    .format = FORMAT_JPEG};

static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("picture", MFD_CLOEXEC);

	REQUIRE(fd >= 0 && fd_write_all(fd, bytes, n));
	return fd;
}

static bool look_at(const void *bytes, size_t n, const char *name,
                    struct picture_header *ret_header)
{
	int fd = file_of(bytes, n);
	bool is_seen = picture_header_read(fd, n, name, ret_header);

	close(fd);
	return is_seen;
}

/* The engine that reads most formats: vips, or the last engine of the table if vips is missing. */
static const struct engine *engine_of_most(void)
{
	size_t i = 0;

	while (engines[i + 1] && strcmp(engines[i]->name, "vips") != 0)
		i++;
	return engines[i];
}

/* Skip a test of values that are only known for the vips engine. */
#define SKIP_WITHOUT_VIPS()                                                              \
	do {                                                                             \
		if (strcmp(engine_of_most()->name, "vips") != 0)                         \
			SKIP("this build has no vips engine");                           \
	} while (0)

/* The memory estimate of this picture. */
static uint64_t estimate(const struct picture_header *header, const struct recipe *recipe,
                         uint64_t input_bytes, uint64_t n_frames)
{
	const struct picture_variant variant = {.recipe = recipe};

	return memory_estimate(engine_of_most(), engine_of_most(), header, &variant, 1,
	                       input_bytes, n_frames);
}

static size_t read_sample(const char *name, uint8_t *bytes, size_t n_bytes)
{
	const char *samples = getenv("PIXPOOL_SAMPLES");
	char path[1024];
	ssize_t n;
	int fd;

	REQUIRE(samples != NULL, "PIXPOOL_SAMPLES is not set");
	snprintf(path, sizeof(path), "%s/pictures/%s", samples, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd_pread_full(fd, bytes, n_bytes, 0);
	fd_close(&fd);
	REQUIRE(n > 0);
	return (size_t)n;
}

static const struct {
	const char *name;
	enum image_format format;
	uint32_t width, height, n_frames;
} samples[] = {
	{"lake.jpg", FORMAT_JPEG, 640, 427, 1},
	{"dunes.jpg", FORMAT_JPEG, 640, 400, 1},
	{"balloon.png", FORMAT_PNG, 480, 480, 1},
	{"lighthouse.tiff", FORMAT_TIFF, 480, 640, 1},
	{"meadow.webp", FORMAT_WEBP, 560, 373, 1},
	{"pendulum.gif", FORMAT_GIF, 320, 240, 12},
};

TEST(memory_estimate,
     the_header_of_each_sample_picture_gives_its_size_and_a_small_estimate)
{
	static uint8_t bytes[64 * 1024];
	struct picture_header header;

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		size_t n = read_sample(samples[i].name, bytes, sizeof(bytes));

		EXPECT(look_at(bytes, n, samples[i].name, &header));
		EXPECT_EQ(header.format, samples[i].format);
		EXPECT_EQ(header.size.width, samples[i].width);
		EXPECT_EQ(header.size.height, samples[i].height);
		EXPECT_EQ(header.n_frames, samples[i].n_frames);
		EXPECT(estimate(&header, &small, n, 1) < 64 * MIB,
		       "%s: more than the allowance of a worker", samples[i].name);
	}
}

/* The estimate depends on the size at which a drawing is drawn, not on its natural size. */
TEST(memory_estimate, a_drawing_needs_memory_for_its_drawn_size)
{
	struct picture_header header = {.format = FORMAT_SVG,
	                                .size = {100000, 100000},
	                                .decoded = {64, 64},
	                                .n_frames = 1,
	                                .n_pixel_bytes = 4};
	struct recipe whole = {.format = FORMAT_PNG};

	SKIP_WITHOUT_VIPS();
	EXPECT(estimate(&header, &small, 0, 1) < 64 * MIB);
	EXPECT(picture_header_fits(&header, &small, 0));
	header.size = header.decoded = (struct size){4000, 4000};
	EXPECT(estimate(&header, &whole, 0, 1) > 250 * MIB);
	header.decoded = (struct size){100000, 100000};
	EXPECT(!picture_header_fits(&header, &whole, 0));
}

TEST(memory_estimate, the_estimate_for_webp_is_higher_with_lossless_and_with_alpha)
{
	const uint64_t n_pixels = 4000 * 2668;
	struct picture_header header = {.format = FORMAT_PNG,
	                                .size = {4000, 2668},
	                                .n_frames = 1,
	                                .n_pixel_bytes = 3};
	struct recipe webp = {.format = FORMAT_WEBP};
	uint64_t plain, lossless, with_alpha;

	plain = estimate(&header, &webp, 0, 1);
	EXPECT(plain > 13 * n_pixels);
	webp.lossless = true;
	lossless = estimate(&header, &webp, 0, 1);
	EXPECT(lossless > plain && lossless > 33 * n_pixels);
	webp.lossless = false;
	header.n_pixel_bytes = 4;
	with_alpha = estimate(&header, &webp, 0, 1);
	EXPECT(with_alpha > plain && with_alpha > 37 * n_pixels);
}

TEST(memory_estimate,
     a_webp_with_a_transparent_canvas_needs_the_memory_of_a_webp_with_alpha)
{
	struct picture_header header = {.format = FORMAT_JPEG,
	                                .size = {120, 80},
	                                .n_frames = 1,
	                                .n_pixel_bytes = 3};
	struct recipe contain = {
		.geometry = {.width = 7000, .height = 5000, .fit = FIT_CONTAIN},
		.format = FORMAT_WEBP};

	/* The canvas is transparent around the picture. So the WebP has alpha, and needs 37 bytes
	 * of memory for each pixel. */
	EXPECT(estimate(&header, &contain, 0, 1) > (uint64_t)37 * 7000 * 5000);
}

/* Headers are truncated, or one of their first 600 bytes is changed. */
TEST(memory_estimate, damaged_headers_are_read_in_bounded_time)
{
	static uint8_t bytes[64 * 1024];
	struct picture_header header;

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		size_t n = read_sample(samples[i].name, bytes, sizeof(bytes));
		int fd = file_of(bytes, n);

		for (size_t cut = 0; cut < n; cut += cut < 600 ? 1 : 997)
			picture_header_read(fd, cut, samples[i].name, &header);
		for (size_t at = 0; at < 600; at++) {
			uint8_t other = bytes[at] ^ 0xff;

			REQUIRE(pwrite(fd, &other, 1, (off_t)at) == 1);
			picture_header_read(fd, n, samples[i].name, &header);
			EXPECT(estimate(&header, &small, n, 1) >= 48 * MIB);
			REQUIRE(pwrite(fd, &bytes[at], 1, (off_t)at) == 1);
		}
		close(fd);
	}
}

/* A JPEG has 1.5 coefficients for each pixel in 4:2:0, and 3 coefficients in 4:4:4. Each of them
 * takes 2 bytes. */
TEST(memory_estimate,
     the_estimate_for_a_jpeg_of_several_scans_includes_all_its_coefficients)
{
	uint8_t jpeg[] =
		"\xff\xd8\xff\xe0\0\4xx\xff\xff\xc0\0\21\10\x1f\x40\x2e\xe0\3"
		"\1\x22\0\2\x11\1\3\x11\1\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0";
	const uint64_t n_pixels = 12000 * 8000;
	struct picture_header header;
	uint64_t baseline;

	SKIP_WITHOUT_VIPS();
	REQUIRE(look_at(jpeg, sizeof(jpeg) - 1, "x", &header));
	EXPECT_EQ(header.size.width, 12000);
	EXPECT_EQ(header.size.height, 8000);
	EXPECT_EQ(header.n_coefficient_bytes, 0);
	baseline = estimate(&header, &small, 0, 1);
	EXPECT(baseline < 80 * MIB);

	jpeg[10] = 0xc2;
	REQUIRE(look_at(jpeg, sizeof(jpeg) - 1, "x", &header));
	EXPECT_EQ(header.n_coefficient_bytes, 3 * n_pixels);
	EXPECT_EQ(estimate(&header, &small, 0, 1), baseline + 3 * n_pixels);
	jpeg[20] = 0x11;
	REQUIRE(look_at(jpeg, sizeof(jpeg) - 1, "x", &header));
	EXPECT_EQ(header.n_coefficient_bytes, 6 * n_pixels);

	/* A baseline JPEG whose first scan has one component of three. */
	jpeg[10] = 0xc0;
	jpeg[32] = 1;
	REQUIRE(look_at(jpeg, sizeof(jpeg) - 1, "x", &header));
	EXPECT_EQ(header.n_coefficient_bytes, 6 * n_pixels);
}

TEST(memory_estimate, the_estimate_for_an_interlaced_png_includes_the_whole_picture)
{
	uint8_t png[] =
		"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x27\x10\0\0\x27\x10\x10\6\0\0\0"
		"....\0\0\0\10acTL\0\0\0\7\0\0\0\0....\0\0\0\0IDAT";
	struct picture_header header;
	uint64_t in_sequence;

	SKIP_WITHOUT_VIPS();
	REQUIRE(look_at(png, sizeof(png) - 1, "x", &header));
	EXPECT_EQ(header.n_pixel_bytes, 8); /* the pixels are RGBA with 16 bits */
	EXPECT_EQ(header.n_frames, 7);
	in_sequence = estimate(&header, &small, 0, 1);
	png[28] = 1;
	REQUIRE(look_at(png, sizeof(png) - 1, "x", &header));
	EXPECT_EQ(estimate(&header, &small, 0, 1) - in_sequence,
	          (int64_t)8 * 10000 * (10000 - 2048));
}

TEST(memory_estimate, impossible_side_lengths_do_not_give_a_small_estimate)
{
	uint8_t png[] =
		"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff\x10\6"
		"\0\0\1....";
	struct recipe same = {.format = FORMAT_JXL, .max_pixels = UINT64_MAX};
	struct picture_header header;

	REQUIRE(look_at(png, sizeof(png) - 1, "x", &header));
	EXPECT(estimate(&header, &same, UINT64_MAX, UINT64_MAX) > (uint64_t)1 << 50);
	EXPECT(estimate(&header, &same, UINT64_MAX, UINT64_MAX) <= INT64_MAX);
	EXPECT(!picture_header_fits(&header, &small, 0));
	EXPECT(picture_header_fits(&header, &same, 0));
}

TEST(memory_estimate, impossible_tile_heights_do_not_give_a_small_estimate)
{
	static const uint32_t tile_heights[] = {INT32_MAX, (uint32_t)INT32_MAX + 1,
	                                        UINT32_MAX};
	struct picture_header header = {.format = FORMAT_TIFF,
	                                .size = {1000, 100000},
	                                .n_frames = 1,
	                                .n_pixel_bytes = 3};

	SKIP_WITHOUT_VIPS();
	for (size_t i = 0; i < sizeof(tile_heights) / sizeof(tile_heights[0]); i++) {
		header.tile_height = tile_heights[i];
		EXPECT(estimate(&header, &small, 0, 1) >
		       (uint64_t)1000 * 100000 * header.n_pixel_bytes);
	}
}

TEST(memory_estimate, a_picture_with_more_frames_than_the_limit_is_too_big)
{
	static uint8_t bytes[64 * 1024];
	size_t n = read_sample("pendulum.gif", bytes, sizeof(bytes));
	struct recipe recipe = small;
	struct picture_header header;
	struct failure failure = {0};

	REQUIRE(look_at(bytes, n, "x", &header));
	EXPECT(picture_header_check_frames(&header, &recipe, &failure));
	recipe.max_frames = 12;
	EXPECT(picture_header_check_frames(&header, &recipe, &failure));
	recipe.max_frames = 11;
	EXPECT(!picture_header_check_frames(&header, &recipe, &failure));
	EXPECT_EQ(failure.class, FAIL_TOO_BIG);
	EXPECT_STR(failure.text, "header: the image has 12 frames; the limit is 11");
}

/* The fuzzer `picture_header` found the two headers of this test. */
TEST(memory_estimate,
     a_gif_without_frames_counts_as_one_frame_and_a_png_of_width_0_is_refused)
{
	static const uint8_t frameless[] = "GIF89a\2\0\3\0\0\0\0;";
	static const uint8_t flat[] = "\211PNG\r\n\032\n\0\0\0\15IHDR"
				      "\0\0\0\0\0\0\0\7\10\2\0\0\0";
	struct picture_header header;

	REQUIRE(look_at(frameless, sizeof(frameless) - 1, "x", &header));
	EXPECT_EQ(header.size.width, 2);
	EXPECT_EQ(header.n_frames, 1);
	EXPECT(!look_at(flat, sizeof(flat) - 1, "x", &header));
	EXPECT_EQ(header.size.height, 0);
}

TEST(memory_estimate, the_size_of_a_tiff_is_read_in_both_byte_orders)
{
	static const uint8_t little[] = "II*\0\10\0\0\0\4\0"
					"\0\1\3\0\1\0\0\0\x10\x27\0\0"
					"\1\1\4\0\1\0\0\0\x20\x4e\0\0"
					"\x15\1\3\0\1\0\0\0\4\0\0\0"
					"\x43\1\3\0\1\0\0\0\0\1\0\0"
					"\10\0\0\0";
	static const uint8_t large[] = "MM\0*\0\0\0\10\0\3"
				       "\1\0\0\3\0\0\0\1\x27\x10\0\0"
				       "\1\1\0\4\0\0\0\1\0\0\x4e\x20"
				       "\1\2\0\3\0\0\0\1\0\x10\0\0"
				       "\0\0\0\10";
	struct picture_header header;

	REQUIRE(look_at(little, sizeof(little) - 1, "x", &header));
	EXPECT_EQ(header.size.width, 10000);
	EXPECT_EQ(header.size.height, 20000);
	EXPECT_EQ(header.n_pixel_bytes, 4);
	EXPECT_EQ(header.tile_height, 256);
	REQUIRE(look_at(large, sizeof(large) - 1, "x", &header));
	EXPECT_EQ(header.size.width, 10000);
	EXPECT_EQ(header.size.height, 20000);
	EXPECT_EQ(header.n_pixel_bytes, 2);
}

TEST(memory_estimate, sample_depths_of_a_tiff_are_read_at_the_offset_in_their_tag)
{
	enum { ARRAY_AT = 70000 };
	static const uint8_t large[] = "MM\0*\0\0\0\10\0\4"
				       "\1\0\0\3\0\0\0\1\x27\x10\0\0"
				       "\1\1\0\4\0\0\0\1\0\0\x4e\x20"
				       "\1\2\0\3\0\0\0\4\0\0\0\x3e"
				       "\1\x15\0\3\0\0\0\1\0\4\0\0"
				       "\0\0\0\0\0\x20\0\x20\0\x20\0\x20";
	static const uint8_t little[] = "II*\0\10\0\0\0\4\0"
					"\0\1\3\0\1\0\0\0\x10\x27\0\0"
					"\1\1\4\0\1\0\0\0\x20\x4e\0\0"
					"\2\1\3\0\4\0\0\0\x70\x11\1\0"
					"\x15\1\3\0\1\0\0\0\4\0\0";
	static uint8_t far[ARRAY_AT + 8];
	struct picture_header header;

	REQUIRE(look_at(large, sizeof(large) - 1, "x", &header));
	EXPECT_EQ(header.n_pixel_bytes, 16);
	memcpy(far, little, sizeof(little));
	for (size_t i = 0; i < 4; i++)
		far[ARRAY_AT + 2 * i] = 32;
	REQUIRE(look_at(far, sizeof(far), "x", &header));
	EXPECT_EQ(header.n_pixel_bytes, 16);
}

/* The limits are 65535 samples and 128 bits for a sample. */
TEST(memory_estimate, all_samples_of_a_tiff_count_up_to_the_limits)
{
	static const struct {
		uint32_t n_bits, n_samples;
		unsigned n_pixel_bytes;
	} cases[] = {
		{16, 16, 32},
		{8, 17, 17},
		{16, 300, 600},
		{128, 1, 16},
		{UINT32_MAX, UINT32_MAX, 16 * UINT16_MAX},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t file[] = "MM\0*\0\0\0\10\0\4"
				 "\1\0\0\3\0\0\0\1\x27\x10\0\0"
				 "\1\1\0\4\0\0\0\1\0\0\x4e\x20"
				 "\1\2\0\4\0\0\0\1bits"
				 "\1\x15\0\4\0\0\0\1many";
		struct picture_header header;

		for (unsigned k = 0; k < 4; k++) {
			file[42 + k] = (uint8_t)(cases[i].n_bits >> (24 - 8 * k));
			file[54 + k] = (uint8_t)(cases[i].n_samples >> (24 - 8 * k));
		}
		REQUIRE(look_at(file, sizeof(file) - 1, "x", &header));
		EXPECT_EQ(header.n_pixel_bytes, cases[i].n_pixel_bytes);
	}
}

/* An entry of a BigTIFF has room for a value of 8 bytes. Width and height may be such values. */
TEST(memory_estimate, the_size_and_depth_of_a_bigtiff_are_read_in_both_byte_orders)
{
	static const uint8_t large[] = "MM\0+\0\10\0\0\0\0\0\0\0\0\0\x10"
				       "\0\0\0\0\0\0\0\4"
				       "\1\0\0\x10\0\0\0\0\0\0\0\1"
				       "\0\0\0\0\0\0\x27\x10"
				       "\1\1\0\4\0\0\0\0\0\0\0\1"
				       "\0\0\x4e\x20\0\0\0\0"
				       "\1\2\0\3\0\0\0\0\0\0\0\4"
				       "\0\x20\0\x20\0\x20\0\x20"
				       "\1\x15\0\3\0\0\0\0\0\0\0\1"
				       "\0\4\0\0\0\0\0\0";
	static const uint8_t little[] = "II+\0\10\0\0\0\x10\0\0\0\0\0\0\0"
					"\4\0\0\0\0\0\0\0"
					"\0\1\x10\0\1\0\0\0\0\0\0\0"
					"\x10\x27\0\0\0\0\0\0"
					"\1\1\4\0\1\0\0\0\0\0\0\0"
					"\x20\x4e\0\0\0\0\0\0"
					"\2\1\3\0\4\0\0\0\0\0\0\0"
					"\x20\0\x20\0\x20\0\x20\0"
					"\x15\1\3\0\1\0\0\0\0\0\0\0"
					"\4\0\0\0\0\0\0";
	const struct bytes_of_file {
		const uint8_t *at;
		size_t n;
	} files[] = {{large, sizeof(large) - 1}, {little, sizeof(little)}};

	for (size_t i = 0; i < 2; i++) {
		struct picture_header header;

		REQUIRE(look_at(files[i].at, files[i].n, "x", &header), "file %zu", i);
		EXPECT_EQ(header.size.width, 10000);
		EXPECT_EQ(header.size.height, 20000);
		EXPECT_EQ(header.n_pixel_bytes, 16);
	}
}
