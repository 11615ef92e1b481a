/*
 * Status and error values. The library never prints and never exits: each call
 * returns an enum pxp_status, and what went wrong stands in a struct that the
 * caller owns.
 */
#ifndef PXP_STATUS_H
#define PXP_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a call says. Values are only ever appended. */
enum pxp_status {
	PXP_OK = 0,

	/* The call itself. */
	PXP_EINVAL = 1,    /* the caller broke a documented rule */
	PXP_ENOMEM = 2,    /* an allocation failed */
	PXP_ESTATE = 3,    /* not in this state: completed already, or never started */
	PXP_EAGAIN = 4,    /* no room now; a blocking call would have waited */
	PXP_ETIMEOUT = 5,  /* your wait ran out; the task goes on untouched */
	PXP_ESHUTDOWN = 6, /* the executor takes no more tasks */
	PXP_EBROKEN = 7,   /* the executor cannot run tasks any more */
	PXP_EDEADLK = 8,   /* would wait for itself */
	PXP_ESYS = 9,      /* a system call failed: see sys_errno */

	/* How a task ended, when it did not succeed. */
	PXP_ETASK = 20,      /* the task's function reported a failure: see code */
	PXP_ECANCELLED = 21, /* stopped before it ran to its end */
	PXP_EDEADLINE = 22,  /* over its run deadline; its worker was killed */
	PXP_ECRASHED = 23,   /* its worker died: see signal or exit_code */
	PXP_EPROTO = 24,     /* its worker broke the protocol and was killed */
	PXP_EQUEUED = 25,    /* over its queue deadline: it never began */
	PXP_EPOISON =
		26, /* it killed as many workers as it may: see signal or exit_code */
	PXP_EMEMORY = 27 /* over its memory limit: see signal, when it died of that */
};

enum { PXP_ERROR_TEXT_BYTES = 240 };

/* What went wrong. Plain bytes, so that a worker process can send one. */
struct pxp_error {
	enum pxp_status status;
	int code;      /* PXP_ETASK: the number that the task chose */
	int sys_errno; /* 0 when no system call was to blame */
	int signal;    /* PXP_ECRASHED: the signal, or 0 */
	int exit_code; /* PXP_ECRASHED without a signal: what the worker exited with */
	char text
		[PXP_ERROR_TEXT_BYTES]; /* one line without a newline, always terminated */
};

/**
 * Fill an error and return its status, so that a caller can write
 * `return pxp_fail(...)`.
 *
 * error   may be NULL: then only the status is returned.
 * format  as printf; the text is cut at PXP_ERROR_TEXT_BYTES - 1 bytes, and each
 *         control character in it becomes a '?'.
 *
 * Any thread. Keeps errno.
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
enum pxp_status
pxp_fail(struct pxp_error *error, enum pxp_status status, const char *format, ...);

/** As pxp_fail() with PXP_ESYS: keeps errno in sys_errno and adds its text. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
enum pxp_status
pxp_fail_errno(struct pxp_error *error, const char *format, ...);

/** The name of a status, e.g. "crashed". Static text, never NULL. Any thread. */
const char *pxp_status_name(enum pxp_status status);

#ifdef __cplusplus
}
#endif

#endif
