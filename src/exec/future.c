#include "exec/future.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/lock.h"
#include "exec/executor.h"

#include <stdatomic.h>
#include <stdlib.h>

struct callback {
	pxp_done_fn *on_done;
	void *data;
	struct callback *next;
};

struct pxp_future {
	atomic_uint n_references;
	bool is_promise;   /* for good: no executor settles it */
	struct task *task; /* guarded by the executor's lock */

	struct lock lock;       /* guards all below */
	struct cond is_settled; /* state became a done one */
	enum pxp_future_state state;
	struct pxp_executor *executor; /* who will settle it; NULL: a promise, or done */
	struct settlement settled;     /* good once done; result and output move out */
	bool result_is_taken;
	struct callback *first, **last;
	struct future_hook *hooks;
};

static bool is_done(enum pxp_future_state state)
{
	return state >= PXP_FINISHED;
}

struct settlement settlement_of(enum pxp_future_state state)
{
	return (struct settlement){.state = state, .output = -1, .long_result = -1};
}

struct settlement settlement_cancelled(const char *why)
{
	struct settlement settlement = settlement_of(PXP_CANCELLED);

	pxp_fail(&settlement.outcome.error, PXP_ECANCELLED, "%s", why);
	return settlement;
}

void settlement_load(struct settlement *settlement)
{
	size_t n = settlement->n_result;
	struct pxp_error error;
	ssize_t got;

	if (settlement->long_result < 0)
		return;
	settlement->result = malloc(n);
	got = settlement->result
	              ? fd_pread_full(settlement->long_result, settlement->result, n, 0)
	              : -1;
	fd_close(&settlement->long_result);
	if (got == (ssize_t)n)
		return;
	if (settlement->result)
		pxp_fail(&error, PXP_EPROTO, "the result became shorter than it was");
	else
		pxp_fail(&error, PXP_ENOMEM, "no memory for a result of %zu bytes", n);
	settlement_fini(settlement);
	settlement->state = PXP_FAILED;
	settlement->outcome.error = error;
}

void settlement_fini(struct settlement *settlement)
{
	free(settlement->result);
	free(settlement->log);
	settlement->result = NULL;
	settlement->log = NULL;
	fd_close(&settlement->output);
	fd_close(&settlement->long_result);
	for (unsigned i = 0; i < settlement->n_descriptors; i++)
		fd_close(&settlement->descriptors[i]);
	settlement->n_descriptors = 0;
}

struct pxp_future *future_create(struct pxp_executor *executor)
{
	struct pxp_future *future = calloc(1, sizeof(*future));

	if (!future)
		return NULL;
	atomic_init(&future->n_references, 1);
	lock_init(&future->lock);
	cond_init(&future->is_settled);
	future->executor = executor;
	future->is_promise = !executor;
	future->settled.output = future->settled.long_result = -1;
	future->last = &future->first;
	return future;
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
	settlement_fini(&future->settled);
	cond_fini(&future->is_settled);
	lock_fini(&future->lock);
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

bool future_start(struct pxp_future *future)
{
	bool starts;

	lock_acquire(&future->lock);
	starts = future->state == PXP_PENDING;
	if (starts)
		future->state = PXP_RUNNING;
	lock_release(&future->lock);
	return starts;
}

/* ---- hooks ---- */

void future_hook_add(struct pxp_future *future, struct future_hook *hook)
{
	hook->next = NULL;
	hook->at = NULL;
	lock_acquire(&future->lock);
	if (is_done(future->state)) {
		hook->tell(hook, future->state);
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
		hook->tell(hook, future->state); /* from here on it may be gone */
	}
}

enum pxp_future_state future_peek(struct pxp_future *future)
{
	enum pxp_future_state state;

	lock_acquire(&future->lock);
	state = future->state;
	lock_release(&future->lock);
	return state;
}

bool future_is_ours(struct pxp_future *future)
{
	bool is_ours;

	lock_acquire(&future->lock);
	is_ours = executor_is_ours(future->executor);
	lock_release(&future->lock);
	return is_ours;
}

/* ---- settling ---- */

/* Settle it if its state is not beyond latest. */
static bool settle(struct pxp_future *future, struct settlement *settlement,
                   enum pxp_future_state latest)
{
	struct callback *callbacks = NULL;
	bool is_first;

	/* A callback may drop the last reference but ours. */
	pxp_future_acquire(future);

	lock_acquire(&future->lock);
	is_first = future->state <= latest;
	if (is_first) {
		future->settled = *settlement;
		settlement->result = NULL;
		settlement->log = NULL;
		settlement->output = -1;
		settlement->n_descriptors = 0;
		future->settled.outcome.log = future->settled.log;
		future->state = future->settled.state;
		future->executor = NULL;
		callbacks = future->first;
		future->first = NULL;
		future->last = &future->first;
		cond_broadcast(&future->is_settled);
		tell_hooks(future);
	}
	lock_release(&future->lock);

	/* Outside the lock: a callback may submit, cancel or drop a reference. */
	for (struct callback *next; callbacks; callbacks = next) {
		next = callbacks->next;
		callbacks->on_done(future, callbacks->data);
		free(callbacks);
	}
	pxp_future_release(future);
	return is_first;
}

bool future_settle(struct pxp_future *future, struct settlement *settlement)
{
	return settle(future, settlement, PXP_RUNNING);
}

enum pxp_status pxp_future_on_done(struct pxp_future *future, pxp_done_fn *on_done,
                                   void *data)
{
	struct callback *callback = malloc(sizeof(*callback));

	if (!callback)
		return PXP_ENOMEM;
	*callback = (struct callback){.on_done = on_done, .data = data};

	lock_acquire(&future->lock);
	if (!is_done(future->state)) {
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

/* The executor that is to settle it, with a reference that keeps it, or NULL. */
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
	enum pxp_future_state state;
	bool has_begun = executor && executor_has_begun(executor, future);

	lock_acquire(&future->lock);
	state = future->state;
	lock_release(&future->lock);
	executor_release(executor);
	return state == PXP_PENDING && has_begun ? PXP_RUNNING : state;
}

bool pxp_future_is_done(struct pxp_future *future)
{
	lock_acquire(&future->lock);

	bool done = is_done(future->state);

	lock_release(&future->lock);
	return done;
}

enum pxp_status pxp_future_wait(struct pxp_future *future, int64_t timeout_ms)
{
	int64_t deadline_ns = clock_deadline_ns(clock_now_ns(), timeout_ms);
	bool has_time = true;
	enum pxp_status status = PXP_OK;

	lock_acquire(&future->lock);
	while (status == PXP_OK && !is_done(future->state)) {
		if (timeout_ms != 0 && executor_is_ours(future->executor))
			status = PXP_EDEADLK;
		else if (!has_time || timeout_ms == 0)
			status = PXP_ETIMEOUT;
		else
			has_time = cond_wait_until(&future->is_settled, &future->lock,
			                           deadline_ns);
	}
	lock_release(&future->lock);
	return status;
}

const struct pxp_outcome *pxp_future_outcome(struct pxp_future *future)
{
	return pxp_future_is_done(future) ? &future->settled.outcome : NULL;
}

enum pxp_status pxp_future_result(struct pxp_future *future, int64_t timeout_ms,
                                  void **ret_bytes, size_t *ret_n,
                                  struct pxp_error *ret_error)
{
	enum pxp_status status = pxp_future_wait(future, timeout_ms);

	*ret_bytes = NULL;
	if (status != PXP_OK)
		return pxp_fail(ret_error, status, "%s", pxp_status_name(status));

	lock_acquire(&future->lock);
	if (future->state != PXP_FINISHED) {
		status = future->settled.outcome.error.status;
		if (ret_error)
			*ret_error = future->settled.outcome.error;
	} else if (future->result_is_taken) {
		status = pxp_fail(ret_error, PXP_ESTATE, "the result was taken before");
	} else {
		future->result_is_taken = true;
		*ret_bytes = future->settled.result;
		future->settled.result = NULL;
		if (ret_n)
			*ret_n = future->settled.n_result;
	}
	lock_release(&future->lock);
	return status;
}

int pxp_future_take_output(struct pxp_future *future)
{
	int output = -1;

	lock_acquire(&future->lock);
	if (future->state == PXP_FINISHED) {
		output = future->settled.output;
		future->settled.output = future->settled.long_result = -1;
	}
	lock_release(&future->lock);
	return output;
}

bool pxp_future_cancel(struct pxp_future *future)
{
	return pxp_future_cancel_with(future, PXP_CANCEL_PENDING);
}

bool pxp_future_cancel_with(struct pxp_future *future, enum pxp_cancel force)
{
	struct pxp_executor *executor = future_executor(future);
	struct settlement cancelled = settlement_cancelled("cancelled");

	/* An executor takes its task out of its own hands first. */
	if (executor)
		executor_cancel(executor, future, force);
	else
		settle(future, &cancelled, PXP_PENDING);
	executor_release(executor);
	return pxp_future_state(future) == PXP_CANCELLED;
}

struct pxp_progress pxp_future_progress(struct pxp_future *future)
{
	struct pxp_executor *executor = future_executor(future);
	struct pxp_progress progress = {0};

	if (executor)
		progress = executor_progress(executor, future);
	executor_release(executor);

	lock_acquire(&future->lock);
	if (is_done(future->state))
		progress = future->settled.outcome.progress;
	lock_release(&future->lock);
	return progress;
}

int pxp_future_take_descriptor(struct pxp_future *future, unsigned index)
{
	int descriptor = -1;

	lock_acquire(&future->lock);
	if (future->state == PXP_FINISHED && index < future->settled.n_descriptors) {
		descriptor = future->settled.descriptors[index];
		future->settled.descriptors[index] = -1;
	}
	lock_release(&future->lock);
	return descriptor;
}

struct pxp_future *pxp_promise_create(void)
{
	return future_create(NULL);
}

static bool is_promise(const struct pxp_future *future)
{
	return future->is_promise;
}

bool pxp_promise_start(struct pxp_future *promise)
{
	return is_promise(promise) && future_start(promise);
}

enum pxp_status pxp_promise_finish(struct pxp_future *promise, void **bytes, size_t n)
{
	struct settlement finished = settlement_of(PXP_FINISHED);

	finished.result = *bytes;
	finished.n_result = n;
	if (!is_promise(promise))
		return PXP_EINVAL;
	if (!future_settle(promise, &finished))
		return PXP_ESTATE;
	*bytes = NULL;
	return PXP_OK;
}

enum pxp_status pxp_promise_fail(struct pxp_future *promise,
                                 const struct pxp_error *error)
{
	struct settlement failed = settlement_of(
		error->status == PXP_ECANCELLED ? PXP_CANCELLED : PXP_FAILED);

	if (error->status == PXP_OK || !is_promise(promise))
		return PXP_EINVAL;
	failed.outcome.error = *error;
	return future_settle(promise, &failed) ? PXP_OK : PXP_ESTATE;
}
