/*
 * Whole commands, run by a shell, each in bounded time. The test process is a child subreaper
 * (PR_SET_CHILD_SUBREAPER): a process that outlives its parent becomes our child, so that no
 * process can get away unseen. Every function here fails the test when it cannot do its work.
 */
#ifndef PXP_COMMAND_H
#define PXP_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

enum { COMMAND_SECONDS = 60, COMMAND_HUNG = -1 };

/* How a command ended. The texts are static and change when the next command ends. */
struct ended {
	/* As in a shell: 128 and more for a signal. In a pipeline, of the last command that failed.
	 * COMMAND_HUNG when the command had to be killed. */
	int status;
	int signal; /* that the command died of; 0 when it exited */
	const char *out, *err;
};

/* The folder of the programs that commands name. Call it before the first command. */
void command_programs(const char *folder);

/* Remove lines that begin like this from ended.err, until the next call: what a program says
 * because of the machine that the tests run on. NULL: remove none. */
void command_ignore_lines(const char *begin_of_line);

/* Run a shell command to its end. Fails the test when the command hangs or leaves a process
 * behind. No other command may be running. */
struct ended run(const char *line, ...) __attribute__((format(printf, 1, 2)));

/* A running command. */
struct command {
	pid_t pid; /* of the program itself, not of a shell */
	int out, err;
};

/* Start one program. The line may have redirections. */
struct command begin(const char *line, ...) __attribute__((format(printf, 1, 2)));

/* Start one program as the leader of a session whose terminal is tty, which becomes its standard
 * input, output and error. */
struct command begin_on_terminal(int tty, const char *line);

/* Wait for the program and for all its processes. */
struct ended end(struct command *command);

/* What the command has written to standard error so far, as static text. When text is not NULL,
 * waits until text is in it. */
const char *await_error(const struct command *command, const char *text);

/* Wait for a descendant process with this name in /proc. */
pid_t await_process(const char *name);

/* Wait until a process is in one of these states, in the letters of /proc ("T", "SD"). */
void await_state(pid_t pid, const char *states);

/* How many descendant processes have this name; NULL: any name. */
unsigned count_processes(const char *name);

/* Call visit for each descendant process. */
void each_process(void (*visit)(pid_t pid, void *data), void *data);

#endif
