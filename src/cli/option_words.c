/* The table of options: what each is called, what it does, and how its value is read. */
#include "batch/limits.h"
#include "cli/command_line.h"

#include "base/fd.h"
#include "common/words.h"
#include "image/header/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_JOBS = 1024,
	MAX_RETRIES = 100,
	MAX_RECYCLE = 1000000000,
	MAX_TIMEOUT_SECONDS = 1000000
};

/* A whole number into an unsigned. */
static bool whole(const char *value, unsigned least, unsigned most, unsigned *ret_number,
                  char *text, size_t n_text)
{
	uint64_t number;

	if (!whole_parse(value, least, most, &number, text, n_text))
		return false;
	*ret_number = (unsigned)number;
	return true;
}

static bool take_size(struct command_line *line, const char *value, char *text,
                      size_t n_text)
{
	line->has_size = true;
	return geometry_parse(&line->size, value, text, n_text);
}

static bool take_output(struct command_line *line, const char *value, char *text,
                        size_t n_text)
{
	struct stat folder;

	line->batch.output = value;
	if (!value[0]) {
		snprintf(text, n_text, "needs the name of a folder");
		return false;
	}
	if (strcmp(value, "-") == 0) {
		snprintf(text, n_text,
		         "-o takes a folder, not standard output; one called so is ./-");
		return false;
	}
	if (strstr(value, "%s")) {
		snprintf(
			text, n_text,
			"'%s': -o takes a folder; names below it are those of the inputs",
			value);
		return false;
	}
	if (format_of_name(value) != FORMAT_NONE && stat(value, &folder) != 0) {
		snprintf(text, n_text,
		         "'%s' looks like a file: -o takes a folder, and -f the format",
		         value);
		return false;
	}
	return true;
}

static bool take_format(struct command_line *line, const char *value, char *text,
                        size_t n_text)
{
	static const struct choice words[] = {
		{"jpg", FORMAT_JPEG},  {"png", FORMAT_PNG},   {"webp", FORMAT_WEBP},
		{"avif", FORMAT_AVIF}, {"heic", FORMAT_HEIC}, {"jxl", FORMAT_JXL},
		{"tiff", FORMAT_TIFF}, {"gif", FORMAT_GIF},   {"jp2", FORMAT_JP2},
		{"ppm", FORMAT_PNM},   {"bmp", FORMAT_BMP},   {"tga", FORMAT_TGA},
		{"hdr", FORMAT_HDR},   {"same", FORMAT_NONE}, {NULL, 0},
	};
	enum image_format format = format_of_word(value);
	int chosen;

	for (const struct choice *word = words; word->word; word++) {
		if (format != FORMAT_NONE && word->value == (int)format) {
			line->batch.format =
				format; /* also by another of its names: "jpeg" */
			return true;
		}
	}
	if (!choice_parse(words, value, &chosen, text, n_text))
		return false;
	line->batch.format = (enum image_format)chosen;
	return true;
}

/* Read it whole into memory that lasts as long as the program. */
static bool read_profile(struct command_line *line, const char *name, char *text,
                         size_t n_text)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t *bytes = fd >= 0 ? malloc(PROFILE_MAX_BYTES + 1) : NULL;
	ssize_t n = bytes ? fd_pread_full(fd, bytes, PROFILE_MAX_BYTES + 1, 0) : -1;

	if (n < 0)
		snprintf(text, n_text,
		         "'%s' is not one of srgb, p3, keep, nor a file: %s", name,
		         strerrordesc_np(errno));
	else if (!profile_can_be_output(bytes, (size_t)n))
		snprintf(text, n_text,
		         "'%s' is not an ICC profile for RGB, of at most %d bytes", name,
		         PROFILE_MAX_BYTES);
	fd_close(&fd);
	if (n < 0 || !profile_can_be_output(bytes, (size_t)n)) {
		free(bytes);
		return false;
	}
	line->batch.profile = bytes;
	line->batch.n_profile = (size_t)n;
	return true;
}

static bool take_profile(struct command_line *line, const char *value, char *text,
                         size_t n_text)
{
	static const char *const words[] = {"srgb", "p3", "keep"};
	char hash[32];

	line->given |= UINT64_C(1) << RECIPE_PROFILE;
	command_line_fini(line); /* of an earlier one */
	line->batch.n_profile = 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i], value) == 0)
			return recipe_set(&line->batch.recipe, RECIPE_PROFILE, value,
			                  text, n_text);
	}
	if (!read_profile(line, value, text, n_text))
		return false;
	snprintf(hash, sizeof(hash), "file:%016" PRIx64,
	         profile_hash(line->batch.profile, line->batch.n_profile));
	return recipe_set(&line->batch.recipe, RECIPE_PROFILE, hash, text, n_text);
}

static bool take_jobs(struct command_line *line, const char *value, char *text,
                      size_t n_text)
{
	line->batch.n_workers = 0;
	return strcmp(value, "auto") == 0 ||
	       whole(value, 1, MAX_JOBS, &line->batch.n_workers, text, n_text);
}

static bool take_timeout(struct command_line *line, const char *value, char *text,
                         size_t n_text)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds >= 0.001) ||
	    seconds > MAX_TIMEOUT_SECONDS) {
		snprintf(text, n_text, "'%s' is not a number of seconds from 0.001 to %d",
		         value, MAX_TIMEOUT_SECONDS);
		return false;
	}
	line->batch.timeout_ms = (int64_t)ceil(seconds * 1000);
	return true;
}

/* Bytes: a whole number, with K, M or G for powers of 1024. */
static bool take_bytes(const char *value, uint64_t least, uint64_t *ret_bytes, char *text,
                       size_t n_text)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	unsigned long long number;
	int shift = 0;

	errno = 0;
	number = strtoull(value, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (int)(unit - units + 1);
		end++;
	}
	if (value[0] < '0' || value[0] > '9' || *end || errno ||
	    number > (UINT64_MAX >> 2 >> shift)) {
		snprintf(text, n_text,
		         "'%s' is not a number of bytes; K, M and G are powers of 1024",
		         value);
		return false;
	}
	*ret_bytes = (uint64_t)number << shift;
	if (*ret_bytes >= least)
		return true;
	snprintf(text, n_text, "'%s' is too little: at least %ju%s", value,
	         (uintmax_t)(least < 1 << 20 ? least : least >> 20),
	         least < 1 << 20 ? "" : "M");
	return false;
}

static bool take_memory(struct command_line *line, const char *value, char *text,
                        size_t n_text)
{
	return take_bytes(value, LIMITS_LEAST_MEMORY, &line->batch.memory, text, n_text);
}

static bool take_max_file_size(struct command_line *line, const char *value, char *text,
                               size_t n_text)
{
	return take_bytes(value, 1, &line->batch.recipe.max_file_bytes, text, n_text);
}

static bool take_max_pixels(struct command_line *line, const char *value, char *text,
                            size_t n_text)
{
	char *end;

	errno = 0;
	line->batch.recipe.max_pixels = strtoull(value, &end, 10);
	if (value[0] >= '0' && value[0] <= '9' && !*end && !errno &&
	    line->batch.recipe.max_pixels > 0)
		return true;
	snprintf(text, n_text, "'%s' is not a whole number from 1 on", value);
	return false;
}

static bool take_max_frames(struct command_line *line, const char *value, char *text,
                            size_t n_text)
{
	return whole(value, 1, UINT32_MAX, &line->batch.recipe.max_frames, text, n_text);
}

static bool take_recycle(struct command_line *line, const char *value, char *text,
                         size_t n_text)
{
	return whole(value, 1, MAX_RECYCLE, &line->batch.recycle, text, n_text);
}

static bool take_sandbox(struct command_line *line, const char *value, char *text,
                         size_t n_text)
{
	static const struct choice words[] = {
		{"auto", SANDBOX_AUTO},
		{"require", SANDBOX_REQUIRE},
		{"off", SANDBOX_OFF},
		{NULL, 0},
	};
	int chosen;

	if (!choice_parse(words, value, &chosen, text, n_text))
		return false;
	line->batch.sandbox = (enum sandbox_mode)chosen;
	return true;
}

static bool take_retries(struct command_line *line, const char *value, char *text,
                         size_t n_text)
{
	return whole(value, 0, MAX_RETRIES, &line->batch.retries, text, n_text);
}

static bool take_overwrite(struct command_line *line, const char *value, char *text,
                           size_t n_text)
{
	static const struct choice words[] = {
		{"skip", OVERWRITE_SKIP},
		{"always", OVERWRITE_ALWAYS},
		{NULL, 0},
	};
	int chosen;

	if (!choice_parse(words, value, &chosen, text, n_text))
		return false;
	line->batch.overwrite = (enum overwrite)chosen;
	return true;
}

static bool take_progress(struct command_line *line, const char *value, char *text,
                          size_t n_text)
{
	static const struct choice words[] = {
		{"auto", PROGRESS_AUTO},   {"bar", PROGRESS_BAR},
		{"plain", PROGRESS_PLAIN}, {"json", PROGRESS_JSON},
		{"none", PROGRESS_NONE},   {NULL, 0},
	};
	int chosen;

	if (!choice_parse(words, value, &chosen, text, n_text))
		return false;
	line->report.progress = (enum progress)chosen;
	return true;
}

static bool take_report(struct command_line *line, const char *value, char *text,
                        size_t n_text)
{
	line->report_file = value;
	if (!value[0])
		snprintf(text, n_text, "needs the name of a file, or '-'");
	return value[0] != 0;
}

static void set_nothing(struct command_line *line)
{
	(void)line;
}

static void set_untrusted(struct command_line *line)
{
	line->batch.is_untrusted = true;
}

static void set_verbose(struct command_line *line)
{
	line->report.verbose = true;
}

static void set_quiet(struct command_line *line)
{
	line->report.quiet = true;
}

/* Of several of these the one that says least wins. */
static void set_command(struct command_line *line, enum command command)
{
	if (line->command < command)
		line->command = command;
}

static void set_short_help(struct command_line *line)
{
	set_command(line, COMMAND_SHORT_HELP);
}

static void set_help(struct command_line *line)
{
	set_command(line, COMMAND_HELP);
}

static void set_version(struct command_line *line)
{
	set_command(line, COMMAND_VERSION);
}

static void set_keep_dates(struct command_line *line)
{
	line->batch.keep_dates = true;
}

#define FIELD(field) .field_and_1 = (RECIPE_##field + 1)

const struct option_word option_words[] = {
	{'r', NULL, NULL, "idle: sub-folders are walked in any case", .set = set_nothing,
         .group = "Inputs"},
	{'o', "output", "DIR", "the output folder; made when it is not there",
         .take = take_output, .group = "Outputs"},
	{0, "overwrite", "skip|always",
         "what to do when an output is there; without it that image fails",
         .take = take_overwrite},
	{'s', FIELD(SIZE), .take = take_size, .group = "Geometry"},
	{FIELD(NO_ENLARGE)},
	{FIELD(NO_REDUCE)},
	{FIELD(FIT)},
	{FIELD(POSITION)},
	{FIELD(BACKGROUND)},
	{FIELD(LINEAR)},
	{FIELD(NO_ROTATE)},
	{FIELD(KERNEL)},
	{FIELD(PROFILE), .take = take_profile, .group = "Colour"},
	{FIELD(INTENT)},
	{FIELD(DEPTH)},
	{'f', FIELD(FORMAT), .take = take_format, .group = "Encoding"},
	{'q', FIELD(QUALITY)},
	{FIELD(EFFORT)},
	{FIELD(LOSSLESS)},
	{FIELD(PROGRESSIVE)},
	{FIELD(CHROMA)},
	{FIELD(KEEP), .group = "Metadata"},
	{0, "keep-dates", NULL, "give outputs the dates of their inputs",
         .set = set_keep_dates},
	{FIELD(FILTER), .group = "Filters"},
	{FIELD(FAIL_ON), .group = "Robustness"},
	{0, "memory", "SIZE",
         "of all processes together; K, M, G; default 3/4 of what is free",
         .take = take_memory},
	{0, "max-pixels", "N", "width x height x frames, default 268402689",
         .take = take_max_pixels},
	{0, "max-frames", "N", "of an animation; default none", .take = take_max_frames},
	{0, "max-file-size", "SIZE", "of an input, default 2G",
         .take = take_max_file_size},
	{0, "sandbox", "auto|require|off",
         "lock workers down: as far as can be, or else not begin; default auto",
         .take = take_sandbox},
	{0, "untrusted", NULL,
         "of strangers: fewer formats, lower limits, the sandbox required",
         .set = set_untrusted},
	{0, "timeout", "SECONDS",
         "for one image, once it is read; default 60 and 2 for each megapixel",
         .take = take_timeout},
	{0, "retries", "N", "of an image whose worker died; default 1",
         .take = take_retries},
	{'j', "jobs", "N|auto",
         "worker processes; auto (default): by processors and memory", .take = take_jobs,
         .group = "Running"},
	{0, "recycle", "N", "images after which a worker is replaced; default 500",
         .take = take_recycle},
	{FIELD(ENGINE)},
	{0, "progress", "auto|bar|plain|json|none", "on standard error",
         .take = take_progress, .group = "Reporting"},
	{0, "report", "FILE", "a line of JSON for each image; - is standard output",
         .take = take_report},
	{'v', "verbose", NULL, "also name what is done, and what was ignored",
         .set = set_verbose},
	{'Q', "quiet", NULL, "say nothing but failures", .set = set_quiet},
	{'h', NULL, NULL, "the short help", .set = set_short_help},
	{0, "help", NULL, "this help", .set = set_help},
	{0, "version", NULL, "all versions", .set = set_version},
	{.does = NULL},
};

const char *option_name(const struct option_word *option)
{
	return option->field_and_1
	               ? recipe_field_name((enum recipe_field)(option->field_and_1 - 1))
	               : option->word;
}

const char *option_argument(const struct option_word *option,
                            char text[RECIPE_ARGUMENT_BYTES])
{
	return option->field_and_1
	               ? recipe_field_argument(
				 (enum recipe_field)(option->field_and_1 - 1), text)
	               : option->argument;
}

const char *option_does(const struct option_word *option)
{
	return option->field_and_1
	               ? recipe_field_help((enum recipe_field)(option->field_and_1 - 1))
	               : option->does;
}
