/* Tests from Pebble that have no counterpart in CPython or loky. */
#include "kit.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BIG = 8 * 1024 * 1024 };

struct sight {
	struct gate is_seen;
	enum pxp_status status;
};

static void look(struct pxp_future *future, void *data)
{
	struct sight *sight = data;

	sight->status = pxp_future_outcome(future)->error.status;
	gate_open(&sight->is_seen);
}

/* Ported from test_process_pool_timeout, test_process_pool_timeout_callback,
 * test_process_pool_stop_timeout */
TEST(pebble, callbacks_see_an_expired_deadline_and_a_new_worker_takes_over)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate never = gate_create();
	struct sight sight = {.is_seen = gate_create()};
	pid_t worker = pid_in(pool);
	struct pxp_future *future = pool_submit_with(
		pool, task_wait, "x", &never,
		(struct pxp_task_options){.deadline_ms = 20});

	pxp_future_on_done(future, look, &sight);
	gate_pass(sight.is_seen.wait_end);
	EXPECT_EQ(sight.status, PXP_EDEADLINE);
	EXPECT(pid_in(pool) != worker);
	pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL);
	EXPECT_EQ(end_of(future), PXP_EDEADLINE);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
	gate_destroy(&sight.is_seen);
}

/* Ported from test_process_pool_cancel, test_process_pool_cancel_callback,
 * test_process_pool_stop_cancel */
TEST(pebble, callbacks_see_a_forced_cancel_and_a_new_worker_takes_over)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate never = gate_create();
	struct sight sight = {.is_seen = gate_create()};
	pid_t worker = pid_in(pool);
	struct pxp_future *future = pool_submit(pool, task_wait, "x", &never);

	REQUIRE(pool_await(pool, 1, 0));
	pxp_future_on_done(future, look, &sight);
	EXPECT(pxp_future_cancel_with(future, PXP_CANCEL_KILL));
	/* The callback ran before pxp_future_cancel_with() returned. */
	EXPECT_EQ(sight.status, PXP_ECANCELLED);
	EXPECT(pid_in(pool) != worker);
	pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL);
	EXPECT_EQ(end_of(future), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
	gate_destroy(&sight.is_seen);
}

/* Ported from test_process_pool_expired_worker */
TEST(pebble, the_pid_and_status_of_a_dead_worker_are_reported)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	pid_t worker = pid_in(pool);
	struct pxp_future *future = pool_submit(pool, task_exit, "5", NULL);

	EXPECT_EQ(outcome_of(future).error.exit_code, 5);
	EXPECT_EQ(outcome_of(future).worker, worker);
	EXPECT_EQ(end_of(future), PXP_ECRASHED);
	EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	pxp_executor_destroy(pool);
}

/* Ported from test_process_pool_exception_isolated */
TEST(pebble, a_failed_task_does_not_affect_other_tasks)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct pxp_future *futures[12];

		for (int i = 0; i < 12; i++)
			futures[i] = pool_submit(pool, i % 3 ? task_echo : task_fail, "x",
			                         NULL);
		for (int i = 0; i < 12; i++)
			EXPECT_EQ(end_of(futures[i]), i % 3 ? PXP_OK : PXP_ETASK);
		pxp_executor_destroy(pool);
	}
}

/* A task that ignores every signal that can be ignored. */
static enum pxp_status task_ignores_signals(struct pxp_task *task)
{
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_IGN);
	pxp_task_progress(task, 1, 1);
	for (;;)
		pause();
	return PXP_OK;
}

/* Ported from test_process_pool_ignoring_sigterm */
TEST(pebble, a_task_that_ignores_every_signal_is_killed)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *deaf = pool_submit(pool, task_ignores_signals, NULL, NULL);

	for (int i = 0; i < 60000 && pxp_future_progress(deaf).done == 0; i++)
		poll(NULL, 0, 1);
	EXPECT(pxp_future_cancel_with(deaf, PXP_CANCEL_KILL));
	EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	EXPECT_EQ(end_of(deaf), PXP_ECANCELLED);
	deaf = pool_submit_with(pool, task_ignores_signals, NULL, NULL,
	                        (struct pxp_task_options){.deadline_ms = 50});
	EXPECT_EQ(end_of(deaf), PXP_EDEADLINE);
	pxp_executor_destroy(pool);
}

static enum pxp_status submit_big(struct pxp_executor *pool, const char *input,
                                  struct pxp_future **ret_future)
{
	return pxp_executor_try_submit(pool, task_echo, input, BIG, NULL, ret_future);
}

/* Ported from test_process_pool_stop_large_data, TestProcessPoolDeadlockOnResult */
TEST(pebble, a_pool_can_be_killed_while_large_inputs_and_results_are_transferred)
{
	char *input = calloc(1, BIG);

	for (int round = 0; round < 3; round++) {
		struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
		struct pxp_future *futures[6];

		for (int i = 0; i < 6; i++)
			REQUIRE(submit_big(pool, input, &futures[i]) == PXP_OK);
		pxp_future_wait(futures[round], PXP_FOREVER);
		EXPECT_EQ(pxp_executor_shutdown(pool,
		                                PXP_SHUTDOWN_KILL | PXP_SHUTDOWN_WAIT),
		          PXP_OK);
		for (int i = 0; i < 6; i++) {
			enum pxp_status end = end_of(futures[i]);

			EXPECT(end == PXP_OK || end == PXP_ECANCELLED);
		}
		pxp_executor_destroy(pool);
	}
	free(input);
}

/* Ported from TestProcessPoolDeadlockOnCancelLargeData */
TEST(pebble, a_cancel_during_the_transfer_of_large_data_does_not_block_later_tasks)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	char *input = calloc(1, BIG);

	for (int i = 0; i < 10; i++) {
		struct pxp_future *future;
		bool is_cancelled;

		REQUIRE(submit_big(pool, input, &future) == PXP_OK);
		while (i % 2 && pxp_future_state(future) == PXP_PENDING)
			poll(NULL, 0, 0);
		is_cancelled = pxp_future_cancel_with(future, PXP_CANCEL_KILL);
		EXPECT_EQ(end_of(future), is_cancelled ? PXP_ECANCELLED : PXP_OK);
		EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	}
	free(input);
	pxp_executor_destroy(pool);
}

/* Ported from TestProcessPoolDeadlockOnNewFutures: workers die while tasks keep coming. */
TEST(pebble, submissions_continue_while_workers_die)
{
	enum { N = 60 };
	struct pxp_executor *pool = executor_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .n_workers = 2, .max_pending = 4});
	struct pxp_future *futures[N];

	for (int i = 0; i < N; i++)
		futures[i] = pool_submit(pool, task_dies,
		                         i % 5 == 0 ? "signal 9" : "live on", NULL);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(end_of(futures[i]), i % 5 == 0 ? PXP_ECRASHED : PXP_OK);
	pxp_executor_destroy(pool);
}

/* Ported from test_process_pool_join_futures_timeout, test_process_pool_join_running,
 * test_process_pool_join_workers. In this library a shutdown has no timeout. A program that needs
 * one waits for the futures first. */
TEST(pebble, futures_can_be_awaited_with_a_timeout_after_a_shutdown)
{
	EVERY_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct gate gate = gate_create();
		struct pxp_future *futures[3];

		for (int i = 0; i < 3; i++)
			futures[i] = pool_submit(pool, task_wait, "x", &gate);
		pxp_executor_shutdown(pool, 0);
		EXPECT_EQ(pxp_wait(futures, 3, PXP_ALL_COMPLETED, 10, NULL),
		          PXP_ETIMEOUT);
		gate_open(&gate);
		EXPECT_EQ(pxp_wait(futures, 3, PXP_ALL_COMPLETED, 60000, NULL), PXP_OK);
		EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_WAIT), PXP_OK);
		futures_release(futures, 3);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

struct stop {
	struct pxp_executor *pool;
	struct gate is_stopped;
	enum pxp_status of_kill, of_wait;
};

static void stop_pool(struct pxp_future *future, void *data)
{
	struct stop *stop = data;

	(void)future;
	stop->of_wait = pxp_executor_shutdown(stop->pool, PXP_SHUTDOWN_WAIT);
	stop->of_kill = pxp_executor_shutdown(stop->pool, PXP_SHUTDOWN_KILL);
	gate_open(&stop->is_stopped);
}

/* Ported from test_process_pool_stop_stopped_callback */
TEST(pebble, a_callback_may_stop_its_pool_but_not_wait_for_it)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct stop stop = {.pool = pool, .is_stopped = gate_create()};
		struct gate gate = gate_create();
		struct pxp_future *first;

		/* The inline executor runs the callback in this thread, which does not belong to
		 * the executor. */
		if (kind == PXP_INLINE)
			gate_open(&gate);
		first = pool_submit(pool, task_wait, "x", &gate);
		pxp_future_on_done(first, stop_pool, &stop);
		gate_open(&gate);
		gate_pass(stop.is_stopped.wait_end);
		EXPECT_EQ(stop.of_wait, kind == PXP_INLINE ? PXP_OK : PXP_EDEADLK);
		EXPECT_EQ(stop.of_kill, PXP_OK);
		EXPECT_EQ(pxp_executor_try_submit(pool, task_echo, NULL, 0, NULL, NULL),
		          PXP_ESHUTDOWN);
		EXPECT_EQ(end_of(first), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
		gate_destroy(&stop.is_stopped);
	}
}
