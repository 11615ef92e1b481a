/* Converts recipes to the bytes that are sent to a worker, and back. */
#include "recipe/recipe.h"

#include "common/values.h"

#include <stddef.h>
#include <string.h>

/*
 * The packed form is little-endian without padding between fields. It consists of the version, the
 * fields in the order of walk_fields(), and zeros up to RECIPE_PACKED_BYTES. The same function
 * packs and unpacks all fields, so the two directions cannot differ.
 */
enum { PACKED_VERSION = 4 };

struct packing {
	uint8_t *at;
	bool is_reading;
	bool is_sound; /* all values unpacked so far are within their ranges */
};

static uint64_t pack_number(struct packing *packing, uint64_t number, int n_bytes)
{
	uint64_t read = 0;

	for (int i = 0; i < n_bytes; i++) {
		if (!packing->is_reading)
			packing->at[i] = (uint8_t)(number >> (8 * i));
		read |= (uint64_t)packing->at[i] << (8 * i);
	}
	packing->at += n_bytes;
	return read;
}

/* Pack or unpack a field of one byte. The valid values are `least` to `most`. */
static unsigned pack_small(struct packing *packing, unsigned number, unsigned least,
                           unsigned most)
{
	unsigned read = (unsigned)pack_number(packing, number, 1);

	if (read < least || read > most)
		packing->is_sound = false;
	return read >= least && read <= most ? read : least;
}

static bool pack_flag(struct packing *packing, bool flag)
{
	return pack_small(packing, flag, 0, 1);
}

/* Pack or unpack an enum. Its first value must be 0. */
#define PACK_CHOICE(packing, field, n_choices)                                           \
	((field) = (__typeof__(field))pack_small(packing, (unsigned)(field), 0,          \
	                                         (unsigned)(n_choices)-1))

/* Pack or unpack a word that consists of the letters a to z. The bytes after the word are zeros. */
static void pack_word(struct packing *packing, char *word, size_t n_bytes)
{
	bool has_ended = false;

	for (size_t i = 0; i < n_bytes; i++) {
		char letter = (char)pack_number(packing, (uint8_t)word[i], 1);
		bool is_letter = letter >= 'a' && letter <= 'z';

		if (letter && (!is_letter || has_ended || i + 1 == n_bytes))
			packing->is_sound = false;
		has_ended |= !letter;
		word[i] = letter;
	}
}

static double pack_decimal(struct packing *packing, double number)
{
	int64_t millionths = packing->is_reading ? 0 : decimal_to_millionths(number);

	return decimal_of_millionths(
		(int64_t)pack_number(packing, (uint64_t)millionths, 8));
}

static void pack_geometry(struct packing *packing, struct geometry *geometry)
{
	geometry->width = (uint32_t)pack_number(packing, geometry->width, 4);
	geometry->height = (uint32_t)pack_number(packing, geometry->height, 4);
	geometry->percent = pack_decimal(packing, geometry->percent);
	geometry->no_enlarge = pack_flag(packing, geometry->no_enlarge);
	geometry->no_reduce = pack_flag(packing, geometry->no_reduce);
	PACK_CHOICE(packing, geometry->fit, N_FITS);
	PACK_CHOICE(packing, geometry->position, N_POSITIONS);
	geometry->x_percent = pack_decimal(packing, geometry->x_percent);
	geometry->y_percent = pack_decimal(packing, geometry->y_percent);
}

static void pack_colour(struct packing *packing, struct colour *colour)
{
	colour->is_set = pack_flag(packing, colour->is_set);
	colour->red = (uint8_t)pack_number(packing, colour->red, 1);
	colour->green = (uint8_t)pack_number(packing, colour->green, 1);
	colour->blue = (uint8_t)pack_number(packing, colour->blue, 1);
	colour->alpha = (uint8_t)pack_number(packing, colour->alpha, 1);
}

static void pack_filters(struct packing *packing, struct filter_chain *chain)
{
	chain->n = pack_small(packing, (unsigned)chain->n, 0, FILTER_CHAIN_MAX);
	for (size_t i = 0; i < chain->n; i++) {
		struct filter *filter = &chain->at[i];

		filter->kind = (enum filter_kind)pack_small(packing, filter->kind, 1,
		                                            N_FILTER_KINDS - 1);
		for (int k = 0; k < FILTER_NUMBERS; k++)
			filter->number[k] = pack_decimal(packing, filter->number[k]);
	}
}

static void walk_fields(struct packing *packing, struct recipe *recipe)
{
	pack_geometry(packing, &recipe->geometry);
	recipe->linear = pack_flag(packing, recipe->linear);
	recipe->no_rotate = pack_flag(packing, recipe->no_rotate);
	PACK_CHOICE(packing, recipe->kernel, N_KERNELS);
	pack_colour(packing, &recipe->background);

	PACK_CHOICE(packing, recipe->space, N_COLOUR_SPACES);
	recipe->profile_hash = pack_number(packing, recipe->profile_hash, 8);
	PACK_CHOICE(packing, recipe->intent, N_INTENTS);
	PACK_CHOICE(packing, recipe->depth, N_DEPTHS);

	recipe->format = (enum image_format)pack_small(packing, recipe->format,
	                                               FORMAT_NONE + 1, N_FORMATS - 1);
	recipe->quality = (uint8_t)pack_small(packing, recipe->quality, 0, 100);
	recipe->has_effort = pack_flag(packing, recipe->has_effort);
	recipe->effort = (uint8_t)pack_small(packing, recipe->effort, 0,
	                                     RECIPE_MAX_EFFORT);
	recipe->lossless = pack_flag(packing, recipe->lossless);
	recipe->progressive = pack_flag(packing, recipe->progressive);
	PACK_CHOICE(packing, recipe->chroma, N_CHROMAS);
	recipe->keep = (uint8_t)pack_small(packing, recipe->keep, 0, KEEP_ALL);

	pack_word(packing, recipe->engine, sizeof(recipe->engine));
	PACK_CHOICE(packing, recipe->fail_on, N_FAIL_ONS);
	recipe->max_pixels = pack_number(packing, recipe->max_pixels, 8);
	recipe->max_frames = (uint32_t)pack_number(packing, recipe->max_frames, 4);
	recipe->max_file_bytes = pack_number(packing, recipe->max_file_bytes, 8);
	pack_filters(packing, &recipe->filters);
}

static bool position_is_sound(const struct geometry *geometry)
{
	if (geometry->position != POSITION_POINT)
		return geometry->x_percent == 0 && geometry->y_percent == 0;
	return geometry->x_percent >= 0 && geometry->x_percent <= 100 &&
	       geometry->y_percent >= 0 && geometry->y_percent <= 100;
}

static bool geometry_is_sound(const struct geometry *geometry)
{
	bool has_percent = geometry->percent != 0;

	return position_is_sound(geometry) && geometry->width <= RECIPE_MAX_SIDE &&
	       geometry->height <= RECIPE_MAX_SIDE &&
	       (!has_percent || (geometry->percent >= GEOMETRY_MIN_PERCENT &&
	                         geometry->percent <= GEOMETRY_MAX_PERCENT &&
	                         !geometry->width && !geometry->height));
}

static bool colour_is_sound(const struct colour *colour)
{
	return colour->is_set ||
	       !(colour->red | colour->green | colour->blue | colour->alpha);
}

/* "auto" is the value of a field, but not the name of an engine. */
static bool engine_is_sound(const struct recipe *recipe)
{
	return strcmp(recipe->engine, "auto") != 0;
}

/* If EXIF, XMP and IPTC are all kept, the class copyright must be kept too. */
static bool keep_is_sound(const struct recipe *recipe)
{
	const unsigned packets = KEEP_EXIF | KEEP_XMP | KEEP_IPTC;

	return (recipe->keep & packets) != packets || (recipe->keep & KEEP_COPYRIGHT);
}

void recipe_pack(const struct recipe *recipe, uint8_t bytes[RECIPE_PACKED_BYTES])
{
	struct packing packing = {.at = bytes + 1};
	struct recipe copy = *recipe;

	memset(bytes, 0, RECIPE_PACKED_BYTES);
	bytes[0] = PACKED_VERSION;
	walk_fields(&packing, &copy);
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
	uint8_t copy[RECIPE_PACKED_BYTES];
	struct packing packing = {.at = copy + 1, .is_reading = true, .is_sound = true};
	struct recipe recipe = {0};

	if (n != RECIPE_PACKED_BYTES || bytes[0] != PACKED_VERSION)
		return false;
	memcpy(copy, bytes, n);
	walk_fields(&packing, &recipe);
	if (!packing.is_sound || !geometry_is_sound(&recipe.geometry) ||
	    !colour_is_sound(&recipe.background) ||
	    (recipe.effort && !recipe.has_effort) ||
	    (recipe.space == SPACE_FILE) != (recipe.profile_hash != 0) ||
	    !engine_is_sound(&recipe) || !keep_is_sound(&recipe) ||
	    recipe.max_file_bytes > RECIPE_LARGEST_FILE ||
	    !filters_are_sound(&recipe.filters) ||
	    !is_zero(packing.at, (size_t)(copy + n - packing.at)))
		return false;
	*ret_recipe = recipe;
	return true;
}
