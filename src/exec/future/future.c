#include "exec/future/future.h"

#include "base/clock.h"
#include "exec/executor/blocks.h"
#include "exec/executor/executor.h"

#include <stdlib.h>

struct callback {
	pxp_done_fn *on_done;
	void *data;
	struct callback *next;
};

/* Beside the state: somebody sleeps until it is a done one. */
enum { HAS_SLEEPERS = 0x100 };

static bool is_done(enum pxp_future_state state)
{
	return state >= PXP_FINISHED;
}

enum pxp_future_state future_peek(struct pxp_future *future)
{
	return atomic_load_explicit(&future->state, memory_order_acquire) &
	       ~(unsigned)HAS_SLEEPERS;
}

void future_init(struct pxp_future *future, struct pxp_executor *executor,
                 struct blocks *home)
{
	atomic_init(&future->n_references, 1);
	atomic_init(&future->state, PXP_PENDING);
	atomic_init(&future->is_taken, false);
	lock_init(&future->lock);
	future->home = home;
	future->task = NULL;
	future->executor = executor;
	future->is_promise = !executor;
	future->first = NULL;
	future->last = &future->first;
	future->hooks = NULL;
}

struct pxp_future *pxp_future_acquire(struct pxp_future *future)
{
	atomic_fetch_add_explicit(&future->n_references, 1, memory_order_relaxed);
	return future;
}

void pxp_future_release(struct pxp_future *future)
{
	if (!future || atomic_fetch_sub_explicit(&future->n_references, 1,
	                                         memory_order_acq_rel) != 1)
		return;

	/* Only a promise can come here with callbacks: they will never be called. */
	for (struct callback *callback = future->first, *next; callback;
	     callback = next) {
		next = callback->next;
		free(callback);
	}
	if (is_done(future_peek(future)))
		completion_fini(&future->completion);
	lock_fini(&future->lock);
	if (future->home)
		blocks_put(future->home, future);
	else
		free(future);
}

struct task *future_task(const struct pxp_future *future)
{
	return future->task;
}

void future_set_task(struct pxp_future *future, struct task *task)
{
	future->task = task;
}

static bool start(struct pxp_future *future)
{
	unsigned state = atomic_load(&future->state);

	while ((state & ~(unsigned)HAS_SLEEPERS) == PXP_PENDING) {
		if (atomic_compare_exchange_weak(&future->state, &state,
		                                 (state & HAS_SLEEPERS) | PXP_RUNNING))
			return true;
	}
	return false;
}

bool future_start(struct pxp_future *future)
{
	bool starts;

	/* An executor cancels what has not begun by taking it away from who would begin it;
	 * for a promise the lock decides. */
	if (!future->is_promise)
		return start(future);
	lock_acquire(&future->lock);
	starts = start(future);
	lock_release(&future->lock);
	return starts;
}

/* ---- hooks ---- */

void future_hook_add(struct pxp_future *future, struct future_hook *hook)
{
	enum pxp_future_state state;

	hook->next = NULL;
	hook->at = NULL;
	lock_acquire(&future->lock);
	state = future_peek(future);
	if (is_done(state)) {
		hook->tell(hook, state);
	} else {
		hook->next = future->hooks;
		hook->at = &future->hooks;
		if (hook->next)
			hook->next->at = &hook->next;
		future->hooks = hook;
	}
	lock_release(&future->lock);
}

void future_hook_remove(struct pxp_future *future, struct future_hook *hook)
{
	lock_acquire(&future->lock);
	if (hook->at) {
		*hook->at = hook->next;
		if (hook->next)
			hook->next->at = hook->at;
		hook->at = NULL;
	}
	lock_release(&future->lock);
}

/* With the lock held. */
static void tell_hooks(struct pxp_future *future)
{
	struct future_hook *hook;

	while ((hook = future->hooks)) {
		future->hooks = hook->next;
		hook->at = NULL;
		/* from here on it may be gone */
		hook->tell(hook, future->completion.state);
	}
}

bool future_is_ours(struct pxp_future *future)
{
	bool is_ours;

	lock_acquire(&future->lock);
	is_ours = executor_is_ours(future->executor);
	lock_release(&future->lock);
	return is_ours;
}

/* ---- completing ---- */

/* Who is to be told of the end, once the lock is given up. */
struct told {
	struct callback *callbacks;
	bool has_sleepers;
};

/* With the lock held, and the completion in its place. */
static struct told become_done(struct pxp_future *future)
{
	struct told told = {.callbacks = future->first};

	future->completion.outcome.log = future->completion.log;
	future->executor = NULL;
	future->first = NULL;
	future->last = &future->first;
	told.has_sleepers = atomic_exchange(&future->state, future->completion.state) &
	                    HAS_SLEEPERS;
	tell_hooks(future);
	return told;
}

/* Outside the lock: a callback may submit, cancel or drop a reference. */
static void tell(struct pxp_future *future, struct told told)
{
	if (told.has_sleepers)
		word_wake_all(&future->state);
	for (struct callback *callback = told.callbacks, *next; callback;
	     callback = next) {
		next = callback->next;
		callback->on_done(future, callback->data);
		free(callback);
	}
}

void future_complete_in_place(struct pxp_future *future, atomic_uint *n_idle)
{
	bool calls_back;
	struct told told;

	lock_acquire(&future->lock);
	calls_back = future->first != NULL;
	if (n_idle && !calls_back)
		atomic_fetch_add(n_idle, 1);
	told = become_done(future);
	lock_release(&future->lock);
	tell(future, told);
	if (n_idle && calls_back)
		atomic_fetch_add(n_idle, 1);
}

/* Complete it if its state is not beyond latest. The caller holds a reference that no
 * callback can drop. */
static bool complete(struct pxp_future *future, struct completion *completion,
                     enum pxp_future_state latest)
{
	struct told told = {0};
	bool is_first;

	lock_acquire(&future->lock);
	is_first = future_peek(future) <= latest;
	if (is_first) {
		future->completion = *completion;
		completion->result = NULL;
		completion->log = NULL;
		completion->output = completion->long_result = -1;
		completion->n_descriptors = 0;
		told = become_done(future);
	}
	lock_release(&future->lock);

	tell(future, told);
	return is_first;
}

bool future_complete(struct pxp_future *future, struct completion *completion)
{
	bool is_first;

	/* A callback may drop the last reference but ours. */
	pxp_future_acquire(future);
	is_first = complete(future, completion, PXP_RUNNING);
	pxp_future_release(future);
	return is_first;
}

enum pxp_status pxp_future_on_done(struct pxp_future *future, pxp_done_fn *on_done,
                                   void *data)
{
	struct callback *callback = malloc(sizeof(*callback));

	if (!callback)
		return PXP_ENOMEM;
	*callback = (struct callback){.on_done = on_done, .data = data};

	lock_acquire(&future->lock);
	if (!is_done(future_peek(future))) {
		*future->last = callback;
		future->last = &callback->next;
		callback = NULL;
	}
	lock_release(&future->lock);

	if (callback) {
		free(callback);
		on_done(future, data);
	}
	return PXP_OK;
}

/* ---- asking ---- */

/* The executor that is to complete it, with a reference that keeps it, or NULL. */
static struct pxp_executor *future_executor(struct pxp_future *future)
{
	struct pxp_executor *executor;

	lock_acquire(&future->lock);
	executor = future->executor;
	if (executor)
		executor_acquire(executor);
	lock_release(&future->lock);
	return executor;
}

enum pxp_future_state pxp_future_state(struct pxp_future *future)
{
	struct pxp_executor *executor = future_executor(future);
	bool has_begun = executor && executor_has_begun(executor, future);
	enum pxp_future_state state = future_peek(future);

	executor_release(executor);
	return state == PXP_PENDING && has_begun ? PXP_RUNNING : state;
}

bool pxp_future_is_done(struct pxp_future *future)
{
	return is_done(future_peek(future));
}

/* False when deadline_ns came first. */
static bool sleep_until_done(struct pxp_future *future, int64_t deadline_ns)
{
	unsigned state = atomic_load(&future->state);
	bool has_time = true;

	while (!is_done(state & ~(unsigned)HAS_SLEEPERS)) {
		if (!has_time)
			return false;
		if (!(state & HAS_SLEEPERS) &&
		    !atomic_compare_exchange_weak(&future->state, &state,
		                                  state | HAS_SLEEPERS))
			continue;
		has_time = word_wait_until(&future->state, state | HAS_SLEEPERS,
		                           deadline_ns);
		state = atomic_load(&future->state);
	}
	return true;
}

enum pxp_status pxp_future_wait(struct pxp_future *future, int64_t timeout_ms)
{
	if (pxp_future_is_done(future))
		return PXP_OK;
	if (timeout_ms == 0)
		return PXP_ETIMEOUT;
	if (future_is_ours(future))
		return PXP_EDEADLK;
	return sleep_until_done(future, clock_deadline_ns(clock_now_ns(), timeout_ms))
	               ? PXP_OK
	               : PXP_ETIMEOUT;
}

const struct pxp_outcome *pxp_future_outcome(struct pxp_future *future)
{
	return pxp_future_is_done(future) ? &future->completion.outcome : NULL;
}

enum pxp_status pxp_future_result(struct pxp_future *future, int64_t timeout_ms,
                                  void **ret_bytes, size_t *ret_n,
                                  struct pxp_error *ret_error)
{
	enum pxp_status status = pxp_future_wait(future, timeout_ms);
	const struct completion *completed = &future->completion;

	*ret_bytes = NULL;
	if (status != PXP_OK)
		return pxp_fail(ret_error, status, "%s", pxp_status_name(status));
	if (completed->state != PXP_FINISHED) {
		if (ret_error)
			*ret_error = completed->outcome.error;
		return completed->outcome.error.status;
	}
	if (atomic_exchange(&future->is_taken, true))
		return pxp_fail(ret_error, PXP_ESTATE, "the result was taken before");
	*ret_bytes = completed->result;
	future->completion.result = NULL;
	if (ret_n)
		*ret_n = completed->n_result;
	return PXP_OK;
}

int pxp_future_take_output(struct pxp_future *future)
{
	int output = -1;

	lock_acquire(&future->lock);
	if (future_peek(future) == PXP_FINISHED) {
		output = future->completion.output;
		future->completion.output = -1;
	}
	lock_release(&future->lock);
	return output;
}

int pxp_future_take_descriptor(struct pxp_future *future, unsigned index)
{
	int descriptor = -1;

	lock_acquire(&future->lock);
	if (future_peek(future) == PXP_FINISHED &&
	    index < future->completion.n_descriptors) {
		descriptor = future->completion.descriptors[index];
		future->completion.descriptors[index] = -1;
	}
	lock_release(&future->lock);
	return descriptor;
}

bool pxp_future_cancel(struct pxp_future *future)
{
	return pxp_future_cancel_with(future, PXP_CANCEL_PENDING);
}

bool pxp_future_cancel_with(struct pxp_future *future, enum pxp_cancel force)
{
	struct pxp_executor *executor = future_executor(future);
	struct completion cancelled = completion_cancelled("cancelled");
	bool is_cancelled;

	/* A callback may drop the last reference but ours. */
	pxp_future_acquire(future);
	/* An executor takes its task out of its own hands first. */
	if (executor)
		executor_cancel(executor, future, force);
	else
		complete(future, &cancelled, PXP_PENDING);
	executor_release(executor);
	is_cancelled = future_peek(future) == PXP_CANCELLED;
	pxp_future_release(future);
	return is_cancelled;
}

struct pxp_progress pxp_future_progress(struct pxp_future *future)
{
	struct pxp_executor *executor = future_executor(future);
	struct pxp_progress progress = {0};

	if (executor)
		progress = executor_progress(executor, future);
	executor_release(executor);
	if (pxp_future_is_done(future))
		progress = future->completion.outcome.progress;
	return progress;
}
