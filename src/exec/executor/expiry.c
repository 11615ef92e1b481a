#include "exec/executor/expiry.h"

#include <stdlib.h>

static void put(struct expiry *expiry, size_t index, struct task *task)
{
	expiry->tasks[index] = task;
	task->heap_index = index;
}

/* Move the task at index towards the root until its parent is earlier. */
static void rise(struct expiry *expiry, size_t index)
{
	struct task *task = expiry->tasks[index];

	while (index > 0) {
		size_t parent = (index - 1) / 2;

		if (expiry->tasks[parent]->expires_ns <= task->expires_ns)
			break;
		put(expiry, index, expiry->tasks[parent]);
		index = parent;
	}
	put(expiry, index, task);
}

/* Move the task at index away from the root until its children are later. */
static void sink(struct expiry *expiry, size_t index)
{
	struct task *task = expiry->tasks[index];

	for (size_t child; (child = 2 * index + 1) < expiry->n; index = child) {
		if (child + 1 < expiry->n && expiry->tasks[child + 1]->expires_ns <
		                                     expiry->tasks[child]->expires_ns)
			child++;
		if (task->expires_ns <= expiry->tasks[child]->expires_ns)
			break;
		put(expiry, index, expiry->tasks[child]);
	}
	put(expiry, index, task);
}

bool expiry_reserve(struct expiry *expiry)
{
	size_t capacity = expiry->capacity > 0 ? 2 * expiry->capacity : 16;
	struct task **tasks;

	if (expiry->n < expiry->capacity)
		return true;
	tasks = reallocarray(expiry->tasks, capacity, sizeof(struct task *));
	if (!tasks)
		return false;
	expiry->tasks = tasks;
	expiry->capacity = capacity;
	return true;
}

void expiry_add(struct expiry *expiry, struct task *task)
{
	if (task->expires_ns < 0)
		return;
	put(expiry, expiry->n++, task);
	rise(expiry, task->heap_index);
}

void expiry_remove(struct expiry *expiry, struct task *task)
{
	size_t index = task->heap_index;
	struct task *last;

	if (task->expires_ns < 0)
		return;
	last = expiry->tasks[--expiry->n];
	if (last == task)
		return;
	put(expiry, index, last);
	rise(expiry, index);
	sink(expiry, last->heap_index);
}

int64_t expiry_next_ns(const struct expiry *expiry)
{
	return expiry->n > 0 ? expiry->tasks[0]->expires_ns : -1;
}

void expiry_fini(struct expiry *expiry)
{
	free(expiry->tasks);
}
