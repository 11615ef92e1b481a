/*
 * Locks on the folders in which a run in place replaces images. While the run holds them, no other
 * run in place works in these folders, above them or below them. A run locks the folder of each
 * INPUT exclusively, and takes a shared lock on each folder above it. A folder that cannot be
 * locked (no permission to read it, a network share without locks) stays unlocked. One thread uses
 * the locks.
 */
#ifndef PXP_FOLDER_LOCKS_H
#define PXP_FOLDER_LOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct folder_locks;

/*
 * The file system calls that find the folders. A plain call may never return, for example on a dead
 * network share, so the caller provides calls with a time limit. They have the results and the
 * errno of the plain calls; in addition, errno is ETIMEDOUT if the file system did not answer in
 * time.
 */
struct folder_calls {
	/* Call openat(), and then fstat() on the opened file. `input` is the INPUT for which the
	 * folder is opened; it is used in messages only. */
	int (*open)(void *data, int folder, const char *name, int flags,
	            const char *input, struct stat *ret_stat);
	/* Like lstat(). */
	bool (*stat)(void *data, const char *name, struct stat *ret_stat);
	void *data;
};

/* Create the locks of a run. They use at most `max` descriptors. are_shared: the run is one of
 * several shards, which share the folders of their INPUTs. `calls` is copied. Returns NULL if
 * memory ran out. */
struct folder_locks *folder_locks_create(size_t max, bool are_shared,
                                         const struct folder_calls *calls);

/* Add the folder of an INPUT to the folders to lock: the INPUT itself if it is a folder, or the
 * folder of the file. The path is borrowed until the locks are destroyed. No more folders are added
 * once all descriptors are used, or once several calls have exceeded their time limit. */
void folder_locks_add(struct folder_locks *locks, const char *input);

/* Lock all folders, or none. Returns NULL on success. If another run is working in one of the
 * folders, returns the INPUT with which that folder was added. */
const char *folder_locks_try(struct folder_locks *locks);

/* Unlock all folders and free the locks. NULL is allowed. */
void folder_locks_destroy(struct folder_locks *locks);

#endif
