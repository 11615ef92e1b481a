/* Tests of the prepare function, which gives up rights before workers start: the order of the
 * steps, and how the fork server sends signals to workers when the main process may not. Also tests
 * of the user and the descriptors of a worker. */
#include "probe.h"
#include "support/test.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char steps[64];

static void note(const char *step)
{
	strncat(steps, step, sizeof(steps) - strlen(steps) - 1);
}

static enum pxp_status prepare(const void *bytes, size_t n, struct pxp_error *ret_error)
{
	(void)ret_error;
	note("prepare ");
	note(n == 6 ? bytes : "?");
	return PXP_OK;
}

static enum pxp_status preload(struct pxp_error *ret_error)
{
	(void)ret_error;
	note(" preload");
	return PXP_OK;
}

static enum pxp_status task_steps(struct pxp_task *task)
{
	return pxp_task_return(task, steps, strlen(steps) + 1);
}

TEST(prepare, the_prepare_function_runs_before_the_preload_and_gets_the_init_bytes)
{
	struct pxp_executor *pool = probe_create(
		(struct pxp_executor_options){.n_workers = 1,
	                                      .init_bytes = "bytes",
	                                      .n_init_bytes = 6,
	                                      .prepare = prepare,
	                                      .preload = preload});
	struct pxp_future *future = pool_submit(pool, task_steps, NULL, NULL);

	EXPECT_STR(result_of(future), "prepare bytes preload");
	EXPECT_EQ(end_of(future), PXP_OK);
	EXPECT_STR(steps, "");
	pxp_executor_destroy(pool);
}

static enum pxp_status prepare_fails(const void *bytes, size_t n,
                                     struct pxp_error *ret_error)
{
	(void)bytes;
	(void)n;
	return pxp_fail(ret_error, PXP_ETASK, "this process cannot give up rights");
}

TEST(prepare, a_failing_prepare_function_breaks_the_pool_and_gives_the_reason)
{
	struct pxp_executor *pool = probe_create(
		(struct pxp_executor_options){.n_workers = 1, .prepare = prepare_fails});
	struct pxp_future *future = pool_submit(pool, task_echo, "x", NULL);

	EXPECT_STR(probe_outcome(future).error.text,
	           "this process cannot give up rights");
	EXPECT_EQ(end_of(future), PXP_EBROKEN);
	pxp_executor_destroy(pool);
}

TEST(prepare, a_task_whose_worker_was_killed_by_sigsys_is_not_retried)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit_with(
		pool, task_signal, "31", NULL, (struct pxp_task_options){.retries = 3});

	_Static_assert(SIGSYS == 31, "the task's input");
	EXPECT_EQ(probe_outcome(future).attempts, 1);
	EXPECT_EQ(probe_outcome(future).error.signal, SIGSYS);
	EXPECT_EQ(end_of(future), PXP_ECRASHED);
	pxp_executor_destroy(pool);
}

/* ---- a main process that may not signal its workers ---- */

static enum pxp_status become_nobody(const void *bytes, size_t n,
                                     struct pxp_error *ret_error)
{
	(void)bytes;
	(void)n;
	if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
		return pxp_fail_errno(ret_error, "setresuid");
	return PXP_OK;
}

static struct pxp_executor *pool_of_nobody(unsigned n_workers)
{
	return probe_create((struct pxp_executor_options){.n_workers = n_workers,
	                                                  .prepare = become_nobody});
}

/* Drop CAP_KILL for this thread, and for all threads and processes that it creates later. Returns
 * false if this process is not root. */
static bool give_up_cap_kill(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (geteuid() != 0 || syscall(SYS_capget, &header, data) != 0)
		return false;
	if (!(data[0].effective & 1U << CAP_SETUID))
		return false;
	data[0].effective &= ~(1U << CAP_KILL);
	return syscall(SYS_capset, &header, data) == 0;
}

static void require_root_without_cap_kill(void)
{
	if (!give_up_cap_kill())
		SKIP("only root can change its user");
}

/* Check that the main process may not signal the workers of another user. So in the tests below
 * only the fork server can signal them. */
TEST(prepare, the_main_process_cannot_signal_workers_of_another_user_without_cap_kill)
{
	struct pxp_executor *pool;
	struct pxp_future *future;

	require_root_without_cap_kill();
	pool = pool_of_nobody(1);
	future = pool_submit(pool, task_pid, NULL, NULL);
	EXPECT_EQ(kill(atoi(result_of(future)), SIGKILL), -1);
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);
}

static enum pxp_status task_hangs(struct pxp_task *task)
{
	while (pause() < 0)
		;
	return pxp_task_fail(task, 1, "woken");
}

TEST(prepare, a_deadline_kills_workers_of_another_user)
{
	struct pxp_executor *pool;
	struct pxp_future *hangs, *good;

	require_root_without_cap_kill();
	pool = pool_of_nobody(1);
	hangs = pool_submit_with(pool, task_hangs, NULL, NULL,
	                         (struct pxp_task_options){.deadline_ms = 100});
	good = pool_submit(pool, task_echo, "good", NULL);
	EXPECT_EQ(end_of(hangs), PXP_EDEADLINE);
	EXPECT_STR(result_of(good), "good");
	EXPECT_EQ(end_of(good), PXP_OK);
	pxp_executor_destroy(pool);
}

TEST(prepare, a_shutdown_kills_workers_of_another_user)
{
	struct pxp_executor *pool;
	struct pxp_future *hangs[3];

	require_root_without_cap_kill();
	pool = pool_of_nobody(2);
	for (int i = 0; i < 3; i++)
		hangs[i] = pool_submit(pool, task_hangs, NULL, NULL);
	REQUIRE(pool_await(pool, 2, 1));
	EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL | PXP_SHUTDOWN_WAIT),
	          PXP_OK);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(end_of(hangs[i]), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
}

TEST(prepare, a_forced_cancel_kills_workers_of_another_user)
{
	struct pxp_executor *pool;
	struct pxp_future *hangs, *good;

	require_root_without_cap_kill();
	pool = pool_of_nobody(1);
	hangs = pool_submit(pool, task_hangs, NULL, NULL);
	REQUIRE(pool_await(pool, 1, 0));
	EXPECT(pxp_future_cancel_with(hangs, PXP_CANCEL_KILL));
	good = pool_submit(pool, task_echo, "good", NULL);
	EXPECT_STR(result_of(good), "good");
	EXPECT_EQ(end_of(good), PXP_OK);
	EXPECT_EQ(end_of(hangs), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
}

/* ---- an orphan that the fork server may not signal ---- */

static enum pxp_status forbid_signals_to_others(const void *bytes, size_t n,
                                                struct pxp_error *ret_error)
{
	(void)bytes;
	(void)n;
	return give_up_cap_kill() ? PXP_OK : pxp_fail_errno(ret_error, "capset");
}

/* The orphan ends by itself after a while, so that a process that waits for it does not hang. */
static void become_another_user_and_wait(int to_parent)
{
	const pid_t self = getpid();

	setsid();
	if (setresuid(65534, 65534, 65534) != 0)
		_exit(1);
	alarm(20);
	(void)!write(to_parent, &self, sizeof(self));
	for (;;)
		pause();
}

static enum pxp_status task_leaves_process_of_another_user(struct pxp_task *task)
{
	int from_child[2];
	pid_t left = 0;

	if (pipe(from_child) != 0)
		return PXP_ESYS;
	if (fork() == 0) {
		if (fork() == 0)
			become_another_user_and_wait(from_child[1]);
		_exit(0);
	}
	if (read(from_child[0], &left, sizeof(left)) != sizeof(left))
		return PXP_ESYS;
	return pxp_task_return(task, &left, sizeof(left));
}

TEST(prepare,
     an_orphan_process_that_cannot_be_signalled_does_not_delay_the_end_of_its_pool)
{
	struct pxp_executor *pool;
	struct pxp_future *future;
	void *bytes = NULL;
	pid_t left = 0;

	if (geteuid() != 0)
		SKIP("only root can change its user");
	pool = probe_create((struct pxp_executor_options){
		.n_workers = 1, .prepare = forbid_signals_to_others});
	future = pool_submit(pool, task_leaves_process_of_another_user, NULL, NULL);
	REQUIRE(pxp_future_result(future, PXP_FOREVER, &bytes, NULL, NULL) == PXP_OK);
	memcpy(&left, bytes, sizeof(left));
	free(bytes);
	pxp_future_release(future);
	pxp_executor_destroy(pool);
	EXPECT(!is_gone(left), "the pool waited for the orphan");
	kill(left, SIGKILL);
	await_gone(left);
}

/* ---- a worker that changes its user ---- */

static enum pxp_status lock_down_to_nobody(struct pxp_error *ret_error)
{
	return become_nobody(NULL, 0, ret_error);
}

static enum pxp_status initialise_as_nobody(const void *bytes, size_t n,
                                            void **ret_context,
                                            struct pxp_error *ret_error)
{
	(void)ret_context;
	return become_nobody(bytes, n, ret_error);
}

static enum pxp_status task_tie(struct pxp_task *task)
{
	char text[32];
	int number = -1, n;

	prctl(PR_GET_PDEATHSIG, &number);
	n = snprintf(text, sizeof(text), "user %d, signal %d", (int)geteuid(), number);
	return pxp_task_return(task, text, (size_t)n + 1);
}

static void expect_tie(struct pxp_executor_options options)
{
	struct pxp_executor *pool;
	struct pxp_future *future;

	options.n_workers = 1;
	pool = probe_create(options);
	future = pool_submit(pool, task_tie, NULL, NULL);
	EXPECT_STR(result_of(future), "user 65534, signal 9");
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);
}

TEST(prepare, a_worker_that_becomes_another_user_still_ends_with_its_fork_server)
{
	_Static_assert(SIGKILL == 9, "as the tasks report it");
	if (geteuid() != 0)
		SKIP("only root can change its user");
	expect_tie((struct pxp_executor_options){.lock_down = lock_down_to_nobody});
	expect_tie((struct pxp_executor_options){.initialise = initialise_as_nobody});
}

/* ---- without a root folder ---- */

static enum pxp_status take_root_away(const void *bytes, size_t n,
                                      struct pxp_error *ret_error)
{
	(void)n;
	if (chroot(bytes) != 0 || chdir("/") != 0)
		return pxp_fail_errno(ret_error, "chroot");
	return PXP_OK;
}

/* Fork an orphan outside of the process group and the session of the worker. */
static enum pxp_status task_leaves_daemon(struct pxp_task *task)
{
	int from_child[2];
	pid_t left = 0, child;

	if (pipe(from_child) != 0)
		return PXP_ESYS;
	child = fork();
	if (child == 0) {
		setsid();
		left = fork();
		while (left == 0)
			pause();
		(void)!write(from_child[1], &left, sizeof(left));
		_exit(0);
	}
	if (waitpid(child, NULL, 0) != child ||
	    read(from_child[0], &left, sizeof(left)) != sizeof(left))
		return PXP_ESYS;
	return pxp_task_return(task, &left, sizeof(left));
}

/* Create a pool whose processes have an empty folder as their root folder. When the pool runs, the
 * folder can be removed. */
static struct pxp_executor *pool_without_files(void)
{
	char folder[] = "/tmp/pxp-empty-XXXXXX";
	struct pxp_executor *pool;
	struct pxp_future *future;

	REQUIRE(mkdtemp(folder) != NULL);
	pool = probe_create((struct pxp_executor_options){.n_workers = 1,
	                                                  .init_bytes = folder,
	                                                  .n_init_bytes = sizeof(folder),
	                                                  .prepare = take_root_away});
	future = pool_submit(pool, task_echo, "alive", NULL);
	EXPECT_STR(result_of(future), "alive");
	EXPECT_EQ(end_of(future), PXP_OK);
	EXPECT_EQ(rmdir(folder), 0);
	return pool;
}

TEST(prepare, the_prepare_function_may_change_the_root_folder)
{
	struct pxp_executor *pool;
	struct pxp_future *future;
	void *bytes = NULL;
	pid_t left = 0;

	if (geteuid() != 0)
		SKIP("only root can change the root folder");
	pool = pool_without_files();
	future = pool_submit(pool, task_leaves_daemon, NULL, NULL);
	EXPECT_EQ(pxp_future_result(future, PXP_FOREVER, &bytes, NULL, NULL), PXP_OK);
	if (bytes)
		memcpy(&left, bytes, sizeof(left));
	free(bytes);
	EXPECT_EQ(end_of(future), PXP_OK);
	EXPECT(left == 0 || !is_gone(left));
	EXPECT_EQ(end_of(pool_submit(pool, task_exit, "3", NULL)), PXP_ECRASHED);
	EXPECT(left == 0 || is_gone(left));
	pxp_executor_destroy(pool);
}

/* ---- the descriptors of a worker ---- */

static enum pxp_status close_standard(struct pxp_error *ret_error)
{
	(void)ret_error;
	for (int fd = 0; fd <= 2; fd++)
		close(fd);
	return PXP_OK;
}

/* A task that lists its open descriptors. The letter c after a number says that exec() closes this
 * descriptor. */
static enum pxp_status task_descriptors(struct pxp_task *task)
{
	char text[128] = "";

	for (int fd = 0; fd < 256; fd++) {
		int flags = fcntl(fd, F_GETFD);
		size_t n = strlen(text);

		if (flags >= 0)
			snprintf(text + n, sizeof(text) - n, "%d%s ", fd,
			         flags & FD_CLOEXEC ? "c" : "");
	}
	return pxp_task_return(task, text, strlen(text) + 1);
}

static void expect_descriptors(struct pxp_executor_options options, const char *open)
{
	struct pxp_executor *pool;
	struct pxp_future *future;

	options.n_workers = 1;
	pool = probe_create(options);
	future = pool_submit(pool, task_descriptors, NULL, NULL);
	EXPECT_STR(result_of(future), open);
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);
}

TEST(prepare, a_worker_has_standard_descriptors_even_if_the_preload_closed_them)
{
	expect_descriptors((struct pxp_executor_options){.preload = close_standard},
	                   "0 1 2 3c ");
}

/* With a memory limit a worker keeps /proc/self/statm open as well, to read its memory use. */
TEST(prepare, a_memory_limit_adds_only_statm_to_the_open_files_of_a_worker)
{
	expect_descriptors(
		(struct pxp_executor_options){.memory_allowance = (uint64_t)512 << 20,
	                                      .memory_budget = (uint64_t)1 << 30,
	                                      .max_output = (uint64_t)1 << 32},
		pxp_memory_is_limited() ? "0 1 2 3c 4c " : "0 1 2 3c ");
}
