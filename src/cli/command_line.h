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

/* Texts that are printed instead of running the command. If the user requests several texts, the
 * program prints the text whose value in this enum is the highest. */
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
	/* The options of the batch. Strings and inputs point into argv, or into memory that this
	 * struct owns. */
	struct batch_options batch;
	struct report_options report;
	bool prints_json;       /* whether info prints JSON */
	const char *files_from; /* path of the list; "-": standard input */
	/* Whether each name in the list ends with a NUL instead of a newline. */
	bool is_null_separated;
	/* The format that matches the suffix of the --name template; FORMAT_NONE: no format. */
	enum image_format name_format;
	enum on_collision on_collision;
	/* Path of the report; NULL: no report; "-": standard output. */
	const char *report_file;
	struct geometry size; /* the value of -s, with its modifier */
	bool keeps_no_backup; /* --no-backup */
	/* For each row of the table of options: whether the option was given. */
	bool is_given[MAX_OPTIONS];

	/* ---- memory that the struct owns ---- */
	char *output_folder; /* with -o FILE: the folder that contains FILE */
	char *list; /* the contents of files_from; the names in `listed` point into it */
	const char **listed;
	/* For each name in `listed`: its line number in the list. With -0: its number among the
	 * names. */
	unsigned *listed_positions;
	struct walk_glob *globs;
};

/* A command, for the help and for suggestions. */
struct command_info {
	const char *name;
	const char *usage; /* the arguments after the command */
	const char *does;  /* one line of help */
};

/* The table row of a command. The row of COMMAND_NONE has the name NULL. */
const struct command_info *command_info(enum command command);

/*
 * Parse the command line. Permutes argv so that the inputs are adjacent. If the command line is
 * wrong, returns false, and the failure says what is wrong.
 *
 * The caller must call command_line_fini() in any case.
 */
bool command_line_parse(struct command_line *ret_line, int argc, char **argv,
                        struct failure *ret_failure);

/* Free everything that the struct owns, such as the contents of files. */
void command_line_fini(struct command_line *line);

#endif
