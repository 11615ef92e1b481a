/*
 * The error type that all code of the program uses. (The public functions of libpixpool use struct
 * pxp_error.) The failure of an image has one of the classes that records and the summary show.
 * FAIL_USAGE is never the class of an image.
 */
#ifndef PXP_FAILURE_H
#define PXP_FAILURE_H

/* Workers send these numbers in their answers: add new ones at the end. */
enum fail_class {
	FAIL_NONE = 0,
	/* The input is not an image, or is damaged. */
	FAIL_BAD_IMAGE = 1,
	/* The input is an image that this build cannot read, or cannot write in the output
	 * format. */
	FAIL_UNSUPPORTED = 2,
	/* The image is over a limit, or one side is longer than the output format allows. */
	FAIL_TOO_BIG = 3,
	/* The worker was stopped at the deadline. */
	FAIL_TIMEOUT = 4,
	/* The worker was stopped at its memory limit. */
	FAIL_MEMORY = 5,
	/* The worker died. */
	FAIL_CRASHED = 6,
	/* The worker tried something that no decoder does, and the sandbox stopped it. */
	FAIL_VIOLATION = 7,
	/* The input was deleted, or it changed while it was read. */
	FAIL_VANISHED = 8,
	/* The input could not be read. */
	FAIL_IO = 9,
	/* There is no permission to read the input. */
	FAIL_PERMISSION = 10,
	/* The output exists and was not made by pixpool. */
	FAIL_EXISTS = 11,
	/* Another input with the same output name appeared after the plan was made. */
	FAIL_COLLISION = 12,
	/* A bug in pixpool. */
	FAIL_INTERNAL = 13,

	N_FAIL_CLASSES,
	/* A wrong value on the command line. Images never fail with this class. */
	FAIL_USAGE = N_FAIL_CLASSES,
};

enum { FAILURE_TEXT_BYTES = 240 };

/* The failure of one file. Has no pointers, so that a worker process can send it. */
struct failure {
	enum fail_class class;
	char text[FAILURE_TEXT_BYTES]; /* one line without control characters */
};

/* The name of a class in records, such as "bad-image". A number that is no class has the name
 * "internal". Static text. */
const char *fail_class_name(enum fail_class class);

/* Set class and text; control characters become '?'. Always returns false, so that a caller can
 * write `return failure_set(...)`. */
_Bool failure_set(struct failure *failure, enum fail_class class, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* failure_append() adds to the end of the text, failure_prepend() to its start. If the text becomes
 * too long, its end is cut off. Both always return false. */
_Bool failure_append(struct failure *failure, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
_Bool failure_prepend(struct failure *failure, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The class for the errno of a system call that looked for, opened or read an input:
 * FAIL_PERMISSION, FAIL_VANISHED or FAIL_IO. */
enum fail_class fail_class_of_input_errno(int sys_errno);

#endif
