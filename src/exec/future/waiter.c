/* Waits for many futures: each notifies the waiter through a hook. */
#include "exec/future/waiter.h"

#include <stddef.h>

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

/* With the future's lock held. Once the waiter's lock is released, the thread that takes the watch
 * may free it. */
static void notify(struct future_hook *hook, enum pxp_future_state state)
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
	watch->hook.notify = notify;
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
