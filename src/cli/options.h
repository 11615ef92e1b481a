/*
 * The options of the command: one table, from which the parser, the help and the suggestions
 * come. A row says what an option is called, which commands take it, and how its value is
 * stored in a struct command_line.
 */
#ifndef PXP_OPTIONS_H
#define PXP_OPTIONS_H

#include "common/values.h"
#include "recipe/recipe_text.h"

struct command_line;

struct cli_option {
	char letter;          /* 0: none */
	const char *name;     /* without its dashes; NULL: it has only a letter */
	const char *argument; /* as the help shows it; NULL: the option takes none */
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

/* Store a value, which is NULL for an option without argument. False: the failure says what is
 * wrong with it, without the option's name. */
bool option_store(const struct cli_option *option, struct command_line *line,
                  const char *value, struct failure *ret_failure);

/* The option with this name; NULL: there is none. */
const struct cli_option *option_find(const char *name);

/* "--size", or "-r" for an option that has only a letter. Returns text. */
enum { OPTION_NAME_BYTES = 32 };
const char *option_print(const struct cli_option *option, char text[OPTION_NAME_BYTES]);

#endif
