/*
 * Futures and promises: the first completion wins, and later ones are refused.
 *
 * A thread that waits for one future sleeps on the word that holds the state of the future. A
 * waiter for several futures adds a hook to each of them (waiter.h).
 */
#include "exec/future/future.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "exec/future/completion.h"
#include "exec/future/waiter.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- completions (completion.h describes these functions) ---- */

void completion_init(struct completion *completion, enum pxp_future_state state)
{
	struct pxp_outcome *outcome = &completion->outcome;
	size_t after_error = offsetof(struct pxp_outcome, error) + sizeof(outcome->error);

	completion->state = state;
	completion->output = completion->long_result = -1;
	completion->result = NULL;
	completion->n_result = 0;
	completion->n_descriptors = 0;
	completion->log = NULL;
	error_clear(&outcome->error);
	memset((char *)outcome + after_error, 0, sizeof(*outcome) - after_error);
}

struct completion completion_of(enum pxp_future_state state)
{
	return (struct completion){.state = state, .output = -1, .long_result = -1};
}

struct completion completion_cancelled(const char *text)
{
	struct completion completion = completion_of(PXP_CANCELLED);

	pxp_fail(&completion.outcome.error, PXP_ECANCELLED, "%s", text);
	return completion;
}

void completion_load(struct completion *completion)
{
	size_t n = completion->n_result;
	struct pxp_error error;
	ssize_t got;

	if (completion->long_result < 0)
		return;
	completion->result = malloc(n);
	got = completion->result
	              ? fd_pread_full(completion->long_result, completion->result, n, 0)
	              : -1;
	fd_close(&completion->long_result);
	if (got == (ssize_t)n)
		return;
	if (!completion->result)
		pxp_fail(&error, PXP_ENOMEM, "no memory for a result of %zu bytes", n);
	else if (got < 0)
		pxp_fail_errno(&error, "the result cannot be read");
	else
		pxp_fail(&error, PXP_EPROTO,
		         "the result became shorter while it was read");
	completion_fini(completion);
	completion->state = PXP_FAILED;
	completion->outcome.error = error;
}

void completion_fini(struct completion *completion)
{
	free(completion->result);
	free(completion->log);
	completion->result = NULL;
	completion->log = NULL;
	fd_close(&completion->output);
	fd_close(&completion->long_result);
	for (unsigned i = 0; i < completion->n_descriptors; i++)
		fd_close(&completion->descriptors[i]);
	completion->n_descriptors = 0;
}

struct callback {
	pxp_done_fn *on_done;
	void *data;
	struct callback *next;
};

/* A bit in the word of the state. It says that a thread sleeps on this word until the future is
 * done. */
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

void future_init(struct pxp_future *future, struct future_owner *owner,
                 future_free_fn *free_memory)
{
	atomic_init(&future->n_references, 1);
	atomic_init(&future->state, PXP_PENDING);
	atomic_init(&future->is_taken, false);
	atomic_init(&future->tag, NULL);
	lock_init(&future->lock);
	future->free = free_memory;
	future->owner = owner;
	future->is_promise = !owner;
	future->first = NULL;
	future->last = &future->first;
	future->hooks = NULL;
}

void pxp_future_set_tag(struct pxp_future *future, void *tag)
{
	atomic_store(&future->tag, tag);
}

void *pxp_future_tag(struct pxp_future *future)
{
	return atomic_load(&future->tag);
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

	/* Only a promise that was never completed still has callbacks here. They are freed, not
	 * called. */
	for (struct callback *callback = future->first, *next; callback;
	     callback = next) {
		next = callback->next;
		free(callback);
	}
	if (is_done(future_peek(future)))
		completion_fini(&future->completion);
	lock_fini(&future->lock);
	future->free(future);
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

	/* The future of a task needs no lock here: the task cannot be cancelled at the same moment,
	 * because a cancel first takes a pending task back from the worker that would start it. A
	 * promise needs the lock, because any thread may cancel a promise at any time. */
	if (!future->is_promise)
		return start(future);
	lock_acquire(&future->lock);
	starts = start(future);
	lock_release(&future->lock);
	return starts;
}

/* ---- hooks ---- */

/* Adding a hook cannot fail, because nothing is allocated. */
static void future_hook_add(struct pxp_future *future, struct future_hook *hook)
{
	enum pxp_future_state state;

	hook->next = NULL;
	hook->at = NULL;
	lock_acquire(&future->lock);
	state = future_peek(future);
	if (is_done(state)) {
		hook->notify(hook, state);
	} else {
		hook->next = future->hooks;
		hook->at = &future->hooks;
		if (hook->next)
			hook->next->at = &hook->next;
		future->hooks = hook;
	}
	lock_release(&future->lock);
}

/* Remove a hook in constant time. Does nothing if the hook has already notified. The caller holds a
 * reference to the future. */
static void future_hook_remove(struct pxp_future *future, struct future_hook *hook)
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

/* Called with the lock held. */
static void notify_hooks(struct pxp_future *future)
{
	struct future_hook *hook;

	while ((hook = future->hooks)) {
		future->hooks = hook->next;
		hook->at = NULL;
		/* The notification may free the hook. */
		hook->notify(hook, future->completion.state);
	}
}

bool future_would_deadlock(struct pxp_future *future)
{
	bool would_deadlock;

	lock_acquire(&future->lock);
	would_deadlock = owner_is_own_thread(future->owner);
	lock_release(&future->lock);
	return would_deadlock;
}

/* ---- completion ---- */

/* What a completion must do once the lock is released: call the callbacks, and wake the sleeping
 * threads. */
struct notification {
	struct callback *callbacks;
	bool has_sleepers;
};

/* Called with the lock held and with future->completion filled in. */
static struct notification become_done(struct pxp_future *future)
{
	struct notification notification = {.callbacks = future->first};
	unsigned before;

	future->completion.outcome.log = future->completion.log;
	future->owner = NULL;
	future->first = NULL;
	future->last = &future->first;
	before = atomic_exchange(&future->state, future->completion.state);
	notification.has_sleepers = before & HAS_SLEEPERS;
	notify_hooks(future);
	return notification;
}

/* Called without the lock, because a callback may submit, cancel or release a reference. */
static void notify(struct pxp_future *future, struct notification notification)
{
	if (notification.has_sleepers)
		word_wake_all(&future->state);
	for (struct callback *callback = notification.callbacks, *next; callback;
	     callback = next) {
		next = callback->next;
		callback->on_done(future, callback->data);
		free(callback);
	}
}

struct completion *future_completion(struct pxp_future *future)
{
	return &future->completion;
}

void future_complete_in_place(struct pxp_future *future, atomic_uint *n_idle)
{
	struct notification notification;
	bool has_callbacks;

	lock_acquire(&future->lock);
	has_callbacks = future->first != NULL;
	if (n_idle && !has_callbacks)
		atomic_fetch_add(n_idle, 1);
	notification = become_done(future);
	lock_release(&future->lock);
	notify(future, notification);
	if (n_idle && has_callbacks)
		atomic_fetch_add(n_idle, 1);
}

/* Complete the future if its state is `latest` or an earlier one. Returns false if the state is
 * later. The caller holds a reference that no callback can release. */
static bool complete(struct pxp_future *future, struct completion *completion,
                     enum pxp_future_state latest)
{
	struct notification notification = {0};
	bool is_first;

	lock_acquire(&future->lock);
	is_first = future_peek(future) <= latest;
	if (is_first) {
		future->completion = *completion;
		*completion = completion_of(completion->state);
		notification = become_done(future);
	}
	lock_release(&future->lock);

	notify(future, notification);
	return is_first;
}

bool future_complete(struct pxp_future *future, struct completion *completion)
{
	bool is_first;

	/* A callback may release every other reference, so this function holds its own. */
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

/* ---- reading the state and the outcome ---- */

/* Get the owner with a reference to it; NULL for a promise and for a done future. */
static struct future_owner *acquire_owner(struct pxp_future *future)
{
	struct future_owner *owner;

	lock_acquire(&future->lock);
	owner = future->owner;
	if (owner)
		owner->table->acquire(owner);
	lock_release(&future->lock);
	return owner;
}

static void release_owner(struct future_owner *owner)
{
	if (owner)
		owner->table->release(owner);
}

enum pxp_future_state pxp_future_state(struct pxp_future *future)
{
	struct future_owner *owner = acquire_owner(future);
	bool has_begun = owner && owner->table->has_begun(owner, future);
	enum pxp_future_state state = future_peek(future);

	release_owner(owner);
	return state == PXP_PENDING && has_begun ? PXP_RUNNING : state;
}

bool pxp_future_is_done(struct pxp_future *future)
{
	return is_done(future_peek(future));
}

/* Wait for the future. Returns false if deadline_ns passed first. */
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
	if (future_would_deadlock(future))
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
	struct completion *completion = &future->completion;

	*ret_bytes = NULL;
	if (status != PXP_OK)
		return pxp_fail(ret_error, status, "%s", pxp_status_name(status));
	if (completion->state != PXP_FINISHED) {
		if (ret_error)
			*ret_error = completion->outcome.error;
		return completion->outcome.error.status;
	}
	if (atomic_exchange(&future->is_taken, true))
		return pxp_fail(ret_error, PXP_ESTATE, "the result was already taken");
	*ret_bytes = completion->result;
	completion->result = NULL;
	if (ret_n)
		*ret_n = completion->n_result;
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
	struct future_owner *owner = acquire_owner(future);
	struct completion cancelled = completion_cancelled("cancelled");
	bool is_cancelled;

	/* A callback may release every other reference, so this function holds its own. */
	pxp_future_acquire(future);
	if (owner)
		owner->table->cancel(owner, future, force);
	else
		complete(future, &cancelled, PXP_PENDING);
	release_owner(owner);
	is_cancelled = future_peek(future) == PXP_CANCELLED;
	pxp_future_release(future);
	return is_cancelled;
}

struct pxp_progress pxp_future_progress(struct pxp_future *future)
{
	struct future_owner *owner = acquire_owner(future);
	struct pxp_progress progress = {0};

	if (owner)
		progress = owner->table->progress(owner, future);
	release_owner(owner);
	if (pxp_future_is_done(future))
		progress = future->completion.outcome.progress;
	return progress;
}

/* ---- promises ---- */

static void free_promise(struct pxp_future *promise)
{
	free(promise);
}

struct pxp_future *pxp_promise_create(void)
{
	struct pxp_future *promise = malloc(sizeof(*promise));

	if (promise)
		future_init(promise, NULL, free_promise);
	return promise;
}

bool pxp_promise_start(struct pxp_future *promise)
{
	return promise->is_promise && future_start(promise);
}

enum pxp_status pxp_promise_finish(struct pxp_future *promise, void **bytes, size_t n)
{
	struct completion finished = completion_of(PXP_FINISHED);

	finished.result = *bytes;
	finished.n_result = n;
	if (!promise->is_promise)
		return PXP_EINVAL;
	if (!future_complete(promise, &finished))
		return PXP_ESTATE;
	*bytes = NULL;
	return PXP_OK;
}

enum pxp_status pxp_promise_fail(struct pxp_future *promise,
                                 const struct pxp_error *error)
{
	struct completion failed = completion_of(
		error->status == PXP_ECANCELLED ? PXP_CANCELLED : PXP_FAILED);

	if (error->status == PXP_OK || !promise->is_promise)
		return PXP_EINVAL;
	failed.outcome.error = *error;
	return future_complete(promise, &failed) ? PXP_OK : PXP_ESTATE;
}

/* ---- waiters: each future notifies them through a hook ---- */

void waiter_init(struct waiter *waiter)
{
	*waiter = (struct waiter){.enough_done = SIZE_MAX, .enough_failed = SIZE_MAX};
	waiter->last = &waiter->first;
	lock_init(&waiter->lock);
	cond_init(&waiter->has_enough);
}

void waiter_fini(struct waiter *waiter)
{
	cond_fini(&waiter->has_enough);
	lock_fini(&waiter->lock);
}

static bool has_enough(const struct waiter *waiter)
{
	return waiter->n_done >= waiter->enough_done ||
	       waiter->n_failed >= waiter->enough_failed;
}

/* Called with the future's lock held. Once the waiter's lock is released, the thread that takes the
 * watch may free the watch. */
static void notify_waiter(struct future_hook *hook, enum pxp_future_state state)
{
	struct watch *watch = (struct watch *)((char *)hook -
	                                       offsetof(struct watch, hook));
	struct waiter *waiter = watch->waiter;

	lock_acquire(&waiter->lock);
	watch->next = NULL;
	*waiter->last = watch;
	waiter->last = &watch->next;
	waiter->n_done++;
	waiter->n_failed += state == PXP_FAILED;
	if (has_enough(waiter))
		cond_signal(&waiter->has_enough);
	lock_release(&waiter->lock);
}

void waiter_watch(struct waiter *waiter, struct watch *watch, struct pxp_future *future)
{
	watch->hook.notify = notify_waiter;
	watch->waiter = waiter;
	future_hook_add(future, &watch->hook);
}

void waiter_unwatch(struct watch *watch, struct pxp_future *future)
{
	future_hook_remove(future, &watch->hook);
}

bool waiter_await(struct waiter *waiter, size_t n_done, size_t n_failed,
                  int64_t deadline_ns)
{
	bool has_time = true, is_enough;

	lock_acquire(&waiter->lock);
	waiter->enough_done = n_done;
	waiter->enough_failed = n_failed;
	while (!has_enough(waiter) && has_time)
		has_time = cond_wait_until(&waiter->has_enough, &waiter->lock,
		                           deadline_ns);
	is_enough = has_enough(waiter);
	waiter->enough_done = waiter->enough_failed = SIZE_MAX;
	lock_release(&waiter->lock);
	return is_enough;
}

struct watch *waiter_take(struct waiter *waiter)
{
	struct watch *watch;

	lock_acquire(&waiter->lock);
	watch = waiter->first;
	if (watch) {
		waiter->first = watch->next;
		if (!waiter->first)
			waiter->last = &waiter->first;
	}
	lock_release(&waiter->lock);
	return watch;
}
