/* Tests from Deadpool and mpi4py that have no counterpart in CPython, loky or Pebble. */
#include "kit.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Deadpool ---- */

/* Ported from test_kill */
TEST(deadpool, a_worker_killed_from_outside_fails_one_task_whose_error_names_the_signal)
{
	static const struct {
		int number;
		const char *text;
	} signals[] = {{SIGTERM, "worker died of SIGTERM"},
	               {SIGKILL, "worker died of SIGKILL"}};

	for (int i = 0; i < 2; i++) {
		struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
		struct gate gate = gate_create();
		pid_t worker = pid_in(pool);
		struct pxp_future *victim = pool_submit(pool, task_wait, "x", &gate);
		struct pxp_future *other;

		REQUIRE(pool_await(pool, 1, 0));
		other = pool_submit(pool, task_wait, "other", &gate);
		REQUIRE(pool_await(pool, 2, 0));
		kill(worker, signals[i].number);
		EXPECT_STR(outcome_of(victim).error.text, signals[i].text);
		gate_open(&gate);
		EXPECT_STR(result_of(other), "other");
		pxp_future_release(victim);
		pxp_future_release(other);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* Ported from test_set_exception_on_cancelled_future */
TEST(deadpool, an_answer_that_arrives_after_a_cancel_is_dropped)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);

	for (int i = 0; i < 50; i++) {
		struct pxp_future *future = pool_submit(
			pool, i % 2 ? task_fail : task_echo, "x", NULL);
		enum pxp_status end = i % 2 ? PXP_ETASK : PXP_OK;

		while (pxp_future_state(future) == PXP_PENDING)
			poll(NULL, 0, 0);
		if (pxp_future_cancel_with(future, PXP_CANCEL_KILL))
			end = PXP_ECANCELLED;
		EXPECT_EQ(end_of(future), end);
	}
	EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	pxp_executor_destroy(pool);
}

static void note_worker(struct pxp_future *future, void *data)
{
	*(int64_t *)data = pxp_future_outcome(future)->worker;
}

/* Ported from test_pid_callback: the worker's pid is in the outcome. */
TEST(deadpool, a_callback_can_read_the_pid_of_the_worker_from_the_outcome)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	struct pxp_future *future = pool_submit(pool, task_wait, "x", &gate);
	int64_t worker = 0;
	pid_t later;

	pxp_future_on_done(future, note_worker, &worker);
	gate_open(&gate);
	EXPECT_EQ(end_of(future), PXP_OK);
	/* The next task completes only after the callback of the first one has returned. */
	later = pid_in(pool);
	EXPECT_EQ(worker, later);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

static enum pxp_status task_fails_strangely(struct pxp_task *task)
{
	char text[10000];

	switch (atoi(pxp_task_input(task, NULL))) {
	case 0:
		memset(text, 'x', sizeof(text) - 1);
		text[sizeof(text) - 1] = 0;
		return pxp_task_fail(task, 1, "%s", text);
	case 1:
		return pxp_task_fail(task, 2, "two\nlines\t\x1b[31m and a colour");
	case 2:
		return pxp_task_fail(task, 3, "%s", "100%s of %n");
	default:
		return (enum pxp_status) - 77;
	}
}

/* Ported from test_bad_exception: errors that cannot be pickled. In this library errors are bytes,
 * truncated to their maximum length. */
TEST(deadpool, error_texts_are_truncated_and_their_control_characters_replaced)
{
	EVERY_EXECUTOR(kind)
	{
		static const char *const inputs[] = {"0", "1", "2", "3"};
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_future *futures[4];

		for (int i = 0; i < 4; i++) {
			futures[i] = pool_submit(pool, task_fails_strangely, inputs[i],
			                         NULL);
			EXPECT_EQ(outcome_of(futures[i]).error.status, PXP_ETASK);
		}
		EXPECT_EQ(strlen(outcome_of(futures[0]).error.text),
		          PXP_ERROR_TEXT_BYTES - 1);
		EXPECT_STR(outcome_of(futures[1]).error.text,
		           "two?lines??[31m and a colour");
		EXPECT_STR(outcome_of(futures[2]).error.text, "100%s of %n");
		EXPECT_EQ(outcome_of(futures[3]).error.code, -77);
		futures_release(futures, 4);
		pxp_executor_destroy(pool);
	}
}

/* Ported from test_shutdown_manual: the four ways to shut down while tasks run. */
TEST(deadpool, the_flags_of_a_shutdown_decide_whether_it_waits_and_cancels)
{
	static const unsigned ways[] = {0, PXP_SHUTDOWN_WAIT, PXP_SHUTDOWN_CANCEL_PENDING,
	                                PXP_SHUTDOWN_WAIT | PXP_SHUTDOWN_CANCEL_PENDING};

	EVERY_POOL(kind)
	{
		for (int i = 0; i < 4; i++) {
			struct pxp_executor *pool = pool_create(kind, 1);
			struct gate gate = gate_create();
			struct pxp_future *running = pool_submit(pool, task_wait, "x",
			                                         &gate);
			struct pxp_future *pending[3];
			bool cancels = ways[i] & PXP_SHUTDOWN_CANCEL_PENDING;
			bool waits = ways[i] & PXP_SHUTDOWN_WAIT;
			struct opener opener;

			REQUIRE(pool_await(pool, 1, 0));
			for (int j = 0; j < 3; j++)
				pending[j] = pool_submit(pool, task_echo, "x", NULL);
			if (waits)
				opener_start(&opener, pool, &gate);
			EXPECT_EQ(pxp_executor_shutdown(pool, ways[i]), PXP_OK);
			EXPECT_EQ(pxp_future_is_done(running), waits);
			EXPECT_EQ(pxp_future_is_done(pending[2]), cancels || waits);
			if (waits)
				opener_join(&opener);
			gate_open(&gate);
			EXPECT_EQ(end_of(running), PXP_OK);
			for (int j = 0; j < 3; j++)
				EXPECT_EQ(end_of(pending[j]),
				          cancels ? PXP_ECANCELLED : PXP_OK);
			pxp_executor_destroy(pool);
			gate_destroy(&gate);
		}
	}
}

/* Ported from test_shutdown_idempotent; mpi4py: test_shutdown_cancel, test_bootup_shutdown */
TEST(deadpool, every_kind_of_shutdown_may_follow_every_other_kind)
{
	static const unsigned orders[][3] = {
		{0, PXP_SHUTDOWN_CANCEL_PENDING, PXP_SHUTDOWN_WAIT},
		{PXP_SHUTDOWN_WAIT, PXP_SHUTDOWN_WAIT, 0},
		{PXP_SHUTDOWN_CANCEL_PENDING, 0, PXP_SHUTDOWN_KILL},
		{PXP_SHUTDOWN_KILL, PXP_SHUTDOWN_WAIT, PXP_SHUTDOWN_CANCEL_PENDING},
	};

	EVERY_EXECUTOR(kind)
	{
		for (int i = 0; i < 4; i++) {
			struct pxp_executor *pool = pool_create(kind, 2);

			EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)),
			          PXP_OK);
			for (int j = 0; j < 3; j++)
				EXPECT_EQ(pxp_executor_shutdown(pool, orders[i][j]),
				          PXP_OK);
			EXPECT_EQ(
				pxp_executor_submit(pool, task_echo, NULL, 0, NULL, NULL),
				PXP_ESHUTDOWN);
			pxp_executor_destroy(pool);
		}
	}
}

static void run_some(struct pxp_executor *pool)
{
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(end_of(pool_submit(pool, task_fail, "x", NULL)), PXP_ETASK);
}

/* Submit one task for each way in which a worker can end too early. */
static void end_two_workers(struct pxp_executor *pool)
{
	struct gate never = gate_create();

	EXPECT_EQ(end_of(pool_submit(pool, task_exit, "1", NULL)), PXP_ECRASHED);
	/* The deadline leaves the task enough time to start. Otherwise the pool would have to
	 * replace one more worker. */
	EXPECT_EQ(end_of(pool_submit_with(pool, task_wait, "x", &never,
	                                  (struct pxp_task_options){.deadline_ms = 500})),
	          PXP_EDEADLINE);
	gate_destroy(&never);
}

/* Ported from test_stats, test_stats_with_errors */
TEST(deadpool, the_counters_of_a_pool_equal_its_numbers_of_tasks_and_workers)
{
	EVERY_POOL(kind)
	{
		bool may_die = kind == PXP_PROCESSES;
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *running, *pending;
		struct pxp_executor_stats stats;

		run_some(pool);
		if (may_die)
			end_two_workers(pool);
		running = pool_submit(pool, task_wait, "x", &gate);
		REQUIRE(pool_await(pool, 1, 0));
		pending = pool_submit(pool, task_echo, "x", NULL);
		stats = stats_of(pool);
		EXPECT_EQ(stats.n_done, may_die ? 7 : 5);
		EXPECT_EQ(stats.n_running, 1);
		EXPECT_EQ(stats.n_pending + stats.n_prefetched, 1);
		EXPECT_EQ(stats.n_workers, 1);
		EXPECT_EQ(stats.n_spawned, may_die ? 3 : 1);
		EXPECT_EQ(stats.n_crashed, may_die);
		EXPECT_EQ(stats.n_killed, may_die);
		gate_open(&gate);
		EXPECT_EQ(end_of(running), PXP_OK);
		EXPECT_EQ(end_of(pending), PXP_OK);
		EXPECT_EQ(stats_of(pool).n_done, may_die ? 9 : 7);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

static struct pxp_executor *inline_executor;

static enum pxp_status task_counts_itself(struct pxp_task *task)
{
	struct pxp_executor_stats stats = stats_of(inline_executor);

	return pxp_task_return(task, &stats.n_running, sizeof(stats.n_running));
}

/* Ported from test_stats, test_stats_with_errors: tasks that run in the submitting thread never
 * wait. */
TEST(deadpool, the_inline_executor_counts_its_tasks_and_has_no_workers)
{
	struct pxp_executor *pool = inline_executor = pool_create(PXP_INLINE, 1);
	struct pxp_executor_stats stats;
	struct pxp_future *future;
	void *n_running = NULL;

	run_some(pool);
	future = pool_submit(pool, task_counts_itself, NULL, NULL);
	EXPECT_EQ(pxp_future_result(future, 0, &n_running, NULL, NULL), PXP_OK);
	EXPECT_EQ(*(size_t *)n_running, 1);
	stats = stats_of(pool);
	EXPECT_EQ(stats.n_done, 6);
	EXPECT_EQ(stats.n_running + stats.n_pending + stats.n_prefetched, 0);
	EXPECT_EQ(stats.n_workers, 0);
	EXPECT_EQ(stats.n_spawned + stats.n_crashed + stats.n_killed, 0);
	free(n_running);
	pxp_future_release(future);
	pxp_executor_destroy(pool);
}

static void die_at_the_end(void *context)
{
	(void)context;
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

/* Ported from test_simple_init. A failing initialiser breaks the pool (test_cpython_init.c). A
 * failing finaliser fails no task. */
TEST(deadpool, a_crash_in_a_finaliser_fails_no_task)
{
	struct pxp_executor *pool = executor_with(
		(struct pxp_executor_options){.kind = PXP_PROCESSES,
	                                      .n_workers = 1,
	                                      .max_tasks_per_worker = 1,
	                                      .finalise = die_at_the_end});

	for (int i = 0; i < 3; i++)
		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
	EXPECT_EQ(stats_of(pool).n_crashed, 0);
	pxp_executor_destroy(pool);
}

/* Ported from test_group_cancellation_is_scoped_and_reports_counts. In this library a group is an
 * array of futures. */
TEST(deadpool, cancelling_a_group_of_futures_leaves_other_futures_alone)
{
	EVERY_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *group[4], *others[3];
		int n_cancelled = 0;

		group[0] = pool_submit(pool, task_wait, "x", &gate);
		REQUIRE(pool_await(pool, 1, 0));
		for (int i = 1; i < 4; i++)
			group[i] = pool_submit(pool, task_echo, "x", NULL);
		for (int i = 0; i < 3; i++)
			others[i] = pool_submit(pool, task_echo, "x", NULL);
		for (int i = 0; i < 4; i++)
			n_cancelled += pxp_future_cancel(group[i]);
		/* The first task is already running, so its future cannot be cancelled. */
		EXPECT_EQ(n_cancelled, 3);
		gate_open(&gate);
		for (int i = 0; i < 3; i++)
			EXPECT_EQ(end_of(others[i]), PXP_OK);
		for (int i = 0; i < 4; i++)
			EXPECT_EQ(end_of(group[i]), i == 0 ? PXP_OK : PXP_ECANCELLED);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* Send a frame that is shorter than every valid frame. */
static enum pxp_status task_sends_half(struct pxp_task *task)
{
	const uint64_t answer[2] = {UINT64_MAX, UINT64_MAX};

	(void)task;
	(void)!write(3, answer, sizeof(answer));
	pause();
	return PXP_OK;
}

/* Ported from test_partial_frame_has_a_bounded_deadline. In this library channels transmit whole
 * frames. So a frame that is too short breaks the protocol, and the pool does not wait for more. */
TEST(deadpool,
     a_worker_that_sends_a_truncated_frame_is_killed_at_once_for_breaking_the_protocol)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);

	EXPECT_EQ(end_of(pool_submit(pool, task_sends_half, NULL, NULL)), PXP_EPROTO);
	EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	pxp_executor_destroy(pool);
}

static enum pxp_status task_sends_much(struct pxp_task *task)
{
	static char frame[128 * 1024];

	(void)task;
	(void)!write(3, frame, sizeof(frame));
	pause();
	return PXP_OK;
}

/* Ported from test_declared_frame_limit_is_rejected_before_payload_read */
TEST(deadpool,
     a_worker_that_sends_a_frame_over_the_maximum_length_is_killed_for_breaking_the_protocol)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);

	EXPECT_EQ(end_of(pool_submit(pool, task_sends_much, NULL, NULL)), PXP_EPROTO);
	EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	pxp_executor_destroy(pool);
}

/* ---- mpi4py ---- */

/* Ported from test_bootup. Workers start with the first tasks. A program that needs workers early
 * submits empty tasks. */
TEST(mpi4py, submitting_empty_tasks_starts_the_workers_early)
{
	EVERY_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct gate gate = gate_create();
		struct pxp_future *futures[2];

		EXPECT_EQ(stats_of(pool).n_spawned, 0);
		for (int round = 0; round < 2; round++) {
			for (int i = 0; i < 2; i++)
				futures[i] = pool_submit(pool, task_wait, "x", &gate);
			REQUIRE(round || pool_await(pool, 2, 0));
			gate_open(&gate);
			for (int i = 0; i < 2; i++)
				EXPECT_EQ(end_of(futures[i]), PXP_OK);
			EXPECT_EQ(stats_of(pool).n_spawned, 2);
		}
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}
