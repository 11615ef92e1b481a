/*
 * Run a program and kill it at the entry of one of its system calls.
 *
 *     kill_at_call N PROGRAM [ARGUMENT]...
 *
 * The first call after the program was started has the number 1. With N 0 the program runs to its
 * end, and the number of its calls is printed. This is strace's "signal=KILL:when=N" for calls of
 * all kinds, and faster. The program must have one thread. Its addresses are not random, so that it
 * makes the same calls in every run.
 *
 * Exit status: that of the program; 137 if it was killed.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void start(char **words)
{
	if (personality(ADDR_NO_RANDOMIZE) < 0 ||
	    ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(125);
	raise(SIGSTOP);
	execvp(words[0], words);
	_exit(125);
}

static bool is_entry(pid_t pid)
{
	struct __ptrace_syscall_info info;

	return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

/* Wait until the process stops. Returns false when it has ended. */
static bool has_stopped(pid_t pid, int *ret_status)
{
	return waitpid(pid, ret_status, 0) == pid && WIFSTOPPED(*ret_status);
}

/* Let the process run until it is at the entry of call number last, and kill it. Returns the number
 * of calls that it has made; *ret_status says how it ended. */
static long run(pid_t pid, long last, int *ret_status)
{
	bool is_started = false;
	int signal = 0;
	long n = 0;

	do {
		int stop = *ret_status >> 8;

		is_started |= stop == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
		if (stop == (SIGTRAP | 0x80) && is_started && is_entry(pid) &&
		    ++n == last)
			kill(pid, SIGKILL);
		/* Other stops are signals for the process. */
		signal = stop == (SIGTRAP | 0x80) || stop >> 8 != 0 || n == 0 ? 0 : stop;
		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)signal);
	} while (has_stopped(pid, ret_status));
	return n;
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC |
	                     PTRACE_O_EXITKILL;
	long last = argc > 2 ? strtol(argv[1], NULL, 10) : 0, n;
	int status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: kill_at_call N PROGRAM [ARGUMENT]...\n");
		return 2;
	}
	pid = fork();
	if (pid == 0)
		start(argv + 2);
	if (pid < 0 || !has_stopped(pid, &status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)options) != 0) {
		perror("kill_at_call");
		return 125;
	}
	n = run(pid, last, &status);
	if (last == 0)
		printf("%ld\n", n);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
