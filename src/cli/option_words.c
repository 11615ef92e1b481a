/* The table of options: what each is called, what it does, and how its value is read. */
#include "cli/command_line.h"
#include "cli/suggest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_JOBS = 1024, MAX_RETRIES = 100, MAX_TIMEOUT_SECONDS = 1000000 };

/* One of a fixed set of words. */
struct choice {
	const char *word;
	int value;
};

static bool choose(const struct choice *choices, const char *value, int *ret_value,
                   char *text, size_t n_text)
{
	const char *best = NULL;
	size_t n;

	for (const struct choice *choice = choices; choice->word; choice++) {
		if (strcmp(choice->word, value) == 0) {
			*ret_value = choice->value;
			return true;
		}
		suggest_consider(&best, value, choice->word);
	}

	n = (size_t)snprintf(text, n_text, "'%s' is not one of", value);
	for (const struct choice *choice = choices; choice->word && n < n_text; choice++)
		n += (size_t)snprintf(text + n, n_text - n, "%s %s",
		                      choice == choices ? "" : ",", choice->word);
	if (best && n < n_text)
		snprintf(text + n, n_text - n, "; did you mean '%s'?", best);
	return false;
}

/* A whole number from least to most. */
static bool whole(const char *value, unsigned least, unsigned most, unsigned *ret_number,
                  char *text, size_t n_text)
{
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end || errno || number < least ||
	    number > most) {
		snprintf(text, n_text, "'%s' is not a whole number from %u to %u", value,
		         least, most);
		return false;
	}
	*ret_number = (unsigned)number;
	return true;
}

static bool take_size(struct command_line *line, const char *value, char *text,
                      size_t n_text)
{
	bool no_enlarge = line->batch.recipe.geometry.no_enlarge;

	line->has_size = true;
	if (!geometry_parse(&line->batch.recipe.geometry, value, text, n_text))
		return false;
	line->batch.recipe.geometry.no_enlarge = no_enlarge;
	return true;
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
		{"tiff", FORMAT_TIFF}, {"gif", FORMAT_GIF},   {"bmp", FORMAT_BMP},
		{"tga", FORMAT_TGA},   {"same", FORMAT_NONE}, {NULL, 0},
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
	if (!choose(words, value, &chosen, text, n_text))
		return false;
	line->batch.format = (enum image_format)chosen;
	return true;
}

static bool take_quality(struct command_line *line, const char *value, char *text,
                         size_t n_text)
{
	unsigned quality;

	if (!whole(value, 1, 100, &quality, text, n_text))
		return false;
	line->batch.recipe.quality = (uint8_t)quality;
	return true;
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

	if (!choose(words, value, &chosen, text, n_text))
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

	if (!choose(words, value, &chosen, text, n_text))
		return false;
	line->batch.overwrite = (enum overwrite)chosen;
	return true;
}

static bool take_engine(struct command_line *line, const char *value, char *text,
                        size_t n_text)
{
	static const struct choice words[] = {
		{"auto", ENGINE_AUTO},
		{"vips", ENGINE_VIPS},
		{"stb", ENGINE_STB},
		{NULL, 0},
	};
	int chosen;

	if (!choose(words, value, &chosen, text, n_text))
		return false;
	line->batch.recipe.engine = (enum engine_choice)chosen;
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

	if (!choose(words, value, &chosen, text, n_text))
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

const struct option_word option_words[] = {
	{'s', "size", "GEOM",
         "N (a box of N x N), WxH, Wx or xH: the largest size that fits",
         .take = take_size},
	{'o', "output", "DIR", "the output folder; made when it is not there",
         .take = take_output},
	{'f', "format", "FORMAT",
         "jpg, png, webp, avif, heic, jxl, tiff, gif, bmp, tga; default same",
         .take = take_format},
	{'q', "quality", "N", "of the encoder, 1 to 100; default 80 (avif, heic 50)",
         .take = take_quality},
	{'j', "jobs", "N|auto",
         "worker processes; auto (default) is one for each processor", .take = take_jobs},
	{0, "timeout", "SECONDS",
         "for one image, once it is read; default 60 and 2 for each megapixel",
         .take = take_timeout},
	{0, "retries", "N", "of an image whose worker died; default 1",
         .take = take_retries},
	{0, "sandbox", "auto|require|off",
         "lock workers down: as far as can be, or else not begin; default auto",
         .take = take_sandbox},
	{0, "untrusted", NULL,
         "of strangers: fewer formats, lower limits, the sandbox required",
         .set = set_untrusted},
	{0, "overwrite", "skip|always",
         "what to do when an output is there; without it that image fails",
         .take = take_overwrite},
	{0, "engine", "auto|vips|stb", "which code reads and writes pictures",
         .take = take_engine},
	{0, "progress", "auto|bar|plain|json|none", "on standard error",
         .take = take_progress},
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
