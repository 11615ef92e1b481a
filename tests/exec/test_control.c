/* Tests of what a caller can do to a waiting or running task, and of what a task can report about
 * itself. */
#include "support/pool.h"
#include "support/test.h"

#include "base/fd.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EACH_POOL(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_PROCESSES; kind++)

static struct pxp_executor *pool_with(struct pxp_executor_options options)
{
	struct pxp_executor *pool = NULL;

	options.size = sizeof(options);
	REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
	return pool;
}

static bool await_stats(struct pxp_executor *pool,
                        bool (*is_so)(const struct pxp_executor_stats *stats))
{
	struct pxp_executor_stats stats;

	for (int i = 0; i < 60000; i++) {
		pxp_executor_stats(pool, &stats);
		if (is_so(&stats))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

/* ---- cancel ---- */

/* A task that reports progress until it gets a cancel request. */
static enum pxp_status task_obliging(struct pxp_task *task)
{
	for (uint64_t n = 1; !pxp_task_is_cancelled(task); n++) {
		pxp_task_progress(task, n, 0);
		poll(NULL, 0, 1);
	}
	return PXP_ECANCELLED;
}

static void await_progress(struct pxp_future *future)
{
	for (int i = 0; i < 60000 && pxp_future_progress(future).done == 0; i++)
		poll(NULL, 0, 1);
	REQUIRE(pxp_future_progress(future).done > 0);
}

TEST(control, a_running_task_that_obeys_a_cancel_request_counts_as_cancelled)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_future *future = pool_submit(pool, task_obliging, NULL, NULL);

		await_progress(future);
		EXPECT(!pxp_future_cancel(future));
		EXPECT(!pxp_future_cancel_with(future, PXP_CANCEL_ASK) ||
		       pxp_future_is_done(future));
		EXPECT_EQ(end_of(future), PXP_ECANCELLED);
		pxp_executor_destroy(pool);
	}
}

/* A task that reports its process id as its progress, and then waits at its gate. */
static enum pxp_status task_says_where(struct pxp_task *task)
{
	pxp_task_progress(task, (uint64_t)getpid(), 0);
	gate_pass(pxp_task_descriptor(task, 0));
	return PXP_OK;
}

TEST(control, a_task_cancelled_by_a_kill_is_counted_once_and_reports_its_worker)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate never = gate_create();
	struct pxp_future *future = pool_submit(pool, task_says_where, "", &never);
	const struct pxp_outcome *outcome;
	struct pxp_executor_stats stats;

	await_progress(future);
	EXPECT(pxp_future_cancel_with(future, PXP_CANCEL_KILL));
	pxp_executor_stats(pool, &stats);
	EXPECT_EQ(stats.n_done, 1);
	outcome = pxp_future_outcome(future);
	REQUIRE(outcome != NULL);
	EXPECT_EQ(outcome->attempts, 1);
	EXPECT(outcome->worker > 0);
	EXPECT_EQ(outcome->progress.done, outcome->worker);
	EXPECT_EQ(outcome->phase, PXP_PHASE_RUNNING);
	EXPECT(outcome->run_ns > 0 && outcome->queue_ns >= 0);

	pxp_executor_shutdown(pool, PXP_SHUTDOWN_WAIT);
	pxp_executor_stats(pool, &stats);
	EXPECT_EQ(stats.n_done, 1);
	EXPECT_EQ(end_of(future), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* Ported from Deadpool: test_cancel_and_kill; Pebble: test_process_pool_cancel */
TEST(control, a_running_task_can_be_cancelled_by_killing_only_its_worker)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate never = gate_create(), gate = gate_create();
	struct pxp_future *doomed = pool_submit(pool, task_wait, "x", &never);
	struct pxp_future *other = pool_submit(pool, task_wait, "other", &gate), *next;

	REQUIRE(pool_await(pool, 2, 0));
	EXPECT(pxp_future_cancel_with(doomed, PXP_CANCEL_KILL));
	EXPECT_EQ(pxp_future_state(doomed), PXP_CANCELLED);
	gate_open(&gate);
	EXPECT_STR(result_of(other), "other");
	next = pool_submit(pool, task_echo, "next", NULL);
	EXPECT_STR(result_of(next), "next");
	EXPECT_EQ(end_of(doomed), PXP_ECANCELLED);
	EXPECT_EQ(end_of(other), PXP_OK);
	EXPECT_EQ(end_of(next), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
	gate_destroy(&gate);
}

static enum pxp_status task_pretends(struct pxp_task *task)
{
	(void)task;
	return PXP_ECANCELLED;
}

TEST(control, a_task_that_nobody_cancels_cannot_end_as_cancelled)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_future *future = pool_submit(pool, task_pretends, NULL, NULL);

		EXPECT_EQ(end_of(future), PXP_ETASK);
		pxp_executor_destroy(pool);
	}
}

/* ---- time ---- */

/* Ported from Deadpool: test_queue_timeout_is_distinct_from_execution_timeout */
TEST(control, a_task_that_starts_too_late_fails_with_a_queue_timeout)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *running = pool_submit(pool, task_wait, "r", &gate),
				  *late[3];

		REQUIRE(pool_await(pool, 1, 0));
		for (int i = 0; i < 3; i++)
			late[i] = pool_submit_with(
				pool, task_echo, "x", NULL,
				(struct pxp_task_options){.queue_timeout_ms = 30 -
			                                                      10 * i});
		for (int i = 0; i < 3; i++)
			EXPECT_EQ(end_of(late[i]), PXP_EQUEUED);
		EXPECT_EQ(pxp_future_state(running), PXP_RUNNING);
		gate_open(&gate);
		EXPECT_EQ(end_of(running), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* The expired tasks are removed from the middle of the queue. */
TEST(control, queued_tasks_between_expired_tasks_still_run)
{
	static const int64_t timeouts_ms[] = {60000, 20, 0, 40, 60000, 1, 0};
	enum { N = sizeof(timeouts_ms) / sizeof(timeouts_ms[0]) };

	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *running = pool_submit(pool, task_wait, "r", &gate),
				  *futures[N];
		struct pxp_executor_stats stats;

		REQUIRE(pool_await(pool, 1, 0));
		for (int i = 0; i < N; i++)
			futures[i] = pool_submit_with(
				pool, task_wait, "x", &gate,
				(struct pxp_task_options){
					.queue_timeout_ms = timeouts_ms[i]});
		EXPECT_EQ(end_of(futures[1]), PXP_EQUEUED);
		EXPECT_EQ(end_of(futures[3]), PXP_EQUEUED);
		EXPECT_EQ(end_of(futures[5]), PXP_EQUEUED);
		pxp_executor_stats(pool, &stats);
		EXPECT_EQ(stats.n_pending + stats.n_prefetched, 4);
		gate_open(&gate);
		EXPECT_EQ(end_of(running), PXP_OK);
		for (int i = 0; i < N; i += 2)
			EXPECT_EQ(end_of(futures[i]), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

TEST(control, the_queue_timeout_does_not_limit_the_run_time_of_a_started_task)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		const struct pxp_task_options soon = {.queue_timeout_ms = 1000};
		struct pxp_future *future, *late;

		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "a worker started", NULL)),
		          PXP_OK);
		future = pool_submit_with(pool, task_wait, "x", &gate, soon);
		REQUIRE(pool_await(pool, 1, 0));
		/* When the timeout of a later task has passed, that of the first one has too. */
		late = pool_submit_with(pool, task_echo, "x", NULL, soon);
		EXPECT_EQ(end_of(late), PXP_EQUEUED);
		EXPECT_EQ(pxp_future_state(future), PXP_RUNNING);
		gate_open(&gate);
		EXPECT_STR(result_of(future), "x");
		pxp_future_release(future);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

TEST(control, a_task_without_progress_is_killed_and_one_with_progress_is_not)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate never = gate_create();
	struct pxp_task_options stalls = {.stall_ms = 300};
	struct pxp_future *dumb = pool_submit_with(pool, task_wait, "x", &never, stalls);
	struct pxp_future *lively = pool_submit_with(pool, task_obliging, NULL, NULL,
	                                             stalls);

	EXPECT_EQ(end_of(dumb), PXP_EDEADLINE);
	EXPECT_EQ(pxp_future_wait(lively, 0), PXP_ETIMEOUT);
	pxp_future_cancel_with(lively, PXP_CANCEL_ASK);
	EXPECT_EQ(end_of(lively), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* ---- what a future reports about its task ---- */

static enum pxp_status task_gets_far(struct pxp_task *task)
{
	pxp_task_progress(task, 3, 4);
	gate_pass(pxp_task_descriptor(task, 0));
	raise(SIGKILL);
	return PXP_OK;
}

TEST(control, progress_is_visible_while_a_task_runs_and_after_a_crash)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	struct pxp_future *future = pool_submit(pool, task_gets_far, NULL, &gate);

	EXPECT_EQ(pxp_future_progress(future).total == 0 ||
	                  pxp_future_progress(future).total == 4,
	          true);
	await_progress(future);
	EXPECT_EQ(pxp_future_progress(future).done, 3);
	gate_open(&gate);
	REQUIRE(pxp_future_wait(future, PXP_FOREVER) == PXP_OK);
	EXPECT_EQ(pxp_future_progress(future).total, 4);
	EXPECT_EQ(pxp_future_outcome(future)->progress.done, 3);
	EXPECT_EQ(pxp_future_outcome(future)->phase, PXP_PHASE_RUNNING);
	EXPECT_EQ(end_of(future), PXP_ECRASHED);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

static enum pxp_status task_works(struct pxp_task *task)
{
	enum { BYTES = 64 * 1024 * 1024 };
	char *volatile memory = malloc(BYTES);

	if (!memory)
		return PXP_ENOMEM;
	for (int value = 0; value < 4; value++)
		memset(memory, value, BYTES);
	free(memory);
	if (pxp_task_input(task, NULL))
		raise(SIGKILL);
	return PXP_OK;
}

TEST(control,
     an_outcome_reports_cpu_time_and_memory_after_an_answer_or_the_death_of_the_worker)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *futures[] = {pool_submit(pool, task_works, NULL, NULL),
	                                pool_submit(pool, task_works, "die", NULL)};

	for (int i = 0; i < 2; i++) {
		REQUIRE(pxp_future_wait(futures[i], PXP_FOREVER) == PXP_OK);
		EXPECT(pxp_future_outcome(futures[i])->cpu_ns > 1000000);
		EXPECT(pxp_future_outcome(futures[i])->peak_bytes > 64 * 1024 * 1024);
		pxp_future_release(futures[i]);
	}
	pxp_executor_destroy(pool);
}

/* A task that uses CPU time. Its input is the time in milliseconds. */
static enum pxp_status task_burns(struct pxp_task *task)
{
	const char *ms = pxp_task_input(task, NULL);
	clock_t end = clock() + atoi(ms) * (CLOCKS_PER_SEC / 1000);

	while (clock() < end)
		;
	return PXP_OK;
}

/* A worker does not query its CPU time from the kernel after each quick task. */
TEST(control, a_task_between_quick_tasks_reports_its_cpu_time)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);

	for (int round = 0; round < 3; round++) {
		struct pxp_future *burns;

		for (int i = 0; i < 30; i++)
			EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)),
			          PXP_OK);
		burns = pool_submit(pool, task_burns, "30", NULL);
		REQUIRE(pxp_future_wait(burns, PXP_FOREVER) == PXP_OK);
		EXPECT(pxp_future_outcome(burns)->cpu_ns > 20 * 1000000);
		EXPECT_EQ(end_of(burns), PXP_OK);
	}
	pxp_executor_destroy(pool);
}

static enum pxp_status task_returns_descriptors(struct pxp_task *task)
{
	int fd = memfd_create("result", MFD_CLOEXEC);
	enum pxp_status status = PXP_ESYS;

	if (fd >= 0 && fd_write_all(fd, "inside", 6)) {
		status = pxp_task_return_descriptor(task, fd);
		for (int i = 1; status == PXP_OK && i < PXP_MAX_DESCRIPTORS; i++)
			status = pxp_task_return_descriptor(task, 2);
		if (pxp_task_return_descriptor(task, 2) != PXP_EINVAL)
			status = PXP_ESTATE;
	}
	fd_close(&fd);
	return status;
}

TEST(control, a_descriptor_returned_with_a_result_can_be_taken_exactly_once)
{
	int n_before;

	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_future *future;
		char got[8] = "";
		int fd;

		n_before = count_descriptors();
		future = pool_submit(pool, task_returns_descriptors, NULL, NULL);
		REQUIRE(pxp_future_wait(future, PXP_FOREVER) == PXP_OK);
		fd = pxp_future_take_descriptor(future, 0);
		EXPECT_EQ(fd_pread_full(fd, got, sizeof(got), 0), 6);
		EXPECT_STR(got, "inside");
		EXPECT_EQ(pxp_future_take_descriptor(future, 0), -1);
		EXPECT_EQ(pxp_future_take_descriptor(future, PXP_MAX_DESCRIPTORS), -1);
		fd_close(&fd);
		EXPECT_EQ(end_of(future), PXP_OK);
		pxp_executor_destroy(pool);
		EXPECT(count_descriptors() <= n_before,
		       "descriptors that were not taken are closed");
	}
}

TEST(control, only_the_executor_can_complete_the_futures_of_its_tasks)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *running = pool_submit(pool, task_wait, "own", &gate);
		struct pxp_future *pending = pool_submit(pool, task_wait, "own", &gate);
		struct pxp_future *futures[] = {running, pending};
		const struct pxp_error error = {.status = PXP_ETASK};
		void *bytes = malloc(1);

		REQUIRE(bytes && pool_await(pool, 1, POOL_ANY));
		for (int i = 0; i < 2; i++) {
			EXPECT(!pxp_promise_start(futures[i]));
			EXPECT_EQ(pxp_promise_finish(futures[i], &bytes, 1), PXP_EINVAL);
			EXPECT(bytes != NULL, "the caller still owns the bytes");
			EXPECT_EQ(pxp_promise_fail(futures[i], &error), PXP_EINVAL);
		}
		EXPECT_EQ(pxp_future_state(pending), PXP_PENDING);
		gate_open(&gate);
		for (int i = 0; i < 2; i++) {
			EXPECT_STR(result_of(futures[i]), "own");
			EXPECT_EQ(pxp_promise_finish(futures[i], &bytes, 1), PXP_EINVAL);
			EXPECT_EQ(end_of(futures[i]), PXP_OK);
		}
		free(bytes);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* ---- workers ---- */

/* Ported from test_process_pool.py: test_max_tasks_per_child; Deadpool: the same; Pebble:
 * test_process_pool_future_limit */
TEST(control, a_worker_is_replaced_after_its_maximum_number_of_tasks)
{
	struct pxp_executor *pool = pool_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .n_workers = 1, .max_tasks_per_worker = 3});
	char pids[8][16];
	struct pxp_future *futures[7];

	for (int i = 0; i < 7; i++)
		futures[i] = pool_submit(pool, task_pid, NULL, NULL);
	for (int i = 0; i < 7; i++) {
		snprintf(pids[i], sizeof(pids[i]), "%s", result_of(futures[i]));
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	}
	EXPECT_STR(pids[1], pids[0]);
	EXPECT_STR(pids[2], pids[0]);
	EXPECT(strcmp(pids[3], pids[2]) != 0);
	EXPECT_STR(pids[5], pids[3]);
	EXPECT(strcmp(pids[6], pids[5]) != 0);
	pxp_executor_destroy(pool);
}

TEST(control,
     one_task_can_count_as_several_towards_the_maximum_number_of_tasks_of_its_worker)
{
	struct pxp_executor *pool = pool_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .n_workers = 1, .max_tasks_per_worker = 3});
	char pids[3][16];

	for (int i = 0; i < 3; i++) {
		struct pxp_future *future = pool_submit_with(
			pool, task_pid, NULL, NULL,
			(struct pxp_task_options){.counts_as = i == 1 ? 2 : 0});

		snprintf(pids[i], sizeof(pids[i]), "%s", result_of(future));
		EXPECT_EQ(end_of(future), PXP_OK);
	}
	EXPECT_STR(pids[1], pids[0]);
	EXPECT(strcmp(pids[2], pids[1]) != 0);
	pxp_executor_destroy(pool);
}

static bool has_no_worker(const struct pxp_executor_stats *stats)
{
	return stats->n_workers == 0 && stats->n_spawned > 0;
}

/* Ported from loky: test_worker_timeout */
TEST(control, a_worker_ends_after_its_idle_timeout_and_another_starts_when_needed)
{
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_PROCESSES; kind++) {
		struct pxp_executor *pool = pool_with((struct pxp_executor_options){
			.kind = kind, .n_workers = 2, .idle_timeout_ms = 20});
		struct pxp_executor_stats stats;

		for (unsigned round = 1; round <= 3; round++) {
			struct gate gate = gate_create();
			struct pxp_future *a = pool_submit(pool, task_wait, "a", &gate);
			struct pxp_future *b = pool_submit(pool, task_wait, "b", &gate);

			EXPECT(pool_await(pool, 2, 0));
			gate_open(&gate);
			EXPECT_EQ(end_of(a), PXP_OK);
			EXPECT_EQ(end_of(b), PXP_OK);
			EXPECT(await_stats(pool, has_no_worker));
			pxp_executor_stats(pool, &stats);
			EXPECT_EQ(stats.n_spawned, 2 * round);
			gate_destroy(&gate);
		}
		pxp_executor_destroy(pool);
	}
}

TEST(control, a_task_that_has_killed_the_maximum_number_of_workers_is_not_retried)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct pxp_future *poison = pool_submit_with(
		pool, task_signal, "11", NULL,
		(struct pxp_task_options){.retries = 50, .max_kills = 3});

	REQUIRE(pxp_future_wait(poison, PXP_FOREVER) == PXP_OK);
	EXPECT_EQ(pxp_future_outcome(poison)->attempts, 3);
	EXPECT_EQ(pxp_future_outcome(poison)->error.signal, SIGSEGV);
	EXPECT_EQ(end_of(poison), PXP_EPOISON);
	pxp_executor_destroy(pool);
}

TEST(control, a_pool_whose_workers_keep_dying_breaks_after_max_crashes)
{
	struct pxp_executor *pool = pool_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .n_workers = 1, .max_crashes = 4});
	struct pxp_future *futures[8];
	int n_crashed = 0, n_broken = 0;

	for (int i = 0; i < 8; i++)
		futures[i] = pool_submit(pool, task_exit, "1", NULL);
	for (int i = 0; i < 8; i++) {
		enum pxp_status end = end_of(futures[i]);

		n_crashed += end == PXP_ECRASHED;
		n_broken += end == PXP_EBROKEN;
	}
	EXPECT_EQ(n_crashed, 4);
	EXPECT_EQ(n_broken, 4);
	EXPECT_EQ(pxp_executor_submit(pool, task_echo, NULL, 0, NULL, NULL), PXP_EBROKEN);
	pxp_executor_destroy(pool);
}

TEST(control, an_answered_task_resets_the_count_of_crashes)
{
	struct pxp_executor *pool = pool_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .n_workers = 1, .max_crashes = 2});

	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(end_of(pool_submit(pool, task_exit, "1", NULL)), PXP_ECRASHED);
		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
	}
	pxp_executor_destroy(pool);
}

/* The grandchild that the task leaves has a session of its own, so no signal to the process group
 * reaches it. */
static enum pxp_status task_leaves_daemon(struct pxp_task *task)
{
	int to_parent[2];
	pid_t daemon = 0;

	if (pipe(to_parent) != 0)
		return PXP_ESYS;
	if (fork() == 0) {
		setsid();
		if (fork() == 0) {
			daemon = getpid();
			(void)!write(to_parent[1], &daemon, sizeof(daemon));
			for (;;)
				pause();
		}
		_exit(0);
	}
	if (read(to_parent[0], &daemon, sizeof(daemon)) != sizeof(daemon))
		return PXP_ESYS;
	return pxp_task_return(task, &daemon, sizeof(daemon));
}

/* Ported from Deadpool: test_sub_sub_process */
TEST(control, processes_left_running_by_a_task_end_with_its_worker)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_leaves_daemon, NULL, NULL);
	void *bytes = NULL;
	pid_t daemon = 0;

	REQUIRE(pxp_future_result(future, PXP_FOREVER, &bytes, NULL, NULL) == PXP_OK);
	memcpy(&daemon, bytes, sizeof(daemon));
	free(bytes);
	pxp_future_release(future);
	EXPECT(kill(daemon, 0) == 0);
	pxp_executor_destroy(pool);
	EXPECT(kill(daemon, 0) != 0);
}

/* The task starts a process and leaves it as an orphan, so the fork server becomes its parent. Then
 * the process ends. */
static enum pxp_status task_leaves_zombie(struct pxp_task *task)
{
	int from_child[2];
	pid_t child, orphan = 0;

	if (pipe(from_child) != 0)
		return PXP_ESYS;
	child = fork();
	if (child == 0) {
		orphan = fork();
		if (orphan > 0)
			(void)!write(from_child[1], &orphan, sizeof(orphan));
		_exit(0);
	}
	if (waitpid(child, NULL, 0) != child ||
	    read(from_child[0], &orphan, sizeof(orphan)) != sizeof(orphan))
		return PXP_ESYS;
	return pxp_task_return(task, &orphan, sizeof(orphan));
}

TEST(control, processes_left_by_a_task_are_reaped_while_its_worker_lives)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_leaves_zombie, NULL, NULL);
	struct pxp_future *next;
	void *bytes = NULL;
	pid_t orphan = 0;

	REQUIRE(pxp_future_result(future, PXP_FOREVER, &bytes, NULL, NULL) == PXP_OK);
	memcpy(&orphan, bytes, sizeof(orphan));
	free(bytes);
	for (int i = 0; i < 10000 && kill(orphan, 0) == 0; i++)
		poll(NULL, 0, 1);
	EXPECT(kill(orphan, 0) != 0);
	next = pool_submit(pool, task_echo, "x", NULL);
	EXPECT_STR(result_of(next), "x");
	EXPECT_EQ(pxp_future_outcome(next)->worker, pxp_future_outcome(future)->worker);
	pxp_future_release(future);
	pxp_future_release(next);
	pxp_executor_destroy(pool);
}

static enum pxp_status task_nests(struct pxp_task *task);

static enum pxp_status nest(struct pxp_task *task, const char *deeper)
{
	struct pxp_executor_options options = {
		.size = sizeof(options), .kind = PXP_PROCESSES, .n_workers = 1};
	struct pxp_executor *pool;
	struct pxp_future *future;
	struct pxp_error error;
	enum pxp_status status;

	if (pxp_zygote_start(&error) != PXP_OK)
		return pxp_task_return(task, error.text, strlen(error.text) + 1);
	status = pxp_executor_create(&options, &pool, NULL);
	if (status != PXP_OK)
		return status;
	status = pxp_executor_submit(pool, task_nests, deeper, strlen(deeper) + 1, NULL,
	                             &future);
	if (status == PXP_OK) {
		const char *text = result_of(future);

		status = pxp_task_return(task, text, strlen(text) + 1);
		pxp_future_release(future);
	}
	pxp_executor_destroy(pool);
	pxp_zygote_stop();
	return status;
}

/* A task that creates a pool and runs itself in it, one level deeper for each character of its
 * input. The task at the deepest level returns the result. */
static enum pxp_status task_nests(struct pxp_task *task)
{
	const char *levels = pxp_task_input(task, NULL);

	if (!levels[0])
		return pxp_task_return(task, "at the bottom", 14);
	return nest(task, levels + 1);
}

/* Ported from loky: test_max_depth; Pebble: test_process_pool_child_pool,
 * test_process_pool_child_pebble */
TEST(control, pools_can_be_nested_two_levels_deep_and_no_deeper)
{
#ifdef PIXPOOL_SANITIZE_THREAD
	/* ThreadSanitizer adds a thread to every process, so a worker cannot start a zygote. */
	SKIP("under ThreadSanitizer there is no zygote in a worker");
#endif
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *two = pool_submit(pool, task_nests, "1", NULL);
	struct pxp_future *three = pool_submit(pool, task_nests, "12", NULL);

	EXPECT_STR(result_of(two), "at the bottom");
	EXPECT_STR(result_of(three), "process pools are nested more than 2 deep");
	pxp_future_release(two);
	pxp_future_release(three);
	pxp_executor_destroy(pool);
}

/* ---- executors ---- */

TEST(control, max_pending_bytes_limits_queued_inputs_but_a_single_input_always_fits)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_with((struct pxp_executor_options){
			.kind = kind, .n_workers = 1, .max_pending_bytes = 1000});
		struct gate gate = gate_create();
		struct pxp_future *running = pool_submit(pool, task_wait, "r", &gate);
		struct pxp_future *futures[2] = {0};
		static char input[5000];

		REQUIRE(pool_await(pool, 1, 0));
		if (kind == PXP_PROCESSES) {
			futures[1] = pool_submit(pool, task_echo, "prefetched", NULL);
			REQUIRE(pool_await(pool, 1, 1));
		}
		EXPECT_EQ(pxp_executor_try_submit(pool, task_echo, input, sizeof(input),
		                                  NULL, &futures[0]),
		          PXP_OK);
		EXPECT_EQ(pxp_executor_try_submit(pool, task_echo, input, 1, NULL, NULL),
		          PXP_EAGAIN);
		EXPECT_EQ(pxp_executor_submit_within(pool, task_echo, input, 1, NULL, 5,
		                                     NULL),
		          PXP_EAGAIN);
		gate_open(&gate);
		EXPECT_EQ(end_of(running), PXP_OK);
		EXPECT_EQ(end_of(futures[0]), PXP_OK);
		if (futures[1])
			EXPECT_EQ(end_of(futures[1]), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* Ported from test_interpreter_pool.py: test_run_in_executor. In C a program has its own event
 * loop. */
TEST(control, the_event_descriptor_is_readable_until_done_tasks_are_acknowledged)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct pollfd readable = {.events = POLLIN};
		uint64_t n = 0;

		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
		readable.fd = pxp_executor_descriptor(pool);
		REQUIRE(readable.fd >= 0);
		for (int i = 0; i < 20; i++)
			pxp_future_release(pool_submit(pool, task_echo, "x", NULL));
		while (n < 21) {
			REQUIRE(poll(&readable, 1, 60000) == 1);
			n += pxp_executor_acknowledge(pool);
		}
		EXPECT_EQ(n, 21);
		EXPECT_EQ(poll(&readable, 1, 0), 0);
		EXPECT_EQ(pxp_executor_acknowledge(pool), 0);
		pxp_executor_destroy(pool);
	}
}

static enum pxp_status task_name(struct pxp_task *task)
{
	char name[16] = "";

	prctl(PR_GET_NAME, name);
	return pxp_task_return(task, name, sizeof(name));
}

/* Ported from test_shutdown.py: test_thread_names_assigned */
TEST(control, threads_are_named_after_their_executor_and_all_workers_are_named_pxp_worker)
{
	struct pxp_executor *threads = pool_with((struct pxp_executor_options){
		.kind = PXP_THREADS, .n_workers = 1, .name = "SpecialPool"});
	struct pxp_executor *processes = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *thread = pool_submit(threads, task_name, NULL, NULL);
	struct pxp_future *process = pool_submit(processes, task_name, NULL, NULL);

	EXPECT_STR(result_of(thread), "SpecialPool_0");
	EXPECT_STR(result_of(process), "pxp-worker");
	pxp_future_release(thread);
	pxp_future_release(process);
	pxp_executor_destroy(threads);
	pxp_executor_destroy(processes);
}
