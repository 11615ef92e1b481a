/* Tests of futures without an executor: which completion wins, and what waiters and callbacks see.
 */
#include "support/test.h"

#include "base/fd.h"
#include "exec/future/completion.h"

#include <pixpool/pixpool.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void count_call(struct pxp_future *future, void *data)
{
	(void)future;
	++*(int *)data;
}

TEST(future, a_second_completion_is_refused_and_leaves_the_value_with_the_caller)
{
	struct pxp_future *promise = pxp_promise_create();
	void *red = strdup("red"), *blue = strdup("blue"), *got;

	EXPECT_EQ(pxp_promise_finish(promise, &red, 4), PXP_OK);
	EXPECT(red == NULL, "a completed future takes the value");
	EXPECT_EQ(pxp_promise_finish(promise, &blue, 5), PXP_ESTATE);
	EXPECT_STR(blue, "blue");

	EXPECT_EQ(pxp_future_result(promise, 0, &got, NULL, NULL), PXP_OK);
	EXPECT_STR(got, "red");
	free(got);
	free(blue);
	pxp_future_release(promise);
}

TEST(future, a_result_can_be_taken_only_once)
{
	struct pxp_future *promise = pxp_promise_create();
	void *red = strdup("red"), *got;
	struct pxp_error error;

	pxp_promise_finish(promise, &red, 4);
	EXPECT_EQ(pxp_future_result(promise, 0, &got, NULL, NULL), PXP_OK);
	free(got);
	EXPECT_EQ(pxp_future_result(promise, 0, &got, NULL, &error), PXP_ESTATE);
	EXPECT(got == NULL);
	EXPECT_STR(error.text, "the result was already taken");
	pxp_future_release(promise);
}

TEST(future, a_result_that_nobody_took_is_freed_with_the_future)
{
	struct pxp_future *promise = pxp_promise_create();
	void *red = strdup("red");

	pxp_promise_finish(promise, &red, 4);
	/* A sanitizer build reports a leak if the release does not free the result. */
	pxp_future_release(promise);
	EXPECT(red == NULL);
}

TEST(future, a_pending_future_can_be_cancelled_and_a_running_one_cannot)
{
	struct pxp_future *pending = pxp_promise_create(),
			  *running = pxp_promise_create();
	int n_calls = 0;

	pxp_future_on_done(pending, count_call, &n_calls);
	EXPECT(pxp_future_cancel(pending));
	EXPECT_EQ(n_calls, 1);
	EXPECT(pxp_future_cancel(pending),
	       "a second cancel of a cancelled future returns true");
	EXPECT_EQ(n_calls, 1);
	EXPECT(!pxp_promise_start(pending));

	EXPECT(pxp_promise_start(running));
	EXPECT_EQ(pxp_future_state(running), PXP_RUNNING);
	EXPECT(!pxp_future_cancel(running));
	EXPECT(!pxp_future_is_done(running));
	pxp_future_release(pending);
	pxp_future_release(running);
}

TEST(future, a_failure_carries_its_error_and_differs_from_a_cancel)
{
	struct pxp_future *failed = pxp_promise_create(),
			  *cancelled = pxp_promise_create();
	struct pxp_error error, got;
	void *bytes;

	pxp_fail(&error, PXP_ETASK, "no such picture");
	EXPECT_EQ(pxp_promise_fail(failed, &error), PXP_OK);
	EXPECT_EQ(pxp_future_state(failed), PXP_FAILED);
	EXPECT_EQ(pxp_future_result(failed, 0, &bytes, NULL, &got), PXP_ETASK);
	EXPECT_STR(got.text, "no such picture");

	pxp_fail(&error, PXP_ECANCELLED, "changed my mind");
	EXPECT_EQ(pxp_promise_fail(cancelled, &error), PXP_OK);
	EXPECT_EQ(pxp_future_state(cancelled), PXP_CANCELLED);
	EXPECT_EQ(pxp_future_result(cancelled, 0, &bytes, NULL, NULL), PXP_ECANCELLED);

	error.status = PXP_OK;
	EXPECT_EQ(pxp_promise_fail(failed, &error), PXP_EINVAL);
	pxp_future_release(failed);
	pxp_future_release(cancelled);
}

static void note_order(struct pxp_future *future, void *data)
{
	char *order = data;

	(void)future;
	strcat(order, order[0] ? (order[1] ? "c" : "b") : "a");
}

TEST(future, callbacks_run_in_the_order_they_were_added_and_at_once_if_the_future_is_done)
{
	struct pxp_future *promise = pxp_promise_create();
	void *nothing = NULL;
	char order[4] = "";

	pxp_future_on_done(promise, note_order, order);
	pxp_future_on_done(promise, note_order, order);
	EXPECT_STR(order, "");
	pxp_promise_finish(promise, &nothing, 0);
	EXPECT_STR(order, "ab");
	pxp_future_on_done(promise, note_order, order);
	EXPECT_STR(order, "abc");
	pxp_future_release(promise);
}

static void release_it(struct pxp_future *future, void *data)
{
	(void)data;
	pxp_future_release(future);
}

TEST(future, a_callback_may_release_the_last_reference)
{
	struct pxp_future *promise = pxp_promise_create();
	void *red = strdup("red");

	pxp_future_on_done(promise, release_it, NULL);
	EXPECT_EQ(pxp_promise_finish(promise, &red, 4), PXP_OK);
}

TEST(future, a_callback_may_release_the_last_reference_during_a_cancel)
{
	struct pxp_future *promise = pxp_promise_create();

	pxp_future_on_done(promise, release_it, NULL);
	EXPECT(pxp_future_cancel(promise));
}

TEST(future, a_future_stays_pending_after_a_wait_has_timed_out)
{
	struct pxp_future *promise = pxp_promise_create();

	EXPECT_EQ(pxp_future_wait(promise, 0), PXP_ETIMEOUT);
	EXPECT_EQ(pxp_future_wait(promise, 1), PXP_ETIMEOUT);
	EXPECT(pxp_future_outcome(promise) == NULL);
	EXPECT_EQ(pxp_future_state(promise), PXP_PENDING);
	pxp_future_release(promise);
}

static void *wait_for_it(void *data)
{
	return (void *)(intptr_t)pxp_future_wait(data, PXP_FOREVER);
}

TEST(future, a_cancel_wakes_every_waiter)
{
	struct pxp_future *promise = pxp_promise_create();
	pthread_t waiters[4];
	void *status;

	for (int i = 0; i < 4; i++)
		REQUIRE(pthread_create(&waiters[i], NULL, wait_for_it, promise) == 0);
	EXPECT(pxp_future_cancel(promise));
	for (int i = 0; i < 4; i++) {
		pthread_join(waiters[i], &status);
		EXPECT_EQ((intptr_t)status, PXP_OK);
	}
	pxp_future_release(promise);
}

struct race {
	struct pxp_future *promise;
	int n_won;
};

static void *race_to_finish(void *data)
{
	struct race *race = data;
	void *value = strdup("mine");

	if (pxp_promise_finish(race->promise, &value, 5) == PXP_OK)
		__atomic_add_fetch(&race->n_won, 1, __ATOMIC_RELAXED);
	free(value);
	return NULL;
}

TEST(future, exactly_one_of_many_concurrent_completions_succeeds)
{
	for (int round = 0; round < 200; round++) {
		struct race race = {.promise = pxp_promise_create()};
		pthread_t threads[4];

		for (int i = 0; i < 4; i++)
			REQUIRE(pthread_create(&threads[i], NULL, race_to_finish,
			                       &race) == 0);
		if (pxp_future_cancel(race.promise))
			__atomic_add_fetch(&race.n_won, 1, __ATOMIC_RELAXED);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		EXPECT_EQ(race.n_won, 1);
		pxp_future_release(race.promise);
	}
}

/* A worker can shorten the memfd of its result after the pool has checked the length. */
TEST(completion, a_result_that_is_shortened_while_it_is_read_breaks_the_protocol)
{
	for (size_t n = 0; n < 5; n++) {
		struct completion completion = completion_of(PXP_FINISHED);

		completion.n_result = 5;
		completion.long_result = fd_of_bytes("result", 0, "brief", n);
		REQUIRE(completion.long_result >= 0);
		completion_load(&completion);
		EXPECT_EQ(completion.state, PXP_FAILED);
		EXPECT_EQ(completion.outcome.error.status, PXP_EPROTO);
		EXPECT_STR(completion.outcome.error.text,
		           "the result became shorter while it was read");
		EXPECT(completion.result == NULL);
		EXPECT_EQ(completion.long_result, -1);
	}
}
