/* Tests of prefetching many quick tasks, and of answers in shared slots. The guarantees for quick
 * tasks are the same as for all other tasks. */
#include "probe.h"
#include "support/test.h"

#include "base/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N_BEHIND = N_SLOTS - 1, MAX_BATCHES = 2000 };

/* ---- tasks without descriptors: many of them may be prefetched ---- */

/* The path with which a worker can open one of our descriptors. */
static const char *path_of(int descriptor)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), descriptor);
	return path;
}

/* A task whose input is the path of a gate, at which the task waits. */
static enum pxp_status task_passes(struct pxp_task *task)
{
	int fd = open(pxp_task_input(task, NULL), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return PXP_ESYS;
	gate_pass(fd);
	close(fd);
	return task_echo(task);
}

/* A task whose input is a letter, followed by the path of a pipe. The task writes the letter into
 * the pipe. */
static enum pxp_status task_writes_letter(struct pxp_task *task)
{
	const char *input = pxp_task_input(task, NULL);
	int fd = open(input + 1, O_WRONLY | O_CLOEXEC);
	bool is_written = fd >= 0 && write(fd, input, 1) == 1;

	close(fd);
	return is_written ? PXP_OK : PXP_ESYS;
}

static enum pxp_status task_logs_and_dies(struct pxp_task *task)
{
	(void)task;
	(void)!write(2, "last words", 10);
	raise(SIGKILL);
	return PXP_OK;
}

static enum pxp_status task_needs_and_passes(struct pxp_task *task)
{
	enum pxp_status status = pxp_task_need(task, 48 << 20);

	return status == PXP_OK ? task_passes(task) : status;
}

static struct pxp_future *submit_passer(struct pxp_executor *pool,
                                        const struct gate *gate)
{
	return pool_submit(pool, task_passes, path_of(gate->wait_end), NULL);
}

/* ---- a pool that expects quick tasks ---- */

static unsigned depth_of(struct pxp_executor *pool)
{
	unsigned depth;

	lock_acquire(&pool->lock);
	depth = pool_depth(probe_inside(pool));
	lock_release(&pool->lock);
	return depth;
}

static void do_quick_ones(struct pxp_executor *pool)
{
	struct pxp_future *futures[50];

	for (int i = 0; i < 50; i++)
		futures[i] = pool_submit(pool, task_echo, "quick", NULL);
	for (int i = 0; i < 50; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
}

static bool are_idle(struct pxp_executor *pool)
{
	const struct process_pool *inside = probe_inside(pool);
	unsigned n = 0;

	lock_acquire(&pool->lock);
	for (unsigned i = 0; i < inside->n_workers; i++)
		n += inside->workers[i].state == WORKER_READY &&
		     inside->workers[i].n_held == 0;
	lock_release(&pool->lock);
	return n == inside->n_workers;
}

/* Prepare a pool: its workers are idle, they have acknowledged all withdrawals of tasks, the pool
 * expects quick tasks, and it is suspended. Tasks that are submitted now are sent at once when the
 * pool is resumed. */
static void get_ready(struct pxp_executor *pool)
{
	unsigned n = probe_inside(pool)->n_workers;
	struct gate gate = gate_create();
	struct pxp_future *held[8];

	REQUIRE(n <= 8);
	for (unsigned i = 0; i < n; i++)
		held[i] = pool_submit(pool, task_wait, "x", &gate);
	REQUIRE(pool_await(pool, n, 0));
	gate_open(&gate);
	for (unsigned i = 0; i < n; i++)
		EXPECT_EQ(end_of(held[i]), PXP_OK);
	gate_destroy(&gate);
	for (int i = 0; i < MAX_BATCHES && depth_of(pool) < N_BEHIND; i++)
		do_quick_ones(pool);
	REQUIRE(depth_of(pool) == N_BEHIND);
	for (int i = 0; i < 60000 && !are_idle(pool); i++)
		poll(NULL, 0, 1);
	REQUIRE(are_idle(pool));
	pxp_executor_suspend(pool);
}

static struct pxp_executor *create_ready(unsigned n_workers)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, n_workers);

	get_ready(pool);
	return pool;
}

static size_t n_pending_of(struct pxp_executor *pool)
{
	struct pxp_executor_stats stats;

	pxp_executor_stats(pool, &stats);
	return stats.n_pending;
}

/* ---- prefetching ---- */

TEST(prefetch, many_quick_tasks_are_prefetched_up_to_the_number_of_slots)
{
	struct pxp_executor *pool = create_ready(1);
	struct gate gate = gate_create();
	struct pxp_future *first = submit_passer(pool, &gate), *behind[N_BEHIND + 5];

	for (int i = 0; i < N_BEHIND + 5; i++)
		behind[i] = pool_submit(pool, task_echo, "x", NULL);
	pxp_executor_resume(pool);
	EXPECT(pool_await(pool, 1, N_BEHIND));
	EXPECT_EQ(n_pending_of(pool), 5);
	gate_open(&gate);
	EXPECT_EQ(end_of(first), PXP_OK);
	for (int i = 0; i < N_BEHIND + 5; i++)
		EXPECT_EQ(end_of(behind[i]), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* A worker holds at most two tasks with descriptors or an output: the running task and one
 * prefetched task. */
TEST(prefetch, only_one_task_with_descriptors_or_an_output_is_prefetched)
{
	for (int with_output = 0; with_output < 2; with_output++) {
		struct pxp_executor *pool = create_ready(1);
		struct gate gate = gate_create(), open = gate_create();
		struct pxp_future *first = submit_passer(pool, &gate), *behind[5];

		gate_open(&open);
		for (int i = 0; i < 5; i++)
			behind[i] = pool_submit_with(
				pool, task_echo, "x", with_output ? NULL : &open,
				(struct pxp_task_options){.output = with_output});
		pxp_executor_resume(pool);
		EXPECT(pool_await(pool, 1, 1));
		EXPECT_EQ(n_pending_of(pool), 4);
		gate_open(&gate);
		EXPECT_EQ(end_of(first), PXP_OK);
		for (int i = 0; i < 5; i++)
			EXPECT_EQ(end_of(behind[i]), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
		gate_destroy(&open);
	}
}

TEST(prefetch, only_one_task_is_prefetched_after_a_long_task)
{
	struct pxp_executor *pool = create_ready(1);
	struct gate gate = gate_create();
	struct pxp_future *first = submit_passer(pool, &gate);

	pxp_executor_resume(pool);
	REQUIRE(pool_await(pool, 1, 0));
	/* The task must run so long that the pool does not count it as quick. */
	poll(NULL, 0, 20);
	gate_open(&gate);
	EXPECT_EQ(end_of(first), PXP_OK);
	EXPECT_EQ(depth_of(pool), 1);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

TEST(prefetch, idle_workers_take_over_all_tasks_prefetched_behind_a_long_task)
{
	enum { N = 2 * N_BEHIND };
	struct pxp_executor *pool = create_ready(2);
	struct gate gate = gate_create();
	struct pxp_future *held = submit_passer(pool, &gate), *behind[N];

	for (int i = 0; i < N; i++)
		behind[i] = pool_submit(pool, task_echo, "x", NULL);
	pxp_executor_resume(pool);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(end_of(behind[i]), PXP_OK);
	EXPECT_EQ(pxp_future_wait(held, 0), PXP_ETIMEOUT);
	gate_open(&gate);
	EXPECT_EQ(end_of(held), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Pretend that the last tasks took less time than it takes to wake a worker. */
static void expect_fast_ones(struct pxp_executor *pool)
{
	lock_acquire(&pool->lock);
	probe_inside(pool)->task_ns = 1;
	lock_release(&pool->lock);
}

/* The pool is suspended, which stops its workers with SIGSTOP. So they start none of the tasks that
 * they get. */
TEST(prefetch, quick_tasks_wake_one_worker_only)
{
	struct pxp_executor *pool = create_ready(3);
	struct process_pool *inside = probe_inside(pool);
	struct pxp_future *futures[N_SLOTS + 1];
	int64_t since_ns;

	expect_fast_ones(pool);
	for (int i = 0; i <= N_SLOTS; i++)
		futures[i] = pool_submit(pool, task_echo, "x", NULL);
	lock_acquire(&pool->lock);
	since_ns = inside->suspended_ns;
	inside->suspended_ns = -1;
	inside->now_ns = clock_now_ns();
	pool_schedule(inside);
	inside->suspended_ns = since_ns;
	EXPECT_EQ(inside->workers[0].n_held, N_SLOTS);
	EXPECT_EQ(inside->workers[1].n_held, 1);
	EXPECT_EQ(inside->workers[2].n_held, 0);
	lock_release(&pool->lock);
	pxp_executor_resume(pool);
	for (int i = 0; i <= N_SLOTS; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	pxp_executor_destroy(pool);
}

/* The supervisor is woken after fifteen tasks, or at once when the running task turns out not to be
 * quick. */
TEST(prefetch,
     only_every_fifteenth_submission_wakes_the_supervisor_while_a_quick_task_runs)
{
	struct pxp_executor *pool = create_ready(2);
	struct process_pool *inside = probe_inside(pool);
	struct gate gate = gate_create();
	struct pxp_future *first = submit_passer(pool, &gate);
	int64_t since_ns = -1;

	pxp_executor_resume(pool);
	REQUIRE(pool_await(pool, 1, 0));
	expect_fast_ones(pool);
	lock_acquire(&pool->lock);
	for (unsigned i = 0; i < inside->n_workers; i++) {
		if (inside->workers[i].n_held > 0)
			since_ns = inside->workers[i].front_since_ns;
	}
	inside->now_ns = since_ns;
	EXPECT_EQ(pool_n_to_wake(inside), N_BEHIND);
	inside->now_ns = since_ns + 2 * 1000 * 1000;
	EXPECT_EQ(pool_n_to_wake(inside), 1);
	inside->now_ns = since_ns;
	inside->task_ns = 1000 * 1000;
	EXPECT_EQ(pool_n_to_wake(inside), 1);
	lock_release(&pool->lock);
	gate_open(&gate);
	EXPECT_EQ(end_of(first), PXP_OK);
	gate_destroy(&gate);
	pxp_executor_destroy(pool);
}

TEST(prefetch, tasks_prefetched_behind_a_task_that_asks_for_memory_are_withdrawn)
{
	struct pxp_executor *pool = probe_create((struct pxp_executor_options){
		.n_workers = 1,
		.memory_allowance = 32 << 20,
		.memory_budget = 64 << 20,
	});
	struct gate gate = gate_create();
	struct pxp_future *asks, *behind[N_BEHIND];

	get_ready(pool);
	asks = pool_submit(pool, task_needs_and_passes, path_of(gate.wait_end), NULL);
	for (int i = 0; i < N_BEHIND; i++)
		behind[i] = pool_submit(pool, task_echo, "x", NULL);
	pxp_executor_resume(pool);
	EXPECT(pool_await(pool, 1, 0));
	EXPECT_EQ(n_pending_of(pool), N_BEHIND);
	gate_open(&gate);
	EXPECT_EQ(end_of(asks), PXP_OK);
	for (int i = 0; i < N_BEHIND; i++)
		EXPECT_EQ(end_of(behind[i]), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* ---- cancel ---- */

TEST(prefetch, each_of_many_prefetched_tasks_can_be_cancelled)
{
	struct pxp_executor *pool = create_ready(1);
	struct gate gate = gate_create();
	struct pxp_future *first = submit_passer(pool, &gate), *behind[N_BEHIND];

	for (int i = 0; i < N_BEHIND; i++)
		behind[i] = pool_submit(pool, task_echo, "x", NULL);
	pxp_executor_resume(pool);
	REQUIRE(pool_await(pool, 1, N_BEHIND));
	for (int i = 0; i < N_BEHIND; i += 2) {
		EXPECT_EQ(pxp_future_state(behind[i]), PXP_PENDING);
		EXPECT(pxp_future_cancel(behind[i]));
	}
	EXPECT(pool_await(pool, 1, N_BEHIND / 2));
	gate_open(&gate);
	EXPECT_EQ(end_of(first), PXP_OK);
	for (int i = 0; i < N_BEHIND; i++)
		EXPECT_EQ(end_of(behind[i]), i % 2 == 0 ? PXP_ECANCELLED : PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

TEST(prefetch, a_shutdown_cancels_prefetched_tasks)
{
	struct pxp_executor *pool = create_ready(1);
	struct gate gate = gate_create();
	struct pxp_future *first = submit_passer(pool, &gate), *behind[N_BEHIND];

	for (int i = 0; i < N_BEHIND; i++)
		behind[i] = pool_submit(pool, task_echo, "x", NULL);
	pxp_executor_resume(pool);
	REQUIRE(pool_await(pool, 1, N_BEHIND));
	EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_CANCEL_PENDING), PXP_OK);
	for (int i = 0; i < N_BEHIND; i++)
		EXPECT_EQ(end_of(behind[i]), PXP_ECANCELLED);
	gate_open(&gate);
	EXPECT_EQ(end_of(first), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* The supervisor is held in a callback while the second task ends and the third one starts. So the
 * supervisor has not noticed the end of the second task when the test asks for that task to be
 * killed. */
TEST(prefetch, a_late_forced_cancel_does_not_kill_the_next_task)
{
	struct pxp_executor *pool = create_ready(1);
	struct gate second_gate = gate_create(), third_gate = gate_create(),
		    hold = gate_create();
	struct pxp_future *first = pool_submit(pool, task_echo, "x", NULL);
	struct pxp_future *second = submit_passer(pool, &second_gate);
	struct pxp_future *third = submit_passer(pool, &third_gate);

	probe_hold(first, &hold);
	pxp_executor_resume(pool);
	REQUIRE(pxp_future_wait(first, PXP_FOREVER) == PXP_OK);
	gate_open(&second_gate);
	while (pxp_future_state(third) != PXP_RUNNING)
		poll(NULL, 0, 1);
	EXPECT(!pxp_future_cancel_with(second, PXP_CANCEL_KILL));
	gate_open(&hold);
	EXPECT_EQ(end_of(second), PXP_OK);
	EXPECT_EQ(pxp_future_state(third), PXP_RUNNING);
	gate_open(&third_gate);
	EXPECT_EQ(end_of(third), PXP_OK);
	EXPECT_EQ(end_of(first), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&second_gate);
	gate_destroy(&third_gate);
	gate_destroy(&hold);
}

/* ---- answers in shared slots ---- */

/* The worker does not wake the supervisor after its answer, because it has more tasks. The answer
 * is written while the supervisor is held in a callback. */
TEST(prefetch, an_answer_is_delivered_while_the_next_task_is_still_running)
{
	enum { N = 4 };
	struct pxp_executor *pool = create_ready(1);
	struct gate gates[2] = {gate_create(), gate_create()}, hold = gate_create();
	struct pxp_future *first = pool_submit(pool, task_echo, "x", NULL);
	struct pxp_future *second = submit_passer(pool, &gates[0]);
	struct pxp_future *quick[N], *held, *behind;

	for (int i = 0; i < N; i++)
		quick[i] = pool_submit(pool, task_echo, "x", NULL);
	held = submit_passer(pool, &gates[1]);
	behind = pool_submit(pool, task_echo, "x", NULL);
	probe_hold(first, &hold);
	pxp_executor_resume(pool);
	REQUIRE(pxp_future_wait(first, PXP_FOREVER) == PXP_OK);
	gate_open(&gates[0]);
	while (pxp_future_state(held) != PXP_RUNNING)
		poll(NULL, 0, 1);
	gate_open(&hold);
	EXPECT_EQ(end_of(second), PXP_OK);
	for (int i = 0; i < N; i++) {
		EXPECT_STR(result_of(quick[i]), "x");
		EXPECT_EQ(end_of(quick[i]), PXP_OK);
	}
	EXPECT_EQ(pxp_future_wait(held, 0), PXP_ETIMEOUT);
	gate_open(&gates[1]);
	EXPECT_EQ(end_of(held), PXP_OK);
	EXPECT_EQ(end_of(behind), PXP_OK);
	EXPECT_EQ(end_of(first), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gates[0]);
	gate_destroy(&gates[1]);
	gate_destroy(&hold);
}

TEST(prefetch, a_crash_fails_one_task_and_all_other_tasks_run_once)
{
	enum { N = N_BEHIND, CRASHES = 6 };
	struct pxp_executor *pool = create_ready(1);
	struct pxp_future *futures[N];
	char want[N + 1] = "", got[N + 1] = "";
	struct pxp_executor_stats stats;
	struct gate hold = gate_create();
	pid_t worker = probe_inside(pool)->workers[0].pid;
	int paper[2], n = 0;

	REQUIRE(pipe(paper) == 0);
	for (int i = 0; i < N; i++) {
		char input[80];

		snprintf(input, sizeof(input), "%c%s", 'a' + i, path_of(paper[1]));
		if (i != CRASHES)
			want[n++] = (char)('a' + i);
		futures[i] = i == CRASHES
		                     ? pool_submit(pool, task_signal, "11", NULL)
		                     : pool_submit(pool, task_writes_letter, input, NULL);
	}
	/* The supervisor is held after the first answer, until the worker is dead. */
	probe_hold(futures[0], &hold);
	pxp_executor_resume(pool);
	EXPECT(await_gone(worker));
	gate_open(&hold);
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(probe_outcome(futures[i]).attempts, 1);
		if (i == CRASHES)
			EXPECT_EQ(probe_outcome(futures[i]).error.signal, 11);
		EXPECT_EQ(end_of(futures[i]), i == CRASHES ? PXP_ECRASHED : PXP_OK);
	}
	EXPECT_EQ(read(paper[0], got, N), n);
	EXPECT_STR(got, want);
	pxp_executor_stats(pool, &stats);
	EXPECT_EQ(stats.n_crashed, 1);
	pxp_executor_destroy(pool);
	gate_destroy(&hold);
	close(paper[0]);
	close(paper[1]);
}

TEST(prefetch, the_log_of_a_crash_among_quick_tasks_is_complete)
{
	enum { N = 6 };
	struct pxp_executor *pool = create_ready(1);
	struct pxp_future *quick[N], *dies, *behind;
	const struct pxp_outcome *outcome;

	for (int i = 0; i < N; i++)
		quick[i] = pool_submit(pool, task_echo, "x", NULL);
	dies = pool_submit(pool, task_logs_and_dies, "x", NULL);
	behind = pool_submit(pool, task_echo, "x", NULL);
	pxp_executor_resume(pool);
	REQUIRE(pxp_future_wait(dies, PXP_FOREVER) == PXP_OK);
	outcome = pxp_future_outcome(dies);
	EXPECT_EQ(outcome->n_log, 10);
	EXPECT(outcome->log && memcmp(outcome->log, "last words", 10) == 0);
	EXPECT_EQ(end_of(dies), PXP_ECRASHED);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(end_of(quick[i]), PXP_OK);
	EXPECT_EQ(end_of(behind), PXP_OK);
	pxp_executor_destroy(pool);
}

static enum pxp_status task_logs_and_fails(struct pxp_task *task)
{
	gate_pass(pxp_task_descriptor(task, 0));
	(void)!write(STDERR_FILENO, "alas", 4);
	return pxp_task_fail(task, 1, "it failed");
}

static enum pxp_status task_logs_signals_and_dies(struct pxp_task *task)
{
	(void)!write(STDERR_FILENO, "last words", 10);
	(void)!write(pxp_task_descriptor(task, 0), "x", 1);
	_exit(1);
}

struct turn {
	struct gate gate;
	int told;
};

static void open_and_await_byte(struct pxp_future *future, void *data)
{
	struct turn *turn = data;
	char byte;

	(void)future;
	gate_open(&turn->gate);
	EXPECT_EQ(read(turn->told, &byte, 1), 1);
}

/* The supervisor is held in a callback while one task fails and the next task writes to its log and
 * dies. So the supervisor notices the failure and the death at the same time. */
TEST(prefetch, the_log_of_a_crash_after_a_failed_task_is_complete)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	struct pxp_future *first, *fails, *dies;
	struct turn turn = {.gate = gate_create()};
	const struct pxp_outcome *outcome;
	int ends[2];

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	turn.told = ends[0];
	first = pool_submit(pool, task_wait, "x", &gate);
	EXPECT_EQ(pxp_future_on_done(first, open_and_await_byte, &turn), PXP_OK);
	fails = pool_submit(pool, task_logs_and_fails, NULL, &turn.gate);
	dies = pool_submit_with(
		pool, task_logs_signals_and_dies, NULL, NULL,
		(struct pxp_task_options){.descriptors = &ends[1], .n_descriptors = 1});
	REQUIRE(pool_await(pool, 1, 1));
	gate_open(&gate);
	REQUIRE(pxp_future_wait(dies, PXP_FOREVER) == PXP_OK);
	outcome = pxp_future_outcome(fails);
	EXPECT(outcome->n_log >= 4 && memcmp(outcome->log, "alas", 4) == 0);
	outcome = pxp_future_outcome(dies);
	EXPECT(outcome->n_log >= 10 &&
	       memcmp(outcome->log + outcome->n_log - 10, "last words", 10) == 0);
	EXPECT_EQ(end_of(first), PXP_OK);
	EXPECT_EQ(end_of(fails), PXP_ETASK);
	EXPECT_EQ(end_of(dies), PXP_ECRASHED);
	close(ends[0]);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
	gate_destroy(&turn.gate);
}

/* Short results arrive in slots. A result that is too long for a slot arrives in a frame, while the
 * results before and after it arrive in slots. */
TEST(prefetch, short_and_long_results_reach_the_right_futures)
{
	enum { N = 200 };
	struct pxp_executor *pool = create_ready(2);
	struct pxp_future *futures[N];
	char text[N][160];

	for (int i = 0; i < N; i++) {
		memset(text[i], 'a' + i % 26, sizeof(text[i]));
		text[i][i * 7 % (int)sizeof(text[i])] = 0;
		futures[i] = pool_submit(pool, i % 5 == 4 ? task_fail : task_echo,
		                         text[i], NULL);
	}
	pxp_executor_resume(pool);
	for (int i = 0; i < N; i++) {
		if (i % 5 != 4)
			EXPECT_STR(result_of(futures[i]), text[i]);
		EXPECT_EQ(end_of(futures[i]), i % 5 == 4 ? PXP_ETASK : PXP_OK);
	}
	pxp_executor_destroy(pool);
}
