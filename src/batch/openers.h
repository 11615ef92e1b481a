/*
 * File system calls that may never return: open(), stat() and getdents64() on a share whose server
 * is dead. Calls on network and FUSE file systems are made by other processes, the openers, and are
 * abandoned after a time limit. Threads could not replace the openers, because a process cannot end
 * while one of its threads hangs in such a call.
 *
 * Several threads may make calls at the same time.
 */
#ifndef PXP_OPENERS_H
#define PXP_OPENERS_H

#include "walk/walk.h"

#include <stdint.h>

struct openers;

struct openers_options {
	int64_t timeout_ms; /* the time after which a call fails with ETIMEDOUT */
	/* Returns whether a call may continue to wait. If not, the call fails with ECANCELED. */
	bool (*may_go_on)(void *data);
	/* Called at most once for each file system call: when it has waited for several seconds.
	 * `path` is the file or folder of the file system call. */
	void (*on_wait)(void *data, const char *path);
	void *data;
};

/* Create the openers. Their processes are started when a call needs them. Returns NULL if memory
 * ran out. */
struct openers *openers_create(const struct openers_options *options);

/* The file system calls for the options of a walk. They are valid until openers_destroy(). */
const struct walk_calls *openers_calls(const struct openers *openers);

/* End the openers and free everything. Returns true if that was possible. If a call was abandoned,
 * it may still hang, and its process cannot be waited for. Then nothing is freed, and the function
 * returns false. `openers` may be NULL. */
bool openers_destroy(struct openers *openers);

#endif
