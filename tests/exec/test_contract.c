/* Tests of what every executor promises. The same tests run over each kind of executor. */
#include "support/pool.h"
#include "support/test.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EACH_KIND(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_INLINE; kind++)
/* All kinds of executors except PXP_INLINE, whose tasks never wait to start. */
#define EACH_POOL(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_PROCESSES; kind++)

TEST(contract, a_task_that_returns_its_input_gives_back_the_same_bytes)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct pxp_future *future = pool_submit(pool, task_echo, "hello", NULL);

		EXPECT_STR(result_of(future), "hello");
		EXPECT_EQ(pxp_future_outcome(future)->attempts, 1);
		EXPECT_EQ(end_of(future), PXP_OK);
		pxp_executor_destroy(pool);
	}
}

static enum pxp_status task_expects_null(struct pxp_task *task)
{
	size_t n = 1;

	return pxp_task_input(task, &n) == NULL && n == 0 ? PXP_OK : PXP_ETASK;
}

TEST(contract, a_task_gets_a_null_pointer_for_an_empty_input)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);

		EXPECT_EQ(end_of(pool_submit(pool, task_expects_null, NULL, NULL)),
		          PXP_OK);
		pxp_executor_destroy(pool);
	}
}

/* Ported from test_process_pool.py: test_traceback; test_interpreter_pool.py:
 * test_submit_exception_in_func. C has no stack traces, but the text of the task's error
 * arrives. */
TEST(contract, a_failure_carries_the_code_and_text_of_the_task)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct pxp_future *future = pool_submit(pool, task_fail, "too green",
		                                        NULL);

		REQUIRE(pxp_future_wait(future, PXP_FOREVER) == PXP_OK);
		EXPECT_EQ(pxp_future_outcome(future)->error.code, 7);
		EXPECT_STR(pxp_future_outcome(future)->error.text, "too green");
		EXPECT_EQ(end_of(future), PXP_ETASK);
		pxp_executor_destroy(pool);
	}
}

/* Ported from Pebble: test_process_pool_large_data */
TEST(contract, long_inputs_and_results_arrive_complete)
{
	size_t n = 3 * 1024 * 1024 + 5, n_got = 0;
	char *input = malloc(n);

	for (size_t i = 0; i < n; i++)
		input[i] = (char)(i * 31);
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);

		for (size_t n_part = n; n_part > 60000; n_part /= 7) {
			struct pxp_future *future;
			void *got;

			REQUIRE(pxp_executor_submit(pool, task_echo, input, n_part, NULL,
			                            &future) == PXP_OK);
			EXPECT_EQ(pxp_future_result(future, PXP_FOREVER, &got, &n_got,
			                            NULL),
			          PXP_OK);
			EXPECT(n_got == n_part && memcmp(got, input, n_part) == 0);
			free(got);
			pxp_future_release(future);
		}
		pxp_executor_destroy(pool);
	}
	free(input);
}

TEST(contract, destroying_an_executor_runs_queued_tasks)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct pxp_future *futures[40];

		for (int i = 0; i < 40; i++)
			futures[i] = pool_submit(pool, task_echo, "x", NULL);
		pxp_executor_destroy(pool);
		for (int i = 0; i < 40; i++)
			EXPECT_EQ(end_of(futures[i]), PXP_OK);
	}
}

TEST(contract, shutdown_cancels_pending_tasks_and_lets_running_ones_finish)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *running = pool_submit(pool, task_wait, "first", &gate),
				  *pending[9];

		REQUIRE(pool_await(pool, 1, 0));
		for (int i = 0; i < 9; i++)
			pending[i] = pool_submit(pool, task_echo, "x", NULL);
		pxp_executor_shutdown(pool, PXP_SHUTDOWN_CANCEL_PENDING);
		for (int i = 0; i < 9; i++)
			EXPECT_EQ(pxp_future_wait(pending[i], 0), PXP_OK);
		EXPECT_EQ(pxp_future_state(running), PXP_RUNNING);
		gate_open(&gate);
		EXPECT_STR(result_of(running), "first");
		EXPECT_EQ(pxp_executor_try_submit(pool, task_echo, NULL, 0, NULL, NULL),
		          PXP_ESHUTDOWN);
		EXPECT_EQ(end_of(running), PXP_OK);
		for (int i = 0; i < 9; i++)
			EXPECT_EQ(end_of(pending[i]), PXP_ECANCELLED);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

TEST(contract,
     try_submit_on_a_full_queue_is_refused_and_leaves_the_descriptors_with_the_caller)
{
	EACH_POOL(kind)
	{
		struct pxp_executor_options options = {.size = sizeof(options),
		                                       .kind = kind,
		                                       .n_workers = 1,
		                                       .max_pending = 2};
		struct gate gate = gate_create();
		int descriptor = gate_descriptor(&gate);
		struct pxp_task_options with_descriptor = {
			.size = sizeof(with_descriptor),
			.descriptors = &descriptor,
			.n_descriptors = 1};
		struct pxp_future *futures[8];
		struct pxp_executor *pool;
		int n = 0;

		REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
		futures[n++] = pool_submit(pool, task_wait, "a", &gate);
		REQUIRE(pool_await(pool, 1, 0));
		if (kind == PXP_PROCESSES) {
			futures[n++] = pool_submit(pool, task_echo, "b", NULL);
			REQUIRE(pool_await(pool, 1, 1));
		}
		futures[n++] = pool_submit(pool, task_echo, "c", NULL);
		futures[n++] = pool_submit(pool, task_echo, "d", NULL);
		EXPECT_EQ(pxp_executor_try_submit(pool, task_wait, NULL, 0,
		                                  &with_descriptor, NULL),
		          PXP_EAGAIN);
		gate_open(&gate);
		gate_pass(descriptor); /* the descriptor is still open in this process */
		for (int i = 0; i < n; i++)
			EXPECT_EQ(end_of(futures[i]), PXP_OK);
		EXPECT_EQ(pxp_executor_submit(pool, task_wait, NULL, 0, &with_descriptor,
		                              NULL),
		          PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* Ported from Deadpool: test_ordinary_cancel_does_not_kill_running_task */
TEST(contract, a_queued_task_can_be_cancelled_and_a_running_one_cannot)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *running = pool_submit(pool, task_wait, "r", &gate);
		struct pxp_future *second, *third;

		REQUIRE(pool_await(pool, 1, 0));
		second = pool_submit(pool, task_echo, "s", NULL);
		third = pool_submit(pool, task_echo, "t", NULL);
		EXPECT_EQ(pxp_future_state(running), PXP_RUNNING);
		EXPECT_EQ(pxp_future_state(third), PXP_PENDING);
		EXPECT(!pxp_future_cancel(running));
		EXPECT(pxp_future_cancel(third));
		gate_open(&gate);
		EXPECT_EQ(end_of(running), PXP_OK);
		EXPECT_EQ(end_of(second), PXP_OK);
		EXPECT_EQ(end_of(third), PXP_ECANCELLED);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

static enum pxp_status initialise_copies(const void *bytes, size_t n, void **ret_context,
                                         struct pxp_error *ret_error)
{
	(void)n;
	(void)ret_error;
	*ret_context = strdup(bytes);
	return PXP_OK;
}

static enum pxp_status task_context(struct pxp_task *task)
{
	const char *context = pxp_task_context(task);

	return pxp_task_return(task, context, strlen(context) + 1);
}

TEST(contract, the_initialiser_of_a_worker_runs_before_the_first_task)
{
	EACH_KIND(kind)
	{
		struct pxp_executor_options options = {.size = sizeof(options),
		                                       .kind = kind,
		                                       .n_workers = 2,
		                                       .initialise = initialise_copies,
		                                       .init_bytes = "fish",
		                                       .n_init_bytes = 5,
		                                       .finalise = free};
		struct pxp_future *future;
		struct pxp_executor *pool;

		REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
		future = pool_submit(pool, task_context, NULL, NULL);
		EXPECT_STR(result_of(future), "fish");
		pxp_future_release(future);
		pxp_executor_destroy(pool);
	}
}

TEST(contract, a_failing_initialiser_breaks_the_executor_and_gives_the_reason)
{
	EACH_KIND(kind)
	{
		struct pxp_executor_options options = {.size = sizeof(options),
		                                       .kind = kind,
		                                       .n_workers = 1,
		                                       .initialise = initialise_fails,
		                                       .init_bytes = "no fish today",
		                                       .n_init_bytes = 14};
		struct pxp_future *future;
		struct pxp_executor *pool;

		REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
		future = pool_submit(pool, task_echo, "x", NULL);
		REQUIRE(pxp_future_wait(future, PXP_FOREVER) == PXP_OK);
		EXPECT_STR(pxp_future_outcome(future)->error.text, "no fish today");
		EXPECT_EQ(pxp_future_outcome(future)->attempts, 0);
		EXPECT_EQ(end_of(future), PXP_EBROKEN);
		EXPECT_EQ(pxp_executor_submit(pool, task_echo, NULL, 0, NULL, NULL),
		          PXP_EBROKEN);
		pxp_executor_destroy(pool);
	}
}

static void wait_in_callback(struct pxp_future *future, void *data)
{
	struct pxp_future *other = data;

	(void)future;
	EXPECT_EQ(pxp_future_wait(other, PXP_FOREVER), PXP_EDEADLK);
}

TEST(contract, waiting_inside_a_callback_is_refused_instead_of_hanging)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *first = pool_submit(pool, task_wait, "1", &gate);
		struct pxp_future *second = pool_submit(pool, task_echo, "2", NULL);

		pxp_future_on_done(first, wait_in_callback, second);
		gate_open(&gate);
		EXPECT_EQ(end_of(first), PXP_OK);
		EXPECT_EQ(end_of(second), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

TEST(contract, a_descriptor_that_the_caller_keeps_is_open_after_the_task)
{
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_INLINE; kind++) {
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		int descriptor = gate_descriptor(&gate);
		const struct pxp_task_options options = {.size = sizeof(options),
		                                         .descriptors = &descriptor,
		                                         .n_descriptors = 1,
		                                         .keep_descriptors = true};
		struct pxp_future *future;

		gate_open(&gate);
		/* Both tasks get the same descriptor. */
		for (int i = 0; i < 2; i++) {
			REQUIRE(pxp_executor_submit(pool, task_wait, NULL, 0, &options,
			                            &future) == PXP_OK);
			EXPECT_EQ(end_of(future), PXP_OK);
			gate_pass(descriptor);
		}
		close(descriptor);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* The event descriptor is created while other threads count completed tasks. */
TEST(contract, an_event_descriptor_created_while_tasks_end_counts_each_task_once)
{
	enum { N = 300 };

	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct pxp_future *futures[N];

		for (int i = 0; i < N; i++) {
			futures[i] = pool_submit(pool, task_echo, "x", NULL);
			if (i == N / 2)
				REQUIRE(pxp_executor_descriptor(pool) >= 0);
		}
		for (int i = 0; i < N; i++)
			EXPECT_EQ(end_of(futures[i]), PXP_OK);
		/* Every done task must have been counted by now. */
		pxp_executor_shutdown(pool, PXP_SHUTDOWN_WAIT);
		EXPECT_EQ(pxp_executor_acknowledge(pool), N);
		pxp_executor_destroy(pool);
	}
}

/* When an executor is destroyed, it frees the blocks that it has kept for later tasks. The block of
 * a task is freed when the future of the task is released. */
TEST(contract, a_future_may_outlive_its_executor)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_future *kept = pool_submit(pool, task_echo, "kept", NULL);
		struct pxp_future *failed = pool_submit(pool, task_fail, "failed", NULL);

		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "given back", NULL)),
		          PXP_OK);
		pxp_executor_destroy(pool);
		EXPECT_STR(result_of(kept), "kept");
		EXPECT_STR(pxp_future_outcome(failed)->error.text, "failed");
		EXPECT_EQ(end_of(failed), PXP_ETASK);
		EXPECT_EQ(end_of(kept), PXP_OK);
	}
}

/* The block of a failed task is reused for the next task, which succeeds. */
TEST(contract, a_successful_task_shows_no_trace_of_an_earlier_failed_task)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);

		for (int i = 0; i < 3; i++) {
			struct pxp_future *future = pool_submit(pool, task_fail, "bad",
			                                        NULL);

			EXPECT_EQ(end_of(future), PXP_ETASK);
			future = pool_submit(pool, task_echo, "good", NULL);
			REQUIRE(pxp_future_wait(future, PXP_FOREVER) == PXP_OK);
			EXPECT_STR(pxp_future_outcome(future)->error.text, "");
			EXPECT_EQ(pxp_future_outcome(future)->error.code, 0);
			EXPECT_EQ(pxp_future_outcome(future)->n_log, 0);
			EXPECT_EQ(pxp_future_outcome(future)->attempts, 1);
			EXPECT_STR(result_of(future), "good");
			EXPECT_EQ(end_of(future), PXP_OK);
		}
		pxp_executor_destroy(pool);
	}
}

static enum pxp_status task_forks(struct pxp_task *task)
{
	pid_t child = fork(), self = getpid();

	if (child > 0)
		waitpid(child, NULL, 0);
	return pxp_task_return(task, &self, sizeof(self));
}

/* If the child did not exit, it would answer too, and the next task would get that answer. */
TEST(contract, a_child_forked_by_a_task_exits_when_it_returns_from_the_task)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);

		for (int i = 0; i < 5; i++) {
			EXPECT_EQ(end_of(pool_submit(pool, task_forks, NULL, NULL)),
			          PXP_OK);
			EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)),
			          PXP_OK);
		}
		pxp_executor_destroy(pool);
	}
}

TEST(contract, invalid_options_of_executors_and_tasks_are_refused)
{
	struct pxp_executor_options options = {.size = 1, .kind = PXP_THREADS};
	struct pxp_task_options for_processes = {.size = sizeof(for_processes),
	                                         .retries = 1};
	const int twice[] = {2, 2}, none = -1;
	const struct pxp_task_options bad[] = {
		{.size = sizeof(bad[0]), .descriptors = twice, .n_descriptors = 2},
		{.size = sizeof(bad[0]), .descriptors = &none, .n_descriptors = 1},
	};
	struct pxp_executor *pool;
	struct pxp_error error;

	EXPECT_EQ(pxp_executor_create(&options, &pool, &error), PXP_EINVAL);
	EXPECT(pool == NULL);
	options.size = sizeof(options);
	options.kind = (enum pxp_executor_kind)9;
	EXPECT_EQ(pxp_executor_create(&options, &pool, &error), PXP_EINVAL);

	/* The library refuses these options before it copies init_bytes. */
	options.kind = PXP_PROCESSES;
	options.init_bytes = "short";
	options.n_init_bytes = SIZE_MAX / 4;
	EXPECT_EQ(pxp_executor_create(&options, &pool, &error), PXP_EINVAL);
	EXPECT_STR(error.text,
	           "n_init_bytes must be at most 32768 for PXP_PROCESSES, got "
	           "4611686018427387903");

	pool = pool_create(PXP_THREADS, 1);
	EXPECT_EQ(pxp_executor_submit(pool, task_echo, NULL, 0, &for_processes, NULL),
	          PXP_EINVAL);
	EXPECT_EQ(pxp_executor_submit(pool, NULL, NULL, 0, NULL, NULL), PXP_EINVAL);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(pxp_executor_submit(pool, task_echo, NULL, 0, &bad[i], NULL),
		          PXP_EINVAL);
	pxp_executor_destroy(pool);
}

/* Fields beyond the size of a smaller struct are not read. Additional fields of a larger struct
 * must be zero. */
TEST(contract, options_of_a_program_built_with_an_older_or_newer_header_are_accepted)
{
	struct {
		struct pxp_executor_options options;
		char more[64];
	} other;
	struct pxp_executor_options *options = &other.options;
	size_t n_older = offsetof(struct pxp_executor_options, max_pending);
	struct pxp_executor *pool;

	*options = (struct pxp_executor_options){
		.size = n_older, .kind = PXP_THREADS, .n_workers = 2};
	memset((char *)&other + n_older, 0xff, sizeof(other) - n_older);
	REQUIRE(pxp_executor_create(options, &pool, NULL) == PXP_OK);
	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
	pxp_executor_destroy(pool);

	memset((char *)&other + n_older, 0, sizeof(other) - n_older);
	options->size = sizeof(other);
	REQUIRE(pxp_executor_create(options, &pool, NULL) == PXP_OK);
	pxp_executor_destroy(pool);
	other.more[63] = 1;
	EXPECT_EQ(pxp_executor_create(options, &pool, NULL), PXP_EINVAL);
	options->size = sizeof(size_t);
	EXPECT_EQ(pxp_executor_create(options, &pool, NULL), PXP_EINVAL);
}

TEST(contract, a_destroyed_executor_leaves_no_descriptor_and_no_child_process)
{
	EACH_KIND(kind)
	{
		int n_descriptors = count_descriptors(), n_children = count_children();

		for (int round = 0; round < 3; round++) {
			struct pxp_executor *pool = pool_create(kind, 2);

			for (int i = 0; i < 10; i++)
				pxp_future_release(
					pool_submit(pool, task_echo, "x", NULL));
			pxp_executor_destroy(pool);
		}
		EXPECT_EQ(count_descriptors(), n_descriptors);
		EXPECT_EQ(count_children(), n_children);
	}
}
