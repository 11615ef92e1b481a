/* The texts that the command prints about itself, on standard output. */
#ifndef PXP_HELP_H
#define PXP_HELP_H

#include "cli/command_line.h"

/* Print the text that the command line requests. The short help is one screen with the commands and
 * some examples. The long help lists the options of one command, or of all commands for
 * COMMAND_NONE. The version text has the versions of pixpool and of the libraries that it was built
 * with. */
void help_print(const struct command_line *line);

#endif
