/*
 * Write the JPEG files with which fuzzing of the scaled decoder begins: `jpeg_seeds FOLDER`. There
 * is one file of each kind for each scale. The byte before the JPEG data selects the scale.
 */
#include "jpeg_maker.h"

#include <stdio.h>
#include <stdlib.h>

static const struct jpeg_settings kinds[] = {
	{.width = 40, .height = 30, .h = {2}, .v = {2}, .quality = 75},
	{.width = 9, .height = 7, .is_grey = true, .quality = 90},
	{.width = 33, .height = 17, .drawing = DRAWING_BUSY, .quality = 100},
	{.width = 50, .height = 20, .h = {4}, .v = {2}, .quality = 1, .restart = 1},
	{.width = 20,
         .height = 50,
         .h = {1},
         .v = {4},
         .quality = 50,
         .is_optimised = true},
	{.width = 30, .height = 30, .h = {2}, .quality = 60, .script = SCRIPT_ONE_EACH},
	{.width = 40,
         .height = 30,
         .h = {2},
         .v = {2},
         .quality = 75,
         .script = SCRIPT_USUAL},
	{.width = 30,
         .height = 20,
         .is_grey = true,
         .quality = 85,
         .script = SCRIPT_USUAL},
	{.width = 24,
         .height = 24,
         .drawing = DRAWING_BUSY,
         .h = {2},
         .v = {1},
         .quality = 80,
         .restart = 2,
         .script = SCRIPT_USUAL},
	{.width = 16,
         .height = 24,
         .drawing = DRAWING_BUSY,
         .quality = 70,
         .script = SCRIPT_RANDOM,
         .seed = 1},
	{.width = 40,
         .height = 16,
         .drawing = DRAWING_NOISE,
         .is_grey = true,
         .quality = 95,
         .script = SCRIPT_RANDOM,
         .seed = 2},
	{.width = 8, .height = 8, .quality = 75, .is_rgb = true},
	{.width = 8, .height = 8, .quality = 75, .is_ycck = true},
	{.width = 8, .height = 8, .quality = 75, .is_arithmetic = true},
};

static void write_seed(const char *folder, unsigned number, uint8_t choice,
                       struct bytes file)
{
	char path[4096];
	FILE *out;

	snprintf(path, sizeof(path), "%s/jpeg-%u", folder, number);
	out = fopen(path, "wb");
	if (!out || fwrite(&choice, 1, 1, out) != 1 ||
	    fwrite(file.at, 1, file.n, out) != file.n || fclose(out) != 0) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	unsigned number = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: jpeg_seeds FOLDER\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct bytes file = jpeg_encode(&kinds[i]);

		for (unsigned scale = 0; scale < 4; scale++)
			write_seed(argv[1], number++,
			           (uint8_t)(scale | scale << 2 | (i & 1) << 4), file);
		free(file.at);
	}
	return 0;
}
