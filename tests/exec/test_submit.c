/* The errors of failed submissions, and the tag that a future carries. Both are the same in all
 * kinds of executors. */
#include "support/pool.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define EACH_KIND(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_INLINE; kind++)

/* Submit a task, and expect that it is refused with `status` and with a text that contains
 * `words`. */
static void expect_refusal(struct pxp_executor *pool, pxp_task_fn *run, const void *input,
                           size_t n_input, struct pxp_task_options options,
                           enum pxp_status status, const char *words)
{
	struct pxp_error error = {0};
	struct pxp_future *future;

	options.size = sizeof(options);
	options.ret_error = &error;
	EXPECT_EQ(pxp_executor_try_submit(pool, run, input, n_input, &options, &future),
	          status);
	EXPECT(future == NULL);
	EXPECT_EQ(error.status, status);
	EXPECT(strstr(error.text, words) != NULL, "'%s' in '%s'", words, error.text);
}

TEST(submit, the_error_of_a_submission_names_the_invalid_argument)
{
	static const int closed[] = {-1}, twice[] = {0, 0};

	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		const struct {
			struct pxp_task_options options;
			const char *words;
		} cases[] = {
			{{.deadline_ms = -1}, "deadline_ms must not be negative, got -1"},
			{{.max_deadline_ms = -2}, "max_deadline_ms must"},
			{{.stall_ms = -3}, "stall_ms must"},
			{{.queue_timeout_ms = -4}, "queue_timeout_ms must"},
			{{.max_memory = UINT64_MAX}, "max_memory is too large"},
			{{.n_descriptors = 9}, "n_descriptors must be 0 to 8, got 9"},
			{{.n_descriptors = 1}, "descriptors is NULL"},
			{{.descriptors = closed, .n_descriptors = 1},
		         "descriptors[0] is -1"},
			{{.descriptors = twice, .n_descriptors = 2}, "0 is given twice"},
		};

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			expect_refusal(pool, task_echo, NULL, 0, cases[i].options,
			               PXP_EINVAL, cases[i].words);
		expect_refusal(pool, NULL, NULL, 0, (struct pxp_task_options){0},
		               PXP_EINVAL, "run is NULL");
		expect_refusal(pool, task_echo, NULL, 3, (struct pxp_task_options){0},
		               PXP_EINVAL, "input is NULL");
		if (kind != PXP_PROCESSES)
			expect_refusal(pool, task_echo, NULL, 0,
			               (struct pxp_task_options){.retries = 1},
			               PXP_EINVAL,
			               "only a process pool takes the option retries");
		pxp_executor_destroy(pool);
	}
}

TEST(submit, task_options_with_an_unknown_field_are_refused_with_an_error_text)
{
	struct {
		struct pxp_task_options options;
		long newer_field;
	} newer = {.options = {.size = sizeof(newer)}, .newer_field = 1};
	struct pxp_executor *pool = pool_create(PXP_THREADS, 1);
	struct pxp_error error = {0};

	newer.options.ret_error = &error;
	EXPECT_EQ(pxp_executor_submit(pool, task_echo, NULL, 0, &newer.options, NULL),
	          PXP_EINVAL);
	EXPECT_STR(error.text,
	           "this version of libpixpool does not know an option that is set");
	newer.newer_field = 0;
	REQUIRE(pxp_executor_submit(pool, task_echo, NULL, 0, &newer.options, NULL) ==
	        PXP_OK);
	pxp_executor_destroy(pool);
}

TEST(submit, the_error_of_a_refused_submission_says_shut_down_or_queue_full)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);

		pxp_executor_shutdown(pool, 0);
		expect_refusal(pool, task_echo, NULL, 0, (struct pxp_task_options){0},
		               PXP_ESHUTDOWN, "was shut down");
		pxp_executor_destroy(pool);
	}
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_PROCESSES; kind++) {
		struct pxp_executor_options options = {.size = sizeof(options),
		                                       .kind = kind,
		                                       .n_workers = 1,
		                                       .max_pending = 1};
		struct gate gate = gate_create();
		struct pxp_future *futures[3];
		struct pxp_executor *pool;
		int n = 0;

		REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
		futures[n++] = pool_submit(pool, task_wait, "1", &gate);
		REQUIRE(pool_await(pool, 1, 0));
		/* The worker of a process pool prefetches a second task. */
		if (kind == PXP_PROCESSES) {
			futures[n++] = pool_submit(pool, task_echo, "2", NULL);
			REQUIRE(pool_await(pool, 1, 1));
		}
		futures[n++] = pool_submit(pool, task_echo, "3", NULL);
		expect_refusal(pool, task_echo, NULL, 0, (struct pxp_task_options){0},
		               PXP_EAGAIN, "the queue is full");
		gate_open(&gate);
		while (n > 0)
			pxp_future_release(futures[--n]);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

TEST(submit, a_broken_executor_refuses_a_submission_with_the_reason_why_it_broke)
{
	EACH_KIND(kind)
	{
		struct pxp_executor_options options = {.size = sizeof(options),
		                                       .kind = kind,
		                                       .n_workers = 1,
		                                       .initialise = initialise_fails,
		                                       .init_bytes = "no library",
		                                       .n_init_bytes = 11};
		struct pxp_executor *pool;
		struct pxp_future *future = NULL;

		REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
		(void)pxp_executor_submit(pool, task_echo, NULL, 0, NULL, &future);
		if (future)
			EXPECT_EQ(pxp_future_wait(future, PXP_FOREVER), PXP_OK);
		pxp_future_release(future);
		expect_refusal(pool, task_echo, NULL, 0, (struct pxp_task_options){0},
		               PXP_EBROKEN, "no library");
		pxp_executor_destroy(pool);
	}
}

TEST(submit, the_error_for_an_input_that_cannot_be_copied_gives_its_length)
{
	struct rlimit before, none;
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	char *input = calloc(1, 1 << 20);

	REQUIRE(input != NULL && getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = (struct rlimit){0, before.rlim_max};
	REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
	expect_refusal(pool, task_echo, input, 1 << 20, (struct pxp_task_options){0},
	               PXP_ESYS, "cannot copy the 1048576 bytes of the input");
	REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
	free(input);
	pxp_executor_destroy(pool);
}

/* ---- tags ---- */

static void note_tag(struct pxp_future *future, void *data)
{
	*(void **)data = pxp_future_tag(future);
}

TEST(tag, a_future_carries_the_tag_that_was_set_at_its_submission)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		int tags[4];
		struct pxp_future *futures[4], *future;
		struct pxp_as_completed *iteration;
		void *seen = NULL;
		int sum = 0;

		for (int i = 0; i < 4; i++) {
			struct pxp_task_options options = {.size = sizeof(options),
			                                   .tag = &tags[i]};

			tags[i] = 1 << i;
			REQUIRE(pxp_executor_submit(pool, i == 3 ? task_fail : task_echo,
			                            "x", 2, &options,
			                            &futures[i]) == PXP_OK);
		}
		REQUIRE(pxp_as_completed_open(futures, 4, PXP_FOREVER, &iteration) ==
		        PXP_OK);
		while (pxp_as_completed_next(iteration, &future) == PXP_OK && future)
			sum += *(int *)pxp_future_tag(future);
		EXPECT_EQ(sum, 15);
		pxp_as_completed_close(iteration);
		EXPECT_EQ(pxp_future_on_done(futures[2], note_tag, &seen), PXP_OK);
		EXPECT(seen == &tags[2]);
		for (int i = 0; i < 4; i++)
			pxp_future_release(futures[i]);
		pxp_executor_destroy(pool);
	}
}

TEST(tag, the_tag_of_a_future_is_null_until_it_is_set)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_future *future = pool_submit(pool, task_echo, "x", NULL);

		EXPECT(pxp_future_tag(future) == NULL);
		pxp_future_set_tag(future, pool);
		EXPECT_EQ(pxp_future_wait(future, PXP_FOREVER), PXP_OK);
		EXPECT(pxp_future_tag(future) == pool);
		pxp_future_set_tag(future, NULL);
		EXPECT(pxp_future_tag(future) == NULL);
		pxp_future_release(future);
		pxp_executor_destroy(pool);
	}
}

TEST(tag, the_tag_of_a_promise_is_null_until_it_is_set)
{
	struct pxp_future *promise = pxp_promise_create();

	EXPECT(pxp_future_tag(promise) == NULL);
	pxp_future_set_tag(promise, promise);
	EXPECT(pxp_future_cancel(promise));
	EXPECT(pxp_future_tag(promise) == promise);
	pxp_future_release(promise);
}
