/* The end of a batch. */
#ifndef PXP_BATCH_ENDING_H
#define PXP_BATCH_ENDING_H

#include "batch/batch_internal.h"

/* Called by the main thread when all files are reported, or when it has given up waiting for some
 * of them (is_stuck). Prunes outputs if the options ask for that, prints the messages that concern
 * the whole run, and returns the exit status. */
int batch_conclude(struct batch *batch, bool is_stuck);

#endif
