/* One question to a worker. */
#ifndef PXP_ASK_H
#define PXP_ASK_H

#include <pixpool/pixpool.h>

/*
 * Run one task without input in a pool. Its result has to be n bytes, and on PXP_OK is in
 * ret_answer. The error is filled on all but that.
 *
 * PXP_EPROTO  the result has another length.
 * any other   as of pxp_executor_submit() and pxp_future_result().
 */
enum pxp_status ask(struct pxp_executor *pool, pxp_task_fn *run, void *ret_answer,
                    size_t n, struct pxp_error *ret_error);

/* The same of a pool that is there for nothing else: it is destroyed whatever becomes of it. */
enum pxp_status ask_once(struct pxp_executor *pool, pxp_task_fn *run, void *ret_answer,
                         size_t n, struct pxp_error *ret_error);

/* As PXP_EPROTO, also for an answer of the right length that cannot be true. */
enum pxp_status ask_makes_no_sense(struct pxp_error *ret_error);

#endif
