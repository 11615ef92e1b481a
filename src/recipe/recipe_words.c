#include "recipe/recipe_words.h"

#include "common/values.h"
#include "recipe/recipe_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct choice spaces[] = {
	{"srgb", SPACE_SRGB}, {"p3", SPACE_P3}, {"keep", SPACE_KEEP}, {NULL, 0}};

/* 16 hexadecimal digits that are not all 0. */
static bool hash_parse(const char *word, uint64_t *ret_hash)
{
	uint64_t hash = 0;

	if (strlen(word) != 16 || strspn(word, "0123456789abcdef") != 16)
		return false;
	for (; *word; word++)
		hash = hash << 4 |
		       (uint64_t)(*word <= '9' ? *word - '0' : *word - 'a' + 10);
	*ret_hash = hash;
	return hash != 0;
}

bool recipe_set_size(struct recipe *recipe, const char *value,
                     struct failure *ret_failure)
{
	struct geometry size;

	if (!geometry_parse(&size, value, ret_failure))
		return false;
	geometry_add_size(&recipe->geometry, &size);
	return true;
}

void recipe_print_size(const struct recipe *recipe, char *text, size_t n_text)
{
	const struct geometry *geometry = &recipe->geometry;
	char percent[DECIMAL_TEXT_BYTES];

	if (geometry->percent != 0)
		snprintf(text, n_text, "%s%%", decimal_print(geometry->percent, percent));
	else if (geometry->width && geometry->height)
		snprintf(text, n_text, "%ux%u", geometry->width, geometry->height);
	else if (geometry->width)
		snprintf(text, n_text, "%ux", geometry->width);
	else if (geometry->height)
		snprintf(text, n_text, "x%u", geometry->height);
}

bool recipe_set_background(struct recipe *recipe, const char *value,
                           struct failure *ret_failure)
{
	return colour_parse(&recipe->background, value, ret_failure);
}

void recipe_print_background(const struct recipe *recipe, char *text, size_t n_text)
{
	char word[COLOUR_TEXT_BYTES];

	if (!recipe->background.is_set)
		return;
	colour_print(&recipe->background, word);
	snprintf(text, n_text, "%s", word);
}

/* A word, or for SPACE_FILE "file:" and the 16 digits of its hash. */
bool recipe_set_profile(struct recipe *recipe, const char *value,
                        struct failure *ret_failure)
{
	uint64_t hash = 0;
	int chosen;

	if (strncmp(value, "file:", 5) == 0) {
		if (!hash_parse(value + 5, &hash)) {
			return failure_set(ret_failure, FAIL_USAGE,
			                   "'%s' is no hash of a profile", value + 5);
		}
		chosen = SPACE_FILE;
	} else if (!choice_parse(spaces, value, &chosen, ret_failure)) {
		return false;
	}
	recipe->space = (enum colour_space)chosen;
	recipe->profile_hash = hash;
	return true;
}

void recipe_print_profile(const struct recipe *recipe, char *text, size_t n_text)
{
	if (recipe->space == SPACE_FILE)
		snprintf(text, n_text, "file:%016" PRIx64, recipe->profile_hash);
	else if (recipe->space != SPACE_SRGB)
		snprintf(text, n_text, "%s", choice_word(spaces, (int)recipe->space));
}

bool recipe_set_format(struct recipe *recipe, const char *value,
                       struct failure *ret_failure)
{
	enum image_format format = format_of_word(value);

	if (format == FORMAT_NONE) {
		return failure_set(ret_failure, FAIL_USAGE, "'%s' is not a format",
		                   value);
	}
	recipe->format = format;
	return true;
}

void recipe_print_format(const struct recipe *recipe, char *text, size_t n_text)
{
	if (recipe->format != FORMAT_NONE)
		snprintf(text, n_text, "%s", format_info(recipe->format)->name);
}

bool recipe_set_quality(struct recipe *recipe, const char *value,
                        struct failure *ret_failure)
{
	uint64_t quality;

	if (!whole_parse(value, 1, 100, &quality, ret_failure))
		return false;
	recipe->quality = (uint8_t)quality;
	return true;
}

static void print_whole(uint64_t number, char *text, size_t n_text)
{
	if (number > 0)
		snprintf(text, n_text, "%" PRIu64, number);
}

void recipe_print_quality(const struct recipe *recipe, char *text, size_t n_text)
{
	print_whole(recipe->quality, text, n_text);
}

bool recipe_set_effort(struct recipe *recipe, const char *value,
                       struct failure *ret_failure)
{
	uint64_t effort;

	if (!whole_parse(value, 0, RECIPE_MAX_EFFORT, &effort, ret_failure))
		return false;
	recipe->has_effort = true;
	recipe->effort = (uint8_t)effort;
	return true;
}

void recipe_print_effort(const struct recipe *recipe, char *text, size_t n_text)
{
	if (recipe->has_effort)
		snprintf(text, n_text, "%u", recipe->effort);
}

bool recipe_set_keep(struct recipe *recipe, const char *value,
                     struct failure *ret_failure)
{
	return keep_parse(&recipe->keep, value, ret_failure);
}

void recipe_print_keep(const struct recipe *recipe, char *text, size_t n_text)
{
	char word[KEEP_TEXT_BYTES];

	keep_print(recipe->keep, word);
	snprintf(text, n_text, "%s", word);
}

bool recipe_set_filter(struct recipe *recipe, const char *value,
                       struct failure *ret_failure)
{
	return filters_parse(&recipe->filters, value, ret_failure);
}

void recipe_print_filter(const struct recipe *recipe, char *text, size_t n_text)
{
	if (n_text >= FILTERS_TEXT_BYTES)
		filters_print(&recipe->filters, text);
}

bool recipe_set_engine(struct recipe *recipe, const char *value,
                       struct failure *ret_failure)
{
	size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyz");

	if (n == 0 || value[n] || n >= sizeof(recipe->engine))
		return failure_set(ret_failure, FAIL_USAGE,
		                   "must be auto or the name of an engine, got '%.40s'",
		                   value);
	memset(recipe->engine, 0, sizeof(recipe->engine));
	if (strcmp(value, "auto") != 0)
		memcpy(recipe->engine, value, n);
	return true;
}

void recipe_print_engine(const struct recipe *recipe, char *text, size_t n_text)
{
	if (recipe->engine[0])
		snprintf(text, n_text, "%s", recipe->engine);
}

bool recipe_set_max_pixels(struct recipe *recipe, const char *value,
                           struct failure *ret_failure)
{
	return amount_parse(value, UNIT_PIXELS, 1, UINT64_MAX, &recipe->max_pixels,
	                    ret_failure);
}

void recipe_print_max_pixels(const struct recipe *recipe, char *text, size_t n_text)
{
	print_whole(recipe->max_pixels, text, n_text);
}

bool recipe_set_max_frames(struct recipe *recipe, const char *value,
                           struct failure *ret_failure)
{
	uint64_t max_frames;

	if (!whole_parse(value, 1, UINT32_MAX, &max_frames, ret_failure))
		return false;
	recipe->max_frames = (uint32_t)max_frames;
	return true;
}

void recipe_print_max_frames(const struct recipe *recipe, char *text, size_t n_text)
{
	print_whole(recipe->max_frames, text, n_text);
}

bool recipe_set_max_file_bytes(struct recipe *recipe, const char *value,
                               struct failure *ret_failure)
{
	return amount_parse(value, UNIT_BYTES, 1, RECIPE_LARGEST_FILE,
	                    &recipe->max_file_bytes, ret_failure);
}

void recipe_print_max_file_bytes(const struct recipe *recipe, char *text, size_t n_text)
{
	print_whole(recipe->max_file_bytes, text, n_text);
}
