/* CPython's test_deadlock.py, and the same matrix in loky: tasks that go wrong at each step,
 * in each way, and a pool that neither hangs nor breaks. */
#include "kit.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { BIG = 1024 * 1024 };

/* ---- a task that is asked to go wrong ---- */

static enum pxp_status go_wrong(struct pxp_task *task, const char *how)
{
	if (strcmp(how, "error") == 0)
		return pxp_task_fail(task, 3, "it went wrong");
	if (strcmp(how, "crash") == 0) {
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	if (strcmp(how, "exit") == 0)
		exit(1);
	_exit(0);
}

/* Its input is the step and the way: while it reads its input, works, or has set its result. */
static enum pxp_status task_goes_wrong(struct pxp_task *task)
{
	char step[16] = "", how[16] = "";

	if (sscanf(pxp_task_input(task, NULL), "%15s %15s", step, how) != 2)
		return PXP_EINVAL;
	if (strcmp(step, "decode") == 0)
		return go_wrong(task, how);
	pxp_task_return(task, "half done", 10);
	return go_wrong(task, how);
}

static void expect_wrong(struct pxp_future *future, const char *how)
{
	struct pxp_outcome outcome = outcome_of(future);

	if (strcmp(how, "error") == 0) {
		EXPECT_EQ(outcome.error.status, PXP_ETASK);
		EXPECT_EQ(outcome.error.code, 3);
		EXPECT_STR(outcome.error.text, "it went wrong");
	} else if (strcmp(how, "crash") == 0) {
		EXPECT_EQ(outcome.error.status, PXP_ECRASHED);
		EXPECT_STR(outcome.error.text, "worker died of SIGSEGV");
	} else {
		EXPECT_EQ(outcome.error.status, PXP_ECRASHED);
		EXPECT_STR(outcome.error.text, strcmp(how, "exit") == 0
		                                       ? "worker exited with status 1"
		                                       : "worker exited with status 0");
	}
	EXPECT_STR(result_of(future), "");
}

#define EACH_FAULT(text)                                                                 \
	for (const char *const *fault = faults, *text; (text = *fault); fault++)

static const char *const faults[] = {
	"decode error", "decode crash", "decode exit", "decode _exit", "work error",
	"work crash",   "work exit",    "work _exit",  "encode error", "encode crash",
	"encode exit",  "encode _exit", NULL};

static const char *way_of(const char *fault)
{
	return strchr(fault, ' ') + 1;
}

/*
 * test_error_at_task_unpickle, test_exit_at_task_unpickle, test_crash_at_task_unpickle,
 * test_error_during_func_exec_on_worker, test_exit_during_func_exec_on_worker,
 * test_crash_during_func_exec_on_worker, test_error_during_result_pickle_on_worker,
 * test_exit_during_result_pickle_on_worker, test_crash_during_result_pickle_on_worker;
 * loky: test_crashes. There an exit is an error of the task, or breaks the pool; here it is
 * a crash of that task, and the pool goes on.
 */
TEST(cpython_deadlock, a_fault_at_any_step_costs_its_task_and_is_told)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);

	EACH_FAULT(fault_text)
	{
		struct pxp_future *future = pool_submit(pool, task_goes_wrong, fault_text,
		                                        NULL);

		expect_wrong(future, way_of(fault_text));
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

/* loky: test_in_callback_submit_with_crash */
TEST(cpython_deadlock, a_callback_may_submit_what_goes_wrong)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);

	EACH_FAULT(fault_text)
	{
		struct chain chain = {
			.pool = pool, .fault = fault_text, .submitted = gate_create()};
		struct pxp_future *first = pool_submit(pool, task_echo, "x", NULL);

		pxp_future_on_done(first, submit_second, &chain);
		gate_pass(chain.submitted.wait_end);
		expect_wrong(chain.second, way_of(fault_text));
		pxp_future_release(first);
		pxp_future_release(chain.second);
		gate_destroy(&chain.submitted);
	}
	pxp_executor_destroy(pool);
}

/* ---- what cannot be sent, or understood ---- */

/* What cannot leave this process: a descriptor that there is not. */
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

/* test_error_at_task_pickle: there is nothing to encode but descriptors. */
TEST(cpython_deadlock, a_task_that_cannot_be_sent_fails_alone)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);

	EXPECT_EQ(end_of(submit_unsendable(pool)), PXP_ESYS);
	EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	pxp_executor_destroy(pool);
}

/* test_shutdown_deadlock_pickle */
TEST(cpython_deadlock, a_task_that_cannot_be_sent_does_not_hang_a_shutdown)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct pxp_future *future;

	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
	future = submit_unsendable(pool);
	EXPECT_EQ(pxp_executor_shutdown(pool, 0), PXP_OK);
	EXPECT_EQ(end_of(future), PXP_ESYS);
	pxp_executor_destroy(pool);
}

/* loky: test_queue_full_deadlock */
TEST(cpython_deadlock, many_that_cannot_be_sent_do_not_stop_those_behind_them)
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

/* loky: test_informative_error_when_fail_at_unpickle; CPython, test_interpreter_pool.py:
 * test_pickle_errors_propagate. The one thing that can fail in a worker before the task's
 * function: no memory for its input. */
TEST(cpython_deadlock, an_input_that_a_worker_cannot_take_in_is_told_as_that)
{
#if defined(PIXPOOL_SANITIZE)
	fprintf(stderr, "skipped: a sanitizer cannot run under RLIMIT_AS\n");
	return;
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
	if (strcmp(how, "exit") == 0)
		_exit(0);
	return PXP_OK;
}

/* test_error_during_result_unpickle_in_result_handler,
 * test_exit_during_result_unpickle_in_result_handler: nothing of the user's runs in the
 * supervisor; what can go wrong there is a frame that makes no sense. */
TEST(cpython_deadlock, what_the_parent_cannot_read_costs_the_task_that_sent_it)
{
	static const char *const ways[] = {"stay", "exit"};
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);

	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(end_of(pool_submit(pool, task_babbles, ways[i], NULL)),
		          PXP_EPROTO);
		EXPECT_EQ(number_of(pool_submit(pool, task_power, "2 8", NULL)), 256);
	}
	pxp_executor_destroy(pool);
}

/* ---- shutdown, big data, a supervisor that is late ---- */

/* test_shutdown_deadlock */
TEST(cpython_deadlock, a_worker_that_dies_while_a_shutdown_waits_does_not_hang_it)
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

/* test_crash_big_data (gh-94777): more than a pipe or a frame holds. */
TEST(cpython_deadlock, workers_that_die_with_big_inputs_do_not_block_the_rest)
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

/* test_gh105829_should_not_deadlock_if_wakeup_pipe_full: the supervisor stands in a callback
 * while a hundred are submitted, each of which would wake it. */
TEST(cpython_deadlock, submissions_do_not_wait_for_a_supervisor_that_is_late)
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
