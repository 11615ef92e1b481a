/* The file is read back by NumPy's description of its format, and its values are computed
 * from the colours that went in. */
#include "samples/picture.h"
#include "samples/program.h"

#include "support/scratch.h"
#include "support/test.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 224, N_VALUES = 3 * SIDE * SIDE };

static void pink(int x, int y, unsigned char *ret_colour)
{
	(void)x, (void)y;
	memcpy(ret_colour, "\xff\x00\x80", 3);
}

/* Red tells the column and green the row, in the 256 x 256 at the middle of 512 x 256. */
static void places(int x, int y, unsigned char *ret_colour)
{
	int column = x - 128;

	ret_colour[0] = (unsigned char)(column < 0 ? 0 : column > 255 ? 255 : column);
	ret_colour[1] = (unsigned char)y;
	ret_colour[2] = 77;
}

static double normal(int plane, int value)
{
	static const double mean[] = {0.485, 0.456, 0.406};
	static const double deviation[] = {0.229, 0.224, 0.225};

	return (value / 255.0 - mean[plane]) / deviation[plane];
}

static void expect_value(const float *picture, int plane, int x, int y, int value)
{
	float got = picture[(plane * SIDE + y) * SIDE + x];

	EXPECT(fabs((double)got - normal(plane, value)) < 1e-4,
	       "plane %d at %d,%d is %f, expected %f", plane, x, y, (double)got,
	       normal(plane, value));
}

/* Read the head of version 1.0, whose dictionary must be this. */
static void expect_head(FILE *file, const char *dictionary)
{
	unsigned char start[10];
	char text[256] = "";
	size_t n;

	REQUIRE(fread(start, sizeof(start), 1, file) == 1);
	EXPECT(memcmp(start, "\x93NUMPY\1\0", 8) == 0);
	n = start[8] + 256U * start[9];
	EXPECT_EQ((sizeof(start) + n) % 64, 0);
	REQUIRE(n < sizeof(text) && fread(text, n, 1, file) == 1);
	EXPECT(strncmp(text, dictionary, strlen(dictionary)) == 0);
	EXPECT_EQ(strlen(dictionary) + strspn(text + strlen(dictionary), " "), n - 1);
	EXPECT_EQ(text[n - 1], '\n');
}

TEST(training_input, the_pictures_that_can_be_read_stand_in_the_file_in_their_order)
{
	static float pictures[2][N_VALUES];
	struct transcript said;
	FILE *file;

	scratch_enter(NULL);
	scratch_file("broken.jpg", "no picture");
	picture_write("pink.ppm", 300, 400, pink);
	picture_write("places.ppm", 512, 256, places);
	said = program_run((const char *const[]){PROGRAM, "input.npy", "places.ppm",
	                                         "broken.jpg", "pink.ppm", NULL});
	EXPECT_EQ(said.status, 1);
	REQUIRE(said.n == 3);
	EXPECT_STR(said.lines[0], "0: places.ppm");
	EXPECT_STR(said.lines[1], "broken.jpg: unknown image type");
	EXPECT_STR(said.lines[2], "1: pink.ppm");

	file = fopen("input.npy", "rb");
	REQUIRE(file != NULL);
	expect_head(file, "{'descr': '<f4', 'fortran_order': False, "
	                  "'shape': (2, 3, 224, 224), }");
	EXPECT_EQ(fread(pictures, sizeof(pictures[0]), 2, file), 2);
	EXPECT_EQ(fgetc(file), EOF);
	fclose(file);

	/* Of 256 rows and columns, 16 are cut off at each side. */
	for (int i = 0; i < SIDE; i += 37) {
		expect_value(pictures[0], 0, i, 5, 16 + i);
		expect_value(pictures[0], 1, 5, i, 16 + i);
		expect_value(pictures[0], 2, i, i, 77);
		expect_value(pictures[1], 0, i, i, 255);
		expect_value(pictures[1], 1, i, i, 0);
		expect_value(pictures[1], 2, i, i, 128);
	}
	scratch_leave();
}

TEST(training_input, succeeds_when_all_pictures_are_in_and_says_when_there_can_be_no_file)
{
	struct transcript said;

	scratch_enter(NULL);
	picture_write("pink.ppm", 224, 1000, pink);
	said = program_run((const char *const[]){PROGRAM, "input.npy", "pink.ppm", NULL});
	EXPECT_EQ(said.status, 0);
	said = program_run(
		(const char *const[]){PROGRAM, "no/input.npy", "pink.ppm", NULL});
	EXPECT_EQ(said.status, 1);
	EXPECT_EQ(said.n, 0);
	scratch_leave();
}
