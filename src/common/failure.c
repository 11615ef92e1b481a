/* The names of failure classes, and the texts of failures. */
#include "common/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const class_names[N_FAIL_CLASSES] = {
	[FAIL_NONE] = "none",
	[FAIL_BAD_IMAGE] = "bad-image",
	[FAIL_UNSUPPORTED] = "unsupported",
	[FAIL_TOO_BIG] = "too-big",
	[FAIL_TIMEOUT] = "timeout",
	[FAIL_MEMORY] = "memory",
	[FAIL_CRASHED] = "crashed",
	[FAIL_VIOLATION] = "violation",
	[FAIL_VANISHED] = "vanished",
	[FAIL_IO] = "io",
	[FAIL_PERMISSION] = "permission",
	[FAIL_EXISTS] = "exists",
	[FAIL_COLLISION] = "collision",
	[FAIL_INTERNAL] = "internal",
};

const char *fail_class_name(enum fail_class class)
{
	if ((unsigned)class >= N_FAIL_CLASSES)
		return class_names[FAIL_INTERNAL];
	return class_names[class];
}

/* Write text into the failure's text, starting at position `at`. Newlines and control characters
 * become '?'. */
static void put_at(struct failure *failure, size_t at, const char *text)
{
	snprintf(failure->text + at, sizeof(failure->text) - at, "%s", text);
	for (char *c = failure->text + at; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
}

bool failure_set(struct failure *failure, enum fail_class class, const char *format, ...)
{
	char text[FAILURE_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	failure->class = class;
	put_at(failure, 0, text);
	return false;
}

bool failure_append(struct failure *failure, const char *format, ...)
{
	char text[FAILURE_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put_at(failure, strlen(failure->text), text);
	return false;
}

bool failure_prepend(struct failure *failure, const char *format, ...)
{
	char text[FAILURE_TEXT_BYTES], rest[FAILURE_TEXT_BYTES];
	va_list args;

	memcpy(rest, failure->text, sizeof(rest));
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put_at(failure, 0, text);
	put_at(failure, strlen(failure->text), rest);
	return false;
}

enum fail_class fail_class_of_input_errno(int sys_errno)
{
	switch (sys_errno) {
	case EACCES:
	case EPERM:
		return FAIL_PERMISSION;
	case ENOENT:
	case ENOTDIR:
	case ESTALE:
	/* ELOOP: the file was opened with O_NOFOLLOW, and has become a symbolic link since the
	 * walk. */
	case ELOOP:
		return FAIL_VANISHED;
	default:
		return FAIL_IO;
	}
}
