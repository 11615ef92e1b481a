/* The interface of the test engine for files that add commands to it. */
#ifndef PXP_SCRIPTED_H
#define PXP_SCRIPTED_H

#include "common/failure.h"

#include <signal.h>
#include <stdbool.h>

/* This signal wakes the main thread of a worker that waits at a gate, so that it reads the first
 * byte of its input again. By default, every process ignores this signal. */
enum { GATE_SIGNAL = SIGURG };

/*
 * More commands, from a file that knows the protocol between the processes, as script_attacks.c
 * does. A constructor in such a file sets this pointer; in programs without such a file it is NULL.
 * *ret_known is whether the line is one of these commands. Returns false with a failure if the
 * script ends here.
 */
extern bool (*script_more)(const char *command, const char *word, bool *ret_known,
                           struct failure *ret_failure);

/* Set the failure that reports how an attack went. `got` is the result of the attack's system call.
 * If the attack succeeded, the class of the failure is internal. Always returns false. */
bool script_report(long got, const char *attempt, struct failure *ret_failure);

/* The memfd of the picture's output, found among the open descriptors; -1 if it is not open. */
int script_find_output(void);

#endif
