/* Tests in which allocations and system calls fail or are delayed. Many tests run in rounds, and in
 * each round a later call fails. */
#include "support/fault.h"
#include "support/pool.h"
#include "support/test.h"

#include <pixpool/task.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EACH_KIND(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_INLINE; kind++)

static enum pxp_status nop(struct pxp_task *task)
{
	(void)task;
	return PXP_OK;
}

static struct pxp_executor *try_create(enum pxp_executor_kind kind,
                                       enum pxp_status *ret_status)
{
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = kind,
	                                       .n_workers = 2,
	                                       .init_bytes = "fish",
	                                       .n_init_bytes = 5,
	                                       .name = "faulty"};
	struct pxp_executor *pool;

	*ret_status = pxp_executor_create(&options, &pool, NULL);
	return pool;
}

/* Create an executor of this kind again and again. `fault` says which calls can fail: in the first
 * round the first of them fails, in the second round the second one, and so on, until no call fails
 * any more. */
static void create_while_failing(enum pxp_executor_kind kind, struct fault fault,
                                 enum pxp_status want)
{
	bool has_failed = true;
	int n_refused = 0;

	for (fault.nth = 1; has_failed; fault.nth++) {
		enum pxp_status status;
		struct pxp_executor *pool;

		REQUIRE(fault.nth < 100);
		fault_arm(fault);
		pool = try_create(kind, &status);
		has_failed = fault_disarm() > 0;
		EXPECT_EQ(pool == NULL, status != PXP_OK);
		EXPECT_EQ(status, has_failed ? want : PXP_OK);
		n_refused += status != PXP_OK;
		pxp_executor_destroy(pool);
	}
	EXPECT(n_refused > 0 || kind != PXP_PROCESSES);
}

TEST(fault_hooks, creating_an_executor_survives_the_failure_of_any_allocation)
{
	EACH_KIND(kind)
	create_while_failing(kind,
	                     (struct fault){.point = FAULT_ALLOCATE,
	                                    .place = FAULT_IN_MAIN,
	                                    .times = 1,
	                                    .sys_errno = ENOMEM},
	                     PXP_ENOMEM);
}

TEST(fault_hooks, creating_a_process_pool_fails_if_any_descriptor_is_refused)
{
	static const enum fault_point points[] = {FAULT_PAIR, FAULT_EVENT};

	for (int i = 0; i < 2; i++)
		create_while_failing(PXP_PROCESSES,
		                     (struct fault){.point = points[i],
		                                    .place = FAULT_IN_MAIN,
		                                    .times = 1,
		                                    .sys_errno = EMFILE},
		                     PXP_ESYS);
}

TEST(fault_hooks, creating_a_pool_fails_if_the_fork_server_cannot_be_forked)
{
	enum pxp_status status;

	fault_arm((struct fault){.point = FAULT_FORK, .nth = 1, .sys_errno = EAGAIN});
	EXPECT(try_create(PXP_PROCESSES, &status) == NULL);
	EXPECT_EQ(status, PXP_ESYS);
	EXPECT_EQ(fault_disarm(), 1);
}

TEST(fault_hooks, creating_a_pool_fails_if_the_supervisor_thread_cannot_start)
{
	enum pxp_status status;

	fault_arm((struct fault){.point = FAULT_THREAD, .nth = 1, .sys_errno = EAGAIN});
	EXPECT(try_create(PXP_PROCESSES, &status) == NULL);
	EXPECT_EQ(status, PXP_ESYS);
	EXPECT_EQ(fault_disarm(), 1);
}

TEST(fault_hooks,
     a_submission_survives_the_failure_of_any_allocation_and_loses_no_descriptor)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		bool has_failed = true;

		gate_open(&gate);
		for (unsigned nth = 1; has_failed; nth++) {
			int descriptor = gate_descriptor(&gate);
			struct pxp_task_options options = {.size = sizeof(options),
			                                   .descriptors = &descriptor,
			                                   .n_descriptors = 1,
			                                   .queue_timeout_ms = 60000};
			struct pxp_future *future = NULL;
			enum pxp_status status;

			REQUIRE(nth < 100);
			fault_arm((struct fault){.point = FAULT_ALLOCATE,
			                         .place = FAULT_IN_MAIN,
			                         .nth = nth,
			                         .times = 1,
			                         .sys_errno = ENOMEM});
			status = pxp_executor_submit(pool, nop, "abc", 4, &options,
			                             &future);
			if (future)
				pxp_future_wait(future, PXP_FOREVER);
			has_failed = fault_disarm() > 0;
			if (status != PXP_OK) {
				EXPECT_EQ(status, PXP_ENOMEM);
				/* The descriptor still belongs to the caller and is open. */
				gate_pass(descriptor);
				EXPECT_EQ(close(descriptor), 0);
			}
			pxp_future_release(future);
		}
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

TEST(fault_hooks, a_thread_pool_works_with_fewer_threads_if_some_cannot_start)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 4);
	struct pxp_future *futures[8];

	fault_arm((struct fault){.point = FAULT_THREAD, .nth = 2, .sys_errno = EAGAIN});
	for (int i = 0; i < 8; i++)
		futures[i] = pool_submit(pool, task_echo, "x", NULL);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	fault_disarm();
	pxp_executor_destroy(pool);
}

TEST(fault_hooks, a_thread_pool_that_cannot_start_any_thread_refuses_a_submission)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 4);

	fault_arm((struct fault){.point = FAULT_THREAD, .nth = 1, .sys_errno = EAGAIN});
	EXPECT_EQ(pxp_executor_submit(pool, nop, NULL, 0, NULL, NULL), PXP_ESYS);
	fault_disarm();
	EXPECT_EQ(pxp_executor_submit(pool, nop, NULL, 0, NULL, NULL), PXP_OK);
	pxp_executor_destroy(pool);
}

/* Run some tasks while a temporary fault is armed. All must succeed. Tests here never wait for a
 * worker that cannot start, because the pool would retry for hours. */
static void run_on(unsigned n_workers, struct fault fault)
{
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = PXP_PROCESSES,
	                                       .n_workers = n_workers,
	                                       .start_timeout_ms = 3600 * 1000};
	struct pxp_executor *pool;
	struct pxp_future *futures[20];

	REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
	fault_arm(fault);
	for (int i = 0; i < 20; i++)
		futures[i] = pool_submit_with(
			pool, task_echo, "x", NULL,
			(struct pxp_task_options){.output = true, .retries = 3});
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	EXPECT(fault_disarm() > 0);
	pxp_executor_destroy(pool);
}

static void run_through(struct fault fault)
{
	run_on(2, fault);
}

TEST(fault_hooks, a_worker_that_cannot_be_forked_at_first_is_forked_later)
{
	run_through((struct fault){
		.point = FAULT_FORK, .nth = 1, .times = 3, .sys_errno = EAGAIN});
}

/* Ported from test_process_pool.py: test_failed_worker_replacement_breaks_pool */
TEST(fault_hooks, queued_tasks_fail_if_no_worker_can_ever_be_forked)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct pxp_future *futures[4];

	fault_arm((struct fault){.point = FAULT_FORK, .nth = 1, .sys_errno = EAGAIN});
	for (int i = 0; i < 4; i++)
		futures[i] = pool_submit(pool, task_echo, "x", NULL);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_EBROKEN);
	fault_disarm();
	pxp_executor_destroy(pool);
}

TEST(fault_hooks, tasks_succeed_after_a_temporary_shortage_of_sockets_pipes_or_memfds)
{
	static const enum fault_point points[] = {FAULT_PAIR, FAULT_PIPE, FAULT_MEMFD};

	for (int i = 0; i < 3; i++)
		run_through((struct fault){.point = points[i],
		                           .place = FAULT_IN_MAIN,
		                           .nth = 1,
		                           .times = 3,
		                           .sys_errno = EMFILE});
}

TEST(fault_hooks, a_send_into_a_full_socket_is_repeated)
{
	for (unsigned nth = 1; nth < 8; nth++)
		run_through((struct fault){.point = FAULT_SEND,
		                           .place = FAULT_IN_MAIN,
		                           .nth = nth,
		                           .times = 2,
		                           .sys_errno = EAGAIN});
}

TEST(fault_hooks, interrupted_system_calls_are_repeated)
{
	static const enum fault_point points[] = {FAULT_SEND, FAULT_RECEIVE, FAULT_POLL};

	for (int i = 0; i < 3; i++)
		run_through((struct fault){
			.point = points[i], .nth = 2, .times = 5, .sys_errno = EINTR});
}

static enum pxp_status task_needs_all(struct pxp_task *task)
{
	enum pxp_status status = pxp_task_need(task, (uint64_t)128 << 20);

	gate_pass(pxp_task_descriptor(task, 0));
	return status;
}

/* Messages of three kinds fail to be sent: those that raise the memory limit of a worker, those
 * that lower it, and the answers to requests for memory. */
TEST(fault_hooks, a_memory_grant_that_cannot_be_sent_at_first_is_sent_later)
{
	if (!pxp_memory_is_limited())
		SKIP("a sanitizer build cannot run under RLIMIT_DATA");
	for (unsigned nth = 1; nth <= 6; nth++) {
		struct pxp_executor_options options = {
			.size = sizeof(options),
			.kind = PXP_PROCESSES,
			.n_workers = 2,
			.memory_allowance = (uint64_t)64 << 20,
			.memory_budget = (uint64_t)64 << 20,
		};
		struct gate gate = gate_create();
		struct pxp_future *futures[4];
		struct pxp_executor *pool;

		REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
		for (int i = 0; i < 4; i++)
			futures[i] = pool_submit(pool, task_needs_all, "", &gate);
		/* The first task that requests memory gets the whole budget, and keeps it. */
		REQUIRE(pool_await(pool, 2, 0));
		fault_arm((struct fault){.point = FAULT_SEND,
		                         .place = FAULT_IN_MAIN,
		                         .nth = nth,
		                         .times = 2,
		                         .sys_errno = EAGAIN});
		gate_open(&gate);
		for (int i = 0; i < 4; i++)
			EXPECT_EQ(end_of(futures[i]), PXP_OK);
		EXPECT(fault_disarm() > 0);
		pxp_executor_destroy(pool);
		gate_destroy(&gate);
	}
}

/* If a worker cannot send FRAME_READY or an answer, the worker ends and its task is retried. If the
 * fork server cannot send a frame, it tries again. */
TEST(fault_hooks, a_task_is_retried_if_its_worker_cannot_send_a_frame)
{
	for (unsigned nth = 1; nth <= 8; nth++)
		run_on(1, (struct fault){.point = FAULT_SEND,
		                         .place = FAULT_ELSEWHERE,
		                         .nth = nth,
		                         .times = 1,
		                         .sys_errno = ENOBUFS});
}

/* Ported from test_deadlock.py: test_gh105829_should_not_deadlock_if_wakeup_pipe_full */
TEST(fault_hooks, a_delayed_supervisor_completes_every_task)
{
	run_through((struct fault){
		.point = FAULT_POLL, .place = FAULT_IN_MAIN, .nth = 1, .delay_ms = 5});
}

TEST(fault_hooks, creating_a_promise_fails_without_memory)
{
	fault_arm((struct fault){
		.point = FAULT_ALLOCATE, .nth = 1, .times = 1, .sys_errno = ENOMEM});
	EXPECT(pxp_promise_create() == NULL);
	EXPECT_EQ(fault_disarm(), 1);
}

static void never_called(struct pxp_future *future, void *data)
{
	(void)future;
	++*(int *)data;
}

static void fail_allocation(unsigned nth)
{
	fault_arm((struct fault){.point = FAULT_ALLOCATE,
	                         .place = FAULT_IN_MAIN,
	                         .nth = nth,
	                         .times = 1,
	                         .sys_errno = ENOMEM});
}

TEST(fault_hooks, waiting_survives_the_failure_of_any_allocation)
{
	struct pxp_future *promise = pxp_promise_create();
	struct pxp_as_completed *iteration;
	bool done = true;
	int n_calls = 0;
	void *nothing = NULL;

	fail_allocation(1);
	EXPECT_EQ(pxp_future_on_done(promise, never_called, &n_calls), PXP_ENOMEM);
	EXPECT_EQ(fault_disarm(), 1);

	/* pxp_wait() allocates memory only if its timeout is not 0. */
	fail_allocation(1);
	EXPECT_EQ(pxp_wait(&promise, 1, PXP_ALL_COMPLETED, 1, &done), PXP_ENOMEM);
	EXPECT_EQ(fault_disarm(), 1);
	EXPECT(!done);
	fail_allocation(2);
	EXPECT_EQ(pxp_wait(&promise, 1, PXP_ALL_COMPLETED, 1, &done), PXP_ETIMEOUT);
	EXPECT_EQ(fault_disarm(), 0);

	for (unsigned nth = 1; nth <= 3; nth++) {
		bool fails = nth <= 2;

		fail_allocation(nth);
		EXPECT_EQ(pxp_as_completed_open(&promise, 1, 0, &iteration),
		          fails ? PXP_ENOMEM : PXP_OK);
		EXPECT_EQ(fault_disarm(), fails);
		EXPECT_EQ(iteration == NULL, fails);
		pxp_as_completed_close(iteration);
	}
	EXPECT_EQ(pxp_promise_finish(promise, &nothing, 0), PXP_OK);
	EXPECT_EQ(n_calls, 0);
	pxp_future_release(promise);
}

static void *destroy_when_a_task_is_done(void *pool)
{
	struct pollfd done = {.fd = pxp_executor_descriptor(pool), .events = POLLIN};

	if (poll(&done, 1, 60000) == 1)
		pxp_executor_destroy(pool);
	return NULL;
}

TEST(fault_hooks, an_executor_may_be_destroyed_before_the_last_submit_returns)
{
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_PROCESSES; kind++) {
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_future *future;
		pthread_t destroyer;

		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "the worker has started",
		                             NULL)),
		          PXP_OK);
		REQUIRE(pool_await(pool, 0, 0));
		pxp_executor_acknowledge(pool);
		REQUIRE(pthread_create(&destroyer, NULL, destroy_when_a_task_is_done,
		                       pool) == 0);
		fault_arm((struct fault){.point = FAULT_UNLOCK,
		                         .place = FAULT_IN_MAIN,
		                         .nth = 1,
		                         .times = 1,
		                         .delay_ms = 200});
		future = pool_submit(pool, task_echo, "the last", NULL);
		pthread_join(destroyer, NULL);
		EXPECT_EQ(fault_disarm(), 1);
		EXPECT_EQ(end_of(future), PXP_OK);
	}
}

/* ---- a map that is closed while its workers finish ---- */

static struct gate held;

static enum pxp_status wait_if_asked(struct pxp_task *task)
{
	const char *letter = pxp_task_input(task, NULL);

	if (*letter == 'w')
		gate_pass(held.wait_end);
	return PXP_OK;
}

static enum pxp_status next_letter(void *data, const void **ret_bytes, size_t *ret_n)
{
	const char **letters = data;

	if (**letters == 0)
		return PXP_ESTATE;
	*ret_bytes = (*letters)++;
	*ret_n = 1;
	return PXP_OK;
}

static void await_done(struct pxp_executor *pool, uint64_t n)
{
	struct pollfd done = {.fd = pxp_executor_descriptor(pool), .events = POLLIN};

	for (uint64_t i = 0; i < n; i += pxp_executor_acknowledge(pool))
		REQUIRE(poll(&done, 1, 60000) == 1);
}

static void let_both_finish(void *pool)
{
	fault_disarm();
	gate_open(&held);
	await_done(pool, 2);
}

/* One of the four tasks was returned, one is done, and two end while the map is being closed. */
static bool close_while_two_finish(unsigned nth)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 2);
	struct pxp_map_options options = {
		.size = sizeof(options), .unordered = true, .window = 4};
	const char *letters = "--ww";
	struct pxp_map_item item;
	struct pxp_map *map;
	bool has_hit;

	held = gate_create();
	REQUIRE(pxp_map_open(pool, wait_if_asked, next_letter, &letters, &options,
	                     &map) == PXP_OK);
	EXPECT_EQ(pxp_map_next(map, &item), PXP_OK);
	await_done(pool, 2);
	REQUIRE(pool_await(pool, 2, 0));
	fault_arm((struct fault){.point = FAULT_UNLOCK,
	                         .place = FAULT_IN_MAIN,
	                         .nth = nth,
	                         .times = 1,
	                         .meanwhile = let_both_finish,
	                         .data = pool});
	pxp_map_close(map);
	has_hit = fault_disarm() > 0;
	gate_open(&held);
	pxp_executor_destroy(pool);
	gate_destroy(&held);
	return has_hit;
}

/* The completed items of an unordered map wait in a list. While the map is being closed, workers
 * append two items to this list. */
TEST(fault_hooks, a_map_can_be_closed_while_its_last_items_are_completed)
{
	unsigned nth = 1;

	while (close_while_two_finish(nth))
		REQUIRE(++nth < 100);
	EXPECT(nth > 3);
}
