/* The option table, and the parsers of values that the table cannot describe. */
#include "cli/options.h"

#include "base/fd.h"
#include "batch/limits.h"
#include "batch/naming.h"
#include "cli/command_line.h"
#include "common/suggest.h"
#include "image/catalogue.h"
#include "image/engine.h"
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
	MAX_TIMEOUT_SECONDS = 1000000,
	MAX_SHARDS = 1000000,
	MAX_DEPTH = 1000000,
	MAX_FAILURES = 1000000000,
	MAX_STOP_SECONDS = 1000000000
};

/* ---- values with a parser of their own ---- */

static bool take_unsigned(const char *value, unsigned minimum, unsigned maximum,
                          unsigned *ret_number, struct failure *ret_failure)
{
	uint64_t number;

	if (!whole_parse(value, minimum, maximum, &number, ret_failure))
		return false;
	*ret_number = (unsigned)number;
	return true;
}

static bool take_nothing(struct command_line *line, const char *value,
                         struct failure *ret_failure)
{
	(void)line;
	(void)value;
	(void)ret_failure;
	return true;
}

static bool take_files_from(struct command_line *line, const char *value,
                            struct failure *ret_failure)
{
	line->files_from = value;
	return value[0] || failure_set(ret_failure, FAIL_USAGE,
	                               "must be the name of a file, or '-' for "
	                               "standard input; got ''");
}

static bool take_glob(struct command_line *line, struct walk_glob glob,
                      struct failure *ret_failure)
{
	struct walk_options *walk = &line->batch.walk;
	struct walk_glob *globs = reallocarray(line->globs, walk->n_globs + 1,
	                                       sizeof(*globs));

	if (!globs)
		return failure_set(ret_failure, FAIL_USAGE, "out of memory");
	globs[walk->n_globs++] = glob;
	walk->globs = line->globs = globs;
	return glob.pattern[0] ||
	       failure_set(ret_failure, FAIL_USAGE,
	                   "must be a pattern such as '*.jpg' or 'cache/*', got ''");
}

static bool take_include(struct command_line *line, const char *value,
                         struct failure *ret_failure)
{
	return take_glob(line, (struct walk_glob){value, true}, ret_failure);
}

static bool take_exclude(struct command_line *line, const char *value,
                         struct failure *ret_failure)
{
	return take_glob(line, (struct walk_glob){value, false}, ret_failure);
}

static bool take_max_depth(struct command_line *line, const char *value,
                           struct failure *ret_failure)
{
	line->batch.walk.has_max_depth = true;
	return take_unsigned(value, 0, MAX_DEPTH, &line->batch.walk.max_depth,
	                     ret_failure);
}

static bool take_size(struct command_line *line, const char *value,
                      struct failure *ret_failure)
{
	return geometry_parse(&line->size, value, ret_failure);
}

static bool take_output(struct command_line *line, const char *value,
                        struct failure *ret_failure)
{
	line->batch.output = value;
	return value[0] ||
	       failure_set(ret_failure, FAIL_USAGE,
	                   "must be the name of a folder, or of a file such as a.webp; "
	                   "got ''");
}

static bool take_name(struct command_line *line, const char *value,
                      struct failure *ret_failure)
{
	line->batch.style.pattern = value;
	return naming_check_pattern(value, &line->name_format, ret_failure);
}

static bool take_format(struct command_line *line, const char *value,
                        struct failure *ret_failure)
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

	/* A format may also be given by a synonym or another suffix: "jpeg" means "jpg". */
	if (format != FORMAT_NONE && choice_word(words, (int)format)) {
		line->batch.format = format;
		return true;
	}
	if (strchr(value, ','))
		return failure_set(
			ret_failure, FAIL_USAGE,
			"must be one format, got '%.40s'; run the command once "
			"for each",
			value);
	if (!choice_parse(words, value, &chosen, ret_failure))
		return false;
	line->batch.format = (enum image_format)chosen;
	return true;
}

/* Read a colour profile completely. command_line_fini() frees the bytes. */
static bool read_profile(struct command_line *line, const char *name,
                         struct failure *ret_failure)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t *bytes = fd >= 0 ? malloc(PROFILE_MAX_BYTES + 1) : NULL;
	ssize_t n = bytes ? fd_pread_full(fd, bytes, PROFILE_MAX_BYTES + 1, 0) : -1;
	bool is_profile = n >= 0 && profile_can_be_output(bytes, (size_t)n);

	if (n < 0)
		failure_set(ret_failure, FAIL_USAGE,
		            "must be srgb, p3, keep or the name of an ICC file; cannot "
		            "read '%.60s': %s",
		            name, strerrordesc_np(errno));
	else if (!is_profile)
		failure_set(ret_failure, FAIL_USAGE,
		            "must be an ICC file with an RGB profile of at most %d "
		            "MiB, got '%.60s'",
		            PROFILE_MAX_BYTES >> 20, name);
	fd_close(&fd);
	if (!is_profile) {
		free(bytes);
		return false;
	}
	line->batch.profile = bytes;
	line->batch.n_profile = (size_t)n;
	return true;
}

static bool take_profile(struct command_line *line, const char *value,
                         struct failure *ret_failure)
{
	static const char *const words[] = {"srgb", "p3", "keep"};
	const char *best = NULL;
	char hash[32];

	/* an earlier --profile may have set a profile */
	free((void *)line->batch.profile);
	line->batch.profile = NULL;
	line->batch.n_profile = 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i], value) == 0)
			return recipe_set(&line->batch.recipe, RECIPE_PROFILE, value,
			                  ret_failure);
		suggest_consider(&best, value, words[i]);
	}
	if (!read_profile(line, value, ret_failure))
		return best ? failure_append(ret_failure, "; did you mean '%s'?", best)
		            : false;
	snprintf(hash, sizeof(hash), "file:%016" PRIx64,
	         profile_hash(line->batch.profile, line->batch.n_profile));
	return recipe_set(&line->batch.recipe, RECIPE_PROFILE, hash, ret_failure);
}

/* The valid words come from the table of engines. */
static bool take_engine(struct command_line *line, const char *value,
                        struct failure *ret_failure)
{
	struct choice words[CATALOGUE_ENGINES_MAX + 2] = {{"auto", 0}};
	int chosen;

	for (int i = 0; i < CATALOGUE_ENGINES_MAX && engines[i]; i++)
		words[i + 1] = (struct choice){engines[i]->name, i + 1};
	return choice_parse(words, value, &chosen, ret_failure) &&
	       recipe_set(&line->batch.recipe, RECIPE_ENGINE, value, ret_failure);
}

/* Parse I/N, with I from 0 to N - 1. */
static bool take_shard(struct command_line *line, const char *value,
                       struct failure *ret_failure)
{
	const char *slash = strchr(value, '/');
	char index[16] = "";
	uint64_t n = 0, i = 0;
	struct failure ignored;

	if (slash && (size_t)(slash - value) < sizeof(index))
		memcpy(index, value, (size_t)(slash - value));
	if (!slash || !whole_parse(slash + 1, 1, MAX_SHARDS, &n, &ignored) ||
	    !whole_parse(index, 0, n - 1, &i, &ignored))
		return failure_set(
			ret_failure, FAIL_USAGE,
			"must be I/N, with N from 1 to %d and I from 0 to N-1, "
			"got '%.40s'",
			MAX_SHARDS, value);
	line->batch.shard = (struct shard){(unsigned)i, (unsigned)n};
	return true;
}

static bool take_state(struct command_line *line, const char *value,
                       struct failure *ret_failure)
{
	line->batch.keeps_no_state = strcmp(value, "none") == 0;
	line->batch.state = line->batch.keeps_no_state ? NULL : value;
	return value[0] || failure_set(ret_failure, FAIL_USAGE,
	                               "must be the name of a file or the "
	                               "word none, got ''");
}

static bool take_backup(struct command_line *line, const char *value,
                        struct failure *ret_failure)
{
	line->batch.backup_suffix = value;
	return (value[0] && !strchr(value, '/')) ||
	       failure_set(ret_failure, FAIL_USAGE,
	                   "must be a suffix without '/', such as .orig, got '%.60s'",
	                   value);
}

static bool take_jobs(struct command_line *line, const char *value,
                      struct failure *ret_failure)
{
	line->batch.n_workers = 0;
	return strcmp(value, "auto") == 0 ||
	       take_unsigned(value, 1, MAX_JOBS, &line->batch.n_workers, ret_failure);
}

static bool take_timeout(struct command_line *line, const char *value,
                         struct failure *ret_failure)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds >= 0.001) || seconds > MAX_TIMEOUT_SECONDS)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "must be a number of seconds from 0.001 to %d, got "
		                   "'%.40s'",
		                   MAX_TIMEOUT_SECONDS, value);
	line->batch.timeout_ms = (int64_t)ceil(seconds * 1000);
	return true;
}

/* Parse a time in seconds, minutes, hours or days, with the units of sleep(1), such as 0.5m. */
static bool take_stop_after(struct command_line *line, const char *value,
                            struct failure *ret_failure)
{
	static const struct {
		char letter;
		int seconds;
	} units[] = {{0, 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	const char *end = value;
	double number = 0;
	size_t unit = 0;

	if (!decimal_parse(&end, &number))
		end = "?";
	while (unit < sizeof(units) / sizeof(units[0]) && units[unit].letter != *end)
		unit++;
	if (unit == sizeof(units) / sizeof(units[0]) || (*end && end[1]) ||
	    !(number * units[unit].seconds >= 0.001 &&
	      number * units[unit].seconds <= MAX_STOP_SECONDS))
		return failure_set(ret_failure, FAIL_USAGE,
		                   "must be a time such as 90 (seconds), 90s, 15m, 2h "
		                   "or 1d, got '%.40s'",
		                   value);
	line->batch.stop_after_ms = (int64_t)ceil(number * units[unit].seconds * 1000);
	return true;
}

static bool take_fail_fast(struct command_line *line, const char *value,
                           struct failure *ret_failure)
{
	line->batch.max_failures = 1;
	return take_nothing(line, value, ret_failure);
}

static bool take_max_failures(struct command_line *line, const char *value,
                              struct failure *ret_failure)
{
	return take_unsigned(value, 1, MAX_FAILURES, &line->batch.max_failures,
	                     ret_failure);
}

static bool take_memory(struct command_line *line, const char *value,
                        struct failure *ret_failure)
{
	return amount_parse(value, UNIT_BYTES, LIMITS_MIN_MEMORY, UINT64_MAX >> 2,
	                    &line->batch.memory, ret_failure);
}

static bool take_recycle(struct command_line *line, const char *value,
                         struct failure *ret_failure)
{
	return take_unsigned(value, 1, MAX_RECYCLE, &line->batch.recycle, ret_failure);
}

static bool take_retries(struct command_line *line, const char *value,
                         struct failure *ret_failure)
{
	return take_unsigned(value, 0, MAX_RETRIES, &line->batch.retries, ret_failure);
}

static bool take_report(struct command_line *line, const char *value,
                        struct failure *ret_failure)
{
	line->report_file = value;
	return value[0] ||
	       failure_set(ret_failure, FAIL_USAGE,
	                   "must be the name of a file, or '-' for standard output; "
	                   "got ''");
}

static void ask_for_help(struct command_line *line, enum help_request help)
{
	if (line->help < help)
		line->help = help;
}

static bool take_short_help(struct command_line *line, const char *value,
                            struct failure *ret_failure)
{
	ask_for_help(line, HELP_SHORT);
	return take_nothing(line, value, ret_failure);
}

static bool take_help(struct command_line *line, const char *value,
                      struct failure *ret_failure)
{
	ask_for_help(line, HELP_LONG);
	return take_nothing(line, value, ret_failure);
}

static bool take_version(struct command_line *line, const char *value,
                         struct failure *ret_failure)
{
	ask_for_help(line, HELP_VERSION);
	return take_nothing(line, value, ret_failure);
}

/* ---- the table ---- */

static const struct choice overwrites[] = {
	{"own", OVERWRITE_OWN},
	{"skip", OVERWRITE_SKIP},
	{"older", OVERWRITE_OLDER},
	{"always", OVERWRITE_ALWAYS},
	{NULL, 0},
};

/* The values of --on-collision: what to do if two inputs have the same output name. */
static const struct choice collisions[] = {
	{"stop", COLLISION_STOP},
	{"keep-ext", COLLISION_KEEP_EXT},
	{NULL, 0},
};

static const struct choice sandbox_modes[] = {
	{"auto", SANDBOX_AUTO},
	{"require", SANDBOX_REQUIRE},
	{"off", SANDBOX_OFF},
	{NULL, 0},
};

static const struct choice progresses[] = {
	{"auto", PROGRESS_AUTO}, {"bar", PROGRESS_BAR},   {"plain", PROGRESS_PLAIN},
	{"json", PROGRESS_JSON}, {"none", PROGRESS_NONE}, {NULL, 0},
};

/* Masks of commands, for the member `commands` of the table's rows. */
enum {
	SCALES = 1 << COMMAND_RESIZE | 1 << COMMAND_THUMB,
	WRITES = SCALES | 1 << COMMAND_CONVERT | 1 << COMMAND_FILTER,
	READS = WRITES | 1 << COMMAND_VERIFY,
	ALL = READS | 1 << COMMAND_INFO,
};

#define OF_LINE(member) .offset = offsetof(struct command_line, member)

/* clang-format off */
const struct cli_option cli_options[] = {
	{
		.letter = 'r', .commands = READS, .take = take_nothing,
		.help = "no effect: folders are always searched with their\n"
		        "subfolders",
		.group = "Inputs",
	}, {
		.name = "files-from", .argument = "FILE", .commands = READS,
		.take = take_files_from,
		.help = "take the names of inputs from FILE, one name a line; -\n"
		        "is standard input. If an INPUT folder is given, names\n"
		        "are relative to it. The output of a name such as\n"
		        "sub/a.jpg goes into a subfolder sub",
	}, {
		.letter = '0', .name = "null", .commands = READS, .is_flag = true,
		OF_LINE(is_null_separated),
		.help = "names in the FILE of --files-from end with NUL\n"
		        "characters, as find -print0 writes them",
	}, {
		.name = "include", .argument = "GLOB", .commands = READS,
		.take = take_include,
		.help = "take only files that match GLOB, such as '*.jpg'. GLOB\n"
		        "is compared with the file name. If GLOB contains a /,\n"
		        "it is compared with the end of the path. The last\n"
		        "--include or --exclude that matches decides",
	}, {
		.name = "exclude", .argument = "GLOB", .commands = READS,
		.take = take_exclude,
		.help = "leave out files that match GLOB, such as '*.cr2' or\n"
		        "'cache/*'",
	}, {
		.name = "max-depth", .argument = "N", .commands = READS,
		.take = take_max_depth,
		.help = "search at most N levels of folders; 1 is the INPUT\n"
		        "folder without its subfolders",
	}, {
		.letter = 'L', .name = "follow", .commands = READS, .is_flag = true,
		OF_LINE(batch.walk.follows_links),
		.help = "follow symbolic links in folders",
	}, {
		.name = "hidden", .commands = READS, .is_flag = true,
		OF_LINE(batch.walk.takes_hidden),
		.help = "also take files and folders whose names begin with a\n"
		        "dot",
	}, {
		.name = "one-file-system", .commands = READS, .is_flag = true,
		OF_LINE(batch.walk.stays_on_device),
		.help = "leave out folders that are on another file system than\n"
		        "their INPUT",
	}, {
		.name = "shard", .argument = "I/N", .commands = WRITES, .take = take_shard,
		.help = "process one of N parts of the inputs: part I, from 0\n"
		        "to N-1. A hash of the output's name decides the part;\n"
		        "each part has its own state",
	}, {
		.letter = 'o', .name = "output", .argument = "DIR|FILE|-",
		.commands = WRITES, .take = take_output,
		.help = "output folder, made if it is missing. The tree of each\n"
		        "INPUT folder is repeated below it. If INPUT is one\n"
		        "file, FILE can be a file name such as a.webp (always\n"
		        "replaced) or - (standard output)",
		.group = "Outputs",
	}, {
		.name = "flat", .commands = WRITES, .is_flag = true,
		OF_LINE(batch.style.is_flat),
		.help = "put all outputs into the output folder itself",
	}, {
		.name = "name", .argument = "TEMPLATE", .commands = WRITES,
		.take = take_name,
		.help = "file names of outputs: {name} is the name of the input\n"
		        "without its suffix, {ext} the suffix of the output's\n"
		        "format, {hash} a hash of the output's content, as in\n"
		        "'{name}-{hash}.{ext}'",
	}, {
		.name = "on-collision", .argument = "stop|keep-ext", .commands = WRITES,
		.choices = collisions, OF_LINE(on_collision),
		.help = "if two inputs have the same output: stop before any\n"
		        "work (stop, the default), or keep the suffix of each\n"
		        "input in the name of its output, as in a.png.webp\n"
		        "(keep-ext)",
	}, {
		.name = "in-place", .commands = WRITES, .is_flag = true,
		OF_LINE(batch.in_place),
		.help = "replace each image by its output, without -o. The file\n"
		        "keeps its owner, mode, times and attributes, and the\n"
		        "image its metadata, colours and depth",
	}, {
		.name = "backup", .argument = "SUFFIX", .commands = WRITES,
		.take = take_backup,
		.help = "with --in-place: keep each original under its name and\n"
		        "SUFFIX, such as .orig; an existing backup is never\n"
		        "replaced",
	}, {
		.name = "no-backup", .commands = WRITES, .is_flag = true,
		OF_LINE(keeps_no_backup),
		.help = "with --in-place: keep no originals",
	}, {
		.name = "overwrite", .argument = "own|skip|older|always",
		.commands = WRITES, .choices = overwrites, OF_LINE(batch.overwrite),
		.help = "which existing files an output may replace. own\n"
		        "(default): outputs of pixpool that nobody changed; if\n"
		        "any other file exists, the image fails. skip: none;\n"
		        "the image is skipped. older: files older than the\n"
		        "input. always: all. Outputs that are up to date are\n"
		        "not made again",
	}, {
		.name = "prune", .commands = WRITES, .is_flag = true,
		OF_LINE(batch.prunes),
		.help = "remove outputs that pixpool made and nobody changed,\n"
		        "if their input no longer exists. Only at the end of a\n"
		        "complete run that found an image in each INPUT",
	}, {
		.name = "redo", .commands = WRITES, .is_flag = true, OF_LINE(batch.redo),
		.help = "make outputs again even if they are up to date",
	}, {
		.letter = 'c', .name = "checksum", .commands = WRITES, .is_flag = true,
		OF_LINE(batch.compare_contents),
		.help = "compare contents even if size and time are the same;\n"
		        "outputs without a record are made and compared",
	}, {
		.name = "state", .argument = "FILE|none", .commands = WRITES,
		.take = take_state,
		.help = "database of the outputs that were made (default:\n"
		        ".pixpool.db in the output folder); none: no database,\n"
		        "and no stamps on outputs",
	}, {
		.name = "no-wait", .commands = WRITES, .is_flag = true,
		OF_LINE(batch.no_wait),
		.help = "if another run uses the same output folder (or, with\n"
		        "--in-place, replaces images in the same folder): end\n"
		        "with status 4 instead of waiting",
	}, {
		.name = "no-fsync", .commands = WRITES, .is_flag = true,
		OF_LINE(batch.no_fsync),
		.help = "do not wait for the disk: a power cut may lose outputs\n"
		        "that were reported as done",
	}, {
		.name = "accept-known", .commands = WRITES, .is_flag = true,
		OF_LINE(batch.accept_known),
		.help = "failures that an earlier run found do not make the\n"
		        "exit status 1",
	}, {
		.letter = 's', .name = "size", .argument = "GEOM",
		.commands = SCALES, .take = take_size,
		.help = "1600 is the longest side, 800x600 a box, 800x the\n"
		        "width, x600 the height, 50% a scale. A character may\n"
		        "follow, quoted for the shell, as in '800x600>': > only\n"
		        "shrinks, < only enlarges, ! ignores proportions",
		.group = "Size",
	}, {
		.name = "no-enlarge", .commands = SCALES, .field = RECIPE_NO_ENLARGE,
		.help = "leave smaller images at their size",
	}, {
		.name = "no-reduce", .commands = SCALES, .field = RECIPE_NO_REDUCE,
		.help = "leave larger images at their size",
	}, {
		.name = "fit", .argument = "MODE", .commands = SCALES, .field = RECIPE_FIT,
		.help = "how an image fills a box: inside (default: all of it,\n"
		        "within the box), cover (fill the box, cut the rest),\n"
		        "contain (all of it, on a background), fill (stretch),\n"
		        "outside (at least as large as the box)",
	}, {
		.name = "position", .argument = "WHERE", .commands = SCALES,
		.field = RECIPE_POSITION,
		.help = "what --fit cover keeps and where --fit contain puts\n"
		        "the image: centre (default), north, northeast, east,\n"
		        "..., or X%,Y%; entropy or attention finds the\n"
		        "interesting part",
	}, {
		.name = "background", .argument = "COLOUR", .commands = WRITES,
		.field = RECIPE_BACKGROUND,
		.help = "background colour for --fit contain and for\n"
		        "transparent pixels: a name, #rgb, #rrggbb or #rrggbbaa\n"
		        "(default: white if the format has no transparency)",
	}, {
		.name = "linear", .commands = SCALES, .field = RECIPE_LINEAR,
		.help = "scale in linear light",
	}, {
		.name = "no-rotate", .commands = WRITES, .field = RECIPE_NO_ROTATE,
		.help = "ignore the orientation in the EXIF data",
	}, {
		.name = "kernel", .argument = "KERNEL", .commands = SCALES,
		.field = RECIPE_KERNEL,
		.help = "filter for shrinking: lanczos3 (default), lanczos2,\nmitchell, cubic, linear, nearest",
	}, {
		.name = "profile", .argument = "srgb|p3|keep|FILE", .commands = WRITES,
		.take = take_profile,
		.help = "colour space of outputs: sRGB, Display P3, that of the\n"
		        "input, or an RGB profile (default: srgb; convert,\n"
		        "filter and --in-place: keep)",
		.group = "Colour",
	}, {
		.name = "intent", .argument = "INTENT", .commands = WRITES,
		.field = RECIPE_INTENT,
		.help = "rendering intent of the conversion to --profile:\n"
		        "relative (default), perceptual, saturation, absolute",
	}, {
		.name = "depth", .argument = "8|16|keep", .commands = WRITES,
		.field = RECIPE_DEPTH,
		.help = "bits per sample (default: 8; convert, filter and\n--in-place: keep)",
	}, {
		.letter = 'f', .name = "format", .argument = "FORMAT", .commands = WRITES,
		.take = take_format,
		.help = "output format: jpg, png, webp, avif, heic, jxl, tiff,\ngif, jp2, ppm, bmp, tga, hdr or same (default: same as\nthe input)",
		.group = "Encoding",
	}, {
		.letter = 'q', .name = "quality", .argument = "N", .commands = WRITES,
		.field = RECIPE_QUALITY,
		.help = "quality, 1 to 100 (default: 80; avif and heic: 50)",
	}, {
		.name = "effort", .argument = "N", .commands = WRITES, .field = RECIPE_EFFORT,
		.help = "encoder effort: 0 is fast, 9 makes small files",
	}, {
		.name = "lossless", .commands = WRITES, .field = RECIPE_LOSSLESS,
		.help = "lossless compression, in formats that also have lossy\n"
		        "compression",
	}, {
		.name = "progressive", .commands = WRITES, .field = RECIPE_PROGRESSIVE,
		.help = "progressive JPEG, interlaced PNG and GIF",
	}, {
		.name = "chroma", .argument = "auto|420|444", .commands = WRITES,
		.field = RECIPE_CHROMA,
		.help = "resolution of colour: half (420), full (444), or as\n"
		        "the encoder decides (auto, the default)",
	}, {
		.name = "keep", .argument = "CLASS,...", .commands = WRITES,
		.field = RECIPE_KEEP,
		.help = "metadata to keep: none, all, or a list of exif, icc,\n"
		        "xmp, iptc, gps, copyright. Without gps, locations are\n"
		        "removed from EXIF, XMP and IPTC; copyright keeps\n"
		        "artist, rights, credit and usage terms in them\n"
		        "(default: none; convert, filter and --in-place: all)",
		.group = "Metadata",
	}, {
		.name = "keep-dates", .commands = WRITES, .is_flag = true,
		OF_LINE(batch.keep_dates),
		.help = "give outputs the times of their inputs",
	}, {
		.name = "filter", .argument = "CHAIN", .commands = SCALES,
		.field = RECIPE_FILTER,
		.help = "filters with commas between them; they are listed\n"
		        "below",
		.group = "Filters",
	}, {
		.name = "fail-on", .argument = "LEVEL", .commands = READS,
		.field = RECIPE_FAIL_ON,
		.help = "damage that makes an image fail: none (save what can\n"
		        "be read), truncated (the file ends early), error\n"
		        "(default: any damage), warning (anything unusual)",
		.group = "Limits and safety",
	}, {
		.name = "timeout", .argument = "SECONDS", .commands = ALL, .take = take_timeout,
		.help = "time limit for one image, after it has been read\n"
		        "(default: 60, plus 2 for each megapixel)",
	}, {
		.name = "memory", .argument = "SIZE", .commands = ALL, .take = take_memory,
		.help = "memory limit for all processes together, such as 2G\n(default: 3/4 of the free memory)",
	}, {
		.name = "max-pixels", .argument = "N", .commands = ALL,
		.field = RECIPE_LIMIT_PIXELS,
		.help = "limit on width x height x frames of one image, such as\n50M (default: 268402689)",
	}, {
		.name = "max-frames", .argument = "N", .commands = ALL,
		.field = RECIPE_LIMIT_FRAMES,
		.help = "limit on frames of one animation (default: no limit)",
	}, {
		.name = "max-file-size", .argument = "SIZE", .commands = ALL,
		.field = RECIPE_LIMIT_FILE_BYTES,
		.help = "limit on the size of one input (default: 2G)",
	}, {
		.name = "untrusted", .commands = ALL, .is_flag = true,
		OF_LINE(batch.is_untrusted),
		.help = "for untrusted files: fewer formats, lower limits,\nsandbox required",
	}, {
		.name = "sandbox", .argument = "auto|require|off", .commands = ALL,
		.choices = sandbox_modes, OF_LINE(batch.sandbox),
		.help = "auto (default): use all layers that this system\n"
		        "offers; require: do not start if a layer is missing;\n"
		        "off: no sandbox",
	}, {
		.name = "retries", .argument = "N", .commands = READS, .take = take_retries,
		.help = "further attempts after a crash (default: 1)",
	}, {
		.name = "fail-fast", .commands = READS, .take = take_fail_fast,
		.help = "stop at the first image that fails",
	}, {
		.name = "max-failures", .argument = "N", .commands = READS,
		.take = take_max_failures,
		.help = "stop when N images have failed",
	}, {
		.name = "stop-after", .argument = "DURATION", .commands = READS,
		.take = take_stop_after,
		.help = "start no image after this time, such as 90s, 15m or\n"
		        "2h; run the same command again to continue",
	}, {
		.letter = 'n', .name = "dry-run", .commands = WRITES, .is_flag = true,
		OF_LINE(batch.plans_only),
		.help = "write nothing; print what a run would do, a line for\n"
		        "each output: make, skip or fail, INPUT -> OUTPUT,\n"
		        "and the reason",
		.group = "Running",
	}, {
		.letter = 'j', .name = "jobs", .argument = "N|auto", .commands = ALL,
		.take = take_jobs,
		.help = "worker processes (default: auto, by processors and\n"
		        "memory)",
	}, {
		.name = "recycle", .argument = "N", .commands = ALL, .take = take_recycle,
		.help = "replace a worker after N images (default: 500)",
	}, {
		.name = "engine", .argument = "ENGINE", .commands = READS,
		.take = take_engine,
		.help = "the code that reads and writes images; 'pixpool info'\n"
		        "lists the engines (default: auto)",
	}, {
		.name = "progress", .argument = "auto|bar|plain|json|none", .commands = READS,
		.choices = progresses, OF_LINE(report.progress),
		.help = "progress on standard error (auto, the default: a bar\n"
		        "on a terminal, elsewhere a line for each image)",
		.group = "Reporting",
	}, {
		.name = "json", .commands = 1 << COMMAND_INFO, .is_flag = true,
		OF_LINE(prints_json),
		.help = "print JSON instead of tables",
	}, {
		.name = "report", .argument = "FILE", .commands = READS, .take = take_report,
		.help = "write a line of JSON for each image, and a summary,\n"
		        "into FILE; - is standard output",
	}, {
		.letter = 'v', .name = "verbose", .commands = ALL, .is_flag = true,
		OF_LINE(report.verbose),
		.help = "also print the recipe, finished images and ignored\n"
		        "files",
	}, {
		.letter = 'Q', .name = "quiet", .commands = ALL, .is_flag = true,
		OF_LINE(report.quiet),
		.help = "print no progress and no summary, only failures and\n"
		        "messages",
	}, {
		.letter = 'h', .commands = ALL, .take = take_short_help,
		.help = "print a short help",
	}, {
		.name = "help", .commands = ALL, .take = take_help,
		.help = "print this help; after a command, the help for it",
	}, {
		.name = "version", .commands = ALL, .take = take_version,
		.help = "print the versions of pixpool and its libraries",
	},
	{.help = NULL},
};
/* clang-format on */

_Static_assert(sizeof(cli_options) / sizeof(cli_options[0]) <= MAX_OPTIONS,
               "MAX_OPTIONS must be at least the number of options");

/* ---- storing values ---- */

bool option_store(const struct cli_option *option, struct command_line *line,
                  const char *value, struct failure *ret_failure)
{
	char *member = (char *)line + option->offset;
	int chosen;

	if (option->take)
		return option->take(line, value, ret_failure);
	if (option->is_flag) {
		memcpy(member, &(const bool){true}, sizeof(bool));
		return true;
	}
	if (!option->choices)
		return recipe_set(&line->batch.recipe, option->field, value, ret_failure);
	if (!choice_parse(option->choices, value, &chosen, ret_failure))
		return false;
	/* Every enum has the size of an int, so copying an int sets a member of any enum. */
	memcpy(member, &chosen, sizeof(chosen));
	return true;
}

const struct cli_option *option_find(const char *name)
{
	for (const struct cli_option *option = cli_options; option->help; option++) {
		if (option->name && strcmp(option->name, name) == 0)
			return option;
	}
	return NULL;
}

const char *option_print(const struct cli_option *option, char text[OPTION_NAME_BYTES])
{
	if (option->name)
		snprintf(text, OPTION_NAME_BYTES, "--%s", option->name);
	else
		snprintf(text, OPTION_NAME_BYTES, "-%c", option->letter);
	return text;
}
