/*
 * A future is the one-shot outcome of a task that was submitted to an executor, or of a promise.
 *
 * Life:       pending, running, and then finished, failed or cancelled. In these last three states
 *             it is done. The first completion wins and later ones are refused, so a cancel may
 *             race a worker.
 * Ownership:  reference counted. Submitting a task or creating a promise gives the caller one
 *             reference, which the caller gives back with pxp_future_release(). The caller of each
 *             function below must hold a reference during the call.
 * Threads:    any thread may call any function of this header.
 * Callbacks:  run without any lock held, in the thread that completes the future: a thread of the
 *             executor (with PXP_INLINE the thread that submits the task), or the thread that
 *             cancels the task, shuts the executor down or completes the promise.
 */
#ifndef PXP_FUTURE_H
#define PXP_FUTURE_H

#include <pixpool/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pxp_future;

/* A timeout that means: wait without limit. */
enum { PXP_FOREVER = -1 };

/* Later versions may append values. */
enum pxp_future_state {
	/* No worker has begun the task. A cancel succeeds. */
	PXP_PENDING = 0,
	/* A worker has begun the task. A plain cancel is refused. */
	PXP_RUNNING = 1,
	/* Done: the task has succeeded, and the future has a result. */
	PXP_FINISHED = 2,
	/* Done: the task has failed, and the future has an error. */
	PXP_FAILED = 3,
	/* Done: the task was cancelled. */
	PXP_CANCELLED = 4
};

/* What a worker process was doing when it died. Later versions may append values. */
enum pxp_phase {
	/* The worker had not begun the task, or the executor has no worker processes. */
	PXP_PHASE_NONE = 0,
	/* The worker was in the task's function. */
	PXP_PHASE_RUNNING = 1,
	/* The worker had left the task's function and was sending the result. */
	PXP_PHASE_ANSWERING = 2
};

/* What the task last reported with pxp_task_progress(). */
struct pxp_progress {
	uint64_t done, total;
};

/* How a task ended. Constant once the future is done. */
struct pxp_outcome {
	/* The error. Its status is PXP_OK if the task finished. */
	struct pxp_error error;
	/* How many times a worker has begun the task. */
	unsigned attempts;
	/* The process id of the worker process that had the task last; 0: none. */
	int64_t worker;
	/* Nanoseconds from the submission of the task to the beginning of its last attempt. */
	int64_t queue_ns;
	/* Nanoseconds from the beginning of the last attempt to its end. */
	int64_t run_ns;
	/* If the worker died while it had this task: what the worker was doing. */
	enum pxp_phase phase;
	struct pxp_progress progress;
	/* CPU time in nanoseconds. If the worker answered: the CPU time of the task, accurate to
	 * 0.1 ms. If the worker died: all CPU time that the worker has used since it was forked. If
	 * a cancel killed the worker: 0. */
	int64_t cpu_ns;
	/* The largest resident memory of the worker process so far; 0: unknown. */
	uint64_t peak_bytes;
	/* If the task failed: the last bytes that the worker process wrote to standard error. They
	 * are n_log bytes, at most 4 KiB, without a terminating zero. NULL: no bytes. */
	const char *log;
	size_t n_log;
};

/** Take another reference, which the caller gives back with pxp_future_release(). Returns its
 *  argument, which must not be NULL. A callback may call this function for its own future. */
struct pxp_future *pxp_future_acquire(struct pxp_future *future);

/** Give a reference back. The last release frees the future, with any result and descriptors that
 *  were not moved out. NULL is allowed. */
void pxp_future_release(struct pxp_future *future);

/** The state at this moment. Only a done state is final. */
enum pxp_future_state pxp_future_state(struct pxp_future *future);

/**
 * Set the tag of a future: a pointer of the caller's own. With tags the caller can tell futures
 * apart in callbacks and after pxp_wait() or pxp_as_completed_next(). The library never follows the
 * pointer and never frees it. At first the tag is pxp_task_options.tag, or NULL.
 *
 * A task may be done, and its callbacks may run, before pxp_executor_submit() returns. So a
 * callback needs a tag that was set in pxp_task_options.
 */
void pxp_future_set_tag(struct pxp_future *future, void *tag);

/** The tag of a future, in any state; NULL if none was set. */
void *pxp_future_tag(struct pxp_future *future);

/** Whether the future is finished, failed or cancelled. */
bool pxp_future_is_done(struct pxp_future *future);

/**
 * Wait until a future is done.
 *
 * timeout_ms  milliseconds; 0 only polls, PXP_FOREVER waits without limit.
 *
 * PXP_OK        the future is done. To know whether the task succeeded, call pxp_future_outcome().
 *               Callbacks may still be running in another thread.
 * PXP_ETIMEOUT  the future is still pending or running.
 * PXP_EDEADLK   the caller is a callback or a task of the executor that must run the future's task,
 *               and would have to wait.
 */
enum pxp_status pxp_future_wait(struct pxp_future *future, int64_t timeout_ms);

/** The outcome; NULL while the future is not done. Borrowed: valid as long as the caller holds a
 *  reference to the future. */
const struct pxp_outcome *pxp_future_outcome(struct pxp_future *future);

/**
 * Wait until a future is done, and move the result out of it. The result can be moved out only
 * once.
 *
 * timeout_ms  as for pxp_future_wait().
 * ret_bytes   on PXP_OK the result, which the caller must free(), or NULL if the task returned
 *             nothing. NULL with any other status.
 * ret_n       on PXP_OK the length of the result in bytes; may be NULL.
 * ret_error   filled on all but PXP_OK; may be NULL.
 *
 * PXP_OK        the task finished, and the result belongs to the caller.
 * PXP_ESTATE    the task finished, but its result was moved out before.
 * PXP_ETIMEOUT  as for pxp_future_wait().
 * PXP_EDEADLK   as for pxp_future_wait().
 * any other     the task failed or was cancelled, and this status is pxp_outcome.error.status.
 *               If the future is not a promise, it is one of the statuses from PXP_ETASK on, or
 *               PXP_EBROKEN (the executor cannot run tasks any more), PXP_ENOMEM or PXP_ESYS (the
 *               task could not be sent to a worker, or its result could not be received).
 */
enum pxp_status pxp_future_result(struct pxp_future *future, int64_t timeout_ms,
                                  void **ret_bytes, size_t *ret_n,
                                  struct pxp_error *ret_error);

/**
 * Move out the output that the task wrote (pxp_task_options.output).
 *
 * Returns a memfd that is sealed against every change. The caller must close it. Returns -1 if the
 * future is not finished, if it has no output, or if the output was moved out before.
 */
int pxp_future_take_output(struct pxp_future *future);

enum { PXP_MAX_DESCRIPTORS = 8 };

/**
 * Move out a descriptor that the task returned (pxp_task_return_descriptor()).
 *
 * index  the number of the descriptor in the order in which the task returned them, from 0.
 *
 * Returns the descriptor, which the caller must close. Returns -1 if the future is not finished, if
 * it has no such descriptor, or if the descriptor was moved out before.
 */
int pxp_future_take_descriptor(struct pxp_future *future, unsigned index);

/**
 * Cancel a task that no worker has begun, or a pending promise. This call wakes waiters and runs
 * callbacks before it returns.
 *
 * Returns true if the future is cancelled, by this call or before it. Returns false if the future
 * is running, or is finished or failed.
 */
bool pxp_future_cancel(struct pxp_future *future);

/* How to cancel a task that a worker has begun. Later versions may append values. */
enum pxp_cancel {
	/* Cancel only a task that no worker has begun, as pxp_future_cancel() does. A task that a
	 * worker has begun continues. */
	PXP_CANCEL_PENDING = 0,
	/* Ask the task to end: pxp_task_is_cancelled() becomes true. The future is cancelled if the
	 * task's function then returns PXP_ECANCELLED. A promise is treated as with
	 * PXP_CANCEL_PENDING. */
	PXP_CANCEL_ASK = 1,
	/* Kill the task's worker process, and cancel the future at once. A task in a thread is
	 * treated as with PXP_CANCEL_ASK. */
	PXP_CANCEL_KILL = 2
};

/**
 * Cancel a task. If no worker has begun it, this call acts like pxp_future_cancel(). If a worker
 * has begun it, `force` says how to cancel it.
 *
 * Returns true if the future is cancelled, by this call or before it. Returns false if the future
 * is running (its task may have been asked to end), or is finished or failed.
 */
bool pxp_future_cancel_with(struct pxp_future *future, enum pxp_cancel force);

/** What the task last reported with pxp_task_progress(). Zeros if it has reported nothing. */
struct pxp_progress pxp_future_progress(struct pxp_future *future);

/** A callback. `future` is borrowed for the call; `data` is the pointer that was given to
 *  pxp_future_on_done(). */
typedef void pxp_done_fn(struct pxp_future *future, void *data);

/**
 * Call on_done once, when the future is done. If the future is done already, on_done is called at
 * once, in this thread.
 *
 * Callbacks run in the order in which they were added. A callback that is added after the
 * completion does not wait for those that were added before. A callback may submit tasks with
 * pxp_executor_try_submit(), cancel tasks, and release references. It must not wait, because it may
 * run in the thread that it would wait for.
 *
 * data  passed to on_done; must stay valid until then. If the future is freed before it is done,
 *       on_done is not called. Only a promise can be freed before it is done.
 *
 * PXP_OK      the callback was added, or was called.
 * PXP_ENOMEM  no memory. The callback was not added and will not be called.
 */
enum pxp_status pxp_future_on_done(struct pxp_future *future, pxp_done_fn *on_done,
                                   void *data);

/**
 * Create a promise: a future that the caller completes. With a promise, a program can wait for
 * events of its own (a file that is on the disk, a page that has arrived) together with the futures
 * of executors.
 *
 * Returns a pending future with one reference, which the caller must release. Returns NULL if there
 * is no memory.
 */
struct pxp_future *pxp_promise_create(void);

/** Change a promise from pending to running. Returns true if this call did that. Returns false if
 *  the promise is running or done already: then the caller must not begin the work of this promise.
 *  Also returns false if the future is not a promise. */
bool pxp_promise_start(struct pxp_future *promise);

/**
 * Complete a promise as finished.
 *
 * bytes  *bytes points to n bytes from malloc(). If n is 0, *bytes may be NULL. On PXP_OK the bytes
 *        belong to the future, and *bytes becomes NULL. Otherwise they still belong to the caller.
 *
 * PXP_OK      the promise is finished now.
 * PXP_ESTATE  the promise was done already.
 * PXP_EINVAL  the future is not a promise.
 */
enum pxp_status pxp_promise_finish(struct pxp_future *promise, void **bytes, size_t n);

/**
 * Complete a promise as failed, or as cancelled if error->status is PXP_ECANCELLED.
 *
 * error  copied.
 *
 * PXP_OK      the promise has failed now, or is cancelled.
 * PXP_ESTATE  the promise was done already.
 * PXP_EINVAL  error->status is PXP_OK, or the future is not a promise.
 */
enum pxp_status pxp_promise_fail(struct pxp_future *promise,
                                 const struct pxp_error *error);

#ifdef __cplusplus
}
#endif

#endif
