/* Tests of the sample resize_images, with good and broken pictures together. */
#include "samples/picture.h"
#include "samples/program.h"

#include "support/scratch.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#include <stb/stb_image.h>

/* The left half is red, the right half blue. */
static void two_halves(int x, int y, unsigned char *ret_colour)
{
	(void)y;
	memcpy(ret_colour, x < 200 ? "\xff\x00\x00" : "\x00\x00\xff", 3);
}

/* Read a pixel as 0xRRGGBBAA. */
static unsigned colour_at(const stbi_uc *pixels, int width, int x, int y)
{
	const stbi_uc *at = pixels + 4 * (y * width + x);

	return (unsigned)at[0] << 24 | (unsigned)at[1] << 16 | (unsigned)at[2] << 8 |
	       at[3];
}

static void expect_two_halves(const char *path)
{
	int width = 0, height = 0, n = 0;
	stbi_uc *pixels = stbi_load(path, &width, &height, &n, 4);

	REQUIRE(pixels != NULL);
	EXPECT_EQ(width, 128);
	EXPECT_EQ(height, 64);
	EXPECT_EQ(colour_at(pixels, width, 0, 0), 0xff0000ffU);
	EXPECT_EQ(colour_at(pixels, width, 60, 63), 0xff0000ffU);
	EXPECT_EQ(colour_at(pixels, width, 67, 0), 0x0000ffffU);
	EXPECT_EQ(colour_at(pixels, width, 127, 63), 0x0000ffffU);
	stbi_image_free(pixels);
}

TEST(resize_images, a_broken_picture_is_reported_and_the_other_pictures_are_resized)
{
	const char *samples = getenv("PIXPOOL_SAMPLES");
	struct transcript said;
	char lake[300], line[400];

	REQUIRE(samples != NULL);
	snprintf(lake, sizeof(lake), "%s/pictures/lake.jpg", samples);
	scratch_enter(NULL);
	scratch_folder("in");
	scratch_file("in/broken.jpg", "\xff\xd8\xff\xe0 and no more");
	picture_write("in/halves.ppm", 400, 200, two_halves);
	said = program_run((const char *const[]){
		PROGRAM, "in/broken.jpg", lake, "in/halves.ppm", "in/nowhere.png", NULL});

	EXPECT_EQ(said.status, 1);
	EXPECT_EQ(said.n, 4);
	EXPECT(transcript_has(&said, "in/halves.ppm -> halves.ppm.png"));
	snprintf(line, sizeof(line), "%s -> lake.jpg.png", lake);
	EXPECT(transcript_has(&said, line));
	EXPECT(transcript_has(&said, "in/nowhere.png: task failed: can't fopen"));
	EXPECT(scratch_text("broken.jpg.png") == NULL);
	EXPECT(scratch_text("lake.jpg.png") != NULL);
	expect_two_halves("halves.ppm.png");
	scratch_leave();
}

TEST(resize_images, the_sample_program_exits_with_0_for_a_picture_one_pixel_wide)
{
	struct transcript said;

	scratch_enter(NULL);
	picture_write("thin.ppm", 1, 900, two_halves);
	said = program_run((const char *const[]){PROGRAM, "thin.ppm", NULL});
	EXPECT_EQ(said.status, 0);
	EXPECT(transcript_has(&said, "thin.ppm -> thin.ppm.png"));
	scratch_leave();
}
