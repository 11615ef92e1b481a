/* The table of a recipe's fields, from which parser and help come. */
#include "recipe/recipe_text.h"

#include "common/words.h"
#include "recipe/recipe_words.h"

#include <stdio.h>
#include <string.h>

/* ---- the words of each choice ---- */

static const struct choice fits[] = {
	{"inside", FIT_INSIDE}, {"cover", FIT_COVER},     {"contain", FIT_CONTAIN},
	{"fill", FIT_FILL},     {"outside", FIT_OUTSIDE}, {NULL, 0},
};

static const struct choice positions[] = {
	{"centre", POSITION_CENTRE},       {"north", POSITION_NORTH},
	{"northeast", POSITION_NORTHEAST}, {"east", POSITION_EAST},
	{"southeast", POSITION_SOUTHEAST}, {"south", POSITION_SOUTH},
	{"southwest", POSITION_SOUTHWEST}, {"west", POSITION_WEST},
	{"northwest", POSITION_NORTHWEST}, {"entropy", POSITION_ENTROPY},
	{"attention", POSITION_ATTENTION}, {NULL, 0},
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

static const struct choice engine_choices[] = {
	{"auto", ENGINE_AUTO}, {"vips", ENGINE_VIPS}, {"stb", ENGINE_STB}, {NULL, 0}};

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
	const char *argument; /* NULL of a choice: all its words */
	const char *does;
	const struct choice *choices; /* of a field that is an enum */
	size_t offset; /* of an enum; and of a bool, when nothing else is set */
	bool (*set)(struct recipe *recipe, const char *value, char *text, size_t n_text);
	/* Nothing, when the field is zero. */
	void (*print)(const struct recipe *recipe, char *text, size_t n_text);
} fields[N_RECIPE_FIELDS] = {
	[RECIPE_SIZE] = {"size", "GEOM",
                         "N (a box), WxH, Wx, xH, N%; then > shrinks only, < enlarges, "
                         "! fills",
                         .set = recipe_set_size, .print = recipe_print_size},
	[RECIPE_NO_ENLARGE] = {"no-enlarge", .does = "leave a smaller picture as it is",
                               .offset = offsetof(struct recipe, geometry.no_enlarge)},
	[RECIPE_NO_REDUCE] = {"no-reduce", .does = "leave a larger picture as it is",
                              .offset = offsetof(struct recipe, geometry.no_reduce)},
	[RECIPE_FIT] = {"fit", NULL, "how a picture comes into the box; default inside",
                        .choices = fits, .offset = offsetof(struct recipe, geometry.fit)},
	[RECIPE_POSITION] = {"position", "centre|north|northeast|...|entropy|attention",
                             "what cover keeps, and where contain puts the picture",
                             .choices = positions,
                             .offset = offsetof(struct recipe, geometry.position)},
	[RECIPE_KERNEL] = {"kernel", NULL, "for making smaller; default lanczos3",
                           .choices = kernels, .offset = offsetof(struct recipe, kernel)},
	[RECIPE_LINEAR] = {"linear", .does = "scale in linear light",
                           .offset = offsetof(struct recipe, linear)},
	[RECIPE_NO_ROTATE] = {"no-rotate", .does = "do not turn by the EXIF orientation",
                              .offset = offsetof(struct recipe, no_rotate)},
	[RECIPE_BACKGROUND] = {"background", "COLOUR",
                               "a name or #rrggbb[aa]; white where alpha can't stay",
                               .set = recipe_set_background,
                               .print = recipe_print_background},
	[RECIPE_PROFILE] = {"profile", "srgb|p3|keep|FILE",
                            "the colours of the result, of an RGB profile; default srgb",
                            .set = recipe_set_profile, .print = recipe_print_profile},
	[RECIPE_INTENT] = {"intent", NULL, "of converting to it; default relative",
                           .choices = intents, .offset = offsetof(struct recipe, intent)},
	[RECIPE_DEPTH] = {"depth", NULL, "bits of a sample; default 8", .choices = depths,
                          .offset = offsetof(struct recipe, depth)},
	[RECIPE_FORMAT] =
		{"format", "FORMAT",
                 "jpg png webp avif heic jxl tiff gif jp2 ppm bmp tga hdr; else same",
                 .set = recipe_set_format, .print = recipe_print_format},
	[RECIPE_QUALITY] = {"quality", "N",
                            "of the encoder, 1 to 100; default 80 (avif, heic 50)",
                            .set = recipe_set_quality, .print = recipe_print_quality},
	[RECIPE_EFFORT] = {"effort", "N", "of the encoder, 0 (fast) to 9 (small)",
                           .set = recipe_set_effort, .print = recipe_print_effort},
	[RECIPE_LOSSLESS] = {"lossless", .does = "where the format has the choice",
                             .offset = offsetof(struct recipe, lossless)},
	[RECIPE_PROGRESSIVE] = {"progressive",
                                .does = "progressive JPEG, interlaced PNG and GIF",
                                .offset = offsetof(struct recipe, progressive)},
	[RECIPE_CHROMA] = {"chroma", NULL, "subsampling of colour; default auto",
                           .choices = chromas, .offset = offsetof(struct recipe, chroma)},
	[RECIPE_KEEP] = {"keep", "none|all|CLASS,...",
                         "metadata that stays: exif, icc, xmp, iptc, gps",
                         .set = recipe_set_keep, .print = recipe_print_keep},
	[RECIPE_FILTER] = {"filter", "CHAIN",
                           "filters with commas between, see below; shapes come first",
                           .set = recipe_set_filter, .print = recipe_print_filter},
	[RECIPE_ENGINE] = {"engine", NULL, "which code reads and writes pictures",
                           .choices = engine_choices,
                           .offset = offsetof(struct recipe, engine)},
	[RECIPE_FAIL_ON] = {"fail-on", NULL,
                            "what is wrong enough to fail; default error",
                            .choices = fail_ons,
                            .offset = offsetof(struct recipe, fail_on)},
	[RECIPE_LIMIT_PIXELS] = {"max-pixels", "N", "width x height x frames",
                                 .set = recipe_set_max_pixels,
                                 .print = recipe_print_max_pixels},
	[RECIPE_LIMIT_FRAMES] = {"max-frames", "N", "of one input",
                                 .set = recipe_set_max_frames,
                                 .print = recipe_print_max_frames},
	[RECIPE_LIMIT_FILE_BYTES] = {"max-file-size", "BYTES", "of one input",
                                     .set = recipe_set_max_file_bytes,
                                     .print = recipe_print_max_file_bytes},
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

const char *recipe_field_help(enum recipe_field field)
{
	return fields[field].does;
}

const char *recipe_field_argument(enum recipe_field field,
                                  char text[RECIPE_ARGUMENT_BYTES])
{
	size_t n = 0;

	if (fields[field].argument || !fields[field].choices)
		return fields[field].argument;
	text[0] = 0;
	for (const struct choice *choice = fields[field].choices; choice->word; choice++)
		n += (size_t)snprintf(text + n, RECIPE_ARGUMENT_BYTES - n, "%s%s",
		                      n > 0 ? "|" : "", choice->word);
	return text;
}

bool recipe_set(struct recipe *recipe, enum recipe_field id, const char *value,
                char *text, size_t n_text)
{
	const struct field *field = &fields[id];
	int chosen;

	if (field->set)
		return field->set(recipe, value, text, n_text);
	if (!field->choices) {
		*flag_at(recipe, field) = true;
		return true;
	}
	if (!choice_parse(field->choices, value, &chosen, text, n_text))
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
