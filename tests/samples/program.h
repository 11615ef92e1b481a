/* A program that a test runs, and what it says on standard output, line by line. */
#ifndef PXP_TEST_PROGRAM_H
#define PXP_TEST_PROGRAM_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct program {
	pid_t pid;
	FILE *output;
	char *line;
	size_t size;
};

/* Start argv[0] with the words of argv, which ends with NULL. It reads the file at input;
 * NULL: nothing. Any failure ends the test. */
struct program program_start(const char *const *argv, const char *input);

/* Its next line, without the newline, good until the next call. NULL when there are no more. */
const char *program_line(struct program *program);

/* Wait for its end, and let go of it: its exit status, or 128 and the signal it died of. */
int program_end(struct program *program);

enum { TRANSCRIPT_LINES = 16, TRANSCRIPT_BYTES = 512 };

/* All that a program said, for one that says little. */
struct transcript {
	int status;
	size_t n;
	char lines[TRANSCRIPT_LINES][TRANSCRIPT_BYTES];
};

struct transcript program_run(const char *const *argv);

/* Whether one of the lines is this one. */
bool transcript_has(const struct transcript *transcript, const char *line);

#endif
