/* Tests of the order in which tasks start, and of what has ended when a shutdown returns. */
#include "probe.h"
#include "support/test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* ---- which task starts next ---- */

/* A task that writes its input, a letter, into its pipe. */
static enum pxp_status task_writes_its_letter(struct pxp_task *task)
{
	return write(pxp_task_descriptor(task, 0), pxp_task_input(task, NULL), 1) == 1
	               ? PXP_OK
	               : PXP_ESYS;
}

static struct pxp_future *submit_letter(struct pxp_executor *pool, char letter,
                                        const int paper[2])
{
	const char name[] = {letter, 0};
	const struct gate desk = {.wait_end = paper[1], .open_end = -1};

	return pool_submit(pool, task_writes_its_letter, name, &desk);
}

/* One worker runs a task that does not end, and prefetches the first of the tasks that write
 * letters. Then a second worker starts, and must run the prefetched task before all later ones. */
TEST(order, prefetched_tasks_start_before_tasks_submitted_later)
{
	enum { N = 20 };
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate gate = gate_create();
	struct pxp_future *held = pool_submit(pool, task_wait, "x", &gate), *futures[N];
	char want[N + 1] = "", got[N + 1] = "";
	int paper[2];

	REQUIRE(pipe(paper) == 0);
	REQUIRE(pool_await(pool, 1, 0));
	for (int i = 0; i < N; i++) {
		want[i] = (char)('a' + i);
		futures[i] = submit_letter(pool, want[i], paper);
	}
	for (int i = 0; i < N; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	EXPECT_EQ(read(paper[0], got, N), N);
	EXPECT_STR(got, want);
	EXPECT_EQ(pxp_future_wait(held, 0), PXP_ETIMEOUT);
	gate_open(&gate);
	EXPECT_EQ(end_of(held), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
	close(paper[0]);
	close(paper[1]);
}

/* The first worker is busy for ever and has prefetched a task. The second worker always has newer
 * tasks and never becomes idle. Still it must run the prefetched task at some point. */
TEST(order, newer_tasks_cannot_overtake_a_prefetched_task_for_ever)
{
	enum { N = 24 };
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate never = gate_create(), gate = gate_create();
	struct pxp_future *held = pool_submit(pool, task_wait, "x", &never), *busy;
	struct pxp_future *futures[N];
	char got[N + 1] = "";
	int paper[2];

	REQUIRE(pipe(paper) == 0);
	REQUIRE(pool_await(pool, 1, 0));
	busy = pool_submit(pool, task_wait, "x", &gate);
	REQUIRE(pool_await(pool, 2, 0));
	for (int i = 0; i < N; i++)
		futures[i] = submit_letter(pool, (char)('a' + i), paper);
	REQUIRE(pool_await(pool, 2, 2));
	gate_open(&gate);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	EXPECT_EQ(read(paper[0], got, N), N);
	EXPECT(strchr(got, 'a') && strchr(got, 'a') - got <= 6, "it came: %s", got);

	gate_open(&never);
	EXPECT_EQ(end_of(held), PXP_OK);
	EXPECT_EQ(end_of(busy), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
	gate_destroy(&gate);
	close(paper[0]);
	close(paper[1]);
}

TEST(order, a_task_prefetched_behind_a_long_task_runs_on_the_replacement_of_a_dead_worker)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate gate = gate_create(), death = gate_create();
	struct pxp_future *held = pool_submit(pool, task_wait, "x", &gate), *dies,
			  *behind;

	REQUIRE(pool_await(pool, 1, 0));
	dies = pool_submit(pool, task_signal, "9", &death);
	REQUIRE(pool_await(pool, 2, 0));
	behind = pool_submit(pool, task_echo, "behind", NULL);
	REQUIRE(pool_await(pool, 2, 1));
	gate_open(&death);
	EXPECT_EQ(pxp_future_wait(behind, 20000), PXP_OK);
	EXPECT_EQ(pxp_future_wait(held, 0), PXP_ETIMEOUT);
	gate_open(&gate);
	EXPECT_EQ(end_of(behind), PXP_OK);
	EXPECT_EQ(end_of(held), PXP_OK);
	EXPECT_EQ(end_of(dies), PXP_ECRASHED);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
	gate_destroy(&death);
}

/* ---- a started task stays running ---- */

static void await_answer(struct pxp_executor *pool, pid_t worker)
{
	struct process_pool *inside = probe_inside(pool);
	struct pollfd answer = {.fd = -1, .events = POLLIN};

	for (unsigned i = 0; i < inside->n_workers; i++) {
		if (inside->workers[i].pid == worker)
			answer.fd = inside->workers[i].socket;
	}
	REQUIRE(answer.fd >= 0 && poll(&answer, 1, 60000) == 1);
}

/* The supervisor is held in the callback of the first task until two other answers have arrived. It
 * reads them together, and is held again in the callback of the second task. By then the third task
 * has left its worker, but is not yet completed. */
TEST(order, a_started_task_counts_as_running_until_it_is_completed)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 3);
	struct gate gates[3], holds[2] = {gate_create(), gate_create()};
	struct pxp_future *futures[3];
	pid_t workers[3];

	for (int i = 0; i < 3; i++) {
		gates[i] = gate_create();
		futures[i] = pool_submit(pool, task_wait, "x", &gates[i]);
		REQUIRE(pool_await(pool, (size_t)i + 1, 0));
		workers[i] = probe_inside(pool)->workers[i].pid;
	}
	probe_hold(futures[0], &holds[0]);
	probe_hold(futures[1], &holds[1]);
	gate_open(&gates[0]);
	REQUIRE(pxp_future_wait(futures[0], PXP_FOREVER) == PXP_OK);
	for (int i = 1; i < 3; i++) {
		gate_open(&gates[i]);
		await_answer(pool, workers[i]);
	}
	gate_open(&holds[0]);
	REQUIRE(pxp_future_wait(futures[1], PXP_FOREVER) == PXP_OK);
	EXPECT_EQ(pxp_future_state(futures[2]), PXP_RUNNING);
	gate_open(&holds[1]);

	for (int i = 0; i < 3; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	pxp_executor_destroy(pool);
	for (int i = 0; i < 3; i++)
		gate_destroy(&gates[i]);
	gate_destroy(&holds[0]);
	gate_destroy(&holds[1]);
}

TEST(order, a_task_that_is_retried_counts_as_running_throughout)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	pid_t fork_server = probe_fork_server(pool);
	struct pxp_future *future = pool_submit_with(
		pool, task_signal, "11", &gate, (struct pxp_task_options){.retries = 5});
	enum pxp_future_state state;

	REQUIRE(pool_await(pool, 1, 0));
	kill(fork_server, SIGSTOP);
	gate_open(&gate);
	REQUIRE(pool_await_workers(pool, 0));
	EXPECT_EQ(pxp_future_state(future), PXP_RUNNING);
	kill(fork_server, SIGCONT);
	do {
		state = pxp_future_state(future);
		EXPECT(state == PXP_RUNNING || state == PXP_FAILED);
	} while (state == PXP_RUNNING);
	EXPECT_EQ(probe_outcome(future).attempts, 6);
	EXPECT_EQ(end_of(future), PXP_ECRASHED);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* ---- shutdown ---- */

static enum pxp_status preload_never(struct pxp_error *ret_error)
{
	while (pause() < 0)
		;
	return pxp_fail(ret_error, PXP_ESYS, "pause");
}

TEST(order, killing_a_pool_does_not_wait_for_a_hanging_preload)
{
	struct pxp_executor *pool = probe_create(
		(struct pxp_executor_options){.n_workers = 2, .preload = preload_never});
	struct pxp_future *future = pool_submit(pool, task_echo, "x", NULL);

	REQUIRE(pool_await_workers(pool, 1));
	EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL | PXP_SHUTDOWN_WAIT),
	          PXP_OK);
	EXPECT_EQ(end_of(future), PXP_ECANCELLED);
	pxp_executor_destroy(pool);
}

/* The worker has crashed, and the fork server, which would report that, is stopped while the pool
 * is killed. */
TEST(order, no_task_is_retried_after_the_pool_was_killed)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	pid_t fork_server = probe_fork_server(pool);
	struct pxp_future *future = pool_submit_with(
		pool, task_signal, "11", &gate, (struct pxp_task_options){.retries = 1});
	struct pxp_executor_stats stats;

	REQUIRE(pool_await(pool, 1, 0));
	kill(fork_server, SIGSTOP);
	gate_open(&gate);
	REQUIRE(pool_await_workers(pool, 0));
	pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL);
	kill(fork_server, SIGCONT);
	EXPECT_EQ(probe_outcome(future).attempts, 1);
	EXPECT_EQ(end_of(future), PXP_ECANCELLED);
	pxp_executor_stats(pool, &stats);
	EXPECT_EQ(stats.n_spawned, 1);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

TEST(order, a_suspended_pool_can_be_destroyed)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate gate = gate_create();
	struct pxp_future *future = pool_submit(pool, task_wait, "x", &gate), *waits;

	REQUIRE(pool_await(pool, 1, 0));
	pxp_executor_suspend(pool);
	waits = pool_submit(pool, task_echo, "x", NULL);
	gate_open(&gate);
	pxp_executor_destroy(pool);
	EXPECT_EQ(end_of(future), PXP_OK);
	EXPECT_EQ(end_of(waits), PXP_OK);
	gate_destroy(&gate);
}

/* The data of two threads. One thread completes cancelled tasks, and is held in a callback. The
 * other thread waits for the end of the executor. */
struct two_threads {
	struct pxp_executor *pool;
	struct pxp_future *pending[3];
	/* A pipe whose write end is closed when the shutdown has returned. */
	int has_returned[2];
	/* How many tasks were not completed when the shutdown returned. */
	int n_uncompleted;
};

static void *cancel_one(void *data)
{
	struct two_threads *both = data;

	for (int i = 0; i < 3; i++)
		pxp_future_cancel(both->pending[i]);
	return NULL;
}

static void *cancel_pending(void *data)
{
	struct two_threads *both = data;

	pxp_executor_shutdown(both->pool, PXP_SHUTDOWN_CANCEL_PENDING);
	return NULL;
}

static void *wait_for_end(void *data)
{
	struct two_threads *both = data;

	pxp_executor_shutdown(both->pool, PXP_SHUTDOWN_WAIT);
	for (int i = 0; i < 3; i++)
		both->n_uncompleted += !pxp_future_is_done(both->pending[i]);
	close(both->has_returned[1]);
	return NULL;
}

static void wait_while_another_completes(enum pxp_executor_kind kind,
                                         void *(*cancel)(void *))
{
	struct two_threads both = {.pool = pool_create(kind, 1)};
	struct gate gate = gate_create(), hold = gate_create();
	struct pxp_future *running = pool_submit(both.pool, task_wait, "x", &gate);
	pthread_t canceller, waiter;

	REQUIRE(pipe(both.has_returned) == 0);
	REQUIRE(pool_await(both.pool, 1, 0));
	for (int i = 0; i < 3; i++)
		both.pending[i] = pool_submit(both.pool, task_wait, "x", &gate);
	probe_hold(both.pending[0], &hold);
	REQUIRE(pthread_create(&canceller, NULL, cancel, &both) == 0);
	REQUIRE(pxp_future_wait(both.pending[0], PXP_FOREVER) == PXP_OK);
	gate_open(&gate);
	REQUIRE(pxp_future_wait(running, PXP_FOREVER) == PXP_OK);
	REQUIRE(pthread_create(&waiter, NULL, wait_for_end, &both) == 0);

	/* The shutdown must not return while the callback is held. */
	struct pollfd returned = {.fd = both.has_returned[0], .events = POLLIN};

	EXPECT_EQ(poll(&returned, 1, 100), 0);
	gate_open(&hold);
	pthread_join(waiter, NULL);
	pthread_join(canceller, NULL);
	EXPECT_EQ(both.n_uncompleted, 0);

	for (int i = 0; i < 3; i++)
		pxp_future_release(both.pending[i]);
	EXPECT_EQ(end_of(running), PXP_OK);
	pxp_executor_destroy(both.pool);
	gate_destroy(&gate);
	gate_destroy(&hold);
	close(both.has_returned[0]);
}

TEST(order, a_shutdown_waits_for_a_thread_that_completes_cancelled_tasks)
{
	wait_while_another_completes(PXP_THREADS, cancel_one);
	wait_while_another_completes(PXP_PROCESSES, cancel_one);
}

TEST(order, a_shutdown_waits_for_another_shutdown_that_completes_cancelled_tasks)
{
	wait_while_another_completes(PXP_THREADS, cancel_pending);
	wait_while_another_completes(PXP_PROCESSES, cancel_pending);
}

/* ---- logs ---- */

static enum pxp_status task_passes_and_reports(struct pxp_task *task)
{
	gate_pass(pxp_task_descriptor(task, 0));
	return write(2, "old words", 9) == 9 ? PXP_OK : PXP_ESYS;
}

static uint64_t n_logged_of(struct pxp_executor *pool)
{
	uint64_t n;

	lock_acquire(&pool->lock);
	n = probe_inside(pool)->workers[0].n_logged;
	lock_release(&pool->lock);
	return n;
}

/* Each task starts before the answer of the previous task is read. */
TEST(order, a_crashed_task_does_not_get_the_log_of_an_earlier_successful_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate first = gate_create(), second = gate_create(), third = gate_create();
	struct pxp_future *says = pool_submit(pool, task_passes_and_reports, "", &first);
	struct pxp_future *silent, *dies;

	REQUIRE(pool_await(pool, 1, 0));
	silent = pool_submit(pool, task_wait, "x", &second);
	REQUIRE(pool_await(pool, 1, 1));
	gate_open(&first);
	EXPECT_EQ(end_of(says), PXP_OK);
	for (int i = 0; i < 60000 && n_logged_of(pool) == 0; i++)
		poll(NULL, 0, 1);
	dies = pool_submit(pool, task_signal, "9", &third);
	REQUIRE(pool_await(pool, 1, 1));
	gate_open(&second);
	EXPECT_EQ(end_of(silent), PXP_OK);
	gate_open(&third);
	REQUIRE(pxp_future_wait(dies, PXP_FOREVER) == PXP_OK);
	EXPECT_EQ(pxp_future_outcome(dies)->n_log, 0);
	EXPECT_EQ(end_of(dies), PXP_ECRASHED);
	pxp_executor_destroy(pool);
	gate_destroy(&first);
	gate_destroy(&second);
	gate_destroy(&third);
}
