/*
 * SQLite over a file system that fails: a VFS on top of the usual one, whose nth call of a kind
 * returns an error, once or from then on.
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

/* Make it the default one. */
void failing_vfs_install(void);

/* From here on the nth call (from 1) of this kind returns code; with for_good all later ones do
 * as well. */
void failing_vfs_arm(enum vfs_call call, int nth, int code, bool for_good);

/* Whether the armed call came to pass; no call fails any more. */
bool failing_vfs_disarm(void);

#endif
