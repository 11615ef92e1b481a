/*
 * Whole commands, run by a shell, each in bounded time. The test process is a child subreaper
 * (PR_SET_CHILD_SUBREAPER): a process that outlives its parent becomes our child, so no process can
 * escape unnoticed. A function that starts, runs or awaits something fails the test if it cannot.
 */
#ifndef PXP_COMMAND_H
#define PXP_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

enum { COMMAND_SECONDS = 60, COMMAND_HUNG = -1 };

/* How a command ended. The texts are static and change when the next command ends. */
struct ended {
	/* The exit status as in a shell: for a signal, 128 plus its number; for a pipeline, the
	 * status of the last command that failed. COMMAND_HUNG: the command had to be killed. */
	int status;
	int signal; /* the signal that killed the command; 0 if it exited */
	const char *out, *err;
};

/* Set the folder in which the programs that commands name are looked up first; then PATH is used.
 * Call this before the first command. */
void command_programs(const char *folder);

/* From now on, remove lines that begin with this text from ended.err, because they depend on the
 * machine that runs the tests. NULL: remove none. */
void command_ignore_lines(const char *begin_of_line);

/* Run a shell command to its end. Fails the test if the command hangs or leaves a process behind.
 * No other command may be running. */
struct ended run(const char *line, ...) __attribute__((format(printf, 1, 2)));

/* A running command. */
struct command {
	pid_t pid; /* process id of the program itself, not of a shell */
	int out, err;
};

/* Start one program. The command line may have redirections. */
struct command begin(const char *line, ...) __attribute__((format(printf, 1, 2)));

/* Start one program as the leader of a session. The terminal `tty` becomes the terminal of this
 * session, and the program's standard input, output and error. */
struct command begin_on_terminal(int tty, const char *line);

/* Wait for the program and for all descendant processes of the test. Fails the test if the program
 * hangs, or if a process is left ten seconds after the program has ended. */
struct ended end(struct command *command);

/* Return the text that the command has written to standard error so far, in static memory. If
 * `text` is not NULL, first wait until the output contains it. */
const char *await_error(const struct command *command, const char *text);

/* Wait for a descendant process with this name in /proc. */
pid_t await_process(const char *name);

/* Wait until a process is in one of these states, given by their letters in /proc ("T", "SD"). */
void await_state(pid_t pid, const char *states);

/* How many descendant processes have this name; NULL: any name. Zombies do not count. */
unsigned count_processes(const char *name);

/* How many open descriptors of a process lead to a path that contains `part`. */
unsigned count_open(pid_t pid, const char *part);
/* Wait until count_open() is n or more, and fail the test unless it is n. */
void await_open(pid_t pid, const char *part, unsigned n);

/* Call visit() for each descendant process, zombies included. */
void each_process(void (*visit)(pid_t pid, void *data), void *data);

#endif
