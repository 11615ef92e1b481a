/* The words of the command: one table, from which both the parser and the help come. */
#ifndef PXP_COMMAND_LINE_H
#define PXP_COMMAND_LINE_H

#include "batch/batch.h"
#include "recipe/recipe_text.h"

enum command {
	COMMAND_NONE,
	COMMAND_RESIZE,
	COMMAND_THUMB,
	COMMAND_CONVERT,
	COMMAND_FILTER,
	COMMAND_VERIFY,
	COMMAND_INFO,
	/* What stands in place of a command. */
	COMMAND_SHORT_HELP,
	COMMAND_HELP,
	COMMAND_VERSION,
};

struct command_line {
	enum command command;
	struct batch_options batch; /* strings and inputs point into argv */
	struct report_options report;
	const char *report_file; /* NULL: none; "-": standard output */
	struct geometry size;    /* what -s says, its marks too */
	bool has_size;
	uint64_t given; /* the fields of the recipe that options have set, a bit each */
};

/* A command that does something, as help and suggestions show it. */
struct command_word {
	const char *word;
	enum command command;
	const char *does;
};

struct option_word {
	char letter;          /* 0: none */
	const char *word;     /* without its dashes; NULL: none */
	const char *argument; /* what help calls it; NULL: takes none */
	const char *does;
	/* Of an option with an argument: take its value. False with a message. */
	bool (*take)(struct command_line *line, const char *value, char *text,
	             size_t n_text);
	/* Of one without. */
	void (*set)(struct command_line *line);
	/* Of one that is a field of the recipe: that field and 1. It has its word, argument
	 * and help from there, and unless it has a take of its own it sets the field. */
	long field_and_1;
	const char *group; /* the heading that stands above it in the help */
};

/* What an option is called, takes and does, wherever that is written. The last is NULL at
 * the end of the table alone. */
const char *option_name(const struct option_word *option);
const char *option_argument(const struct option_word *option,
                            char text[RECIPE_ARGUMENT_BYTES]);
const char *option_does(const struct option_word *option);

extern const struct command_word command_words[]; /* ends with a NULL word */
extern const struct option_word option_words[];

/*
 * Parse, permuting argv so that the inputs stand together. False when a word is wrong: the
 * message, in text of n_text bytes, names it and suggests the right one.
 */
bool command_line_parse(struct command_line *ret_line, int argc, char **argv, char *text,
                        size_t n_text);

/* What it read from files; also of one that was not parsed to its end. */
void command_line_fini(struct command_line *line);

#endif
