/*
 * Locks on the folders in which a run in place replaces images, so that no other such run works in
 * them, above them or below them at the same time. A run locks the folder of each INPUT alone, and
 * shares a lock on each folder above it. Where a folder cannot be locked (no permission to read it, a
 * network share without locks), there is no lock. One thread uses the locks.
 */
#ifndef PXP_FOLDER_LOCKS_H
#define PXP_FOLDER_LOCKS_H

#include <stdbool.h>
#include <stddef.h>

struct folder_locks;

/* Create the locks of a run: they use at most max descriptors. Returns NULL if memory ran out. */
struct folder_locks *folder_locks_create(size_t max);

/* Note an INPUT, a folder or a file, whose folder will be locked. The path is borrowed until the
 * locks are destroyed. Nothing is noted once all descriptors are used. */
void folder_locks_add(struct folder_locks *locks, const char *input);

/* Lock all folders, or none. Returns NULL, or the INPUT in whose folder another run is working. */
const char *folder_locks_try(struct folder_locks *locks);

/* Unlock all folders. NULL is fine. */
void folder_locks_destroy(struct folder_locks *locks);

#endif
