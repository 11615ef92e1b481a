/* The INPUTs of a batch, before the run. Only the main thread uses these functions. */
#ifndef PXP_BATCH_INPUTS_H
#define PXP_BATCH_INPUTS_H

#include "batch/batch_internal.h"

/* Check that the INPUTs exist and that the output is no file, and set what the walk leaves out:
 * folders that are given twice, and the output folder. Returns false, with a message for each
 * error, if the batch must not run. */
bool batch_check_inputs(struct batch *batch);

/* With --in-place: keep other runs with --in-place out of the folders of this run. If other runs
 * use these folders, wait until they have ended. If the batch must not wait, stop it. A run that
 * only makes a plan locks nothing. */
void batch_lock_inputs(struct batch *batch);

#endif
