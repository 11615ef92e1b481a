/* The test engine, for those who have more commands for it. */
#ifndef PXP_SCRIPTED_H
#define PXP_SCRIPTED_H

#include "common/failure.h"

#include <stdbool.h>

/*
 * Commands that take a knowledge of the processes around, which this room does not have: set
 * by a constructor where they are linked, else NULL. *ret_known is whether it is one of
 * them; false with a failure when the picture ends here.
 */
extern bool (*script_more)(const char *command, const char *word, bool *ret_known,
                           struct failure *ret_failure);

/* What became of an attempt, as a system call tells it: a failure either way, internal when
 * it got through. Always false. */
bool script_report(long got, const char *attempt, struct failure *ret_failure);

/* The memfd of the picture, found among the descriptors: -1 when there is none. */
int script_find_output(void);

#endif
