/* The stack of folders: pushing one reads its names. */
#include "walk/levels.h"

#include "base/fd.h"
#include "walk/walk_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { BUFFER_BYTES = 32 * 1024 };

ssize_t (*walk_getdents)(int folder, void *buffer, size_t n) = getdents64;

bool levels_init(struct levels *levels)
{
	*levels = (struct levels){.buffer = malloc(BUFFER_BYTES)};
	return levels->buffer != NULL;
}

void levels_fini(struct levels *levels)
{
	while (levels->n > 0)
		levels_pop(levels);
	free(levels->level);
	free(levels->buffer);
	*levels = (struct levels){0};
}

struct level *levels_top(struct levels *levels)
{
	return &levels->level[levels->n - 1];
}

bool levels_hold(const struct levels *levels, const struct stat *folder)
{
	for (size_t i = 0; i < levels->n; i++) {
		if (levels->level[i].dev == folder->st_dev &&
		    levels->level[i].ino == folder->st_ino)
			return true;
	}
	return false;
}

static unsigned char type_of(mode_t mode)
{
	return S_ISREG(mode) ? DT_REG : S_ISDIR(mode) ? DT_DIR : DT_LNK;
}

/* False when memory ran out. */
static bool add_entry(struct level *level, const struct dirent64 *entry)
{
	unsigned char type = entry->d_type;
	struct stat st;

	if (type == DT_UNKNOWN) {
		/* An entry whose type cannot be found out counts as a file: opening it will
		 * say why. */
		if (fstatat(level->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			type = type_of(st.st_mode);
		else if (errno == ENOENT)
			return true;
		else
			type = DT_REG;
	}
	if (type == DT_DIR)
		return names_add(&level->folders, 0, entry->d_name);
	return names_add(&level->files, type == DT_REG ? NAME_FILE : NAME_OTHER,
	                 entry->d_name);
}

static void level_read(struct level *level, char *buffer)
{
	const struct dirent64 *entry;
	ssize_t n;

	while ((n = walk_getdents(level->fd, buffer, BUFFER_BYTES)) > 0) {
		for (ssize_t at = 0; at < n; at += entry->d_reclen) {
			entry = (const void *)(buffer + at);
			/* Hidden names, and "." and "..". */
			if (entry->d_name[0] == '.')
				continue;
			if (!add_entry(level, entry)) {
				level_note(level, ENOMEM);
				return;
			}
		}
	}
	/* ENOENT: the folder was removed while it was read, which is no error. */
	if (n < 0 && errno != ENOENT)
		level_note(level, errno);
}

/* A folder was opened at depth: close the one that is LEVELS_OPEN above it. */
static void close_far_above(struct levels *levels, size_t depth)
{
	if (depth > LEVELS_OPEN)
		fd_close(&levels->level[depth - LEVELS_OPEN].fd);
}

bool levels_push(struct levels *levels, int *fd, const struct stat *folder, size_t path_n)
{
	struct level *level;

	if (levels->n == levels->max) {
		size_t max = levels->max ? 2 * levels->max : 16;

		level = realloc(levels->level, max * sizeof(*level));
		if (!level)
			return false;
		levels->level = level;
		levels->max = max;
	}
	level = &levels->level[levels->n++];
	*level = (struct level){.fd = *fd,
	                        .dev = folder->st_dev,
	                        .ino = folder->st_ino,
	                        .path_n = path_n};
	*fd = -1;
	close_far_above(levels, levels->n - 1);

	level_read(level, levels->buffer);
	names_sort(&level->files);
	names_sort(&level->folders);
	return true;
}

void levels_pop(struct levels *levels)
{
	struct level *level = &levels->level[--levels->n];

	fd_close(&level->fd);
	names_fini(&level->files);
	names_fini(&level->folders);
}

/* Open a level from the level above it, whose name taken last is that of this folder. */
static bool reopen_below(const struct level *above, struct level *below)
{
	int fd = level_open_folder(above, names_taken(&above->folders));
	struct stat st;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && st.st_dev == below->dev && st.st_ino == below->ino) {
		below->fd = fd;
		return true;
	}
	fd_close(&fd);
	errno = ESTALE;
	return false;
}

bool levels_reopen(struct levels *levels)
{
	size_t top = levels->n - 1, at = top;

	while (levels->level[at].fd < 0)
		at--;
	for (; at < top; at++) {
		if (!reopen_below(&levels->level[at], &levels->level[at + 1]))
			return false;
		close_far_above(levels, at + 1);
	}
	return true;
}

int level_open_folder(const struct level *level, const char *name)
{
	return openat(level->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void level_note(struct level *level, int sys_errno)
{
	if (level->sys_errno == 0)
		level->sys_errno = sys_errno;
}
