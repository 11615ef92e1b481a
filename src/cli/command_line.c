/*
 * Parses the command line with getopt_long(), from our table of options. There are three
 * differences from plain getopt_long(): options cannot be abbreviated, the message about a misspelt
 * word suggests the right word, and POSIXLY_CORRECT has no effect.
 */
#include "cli/command_line.h"

#include "base/fd.h"
#include "cli/options.h"
#include "common/path.h"
#include "common/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	/* For a long option, getopt_long() returns this number plus the index of the option. */
	LONG_OPTION = 256,
	THUMB_SIDE = 256,
	UNTRUSTED_MAX_PIXELS = 50 * 1000 * 1000,
	UNTRUSTED_MAX_FRAMES = 1,
	UNTRUSTED_TIMEOUT_MS = 10 * 1000,
};

static const struct command_info commands[N_COMMANDS] = {
	[COMMAND_NONE] = {NULL, NULL, NULL},
	[COMMAND_RESIZE] = {"resize", "-s GEOM [OPTION]... INPUT... -o DIR|FILE",
                            "scale each image to a size"},
	[COMMAND_THUMB] = {"thumb", "[OPTION]... INPUT... -o DIR|FILE",
                           "make thumbnails: resize, longest side 256 px, never enlarge"},
	[COMMAND_CONVERT] = {"convert", "-f FORMAT [OPTION]... INPUT... -o DIR|FILE",
                             "change the format; keep metadata, colours and depth"},
	[COMMAND_FILTER] = {"filter", "CHAIN [OPTION]... INPUT... -o DIR|FILE",
                            "apply filters, such as 'grayscale, blur 1.5, sharpen'"},
	[COMMAND_VERIFY] = {"verify", "[OPTION]... INPUT...",
                            "read every pixel, write nothing, list broken images"},
	[COMMAND_INFO] = {"info", "[OPTION]...",
                          "show formats, limits and versions of this build"},
};

const struct command_info *command_info(enum command command)
{
	return &commands[command];
}

/* ---- options ---- */

struct getopt_tables {
	char letters[2 * MAX_OPTIONS + 2];
	struct option words[MAX_OPTIONS + 1];
};

/* Convert our table to the form that getopt_long() expects. A ':' at the beginning of the letters
 * makes getopt_long() distinguish a missing value from an unknown option. */
static void fill_tables(struct getopt_tables *tables)
{
	size_t n_letters = 0, n_words = 0;

	memset(tables, 0, sizeof(*tables));
	tables->letters[n_letters++] = ':';
	for (int i = 0; cli_options[i].help && i < MAX_OPTIONS; i++) {
		const struct cli_option *option = &cli_options[i];

		if (option->letter) {
			tables->letters[n_letters++] = option->letter;
			if (option->argument)
				tables->letters[n_letters++] = ':';
		}
		if (option->name)
			tables->words[n_words++] = (struct option){
				.name = option->name,
				.has_arg = option->argument ? required_argument
			                                    : no_argument,
				.val = LONG_OPTION + i,
			};
	}
}

/* Find the option that getopt_long() returned, by its letter or by its index. Returns NULL if there
 * is no such option. */
static const struct cli_option *option_of(int got)
{
	if (got >= LONG_OPTION)
		return &cli_options[got - LONG_OPTION];
	for (const struct cli_option *option = cli_options; option->help; option++) {
		if (option->letter == got)
			return option;
	}
	return NULL;
}

/* Whether the user typed the complete name of a long option. `typed` is the argument, with its
 * dashes and perhaps with a value. */
static bool is_typed_whole(const char *typed, const struct cli_option *option)
{
	size_t n = strcspn(typed + 2, "=");

	return strlen(option->name) == n && strncmp(typed + 2, option->name, n) == 0;
}

static bool refuse_unknown(const char *typed, struct failure *ret_failure)
{
	const char *best = NULL;
	char word[64];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(typed, "="), typed);
	for (const struct cli_option *option = cli_options; option->help; option++) {
		if (option->name && strncmp(word, "--", 2) == 0)
			suggest_consider(&best, word + 2, option->name);
	}
	failure_set(ret_failure, FAIL_USAGE, "unknown option '%s'", word);
	if (best)
		failure_append(ret_failure, "; did you mean '--%s'?", best);
	return false;
}

/* Refuse an argument. `got` is the error code that getopt_long() returned. `typed` is the argument
 * as the user typed it. */
static bool refuse_typed(int got, const char *typed, struct failure *ret_failure)
{
	const struct cli_option *option = optopt ? option_of(optopt) : NULL;
	char letter[] = {'-', (char)optopt, 0};

	/* In a group of letters such as -vo, the message names only the letter that is wrong. */
	if (optopt > 0 && optopt < LONG_OPTION)
		typed = letter;
	else if (option && !is_typed_whole(typed, option))
		option = NULL;
	if (!option)
		return refuse_unknown(typed, ret_failure);
	if (got == ':')
		return failure_set(ret_failure, FAIL_USAGE, "%s needs a value: %s", typed,
		                   option->argument);
	return failure_set(ret_failure, FAIL_USAGE, "--%s takes no value", option->name);
}

static bool take_option(struct command_line *line, const struct cli_option *option,
                        const char *value, struct failure *ret_failure)
{
	char name[OPTION_NAME_BYTES];

	line->is_given[option - cli_options] = true;
	return option_store(option, line, value, ret_failure) ||
	       failure_prepend(ret_failure, "%s: ", option_print(option, name));
}

static bool take_options(struct command_line *line, int argc, char **argv,
                         struct failure *ret_failure)
{
	struct getopt_tables tables;
	int got;

	fill_tables(&tables);
	/* If POSIXLY_CORRECT is set, getopt_long() stops at the first INPUT. */
	unsetenv("POSIXLY_CORRECT");
	opterr = 0;
	while ((got = getopt_long(argc, argv, tables.letters, tables.words, NULL)) !=
	       -1) {
		const char *typed = argv[optind - 1];
		const struct cli_option *option;

		if (got == '?' || got == ':')
			return refuse_typed(got, typed, ret_failure);
		option = option_of(got);
		/* The value was typed as a separate argument, so the option is the argument before
		 * the value. */
		if (got >= LONG_OPTION && optarg && optarg == typed)
			typed = argv[optind - 2];
		if (got >= LONG_OPTION && !is_typed_whole(typed, option))
			return refuse_unknown(typed, ret_failure);
		if (!take_option(line, option, optarg, ret_failure))
			return false;
	}
	return true;
}

static bool is_given(const struct command_line *line, const char *name)
{
	return line->is_given[option_find(name) - cli_options];
}

/* ---- the command ---- */

static enum command find_command(const char *word)
{
	for (int i = COMMAND_NONE + 1; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].name, word) == 0)
			return (enum command)i;
	}
	return COMMAND_NONE;
}

/* Get the command from the first word. "help COMMAND" requests the help of that command. "help"
 * alone requests the general help. */
static bool take_command(struct command_line *line, char **words,
                         struct failure *ret_failure)
{
	const char *best = NULL, *word = words[0];

	for (; word && strcmp(word, "help") == 0; word = *++words)
		line->help = HELP_LONG;
	line->command = word ? find_command(word) : COMMAND_NONE;
	if (line->command != COMMAND_NONE || !word)
		return true;
	for (int i = COMMAND_NONE + 1; i < N_COMMANDS; i++)
		suggest_consider(&best, word, commands[i].name);
	failure_set(ret_failure, FAIL_USAGE, "unknown command '%.60s'", word);
	if (best)
		failure_append(ret_failure, "; did you mean '%s'?", best);
	return false;
}

/* Find the command's name anywhere in the arguments, so that --help and error messages know the
 * command even before all options are parsed. */
static enum command command_among(int argc, char **argv)
{
	enum command command = COMMAND_NONE;

	for (int i = 1; i < argc && command == COMMAND_NONE; i++)
		command = find_command(argv[i]);
	return command;
}

/* The filter chain of the command `filter` is the first argument after the command. */
static bool take_chain(struct command_line *line, struct failure *ret_failure)
{
	if (line->batch.walk.n_inputs == 0)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "missing CHAIN (filters) and INPUT");
	if (!filters_parse(&line->batch.recipe.filters, line->batch.walk.inputs[0],
	                   ret_failure))
		return failure_prepend(ret_failure, "CHAIN: ");
	line->batch.walk.inputs++;
	line->batch.walk.n_inputs--;
	return true;
}

/* ---- the list of inputs ---- */

/* Read a whole file of any length, and append a zero byte. Returns NULL with errno on failure. */
static char *read_whole(int fd, size_t *ret_n)
{
	size_t n = 0, room = 65536;
	char *bytes = malloc(room), *grown;
	ssize_t n_read = 1;

	while (bytes && n_read > 0) {
		n_read = read(fd, bytes + n, room - n - 1);
		if (n_read < 0 && errno == EINTR) {
			n_read = 1;
			continue;
		}
		n += n_read > 0 ? (size_t)n_read : 0;
		if (n + 1 < room)
			continue;
		grown = realloc(bytes, room *= 2);
		if (!grown)
			n_read = -1;
		bytes = grown ? grown : bytes;
	}
	if (!bytes || n_read < 0) {
		free(bytes);
		return NULL;
	}
	bytes[n] = 0;
	*ret_n = n;
	return bytes;
}

static const char byte_order_mark[] = "\xef\xbb\xbf";

static bool begins_with(const char *list, size_t n, const char *mark)
{
	return n >= strlen(mark) && memcmp(list, mark, strlen(mark)) == 0;
}

/* Check that the list is not in UTF-16. Without -0, the list must not contain NUL characters. With
 * -0, a list that contains newlines must also contain NUL characters. */
static bool check_list(const struct command_line *line, size_t n,
                       struct failure *ret_failure)
{
	const bool has_null = memchr(line->list, 0, n) != NULL;

	if (begins_with(line->list, n, "\xff\xfe") ||
	    begins_with(line->list, n, "\xfe\xff"))
		return failure_set(ret_failure, FAIL_USAGE,
		                   "--files-from: '%.60s' is in UTF-16; save it as UTF-8",
		                   line->files_from);
	if (!line->is_null_separated && has_null)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "--files-from: '%.60s' has NUL characters; add -0 "
		                   "if a NUL character ends each name",
		                   line->files_from);
	if (line->is_null_separated && !has_null && memchr(line->list, '\n', n))
		return failure_set(
			ret_failure, FAIL_USAGE,
			"--files-from: '%.60s' has no NUL characters; remove -0 "
			"if each name is on its own line",
			line->files_from);
	return true;
}

/* Whether every line ends with CR and LF, as in a list that was written on Windows. */
static bool has_crlf(const char *list, size_t n)
{
	size_t n_lines = 0, n_crlf = 0;

	for (size_t i = 0; i < n; i++) {
		n_lines += list[i] == '\n';
		n_crlf += i > 0 && list[i] == '\n' && list[i - 1] == '\r';
	}
	return n_lines > 0 && n_lines == n_crlf;
}

/* Split the list into names. Empty names are left out. Returns false if memory ran out. */
static bool divide_list(struct command_line *line, size_t n)
{
	const char separator = line->is_null_separated ? 0 : '\n';
	const bool is_crlf = separator == '\n' && has_crlf(line->list, n);
	const size_t begin = separator == '\n' &&
	                                     begins_with(line->list, n, byte_order_mark)
	                             ? strlen(byte_order_mark)
	                             : 0;
	size_t n_names = 1;
	unsigned position = 0;

	for (size_t i = 0; i < n; i++)
		n_names += line->list[i] == separator;
	line->listed = calloc(n_names, sizeof(*line->listed));
	line->listed_positions = calloc(n_names, sizeof(*line->listed_positions));
	if (!line->listed || !line->listed_positions)
		return false;
	n_names = 0;
	for (size_t at = begin, end; at < n; at = end + 1) {
		position++;
		for (end = at; end < n && line->list[end] != separator;)
			end++;
		line->list[end] = 0;
		if (is_crlf && end > at && line->list[end - 1] == '\r')
			line->list[end - 1] = 0;
		if (!line->list[at])
			continue;
		line->listed_positions[n_names] = position;
		line->listed[n_names++] = line->list + at;
	}
	line->batch.list_positions = line->listed_positions;
	line->batch.list_unit = line->is_null_separated ? "name" : "line";
	line->batch.walk.inputs = line->listed;
	line->batch.walk.n_inputs = n_names;
	return true;
}

/* Read the list of --files-from. Its names replace the INPUTs. One INPUT may still be given: the
 * folder to which the names are relative. */
static bool read_list(struct command_line *line, struct failure *ret_failure)
{
	struct walk_options *walk = &line->batch.walk;
	const bool is_standard_input = strcmp(line->files_from, "-") == 0;
	int fd = is_standard_input
	                 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
	                 : open(line->files_from, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	size_t n = 0;

	if (walk->n_inputs > 0)
		walk->base = walk->inputs[0];
	walk->is_list = true;
	line->list = fd >= 0 ? read_whole(fd, &n) : NULL;
	if (!line->list)
		failure_set(ret_failure, FAIL_USAGE,
		            "--files-from: cannot read '%.60s': %s", line->files_from,
		            strerrordesc_np(errno));
	fd_close(&fd);
	if (!line->list)
		return false;
	if (!check_list(line, n, ret_failure))
		return false;
	return divide_list(line, n) ||
	       failure_set(ret_failure, FAIL_USAGE, "out of memory");
}

/* Check that --files-from fits the other arguments, and read its list. With --files-from one INPUT
 * is allowed: the folder that contains the listed files. */
static bool takes_list(struct command_line *line, struct failure *ret_failure)
{
	const struct walk_options *walk = &line->batch.walk;
	struct stat folder;

	if (!line->files_from)
		return !line->is_null_separated ||
		       failure_set(ret_failure, FAIL_USAGE, "-0 needs --files-from");
	if (walk->n_inputs > 1)
		return failure_set(
			ret_failure, FAIL_USAGE,
			"--files-from takes at most one INPUT, the folder that "
			"listed names are relative to; got '%.60s' and "
			"'%.60s'",
			walk->inputs[0], walk->inputs[1]);
	if (walk->n_inputs == 1 &&
	    (stat(walk->inputs[0], &folder) != 0 || !S_ISDIR(folder.st_mode)))
		return failure_set(
			ret_failure, FAIL_USAGE,
			"with --files-from, INPUT must be a folder, got '%.60s'",
			walk->inputs[0]);
	return read_list(line, ret_failure);
}

/* ---- one file, and standard input and output ---- */

static bool is_standard_stream(const char *word)
{
	return word && strcmp(word, "-") == 0;
}

static bool is_folder(const char *name)
{
	struct stat folder;

	return stat(name, &folder) == 0 && S_ISDIR(folder.st_mode);
}

/* Whether two names belong to the same existing file. */
static bool is_same_file(const char *a, const char *b)
{
	struct stat stat_of_a, stat_of_b;

	return stat(a, &stat_of_a) == 0 && stat(b, &stat_of_b) == 0 &&
	       stat_of_a.st_dev == stat_of_b.st_dev &&
	       stat_of_a.st_ino == stat_of_b.st_ino;
}

/* Refuse the options that have no effect on a single output. */
static bool is_one_file_alone(const struct command_line *line,
                              struct failure *ret_failure)
{
	static const char *const others[] = {"name", "flat", "on-collision", "shard",
	                                     "prune"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (is_given(line, others[i]))
			return failure_set(ret_failure, FAIL_USAGE,
			                   "--%s needs an output folder, got -o %.60s",
			                   others[i], line->batch.output);
	}
	if (is_given(line, "overwrite") && line->batch.overwrite != OVERWRITE_ALWAYS)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "-o %.60s is always replaced; remove --overwrite",
		                   line->batch.output);
	if (line->batch.state)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "no state is kept for the single output -o %.60s; "
		                   "remove --state",
		                   line->batch.output);
	return true;
}

/* Split -o FILE into folder and name. The suffix of FILE gives the format. */
static bool take_output_file(struct command_line *line, struct failure *ret_failure)
{
	const char *output = line->batch.output, *slash = strrchr(output, '/');
	const enum image_format format = format_of_name(output);

	if (is_given(line, "format") && line->batch.format != FORMAT_NONE &&
	    line->batch.format != format)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "--format %s and -o '%.60s' request different formats",
		                   format_info(line->batch.format)->extension, output);
	if (!option_store(option_find("format"), line, format_info(format)->extension,
	                  ret_failure))
		return failure_set(
			ret_failure, FAIL_USAGE,
			"--output: no image can be written as '.%.10s'; choose "
			"another suffix, such as .jpg, .png or .webp",
			path_suffix(output));
	if (is_same_file(output, line->batch.walk.inputs[0]))
		return failure_set(
			ret_failure, FAIL_USAGE,
			"--output: '%.60s' is the INPUT itself; choose another "
			"name, or use --in-place",
			output);
	line->batch.style.file_name = slash ? slash + 1 : output;
	line->output_folder = strndup(output, slash ? (size_t)(slash + 1 - output) : 0);
	if (!line->output_folder)
		return failure_set(ret_failure, FAIL_USAGE, "out of memory");
	line->batch.output = line->output_folder;
	return true;
}

static bool take_output_stream(struct command_line *line, struct failure *ret_failure)
{
	if (line->batch.format == FORMAT_NONE && is_given(line, "format"))
		return failure_set(ret_failure, FAIL_USAGE,
		                   "-o - needs the name of a format, such as -f jpg; got "
		                   "-f same");
	if (line->batch.format == FORMAT_NONE)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "-o - needs -f FORMAT, such as -f jpg, because "
		                   "standard output has no suffix");
	if (is_standard_stream(line->report_file))
		return failure_set(ret_failure, FAIL_USAGE,
		                   "-o - and --report - cannot both use standard output");
	line->batch.style.file_name = "-";
	line->batch.output = "";
	line->batch.output_stream = STDOUT_FILENO;
	return true;
}

/* Guess the suffix that the user meant. Returns a common suffix of an image format that differs
 * from `suffix` by one edit, or NULL if no such suffix exists. */
static const char *meant_suffix(const char *suffix)
{
	static const char *const usual[] = {"jpg",  "jpeg", "png", "webp", "avif", "heic",
	                                    "heif", "jxl",  "tif", "tiff", "gif"};
	char lower[8] = "";

	if (strlen(suffix) >= sizeof(lower))
		return NULL;
	for (size_t i = 0; suffix[i]; i++)
		lower[i] = (char)tolower((unsigned char)suffix[i]);
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (suggest_distance(lower, usual[i]) == 1)
			return usual[i];
	}
	return NULL;
}

/* Check the value of -o if it would become a new folder. The user probably meant a file if the
 * suffix is a misspelt suffix of an image format. Returns false in this case. */
static bool is_meant_as_folder(const char *output, struct failure *ret_failure)
{
	const char *suffix = path_suffix(output), *meant = meant_suffix(suffix);
	struct stat ignored;

	return !meant || stat(output, &ignored) == 0 ||
	       failure_set(
		       ret_failure, FAIL_USAGE,
		       "--output: '.%s' is no suffix of an image format; did you mean "
		       "'.%s'? For a folder of this name, write '%.60s/'",
		       suffix, meant, output);
}

/* Check the value of -o, which must not contain "%s". A folder is allowed. A file or standard
 * output is allowed if the only INPUT is a file; then the options for a single output are set. */
static bool fits_output(struct command_line *line, struct failure *ret_failure)
{
	const char *output = line->batch.output;
	const struct walk_options *walk = &line->batch.walk;
	const bool is_one_file = !line->files_from && walk->n_inputs == 1 &&
	                         !is_folder(walk->inputs[0]);
	const bool is_stream = is_standard_stream(output);

	if (!output)
		return true;
	if (strstr(output, "%s"))
		return failure_set(ret_failure, FAIL_USAGE,
		                   "--output: must be a folder, got '%.60s'; --name "
		                   "changes the names of outputs",
		                   output);
	if (!is_stream && format_of_name(output) == FORMAT_NONE)
		return is_meant_as_folder(output, ret_failure);
	if (!is_stream && is_folder(output))
		return true;
	if (!is_one_file && is_stream)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "--output: '-' (standard output) needs exactly one "
		                   "file as INPUT; for a folder named '-', write './-'");
	if (!is_one_file)
		return failure_set(
			ret_failure, FAIL_USAGE,
			"--output: the file name '%.60s' needs exactly one file as "
			"INPUT; for more images, name a folder and choose the format "
			"with -f %s",
			output, format_info(format_of_name(output))->extension);
	if (!is_one_file_alone(line, ret_failure) ||
	    !(is_stream ? take_output_stream(line, ret_failure)
	                : take_output_file(line, ret_failure)))
		return false;
	line->batch.overwrite = OVERWRITE_ALWAYS;
	line->batch.keeps_no_state = true;
	return true;
}

/* Get the path of the folder that contains a file. The caller frees the path. Returns NULL if
 * memory ran out. */
static char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? strndup(file, (size_t)(slash + 1 - file)) : strdup(".");
}

/* Whether two paths name the same file, which need not exist. */
static bool names_same_file(const char *a, const char *b)
{
	char *folder_of_a, *folder_of_b;
	size_t n_a, n_b;
	const char *base_of_a = path_base(a, &n_a), *base_of_b = path_base(b, &n_b);
	bool is_same = strcmp(a, b) == 0 || is_same_file(a, b);

	if (is_same || n_a != n_b || strncmp(base_of_a, base_of_b, n_a) != 0)
		return is_same;
	folder_of_a = folder_of(a);
	folder_of_b = folder_of(b);
	is_same = folder_of_a && folder_of_b && is_same_file(folder_of_a, folder_of_b);
	free(folder_of_a);
	free(folder_of_b);
	return is_same;
}

/* Check that the report does not overwrite another file of the command. `name` is the path of the
 * other file, or NULL if the command has no such file. `what` is the purpose of the other file, for
 * the message. */
static bool report_spares(const struct command_line *line, const char *name,
                          const char *what, struct failure *ret_failure)
{
	const char *report = line->report_file;
	struct stat stat_of_report;

	/* Writing to a character device such as /dev/null overwrites nothing. */
	if (!name ||
	    (stat(report, &stat_of_report) == 0 && S_ISCHR(stat_of_report.st_mode)))
		return true;
	return !names_same_file(report, name) ||
	       failure_set(ret_failure, FAIL_USAGE,
	                   "--report: '%.60s' is %s and would be overwritten; choose "
	                   "another name",
	                   report, what);
}

/* Check that --report does not name the list, the output file or the state. */
static bool fits_report(const struct command_line *line, struct failure *ret_failure)
{
	const struct batch_options *batch = &line->batch;
	const bool has_state = batch->output && !batch->keeps_no_state;
	const char *list = line->files_from, *output_name = batch->style.file_name;
	char *output = NULL, *state = NULL;
	bool fits;

	if (!line->report_file || is_standard_stream(line->report_file))
		return true;
	if (is_standard_stream(list))
		list = "/dev/stdin";
	if (batch->output_stream > 0)
		output = strdup("/dev/stdout");
	else if (output_name)
		output = path_join(batch->output, output_name);
	if (has_state)
		state = batch_state_path(batch);
	fits = report_spares(line, list, "the list of --files-from", ret_failure) &&
	       report_spares(line, output, "the output file", ret_failure) &&
	       report_spares(line, state, "the state", ret_failure);
	free(output);
	free(state);
	return fits;
}

/* Copy at most n_max bytes of standard input into a sealed memfd. Returns -1 with errno on
 * failure. */
static int copy_standard_input(uint64_t n_max)
{
	int fd = memfd_create("standard input", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char bytes[64 * 1024];
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && n_max > 0) {
		n = read(STDIN_FILENO, bytes,
		         n_max < sizeof(bytes) ? n_max : sizeof(bytes));
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0 && !fd_write_all(fd, bytes, (size_t)n))
			n = -1;
		else
			n_max -= n > 0 ? (uint64_t)n : 0;
	}
	if (fd >= 0 && n < 0)
		fd_close(&fd);
	if (fd >= 0)
		(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return fd;
}

/* Open the INPUT "-". A regular file at position 0 is used directly. Any other standard input is
 * copied, up to the limit and one byte more. If this extra byte exists, the input is too big. */
static bool open_standard_input(struct command_line *line, struct failure *ret_failure)
{
	struct walk_options *walk = &line->batch.walk;
	const uint64_t limit = line->batch.recipe.max_file_bytes;
	struct stat input;
	size_t i = 0;

	while (i < walk->n_inputs && !is_standard_stream(walk->inputs[i]))
		i++;
	if (i == walk->n_inputs || walk->is_list)
		return true;
	if (line->batch.in_place)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "--in-place needs files, not standard input");
	if (fstat(STDIN_FILENO, &input) == 0 && S_ISREG(input.st_mode) &&
	    lseek(STDIN_FILENO, 0, SEEK_CUR) == 0)
		walk->standard_input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	else
		walk->standard_input = copy_standard_input(
			(limit ? limit : RECIPE_MAX_FILE_BYTES) + 1);
	return walk->standard_input > 0 ||
	       failure_set(ret_failure, FAIL_USAGE, "cannot read standard input: %s",
	                   strerrordesc_np(errno));
}

/* ---- the whole command line ---- */

/* Refuse options that the command does not support, because such options would have no effect. */
static bool takes_its_options(const struct command_line *line,
                              struct failure *ret_failure)
{
	const char *command = commands[line->command].name;
	const struct cli_option *option = cli_options;
	char name[OPTION_NAME_BYTES];
	unsigned n = 0;

	for (; option->help; option++) {
		if (line->is_given[option - cli_options] &&
		    !(option->commands & 1U << line->command))
			break;
	}
	if (!option->help)
		return true;
	failure_set(ret_failure, FAIL_USAGE, "%s takes no %s; ", command,
	            option_print(option, name));
	for (int i = 0; i < N_COMMANDS; i++) {
		if (option->commands & 1U << i)
			failure_append(ret_failure, "%s%s", n++ ? ", " : "",
			               commands[i].name);
	}
	return failure_append(ret_failure, n > 1 ? " do" : " does");
}

/* Check that the options for --in-place are complete and can be combined. */
static bool fits_in_place(const struct command_line *line, struct failure *ret_failure)
{
	static const struct {
		const char *option, *why;
	} others[] = {
		{"output", "outputs replace their inputs"},
		{"format", "outputs keep the format of their inputs"},
		{"name", "outputs keep the names of their inputs"},
		{"flat", "outputs keep the names of their inputs"},
		{"on-collision", "outputs keep the names of their inputs"},
		{"overwrite", "every image is replaced, unless it is up to date"},
		{"prune", "outputs replace their inputs, so there is nothing to prune"},
	};
	char name[OPTION_NAME_BYTES];

	if (!line->batch.in_place)
		return !(line->batch.backup_suffix || line->keeps_no_backup) ||
		       failure_set(ret_failure, FAIL_USAGE, "%s needs --in-place",
		                   line->batch.backup_suffix ? "--backup"
		                                             : "--no-backup");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const struct cli_option *option = option_find(others[i].option);

		if (option && line->is_given[option - cli_options])
			return failure_set(ret_failure, FAIL_USAGE,
			                   "--in-place cannot be combined with %s: %s",
			                   option_print(option, name), others[i].why);
	}
	if (line->batch.state)
		return failure_set(
			ret_failure, FAIL_USAGE,
			"--in-place cannot be combined with --state FILE: records are kept only as attributes of the images");
	if (line->size.percent != 0)
		return failure_set(
			ret_failure, FAIL_USAGE,
			"--in-place cannot be combined with a size in percent: each run would scale the images again");
	if (!line->batch.backup_suffix == !line->keeps_no_backup)
		return failure_set(
			ret_failure, FAIL_USAGE,
			line->keeps_no_backup
				? "--backup and --no-backup cannot be combined"
				: "--in-place needs --backup SUFFIX (keeps each "
				  "original under its name and SUFFIX) or "
				  "--no-backup");
	return true;
}

static bool is_complete(const struct command_line *line, struct failure *ret_failure)
{
	const char *missing = NULL;

	if (line->batch.prunes && line->batch.shard.n > 0)
		return failure_set(
			ret_failure, FAIL_USAGE,
			"--prune cannot be combined with --shard: a shard does not process all inputs");
	if (line->batch.prunes && line->batch.keeps_no_state)
		return failure_set(
			ret_failure, FAIL_USAGE,
			"--prune cannot be combined with --state none: without records pixpool cannot know which outputs it made");

	if (line->batch.is_untrusted && line->batch.sandbox == SANDBOX_OFF)
		return failure_set(ret_failure, FAIL_USAGE,
		                   "--untrusted requires the sandbox: remove --sandbox "
		                   "off");
	if (line->name_format != FORMAT_NONE && is_given(line, "format") &&
	    line->batch.format != line->name_format)
		return failure_set(
			ret_failure, FAIL_USAGE,
			"--format and --name '%.60s' request different formats; "
			"end the template with .{ext}",
			line->batch.style.pattern);
	if (line->command == COMMAND_INFO)
		return line->batch.walk.n_inputs == 0 ||
		       failure_set(ret_failure, FAIL_USAGE,
		                   "info takes no INPUT, got '%.60s'",
		                   line->batch.walk.inputs[0]);
	if (line->command == COMMAND_RESIZE && !is_given(line, "size"))
		missing = "-s GEOM (size), such as -s 1600";
	else if (line->command != COMMAND_VERIFY && !line->batch.output &&
	         !line->batch.in_place)
		missing = "-o DIR (output folder) or -o FILE";
	else if (line->batch.walk.n_inputs == 0 && !line->files_from)
		missing = "INPUT (files or folders)";
	return !missing || failure_set(ret_failure, FAIL_USAGE, "missing %s", missing);
}

/* Set the defaults that depend on the command and on other options. */
static void add_defaults(struct command_line *line)
{
	struct recipe *recipe = &line->batch.recipe;
	bool keeps = line->command == COMMAND_CONVERT ||
	             line->command == COMMAND_FILTER || line->batch.in_place;

	if (keeps && !is_given(line, "keep"))
		recipe->keep = KEEP_ALL;
	if (keeps && !is_given(line, "profile"))
		recipe->space = SPACE_KEEP;
	if (keeps && !is_given(line, "depth"))
		recipe->depth = DEPTH_KEEP;
	if (line->command == COMMAND_THUMB) {
		recipe->geometry.no_enlarge = true;
		if (!is_given(line, "size"))
			line->size = (struct geometry){.width = THUMB_SIDE,
			                               .height = THUMB_SIDE};
	}
	if (line->name_format != FORMAT_NONE)
		line->batch.format = line->name_format;
	line->batch.style.keeps_suffix = line->on_collision == COLLISION_KEEP_EXT;
	geometry_add_size(&recipe->geometry, &line->size);
	line->batch.decodes_only = line->command == COMMAND_VERIFY;
}

/* Set the limits of --untrusted. If the user requested a lower limit, the lower limit is kept. */
static void add_untrusted(struct batch_options *batch)
{
	if (!batch->is_untrusted)
		return;
	if (batch->recipe.max_pixels == 0 ||
	    batch->recipe.max_pixels > UNTRUSTED_MAX_PIXELS)
		batch->recipe.max_pixels = UNTRUSTED_MAX_PIXELS;
	batch->recipe.max_frames = UNTRUSTED_MAX_FRAMES;
	if (batch->timeout_ms == 0 || batch->timeout_ms > UNTRUSTED_TIMEOUT_MS)
		batch->timeout_ms = UNTRUSTED_TIMEOUT_MS;
	if (batch->sandbox == SANDBOX_AUTO)
		batch->sandbox = SANDBOX_REQUIRE;
}

bool command_line_parse(struct command_line *ret_line, int argc, char **argv,
                        struct failure *ret_failure)
{
	struct command_line *line = ret_line;

	*line = (struct command_line){.batch.retries = 1, .report.records = -1};
	line->command = command_among(argc, argv);
	if (!take_options(line, argc, argv, ret_failure))
		return false;
	if (line->help != HELP_NONE)
		return true;
	if (optind >= argc)
		return failure_set(ret_failure, FAIL_USAGE, "missing command");
	if (!take_command(line, argv + optind, ret_failure))
		return false;
	if (line->help != HELP_NONE)
		return true;

	line->batch.walk.inputs = (const char *const *)argv + optind + 1;
	line->batch.walk.n_inputs = (size_t)(argc - optind - 1);
	if (!takes_its_options(line, ret_failure) ||
	    (line->command == COMMAND_FILTER && !take_chain(line, ret_failure)) ||
	    !is_complete(line, ret_failure) || !fits_in_place(line, ret_failure) ||
	    !fits_output(line, ret_failure) || !takes_list(line, ret_failure) ||
	    !fits_report(line, ret_failure) || !open_standard_input(line, ret_failure))
		return false;
	add_defaults(line);
	add_untrusted(&line->batch);
	return true;
}

void command_line_fini(struct command_line *line)
{
	free((void *)line->batch.profile);
	line->batch.profile = NULL;
	line->batch.n_profile = 0;
	if (line->batch.walk.standard_input > 0)
		fd_close(&line->batch.walk.standard_input);
	free(line->output_folder);
	line->output_folder = NULL;
	free(line->list);
	free(line->listed);
	free(line->listed_positions);
	free(line->globs);
	line->list = NULL;
	line->listed = NULL;
	line->listed_positions = NULL;
	line->globs = NULL;
}
