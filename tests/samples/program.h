/* A program that a test runs, and its standard output, line by line. */
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

/* Start the program argv[0]; argv ends with NULL. The file `input` becomes its standard input; NULL
 * means /dev/null. A failure ends the test. */
struct program program_start(const char *const *argv, const char *input);

/* Read the next line of output, without its newline. Valid until the next call; NULL at the end. */
const char *program_line(struct program *program);

/* Wait for the program and free what belongs to it. Returns its exit status, or 128 plus the number
 * of the signal that killed it. */
int program_end(struct program *program);

enum { TRANSCRIPT_LINES = 16, TRANSCRIPT_BYTES = 512 };

/* Read the whole output of a program that prints little. */
struct transcript {
	int status;
	size_t n;
	char lines[TRANSCRIPT_LINES][TRANSCRIPT_BYTES];
};

struct transcript program_run(const char *const *argv);

/* Whether the output contains this line. */
bool transcript_has(const struct transcript *transcript, const char *line);

#endif
