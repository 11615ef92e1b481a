/* Prints the help, from the tables of commands, options and filters. */
#include "cli/help.h"

#include "cli/options.h"

#include <stdio.h>
#include <string.h>

enum { LEFT_COLUMNS = 24, LEFT_BYTES = 128 };

static const struct {
	enum command command;
	const char *line, *does;
	bool is_short; /* the option is also in the short help */
} examples[] = {
	{COMMAND_THUMB, "pixpool thumb Photos -o thumbs", "at most 256 px", true},
	{COMMAND_RESIZE, "pixpool resize -s 1600 --keep exif,iptc Photos -o web",
         "without location", true},
	{COMMAND_RESIZE, "pixpool resize -s 400x300 --fit cover Photos -o cards",
         "fill 400x300, crop", false},
	{COMMAND_CONVERT, "pixpool convert -f avif --overwrite older Photos -o avif",
         "newer inputs", true},
	{COMMAND_FILTER, "pixpool filter 'grayscale, blur 1.5' Photos -o grey",
         "apply filters", true},
	{COMMAND_VERIFY, "pixpool verify --report report.jsonl Photos",
         "list broken images", true},
	{COMMAND_RESIZE, "pixpool resize -s 400x a.jpg -o a-400.webp", "one image",
         false},
	{COMMAND_INFO, "pixpool info", "formats and limits", false},
};

static const char exit_status[] =
	"Exit status:\n"
	"  0    every image is done, or was up to date\n"
	"  1    some images failed; the others are done\n"
	"  2    wrong usage, a missing INPUT, or two inputs with the same output;\n"
	"       nothing was done\n"
	"  3    no image was found\n"
	"  4    stopped early, because the output folder or the report cannot be\n"
	"       written, because of --fail-fast, --max-failures or --stop-after, or\n"
	"       because another run uses the same folder (with --no-wait)\n"
	"  129, 130, 143\n"
	"       ended by SIGHUP, SIGINT (Ctrl-C) or SIGTERM; finished outputs are whole\n"
	"  141  with -o -, verify or -n: ended by SIGPIPE, because the reader of\n"
	"       standard output has closed it\n";

/* Print two columns. The text on the right may have several lines. If the left text is too long for
 * its column, the right text begins on the next line. */
static void print_pair(const char *left, const char *right)
{
	bool is_long = strlen(left) > LEFT_COLUMNS;

	printf("  %s%s", left, is_long ? "\n" : "");
	for (bool is_first = !is_long; *right; is_first = false) {
		size_t n = strcspn(right, "\n");
		int n_blanks = (is_first ? LEFT_COLUMNS - (int)strlen(left)
		                         : LEFT_COLUMNS + 2) +
		               2;

		printf("%*s%.*s\n", n_blanks, "", (int)n, right);
		right += n + (right[n] == '\n');
	}
}

static void print_usage(enum command command)
{
	const struct command_info *info = command_info(command);

	if (command == COMMAND_NONE)
		printf("pixpool: resize, convert and check folders of images. A broken image\n"
		       "never stops the others.\n\n"
		       "Usage: pixpool COMMAND [OPTION]... INPUT...\n"
		       "INPUT is a file or a folder; folders are searched with their subfolders.\n");
	else
		printf("pixpool %s: %s\n\nUsage: pixpool %s %s\n", info->name, info->does,
		       info->name, info->usage);
}

static void print_commands(void)
{
	printf("\nCommands:\n");
	for (int i = COMMAND_NONE + 1; i < N_COMMANDS; i++) {
		const struct command_info *info = command_info((enum command)i);

		printf("  %-8s %s\n", info->name, info->does);
	}
}

static void print_option(const struct cli_option *option)
{
	char left[LEFT_BYTES];
	int n = option->letter ? snprintf(left, sizeof(left), "-%c%s", option->letter,
	                                  option->name ? ", " : "")
	                       : snprintf(left, sizeof(left), "    ");

	snprintf(left + n, sizeof(left) - (size_t)n, "%s%s%s%s", option->name ? "--" : "",
	         option->name ? option->name : "", option->argument ? " " : "",
	         option->argument ? option->argument : "");
	print_pair(left, option->help);
}

static bool is_shown(const struct cli_option *option, enum command command)
{
	return command == COMMAND_NONE || option->commands & 1U << command;
}

/* Print the options by groups, each with its heading. */
static void print_options(enum command command)
{
	const char *group = NULL;

	printf("\nOptions may stand anywhere; -- ends them.\n");
	for (const struct cli_option *option = cli_options; option->help; option++) {
		if (option->group)
			group = option->group;
		if (!is_shown(option, command))
			continue;
		if (group)
			printf("\n%s:\n", group);
		group = NULL;
		print_option(option);
	}
}

/* Print a filter such as "sharpen [SIGMA [FLAT]]", and the range of each number on a line of its
 * own. */
static void print_filter(const struct filter_info *info)
{
	char left[LEFT_BYTES], ends[FILTER_NUMBERS + 1] = "";
	size_t n = (size_t)snprintf(left, sizeof(left), "%s", info->name), n_ends = 0;

	for (unsigned i = 0; i < FILTER_NUMBERS && info->numbers[i].name; i++) {
		bool is_optional = i >= info->n_required;

		n += (size_t)snprintf(left + n, sizeof(left) - n, " %s%s",
		                      is_optional ? "[" : "", info->numbers[i].name);
		if (is_optional)
			ends[n_ends++] = ']';
	}
	snprintf(left + n, sizeof(left) - n, "%s", ends);
	print_pair(left, info->does);
	for (unsigned i = 0; i < FILTER_NUMBERS && info->numbers[i].name; i++) {
		char words[FILTER_NUMBER_BYTES];

		filter_number_print(&info->numbers[i], i < info->n_required, words);
		print_pair("", words);
	}
}

static void print_filters(void)
{
	printf("\nCommas separate the filters of a CHAIN; the numbers of a filter follow its\n"
	       "name. The filters trim, rotate, flip and flop are applied before scaling, all\n"
	       "other filters after scaling.\n");
	for (int kind = FILTER_NONE + 1; kind < N_FILTER_KINDS; kind++)
		print_filter(filter_info((enum filter_kind)kind));
}

static void print_examples(enum command command, bool is_short)
{
	printf("\nExamples:\n");
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		if ((is_short && !examples[i].is_short) ||
		    (command != COMMAND_NONE && command != examples[i].command))
			continue;
		printf("  %-55s  # %s\n", examples[i].line, examples[i].does);
	}
}

/* Print the short help: one screen with the commands and some examples. */
static void print_short(void)
{
	print_usage(COMMAND_NONE);
	print_commands();
	print_examples(COMMAND_NONE, true);
	printf("\nMore: pixpool --help, or pixpool COMMAND --help.\n");
}

/* Print the help of one command. For COMMAND_NONE, print the help of all commands. */
static void print_long(enum command command)
{
	bool has_filters = is_shown(option_find("filter"), command) ||
	                   command == COMMAND_FILTER;

	print_usage(command);
	if (command == COMMAND_NONE)
		print_commands();
	print_options(command);
	if (has_filters)
		print_filters();
	print_examples(command, false);
	printf("\n%s", exit_status);
}

void help_print(const struct command_line *line)
{
	switch (line->help) {
	case HELP_SHORT:
		print_short();
		break;
	case HELP_VERSION:
		printf("pixpool %s\nbuilt with %s\n", PIXPOOL_VERSION,
		       PIXPOOL_BUILT_WITH);
		break;
	default:
		print_long(line->command);
	}
}
