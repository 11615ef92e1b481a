/* Tests ported from CPython's test_shutdown.py: how executors end, and what the end of a program
 * does to them. */
#include "kit.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 50 };

static void submit_many(struct pxp_executor *pool, struct pxp_future *futures[MANY])
{
	for (int i = 0; i < MANY; i++)
		futures[i] = pool_submit(pool, task_power, "2 8", NULL);
}

/* Ported from test_run_after_shutdown */
TEST(cpython_shutdown, after_a_shutdown_submissions_are_refused)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct pxp_future *future;

		EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_WAIT), PXP_OK);
		EXPECT_EQ(pxp_executor_submit(pool, task_echo, NULL, 0, NULL, &future),
		          PXP_ESHUTDOWN);
		EXPECT(future == NULL);
		pxp_executor_destroy(pool);
	}
}

/* Ported from test_hang_issue12364 */
TEST(cpython_shutdown, a_shutdown_loses_none_of_fifty_results)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 5);
		struct pxp_future *futures[MANY];

		submit_many(pool, futures);
		EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_WAIT), PXP_OK);
		for (int i = 0; i < MANY; i++)
			EXPECT_EQ(number_of(futures[i]), 256);
		pxp_executor_destroy(pool);
	}
}

/* Ported from test_cancel_futures. Here, unlike in CPython, threads that wait for cancelled tasks
 * wake up. */
TEST(cpython_shutdown, a_shutdown_can_cancel_pending_tasks_and_leaves_running_ones_alone)
{
	EVERY_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct gate gate = gate_create();
		struct pxp_future *futures[MANY];
		int n_cancelled = 0, n_finished = 0;

		for (int i = 0; i < MANY; i++)
			futures[i] = pool_submit(pool, task_wait, "x", &gate);
		REQUIRE(pool_await(pool, 2, POOL_ANY));
		EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_CANCEL_PENDING),
		          PXP_OK);
		gate_open(&gate);
		EXPECT_EQ(pxp_wait(futures, MANY, PXP_ALL_COMPLETED, 60000, NULL),
		          PXP_OK);
		for (int i = 0; i < MANY; i++) {
			enum pxp_status end = end_of(futures[i]);

			n_cancelled += end == PXP_ECANCELLED;
			n_finished += end == PXP_OK;
		}
		EXPECT_EQ(n_finished, 2);
		EXPECT_EQ(n_cancelled, MANY - 2);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* Ported from test_hang_gh94440 */
TEST(cpython_shutdown, a_cancel_just_before_a_shutdown_does_not_make_the_shutdown_hang)
{
	EVERY_POOL(kind)
	{
		for (int round = 0; round < 20; round++) {
			struct pxp_executor *pool = pool_create(kind, 1);
			struct pxp_future *future = pool_submit(pool, task_echo, "x",
			                                        NULL);
			bool is_cancelled = pxp_future_cancel(future);

			EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_WAIT), PXP_OK);
			EXPECT_EQ(end_of(future), is_cancelled ? PXP_ECANCELLED : PXP_OK);
			pxp_executor_destroy(pool);
		}
	}
}

/* Ported from test_threads_terminate, test_processes_terminate */
TEST(cpython_shutdown, three_workers_run_three_tasks_and_end_after_the_shutdown)
{
	EVERY_POOL(kind)
	{
		struct residue before = residue_now(), during;
		struct pxp_executor *pool = pool_create(kind, 5);
		struct gate gate = gate_create();
		struct pxp_future *futures[3];

		for (int i = 0; i < 3; i++)
			futures[i] = pool_submit(pool, task_wait, "x", &gate);
		REQUIRE(pool_await(pool, 3, 0));
		during = residue_now();
		EXPECT_EQ(stats_of(pool).n_spawned, 3);
		EXPECT_EQ(kind == PXP_THREADS
		                  ? during.n_threads - before.n_threads
		                  : during.n_processes - before.n_processes - 1,
		          3);
		gate_open(&gate);
		EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_WAIT), PXP_OK);
		for (int i = 0; i < 3; i++)
			EXPECT_EQ(end_of(futures[i]), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
		EXPECT(residue_is_none(&before));
	}
}

/* Ported from test_context_manager_shutdown, test_del_shutdown. The end of a Python scope, or of
 * the last reference, corresponds to pxp_executor_destroy(). */
TEST(cpython_shutdown, destroying_an_executor_waits_for_its_tasks_and_ends_its_workers)
{
	EVERY_EXECUTOR(kind)
	{
		struct residue before = residue_now();
		struct pxp_executor *pool = pool_create(kind, 5);
		struct pxp_future *futures[MANY];

		submit_many(pool, futures);
		pxp_executor_destroy(pool);
		EXPECT_EQ(residue_now().n_processes, before.n_processes);
		EXPECT(residue_is_none(&before));
		for (int i = 0; i < MANY; i++) {
			EXPECT(pxp_future_is_done(futures[i]));
			EXPECT_EQ(number_of(futures[i]), 256);
		}
	}
}

/* The context of a worker is a place for a descriptor. task_held() puts a copy of the write end of
 * a pipe there, and the worker keeps it until its end. So the read end reports the end of file when
 * the last worker has ended. */
static enum pxp_status initialise_end(const void *bytes, size_t n, void **ret_context,
                                      struct pxp_error *ret_error)
{
	int *end = malloc(sizeof(*end));

	(void)bytes;
	(void)n;
	if (!end)
		return pxp_fail(ret_error, PXP_ENOMEM, "no memory");
	*end = -1;
	*ret_context = end;
	return PXP_OK;
}

static void finalise_end(void *context)
{
	int *end = context;

	if (*end >= 0)
		close(*end);
	free(end);
}

/* A task with two descriptors: a gate, at which it waits, and the write end of the pipe, which it
 * copies into the context of its worker. */
static enum pxp_status task_held(struct pxp_task *task)
{
	int *end = pxp_task_context(task);

	*end = fcntl(pxp_task_descriptor(task, 1), F_DUPFD_CLOEXEC, 3);
	gate_pass(pxp_task_descriptor(task, 0));
	return *end >= 0 ? PXP_OK : PXP_ESYS;
}

static struct pxp_future *submit_held(struct pxp_executor *pool, const struct gate *gate,
                                      int write_end)
{
	const int descriptors[] = {gate_descriptor(gate),
	                           fcntl(write_end, F_DUPFD_CLOEXEC, 3)};
	const struct pxp_task_options options = {
		.size = sizeof(options), .descriptors = descriptors, .n_descriptors = 2};
	struct pxp_future *future;

	REQUIRE(pxp_executor_submit(pool, task_held, NULL, 0, &options, &future) ==
	        PXP_OK);
	return future;
}

/* Ported from test_shutdown_no_wait */
TEST(cpython_shutdown, a_shutdown_without_waiting_still_runs_tasks_and_ends_workers)
{
	EVERY_POOL(kind)
	{
		/* The fork server stays, and so do descriptors and memory of the pool. */
		struct residue allowed = {.n_threads = residue_now().n_threads,
		                          .n_processes = residue_now().n_processes + 1,
		                          .n_descriptors = INT_MAX,
		                          .n_mappings = INT_MAX};
		struct pxp_executor *pool = executor_with(
			(struct pxp_executor_options){.kind = kind,
		                                      .n_workers = 5,
		                                      .initialise = initialise_end,
		                                      .finalise = finalise_end});
		struct gate gate = gate_create();
		struct pxp_future *held[5], *futures[MANY];
		int ends[2];
		char byte;

		REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
		for (int i = 0; i < 5; i++)
			held[i] = submit_held(pool, &gate, ends[1]);
		close(ends[1]);
		REQUIRE(pool_await(pool, 5, POOL_ANY));
		submit_many(pool, futures);
		EXPECT_EQ(pxp_executor_shutdown(pool, 0), PXP_OK);
		for (int i = 0; i < 5; i++)
			EXPECT(!pxp_future_is_done(held[i]));
		gate_open(&gate);
		for (int i = 0; i < MANY; i++)
			EXPECT_EQ(number_of(futures[i]), 256);
		for (int i = 0; i < 5; i++)
			EXPECT_EQ(end_of(held[i]), PXP_OK);
		/* The workers end after their last task, although nothing waits for that or
		 * destroys the pool. */
		EXPECT_EQ(read(ends[0], &byte, 1), 0);
		EXPECT(residue_is_none(&allowed));
		close(ends[0]);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

static enum pxp_status task_name(struct pxp_task *task)
{
	char name[16] = "";

	prctl(PR_GET_NAME, name);
	return pxp_task_return(task, name, sizeof(name));
}

/* Ported from test_thread_names_default */
TEST(cpython_shutdown, threads_of_two_unnamed_pools_have_different_names)
{
	struct pxp_executor *pools[2];
	char names[2][16];

	for (int i = 0; i < 2; i++) {
		struct pxp_future *future;

		pools[i] = pool_create(PXP_THREADS, 1);
		future = pool_submit(pools[i], task_name, NULL, NULL);
		snprintf(names[i], sizeof(names[i]), "%s", result_of(future));
		pxp_future_release(future);
	}
	EXPECT(strncmp(names[0], "pxp-", 4) == 0);
	EXPECT(strcmp(names[0], names[1]) != 0);
	pxp_executor_destroy(pools[0]);
	pxp_executor_destroy(pools[1]);
}

static void shut_down_amid_replacement(unsigned n_workers)
{
	struct pxp_executor *pool = executor_with(
		(struct pxp_executor_options){.kind = PXP_PROCESSES,
	                                      .n_workers = n_workers,
	                                      .max_tasks_per_worker = 1});
	struct pxp_future *bad = pool_submit(pool, task_fail, "no", NULL);
	struct pxp_future *good = pool_submit(pool, task_power, "1 1", NULL);

	EXPECT_EQ(pxp_executor_shutdown(pool, 0), PXP_OK);
	EXPECT_EQ(end_of(bad), PXP_ETASK);
	EXPECT_EQ(number_of(good), 1);
	pxp_executor_destroy(pool);
}

/* Ported from test_shutdown_gh_132969_case_1, test_shutdown_gh_132969_case_2 */
TEST(cpython_shutdown, workers_recycled_during_a_shutdown_lose_no_result)
{
	shut_down_amid_replacement(2);
	shut_down_amid_replacement(4);
}

/* ---- the end of a program ---- */

/* These variables keep the executors reachable at exit, so that the leak checker does not report
 * them. */
static struct pxp_executor *kept[2];

static void create_both(void)
{
	kept[0] = pool_create(PXP_THREADS, 1);
	kept[1] = pool_create(PXP_PROCESSES, 1);
}

static void submit_to_both(struct pxp_future *futures[2], const struct gate *gate)
{
	for (int i = 0; i < 2; i++) {
		futures[i] = pool_submit(kept[i], gate ? task_wait : task_echo, "x",
		                         gate);
		if (gate && !pool_await(kept[i], 1, 0))
			_exit(98);
	}
}

static void print_pid(pid_t pid)
{
	printf("%d", (int)pid);
	fflush(stdout);
}

static struct gate never;

/* The program prints the pid of a worker, and returns from main while this worker and a thread run
 * tasks, without a shutdown. */
SCENE(return_amid_tasks)
{
	static struct pxp_future *futures[2];

	never = gate_create();
	create_both();
	print_pid(pid_in(kept[1]));
	submit_to_both(futures, &never);
	return 7;
}

/* The program returns from main after a shutdown that did not wait. */
SCENE(return_after_shutdown)
{
	static struct pxp_future *futures[2];

	never = gate_create();
	create_both();
	submit_to_both(futures, &never);
	pxp_executor_shutdown(kept[0], 0);
	pxp_executor_shutdown(kept[1], 0);
	return 7;
}

/* The program returns from main after a shutdown that cancelled pending tasks. */
SCENE(return_after_cancel)
{
	static struct pxp_future *futures[2], *pending[2];

	never = gate_create();
	create_both();
	submit_to_both(futures, &never);
	for (int i = 0; i < 2; i++) {
		pending[i] = pool_submit(kept[i], task_echo, "x", NULL);
		pxp_executor_shutdown(kept[i], PXP_SHUTDOWN_CANCEL_PENDING);
		if (pxp_future_state(pending[i]) != PXP_CANCELLED)
			return 1;
	}
	return 7;
}

/* The program calls a shutdown that does not wait for tasks, and then pxp_executor_destroy(), which
 * waits. */
SCENE(destroy_after_shutdown)
{
	struct gate gate = gate_create();
	struct pxp_future *futures[2];

	create_both();
	submit_to_both(futures, &gate);
	pxp_executor_shutdown(kept[0], 0);
	pxp_executor_shutdown(kept[1], 0);
	gate_destroy(&gate);
	for (int i = 0; i < 2; i++) {
		pxp_executor_destroy(kept[i]);
		printf("%s", result_of(futures[i]));
		pxp_future_release(futures[i]);
	}
	return 7;
}

static void submit_at_exit(void)
{
	struct pxp_future *futures[2];

	create_both();
	submit_to_both(futures, NULL);
	for (int i = 0; i < 2; i++) {
		printf("%s", result_of(futures[i]));
		pxp_future_release(futures[i]);
		pxp_executor_destroy(kept[i]);
	}
}

SCENE(submit_after_main)
{
	atexit(submit_at_exit);
	return 7;
}

static void expect_seven(const struct play *play)
{
	EXPECT(WIFEXITED(play->status));
	EXPECT_EQ(WEXITSTATUS(play->status), 7);
	EXPECT_STR(play->err, "");
}

/* Ported from test_interpreter_shutdown, test_hang_gh83386. In CPython the end of the program waits
 * for running tasks. In C a program must destroy its executors for that. Without a destroy the
 * program ends at once, and no worker outlives it. */
TEST(cpython_shutdown,
     a_program_that_exits_while_tasks_run_prints_nothing_and_leaves_no_worker)
{
	struct play first = play("return_amid_tasks");
	struct play second = play("return_after_shutdown");

	expect_seven(&first);
	EXPECT(await_gone((pid_t)atoi(first.out)));
	expect_seven(&second);
}

/* Ported from test_cancel_futures_wait_false */
TEST(cpython_shutdown, a_program_that_exits_after_a_cancel_prints_nothing)
{
	struct play cancelled = play("return_after_cancel");

	expect_seven(&cancelled);
}

/* Ported from test_hang_gh83386; loky: test_hang_issue39205 */
TEST(cpython_shutdown, a_program_that_destroys_its_pools_before_exit_gets_all_results)
{
	struct play destroyed = play("destroy_after_shutdown");

	expect_seven(&destroyed);
	EXPECT_STR(destroyed.out, "xx");
}

/* Ported from test_submit_after_interpreter_shutdown. In C the end of main shuts no executor
 * down. */
TEST(cpython_shutdown, an_executor_can_run_tasks_in_an_exit_handler)
{
	struct play late = play("submit_after_main");

	expect_seven(&late);
	EXPECT_STR(late.out, "xx");
}
