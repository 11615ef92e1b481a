/*
 * The functions that a task calls while it runs, in a thread or in a worker process: to get its
 * input, and to report its result and its progress.
 *
 * Threads: a struct pxp_task is valid during the call of the task's function. Only the thread of
 * that call may use it.
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
 *   PXP_ETASK       failure. Call pxp_task_fail() and return its status.
 *   PXP_ECANCELLED  the task was asked to end (pxp_task_is_cancelled()), and did.
 *   PXP_EMEMORY     memory ran out. If you call pxp_task_fail() first, the error has a text.
 *   any other       failure. If you do not call pxp_task_fail() first, this status is the code of
 *                   the error.
 *
 * In a worker process: the process was forked before the task was submitted. So the function cannot
 * see data of the submitting process, except the input and the descriptors of the task. If the
 * process dies or exits in this function, the task has crashed. If the function forks without exec
 * and the child returns from the function, the child exits with status 0.
 *
 * In a thread: the function must return, and must not call pthread_exit(). All signals are blocked
 * except those of faults (SIGSEGV and the like). A program that the function starts inherits this
 * signal mask, unless the function sets another one, for example with POSIX_SPAWN_SETSIGMASK.
 */
typedef enum pxp_status pxp_task_fn(struct pxp_task *task);

/**
 * The input of the task.
 *
 * ret_n  the length of the input in bytes; may be NULL.
 *
 * Returns the bytes, aligned for any type, or NULL if the input is empty. They are borrowed, and
 * valid while the task's function runs.
 */
const void *pxp_task_input(const struct pxp_task *task, size_t *ret_n);

/** A descriptor that was submitted with the task, by its index in pxp_task_options.descriptors.
 *  Returns -1 if there is no descriptor at this index. Borrowed: the task must not close it. */
int pxp_task_descriptor(const struct pxp_task *task, unsigned index);

/** The file for the output, an empty memfd. Returns -1 if the task was submitted without
 *  pxp_task_options.output. Borrowed. If the task succeeds, the file is sealed and belongs to the
 *  task's future. */
int pxp_task_output(const struct pxp_task *task);

/** The context that pxp_initialise_fn made for this worker, or NULL. Borrowed. */
void *pxp_task_context(const struct pxp_task *task);

/**
 * Set the result of the task to a copy of n bytes. A later call replaces it.
 *
 * PXP_OK      done.
 * PXP_ENOMEM  no memory; the result is unchanged.
 */
enum pxp_status pxp_task_return(struct pxp_task *task, const void *bytes, size_t n);

/**
 * Set the error with which the task fails.
 *
 * code    any number that the caller chooses. It appears in pxp_error.code.
 * format  as for pxp_fail().
 *
 * Returns PXP_ETASK, which the task's function should then return.
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
enum pxp_status
pxp_task_fail(struct pxp_task *task, int code, const char *format, ...);

/**
 * Return a duplicate of a descriptor with the result. The submitter gets the duplicate from
 * pxp_future_take_descriptor(): with index 0 that of the first call of this function, with index 1
 * that of the second call, and so on. The descriptor itself still belongs to the task.
 *
 * PXP_OK      done.
 * PXP_EINVAL  the task has returned PXP_MAX_DESCRIPTORS descriptors already.
 * PXP_ESYS    the descriptor cannot be duplicated.
 */
enum pxp_status pxp_task_return_descriptor(struct pxp_task *task, int descriptor);

/** Whether the task was asked to end (PXP_CANCEL_ASK). The call is cheap, so a task can call it
 *  often. */
bool pxp_task_is_cancelled(const struct pxp_task *task);

/** Report progress: `done` of `total`, in any unit. This also tells the pool that the task is alive
 *  (pxp_task_options.stall_ms). The call is cheap, so a task can call it often. */
void pxp_task_progress(struct pxp_task *task, uint64_t done, uint64_t total);

enum { PXP_MAX_RESTARTS = 2 };

/**
 * Set the task's deadline to ms milliseconds from now. This is for a task that waits for its input,
 * or whose amount of work is known only while it runs.
 *
 * ms  at most pxp_task_options.max_deadline_ms; a larger number, or a negative one such as
 *     PXP_FOREVER, means max_deadline_ms.
 *
 * In each attempt, only the first pxp_task_options.max_restarts calls have an effect (by default
 * PXP_MAX_RESTARTS calls). A call that would move the deadline by less than a 64th of ms does
 * nothing and is not counted. Calls in a thread, or in a task without a deadline, do nothing.
 */
void pxp_task_restart_deadline(struct pxp_task *task, int64_t ms);

enum { PXP_MAX_NEEDS = 16 };

/**
 * Request memory for the task, and wait until its worker may use that much.
 *
 * bytes  how much private memory the worker needs in total, in bytes. Up to
 *        pxp_executor_options.memory_allowance is granted at once. Memory beyond that comes from
 *        memory_budget, and requests are granted in their order. But if the task already has
 *        memory from the budget, its request is granted or refused at once.
 *
 * The task's deadlines are suspended during the wait. When the task ends, the memory goes back to
 * the budget.
 *
 * PXP_OK          the worker may use that much. In a thread, and in a pool without memory limits,
 *                 this is always the result.
 * PXP_EMEMORY     bytes is more than the whole budget allows, or more than the task's own
 *                 max_memory.
 * PXP_EAGAIN      the task already has memory from the budget, and the memory that it requests in
 *                 addition is not free. The task cannot wait for that memory, because two such
 *                 tasks would wait for each other.
 * PXP_ECANCELLED  the task was asked to end during the wait.
 * PXP_ESYS        the limit of the worker cannot be raised.
 * PXP_EINVAL      in this attempt, PXP_MAX_NEEDS calls have already asked the pool for memory,
 *                 whether it granted the request or not.
 * On all but PXP_OK the limit is unchanged.
 */
enum pxp_status pxp_task_need(struct pxp_task *task, uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
