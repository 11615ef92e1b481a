/* Fills in errors, and has the names of statuses. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void error_clear(struct pxp_error *error)
{
	memset(error, 0, offsetof(struct pxp_error, text) + 1);
}

/* The text of an error is printed as one line, in a report or on a terminal. So it must not contain
 * characters that move the cursor or begin a new line. */
static void error_write(struct pxp_error *error, enum pxp_status status,
                        const char *format, va_list args)
{
	memset(error, 0, sizeof(*error));
	error->status = status;
	vsnprintf(error->text, sizeof(error->text), format, args);
	for (char *c = error->text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
}

enum pxp_status pxp_fail(struct pxp_error *error, enum pxp_status status,
                         const char *format, ...)
{
	int kept = errno;
	va_list args;

	if (error) {
		va_start(args, format);
		error_write(error, status, format, args);
		va_end(args);
	}
	errno = kept;
	return status;
}

enum pxp_status pxp_fail_errno(struct pxp_error *error, const char *format, ...)
{
	int kept = errno;
	va_list args;

	if (error) {
		va_start(args, format);
		error_write(error, PXP_ESYS, format, args);
		va_end(args);
		error->sys_errno = kept;

		size_t used = strlen(error->text);

		snprintf(error->text + used, sizeof(error->text) - used, ": %s",
		         strerrordesc_np(kept) ? strerrordesc_np(kept) : "unknown error");
	}
	errno = kept;
	return PXP_ESYS;
}

const char *pxp_status_name(enum pxp_status status)
{
	switch (status) {
	case PXP_OK:
		return "ok";
	case PXP_EINVAL:
		return "invalid argument";
	case PXP_ENOMEM:
		return "out of memory";
	case PXP_ESTATE:
		return "wrong state";
	case PXP_EAGAIN:
		return "no room";
	case PXP_ETIMEOUT:
		return "timed out";
	case PXP_ESHUTDOWN:
		return "shut down";
	case PXP_EBROKEN:
		return "broken";
	case PXP_EDEADLK:
		return "deadlock";
	case PXP_ESYS:
		return "system call failed";
	case PXP_ETASK:
		return "task failed";
	case PXP_ECANCELLED:
		return "cancelled";
	case PXP_EDEADLINE:
		return "deadline";
	case PXP_ECRASHED:
		return "crashed";
	case PXP_EPROTO:
		return "protocol violation";
	case PXP_EQUEUED:
		return "queue timeout";
	case PXP_EPOISON:
		return "poison";
	case PXP_EMEMORY:
		return "memory limit";
	}
	return "unknown";
}
