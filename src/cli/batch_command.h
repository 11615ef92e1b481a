/* The commands that work through images: resize, thumb, convert, filter and verify. */
#ifndef PXP_BATCH_COMMAND_H
#define PXP_BATCH_COMMAND_H

#include "cli/command_line.h"

/*
 * Run the command to its end and report it. Returns the exit status. *ret_is_stuck is set if the
 * user interrupted it twice and some call still hangs in the kernel: then threads and processes are
 * left, and the program must exit without waiting for them.
 */
int batch_command_run(struct command_line *line, bool *ret_is_stuck);

#endif
