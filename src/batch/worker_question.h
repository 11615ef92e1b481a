/* Functions that ask one worker a question, apart from the tasks of a batch: which layers of its
 * sandbox are in force, which formats it can read, whether it starts at all. */
#ifndef PXP_BATCH_WORKER_QUESTION_H
#define PXP_BATCH_WORKER_QUESTION_H

#include "common/failure.h"

#include <pixpool/pixpool.h>

/* Run one task without input in a pool, and wait for its result, which must have n bytes. On
 * success returns true and stores the result in ret_answer. If not, returns false with a failure of
 * class FAIL_INTERNAL. */
bool worker_ask(struct pxp_executor *pool, pxp_task_fn *run, void *ret_answer, size_t n,
                struct failure *ret_failure);

/* Like worker_ask(), but in a pool that is created for this task and destroyed after it. */
bool worker_ask_once(const struct pxp_executor_options *options, pxp_task_fn *run,
                     void *ret_answer, size_t n, struct failure *ret_failure);

#endif
