#include "cli/help.h"

#include "cli/command_line.h"
#include "image/engine.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
	"pixpool: resize and convert pictures, many at a time; one bad picture costs one picture\n"
	"\n"
	"    pixpool COMMAND [OPTION]... INPUT...\n"
	"\n"
	"INPUT is a file or a folder; folders are walked, sub-folders too.\n";

static const char examples[] =
	"    pixpool thumb PHOTOS -o THUMBS              256 x 256, never enlarged\n"
	"    pixpool resize -s 800x600 --fit cover PHOTOS -o WEB -f webp\n"
	"    pixpool convert -f avif PHOTOS -o AVIF      with metadata and colours kept\n"
	"    pixpool filter 'grayscale, blur 1.5' PHOTOS -o GREY\n"
	"    pixpool verify PHOTOS                       list what is broken or misnamed\n";

static const char exit_status[] =
	"    0    every image is done\n"
	"    1    at least one image failed; the others are done\n"
	"    2    a wrong word, no such INPUT, or two inputs that claim one output\n"
	"    3    no image was found\n"
	"    4    stopped before the end: the output folder can't be written\n"
	"    129, 130, 143   hung up, interrupted, terminated; outputs are whole\n";

static void print_commands(void)
{
	for (const struct command_word *command = command_words; command->word; command++)
		printf("    %-8s %s\n", command->word, command->does);
}

static void print_pair(const char *left, const char *right)
{
	if (strlen(left) <= 26)
		printf("    %-26s  %s\n", left, right);
	else
		printf("    %s\n    %-26s  %s\n", left, "", right);
}

static void print_options(void)
{
	for (const struct option_word *option = option_words; option_does(option);
	     option++) {
		const char *name = option_name(option);
		char left[256], room[RECIPE_ARGUMENT_BYTES];
		const char *argument = option_argument(option, room);

		if (option->group)
			printf("\n  %s:\n", option->group);
		snprintf(left, sizeof(left), "%c%c%s%s%s%s%s", option->letter ? '-' : ' ',
		         option->letter ? option->letter : ' ',
		         option->letter && name ? ", "
		         : name                 ? "  "
		                                : "",
		         name ? "--" : "", name ? name : "", argument ? " " : "",
		         argument ? argument : "");
		print_pair(left, option_does(option));
	}
}

/* "    sharpen [SIGMA [FLAT]]", and the range of each number in a line of its own. */
static void print_filter(const struct filter_info *info)
{
	char left[128], ends[FILTER_NUMBERS + 1] = "";
	size_t n = (size_t)snprintf(left, sizeof(left), "%s", info->name), n_ends = 0;

	for (unsigned i = 0; i < FILTER_NUMBERS && info->numbers[i].name; i++) {
		bool is_free = i >= info->n_required;

		n += (size_t)snprintf(left + n, sizeof(left) - n, " %s%s",
		                      is_free ? "[" : "", info->numbers[i].name);
		if (is_free)
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
	for (int kind = FILTER_NONE + 1; kind < N_FILTER_KINDS; kind++)
		print_filter(filter_info((enum filter_kind)kind));
}

void help_print_short(void)
{
	printf("%s\n", usage);
	print_commands();
	printf("\nFor example:\n\n%s\n--help tells everything.\n", examples);
}

void help_print(void)
{
	printf("%s\nCommands:\n\n", usage);
	print_commands();
	printf("\nOptions, anywhere up to a --:\n");
	print_options();
	printf("\nFilters, in a CHAIN with commas between, each number behind its name; with\n"
	       "a size, trim, rotate, flip and flop come before it and the rest after:\n\n");
	print_filters();
	printf("\nExamples:\n\n%s\nExit status:\n\n%s", examples, exit_status);
}

void help_print_versions(void)
{
	printf("pixpool %s\n", PIXPOOL_VERSION);
	for (const struct engine *const *engine = engines; *engine; engine++) {
		char text[64];

		(*engine)->version(text, sizeof(text));
		printf("%s\n", text);
	}
}
