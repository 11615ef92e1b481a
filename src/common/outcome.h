/*
 * Failures of the program: the one error type inside it. An image's failure has one of the
 * classes that records and summary show, and no other. (At the border of libpixpool errors are
 * struct pxp_error.)
 */
#ifndef PXP_OUTCOME_H
#define PXP_OUTCOME_H

/* Plain numbers, because a worker process sends one in its answer: only append. */
enum fail_class {
	FAIL_NONE = 0,
	FAIL_BAD_IMAGE = 1,   /* not an image, or damaged */
	FAIL_UNSUPPORTED = 2, /* an image that this build cannot read or write */
	FAIL_TOO_BIG = 3,   /* over a limit, or over a side limit of the output format */
	FAIL_TIMEOUT = 4,   /* the worker was stopped at the deadline */
	FAIL_MEMORY = 5,    /* the worker was stopped at its memory limit */
	FAIL_CRASHED = 6,   /* the worker died */
	FAIL_VIOLATION = 7, /* the worker tried what no decoder does */
	FAIL_VANISHED = 8,  /* the input went away, or changed while it was read */
	FAIL_IO = 9,        /* the input could not be read */
	FAIL_PERMISSION = 10, /* the input may not be read */
	FAIL_EXISTS = 11,     /* the output is there and not ours */
	FAIL_COLLISION = 12,  /* a twin that claims the same output came after the plan */
	FAIL_INTERNAL = 13,   /* a bug of ours */
	N_FAIL_CLASSES,
	/* Of a value that somebody typed, never of an image: no record has it. */
	FAIL_USAGE = N_FAIL_CLASSES,
};

enum { FAILURE_TEXT_BYTES = 240 };

/* One image's failure. Plain bytes, so that a worker process can send one. */
struct failure {
	enum fail_class class;
	char text[FAILURE_TEXT_BYTES]; /* one line: the stage and the reason */
};

/* The word of a class as records write it, e.g. "bad-image"; "internal" for a
 * number that is no class. Static text. */
const char *fail_class_name(enum fail_class class);

/* Fill failure with class and a formatted line (control characters become '?').
 * Always returns false, so that a caller can write `return failure_set(...)`. */
_Bool failure_set(struct failure *failure, enum fail_class class, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Add a formatted text at the end of a failure's text, or in front of it. What does not fit is
 * cut at the end. Always false. */
_Bool failure_append(struct failure *failure, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
_Bool failure_prepend(struct failure *failure, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The class of an error that a system call gave while an input was found, opened
 * or read: permission, vanished or io. */
enum fail_class fail_class_of_input_errno(int sys_errno);

#endif
