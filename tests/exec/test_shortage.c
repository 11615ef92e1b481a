/* Tests of a shortage of descriptors or processes, which may only delay tasks or fail one task,
 * unless no worker can ever start. Also tests of programs in an unusual environment, for example
 * without standard descriptors. */
#include "probe.h"
#include "support/test.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* These variables are shared with the zygote and all its descendants. */
static struct {
	atomic_int n_preloads;
	atomic_bool may_load;
} * shared;

/* This constructor runs before the constructors that start the zygote. */
__attribute__((constructor(101))) static void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		abort();
}

/* ---- descriptors ---- */

/* The fork server is stopped until this process has no free descriptor for the pidfd that the fork
 * server sends. */
TEST(shortage, running_out_of_descriptors_for_a_new_worker_fails_no_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate gate = gate_create();
	pid_t fork_server = probe_fork_server(pool);
	struct pxp_future *held = pool_submit(pool, task_wait, "held", &gate), *others[3];
	struct probe_hoard hoard;

	REQUIRE(pool_await(pool, 1, 0));
	probe_lower_limit();
	kill(fork_server, SIGSTOP);
	for (int i = 0; i < 3; i++)
		others[i] = pool_submit(pool, task_echo, "x", NULL);
	REQUIRE(pool_await_workers(pool, 2));
	probe_take_all(&hoard);
	kill(fork_server, SIGCONT);
	EXPECT(pool_await_workers(pool, 1));
	probe_give_back(&hoard);

	for (int i = 0; i < 3; i++)
		EXPECT_EQ(end_of(others[i]), PXP_OK);
	EXPECT_EQ(pxp_future_wait(held, 0), PXP_ETIMEOUT);
	gate_open(&gate);
	EXPECT_STR(result_of(held), "held");
	EXPECT_EQ(end_of(held), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

static enum pxp_status task_returns_much(struct pxp_task *task)
{
	static const char bytes[100000];

	gate_pass(pxp_task_descriptor(task, 0));
	return pxp_task_return(task, bytes, sizeof(bytes));
}

TEST(shortage,
     running_out_of_descriptors_for_a_result_fails_the_task_and_keeps_the_worker)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	struct pxp_future *much = pool_submit(pool, task_returns_much, NULL, &gate);
	struct pxp_future *next;
	struct probe_hoard hoard;

	REQUIRE(pool_await(pool, 1, 0));
	probe_lower_limit();
	probe_take_all(&hoard);
	/* The test does not call gate_open() here, because that would free a descriptor. */
	REQUIRE(write(gate.open_end, "x", 1) == 1);
	EXPECT_EQ(probe_outcome(much).error.sys_errno, EMFILE);
	probe_give_back(&hoard);

	next = pool_submit(pool, task_echo, "next", NULL);
	EXPECT_STR(result_of(next), "next");
	EXPECT_EQ(probe_outcome(next).worker, probe_outcome(much).worker);
	EXPECT_EQ(end_of(much), PXP_ESYS);
	EXPECT_EQ(end_of(next), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Lower the limit of descriptors, so that none is free. */
static enum pxp_status initialise_without_room(const void *bytes, size_t n,
                                               void **ret_context,
                                               struct pxp_error *ret_error)
{
	int next = fcntl(STDERR_FILENO, F_DUPFD, 0);
	const struct rlimit full = {(rlim_t)next, (rlim_t)next};

	(void)bytes, (void)n, (void)ret_context;
	close(next);
	if (setrlimit(RLIMIT_NOFILE, &full) != 0)
		return pxp_fail_errno(ret_error, "setrlimit");
	return PXP_OK;
}

static const char long_input[100000];

static enum pxp_status try_long_input(struct pxp_executor *pool,
                                      struct pxp_future **ret_future)
{
	return pxp_executor_try_submit(pool, task_echo, long_input, sizeof(long_input),
	                               NULL, ret_future);
}

TEST(shortage, a_submission_is_refused_if_no_descriptor_is_left_for_its_long_input)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future;
	struct probe_hoard hoard;

	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "the worker has started", NULL)),
	          PXP_OK);
	probe_lower_limit();
	probe_take_all(&hoard);
	EXPECT_EQ(try_long_input(pool, &future), PXP_ESYS);
	EXPECT(future == NULL);
	probe_give_back(&hoard);
	EXPECT_EQ(try_long_input(pool, &future), PXP_OK);
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);
}

TEST(shortage, a_long_input_over_the_file_size_limit_is_refused_without_sigxfsz)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future;
	struct rlimit before, low;

	REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
	low = before;
	low.rlim_cur = sizeof(long_input) - 1;
	REQUIRE(setrlimit(RLIMIT_FSIZE, &low) == 0);
	EXPECT_EQ(try_long_input(pool, &future), PXP_ESYS);
	EXPECT(future == NULL);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
	EXPECT_EQ(try_long_input(pool, &future), PXP_OK);
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);
}

/* If a worker could change or lengthen the input, a second attempt would read something else. */
TEST(shortage, a_long_input_is_sealed_against_every_change)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	struct pxp_future *held = pool_submit(pool, task_wait, "held", &gate), *future;
	const int all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int n_inputs = 0;

	REQUIRE(pool_await(pool, 1, 0));
	REQUIRE(try_long_input(pool, &future) == PXP_OK);
	for (int fd = 3; fd < 256; fd++) {
		char path[32], target[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) < 0 ||
		    !strstr(target, "memfd:pixpool-input"))
			continue;
		n_inputs++;
		EXPECT_EQ(fcntl(fd, F_GET_SEALS) & all, all);
	}
	EXPECT_EQ(n_inputs, 1);
	gate_open(&gate);
	EXPECT_EQ(end_of(future), PXP_OK);
	EXPECT_EQ(end_of(held), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* The submissions that wait for room are woken when inputs leave the queue. */
TEST(shortage, submissions_of_long_inputs_wait_while_128_long_inputs_are_queued)
{
	enum { N = 300 };
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	struct pxp_future *held = pool_submit(pool, task_wait, "held", &gate);
	struct pxp_future *futures[N];
	int n = 0;

	REQUIRE(pool_await(pool, 1, 0));
	while (n < N && try_long_input(pool, &futures[n]) == PXP_OK)
		n++;
	EXPECT(n >= 128 && n <= 130, "%d", n);
	EXPECT_EQ(pxp_executor_try_submit(pool, task_echo, "short", 6, NULL, NULL),
	          PXP_OK);
	gate_open(&gate);
	for (; n < N; n++)
		REQUIRE(pxp_executor_submit(pool, task_echo, long_input,
		                            sizeof(long_input), NULL,
		                            &futures[n]) == PXP_OK);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	EXPECT_EQ(end_of(held), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

TEST(shortage, a_task_is_never_started_without_its_descriptor)
{
	struct pxp_executor *pool = probe_create((struct pxp_executor_options){
		.n_workers = 1, .initialise = initialise_without_room});
	struct gate gate = gate_create();
	struct pxp_future *future;

	gate_open(&gate);
	future = pool_submit(pool, task_wait, "x", &gate);
	EXPECT_STR(probe_outcome(future).error.text,
	           "3 workers died before they started the task");
	EXPECT_EQ(end_of(future), PXP_ECRASHED);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

TEST(shortage, a_task_with_an_invalid_descriptor_fails_alone)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate gate = gate_create();
	struct pxp_future *neighbour = pool_submit(pool, task_wait, "x", &gate), *bad;
	struct pxp_future *behind[5];
	int closed = fcntl(2, F_DUPFD_CLOEXEC, 500);
	const struct pxp_task_options options = {
		.size = sizeof(options), .descriptors = &closed, .n_descriptors = 1};

	REQUIRE(closed >= 0 && close(closed) == 0);
	REQUIRE(pool_await(pool, 1, 0));
	REQUIRE(pxp_executor_submit(pool, task_echo, NULL, 0, &options, &bad) == PXP_OK);
	for (int i = 0; i < 5; i++)
		behind[i] = pool_submit(pool, task_echo, "x", NULL);
	EXPECT_EQ(probe_outcome(bad).error.sys_errno, EBADF);
	EXPECT_EQ(end_of(bad), PXP_ESYS);
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(end_of(behind[i]), PXP_OK);
	EXPECT_EQ(pxp_future_wait(neighbour, 0), PXP_ETIMEOUT);
	gate_open(&gate);
	EXPECT_EQ(end_of(neighbour), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Wait until a request to reap a worker cannot be sent. Returns whether the supervisor then sleeps
 * only until its next attempt. */
static bool await_retry_of_a_reap(struct pxp_executor *pool)
{
	const struct process_pool *inside = probe_inside(pool);
	bool is_missing = false, is_soon = false;

	for (int i = 0; i < 60000 && !is_missing; i++) {
		lock_acquire(&pool->lock);
		for (unsigned j = 0; j < inside->n_workers && inside->is_asleep; j++)
			is_missing |= inside->workers[j].state == WORKER_REAPING &&
			              !inside->workers[j].reap_is_sent;
		is_soon = inside->retry_ns >= 0 && inside->wake_ns >= 0 &&
		          inside->wake_ns <= inside->retry_ns;
		lock_release(&pool->lock);
		poll(NULL, 0, is_missing ? 0 : 1);
	}
	return is_missing && is_soon;
}

/* The control socket has room for a few requests only, and the fork server does not read them. The
 * other requests must be repeated. */
TEST(shortage, requests_to_reap_workers_are_repeated_when_the_fork_server_is_busy)
{
	enum { N = 24 };
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, N);
	struct gate never = gate_create();
	pid_t fork_server = probe_fork_server(pool);
	struct pxp_future *held[N];
	const int smallest = 1;

	for (int i = 0; i < N; i++)
		held[i] = pool_submit(pool, task_wait, "x", &never);
	REQUIRE(pool_await(pool, N, 0));
	REQUIRE(setsockopt(probe_inside(pool)->fork_server.control, SOL_SOCKET, SO_SNDBUF,
	                   &smallest, sizeof(smallest)) == 0);
	kill(fork_server, SIGSTOP);
	pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL);
	EXPECT(await_retry_of_a_reap(pool));
	REQUIRE(pool_await_workers(pool, 0));
	kill(fork_server, SIGCONT);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(end_of(held[i]), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* ---- unusual environments ---- */

static void ignore_children(void)
{
	signal(SIGCHLD, SIG_IGN);
}

static bool a_crash_is_reported(void)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *crash = pool_submit(pool, task_signal, "11", NULL);
	bool is_reported = probe_outcome(crash).error.signal == SIGSEGV;

	is_reported &= end_of(crash) == PXP_ECRASHED;
	pxp_executor_destroy(pool);
	return is_reported && pxp_zygote_stop() == PXP_OK;
}

TEST(shortage, crashes_are_reported_in_a_program_started_with_sigchld_ignored)
{
	EXPECT(probe_copy("sigchld", ignore_children));
}

static int closed_mask;

static void close_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (closed_mask >> fd & 1)
			close(fd);
	}
}

static bool a_task_runs(void)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_echo, "x", NULL);
	bool is_run = strcmp(result_of(future), "x") == 0;

	pxp_future_release(future);
	pxp_executor_destroy(pool);
	return is_run && pxp_zygote_stop() == PXP_OK;
}

TEST(shortage, tasks_run_in_a_program_started_without_standard_descriptors)
{
	for (closed_mask = 1; closed_mask <= 7; closed_mask++)
		EXPECT(probe_copy("closed", close_standard_descriptors));
}

static enum pxp_status create_and_destroy(void)
{
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = PXP_PROCESSES};
	struct pxp_executor *pool;
	enum pxp_status status = pxp_executor_create(&options, &pool, NULL);

	pxp_executor_destroy(pool);
	return status;
}

/* A child can neither use nor stop the zygote of its parent. */
static bool the_zygote_belongs_to_the_parent(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(create_and_destroy() == PXP_ESTATE && pxp_zygote_stop() == PXP_OK &&
		                      pxp_zygote_start(NULL) == PXP_OK && a_task_runs()
		              ? 0
		              : 1);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0 &&
	       a_task_runs();
}

TEST(shortage, a_child_of_the_program_needs_a_zygote_of_its_own)
{
#ifdef PIXPOOL_SANITIZE_THREAD
	SKIP("no zygote can start, because ThreadSanitizer adds a thread");
#endif
	EXPECT(probe_copy("forked", NULL));
}

static void leave_few_descriptors(void)
{
	setrlimit(RLIMIT_NOFILE, &(const struct rlimit){8, 8});
}

static bool the_zygote_reports_why_it_fails(void)
{
	struct pxp_error error = {0};

	pxp_zygote_stop();
	leave_few_descriptors();
	return pxp_zygote_start(&error) == PXP_ESYS && error.sys_errno == EMFILE &&
	       create_and_destroy() == PXP_ESTATE && count_children() == 0;
}

TEST(shortage, starting_the_zygote_fails_without_free_descriptors)
{
	EXPECT(probe_copy("few", NULL));
}

static pid_t zygote_of_this_process(void)
{
	char path[64];
	FILE *file;
	int child = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	if (file && fscanf(file, "%d", &child) != 1)
		child = 0;
	if (file)
		fclose(file);
	return child;
}

/* While a pool exists, the zygote cannot be restarted. */
static bool the_zygote_can_be_restarted(void)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_error error = {0};
	enum pxp_status status;
	pid_t zygote;

	/* When probe_fork_server() returns, the fork server has closed its copy of the zygote's
	 * socket. */
	probe_fork_server(pool);
	zygote = zygote_of_this_process();
	if (zygote <= 0 || kill(zygote, SIGKILL) != 0 || !await_gone(zygote))
		return false;
	status = pxp_zygote_start(&error);
	pxp_executor_destroy(pool);
	if (status != PXP_ESTATE || !strstr(error.text, "process pools") ||
	    create_and_destroy() != PXP_ESYS)
		return false;
	/* A thread that was joined is visible in /proc for a moment longer. */
	for (int i = 0; i < 10000 && status == PXP_ESTATE; i++) {
		status = pxp_zygote_start(NULL);
		poll(NULL, 0, status == PXP_ESTATE);
	}
	return status == PXP_OK && a_task_runs() && count_children() == 0;
}

/* A task that runs as the same user may stop the zygote with SIGSTOP. */
static bool a_stopped_zygote_is_continued_again(void)
{
	pid_t zygote = zygote_of_this_process();

	if (zygote <= 0 || kill(zygote, SIGSTOP) != 0 || create_and_destroy() != PXP_OK)
		return false;
	return kill(zygote, SIGSTOP) == 0 && pxp_zygote_stop() == PXP_OK &&
	       count_children() == 0;
}

TEST(shortage, a_stopped_zygote_is_continued)
{
	EXPECT(probe_copy("stopped", NULL));
}

/* Like a daemon, the program closes the descriptors of its parent and then opens its own files.
 * These files may get the numbers of the closed descriptors. */
static bool files_of_a_daemon_stay_open(void)
{
	int status = -1, null;
	pid_t child = fork();

	if (child == 0) {
		struct stat file;
		bool are_open = true;

		close_range(3, ~0U, 0);
		while ((null = open("/dev/null", O_RDONLY)) >= 0 && null < 20)
			;
		are_open &= pxp_zygote_start(NULL) == PXP_OK;
		for (int fd = 3; fd <= 20; fd++)
			are_open &= fstat(fd, &file) == 0 && S_ISCHR(file.st_mode);
		_exit(are_open && pxp_zygote_stop() == PXP_OK ? 0 : 1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

TEST(shortage, a_daemon_keeps_its_open_files_when_it_starts_a_zygote)
{
#ifdef PIXPOOL_SANITIZE_THREAD
	SKIP("no zygote can start, because ThreadSanitizer adds a thread");
#endif
	EXPECT(probe_copy("daemon", NULL));
}

static enum pxp_status preload_leaves_a_process(struct pxp_error *ret_error)
{
	(void)ret_error;
	if (fork() == 0) {
		while (!atomic_load(&shared->may_load))
			poll(NULL, 0, 1);
		_exit(0);
	}
	return PXP_OK;
}

/* The preload has left a process behind, which has a copy of the control socket. So the socket
 * stays open when the fork server dies. */
TEST(shortage, the_death_of_a_fork_server_is_noticed_even_if_its_preload_left_a_process)
{
	struct pxp_executor *pool = probe_create((struct pxp_executor_options){
		.n_workers = 1, .preload = preload_leaves_a_process});
	struct gate never = gate_create();
	struct pxp_future *future = pool_submit(pool, task_wait, "x", &never);

	REQUIRE(pool_await(pool, 1, 0));
	kill(probe_inside(pool)->fork_server.pid, SIGKILL);
	EXPECT_EQ(pxp_future_wait(future, 20000), PXP_OK);
	atomic_store(&shared->may_load, true);
	EXPECT_EQ(end_of(future), PXP_ECRASHED);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

TEST(shortage, a_killed_zygote_can_be_restarted_once_no_pool_is_left)
{
#ifdef PIXPOOL_SANITIZE_THREAD
	SKIP("no zygote can start, because ThreadSanitizer adds a thread");
#endif
	EXPECT(probe_copy("killed", NULL));
}

/* If the library used the descriptors 0, 1 or 2, output of the program would corrupt a frame or a
 * picture. */
static bool no_descriptor_of_ours_is_standard(void)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	static char input[300 * 1000];
	struct pxp_task_options options = {.size = sizeof(options), .output = true};
	struct pxp_future *future = NULL;
	bool is_none = true;

	if (pxp_executor_descriptor(pool) < 0 ||
	    pxp_executor_submit(pool, task_echo, input, sizeof(input), &options,
	                        &future) != PXP_OK ||
	    pxp_future_wait(future, PXP_FOREVER) != PXP_OK)
		return false;
	for (int fd = 0; fd <= 2; fd++)
		is_none &= fcntl(fd, F_GETFD) < 0;
	is_none &= end_of(future) == PXP_OK;
	pxp_executor_destroy(pool);
	return is_none && pxp_zygote_stop() == PXP_OK;
}

TEST(shortage, descriptors_of_the_library_never_become_standard_descriptors)
{
	closed_mask = 7;
	EXPECT(probe_copy("standard", close_standard_descriptors));
}

/* ---- processes ---- */

/* The limit on processes does not apply to root. */
static void become_nobody(void)
{
	if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		_exit(126);
}

/* Allow or forbid the fork server to fork. */
static bool set_forks(pid_t fork_server, bool are_allowed)
{
	struct rlimit limit;

	if (prlimit(fork_server, RLIMIT_NPROC, NULL, &limit) != 0)
		return false;
	limit.rlim_cur = are_allowed ? limit.rlim_max : 1;
	return prlimit(fork_server, RLIMIT_NPROC, &limit, NULL) == 0;
}

enum { N_WANTED = 8, N_TASKS = 300 };

/* Requests that were sent together fail together. The pool breaks after six failures. The pauses
 * between them are 10, 20, 40, 80 and 160 ms. */
static bool the_pool_breaks_after_a_while(void)
{
	struct pxp_executor *pool = probe_create(
		(struct pxp_executor_options){.n_workers = N_WANTED});
	pid_t fork_server = probe_inside(pool)->fork_server.pid;
	struct pxp_future *futures[2 * N_WANTED];
	int64_t begin_ns = clock_now_ns();
	bool is_so = set_forks(fork_server, false);

	kill(fork_server, SIGSTOP);
	for (int i = 0; i < 2 * N_WANTED; i++)
		futures[i] = pool_submit(pool, task_echo, "x", NULL);
	is_so &= pool_await_workers(pool, N_WANTED);
	kill(fork_server, SIGCONT);
	is_so &= strstr(probe_outcome(futures[0]).error.text, strerror(EAGAIN)) != NULL;
	for (int i = 0; i < 2 * N_WANTED; i++)
		is_so &= end_of(futures[i]) == PXP_EBROKEN;
	is_so &= clock_now_ns() - begin_ns >= 310 * (int64_t)1000000;
	pxp_executor_destroy(pool);
	return is_so;
}

TEST(shortage, a_pool_without_workers_breaks_after_repeated_fork_failures)
{
	EXPECT(probe_copy("breaks", become_nobody));
}

/* The pool tries again and again to fork more workers, and the pauses between its attempts grow. If
 * the pool sent no task to its living worker during a pause, this test would take several
 * seconds. */
static bool the_living_worker_goes_on(void)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 4);
	pid_t fork_server = probe_fork_server(pool);
	struct gate gate = gate_create();
	struct pxp_future *futures[N_TASKS];
	int64_t begin_ns = clock_now_ns();
	bool is_so = set_forks(fork_server, false);

	for (int i = 0; i < N_TASKS; i++)
		futures[i] = pool_submit(pool, task_echo, "x", NULL);
	for (int i = 0; i < N_TASKS; i++)
		is_so &= end_of(futures[i]) == PXP_OK;
	is_so &= clock_now_ns() - begin_ns < 2000 * (int64_t)1000000;
	is_so &= pool_await_workers(pool, 1);

	/* When processes can be created again, workers start. */
	is_so &= set_forks(fork_server, true);
	for (int i = 0; i < 4; i++)
		futures[i] = pool_submit(pool, task_wait, "x", &gate);
	is_so &= pool_await(pool, 4, 0);
	gate_open(&gate);
	for (int i = 0; i < 4; i++)
		is_so &= end_of(futures[i]) == PXP_OK;
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
	return is_so;
}

TEST(shortage, living_workers_continue_while_no_new_worker_can_be_forked)
{
	EXPECT(probe_copy("goes on", become_nobody));
}

/* ---- workers that do not get ready ---- */

static enum pxp_status preload_fails_late(struct pxp_error *ret_error)
{
	atomic_fetch_add(&shared->n_preloads, 1);
	while (!atomic_load(&shared->may_load))
		poll(NULL, 0, 1);
	return pxp_fail(ret_error, PXP_ETASK, "the library is on strike");
}

/* All six workers are requested before the first preload fails. */
TEST(shortage, a_failed_preload_is_not_repeated_for_each_worker)
{
	struct pxp_executor *pool = probe_create((struct pxp_executor_options){
		.n_workers = 6, .preload = preload_fails_late});
	struct pxp_future *futures[6];

	for (int i = 0; i < 6; i++)
		futures[i] = pool_submit(pool, task_echo, "x", NULL);
	REQUIRE(pool_await_workers(pool, 6));
	atomic_store(&shared->may_load, true);
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_EBROKEN);
	pxp_executor_destroy(pool);
	EXPECT_EQ(atomic_load(&shared->n_preloads), 1);
}

static enum pxp_status initialise_never(const void *bytes, size_t n, void **ret_context,
                                        struct pxp_error *ret_error)
{
	(void)bytes, (void)n, (void)ret_context;
	while (pause() < 0)
		;
	return pxp_fail(ret_error, PXP_ESYS, "pause");
}

TEST(shortage, workers_not_ready_in_time_are_killed_and_the_third_one_breaks_the_pool)
{
	struct pxp_executor *pool = probe_create((struct pxp_executor_options){
		.n_workers = 1, .initialise = initialise_never, .start_timeout_ms = 50});
	struct pxp_future *future = pool_submit(pool, task_echo, "x", NULL);
	struct pxp_executor_stats stats;

	EXPECT_STR(probe_outcome(future).error.text, "workers die before they are ready");
	EXPECT_EQ(end_of(future), PXP_EBROKEN);
	pxp_executor_stats(pool, &stats);
	EXPECT_EQ(stats.n_spawned, 3);
	pxp_executor_destroy(pool);
}

/* ---- a fresh process ---- */

__attribute__((constructor(65535))) static void be_a_copy(int argc, char **argv)
{
	const struct {
		const char *name;
		bool (*is_so)(void);
	} copies[] = {
		{"sigchld", a_crash_is_reported},
		{"closed", a_task_runs},
		{"forked", the_zygote_belongs_to_the_parent},
		{"killed", the_zygote_can_be_restarted},
		{"stopped", a_stopped_zygote_is_continued_again},
		{"daemon", files_of_a_daemon_stay_open},
		{"few", the_zygote_reports_why_it_fails},
		{"standard", no_descriptor_of_ours_is_standard},
		{"breaks", the_pool_breaks_after_a_while},
		{"goes on", the_living_worker_goes_on},
	};

	for (size_t i = 0; argc == 1 && i < sizeof(copies) / sizeof(copies[0]); i++) {
		if (strcmp(argv[0], copies[i].name) != 0)
			continue;
		alarm(60);
		_exit(pxp_zygote_start(NULL) == PXP_OK && copies[i].is_so() ? 0 : 1);
	}
}
