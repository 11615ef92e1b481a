/*
 * The folders on the way from an INPUT to where the walk is, the deepest on top. Each
 * has its names in a block of its own, freed with it.
 *
 * Descriptors: the INPUT's own folder stays open, of the others only the deepest
 * LEVELS_OPEN; one above these is opened again when the walk comes back to it, by going
 * down from the nearest that is open, and must still be the same folder. So a tree may
 * be of any depth, and a path of any length.
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
	int fd; /* -1: closed for now; never so while files are left */
	dev_t dev;
	ino_t ino;
	size_t path_n; /* length of its path, with the slash at its end */
	struct names files, folders;
	int sys_errno; /* why a part of it could not be read; 0: all was read */
};

/* All zero but for the buffer is an empty stack. */
struct levels {
	struct level *level;
	size_t n, max;
	void *buffer; /* for reading a folder; kept for the next one */
};

/* False when memory ran out. */
bool levels_init(struct levels *levels);
void levels_fini(struct levels *levels);

/* The deepest; there must be one. Good until the next push. */
struct level *levels_top(struct levels *levels);

/* Whether a folder on the way here is this one: a loop, made by mounts. */
bool levels_hold(const struct levels *levels, const struct stat *folder);

/* Add the folder open as *fd and read its names; *fd is moved in, and -1 then. False
 * when there is no memory for the level itself. What fails later, in the middle of
 * reading, is noted in the level, which has what was read before it. */
bool levels_push(struct levels *levels, int *fd, const struct stat *folder,
                 size_t path_n);

void levels_pop(struct levels *levels);

/* See to it that the top's descriptor is open. False with errno when it is not to be
 * had: gone, moved, or ESTALE where another folder has its name now. */
bool levels_reopen(struct levels *levels);

/* Open a sub-folder, never through a link. */
int level_open_folder(const struct level *level, const char *name);

/* Note why a part of it is lost; the first reason counts. */
void level_note(struct level *level, int sys_errno);

#endif
