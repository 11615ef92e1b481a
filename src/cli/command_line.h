/* The user's request, as read from the command line. */
#ifndef PXP_COMMAND_LINE_H
#define PXP_COMMAND_LINE_H

#include "batch/batch.h"

enum command {
	COMMAND_NONE,
	COMMAND_RESIZE,
	COMMAND_THUMB,
	COMMAND_CONVERT,
	COMMAND_FILTER,
	COMMAND_VERIFY,
	COMMAND_INFO,
	N_COMMANDS
};

/* Printed in place of running the command; of several that are asked for, the last here wins. */
enum help_request {
	HELP_NONE,
	HELP_SHORT,
	HELP_LONG,
	HELP_VERSION,
};

enum { MAX_OPTIONS = 128 };

enum on_collision { COLLISION_STOP, COLLISION_KEEP_EXT };

struct command_line {
	enum command command;
	enum help_request help;
	/* Its strings and inputs point into argv, or into the list. */
	struct batch_options batch;
	struct report_options report;
	const char *files_from; /* "-": standard input */
	/* The names in that list end with a NUL, not with a newline. */
	bool is_null_separated;
	/* The format that the template of --name ends in, or FORMAT_NONE. */
	enum image_format name_format;
	enum on_collision on_collision;
	const char *report_file;    /* NULL: no report; "-": standard output */
	struct geometry size;       /* the value of -s, with its mark */
	bool keeps_no_backup;       /* --no-backup */
	bool is_given[MAX_OPTIONS]; /* by the index in the table of options */

	/* ---- owned ---- */
	char *output_folder; /* of -o FILE */
	char *list;          /* the contents of files_from, and the names in it */
	const char **listed;
	struct walk_glob *globs;
};

/* A command, as help and suggestions show it. */
struct command_info {
	const char *name;
	const char *usage; /* the words behind the name */
	const char *does;  /* one line */
};

/* The row of a command; that of COMMAND_NONE has the name NULL. */
const struct command_info *command_info(enum command command);

/*
 * Parse, permuting argv so that the inputs stand together. False when something is wrong: the
 * failure names it, with its value and the right one.
 *
 * command_line_fini() is due in both cases.
 */
bool command_line_parse(struct command_line *ret_line, int argc, char **argv,
                        struct failure *ret_failure);

/* Free what the line owns, such as the contents of files. */
void command_line_fini(struct command_line *line);

#endif
