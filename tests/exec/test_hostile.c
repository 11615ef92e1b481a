/* Tests of what a hostile worker can do to its pool, and of what other processes can do to a
 * worker. Only the task that the worker had started is affected, unless the fork server is lost. */
#include "probe.h"
#include "support/test.h"

#include "base/fd.h"
#include "exec/process/worker.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pxp_executor_stats stats_of(struct pxp_executor *pool)
{
	struct pxp_executor_stats stats;

	pxp_executor_stats(pool, &stats);
	return stats;
}

/* ---- dying and stopping ---- */

/* The supervisor is held in a callback, so it has not noticed the death of the worker when it sends
 * the next task. */
TEST(hostile, a_task_sent_to_an_idle_worker_that_has_died_runs_elsewhere)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create(), hold = gate_create();
	struct pxp_future *last = pool_submit(pool, task_wait, "x", &gate), *next;
	pid_t worker;

	probe_hold(last, &hold);
	gate_open(&gate);
	worker = (pid_t)probe_outcome(last).worker;
	kill(worker, SIGKILL);
	REQUIRE(await_gone(worker));
	next = pool_submit(pool, task_echo, "next", NULL);
	gate_open(&hold);

	EXPECT_STR(result_of(next), "next");
	EXPECT_EQ(probe_outcome(next).attempts, 1);
	EXPECT_EQ(end_of(next), PXP_OK);
	EXPECT_EQ(end_of(last), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
	gate_destroy(&hold);
}

TEST(hostile, killing_idle_workers_from_outside_fails_no_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);

	for (int i = 0; i < 30; i++) {
		struct pxp_future *future = pool_submit(pool, task_pid, NULL, NULL);
		pid_t worker = atoi(result_of(future));

		EXPECT_EQ(end_of(future), PXP_OK);
		REQUIRE(worker > 1);
		kill(worker, SIGKILL);
	}
	pxp_executor_destroy(pool);
}

TEST(hostile, a_worker_stopped_before_it_starts_a_task_is_killed_and_another_runs_it)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *first = pool_submit(pool, task_pid, NULL, NULL), *next;
	pid_t worker = atoi(result_of(first));

	REQUIRE(worker > 1);
	kill(worker, SIGSTOP);
	next = pool_submit_with(pool, task_echo, "next", NULL,
	                        (struct pxp_task_options){.deadline_ms = 200});
	EXPECT_STR(result_of(next), "next");
	EXPECT(probe_outcome(next).worker != worker);
	EXPECT_EQ(probe_outcome(next).attempts, 1);
	EXPECT_EQ(end_of(next), PXP_OK);
	EXPECT_EQ(end_of(first), PXP_OK);
	pxp_executor_destroy(pool);
}

/* The pool waits for the stopped worker to acknowledge that a task is withdrawn. The withdrawn task
 * never starts, so no deadline can end the wait. */
TEST(hostile, a_worker_that_does_not_acknowledge_the_withdrawal_of_a_task_is_killed)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *first = pool_submit(pool, task_pid, NULL, NULL), *taken, *next;
	pid_t worker = atoi(result_of(first));

	REQUIRE(worker > 1);
	kill(worker, SIGSTOP);
	taken = pool_submit(pool, task_echo, "taken", NULL);
	REQUIRE(pool_await(pool, 0, 1));
	EXPECT(pxp_future_cancel(taken));
	next = pool_submit_with(pool, task_echo, "next", NULL,
	                        (struct pxp_task_options){.deadline_ms = 60000});
	EXPECT_STR(result_of(next), "next");
	EXPECT_EQ(stats_of(pool).n_killed, 1);
	EXPECT_EQ(end_of(next), PXP_OK);
	EXPECT_EQ(end_of(taken), PXP_ECANCELLED);
	EXPECT_EQ(end_of(first), PXP_OK);
	pxp_executor_destroy(pool);
}

static struct shared_slot *shared_slot_of(const struct pxp_task *task)
{
	return (struct shared_slot *)(void *)((char *)task->is_asked_to_end -
	                                      offsetof(struct shared_slot,
	                                               is_asked_to_end));
}

static enum pxp_status task_claims_that_it_has_ended(struct pxp_task *task)
{
	struct shared_slot *slot = shared_slot_of(task);

	atomic_store(
		&slot->state,
		slot_pack(slot_unpack_generation(atomic_load(&slot->state)), SLOT_DONE));
	gate_pass(pxp_task_descriptor(task, 0));
	return PXP_OK;
}

static void await_done(struct pxp_executor *pool)
{
	const struct shared_slots *shared = probe_inside(pool)->workers[0].shared;

	while (slot_unpack_state(atomic_load(&shared->slots[0].state)) != SLOT_DONE)
		poll(NULL, 0, 1);
}

/* The pool does not kill a worker for a task that has ended. If a worker claims that its task has
 * ended, the pool waits half a second for the answer. */
TEST(hostile, a_worker_that_reports_the_end_of_its_task_and_sends_no_answer_is_killed)
{
	for (int by_deadline = 0; by_deadline < 2; by_deadline++) {
		struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
		struct gate never = gate_create();
		struct pxp_future *says = pool_submit_with(
			pool, task_claims_that_it_has_ended, NULL, &never,
			(struct pxp_task_options){.deadline_ms = by_deadline ? 300 : 0});

		REQUIRE(pool_await(pool, 1, 0));
		await_done(pool);
		if (!by_deadline)
			EXPECT(!pxp_future_cancel_with(says, PXP_CANCEL_KILL));
		EXPECT_EQ(end_of(says), PXP_EDEADLINE);
		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "next", NULL)), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&never);
	}
}

/* Leave an answer whose result is too long for a slot, and wake the supervisor. */
static enum pxp_status task_leaves_invalid_answer(struct pxp_task *task)
{
	const struct slot_frame bell = {.kind = FRAME_DOORBELL};
	struct shared_slot *slot = shared_slot_of(task);

	gate_pass(pxp_task_descriptor(task, 0));
	slot->answer.n_result = 1 << 20;
	atomic_store(&slot->state,
	             slot_pack(slot_unpack_generation(atomic_load(&slot->state)),
	                       SLOT_ANSWERED));
	channel_send(WORKER_SOCKET, &bell, sizeof(bell), NULL, 0, NULL, 0);
	return PXP_OK;
}

TEST(hostile, an_invalid_answer_in_a_shared_slot_fails_only_the_running_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate gate = gate_create();
	struct pxp_future *leaves = pool_submit(pool, task_leaves_invalid_answer, NULL,
	                                        &gate);
	struct pxp_future *next = pool_submit(pool, task_echo, "next", NULL);

	gate_open(&gate);
	EXPECT_STR(
		probe_outcome(leaves).error.text,
		"the worker wrote a result that is too long for its slot, and was killed");
	EXPECT_EQ(end_of(leaves), PXP_EPROTO);
	EXPECT_EQ(end_of(next), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate);
}

/* Pretend that the pool polls the slots, and overwrite the state of this task's slot. */
static enum pxp_status task_overwrites_its_slot(struct pxp_task *task)
{
	struct shared_slot *slot = shared_slot_of(task);
	struct shared_slots *shared =
		(struct shared_slots *)(void *)((char *)slot -
	                                        offsetof(struct shared_slots, slots));

	atomic_store(&shared->suppress_notify, true);
	atomic_store(&slot->state, slot_pack(0, SLOT_FREE));
	return pxp_task_return(task, "by frame", 9);
}

TEST(hostile, an_answer_is_sent_as_a_frame_if_the_task_has_overwritten_its_slot)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_overwrites_its_slot, NULL,
	                                        NULL);

	EXPECT_EQ(pxp_future_wait(future, 20000), PXP_OK);
	REQUIRE(pxp_future_is_done(future), "the pool never received the answer");
	EXPECT_STR(result_of(future), "by frame");
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);
}

/* ---- closing the channel ---- */

static enum pxp_status task_closes(struct pxp_task *task)
{
	close(WORKER_SOCKET);
	gate_pass(pxp_task_descriptor(task, 0));
	return PXP_OK;
}

TEST(hostile, a_worker_that_closes_its_channel_is_killed_and_loses_only_its_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate never = gate_create();
	struct pxp_future *closes = pool_submit(pool, task_closes, NULL, &never);
	struct pxp_future *behind[5];

	for (int i = 0; i < 5; i++)
		behind[i] = pool_submit(pool, task_echo, "x", NULL);
	EXPECT_STR(probe_outcome(closes).error.text,
	           "the worker closed its channel, and was killed");
	EXPECT_EQ(end_of(closes), PXP_EPROTO);
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(end_of(behind[i]), PXP_OK);
	EXPECT_EQ(stats_of(pool).n_killed, 1);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* Send a forged frame about the first task of the first worker of a pool. */
static bool forge(struct answer_frame answer, const int *descriptors, unsigned n)
{
	answer.at.kind = FRAME_ANSWER;
	answer.at.generation = 1;
	return channel_send(WORKER_SOCKET, &answer, sizeof(answer), NULL, 0, descriptors,
	                    n);
}

static enum pxp_status task_answers_and_closes(struct pxp_task *task)
{
	return forge((struct answer_frame){0}, NULL, 0) ? task_closes(task) : PXP_ESYS;
}

TEST(hostile, a_worker_that_answers_and_then_closes_its_channel_fails_no_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct gate never = gate_create();
	struct pxp_future *answers = pool_submit(pool, task_answers_and_closes, NULL,
	                                         &never);
	struct pxp_future *behind[5];

	for (int i = 0; i < 5; i++)
		behind[i] = pool_submit(pool, task_echo, "x", NULL);
	EXPECT_EQ(end_of(answers), PXP_OK);
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(end_of(behind[i]), PXP_OK);
	EXPECT_EQ(stats_of(pool).n_killed, 1);
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* ---- floods and forgeries ---- */

static enum pxp_status task_floods(struct pxp_task *task)
{
	struct slot_frame frame = {.kind = (uint32_t)atoi(pxp_task_input(task, NULL)),
	                           .number = 1000000};

	frame.generation = frame.kind == FRAME_DEADLINE ? 1 : 0;
	while (channel_send(WORKER_SOCKET, &frame, sizeof(frame), NULL, 0, NULL, 0))
		;
	return PXP_OK;
}

TEST(hostile, a_worker_that_sends_a_frame_too_often_is_killed_for_breaking_the_protocol)
{
	const struct {
		const char *kind, *text;
		int64_t deadline_ms;
	} floods[] = {
		{"30", "the worker reported twice that it is ready, and was killed", 0},
		{"34", "the worker asked for more time too often, and was killed",
	         100000},
		{"34", "the worker asked for more time too often, and was killed", 0},
	};

	_Static_assert(FRAME_READY == 30 && FRAME_DEADLINE == 34, "the kinds above");
	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
		struct pxp_future *flood = pool_submit_with(
			pool, task_floods, floods[i].kind, NULL,
			(struct pxp_task_options){.deadline_ms = floods[i].deadline_ms});

		for (int j = 0; j < 10; j++)
			EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)),
			          PXP_OK);
		EXPECT_STR(probe_outcome(flood).error.text, floods[i].text);
		EXPECT_EQ(end_of(flood), PXP_EPROTO);
		pxp_executor_destroy(pool);
	}
}

enum { GIB = 1 << 30 };

/* Send an answer whose result is a memfd of 6 GiB without a single allocated page. */
static enum pxp_status task_forges_length(struct pxp_task *task)
{
	const uint64_t n = 6 * (uint64_t)GIB;
	int memfd = memfd_create("sparse", MFD_CLOEXEC);

	if (memfd < 0 || ftruncate(memfd, (off_t)n) != 0 ||
	    !forge((struct answer_frame){.result_is_memfd = 1, .n_result = n}, &memfd, 1))
		return PXP_ESYS;
	gate_pass(pxp_task_descriptor(task, 0));
	return PXP_OK;
}

/* Send an answer with two memfds and with result_is_memfd set to 2. Only 0 and 1 are valid. */
static enum pxp_status task_forges_flag(struct pxp_task *task)
{
	int memfd = memfd_create("empty", MFD_CLOEXEC);

	if (memfd < 0 ||
	    !forge((struct answer_frame){.result_is_memfd = 2}, (int[]){memfd, memfd}, 2))
		return PXP_ESYS;
	gate_pass(pxp_task_descriptor(task, 0));
	return PXP_OK;
}

/* The result is a pipe, so that reading it would block for ever. */
static enum pxp_status task_forges_pipe(struct pxp_task *task)
{
	int gate = pxp_task_descriptor(task, 0);

	if (!forge((struct answer_frame){.result_is_memfd = 1, .n_result = 1}, &gate, 1))
		return PXP_ESYS;
	gate_pass(gate);
	return PXP_OK;
}

static enum pxp_status task_forges_cancel(struct pxp_task *task)
{
	if (!forge((struct answer_frame){.error = {.status = PXP_ECANCELLED}}, NULL, 0))
		return PXP_ESYS;
	gate_pass(pxp_task_descriptor(task, 0));
	return PXP_OK;
}

TEST(hostile, a_worker_that_forges_an_answer_is_killed_for_breaking_the_protocol)
{
	const struct {
		pxp_task_fn *run;
		const char *text;
	} forgeries[] = {
		{task_forges_length, "the worker sent a result that is longer than "
	                             "max_result, and was killed"},
		{task_forges_flag,
	         "the worker sent a result that does not match its description, "
	         "and was killed"},
		{task_forges_pipe,
	         "the worker sent a result that does not match its description, "
	         "and was killed"},
		{task_forges_cancel,
	         "the worker reported a cancel that was not requested, "
	         "and was killed"},
	};

	for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
		struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
		struct gate never = gate_create();
		struct pxp_future *forged = pool_submit(pool, forgeries[i].run, NULL,
		                                        &never);

		EXPECT_STR(probe_outcome(forged).error.text, forgeries[i].text);
		EXPECT_EQ(end_of(forged), PXP_EPROTO);
		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
		pxp_executor_destroy(pool);
		gate_destroy(&never);
	}
}

static enum pxp_status task_returns_bytes(struct pxp_task *task)
{
	size_t n = (size_t)atoi(pxp_task_input(task, NULL));
	void *bytes = calloc(1, n);
	enum pxp_status status = bytes ? pxp_task_return(task, bytes, n) : PXP_ENOMEM;

	free(bytes);
	return status;
}

/* The short results arrive in frames, the long results in memfds. */
TEST(hostile, a_result_longer_than_max_result_is_refused)
{
	const struct {
		size_t max_result;
		const char *fits, *too_long;
	} cases[] = {{100, "100", "101"}, {100000, "100000", "100001"}};

	for (int i = 0; i < 2; i++) {
		struct pxp_executor *pool = probe_create((struct pxp_executor_options){
			.n_workers = 1, .max_result = cases[i].max_result});
		struct pxp_future *fits = pool_submit(pool, task_returns_bytes,
		                                      cases[i].fits, NULL);
		struct pxp_future *too_long = pool_submit(pool, task_returns_bytes,
		                                          cases[i].too_long, NULL);

		EXPECT_EQ(end_of(fits), PXP_OK);
		EXPECT_EQ(end_of(too_long), PXP_EPROTO);
		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
		pxp_executor_destroy(pool);
	}
}

static enum pxp_status task_answer_does_not_fit(struct pxp_task *task)
{
	static const char bytes[60000];
	const int smallest = 1;

	if (setsockopt(WORKER_SOCKET, SOL_SOCKET, SO_SNDBUF, &smallest,
	               sizeof(smallest)) != 0)
		return PXP_ESYS;
	return pxp_task_return(task, bytes, sizeof(bytes));
}

TEST(hostile, a_worker_that_cannot_send_its_answer_counts_as_crashed)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *lost = pool_submit(pool, task_answer_does_not_fit, NULL, NULL);
	struct pxp_future *next = pool_submit(pool, task_echo, "next", NULL);

	EXPECT_EQ(probe_outcome(lost).error.exit_code, 1);
	EXPECT_EQ(probe_outcome(lost).phase, PXP_PHASE_ANSWERING);
	EXPECT_EQ(end_of(lost), PXP_ECRASHED);
	EXPECT_STR(result_of(next), "next");
	EXPECT_EQ(end_of(next), PXP_OK);
	pxp_executor_destroy(pool);
}

/* The task runs as the same user as the fork server, so it may send signals to the fork server. */
static enum pxp_status task_stops_the_fork_server(struct pxp_task *task)
{
	(void)task;
	kill(getppid(), SIGSTOP);
	abort();
}

TEST(hostile, a_fork_server_that_a_task_stops_is_continued_and_no_future_hangs)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_stops_the_fork_server, NULL,
	                                        NULL);
	struct pxp_future *behind = pool_submit(pool, task_echo, "x", NULL);

	EXPECT_EQ(pxp_future_wait(behind, 20000), PXP_OK);
	REQUIRE(pxp_future_is_done(behind), "the fork server was never continued");
	EXPECT_EQ(end_of(future), PXP_ECRASHED);
	EXPECT_EQ(end_of(behind), PXP_OK);
	pxp_executor_destroy(pool);
}

/* The pool has no worker yet, so no death of a worker can show that the fork server is stopped. */
TEST(hostile, a_fork_server_that_was_stopped_while_idle_is_continued)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future;

	kill(probe_inside(pool)->fork_server.pid, SIGSTOP);
	future = pool_submit(pool, task_echo, "x", NULL);
	EXPECT_EQ(pxp_future_wait(future, 20000), PXP_OK);
	REQUIRE(pxp_future_is_done(future), "the fork server was never continued");
	EXPECT_EQ(end_of(future), PXP_OK);
	kill(probe_inside(pool)->fork_server.pid, SIGSTOP);
	pxp_executor_destroy(pool);
}

/* Pretend that the pool has sent SIGCONT to the stopped fork server for a minute, without success.
 * Returns whether the pool was waiting for the fork server to reap a worker. */
static bool pretend_a_minute_of_continues(struct pxp_executor *executor)
{
	struct process_pool *pool = probe_inside(executor);
	bool is_waited_for = false;

	for (int i = 0; i < 20000 && !is_waited_for; i++) {
		lock_acquire(&executor->lock);
		is_waited_for = pool->workers[0].state == WORKER_REAPING;
		if (is_waited_for) {
			pool->n_continues = POOL_MAX_CONTINUES;
			pool->continue_ns = 0;
		}
		lock_release(&executor->lock);
		poll(NULL, 0, is_waited_for ? 0 : 1);
	}
	executor->table->wake(executor);
	return is_waited_for;
}

TEST(hostile, a_fork_server_that_stays_stopped_is_killed_and_no_future_hangs)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_stops_the_fork_server, NULL,
	                                        NULL);
	struct pxp_future *behind = pool_submit(pool, task_echo, "x", NULL);

	EXPECT(pretend_a_minute_of_continues(pool));
	EXPECT_EQ(pxp_future_wait(future, 10000), PXP_OK);
	REQUIRE(pxp_future_is_done(future), "the fork server was never killed");
	EXPECT_EQ(end_of(future), PXP_ECRASHED);
	EXPECT_EQ(end_of(behind), PXP_EBROKEN);
	pxp_executor_destroy(pool);
}

/* If the other end closes without reading everything, the kernel reports an error before it
 * delivers the frames. */
TEST(hostile, frames_sent_before_a_connection_reset_are_received)
{
	static _Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct frame frame;
	int ends[2];

	REQUIRE(channel_pair(ends));
	REQUIRE(channel_send(ends[0], "unread", 7, NULL, 0, NULL, 0));
	REQUIRE(channel_send(ends[1], "said", 5, NULL, 0, NULL, 0));
	close(ends[1]);
	EXPECT_EQ(channel_receive(ends[0], buffer, &frame), RECEIVED_FRAME);
	EXPECT_STR(buffer, "said");
	EXPECT_EQ(channel_receive(ends[0], buffer, &frame), RECEIVED_END);
	close(ends[0]);
}

/* ---- orphans ---- */

/* The orphan has a session of its own, so signals to the process group of the worker do not reach
 * it. */
static enum pxp_status task_leaves_daemon_and_waits(struct pxp_task *task)
{
	pid_t child = fork();

	if (child == 0) {
		setsid();
		for (;;)
			pause();
	}
	if (child < 0 || write(pxp_task_descriptor(task, 0), &child, sizeof(child)) < 0)
		return PXP_ESYS;
	for (;;)
		pause();
}

/* The fork server is alive, but has not started the second worker when the pool is killed. */
TEST(hostile, orphans_end_even_if_the_pool_is_killed_while_a_worker_starts)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct pxp_future *leaves, *starting;
	pid_t stranger = 0;
	int paper[2];

	REQUIRE(pipe(paper) == 0);
	leaves = pool_submit(pool, task_leaves_daemon_and_waits, NULL,
	                     &(struct gate){.wait_end = paper[1], .open_end = -1});
	REQUIRE(read(paper[0], &stranger, sizeof(stranger)) == sizeof(stranger));
	kill(probe_inside(pool)->fork_server.pid, SIGSTOP);
	starting = pool_submit(pool, task_echo, "x", NULL);
	REQUIRE(pool_await_workers(pool, 2));
	pxp_executor_shutdown(pool, PXP_SHUTDOWN_KILL);
	kill(probe_inside(pool)->fork_server.pid, SIGCONT);
	pxp_executor_destroy(pool);
	EXPECT(await_gone(stranger));
	if (!is_gone(stranger))
		kill(stranger, SIGKILL);
	EXPECT_EQ(end_of(leaves), PXP_ECANCELLED);
	EXPECT_EQ(end_of(starting), PXP_ECANCELLED);
	close(paper[0]);
	close(paper[1]);
}

/* Fork a child, which belongs to the process group of the worker. A signal to the worker alone does
 * not reach the child. */
static enum pxp_status task_leaves_child(struct pxp_task *task)
{
	pid_t child = fork();

	while (child == 0)
		pause();
	return child > 0 ? pxp_task_return(task, &child, sizeof(child)) : PXP_ESYS;
}

TEST(hostile, children_of_a_task_end_even_if_the_fork_server_is_killed)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *future = pool_submit(pool, task_leaves_child, NULL, NULL);
	void *bytes = NULL;
	pid_t child = 0;

	REQUIRE(pxp_future_result(future, PXP_FOREVER, &bytes, NULL, NULL) == PXP_OK);
	memcpy(&child, bytes, sizeof(child));
	free(bytes);
	EXPECT(!is_gone(child));
	kill(probe_fork_server(pool), SIGKILL);
	EXPECT(await_gone(child));
	EXPECT_EQ(end_of(future), PXP_OK);
	pxp_executor_destroy(pool);
}

/* Start a helper process as a shell does with "helper &": an orphan in the process group of the
 * worker. Returns its pid, or 0. */
static pid_t start_helper(void)
{
	int from_shell[2];
	pid_t helper = 0, shell;

	if (pipe(from_shell) != 0)
		return 0;
	shell = fork();
	if (shell == 0) {
		helper = fork();
		while (helper == 0)
			pause();
		(void)!write(from_shell[1], &helper, sizeof(helper));
		_exit(0);
	}
	if (waitpid(shell, NULL, 0) != shell ||
	    read(from_shell[0], &helper, sizeof(helper)) != sizeof(helper))
		return 0;
	return helper;
}

/* A task with two descriptors: a pipe, into which it writes the pid of its helper process, and a
 * gate, at which it waits. */
static enum pxp_status task_has_helper(struct pxp_task *task)
{
	pid_t helper = start_helper();
	const char *end;

	if (write(pxp_task_descriptor(task, 0), &helper, sizeof(helper)) < 0)
		return PXP_ESYS;
	gate_pass(pxp_task_descriptor(task, 1));
	end = helper > 0 && !is_gone(helper) ? "helped" : "alone";
	return pxp_task_return(task, end, strlen(end) + 1);
}

static struct pxp_future *submit_with_helper(struct pxp_executor *pool,
                                             const struct gate *gate, pid_t *ret_helper)
{
	struct pxp_future *future;
	int said[2], descriptors[2];

	REQUIRE(pipe(said) == 0);
	descriptors[0] = said[1];
	descriptors[1] = gate_descriptor(gate);
	future = pool_submit_with(pool, task_has_helper, NULL, NULL,
	                          (struct pxp_task_options){.descriptors = descriptors,
	                                                    .n_descriptors = 2});
	REQUIRE(read(said[0], ret_helper, sizeof(*ret_helper)) == sizeof(*ret_helper));
	REQUIRE(*ret_helper > 0);
	close(said[0]);
	return future;
}

/* Two workers run: one has a task with a helper process, and the other one ends first. The helper
 * must survive that, and end together with its own worker. */
static void end_a_worker(size_t max_tasks, pxp_task_fn *run, enum pxp_status status)
{
	struct pxp_executor *pool = probe_create((struct pxp_executor_options){
		.n_workers = 2, .max_tasks_per_worker = max_tasks});
	struct gate gate = gate_create();
	pid_t helper = 0;
	struct pxp_future *helped = submit_with_helper(pool, &gate, &helper);

	EXPECT_EQ(end_of(pool_submit(pool, run, "3", NULL)), status);
	REQUIRE(pool_await_workers(pool, 1));
	gate_open(&gate);
	EXPECT_STR(result_of(helped), "helped");
	EXPECT_EQ(end_of(helped), PXP_OK);
	pxp_executor_destroy(pool);
	EXPECT(is_gone(helper));
	gate_destroy(&gate);
}

TEST(hostile, the_end_of_a_worker_kills_no_helper_process_of_another_workers_task)
{
	end_a_worker(0, task_exit, PXP_ECRASHED);
	end_a_worker(1, task_echo, PXP_OK);
}

TEST(hostile, a_helper_process_ends_with_the_worker_of_its_task)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
	struct gate never = gate_create();
	pid_t helper = 0;
	struct pxp_future *helped = submit_with_helper(pool, &never, &helper);

	/* The id of the process group of the helper is the pid of its worker. This signal goes to
	 * the worker alone. */
	kill(getpgid(helper), SIGKILL);
	EXPECT_EQ(end_of(helped), PXP_ECRASHED);
	EXPECT(is_gone(helper));
	pxp_executor_destroy(pool);
	gate_destroy(&never);
}

/* ---- orphans that cannot be reaped ---- */

/* Fork an orphan with a session of its own. */
static pid_t leave_traced(void)
{
	int from_child[2];
	pid_t traced = 0, child;

	if (pipe(from_child) != 0)
		return 0;
	child = fork();
	if (child == 0) {
		traced = fork();
		if (traced == 0)
			setsid();
		while (traced == 0)
			pause();
		(void)!write(from_child[1], &traced, sizeof(traced));
		_exit(0);
	}
	if (waitpid(child, NULL, 0) != child ||
	    read(from_child[0], &traced, sizeof(traced)) != sizeof(traced))
		return 0;
	return traced;
}

/* Fork a child that traces another process until the child itself is killed. The child reports
 * whether it may trace that process. When the worker ends, the child becomes an orphan. */
static pid_t leave_tracer(pid_t traced, bool *ret_is_tracing)
{
	int from_tracer[2];
	pid_t tracer;

	*ret_is_tracing = false;
	if (pipe(from_tracer) != 0)
		return 0;
	tracer = fork();
	if (tracer == 0) {
		setsid();
		*ret_is_tracing = ptrace(PTRACE_SEIZE, traced, NULL, NULL) == 0;
		(void)!write(from_tracer[1], ret_is_tracing, sizeof(*ret_is_tracing));
		for (;;)
			pause();
	}
	(void)!read(from_tracer[0], ret_is_tracing, sizeof(*ret_is_tracing));
	return tracer;
}

/* A task that leaves an orphan which traces another process. With the input "worker" that process
 * is the worker itself. With any other input it is a second orphan, which was left earlier and is
 * already a child of the fork server. Returns the pids of the traced process and the tracer, or an
 * empty result if tracing is forbidden. */
static enum pxp_status task_leaves_tracer(struct pxp_task *task)
{
	bool is_worker = strcmp(pxp_task_input(task, NULL), "worker") == 0;
	pid_t both[2] = {is_worker ? getpid() : leave_traced(), 0};
	bool is_tracing;

	both[1] = leave_tracer(both[0], &is_tracing);
	return is_tracing ? pxp_task_return(task, both, sizeof(both)) : PXP_OK;
}

static void expect_end_of_task(const char *traced)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	struct pxp_future *leaves = pool_submit(pool, task_leaves_tracer, traced, NULL);
	struct pxp_future *dies;
	pid_t both[2] = {0};
	void *bytes = NULL;
	size_t n = 0;

	EXPECT_EQ(pxp_future_result(leaves, PXP_FOREVER, &bytes, &n, NULL), PXP_OK);
	if (n == sizeof(both))
		memcpy(both, bytes, sizeof(both));
	free(bytes);
	EXPECT_EQ(end_of(leaves), PXP_OK);
	dies = pool_submit(pool, task_exit, "3", NULL);
	EXPECT_EQ(probe_outcome(dies).error.exit_code, 3);
	EXPECT_EQ(end_of(dies), PXP_ECRASHED);
	EXPECT(n == 0 || (is_gone(both[0]) && is_gone(both[1])));
	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "next", NULL)), PXP_OK);
	pxp_executor_destroy(pool);
	if (n == 0)
		SKIP("no process may trace another here");
}

TEST(hostile, an_orphan_process_that_cannot_be_reaped_delays_no_task)
{
	expect_end_of_task("another");
}

/* The worker is dead, but its tracer keeps it from being reaped. */
TEST(hostile, a_dead_worker_that_another_process_still_traces_delays_no_task)
{
	expect_end_of_task("worker");
}
