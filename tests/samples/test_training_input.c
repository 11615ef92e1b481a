/* Tests of the sample training_input: the array file is read as NumPy's documentation describes,
 * and expected values are computed from the colours of the pictures. */
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

/* The picture is 512 x 256 pixels large. In its middle square of 256 x 256 pixels, red is the
 * number of the column and green the number of the row. */
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

/* Read an array header of version 1.0, which must contain this dictionary. */
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

/* Open the array file input.npy, which must have the shape (n, 3, 224, 224). */
static FILE *open_array(int n)
{
	FILE *file = fopen("input.npy", "rb");
	char dictionary[128];

	REQUIRE(file != NULL);
	snprintf(dictionary, sizeof(dictionary),
	         "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 3, 224, 224), }",
	         n);
	expect_head(file, dictionary);
	return file;
}

static void expect_pink(const float *picture)
{
	for (int i = 0; i < SIDE; i += 37) {
		expect_value(picture, 0, i, i, 255);
		expect_value(picture, 1, i, i, 0);
		expect_value(picture, 2, i, i, 128);
	}
}

/* The sample crops 16 of the 256 rows and columns at each side. */
static void expect_places(const float *picture)
{
	for (int i = 0; i < SIDE; i += 37) {
		expect_value(picture, 0, i, 5, 16 + i);
		expect_value(picture, 1, 5, i, 16 + i);
		expect_value(picture, 2, i, i, 77);
	}
}

TEST(training_input, the_array_keeps_input_order_and_a_failed_picture_becomes_zeros)
{
	static float pictures[3][N_VALUES];
	struct transcript said;
	FILE *file;

	scratch_enter(NULL);
	scratch_file("broken.jpg", "no picture");
	picture_write("pink.ppm", 300, 400, pink);
	picture_write("places.ppm", 512, 256, places);
	said = program_run((const char *const[]){PROGRAM, "input.npy", "places.ppm",
	                                         "broken.jpg", "pink.ppm", NULL});
	EXPECT_EQ(said.status, 1);
	EXPECT_EQ(said.n, 3);
	EXPECT(transcript_has(&said, "0: places.ppm: done"));
	EXPECT(transcript_has(&said, "1: broken.jpg: unknown image type"));
	EXPECT(transcript_has(&said, "2: pink.ppm: done"));

	file = open_array(3);
	EXPECT_EQ(fread(pictures, sizeof(pictures[0]), 3, file), 3);
	EXPECT_EQ(fgetc(file), EOF);
	fclose(file);
	expect_places(pictures[0]);
	for (int i = 0; i < N_VALUES; i++)
		REQUIRE(pictures[1][i] == 0);
	expect_pink(pictures[2]);
	scratch_leave();
}

TEST(training_input, pictures_of_the_second_batch_follow_those_of_the_first)
{
	enum { N = 65 }; /* the number of pictures in a batch, plus one */
	static float picture[N_VALUES];
	const char *command[N + 3] = {PROGRAM, "input.npy"};
	struct program program;
	FILE *file;

	scratch_enter(NULL);
	picture_write("pink.ppm", 30, 40, pink);
	picture_write("places.ppm", 512, 256, places);
	for (int i = 0; i < N - 1; i++)
		command[2 + i] = "pink.ppm";
	command[2 + N - 1] = "places.ppm";
	program = program_start(command, NULL);
	while (program_line(&program))
		;
	EXPECT_EQ(program_end(&program), 0);

	file = open_array(N);
	for (int i = 0; i < N - 1; i++) {
		REQUIRE(fread(picture, sizeof(picture), 1, file) == 1);
		expect_pink(picture);
	}
	REQUIRE(fread(picture, sizeof(picture), 1, file) == 1);
	expect_places(picture);
	EXPECT_EQ(fgetc(file), EOF);
	fclose(file);
	scratch_leave();
}

TEST(training_input,
     the_sample_program_exits_with_0_for_good_pictures_and_reports_an_unwritable_output)
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
