/*
 * refuse CALL=ERRNO... COMMAND...: run a command in which each system call CALL fails with the
 * errno ERRNO (a number), as in a container that forbids Landlock or seccomp. With ERRNO 0 a call
 * succeeds and does nothing: the command believes that the layer is in force, and it is not.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_RULES = 8, REFUSED = 125 };

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

static const struct {
	const char *name;
	int number, first_argument; /* first argument of the call; -1: any value */
} calls[] = {
	{"landlock_create_ruleset", SYS_landlock_create_ruleset, -1},
	{"landlock_add_rule", SYS_landlock_add_rule, -1},
	{"landlock_restrict_self", SYS_landlock_restrict_self, -1},
	{"seccomp", SYS_seccomp, -1},
	{"prctl_seccomp", SYS_prctl, PR_SET_SECCOMP},
	{"setresuid", SYS_setresuid, -1},
};

/* Append a seccomp rule: the system call `number` with the first argument `first` (-1: with any
 * argument) gets this action. */
static size_t add_rule(struct sock_filter *filter, size_t n, int number, int first,
                       unsigned action)
{
	const struct sock_filter rule[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | (first >= 0 ? BPF_JEQ : BPF_JGE) | BPF_K,
	                 first >= 0 ? (unsigned)first : 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
	};

	memcpy(filter + n, rule, sizeof(rule));
	return n + sizeof(rule) / sizeof(rule[0]);
}

static size_t add(struct sock_filter *filter, size_t n, const char *word)
{
	const char *value = strchr(word, '=');

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strncmp(calls[i].name, word, (size_t)(value - word)) == 0 &&
		    calls[i].name[value - word] == 0)
			return add_rule(filter, n, calls[i].number,
			                calls[i].first_argument,
			                SECCOMP_RET_ERRNO | (unsigned)atoi(value + 1));
	}
	fprintf(stderr, "refuse: unknown system call '%s'\n", word);
	exit(REFUSED);
}

int main(int argc, char **argv)
{
	struct sock_filter filter[5 * MAX_RULES + 1];
	struct sock_fprog program = {.filter = filter};
	size_t n = 0;
	int i = 1;

	for (; i < argc && i <= MAX_RULES && strchr(argv[i], '='); i++)
		n = add(filter, n, argv[i]);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = (unsigned short)n;
	if (i >= argc || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		fprintf(stderr, "refuse: %s\n", strerror(errno));
		return REFUSED;
	}
	execvp(argv[i], argv + i);
	fprintf(stderr, "refuse: %s: %s\n", argv[i], strerror(errno));
	return REFUSED;
}
