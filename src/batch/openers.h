/*
 * Calls of the file system that may never return: open(), stat() and getdents64() on a share whose server is
 * dead. On file systems of networks and of FUSE they are made by other processes, the openers, and given up
 * after a while. A thread would not do, because a process with a thread in such a call cannot end.
 *
 * Any thread may use the calls, several at once.
 */
#ifndef PXP_OPENERS_H
#define PXP_OPENERS_H

#include "walk/walk.h"

#include <stdint.h>

struct openers;

struct openers_options {
	int64_t timeout_ms; /* until a call is given up: it fails with ETIMEDOUT */
	/* Whether to go on waiting. False: the call fails with ECANCELED. */
	bool (*may_go_on)(void *data);
	/* A call takes long; path is what it is for. */
	void (*on_wait)(void *data, const char *path);
	void *data;
};

/* Starts no process yet. NULL when memory ran out. */
struct openers *openers_create(const struct openers_options *options);

/* The calls, for a walk. Borrowed. */
const struct walk_calls *openers_calls(const struct openers *openers);

/* End the openers and free all. If a call still hangs, its process cannot be waited for: then nothing is freed.
 * Returns whether nothing hangs. NULL is allowed. */
bool openers_destroy(struct openers *openers);

#endif
