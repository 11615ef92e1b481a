#include "cli/command_line.h"

#include "common/suggest.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_OPTIONS = 96,
	LONG_OPTION = 256, /* what getopt_long() gives for the option at an index */
	THUMB_SIDE = 256,
	UNTRUSTED_MAX_PIXELS = 50 * 1000 * 1000,
	UNTRUSTED_MAX_FRAMES = 1,
	UNTRUSTED_TIMEOUT_MS = 10 * 1000,
};

const struct command_word command_words[] = {
	{"resize", COMMAND_RESIZE, "shrink or enlarge each image to fit -s"},
	{"thumb", COMMAND_THUMB,
         "as resize, but never enlarge; -s 256 unless said otherwise"},
	{"convert", COMMAND_CONVERT,
         "change the format alone; metadata, colours and depth are kept"},
	{"filter", COMMAND_FILTER, "apply a chain: 'grayscale, blur 1.5, sharpen'"},
	{"verify", COMMAND_VERIFY,
         "decode every pixel, write nothing, list what is broken"},
	{"info", COMMAND_INFO, "engines, formats, limits and versions of this build"},
	{NULL, COMMAND_NONE, NULL},
};

struct getopt_tables {
	char letters[2 * MAX_OPTIONS + 2];
	struct option words[MAX_OPTIONS + 1];
};

/* Our table as getopt_long() wants it. ':' at the beginning: tell a missing value apart. */
static void fill_tables(struct getopt_tables *tables)
{
	size_t n_letters = 0, n_words = 0;

	memset(tables, 0, sizeof(*tables));
	tables->letters[n_letters++] = ':';
	for (int i = 0; option_does(&option_words[i]) && i < MAX_OPTIONS; i++) {
		const struct option_word *option = &option_words[i];
		char argument[RECIPE_ARGUMENT_BYTES];
		bool has_argument = option_argument(option, argument) != NULL;

		if (option->letter) {
			tables->letters[n_letters++] = option->letter;
			if (has_argument)
				tables->letters[n_letters++] = ':';
		}
		if (option_name(option))
			tables->words[n_words++] = (struct option){
				.name = option_name(option),
				.has_arg = has_argument ? required_argument : no_argument,
				.val = LONG_OPTION + i,
			};
	}
}

static const struct option_word *option_of(int got)
{
	if (got >= LONG_OPTION)
		return &option_words[got - LONG_OPTION];
	for (const struct option_word *option = option_words; option_does(option);
	     option++) {
		if (option->letter == got)
			return option;
	}
	return NULL;
}

/* The words of a long option as it was typed: its name, without dashes and value. */
static bool is_typed_whole(const char *typed, const struct option_word *option)
{
	size_t n = strcspn(typed + 2, "=");

	return strlen(option_name(option)) == n &&
	       strncmp(typed + 2, option_name(option), n) == 0;
}

static bool unknown_option(const char *typed, char *text, size_t n_text)
{
	const char *best = NULL;
	char word[64];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(typed, "="), typed);
	if (strncmp(word, "--", 2) == 0) {
		for (const struct option_word *option = option_words; option_does(option);
		     option++) {
			if (option_name(option))
				suggest_consider(&best, word + 2, option_name(option));
		}
	}
	if (best)
		snprintf(text, n_text, "unknown option '%s'; did you mean '--%s'?", word,
		         best);
	else
		snprintf(text, n_text, "unknown option '%s'", word);
	return false;
}

static bool take_value(struct command_line *line, const struct option_word *option,
                       const char *value, char *text, size_t n_text)
{
	if (option->take)
		return option->take(line, value, text, n_text);
	if (option->field_and_1) {
		long field = option->field_and_1 - 1;

		line->given |= UINT64_C(1) << field;
		return recipe_set(&line->batch.recipe, (enum recipe_field)field, value,
		                  text, n_text);
	}
	option->set(line);
	return true;
}

static bool take_option(struct command_line *line, const struct option_word *option,
                        const char *value, char *text, size_t n_text)
{
	char why[512];

	if (take_value(line, option, value, why, sizeof(why)))
		return true;
	if (option_name(option))
		snprintf(text, n_text, "--%s: %s", option_name(option), why);
	else
		snprintf(text, n_text, "-%c: %s", option->letter, why);
	return false;
}

/* Say what getopt_long() did not like: got is what it returned, typed the word it was at. */
static bool refuse(int got, const char *typed, char *text, size_t n_text)
{
	const struct option_word *option = optopt ? option_of(optopt) : NULL;
	char letter[] = {'-', (char)optopt, 0}, argument[RECIPE_ARGUMENT_BYTES];

	/* A letter may stand in a cluster, of which typed is all or not yet any. */
	if (optopt > 0 && optopt < LONG_OPTION)
		typed = letter;
	else if (option && !is_typed_whole(typed, option))
		option = NULL;
	if (!option)
		return unknown_option(typed, text, n_text);
	if (got == ':')
		snprintf(text, n_text, "%s needs a value: %s", typed,
		         option_argument(option, argument));
	else
		snprintf(text, n_text, "--%s takes no value", option_name(option));
	return false;
}

static bool take_options(struct command_line *line, int argc, char **argv, char *text,
                         size_t n_text)
{
	struct getopt_tables tables;
	int got;

	fill_tables(&tables);
	unsetenv("POSIXLY_CORRECT"); /* our options stand anywhere */
	opterr = 0;
	while ((got = getopt_long(argc, argv, tables.letters, tables.words, NULL)) !=
	       -1) {
		const char *typed = argv[optind - 1];
		const struct option_word *option;

		if (got == '?' || got == ':')
			return refuse(got, typed, text, n_text);
		option = option_of(got);
		/* A value that stands in a word of its own: the option is the word before. */
		if (got >= LONG_OPTION && optarg && optarg == typed)
			typed = argv[optind - 2];
		if (got >= LONG_OPTION && !is_typed_whole(typed, option))
			return unknown_option(typed, text, n_text);
		if (!take_option(line, option, optarg, text, n_text))
			return false;
	}
	return true;
}

static bool take_command(struct command_line *line, const char *word, char *text,
                         size_t n_text)
{
	const char *best = NULL;

	for (const struct command_word *command = command_words; command->word;
	     command++) {
		if (strcmp(command->word, word) == 0) {
			line->command = command->command;
			return true;
		}
		suggest_consider(&best, word, command->word);
	}
	if (best)
		snprintf(text, n_text, "unknown command '%s'; did you mean '%s'?", word,
		         best);
	else
		snprintf(text, n_text, "unknown command '%s'", word);
	return false;
}

static bool is_given(const struct command_line *line, enum recipe_field field)
{
	return line->given >> field & 1;
}

static bool makes_pictures(const struct command_line *line)
{
	return line->command != COMMAND_INFO;
}

/* The limits of --untrusted; one that was asked for and is lower stays. */
static void apply_untrusted(struct batch_options *batch)
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

/* What only the whole line can tell. */
static bool is_complete(struct command_line *line, char *text, size_t n_text)
{
	bool scales = line->command == COMMAND_RESIZE || line->command == COMMAND_THUMB;
	const char *why = NULL;

	if (!makes_pictures(line)) {
		if (line->batch.n_inputs > 0)
			why = "info takes no INPUT";
	} else if (line->command == COMMAND_VERIFY && line->batch.output) {
		why = "verify writes nothing: it takes no -o";
	} else if (line->command == COMMAND_VERIFY && line->has_size) {
		why = "verify changes nothing: it takes no -s";
	} else if (line->command == COMMAND_RESIZE && !line->has_size) {
		why = "resize needs a size: -s GEOM";
	} else if (!scales && line->has_size) {
		why = "a size is for resize and thumb: convert and filter take no -s";
	} else if (!scales && is_given(line, RECIPE_FILTER)) {
		why = "--filter is for resize and thumb: filter takes its CHAIN as a word";
	} else if (line->batch.is_untrusted && line->batch.sandbox == SANDBOX_OFF) {
		why = "--untrusted needs the sandbox: --sandbox off cannot stand beside it";
	} else if (line->command != COMMAND_VERIFY && !line->batch.output) {
		why = "where to? -o DIR is missing";
	} else if (line->batch.n_inputs == 0) {
		why = "no INPUT: name files or folders";
	}
	if (why)
		snprintf(text, n_text, "%s", why);
	return !why;
}

/* What a command asks for unless the options do. */
static void add_defaults(struct command_line *line)
{
	struct recipe *recipe = &line->batch.recipe;
	bool keeps = line->command == COMMAND_CONVERT || line->command == COMMAND_FILTER;

	if (keeps && !is_given(line, RECIPE_KEEP))
		recipe->keep = KEEP_ALL;
	if (keeps && !is_given(line, RECIPE_PROFILE))
		recipe->space = SPACE_KEEP;
	if (keeps && !is_given(line, RECIPE_DEPTH))
		recipe->depth = DEPTH_KEEP;
	if (line->command == COMMAND_THUMB) {
		recipe->geometry.no_enlarge = true;
		if (!line->has_size)
			line->size = (struct geometry){.width = THUMB_SIDE,
			                               .height = THUMB_SIDE};
	}
	geometry_add_size(&recipe->geometry, &line->size);
}

/* The chain is the first word behind the command. */
static bool take_chain(struct command_line *line, char *text, size_t n_text)
{
	char why[512];

	if (line->batch.n_inputs == 0) {
		snprintf(text, n_text, "filter needs a CHAIN, and then an INPUT");
		return false;
	}
	if (!filters_parse(&line->batch.recipe.filters, line->batch.inputs[0], why,
	                   sizeof(why))) {
		snprintf(text, n_text, "filter: %s", why);
		return false;
	}
	line->batch.inputs++;
	line->batch.n_inputs--;
	return true;
}

bool command_line_parse(struct command_line *ret_line, int argc, char **argv, char *text,
                        size_t n_text)
{
	struct command_line *line = ret_line;

	*line = (struct command_line){.batch.retries = 1, .report.records = -1};
	if (!take_options(line, argc, argv, text, n_text))
		return false;
	if (line->command != COMMAND_NONE)
		return true; /* help or versions */
	if (optind >= argc) {
		snprintf(text, n_text, "no command");
		return false;
	}
	if (!take_command(line, argv[optind], text, n_text))
		return false;

	line->batch.inputs = (const char *const *)argv + optind + 1;
	line->batch.n_inputs = (size_t)(argc - optind - 1);
	if (line->command == COMMAND_FILTER && !is_given(line, RECIPE_FILTER) &&
	    !take_chain(line, text, n_text))
		return false;
	add_defaults(line);
	line->batch.decodes_only = line->command == COMMAND_VERIFY;
	apply_untrusted(&line->batch);
	return is_complete(line, text, n_text);
}

void command_line_fini(struct command_line *line)
{
	free((void *)line->batch.profile);
	line->batch.profile = NULL;
}
