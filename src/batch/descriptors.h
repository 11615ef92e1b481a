/* The limit on open files: how a batch divides the descriptors that it may open, and how it ends
 * when they run out. */
#ifndef PXP_BATCH_DESCRIPTORS_H
#define PXP_BATCH_DESCRIPTORS_H

#include "batch/batch_internal.h"

/*
 * Divide the descriptors that the process may still open. The function sets the maximum numbers of
 * tasks, files in a task, finished outputs, outputs in a group and deferred drawings, and reduces
 * *n_workers if necessary. Returns false with a failure if the descriptors are not enough for one
 * worker.
 */
bool batch_divide_descriptors(struct batch *batch, unsigned *n_workers,
                              struct failure *ret_failure);

/* Whether a system call failed because too many files are open. */
bool is_lack_of_descriptors(int sys_errno);

/* End the batch because descriptors ran out, which is not the fault of any picture. */
void batch_stop_for_descriptors(struct batch *batch, int sys_errno);

#endif
