/* Tests of the inline executor, which runs each task at once in the thread that submits it. */
#include "support/pool.h"
#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct pxp_executor *create(struct pxp_executor_options options)
{
	struct pxp_executor *here = NULL;

	options.size = sizeof(options);
	options.kind = PXP_INLINE;
	REQUIRE(pxp_executor_create(&options, &here, NULL) == PXP_OK);
	return here;
}

static _Thread_local int n_run_here;

static enum pxp_status task_counts(struct pxp_task *task)
{
	n_run_here++;
	return task_echo(task);
}

TEST(inline_executor, a_submission_returns_only_after_the_calling_thread_has_run_the_task)
{
	struct pxp_executor *here = pool_create(PXP_INLINE, 1);
	struct pxp_future *future = pool_submit(here, task_counts, "now", NULL);

	EXPECT_EQ(n_run_here, 1);
	EXPECT_EQ(pxp_future_state(future), PXP_FINISHED);
	EXPECT_STR(result_of(future), "now");
	pxp_future_release(future);
	pxp_executor_destroy(here);
}

static struct pxp_executor *nest;

static enum pxp_status task_nests(struct pxp_task *task)
{
	int depth = atoi(pxp_task_input(task, NULL));
	struct pxp_future *inner;
	char below[2] = {(char)('0' + depth - 1), 0}, text[16];

	if (depth == 0)
		return pxp_task_return(task, "0", 2);
	inner = pool_submit(nest, task_nests, below, NULL);
	strcpy(text, result_of(inner));
	text[strlen(text) + 1] = 0;
	text[strlen(text)] = (char)('0' + depth);
	pxp_future_release(inner);
	return pxp_task_return(task, text, strlen(text) + 1);
}

TEST(inline_executor, a_task_may_submit_to_its_own_executor)
{
	struct pxp_future *future;

	nest = pool_create(PXP_INLINE, 1);
	future = pool_submit(nest, task_nests, "5", NULL);
	EXPECT_STR(result_of(future), "012345");
	pxp_future_release(future);
	pxp_executor_destroy(nest);
}

static enum pxp_status task_shuts_down(struct pxp_task *task)
{
	enum pxp_status status = pxp_executor_shutdown(nest, PXP_SHUTDOWN_WAIT);

	return pxp_task_fail(task, (int)status, "%s", pxp_status_name(status));
}

TEST(inline_executor, a_task_cannot_wait_for_its_own_end)
{
	struct pxp_future *future;

	nest = pool_create(PXP_INLINE, 1);
	future = pool_submit(nest, task_shuts_down, NULL, NULL);
	EXPECT_EQ(pxp_future_outcome(future)->error.code, PXP_EDEADLK);
	EXPECT_EQ(pxp_executor_submit(nest, task_echo, NULL, 0, NULL, NULL),
	          PXP_ESHUTDOWN);
	pxp_future_release(future);
	pxp_executor_destroy(nest);
}

static int n_initialised;
static atomic_int n_finalised;

static enum pxp_status initialise(const void *bytes, size_t n, void **ret_context,
                                  struct pxp_error *ret_error)
{
	(void)n;
	n_initialised++;
	*ret_context = &n_initialised;
	if (bytes)
		return pxp_fail(ret_error, PXP_ETASK, "%s", (const char *)bytes);
	return PXP_OK;
}

static void finalise(void *context)
{
	EXPECT(context == &n_initialised);
	n_finalised++;
}

TEST(inline_executor, initialiser_runs_at_creation_and_finaliser_at_destruction)
{
	struct pxp_executor *here = create((struct pxp_executor_options){
		.initialise = initialise, .finalise = finalise});

	EXPECT_EQ(n_initialised, 1);
	for (int i = 0; i < 3; i++)
		pxp_future_release(pool_submit(here, task_echo, "x", NULL));
	EXPECT_EQ(n_initialised, 1);
	EXPECT_EQ(n_finalised, 0);
	pxp_executor_destroy(here);
	EXPECT_EQ(n_finalised, 1);
}

TEST(inline_executor, neither_tasks_nor_the_finaliser_run_after_a_failed_initialiser)
{
	struct pxp_executor *here = create(
		(struct pxp_executor_options){.initialise = initialise,
	                                      .finalise = finalise,
	                                      .init_bytes = "no fish",
	                                      .n_init_bytes = 8});
	struct pxp_future *future = pool_submit(here, task_counts, "x", NULL);

	EXPECT_STR(pxp_future_outcome(future)->error.text, "no fish");
	EXPECT_EQ(end_of(future), PXP_EBROKEN);
	EXPECT_EQ(pxp_executor_submit(here, task_counts, NULL, 0, NULL, NULL),
	          PXP_EBROKEN);
	EXPECT_EQ(n_run_here, 0);
	pxp_executor_destroy(here);
	EXPECT_EQ(n_finalised, 0);
}

struct held {
	struct pxp_executor *here;
	struct gate gate;
	struct pxp_future *future;
};

static void *submit_held(void *data)
{
	struct held *held = data;

	held->future = pool_submit(held->here, task_wait, "held", &held->gate);
	EXPECT(pxp_future_is_done(held->future));
	return NULL;
}

static void *destroy(void *data)
{
	pxp_executor_destroy(data);
	return NULL;
}

static void finalise_after_all(void *context)
{
	(void)context;
	n_finalised++;
}

/* Once submissions are refused, the destroyer thread is inside pxp_executor_destroy(). */
TEST(inline_executor, destroying_the_executor_waits_for_tasks_in_other_threads)
{
	struct held held = {.here = create((struct pxp_executor_options){
				    .finalise = finalise_after_all}),
	                    .gate = gate_create()};
	pthread_t submitter, destroyer;

	REQUIRE(pthread_create(&submitter, NULL, submit_held, &held) == 0);
	REQUIRE(pool_await(held.here, 1, 0));
	REQUIRE(pthread_create(&destroyer, NULL, destroy, held.here) == 0);
	while (pxp_executor_try_submit(held.here, task_echo, NULL, 0, NULL, NULL) ==
	       PXP_OK)
		sched_yield();
	EXPECT_EQ(n_finalised, 0);
	gate_open(&held.gate);
	pthread_join(submitter, NULL);
	pthread_join(destroyer, NULL);
	EXPECT_EQ(n_finalised, 1);
	EXPECT_STR(result_of(held.future), "held");
	pxp_future_release(held.future);
	gate_destroy(&held.gate);
}

static void *submit_many(void *data)
{
	for (int i = 0; i < 300; i++) {
		struct pxp_future *future = pool_submit(data, task_counts, "x", NULL);

		EXPECT_EQ(n_run_here, i + 1);
		EXPECT(pxp_future_is_done(future));
		pxp_future_release(future);
	}
	return NULL;
}

TEST(inline_executor, each_thread_runs_only_the_tasks_that_it_submits)
{
	struct pxp_executor *here = pool_create(PXP_INLINE, 1);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		REQUIRE(pthread_create(&threads[i], NULL, submit_many, here) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	pxp_executor_destroy(here);
}

/* The caller gets a task's future only when the task is done. So only a shutdown could cancel the
 * task, and a shutdown does not touch running tasks. */
TEST(inline_executor, a_shutdown_with_the_kill_flag_lets_a_running_task_finish)
{
	struct held held = {.here = pool_create(PXP_INLINE, 1), .gate = gate_create()};
	struct pxp_executor_stats stats;
	pthread_t submitter;

	REQUIRE(pthread_create(&submitter, NULL, submit_held, &held) == 0);
	REQUIRE(pool_await(held.here, 1, 0));
	EXPECT_EQ(pxp_executor_shutdown(held.here, PXP_SHUTDOWN_KILL), PXP_OK);
	pxp_executor_stats(held.here, &stats);
	EXPECT_EQ(stats.n_running, 1);
	EXPECT_EQ(stats.n_pending, 0);
	gate_open(&held.gate);
	pthread_join(submitter, NULL);
	EXPECT_EQ(end_of(held.future), PXP_OK);
	pxp_executor_destroy(held.here);
	gate_destroy(&held.gate);
}

TEST(inline_executor, options_for_processes_are_refused)
{
	struct pxp_executor_options options = {
		.size = sizeof(options), .kind = PXP_INLINE, .max_tasks_per_worker = 1};
	struct pxp_task_options retries = {.size = sizeof(retries), .retries = 1};
	struct pxp_task_options deadline = {.size = sizeof(deadline), .deadline_ms = 1};
	struct pxp_executor *here;

	EXPECT_EQ(pxp_executor_create(&options, &here, NULL), PXP_EINVAL);
	here = pool_create(PXP_INLINE, 1);
	EXPECT_EQ(pxp_executor_submit(here, task_echo, NULL, 0, &retries, NULL),
	          PXP_EINVAL);
	EXPECT_EQ(pxp_executor_submit(here, task_echo, NULL, 0, &deadline, NULL),
	          PXP_EINVAL);
	pxp_executor_destroy(here);
}

TEST(inline_executor,
     done_tasks_are_counted_by_the_event_descriptor_and_in_the_statistics)
{
	struct pxp_executor *here = pool_create(PXP_INLINE, 1);
	struct pxp_executor_stats stats;

	REQUIRE(pxp_executor_descriptor(here) >= 0);
	for (int i = 0; i < 3; i++)
		pxp_future_release(pool_submit(here, task_echo, "x", NULL));
	EXPECT_EQ(pxp_executor_acknowledge(here), 3);
	EXPECT_EQ(pxp_executor_acknowledge(here), 0);
	pxp_executor_stats(here, &stats);
	EXPECT_EQ(stats.n_done, 3);
	EXPECT_EQ(stats.n_running, 0);
	pxp_executor_destroy(here);
}
