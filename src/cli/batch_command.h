/* The commands that work through images: resize, thumb, convert, filter and verify. */
#ifndef PXP_BATCH_COMMAND_H
#define PXP_BATCH_COMMAND_H

#include "cli/command_line.h"

/*
 * Run the command to its end and report it. Returns the exit status. When *ret_is_stuck, the
 * user interrupted it twice and something still hangs in the kernel: threads and processes are
 * left, and the program must end without waiting for them.
 */
int batch_command_run(struct command_line *line, bool *ret_is_stuck);

#endif
