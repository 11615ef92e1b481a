/*
 * An SQLite VFS whose file system fails: all calls go to the default VFS, but the nth call of a
 * kind returns an error. All later calls of this kind can fail as well.
 */
#ifndef PXP_FAILING_VFS_H
#define PXP_FAILING_VFS_H

#include <stdbool.h>

enum vfs_call {
	VFS_WRITE,
	VFS_SYNC,
	VFS_READ,
	VFS_LOCK,
	VFS_OPEN,
	VFS_TRUNCATE,
	N_VFS_CALLS
};

/* Make the failing VFS the default one. */
void failing_vfs_install(void);

/* Make the nth call of this kind from now on return `code`; nth is 1 for the next call. If
 * `for_good` is set, all later calls of this kind return `code` as well. */
void failing_vfs_arm(enum vfs_call call, int nth, int code, bool for_good);

/* Disarm the failure. Returns whether the armed call was made. */
bool failing_vfs_disarm(void);

#endif
