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
	/* One bit (1 << command) for each command that supports the option. */
	unsigned commands;

	/* How the value of the option is stored. If `take` is set, this function stores the value.
	 * If `choices` is set, the value is one of these words, and its number is stored in the
	 * enum at `offset`. If `is_flag` is set, the option has no value, and the bool at `offset`
	 * becomes true. At most one of these three is set. If none is set, the value is stored in
	 * the recipe's field `field`. */
	bool (*take)(struct command_line *line, const char *value,
	             struct failure *ret_failure);
	const struct choice *choices;
	bool is_flag;
	size_t offset;
	enum recipe_field field;
};

/* The options, in the order of the help. The last row has no `help`. */
extern const struct cli_option cli_options[];

/* Store the value of an option. `value` is NULL if the option takes no value. Returns false if the
 * value is invalid. The text of the failure does not contain the option's name. */
bool option_store(const struct cli_option *option, struct command_line *line,
                  const char *value, struct failure *ret_failure);

/* Find the option with this long name; NULL if no option has it. */
const struct cli_option *option_find(const char *name);

/* Print the name of an option, such as "--size", or "-r" for an option that has only a letter.
 * Returns `text`. */
enum { OPTION_NAME_BYTES = 32 };
const char *option_print(const struct cli_option *option, char text[OPTION_NAME_BYTES]);

#endif
