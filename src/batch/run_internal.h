/* A run, from inside: run.c is the way of a file from its task to its future, feed.c the way to
 * its task. */
#ifndef PXP_RUN_INTERNAL_H
#define PXP_RUN_INTERNAL_H

#include "batch/run.h"

void run_wake_main(struct run *run);

/* Of a file's future: it is the main thread's from here on. */
void run_give_to_main(struct pxp_future *future, void *data);

/* Its future is done. It may be freed at once. */
void run_settle(struct file *file);

/* By one open input more or less. */
void run_change_inputs(struct run *run, int by);

/* End the run for what stands in this file's failure, and no other would fare better with. */
void run_stop_early(struct run *run, struct file *file);

/* Of a file's task: take over what became of it. */
void run_task_is_done(struct pxp_future *task, void *data);

/* Of the committer: this file is published, or it is not. */
void run_is_committed(struct commit *commit, void *data);

#endif
