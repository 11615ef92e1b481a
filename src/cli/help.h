/* The texts that the command prints about itself, on standard output. */
#ifndef PXP_HELP_H
#define PXP_HELP_H

#include "cli/command_line.h"

/* Print what the command line asks for: the short help (one screen with the commands and some
 * examples); the options of one command, or of all commands for COMMAND_NONE; or the version of
 * pixpool and of the libraries that it was built with. */
void help_print(const struct command_line *line);

#endif
