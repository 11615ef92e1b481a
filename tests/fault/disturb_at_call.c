/*
 * Run a program and disturb it at one of its system calls: make the call fail, or kill the process.
 *
 *     disturb_at_call CALL N ERROR PROGRAM [ARGUMENT]...
 *     disturb_at_call CALL N+ ERROR PROGRAM [ARGUMENT]...
 *
 * CALL is the number of a system call, as strace -n prints it. N says which of these calls is
 * disturbed: 1 means the first one after the program was started. All threads and children of the
 * program are counted together. With N+ all later calls fail as well. ERROR is the name of an
 * error, or KILL.
 *
 * This is strace's "inject=CALL:error=ERROR:when=N", and faster: a seccomp filter stops the program
 * at the calls of this kind only. The addresses of the program are not random, so that it makes the
 * same calls in every run. A run that takes over a minute is killed.
 *
 * Exit status: that of the program; 137 if it was killed; 125 if it cannot be disturbed here.
 */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IS_KILL = 0, RUN_SECONDS = 60, CANNOT = 125 };

/* Whether fail_call() is written for this processor. */
#if defined(__x86_64__) || defined(__aarch64__)
enum { CAN_FAIL_CALLS = true };
#else
enum { CAN_FAIL_CALLS = false };
#endif

static const struct error {
	const char *name;
	int number;
} errors[] = {
	{"KILL", IS_KILL},  {"EACCES", EACCES}, {"EIO", EIO},       {"EMFILE", EMFILE},
	{"ENOLCK", ENOLCK}, {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC},
};

struct disturbance {
	long call;
	/* The numbers of the first and the last call that are disturbed. */
	long first, last;
	int error;
	/* How many times the program has made the system call `call`. */
	long n;
};

static bool parse(char **words, struct disturbance *ret_what)
{
	char *end;

	*ret_what = (struct disturbance){.call = strtol(words[0], NULL, 10), .error = -1};
	ret_what->first = strtol(words[1], &end, 10);
	ret_what->last = *end == '+' ? LONG_MAX : ret_what->first;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (strcmp(words[2], errors[i].name) == 0)
			ret_what->error = errors[i].number;
	}
	return ret_what->first > 0 && ret_what->error >= 0;
}

/* Install a filter that stops this process at each call of one kind. The filter stays in force in
 * the program and in all its children. */
static bool stop_at(long call)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void start(long call, char **words)
{
	if (personality(ADDR_NO_RANDOMIZE) < 0 ||
	    ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(CANNOT);
	raise(SIGSTOP);
	if (stop_at(call))
		execvp(words[0], words);
	_exit(CANNOT);
}

/* Let the call at which the process has stopped return an error. The number of the call becomes -1,
 * so the kernel does not make the call. */
static bool fail_call(pid_t pid, int error)
{
#if defined(__x86_64__)
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &registers) != 0)
		return false;
	registers.orig_rax = (unsigned long long)-1;
	registers.rax = (unsigned long long)-error;
	return ptrace(PTRACE_SETREGS, pid, NULL, &registers) == 0;
#elif defined(__aarch64__)
	struct user_regs_struct registers;
	int none = -1;
	struct iovec all = {&registers, sizeof(registers)}, one = {&none, sizeof(none)};

	if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &all) != 0)
		return false;
	registers.regs[0] = (unsigned long long)-error;
	return ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &all) == 0 &&
	       ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_SYSTEM_CALL, &one) == 0;
#else
	(void)pid;
	(void)error;
	return false;
#endif
}

static void disturb(pid_t pid, struct disturbance *what)
{
	what->n++;
	if (what->n < what->first || what->n > what->last)
		return;
	if (what->error == IS_KILL) {
		kill(pid, SIGKILL);
	} else if (!fail_call(pid, what->error)) {
		perror("disturb_at_call");
		exit(CANNOT); /* when this process ends, the kernel kills the program */
	}
}

/* Run the program until it and all its children have ended. Returns the status of the program. */
static int run(pid_t program, struct disturbance *what)
{
	bool is_started = false;
	int status, ret_status = 0;
	pid_t pid = program;

	ptrace(PTRACE_CONT, program, NULL, NULL);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int signal = 0;

		if (!WIFSTOPPED(status)) {
			if (pid == program)
				ret_status = status;
			continue;
		}
		is_started |= status >> 16 == PTRACE_EVENT_EXEC;
		if (status >> 16 == PTRACE_EVENT_SECCOMP && is_started)
			disturb(pid, what);
		/* A new thread or child first gets a SIGSTOP from ptrace. It is not passed on. */
		if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP)
			signal = WSTOPSIG(status);
		ptrace(PTRACE_CONT, pid, NULL, (void *)(long)signal);
	}
	return ret_status;
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXEC |
	                     PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
	                     PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
	struct disturbance what;
	int status;
	pid_t pid;

	if (argc < 5 || !parse(argv + 1, &what)) {
		fprintf(stderr,
		        "usage: disturb_at_call CALL N[+] ERROR PROGRAM [ARGUMENT]...\n");
		return 2;
	}
	if (what.error != IS_KILL && !CAN_FAIL_CALLS) {
		fprintf(stderr, "disturb_at_call: calls cannot fail on this processor\n");
		return CANNOT;
	}
	pid = fork();
	if (pid == 0)
		start(what.call, argv + 4);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)options) != 0) {
		perror("disturb_at_call");
		return CANNOT;
	}
	alarm(RUN_SECONDS); /* SIGALRM ends this process, and then the kernel kills the program */
	status = run(pid, &what);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
