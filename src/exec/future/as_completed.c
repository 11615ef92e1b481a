/* pxp_as_completed_*(): returns futures in the order in which they are done. */
#include <pixpool/wait.h>

#include "base/clock.h"
#include "exec/future/waiter.h"

#include <stdlib.h>

struct entry {
	/* `watch` is the first member, so a pointer to the watch is also a pointer to the entry. */
	struct watch watch;
	/* The future, with one reference; NULL once it was returned. */
	struct pxp_future *future;
};

struct pxp_as_completed {
	struct waiter waiter;
	int64_t deadline_ns;
	/* The future that was returned last, with one reference; NULL: none. */
	struct pxp_future *given;
	size_t n, n_left;
	/* A wait for the first n_checked futures cannot deadlock in the context with the number
	 * context_number. The next wait in this context checks only the other futures. If each wait
	 * checked all futures, n waits would take n * n / 2 locks. */
	size_t n_checked;
	uint64_t context_number;
	struct entry entries[];
};

/* A set of pointers: a hash table with open addressing, at most half full. */
struct seen {
	const void **slots;
	size_t mask;
};

static bool seen_init(struct seen *seen, size_t n)
{
	size_t n_slots = 2;

	while (n_slots / 2 < n && n_slots <= SIZE_MAX / 2)
		n_slots *= 2;
	seen->slots = calloc(n_slots, sizeof(*seen->slots));
	seen->mask = n_slots - 1;
	return seen->slots;
}

/* Add a pointer. Returns false if the pointer is in the set already. */
static bool seen_add(struct seen *seen, const void *pointer)
{
	uint64_t spread = (uint64_t)(uintptr_t)pointer * 0x9e3779b97f4a7c15;
	size_t at = (size_t)(spread >> 32) & seen->mask;

	for (; seen->slots[at]; at = (at + 1) & seen->mask) {
		if (seen->slots[at] == pointer)
			return false;
	}
	seen->slots[at] = pointer;
	return true;
}

enum pxp_status pxp_as_completed_open(struct pxp_future *const *futures, size_t n,
                                      int64_t timeout_ms,
                                      struct pxp_as_completed **ret_iteration)
{
	int64_t deadline_ns = clock_deadline_ns(clock_now_ns(), timeout_ms);
	struct pxp_as_completed *iteration = NULL;
	struct seen seen = {0};
	size_t n_bytes;

	*ret_iteration = NULL;
	if (__builtin_mul_overflow(n, sizeof(struct entry), &n_bytes) ||
	    __builtin_add_overflow(n_bytes, sizeof(*iteration), &n_bytes) ||
	    !(iteration = calloc(1, n_bytes)) || !seen_init(&seen, n)) {
		free(iteration);
		return PXP_ENOMEM;
	}

	for (size_t i = 0; i < n; i++) {
		if (seen_add(&seen, futures[i]))
			iteration->entries[iteration->n++].future = pxp_future_acquire(
				futures[i]);
	}
	free(seen.slots);

	waiter_init(&iteration->waiter);
	iteration->deadline_ns = deadline_ns;
	iteration->n_left = iteration->n;
	for (size_t i = 0; i < iteration->n; i++)
		waiter_watch(&iteration->waiter, &iteration->entries[i].watch,
		             iteration->entries[i].future);
	*ret_iteration = iteration;
	return PXP_OK;
}

/* Whether a wait in this thread might never end: a future of the iteration is not done, and this
 * thread runs a task or a callback of the executor that must complete that future. */
static bool would_deadlock(struct pxp_as_completed *iteration)
{
	uint64_t number = owner_context_number();

	if (number == 0)
		return false;
	if (number != iteration->context_number)
		iteration->n_checked = 0;
	iteration->context_number = number;
	for (; iteration->n_checked < iteration->n; iteration->n_checked++) {
		struct pxp_future *future =
			iteration->entries[iteration->n_checked].future;

		if (future && future_would_deadlock(future))
			return true;
	}
	return false;
}

static enum pxp_status await_next(struct pxp_as_completed *iteration)
{
	size_t n_given = iteration->n - iteration->n_left;
	bool has_time = iteration->deadline_ns < 0 ||
	                clock_now_ns() < iteration->deadline_ns;

	if (has_time && would_deadlock(iteration))
		return PXP_EDEADLK;
	return waiter_await(&iteration->waiter, n_given + 1, SIZE_MAX,
	                    iteration->deadline_ns)
	               ? PXP_OK
	               : PXP_ETIMEOUT;
}

enum pxp_status pxp_as_completed_next(struct pxp_as_completed *iteration,
                                      struct pxp_future **ret_future)
{
	struct entry *entry;
	enum pxp_status status;

	*ret_future = NULL;
	pxp_future_release(iteration->given);
	iteration->given = NULL;
	if (iteration->n_left == 0)
		return PXP_OK;
	entry = (struct entry *)waiter_take(&iteration->waiter);
	if (!entry) {
		status = await_next(iteration);
		if (status != PXP_OK)
			return status;
		entry = (struct entry *)waiter_take(&iteration->waiter);
	}
	*ret_future = iteration->given = entry->future;
	entry->future = NULL;
	iteration->n_left--;
	return PXP_OK;
}

size_t pxp_as_completed_left(const struct pxp_as_completed *iteration)
{
	return iteration->n_left;
}

void pxp_as_completed_close(struct pxp_as_completed *iteration)
{
	if (!iteration)
		return;
	for (size_t i = 0; i < iteration->n; i++) {
		struct entry *entry = &iteration->entries[i];

		if (!entry->future)
			continue;
		waiter_unwatch(&entry->watch, entry->future);
		pxp_future_release(entry->future);
	}
	pxp_future_release(iteration->given);
	waiter_fini(&iteration->waiter);
	free(iteration);
}
