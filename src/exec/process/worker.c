/* The code of a worker process, which initialises itself in a fixed order and then runs one task
 * after the other. */
#include "exec/process/worker.h"

#include "base/clock.h"
#include "base/fd.h"
#include "exec/executor/task.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	COUNT_AGAIN_NS = 100 * 1000,
	/* How many answers the worker may leave in slots without a notification. This is half of
	 * the slots, so the other half may still hold prefetched tasks. */
	MAX_UNNOTIFIED = N_SLOTS / 2,
};

struct worker {
	const struct fork_server_frame *pool;
	struct shared_slots *shared;
	void *context;
	/* The slot of the task that runs. */
	struct slot_frame at;
	/* deadline_ms is the deadline of the task, and max_deadline_ms the longest deadline that
	 * the task may request, both in milliseconds; 0: no limit. deadline_ns is the time of the
	 * current deadline, as far as the worker knows. */
	int64_t deadline_ms, max_deadline_ms, deadline_ns;
	/* How many times the task restarted its deadline, and how many times it may do so. */
	unsigned n_restarts, max_restarts;
	/* How many times the task requested memory. */
	unsigned n_needs;
	/* The size of the smallest memory request that was refused; 0: none was refused. */
	uint64_t refused;
	/* The time at which the task started. */
	int64_t started_ns;
	/* The processor time that the process had used before this task. */
	int64_t cpu_ns;
	/* The time at which the worker last asked the kernel for its use of processor time and
	 * memory. */
	int64_t counted_ns;
	/* The peak memory use of the process, as the kernel reported it at counted_ns. */
	uint64_t peak_bytes;
	/* The memory limit of the worker; 0: none. */
	uint64_t limit;
	/* Whether the worker keeps too much memory. If so, it starts no other task. */
	bool needs_recycle;
	/* Whether a task has used up all descriptors. If so, the worker ends after it has sent the
	 * answer. */
	bool lacks_descriptors;
	/* How many answers the worker has put into slots since its last notification. */
	unsigned n_unnotified;
	/* /proc/self/statm, opened before the lock-down; -1: not open. */
	int statm;
	/* The slots of the tasks that arrived while the running task waited for memory. The pool
	 * has withdrawn these tasks, and the worker acknowledges the withdrawals when the running
	 * task has ended. */
	unsigned n_deferred;
	struct slot_frame deferred[N_SLOTS];
};

/* The leak check of a sanitizer. _exit() skips it, so it is called explicitly. NULL in a plain
 * build. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

_Noreturn static void exit_worker(void)
{
	if (__lsan_do_recoverable_leak_check) {
		/* The leak check traces its own process, so the process must allow tracing. */
		prctl(PR_SET_DUMPABLE, 1);
		__lsan_do_recoverable_leak_check();
	}
	_exit(0);
}

_Noreturn static void fail_start(const struct pxp_error *error)
{
	struct broken_frame broken = {.kind = FRAME_BROKEN, .error = *error};

	channel_send(WORKER_SOCKET, &broken, sizeof(broken), NULL, 0, NULL, 0);
	exit_worker();
}

static bool send_frame(enum frame_kind kind, struct slot_frame at, int64_t number)
{
	at.kind = (uint32_t)kind;
	at.number = number;
	return channel_send(WORKER_SOCKET, &at, sizeof(at), NULL, 0, NULL, 0);
}

static void send_or_exit(enum frame_kind kind, struct slot_frame at, int64_t number)
{
	if (!send_frame(kind, at, number))
		_exit(1);
}

static void fail_allocation(struct pxp_error *error, const char *what, size_t n)
{
	if (errno == ENOMEM)
		pxp_fail(error, PXP_EMEMORY, "no memory for %s of %zu bytes", what, n);
	else
		pxp_fail_errno(error, "cannot pass %s of %zu bytes", what, n);
}

/* ---- initialisation ---- */

/* Ask the kernel to kill this worker when the fork server dies. The kernel forgets this request
 * when the user changes, so this function is called again after code that may have changed the
 * user. A seccomp filter may refuse prctl() and getppid(); that is no error. */
static void die_with_parent(pid_t parent)
{
	pid_t now;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	now = getppid();
	if (now >= 0 && now != parent)
		/* The fork server died before prctl() was called. */
		_exit(0);
}

static struct shared_slots *map_slots(int fd)
{
	void *shared = mmap(NULL, sizeof(struct shared_slots), PROT_READ | PROT_WRITE,
	                    MAP_SHARED, fd, 0);

	if (shared == MAP_FAILED)
		_exit(1);
	return shared;
}

/* Set up the descriptors of the worker: 0 and 1 refer to /dev/null, 2 to the log and 3 to the
 * channel. All others are closed. Descriptors 0 and 1 are set before 3, because the descriptor of
 * /dev/null may itself be 3. */
static void arrange_descriptors(int null, int socket, int log)
{
	int high_socket = fcntl(socket, F_DUPFD_CLOEXEC, WORKER_SOCKET + 1);
	int high_log = fcntl(log, F_DUPFD_CLOEXEC, WORKER_SOCKET + 1);

	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(high_log, 2) < 0 ||
	    dup3(high_socket, WORKER_SOCKET, O_CLOEXEC) < 0)
		_exit(1);
	close_range(WORKER_SOCKET + 1, ~0U, 0);
}

/* If the machine runs out of memory, the kernel must kill workers first, because the death of a
 * worker fails only one task. The score is written before the worker can change its user, because
 * after that the worker may not own its files in /proc any more. */
static void raise_oom_score(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)fd_write_all(fd, "1000", 4);
	fd_close(&fd);
}

/* Without this function, the kernel could write a core file into a user's photo folder when a
 * worker crashes. */
static void forbid_core_dumps(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

bool pxp_memory_is_limited(void)
{
/* Sanitizer builds have no memory limit, because their shadow memory, which is terabytes large,
 * would count. */
#ifdef PIXPOOL_SANITIZE
	return false;
#else
	return true;
#endif
}

/* Only the soft memory limit is set, so that the fork server can raise it for a task. */
static void limit_resources(struct worker *worker)
{
	const struct fork_server_frame *pool = worker->pool;
	const struct rlimit output = {pool->max_output, pool->max_output};
	struct rlimit data;

	worker->limit = pool->memory_allowance;
	if (worker->limit > 0 && pxp_memory_is_limited()) {
		worker->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
		if (getrlimit(RLIMIT_DATA, &data) == 0 && worker->limit < data.rlim_max) {
			data.rlim_cur = worker->limit;
			setrlimit(RLIMIT_DATA, &data);
		}
	}
	if (pool->max_output > 0)
		setrlimit(RLIMIT_FSIZE, &output);
}

static void initialise(struct worker *worker, const struct worker_start *start)
{
	const struct fork_server_frame *pool = worker->pool;
	struct pxp_error error = {0};

	if (pool->initialise && pool->initialise(start->init_bytes, pool->n_init_bytes,
	                                         &worker->context, &error) != PXP_OK)
		fail_start(&error);
	if (pool->initialise)
		die_with_parent(start->parent);
	limit_resources(worker);
	if (pool->lock_down && pool->lock_down(&error) != PXP_OK)
		fail_start(&error);
	if (pool->lock_down)
		die_with_parent(start->parent);
}

/* ---- answers ---- */

/* How much private memory this worker keeps between tasks, as RLIMIT_DATA counts it. If the worker
 * keeps much memory, the function makes the allocator return unused memory to the kernel, and
 * counts again. */
static uint64_t count_data(const struct worker *worker)
{
	uint64_t allowance = worker->pool->memory_allowance, n_bytes = 0;
	char text[128];

	if (worker->statm < 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		ssize_t n = pread(worker->statm, text, sizeof(text) - 1, 0);
		const char *field = text;

		if (n <= 0)
			return 0;
		text[n] = 0;
		/* the fields of statm: size, resident, shared, text, lib, data */
		for (int j = 0; field && j < 5; j++) {
			field = strchr(field, ' ');
			field = field ? field + 1 : NULL;
		}
		n_bytes = field ? strtoull(field, NULL, 10) *
		                          (uint64_t)sysconf(_SC_PAGESIZE)
		                : 0;
		if (n_bytes <= allowance / 2)
			break;
#ifdef __GLIBC__
		if (i == 0)
			malloc_trim(0);
#endif
	}
	return n_bytes;
}

/* Only EMFILE means that no descriptor is free. Other errors may come from a seccomp filter. */
static bool has_free_descriptor(void)
{
	int fd = dup(WORKER_SOCKET);

	if (fd < 0)
		return errno != EMFILE;
	close(fd);
	return true;
}

/* Fill in the resource use of this task and of the process. Reading it takes one system call, which
 * would slow down quick tasks. So the kernel is asked only if COUNT_AGAIN_NS have passed since the
 * last time. Otherwise the run time of the task counts as its processor time, and the last peak of
 * memory use as the current one. */
static void count_usage(struct worker *worker, struct answer_frame *answer)
{
	int64_t now_ns = clock_now_ns(), cpu_ns = now_ns - worker->started_ns;
	struct rusage usage;

	if (now_ns - worker->counted_ns >= COUNT_AGAIN_NS &&
	    getrusage(RUSAGE_SELF, &usage) == 0) {
		worker->counted_ns = now_ns;
		worker->peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
		cpu_ns = clock_cpu_ns(&usage) - worker->cpu_ns;
		worker->lacks_descriptors |= !has_free_descriptor();
	}
	answer->run_ns = now_ns - worker->started_ns;
	answer->cpu_ns = cpu_ns;
	answer->peak_bytes = worker->peak_bytes;
	worker->cpu_ns += cpu_ns;
}

/* Mark the task as ended. If the pool is about to kill this worker for the task, wait for the kill.
 * Returns false if something has overwritten the slot: then the answer must be sent as a frame. */
static bool end_task(const struct worker *worker, enum slot_state ended)
{
	uint64_t generation = worker->at.generation;
	uint64_t state = slot_pack(generation, SLOT_STARTED);

	if (atomic_compare_exchange_strong(&worker->shared->slots[worker->at.slot].state,
	                                   &state, slot_pack(generation, ended)))
		return true;
	while (state == slot_pack(generation, SLOT_KILLED))
		pause();
	return false;
}

static void ring_doorbell(struct worker *worker)
{
	worker->n_unnotified = 0;
	send_or_exit(FRAME_DOORBELL, worker->at, 0);
}

/* Leave a short answer in the slot if the pool polls the slots. Returns whether it did. */
static bool leave_in_slot(struct worker *worker, const struct answer_frame *answer,
                          const void *result)
{
	struct shared_slot *slot = &worker->shared->slots[worker->at.slot];

	if (!atomic_load(&worker->shared->suppress_notify) ||
	    answer->error.status != PXP_OK || answer->n_descriptors > 0 ||
	    answer->n_result > SLOT_RESULT_BYTES)
		return false;
	slot->answer = (struct slot_answer){
		.run_ns = answer->run_ns,
		.cpu_ns = answer->cpu_ns,
		.peak_bytes = answer->peak_bytes,
		.data_bytes = answer->data_bytes,
		.n_result = answer->n_result,
	};
	if (answer->n_result > 0)
		memcpy(slot->answer.result, result, (size_t)answer->n_result);
	if (!end_task(worker, SLOT_ANSWERED))
		return false;
	/* If the pool polls no longer, it may have missed this answer, so notify the pool. Also
	 * notify a pool that polls, once in MAX_UNNOTIFIED answers. */
	if (++worker->n_unnotified >= MAX_UNNOTIFIED ||
	    !atomic_load(&worker->shared->suppress_notify))
		ring_doorbell(worker);
	return true;
}

static void send_answer(struct worker *worker, struct pxp_task *view)
{
	struct answer_frame answer = {
		.at = worker->at,
		.error = view->error,
	};
	int descriptors[FRAME_MAX_DESCRIPTORS], memfd = -1;
	size_t n_inline = 0;

	answer.at.kind = FRAME_ANSWER;
	count_usage(worker, &answer);
	answer.data_bytes = count_data(worker);
	worker->needs_recycle |= keeps_too_much(answer.data_bytes,
	                                        worker->pool->memory_allowance);
	if (answer.error.status == PXP_OK) {
		answer.n_result = view->n_result;
		answer.n_descriptors = view->n_returned;
		memcpy(descriptors, view->returned, sizeof(view->returned));
	}
	if (leave_in_slot(worker, &answer, view->result))
		return;
	if (answer.n_result <= INLINE_RESULT_BYTES) {
		n_inline = (size_t)answer.n_result;
	} else if ((memfd = fd_of_bytes("pixpool-result", 0, view->result,
	                                view->n_result)) >= 0) {
		answer.result_is_memfd = 1;
		descriptors[answer.n_descriptors] = memfd;
	} else {
		fail_allocation(&answer.error, "a result", view->n_result);
		answer.n_result = answer.n_descriptors = 0;
	}
	(void)end_task(worker, SLOT_DONE);
	/* If the answer cannot be sent, the worker exits. The pool notices its death. */
	if (!channel_send(WORKER_SOCKET, &answer, sizeof(answer), view->result, n_inline,
	                  descriptors, answer.n_descriptors + answer.result_is_memfd))
		_exit(1);
	fd_close(&memfd);
}

/* ---- running tasks ---- */

/* Sending a frame wakes the pool. If the new deadline differs from the current one by less than a
 * 64th of `ms`, no frame is sent. That is common, because a quick task restarts its deadline just
 * after the task has started. */
static void restart_deadline(void *data, int64_t ms)
{
	struct worker *worker = data;
	int64_t max_ms = worker->max_deadline_ms > worker->deadline_ms
	                         ? worker->max_deadline_ms
	                         : worker->deadline_ms;
	int64_t now_ns = clock_now_ns(), deadline_ns, by_ns;

	if (worker->deadline_ms <= 0 || worker->n_restarts >= worker->max_restarts)
		return;
	if (ms < 0 || ms > max_ms)
		ms = max_ms;
	deadline_ns = clock_deadline_ns(now_ns, ms);
	by_ns = deadline_ns > worker->deadline_ns ? deadline_ns - worker->deadline_ns
	                                          : worker->deadline_ns - deadline_ns;
	if (by_ns < (deadline_ns - now_ns) / 64)
		return;
	worker->n_restarts++;
	worker->deadline_ns = deadline_ns;
	(void)send_frame(FRAME_DEADLINE, worker->at, ms);
}

/* Request memory and wait for the answer. No timeout is needed, because the worker is killed if the
 * pool ends. A task that arrives before the answer was sent earlier, and the pool has withdrawn it:
 * run_task() acknowledges this at its end. */
static enum pxp_status ask_for_memory(struct worker *worker, uint64_t bytes)
{
	static _Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct grant_frame grant = {0};
	struct frame frame;

	send_or_exit(FRAME_NEED, worker->at, (int64_t)bytes);
	while (channel_receive(WORKER_SOCKET, buffer, &frame) == RECEIVED_FRAME) {
		memcpy(&grant, buffer, sizeof(grant));
		frame_close_descriptors(&frame);
		if (grant.at.kind == FRAME_GRANT) {
			worker->limit = grant.limit;
			return (enum pxp_status)grant.at.number;
		}
		if (grant.at.kind != FRAME_TASK || worker->n_deferred == N_SLOTS)
			break;
		worker->deferred[worker->n_deferred++] = grant.at;
	}
	_exit(0);
}

static enum pxp_status on_need(void *data, uint64_t bytes)
{
	struct worker *worker = data;
	enum pxp_status status;

	if (worker->limit == 0 || bytes <= worker->limit)
		return PXP_OK;
	if (bytes > INT64_MAX || (worker->refused > 0 && bytes >= worker->refused))
		return PXP_EMEMORY;
	/* The pool would treat one more request as a breach of the protocol. */
	if (worker->n_needs >= PXP_MAX_NEEDS)
		return PXP_EINVAL;
	worker->n_needs++;
	status = ask_for_memory(worker, bytes);
	if (status == PXP_EMEMORY)
		worker->refused = bytes;
	return status;
}

/* Get an input that came in a sealed memfd. Returns NULL if that fails. The memfd is mapped, since
 * copying its pages would take longer than everything else. If the sandbox forbids mapping a file,
 * the input is read instead. */
static void *get_input(int memfd, size_t n, bool *ret_is_mapped)
{
	void *input = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_POPULATE, memfd, 0);

	*ret_is_mapped = input != MAP_FAILED;
	if (*ret_is_mapped)
		return input;
	input = malloc(n);
	if (input && fd_pread_full(memfd, input, n, 0) != (ssize_t)n) {
		free(input);
		return NULL;
	}
	return input;
}

static void release_input(void *input, size_t n, bool is_mapped)
{
	if (is_mapped)
		munmap(input, n);
	else
		free(input);
}

/* Set the error of a task whose memory limit could not be set. */
static void fail_limit(struct pxp_task *view, enum pxp_status status)
{
	pxp_fail(&view->error, status, "cannot set the memory limit of the task: %s",
	         pxp_status_name(status));
	if (status != PXP_EMEMORY && status != PXP_ECANCELLED)
		view->error.status = PXP_ETASK;
}

static void run_task(struct worker *worker, const struct task_frame *task,
                     const void *body, const struct frame *frame)
{
	uint32_t slot = worker->at.slot;
	void *long_input = NULL;
	bool is_mapped = false;
	struct pxp_task view = {
		.input = body,
		.n_input = task->n_input,
		.descriptors = frame->descriptors,
		.n_descriptors = task->n_descriptors,
		.output = task->has_output ? frame->descriptors[task->n_descriptors] : -1,
		.context = worker->context,
		.is_asked_to_end = &worker->shared->slots[slot].is_asked_to_end,
		.progress = &worker->shared->slots[slot].progress,
		.restart_deadline = restart_deadline,
		.need = on_need,
		.worker = worker,
	};
	enum pxp_status status = task->has_limit ? ask_for_memory(worker, 0) : PXP_OK;

	if (status == PXP_OK && task->input_is_memfd) {
		long_input = get_input(frame->descriptors[frame->n_descriptors - 1],
		                       task->n_input, &is_mapped);
		view.input = long_input;
	}
	if (status != PXP_OK)
		fail_limit(&view, status);
	else if (task->input_is_memfd && !long_input)
		fail_allocation(&view.error, "an input", view.n_input);
	else
		task_run(task->run, &view);
	atomic_store(&worker->shared->slots[slot].phase, PXP_PHASE_ANSWERING);
	send_answer(worker, &view);
	task_view_fini(&view);
	release_input(long_input, task->n_input, is_mapped);
	worker->limit = worker->pool->memory_allowance;
	for (unsigned i = 0; i < worker->n_deferred; i++)
		send_or_exit(FRAME_WITHDRAWN, worker->deferred[i], 0);
	worker->n_deferred = 0;
}

/* Start a task. If the pool has withdrawn the task, or if this worker keeps too much memory, do not
 * start the task, but send FRAME_WITHDRAWN. */
static void receive_task(struct worker *worker, const void *buffer,
                         const struct frame *frame)
{
	struct task_frame task;

	memcpy(&task, buffer, sizeof(task));
	worker->at = task.at;
	worker->n_restarts = worker->n_needs = 0;
	worker->max_restarts = (unsigned)task.at.number;
	worker->refused = 0;

	uint64_t queued = slot_pack(task.at.generation, SLOT_QUEUED);

	worker->started_ns = clock_now_ns();
	worker->deadline_ms = task.deadline_ms;
	worker->max_deadline_ms = task.max_deadline_ms;
	worker->deadline_ns = clock_deadline_ns(worker->started_ns, task.deadline_ms);
	atomic_store(&worker->shared->slots[task.at.slot].started_ns, worker->started_ns);
	atomic_store(&worker->shared->slots[task.at.slot].phase, PXP_PHASE_RUNNING);
	if (!worker->needs_recycle &&
	    atomic_compare_exchange_strong(&worker->shared->slots[task.at.slot].state,
	                                   &queued,
	                                   slot_pack(task.at.generation, SLOT_STARTED)))
		run_task(worker, &task, (const char *)buffer + sizeof(task), frame);
	else
		send_or_exit(FRAME_WITHDRAWN, task.at, 0);
}

/* Close the descriptors of a task. They come from the main process, so the protection of
 * frame_close_descriptors() against hostile sockets is not needed. */
static void close_descriptors(struct frame *frame)
{
	for (unsigned i = 0; i < frame->n_descriptors; i++)
		fd_close(&frame->descriptors[i]);
	frame->n_descriptors = 0;
}

/* Receive the next frame. Before the worker sleeps, it notifies the pool of the answers that it
 * left in slots. */
static enum received receive_next(struct worker *worker, void *buffer,
                                  struct frame *frame)
{
	enum received received;

	if (worker->n_unnotified > 0) {
		received = channel_receive_now(WORKER_SOCKET, buffer, frame);
		if (received != RECEIVED_NOTHING)
			return received;
		ring_doorbell(worker);
	}
	return channel_receive(WORKER_SOCKET, buffer, frame);
}

_Noreturn void worker_main(const struct worker_start *start)
{
	static _Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct worker worker = {.pool = start->pool, .statm = -1};
	struct frame frame;
	uint32_t kind;

	setpgid(0, 0);
	prctl(PR_SET_NAME, "pxp-worker");
	die_with_parent(start->parent);
	worker.shared = map_slots(start->shared);
	arrange_descriptors(start->null, start->socket, start->log);
	if (start->pool->memory_allowance > 0)
		raise_oom_score();
	forbid_core_dumps();
	initialise(&worker, start);
	send_or_exit(FRAME_READY, worker.at, 0);

	while (receive_next(&worker, buffer, &frame) == RECEIVED_FRAME) {
		memcpy(&kind, buffer, sizeof(kind));
		/* If the descriptors of a task were lost, this worker has too few. It ends, and
		 * another worker runs the task. */
		if (kind != FRAME_TASK || frame.lost_descriptors)
			break;
		receive_task(&worker, buffer, &frame);
		close_descriptors(&frame);
		if (worker.lacks_descriptors)
			break;
	}
	if (worker.n_unnotified > 0)
		ring_doorbell(&worker);
	if (worker.pool->finalise)
		worker.pool->finalise(worker.context);
	exit_worker();
}
