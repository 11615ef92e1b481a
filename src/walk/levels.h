/*
 * A stack of the folders from an INPUT down to the folder where the walk is. Each level has the names
 * of its folder in blocks of its own, which are freed with it.
 *
 * The INPUT's folder stays open, and so do the LEVELS_OPEN deepest ones. A folder between them is
 * opened again when the walk comes back to it, step by step from the nearest open folder above it;
 * it must still be the same folder. So a tree may be of any depth and a path of any length.
 */
#ifndef PXP_LEVELS_H
#define PXP_LEVELS_H

#include "walk/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

enum { LEVELS_OPEN = 16 };

/* Marks of the names of files. */
enum { NAME_FILE = 'f', NAME_OTHER = 'o' };

struct level {
	int fd; /* -1: closed for now; open as long as files are left */
	dev_t dev;
	ino_t ino;
	size_t path_n; /* length of its path with the slash at its end */
	struct names files, folders;
	int sys_errno; /* why a part of it could not be read; 0: it was read whole */
};

/* The stack. It is empty when everything but the buffer is zero. */
struct levels {
	struct level *level;
	size_t n, max;
	void *buffer; /* for getdents64(), used by one folder after the other */
};

/* Make an empty stack. False when memory ran out. */
bool levels_init(struct levels *levels);
void levels_fini(struct levels *levels);

/* The deepest level; there must be one. Valid until the next push. */
struct level *levels_top(struct levels *levels);

/* Whether a folder is on the stack already: then mounts make a loop. */
bool levels_hold(const struct levels *levels, const struct stat *folder);

/* Push the folder that is open as *fd, and read its names. *fd is moved in and is -1 then. False, and
 * *fd is still the caller's, when there is no memory for the level. A failure while the names are
 * read is noted in the level, which keeps the names that were read before it. */
bool levels_push(struct levels *levels, int *fd, const struct stat *folder,
                 size_t path_n);

void levels_pop(struct levels *levels);

/* Open the folder of the top again if it is closed. False with errno when that fails; ESTALE: another
 * folder has its name now. */
bool levels_reopen(struct levels *levels);

/* Open a sub-folder of an open level, never through a link. -1 with errno. */
int level_open_folder(const struct level *level, const char *name);

/* Note why a part of a folder could not be read. The first reason counts. */
void level_note(struct level *level, int sys_errno);

#endif
