/*
 * Recipes as text. A table has a row for each field. The row says how the value of the field is
 * parsed and printed. The canonical text consists of all fields that are not zero, in the order of
 * the table.
 */
#include "recipe/recipe_text.h"

#include "common/hash.h"
#include "common/suggest.h"
#include "common/values.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- colours ---- */

enum { COLOUR_TEXT_BYTES = 10, KEEP_TEXT_BYTES = 32 };

/* The 16 basic colour names of CSS, some other names of CSS, and the word "transparent". */
static const struct {
	const char *name;
	uint32_t rgba;
} colours[] = {
	{"white", 0xffffffff},   {"black", 0x000000ff},   {"transparent", 0x00000000},
	{"silver", 0xc0c0c0ff},  {"gray", 0x808080ff},    {"grey", 0x808080ff},
	{"maroon", 0x800000ff},  {"red", 0xff0000ff},     {"purple", 0x800080ff},
	{"fuchsia", 0xff00ffff}, {"magenta", 0xff00ffff}, {"green", 0x008000ff},
	{"lime", 0x00ff00ff},    {"olive", 0x808000ff},   {"yellow", 0xffff00ff},
	{"navy", 0x000080ff},    {"blue", 0x0000ffff},    {"teal", 0x008080ff},
	{"aqua", 0x00ffffff},    {"cyan", 0x00ffffff},    {"orange", 0xffa500ff},
};

static int digit_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c | ('A' <= c && c <= 'F' ? 0x20 : 0))
	                      : NULL;

	return found ? (int)(found - digits) : -1;
}

/* Parse "#rgb", "#rgba", "#rrggbb" or "#rrggbbaa". */
static bool parse_digits(const char *word, uint32_t *ret_rgba)
{
	size_t n = strlen(word + 1);
	size_t n_repeats = n <= 4 ? 2 : 1;
	uint32_t rgba = 0;

	if (n != 3 && n != 4 && n != 6 && n != 8)
		return false;
	for (const char *c = word + 1; *c; c++) {
		if (digit_of(*c) < 0)
			return false;
		for (size_t i = 0; i < n_repeats; i++)
			rgba = rgba << 4 | (uint32_t)digit_of(*c);
	}
	*ret_rgba = n == 3 || n == 6 ? rgba << 8 | 0xff : rgba;
	return true;
}

static bool find_name(const char *word, uint32_t *ret_rgba, const char **best)
{
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (strcasecmp(colours[i].name, word) == 0) {
			*ret_rgba = colours[i].rgba;
			return true;
		}
		suggest_consider(best, word, colours[i].name);
	}
	return false;
}

/* Parse a colour: a name, or # with 3, 4, 6 or 8 hexadecimal digits. If there are 4 digits, the
 * last one is alpha. If there are 8 digits, the last two are alpha. */
static bool colour_parse(struct colour *ret_colour, const char *word,
                         struct failure *ret_failure)
{
	const char *best = NULL;
	uint32_t rgba;

	if (word[0] == '#' ? parse_digits(word, &rgba) : find_name(word, &rgba, &best)) {
		*ret_colour = (struct colour){true, (uint8_t)(rgba >> 24),
		                              (uint8_t)(rgba >> 16), (uint8_t)(rgba >> 8),
		                              (uint8_t)rgba};
		return true;
	}
	if (best)
		return failure_set(
			ret_failure, FAIL_USAGE,
			"must be a colour name or #rrggbb, got '%.40s'; did you "
			"mean '%s'?",
			word, best);
	return failure_set(ret_failure, FAIL_USAGE,
	                   "must be a colour name (white, red, transparent) or #rgb, "
	                   "#rgba, #rrggbb, #rrggbbaa; got '%.40s'",
	                   word);
}

static void colour_print(const struct colour *colour, char text[COLOUR_TEXT_BYTES])
{
	int n = snprintf(text, COLOUR_TEXT_BYTES, "#%02x%02x%02x", colour->red,
	                 colour->green, colour->blue);

	if (colour->alpha != 0xff)
		snprintf(text + n, COLOUR_TEXT_BYTES - (size_t)n, "%02x", colour->alpha);
}

/* ---- metadata classes ---- */

static const struct choice kept[] = {
	{"copyright", KEEP_COPYRIGHT},
	{"exif", KEEP_EXIF},
	{"icc", KEEP_ICC},
	{"xmp", KEEP_XMP},
	{"iptc", KEEP_IPTC},
	{"gps", KEEP_GPS},
	{"all", KEEP_ALL},
	{"none", KEEP_NONE},
	{NULL, 0},
};

/* Parse "all", "none", or a list of classes of metadata with commas between them. */
static bool keep_parse(uint8_t *ret_keep, const char *value, struct failure *ret_failure)
{
	const char *next = value;
	int mask = 0, class;
	char word[32];

	for (;; next++) {
		int n = (int)strcspn(next, ",");

		snprintf(word, sizeof(word), "%.*s", n, next);
		if (!choice_parse(kept, word, &class, ret_failure))
			return false;
		/* "all" and "none" cannot be combined with other classes. */
		if ((class == KEEP_ALL || class == KEEP_NONE) && value[n]) {
			return failure_set(
				ret_failure, FAIL_USAGE,
				"'%s' cannot be combined with other classes, got '%.40s'",
				word, value);
		}
		mask |= class;
		next += n;
		if (!*next)
			break;
	}
	/* If EXIF, XMP and IPTC are all kept, the class copyright is kept too. */
	if ((mask & (KEEP_EXIF | KEEP_XMP | KEEP_IPTC)) ==
	    (KEEP_EXIF | KEEP_XMP | KEEP_IPTC))
		mask |= KEEP_COPYRIGHT;
	*ret_keep = (uint8_t)mask;
	return true;
}

/* Print the classes of metadata. If no class is kept, the text is "". */
static void keep_print(uint8_t keep, char text[KEEP_TEXT_BYTES])
{
	size_t n = 0;

	text[0] = 0;
	if (keep == KEEP_ALL) {
		snprintf(text, KEEP_TEXT_BYTES, "all");
		return;
	}
	for (const struct choice *class = kept; class->value != KEEP_ALL; class ++) {
		if (keep & class->value)
			n += (size_t)snprintf(text + n, KEEP_TEXT_BYTES - n, "%s%s",
			                      n > 0 ? "," : "", class->word);
	}
}

/* ---- fields with a choice of values ---- */

static const struct choice fits[] = {
	{"inside", FIT_INSIDE}, {"cover", FIT_COVER},     {"contain", FIT_CONTAIN},
	{"fill", FIT_FILL},     {"outside", FIT_OUTSIDE}, {NULL, 0},
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

/* ---- fields with functions of their own ----
 *
 * set_X() parses a value. If the value is invalid, it returns false with a failure and leaves the
 * recipe unchanged. print_X() prints the value, or nothing if the field is zero. */

static const struct choice spaces[] = {
	{"srgb", SPACE_SRGB}, {"p3", SPACE_P3}, {"keep", SPACE_KEEP}, {NULL, 0}};

/* Parse 16 hexadecimal digits that are not all 0. */
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

static bool set_size(struct recipe *recipe, const char *value,
                     struct failure *ret_failure)
{
	struct geometry size;

	if (!geometry_parse(&size, value, ret_failure))
		return false;
	geometry_add_size(&recipe->geometry, &size);
	return true;
}

static void print_size(const struct recipe *recipe, char *text, size_t n_text)
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
	/* This row is only for messages: set_position() itself parses points like "50%,20%". */
	{"X%,Y%", POSITION_POINT},
	{"center", POSITION_CENTRE},
	{"top", POSITION_NORTH},
	{"bottom", POSITION_SOUTH},
	{"left", POSITION_WEST},
	{"right", POSITION_EAST},
	{NULL, 0},
};

/* Parse "X%,Y%", each from 0 to 100. */
static bool parse_point(const char *value, double *ret_x, double *ret_y)
{
	const char *next = value;

	return decimal_parse(&next, ret_x) && *next++ == '%' && *next++ == ',' &&
	       decimal_parse(&next, ret_y) && *next++ == '%' && !*next && *ret_x >= 0 &&
	       *ret_x <= 100 && *ret_y >= 0 && *ret_y <= 100;
}

static bool set_position(struct recipe *recipe, const char *value,
                         struct failure *ret_failure)
{
	double x_percent = 0, y_percent = 0;
	int chosen = POSITION_POINT;

	if (strchr(value, '%') && !parse_point(value, &x_percent, &y_percent))
		return failure_set(
			ret_failure, FAIL_USAGE,
			"must be X%%,Y%%, each from 0 to 100, such as 50%%,20%%, "
			"got '%.40s'",
			value);
	if (!strchr(value, '%') && !choice_parse(positions, value, &chosen, ret_failure))
		return false;
	recipe->geometry.position = (enum position)chosen;
	recipe->geometry.x_percent = x_percent;
	recipe->geometry.y_percent = y_percent;
	return true;
}

static void print_position(const struct recipe *recipe, char *text, size_t n_text)
{
	const struct geometry *geometry = &recipe->geometry;
	char x[DECIMAL_TEXT_BYTES], y[DECIMAL_TEXT_BYTES];

	if (geometry->position == POSITION_POINT)
		snprintf(text, n_text, "%s%%,%s%%", decimal_print(geometry->x_percent, x),
		         decimal_print(geometry->y_percent, y));
	else if (geometry->position != POSITION_CENTRE)
		snprintf(text, n_text, "%s",
		         choice_word(positions, (int)geometry->position));
}

static bool set_background(struct recipe *recipe, const char *value,
                           struct failure *ret_failure)
{
	return colour_parse(&recipe->background, value, ret_failure);
}

static void print_background(const struct recipe *recipe, char *text, size_t n_text)
{
	char word[COLOUR_TEXT_BYTES];

	if (!recipe->background.is_set)
		return;
	colour_print(&recipe->background, word);
	snprintf(text, n_text, "%s", word);
}

/* Parse the name of a colour space, or "file:" and 16 hexadecimal digits, which are the hash of a
 * profile. */
static bool set_profile(struct recipe *recipe, const char *value,
                        struct failure *ret_failure)
{
	uint64_t hash = 0;
	int chosen;

	if (strncmp(value, "file:", 5) == 0) {
		if (!hash_parse(value + 5, &hash)) {
			return failure_set(
				ret_failure, FAIL_USAGE,
				"must be 'file:' and 16 hexadecimal digits that are not all 0, got '%.40s'",
				value);
		}
		chosen = SPACE_FILE;
	} else if (!choice_parse(spaces, value, &chosen, ret_failure)) {
		return false;
	}
	recipe->space = (enum colour_space)chosen;
	recipe->profile_hash = hash;
	return true;
}

static void print_profile(const struct recipe *recipe, char *text, size_t n_text)
{
	if (recipe->space == SPACE_FILE)
		snprintf(text, n_text, "file:%016" PRIx64, recipe->profile_hash);
	else if (recipe->space != SPACE_SRGB)
		snprintf(text, n_text, "%s", choice_word(spaces, (int)recipe->space));
}

static bool set_format(struct recipe *recipe, const char *value,
                       struct failure *ret_failure)
{
	enum image_format format = format_of_word(value);

	if (format == FORMAT_NONE) {
		return failure_set(
			ret_failure, FAIL_USAGE,
			"must be a format such as jpg, png or webp, got '%.40s'", value);
	}
	recipe->format = format;
	return true;
}

static void print_format(const struct recipe *recipe, char *text, size_t n_text)
{
	if (recipe->format != FORMAT_NONE)
		snprintf(text, n_text, "%s", format_info(recipe->format)->name);
}

static bool set_quality(struct recipe *recipe, const char *value,
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

static void print_quality(const struct recipe *recipe, char *text, size_t n_text)
{
	print_whole(recipe->quality, text, n_text);
}

static bool set_effort(struct recipe *recipe, const char *value,
                       struct failure *ret_failure)
{
	uint64_t effort;

	if (!whole_parse(value, 0, RECIPE_MAX_EFFORT, &effort, ret_failure))
		return false;
	recipe->has_effort = true;
	recipe->effort = (uint8_t)effort;
	return true;
}

static void print_effort(const struct recipe *recipe, char *text, size_t n_text)
{
	if (recipe->has_effort)
		snprintf(text, n_text, "%u", recipe->effort);
}

static bool set_keep(struct recipe *recipe, const char *value,
                     struct failure *ret_failure)
{
	return keep_parse(&recipe->keep, value, ret_failure);
}

static void print_keep(const struct recipe *recipe, char *text, size_t n_text)
{
	char word[KEEP_TEXT_BYTES];

	keep_print(recipe->keep, word);
	snprintf(text, n_text, "%s", word);
}

static bool set_filter(struct recipe *recipe, const char *value,
                       struct failure *ret_failure)
{
	return filters_parse(&recipe->filters, value, ret_failure);
}

static void print_filter(const struct recipe *recipe, char *text, size_t n_text)
{
	if (n_text >= FILTERS_TEXT_BYTES)
		filters_print(&recipe->filters, text);
}

static bool set_engine(struct recipe *recipe, const char *value,
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

static void print_engine(const struct recipe *recipe, char *text, size_t n_text)
{
	if (recipe->engine[0])
		snprintf(text, n_text, "%s", recipe->engine);
}

static bool set_max_pixels(struct recipe *recipe, const char *value,
                           struct failure *ret_failure)
{
	return amount_parse(value, UNIT_PIXELS, 1, UINT64_MAX, &recipe->max_pixels,
	                    ret_failure);
}

static void print_max_pixels(const struct recipe *recipe, char *text, size_t n_text)
{
	print_whole(recipe->max_pixels, text, n_text);
}

static bool set_max_frames(struct recipe *recipe, const char *value,
                           struct failure *ret_failure)
{
	uint64_t max_frames;

	if (!whole_parse(value, 1, UINT32_MAX, &max_frames, ret_failure))
		return false;
	recipe->max_frames = (uint32_t)max_frames;
	return true;
}

static void print_max_frames(const struct recipe *recipe, char *text, size_t n_text)
{
	print_whole(recipe->max_frames, text, n_text);
}

static bool set_max_file_bytes(struct recipe *recipe, const char *value,
                               struct failure *ret_failure)
{
	return amount_parse(value, UNIT_BYTES, 1, RECIPE_LARGEST_FILE,
	                    &recipe->max_file_bytes, ret_failure);
}

static void print_max_file_bytes(const struct recipe *recipe, char *text, size_t n_text)
{
	print_whole(recipe->max_file_bytes, text, n_text);
}

/* ---- the table ---- */

static const struct field {
	const char *name;
	/* The names of the values, if the field is an enum. */
	const struct choice *choices;
	size_t offset; /* offset in struct recipe; not used if `set` is not NULL */
	bool (*set)(struct recipe *recipe, const char *value,
	            struct failure *ret_failure);
	/* Print the value of the field, or nothing if the field is zero. */
	void (*print)(const struct recipe *recipe, char *text, size_t n_text);
} fields[N_RECIPE_FIELDS] = {
	[RECIPE_SIZE] =
		{
			.name = "size",
			.set = set_size,
			.print = print_size,
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
			.set = set_position,
			.print = print_position,
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
			.set = set_background,
			.print = print_background,
		},
	[RECIPE_PROFILE] =
		{
			.name = "profile",
			.set = set_profile,
			.print = print_profile,
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
			.set = set_format,
			.print = print_format,
		},
	[RECIPE_QUALITY] =
		{
			.name = "quality",
			.set = set_quality,
			.print = print_quality,
		},
	[RECIPE_EFFORT] =
		{
			.name = "effort",
			.set = set_effort,
			.print = print_effort,
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
			.set = set_keep,
			.print = print_keep,
		},
	[RECIPE_FILTER] =
		{
			.name = "filter",
			.set = set_filter,
			.print = print_filter,
		},
	[RECIPE_ENGINE] =
		{
			.name = "engine",
			.set = set_engine,
			.print = print_engine,
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
			.set = set_max_pixels,
			.print = print_max_pixels,
		},
	[RECIPE_LIMIT_FRAMES] =
		{
			.name = "max-frames",
			.set = set_max_frames,
			.print = print_max_frames,
		},
	[RECIPE_LIMIT_FILE_BYTES] =
		{
			.name = "max-file-size",
			.set = set_max_file_bytes,
			.print = print_max_file_bytes,
		},
};

/* choice_at() and set_choice_at() access every enum of a recipe as an unsigned int. */
_Static_assert(sizeof(enum fit) == sizeof(unsigned),
               "an enum has the size of an unsigned int");

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

static const char *field_name(enum recipe_field field)
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

/* Print the value of a field in the form that recipe_set() parses. A field that is only on or off
 * has the text "". Returns false if the field is zero. */
static bool get_field(const struct recipe *recipe, enum recipe_field id,
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

/* ---- the whole text ---- */

void recipe_print(const struct recipe *recipe, char text[RECIPE_TEXT_BYTES])
{
	char word[RECIPE_WORD_BYTES];
	size_t n = 0;

	text[0] = 0;
	for (int i = 0; i < N_RECIPE_FIELDS && n < RECIPE_TEXT_BYTES; i++) {
		enum recipe_field field = (enum recipe_field)i;

		if (get_field(recipe, field, word))
			n += (size_t)snprintf(text + n, RECIPE_TEXT_BYTES - n, "%s%s%s%s",
			                      n > 0 ? "; " : "", field_name(field),
			                      word[0] ? " " : "", word);
	}
}

static bool find_field(const char *name, enum recipe_field *ret_field,
                       struct failure *ret_failure)
{
	const char *best = NULL;

	for (int i = 0; i < N_RECIPE_FIELDS; i++) {
		const char *known = field_name((enum recipe_field)i);

		if (strcmp(known, name) == 0) {
			*ret_field = (enum recipe_field)i;
			return true;
		}
		suggest_consider(&best, name, known);
	}
	if (best)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "unknown field '%.40s'; did you mean '%s'?", name,
		                   best);
	return failure_set(ret_failure, FAIL_USAGE, "unknown field '%.40s'", name);
}

static bool parse_field(struct recipe *recipe, char *words, struct failure *ret_failure)
{
	char *value = words + strcspn(words, " ");
	bool has_value = *value, wants_value;
	enum recipe_field field = N_RECIPE_FIELDS;

	*value = 0;
	value += has_value;
	value += strspn(value, " ");
	if (!find_field(words, &field, ret_failure))
		return false;
	wants_value = recipe_field_has_value(field);
	if (has_value != wants_value)
		return failure_set(ret_failure, FAIL_USAGE, "%s %s", words,
		                   wants_value ? "needs a value" : "takes no value");
	return recipe_set(recipe, field, value, ret_failure) ||
	       failure_prepend(ret_failure, "%s: ", words);
}

bool recipe_parse(struct recipe *ret_recipe, const char *words,
                  struct failure *ret_failure)
{
	struct recipe recipe = {0};
	char copy[RECIPE_TEXT_BYTES], *rest = copy, *field;

	if (strlen(words) >= sizeof(copy))
		return failure_set(ret_failure, FAIL_USAGE, "the recipe is too long");
	memcpy(copy, words, strlen(words) + 1);
	while ((field = strsep(&rest, ";"))) {
		field += strspn(field, " ");
		if (!*field && !rest)
			break; /* the text is empty or ends with a semicolon */
		if (!parse_field(&recipe, field, ret_failure))
			return false;
	}
	*ret_recipe = recipe;
	return true;
}

uint64_t recipe_fingerprint(const struct recipe *recipe)
{
	/* The hash key is a constant, because the fingerprint must be the same on every machine. */
	static const struct hash_key key = {{0x706978706f6f6c21, RECIPE_PICTURE_VERSION}};
	char text[RECIPE_TEXT_BYTES];

	recipe_print(recipe, text);
	return hash_bytes(&key, text, strlen(text));
}
