/* Tests ported from CPython's test_process_pool.py: features that only process pools have, and how
 * workers start and end. */
#include "kit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void submit_all(struct pxp_executor *pool, struct pxp_future **futures, int n)
{
	char input[32];

	for (int i = 0; i < n; i++) {
		snprintf(input, sizeof(input), "%d 2", i);
		futures[i] = pool_submit(pool, task_power, input, NULL);
	}
}

static void expect_squares(struct pxp_future **futures, int n)
{
	for (int i = 0; i < n; i++)
		EXPECT_EQ(number_of(futures[i]), i * i);
}

/* Ported from test_max_workers_too_large. CPython's maximum is 61, because of a limit of
 * Windows. */
TEST(cpython_process_pool, more_workers_than_the_maximum_are_refused)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor_options options = {
			.size = sizeof(options), .kind = kind, .n_workers = 1025};
		struct pxp_executor *pool;

		EXPECT_EQ(pxp_executor_create(&options, &pool, NULL), PXP_EINVAL);
		EXPECT(pool == NULL);
	}
}

static enum pxp_status preload_without_limits(struct pxp_error *ret_error)
{
	return deny_call(SYS_prlimit64, EPERM, 0)
	               ? PXP_OK
	               : pxp_fail(ret_error, PXP_ESYS, "no seccomp");
}

static enum pxp_status preload_without_pidfds(struct pxp_error *ret_error)
{
	return deny_call(SYS_pidfd_open, EPERM, 0)
	               ? PXP_OK
	               : pxp_fail(ret_error, PXP_ESYS, "no seccomp");
}

/* Ported from test_sysconf_permission_error. If a sandbox forbids a system call, the pool works
 * without the call, or reports the failure. */
TEST(cpython_process_pool, a_pool_works_in_a_sandbox_that_forbids_reading_resource_limits)
{
	struct pxp_executor *pool = executor_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .preload = preload_without_limits});

	EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	pxp_executor_destroy(pool);
}

/* Ported from test_sysconf_permission_error */
TEST(cpython_process_pool,
     in_a_sandbox_that_forbids_pidfds_a_pool_breaks_and_reports_the_reason)
{
	struct pxp_executor *pool = executor_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .preload = preload_without_pidfds});
	struct pxp_future *future = pool_submit(pool, task_power, "2 8", NULL);

	EXPECT_STR(outcome_of(future).error.text,
	           "cannot start a worker process: Operation not permitted");
	EXPECT_EQ(end_of(future), PXP_EBROKEN);
	pxp_executor_destroy(pool);
}

/* Ported from test_killed_child with the behaviour of the original: the pool breaks at the first
 * death (max_crashes 1). The test of a pool that recovers is in test_process_pool.c. */
TEST(cpython_process_pool, with_max_crashes_1_a_killed_worker_breaks_the_pool)
{
	struct pxp_executor *pool = executor_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .n_workers = 1, .max_crashes = 1});
	struct gate never = gate_create();
	pid_t worker = pid_in(pool);
	struct pxp_future *held = pool_submit(pool, task_wait, "x", &never);

	REQUIRE(pool_await(pool, 1, 0));
	kill(worker, SIGKILL);
	EXPECT_EQ(end_of(held), PXP_ECRASHED);
	EXPECT_EQ(pxp_executor_submit(pool, task_echo, NULL, 0, NULL, NULL), PXP_EBROKEN);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* Ported from test_broken_process_pool_traceback */
TEST(cpython_process_pool, each_future_of_a_broken_pool_has_an_error_of_its_own)
{
	struct pxp_executor *pool = executor_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .n_workers = 1, .max_crashes = 1});
	struct gate gate = gate_create();
	struct pxp_future *first = pool_submit(pool, task_signal, "9", &gate), *rest[3];

	for (int i = 0; i < 3; i++)
		rest[i] = pool_submit(pool, task_echo, "x", NULL);
	gate_open(&gate);
	EXPECT_EQ(end_of(first), PXP_ECRASHED);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(outcome_of(rest[i]).error.status, PXP_EBROKEN);
		EXPECT(i == 0 ||
		       pxp_future_outcome(rest[i]) != pxp_future_outcome(rest[i - 1]));
	}
	EXPECT_STR(pxp_future_outcome(rest[0])->error.text,
	           pxp_future_outcome(rest[2])->error.text);
	futures_release(rest, 3);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Ported from test_traceback_when_child_process_terminates_abruptly */
TEST(cpython_process_pool, the_error_of_a_task_whose_worker_exited_names_the_exit_status)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_exit, "99", NULL);

	EXPECT_STR(outcome_of(future).error.text, "worker exited with status 99");
	pxp_future_release(future);
	pxp_executor_destroy(pool);
}

static enum pxp_status task_count_open(struct pxp_task *task)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", residue_n_descriptors(getpid()));

	return pxp_task_return(task, text, (size_t)n + 1);
}

/* Ported from test_ressources_gced_in_workers: a worker frees the inputs of a task when the task
 * ends. The leak check of a sanitizer build also covers the memory of a long input in the
 * worker. */
TEST(cpython_process_pool, a_worker_releases_the_inputs_of_a_task_when_the_task_ends)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	long before = number_of(pool_submit(pool, task_count_open, NULL, NULL));
	char *input = calloc(1, 300000);

	for (int i = 0; i < 5; i++) {
		struct gate gate = gate_create();
		int descriptor = gate_descriptor(&gate);
		struct pxp_task_options options = {.size = sizeof(options),
		                                   .descriptors = &descriptor,
		                                   .n_descriptors = 1};
		struct pxp_future *future;

		REQUIRE(pxp_executor_submit(pool, task_echo, input, 300000, &options,
		                            &future) == PXP_OK);
		EXPECT_EQ(end_of(future), PXP_OK);
		gate_destroy(&gate);
	}
	EXPECT_EQ(number_of(pool_submit(pool, task_count_open, NULL, NULL)), before);
	free(input);
	pxp_executor_destroy(pool);
}

/* Ported from test_saturation */
TEST(cpython_process_pool, a_pool_never_starts_more_workers_than_its_maximum)
{
	enum { WORKERS = 4, TASKS = 15 * WORKERS };
	struct residue before = residue_now();
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, WORKERS);
	struct gate gate = gate_create();
	struct pxp_future *futures[TASKS];

	for (int i = 0; i < TASKS; i++)
		futures[i] = pool_submit(pool, task_wait, "x", &gate);
	REQUIRE(pool_await(pool, WORKERS, POOL_ANY));
	EXPECT_EQ(stats_of(pool).n_spawned, WORKERS);
	EXPECT_EQ(residue_now().n_processes, before.n_processes + 1 + WORKERS);
	gate_open(&gate);
	for (int i = 0; i < TASKS; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	EXPECT_EQ(stats_of(pool).n_spawned, WORKERS);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Ported from test_idle_process_reuse_one */
TEST(cpython_process_pool, sequential_tasks_reuse_one_worker)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 4);

	EXPECT_EQ(number_of(pool_submit(pool, task_power, "21 1", NULL)), 21);
	EXPECT_EQ(number_of(pool_submit(pool, task_power, "6 2", NULL)), 36);
	EXPECT_EQ(number_of(pool_submit(pool, task_power, "3 3", NULL)), 27);
	EXPECT_EQ(stats_of(pool).n_spawned, 1);
	pxp_executor_destroy(pool);
}

/* Ported from test_idle_process_reuse_multiple */
TEST(cpython_process_pool, running_two_tasks_at_a_time_starts_at_most_three_workers)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 5);

	EXPECT_EQ(number_of(pool_submit(pool, task_power, "12 1", NULL)), 12);
	for (int i = 0; i < 3; i++) {
		struct pxp_future *beside = pool_submit(pool, task_power, "33 1", NULL);

		EXPECT_EQ(number_of(pool_submit(pool, task_power, "25 1", NULL)), 25);
		EXPECT_EQ(number_of(beside), 33);
	}
	EXPECT(stats_of(pool).n_spawned <= 3);
	pxp_executor_destroy(pool);
}

static void expect_all_done(unsigned n_workers, size_t max_tasks, int n)
{
	struct pxp_executor *pool = executor_with(
		(struct pxp_executor_options){.kind = PXP_PROCESSES,
	                                      .n_workers = n_workers,
	                                      .max_tasks_per_worker = max_tasks});
	struct pxp_future *futures[16];

	submit_all(pool, futures, n);
	expect_squares(futures, n);
	pxp_executor_destroy(pool);
}

/* Ported from test_max_tasks_per_child_pending_tasks_gh115634 */
TEST(cpython_process_pool, queued_tasks_all_run_while_workers_are_replaced)
{
	expect_all_done(1, 2, 6);
	expect_all_done(2, 2, 8);
}

/* Ported from test_max_tasks_early_shutdown */
TEST(cpython_process_pool, destroying_a_pool_during_worker_replacement_runs_queued_tasks)
{
	struct pxp_executor *pool = executor_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .n_workers = 3, .max_tasks_per_worker = 1});
	struct pxp_future *futures[6];

	submit_all(pool, futures, 6);
	pxp_executor_destroy(pool);
	expect_squares(futures, 6);
}

/* Ported from test_shutdown_no_wait_max_tasks_gh119592. In the second half of the original the
 * executor is garbage-collected and the queued tasks fail. This library has no garbage collection,
 * and pxp_executor_destroy() runs the queued tasks. */
TEST(cpython_process_pool, a_shutdown_without_waiting_still_replaces_workers)
{
	struct pxp_executor *pool = executor_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .n_workers = 1, .max_tasks_per_worker = 2});
	struct gate gate = gate_create();
	struct pxp_future *first = pool_submit(pool, task_wait, "x", &gate), *futures[6];

	submit_all(pool, futures, 6);
	EXPECT_EQ(pxp_executor_shutdown(pool, 0), PXP_OK);
	gate_open(&gate);
	expect_squares(futures, 6);
	EXPECT_EQ(end_of(first), PXP_OK);
	EXPECT_EQ(stats_of(pool).n_spawned, 4);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

static void stand_still(void *context)
{
	(void)context;
	raise(SIGSTOP);
}

/* Create a pool whose only worker has run its one task and is held while it exits. */
static struct pxp_executor *pool_amid_replacement(void)
{
	struct pxp_executor *pool = executor_with(
		(struct pxp_executor_options){.kind = PXP_PROCESSES,
	                                      .n_workers = 1,
	                                      .max_tasks_per_worker = 1,
	                                      .finalise = stand_still});

	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
	REQUIRE(pool_await_workers(pool, 0));
	EXPECT_EQ(stats_of(pool).n_spawned, 1);
	return pool;
}

/* Ported from test_force_shutdown_during_max_tasks_worker_exit */
TEST(cpython_process_pool,
     killing_a_pool_during_worker_replacement_starts_no_other_worker)
{
	struct pxp_executor *pool = pool_amid_replacement();
	struct pxp_future *futures[3];

	submit_all(pool, futures, 3);
	EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL | PXP_SHUTDOWN_WAIT),
	          PXP_OK);
	EXPECT_EQ(stats_of(pool).n_spawned, 1);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
}

/* Ported from test_gc_during_max_tasks_worker_exit_gh152967. In CPython the executor is
 * garbage-collected, and queued tasks fail. Here the worker that does not end is killed after 5 s,
 * and queued tasks run. */
TEST(cpython_process_pool,
     destroying_a_pool_during_worker_replacement_completes_every_future)
{
	struct pxp_executor *pool = pool_amid_replacement();
	struct pxp_future *future = pool_submit(pool, task_power, "7 2", NULL);

	pxp_executor_shutdown(pool, 0);
	EXPECT_EQ(number_of(future), 49);
	EXPECT_EQ(stats_of(pool).n_spawned, 2);
	/* Like the first worker, the second worker is held while it exits. */
	pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL);
	pxp_executor_destroy(pool);
}

/* The number of descriptors that the fork server has while it waits for a request. During preload
 * it has three more. */
static int n_open_in_fork_server;

static enum pxp_status preload_counts_open(struct pxp_error *ret_error)
{
	(void)ret_error;
	n_open_in_fork_server = residue_n_descriptors(getpid()) - 3;
	return PXP_OK;
}

/* Leave the fork server enough free descriptors to receive a request, but none for the pidfd of a
 * new worker. */
static enum pxp_status task_starves_fork_server(struct pxp_task *task)
{
	struct rlimit limit = {.rlim_cur = (rlim_t)n_open_in_fork_server + 3,
	                       .rlim_max = (rlim_t)n_open_in_fork_server + 3};

	while (residue_n_descriptors(getppid()) > n_open_in_fork_server)
		sched_yield();
	return prlimit(getppid(), RLIMIT_NOFILE, &limit, NULL) == 0
	               ? PXP_OK
	               : pxp_task_fail(task, errno, "prlimit");
}

/* Ported from test_failed_worker_replacement_breaks_pool */
TEST(cpython_process_pool, queued_tasks_fail_if_the_last_worker_cannot_be_replaced)
{
	struct pxp_executor *pool = executor_with(
		(struct pxp_executor_options){.kind = PXP_PROCESSES,
	                                      .n_workers = 1,
	                                      .max_tasks_per_worker = 1,
	                                      .preload = preload_counts_open});
	struct pxp_future *last = pool_submit(pool, task_starves_fork_server, NULL, NULL);
	struct pxp_future *futures[3];

	submit_all(pool, futures, 3);
	EXPECT_EQ(end_of(last), PXP_OK);
	EXPECT_STR(outcome_of(futures[0]).error.text,
	           "cannot start a worker process: Too many open files");
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_EBROKEN);
	EXPECT_EQ(pxp_executor_submit(pool, task_echo, NULL, 0, NULL, NULL), PXP_EBROKEN);
	pxp_executor_destroy(pool);
}

static void *try_without_threads(void *data)
{
	struct pxp_executor_options options = {
		.size = sizeof(options), .kind = PXP_PROCESSES, .n_workers = 2};
	struct pxp_executor *pool, *with_one_thread = data;

	REQUIRE(deny_call(SYS_clone3, EAGAIN, 0) &&
	        deny_call(SYS_clone, EAGAIN, CLONE_THREAD));
	EXPECT_EQ(pxp_executor_create(&options, &pool, NULL), PXP_ESYS);
	EXPECT(pool == NULL);

	options.kind = PXP_THREADS;
	REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
	EXPECT_EQ(pxp_executor_submit(pool, task_echo, "x", 2, NULL, NULL), PXP_ESYS);
	pxp_executor_destroy(pool);

	EXPECT_EQ(end_of(pool_submit(with_one_thread, task_echo, "x", NULL)), PXP_OK);
	return NULL;
}

/* Ported from test_python_finalization_error */
TEST(cpython_process_pool,
     creating_and_using_a_pool_fails_without_a_hang_if_no_thread_can_be_started)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 2);
	struct gate gate = gate_create();
	struct pxp_future *held = pool_submit(pool, task_wait, "x", &gate);
	pthread_t thread;

	REQUIRE(pool_await(pool, 1, 0));
	gate_open(&gate);
	REQUIRE(pthread_create(&thread, NULL, try_without_threads, pool) == 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(end_of(held), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* ---- shutdown by force ---- */

/* A task whose input is the name of a file that it creates when it ends. */
static enum pxp_status task_finishes(struct pxp_task *task)
{
	gate_pass(pxp_task_descriptor(task, 0));
	return creat(pxp_task_input(task, NULL), 0600) < 0 ? PXP_ESYS : PXP_OK;
}

/* Ported from test_kill_workers, test_force_shutdown_workers */
TEST(cpython_process_pool, killing_a_pool_stops_its_running_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	char folder[] = "/tmp/pixpool-test-XXXXXX", name[64];
	struct pxp_future *future;
	pid_t worker;

	REQUIRE(mkdtemp(folder) != NULL);
	snprintf(name, sizeof(name), "%s/finished", folder);
	worker = pid_in(pool);
	future = pool_submit(pool, task_finishes, name, &gate);
	REQUIRE(pool_await(pool, 1, 0));
	EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL | PXP_SHUTDOWN_WAIT),
	          PXP_OK);
	EXPECT(is_gone(worker));
	gate_open(&gate);
	EXPECT(access(name, F_OK) != 0);
	EXPECT_EQ(end_of(future), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
	rmdir(folder);
}

/* A task that waits at its gate, then ends as cancelled if it got a cancel request. */
static enum pxp_status task_heeds(struct pxp_task *task)
{
	gate_pass(pxp_task_descriptor(task, 0));
	return pxp_task_is_cancelled(task) ? PXP_ECANCELLED : PXP_OK;
}

/* Ported from test_terminate_workers. This library does not send SIGTERM to workers. Instead, the
 * test sends a cancel request to each of their tasks. */
TEST(cpython_process_pool, a_pool_can_be_ended_by_cancel_requests_to_its_tasks)
{
	EVERY_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct gate gate = gate_create();
		struct pxp_future *futures[4];

		for (int i = 0; i < 4; i++)
			futures[i] = pool_submit(pool, task_heeds, NULL, &gate);
		REQUIRE(pool_await(pool, 2, POOL_ANY));
		pxp_executor_shutdown(pool, PXP_SHUTDOWN_CANCEL_PENDING);
		for (int i = 0; i < 4; i++)
			pxp_future_cancel_with(futures[i], PXP_CANCEL_ASK);
		gate_open(&gate);
		for (int i = 0; i < 4; i++)
			EXPECT_EQ(end_of(futures[i]), PXP_ECANCELLED);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* Ported from test_force_shutdown_workers_invalid_op */
TEST(cpython_process_pool, a_shutdown_with_an_unknown_flag_is_refused)
{
	EVERY_EXECUTOR(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);

		EXPECT_EQ(pxp_executor_shutdown(pool, 1024), PXP_EINVAL);
		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
		pxp_executor_destroy(pool);
	}
}

/* Ported from test_force_shutdown_workers_dead_workers */
TEST(cpython_process_pool, a_pool_whose_workers_died_can_be_killed)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);

	EXPECT_EQ(end_of(pool_submit(pool, task_exit, "1", NULL)), PXP_ECRASHED);
	EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL | PXP_SHUTDOWN_WAIT),
	          PXP_OK);
	pxp_executor_destroy(pool);
}

/* Ported from test_force_shutdown_workers_not_started_yet */
TEST(cpython_process_pool, a_pool_that_has_no_worker_yet_can_be_killed)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);

	EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL | PXP_SHUTDOWN_WAIT),
	          PXP_OK);
	EXPECT_EQ(stats_of(pool).n_spawned, 0);
	pxp_executor_destroy(pool);
}

/* Ported from test_force_shutdown_workers_stops_pool */
TEST(cpython_process_pool, a_killed_pool_refuses_tasks_and_has_no_workers)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	pid_t worker = pid_in(pool);

	pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL);
	EXPECT_EQ(pxp_executor_submit(pool, task_echo, NULL, 0, NULL, NULL),
	          PXP_ESHUTDOWN);
	pxp_executor_shutdown(pool, PXP_SHUTDOWN_WAIT);
	EXPECT(is_gone(worker));
	pxp_executor_destroy(pool);
}
