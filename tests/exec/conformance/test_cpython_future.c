/* Tests ported from CPython's test_future.py: futures without an executor. */
#include "kit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* What a callback has observed. */
struct sight {
	int n_calls;
	enum pxp_status status;
	char text[16];
};

static void look(struct pxp_future *future, void *data)
{
	struct sight *sight = data;

	sight->n_calls++;
	sight->status = pxp_future_outcome(future)->error.status;
	snprintf(sight->text, sizeof(sight->text), "%.15s",
	         sight->status == PXP_OK ? result_of(future)
	                                 : pxp_future_outcome(future)->error.text);
}

static void finish_with(struct pxp_future *promise, const char *text)
{
	void *bytes = strdup(text);

	EXPECT_EQ(pxp_promise_finish(promise, &bytes, strlen(text) + 1), PXP_OK);
	EXPECT(bytes == NULL);
}

static enum pxp_status fail_with(struct pxp_future *promise, const char *text)
{
	struct pxp_error error;

	pxp_fail(&error, PXP_ETASK, "%s", text);
	return pxp_promise_fail(promise, &error);
}

/* Ported from test_done_callback_with_result */
TEST(cpython_future, a_callback_sees_the_result)
{
	struct pxp_future *promise = pxp_promise_create();
	struct sight sight = {0};

	pxp_future_on_done(promise, look, &sight);
	EXPECT_EQ(sight.n_calls, 0);
	finish_with(promise, "5");
	EXPECT_EQ(sight.n_calls, 1);
	EXPECT_STR(sight.text, "5");
	pxp_future_release(promise);
}

/* Ported from test_done_callback_with_exception */
TEST(cpython_future, a_callback_sees_the_error)
{
	struct pxp_future *promise = pxp_promise_create();
	struct sight sight = {0};

	pxp_future_on_done(promise, look, &sight);
	EXPECT_EQ(fail_with(promise, "test"), PXP_OK);
	EXPECT_EQ(sight.status, PXP_ETASK);
	EXPECT_STR(sight.text, "test");
	pxp_future_release(promise);
}

/* Ported from test_done_callback_with_cancel */
TEST(cpython_future, a_callback_sees_the_cancel)
{
	struct pxp_future *promise = pxp_promise_create();
	struct sight sight = {0};

	pxp_future_on_done(promise, look, &sight);
	EXPECT(pxp_future_cancel(promise));
	EXPECT_EQ(sight.status, PXP_ECANCELLED);
	pxp_future_release(promise);
}

/* Ported from test_done_callback_raises, test_done_callback_raises_already_succeeded. Callbacks in
 * C cannot raise an error, so this test checks only that no callback prevents another one from
 * running. */
TEST(cpython_future, callbacks_run_whether_they_are_added_before_or_after_completion)
{
	struct pxp_future *promise = pxp_promise_create();
	struct sight sights[4] = {0};

	for (int i = 0; i < 3; i++)
		EXPECT_EQ(pxp_future_on_done(promise, look, &sights[i]), PXP_OK);
	fail_with(promise, "test");
	EXPECT_EQ(pxp_future_on_done(promise, look, &sights[3]), PXP_OK);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(sights[i].n_calls, 1);
		EXPECT_STR(sights[i].text, "test");
	}
	pxp_future_release(promise);
}

static struct sight seen_late(enum fixture fixture)
{
	struct pxp_future *future = fixture_create(fixture);
	struct sight sight = {0};

	EXPECT_EQ(pxp_future_on_done(future, look, &sight), PXP_OK);
	EXPECT_EQ(sight.n_calls, 1);
	pxp_future_release(future);
	return sight;
}

/* Ported from test_done_callback_already_successful, test_done_callback_already_failed,
 * test_done_callback_already_cancelled */
TEST(cpython_future, a_late_callback_runs_at_once_and_sees_the_same_outcome)
{
	struct sight sight = seen_late(FIXTURE_SUCCESSFUL);

	EXPECT_STR(sight.text, "42");
	sight = seen_late(FIXTURE_FAILED);
	EXPECT_EQ(sight.status, PXP_ETASK);
	EXPECT_STR(sight.text, "no");
	EXPECT_EQ(seen_late(FIXTURE_CANCELLED).status, PXP_ECANCELLED);
}

/* Ported from test_repr. Here a program prints a completed future with pxp_status_name(). */
TEST(cpython_future, the_status_of_each_done_future_has_a_name)
{
	static const char *const names[N_FIXTURES] = {
		NULL, NULL, "cancelled", "cancelled", "task failed", "ok"};
	struct pxp_future *futures[N_FIXTURES];

	fixtures_create(futures);
	for (int i = 0; i < N_FIXTURES; i++) {
		const struct pxp_outcome *outcome = pxp_future_outcome(futures[i]);

		EXPECT_EQ(outcome == NULL, names[i] == NULL);
		if (outcome && names[i])
			EXPECT_STR(pxp_status_name(outcome->error.status), names[i]);
	}
	futures_release(futures, N_FIXTURES);
}

/* Ported from test_cancel */
TEST(cpython_future, cancel_succeeds_on_pending_and_on_cancelled_futures)
{
	static const bool is_cancelled[N_FIXTURES] = {true, false, true,
	                                              true, false, false};
	static const enum pxp_future_state after[N_FIXTURES] = {
		PXP_CANCELLED, PXP_RUNNING, PXP_CANCELLED,
		PXP_CANCELLED, PXP_FAILED,  PXP_FINISHED};
	struct pxp_future *futures[N_FIXTURES];

	fixtures_create(futures);
	for (int i = 0; i < N_FIXTURES; i++) {
		EXPECT_EQ(pxp_future_cancel(futures[i]), is_cancelled[i]);
		EXPECT_EQ(pxp_future_state(futures[i]), after[i]);
	}
	futures_release(futures, N_FIXTURES);
}

/* Ported from test_cancelled, test_running, test_done */
TEST(cpython_future, a_future_is_in_exactly_one_state)
{
	static const enum pxp_future_state states[N_FIXTURES] = {
		PXP_PENDING,   PXP_RUNNING, PXP_CANCELLED,
		PXP_CANCELLED, PXP_FAILED,  PXP_FINISHED};
	struct pxp_future *futures[N_FIXTURES];

	fixtures_create(futures);
	for (int i = 0; i < N_FIXTURES; i++) {
		EXPECT_EQ(pxp_future_state(futures[i]), states[i]);
		EXPECT_EQ(pxp_future_is_done(futures[i]), i >= FIXTURE_CANCELLED);
	}
	futures_release(futures, N_FIXTURES);
}

/* Ported from test_result_with_timeout, test_exception_with_timeout */
TEST(cpython_future,
     polling_a_future_without_a_result_returns_the_reason_why_it_has_no_result)
{
	static const enum pxp_status statuses[N_FIXTURES] = {
		PXP_ETIMEOUT,   PXP_ETIMEOUT, PXP_ECANCELLED,
		PXP_ECANCELLED, PXP_ETASK,    PXP_OK};
	struct pxp_future *futures[N_FIXTURES];

	fixtures_create(futures);
	for (int i = 0; i < N_FIXTURES; i++) {
		struct pxp_error error = {.code = -1};
		void *bytes;

		EXPECT_EQ(pxp_future_result(futures[i], 0, &bytes, NULL, &error),
		          statuses[i]);
		if (i == FIXTURE_SUCCESSFUL)
			EXPECT_STR(bytes, "42");
		else
			EXPECT_EQ(error.status, statuses[i]);
		if (i == FIXTURE_FAILED)
			EXPECT_EQ(error.code, 5);
		free(bytes);
	}
	futures_release(futures, N_FIXTURES);
}

struct waiter {
	struct pxp_future *promise;
	enum pxp_status status;
	char text[16];
};

static void *wait_for_result(void *data)
{
	struct waiter *waiter = data;
	void *bytes = NULL;

	waiter->status = pxp_future_result(waiter->promise, 60000, &bytes, NULL, NULL);
	if (bytes)
		snprintf(waiter->text, sizeof(waiter->text), "%s", (char *)bytes);
	free(bytes);
	return NULL;
}

static void *wait_for_error(void *data)
{
	struct waiter *waiter = data;

	waiter->status = pxp_future_wait(waiter->promise, 60000);
	if (waiter->status == PXP_OK)
		snprintf(waiter->text, sizeof(waiter->text), "%.15s",
		         pxp_future_outcome(waiter->promise)->error.text);
	return NULL;
}

/* A thread waits for a promise, and end_it() completes the promise at some point during that wait.
 */
static struct waiter waited(void *(*wait)(void *), void (*end_it)(struct pxp_future *))
{
	struct waiter waiter = {.promise = pxp_promise_create()};
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, wait, &waiter) == 0);
	end_it(waiter.promise);
	pthread_join(thread, NULL);
	pxp_future_release(waiter.promise);
	return waiter;
}

static void end_well(struct pxp_future *promise)
{
	finish_with(promise, "42");
}

static void end_badly(struct pxp_future *promise)
{
	fail_with(promise, "no");
}

static void end_by_cancel(struct pxp_future *promise)
{
	EXPECT(pxp_future_cancel(promise));
}

/* Ported from test_result_with_success, test_result_with_cancel, test_exception_with_success */
TEST(cpython_future, waiting_threads_wake_after_a_result_an_error_or_a_cancel)
{
	for (int round = 0; round < 50; round++) {
		struct waiter waiter = waited(wait_for_result, end_well);

		EXPECT_EQ(waiter.status, PXP_OK);
		EXPECT_STR(waiter.text, "42");
		EXPECT_EQ(waited(wait_for_result, end_by_cancel).status, PXP_ECANCELLED);
		waiter = waited(wait_for_error, end_badly);
		EXPECT_EQ(waiter.status, PXP_OK);
		EXPECT_STR(waiter.text, "no");
	}
}

/* Ported from test_multiple_set_result */
TEST(cpython_future, a_second_result_is_refused_and_the_first_is_kept)
{
	struct pxp_future *promise = pxp_promise_create();
	void *two = strdup("2");

	finish_with(promise, "1");
	EXPECT_EQ(pxp_promise_finish(promise, &two, 2), PXP_ESTATE);
	EXPECT_EQ(fail_with(promise, "late"), PXP_ESTATE);
	EXPECT_STR(result_of(promise), "1");
	free(two);
	pxp_future_release(promise);
}

/* Ported from test_multiple_set_exception */
TEST(cpython_future, a_second_error_is_refused_and_the_first_is_kept)
{
	struct pxp_future *promise = pxp_promise_create();

	EXPECT_EQ(fail_with(promise, "first"), PXP_OK);
	EXPECT_EQ(fail_with(promise, "second"), PXP_ESTATE);
	EXPECT_STR(pxp_future_outcome(promise)->error.text, "first");
	pxp_future_release(promise);
}

static void *read_it_often(void *data)
{
	struct pxp_future *future = data;
	intptr_t n_wrong = 0;

	for (int i = 0; i < 1000; i++) {
		const struct pxp_outcome *outcome = pxp_future_outcome(future);

		n_wrong += !outcome || outcome->error.status != PXP_ETASK ||
		           outcome->error.code != 5 ||
		           strcmp(outcome->error.text, "no") != 0 ||
		           pxp_future_state(future) != PXP_FAILED;
	}
	return (void *)n_wrong;
}

/* Ported from test_get_snapshot: the outcome of a future appears as a whole, and does not change
 * after that. */
TEST(cpython_future, many_threads_see_the_same_outcome)
{
	struct pxp_future *future = fixture_create(FIXTURE_FAILED);
	pthread_t threads[4];
	void *n_wrong;

	for (int i = 0; i < 4; i++)
		REQUIRE(pthread_create(&threads[i], NULL, read_it_often, future) == 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &n_wrong);
		EXPECT_EQ((intptr_t)n_wrong, 0);
	}
	pxp_future_release(future);
}
