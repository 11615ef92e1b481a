/*
 * Folders: the output folder, which the user named and may reach through links, and
 * those below it, which are opened beneath it and never through a link.
 */
#ifndef PXP_FOLDER_H
#define PXP_FOLDER_H

#include "store/store_internal.h"

/* Make the folder and its parents, as far as they are not there. -1 and errno. */
int folder_make(const char *path);

/* Open a folder as a place to work in (O_PATH). -1 and errno. */
int folder_open(const char *path);

/*
 * Open a folder below the store's, "" for its own; path has no "." and "..". Missing ones
 * are made if make says so. The descriptor is the caller's; -1 with *ret_stop, whose
 * sys_errno is ENOTDIR where a file or a link stands in the way.
 */
int folder_open_below(struct store *store, const char *path, bool make,
                      struct stop *ret_stop);

/* Remember none: one of them is gone. */
void folder_forget(struct store *store);

#endif
