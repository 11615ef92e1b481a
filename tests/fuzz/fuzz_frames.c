/*
 * Fuzz target: arbitrary frames of a worker, with descriptors, sent through a real channel at any
 * moment in the life of the worker and its tasks. The input is a sequence of steps for the worker
 * (frames, shared slots, log, end) and for the pool (send, withdraw, time passes). Only the fork
 * server behaves correctly, since the pool trusts it.
 *
 * Assertions: a task is completed once. A finished task has a sealed output and a result within
 * max_result. No descriptor stays open. No deadline is longer than allowed.
 */
#include "fuzz.h"

#include "base/fd.h"
#include "exec/pool/process_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_STEPS = 48,
	MAX_RESULT = 100000,
	MAX_TASKS = 16,
	DEADLINE_MS = 1000,
	MAX_DEADLINE_MS = 5000,
	FIRST_FD = 3,
	/* The range that is searched for descriptors left open. */
	LAST_FD = 96,
};

struct play {
	struct process_pool *pool;
	struct pool_worker *worker;
	/* The fork server's end of the pool's control socket. */
	int fork_server;
	/* The worker's ends of the channel, the log and the shared slots. */
	int theirs[3];
	/* The output memfd of the task that the worker got last, or -1. */
	int output;
	uint64_t generation;
	struct pxp_future *futures[MAX_TASKS];
	unsigned n_tasks;
	/* The descriptors that were open before the run. */
	bool is_open[LAST_FD];
};

static enum pxp_status no_task(struct pxp_task *task)
{
	(void)task;
	return PXP_OK;
}

static void note_open(bool *is_open)
{
	for (int fd = FIRST_FD; fd < LAST_FD; fd++)
		is_open[fd] = fcntl(fd, F_GETFD) >= 0;
}

static void start_worker(struct play *play)
{
	struct pool_worker *worker = play->worker;

	CLAIM(pool_worker_open(worker, play->theirs));
	worker->state = WORKER_STARTING;
	/* This pid is never signalled, since the worker has no pidfd. */
	worker->pid = 1;
	channel_set_nonblocking(play->theirs[0]);
	channel_set_nonblocking(play->theirs[1]);
}

static void close_theirs(struct play *play)
{
	for (int i = 0; i < 3; i++)
		fd_close(&play->theirs[i]);
	fd_close(&play->output);
}

static void begin(struct play *play)
{
	const struct pxp_executor_options options = {
		.size = sizeof(options),
		.kind = PXP_PROCESSES,
		.n_workers = 1,
		.max_result = MAX_RESULT,
	};
	int control[2];

	note_open(play->is_open);
	play->output = -1;
	play->pool = calloc(1, sizeof(*play->pool) + sizeof(play->pool->workers[0]));
	CLAIM(play->pool != NULL);
	play->pool->now_ns = 1000000000;
	CLAIM(executor_init(&play->pool->executor, NULL, &options) == PXP_OK);
	play->pool->epoll = play->pool->wakeup = -1;
	play->pool->suspended_ns = play->pool->retry_ns = play->pool->spawn_ns = -1;
	play->pool->continue_ns = play->pool->fork_server.pidfd = -1;
	play->pool->n_workers = 1;
	CLAIM(channel_pair(control));
	play->pool->fork_server.control = control[0];
	play->fork_server = control[1];
	play->worker = &play->pool->workers[0];
	pool_worker_init(play->worker, 0);
	start_worker(play);
}

/* Complete the tasks, as the supervisor does at the end of each pass through its loop. */
static void complete_all(struct play *play)
{
	struct process_pool *pool = play->pool;

	while (pool->completed.first) {
		struct task *task = pool->completed.first;
		struct completion *completion = &task->future->completion;

		task_list_remove(&pool->completed, task);
		if (completion->state == PXP_FINISHED && completion->output >= 0) {
			int seals = fcntl(completion->output, F_GET_SEALS);

			CLAIM(seals >= 0 && seals & F_SEAL_WRITE &&
			      seals & F_SEAL_SHRINK && seals & F_SEAL_SEAL);
		}
		CLAIM(completion->n_result <= MAX_RESULT);
		CLAIM(!pxp_future_is_done(task->future));
		completion_load(completion);
		executor_complete(&pool->executor, task, NULL);
	}
}

/* The worker has died: send the frame with which the fork server reports the death. */
static void bury(struct play *play, int status)
{
	struct process_frame reaped = {.kind = FRAME_REAPED, .status = status};
	char request[FRAME_MAX_BYTES];
	struct frame frame;

	pool_on_death(play->pool, play->worker);
	complete_all(play);
	CLAIM(channel_receive(play->fork_server, request, &frame) == RECEIVED_FRAME);
	CLAIM(channel_send(play->fork_server, &reaped, sizeof(reaped), NULL, 0, NULL, 0));
	pool_on_control(play->pool);
	complete_all(play);
	CLAIM(play->worker->state == WORKER_ABSENT && play->worker->n_held == 0);
	close_theirs(play);
}

static void end(struct play *play)
{
	bool is_open[LAST_FD];
	struct pxp_error over;
	struct task_list rest;

	bury(play, 9);
	pxp_fail(&over, PXP_ECANCELLED, "over");
	rest = executor_take_all(&play->pool->executor);
	executor_complete_list(&play->pool->executor, &rest, &over);
	for (unsigned i = 0; i < play->n_tasks; i++) {
		CLAIM(pxp_future_is_done(play->futures[i]));
		pxp_future_release(play->futures[i]);
	}
	CLAIM(play->pool->executor.n_done == play->n_tasks);
	executor_fini(&play->pool->executor);
	fd_close(&play->pool->fork_server.control);
	fd_close(&play->fork_server);
	free(play->pool);

	note_open(is_open);
	for (int fd = FIRST_FD; fd < LAST_FD; fd++)
		CLAIM(is_open[fd] == play->is_open[fd]);
}

/* ---- the worker's steps ---- */

static int make_descriptor(struct feed *feed)
{
	int ends[2];
	int fd;

	switch (feed_byte(feed) % 5) {
	case 0:
		fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		CLAIM(fd >= 0 && ftruncate(fd, (off_t)feed_number(feed, 3)) == 0);
		return fd;
	case 1:
		fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		CLAIM(fd >= 0 && ftruncate(fd, 70000) == 0 &&
		      fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL) == 0);
		return fd;
	case 2:
		CLAIM(pipe2(ends, O_CLOEXEC) == 0);
		break;
	case 3:
		CLAIM(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
		break;
	default:
		return open("/dev/zero", O_RDONLY | O_CLOEXEC);
	}
	fd_close(&ends[1]);
	return ends[0];
}

static void send_frame(struct play *play, struct feed *feed, const void *bytes, size_t n,
                       unsigned n_descriptors)
{
	int descriptors[FRAME_MAX_DESCRIPTORS];

	for (unsigned i = 0; i < n_descriptors; i++)
		descriptors[i] = make_descriptor(feed);
	(void)channel_send(play->theirs[0], bytes, n, NULL, 0, descriptors,
	                   n_descriptors);
	for (unsigned i = 0; i < n_descriptors; i++)
		fd_close(&descriptors[i]);
}

static void send_anything(struct play *play, struct feed *feed)
{
	unsigned n_descriptors = feed_byte(feed) % (FRAME_MAX_DESCRIPTORS + 1);
	size_t n = (size_t)feed_number(feed, 2);
	const uint8_t *bytes = feed_bytes(feed, n, &n);

	send_frame(play, feed, bytes, n, n_descriptors);
}

/* Overwrite parts of a valid frame with bytes of the input. */
static void garble(struct feed *feed, uint8_t *bytes, size_t n)
{
	for (unsigned i = feed_byte(feed) % 4; i > 0; i--) {
		size_t at = (size_t)feed_number(feed, 2) % n, n_bytes;
		const uint8_t *from = feed_bytes(feed, 8, &n_bytes);

		memcpy(bytes + at, from, n_bytes < n - at ? n_bytes : n - at);
	}
}

static struct slot_frame honest(const struct play *play, uint32_t kind)
{
	unsigned front = play->worker->front;

	return (struct slot_frame){.kind = kind,
	                           .slot = front,
	                           .generation = play->worker->slots[front].generation};
}

static void send_answer(struct play *play, struct feed *feed)
{
	static uint8_t bytes[FRAME_MAX_BYTES];
	unsigned flags = feed_byte(feed);
	size_t n_body = flags & 1 ? (size_t)feed_number(feed, 2) % INLINE_RESULT_BYTES
	                          : 8;
	struct answer_frame answer = {
		.at = honest(play, FRAME_ANSWER),
		.cpu_ns = (int64_t)feed_number(feed, 1),
		.n_descriptors = flags >> 1 & 3,
		.result_is_memfd = flags >> 3 & 1,
		.n_result = flags & 8 ? feed_number(feed, 3) : n_body,
	};

	if (flags & 16)
		answer.error.status = flags & 32 ? PXP_ECANCELLED : PXP_ETASK;
	if (flags & 64 && play->output >= 0)
		(void)fd_write_all(play->output, bytes, 100);
	memcpy(bytes, &answer, sizeof(answer));
	garble(feed, bytes, sizeof(answer));
	send_frame(play, feed, bytes, sizeof(answer) + (flags & 8 ? 0 : n_body),
	           answer.n_descriptors + answer.result_is_memfd);
}

static void send_word(struct play *play, struct feed *feed)
{
	static const uint32_t kinds[] = {FRAME_READY, FRAME_WITHDRAWN, FRAME_DEADLINE,
	                                 FRAME_NEED,  FRAME_STOP,      FRAME_REAPED,
	                                 FRAME_TASK,  FRAME_DOORBELL};
	struct slot_frame state = honest(play, kinds[feed_byte(feed) % 8]);

	state.number = (int64_t)feed_number(feed, 8);
	garble(feed, (uint8_t *)&state, sizeof(state));
	send_frame(play, feed, &state, sizeof(state), feed_byte(feed) == 1);
}

static void send_broken(struct play *play, struct feed *feed)
{
	struct broken_frame broken = {.kind = FRAME_BROKEN};

	memset(broken.error.text, 'x', sizeof(broken.error.text));
	garble(feed, (uint8_t *)&broken, sizeof(broken));
	send_frame(play, feed, &broken, sizeof(broken) - (feed_byte(feed) == 1), 0);
}

/* Write an arbitrary answer and an arbitrary state into a shared slot. */
static void leave_in_slot(struct play *play, struct feed *feed)
{
	const struct slot_frame at = honest(play, 0);
	struct shared_slot *slot = &play->worker->shared->slots[at.slot];
	unsigned state = feed_byte(feed) % 8;

	slot->answer = (struct slot_answer){.n_result = feed_byte(feed) % 80};
	garble(feed, (uint8_t *)&slot->answer, sizeof(slot->answer));
	atomic_store(&slot->state, slot_pack(at.generation, (enum slot_state)state));
}

static void scribble(struct play *play, struct feed *feed)
{
	garble(feed, (uint8_t *)play->worker->shared, sizeof(*play->worker->shared));
}

static void shout(struct play *play, struct feed *feed)
{
	size_t n = (size_t)feed_number(feed, 2);
	const uint8_t *bytes = feed_bytes(feed, n, &n);

	(void)!write(play->theirs[1], bytes, n);
	pool_worker_read_log(play->worker, 1 + feed_byte(feed));
}

/* ---- the pool's steps ---- */

/* Receive the tasks that the pool sent, as the worker would. */
static void take_handed(struct play *play)
{
	char buffer[FRAME_MAX_BYTES];
	struct frame frame;

	while (channel_receive(play->theirs[0], buffer, &frame) == RECEIVED_FRAME) {
		struct task_frame task = {0};

		memcpy(&task, buffer, frame.n < sizeof(task) ? frame.n : sizeof(task));
		if (task.has_output && frame.n_descriptors > 0) {
			fd_close(&play->output);
			play->output = frame.descriptors[0];
			frame.descriptors[0] = -1;
		}
		frame_close_descriptors(&frame);
	}
}

static struct task *next_task(struct play *play, struct feed *feed)
{
	const unsigned flags = feed_byte(feed);
	const struct pxp_task_options options = {
		.size = sizeof(options),
		.output = flags & 1,
		.deadline_ms = flags & 2 ? DEADLINE_MS : 0,
		.max_deadline_ms = flags & 2 ? MAX_DEADLINE_MS : 0,
		.stall_ms = flags & 4 ? DEADLINE_MS : 0,
		.retries = flags >> 3 & 1,
		.max_kills = flags >> 4 & 1,
	};
	struct task *task = executor_take(&play->pool->executor);

	if (task || play->n_tasks == MAX_TASKS)
		return task;
	task = task_create(&play->pool->executor.owner, play->pool->executor.blocks,
	                   INLINE_INPUT_BYTES, no_task, "input", 5, &options);
	CLAIM(task != NULL);
	task->submitted_ns = play->pool->now_ns;
	task->place = TASK_HANDED;
	play->futures[play->n_tasks++] = pxp_future_acquire(task->future);
	return task;
}

static void hand_out(struct play *play, struct feed *feed)
{
	struct pool_worker *worker = play->worker;
	struct task *task;

	if (worker->state != WORKER_READY || worker->n_held == N_SLOTS ||
	    worker->limit_state != LIMIT_STEADY || worker->n_needs > 0)
		return;
	task = next_task(play, feed);
	if (task &&
	    !pool_worker_send_task(worker, task, ++play->generation, play->pool->now_ns))
		executor_return(&play->pool->executor, task);
	take_handed(play);
}

static void take_back(struct play *play, struct feed *feed)
{
	struct pool_worker *worker = play->worker;
	struct slot *slot = &worker->slots[feed_byte(feed) % N_SLOTS];
	struct task *task = slot->task;

	/* The pool's executor makes the same two calls: it withdraws a task, or, if that is too
	 * late, asks the worker to end the task. */
	if (task && pool_worker_withdraw(worker, slot, play->pool->now_ns))
		executor_return(&play->pool->executor, task);
	else if (task)
		pool_worker_ask_to_end(worker, slot);
}

static void pass_time(struct play *play, struct feed *feed)
{
	play->pool->now_ns += (int64_t)feed_number(feed, 2) * 1000000;
	pool_check_workers(play->pool);
}

static void listen_in(struct play *play, struct feed *feed)
{
	if (play->worker->state == WORKER_READY && feed_byte(feed) & 1)
		pool_worker_suppress_notify(play->worker, true);
	pool_check_workers(play->pool);
}

static void look(const struct play *play)
{
	struct pool_worker *worker = play->worker;

	CLAIM(worker->n_held <= N_SLOTS && worker->front < N_SLOTS);
	CLAIM(worker->deadline_ns <=
	      play->pool->now_ns + MAX_DEADLINE_MS * INT64_C(1000000));
	for (int i = 0; i < N_SLOTS; i++) {
		const struct slot *slot = &worker->slots[i];
		int64_t run_ns;

		if (!slot->task)
			continue;
		run_ns = pool_worker_completion(worker, slot, play->pool->now_ns)
		                 .outcome.run_ns;
		CLAIM(run_ns >= 0 && run_ns <= play->pool->now_ns - slot->handed_ns);
		CLAIM(pool_worker_phase(worker, slot) <= PXP_PHASE_ANSWERING);
	}
}

static void step(struct play *play, struct feed *feed)
{
	static void (*const steps[])(struct play *, struct feed *) = {
		send_anything, send_answer,   send_answer, send_word, send_broken,
		scribble,      shout,         hand_out,    hand_out,  take_back,
		pass_time,     leave_in_slot, listen_in,
	};
	struct pool_worker *worker = play->worker;
	unsigned which = feed_byte(feed) % (sizeof(steps) / sizeof(steps[0]) + 1);

	if (which == sizeof(steps) / sizeof(steps[0]))
		fd_close(&play->theirs[0]);
	else
		steps[which](play, feed);
	if (worker->state < WORKER_HUNG_UP)
		pool_on_socket(play->pool, worker);
	complete_all(play);
	look(play);
	if (worker->state >= WORKER_HUNG_UP) {
		bury(play, feed_byte(feed));
		start_worker(play);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	struct play play = {0};

	begin(&play);
	for (int i = 0; i < MAX_STEPS && feed_has_more(&feed); i++)
		step(&play, &feed);
	end(&play);
	return 0;
}
