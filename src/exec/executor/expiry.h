/* The queued tasks that must have begun by a time, as a binary heap: the next one first. */
#ifndef PXP_EXPIRY_H
#define PXP_EXPIRY_H

#include "exec/executor/task.h"

struct expiry {
	struct task **tasks; /* tasks[i]->heap_index is i */
	size_t n, capacity;
};

/* Make room for one more; false when memory ran out. */
bool expiry_reserve(struct expiry *expiry);
/* Add a task; there is room for it. Nothing for one that does not expire. */
void expiry_add(struct expiry *expiry, struct task *task);
/* Take a task out. Nothing for one that does not expire. */
void expiry_remove(struct expiry *expiry, struct task *task);
/* When the first of them expires; -1: none does. */
int64_t expiry_next_ns(const struct expiry *expiry);
void expiry_fini(struct expiry *expiry);

#endif
