/*
 * Statuses and errors. The library never prints and never exits. Most calls that can fail return an
 * enum pxp_status, and some of them fill in a struct pxp_error of the caller with details.
 */
#ifndef PXP_STATUS_H
#define PXP_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a call returns, and how a task ended. Later versions may append values. */
enum pxp_status {
	PXP_OK = 0,

	/* ---- the outcome of a call ---- */

	/* The caller broke a documented rule. */
	PXP_EINVAL = 1,
	/* An allocation failed. */
	PXP_ENOMEM = 2,
	/* The call is not allowed in the present state: for example, the future is done already, or
	 * pxp_zygote_start() was not called. */
	PXP_ESTATE = 3,
	/* The queue has no room now. The call does not wait for room, or its time limit has
	 * passed. */
	PXP_EAGAIN = 4,
	/* The wait timed out. The task continues. */
	PXP_ETIMEOUT = 5,
	/* The executor was shut down and takes no more tasks. */
	PXP_ESHUTDOWN = 6,
	/* The executor cannot run tasks any more. */
	PXP_EBROKEN = 7,
	/* The call would wait, and might never end: this thread works for the executor that it
	 * would wait for. */
	PXP_EDEADLK = 8,
	/* A system call failed: see pxp_error.sys_errno. */
	PXP_ESYS = 9,

	/* ---- how a task ended, if it did not succeed ---- */

	/* The task's function reported a failure: see pxp_error.code. */
	PXP_ETASK = 20,
	/* The task was cancelled, before it began or while it ran. */
	PXP_ECANCELLED = 21,
	/* The task ran longer than its deadline, or reported no progress for stall_ms. Its worker
	 * was killed. */
	PXP_EDEADLINE = 22,
	/* The task's worker process died: see pxp_error.signal and pxp_error.exit_code. */
	PXP_ECRASHED = 23,
	/* The task's worker process violated the protocol and was killed. */
	PXP_EPROTO = 24,
	/* The task did not begin within queue_timeout_ms. */
	PXP_EQUEUED = 25,
	/* The task killed max_kills workers: see pxp_error.signal and pxp_error.exit_code. */
	PXP_EPOISON = 26,
	/* The task exceeded its memory limit. If its worker died of that, pxp_error.signal is the
	 * signal that killed the worker. */
	PXP_EMEMORY = 27
};

enum { PXP_ERROR_TEXT_BYTES = 240 };

/* What went wrong. Plain bytes without pointers, so that a worker process can send it. */
struct pxp_error {
	enum pxp_status status;
	/* With PXP_ETASK: the number that the task gave to pxp_task_fail(). */
	int code;
	/* The errno of the failed system call, or 0. */
	int sys_errno;
	/* With PXP_ECRASHED, PXP_EPOISON and PXP_EMEMORY: the signal that killed the worker, or
	 * 0. */
	int signal;
	/* With PXP_ECRASHED, PXP_EPOISON and PXP_EMEMORY: the exit code of the worker if it exited,
	 * or 0. */
	int exit_code;
	/* One line of text without a newline at its end. It always ends with a zero byte. */
	char text[PXP_ERROR_TEXT_BYTES];
};

/**
 * Fill an error and return its status, so that a caller can write `return pxp_fail(...)`.
 *
 * error   filled if not NULL.
 * format  as for printf(). The text is cut at PXP_ERROR_TEXT_BYTES - 1 bytes, and each control
 *         character in it becomes a '?'.
 *
 * Returns `status`, and leaves errno unchanged. Any thread may call this function.
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
enum pxp_status
pxp_fail(struct pxp_error *error, enum pxp_status status, const char *format, ...);

/**
 * Fill an error with PXP_ESYS and errno. The text is made from `format`, followed by the
 * description of errno.
 *
 * error, format  as for pxp_fail().
 *
 * Returns PXP_ESYS, and leaves errno unchanged. Any thread may call this function.
 */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
enum pxp_status
pxp_fail_errno(struct pxp_error *error, const char *format, ...);

/** The name of a status, such as "crashed". Static text, never NULL. Any thread may call this
 *  function. */
const char *pxp_status_name(enum pxp_status status);

#ifdef __cplusplus
}
#endif

#endif
