/*
 * A task from inside: what its function can ask and report while it runs, in a thread or in a
 * worker process.
 *
 * Threads: a struct pxp_task is valid during the call of the task's function. Use it in the thread
 * of that call only.
 */
#ifndef PXP_TASK_H
#define PXP_TASK_H

#include <pixpool/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pxp_task;

/**
 * The function that an executor runs.
 *
 * Returns
 *   PXP_OK          success.
 *   PXP_ETASK       failure: return what pxp_task_fail() returned.
 *   PXP_ECANCELLED  the task was asked to end (pxp_task_is_cancelled()), and did.
 *   PXP_EMEMORY     memory ran out. A pxp_task_fail() before that gives the error its text.
 *   any other       failure with that number as its code.
 *
 * In a worker process: the process was forked before the task was submitted, so of the submitter's
 * data it has only the input and the descriptors. If the process dies or exits in this function,
 * the task has crashed. If the function forks without exec and the child returns from the function,
 * the child exits with status 0.
 *
 * In a thread: the function must return, and must not call pthread_exit(). All signals are blocked
 * except those of faults (SIGSEGV and the like). A program that it starts inherits that mask, unless
 * it is set otherwise, for example with POSIX_SPAWN_SETSIGMASK.
 */
typedef enum pxp_status pxp_task_fn(struct pxp_task *task);

/**
 * The input.
 *
 * ret_n  its length in bytes; may be NULL.
 *
 * Returns the bytes, aligned for any type; NULL if it is empty. Borrowed: valid during the task.
 */
const void *pxp_task_input(const struct pxp_task *task, size_t *ret_n);

/** The descriptor at index of those that were submitted, or -1. Borrowed: closed after the task. */
int pxp_task_descriptor(const struct pxp_task *task, unsigned index);

/** The empty memfd for the output if the task was submitted with one (pxp_task_options.output), or
 *  -1. Borrowed. If the task succeeds, the file is sealed and belongs to its future. */
int pxp_task_output(const struct pxp_task *task);

/** What pxp_initialise_fn left for this worker, or NULL. Borrowed. */
void *pxp_task_context(const struct pxp_task *task);

/**
 * Set the result to a copy of n bytes. A later call replaces it.
 *
 * PXP_OK      done.
 * PXP_ENOMEM  no memory; the result is unchanged.
 */
enum pxp_status pxp_task_return(struct pxp_task *task, const void *bytes, size_t n);

/**
 * Say why the task fails.
 *
 * code    the caller's own number, which appears in pxp_error.code.
 * format  as for pxp_fail().
 *
 * Returns PXP_ETASK, for the task's function to return.
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
enum pxp_status
pxp_task_fail(struct pxp_task *task, int code, const char *format, ...);

/**
 * Return a duplicate of descriptor to the caller of pxp_future_take_descriptor(), at the next index.
 * descriptor itself stays the task's.
 *
 * PXP_OK      done.
 * PXP_EINVAL  the task has returned PXP_MAX_DESCRIPTORS already.
 * PXP_ESYS    descriptor cannot be duplicated.
 */
enum pxp_status pxp_task_return_descriptor(struct pxp_task *task, int descriptor);

/** Whether the task was asked to end (PXP_CANCEL_ASK). Cheap: ask often. */
bool pxp_task_is_cancelled(const struct pxp_task *task);

/** Report progress: done of total, in any unit. Also tells the pool that the task is alive
 *  (pxp_task_options.stall_ms). Cheap: report often. */
void pxp_task_progress(struct pxp_task *task, uint64_t done, uint64_t total);

enum { PXP_MAX_RESTARTS = 2 };

/**
 * Set the task's deadline to ms milliseconds from now: for a task that waits for its input, or that
 * learns only while it runs how much work it has.
 *
 * ms  at most pxp_task_options.max_deadline_ms; a larger number, or a negative one such as
 *     PXP_FOREVER, means max_deadline_ms.
 *
 * The first PXP_MAX_RESTARTS calls of each attempt have an effect. A call that would move the
 * deadline by less than a 64th of ms does nothing and is not counted. Does nothing in a thread, and
 * for a task without a deadline.
 */
void pxp_task_restart_deadline(struct pxp_task *task, int64_t ms);

enum { PXP_MAX_NEEDS = 16 };

/**
 * Say how much memory the task needs, and wait until its worker may use that much.
 *
 * bytes  of private memory of the worker, in total. Up to pxp_executor_options.memory_allowance is
 *        granted at once. More comes out of memory_budget, first come, first served.
 *
 * The task's deadlines are suspended during the wait. When the task ends, the memory goes back to
 * the budget.
 *
 * PXP_OK          the worker may use that much. Always so in a thread, and in a pool without limits.
 * PXP_EMEMORY     more than the whole budget, or than the task's own max_memory.
 * PXP_EAGAIN      the task already has some of the budget, and the rest is not free. It cannot wait
 *                 for the rest, because two such tasks would wait for each other.
 * PXP_ECANCELLED  the task was asked to end during the wait.
 * PXP_ESYS        the limit of the worker cannot be raised.
 * PXP_EINVAL      the task has asked PXP_MAX_NEEDS times in this attempt for more than it had.
 * On all but PXP_OK the limit is unchanged.
 */
enum pxp_status pxp_task_need(struct pxp_task *task, uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
