#include "cli/command_line.h"

#include "cli/suggest.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_OPTIONS = 32,
	LONG_OPTION = 256, /* what getopt_long() gives for the option at an index */
	THUMB_SIDE = 256,
	UNTRUSTED_MAX_PIXELS = 50 * 1000 * 1000,
	UNTRUSTED_TIMEOUT_MS = 10 * 1000,
};

const struct command_word command_words[] = {
	{"resize", COMMAND_RESIZE, "shrink or enlarge each image to fit -s"},
	{"thumb", COMMAND_THUMB,
         "as resize, but never enlarge; -s 256 unless said otherwise"},
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
	for (int i = 0; option_words[i].does; i++) {
		const struct option_word *option = &option_words[i];

		if (option->letter) {
			tables->letters[n_letters++] = option->letter;
			if (option->argument)
				tables->letters[n_letters++] = ':';
		}
		if (option->word)
			tables->words[n_words++] = (struct option){
				.name = option->word,
				.has_arg = option->argument ? required_argument
			                                    : no_argument,
				.val = LONG_OPTION + i,
			};
	}
}

static const struct option_word *option_of(int got)
{
	if (got >= LONG_OPTION)
		return &option_words[got - LONG_OPTION];
	for (const struct option_word *option = option_words; option->does; option++) {
		if (option->letter == got)
			return option;
	}
	return NULL;
}

/* The words of a long option as it was typed: its name, without dashes and value. */
static bool is_typed_whole(const char *typed, const struct option_word *option)
{
	size_t n = strcspn(typed + 2, "=");

	return strlen(option->word) == n && strncmp(typed + 2, option->word, n) == 0;
}

static bool unknown_option(const char *typed, char *text, size_t n_text)
{
	const char *best = NULL;
	char word[64];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(typed, "="), typed);
	if (strncmp(word, "--", 2) == 0) {
		for (const struct option_word *option = option_words; option->does;
		     option++) {
			if (option->word)
				suggest_consider(&best, word + 2, option->word);
		}
	}
	if (best)
		snprintf(text, n_text, "unknown option '%s'; did you mean '--%s'?", word,
		         best);
	else
		snprintf(text, n_text, "unknown option '%s'", word);
	return false;
}

static bool take_option(struct command_line *line, const struct option_word *option,
                        const char *value, char *text, size_t n_text)
{
	char why[256];

	if (option->set) {
		option->set(line);
		return true;
	}
	if (option->take(line, value, why, sizeof(why)))
		return true;
	if (option->word)
		snprintf(text, n_text, "--%s: %s", option->word, why);
	else
		snprintf(text, n_text, "-%c: %s", option->letter, why);
	return false;
}

/* Say what getopt_long() did not like: got is what it returned, typed the word it was at. */
static bool refuse(int got, const char *typed, char *text, size_t n_text)
{
	const struct option_word *option = optopt ? option_of(optopt) : NULL;
	char letter[] = {'-', (char)optopt, 0};

	/* A letter may stand in a cluster, of which typed is all or not yet any. */
	if (optopt > 0 && optopt < LONG_OPTION)
		typed = letter;
	else if (option && !is_typed_whole(typed, option))
		option = NULL;
	if (!option)
		return unknown_option(typed, text, n_text);
	if (got == ':')
		snprintf(text, n_text, "%s needs a value: %s", typed, option->argument);
	else
		snprintf(text, n_text, "--%s takes no value", option->word);
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

/* The limits of --untrusted; one that was asked for and is lower stays. */
static void apply_untrusted(struct batch_options *batch)
{
	if (!batch->is_untrusted)
		return;
	if (batch->recipe.max_pixels == 0 ||
	    batch->recipe.max_pixels > UNTRUSTED_MAX_PIXELS)
		batch->recipe.max_pixels = UNTRUSTED_MAX_PIXELS;
	if (batch->timeout_ms == 0 || batch->timeout_ms > UNTRUSTED_TIMEOUT_MS)
		batch->timeout_ms = UNTRUSTED_TIMEOUT_MS;
	if (batch->sandbox == SANDBOX_AUTO)
		batch->sandbox = SANDBOX_REQUIRE;
}

/* What only the whole line can tell. */
static bool is_complete(struct command_line *line, char *text, size_t n_text)
{
	const char *why = NULL;

	if (line->command == COMMAND_INFO) {
		if (line->batch.n_inputs > 0)
			why = "info takes no INPUT";
	} else if (line->command == COMMAND_RESIZE && !line->has_size) {
		why = "resize needs a size: -s GEOM";
	} else if (line->batch.is_untrusted && line->batch.sandbox == SANDBOX_OFF) {
		why = "--untrusted needs the sandbox: --sandbox off cannot stand beside it";
	} else if (!line->batch.output) {
		why = "where to? -o DIR is missing";
	} else if (line->batch.n_inputs == 0) {
		why = "no INPUT: name files or folders";
	}
	if (why)
		snprintf(text, n_text, "%s", why);
	return !why;
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
	if (line->command == COMMAND_THUMB) {
		if (!line->has_size)
			line->batch.recipe.geometry = (struct geometry){
				.width = THUMB_SIDE, .height = THUMB_SIDE};
		line->batch.recipe.geometry.no_enlarge = true;
	}
	apply_untrusted(&line->batch);
	return is_complete(line, text, n_text);
}
