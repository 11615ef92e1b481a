/* Tests ported from CPython's test_init.py, and the tests of initialisers from its
 * test_interpreter_pool.py. */
#include "kit.h"

#include <string.h>

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

	if (pxp_task_descriptor(task, 0) >= 0)
		gate_pass(pxp_task_descriptor(task, 0));
	return context ? pxp_task_return(task, context, strlen(context) + 1)
	               : pxp_task_fail(task, 1, "not initialised");
}

static struct pxp_executor *pool_with(enum pxp_executor_kind kind,
                                      pxp_initialise_fn *initialise)
{
	return executor_with((struct pxp_executor_options){.kind = kind,
	                                                   .n_workers = 2,
	                                                   .initialise = initialise,
	                                                   .init_bytes = "initialised",
	                                                   .n_init_bytes = 12,
	                                                   .finalise = free});
}

/* Ported from InitializerMixin.test_initializer; test_interpreter_pool.py: test_init_func */
TEST(cpython_init, the_initialiser_runs_in_every_worker_before_its_first_task)
{
	EVERY_POOL(kind)
	{
		struct pxp_executor *pool = pool_with(kind, initialise_copies);
		struct gate gate = gate_create();
		struct pxp_future *futures[2];

		for (int i = 0; i < 2; i++)
			futures[i] = pool_submit(pool, task_context, NULL, &gate);
		REQUIRE(pool_await(pool, 2, 0));
		EXPECT_EQ(stats_of(pool).n_spawned, 2);
		gate_open(&gate);
		for (int i = 0; i < 2; i++) {
			EXPECT_STR(result_of(futures[i]), "initialised");
			pxp_future_release(futures[i]);
		}
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* Ported from InitializerMixin.test_initializer */
TEST(cpython_init, the_inline_initialiser_runs_before_the_first_task)
{
	struct pxp_executor *pool = pool_with(PXP_INLINE, initialise_copies);
	struct pxp_future *future = pool_submit(pool, task_context, NULL, NULL);

	EXPECT_STR(result_of(future), "initialised");
	pxp_future_release(future);
	pxp_executor_destroy(pool);
}

/* Ported from FailingInitializerMixin.test_initializer; test_interpreter_pool.py:
 * test_init_exception_in_func; Pebble: test_process_pool_broken_initializer; Deadpool:
 * test_simple_init. The library prints nothing. The reason is in the error. */
TEST(cpython_init, a_failing_initialiser_breaks_the_executor_for_good)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_with(kind, initialise_fails);
		struct pxp_future *future = NULL;
		enum pxp_status status = pxp_executor_submit(pool, task_context, NULL, 0,
		                                             NULL, &future);

		if (status == PXP_OK) {
			EXPECT_STR(outcome_of(future).error.text, "initialised");
			status = end_of(future);
		}
		EXPECT_EQ(status, PXP_EBROKEN);
		for (int i = 0; i < 3; i++)
			EXPECT_EQ(pxp_executor_submit(pool, task_context, NULL, 0, NULL,
			                              NULL),
			          PXP_EBROKEN);
		pxp_executor_destroy(pool);
	}
}

/* Ported from FailingInitializerResourcesTest.test_spawn, .test_forkserver */
TEST(cpython_init, an_executor_with_a_failing_initialiser_leaks_nothing)
{
	EVERY_EXECUTOR(kind)
	{
		struct residue before = residue_now();

		for (int i = 0; i < 3; i++) {
			struct pxp_executor *pool = pool_with(kind, initialise_fails);
			struct pxp_future *future = pool_submit(pool, task_context, NULL,
			                                        NULL);

			EXPECT_EQ(end_of(future), PXP_EBROKEN);
			pxp_executor_destroy(pool);
		}
		EXPECT(residue_is_none(&before));
	}
}
