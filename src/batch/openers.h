/*
 * File system calls that may never return: open(), stat() and getdents64() on a share whose server
 * is dead. On network and FUSE file systems, other processes, the openers, make these calls, and a
 * call is abandoned after a time limit. Threads could not do this, because a process cannot end
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
	/* Whether a call may go on waiting. If not, the call fails with ECANCELED. */
	bool (*may_go_on)(void *data);
	/* Called when a call takes long. path is the file or folder of that call. */
	void (*on_wait)(void *data, const char *path);
	void *data;
};

/* Create the openers without starting a process. Returns NULL when memory ran out. */
struct openers *openers_create(const struct openers_options *options);

/* The calls, for the options of a walk. They are valid until openers_destroy(). */
const struct walk_calls *openers_calls(const struct openers *openers);

/* End the openers and free everything. If a call still hangs, its process cannot be waited for,
 * and nothing is freed. Returns true if no call hangs. NULL is allowed. */
bool openers_destroy(struct openers *openers);

#endif
