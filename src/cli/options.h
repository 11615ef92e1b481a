/*
 * The options of the command. The parser, the help and the suggestions all use one table. A row has
 * an option's names, the commands that take the option, and the way in which its value is stored in
 * a struct command_line.
 */
#ifndef PXP_OPTIONS_H
#define PXP_OPTIONS_H

#include "common/values.h"
#include "recipe/recipe_text.h"

struct command_line;

struct cli_option {
	char letter; /* letter of the short option, or 0 */
	/* Long name without the dashes; NULL: the option has only a letter. */
	const char *name;
	/* Name of the value in the help; NULL: the option takes no value. */
	const char *argument;
	const char *help;  /* help text: one line, or several with '\n' between them */
	const char *group; /* the heading above the option in the help, or NULL */
	/* A bit (1 << enum command) for each command that supports the option. */
	unsigned commands;

	/* Exactly one of these says how the value is stored: a function; a list of choices for the
	 * enum at offset; a flag at offset; or, if none of them is set, a field of the recipe. */
	bool (*take)(struct command_line *line, const char *value,
	             struct failure *ret_failure);
	/* the words for the enum at offset in struct command_line */
	const struct choice *choices;
	bool is_flag; /* the option sets the bool at offset to true */
	size_t offset;
	enum recipe_field field;
};

/* The options in the order of the help; the last row has a NULL help. */
extern const struct cli_option cli_options[];

/* Store the value of an option; NULL for an option that takes no value. Returns false if the value
 * is invalid; the text of the failure does not name the option. */
bool option_store(const struct cli_option *option, struct command_line *line,
                  const char *value, struct failure *ret_failure);

/* Find the option with this long name; NULL if no option has it. */
const struct cli_option *option_find(const char *name);

/* Print the name of an option, such as "--size", or "-r" for an option that has only a letter.
 * Returns text. */
enum { OPTION_NAME_BYTES = 32 };
const char *option_print(const struct cli_option *option, char text[OPTION_NAME_BYTES]);

#endif
