/* The texts that the command prints about itself, on standard output. */
#ifndef PXP_HELP_H
#define PXP_HELP_H

#include "cli/command_line.h"

/* One screen: the commands and some examples. */
void help_print_short(void);

/* The help of one command; of COMMAND_NONE that of all. */
void help_print(enum command command);

/* The version of pixpool, and of the libraries that it was built with. */
void help_print_version(void);

#endif
