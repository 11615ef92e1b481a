/* A writer of PPM files. */
#include "samples/picture.h"

#include "support/test.h"

#include <stdio.h>

void picture_write(const char *path, int width, int height, picture_fn *paint)
{
	FILE *file = fopen(path, "wb");
	unsigned char colour[3];

	REQUIRE(file != NULL);
	fprintf(file, "P6 %d %d 255\n", width, height);
	for (int y = 0; y < height; y++) {
		for (int x = 0; x < width; x++) {
			paint(x, y, colour);
			fwrite(colour, sizeof(colour), 1, file);
		}
	}
	REQUIRE(fclose(file) == 0);
}
