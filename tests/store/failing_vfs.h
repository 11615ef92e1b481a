/*
 * SQLite on a failing file system: a VFS on top of the default one, whose nth call of a kind
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

/* Make the failing VFS the default one. */
void failing_vfs_install(void);

/* From now on the nth call of this kind (counted from 1) returns code. If for_good is set, all
 * later ones do as well. */
void failing_vfs_arm(enum vfs_call call, int nth, int code, bool for_good);

/* Disarm the failure. Returns whether the armed call was made. */
bool failing_vfs_disarm(void);

#endif
