/* A writer of PPM and a reader of BMP files. */
#include "bitmap.h"

#include "cli_fixture.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void paint(const char *path, unsigned width, unsigned height, unsigned n_bits)
{
	static const uint8_t colours[2][2][3] = {{{255, 0, 0}, {0, 255, 0}},
	                                         {{0, 0, 255}, {255, 255, 255}}};
	size_t n_room = (size_t)width * height * 6 + 64, n;
	uint8_t *bytes = malloc(n_room);

	REQUIRE(bytes != NULL);
	n = (size_t)snprintf((char *)bytes, n_room, "P6\n%u %u\n%u\n", width, height,
	                     n_bits == 16 ? 65535 : 255);
	for (unsigned y = 0; y < height; y++) {
		for (unsigned x = 0; x < width; x++) {
			const uint8_t *colour = colours[2 * y >= height][2 * x >= width];

			for (int band = 0; band < 3; band++) {
				bytes[n++] = colour[band];
				if (n_bits == 16)
					bytes[n++] = colour[band];
			}
		}
	}
	scratch_bytes(path, bytes, n);
	free(bytes);
}

struct bitmap {
	unsigned width, height;
	uint8_t bytes[1 << 20];
};

static unsigned number_at(const uint8_t *at)
{
	return at[0] | (unsigned)at[1] << 8 | (unsigned)at[2] << 16 |
	       (unsigned)at[3] << 24;
}

/* Read a 24-bit BMP file as stb_image_write writes it: the bottom row comes first, and each row is
 * padded to a multiple of 4 bytes. */
static const struct bitmap *open_bitmap(const char *path)
{
	static struct bitmap bitmap;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? fd_pread_full(fd, bitmap.bytes, sizeof(bitmap.bytes), 0)
	                    : -1;

	fd_close(&fd);
	REQUIRE(n > 54 && memcmp(bitmap.bytes, "BM", 2) == 0 && bitmap.bytes[28] == 24);
	bitmap.width = number_at(bitmap.bytes + 18);
	bitmap.height = number_at(bitmap.bytes + 22);
	REQUIRE((size_t)n >= 54 + (size_t)bitmap.height * ((bitmap.width * 3 + 3) & ~3U));
	return &bitmap;
}

static bool is_near(int a, int b)
{
	return abs(a - b) <= 24;
}

static char colour_at(const struct bitmap *bitmap, unsigned x, unsigned y)
{
	static const struct {
		char letter;
		uint8_t blue, green, red;
	} names[] = {
		{'r', 0, 0, 255},     {'g', 0, 255, 0},   {'b', 255, 0, 0},
		{'w', 255, 255, 255}, {'k', 0, 0, 0},     {'y', 0, 255, 255},
		{'m', 255, 0, 255},   {'c', 255, 255, 0},
	};
	const uint8_t *at = bitmap->bytes + 54 +
	                    (size_t)(bitmap->height - 1 - y) *
	                            ((bitmap->width * 3 + 3) & ~3U) +
	                    (size_t)x * 3;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is_near(at[0], names[i].blue) && is_near(at[1], names[i].green) &&
		    is_near(at[2], names[i].red))
			return names[i].letter;
	}
	return is_near(at[0], at[1]) && is_near(at[1], at[2]) ? 'e' : '?';
}

char look_at(const char *path, int x, int y)
{
	const struct bitmap *bitmap = open_bitmap(path);
	unsigned from_left = x < 0 ? bitmap->width - (unsigned)-x : (unsigned)x;
	unsigned from_top = y < 0 ? bitmap->height - (unsigned)-y : (unsigned)y;

	REQUIRE(from_left < bitmap->width && from_top < bitmap->height);
	return colour_at(bitmap, from_left, from_top);
}

const char *look(const char *path)
{
	static char text[64];
	const struct bitmap *bitmap = open_bitmap(path);
	unsigned left = bitmap->width / 4, right = bitmap->width - 1 - left;
	unsigned top = bitmap->height / 4, bottom = bitmap->height - 1 - top;

	snprintf(text, sizeof(text), "%ux%u %c%c/%c%c", bitmap->width, bitmap->height,
	         colour_at(bitmap, left, top), colour_at(bitmap, right, top),
	         colour_at(bitmap, left, bottom), colour_at(bitmap, right, bottom));
	return text;
}
