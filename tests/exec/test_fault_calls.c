/* Tests of system calls that fail, or do less than requested, in any of the processes. Such a fault
 * may delay or fail tasks, or make a call of the library fail, but every future completes. */
#include "support/fault.h"
#include "support/pool.h"
#include "support/test.h"

#include <pixpool/task.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LONG = 300 * 1000, LOG = 3000, SHORT = 100 };

static struct pxp_executor *pool_with_long_start_timeout(unsigned n_workers)
{
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = PXP_PROCESSES,
	                                       .n_workers = n_workers,
	                                       .start_timeout_ms = 3600 * 1000};
	struct pxp_executor *pool;

	REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
	return pool;
}

static void fill(char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 31 + i / 251);
}

static struct pxp_future *submit_long(struct pxp_executor *pool)
{
	static char input[LONG];
	struct pxp_future *future;

	fill(input, LONG);
	REQUIRE(pxp_executor_submit(pool, task_echo, input, LONG, NULL, &future) ==
	        PXP_OK);
	return future;
}

/* Check that the result is the long input that submit_long() passed, and release the future. */
static void expect_whole(struct pxp_future *future)
{
	static char want[LONG];
	void *got;
	size_t n;

	fill(want, LONG);
	EXPECT_EQ(pxp_future_result(future, PXP_FOREVER, &got, &n, NULL), PXP_OK);
	EXPECT_EQ(n, LONG);
	EXPECT(got && memcmp(got, want, LONG) == 0);
	free(got);
	pxp_future_release(future);
}

/* ---- short reads and writes ---- */

/* Short writes happen while the input is copied and while the result is stored. Short reads happen
 * while the result is read. */
TEST(fault_calls, long_inputs_and_results_survive_short_reads_and_writes)
{
	static const struct fault faults[] = {
		{.point = FAULT_WRITE, .place = FAULT_IN_MAIN},
		{.point = FAULT_WRITE, .place = FAULT_ELSEWHERE},
		{.point = FAULT_READ_AT, .place = FAULT_IN_MAIN},
	};

	for (int i = 0; i < 3; i++) {
		struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
		struct fault fault = faults[i];

		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "it is up", NULL)), PXP_OK);
		fault.nth = 1;
		fault.at_most = LONG / 10;
		fault_arm(fault);
		expect_whole(submit_long(pool));
		EXPECT(fault_disarm() >= 10);
		pxp_executor_destroy(pool);
	}
}

static enum pxp_status task_logs_much_and_fails(struct pxp_task *task)
{
	char words[LOG];

	fill(words, LOG);
	if (write(STDERR_FILENO, words, LOG) != LOG)
		return PXP_ESYS;
	return pxp_task_fail(task, 1, "the log has the expected length");
}

TEST(fault_calls, a_log_survives_short_reads)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	const struct pxp_outcome *outcome;
	struct pxp_future *future;
	char want[LOG];

	fault_arm((struct fault){
		.point = FAULT_READ, .place = FAULT_IN_MAIN, .nth = 1, .at_most = SHORT});
	future = pool_submit(pool, task_logs_much_and_fails, NULL, NULL);
	REQUIRE(pxp_future_wait(future, PXP_FOREVER) == PXP_OK);
	EXPECT(fault_disarm() >= LOG / SHORT);
	outcome = pxp_future_outcome(future);
	EXPECT_EQ(outcome->error.status, PXP_ETASK);
	fill(want, LOG);
	EXPECT_EQ(outcome->n_log, LOG);
	EXPECT(outcome->log && memcmp(outcome->log, want, LOG) == 0);
	pxp_future_release(future);
	pxp_executor_destroy(pool);
}

/* ---- failing calls ---- */

TEST(fault_calls, an_input_that_cannot_be_stored_is_refused)
{
	static const struct fault faults[] = {
		{.point = FAULT_WRITE, .sys_errno = ENOSPC},
		{.point = FAULT_MEMFD, .sys_errno = EMFILE},
	};
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	static char input[LONG];

	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "it is up", NULL)), PXP_OK);
	for (int i = 0; i < 2; i++) {
		struct fault fault = faults[i];
		struct pxp_future *future;
		enum pxp_status status;

		fault.place = FAULT_IN_MAIN;
		fault.nth = fault.times = 1;
		fault_arm(fault);
		status = pxp_executor_submit(pool, task_echo, input, LONG, NULL, &future);
		EXPECT_EQ(fault_disarm(), 1);
		EXPECT(status == PXP_ENOMEM || status == PXP_ESYS);
		EXPECT(future == NULL);
		expect_whole(submit_long(pool));
	}
	pxp_executor_destroy(pool);
}

/* The worker calls mmap(). A seccomp filter, or a kernel before 6.7, may refuse the call. */
TEST(fault_calls, a_long_input_is_read_if_it_cannot_be_mapped)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);

	expect_whole(submit_long(pool));
	fault_arm((struct fault){.point = FAULT_MAP,
	                         .place = FAULT_ELSEWHERE,
	                         .nth = 1,
	                         .times = 1,
	                         .sys_errno = EPERM});
	expect_whole(submit_long(pool));
	EXPECT_EQ(fault_disarm(), 1);
	pxp_executor_destroy(pool);
}

/* The worker cannot create or fill a memfd for the result, or this process cannot read it. */
TEST(fault_calls,
     a_failing_system_call_for_a_long_result_fails_only_the_task_of_that_result)
{
	static const struct fault faults[] = {
		{.point = FAULT_MEMFD, .place = FAULT_ELSEWHERE, .sys_errno = ENFILE},
		{.point = FAULT_WRITE, .place = FAULT_ELSEWHERE, .sys_errno = ENOSPC},
		{.point = FAULT_READ_AT, .place = FAULT_IN_MAIN, .sys_errno = EIO},
	};
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	int64_t worker;

	expect_whole(submit_long(pool));
	for (int i = 0; i < 3; i++) {
		struct fault fault = faults[i];
		struct pxp_future *future;

		fault.nth = fault.times = 1;
		fault_arm(fault);
		future = submit_long(pool);
		REQUIRE(pxp_future_wait(future, PXP_FOREVER) == PXP_OK);
		EXPECT(fault_disarm() > 0);
		EXPECT_EQ(pxp_future_state(future), PXP_FAILED);
		EXPECT(pxp_future_outcome(future)->error.status != PXP_ECRASHED);
		EXPECT(pxp_future_outcome(future)->error.text[0] != 0);
		if (fault.place == FAULT_IN_MAIN) {
			EXPECT_EQ(pxp_future_outcome(future)->error.status, PXP_ESYS);
			EXPECT_EQ(pxp_future_outcome(future)->error.sys_errno, EIO);
		}
		worker = pxp_future_outcome(future)->worker;
		pxp_future_release(future);
		future = pool_submit(pool, task_echo, "the same", NULL);
		EXPECT_STR(result_of(future), "the same");
		/* The failure is not the fault of the worker, so the worker was not replaced. */
		EXPECT_EQ(pxp_future_outcome(future)->worker, worker);
		pxp_future_release(future);
	}
	pxp_executor_destroy(pool);
}

/* One call that is needed to start a worker fails once, so the worker starts a little later. */
TEST(fault_calls,
     a_system_call_that_fails_once_delays_the_start_of_a_worker_and_fails_no_task)
{
	static const struct fault faults[] = {
		{.point = FAULT_WATCH, .place = FAULT_IN_MAIN, .sys_errno = ENOSPC},
		{.point = FAULT_MAP, .place = FAULT_IN_MAIN, .sys_errno = ENOMEM},
		{.point = FAULT_MAP, .place = FAULT_ELSEWHERE, .sys_errno = ENOMEM},
		{.point = FAULT_PIDFD, .place = FAULT_ELSEWHERE, .sys_errno = EMFILE},
	};

	for (int i = 0; i < 4; i++) {
		/* Three descriptors of a worker are watched: its log, its pidfd and its
		 * channel. */
		for (unsigned nth = 1; nth <= (i == 0 ? 3 : 1); nth++) {
			struct pxp_executor *pool = pool_with_long_start_timeout(1);
			struct fault fault = faults[i];
			struct pxp_future *future;

			fault.nth = nth;
			fault.times = 1;
			fault_arm(fault);
			future = pool_submit(pool, task_echo, "late", NULL);
			EXPECT_STR(result_of(future), "late");
			EXPECT_EQ(fault_disarm(), 1);
			pxp_future_release(future);
			pxp_executor_destroy(pool);
		}
	}
}

TEST(fault_calls, creating_a_pool_fails_if_epoll_fails)
{
	for (unsigned nth = 1; nth <= 4; nth++) {
		struct pxp_executor_options options = {.size = sizeof(options),
		                                       .kind = PXP_PROCESSES};
		struct pxp_executor *pool;
		enum pxp_status status;

		fault_arm((struct fault){.point = FAULT_WATCH,
		                         .nth = nth,
		                         .times = 1,
		                         .sys_errno = ENOMEM});
		status = pxp_executor_create(&options, &pool, NULL);
		EXPECT_EQ(fault_disarm(), nth <= 3);
		EXPECT_EQ(status, nth <= 3 ? PXP_ESYS : PXP_OK);
		EXPECT_EQ(pool == NULL, nth <= 3);
		pxp_executor_destroy(pool);
	}
}

static void stop_the_zygote(void *data)
{
	*(enum pxp_status *)data = pxp_zygote_stop();
}

/* pxp_zygote_stop() is called at the first moment when no lock is held, right after the zygote has
 * forked a fork server. Another thread could call it at this moment. */
TEST(fault_calls, the_zygote_is_not_stopped_while_a_new_pool_is_being_created)
{
	enum pxp_status stopped = PXP_OK;
	struct pxp_executor *pool;

	fault_arm((struct fault){.point = FAULT_UNLOCK,
	                         .place = FAULT_IN_MAIN,
	                         .nth = 1,
	                         .times = 1,
	                         .meanwhile = stop_the_zygote,
	                         .data = &stopped});
	/* If this call hangs, the alarm ends the test. */
	alarm(20);
	pool = pool_create(PXP_PROCESSES, 1);
	alarm(0);
	EXPECT_EQ(fault_disarm(), 1);
	EXPECT_EQ(stopped, PXP_ESTATE);
	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
	pxp_executor_destroy(pool);
}

/* In the first round the zygote cannot open the fork server's pidfd. In the second round the kernel
 * has no memory for the first frame that the zygote sends. */
TEST(fault_calls,
     the_zygote_reports_a_pidfd_that_cannot_be_opened_and_repeats_a_failed_send)
{
	static const struct fault faults[] = {
		{.point = FAULT_PIDFD, .sys_errno = EMFILE},
		{.point = FAULT_SEND, .sys_errno = ENOBUFS},
	};
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = PXP_PROCESSES};

	for (int i = 0; i < 2; i++) {
		struct pxp_executor *pool;
		struct fault fault = faults[i];
		struct pxp_error error = {0};

		fault.place = FAULT_ELSEWHERE;
		fault.nth = fault.times = 1;
		fault_arm(fault);
		/* If this call hangs, the alarm ends the test. */
		alarm(20);
		EXPECT_EQ(pxp_executor_create(&options, &pool, &error),
		          i == 0 ? PXP_ESYS : PXP_OK);
		alarm(0);
		EXPECT_EQ(fault_disarm(), 1);
		EXPECT_EQ(error.sys_errno, i == 0 ? EMFILE : 0);
		pxp_executor_destroy(pool);
	}
}

/* The pool keeps the task that it could not send, and sends it later: a running task may free the
 * missing resource. */
TEST(fault_calls,
     a_task_that_cannot_be_sent_for_lack_of_a_resource_waits_while_other_tasks_run)
{
	static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, ETOOMANYREFS};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
		struct gate gate = gate_create();
		struct pxp_future *held = pool_submit(pool, task_wait, "held", &gate);
		struct pxp_future *next;

		REQUIRE(pool_await(pool, 1, 0));
		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
		fault_arm((struct fault){.point = FAULT_SEND,
		                         .place = FAULT_IN_MAIN,
		                         .nth = 1,
		                         .times = 1,
		                         .sys_errno = errors[i]});
		next = pool_submit(pool, task_echo, "next", NULL);
		EXPECT_EQ(end_of(next), PXP_OK);
		EXPECT_EQ(fault_disarm(), 1);
		gate_open(&gate);
		EXPECT_EQ(end_of(held), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

TEST(fault_calls, creating_a_pool_reports_why_its_fork_server_could_not_be_started)
{
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = PXP_PROCESSES};
	struct pxp_executor *pool;
	struct pxp_error error = {0};

	fault_arm((struct fault){.point = FAULT_SEND,
	                         .place = FAULT_IN_MAIN,
	                         .nth = 1,
	                         .times = 1,
	                         .sys_errno = ENOBUFS});
	EXPECT_EQ(pxp_executor_create(&options, &pool, &error), PXP_ESYS);
	EXPECT_EQ(fault_disarm(), 1);
	EXPECT_EQ(error.sys_errno, ENOBUFS);
}

/* A frame that the kernel cannot deliver counts as the end of its sender. If the sender is a
 * worker, it is replaced. If it is the fork server, the pool is broken. Every task completes. */
TEST(fault_calls, every_future_completes_after_a_failed_receive)
{
	static const int errors[] = {ENOBUFS, ECONNRESET};
	int n_hits = 0;

	for (unsigned nth = 1; nth <= 4; nth++) {
		struct pxp_executor *pool = pool_with_long_start_timeout(1);
		struct pxp_future *futures[6];

		fault_arm((struct fault){.point = FAULT_RECEIVE,
		                         .place = FAULT_IN_MAIN,
		                         .nth = nth,
		                         .times = 1,
		                         .sys_errno = errors[nth % 2]});
		for (int i = 0; i < 6; i++)
			futures[i] = pool_submit_with(
				pool, task_echo, "x", NULL,
				(struct pxp_task_options){.retries = 2});
		for (int i = 0; i < 6; i++) {
			enum pxp_status status = end_of(futures[i]);

			EXPECT(status == PXP_OK || status == PXP_ECRASHED ||
			       status == PXP_EBROKEN);
		}
		n_hits += (int)fault_disarm();
		pxp_executor_destroy(pool);
	}
	EXPECT(n_hits >= 3);
}
