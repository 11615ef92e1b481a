/* Code that the conformance tests share. */
#include "kit.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000, SCENE_SECONDS = 60 };

struct pxp_executor *executor_with(struct pxp_executor_options options)
{
	struct pxp_executor *executor = NULL;
	struct pxp_error error;

	options.size = sizeof(options);
	if (pxp_executor_create(&options, &executor, &error) != PXP_OK)
		fprintf(stderr, "%s\n", error.text);
	REQUIRE(executor != NULL);
	return executor;
}

struct pxp_executor_stats stats_of(struct pxp_executor *executor)
{
	struct pxp_executor_stats stats;

	pxp_executor_stats(executor, &stats);
	return stats;
}

struct pxp_outcome outcome_of(struct pxp_future *future)
{
	REQUIRE(pxp_future_wait(future, PXP_FOREVER) == PXP_OK);
	return *pxp_future_outcome(future);
}

long number_of(struct pxp_future *future)
{
	long number = atol(result_of(future));

	pxp_future_release(future);
	return number;
}

pid_t pid_in(struct pxp_executor *executor)
{
	return (pid_t)number_of(pool_submit(executor, task_pid, NULL, NULL));
}

static void *open_when_shut_down(void *data)
{
	struct opener *opener = data;

	while (pxp_executor_try_submit(opener->executor, task_echo, NULL, 0, NULL,
	                               NULL) != PXP_ESHUTDOWN)
		poll(NULL, 0, 1);
	gate_open(opener->gate);
	return NULL;
}

void opener_start(struct opener *opener, struct pxp_executor *executor, struct gate *gate)
{
	*opener = (struct opener){.executor = executor, .gate = gate};
	REQUIRE(pthread_create(&opener->thread, NULL, open_when_shut_down, opener) == 0);
}

void opener_join(struct opener *opener)
{
	pthread_join(opener->thread, NULL);
}

/* ---- fixtures ---- */

struct pxp_future *fixture_create(enum fixture fixture)
{
	struct pxp_future *promise = pxp_promise_create();
	void *answer = strdup("42");
	struct pxp_error error;

	REQUIRE(promise && answer);
	if (fixture == FIXTURE_RUNNING) {
		REQUIRE(pxp_promise_start(promise));
	} else if (fixture == FIXTURE_CANCELLED ||
	           fixture == FIXTURE_CANCELLED_AND_NOTIFIED) {
		REQUIRE(pxp_future_cancel(promise));
		/* CPython's worker would complete the future here. In this library the cancel has
		 * already completed it. */
		EXPECT(!pxp_promise_start(promise));
	} else if (fixture == FIXTURE_FAILED) {
		pxp_fail(&error, PXP_ETASK, "no");
		error.code = 5;
		REQUIRE(pxp_promise_fail(promise, &error) == PXP_OK);
	} else if (fixture == FIXTURE_SUCCESSFUL) {
		REQUIRE(pxp_promise_finish(promise, &answer, 3) == PXP_OK);
	}
	free(answer);
	return promise;
}

void fixtures_create(struct pxp_future *futures[N_FIXTURES])
{
	for (int i = 0; i < N_FIXTURES; i++)
		futures[i] = fixture_create((enum fixture)i);
}

void futures_release(struct pxp_future **futures, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pxp_future_release(futures[i]);
}

/* ---- tasks ---- */

enum pxp_status task_power(struct pxp_task *task)
{
	long base = 0, exponent = 0, power = 1;
	char text[32];
	int n;

	if (sscanf(pxp_task_input(task, NULL), "%ld %ld", &base, &exponent) != 2)
		return pxp_task_fail(task, 1, "the input must be two numbers");
	while (exponent-- > 0)
		power *= base;
	n = snprintf(text, sizeof(text), "%ld", power);
	return pxp_task_return(task, text, (size_t)n + 1);
}

enum pxp_status task_dies(struct pxp_task *task)
{
	const char *how = pxp_task_input(task, NULL);
	int number = 0;

	if (sscanf(how, "exit %d", &number) == 1)
		_exit(number);
	if (sscanf(how, "signal %d", &number) == 1) {
		signal(number, SIG_DFL);
		raise(number);
	}
	return PXP_OK;
}

enum pxp_status next_number(void *data, const void **ret_bytes, size_t *ret_n)
{
	struct numbers *numbers = data;

	if (numbers->next >= numbers->end)
		return PXP_ESTATE;
	*ret_n = (size_t)snprintf(numbers->text, sizeof(numbers->text), "%ld",
	                          numbers->next++) +
	         1;
	*ret_bytes = numbers->text;
	return PXP_OK;
}

/* ---- faults ---- */

static bool filter_call(int number, unsigned flags, unsigned verdict)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                 offsetof(struct seccomp_data, args[0])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, flags),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, flags, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, verdict),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]),
	                             .filter = filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

bool deny_call(int number, int error, unsigned flags)
{
	return filter_call(number, flags, SECCOMP_RET_ERRNO | (unsigned)error);
}

bool trap_call(int number)
{
	return filter_call(number, 0, SECCOMP_RET_TRAP);
}

/* ---- scenes ---- */

void scene_enter(int argc, char **argv, const char *name, int (*run)(void))
{
	if (argc != 1 || strcmp(argv[0], name) != 0)
		return;
	alarm(SCENE_SECONDS);
	if (pxp_zygote_start(NULL) != PXP_OK)
		_exit(99);
	exit(run());
}

static void read_both(const int ends[2], char *texts[2], size_t n_each)
{
	struct pollfd fds[2] = {{.fd = ends[0], .events = POLLIN},
	                        {.fd = ends[1], .events = POLLIN}};
	size_t n_read[2] = {0};

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		REQUIRE(poll(fds, 2, PATIENCE_MS) > 0);
		for (int i = 0; i < 2; i++) {
			char rest[256];
			bool has_room = n_read[i] < n_each - 1;
			ssize_t n;

			if (fds[i].fd < 0 || fds[i].revents == 0)
				continue;
			n = read(fds[i].fd, has_room ? texts[i] + n_read[i] : rest,
			         has_room ? n_each - 1 - n_read[i] : sizeof(rest));
			if (n <= 0)
				fds[i].fd = -1;
			else if (has_room)
				n_read[i] += (size_t)n;
		}
	}
}

struct play play(const char *scene)
{
	struct play play = {0};
	int out[2], err[2];
	pid_t pid;

	REQUIRE(pipe2(out, 0) == 0 && pipe2(err, 0) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], 1);
		dup2(err[1], 2);
		close_range(3, ~0U, 0);
		execl("/proc/self/exe", scene, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	REQUIRE(pid > 0);
	read_both((const int[]){out[0], err[0]}, (char *[]){play.out, play.err},
	          sizeof(play.out));
	close(out[0]);
	close(err[0]);
	REQUIRE(waitpid(pid, &play.status, 0) == pid);
	return play;
}
