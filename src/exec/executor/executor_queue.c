/* What every executor does with tasks before a worker has them, and after. */
#include "base/clock.h"
#include "base/fd.h"
#include "exec/executor/executor.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* An input that no frame can hold lies in a memfd, of which a process may not have many. */
enum { MAX_QUEUED_LONG = 128 };

/* Who waits for room is woken when there is some for several: it would take what there is
 * for one at once, and sleep again. */
static bool is_worth_a_wake(const struct pxp_executor *executor)
{
	size_t n = executor->options.max_pending,
	       n_bytes = executor->options.max_pending_bytes;

	return executor->queue.n == 0 ||
	       (executor->queue.n <= n - n / 8 &&
	        executor->n_queued_bytes <= n_bytes - n_bytes / 8);
}

void executor_remove(struct pxp_executor *executor, struct task *task)
{
	task_list_remove(&executor->queue, task);
	expiry_remove(&executor->expiry, task);
	executor->n_queued_bytes -= task->n_input;
	executor->n_queued_long -= task->input_memfd >= 0;
	if (executor->n_waiting > 0 && is_worth_a_wake(executor))
		cond_broadcast(&executor->has_room);
}

struct task *executor_take(struct pxp_executor *executor)
{
	struct task *task = executor->queue.first;

	if (!task)
		return NULL;
	executor_remove(executor, task);
	task->place = TASK_HANDED;
	return task;
}

void executor_return(struct pxp_executor *executor, struct task *task)
{
	/* What had begun does not expire any more. */
	if (task->attempts > 0 || !expiry_reserve(&executor->expiry))
		task->expires_ns = -1;
	expiry_add(&executor->expiry, task);
	task->place = TASK_QUEUED;
	task_list_prepend(&executor->queue, task);
	executor->n_queued_bytes += task->n_input;
	executor->n_queued_long += task->input_memfd >= 0;
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

struct task_list executor_take_expired(struct pxp_executor *executor, int64_t now_ns)
{
	struct task_list expired = {0};

	while (executor->expiry.n > 0 && expiry_next_ns(&executor->expiry) <= now_ns) {
		struct task *task = executor->expiry.tasks[0];

		executor_remove(executor, task);
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
	       (task->input_memfd < 0 || executor->n_queued_long < MAX_QUEUED_LONG) &&
	       executor->n_queued_bytes <= options->max_pending_bytes &&
	       task->n_input <= options->max_pending_bytes - executor->n_queued_bytes;
}

/* Why the task is not taken now, having waited for room until deadline_ns (0: not at all,
 * -1: for ever); the lock is held. */
static enum pxp_status wait_for_room(struct pxp_executor *executor,
                                     const struct task *task, int64_t deadline_ns)
{
	bool has_time = deadline_ns != 0;

	while (!executor->is_stopping && executor->broken.status == PXP_OK &&
	       !has_room(executor, task)) {
		if (!has_time)
			return PXP_EAGAIN;
		if (executor_is_ours(executor))
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

enum pxp_status executor_enqueue(struct pxp_executor *executor, struct task *task,
                                 int64_t deadline_ns)
{
	enum pxp_status status;

	lock_acquire(&executor->lock);
	status = wait_for_room(executor, task, deadline_ns);
	if (status == PXP_OK && task->expires_ns >= 0 &&
	    !expiry_reserve(&executor->expiry))
		status = PXP_ENOMEM;
	if (status == PXP_OK) {
		task->submitted = executor->n_submitted++;
		task_list_append(&executor->queue, task);
		expiry_add(&executor->expiry, task);
		executor->n_queued_bytes += task->n_input;
		executor->n_queued_long += task->input_memfd >= 0;
		if (!executor->table->wake(executor, NULL)) {
			executor_remove(executor, task);
			status = PXP_ESYS;
		}
	}
	executor_unlock(executor);
	return status;
}

void executor_unlock(struct pxp_executor *executor)
{
	bool is_calling = executor->is_calling;

	executor->is_calling = false;
	lock_release(&executor->lock);
	if (is_calling)
		executor->table->call(executor);
}

/* ---- completing ---- */

static const uint64_t has_completions = (uint64_t)1 << 63;

uint64_t executor_n_done(const struct pxp_executor *executor)
{
	return atomic_load(&executor->n_done) & ~has_completions;
}

int executor_count_done(struct pxp_executor *executor)
{
	return atomic_fetch_add(&executor->n_done, 1) & has_completions
	               ? executor->completions
	               : -1;
}

void executor_tell(int completions)
{
	const uint64_t one = 1;

	/* It fails only when the counter is full, and then it is readable as well. */
	if (completions >= 0)
		(void)!write(completions, &one, sizeof(one));
}

void executor_complete(struct pxp_executor *executor, struct task *task,
                       atomic_uint *n_idle)
{
	int completions = executor_count_done(executor);

	task_complete(task, n_idle);
	executor_tell(completions);
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

	pxp_fail(&error, PXP_EQUEUED,
	         "it had not begun when its time in the queue was over");
	executor_complete_list(executor, expired, &error);
}

/* What was counted before the descriptor was there it is told at once. */
static int create_completions(struct pxp_executor *executor)
{
	uint64_t n_done;

	executor->completions = fd_keep_above_standard(
		eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (executor->completions < 0)
		return -1;
	n_done = atomic_fetch_or(&executor->n_done, has_completions);
	(void)!write(executor->completions, &n_done, sizeof(n_done));
	return executor->completions;
}

int pxp_executor_descriptor(struct pxp_executor *executor)
{
	int descriptor;

	lock_acquire(&executor->lock);
	descriptor = executor->completions >= 0 ? executor->completions
	                                        : create_completions(executor);
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
