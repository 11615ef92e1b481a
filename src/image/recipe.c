#include "image/recipe.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One side at *word, which moves past it. */
static bool parse_side(uint32_t *ret_side, const char **word, char *text, size_t n_text)
{
	const char *begin = *word;
	uint32_t side = 0;

	for (; is_digit(**word); (*word)++) {
		if (side <= RECIPE_MAX_SIDE)
			side = side * 10 + (uint32_t)(**word - '0');
	}
	*ret_side = side;
	if (side >= 1 && side <= RECIPE_MAX_SIDE)
		return true;
	snprintf(text, n_text, "'%.*s': a side is 1 to %d pixels", (int)(*word - begin),
	         begin, RECIPE_MAX_SIDE);
	return false;
}

bool geometry_parse(struct geometry *ret_geometry, const char *word, char *text,
                    size_t n_text)
{
	struct geometry geometry = {0};
	const char *next = word;
	bool has_x;

	if (is_digit(*next) && !parse_side(&geometry.width, &next, text, n_text))
		return false;
	has_x = *next == 'x';
	if (has_x)
		next++;
	if (has_x && is_digit(*next) &&
	    !parse_side(&geometry.height, &next, text, n_text))
		return false;
	if (*next) {
		snprintf(text, n_text,
		         "'%s' does not belong in a size: it is N, WxH, Wx or xH", next);
		return false;
	}
	if (!geometry.width && !geometry.height) {
		snprintf(text, n_text, "'%s' names no side: a size is N, WxH, Wx or xH",
		         word);
		return false;
	}
	if (!has_x)
		geometry.height = geometry.width;
	*ret_geometry = geometry;
	return true;
}

/*
 * The steps are those of libvips 8.14 (thumbnail.c, resize.c, reducev.cpp), in its own
 * doubles: a side that comes out at exactly a half rounds as there, whichever way that is.
 */
static uint32_t scale_side(uint32_t side, double scale)
{
	double scaled = scale < 1 ? side / (1 / scale) : side * scale;

	if (scaled < 1)
		return 1;
	return scaled + 0.5 >= UINT32_MAX ? UINT32_MAX : (uint32_t)(scaled + 0.5);
}

struct size geometry_size(const struct geometry *geometry, struct size from)
{
	double by_width = geometry->width ? (double)from.width / geometry->width : 0;
	double by_height = geometry->height ? (double)from.height / geometry->height : 0;
	double f = by_width > by_height ? by_width : by_height;

	if (f <= 0 || (f <= 1 && geometry->no_enlarge))
		return from;
	return (struct size){scale_side(from.width, 1 / f),
	                     scale_side(from.height, 1 / f)};
}

/*
 * Packed, little-endian, no padding: version 1 byte, format 1, quality 1, engine 1, flags 1,
 * zeros 3, width 4, height 4, max_pixels 8, max_file_bytes 8, max_frames 4, zeros 12, which
 * are there for later fields and must be zero until then.
 */
enum { PACKED_VERSION = 1, FLAG_NO_ENLARGE = 1, N_PACKED_USED = 36 };

static void put(uint8_t *at, uint64_t number, int n)
{
	for (int i = 0; i < n; i++)
		at[i] = (uint8_t)(number >> (8 * i));
}

static uint64_t get(const uint8_t *at, int n)
{
	uint64_t number = 0;

	for (int i = 0; i < n; i++)
		number |= (uint64_t)at[i] << (8 * i);
	return number;
}

void recipe_pack(const struct recipe *recipe, uint8_t bytes[RECIPE_PACKED_BYTES])
{
	memset(bytes, 0, RECIPE_PACKED_BYTES);
	bytes[0] = PACKED_VERSION;
	bytes[1] = (uint8_t)recipe->format;
	bytes[2] = recipe->quality;
	bytes[3] = (uint8_t)recipe->engine;
	bytes[4] = recipe->geometry.no_enlarge ? FLAG_NO_ENLARGE : 0;
	put(bytes + 8, recipe->geometry.width, 4);
	put(bytes + 12, recipe->geometry.height, 4);
	put(bytes + 16, recipe->max_pixels, 8);
	put(bytes + 24, recipe->max_file_bytes, 8);
	put(bytes + 32, recipe->max_frames, 4);
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	uint8_t seen = 0;

	for (size_t i = 0; i < n; i++)
		seen |= bytes[i];
	return seen == 0;
}

bool recipe_unpack(struct recipe *ret_recipe, const uint8_t *bytes, size_t n)
{
	if (n != RECIPE_PACKED_BYTES || bytes[0] != PACKED_VERSION)
		return false;
	if (bytes[1] == FORMAT_NONE || bytes[1] >= N_FORMATS || bytes[2] > 100 ||
	    bytes[3] > ENGINE_STB || bytes[4] > FLAG_NO_ENLARGE ||
	    !is_zero(bytes + 5, 3) ||
	    !is_zero(bytes + N_PACKED_USED, RECIPE_PACKED_BYTES - N_PACKED_USED))
		return false;

	struct recipe recipe = {
		.geometry = {.width = (uint32_t)get(bytes + 8, 4),
	                     .height = (uint32_t)get(bytes + 12, 4),
	                     .no_enlarge = bytes[4] & FLAG_NO_ENLARGE},
		.format = (enum image_format)bytes[1],
		.quality = bytes[2],
		.engine = (enum engine_choice)bytes[3],
		.max_pixels = get(bytes + 16, 8),
		.max_file_bytes = get(bytes + 24, 8),
		.max_frames = (uint32_t)get(bytes + 32, 4),
	};

	if (recipe.geometry.width > RECIPE_MAX_SIDE ||
	    recipe.geometry.height > RECIPE_MAX_SIDE)
		return false;
	*ret_recipe = recipe;
	return true;
}
