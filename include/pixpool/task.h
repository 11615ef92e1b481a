/*
 * A task, seen from inside: what its function may ask and say while it runs, on a thread
 * or in a worker process. Good only during the call, and only in its thread.
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
 * What an executor runs. It may be called in a worker process, which was forked before
 * the task was made: of this process's data it sees the input and the descriptors alone.
 *
 * Return PXP_OK, or what pxp_task_fail() returns, or PXP_ECANCELLED when it was asked to
 * end and did, or PXP_EMEMORY when memory ran out (pxp_task_fail() before that gives it
 * its text). Any other value is a failure with that number as its code. A worker process
 * that exits or dies in here has crashed; a thread must return, not end (pthread_exit()). A
 * process that is forked in here, without exec, and returns, ends there, with status 0.
 * In a thread all signals are blocked but those of faults, and a program that a task starts
 * has that from it, unless it is told otherwise (POSIX_SPAWN_SETSIGMASK).
 */
typedef enum pxp_status pxp_task_fn(struct pxp_task *task);

/** The input's bytes, n of them: borrowed, aligned for any type. */
const void *pxp_task_input(const struct pxp_task *task, size_t *ret_n);

/** The descriptor at index of those submitted, or -1. Borrowed: closed after the task. */
int pxp_task_descriptor(const struct pxp_task *task, unsigned index);

/** The empty memfd for the output, when the task was submitted with one; else -1.
 *  Borrowed. What is in it is handed over, sealed, when the task succeeds. */
int pxp_task_output(const struct pxp_task *task);

/** What the worker's initialiser left, or NULL. */
void *pxp_task_context(const struct pxp_task *task);

/**
 * Set the result: a copy of n bytes. The last call counts.
 *
 * PXP_ENOMEM  no memory: the result is as before.
 */
enum pxp_status pxp_task_return(struct pxp_task *task, const void *bytes, size_t n);

/**
 * Say why the task fails; to be returned from it. code is the caller's own number, which
 * comes out in pxp_error.code. Always PXP_ETASK.
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
enum pxp_status
pxp_task_fail(struct pxp_task *task, int code, const char *format, ...);

/**
 * Return a descriptor as well: it is duplicated, and comes out at the next index of
 * pxp_future_take_descriptor(). At most PXP_MAX_DESCRIPTORS.
 *
 * PXP_EINVAL  one too many.   PXP_ESYS  it cannot be duplicated.
 */
enum pxp_status pxp_task_return_descriptor(struct pxp_task *task, int descriptor);

/** Whether somebody has asked the task to end (PXP_CANCEL_ASK). Cheap: ask often. */
bool pxp_task_is_cancelled(const struct pxp_task *task);

/** Say how far it is, or just that it lives (options.stall_ms). Cheap. */
void pxp_task_progress(struct pxp_task *task, uint64_t done, uint64_t total);

enum { PXP_MAX_RESTARTS = 2 };

/**
 * Begin the deadline anew, ms milliseconds from now: for a task that has to wait for its
 * input, or that learns its size only while it runs. Counts PXP_MAX_RESTARTS times in each
 * attempt; no more than pxp_task_options.max_deadline_ms is granted, and with PXP_FOREVER
 * (or another negative number) just that. On a thread, and of a task without a deadline, it
 * does nothing.
 */
void pxp_task_restart_deadline(struct pxp_task *task, int64_t ms);

enum { PXP_MAX_NEEDS = 16 };

/**
 * Say how much memory the task will need, and wait until it may have it: bytes of private
 * memory of its worker, in all. Up to pxp_executor_options.memory_allowance that is so at
 * once; what goes beyond comes out of memory_budget, first come, first served. The task's
 * deadlines stand still while it waits, and when it ends the memory is taken back.
 *
 * PXP_OK          it may use so much. Always so on a thread, and in a pool without limits.
 * PXP_EMEMORY     more than the whole budget, or than the task's own max_memory.
 * PXP_EAGAIN      it holds some of the budget already, and what it asks for on top is not
 *                 free: it cannot wait for that, or two such tasks would for each other.
 * PXP_ECANCELLED  it was asked to end meanwhile.
 * PXP_ESYS        its limit could not be raised.
 * PXP_EINVAL      it has asked PXP_MAX_NEEDS times in this attempt for more than it had.
 * On all but PXP_OK its limit is what it was.
 */
enum pxp_status pxp_task_need(struct pxp_task *task, uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
