/*
 * A future is the one-shot outcome of a task handed to an executor, or of a promise.
 *
 * Life:       pending, running, then exactly one of finished, failed and cancelled.
 *             The first completion wins; a later one is refused and freed, so a cancel
 *             may race a worker safely. There is one cancelled state, and who waits is
 *             told inside the cancel.
 * Ownership:  reference counted. Who submits or promises holds one reference, to be
 *             given back with pxp_future_release().
 * Threads:    any function here, from any thread, except where noted.
 * Callbacks:  run outside every lock, in the thread that completes the future: a pool's
 *             own thread, or the one that cancels.
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

enum { PXP_FOREVER = -1 }; /* as a timeout in milliseconds */

/* Values are only ever appended. */
enum pxp_future_state {
	PXP_PENDING = 0,  /* nobody has begun; a cancel succeeds */
	PXP_RUNNING = 1,  /* a worker has begun; a cancel is refused */
	PXP_FINISHED = 2, /* there is a result */
	PXP_FAILED = 3,   /* there is an error */
	PXP_CANCELLED = 4 /* it will never run */
};

/* What a worker process was at when it ended. Values are only ever appended. */
enum pxp_phase {
	PXP_PHASE_NONE = 0,     /* it had not begun the task, or is a thread */
	PXP_PHASE_RUNNING = 1,  /* in the task's function */
	PXP_PHASE_ANSWERING = 2 /* past it, sending the result */
};

/* How far a task is, as it says itself with pxp_task_progress(). */
struct pxp_progress {
	uint64_t done, total;
};

/* How it went, for good and for bad. Fixed once the future is done, and good as long as
 * a reference to it is held. */
struct pxp_outcome {
	struct pxp_error error; /* status PXP_OK when it finished */
	unsigned attempts;      /* how often a worker began it */
	int64_t worker;         /* process id of the last worker that had it; 0: none */
	int64_t queue_ns;       /* from submission to the last beginning */
	int64_t run_ns;         /* from there to the end */
	enum pxp_phase phase;   /* of a worker that died with it */
	struct pxp_progress progress; /* the last it said */
	/* Of the task when it was answered (within 0.1 ms); of the worker's whole life when it
	 * died; 0 when a cancel killed it, which does not wait for its end. */
	int64_t cpu_ns;
	uint64_t
		peak_bytes; /* the worker's resident memory at its highest; 0: not known */
	const char *log;    /* the last of what it wrote to standard error, for a */
	size_t n_log;       /* failure on a process; at most 4 KiB, no terminator */
};

/** Take another reference, to be given back with pxp_future_release(): the same future. The
 *  caller must hold one, or be in its callback; NULL is not fine. */
struct pxp_future *pxp_future_acquire(struct pxp_future *future);

/** Give a reference back. NULL is fine. The last one frees what nobody took. */
void pxp_future_release(struct pxp_future *future);

/** The state now. It may have moved on by the time you look, except from a done one. */
enum pxp_future_state pxp_future_state(struct pxp_future *future);

/** Whether it is finished, failed or cancelled. */
bool pxp_future_is_done(struct pxp_future *future);

/**
 * Wait until a future is done.
 *
 * timeout_ms  milliseconds; 0 polls, PXP_FOREVER does not time out.
 *
 * PXP_OK        done. This says nothing about the task: ask for its outcome. Its callbacks
 *               may still be running, in another thread.
 * PXP_ETIMEOUT  still pending or running.
 * PXP_EDEADLK   asked in a callback or a task of the executor that would have to run it.
 */
enum pxp_status pxp_future_wait(struct pxp_future *future, int64_t timeout_ms);

/** How it went; NULL while it is not done. Borrowed. */
const struct pxp_outcome *pxp_future_outcome(struct pxp_future *future);

/**
 * Wait, and move the result out: it can be taken once.
 *
 * ret_bytes   on PXP_OK what the task returned, to be freed with free(); NULL when it
 *             returned nothing, and on every other return value.
 * ret_n       its length in bytes; may be NULL.
 * ret_error   may be NULL; filled when the return value is not PXP_OK.
 *
 * PXP_OK        finished, and the result is yours.
 * PXP_ESTATE    finished, but the result was taken before.
 * PXP_ETIMEOUT, PXP_EDEADLK  as pxp_future_wait().
 * any other     how the task ended: pxp_outcome.error.status. Beside the second half of
 *               status.h that may be PXP_EBROKEN, when no worker could be had, and
 *               PXP_ENOMEM or PXP_ESYS, when its input or result could not be carried.
 */
enum pxp_status pxp_future_result(struct pxp_future *future, int64_t timeout_ms,
                                  void **ret_bytes, size_t *ret_n,
                                  struct pxp_error *ret_error);

/**
 * Move out the descriptor that the task wrote its output to (pxp_task_options.output):
 * a memfd sealed against every change. Yours to close. -1 when the future is not
 * finished, has none, or gave it away before.
 */
int pxp_future_take_output(struct pxp_future *future);

enum { PXP_MAX_DESCRIPTORS = 4 };

/**
 * Move out a descriptor that the task returned (pxp_task_return_descriptor()), by its index.
 * Yours to close. -1 when the future is not finished, has none there, or gave it away.
 */
int pxp_future_take_descriptor(struct pxp_future *future, unsigned index);

/**
 * Cancel what has not begun. Waiters and callbacks are told before this returns.
 *
 * true   it is cancelled, now or before.
 * false  too late: it runs, or is done.
 */
bool pxp_future_cancel(struct pxp_future *future);

/* Values are only ever appended. */
enum pxp_cancel {
	PXP_CANCEL_PENDING = 0, /* as pxp_future_cancel() */
	/* What has begun is asked to end: pxp_task_is_cancelled() tells it so, and when its
	 * function then returns PXP_ECANCELLED the future is cancelled. Of a promise: as
	 * PXP_CANCEL_PENDING. */
	PXP_CANCEL_ASK = 1,
	/* The worker process that has begun it is killed, and the future is cancelled at once.
	 * A thread is only asked. */
	PXP_CANCEL_KILL = 2
};

/**
 * Cancel by so much force.
 *
 * true   it is cancelled, now or before.
 * false  it runs on (and was asked to end, if so said), or is done.
 */
bool pxp_future_cancel_with(struct pxp_future *future, enum pxp_cancel force);

/** How far it is now, as the task itself says: zeros while it has said nothing. */
struct pxp_progress pxp_future_progress(struct pxp_future *future);

typedef void pxp_done_fn(struct pxp_future *future, void *data);

/**
 * Call on_done once, when the future is done: at once, in this thread, if it is. Any
 * number, called in the order in which they were added before that; one that is added later
 * does not wait for those. It may submit (a try, as a
 * blocking call could wait for its own thread), cancel, and drop references; it must not
 * wait.
 *
 * PXP_ENOMEM  not added; it will not be called.
 */
enum pxp_status pxp_future_on_done(struct pxp_future *future, pxp_done_fn *on_done,
                                   void *data);

/**
 * A future that the caller completes: the way to bring work of your own (a file that is
 * durable, a page that has arrived) among the futures of executors. Pending, one
 * reference. NULL when memory ran out.
 */
struct pxp_future *pxp_promise_create(void);

/** Pending to running. False when it is cancelled or done (then do not begin), or is no
 *  promise. */
bool pxp_promise_start(struct pxp_future *promise);

/**
 * Complete it as finished, with n bytes from malloc().
 *
 * bytes  moved in on PXP_OK: *bytes comes back NULL. May point to NULL with n 0.
 *
 * PXP_ESTATE  done before: nothing changed, and *bytes is still yours.
 * PXP_EINVAL  the future is an executor's, which completes it itself.
 */
enum pxp_status pxp_promise_finish(struct pxp_future *promise, void **bytes, size_t n);

/** Complete it as failed (cancelled when status is PXP_ECANCELLED). The status must not be
 *  PXP_OK (PXP_EINVAL). PXP_ESTATE and PXP_EINVAL as above. */
enum pxp_status pxp_promise_fail(struct pxp_future *promise,
                                 const struct pxp_error *error);

#ifdef __cplusplus
}
#endif

#endif
