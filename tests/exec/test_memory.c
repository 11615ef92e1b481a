/* Tests of memory limits: the allowance, the budget and the order of requests, limits of tasks, and
 * deaths for lack of memory. */
#include "probe.h"
#include "support/test.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

/* Sizes in MiB. */
enum { ALLOWANCE = 64, BUDGET = 192 };

static struct pxp_executor *create(unsigned n_workers)
{
	return probe_create((struct pxp_executor_options){
		.n_workers = n_workers,
		.memory_allowance = ALLOWANCE * MIB,
		.memory_budget = BUDGET * MIB,
	});
}

/* Allocate n_mib MiB, and write to each page. Returns false if memory ran out. */
static bool fill(long n_mib)
{
	/* Memory that the worker keeps as long as it lives. */
	static void *kept;
	bool is_full = true;

	for (long i = 0; i < n_mib && is_full; i++) {
		char *block = malloc(MIB);

		is_full = block != NULL;
		for (size_t at = 0; block && at < MIB; at += 4096)
			((volatile char *)block)[at] = 1;
		if (block) {
			*(void **)(void *)block = kept;
			kept = block;
		}
	}
	return is_full;
}

/* A task with the input "NEED FILL": request NEED MiB (0: no request), pass the gate, use FILL MiB.
 * Returns the worker's pid. */
static enum pxp_status task_uses(struct pxp_task *task)
{
	long n_need = 0, n_fill = 0;
	enum pxp_status status = PXP_OK;
	char pid[16];
	int gate = pxp_task_descriptor(task, 0);

	sscanf(pxp_task_input(task, NULL), "%ld %ld", &n_need, &n_fill);
	if (n_need > 0)
		status = pxp_task_need(task, (uint64_t)n_need * MIB);
	if (status == PXP_OK && gate >= 0)
		gate_pass(gate);
	if (status == PXP_OK && !fill(n_fill))
		status = PXP_EMEMORY;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	return status == PXP_OK ? pxp_task_return(task, pid, sizeof(pid)) : status;
}

/* A task that uses some MiB and then dies, whether memory ran out or not. */
static enum pxp_status task_dies_full(struct pxp_task *task)
{
	fill(atol(pxp_task_input(task, NULL)));
	abort();
}

/* A task that passes the gate and reports that memory ran out. */
static enum pxp_status task_runs_out(struct pxp_task *task)
{
	gate_pass(pxp_task_descriptor(task, 0));
	return PXP_EMEMORY;
}

static bool await_waiting(struct pxp_executor *pool, size_t n)
{
	struct pxp_executor_stats stats;

	for (int i = 0; i < 60000; i++) {
		pxp_executor_stats(pool, &stats);
		if (stats.n_waiting == n)
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

static bool await_granted(struct pxp_executor *pool, uint64_t n_mib)
{
	struct pxp_executor_stats stats;

	for (int i = 0; i < 60000; i++) {
		pxp_executor_stats(pool, &stats);
		if (stats.granted_bytes == n_mib * MIB)
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

static void skip_without_limits(void)
{
	if (!pxp_memory_is_limited())
		SKIP("a sanitizer build cannot run under RLIMIT_DATA");
}

/* Start one task that holds part of the memory budget until the gate is opened. */
static struct pxp_future *hold(struct pxp_executor *pool, unsigned n_mib,
                               const struct gate *gate)
{
	char input[32];
	struct pxp_future *future;

	snprintf(input, sizeof(input), "%u 0", ALLOWANCE + n_mib);
	future = pool_submit(pool, task_uses, input, gate);
	REQUIRE(await_granted(pool, n_mib));
	return future;
}

/* ---- what a task may use ---- */

TEST(memory, a_task_without_a_grant_can_use_its_allowance_and_no_more)
{
	struct pxp_executor *pool = create(1);

	skip_without_limits();
	EXPECT_EQ(end_of(pool_submit(pool, task_uses, "0 20", NULL)), PXP_OK);
	EXPECT_EQ(end_of(pool_submit(pool, task_uses, "60 1", NULL)), PXP_OK);
	EXPECT_EQ(end_of(pool_submit(pool, task_uses, "0 100", NULL)), PXP_EMEMORY);
	pxp_executor_destroy(pool);
}

TEST(memory, granted_memory_can_be_used_and_is_taken_back_after_the_task)
{
	struct pxp_executor *pool = create(1);

	skip_without_limits();
	EXPECT_EQ(end_of(pool_submit(pool, task_uses, "200 150", NULL)), PXP_OK);
	EXPECT(await_granted(pool, 0));
	EXPECT_EQ(end_of(pool_submit(pool, task_uses, "0 100", NULL)), PXP_EMEMORY);
	pxp_executor_destroy(pool);
}

static enum pxp_status task_borrows(struct pxp_task *task)
{
	enum pxp_status status = pxp_task_need(task, 200 * MIB);
	void *block = malloc(150 * MIB);
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (status == PXP_OK && !block)
		status = PXP_EMEMORY;
	free(block);
	return status == PXP_OK ? pxp_task_return(task, pid, sizeof(pid)) : status;
}

TEST(memory, a_worker_that_freed_its_memory_is_kept_and_gets_its_old_limit_back)
{
	struct pxp_executor *pool = create(1);
	struct pxp_future *first = pool_submit(pool, task_borrows, "", NULL), *second;
	pid_t pid = atoi(result_of(first));

	skip_without_limits();
	EXPECT(pid > 0);
	second = pool_submit(pool, task_uses, "0 1", NULL);
	EXPECT_EQ(atoi(result_of(second)), pid);
	pxp_future_release(second);
	second = pool_submit(pool, task_uses, "0 100", NULL);
	EXPECT_EQ(probe_outcome(second).worker, pid);
	EXPECT_EQ(end_of(second), PXP_EMEMORY);
	pxp_future_release(first);
	pxp_executor_destroy(pool);
}

/* Ported from loky: test_memory_leak_protection; Deadpool: test_max_memory */
TEST(memory, a_worker_that_still_uses_most_of_its_allowance_after_a_task_is_replaced)
{
	struct pxp_executor *pool = create(1);
	struct pxp_future *leaks = pool_submit(pool, task_uses, "0 52", NULL), *next;

	skip_without_limits();
	EXPECT(atoi(result_of(leaks)) > 0);
	next = pool_submit(pool, task_uses, "0 1", NULL);
	EXPECT(atoi(result_of(next)) > 0);
	EXPECT(probe_outcome(next).worker != probe_outcome(leaks).worker);
	pxp_future_release(leaks);
	pxp_future_release(next);
	pxp_executor_destroy(pool);
}

TEST(memory, no_task_starts_in_a_worker_that_will_be_replaced)
{
	struct pxp_executor *pool = create(1);
	struct gate gate = gate_create();
	struct pxp_future *leaks, *next;

	skip_without_limits();
	leaks = pool_submit(pool, task_uses, "0 52", &gate);
	REQUIRE(pool_await(pool, 1, 0));
	next = pool_submit(pool, task_uses, "0 20", NULL);
	/* The task is prefetched by a worker whose remaining memory is too small for it. */
	REQUIRE(pool_await(pool, 1, 1));
	gate_open(&gate);
	EXPECT_EQ(probe_outcome(next).error.status, PXP_OK);
	EXPECT_EQ(probe_outcome(next).attempts, 1);
	EXPECT(probe_outcome(next).worker != probe_outcome(leaks).worker);
	EXPECT_EQ(end_of(leaks), PXP_OK);
	EXPECT_EQ(end_of(next), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

static enum pxp_status task_reads(struct pxp_task *task)
{
	char text[64] = "";
	int fd = open(pxp_task_input(task, NULL), O_RDONLY | O_CLOEXEC);

	if (fd_pread_full(fd, text, sizeof(text) - 1, 0) <= 0)
		return pxp_task_fail(task, 0, "not to be read");
	fd_close(&fd);
	return pxp_task_return(task, text, sizeof(text));
}

TEST(memory, the_oom_killer_prefers_workers)
{
	struct pxp_executor *pool = create(1);
	struct pxp_future *future = pool_submit(pool, task_reads,
	                                        "/proc/self/oom_score_adj", NULL);

	EXPECT_STR(result_of(future), "1000\n");
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);
}

TEST(memory, a_memory_request_succeeds_in_executors_of_every_kind_without_memory_limits)
{
	static const enum pxp_executor_kind kinds[] = {PXP_THREADS, PXP_INLINE,
	                                               PXP_PROCESSES};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct pxp_executor *pool = pool_create(kinds[i], 1);

		EXPECT_EQ(end_of(pool_submit(pool, task_uses, "100000000 1", NULL)),
		          PXP_OK);
		pxp_executor_destroy(pool);
	}
}

TEST(memory, a_memory_request_over_the_whole_budget_fails_at_once)
{
	struct pxp_executor *pool = create(2);
	struct gate gate = gate_create();
	struct pxp_future *holds = hold(pool, BUDGET, &gate);

	EXPECT_EQ(end_of(pool_submit(pool, task_uses, "257 0", NULL)), PXP_EMEMORY);
	gate_open(&gate);
	EXPECT_EQ(end_of(holds), PXP_OK);
	EXPECT_EQ(end_of(pool_submit(pool, task_uses, "256 0", NULL)), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* ---- the order of requests ---- */

TEST(memory, memory_is_granted_in_the_order_of_requests)
{
	struct pxp_executor *pool = create(3);
	struct gate held = gate_create(), gate = gate_create();
	struct pxp_future *holds = hold(pool, 100, &held), *large, *small;

	/* This task requests 150 MiB beyond its allowance and waits, because only 92 MiB are
	 * free. */
	large = pool_submit(pool, task_uses, "214 0", &gate);
	REQUIRE(await_waiting(pool, 1));
	/* This task requests only 10 MiB beyond its allowance. That much is free, but the task must
	 * wait for its turn after the earlier request. */
	small = pool_submit(pool, task_uses, "74 0", &gate);
	EXPECT(await_waiting(pool, 2));
	EXPECT(await_granted(pool, 100));
	gate_open(&held);
	EXPECT(await_granted(pool, 160));
	EXPECT(await_waiting(pool, 0));
	gate_open(&gate);
	EXPECT_EQ(end_of(holds), PXP_OK);
	EXPECT_EQ(end_of(large), PXP_OK);
	EXPECT_EQ(end_of(small), PXP_OK);
	EXPECT(await_granted(pool, 0));
	pxp_executor_destroy(pool);
	gate_destroy(&held);
	gate_destroy(&gate);
}

TEST(memory, tasks_that_need_the_whole_memory_budget_take_turns)
{
	struct pxp_executor *pool = create(4);
	struct pxp_future *futures[40];

	for (int i = 0; i < 40; i++)
		futures[i] = pool_submit(pool, task_uses, i % 3 ? "256 0" : "0 0", NULL);
	for (int i = 0; i < 40; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	pxp_executor_destroy(pool);
}

static enum pxp_status task_asks_twice(struct pxp_task *task)
{
	enum pxp_status first = pxp_task_need(task, 124 * MIB);
	enum pxp_status second = pxp_task_need(task, 256 * MIB);
	enum pxp_status third = pxp_task_need(task, 134 * MIB);

	if (first != PXP_OK || second != PXP_EAGAIN || third != PXP_OK)
		return pxp_task_fail(task, 0, "%d %d %d", first, second, third);
	return PXP_OK;
}

TEST(memory, a_task_that_holds_memory_and_asks_for_more_does_not_wait)
{
	struct pxp_executor *pool = create(2);
	struct gate gate = gate_create();
	struct pxp_future *holds = hold(pool, 100, &gate);
	struct pxp_future *greedy = pool_submit(pool, task_asks_twice, "", NULL);

	EXPECT_STR(probe_outcome(greedy).error.text, "");
	EXPECT_EQ(end_of(greedy), PXP_OK);
	gate_open(&gate);
	EXPECT_EQ(end_of(holds), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* A task that holds 10 MiB of the memory budget, passes the gate, and asks for 10 MiB more. */
static enum pxp_status task_asks_again(struct pxp_task *task)
{
	enum pxp_status status = pxp_task_need(task, (ALLOWANCE + 10) * MIB);

	gate_pass(pxp_task_descriptor(task, 0));
	return status == PXP_OK ? pxp_task_need(task, (ALLOWANCE + 20) * MIB) : status;
}

TEST(memory, a_task_that_holds_memory_does_not_wait_behind_a_task_that_needs_this_memory)
{
	struct pxp_executor *pool = create(2);
	struct gate gate = gate_create();
	struct pxp_future *holds = pool_submit(pool, task_asks_again, "", &gate), *waits;

	REQUIRE(await_granted(pool, 10));
	waits = pool_submit(pool, task_uses, "256 0", NULL);
	REQUIRE(await_waiting(pool, 1));
	gate_open(&gate);
	EXPECT_EQ(end_of(holds), PXP_OK);
	EXPECT_EQ(end_of(waits), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

TEST(memory, a_deadline_is_paused_while_its_task_waits_for_memory)
{
	struct pxp_executor *pool = create(2);
	struct gate gate = gate_create(), never = gate_create();
	struct pxp_future *holds = hold(pool, BUDGET, &gate);
	struct pxp_future *waits = pool_submit_with(
		pool, task_uses, "256 0", NULL,
		(struct pxp_task_options){.deadline_ms = 300, .stall_ms = 300});
	struct pxp_future *hangs;

	REQUIRE(await_waiting(pool, 1));
	EXPECT_EQ(pxp_future_wait(waits, 900), PXP_ETIMEOUT);
	gate_open(&gate);
	EXPECT_EQ(end_of(waits), PXP_OK);
	EXPECT_EQ(end_of(holds), PXP_OK);

	hangs = pool_submit_with(pool, task_uses, "256 0", &never,
	                         (struct pxp_task_options){.deadline_ms = 100});
	/* The deadline of the task continues when memory is granted. */
	EXPECT_EQ(end_of(hangs), PXP_EDEADLINE);
	EXPECT(await_granted(pool, 0));
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
	gate_destroy(&never);
}

TEST(memory, no_task_is_prefetched_by_a_worker_that_waits_for_memory)
{
	struct pxp_executor *pool = create(2);
	struct gate first = gate_create(), second = gate_create();
	struct pxp_future *holds = hold(pool, BUDGET, &first), *waits, *others[3];

	/* One worker runs the task that holds the budget, and the other one waits for memory. Both
	 * have requested memory, so neither of them may prefetch one of the three other tasks. */
	waits = pool_submit(pool, task_uses, "100 0", &second);
	REQUIRE(await_waiting(pool, 1));
	for (int i = 0; i < 3; i++)
		others[i] = pool_submit(pool, task_uses, "0 0", NULL);
	EXPECT(pool_await(pool, 2, 0));
	gate_open(&first);
	/* The task that waited has its memory now and stays at its gate, so the other worker runs
	 * the three tasks. */
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(end_of(others[i]), PXP_OK);
	EXPECT_EQ(pxp_future_wait(waits, 0), PXP_ETIMEOUT);
	gate_open(&second);
	EXPECT_EQ(end_of(waits), PXP_OK);
	EXPECT_EQ(end_of(holds), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&first);
	gate_destroy(&second);
}

static enum pxp_status task_prefetched_then_asks(struct pxp_task *task)
{
	/* By now the worker has prefetched another task. */
	gate_pass(pxp_task_descriptor(task, 0));
	return pxp_task_need(task, 256 * MIB);
}

TEST(memory, tasks_prefetched_behind_a_task_that_asks_for_memory_run_on_other_workers)
{
	struct pxp_executor *pool = create(2);
	struct gate held = gate_create(), gate = gate_create();
	struct pxp_future *holds = hold(pool, BUDGET, &held), *asks, *behind[2];

	asks = pool_submit(pool, task_prefetched_then_asks, "", &gate);
	REQUIRE(pool_await(pool, 2, 0));
	behind[0] = pool_submit(pool, task_echo, "a", NULL);
	behind[1] = pool_submit(pool, task_echo, "b", NULL);
	REQUIRE(pool_await(pool, 2, 1));
	gate_open(&gate);
	REQUIRE(await_waiting(pool, 1));
	EXPECT(pool_await(pool, 2, 0));
	gate_open(&held);
	EXPECT_STR(result_of(behind[0]), "a");
	EXPECT_STR(result_of(behind[1]), "b");
	EXPECT_EQ(end_of(behind[0]), PXP_OK);
	EXPECT_EQ(end_of(behind[1]), PXP_OK);
	EXPECT_EQ(end_of(asks), PXP_OK);
	EXPECT_EQ(end_of(holds), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&held);
	gate_destroy(&gate);
}

/* ---- tasks that end while they wait for memory ---- */

TEST(memory, a_worker_that_dies_while_waiting_for_memory_gives_up_its_turn)
{
	struct pxp_executor *pool = create(3);
	struct gate gate = gate_create();
	struct pxp_future *holds = hold(pool, 100, &gate);
	struct pxp_future *dies = pool_submit(pool, task_uses, "256 0", NULL), *next;

	REQUIRE(await_waiting(pool, 1));
	next = pool_submit_with(pool, task_uses, "74 0", NULL,
	                        (struct pxp_task_options){.deadline_ms = 60000});
	REQUIRE(await_waiting(pool, 2));
	/* Kill the worker whose request needs the whole budget. Then the next request can be
	 * granted. */
	lock_acquire(&pool->lock);
	for (unsigned i = 0; i < 3; i++) {
		struct pool_worker *worker = &probe_inside(pool)->workers[i];

		if (worker->limit_state == LIMIT_WAITING && worker->needed == 256 * MIB)
			kill(worker->pid, SIGKILL);
	}
	lock_release(&pool->lock);
	EXPECT_EQ(end_of(dies), PXP_ECRASHED);
	EXPECT_EQ(end_of(next), PXP_OK);
	gate_open(&gate);
	EXPECT_EQ(end_of(holds), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

TEST(memory, memory_granted_to_a_worker_that_dies_can_be_granted_to_another_task)
{
	struct pxp_executor *pool = create(2);
	struct gate never = gate_create();
	struct pxp_future *holds = hold(pool, BUDGET, &never);
	struct pxp_future *waits = pool_submit(pool, task_uses, "256 0", NULL);

	REQUIRE(await_waiting(pool, 1));
	EXPECT(pxp_future_cancel_with(holds, PXP_CANCEL_KILL));
	EXPECT_EQ(end_of(holds), PXP_ECANCELLED);
	EXPECT_EQ(end_of(waits), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

static enum pxp_status task_ends_if_refused(struct pxp_task *task)
{
	enum pxp_status status = pxp_task_need(task, 256 * MIB);

	return status == PXP_ECANCELLED ? status : PXP_EINVAL;
}

TEST(memory, a_cancel_request_ends_the_wait_of_a_task_for_memory)
{
	struct pxp_executor *pool = create(2);
	struct gate gate = gate_create();
	struct pxp_future *holds = hold(pool, BUDGET, &gate);
	struct pxp_future *waits = pool_submit(pool, task_ends_if_refused, "", NULL);

	REQUIRE(await_waiting(pool, 1));
	pxp_future_cancel_with(waits, PXP_CANCEL_ASK);
	EXPECT_EQ(end_of(waits), PXP_ECANCELLED);
	EXPECT_EQ(pxp_future_wait(holds, 0), PXP_ETIMEOUT);
	gate_open(&gate);
	EXPECT_EQ(end_of(holds), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* A task that ignores the answer to its request and hangs at its gate. */
static enum pxp_status task_asks_and_hangs(struct pxp_task *task)
{
	pxp_task_need(task, 256 * MIB);
	gate_pass(pxp_task_descriptor(task, 0));
	return PXP_OK;
}

TEST(memory, a_cancel_request_resumes_the_deadline_of_a_task_that_waits_for_memory)
{
	struct pxp_executor *pool = create(2);
	struct gate gate = gate_create(), never = gate_create();
	struct pxp_future *holds = hold(pool, BUDGET, &gate);
	struct pxp_future *waits = pool_submit_with(
		pool, task_asks_and_hangs, "", &never,
		(struct pxp_task_options){.deadline_ms = 300});

	REQUIRE(await_waiting(pool, 1));
	pxp_future_cancel_with(waits, PXP_CANCEL_ASK);
	EXPECT_EQ(pxp_future_wait(waits, 10000), PXP_OK);
	gate_open(&gate);
	EXPECT_EQ(end_of(waits), PXP_EDEADLINE);
	EXPECT_EQ(end_of(holds), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
	gate_destroy(&never);
}

/* A task that requests a little less memory each time. The worker remembers the smallest refused
 * request, so it must ask the pool about each smaller one. */
static enum pxp_status task_asks_often(struct pxp_task *task)
{
	uint64_t most = 4096 * MIB;

	for (unsigned i = 0; i < PXP_MAX_NEEDS; i++) {
		if (pxp_task_need(task, most - i * MIB) != PXP_EMEMORY)
			return pxp_task_fail(task, 1, "refused with another status");
	}
	if (pxp_task_need(task, most - PXP_MAX_NEEDS * MIB) != PXP_EINVAL)
		return pxp_task_fail(task, 2, "one request too many must fail");
	if (pxp_task_need(task, most) != PXP_EMEMORY)
		return pxp_task_fail(
			task, 3, "a repeated request must be refused in the same way");
	return PXP_OK;
}

TEST(memory, a_task_that_makes_too_many_memory_requests_gets_a_refusal_and_continues)
{
	struct pxp_executor *pool = create(1);
	struct pxp_task_options limited = {.max_memory = (ALLOWANCE + BUDGET) * MIB};

	EXPECT_EQ(end_of(pool_submit(pool, task_asks_often, "", NULL)), PXP_OK);
	/* The worker also requests max_memory for the task. This request does not count against
	 * PXP_MAX_NEEDS. */
	EXPECT_EQ(end_of(pool_submit_with(pool, task_asks_often, "", NULL, limited)),
	          PXP_OK);
	pxp_executor_destroy(pool);
}

TEST(memory, killing_the_pool_ends_tasks_that_wait_for_memory)
{
	struct pxp_executor *pool = create(3);
	struct gate never = gate_create();
	struct pxp_future *holds = hold(pool, BUDGET, &never);
	struct pxp_future *waits[2];

	for (int i = 0; i < 2; i++)
		waits[i] = pool_submit(pool, task_uses, "256 0", NULL);
	REQUIRE(await_waiting(pool, 2));
	pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL | PXP_SHUTDOWN_WAIT);
	EXPECT_EQ(end_of(holds), PXP_ECANCELLED);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(end_of(waits[i]), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

TEST(memory, memory_is_still_granted_after_a_suspension_and_during_a_graceful_shutdown)
{
	struct pxp_executor *pool = create(3);
	struct gate gate = gate_create();
	struct pxp_future *holds = hold(pool, BUDGET, &gate);
	struct pxp_future *waits[2];

	for (int i = 0; i < 2; i++)
		waits[i] = pool_submit(pool, task_uses, "256 0", NULL);
	REQUIRE(await_waiting(pool, 2));
	pxp_executor_suspend(pool);
	gate_open(&gate);
	pxp_executor_resume(pool);
	pxp_executor_shutdown(pool, PXP_SHUTDOWN_CANCEL_PENDING);
	EXPECT_EQ(end_of(holds), PXP_OK);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(end_of(waits[i]), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* ---- a task's own limit ---- */

TEST(memory, a_task_can_have_its_own_memory_limit_while_it_runs)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_task_options limited = {.max_memory = 50 * MIB};

	skip_without_limits();
	EXPECT_EQ(end_of(pool_submit_with(pool, task_uses, "0 20", NULL, limited)),
	          PXP_OK);
	EXPECT_EQ(end_of(pool_submit_with(pool, task_uses, "0 100", NULL, limited)),
	          PXP_EMEMORY);
	EXPECT_EQ(end_of(pool_submit_with(pool, task_uses, "51 1", NULL, limited)),
	          PXP_EMEMORY);
	EXPECT_EQ(end_of(pool_submit(pool, task_uses, "0 100", NULL)), PXP_OK);
	pxp_executor_destroy(pool);
}

TEST(memory, a_task_limit_above_the_allowance_takes_the_difference_from_the_budget)
{
	struct pxp_executor *pool = create(2);
	struct gate gate = gate_create();
	struct pxp_future *holds = hold(pool, BUDGET, &gate);
	struct pxp_future *waits = pool_submit_with(
		pool, task_uses, "0 100", NULL,
		(struct pxp_task_options){.max_memory = 200 * MIB});

	EXPECT(await_waiting(pool, 1));
	gate_open(&gate);
	EXPECT_EQ(end_of(waits), PXP_OK);
	EXPECT_EQ(end_of(holds), PXP_OK);
	EXPECT_EQ(end_of(pool_submit_with(
			  pool, task_uses, "0 1", NULL,
			  (struct pxp_task_options){.max_memory = 1000 * MIB})),
	          PXP_EMEMORY);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* ---- deaths ---- */

TEST(memory, a_death_at_the_memory_limit_is_not_reported_as_a_crash)
{
	struct pxp_executor *pool = create(1);
	struct pxp_future *full, *crash;

	skip_without_limits();
	full = pool_submit(pool, task_dies_full, "100", NULL);
	crash = pool_submit(pool, task_dies_full, "1", NULL);
	EXPECT_EQ(probe_outcome(full).error.signal, SIGABRT);
	EXPECT_STR(probe_outcome(full).error.text,
	           "worker died of SIGABRT at its memory limit of 64 MiB");
	EXPECT_EQ(end_of(full), PXP_EMEMORY);
	EXPECT_EQ(end_of(crash), PXP_ECRASHED);
	pxp_executor_destroy(pool);
}

TEST(memory, a_task_that_ran_out_of_memory_is_retried_with_the_whole_budget)
{
	struct pxp_executor *pool = create(2);
	struct pxp_task_options again = {.retry_memory = true};
	struct pxp_future *word, *death, *hopeless, *refused;

	skip_without_limits();
	word = pool_submit_with(pool, task_uses, "0 150", NULL, again);
	EXPECT_EQ(probe_outcome(word).attempts, 2);
	EXPECT_EQ(end_of(word), PXP_OK);
	death = pool_submit_with(pool, task_dies_full, "150", NULL, again);
	EXPECT_EQ(probe_outcome(death).attempts, 2);
	/* The task had the whole budget, so a lack of memory did not cause its death. */
	EXPECT_EQ(end_of(death), PXP_ECRASHED);
	hopeless = pool_submit_with(pool, task_uses, "0 300", NULL, again);
	EXPECT_EQ(probe_outcome(hopeless).attempts, 2);
	EXPECT_EQ(end_of(hopeless), PXP_EMEMORY);
	refused = pool_submit_with(pool, task_uses, "300 0", NULL, again);
	EXPECT_EQ(probe_outcome(refused).attempts, 1);
	EXPECT_EQ(end_of(refused), PXP_EMEMORY);
	EXPECT(await_granted(pool, 0));
	pxp_executor_destroy(pool);
}

/* Wait until the answer of the only running task has arrived and is not read yet. */
static bool await_unread(struct pxp_executor *pool)
{
	struct process_pool *inside = probe_inside(pool);

	for (int i = 0; i < 60000; i++) {
		for (unsigned j = 0; j < inside->n_workers; j++) {
			struct pollfd answer = {.fd = inside->workers[j].socket,
			                        .events = POLLIN};

			if (poll(&answer, 1, 0) == 1)
				return true;
		}
		poll(NULL, 0, 1);
	}
	return false;
}

TEST(memory, a_task_that_ran_out_of_memory_is_not_retried_after_the_pool_was_killed)
{
	struct pxp_executor *pool = create(2);
	struct gate gate = gate_create(), supervisor = gate_create();
	struct gate other = gate_create();
	struct pxp_future *held = pool_submit(pool, task_wait, "", &other);
	struct pxp_future *full = pool_submit_with(
		pool, task_runs_out, "", &gate,
		(struct pxp_task_options){.retry_memory = true});

	REQUIRE(pool_await(pool, 2, 0));
	probe_hold(held, &supervisor);
	gate_open(&other);
	EXPECT_EQ(pxp_future_wait(held, 60000), PXP_OK);
	gate_open(&gate);
	REQUIRE(await_unread(pool));
	pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL);
	gate_open(&supervisor);
	EXPECT_EQ(pxp_future_wait(full, 5000), PXP_OK);
	REQUIRE(pxp_future_is_done(full), "otherwise the pool would never end");
	/* A complete answer counts even if the worker dies afterwards. */
	EXPECT_EQ(end_of(full), PXP_EMEMORY);
	EXPECT_EQ(end_of(held), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
	gate_destroy(&supervisor);
	gate_destroy(&other);
}

TEST(memory,
     a_crash_at_the_memory_limit_counts_towards_max_kills_even_if_the_task_is_retried)
{
	struct pxp_executor *pool = create(1);
	struct pxp_task_options options = {.retry_memory = true, .max_kills = 1};
	struct pxp_future *once, *twice;

	skip_without_limits();
	once = pool_submit_with(pool, task_dies_full, "150", NULL, options);
	EXPECT_EQ(probe_outcome(once).attempts, 1);
	EXPECT_EQ(probe_outcome(once).error.signal, SIGABRT);
	EXPECT_EQ(end_of(once), PXP_EPOISON);
	options.max_kills = 2;
	twice = pool_submit_with(pool, task_dies_full, "150", NULL, options);
	EXPECT_EQ(probe_outcome(twice).attempts, 2);
	EXPECT_EQ(end_of(twice), PXP_EPOISON);
	pxp_executor_destroy(pool);
}

/* ---- outputs ---- */

static enum pxp_status task_writes_much(struct pxp_task *task)
{
	static char block[4096];
	int n = 0;

	while (fd_write_all(pxp_task_output(task), block, sizeof(block)))
		n++;
	return pxp_task_fail(task, errno, "%d", n);
}

TEST(memory, an_output_cannot_grow_beyond_its_limit)
{
	struct pxp_executor *pool = probe_create(
		(struct pxp_executor_options){.max_output = 40960});
	struct pxp_future *future = pool_submit_with(
		pool, task_writes_much, "", NULL,
		(struct pxp_task_options){.output = true});

	EXPECT_EQ(probe_outcome(future).error.code, EFBIG);
	EXPECT_STR(probe_outcome(future).error.text, "10");
	EXPECT_EQ(end_of(future), PXP_ETASK);
	pxp_executor_destroy(pool);
}

/* ---- invalid options ---- */

TEST(memory, invalid_memory_options_are_refused)
{
	struct pxp_executor_options options = {
		.size = sizeof(options), .kind = PXP_PROCESSES, .memory_budget = 1};
	struct pxp_executor *pool;

	EXPECT_EQ(pxp_executor_create(&options, &pool, NULL), PXP_EINVAL);
	options.memory_allowance = UINT64_MAX;
	EXPECT_EQ(pxp_executor_create(&options, &pool, NULL), PXP_EINVAL);
	options.memory_allowance = 64 * MIB;
	options.kind = PXP_THREADS;
	EXPECT_EQ(pxp_executor_create(&options, &pool, NULL), PXP_EINVAL);
}

/* ---- forged requests ---- */

/* Send a forged frame, as a task that has taken over its worker could do. */
static enum pxp_status task_forges_request(struct pxp_task *task)
{
	struct slot_frame at = {.kind = FRAME_NEED,
	                        .generation = 1,
	                        .number = atol(pxp_task_input(task, NULL))};
	struct frame frame;
	static char buffer[FRAME_MAX_BYTES];

	for (int i = 0; i < 100; i++) {
		channel_send(3, &at, sizeof(at), NULL, 0, NULL, 0);
		if (at.number > 0)
			channel_receive(3, buffer, &frame);
	}
	pause();
	return PXP_OK;
}

TEST(memory, a_worker_that_sends_endless_or_invalid_memory_requests_is_killed)
{
	struct pxp_executor *pool = create(1);

	EXPECT_EQ(end_of(pool_submit(pool, task_forges_request, "-1", NULL)), PXP_EPROTO);
	pxp_executor_destroy(pool);
	pool = create(1);
	EXPECT_EQ(end_of(pool_submit(pool, task_forges_request, "1000000", NULL)),
	          PXP_EPROTO);
	pxp_executor_destroy(pool);
}
