/*
 * A future is the one-shot outcome of a task that was submitted to an executor, or of a promise.
 *
 * Life:       pending, running, then one of finished, failed and cancelled: then it is done. The
 *             first completion wins and later ones are refused, so a cancel may race a worker.
 * Ownership:  reference counted. Submitting a task or creating a promise gives the caller one
 *             reference, which pxp_future_release() gives back. The caller of each function below
 *             holds a reference during the call.
 * Threads:    any function here, from any thread.
 * Callbacks:  run without any lock held, in the thread that completes the future: a thread of the
 *             executor, or the thread that cancels.
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

/* As a timeout in milliseconds: wait without limit. */
enum { PXP_FOREVER = -1 };

/* New values are only appended. */
enum pxp_future_state {
	/* No worker has begun it. A cancel succeeds. */
	PXP_PENDING = 0,
	/* A worker has begun it. A plain cancel is refused. */
	PXP_RUNNING = 1,
	/* Done: it has a result. */
	PXP_FINISHED = 2,
	/* Done: it has an error. */
	PXP_FAILED = 3,
	/* Done: it was cancelled. */
	PXP_CANCELLED = 4
};

/* What a worker process was doing when it died. New values are only appended. */
enum pxp_phase {
	/* It had not begun the task; or the worker is a thread. */
	PXP_PHASE_NONE = 0,
	/* It was in the task's function. */
	PXP_PHASE_RUNNING = 1,
	/* It had left the function and was sending the result. */
	PXP_PHASE_ANSWERING = 2
};

/* What the task last reported with pxp_task_progress(). */
struct pxp_progress {
	uint64_t done, total;
};

/* How a task ended. Constant once the future is done. */
struct pxp_outcome {
	/* Status PXP_OK if it finished. */
	struct pxp_error error;
	/* How often a worker began it. */
	unsigned attempts;
	/* Process id of the last worker process that had it; 0: none. */
	int64_t worker;
	/* From the submission to the beginning of the last attempt. */
	int64_t queue_ns;
	/* From there to the end. */
	int64_t run_ns;
	/* Of a worker that died with it. */
	enum pxp_phase phase;
	struct pxp_progress progress;
	/* CPU time of the task if it was answered, accurate to 0.1 ms; of the worker's whole life if
	 * the worker died; 0 if a cancel killed the worker. */
	int64_t cpu_ns;
	/* The largest resident memory of the worker process; 0: unknown. */
	uint64_t peak_bytes;
	/* The last bytes that the worker process wrote to standard error, if the task failed: n_log
	 * bytes, at most 4 KiB, not terminated. NULL: none. */
	const char *log;
	size_t n_log;
};

/** Take another reference, which pxp_future_release() gives back. Returns future. A callback may
 *  call it for its future. future must not be NULL. */
struct pxp_future *pxp_future_acquire(struct pxp_future *future);

/** Give a reference back. The last release frees the future, with any result and descriptors that
 *  were not moved out. NULL is allowed. */
void pxp_future_release(struct pxp_future *future);

/** The state at this moment. Only a done state is final. */
enum pxp_future_state pxp_future_state(struct pxp_future *future);

/**
 * Set the tag of a future: a pointer of the caller's own, which tells futures apart when they come
 * back from callbacks, pxp_wait() or an iteration. The library never looks at what it points to and
 * never frees it. A future has the tag of pxp_task_options, or NULL, until a call sets another one.
 *
 * A task may be done, and its callbacks may run, before pxp_executor_submit() returns. So a callback
 * needs a tag that was set in pxp_task_options.
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
 * PXP_OK        done. This says nothing about the task: ask pxp_future_outcome(). Callbacks may
 *               still be running in another thread.
 * PXP_ETIMEOUT  still pending or running.
 * PXP_EDEADLK   this is a callback or a task of the executor that must run the future's task.
 */
enum pxp_status pxp_future_wait(struct pxp_future *future, int64_t timeout_ms);

/** The outcome; NULL while the future is not done. Borrowed: valid as long as the caller holds a
 *  reference to the future. */
const struct pxp_outcome *pxp_future_outcome(struct pxp_future *future);

/**
 * Wait until a future is done, and move the result out. This is possible once.
 *
 * timeout_ms  as for pxp_future_wait().
 * ret_bytes   on PXP_OK the result, which the caller must free(); NULL if the task returned
 *             nothing. Otherwise NULL.
 * ret_n       on PXP_OK the length of the result in bytes; may be NULL.
 * ret_error   filled on all but PXP_OK; may be NULL.
 *
 * PXP_OK        finished, and the result belongs to the caller.
 * PXP_ESTATE    finished, but the result was moved out before.
 * PXP_ETIMEOUT  as for pxp_future_wait().
 * PXP_EDEADLK   as for pxp_future_wait().
 * any other     the task failed or was cancelled: this is pxp_outcome.error.status. Besides the
 *               second half of enum pxp_status it can be PXP_EBROKEN (no worker could be started),
 *               PXP_ENOMEM or PXP_ESYS (the input or the result could not be transferred).
 */
enum pxp_status pxp_future_result(struct pxp_future *future, int64_t timeout_ms,
                                  void **ret_bytes, size_t *ret_n,
                                  struct pxp_error *ret_error);

/**
 * Move out the output that the task wrote (pxp_task_options.output).
 *
 * Returns a memfd that is sealed against every change, which the caller must close; -1 if the future
 * is not finished, has no output, or the output was moved out before.
 */
int pxp_future_take_output(struct pxp_future *future);

enum { PXP_MAX_DESCRIPTORS = 4 };

/**
 * Move out a descriptor that the task returned (pxp_task_return_descriptor()).
 *
 * index  in the order in which the task returned them, from 0.
 *
 * Returns the descriptor, which the caller must close; -1 if the future is not finished, has no such
 * descriptor, or it was moved out before.
 */
int pxp_future_take_descriptor(struct pxp_future *future, unsigned index);

/**
 * Cancel a task that no worker has begun, or a pending promise. Waiters are woken and callbacks run
 * before this returns.
 *
 * Returns whether the future is cancelled, by this call or before it. False: it is running, or done
 * in another way.
 */
bool pxp_future_cancel(struct pxp_future *future);

/* How a task that a worker has begun is cancelled. New values are only appended. */
enum pxp_cancel {
	/* Not at all, as with pxp_future_cancel(). */
	PXP_CANCEL_PENDING = 0,
	/* It is asked to end: pxp_task_is_cancelled() becomes true. The future is cancelled if the
	 * task's function then returns PXP_ECANCELLED. For a promise, as PXP_CANCEL_PENDING. */
	PXP_CANCEL_ASK = 1,
	/* Its worker process is killed, and the future is cancelled at once. In a thread, as
	 * PXP_CANCEL_ASK. */
	PXP_CANCEL_KILL = 2
};

/**
 * Cancel a task that no worker has begun, as pxp_future_cancel() does, or one that was begun as force
 * says.
 *
 * Returns whether the future is cancelled, by this call or before it. False: it is running, and may
 * have been asked to end; or it is done in another way.
 */
bool pxp_future_cancel_with(struct pxp_future *future, enum pxp_cancel force);

/** What the task last reported with pxp_task_progress(). Zeros if it has reported nothing. */
struct pxp_progress pxp_future_progress(struct pxp_future *future);

/** A callback. future is borrowed for the call; data is what the callback was added with. */
typedef void pxp_done_fn(struct pxp_future *future, void *data);

/**
 * Call on_done once when the future is done: at once, in this thread, if it is done already.
 *
 * Callbacks run in the order in which they were added. One that is added after the completion does
 * not wait for those before it. A callback may submit tasks with pxp_executor_try_submit(), cancel,
 * and release references. It must not wait: it may run in the thread that it would wait for.
 *
 * data  passed to on_done; must stay valid until then. If the future is freed before it is done,
 *       which is possible for a promise only, on_done is not called.
 *
 * PXP_OK      added, or called.
 * PXP_ENOMEM  no memory. It was not added and will not be called.
 */
enum pxp_status pxp_future_on_done(struct pxp_future *future, pxp_done_fn *on_done,
                                   void *data);

/**
 * Create a promise: a future that the caller completes. It brings work of your own (a file that is
 * on the disk, a page that has arrived) among the futures of executors.
 *
 * Returns a pending future with one reference, which the caller must release. NULL: no memory.
 */
struct pxp_future *pxp_promise_create(void);

/** Make a pending promise running. Returns whether it did. False: it is running, cancelled or done,
 *  so do not begin; or the future is not a promise. */
bool pxp_promise_start(struct pxp_future *promise);

/**
 * Complete a promise as finished.
 *
 * bytes  points to n bytes from malloc(), or to NULL with n 0. On PXP_OK they belong to the future
 *        and *bytes becomes NULL. Otherwise they are still the caller's.
 *
 * PXP_OK      finished.
 * PXP_ESTATE  it is done already.
 * PXP_EINVAL  the future is not a promise.
 */
enum pxp_status pxp_promise_finish(struct pxp_future *promise, void **bytes, size_t n);

/**
 * Complete a promise as failed, or as cancelled if error->status is PXP_ECANCELLED.
 *
 * error  copied.
 *
 * PXP_OK      failed, or cancelled.
 * PXP_ESTATE  it is done already.
 * PXP_EINVAL  error->status is PXP_OK, or the future is not a promise.
 */
enum pxp_status pxp_promise_fail(struct pxp_future *promise,
                                 const struct pxp_error *error);

#ifdef __cplusplus
}
#endif

#endif
