/* The list of the owners that a thread works for. Each thread has its own list, with the innermost
 * owner first. */
#include "exec/future/owner.h"

#include <stdatomic.h>
#include <stddef.h>

static _Thread_local struct owner_context *innermost;

void owner_enter(struct owner_context *context, const struct future_owner *owner)
{
	static atomic_uint_least64_t n_contexts;

	context->owner = owner;
	context->outer = innermost;
	context->number =
		atomic_fetch_add_explicit(&n_contexts, 1, memory_order_relaxed) + 1;
	innermost = context;
}

void owner_leave(struct owner_context *context)
{
	innermost = context->outer;
}

void owner_adopt_thread(const struct future_owner *owner)
{
	static _Thread_local struct owner_context context;

	owner_enter(&context, owner);
}

bool owner_is_own_thread(const struct future_owner *owner)
{
	const struct owner_context *context = owner ? innermost : NULL;

	while (context && context->owner != owner)
		context = context->outer;
	return context != NULL;
}

uint64_t owner_context_number(void)
{
	return innermost ? innermost->number : 0;
}
