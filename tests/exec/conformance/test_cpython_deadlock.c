/* Tests ported from CPython's test_deadlock.py, and from loky's tests of the same faults: tasks
 * that fail at each step, in each way. The pool must neither hang nor break. */
#include "kit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BIG = 1024 * 1024, LONG_RESULT = 128 * 1024 };

/* ---- a task that fails in a given way ---- */

static enum pxp_status go_wrong(struct pxp_task *task, const char *how)
{
	if (strcmp(how, "error") == 0)
		return pxp_task_fail(task, 3, "it went wrong");
	if (strcmp(how, "crash") == 0) {
		sigset_t none;

		sigemptyset(&none);
		/* This code may run in a signal handler, where some signals are blocked. So unblock
		 * all signals. */
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	if (strcmp(how, "exit") == 0)
		exit(1);
	_exit(0);
}

static char way_in_answer[16];

static void go_wrong_in_answer(int number)
{
	(void)number;
	go_wrong(NULL, way_in_answer);
}

/* Return a long result, for which the worker calls memfd_create() after the function of the task
 * has returned. A seccomp filter makes this call fail, or raise a signal whose handler ends the
 * worker. */
static enum pxp_status go_wrong_later(struct pxp_task *task, const char *how)
{
	static const char result[LONG_RESULT];

	snprintf(way_in_answer, sizeof(way_in_answer), "%s", how);
	signal(SIGSYS, go_wrong_in_answer);
	if (strcmp(how, "error") == 0 ? !deny_call(SYS_memfd_create, ENFILE, 0)
	                              : !trap_call(SYS_memfd_create))
		return PXP_ESYS;
	return pxp_task_return(task, result, sizeof(result));
}

/* A task whose input has two words: the step at which it fails, and the way in which it fails. The
 * steps are "decode" (before any work), "work", and "encode" (while the worker makes the
 * answer). */
static enum pxp_status task_goes_wrong(struct pxp_task *task)
{
	char step[16] = "", how[16] = "";

	if (sscanf(pxp_task_input(task, NULL), "%15s %15s", step, how) != 2)
		return PXP_EINVAL;
	if (strcmp(step, "decode") == 0)
		return go_wrong(task, how);
	pxp_task_progress(task, 1, 2);
	if (strcmp(step, "work") == 0)
		return go_wrong(task, how);
	pxp_task_progress(task, 2, 2);
	return go_wrong_later(task, how);
}

static const struct fault {
	const char *step, *how;
} faults[] = {
	{"decode", "error"}, {"decode", "crash"}, {"decode", "exit"}, {"decode", "_exit"},
	{"work", "error"},   {"work", "crash"},   {"work", "exit"},   {"work", "_exit"},
	{"encode", "error"}, {"encode", "crash"}, {"encode", "exit"}, {"encode", "_exit"},
};

enum { N_FAULTS = sizeof(faults) / sizeof(faults[0]) };

static const char *input_of(const struct fault *fault)
{
	static char text[32];

	snprintf(text, sizeof(text), "%s %s", fault->step, fault->how);
	return text;
}

/* Each way to fail ends in one of two outcomes: the worker died, or the task has an error. At the
 * step "encode" the error comes from the library, not from the task. */
static void expect_death(const struct pxp_outcome *outcome, const struct fault *fault)
{
	bool is_answering = strcmp(fault->step, "encode") == 0;
	const char *text = "worker exited with status 0";

	if (strcmp(fault->how, "crash") == 0)
		text = "worker died of SIGSEGV";
	else if (strcmp(fault->how, "exit") == 0)
		text = "worker exited with status 1";
	EXPECT_EQ(outcome->error.status, PXP_ECRASHED);
	EXPECT_STR(outcome->error.text, text);
	EXPECT_EQ(outcome->phase, is_answering ? PXP_PHASE_ANSWERING : PXP_PHASE_RUNNING);
}

static void expect_error(const struct pxp_outcome *outcome, const struct fault *fault)
{
	EXPECT_EQ(outcome->phase, PXP_PHASE_NONE);
	if (strcmp(fault->step, "encode") == 0) {
		EXPECT(outcome->error.status != PXP_OK &&
		       outcome->error.status != PXP_ECRASHED);
		EXPECT(strstr(outcome->error.text, "result of 131072 bytes") != NULL,
		       "%s", outcome->error.text);
		return;
	}
	EXPECT_EQ(outcome->error.status, PXP_ETASK);
	EXPECT_EQ(outcome->error.code, 3);
	EXPECT_STR(outcome->error.text, "it went wrong");
}

static void expect_wrong(struct pxp_future *future, const struct fault *fault)
{
	struct pxp_outcome outcome = outcome_of(future);

	if (strcmp(fault->how, "error") == 0)
		expect_error(&outcome, fault);
	else
		expect_death(&outcome, fault);
	EXPECT_EQ(outcome.progress.done, strcmp(fault->step, "decode") == 0 ? 0
	                                 : strcmp(fault->step, "work") == 0 ? 1
	                                                                    : 2);
	EXPECT_STR(result_of(future), "");
}

/*
 * Ported from test_error_at_task_unpickle, test_exit_at_task_unpickle, test_crash_at_task_unpickle,
 * test_error_during_func_exec_on_worker, test_exit_during_func_exec_on_worker,
 * test_crash_during_func_exec_on_worker, test_error_during_result_pickle_on_worker,
 * test_exit_during_result_pickle_on_worker, test_crash_during_result_pickle_on_worker; loky:
 * test_crashes. In CPython and loky an exit of the worker is an error of the task, or breaks the
 * pool. In this library only the task of this worker fails, as after a crash.
 */
TEST(cpython_deadlock, a_fault_at_any_step_of_a_task_fails_only_that_task_and_is_reported)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);

	for (int i = 0; i < N_FAULTS; i++) {
		struct pxp_future *future = pool_submit(pool, task_goes_wrong,
		                                        input_of(&faults[i]), NULL);

		expect_wrong(future, &faults[i]);
		pxp_future_release(future);
		EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	}
	pxp_executor_destroy(pool);
}

struct chain {
	struct pxp_executor *pool;
	const char *fault;
	struct pxp_future *second;
	struct gate submitted;
};

static void submit_second(struct pxp_future *future, void *data)
{
	struct chain *chain = data;

	(void)future;
	EXPECT_EQ(pxp_executor_try_submit(chain->pool, task_goes_wrong, chain->fault,
	                                  strlen(chain->fault) + 1, NULL, &chain->second),
	          PXP_OK);
	gate_open(&chain->submitted);
}

/* Ported from loky: test_in_callback_submit_with_crash */
TEST(cpython_deadlock, a_callback_may_submit_a_task_that_crashes)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);

	for (int i = 0; i < N_FAULTS; i++) {
		struct chain chain = {.pool = pool,
		                      .fault = input_of(&faults[i]),
		                      .submitted = gate_create()};
		struct pxp_future *first = pool_submit(pool, task_echo, "x", NULL);

		pxp_future_on_done(first, submit_second, &chain);
		gate_pass(chain.submitted.wait_end);
		expect_wrong(chain.second, &faults[i]);
		pxp_future_release(first);
		pxp_future_release(chain.second);
		gate_destroy(&chain.submitted);
	}
	pxp_executor_destroy(pool);
}

/* ---- tasks and results that cannot be sent or read ---- */

/* Submit a task that cannot be sent to a worker, because its descriptor is invalid. */
static struct pxp_future *submit_unsendable(struct pxp_executor *pool)
{
	int nowhere = 999999;
	struct pxp_task_options options = {
		.size = sizeof(options), .descriptors = &nowhere, .n_descriptors = 1};
	struct pxp_future *future;

	REQUIRE(pxp_executor_submit(pool, task_echo, NULL, 0, &options, &future) ==
	        PXP_OK);
	return future;
}

/* Ported from test_error_at_task_pickle. In this library only descriptors can make the sending of a
 * task fail. */
TEST(cpython_deadlock, a_task_that_cannot_be_sent_fails_alone)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);

	EXPECT_EQ(end_of(submit_unsendable(pool)), PXP_ESYS);
	EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	pxp_executor_destroy(pool);
}

/* Ported from test_shutdown_deadlock_pickle */
TEST(cpython_deadlock, a_shutdown_does_not_hang_on_a_task_that_cannot_be_sent)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct pxp_future *future;

	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
	future = submit_unsendable(pool);
	EXPECT_EQ(pxp_executor_shutdown(pool, 0), PXP_OK);
	EXPECT_EQ(end_of(future), PXP_ESYS);
	pxp_executor_destroy(pool);
}

/* Ported from loky: test_queue_full_deadlock */
TEST(cpython_deadlock, many_tasks_that_cannot_be_sent_do_not_block_later_ones)
{
	enum { N = 100 };
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *bad[N], *good[N];

	for (int i = 0; i < N; i++)
		bad[i] = submit_unsendable(pool);
	for (int i = 0; i < N; i++)
		good[i] = pool_submit(pool, task_power, "2 8", NULL);
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(end_of(bad[i]), PXP_ESYS);
		EXPECT_EQ(number_of(good[i]), 256);
	}
	pxp_executor_destroy(pool);
}

static enum pxp_status initialise_small(const void *bytes, size_t n, void **ret_context,
                                        struct pxp_error *ret_error)
{
	struct rlimit limit;
	FILE *statm = fopen("/proc/self/statm", "re");
	unsigned long n_pages = 0;
	bool is_known = statm && fscanf(statm, "%lu", &n_pages) == 1;

	(void)bytes;
	(void)n;
	(void)ret_context;
	if (statm)
		fclose(statm);
	limit.rlim_cur = limit.rlim_max = n_pages * (unsigned long)sysconf(_SC_PAGESIZE) +
	                                  BIG;
	return is_known && setrlimit(RLIMIT_AS, &limit) == 0
	               ? PXP_OK
	               : pxp_fail_errno(ret_error, "setrlimit");
}

/* Ported from loky: test_informative_error_when_fail_at_unpickle; CPython,
 * test_interpreter_pool.py: test_pickle_errors_propagate. Before a worker calls the function of a
 * task, it allocates memory for the input. Nothing else can fail there. */
TEST(cpython_deadlock,
     an_input_that_a_worker_cannot_receive_fails_its_task_with_the_reason)
{
#if defined(PIXPOOL_SANITIZE)
	SKIP("a sanitizer cannot run under RLIMIT_AS");
#endif
	struct pxp_executor *pool = executor_with((struct pxp_executor_options){
		.kind = PXP_PROCESSES, .n_workers = 1, .initialise = initialise_small});
	char *input = calloc(4, BIG);
	struct pxp_future *future;

	REQUIRE(pxp_executor_submit(pool, task_echo, input, 4 * (size_t)BIG, NULL,
	                            &future) == PXP_OK);
	free(input);
	EXPECT_STR(outcome_of(future).error.text,
	           "no memory for an input of 4194304 bytes");
	EXPECT_EQ(end_of(future), PXP_EMEMORY);
	EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	pxp_executor_destroy(pool);
}

static enum pxp_status task_babbles(struct pxp_task *task)
{
	const char *how = pxp_task_input(task, NULL);
	char frame[300] = {0};

	(void)!write(3, frame, sizeof(frame));
	return go_wrong(task, how);
}

/* Ported from test_error_during_result_unpickle_in_result_handler,
 * test_exit_during_result_unpickle_in_result_handler; loky: test_crashes. The supervisor runs no
 * user code, so the only possible fault there is an invalid frame. */
TEST(cpython_deadlock, a_frame_that_the_main_process_cannot_read_fails_only_its_task)
{
	static const char *const ways[] = {"error", "crash", "exit", "_exit"};
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);

	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(end_of(pool_submit(pool, task_babbles, ways[i], NULL)),
		          PXP_EPROTO);
		EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	}
	pxp_executor_destroy(pool);
}

/* ---- shutdown, large data, a late supervisor ---- */

/* Ported from test_shutdown_deadlock */
TEST(cpython_deadlock, a_shutdown_does_not_hang_when_a_worker_dies_meanwhile)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate gate = gate_create();
	struct pxp_future *future = pool_submit(pool, task_signal, "11", &gate);
	struct opener opener;

	REQUIRE(pool_await(pool, 1, 0));
	opener_start(&opener, pool, &gate);
	EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_WAIT), PXP_OK);
	opener_join(&opener);
	EXPECT_EQ(end_of(future), PXP_ECRASHED);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

static enum pxp_status task_crashes(struct pxp_task *task)
{
	(void)task;
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return PXP_OK;
}

/* Ported from test_crash_big_data (gh-94777). Each input is larger than a pipe or a frame. */
TEST(cpython_deadlock, a_task_still_runs_after_workers_died_with_big_inputs)
{
	enum { N = 10 };
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct pxp_future *futures[N];
	char *input = calloc(1, BIG);

	for (int i = 0; i < N; i++)
		REQUIRE(pxp_executor_submit(pool, task_crashes, input, BIG, NULL,
		                            &futures[i]) == PXP_OK);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_ECRASHED);
	EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	free(input);
	pxp_executor_destroy(pool);
}

static void pass_gate(struct pxp_future *future, void *data)
{
	const struct gate *gate = data;

	(void)future;
	gate_pass(gate->wait_end);
}

/* Ported from test_gh105829_should_not_deadlock_if_wakeup_pipe_full: the supervisor is held in a
 * callback while a hundred tasks are submitted, each of which would wake it. */
TEST(cpython_deadlock, submissions_do_not_wait_for_a_busy_supervisor)
{
	enum { N = 100 };

	EVERY_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create(), started = gate_create();
		struct pxp_future *first = pool_submit(pool, task_wait, "x", &started);
		struct pxp_future *futures[N];

		pxp_future_on_done(first, pass_gate, &gate);
		gate_open(&started);
		EXPECT_EQ(end_of(first), PXP_OK);
		for (int i = 0; i < N; i++)
			futures[i] = pool_submit(pool, task_power, "2 8", NULL);
		gate_open(&gate);
		for (int i = 0; i < N; i++)
			EXPECT_EQ(number_of(futures[i]), 256);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
		gate_destroy(&started);
	}
}
