/* The interface of the test engine for files that add commands to it. */
#ifndef PXP_SCRIPTED_H
#define PXP_SCRIPTED_H

#include "common/failure.h"

#include <signal.h>
#include <stdbool.h>

/* Wakes the main thread of a worker at a gate, so that it reads the first byte of its input again.
 * By default, every process ignores this signal. */
enum { GATE_SIGNAL = SIGURG };

/*
 * Commands that need knowledge of the other processes, which this folder does not have. A
 * constructor sets this pointer in programs that link such commands; otherwise it is NULL.
 * *ret_known is whether the line is one of these commands. Returns false with a failure if the
 * script ends here.
 */
extern bool (*script_more)(const char *command, const char *word, bool *ret_known,
                           struct failure *ret_failure);

/* Set the failure that reports how an attack went, given the result of its system call: class
 * internal if it succeeded. Always returns false. */
bool script_report(long got, const char *attempt, struct failure *ret_failure);

/* The memfd of the picture's output, found among the open descriptors; -1 if it is not open. */
int script_find_output(void);

#endif
