/* The commands that process images: resize, thumb, convert, filter and verify. */
#ifndef PXP_BATCH_COMMAND_H
#define PXP_BATCH_COMMAND_H

#include "cli/command_line.h"

/*
 * Run the command to its end and report it. Returns the exit status. Sets *ret_is_stuck to true if
 * a system call may still hang (batch_run()). Then threads and processes may still be running, and
 * the program must exit without waiting for them.
 */
int batch_command_run(struct command_line *line, bool *ret_is_stuck);

#endif
