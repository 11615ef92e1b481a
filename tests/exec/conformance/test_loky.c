/* Tests from loky that have no counterpart in CPython. */
#include "kit.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ported from test_deadlock_kill */
TEST(loky, a_worker_killed_while_idle_is_replaced_when_needed)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);

	for (int i = 0; i < 5; i++) {
		pid_t worker = pid_in(pool);

		kill(worker, SIGKILL);
		REQUIRE(await_gone(worker));
		/* A task may be sent to the dead worker before the pool notices the death. Such a
		 * task has not started, so it runs in another worker. */
		EXPECT(pid_in(pool) != worker);
	}
	pxp_executor_destroy(pool);
}

enum { MAX_RACERS = 13 };

static enum pxp_status task_kills_others(struct pxp_task *task)
{
	pid_t pids[MAX_RACERS], own = getpid();
	size_t n;
	const void *input = pxp_task_input(task, &n);

	memcpy(pids, input, n);
	for (size_t i = 0; i < n / sizeof(pid_t); i++) {
		if (pids[i] != own)
			kill(pids[i], SIGKILL);
	}
	return PXP_OK;
}

/* Collect the pids of all workers of a pool. For that, each worker must hold a task. */
static void find_workers(struct pxp_executor *pool, unsigned n, pid_t *pids)
{
	struct gate gate = gate_create();
	struct pxp_future *futures[MAX_RACERS];

	for (unsigned i = 0; i < n; i++)
		futures[i] = pool_submit(pool, task_wait, "x", &gate);
	REQUIRE(pool_await(pool, n, 0));
	gate_open(&gate);
	for (unsigned i = 0; i < n; i++) {
		pids[i] = (pid_t)outcome_of(futures[i]).worker;
		pxp_future_release(futures[i]);
	}
	gate_destroy(&gate);
}

/* Ported from test_crash_races. In loky all tasks fail with one error. Here each task has its own
 * outcome. */
TEST(loky, workers_that_kill_each_other_fail_only_their_own_tasks)
{
	static const unsigned n_workers[] = {1, 2, 5, 13};

	for (int i = 0; i < 4; i++) {
		unsigned n = n_workers[i];
		struct pxp_executor *pool = pool_create(PXP_PROCESSES, n);
		struct pxp_future *futures[MAX_RACERS];
		pid_t pids[MAX_RACERS];

		find_workers(pool, n, pids);
		for (unsigned j = 0; j < n; j++)
			REQUIRE(pxp_executor_submit(pool, task_kills_others, pids,
			                            n * sizeof(pid_t), NULL,
			                            &futures[j]) == PXP_OK);
		for (unsigned j = 0; j < n; j++) {
			struct pxp_outcome outcome = outcome_of(futures[j]);

			EXPECT(outcome.error.status == PXP_OK ||
			       (outcome.error.status == PXP_ECRASHED &&
			        outcome.error.signal == SIGKILL));
			pxp_future_release(futures[j]);
		}
		EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
		pxp_executor_destroy(pool);
	}
}

/* A task that leaves a child process behind, which kills the worker when the gate is opened. */
static enum pxp_status task_dies_later(struct pxp_task *task)
{
	pid_t worker = getpid();
	int gate = dup(pxp_task_descriptor(task, 0));

	if (fork() == 0) {
		gate_pass(gate);
		kill(worker, SIGSEGV);
		_exit(0);
	}
	return pxp_task_return(task, "fine", 5);
}

/* Ported from test_call_item_gc_crash_or_exit */
TEST(loky, a_worker_that_dies_after_its_answer_fails_no_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	struct pxp_future *future = pool_submit(pool, task_dies_later, NULL, &gate);
	pid_t worker;

	EXPECT_STR(result_of(future), "fine");
	worker = (pid_t)outcome_of(future).worker;
	gate_open(&gate);
	REQUIRE(await_gone(worker));
	EXPECT_EQ(end_of(future), PXP_OK);
	EXPECT(pid_in(pool) != worker);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Ported from test_processes_terminate_on_executor_gc,
 * test_processes_crash_handling_after_executor_gc */
TEST(loky, destroying_a_pool_reports_crashes_and_runs_the_other_tasks)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct pxp_future *futures[10];

	for (int i = 0; i < 10; i++)
		futures[i] = pool_submit(pool, task_dies, i % 2 ? "signal 11" : "live on",
		                         NULL);
	pxp_executor_destroy(pool);
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(end_of(futures[i]), i % 2 ? PXP_ECRASHED : PXP_OK);
}

static void *take_results(void *data)
{
	intptr_t n_right = 0;

	for (int i = 0; i < 20; i++) {
		struct pxp_future *future = pool_submit(data, task_power, "2 8", NULL);
		void *bytes = NULL;

		if (pxp_future_result(future, PXP_FOREVER, &bytes, NULL, NULL) == PXP_OK)
			n_right += strcmp(bytes, "256") == 0;
		free(bytes);
		pxp_future_release(future);
	}
	return (void *)n_right;
}

/* Ported from test_thread_safety */
TEST(loky, ten_threads_may_share_an_executor)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 4);
		pthread_t threads[10];
		void *n_right;

		for (int i = 0; i < 10; i++)
			REQUIRE(pthread_create(&threads[i], NULL, take_results, pool) ==
			        0);
		for (int i = 0; i < 10; i++) {
			pthread_join(threads[i], &n_right);
			EXPECT_EQ((intptr_t)n_right, 20);
		}
		pxp_executor_destroy(pool);
	}
}

struct chain {
	struct pxp_executor *pool;
	int n_left;
	struct gate is_through;
};

static void submit_next(struct pxp_future *future, void *data)
{
	struct chain *chain = data;
	struct pxp_future *next;

	EXPECT_EQ(pxp_future_outcome(future)->error.status, PXP_OK);
	if (--chain->n_left == 0) {
		gate_open(&chain->is_through);
		return;
	}
	EXPECT_EQ(pxp_executor_try_submit(chain->pool, task_echo, "x", 2, NULL, &next),
	          PXP_OK);
	pxp_future_on_done(next, submit_next, chain);
	pxp_future_release(next);
}

/* Ported from test_submit_from_callback */
TEST(loky, each_callback_in_a_chain_of_tasks_can_submit_the_next_task)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct chain chains[3];

		for (int i = 0; i < 3; i++) {
			struct pxp_future *first;

			chains[i] = (struct chain){.pool = pool,
			                           .n_left = 50 + 25 * i,
			                           .is_through = gate_create()};
			first = pool_submit(pool, task_echo, "x", NULL);
			pxp_future_on_done(first, submit_next, &chains[i]);
			pxp_future_release(first);
		}
		for (int i = 0; i < 3; i++) {
			gate_pass(chains[i].is_through.wait_end);
			EXPECT_EQ(chains[i].n_left, 0);
		}
		pxp_executor_destroy(pool);
		for (int i = 0; i < 3; i++)
			gate_destroy(&chains[i].is_through);
	}
}

/* Ported from test_worker_timeout_mock, test_worker_timeout_with_slowly_pickling_objects,
 * test_worker_timeout_shutdown_no_deadlock */
TEST(loky, no_task_is_lost_when_its_worker_is_just_being_recycled)
{
	for (int round = 0; round < 5; round++) {
		struct pxp_executor *pool = executor_with((struct pxp_executor_options){
			.kind = PXP_PROCESSES, .n_workers = 2, .idle_timeout_ms = 1});

		for (int i = 0; i < 30; i++) {
			EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)),
			          256);
			/* Wait for 0, 1 or 2 ms. An idle worker ends after 1 ms, so some tasks
			 * arrive while it ends. */
			poll(NULL, 0, i % 3);
		}
		pxp_executor_destroy(pool);
	}
}

enum { HUGE_MIB = 2200 };

static enum pxp_status task_length(struct pxp_task *task)
{
	char text[32];
	size_t n_input;
	const char *input = pxp_task_input(task, &n_input);
	int n = snprintf(text, sizeof(text), "%zu %d", n_input, input[n_input - 1]);

	return pxp_task_return(task, text, (size_t)n + 1);
}

/* Ported from test_no_failure_on_large_data_send. This test runs only with PIXPOOL_TEST_HUGE=1 and
 * 9 GB of memory. */
TEST(loky, an_input_longer_than_int_max_arrives_complete)
{
	size_t n = (size_t)HUGE_MIB * 1024 * 1024;
	struct pxp_executor *pool;
	struct pxp_future *future;
	char *input;

	if (!getenv("PIXPOOL_TEST_HUGE"))
		SKIP("2.2 GB, only with PIXPOOL_TEST_HUGE=1");
	pool = executor_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .n_workers = 1, .max_pending_bytes = n});
	input = calloc(1, n);
	REQUIRE(input != NULL);
	input[n - 1] = 7;
	REQUIRE(pxp_executor_submit(pool, task_length, input, n, NULL, &future) ==
	        PXP_OK);
	free(input);
	EXPECT_STR(result_of(future), "2306867200 7");
	pxp_future_release(future);
	pxp_executor_destroy(pool);
}

/* ---- the environment of a worker ---- */

static enum pxp_status initialise_environment(const void *bytes, size_t n,
                                              void **ret_context,
                                              struct pxp_error *ret_error)
{
	(void)n;
	(void)ret_context;
	return setenv("PIXPOOL_POOL", bytes, 1) == 0
	               ? PXP_OK
	               : pxp_fail_errno(ret_error, "setenv");
}

static enum pxp_status task_environment(struct pxp_task *task)
{
	const char *value = getenv("PIXPOOL_POOL");

	return value ? pxp_task_return(task, value, strlen(value) + 1) : PXP_ESTATE;
}

/* Ported from test_child_env_executor. In loky the option env sets the variables. Here the
 * initialiser sets them. */
TEST(loky, each_pool_can_have_its_own_environment_variables)
{
	struct pxp_executor *pools[2];

	for (int i = 0; i < 2; i++)
		pools[i] = executor_with((struct pxp_executor_options){
			.kind = PXP_PROCESSES,
			.n_workers = 1,
			.initialise = initialise_environment,
			.init_bytes = i ? "1" : "0",
			.n_init_bytes = 2});
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(number_of(pool_submit(pools[i], task_environment, NULL, NULL)),
		          i);
	EXPECT(getenv("PIXPOOL_POOL") == NULL);
	pxp_executor_destroy(pools[0]);
	pxp_executor_destroy(pools[1]);
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static enum pxp_status task_takes_locks(struct pxp_task *task)
{
	void *memory;

	pthread_mutex_lock(&held);
	pthread_mutex_unlock(&held);
	printf("not stuck\n");
	memory = malloc(1000000);
	free(memory);
	return pxp_task_return(task, "free", 5);
}

struct holder {
	struct gate is_held, let_go;
};

static void *hold_locks(void *data)
{
	struct holder *holder = data;

	pthread_mutex_lock(&held);
	flockfile(stdout);
	gate_open(&holder->is_held);
	gate_pass(holder->let_go.wait_end);
	funlockfile(stdout);
	pthread_mutex_unlock(&held);
	return NULL;
}

/* Ported from test_numpy_dot_parent_and_child_no_freeze */
TEST(loky, locks_held_by_threads_of_the_parent_are_free_in_a_worker)
{
	struct holder holder = {.is_held = gate_create(), .let_go = gate_create()};
	struct pxp_executor *pool;
	struct pxp_future *future;
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, hold_locks, &holder) == 0);
	gate_pass(holder.is_held.wait_end);
	pool = pool_create(PXP_PROCESSES, 1);
	future = pool_submit(pool, task_takes_locks, NULL, NULL);
	EXPECT_STR(result_of(future), "free");
	gate_open(&holder.let_go);
	pthread_join(thread, NULL);
	pxp_future_release(future);
	pxp_executor_destroy(pool);
	gate_destroy(&holder.is_held);
	gate_destroy(&holder.let_go);
}

static enum pxp_status task_uses_input(struct pxp_task *task)
{
	char byte;
	int status = system("cat");

	if (status != 0)
		return pxp_task_fail(task, 1, "a program that reads standard input: %d",
		                     status);
	return read(0, &byte, 1) == 0 && write(1, "x", 1) == 1
	               ? PXP_OK
	               : pxp_task_fail(task, 2, "no standard input or output");
}

/* Ported from test_no_crash_on_stdin_access_in_child_subprocess_run */
TEST(loky, standard_input_is_empty_in_a_worker_and_its_child_processes)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_uses_input, NULL, NULL);

	EXPECT_STR(outcome_of(future).error.text, "");
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);
}

/* ---- pools in pools ---- */

/* A task that reports its start and then waits to be killed. */
static enum pxp_status task_waits_for_ever(struct pxp_task *task)
{
	if (write(pxp_task_descriptor(task, 0), "x", 1) != 1)
		return PXP_ESYS;
	pause();
	return PXP_OK;
}

/* A task that runs task_waits_for_ever() in a pool of its own. */
static enum pxp_status task_nests(struct pxp_task *task)
{
	int descriptor = dup(pxp_task_descriptor(task, 0));
	struct pxp_task_options options = {
		.size = sizeof(options), .descriptors = &descriptor, .n_descriptors = 1};
	struct pxp_executor *pool;
	struct pxp_future *future;

	if (pxp_zygote_start(NULL) != PXP_OK)
		return PXP_ESTATE;
	pool = pool_create(PXP_PROCESSES, 1);
	if (pxp_executor_submit(pool, task_waits_for_ever, NULL, 0, &options, &future) !=
	    PXP_OK)
		return PXP_ESTATE;
	pxp_future_wait(future, PXP_FOREVER);
	return PXP_OK;
}

/* Ported from test_shutdown_and_kill_workers */
TEST(loky, killing_a_pool_also_kills_the_pools_inside_its_tasks)
{
#ifdef PIXPOOL_SANITIZE_THREAD
	SKIP("under ThreadSanitizer there is no zygote in a worker");
#endif
	struct residue before = residue_now();
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future;
	struct pxp_task_options options = {.size = sizeof(options), .n_descriptors = 1};
	int ends[2];
	struct pollfd arrived;

	REQUIRE(pipe(ends) == 0);
	options.descriptors = &ends[1];
	REQUIRE(pxp_executor_submit(pool, task_nests, NULL, 0, &options, &future) ==
	        PXP_OK);
	arrived = (struct pollfd){.fd = ends[0], .events = POLLIN};
	REQUIRE(poll(&arrived, 1, 60000) == 1);
	/* The task has started a zygote, which started a fork server, which started a worker.
	 * Together with our own fork server and worker that is five new processes. */
	EXPECT_EQ(residue_now().n_processes, before.n_processes + 5);
	EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL | PXP_SHUTDOWN_WAIT),
	          PXP_OK);
	EXPECT_EQ(residue_now().n_processes, before.n_processes);
	EXPECT_EQ(end_of(future), PXP_ECANCELLED);
	close(ends[0]);
	pxp_executor_destroy(pool);
}
