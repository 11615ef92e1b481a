/* The table of a recipe's fields, from which parser and help come. */
#include "recipe/recipe_text.h"

#include "common/values.h"
#include "recipe/recipe_words.h"

#include <stdio.h>
#include <string.h>

/* ---- the words of each choice ---- */

static const struct choice fits[] = {
	{"inside", FIT_INSIDE}, {"cover", FIT_COVER},     {"contain", FIT_CONTAIN},
	{"fill", FIT_FILL},     {"outside", FIT_OUTSIDE}, {NULL, 0},
};

static const struct choice positions[] = {
	{"centre", POSITION_CENTRE},
	{"north", POSITION_NORTH},
	{"northeast", POSITION_NORTHEAST},
	{"east", POSITION_EAST},
	{"southeast", POSITION_SOUTHEAST},
	{"south", POSITION_SOUTH},
	{"southwest", POSITION_SOUTHWEST},
	{"west", POSITION_WEST},
	{"northwest", POSITION_NORTHWEST},
	{"entropy", POSITION_ENTROPY},
	{"attention", POSITION_ATTENTION},
	{"center", POSITION_CENTRE},
	{"top", POSITION_NORTH},
	{"bottom", POSITION_SOUTH},
	{"left", POSITION_WEST},
	{"right", POSITION_EAST},
	{NULL, 0},
};

static const struct choice kernels[] = {
	{"lanczos3", KERNEL_LANCZOS3},
	{"lanczos2", KERNEL_LANCZOS2},
	{"mitchell", KERNEL_MITCHELL},
	{"cubic", KERNEL_CUBIC},
	{"linear", KERNEL_LINEAR},
	{"nearest", KERNEL_NEAREST},
	{NULL, 0},
};

static const struct choice intents[] = {
	{"relative", INTENT_RELATIVE},
	{"perceptual", INTENT_PERCEPTUAL},
	{"saturation", INTENT_SATURATION},
	{"absolute", INTENT_ABSOLUTE},
	{NULL, 0},
};

static const struct choice depths[] = {
	{"8", DEPTH_8}, {"16", DEPTH_16}, {"keep", DEPTH_KEEP}, {NULL, 0}};

static const struct choice chromas[] = {
	{"auto", CHROMA_AUTO}, {"420", CHROMA_420}, {"444", CHROMA_444}, {NULL, 0}};

static const struct choice fail_ons[] = {
	{"none", FAIL_ON_NONE},
	{"truncated", FAIL_ON_TRUNCATED},
	{"error", FAIL_ON_ERROR},
	{"warning", FAIL_ON_WARNING},
	{NULL, 0},
};

/* ---- the table ---- */

static const struct field {
	const char *name;
	const struct choice *choices; /* of a field that is an enum */
	size_t offset; /* of an enum; and of a bool, when nothing else is set */
	bool (*set)(struct recipe *recipe, const char *value,
	            struct failure *ret_failure);
	/* Nothing, when the field is zero. */
	void (*print)(const struct recipe *recipe, char *text, size_t n_text);
} fields[N_RECIPE_FIELDS] = {
	[RECIPE_SIZE] =
		{
			.name = "size",
			.set = recipe_set_size,
			.print = recipe_print_size,
		},
	[RECIPE_NO_ENLARGE] =
		{
			.name = "no-enlarge",
			.offset = offsetof(struct recipe, geometry.no_enlarge),
		},
	[RECIPE_NO_REDUCE] =
		{
			.name = "no-reduce",
			.offset = offsetof(struct recipe, geometry.no_reduce),
		},
	[RECIPE_FIT] =
		{
			.name = "fit",
			.choices = fits,
			.offset = offsetof(struct recipe, geometry.fit),
		},
	[RECIPE_POSITION] =
		{
			.name = "position",
			.choices = positions,
			.offset = offsetof(struct recipe, geometry.position),
		},
	[RECIPE_KERNEL] =
		{
			.name = "kernel",
			.choices = kernels,
			.offset = offsetof(struct recipe, kernel),
		},
	[RECIPE_LINEAR] =
		{
			.name = "linear",
			.offset = offsetof(struct recipe, linear),
		},
	[RECIPE_NO_ROTATE] =
		{
			.name = "no-rotate",
			.offset = offsetof(struct recipe, no_rotate),
		},
	[RECIPE_BACKGROUND] =
		{
			.name = "background",
			.set = recipe_set_background,
			.print = recipe_print_background,
		},
	[RECIPE_PROFILE] =
		{
			.name = "profile",
			.set = recipe_set_profile,
			.print = recipe_print_profile,
		},
	[RECIPE_INTENT] =
		{
			.name = "intent",
			.choices = intents,
			.offset = offsetof(struct recipe, intent),
		},
	[RECIPE_DEPTH] =
		{
			.name = "depth",
			.choices = depths,
			.offset = offsetof(struct recipe, depth),
		},
	[RECIPE_FORMAT] =
		{
			.name = "format",
			.set = recipe_set_format,
			.print = recipe_print_format,
		},
	[RECIPE_QUALITY] =
		{
			.name = "quality",
			.set = recipe_set_quality,
			.print = recipe_print_quality,
		},
	[RECIPE_EFFORT] =
		{
			.name = "effort",
			.set = recipe_set_effort,
			.print = recipe_print_effort,
		},
	[RECIPE_LOSSLESS] =
		{
			.name = "lossless",
			.offset = offsetof(struct recipe, lossless),
		},
	[RECIPE_PROGRESSIVE] =
		{
			.name = "progressive",
			.offset = offsetof(struct recipe, progressive),
		},
	[RECIPE_CHROMA] =
		{
			.name = "chroma",
			.choices = chromas,
			.offset = offsetof(struct recipe, chroma),
		},
	[RECIPE_KEEP] =
		{
			.name = "keep",
			.set = recipe_set_keep,
			.print = recipe_print_keep,
		},
	[RECIPE_FILTER] =
		{
			.name = "filter",
			.set = recipe_set_filter,
			.print = recipe_print_filter,
		},
	[RECIPE_ENGINE] =
		{
			.name = "engine",
			.set = recipe_set_engine,
			.print = recipe_print_engine,
		},
	[RECIPE_FAIL_ON] =
		{
			.name = "fail-on",
			.choices = fail_ons,
			.offset = offsetof(struct recipe, fail_on),
		},
	[RECIPE_LIMIT_PIXELS] =
		{
			.name = "max-pixels",
			.set = recipe_set_max_pixels,
			.print = recipe_print_max_pixels,
		},
	[RECIPE_LIMIT_FRAMES] =
		{
			.name = "max-frames",
			.set = recipe_set_max_frames,
			.print = recipe_print_max_frames,
		},
	[RECIPE_LIMIT_FILE_BYTES] =
		{
			.name = "max-file-size",
			.set = recipe_set_max_file_bytes,
			.print = recipe_print_max_file_bytes,
		},
};

/* An enum of a recipe, whose offset is known: all are of one size. */
_Static_assert(sizeof(enum fit) == sizeof(unsigned), "an enum is an unsigned");

static unsigned choice_at(const struct recipe *recipe, const struct field *field)
{
	unsigned value;

	memcpy(&value, (const char *)recipe + field->offset, sizeof(value));
	return value;
}

static void set_choice_at(struct recipe *recipe, const struct field *field,
                          unsigned value)
{
	memcpy((char *)recipe + field->offset, &value, sizeof(value));
}

static bool *flag_at(struct recipe *recipe, const struct field *field)
{
	return (bool *)((char *)recipe + field->offset);
}

const char *recipe_field_name(enum recipe_field field)
{
	return fields[field].name;
}

bool recipe_field_has_value(enum recipe_field field)
{
	return fields[field].set || fields[field].choices;
}

bool recipe_set(struct recipe *recipe, enum recipe_field id, const char *value,
                struct failure *ret_failure)
{
	const struct field *field = &fields[id];
	int chosen;

	if (field->set)
		return field->set(recipe, value, ret_failure);
	if (!field->choices) {
		*flag_at(recipe, field) = true;
		return true;
	}
	if (!choice_parse(field->choices, value, &chosen, ret_failure))
		return false;
	set_choice_at(recipe, field, (unsigned)chosen);
	return true;
}

bool recipe_get(const struct recipe *recipe, enum recipe_field id,
                char word[RECIPE_WORD_BYTES])
{
	const struct field *field = &fields[id];
	const char *chosen;

	word[0] = 0;
	if (field->print) {
		field->print(recipe, word, RECIPE_WORD_BYTES);
		return word[0];
	}
	if (!field->choices)
		return *flag_at((struct recipe *)recipe, field);

	chosen = choice_word(field->choices, (int)choice_at(recipe, field));
	snprintf(word, RECIPE_WORD_BYTES, "%s", chosen ? chosen : "?");
	return choice_at(recipe, field) != 0;
}
