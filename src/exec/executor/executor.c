/*
 * What all executors share: the bounded queue, the completion of tasks, cancel and shutdown. This
 * file also creates tasks: each task and its future are in one memory block.
 *
 * Every executor guarantees (tests/exec/test_contract.c runs the same tests over each kind):
 *
 *   - each submitted task is completed exactly once: it finished, failed or was cancelled;
 *   - shutdown runs the queued tasks or cancels them, destroy runs them, and neither loses a task.
 *
 * Tasks leave the queue in the order of submission, and end in any order. In a process pool, newer
 * tasks may overtake a prefetched one (pool_dispatch.c).
 */
#include "exec/executor/executor.h"

#include "base/block_pool.h"
#include "base/clock.h"
#include "base/fd.h"
#include "exec/executor/options.h"
#include "exec/executor/task.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- creating and running tasks ---- */

enum { SHORT_INPUT_BYTES = 64 };

/* A task, its future and a short input: one allocation, which lives as long as the future. The
 * future is the first member, so that a pointer to the future is a pointer to its block. */
struct task_block {
	struct pxp_future future;
	struct task task;
	struct block_pool *blocks;
	_Alignas(16) char input[SHORT_INPUT_BYTES];
};

static struct task_block *block_of(struct pxp_future *future)
{
	return (struct task_block *)(void *)future;
}

static void free_block(struct pxp_future *future)
{
	block_pool_put(block_of(future)->blocks, future);
}

/* Returns the task of a future that has an owner, or NULL once the task is detached. Called with
 * the executor's lock held. */
static struct task *task_of(struct pxp_future *future)
{
	struct task *task = &block_of(future)->task;

	return task->is_detached ? NULL : task;
}

/* Put an input into a sealed memfd. Workers must not change it, because if one of them dies, the
 * next one reads the same memfd. */
static int seal_input(const void *bytes, size_t n)
{
	int fd = fd_of_bytes("pixpool-input", MFD_ALLOW_SEALING, bytes, n);

	if (fd >= 0 &&
	    fcntl(fd, F_ADD_SEALS,
	          F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
		fd_close(&fd);
	return fd;
}

static bool copy_input(struct task *task, const void *input, size_t n, size_t max_inline)
{
	task->n_input = n;
	if (n == 0)
		return true;
	if (n > max_inline) {
		task->input_memfd = seal_input(input, n);
		return task->input_memfd >= 0;
	}
	task->input = n <= SHORT_INPUT_BYTES ? block_of(task->future)->input : malloc(n);
	if (!task->input)
		return false;
	memcpy(task->input, input, n);
	return true;
}

/* Free everything that the task holds, except its reference to the future: the task itself is in
 * the memory block of the future. */
static void task_fini(struct task *task)
{
	for (unsigned i = 0; i < task->n_descriptors && !task->keeps_descriptors; i++)
		fd_close(&task->descriptors[i]);
	fd_close(&task->input_memfd);
	if (task->input != block_of(task->future)->input)
		free(task->input);
}

/* Free a task and close its descriptors. Its future is released but not completed. */
static void task_destroy(struct task *task)
{
	task_fini(task);
	pxp_future_release(task->future);
}

struct task *task_create(struct future_owner *owner, struct block_pool *blocks,
                         size_t max_inline_input, pxp_task_fn *run, const void *input,
                         size_t n_input, const struct pxp_task_options *options)
{
	struct task_block *block = block_pool_get(blocks);
	struct task *task;

	if (!block)
		return NULL;
	block->blocks = blocks;
	task = &block->task;
	*task = (struct task){.run = run, .future = &block->future, .input_memfd = -1};
	future_init(task->future, owner, free_block);
	if (!copy_input(task, input, n_input, max_inline_input)) {
		int kept = errno;

		task_destroy(task);
		errno = kept;
		return NULL;
	}

	task->n_descriptors = options->n_descriptors;
	for (unsigned i = 0; i < options->n_descriptors; i++)
		task->descriptors[i] = options->descriptors[i];
	task->keeps_descriptors = options->keep_descriptors;
	task->wants_output = options->output;
	task->retries_left = options->retries;
	task->kills_left = options->max_kills > 0 ? options->max_kills : UINT_MAX;
	task->stall_ms = options->stall_ms;
	task->deadline_ms = options->deadline_ms;
	task->max_deadline_ms = options->max_deadline_ms;
	task->max_restarts = options->max_restarts > 0 ? options->max_restarts
	                                               : PXP_MAX_RESTARTS;
	task->counts_as = options->counts_as > 0 ? options->counts_as : 1;
	task->max_memory = options->max_memory;
	task->may_retry_memory = options->retry_memory;
	task->submitted_ns = clock_now_ns();
	task->expires_ns = -1;
	if (options->queue_timeout_ms > 0)
		task->expires_ns = clock_deadline_ns(task->submitted_ns,
		                                     options->queue_timeout_ms);
	return task;
}

void task_detach(struct task *task)
{
	task->is_detached = true;
}

void task_put_completion(struct task *task, struct completion *completion)
{
	if (task->is_completed)
		completion_fini(completion);
	else
		*future_completion(task->future) = *completion;
}

/* Complete the future of a task and destroy the task: see executor_complete(). Runs callbacks, so
 * no lock may be held. */
static void task_complete(struct task *task, atomic_uint *n_idle)
{
	struct pxp_future *future = task->future;

	/* Close the descriptors of the task before waiters are notified. */
	task_fini(task);
	if (!task->is_completed) {
		future_completion(future)->outcome.attempts = task->attempts;
		future_complete_in_place(future, n_idle);
	}
	pxp_future_release(future);
}

void task_list_append(struct task_list *list, struct task *task)
{
	task->before = list->last;
	task->after = NULL;
	*(list->last ? &list->last->after : &list->first) = task;
	list->last = task;
	list->n++;
}

static void task_list_prepend(struct task_list *list, struct task *task)
{
	task->before = NULL;
	task->after = list->first;
	*(list->first ? &list->first->before : &list->last) = task;
	list->first = task;
	list->n++;
}

void task_list_remove(struct task_list *list, struct task *task)
{
	*(task->before ? &task->before->after : &list->first) = task->after;
	*(task->after ? &task->after->before : &list->last) = task->before;
	task->before = task->after = NULL;
	list->n--;
}

const void *pxp_task_input(const struct pxp_task *task, size_t *ret_n)
{
	if (ret_n)
		*ret_n = task->n_input;
	return task->n_input > 0 ? task->input : NULL;
}

int pxp_task_descriptor(const struct pxp_task *task, unsigned index)
{
	return index < task->n_descriptors ? task->descriptors[index] : -1;
}

int pxp_task_output(const struct pxp_task *task)
{
	return task->output;
}

void *pxp_task_context(const struct pxp_task *task)
{
	return task->context;
}

enum pxp_status pxp_task_return(struct pxp_task *task, const void *bytes, size_t n)
{
	void *copy = NULL;

	if (n > 0) {
		copy = malloc(n);
		if (!copy)
			return PXP_ENOMEM;
		memcpy(copy, bytes, n);
	}
	free(task->result);
	task->result = copy;
	task->n_result = n;
	return PXP_OK;
}

enum pxp_status pxp_task_fail(struct pxp_task *task, int code, const char *format, ...)
{
	char text[PXP_ERROR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pxp_fail(&task->error, PXP_ETASK, "%s", text);
	task->error.code = code;
	return PXP_ETASK;
}

enum pxp_status pxp_task_return_descriptor(struct pxp_task *task, int descriptor)
{
	int copy;

	if (task->n_returned >= PXP_MAX_DESCRIPTORS)
		return PXP_EINVAL;
	copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return PXP_ESYS;
	task->returned[task->n_returned++] = copy;
	return PXP_OK;
}

bool pxp_task_is_cancelled(const struct pxp_task *task)
{
	return atomic_load_explicit(task->is_asked_to_end, memory_order_relaxed);
}

void pxp_task_progress(struct pxp_task *task, uint64_t done, uint64_t total)
{
	struct shared_progress *progress = task->progress;

	atomic_store_explicit(&progress->done, done, memory_order_relaxed);
	atomic_store_explicit(&progress->total, total, memory_order_relaxed);
	atomic_fetch_add_explicit(&progress->beats, 1, memory_order_relaxed);
}

struct pxp_progress shared_progress_read(struct shared_progress *shared)
{
	return (struct pxp_progress){
		.done = atomic_load_explicit(&shared->done, memory_order_relaxed),
		.total = atomic_load_explicit(&shared->total, memory_order_relaxed),
	};
}

void task_view_fini(struct pxp_task *view)
{
	free(view->result);
	view->result = NULL;
	for (unsigned i = 0; i < view->n_returned; i++)
		fd_close(&view->returned[i]);
	view->n_returned = 0;
}

void pxp_task_restart_deadline(struct pxp_task *task, int64_t ms)
{
	if (task->restart_deadline)
		task->restart_deadline(task->worker, ms);
}

enum pxp_status pxp_task_need(struct pxp_task *task, uint64_t bytes)
{
	return task->need ? task->need(task->worker, bytes) : PXP_OK;
}

/* How many calls of fork() lie between the first process of the program and this process. */
static unsigned n_forks;

static void count_fork(void)
{
	n_forks++;
}

__attribute__((constructor)) static void watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, count_fork);
}

void task_run(pxp_task_fn *run, struct pxp_task *view)
{
	unsigned n_before = n_forks;
	enum pxp_status status = run(view);

	/* A child process that the task forked must not answer in place of its parent. So the child
	 * ends here if it returns from the task's function. */
	if (n_forks != n_before)
		_exit(0);
	if (status == PXP_OK) {
		if (view->error.status != PXP_OK)
			memset(&view->error, 0, sizeof(view->error));
	} else if (status == PXP_ECANCELLED && pxp_task_is_cancelled(view)) {
		pxp_fail(&view->error, PXP_ECANCELLED, "cancelled on request");
	} else if (status == PXP_EMEMORY) {
		if (view->error.status != PXP_ETASK)
			pxp_fail(&view->error, PXP_EMEMORY, "the task ran out of memory");
		view->error.status = PXP_EMEMORY;
	} else if (view->error.status != PXP_ETASK) {
		pxp_fail(&view->error, PXP_ETASK, "the task failed: %s",
		         pxp_status_name(status));
		view->error.code = (int)status;
	}
}

static enum pxp_future_state state_of(enum pxp_status status)
{
	if (status == PXP_OK)
		return PXP_FINISHED;
	return status == PXP_ECANCELLED ? PXP_CANCELLED : PXP_FAILED;
}

void task_run_here(struct task *task, void *context)
{
	struct pxp_task view = {
		.input = task->input,
		.n_input = task->n_input,
		.descriptors = task->descriptors,
		.n_descriptors = task->n_descriptors,
		.output = -1,
		.context = context,
		.is_asked_to_end = &task->is_asked_to_end,
		.progress = &task->progress,
	};
	struct completion *completion = future_completion(task->future);

	task->started_ns = clock_now_ns();
	task_run(task->run, &view);

	completion_init(completion, state_of(view.error.status));
	completion->outcome.queue_ns = task->started_ns - task->submitted_ns;
	completion->outcome.run_ns = clock_now_ns() - task->started_ns;
	completion->outcome.progress = shared_progress_read(&task->progress);
	if (view.error.status == PXP_OK) {
		completion->result = view.result;
		completion->n_result = view.n_result;
		memcpy(completion->descriptors, view.returned, sizeof(view.returned));
		completion->n_descriptors = view.n_returned;
	} else {
		completion->outcome.error = view.error;
		task_view_fini(&view);
	}
}

/* ---- executors ---- */

enum {
/* How many unused blocks an executor keeps for later tasks. Sanitizer builds keep none, because
 * reuse would hide the use of a freed block. */
#ifdef PIXPOOL_SANITIZE
	MAX_KEPT_BLOCKS = 0,
#else
	MAX_KEPT_BLOCKS = 16 * 1024,
#endif
	/* The maximum number of queued inputs in memfds. The number is limited because each memfd
	 * takes a descriptor, and a process may not have many descriptors. */
	MAX_QUEUED_MEMFDS = 128,
};

void executor_acquire(struct pxp_executor *executor)
{
	atomic_fetch_add_explicit(&executor->n_references, 1, memory_order_relaxed);
}

void executor_release(struct pxp_executor *executor)
{
	if (atomic_fetch_sub_explicit(&executor->n_references, 1, memory_order_acq_rel) ==
	    1)
		executor->table->free(executor);
}

void executor_unlock(struct pxp_executor *executor)
{
	bool must_wake = executor->must_wake;

	executor->must_wake = false;
	lock_release(&executor->lock);
	if (must_wake)
		executor->table->wake(executor);
}

/* ---- the queue ---- */

/* Whether to wake the threads that wait for room. They are woken only when there is room for
 * several tasks, because a thread that is woken for a single place fills that place and sleeps
 * again. */
static bool is_worth_a_wake(const struct pxp_executor *executor)
{
	size_t n = executor->options.max_pending;
	size_t n_bytes = executor->options.max_pending_bytes;

	return executor->queue.n == 0 ||
	       (executor->queue.n <= n - n / 8 &&
	        executor->n_queued_bytes <= n_bytes - n_bytes / 8);
}

static void note_expiry(struct pxp_executor *executor, const struct task *task)
{
	if (task->expires_ns >= 0 &&
	    (executor->next_expiry_ns < 0 || task->expires_ns < executor->next_expiry_ns))
		executor->next_expiry_ns = task->expires_ns;
}

/* Update the counters and the next expiry for a task that was just queued. */
static void count_queued(struct pxp_executor *executor, struct task *task)
{
	task->place = TASK_QUEUED;
	executor->n_queued_bytes += task->n_input;
	executor->n_queued_memfds += task->input_memfd >= 0;
	note_expiry(executor, task);
}

static void remove_from_queue(struct pxp_executor *executor, struct task *task)
{
	task_list_remove(&executor->queue, task);
	executor->n_queued_bytes -= task->n_input;
	executor->n_queued_memfds -= task->input_memfd >= 0;
	if (executor->queue.n == 0)
		executor->next_expiry_ns = -1;
	if (executor->n_waiting > 0 && is_worth_a_wake(executor))
		cond_broadcast(&executor->has_room);
}

struct task *executor_take(struct pxp_executor *executor)
{
	struct task *task = executor->queue.first;

	if (!task)
		return NULL;
	remove_from_queue(executor, task);
	task->place = TASK_HANDED;
	return task;
}

void executor_return(struct pxp_executor *executor, struct task *task)
{
	if (task->attempts > 0)
		task->expires_ns = -1; /* a started task cannot expire any more */
	task_list_prepend(&executor->queue, task);
	count_queued(executor, task);
}

struct task_list executor_take_all(struct pxp_executor *executor)
{
	struct task_list list = {0};
	struct task *task;

	while ((task = executor_take(executor))) {
		task_detach(task);
		task_list_append(&list, task);
	}
	return list;
}

/* This function reads the whole queue each time that a task expires. A heap would be faster if very
 * many tasks expired at different times, but would make every submission slower. */
struct task_list executor_take_expired(struct pxp_executor *executor, int64_t now_ns)
{
	struct task_list expired = {0};

	if (executor->next_expiry_ns < 0 || executor->next_expiry_ns > now_ns)
		return expired;
	executor->next_expiry_ns = -1;
	for (struct task *task = executor->queue.first, *after; task; task = after) {
		after = task->after;
		if (task->expires_ns < 0 || task->expires_ns > now_ns) {
			note_expiry(executor, task);
			continue;
		}
		remove_from_queue(executor, task);
		task_detach(task);
		task_list_append(&expired, task);
	}
	return expired;
}

static bool has_room(const struct pxp_executor *executor, const struct task *task)
{
	const struct pxp_executor_options *options = &executor->options;

	if (executor->queue.n == 0)
		return true;
	return executor->queue.n < options->max_pending &&
	       (task->input_memfd < 0 || executor->n_queued_memfds < MAX_QUEUED_MEMFDS) &&
	       executor->n_queued_bytes <= options->max_pending_bytes &&
	       task->n_input <= options->max_pending_bytes - executor->n_queued_bytes;
}

/* Wait for room in the queue until deadline_ns. If deadline_ns is 0, do not wait; if it is -1, wait
 * without limit. Any status other than PXP_OK says why the task cannot be queued. Called with the
 * lock held. */
static enum pxp_status wait_for_room(struct pxp_executor *executor,
                                     const struct task *task, int64_t deadline_ns)
{
	bool has_time = deadline_ns != 0;

	while (!executor->is_stopping && executor->broken.status == PXP_OK &&
	       !has_room(executor, task)) {
		if (!has_time)
			return PXP_EAGAIN;
		if (owner_is_own_thread(&executor->owner))
			return PXP_EDEADLK;
		executor->n_waiting++;
		has_time = cond_wait_until(&executor->has_room, &executor->lock,
		                           deadline_ns);
		executor->n_waiting--;
	}
	if (executor->is_stopping)
		return PXP_ESHUTDOWN;
	return executor->broken.status == PXP_OK ? PXP_OK : PXP_EBROKEN;
}

static enum pxp_status enqueue(struct pxp_executor *executor, struct task *task,
                               int64_t deadline_ns, struct pxp_error *ret_error)
{
	enum pxp_status status;

	lock_acquire(&executor->lock);
	status = wait_for_room(executor, task, deadline_ns);
	if (status == PXP_EBROKEN && ret_error)
		*ret_error = executor->broken;
	if (status == PXP_OK) {
		task->submitted = executor->n_submitted++;
		task_list_append(&executor->queue, task);
		count_queued(executor, task);
		if (!executor->table->on_change(executor)) {
			remove_from_queue(executor, task);
			status = PXP_ESYS;
		}
	}
	executor_unlock(executor);
	return status;
}

/* ---- completion ---- */

static const uint64_t has_done_counter = (uint64_t)1 << 63;

static uint64_t count_of_done(const struct pxp_executor *executor)
{
	return atomic_load(&executor->n_done) & ~has_done_counter;
}

/* Count a task that is about to be completed. The task is counted before its completion, so that a
 * thread that sees the task completed also sees it counted. Returns the eventfd that must be
 * notified after the completion, or -1 if the executor has no eventfd. */
static int count_done(struct pxp_executor *executor)
{
	uint64_t before = atomic_fetch_add(&executor->n_done, 1);

	return before & has_done_counter ? executor->done_counter : -1;
}

static void notify_counter(int counter)
{
	const uint64_t one = 1;

	/* The write can fail only because the counter is full. In that case the descriptor is
	 * readable already. */
	if (counter >= 0)
		(void)!write(counter, &one, sizeof(one));
}

void executor_complete(struct pxp_executor *executor, struct task *task,
                       atomic_uint *n_idle)
{
	/* If a cancel has completed the task, the cancel has also counted it as done. */
	int counter = task->is_completed ? -1 : count_done(executor);

	task_complete(task, n_idle);
	notify_counter(counter);
}

void executor_complete_list(struct pxp_executor *executor, struct task_list *list,
                            const struct pxp_error *error)
{
	while (list->first) {
		struct task *task = list->first;
		struct completion completion = completion_of(
			error->status == PXP_ECANCELLED ? PXP_CANCELLED : PXP_FAILED);

		completion.outcome.error = *error;
		task_list_remove(list, task);
		task_put_completion(task, &completion);
		executor_complete(executor, task, NULL);
	}
}

void executor_complete_expired(struct pxp_executor *executor, struct task_list *expired)
{
	struct pxp_error error;

	pxp_fail(&error, PXP_EQUEUED, "the task was not started within queue_timeout_ms");
	executor_complete_list(executor, expired, &error);
}

/* Record that this thread may be about to complete tasks. Until end_completing(), a wait for the
 * end of the executor does not return. Called with the lock held. */
static void begin_completing(struct pxp_executor *executor)
{
	executor->n_completing++;
}

static void end_completing(struct pxp_executor *executor)
{
	lock_acquire(&executor->lock);
	if (--executor->n_completing == 0)
		cond_broadcast(&executor->has_ended);
	lock_release(&executor->lock);
}

/* Create the eventfd of completed tasks. Its counter starts with the number of tasks that were
 * completed so far. Called with the lock held. */
static int create_done_counter(struct pxp_executor *executor)
{
	uint64_t n_done;

	executor->done_counter = fd_keep_above_standard(
		eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (executor->done_counter < 0)
		return -1;
	n_done = atomic_fetch_or(&executor->n_done, has_done_counter);
	(void)!write(executor->done_counter, &n_done, sizeof(n_done));
	return executor->done_counter;
}

int pxp_executor_descriptor(struct pxp_executor *executor)
{
	int descriptor;

	lock_acquire(&executor->lock);
	descriptor = executor->done_counter >= 0 ? executor->done_counter
	                                         : create_done_counter(executor);
	lock_release(&executor->lock);
	return descriptor;
}

uint64_t pxp_executor_acknowledge(struct pxp_executor *executor)
{
	int descriptor = pxp_executor_descriptor(executor);
	uint64_t count;

	if (descriptor < 0 || read(descriptor, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

/* ---- the owner of futures ---- */

static struct pxp_executor *executor_of(struct future_owner *owner)
{
	return (struct pxp_executor *)owner;
}

static void acquire_owner(struct future_owner *owner)
{
	executor_acquire(executor_of(owner));
}

static void release_owner(struct future_owner *owner)
{
	executor_release(executor_of(owner));
}

static bool has_begun(struct future_owner *owner, struct pxp_future *future)
{
	struct pxp_executor *executor = executor_of(owner);
	const struct executor_table *table = executor->table;
	const struct task *task;
	bool has_begun = false;

	lock_acquire(&executor->lock);
	task = task_of(future);
	if (task)
		has_begun = task->attempts > 0 ||
		            (task->place == TASK_HANDED &&
		             (!table->has_begun || table->has_begun(executor, task)));
	lock_release(&executor->lock);
	return has_begun;
}

static struct pxp_progress read_progress(struct future_owner *owner,
                                         struct pxp_future *future)
{
	struct pxp_executor *executor = executor_of(owner);
	struct pxp_progress progress = {0};
	struct task *task;

	lock_acquire(&executor->lock);
	task = task_of(future);
	if (task && task->place == TASK_HANDED)
		progress = executor->table->progress
		                   ? executor->table->progress(executor, task)
		                   : shared_progress_read(&task->progress);
	lock_release(&executor->lock);
	return progress;
}

/* Take back from the executor a task that no worker has started. With PXP_CANCEL_KILL, also take
 * back a task that waits to be started again. Returns false if the task cannot be taken back. */
static bool take_back(struct pxp_executor *executor, struct task *task,
                      enum pxp_cancel force)
{
	if (task->attempts > 0 && force != PXP_CANCEL_KILL)
		return false; /* a task between two attempts counts as running */
	if (task->place == TASK_HANDED)
		return executor->table->take_back &&
		       executor->table->take_back(executor, task);
	remove_from_queue(executor, task);
	return true;
}

/* Ask a started task to end, and with PXP_CANCEL_KILL kill its worker. Returns true if the task is
 * cancelled now. Then *ret_cancelled is the completion for its future. */
static bool end(struct pxp_executor *executor, struct task *task, enum pxp_cancel force,
                struct completion *ret_cancelled)
{
	const struct executor_table *table = executor->table;

	atomic_store(&task->is_asked_to_end, true);
	if (task->place != TASK_HANDED || task->is_completed || !table->end ||
	    !table->end(executor, task, force == PXP_CANCEL_KILL, ret_cancelled))
		return false;
	task->is_completed = true;
	return true;
}

static void complete_cancelled(struct pxp_executor *executor, struct pxp_future *future,
                               struct completion *cancelled)
{
	int counter = count_done(executor);
	struct owner_context context;

	owner_enter(&context, &executor->owner);
	future_complete(future, cancelled);
	owner_leave(&context);
	notify_counter(counter);
}

static void cancel(struct future_owner *owner, struct pxp_future *future,
                   enum pxp_cancel force)
{
	struct pxp_executor *executor = executor_of(owner);
	struct completion cancelled = completion_cancelled("cancelled");
	bool is_taken, is_killed = false;
	struct task *task;

	lock_acquire(&executor->lock);
	task = task_of(future);
	is_taken = task && take_back(executor, task, force);
	if (is_taken)
		task_detach(task);
	else if (task && force != PXP_CANCEL_PENDING)
		is_killed = end(executor, task, force, &cancelled);
	begin_completing(executor);
	executor_unlock(executor);

	if (is_taken)
		task_destroy(task);
	if (is_taken || is_killed)
		complete_cancelled(executor, future, &cancelled);
	end_completing(executor);
}

static const struct future_owner_table owner_table = {
	.acquire = acquire_owner,
	.release = release_owner,
	.has_begun = has_begun,
	.progress = read_progress,
	.cancel = cancel,
};

/* ---- creating and freeing an executor ---- */

/* An executor without a name is called "pxp-1", "pxp-2", ... */
static void set_name(struct pxp_executor *executor, const char *name)
{
	static atomic_uint n_unnamed;

	if (name)
		snprintf(executor->name, sizeof(executor->name), "%s", name);
	else
		snprintf(executor->name, sizeof(executor->name), "pxp-%u",
		         atomic_fetch_add(&n_unnamed, 1) + 1);
	executor->options.name = executor->name;
}

enum pxp_status executor_init(struct pxp_executor *executor,
                              const struct executor_table *table,
                              const struct pxp_executor_options *options)
{
	struct block_pool *blocks = block_pool_create(sizeof(struct task_block),
	                                              MAX_KEPT_BLOCKS);
	void *init_bytes = NULL;

	if (!blocks)
		return PXP_ENOMEM;
	if (options->n_init_bytes > 0) {
		init_bytes = malloc(options->n_init_bytes);
		if (!init_bytes) {
			block_pool_release(blocks);
			return PXP_ENOMEM;
		}
		memcpy(init_bytes, options->init_bytes, options->n_init_bytes);
	}
	executor->owner.table = &owner_table;
	executor->table = table;
	executor->blocks = blocks;
	executor->options = *options;
	executor->options.init_bytes = init_bytes;
	set_name(executor, options->name);

	executor->done_counter = -1;
	executor->next_expiry_ns = -1;
	atomic_init(&executor->n_references, 1);
	lock_init(&executor->lock);
	cond_init(&executor->has_room);
	cond_init(&executor->has_ended);
	return PXP_OK;
}

void executor_fini(struct pxp_executor *executor)
{
	fd_close(&executor->done_counter);
	cond_fini(&executor->has_ended);
	cond_fini(&executor->has_room);
	lock_fini(&executor->lock);
	block_pool_release(executor->blocks);
	free((void *)executor->options.init_bytes);
}

/* ---- submission ---- */

/* The same descriptor must not be given twice: each is closed after the task, and the second close
 * could hit a descriptor that another thread has opened meanwhile. */
static enum pxp_status check_descriptors(const struct pxp_task_options *options)
{
	unsigned n = options->n_descriptors;

	if (n > PXP_MAX_DESCRIPTORS)
		return pxp_fail(options->ret_error, PXP_EINVAL,
		                "n_descriptors must be 0 to %d, got %u",
		                PXP_MAX_DESCRIPTORS, n);
	if (n > 0 && !options->descriptors)
		return pxp_fail(options->ret_error, PXP_EINVAL,
		                "descriptors is NULL, but n_descriptors is %u", n);
	for (unsigned i = 0; i < n; i++) {
		if (options->descriptors[i] < 0)
			return pxp_fail(options->ret_error, PXP_EINVAL,
			                "descriptors[%u] is %d, which is not open", i,
			                options->descriptors[i]);
		for (unsigned j = 0; j < i; j++) {
			if (options->descriptors[i] == options->descriptors[j])
				return pxp_fail(options->ret_error, PXP_EINVAL,
				                "descriptor %d is given twice",
				                options->descriptors[i]);
		}
	}
	return PXP_OK;
}

/* The name of the first set option that only process pools support; NULL if no such option is
 * set. */
static const char *option_for_a_process(const struct pxp_task_options *options)
{
	const struct {
		const char *name;
		bool is_set;
	} ours[] = {
		{"output", options->output},
		{"retries", options->retries > 0},
		{"max_kills", options->max_kills > 0},
		{"deadline_ms", options->deadline_ms != 0},
		{"max_deadline_ms", options->max_deadline_ms != 0},
		{"stall_ms", options->stall_ms != 0},
		{"max_memory", options->max_memory > 0},
		{"retry_memory", options->retry_memory},
		{"max_restarts", options->max_restarts > 0},
		{"counts_as", options->counts_as > 0},
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (ours[i].is_set)
			return ours[i].name;
	}
	return NULL;
}

static enum pxp_status check_task_options(const struct pxp_executor *executor,
                                          const struct pxp_task_options *options)
{
	const struct {
		const char *name;
		int64_t ms;
	} times[] = {
		{"deadline_ms", options->deadline_ms},
		{"max_deadline_ms", options->max_deadline_ms},
		{"stall_ms", options->stall_ms},
		{"queue_timeout_ms", options->queue_timeout_ms},
	};
	const char *name = option_for_a_process(options);

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (times[i].ms < 0)
			return pxp_fail(options->ret_error, PXP_EINVAL,
			                "%s must not be negative, got %jd", times[i].name,
			                (intmax_t)times[i].ms);
	}
	if (options->max_memory > INT64_MAX / 2)
		return pxp_fail(options->ret_error, PXP_EINVAL,
		                "max_memory is too large: %ju bytes",
		                (uintmax_t)options->max_memory);
	if (name && executor->options.kind != PXP_PROCESSES)
		return pxp_fail(options->ret_error, PXP_EINVAL,
		                "only a process pool takes the option %s", name);
	return check_descriptors(options);
}

/* Whether the caller's struct has a possible size and contains ret_error. */
static bool has_ret_error(const struct pxp_task_options *theirs)
{
	size_t n = offsetof(struct pxp_task_options, ret_error) + sizeof(void *);
	size_t size;

	memcpy(&size, theirs, sizeof(size));
	return size >= n && size <= OPTIONS_MAX_BYTES;
}

static enum pxp_status read_task_options(struct pxp_task_options *ret_ours,
                                         const struct pxp_task_options *theirs)
{
	*ret_ours = (struct pxp_task_options){.size = sizeof(*ret_ours)};
	if (!theirs || options_read(ret_ours, sizeof(*ret_ours), theirs, sizeof(size_t)))
		return PXP_OK;
	return pxp_fail(has_ret_error(theirs) ? theirs->ret_error : NULL, PXP_EINVAL,
	                "this version of libpixpool does not know an option that is set");
}

/* Set *ret_error to the reason why a task was not queued. */
static enum pxp_status fail_to_queue(enum pxp_status status, struct pxp_error *ret_error)
{
	switch (status) {
	case PXP_EAGAIN:
		return pxp_fail(
			ret_error, status,
			"the queue is full: see max_pending and max_pending_bytes");
	case PXP_EDEADLK:
		return pxp_fail(
			ret_error, status,
			"the queue is full, and a callback or task of the executor "
			"cannot wait for room");
	case PXP_ESHUTDOWN:
		return pxp_fail(ret_error, status, "the executor was shut down");
	case PXP_ESYS:
		return pxp_fail(ret_error, status, "no thread can be started");
	default: /* PXP_EBROKEN: enqueue() has copied the reason to *ret_error */
		return status;
	}
}

static enum pxp_status submit(struct pxp_executor *executor, pxp_task_fn *run,
                              const void *input, size_t n_input,
                              const struct pxp_task_options *options, int64_t deadline_ns,
                              struct pxp_future **ret_future)
{
	struct pxp_task_options ours;
	struct pxp_future *future;
	struct task *task;
	enum pxp_status status;

	if (ret_future)
		*ret_future = NULL;
	if (read_task_options(&ours, options) != PXP_OK ||
	    check_task_options(executor, &ours) != PXP_OK)
		return PXP_EINVAL;
	if (!run || (n_input > 0 && !input))
		return pxp_fail(ours.ret_error, PXP_EINVAL,
		                run ? "input is NULL, but n_input is not 0"
		                    : "run is NULL, but must be a function");

	if (executor->table->has_function &&
	    !executor->table->has_function((uintptr_t)run))
		return pxp_fail(ours.ret_error, PXP_EINVAL,
		                "the function run is in a module that was loaded "
		                "after pxp_zygote_start(), so workers do not have it");

	task = task_create(&executor->owner, executor->blocks,
	                   executor->table->max_inline_input, run, input, n_input, &ours);
	if (!task && errno == ENOMEM)
		return pxp_fail(ours.ret_error, PXP_ENOMEM, "no memory for a task");
	if (!task)
		return pxp_fail_errno(ours.ret_error,
		                      "cannot copy the %zu bytes of the input", n_input);
	/* Once the task is queued, it may be done and freed at any time, and a thread that sees it
	 * done may destroy the executor. So hold a reference to the future and one to the
	 * executor. */
	future = pxp_future_acquire(task->future);
	pxp_future_set_tag(future, ours.tag);
	executor_acquire(executor);
	status = enqueue(executor, task, deadline_ns, ours.ret_error);
	if (status != PXP_OK) {
		task->n_descriptors = 0; /* the caller still owns the descriptors */
		task_destroy(task);
		fail_to_queue(status, ours.ret_error);
	} else if (executor->table->run_now) {
		executor->table->run_now(executor, task);
	}
	executor_release(executor);
	if (status == PXP_OK && ret_future)
		*ret_future = future;
	else
		pxp_future_release(future);
	return status;
}

enum pxp_status pxp_executor_submit(struct pxp_executor *executor, pxp_task_fn *run,
                                    const void *input, size_t n_input,
                                    const struct pxp_task_options *options,
                                    struct pxp_future **ret_future)
{
	return submit(executor, run, input, n_input, options, -1, ret_future);
}

enum pxp_status pxp_executor_submit_within(struct pxp_executor *executor,
                                           pxp_task_fn *run, const void *input,
                                           size_t n_input,
                                           const struct pxp_task_options *options,
                                           int64_t timeout_ms,
                                           struct pxp_future **ret_future)
{
	int64_t deadline_ns = timeout_ms == 0
	                              ? 0
	                              : clock_deadline_ns(clock_now_ns(), timeout_ms);

	return submit(executor, run, input, n_input, options, deadline_ns, ret_future);
}

enum pxp_status pxp_executor_try_submit(struct pxp_executor *executor, pxp_task_fn *run,
                                        const void *input, size_t n_input,
                                        const struct pxp_task_options *options,
                                        struct pxp_future **ret_future)
{
	return submit(executor, run, input, n_input, options, 0, ret_future);
}

/* ---- shutdown ---- */

static void join_once(struct pxp_executor *executor)
{
	bool is_first;

	lock_acquire(&executor->lock);
	is_first = !executor->is_joining;
	executor->is_joining = true;
	lock_release(&executor->lock);
	if (is_first)
		executor->table->join(executor);

	lock_acquire(&executor->lock);
	if (is_first) {
		executor->has_joined = true;
		cond_broadcast(&executor->has_ended);
	}
	while (!executor->has_joined || executor->n_completing > 0)
		cond_wait(&executor->has_ended, &executor->lock);
	lock_release(&executor->lock);
}

/* Remove from the executor every task that no worker has started. */
static struct task_list take_pending(struct pxp_executor *executor)
{
	struct task_list list = executor_take_all(executor), handed = {0};

	if (executor->table->take_back_all)
		executor->table->take_back_all(executor, &handed);
	while (handed.first) {
		struct task *task = handed.first;

		task_list_remove(&handed, task);
		task_detach(task);
		task_list_append(&list, task);
	}
	return list;
}

static void complete_pending(struct pxp_executor *executor, struct task_list *pending)
{
	struct owner_context context;
	struct pxp_error error;

	pxp_fail(&error, PXP_ECANCELLED, "cancelled: the executor was shut down");
	owner_enter(&context, &executor->owner);
	executor_complete_list(executor, pending, &error);
	owner_leave(&context);
}

/* Called with the lock held. */
static void suspend_workers(struct pxp_executor *executor, bool stop)
{
	if (executor->table->suspend)
		executor->table->suspend(executor, stop);
}

enum pxp_status pxp_executor_shutdown(struct pxp_executor *executor, unsigned flags)
{
	const unsigned known = PXP_SHUTDOWN_WAIT | PXP_SHUTDOWN_CANCEL_PENDING |
	                       PXP_SHUTDOWN_KILL;
	bool would_deadlock = owner_is_own_thread(&executor->owner);
	struct task_list pending = {0};

	if (flags & ~known)
		return PXP_EINVAL;
	/* Hold a reference until this function returns, because the callback of a task that is
	 * completed here may let another thread destroy the executor. */
	executor_acquire(executor);
	lock_acquire(&executor->lock);
	executor->is_stopping = true;
	suspend_workers(executor, false);
	if (flags & (PXP_SHUTDOWN_CANCEL_PENDING | PXP_SHUTDOWN_KILL))
		pending = take_pending(executor);
	if (flags & PXP_SHUTDOWN_KILL && executor->table->kill)
		executor->table->kill(executor);
	cond_broadcast(&executor->has_room);
	executor->table->on_change(executor);
	begin_completing(executor);
	executor_unlock(executor);

	complete_pending(executor, &pending);
	end_completing(executor);

	if (flags & PXP_SHUTDOWN_WAIT && !would_deadlock)
		join_once(executor);
	executor_release(executor);
	return flags & PXP_SHUTDOWN_WAIT && would_deadlock ? PXP_EDEADLK : PXP_OK;
}

void pxp_executor_destroy(struct pxp_executor *executor)
{
	if (!executor)
		return;
	/* PXP_EDEADLK means that this thread still runs inside the executor. Then the executor must
	 * not be freed. */
	if (pxp_executor_shutdown(executor, PXP_SHUTDOWN_WAIT) == PXP_OK)
		executor_release(executor);
}

static void suspend(struct pxp_executor *executor, bool stop)
{
	lock_acquire(&executor->lock);
	suspend_workers(executor, stop);
	executor_unlock(executor);
}

void pxp_executor_suspend(struct pxp_executor *executor)
{
	suspend(executor, true);
}

void pxp_executor_resume(struct pxp_executor *executor)
{
	suspend(executor, false);
}

void pxp_executor_stats(struct pxp_executor *executor,
                        struct pxp_executor_stats *ret_stats)
{
	*ret_stats = (struct pxp_executor_stats){0};
	lock_acquire(&executor->lock);
	ret_stats->n_pending = executor->queue.n;
	ret_stats->n_done = count_of_done(executor);
	executor->table->stats(executor, ret_stats);
	lock_release(&executor->lock);
}
