/* What is done about the outputs of a batch when its plan is made. Only the main thread uses these
 * functions. */
#ifndef PXP_BATCH_OUTPUTS_H
#define PXP_BATCH_OUTPUTS_H

#include "batch/batch_internal.h"

/* Print the inputs that would write the same output, and advice on how to avoid that. */
void batch_report_collisions(struct batch *batch);

/* Open the output folder and its records, and start the committer. Returns false, with a message,
 * if the batch must be refused. If an output cannot be written because of the file system, the
 * batch is stopped and true is returned. */
bool batch_open_outputs(struct batch *batch);

#endif
