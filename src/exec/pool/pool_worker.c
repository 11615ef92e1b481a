/* One worker, as its pool sees it: its channel, its shared slots, its tasks and its log. */
#include "exec/pool/pool_worker.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum {
	/* How long to wait for the answer of a task that has reported its end. */
	ANSWER_MS = 500,
	/* How long a worker may take to acknowledge a withdrawal. */
	ACKNOWLEDGE_MS = 5000,
	/* A worker that has closed its channel is killed if it does not end within this time. */
	HUNG_UP_MS = 1000,
	/* A task is quick if it takes no longer than this. */
	QUICK_NS = 1000 * 1000,
};

/* ---- the shared slots ---- */

/* The slots are in a memfd that nobody can shrink, so reading them never raises SIGBUS. */
static int map_slots(struct shared_slots **ret_shared)
{
	int fd = fd_keep_above_standard(
		memfd_create("pixpool-slots", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	void *shared = MAP_FAILED;

	if (fd < 0)
		return -1;
	if (ftruncate(fd, sizeof(struct shared_slots)) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		shared = mmap(NULL, sizeof(struct shared_slots), PROT_READ | PROT_WRITE,
		              MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		fd_close(&fd);
		return -1;
	}
	*ret_shared = shared;
	return fd;
}

static void unmap_slots(struct shared_slots *shared)
{
	if (shared)
		munmap(shared, sizeof(*shared));
}

static struct shared_slot *shared_slot(const struct pool_worker *worker,
                                       const struct slot *slot)
{
	return &worker->shared->slots[slot - worker->slots];
}

static void publish_task(struct pool_worker *worker, const struct slot *slot,
                         const struct task *task)
{
	struct shared_slot *shared = shared_slot(worker, slot);

	atomic_store(&shared->phase, PXP_PHASE_NONE);
	atomic_store(&shared->is_asked_to_end, atomic_load(&task->is_asked_to_end));
	atomic_store(&shared->progress.done, 0);
	atomic_store(&shared->progress.total, 0);
	atomic_store(&shared->progress.beats, 0);
	atomic_store(&shared->state, slot_pack(slot->generation, SLOT_QUEUED));
}

static bool withdraw_slot(struct pool_worker *worker, const struct slot *slot)
{
	uint64_t queued = slot_pack(slot->generation, SLOT_QUEUED);

	return atomic_compare_exchange_strong(
		&shared_slot(worker, slot)->state, &queued,
		slot_pack(slot->generation, SLOT_WITHDRAWN));
}

bool pool_worker_has_begun(const struct pool_worker *worker, const struct slot *slot)
{
	uint64_t state = atomic_load(&shared_slot(worker, slot)->state);

	return slot_unpack_generation(state) == slot->generation &&
	       slot_unpack_state(state) >= SLOT_STARTED;
}

bool pool_worker_claim_kill(struct pool_worker *worker, const struct slot *slot)
{
	uint64_t started = slot_pack(slot->generation, SLOT_STARTED);

	return atomic_compare_exchange_strong(&shared_slot(worker, slot)->state, &started,
	                                      slot_pack(slot->generation, SLOT_KILLED));
}

void pool_worker_ask_to_end(struct pool_worker *worker, const struct slot *slot)
{
	atomic_store(&shared_slot(worker, slot)->is_asked_to_end, true);
}

struct pxp_progress pool_worker_progress(const struct pool_worker *worker,
                                         const struct slot *slot)
{
	return shared_progress_read(&shared_slot(worker, slot)->progress);
}

enum pxp_phase pool_worker_phase(const struct pool_worker *worker,
                                 const struct slot *slot)
{
	return atomic_load(&shared_slot(worker, slot)->phase) == PXP_PHASE_ANSWERING
	               ? PXP_PHASE_ANSWERING
	               : PXP_PHASE_RUNNING;
}

bool pool_worker_read_answer(const struct pool_worker *worker, const struct slot *slot,
                             struct slot_answer *ret_answer)
{
	const struct shared_slot *shared = shared_slot(worker, slot);

	if (atomic_load(&shared->state) != slot_pack(slot->generation, SLOT_ANSWERED))
		return false;
	memcpy(ret_answer, &shared->answer, sizeof(*ret_answer));
	return true;
}

void pool_worker_suppress_notify(struct pool_worker *worker, bool suppress)
{
	worker->polls_slots = suppress;
	atomic_store(&worker->shared->suppress_notify, suppress);
}

static int64_t started_ns(const struct pool_worker *worker, const struct slot *slot,
                          int64_t now_ns)
{
	int64_t claimed = atomic_load(&shared_slot(worker, slot)->started_ns);

	if (claimed < slot->handed_ns || claimed > now_ns)
		return slot->handed_ns;
	return claimed;
}

struct completion pool_worker_completion(struct pool_worker *worker,
                                         const struct slot *slot, int64_t now_ns)
{
	int64_t began_ns = started_ns(worker, slot, now_ns);

	struct completion completion = completion_of(PXP_FAILED);

	completion.outcome.worker = worker->pid;
	completion.outcome.queue_ns = began_ns - slot->task->submitted_ns;
	completion.outcome.run_ns = now_ns - began_ns;
	completion.outcome.progress = pool_worker_progress(worker, slot);
	return completion;
}

/* ---- open and close ---- */

void pool_worker_init(struct pool_worker *worker, uint32_t index)
{
	*worker = (struct pool_worker){.index = index,
	                               .pidfd = -1,
	                               .socket = -1,
	                               .log = -1,
	                               .deadline_ns = -1,
	                               .stall_ns = -1};
	for (int i = 0; i < N_SLOTS; i++)
		worker->slots[i].output = -1;
}

bool pool_worker_open(struct pool_worker *worker, int ret_theirs[3])
{
	int ends[2] = {-1, -1}, log[2] = {-1, -1}, shared = -1;
	bool is_made = channel_pair(ends) && channel_set_nonblocking(ends[0]) &&
	               pipe2(log, O_CLOEXEC) == 0 &&
	               (log[0] = fd_keep_above_standard(log[0])) >= 0 &&
	               channel_set_nonblocking(log[0]) &&
	               (shared = map_slots(&worker->shared)) >= 0;
	int kept = errno;

	worker->socket = ends[0];
	worker->log = log[0];
	ret_theirs[0] = ends[1];
	ret_theirs[1] = log[1];
	ret_theirs[2] = shared;
	errno = kept;
	return is_made;
}

void pool_worker_clear(struct pool_worker *worker)
{
	fd_close(&worker->pidfd);
	fd_close(&worker->socket);
	fd_close(&worker->log);
	for (int i = 0; i < N_SLOTS; i++)
		fd_close(&worker->slots[i].output);
	unmap_slots(worker->shared);
	pool_worker_init(worker, worker->index);
}

struct slot *pool_worker_slot(struct pool_worker *worker, unsigned n)
{
	return &worker->slots[(worker->front + n) % N_SLOTS];
}

/* ---- the log of a worker ---- */

static void read_log(struct pool_worker *worker, size_t max_bytes)
{
	char bytes[16 * 1024];

	for (size_t n_read = 0; n_read < max_bytes;) {
		ssize_t got = read(worker->log, bytes, sizeof(bytes));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return;
		for (size_t i = 0; i < (size_t)got;) {
			size_t at = (worker->n_logged + i) % LOG_TAIL_BYTES;
			size_t n = LOG_TAIL_BYTES - at;

			if (n > (size_t)got - i)
				n = (size_t)got - i;
			memcpy(worker->tail + at, bytes + i, n);
			i += n;
		}
		worker->n_logged += (uint64_t)got;
		n_read += (size_t)got;
	}
}

static uint64_t generation_begun_last(struct pool_worker *worker)
{
	uint64_t generation = 0;

	for (unsigned i = 0; i < worker->n_held; i++) {
		if (i == 0 || pool_worker_has_begun(worker, pool_worker_slot(worker, i)))
			generation = pool_worker_slot(worker, i)->generation;
	}
	return generation;
}

/* Set log_mark to the end of the log text that was read so far. Only tasks that have started by now
 * can have written this text. The mark then does not move until all these tasks have ended. */
static void mark_log(struct pool_worker *worker)
{
	if (worker->log_mark > worker->log_begins)
		return;
	worker->log_mark = worker->n_logged;
	worker->log_generation = generation_begun_last(worker);
}

void pool_worker_read_log(struct pool_worker *worker, size_t max_bytes)
{
	uint64_t n_before = worker->n_logged;

	read_log(worker, max_bytes);
	if (worker->n_logged > n_before)
		mark_log(worker);
}

static void end_log(struct pool_worker *worker)
{
	const struct slot *front = pool_worker_slot(worker, 0);

	if (worker->n_held == 0 || !pool_worker_has_begun(worker, front))
		worker->log_begins = worker->n_logged;
	else if (worker->log_mark > worker->log_begins &&
	         front->generation > worker->log_generation)
		worker->log_begins = worker->log_mark;
}

char *pool_worker_log(const struct pool_worker *worker, size_t *ret_n)
{
	uint64_t n_new = worker->n_logged - worker->log_begins;
	size_t n = n_new < LOG_TAIL_BYTES ? (size_t)n_new : LOG_TAIL_BYTES;
	size_t begin = (size_t)((worker->n_logged - n) % LOG_TAIL_BYTES);
	size_t n_first = n < LOG_TAIL_BYTES - begin ? n : LOG_TAIL_BYTES - begin;
	char *log = n > 0 ? malloc(n) : NULL;

	*ret_n = 0;
	if (!log)
		return NULL;
	memcpy(log, worker->tail + begin, n_first);
	memcpy(log + n_first, worker->tail, n - n_first);
	*ret_n = n;
	return log;
}

/* ---- the tasks of a worker ---- */

bool pool_worker_is_awake(const struct pool_worker *worker, int64_t now_ns)
{
	return worker->state == WORKER_READY && worker->n_held > 0 &&
	       now_ns - worker->front_since_ns <= QUICK_NS;
}

/* The deadline of a task begins when the task becomes the front one. */
static void begin_deadline(struct pool_worker *worker, int64_t now_ns)
{
	const struct task *task = worker->slots[worker->front].task;

	worker->front_since_ns = now_ns;
	worker->n_restarts = 0;
	worker->awaits_answer = false;
	worker->unbegun_ms = 0;
	worker->idle_since_ns = now_ns;
	/* The worker is about to end, and deadline_ns limits the time until its end. */
	if (worker->state >= WORKER_HUNG_UP)
		return;
	worker->deadline_ns = worker->stall_ns = -1;
	if (worker->n_held == 0)
		return;
	if (!task) {
		worker->deadline_ns = clock_deadline_ns(now_ns, ACKNOWLEDGE_MS);
		return;
	}
	if (task->deadline_ms > 0)
		worker->deadline_ns = clock_deadline_ns(now_ns, task->deadline_ms);
	if (task->stall_ms > 0)
		worker->stall_ns = clock_deadline_ns(now_ns, task->stall_ms);
	worker->n_beats = 0;
}

static bool send_task_frame(struct pool_worker *worker, const struct slot *slot,
                            const struct task *task)
{
	struct task_frame frame = {
		.at = {.kind = FRAME_TASK,
	               .slot = (uint32_t)(slot - worker->slots),
	               .generation = slot->generation,
	               .number = task->max_restarts},
		.run = task->run,
		.n_descriptors = task->n_descriptors,
		.has_output = slot->output >= 0,
		.input_is_memfd = task->input_memfd >= 0,
		.has_limit = task->max_memory > 0 || task->gets_all_memory,
		.n_input = task->n_input,
		.deadline_ms = task->deadline_ms,
		.max_deadline_ms = task->max_deadline_ms,
	};
	int descriptors[FRAME_MAX_DESCRIPTORS];
	unsigned n = task->n_descriptors;

	memcpy(descriptors, task->descriptors, n * sizeof(int));
	if (frame.has_output)
		descriptors[n++] = slot->output;
	if (frame.input_is_memfd)
		descriptors[n++] = task->input_memfd;
	return channel_send(worker->socket, &frame, sizeof(frame), task->input,
	                    frame.input_is_memfd ? 0 : task->n_input, descriptors, n);
}

static void move_deadline(int64_t *deadline_ns, int64_t by_ns)
{
	if (*deadline_ns >= 0 && __builtin_add_overflow(*deadline_ns, by_ns, deadline_ns))
		*deadline_ns = INT64_MAX;
}

void pool_worker_move_deadlines(struct pool_worker *worker, int64_t by_ns)
{
	move_deadline(&worker->deadline_ns, by_ns);
	move_deadline(&worker->stall_ns, by_ns);
}

bool pool_worker_send_task(struct pool_worker *worker, struct task *task,
                           uint64_t generation, int64_t now_ns)
{
	struct slot *slot = pool_worker_slot(worker, worker->n_held);

	slot->output = -1;
	if (task->wants_output) {
		slot->output = fd_keep_above_standard(
			memfd_create("pixpool-output", MFD_CLOEXEC | MFD_ALLOW_SEALING));
		if (slot->output < 0)
			return false;
	}
	slot->generation = generation;
	slot->handed_ns = now_ns;
	publish_task(worker, slot, task);
	if (!send_task_frame(worker, slot, task)) {
		fd_close(&slot->output);
		return false;
	}
	slot->task = task;
	worker->n_held++;
	worker->n_tasks += task->counts_as;
	if (worker->n_held == 1)
		begin_deadline(worker, now_ns);
	return true;
}

bool pool_worker_withdraw(struct pool_worker *worker, struct slot *slot, int64_t now_ns)
{
	if (!withdraw_slot(worker, slot))
		return false;
	slot->task = NULL;
	fd_close(&slot->output);
	if (slot == &worker->slots[worker->front])
		begin_deadline(worker, now_ns);
	return true;
}

void pool_worker_pop_slot(struct pool_worker *worker, int64_t now_ns)
{
	struct slot *slot = &worker->slots[worker->front];

	fd_close(&slot->output);
	slot->task = NULL;
	worker->front = (worker->front + 1) % N_SLOTS;
	worker->n_held--;
	begin_deadline(worker, now_ns);
	end_log(worker);
}

void pool_worker_await_answer(struct pool_worker *worker, const struct slot *slot,
                              int64_t now_ns)
{
	if (worker->state != WORKER_READY || slot != pool_worker_slot(worker, 0) ||
	    worker->awaits_answer)
		return;
	worker->awaits_answer = true;
	worker->stall_ns = -1;
	worker->deadline_ns = clock_deadline_ns(now_ns, ANSWER_MS);
}

/* ---- the end of a worker ---- */

void pool_worker_hang_up(struct pool_worker *worker, int64_t now_ns)
{
	if (worker->state != WORKER_READY && worker->state != WORKER_STARTING &&
	    worker->state != WORKER_STOPPING)
		return;
	worker->ended_in_order = worker->state == WORKER_STOPPING;
	worker->state = WORKER_HUNG_UP;
	worker->stall_ns = -1;
	worker->deadline_ns = clock_deadline_ns(now_ns, HUNG_UP_MS);
}

void pool_worker_signal(struct pool_worker *worker, int number)
{
	/* Until the fork server has reaped the worker, no other process can have its pid and
	 * process group. */
	if (worker->pidfd < 0 || worker->state == WORKER_REAPING)
		return;
	if (pidfd_send_signal(worker->pidfd, number, NULL, 0) != 0 && errno == EPERM &&
	    worker->owed_signal != SIGKILL)
		worker->owed_signal = number;
	kill(-worker->pid, number);
}

void pool_worker_kill(struct pool_worker *worker, enum kill_reason reason,
                      const char *breach)
{
	if (worker->state == WORKER_ABSENT)
		return;
	if (worker->reason == KILLED_NOT || reason == KILLED_BREACH) {
		worker->reason = reason;
		worker->breach = breach;
	}
	if (worker->state >= WORKER_DYING)
		return;
	worker->deadline_ns = worker->stall_ns = -1;
	worker->state = WORKER_DYING;
	pool_worker_signal(worker, SIGKILL);
}
