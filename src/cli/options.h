/*
 * The options of the command: one table, from which the parser, the help and the suggestions
 * come. A row has an option's names, the commands that take it, and the way in which its value is
 * stored in a struct command_line.
 */
#ifndef PXP_OPTIONS_H
#define PXP_OPTIONS_H

#include "common/values.h"
#include "recipe/recipe_text.h"

struct command_line;

struct cli_option {
	char letter;          /* or 0 */
	const char *name;     /* without its dashes; NULL: it has only a letter */
	const char *argument; /* as the help shows it; NULL: the option takes no value */
	const char *help;     /* one line, or several with '\n' between them */
	const char *group;    /* the heading above it in the help, or NULL */
	unsigned commands;    /* a bit, 1 << enum command, for each that takes it */

	/* How its value is stored: by a function, or as a choice or a flag in the struct
	 * command_line, or else as a field of the recipe. */
	bool (*take)(struct command_line *line, const char *value,
	             struct failure *ret_failure);
	const struct choice *choices; /* of an enum at offset */
	bool is_flag;                 /* a bool at offset, set to true */
	size_t offset;
	enum recipe_field field;
};

/* In the order of the help; the last row has a NULL help. */
extern const struct cli_option cli_options[];

/* Store a value, which is NULL for an option without argument. False with a failure that does not
 * name the option yet. */
bool option_store(const struct cli_option *option, struct command_line *line,
                  const char *value, struct failure *ret_failure);

/* The option with this name, or NULL. */
const struct cli_option *option_find(const char *name);

/* "--size", or "-r" for an option that has only a letter. Returns text. */
enum { OPTION_NAME_BYTES = 32 };
const char *option_print(const struct cli_option *option, char text[OPTION_NAME_BYTES]);

#endif
