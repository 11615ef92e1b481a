/*
 * The error type that all code of the program uses. (The public functions of libpixpool use struct
 * pxp_error.) If an image fails, its failure has a class, which is shown in the records. FAIL_USAGE
 * is never the class of an image.
 */
#ifndef PXP_FAILURE_H
#define PXP_FAILURE_H

/* Workers send these numbers in their answers: add new ones at the end. */
enum fail_class {
	FAIL_NONE = 0,
	/* The input is not an image, or is damaged. */
	FAIL_BAD_IMAGE = 1,
	/* This build cannot read the input, or cannot write it in the output format. */
	FAIL_UNSUPPORTED = 2,
	/* The image exceeds a limit, or one of its sides is longer than the output format
	 * allows. */
	FAIL_TOO_BIG = 3,
	/* The worker was stopped because the time limit of the image had passed. */
	FAIL_TIMEOUT = 4,
	/* The worker reached its memory limit, or memory ran out. */
	FAIL_MEMORY = 5,
	/* The worker died. */
	FAIL_CRASHED = 6,
	/* The worker tried a forbidden system call, and the sandbox stopped the worker. */
	FAIL_VIOLATION = 7,
	/* The input was deleted, or it changed while it was read. */
	FAIL_VANISHED = 8,
	/* A file could not be read or written. */
	FAIL_IO = 9,
	/* There is no permission to read the input or to write the output. */
	FAIL_PERMISSION = 10,
	/* A file that pixpool must not replace has the name of the output or of the backup. */
	FAIL_EXISTS = 11,
	/* Another input with the same output name was found after the plan was made. */
	FAIL_COLLISION = 12,
	/* A bug in pixpool. */
	FAIL_INTERNAL = 13,

	N_FAIL_CLASSES,
	/* A wrong value of an option or in a recipe. Images never fail with this class. */
	FAIL_USAGE = N_FAIL_CLASSES,
};

enum { FAILURE_TEXT_BYTES = 240 };

/* The failure of one file. The struct has no pointers, so a worker process can send it. */
struct failure {
	enum fail_class class;
	char text[FAILURE_TEXT_BYTES]; /* one line without control characters */
};

/* The name of a class in records, such as "bad-image". A number that is not a class has the name
 * "internal". Returns static text. */
const char *fail_class_name(enum fail_class class);

/* Set the class and the text of a failure. Control characters become '?'. Always returns false, so
 * that a caller can write `return failure_set(...)`. */
_Bool failure_set(struct failure *failure, enum fail_class class, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* failure_append() adds to the end of the text, failure_prepend() to its start. If the text becomes
 * too long, its end is cut off. Both always return false. */
_Bool failure_append(struct failure *failure, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
_Bool failure_prepend(struct failure *failure, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Get the class of a failure from the errno of a system call on an input. The call looked for the
 * input, opened it or read it. Returns FAIL_PERMISSION, FAIL_VANISHED or FAIL_IO. */
enum fail_class fail_class_of_input_errno(int sys_errno);

#endif
