/* Tests of deadlines: a stop of the program and a suspension of the pool move them, and slow
 * callbacks do not. */
#include "probe.h"
#include "support/test.h"

#include "base/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t ms_since(int64_t ns)
{
	return (clock_now_ns() - ns) / 1000000;
}

static int64_t cpu_ms(void)
{
	struct timespec used;

	REQUIRE(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
	return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

enum { DEADLINE_MS = 300, AWAY_MS = 2000 };

TEST(time, a_suspension_moves_deadlines_once_and_uses_no_processor_time)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate never = gate_create();
	int64_t begin_ns = clock_now_ns(), resume_ns, before_ms;
	struct pxp_future *hung = pool_submit_with(
		pool, task_wait, "x", &never,
		(struct pxp_task_options){.deadline_ms = DEADLINE_MS});
	struct pxp_future *far = pool_submit_with(
		pool, task_wait, "x", &never,
		(struct pxp_task_options){.deadline_ms = INT64_MAX});

	REQUIRE(pool_await(pool, 2, 0));
	pxp_executor_suspend(pool);
	before_ms = cpu_ms();
	EXPECT_EQ(pxp_future_wait(hung, AWAY_MS), PXP_ETIMEOUT);
	EXPECT(cpu_ms() - before_ms < AWAY_MS / 10);
	resume_ns = clock_now_ns();
	pxp_executor_resume(pool);
	EXPECT_EQ(end_of(hung), PXP_EDEADLINE);
	EXPECT(ms_since(resume_ns) < AWAY_MS);
	EXPECT(ms_since(begin_ns) >= AWAY_MS + DEADLINE_MS);
	EXPECT_EQ(pxp_future_wait(far, 0), PXP_ETIMEOUT);

	pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL);
	EXPECT_EQ(end_of(far), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* The child is forked while the pool is running, so it has copies of the pool's descriptors.
 * These copies stay open when the pool closes its descriptors. */
TEST(time, a_pool_whose_fork_server_died_uses_no_cpu_time_even_if_the_program_has_forked)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	pid_t fork_server = probe_fork_server(pool), child;
	struct gate never = gate_create(), release = gate_create();
	struct pxp_future *held = pool_submit(pool, task_wait, "x", &never);
	struct pollfd idle = {.fd = never.wait_end, .events = POLLIN};
	int64_t before_ms;

	REQUIRE(pool_await(pool, 1, 0));
	child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		close(release.open_end);
		gate_pass(release.wait_end);
		_exit(0);
	}
	kill(fork_server, SIGKILL);
	EXPECT(end_of(held) != PXP_OK);
	before_ms = cpu_ms();
	EXPECT_EQ(poll(&idle, 1, AWAY_MS / 2), 0);
	EXPECT(cpu_ms() - before_ms < AWAY_MS / 20);
	gate_destroy(&release);
	waitpid(child, NULL, 0);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* The worker is stopped, so the task does not start before its deadline passes. The pool moves the
 * deadline and does not kill the worker. */
TEST(time, a_deadline_that_passes_before_the_task_starts_kills_no_worker)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *first = pool_submit(pool, task_pid, NULL, NULL), *next;
	pid_t worker = atoi(result_of(first));

	REQUIRE(worker > 1);
	kill(worker, SIGSTOP);
	next = pool_submit_with(pool, task_echo, "next", NULL,
	                        (struct pxp_task_options){.deadline_ms = 50});
	EXPECT_EQ(pxp_future_wait(next, 500), PXP_ETIMEOUT);
	kill(worker, SIGCONT);
	EXPECT_STR(result_of(next), "next");
	EXPECT_EQ(probe_outcome(next).worker, worker);
	EXPECT_EQ(probe_outcome(next).attempts, 1);
	EXPECT_EQ(end_of(first), PXP_OK);
	EXPECT_EQ(end_of(next), PXP_OK);
	pxp_executor_destroy(pool);
}

static void await_sleep(struct pxp_executor *pool)
{
	struct process_pool *inside = probe_inside(pool);
	bool sleeps = false;

	while (!sleeps) {
		lock_acquire(&pool->lock);
		sleeps = inside->is_asleep && inside->wake_ns >= 0;
		lock_release(&pool->lock);
	}
}

/* Run by this program under the name "stopped" (be_stopped()). The program stops itself, as Ctrl-Z
 * would stop it. The queue timeout of a task passes during the stop. When this task has expired,
 * the supervisor has noticed the stop. Only then does the program resume the pool. */
static bool a_stop_moves_deadlines_once(void)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate never = gate_create();
	struct pxp_future *hung = pool_submit_with(
		pool, task_wait, "x", &never,
		(struct pxp_task_options){.deadline_ms = DEADLINE_MS});
	struct pxp_future *waits;
	int64_t resume_ns;
	bool is_so = pool_await(pool, 1, 0);

	pxp_executor_suspend(pool);
	waits = pool_submit_with(pool, task_echo, "x", NULL,
	                         (struct pxp_task_options){.queue_timeout_ms = 1000});
	await_sleep(pool);
	raise(SIGSTOP);
	is_so &= end_of(waits) == PXP_EQUEUED;
	resume_ns = clock_now_ns();
	pxp_executor_resume(pool);
	is_so &= end_of(hung) == PXP_EDEADLINE;
	is_so &= ms_since(resume_ns) < AWAY_MS;
	pxp_executor_destroy(pool);
	gate_destroy(&never);
	return is_so;
}

TEST(time, the_time_of_a_program_stop_is_added_to_each_deadline_only_once)
{
	pid_t copy = fork();
	int status = 0;

	if (copy == 0) {
		execl("/proc/self/exe", "stopped", (char *)NULL);
		_exit(127);
	}
	REQUIRE(waitpid(copy, &status, WUNTRACED) == copy && WIFSTOPPED(status));
	/* The program stays stopped during this poll(). */
	poll(NULL, 0, AWAY_MS + DEADLINE_MS);
	kill(copy, SIGCONT);
	REQUIRE(waitpid(copy, &status, 0) == copy);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

__attribute__((constructor(65535))) static void be_stopped(int argc, char **argv)
{
	if (argc != 1 || strcmp(argv[0], "stopped") != 0)
		return;
	alarm(60);
	_exit(pxp_zygote_start(NULL) == PXP_OK && a_stop_moves_deadlines_once() ? 0 : 1);
}

/* A callback holds up the supervisor, which kills no task during that time. Two tasks never end.
 * The deadline of the first task passes while the callback runs. The deadline of the second task
 * passes soon after the callback has returned. Neither task gets more time because of the
 * callback. */
TEST(time, a_slow_callback_extends_no_deadline)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 3);
	struct gate never = gate_create(), gate = gate_create(), hold = gate_create();
	struct pxp_future *quick = pool_submit(pool, task_wait, "x", &gate), *hung[2];
	int64_t release_ns;

	for (int i = 0; i < 2; i++)
		hung[i] = pool_submit_with(
			pool, task_wait, "x", &never,
			(struct pxp_task_options){.deadline_ms = DEADLINE_MS +
		                                                 i * AWAY_MS});
	REQUIRE(pool_await(pool, 3, 0));
	probe_hold(quick, &hold);
	gate_open(&gate);
	EXPECT_EQ(pxp_future_wait(hung[0], AWAY_MS), PXP_ETIMEOUT);
	release_ns = clock_now_ns();
	gate_open(&hold);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(end_of(hung[i]), PXP_EDEADLINE);
	EXPECT(ms_since(release_ns) < AWAY_MS - DEADLINE_MS);
	EXPECT_EQ(end_of(quick), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
	gate_destroy(&gate);
	gate_destroy(&hold);
}

/* ---- an idle pool ---- */

/* Wait until the supervisor sleeps and no timer is set that would wake it. Returns false after
 * about ten seconds. */
static bool await_sleep_without_end(struct pxp_executor *pool)
{
	const struct process_pool *inside = probe_inside(pool);
	bool has_no_timer = false;

	for (int i = 0; i < 10000 && !has_no_timer; i++) {
		lock_acquire(&pool->lock);
		has_no_timer = inside->is_asleep && inside->wake_ns < 0;
		lock_release(&pool->lock);
		poll(NULL, 0, has_no_timer ? 0 : 1);
	}
	return has_no_timer;
}

static enum pxp_status task_needs_memory(struct pxp_task *task)
{
	return pxp_task_need(task, (uint64_t)768 << 20);
}

/* A timer that stays set by mistake would kill a worker or the fork server only after a minute.
 * This test does not wait that long: it checks that no timer is set. */
TEST(time, an_idle_pool_has_no_timer_left_after_any_kind_of_task)
{
	struct pxp_executor *pool = probe_create((struct pxp_executor_options){
		.n_workers = 1,
		.memory_allowance = (uint64_t)512 << 20,
		.memory_budget = (uint64_t)1 << 30,
	});
	const struct pxp_task_options timed = {.deadline_ms = 60000, .stall_ms = 60000};
	struct gate gate = gate_create();
	struct pxp_future *held, *behind;

	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
	EXPECT(await_sleep_without_end(pool), "after the start of a worker");
	EXPECT_EQ(end_of(pool_submit_with(pool, task_echo, "x", NULL, timed)), PXP_OK);
	EXPECT(await_sleep_without_end(pool), "after a task with deadlines");
	EXPECT_EQ(end_of(pool_submit(pool, task_needs_memory, NULL, NULL)), PXP_OK);
	EXPECT(await_sleep_without_end(pool), "after a task that needed memory");
	EXPECT_EQ(end_of(pool_submit_with(pool, task_exit, "3", NULL, timed)),
	          PXP_ECRASHED);
	EXPECT(await_sleep_without_end(pool), "after a crash");

	held = pool_submit_with(pool, task_wait, "x", &gate, timed);
	REQUIRE(pool_await(pool, 1, 0));
	EXPECT(pxp_future_cancel_with(held, PXP_CANCEL_KILL));
	EXPECT_EQ(end_of(held), PXP_ECANCELLED);
	EXPECT(await_sleep_without_end(pool), "after a kill");

	held = pool_submit_with(pool, task_wait, "x", &gate, timed);
	behind = pool_submit_with(pool, task_wait, "x", &gate, timed);
	REQUIRE(pool_await(pool, 1, 1));
	EXPECT(pxp_future_cancel(behind));
	gate_open(&gate);
	EXPECT_EQ(end_of(held), PXP_OK);
	EXPECT_EQ(end_of(behind), PXP_ECANCELLED);
	EXPECT(await_sleep_without_end(pool), "after a withdrawal");
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}
