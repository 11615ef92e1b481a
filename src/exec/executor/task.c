/* Tasks: created with their future in one block, and run. */
#include "exec/executor/task.h"

#include "base/block_pool.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SHORT_INPUT_BYTES = 64 };

/* The future comes first, so that a pointer to it is a pointer to its block. */
struct task_block {
	struct pxp_future future;
	struct task task;
	struct block_pool *blocks;
	_Alignas(16) char input[SHORT_INPUT_BYTES];
};

size_t task_block_bytes(void)
{
	return sizeof(struct task_block);
}

static struct task_block *block_of(struct pxp_future *future)
{
	return (struct task_block *)(void *)future;
}

static void free_block(struct pxp_future *future)
{
	block_pool_put(block_of(future)->blocks, future);
}

struct task *task_of(struct pxp_future *future)
{
	struct task *task = &block_of(future)->task;

	return task->is_detached ? NULL : task;
}

/* The input is sealed because several workers may read it, one after the other. */
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
	task->wants_output = options->output;
	task->retries_left = options->retries;
	task->kills_left = options->max_kills > 0 ? options->max_kills : UINT_MAX;
	task->stall_ms = options->stall_ms;
	task->deadline_ms = options->deadline_ms;
	task->max_deadline_ms = options->max_deadline_ms;
	task->max_memory = options->max_memory;
	task->may_retry_memory = options->retry_memory;
	task->submitted_ns = clock_now_ns();
	task->expires_ns = -1;
	if (options->queue_timeout_ms > 0)
		task->expires_ns = clock_deadline_ns(task->submitted_ns,
		                                     options->queue_timeout_ms);
	return task;
}

/* Free what the task holds, except its reference to the future, whose block it lies in. */
static void task_fini(struct task *task)
{
	for (unsigned i = 0; i < task->n_descriptors; i++)
		fd_close(&task->descriptors[i]);
	fd_close(&task->input_memfd);
	if (task->input != block_of(task->future)->input)
		free(task->input);
}

void task_destroy(struct task *task)
{
	task_fini(task);
	pxp_future_release(task->future);
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

void task_complete(struct task *task, atomic_uint *n_idle)
{
	struct pxp_future *future = task->future;

	/* First of all, so that the task's descriptors are closed when waiters are notified. */
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

void task_list_prepend(struct task_list *list, struct task *task)
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
	return task->input;
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

/* How many forks lie between this process and the one that the program began as. */
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

	/* A child that the task forked and that returns here would answer in its parent's place. */
	if (n_forks != n_before)
		_exit(0);
	if (status == PXP_OK) {
		if (view->error.status != PXP_OK)
			memset(&view->error, 0, sizeof(view->error));
	} else if (status == PXP_ECANCELLED && pxp_task_is_cancelled(view)) {
		pxp_fail(&view->error, PXP_ECANCELLED, "cancelled: it was asked to end");
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
