/* One question to a worker of a process pool. */
#ifndef PXP_ASK_H
#define PXP_ASK_H

#include "common/failure.h"

#include <pixpool/pixpool.h>

#include <stdbool.h>

/*
 * Run one task without input in a pool, and wait for its result, which must be n bytes: they are
 * in ret_answer when this is true. Else the failure says why; its class is FAIL_INTERNAL.
 */
bool ask(struct pxp_executor *pool, pxp_task_fn *run, void *ret_answer, size_t n,
         struct failure *ret_failure);

/* The same, in a pool that is created for this question and destroyed after it. */
bool ask_once(const struct pxp_executor_options *options, pxp_task_fn *run,
              void *ret_answer, size_t n, struct failure *ret_failure);

#endif
