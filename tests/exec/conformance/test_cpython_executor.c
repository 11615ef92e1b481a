/* Tests ported from CPython's executor.py and test_thread_pool.py, and those from its
 * test_interpreter_pool.py that apply to C. The tests of map are in tests/exec/test_map.c. */
#include "kit.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ported from executor.py: test_submit */
TEST(cpython_executor, a_task_returns_its_result)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 5);

		EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
		pxp_executor_destroy(pool);
	}
}

/* Ported from executor.py: test_submit_keyword. In this library the arguments of a task are
 * bytes. */
TEST(cpython_executor, any_bytes_can_be_an_input_and_a_task_without_function_is_refused)
{
	char input[256];

	for (int i = 0; i < 256; i++)
		input[i] = (char)i;
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 5);
		struct pxp_future *future;
		void *bytes;
		size_t n;

		REQUIRE(pxp_executor_submit(pool, task_echo, input, sizeof(input), NULL,
		                            &future) == PXP_OK);
		/* The executor has copied the input, so the caller may overwrite it. */
		memset(input, 0, sizeof(input));
		EXPECT_EQ(pxp_future_result(future, PXP_FOREVER, &bytes, &n, NULL),
		          PXP_OK);
		for (int i = 0; i < 256; i++)
			input[i] = (char)i;
		EXPECT(n == sizeof(input) && memcmp(bytes, input, n) == 0);
		free(bytes);
		pxp_future_release(future);
		EXPECT_EQ(pxp_executor_submit(pool, NULL, NULL, 0, NULL, NULL),
		          PXP_EINVAL);
		pxp_executor_destroy(pool);
	}
}

/* Wait until the last copy of the other end of this pipe is closed. */
static bool await_closed(int read_end)
{
	struct pollfd pipe = {.fd = read_end, .events = POLLIN};

	return poll(&pipe, 1, 60000) == 1 && pipe.revents & POLLHUP;
}

/* Ported from executor.py: test_no_stale_references. The inputs of a task (observed by a
 * descriptor) are released when it is done, although the executor lives and nothing waits for the
 * future. */
TEST(cpython_executor, the_inputs_of_a_task_are_released_when_it_is_done)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_task_options options = {.size = sizeof(options),
		                                   .n_descriptors = 1};
		int ends[2];

		REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
		options.descriptors = &ends[1];
		REQUIRE(pxp_executor_submit(pool, task_echo, "x", 2, &options, NULL) ==
		        PXP_OK);
		EXPECT(await_closed(ends[0]));
		close(ends[0]);
		pxp_executor_destroy(pool);
	}
}

/* Ported from executor.py: test_free_reference. The caller owns the results of a map, and the map
 * keeps none of them. So the caller can free each result at once, and a sanitizer build finds no
 * leak. */
TEST(cpython_executor, each_result_of_a_map_belongs_to_the_caller)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 5);
		struct numbers numbers = {.end = 6};
		struct pxp_map_item item;
		struct pxp_map *map;

		REQUIRE(pxp_map_open(pool, task_echo, next_number, &numbers, NULL,
		                     &map) == PXP_OK);
		for (int i = 0; i < 6; i++) {
			REQUIRE(pxp_map_next(map, &item) == PXP_OK);
			memset(item.bytes, 'z', item.n);
			free(item.bytes);
		}
		EXPECT_EQ(pxp_map_next(map, &item), PXP_ESTATE);
		pxp_map_close(map);
		pxp_executor_destroy(pool);
	}
}

/* Ported from executor.py: test_max_workers_negative. In this library the number of workers is
 * unsigned, and 0 means the default. A negative number becomes a very large number, which is
 * refused. */
TEST(cpython_executor, a_negative_number_of_workers_is_refused_and_zero_is_the_default)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor_options options = {
			.size = sizeof(options), .kind = kind, .n_workers = (unsigned)-1};
		struct pxp_executor *pool;

		EXPECT_EQ(pxp_executor_create(&options, &pool, NULL), PXP_EINVAL);
		EXPECT(pool == NULL);
		pool = pool_create(kind, 0);
		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
		pxp_executor_destroy(pool);
	}
}

static enum pxp_status task_fails_falsely(struct pxp_task *task)
{
	pxp_task_return(task, NULL, 0);
	return pxp_task_fail(task, 0, "%s", "");
}

/* Ported from executor.py: test_swallows_falsey_exceptions */
TEST(cpython_executor, a_failure_with_code_0_and_without_text_counts_as_a_failure)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_future *future = pool_submit(pool, task_fails_falsely, NULL,
		                                        NULL);

		EXPECT_EQ(outcome_of(future).error.status, PXP_ETASK);
		EXPECT_EQ(pxp_future_state(future), PXP_FAILED);
		EXPECT_EQ(outcome_of(future).error.code, 0);
		pxp_future_release(future);
		pxp_executor_destroy(pool);
	}
}

/* ---- test_thread_pool.py ---- */

/* Ported from test_default_workers. CPython starts four more workers than there are processors. The
 * documented default of this library is the number of processors that the process may use. */
TEST(cpython_executor, by_default_an_executor_has_one_worker_for_each_usable_processor)
{
	cpu_set_t processors;
	unsigned n;

	REQUIRE(sched_getaffinity(0, sizeof(processors), &processors) == 0);
	n = (unsigned)CPU_COUNT(&processors);
	EXPECT(pxp_default_workers() >= 1 && pxp_default_workers() <= n);
	EVERY_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 0);
		struct gate gate = gate_create();
		unsigned n_tasks = pxp_default_workers() + 3;

		for (unsigned i = 0; i < n_tasks; i++)
			pxp_future_release(pool_submit(pool, task_wait, "x", &gate));
		EXPECT(pool_await(pool, pxp_default_workers(), POOL_ANY));
		EXPECT_EQ(stats_of(pool).n_spawned, pxp_default_workers());
		gate_open(&gate);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* Ported from test_saturation; test_interpreter_pool.py: test_saturation */
TEST(cpython_executor,
     a_pool_of_four_threads_starts_no_more_threads_for_sixty_waiting_tasks)
{
	enum { THREADS = 4, TASKS = 15 * THREADS };
	struct residue before = residue_now();
	struct pxp_executor *pool = pool_create(PXP_THREADS, THREADS);
	struct gate gate = gate_create();
	struct pxp_future *futures[TASKS];

	for (int i = 0; i < TASKS; i++)
		futures[i] = pool_submit(pool, task_wait, "x", &gate);
	REQUIRE(pool_await(pool, THREADS, 0));
	EXPECT_EQ(residue_now().n_threads, before.n_threads + THREADS);
	EXPECT_EQ(stats_of(pool).n_workers, THREADS);
	gate_open(&gate);
	for (int i = 0; i < TASKS; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Ported from test_idle_thread_reuse; test_interpreter_pool.py: test_idle_thread_reuse */
TEST(cpython_executor, sequential_tasks_reuse_one_thread)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 4);

	for (int i = 0; i < 3; i++)
		EXPECT_EQ(number_of(pool_submit(pool, task_power, "6 2", NULL)), 36);
	EXPECT_EQ(stats_of(pool).n_spawned, 1);
	pxp_executor_destroy(pool);
}

/* Ported from test_hang_global_shutdown_lock */
TEST(cpython_executor, process_pools_can_be_created_and_destroyed_while_threads_are_busy)
{
	enum { ROUNDS = 50 };
	struct pxp_executor *threads = pool_create(PXP_THREADS, 2);
	struct gate gate = gate_create();
	struct pxp_future *held = pool_submit(threads, task_wait, "x", &gate);

	for (int i = 0; i < ROUNDS; i++) {
		struct pxp_executor *processes = pool_create(PXP_PROCESSES, 1);
		struct pxp_future *beside = pool_submit(threads, task_power, "1 1", NULL);

		EXPECT_EQ(number_of(pool_submit(processes, task_power, "3 3", NULL)), 27);
		EXPECT_EQ(number_of(beside), 1);
		pxp_executor_destroy(processes);
	}
	gate_open(&gate);
	EXPECT_EQ(end_of(held), PXP_OK);
	pxp_executor_destroy(threads);
	gate_destroy(&gate);
}

static enum pxp_status task_forks(struct pxp_task *task)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return pxp_task_fail(task, 1, "fork");
	return status == 0 ? PXP_OK : pxp_task_fail(task, status, "the child failed");
}

/* Ported from test_process_fork_from_a_threadpool; Pebble: test_process_pool_child_process */
TEST(cpython_executor, a_task_may_fork_a_child_that_exits_at_once)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);

		EXPECT_EQ(end_of(pool_submit(pool, task_forks, NULL, NULL)), PXP_OK);
		pxp_executor_destroy(pool);
	}
}

/* ---- test_interpreter_pool.py ---- */

static void finish_those_that_run(struct pxp_executor *pool, unsigned n_workers)
{
	enum { TASKS = 10 };
	struct gate gates[TASKS];
	struct pxp_future *futures[TASKS];
	bool is_open[TASKS] = {false};
	int n_open = 0;

	for (int i = 0; i < TASKS; i++) {
		gates[i] = gate_create();
		futures[i] = pool_submit(pool, task_wait, "x", &gates[i]);
	}
	while (n_open < TASKS) {
		size_t n_left = (size_t)(TASKS - n_open);

		REQUIRE(pool_await(pool, n_left < n_workers ? n_left : n_workers,
		                   POOL_ANY));
		for (int i = 0; i < TASKS; i++) {
			if (is_open[i] || pxp_future_state(futures[i]) != PXP_RUNNING)
				continue;
			gate_open(&gates[i]);
			is_open[i] = true;
			n_open++;
			EXPECT_EQ(pxp_future_wait(futures[i], 60000), PXP_OK);
		}
	}
	for (int i = 0; i < TASKS; i++) {
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
		gate_destroy(&gates[i]);
	}
}

/* Ported from test_blocking, test_blocking_with_limited_workers */
TEST(cpython_executor, queued_tasks_run_after_the_running_tasks_are_unblocked)
{
	static const unsigned n_workers[] = {10, 4};

	EVERY_POOL(kind)
	{
		for (int i = 0; i < 2; i++) {
			struct pxp_executor *pool = pool_create(kind, n_workers[i]);

			finish_those_that_run(pool, n_workers[i]);
			pxp_executor_destroy(pool);
		}
	}
}

struct loop {
	bool is_closed;
	int n_calls, n_late_calls;
};

static void tell_loop(struct pxp_future *future, void *data)
{
	struct loop *loop = data;

	(void)future;
	loop->n_calls++;
	loop->n_late_calls += loop->is_closed;
}

/* Ported from AsyncioTest.test_run_in_executor_cancel. The callback of a cancelled future runs
 * during the cancel, so it cannot run after an event loop is closed. */
TEST(cpython_executor, a_cancel_runs_the_callbacks_before_it_returns)
{
	EVERY_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *held = pool_submit(pool, task_wait, "x", &gate);
		struct pxp_future *future;
		struct loop loop = {0};

		REQUIRE(pool_await(pool, 1, 0));
		future = pool_submit(pool, task_echo, "x", NULL);
		pxp_future_on_done(future, tell_loop, &loop);
		EXPECT(pxp_future_cancel(future));
		EXPECT_EQ(loop.n_calls, 1);
		loop.is_closed = true;
		gate_open(&gate);
		pxp_executor_destroy(pool);
		EXPECT_EQ(loop.n_late_calls, 0);
		EXPECT_EQ(end_of(held), PXP_OK);
		EXPECT_EQ(end_of(future), PXP_ECANCELLED);
		gate_destroy(&gate);
	}
}
