/*
 * Whole commands, as a shell runs them, each in bounded time. What a command leaves
 * behind is noticed: processes whose parent is gone come to the test, however they got
 * away (PR_SET_CHILD_SUBREAPER), and the end of a command is the end of them all.
 */
#ifndef PXP_COMMAND_H
#define PXP_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

enum { COMMAND_SECONDS = 60, COMMAND_HUNG = -1 };

/* How a command ended. The texts are static, good until the next command ends. */
struct ended {
	int status; /* as a shell says it: 128 and more for a signal; or COMMAND_HUNG */
	const char *out, *err;
};

/* Where the programs are that commands name; to be called before the first of them. */
void command_programs(const char *folder);

/* Lines that begin with this are taken off what ended.err shows, until it is called again:
 * what a machine makes a program say, and what is no matter of the test. NULL: none. */
void command_pass_over(const char *begin_of_line);

/* Run a line of the shell to its end. Fails the test when it hangs, or when a process is
 * left behind; so not while another command is on its way. */
struct ended run(const char *line, ...) __attribute__((format(printf, 1, 2)));

/* A command on its way. */
struct command {
	pid_t pid; /* of the program itself, not of a shell */
	int out, err;
};

/* Begin one program; redirections and variables may stand before and behind it. */
struct command begin(const char *line, ...) __attribute__((format(printf, 1, 2)));

/* Begin it as the leader of a session whose terminal is tty: its 0, 1 and 2. */
struct command begin_on_terminal(int tty, const char *line);

/* Wait for it and for all its processes. */
struct ended end(struct command *command);

/* What it has written on standard error so far; static text. Waits until text is in it
 * when text is not NULL; fails the test when that does not come. */
const char *await_error(const struct command *command, const char *text);

/* The process that the test has begun, itself or by others, and that has this name in
 * /proc; waits for it. Fails the test when none comes. */
pid_t await_process(const char *name);

/* Wait until it is in one of these states, as /proc shows them ("T", "SD"). */
void await_state(pid_t pid, const char *states);

/* How many processes of the test's there are with this name; NULL: any. */
unsigned count_processes(const char *name);

/* Call visit for each of them. */
void each_process(void (*visit)(pid_t pid, void *data), void *data);

#endif
