#include "cli/help.h"

#include "cli/command_line.h"
#include "image/engine.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
	"pixpool: resize pictures, many at a time; one bad picture costs one picture\n"
	"\n"
	"    pixpool COMMAND [OPTION]... INPUT...\n"
	"\n"
	"INPUT is a file or a folder; folders are walked, sub-folders too.\n";

static const char examples[] =
	"    pixpool resize -s 1600 PHOTOS -o WEB        a box of 1600 x 1600, same formats\n"
	"    pixpool thumb PHOTOS -o THUMBS              256 x 256, never enlarged\n"
	"    pixpool resize -s 800x -f webp a.png -o .   800 wide, as WebP\n"
	"    pixpool resize -s 512 --report r.jsonl --overwrite skip PHOTOS -o OUT\n"
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

static void print_options(void)
{
	for (const struct option_word *option = option_words; option->does; option++) {
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s%s%s%s%s", option->letter ? '-' : ' ',
		         option->letter ? option->letter : ' ',
		         option->letter && option->word ? ", "
		         : option->word                 ? "  "
		                                        : "",
		         option->word ? "--" : "", option->word ? option->word : "",
		         option->argument ? " " : "",
		         option->argument ? option->argument : "");
		if (strlen(left) <= 26)
			printf("    %-26s  %s\n", left, option->does);
		else
			printf("    %s\n    %-26s  %s\n", left, "", option->does);
	}
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
	printf("\nOptions, anywhere up to a --:\n\n");
	print_options();
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
