/* Tests of what only worker processes can do: crash, hang, flood their log and be killed, without
 * harm to other tasks. Also tests of fork servers, of the zygote, and of the end of the program. */
#include "probe.h"
#include "support/test.h"

#include "base/fd.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(process_pool, a_worker_that_dies_fails_only_its_own_future_and_is_replaced)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate gate = gate_create();
	struct pxp_future *segv = pool_submit(pool, task_signal, "11", &gate);
	struct pxp_future *other = pool_submit(pool, task_wait, "alive", &gate);
	struct pxp_future *rest[10];

	REQUIRE(pool_await(pool, 2, 0));
	for (int i = 0; i < 10; i++)
		rest[i] = pool_submit(pool, task_echo, "x", NULL);
	gate_open(&gate);

	EXPECT_EQ(probe_outcome(segv).error.status, PXP_ECRASHED);
	EXPECT_EQ(probe_outcome(segv).error.signal, SIGSEGV);
	EXPECT_STR(probe_outcome(segv).error.text, "worker died of SIGSEGV");
	EXPECT_STR(result_of(other), "alive");
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(end_of(rest[i]), PXP_OK);
	EXPECT_EQ(end_of(segv), PXP_ECRASHED);
	EXPECT_EQ(end_of(other), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Ported from test_process_pool.py: test_killed_child. In CPython the whole pool is broken. */
TEST(process_pool, a_worker_killed_from_outside_is_reported_as_a_crash_with_the_signal)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *pid = pool_submit(pool, task_pid, NULL, NULL), *held, *next;
	struct gate gate = gate_create();
	pid_t worker = atoi(result_of(pid));

	held = pool_submit(pool, task_wait, "x", &gate);
	REQUIRE(pool_await(pool, 1, 0));
	next = pool_submit(pool, task_pid, NULL, NULL);
	REQUIRE(pool_await(pool, 1, 1));
	kill(worker, SIGKILL);
	EXPECT_EQ(probe_outcome(held).error.signal, SIGKILL);
	EXPECT_EQ(probe_outcome(held).worker, worker);
	EXPECT(atoi(result_of(next)) != worker,
	       "a task that was only prefetched runs on another worker");
	EXPECT_EQ(probe_outcome(next).attempts, 1);

	pxp_future_release(pid);
	pxp_future_release(held);
	pxp_future_release(next);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Ported from loky: test_exited_child */
TEST(process_pool, an_exit_inside_a_task_is_reported_as_a_crash_even_with_status_0)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *three = pool_submit(pool, task_exit, "3", NULL);
	struct pxp_future *zero = pool_submit(pool, task_exit, "0", NULL);

	EXPECT_EQ(probe_outcome(three).error.status, PXP_ECRASHED);
	EXPECT_EQ(probe_outcome(three).error.exit_code, 3);
	EXPECT_STR(probe_outcome(three).error.text, "worker exited with status 3");
	EXPECT_EQ(probe_outcome(zero).error.status, PXP_ECRASHED);
	EXPECT_EQ(probe_outcome(zero).error.exit_code, 0);
	pxp_future_release(three);
	pxp_future_release(zero);
	pxp_executor_destroy(pool);
}

TEST(process_pool, a_crashed_task_is_retried_up_to_its_number_of_retries)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct pxp_future *future = pool_submit_with(
		pool, task_signal, "6", NULL, (struct pxp_task_options){.retries = 2});

	EXPECT_EQ(probe_outcome(future).attempts, 3);
	EXPECT_EQ(end_of(future), PXP_ECRASHED);
	pxp_executor_destroy(pool);
}

TEST(process_pool, a_failed_task_is_not_retried)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit_with(
		pool, task_fail, "no", NULL, (struct pxp_task_options){.retries = 2});

	EXPECT_EQ(probe_outcome(future).attempts, 1);
	EXPECT_EQ(end_of(future), PXP_ETASK);
	pxp_executor_destroy(pool);
}

/* Ported from Deadpool: test_timeout */
TEST(process_pool, an_expired_deadline_kills_the_worker_and_fails_only_its_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate never = gate_create();
	struct pxp_future *hung = pool_submit_with(
		pool, task_wait, "x", &never,
		(struct pxp_task_options){.deadline_ms = 50});
	struct pxp_future *fine = pool_submit(pool, task_echo, "fine", NULL);

	EXPECT_EQ(probe_outcome(hung).error.status, PXP_EDEADLINE);
	EXPECT_STR(result_of(fine), "fine");
	pxp_future_release(hung);
	pxp_future_release(fine);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* The first task never ends, so it reaches its deadline and its worker is killed. The time in which
 * the first task held the worker must not count against the prefetched task. */
TEST(process_pool, the_deadline_of_a_prefetched_task_starts_after_the_previous_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate never = gate_create();
	struct pxp_task_options soon = {.deadline_ms = 300};
	struct pxp_future *hung = pool_submit_with(pool, task_wait, "x", &never, soon),
			  *next;

	REQUIRE(pool_await(pool, 1, 0));
	next = pool_submit_with(pool, task_echo, "next", NULL, soon);
	EXPECT_EQ(probe_outcome(hung).error.status, PXP_EDEADLINE);
	EXPECT_STR(result_of(next), "next");
	pxp_future_release(hung);
	pxp_future_release(next);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

static enum pxp_status task_asks_for_time(struct pxp_task *task)
{
	pxp_task_restart_deadline(task, atoi(pxp_task_input(task, NULL)));
	gate_pass(pxp_task_descriptor(task, 0));
	return PXP_OK;
}

TEST(process_pool, a_task_can_shorten_its_deadline_but_not_extend_it_beyond_its_maximum)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate never = gate_create();
	struct pxp_future *greedy = pool_submit_with(
		pool, task_asks_for_time, "100000000", &never,
		(struct pxp_task_options){.deadline_ms = 100, .max_deadline_ms = 200});
	struct pxp_future *short_one = pool_submit_with(
		pool, task_asks_for_time, "20", &never,
		(struct pxp_task_options){.deadline_ms = 100000,
	                                  .max_deadline_ms = 200000});

	EXPECT_EQ(end_of(short_one), PXP_EDEADLINE);
	EXPECT_EQ(end_of(greedy), PXP_EDEADLINE);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* A task whose input is two durations in milliseconds. The task restarts its deadline
 * PXP_MAX_RESTARTS + 1 times with the first duration, and then once with the second one. */
static enum pxp_status task_repeats_its_deadline(struct pxp_task *task)
{
	char *second;
	long first_ms = strtol(pxp_task_input(task, NULL), &second, 10);

	for (int i = 0; i <= PXP_MAX_RESTARTS; i++)
		pxp_task_restart_deadline(task, first_ms);
	pxp_task_restart_deadline(task, strtol(second, NULL, 10));
	gate_pass(pxp_task_descriptor(task, 0));
	return PXP_OK;
}

TEST(process_pool,
     restarting_a_deadline_that_has_hardly_begun_does_not_count_as_a_restart)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate never = gate_create();

	EXPECT_EQ(end_of(pool_submit_with(
			  pool, task_repeats_its_deadline, "600000 20", &never,
			  (struct pxp_task_options){.deadline_ms = 600000})),
	          PXP_EDEADLINE);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* A task whose input is a number n. It restarts its deadline n times. The last restart sets 20 ms,
 * and all others set a long time. */
static enum pxp_status task_restarts_often(struct pxp_task *task)
{
	long n = strtol(pxp_task_input(task, NULL), NULL, 10);

	for (long i = 1; i < n; i++)
		pxp_task_restart_deadline(task, 600000 + i * 100000);
	pxp_task_restart_deadline(task, 20);
	gate_pass(pxp_task_descriptor(task, 0));
	return PXP_OK;
}

TEST(process_pool, max_restarts_limits_how_often_a_task_can_restart_its_deadline)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	const struct pxp_task_options five = {
		.deadline_ms = 100000, .max_deadline_ms = 10000000, .max_restarts = 5};
	struct pxp_future *late;

	EXPECT_EQ(end_of(pool_submit_with(pool, task_restarts_often, "5", &gate, five)),
	          PXP_EDEADLINE);
	late = pool_submit_with(pool, task_restarts_often, "6", &gate, five);
	/* The deadline can be restarted five times. The sixth restart, which sets 20 ms, has no
	 * effect. */
	EXPECT_EQ(pxp_future_wait(late, 100), PXP_ETIMEOUT);
	gate_open(&gate);
	EXPECT_EQ(end_of(late), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

TEST(process_pool, a_task_can_extend_its_deadline)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	struct pxp_future *future = pool_submit_with(
		pool, task_asks_for_time, "-1", &gate,
		(struct pxp_task_options){.deadline_ms = 1000,
	                                  .max_deadline_ms = 100000});

	EXPECT_EQ(pxp_future_wait(future, 1500), PXP_ETIMEOUT);
	gate_open(&gate);
	EXPECT_EQ(end_of(future), PXP_OK);
	EXPECT_EQ(end_of(pool_submit(pool, task_asks_for_time, "-1", &gate)), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

TEST(process_pool, a_prefetched_task_can_be_cancelled_until_it_starts)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate first_gate = gate_create(), second_gate = gate_create();
	struct pxp_future *first = pool_submit(pool, task_wait, "1", &first_gate);
	struct pxp_future *won, *lost;

	/* The worker waits at the first gate. The next task is already in its channel. */
	REQUIRE(pool_await(pool, 1, 0));
	won = pool_submit(pool, task_wait, "2", &second_gate);
	REQUIRE(pool_await(pool, 1, 1));
	EXPECT_EQ(pxp_future_state(won), PXP_PENDING);
	EXPECT(pxp_future_cancel(won));
	EXPECT_EQ(pxp_future_state(won), PXP_CANCELLED);
	EXPECT(pool_await(pool, 1, 0));

	/* Now the worker starts another task, which waits at the second gate. A task that has
	 * started cannot be cancelled. */
	gate_open(&first_gate);
	EXPECT_STR(result_of(first), "1");
	lost = pool_submit(pool, task_wait, "3", &second_gate);
	REQUIRE(pool_await(pool, 1, 0));
	EXPECT_EQ(pxp_future_state(lost), PXP_RUNNING);
	EXPECT(!pxp_future_cancel(lost));
	gate_open(&second_gate);
	EXPECT_STR(result_of(lost), "3");

	EXPECT_EQ(end_of(first), PXP_OK);
	EXPECT_EQ(end_of(won), PXP_ECANCELLED);
	EXPECT_EQ(end_of(lost), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&first_gate);
	gate_destroy(&second_gate);
}

TEST(process_pool, an_idle_worker_takes_over_tasks_prefetched_by_a_busy_worker)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate slow = gate_create(), quick = gate_create();
	struct pxp_future *held = pool_submit(pool, task_wait, "slow", &slow);
	struct pxp_future *first = pool_submit(pool, task_wait, "quick", &quick);
	struct pxp_future *behind[2];

	REQUIRE(pool_await(pool, 2, 0));
	for (int i = 0; i < 2; i++)
		behind[i] = pool_submit(pool, task_echo, "behind", NULL);
	REQUIRE(pool_await(pool, 2, 2));
	gate_open(&quick);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(end_of(behind[i]), PXP_OK);
	EXPECT_EQ(pxp_future_wait(held, 0), PXP_ETIMEOUT);
	gate_open(&slow);
	EXPECT_EQ(end_of(first), PXP_OK);
	EXPECT_EQ(end_of(held), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&slow);
	gate_destroy(&quick);
}

/* ---- standard error ---- */

static long resident_kib(void)
{
	long pages = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	REQUIRE(file && fscanf(file, "%ld %ld", &pages, &resident) == 2);
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

enum { SHOUT_BYTES = 100 * 1000 * 1000 };

static enum pxp_status task_floods_log(struct pxp_task *task)
{
	static char block[100000];

	(void)task;
	memset(block, '.', sizeof(block));
	for (int n = 0; n < SHOUT_BYTES; n += (int)sizeof(block)) {
		if (!fd_write_all(2, block, sizeof(block)))
			_exit(9);
	}
	if (!fd_write_all(2, "last words", 10))
		_exit(9);
	abort();
}

/* Ported from loky: test_faulthandler_enabled. The output of a crash handler is at the end of the
 * log. */
TEST(process_pool, only_the_last_4_kib_of_a_log_of_a_hundred_megabytes_are_kept)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	long before_kib = resident_kib();
	struct pxp_future *future = pool_submit(pool, task_floods_log, NULL, NULL);
	struct pxp_outcome outcome = probe_outcome(future);

	EXPECT_EQ(outcome.error.signal, SIGABRT);
	EXPECT_EQ(outcome.n_log, 4096);
	EXPECT(memcmp(outcome.log + outcome.n_log - 13, "...last words", 13) == 0);
#if defined(PIXPOOL_SANITIZE)
	/* In a sanitizer build the program uses more memory: the sanitizer keeps freed memory and
	 * needs more stack. */
	fprintf(stderr,
	        "skipped in a sanitizer build: the memory use of the main process\n");
	(void)before_kib;
#else
	EXPECT(resident_kib() - before_kib < 4096,
	       "the main process must not use more memory");
#endif
	pxp_future_release(future);
	pxp_executor_destroy(pool);
}

static enum pxp_status task_writes_line(struct pxp_task *task)
{
	const char *input = pxp_task_input(task, NULL);

	if (!fd_write_all(2, input, strlen(input)))
		return PXP_ESYS;
	return input[0] == '!' ? PXP_EINVAL : PXP_OK;
}

TEST(process_pool, the_log_of_one_task_is_not_attached_to_another_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *fine = pool_submit(pool, task_writes_line, "all is well",
	                                      NULL),
			  *failed;
	struct pxp_outcome outcome;

	EXPECT_EQ(probe_outcome(fine).n_log, 0);
	failed = pool_submit(pool, task_writes_line, "!oh", NULL);
	outcome = probe_outcome(failed);
	EXPECT(outcome.n_log == 3 && memcmp(outcome.log, "!oh", 3) == 0);
	pxp_future_release(fine);
	pxp_future_release(failed);
	pxp_executor_destroy(pool);
}

/* ---- outputs ---- */

static enum pxp_status task_writes(struct pxp_task *task)
{
	return fd_write_all(pxp_task_output(task), "bytes", 5) ? PXP_OK : PXP_ESYS;
}

/* The first worker leaves half an output behind. The second one must start with an empty
 * output. */
static enum pxp_status task_dies_writing(struct pxp_task *task)
{
	if (unlinkat(AT_FDCWD, pxp_task_input(task, NULL), 0) == 0) {
		(void)!write(pxp_task_output(task), "half", 4);
		raise(SIGKILL);
	}
	return task_writes(task);
}

TEST(process_pool, an_output_is_sealed_and_each_attempt_gets_a_new_output)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	char name[] = "/tmp/pixpool-test-XXXXXX", got[16] = "";
	int once = mkstemp(name), output;
	struct pxp_future *future = pool_submit_with(
		pool, task_dies_writing, name, NULL,
		(struct pxp_task_options){.output = true, .retries = 1});

	EXPECT_EQ(probe_outcome(future).error.status, PXP_OK);
	EXPECT_EQ(probe_outcome(future).attempts, 2);
	output = pxp_future_take_output(future);
	EXPECT_EQ(fd_pread_full(output, got, sizeof(got), 0), 5);
	EXPECT_STR(got, "bytes");
	EXPECT(write(output, "x", 1) < 0 && errno == EPERM);
	EXPECT_EQ(pxp_future_take_output(future), -1);
	fd_close(&output);
	fd_close(&once);
	pxp_future_release(future);
	pxp_executor_destroy(pool);
}

static enum pxp_status task_keeps_mapping(struct pxp_task *task)
{
	int output = pxp_task_output(task);

	if (ftruncate(output, 4096) != 0 ||
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, output, 0) == MAP_FAILED)
		return PXP_ESYS;
	return PXP_OK;
}

TEST(process_pool,
     a_worker_that_can_still_change_the_output_it_returned_is_killed_for_breaking_the_protocol)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit_with(
		pool, task_keeps_mapping, NULL, NULL,
		(struct pxp_task_options){.output = true});
	struct pxp_future *next = pool_submit(pool, task_echo, "next", NULL);

	EXPECT_STR(probe_outcome(future).error.text,
	           "the worker kept its output open for writing, and was killed");
	EXPECT_STR(result_of(next), "next");
	EXPECT_EQ(end_of(future), PXP_EPROTO);
	pxp_future_release(next);
	pxp_executor_destroy(pool);
}

static enum pxp_status task_sends_garbage(struct pxp_task *task)
{
	const char *input = pxp_task_input(task, NULL);

	(void)!write(3, input, strlen(input));
	return PXP_OK;
}

TEST(process_pool, an_invalid_frame_fails_only_the_running_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_sends_garbage, "gibberish",
	                                        NULL);

	EXPECT_EQ(end_of(future), PXP_EPROTO);
	future = pool_submit(pool, task_echo, "healed", NULL);
	EXPECT_STR(result_of(future), "healed");
	pxp_future_release(future);
	pxp_executor_destroy(pool);
}

/* ---- pools, fork servers and the zygote ---- */

static int loaded;

static enum pxp_status preload_one(struct pxp_error *ret_error)
{
	(void)ret_error;
	loaded += 1;
	return PXP_OK;
}

static enum pxp_status preload_ten(struct pxp_error *ret_error)
{
	(void)ret_error;
	loaded += 10;
	return PXP_OK;
}

static enum pxp_status preload_fails(struct pxp_error *ret_error)
{
	return pxp_fail(ret_error, PXP_ETASK, "the library is on strike");
}

static enum pxp_status task_loaded(struct pxp_task *task)
{
	const char *which = loaded == 1 ? "one" : "other";

	if (loaded == 10)
		which = "ten";
	return pxp_task_return(task, which, strlen(which) + 1);
}

static struct pxp_executor *pool_with_preload(pxp_preload_fn *preload)
{
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = PXP_PROCESSES,
	                                       .n_workers = 2,
	                                       .preload = preload};
	struct pxp_executor *pool;

	REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
	return pool;
}

TEST(process_pool, two_pools_with_different_preloads_work_in_one_process)
{
	struct pxp_executor *one = pool_with_preload(preload_one);
	struct pxp_executor *ten = pool_with_preload(preload_ten);
	struct pxp_future *in_one, *in_ten;

	for (int i = 0; i < 6; i++) {
		in_one = pool_submit(one, task_loaded, NULL, NULL);
		in_ten = pool_submit(ten, task_loaded, NULL, NULL);
		EXPECT_STR(result_of(in_one), "one");
		EXPECT_STR(result_of(in_ten), "ten");
		pxp_future_release(in_one);
		pxp_future_release(in_ten);
	}
	EXPECT_EQ(loaded, 0);
	pxp_executor_destroy(one);
	pxp_executor_destroy(ten);
}

TEST(process_pool, a_failing_preload_breaks_the_pool_and_gives_the_reason)
{
	struct pxp_executor *pool = pool_with_preload(preload_fails);
	struct pxp_future *future = pool_submit(pool, task_echo, "x", NULL);

	EXPECT_STR(probe_outcome(future).error.text, "the library is on strike");
	EXPECT_EQ(end_of(future), PXP_EBROKEN);
	pxp_executor_destroy(pool);
}

static void never_called(int number)
{
	(void)number;
}

static enum pxp_status preload_changes_signals(struct pxp_error *ret_error)
{
	sigset_t blocked;

	(void)ret_error;
	signal(SIGTERM, SIG_IGN);
	signal(SIGUSR1, never_called);
	signal(SIGINT, SIG_DFL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR2);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	return PXP_OK;
}

static bool is_handled_by(int number, void (*handler)(int))
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == handler;
}

static enum pxp_status task_signals(struct pxp_task *task)
{
	sigset_t blocked;
	bool is_fresh = sigprocmask(SIG_SETMASK, NULL, &blocked) == 0 &&
	                !sigismember(&blocked, SIGUSR2) &&
	                is_handled_by(SIGTERM, SIG_DFL) &&
	                is_handled_by(SIGUSR1, SIG_DFL) &&
	                is_handled_by(SIGINT, SIG_IGN) &&
	                is_handled_by(SIGPIPE, SIG_IGN) &&
	                is_handled_by(SIGXFSZ, SIG_IGN);

	return pxp_task_return(task, is_fresh ? "fresh" : "other", 6);
}

TEST(process_pool, a_preload_cannot_change_how_workers_handle_signals)
{
	struct pxp_executor *pool = pool_with_preload(preload_changes_signals);
	struct pxp_future *future = pool_submit(pool, task_signals, NULL, NULL);

	EXPECT_STR(result_of(future), "fresh");
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);
}

/* A task that sends SIGTERM and SIGHUP to its worker. If the worker survives, the task checks that
 * SIGTERM still ends a program that it starts. */
static enum pxp_status task_end_politely(struct pxp_task *task)
{
	int status = 0;
	pid_t child;

	if (raise(SIGTERM) != 0 || raise(SIGHUP) != 0)
		return pxp_task_fail(task, 1, "cannot raise a signal");
	child = fork();
	if (child == 0) {
		execlp("sh", "sh", "-c", "kill -TERM $$", (char *)NULL);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return pxp_task_return(
		task, WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? "alive" : "?",
		6);
}

TEST(process_pool, sigterm_and_sighup_end_workers_unless_survive_signals_is_set)
{
	struct pxp_executor_options options = {
		.size = sizeof(options), .kind = PXP_PROCESSES, .n_workers = 1};
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_end_politely, NULL, NULL);

	EXPECT_EQ(end_of(future), PXP_ECRASHED);
	pxp_executor_destroy(pool);

	options.survive_signals = true;
	REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
	future = pool_submit(pool, task_end_politely, NULL, NULL);
	EXPECT_STR(result_of(future), "alive");
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);
}

/* A task that opens descriptors until it may open no more, and leaves them open. */
static enum pxp_status task_leak_descriptors(struct pxp_task *task)
{
	while (dup(0) >= 0)
		;
	return task_pid(task);
}

TEST(process_pool, a_worker_without_free_descriptors_is_replaced_after_its_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *leak = pool_submit(pool, task_leak_descriptors, NULL, NULL),
			  *next;
	char pid[32];

	snprintf(pid, sizeof(pid), "%s", result_of(leak));
	EXPECT_EQ(end_of(leak), PXP_OK);
	next = pool_submit(pool, task_pid, NULL, NULL);
	EXPECT(strcmp(result_of(next), pid) != 0, "the worker is the same: %s", pid);
	EXPECT_EQ(end_of(next), PXP_OK);
	pxp_executor_destroy(pool);
}

/* A source without inputs. */
static enum pxp_status no_input(void *data, const void **ret_bytes, size_t *ret_n)
{
	(void)data;
	*ret_bytes = NULL;
	*ret_n = 0;
	return PXP_ESTATE;
}

/* This test loads a module after the zygote was forked, so workers do not have the module. The
 * function in the module is never called. */
TEST(process_pool, a_function_of_a_module_that_workers_do_not_have_is_refused)
{
	void *module = dlopen(LATE_MODULE, RTLD_NOW);
	void *function = module ? dlsym(module, "late_task") : NULL;
	struct pxp_executor_options options = {
		.size = sizeof(options), .kind = PXP_PROCESSES, .n_workers = 1};
	struct pxp_executor *pool;
	struct pxp_error error = {0};

	REQUIRE(function != NULL, "%s", dlerror());
	pool = pool_create(PXP_PROCESSES, 1);
	EXPECT_EQ(pxp_executor_submit(pool, (pxp_task_fn *)(uintptr_t)function, NULL, 0,
	                              NULL, NULL),
	          PXP_EINVAL);
	for (size_t chunk = 1; chunk <= 2; chunk++) {
		struct pxp_map_options items = {.size = sizeof(items), .chunk = chunk};
		struct pxp_map *map = NULL;

		EXPECT_EQ(pxp_map_open(pool, (pxp_task_fn *)(uintptr_t)function, no_input,
		                       NULL, &items, &map),
		          PXP_EINVAL);
		pxp_map_close(map);
	}
	EXPECT_EQ(end_of(pool_submit(pool, task_pid, NULL, NULL)), PXP_OK);
	pxp_executor_destroy(pool);

	options.preload = (pxp_preload_fn *)(uintptr_t)function;
	EXPECT_EQ(pxp_executor_create(&options, &pool, &error), PXP_EINVAL);
	EXPECT(strstr(error.text, "loaded after pxp_zygote_start()"), "%s", error.text);
	dlclose(module);
}

static enum pxp_status task_stop_itself(struct pxp_task *task)
{
	raise(SIGSTOP);
	return task_echo(task);
}

TEST(process_pool,
     destroying_a_pool_continues_a_stopped_worker_whose_task_has_no_deadline)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_stop_itself, "done", NULL);

	pxp_executor_destroy(pool);
	EXPECT_STR(result_of(future), "done");
	EXPECT_EQ(end_of(future), PXP_OK);
}

TEST(process_pool, every_future_completes_when_the_fork_server_dies)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate gate = gate_create();
	pid_t fork_server = probe_fork_server(pool);
	struct pxp_future *held[8];

	for (int i = 0; i < 8; i++)
		held[i] = pool_submit(pool, task_wait, "x", &gate);
	REQUIRE(pool_await(pool, 2, POOL_ANY));
	kill(fork_server, SIGKILL);
	for (int i = 0; i < 8; i++) {
		enum pxp_status end = end_of(held[i]);

		EXPECT(end == PXP_ECRASHED || end == PXP_EBROKEN);
	}
	EXPECT_EQ(pxp_executor_submit(pool, task_echo, NULL, 0, NULL, NULL), PXP_EBROKEN);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Ported from loky: test_shutdown_kill, test_shutdown_deadlock, test_kill_workers_on_new_options */
TEST(process_pool, killing_a_pool_ends_running_tasks_and_cancels_the_rest_in_bounded_time)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate never = gate_create();
	struct pxp_future *held[6];

	for (int i = 0; i < 6; i++)
		held[i] = pool_submit(pool, task_wait, "x", &never);
	REQUIRE(pool_await(pool, 2, POOL_ANY));
	EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL | PXP_SHUTDOWN_WAIT),
	          PXP_OK);
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(end_of(held[i]), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

TEST(process_pool, deadlines_are_paused_while_the_pool_is_suspended)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	struct pxp_future *future = pool_submit_with(
		pool, task_wait, "x", &gate,
		(struct pxp_task_options){.deadline_ms = 400});

	REQUIRE(pool_await(pool, 1, 0));
	pxp_executor_suspend(pool);
	EXPECT_EQ(pxp_future_wait(future, 600), PXP_ETIMEOUT);
	gate_open(&gate);
	pxp_executor_resume(pool);
	EXPECT_STR(result_of(future), "x");
	pxp_future_release(future);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Fork a child that does not call exec, so it has copies of all open descriptors. It ends when
 * release_copy() is called, or by itself after ten seconds. */
static pid_t fork_a_copy(struct gate *release)
{
	enum { PATIENCE_MS = 10000 };
	struct pollfd wait = {.events = POLLIN | POLLHUP};
	pid_t child;

	*release = gate_create();
	wait.fd = release->wait_end;
	child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		close(release->open_end);
		poll(&wait, 1, PATIENCE_MS);
		_exit(0);
	}
	return child;
}

/* Let the child end, and wait for it. Returns whether it was alive until now. */
static bool release_copy(pid_t child, struct gate *release)
{
	bool is_alive = waitpid(child, NULL, WNOHANG) == 0;

	gate_destroy(release);
	if (is_alive)
		waitpid(child, NULL, 0);
	return is_alive;
}

TEST(process_pool, destroying_a_pool_does_not_wait_for_other_children_of_the_program)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate release;
	pid_t child;

	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
	child = fork_a_copy(&release);
	pxp_executor_destroy(pool);
	EXPECT(release_copy(child, &release));
}

TEST(process_pool, stopping_the_zygote_does_not_wait_for_other_children_of_the_program)
{
	struct gate release;
	pid_t child = fork_a_copy(&release);

	EXPECT_EQ(pxp_zygote_stop(), PXP_OK);
	EXPECT(release_copy(child, &release));
}

static void expect_no_worker_after(const char *name)
{
	int from_child[2];
	char text[32] = "";
	pid_t worker, child;
	int forked = 0;

	/* This process has threads, so it cannot start another zygote. It runs this program again
	 * in a new process, which can start one. */
	REQUIRE(pipe(from_child) == 0);
	child = fork();
	if (child == 0) {
		dup2(from_child[1], 1);
		execl("/proc/self/exe", name, (char *)NULL);
		_exit(127);
	}
	close(from_child[1]);
	REQUIRE(read(from_child[0], text, sizeof(text) - 1) > 0);
	REQUIRE(sscanf(text, "%d %d", &worker, &forked) >= 1);
	REQUIRE(worker > 1 && !is_gone(worker));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	EXPECT(await_gone(worker));
	if (forked > 1) {
		EXPECT(!is_gone(forked));
		kill(forked, SIGKILL);
	}
	close(from_child[0]);
}

/* Ported from loky: test_sigkill_shutdown_leaks_workers */
TEST(process_pool, no_worker_outlives_a_killed_main_process)
{
	expect_no_worker_after("doomed");
}

TEST(process_pool, no_worker_outlives_a_killed_main_process_that_has_another_child)
{
	expect_no_worker_after("doomed parent");
}

TEST(process_pool, no_worker_outlives_a_killed_main_process_whose_fork_server_is_stopped)
{
	expect_no_worker_after("doomed still");
}

static pid_t fork_idle(void)
{
	pid_t child = fork();

	if (child == 0) {
		alarm(60);
		for (;;)
			pause();
	}
	return child;
}

/* If the program runs under the name "doomed", it starts a pool, reports the pid of its worker, and
 * waits to be killed. As "doomed parent" it also forks a child and reports the pid of this child.
 * As "doomed still" it also stops its fork server. */
__attribute__((constructor(65535))) static void be_doomed(int argc, char **argv)
{
	struct gate never;
	struct pxp_executor *pool;
	struct pxp_future *pid;
	char text[32];
	pid_t child = 0;

	if (argc != 1 || strncmp(argv[0], "doomed", 6) != 0)
		return;
	if (pxp_zygote_start(NULL) != PXP_OK)
		_exit(1);
	never = gate_create();
	pool = pool_create(PXP_PROCESSES, 1);
	pid = pool_submit(pool, task_pid, NULL, NULL);
	snprintf(text, sizeof(text), "%s", result_of(pid));
	pool_submit(pool, task_wait, "x", &never);
	if (!pool_await(pool, 1, 0))
		_exit(1);
	alarm(60);
	if (strcmp(argv[0], "doomed parent") == 0)
		child = fork_idle();
	if (strcmp(argv[0], "doomed still") == 0)
		kill(probe_inside(pool)->fork_server.pid, SIGSTOP);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), " %d", (int)child);
	if (!fd_write_all(1, text, strlen(text)))
		_exit(1);
	for (;;)
		pause();
}

TEST(process_pool, starting_a_running_zygote_again_succeeds)
{
	/* The zygote was started before the first thread. Starting it again succeeds. */
	EXPECT_EQ(pxp_zygote_start(NULL), PXP_OK);
}

TEST(process_pool, the_zygote_can_be_stopped_only_when_no_pool_is_left)
{
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = PXP_PROCESSES};
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1), *late;
	struct pxp_future *future;

	EXPECT_EQ(pxp_zygote_stop(), PXP_ESTATE);
	future = pool_submit(pool, task_echo, "untouched", NULL);
	EXPECT_STR(result_of(future), "untouched");
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);

	EXPECT_EQ(pxp_zygote_stop(), PXP_OK);
	EXPECT_EQ(pxp_zygote_stop(), PXP_OK);
	EXPECT_EQ(pxp_executor_create(&options, &late, NULL), PXP_ESTATE);
}
