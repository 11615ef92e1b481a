/* Tests of pxp_wait(): how many futures end the wait, what it reports, and what it leaves behind.
 */
#include "support/pool.h"
#include "support/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The kinds of executors that can hold one task at a gate while another one runs. */
#define EACH_POOL(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_PROCESSES; kind++)
#define EACH_KIND(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_INLINE; kind++)

static struct pxp_future *finished(void)
{
	struct pxp_future *promise = pxp_promise_create();
	void *bytes = strdup("42");

	REQUIRE(pxp_promise_finish(promise, &bytes, 3) == PXP_OK);
	return promise;
}

static struct pxp_future *failed(void)
{
	struct pxp_future *promise = pxp_promise_create();
	struct pxp_error error;

	pxp_fail(&error, PXP_ETASK, "no");
	REQUIRE(pxp_promise_fail(promise, &error) == PXP_OK);
	return promise;
}

static struct pxp_future *cancelled(void)
{
	struct pxp_future *promise = pxp_promise_create();

	REQUIRE(pxp_future_cancel(promise));
	return promise;
}

/* Make a future that does not complete before the gate is opened. */
static struct pxp_future *blocked_in(struct pxp_executor *pool,
                                     enum pxp_executor_kind kind, const struct gate *gate)
{
	return kind == PXP_INLINE ? pxp_promise_create()
	                          : pool_submit(pool, task_wait, "held", gate);
}

static void release_all(struct pxp_future **futures, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pxp_future_release(futures[i]);
}

/* Ported from test_wait.py: test_20369 */
TEST(wait, a_future_that_is_listed_twice_is_reported_done_twice)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_future *future = pool_submit(pool, task_echo, "x", NULL);
		struct pxp_future *both[] = {future, future};
		bool done[2] = {false, false};

		EXPECT_EQ(pxp_wait(both, 2, PXP_ALL_COMPLETED, PXP_FOREVER, done),
		          PXP_OK);
		EXPECT(done[0] && done[1]);
		pxp_future_release(future);
		pxp_executor_destroy(pool);
	}
}

/* Ported from test_wait.py: test_first_completed. In CPython a cancelled future does not count as
 * done (gh-92001). */
TEST(wait, waiting_for_the_first_future_ends_when_a_future_completes_or_is_cancelled)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct gate gate = gate_create();
		struct pxp_future *futures[] = {
			pool_submit(pool, task_wait, "held", &gate),
			pool_submit(pool, task_echo, "quick", NULL), cancelled()};
		bool done[3] = {true, false, false};

		EXPECT_EQ(pxp_wait(futures, 2, PXP_FIRST_COMPLETED, PXP_FOREVER, done),
		          PXP_OK);
		EXPECT(!done[0] && done[1]);
		done[1] = false;
		EXPECT_EQ(pxp_wait(futures, 3, PXP_FIRST_COMPLETED, PXP_FOREVER, done),
		          PXP_OK);
		EXPECT(!done[0] && done[1] && done[2]);
		gate_open(&gate);
		pxp_executor_destroy(pool);
		release_all(futures, 3);
		gate_destroy(&gate);
	}
}

/* Ported from test_wait.py: test_first_completed_some_already_completed. A task of the inline
 * executor is done when its submission returns. So a promise stands for the future that is not
 * done. */
TEST(wait, waiting_for_the_first_future_ends_at_once_if_a_future_is_already_done)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct gate gate = gate_create();
		struct pxp_future *futures[] = {cancelled(),
		                                pool_submit(pool, task_echo, "42", NULL),
		                                blocked_in(pool, kind, &gate)};
		bool done[3];

		REQUIRE(pxp_future_wait(futures[1], PXP_FOREVER) == PXP_OK);
		EXPECT_EQ(pxp_wait(futures, 3, PXP_FIRST_COMPLETED, PXP_FOREVER, done),
		          PXP_OK);
		EXPECT(done[0] && done[1] && !done[2]);
		gate_open(&gate);
		pxp_executor_destroy(pool);
		release_all(futures, 3);
		gate_destroy(&gate);
	}
}

/* Ported from test_wait.py: test_first_exception */
TEST(wait, waiting_for_the_first_error_ends_when_a_task_fails_and_not_when_one_succeeds)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 3);
		struct gate gate = gate_create();
		struct pxp_future *futures[] = {
			pool_submit(pool, task_echo, "fine", NULL), NULL,
			pool_submit(pool, task_wait, "held", &gate)};
		bool done[3];

		REQUIRE(pxp_future_wait(futures[0], PXP_FOREVER) == PXP_OK);
		futures[1] = pool_submit(pool, task_fail, "no", NULL);
		EXPECT_EQ(pxp_wait(futures, 3, PXP_FIRST_ERROR, PXP_FOREVER, done),
		          PXP_OK);
		EXPECT(done[0] && done[1] && !done[2]);
		gate_open(&gate);
		pxp_executor_destroy(pool);
		release_all(futures, 3);
		gate_destroy(&gate);
	}
}

/* Ported from test_wait.py: test_first_exception_some_already_complete. In CPython the cancelled
 * future does not count as done. */
TEST(wait, waiting_for_the_first_error_ignores_cancelled_futures)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct gate held = gate_create();
		struct pxp_future *futures[] = {
			finished(), cancelled(), pool_submit(pool, task_fail, "no", NULL),
			pool_submit(pool, task_wait, "held", &held)};
		bool done[4];

		struct pxp_future *no_error[] = {futures[0], futures[1], futures[3]};

		EXPECT_EQ(pxp_wait(no_error, 3, PXP_FIRST_ERROR, 20, done), PXP_ETIMEOUT);
		EXPECT(done[0] && done[1] && !done[2]);
		EXPECT_EQ(pxp_wait(futures, 4, PXP_FIRST_ERROR, PXP_FOREVER, done),
		          PXP_OK);
		EXPECT(done[0] && done[1] && done[2] && !done[3]);
		gate_open(&held);
		pxp_executor_destroy(pool);
		release_all(futures, 4);
		gate_destroy(&held);
	}
}

/* Ported from test_wait.py: test_first_exception_one_already_failed */
TEST(wait, waiting_for_the_first_error_ends_at_once_if_a_future_has_already_failed)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct gate gate = gate_create();
		struct pxp_future *futures[] = {pool_submit(pool, task_fail, "no", NULL),
		                                blocked_in(pool, kind, &gate)};
		bool done[2];

		REQUIRE(pxp_future_wait(futures[0], PXP_FOREVER) == PXP_OK);
		EXPECT_EQ(pxp_wait(futures, 2, PXP_FIRST_ERROR, PXP_FOREVER, done),
		          PXP_OK);
		EXPECT(done[0] && !done[1]);
		gate_open(&gate);
		pxp_executor_destroy(pool);
		release_all(futures, 2);
		gate_destroy(&gate);
	}
}

/* Ported from test_wait.py: test_all_completed */
TEST(wait, waiting_for_all_futures_counts_successes_failures_and_cancels)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct pxp_future *futures[] = {
			cancelled(), failed(), finished(),
			pool_submit(pool, task_fail, "no", NULL),
			pool_submit(pool, task_echo, "fine", NULL)};
		bool done[5] = {false};

		EXPECT_EQ(pxp_wait(futures, 5, PXP_ALL_COMPLETED, PXP_FOREVER, done),
		          PXP_OK);
		for (int i = 0; i < 5; i++)
			EXPECT(done[i]);
		release_all(futures, 5);
		pxp_executor_destroy(pool);
	}
}

/* Ported from test_wait.py: test_timeout */
TEST(wait, a_wait_that_times_out_reports_which_futures_are_done)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct gate gate = gate_create();
		struct pxp_future *futures[] = {
			cancelled(), failed(), finished(),
			pool_submit(pool, task_wait, "held", &gate)};
		bool done[4];

		for (int64_t timeout_ms = 0; timeout_ms <= 50; timeout_ms += 50) {
			memset(done, 0, sizeof(done));
			EXPECT_EQ(
				pxp_wait(futures, 4, PXP_ALL_COMPLETED, timeout_ms, done),
				PXP_ETIMEOUT);
			EXPECT(done[0] && done[1] && done[2] && !done[3]);
		}
		/* The wait leaves nothing behind in the futures: their later completion notifies no
		 * waiter. */
		gate_open(&gate);
		EXPECT_EQ(pxp_wait(futures, 4, PXP_ALL_COMPLETED, PXP_FOREVER, NULL),
		          PXP_OK);
		release_all(futures, 4);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* Ported from test_wait.py: ThreadPoolWaitTests.test_pending_calls_race (issue 14406) */
TEST(wait, a_wait_counts_all_of_a_hundred_futures_that_complete_at_once)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind,
		                                        kind == PXP_THREADS ? 8 : 2);

		for (int round = 0; round < 5; round++) {
			struct gate gate = gate_create();
			struct pxp_future *futures[100];

			for (int i = 0; i < 100; i++)
				futures[i] = pool_submit(pool, task_wait, "x", &gate);
			gate_open(&gate);
			EXPECT_EQ(pxp_wait(futures, 100, PXP_ALL_COMPLETED, PXP_FOREVER,
			                   NULL),
			          PXP_OK);
			release_all(futures, 100);
			gate_destroy(&gate);
		}
		pxp_executor_destroy(pool);
	}
}

/* Ported from mpi4py, test_futures.py: test_submit_shutdown_cancel_wait */
TEST(wait, futures_cancelled_by_a_shutdown_count_as_done)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *futures[8];
		bool done[8];

		futures[0] = pool_submit(pool, task_wait, "held", &gate);
		REQUIRE(pool_await(pool, 1, 0));
		for (int i = 1; i < 8; i++)
			futures[i] = pool_submit(pool, task_echo, "x", NULL);
		pxp_executor_shutdown(pool, PXP_SHUTDOWN_CANCEL_PENDING);
		EXPECT_EQ(pxp_wait(futures, 8, PXP_ALL_COMPLETED, 0, done), PXP_ETIMEOUT);
		EXPECT(!done[0]);
		for (int i = 1; i < 8; i++)
			EXPECT(done[i]);
		gate_open(&gate);
		EXPECT_EQ(pxp_wait(futures, 8, PXP_ALL_COMPLETED, PXP_FOREVER, NULL),
		          PXP_OK);
		release_all(futures, 8);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

TEST(wait, waiting_for_no_futures_ends_at_once)
{
	EXPECT_EQ(pxp_wait(NULL, 0, PXP_FIRST_COMPLETED, PXP_FOREVER, NULL), PXP_OK);
	EXPECT_EQ(pxp_wait(NULL, 0, PXP_FIRST_ERROR, PXP_FOREVER, NULL), PXP_OK);
	EXPECT_EQ(pxp_wait(NULL, 0, PXP_ALL_COMPLETED, PXP_FOREVER, NULL), PXP_OK);
}

TEST(wait, an_unknown_wait_condition_is_refused)
{
	struct pxp_future *future = finished();

	EXPECT_EQ(pxp_wait(&future, 1, (enum pxp_wait_until)0, 0, NULL), PXP_EINVAL);
	EXPECT_EQ(pxp_wait(&future, 1, (enum pxp_wait_until)4, 0, NULL), PXP_EINVAL);
	pxp_future_release(future);
}

TEST(wait, waiting_for_the_first_error_waits_for_all_futures_if_none_fails)
{
	struct pxp_executor *threads = pool_create(PXP_THREADS, 2);
	struct pxp_executor *processes = pool_create(PXP_PROCESSES, 2);
	struct pxp_future *futures[] = {pool_submit(threads, task_echo, "a", NULL),
	                                pool_submit(processes, task_echo, "b", NULL),
	                                finished()};
	bool done[3];

	EXPECT_EQ(pxp_wait(futures, 3, PXP_FIRST_ERROR, PXP_FOREVER, done), PXP_OK);
	EXPECT(done[0] && done[1] && done[2]);
	release_all(futures, 3);
	pxp_executor_destroy(threads);
	pxp_executor_destroy(processes);
}

struct many {
	struct pxp_future *futures[64];
	pthread_barrier_t start;
	size_t n_completers;
};

struct completer {
	struct many *many;
	size_t which;
};

static void *complete_some(void *data)
{
	struct completer *completer = data;
	struct many *many = completer->many;

	pthread_barrier_wait(&many->start);
	for (size_t i = completer->which; i < 64; i += many->n_completers) {
		void *nothing = NULL;

		if (i % 5 == 0)
			pxp_future_cancel(many->futures[i]);
		else
			pxp_promise_finish(many->futures[i], &nothing, 0);
	}
	return NULL;
}

static void *wait_for_each(void *data)
{
	struct many *many = data;

	pthread_barrier_wait(&many->start);
	EXPECT_EQ(pxp_wait(many->futures, 64, PXP_FIRST_COMPLETED, PXP_FOREVER, NULL),
	          PXP_OK);
	/* This thread removes its hooks after a moment, while other waiters are being notified. */
	pxp_wait(many->futures, 64, PXP_FIRST_ERROR, 1, NULL);
	EXPECT_EQ(pxp_wait(many->futures, 64, PXP_ALL_COMPLETED, PXP_FOREVER, NULL),
	          PXP_OK);
	return NULL;
}

/* Each future has several hooks, which threads add and remove while other threads complete the
 * future. */
TEST(wait, many_threads_can_wait_for_futures_that_many_threads_complete)
{
	for (int round = 0; round < 30; round++) {
		struct many many = {.n_completers = 3};
		struct completer completers[3];
		pthread_t threads[6];

		REQUIRE(pthread_barrier_init(&many.start, NULL, 6) == 0);
		for (int i = 0; i < 64; i++)
			many.futures[i] = pxp_promise_create();
		for (size_t i = 0; i < 3; i++) {
			completers[i] = (struct completer){&many, i};
			REQUIRE(pthread_create(&threads[i], NULL, complete_some,
			                       &completers[i]) == 0);
			REQUIRE(pthread_create(&threads[3 + i], NULL, wait_for_each,
			                       &many) == 0);
		}
		for (int i = 0; i < 6; i++)
			pthread_join(threads[i], NULL);
		release_all(many.futures, 64);
		pthread_barrier_destroy(&many.start);
	}
}

/* This pointer is atomic, because a thread sanitizer does not see that the gate orders the
 * accesses. */
static struct pxp_future *_Atomic awaited;

static enum pxp_status task_waits(struct pxp_task *task)
{
	struct pxp_future *both[] = {awaited, awaited};
	enum pxp_status status = pxp_wait(both, 2, PXP_ALL_COMPLETED, PXP_FOREVER, NULL);

	return pxp_task_fail(task, (int)status, "%s", pxp_status_name(status));
}

static enum pxp_status task_polls(struct pxp_task *task)
{
	struct pxp_future *one = awaited;
	enum pxp_status status = pxp_wait(&one, 1, PXP_ALL_COMPLETED, 0, NULL);

	return pxp_task_fail(task, (int)status, "%s", pxp_status_name(status));
}

/* Run a task that waits, on the only thread of a pool, for a task behind it in the queue. */
static void expect_wait_status(enum pxp_status (*task)(struct pxp_task *task),
                               enum pxp_status status)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 1);
	struct gate gate = gate_create();
	struct pxp_future *first = pool_submit(pool, task_wait, "1", &gate), *waits;

	waits = pool_submit(pool, task, NULL, NULL);
	awaited = pool_submit(pool, task_echo, "2", NULL);
	gate_open(&gate);
	REQUIRE(pxp_future_wait(waits, PXP_FOREVER) == PXP_OK);
	EXPECT_EQ(pxp_future_outcome(waits)->error.code, status);
	EXPECT_EQ(end_of(first), PXP_OK);
	EXPECT_EQ(end_of(awaited), PXP_OK);
	pxp_future_release(waits);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* The only thread of the pool would wait for a task that only this thread can run. */
TEST(wait, a_task_cannot_wait_for_its_own_executor)
{
	expect_wait_status(task_waits, PXP_EDEADLK);
}

TEST(wait, a_task_can_poll_futures_of_its_own_executor)
{
	expect_wait_status(task_polls, PXP_ETIMEOUT);
}

static enum pxp_status task_waits_inline(struct pxp_task *task)
{
	struct pxp_executor *here = pool_create(PXP_INLINE, 1);
	struct pxp_future *inner = pool_submit(here, task_waits, NULL, NULL);
	int code = pxp_future_outcome(inner)->error.code;

	pxp_future_release(inner);
	pxp_executor_destroy(here);
	return pxp_task_fail(task, code, "as inside");
}

/* The thread of the pool runs a task of the pool, and inside this task a task of the inline
 * executor. */
TEST(wait, a_task_nested_in_a_task_of_another_executor_can_wait_for_neither_executor)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 1);
	struct gate gate = gate_create();
	struct pxp_future *first = pool_submit(pool, task_wait, "1", &gate), *waits;

	waits = pool_submit(pool, task_waits_inline, NULL, NULL);
	awaited = pool_submit(pool, task_echo, "2", NULL);
	gate_open(&gate);
	REQUIRE(pxp_future_wait(waits, PXP_FOREVER) == PXP_OK);
	EXPECT_EQ(pxp_future_outcome(waits)->error.code, PXP_EDEADLK);
	EXPECT_EQ(end_of(first), PXP_OK);
	EXPECT_EQ(end_of(awaited), PXP_OK);
	pxp_future_release(waits);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

static void wait_in_callback(struct pxp_future *future, void *data)
{
	struct pxp_future *other = data;

	(void)future;
	EXPECT_EQ(pxp_wait(&other, 1, PXP_FIRST_COMPLETED, PXP_FOREVER, NULL),
	          PXP_EDEADLK);
}

TEST(wait, a_callback_cannot_wait_for_a_future_of_its_executor)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create(), other_gate = gate_create();
		struct pxp_future *first = pool_submit(pool, task_wait, "1", &gate);
		struct pxp_future *second = pool_submit(pool, task_wait, "2",
		                                        &other_gate);

		pxp_future_on_done(first, wait_in_callback, second);
		gate_open(&gate);
		EXPECT_EQ(end_of(first), PXP_OK);
		gate_open(&other_gate);
		EXPECT_EQ(end_of(second), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
		gate_destroy(&other_gate);
	}
}
