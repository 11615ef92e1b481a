/* Tests of pxp_as_completed_*(): the order in which futures are returned, and who holds references
 * to them. */
#include "support/pool.h"
#include "support/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define EACH_POOL(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_PROCESSES; kind++)
#define EACH_KIND(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_INLINE; kind++)

static struct pxp_as_completed *open_over(struct pxp_future **futures, size_t n,
                                          int64_t timeout_ms)
{
	struct pxp_as_completed *iteration;

	REQUIRE(pxp_as_completed_open(futures, n, timeout_ms, &iteration) == PXP_OK);
	return iteration;
}

static size_t place_of(struct pxp_future *future, struct pxp_future **futures, size_t n)
{
	size_t i = 0;

	while (i < n && futures[i] != future)
		i++;
	return i;
}

/* Get the next completed future and return its index in `futures`. Returns n at the end of the
 * iteration. */
static size_t next_place(struct pxp_as_completed *iteration, struct pxp_future **futures,
                         size_t n)
{
	struct pxp_future *future;
	size_t place;

	EXPECT_EQ(pxp_as_completed_next(iteration, &future), PXP_OK);
	place = future ? place_of(future, futures, n) : n;
	EXPECT(!future || pxp_future_is_done(future));
	return place;
}

static void complete(struct pxp_future *promise)
{
	void *nothing = NULL;

	EXPECT_EQ(pxp_promise_finish(promise, &nothing, 0), PXP_OK);
}

static void fail(struct pxp_future *promise)
{
	struct pxp_error error;

	pxp_fail(&error, PXP_ETASK, "no");
	EXPECT_EQ(pxp_promise_fail(promise, &error), PXP_OK);
}

/* Make one cancelled, one failed and one finished future. */
static void three_done(struct pxp_future **ret_futures)
{
	for (int i = 0; i < 3; i++)
		ret_futures[i] = pxp_promise_create();
	EXPECT(pxp_future_cancel(ret_futures[0]));
	fail(ret_futures[1]);
	complete(ret_futures[2]);
}

static void release_all(struct pxp_future **futures, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pxp_future_release(futures[i]);
}

/* Ported from test_as_completed.py: test_no_timeout */
TEST(as_completed, each_future_is_returned_once_and_done_futures_come_first)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct pxp_as_completed *iteration;
		struct pxp_future *futures[5];
		bool seen[6] = {false};

		three_done(futures);
		futures[3] = pool_submit(pool, task_echo, "a", NULL);
		futures[4] = pool_submit(pool, task_fail, "b", NULL);
		iteration = open_over(futures, 5, PXP_FOREVER);
		for (size_t i = 0; i < 5; i++) {
			size_t place = next_place(iteration, futures, 5);

			EXPECT(!seen[place]);
			EXPECT(i >= 3 || place == i,
			       "futures that are done are returned in list order");
			seen[place] = true;
		}
		EXPECT_EQ(next_place(iteration, futures, 5), 5);
		EXPECT_EQ(next_place(iteration, futures, 5), 5);
		EXPECT(!seen[5]);
		pxp_as_completed_close(iteration);
		release_all(futures, 5);
		pxp_executor_destroy(pool);
	}
}

/* Ported from test_as_completed.py: test_future_times_out, test_correct_timeout_exception_msg */
TEST(as_completed, done_futures_are_still_returned_after_the_timeout)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *futures[5], *future;

		three_done(futures);
		futures[3] = pool_submit(pool, task_wait, "held", &gate);
		futures[4] = pool_submit(pool, task_echo, "behind it", NULL);
		for (int64_t timeout_ms = 0; timeout_ms <= 100; timeout_ms += 100) {
			struct pxp_as_completed *iteration = open_over(futures, 5,
			                                               timeout_ms);

			for (size_t i = 0; i < 3; i++)
				EXPECT_EQ(next_place(iteration, futures, 5), i);
			EXPECT_EQ(pxp_as_completed_next(iteration, &future),
			          PXP_ETIMEOUT);
			EXPECT(future == NULL);
			EXPECT_EQ(pxp_as_completed_left(iteration), 2);
			EXPECT_EQ(pxp_as_completed_next(iteration, &future),
			          PXP_ETIMEOUT);
			pxp_as_completed_close(iteration);
		}
		gate_open(&gate);
		pxp_executor_destroy(pool);
		release_all(futures, 5);
		gate_destroy(&gate);
	}
}

/* Ported from test_as_completed.py: test_duplicate_futures */
TEST(as_completed, a_future_that_is_listed_many_times_is_returned_once)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_future *future = pool_submit(pool, task_echo, "x", NULL);
		struct pxp_future *done = pxp_promise_create();
		struct pxp_future *futures[] = {future, done, future, future, done};
		struct pxp_as_completed *iteration;
		size_t n = 0;

		complete(done);
		iteration = open_over(futures, 5, PXP_FOREVER);
		EXPECT_EQ(pxp_as_completed_left(iteration), 2);
		while (next_place(iteration, futures, 5) < 5)
			n++;
		EXPECT_EQ(n, 2);
		pxp_as_completed_close(iteration);
		pxp_future_release(future);
		pxp_future_release(done);
		pxp_executor_destroy(pool);
	}
}

static enum pxp_status task_returns_standard_error(struct pxp_task *task)
{
	return pxp_task_return_descriptor(task, 2);
}

/* Ported from test_as_completed.py: test_free_reference_yielded_future. A future holds the
 * descriptor that its task returned, and closes it with the last reference. */
TEST(as_completed, an_iteration_releases_a_returned_future_at_the_next_call)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_future *futures[4], *future;
		struct pxp_as_completed *iteration;
		int n_before;

		for (int i = 0; i < 3; i++)
			futures[i] = pool_submit(pool, task_returns_standard_error, NULL,
			                         NULL);
		futures[3] = pxp_promise_create();
		EXPECT_EQ(pxp_wait(futures, 3, PXP_ALL_COMPLETED, PXP_FOREVER, NULL),
		          PXP_OK);
		/* After the pool is destroyed, the threads that completed the futures hold no
		 * references to them. */
		pxp_executor_destroy(pool);
		iteration = open_over(futures, 4, 1);
		release_all(futures, 4);
		n_before = count_descriptors();
		for (int i = 0; i < 3; i++) {
			EXPECT_EQ(pxp_as_completed_next(iteration, &future), PXP_OK);
			EXPECT(pxp_future_is_done(future));
			EXPECT_EQ(count_descriptors(), n_before - i);
		}
		EXPECT_EQ(pxp_as_completed_next(iteration, &future), PXP_ETIMEOUT);
		EXPECT_EQ(count_descriptors(), n_before - 3);
		pxp_as_completed_close(iteration);
	}
}

TEST(as_completed, futures_are_returned_in_order_of_completion)
{
	enum { N = 50 };
	struct pxp_future *futures[N];
	struct pxp_as_completed *iteration;

	for (int i = 0; i < N; i++)
		futures[i] = pxp_promise_create();
	complete(futures[30]);
	complete(futures[3]);
	iteration = open_over(futures, N, PXP_FOREVER);
	for (size_t i = 0; i < N; i++) {
		size_t place = i * 7 % N;

		if (place == 3 || place == 30)
			continue;
		if (place % 3 == 0)
			pxp_future_cancel(futures[place]);
		else
			complete(futures[place]);
	}
	EXPECT_EQ(next_place(iteration, futures, N), 3);
	EXPECT_EQ(next_place(iteration, futures, N), 30);
	for (size_t i = 0; i < N; i++) {
		size_t place = i * 7 % N;

		if (place != 3 && place != 30)
			EXPECT_EQ(next_place(iteration, futures, N), place);
	}
	pxp_as_completed_close(iteration);
	release_all(futures, N);
}

TEST(as_completed, a_first_future_that_completes_last_is_returned_last)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 3);
		struct gate gates[3] = {gate_create(), gate_create(), gate_create()};
		struct pxp_future *futures[3];
		struct pxp_as_completed *iteration;
		const int order[] = {1, 2, 0};

		for (int i = 0; i < 3; i++)
			futures[i] = pool_submit(pool, task_wait, "x", &gates[i]);
		iteration = open_over(futures, 3, PXP_FOREVER);
		for (int i = 0; i < 3; i++) {
			gate_open(&gates[order[i]]);
			EXPECT_EQ(next_place(iteration, futures, 3), order[i]);
		}
		pxp_as_completed_close(iteration);
		release_all(futures, 3);
		pxp_executor_destroy(pool);
		for (int i = 0; i < 3; i++)
			gate_destroy(&gates[i]);
	}
}

/* In CPython, an iteration over futures that a shutdown has cancelled never ends (gh-92001,
 * gh-109934). */
TEST(as_completed, futures_cancelled_by_a_shutdown_are_returned)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *futures[6], *future;
		struct pxp_as_completed *iteration;

		futures[0] = pool_submit(pool, task_wait, "held", &gate);
		REQUIRE(pool_await(pool, 1, 0));
		for (int i = 1; i < 6; i++)
			futures[i] = pool_submit(pool, task_echo, "x", NULL);
		iteration = open_over(futures, 6, PXP_FOREVER);
		pxp_executor_shutdown(pool, PXP_SHUTDOWN_CANCEL_PENDING);
		for (int i = 1; i < 6; i++) {
			EXPECT_EQ(pxp_as_completed_next(iteration, &future), PXP_OK);
			EXPECT_EQ(pxp_future_state(future), PXP_CANCELLED);
		}
		gate_open(&gate);
		EXPECT_EQ(next_place(iteration, futures, 6), 0);
		pxp_as_completed_close(iteration);
		release_all(futures, 6);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

TEST(as_completed, tasks_continue_after_an_iteration_is_closed_early)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *futures[3];
		struct pxp_as_completed *iteration;

		futures[0] = pool_submit(pool, task_echo, "a", NULL);
		futures[1] = pool_submit(pool, task_wait, "b", &gate);
		futures[2] = pool_submit(pool, task_echo, "c", NULL);
		iteration = open_over(futures, 3, PXP_FOREVER);
		EXPECT_EQ(next_place(iteration, futures, 3), 0);
		pxp_as_completed_close(iteration);
		gate_open(&gate);
		for (int i = 0; i < 3; i++)
			EXPECT_EQ(end_of(futures[i]), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
	pxp_as_completed_close(NULL);
}

TEST(as_completed, an_iteration_over_no_futures_ends_at_once)
{
	struct pxp_as_completed *iteration = open_over(NULL, 0, PXP_FOREVER);

	EXPECT_EQ(pxp_as_completed_left(iteration), 0);
	EXPECT_EQ(next_place(iteration, NULL, 0), 0);
	pxp_as_completed_close(iteration);
}

struct completer {
	struct pxp_future **futures;
	size_t from, n, step;
};

static void *complete_every(void *data)
{
	const struct completer *completer = data;

	for (size_t i = completer->from; i < completer->n; i += completer->step)
		complete(completer->futures[i]);
	return NULL;
}

TEST(as_completed, each_future_is_returned_once_while_several_threads_complete_futures)
{
	enum { N = 3000, N_THREADS = 3 };
	struct pxp_future **futures = calloc(N, sizeof(struct pxp_future *)), *future;
	struct completer completers[N_THREADS];
	pthread_t threads[N_THREADS];
	struct pxp_as_completed *iteration;
	size_t n = 0;

	for (size_t i = 0; i < N; i++)
		futures[i] = pxp_promise_create();
	for (size_t i = 0; i < N_THREADS; i++) {
		completers[i] = (struct completer){futures, i, N, N_THREADS};
		REQUIRE(pthread_create(&threads[i], NULL, complete_every,
		                       &completers[i]) == 0);
	}
	iteration = open_over(futures, N, PXP_FOREVER);
	while (pxp_as_completed_next(iteration, &future) == PXP_OK && future)
		n++;
	EXPECT_EQ(n, N);
	EXPECT_EQ(pxp_as_completed_left(iteration), 0);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	pxp_as_completed_close(iteration);
	release_all(futures, N);
	free(futures);
}

static struct pxp_future *awaited[3];
/* This pointer is atomic, because a thread sanitizer does not see that the gate orders the
 * accesses. */
static struct pxp_as_completed *_Atomic shared_iteration;

/* A task that iterates to the end. It always fails: the code of its error is the last status of the
 * iteration, which is PXP_OK if all futures were returned. The text is the number of futures. */
static enum pxp_status task_iterates(struct pxp_task *task)
{
	enum pxp_status status = PXP_OK;
	struct pxp_future *future;
	int n_given = -1;

	do {
		status = pxp_as_completed_next(shared_iteration, &future);
		n_given++;
	} while (status == PXP_OK && future);
	return pxp_task_fail(task, (int)status, "after %d", n_given);
}

/* The task still gets the futures that are done. Only waiting for a future is refused. Afterwards
 * another thread can continue the iteration. */
TEST(as_completed, a_task_cannot_wait_for_futures_of_its_own_executor)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 1);
	struct gate gate = gate_create();
	struct pxp_future *first = pool_submit(pool, task_wait, "1", &gate), *iterates;

	iterates = pool_submit(pool, task_iterates, NULL, NULL);
	awaited[0] = pxp_promise_create();
	awaited[1] = pool_submit(pool, task_echo, "2", NULL);
	complete(awaited[0]);
	shared_iteration = open_over(awaited, 2, PXP_FOREVER);
	gate_open(&gate);
	REQUIRE(pxp_future_wait(iterates, PXP_FOREVER) == PXP_OK);
	EXPECT_EQ(pxp_future_outcome(iterates)->error.code, PXP_EDEADLK);
	EXPECT_STR(pxp_future_outcome(iterates)->error.text, "after 1");
	EXPECT_EQ(pxp_as_completed_left(shared_iteration), 1);
	EXPECT_EQ(next_place(shared_iteration, awaited, 2), 1);
	pxp_as_completed_close(shared_iteration);
	release_all(awaited, 2);
	pxp_future_release(first);
	pxp_future_release(iterates);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

TEST(as_completed, a_task_can_wait_for_futures_of_another_executor)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 1);
	struct pxp_executor *other = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *iterates;

	for (int i = 0; i < 3; i++)
		awaited[i] = pool_submit(other, task_echo, "x", NULL);
	shared_iteration = open_over(awaited, 3, PXP_FOREVER);
	iterates = pool_submit(pool, task_iterates, NULL, NULL);
	REQUIRE(pxp_future_wait(iterates, PXP_FOREVER) == PXP_OK);
	EXPECT_EQ(pxp_future_outcome(iterates)->error.code, PXP_OK);
	EXPECT_STR(pxp_future_outcome(iterates)->error.text, "after 3");
	pxp_as_completed_close(shared_iteration);
	release_all(awaited, 3);
	pxp_future_release(iterates);
	pxp_executor_destroy(pool);
	pxp_executor_destroy(other);
}
