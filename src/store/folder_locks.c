/* Locks on the folders of a run in place. A lock belongs to a descriptor of the folder, so it ends
 * with the process. */
#include "store/folder_locks.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* A folder, identified by its device and inode, which are the same for every path to it. */
struct folder {
	dev_t dev;
	ino_t ino;
	int fd;
	/* true: exclusive lock; false: shared lock, because an INPUT is below the folder */
	bool is_alone;
	const char *input; /* the INPUT for which the folder is locked */
};

struct folder_locks {
	char *last;      /* the folder of the last INPUT that was a file; NULL: none */
	bool are_shared; /* no folder is locked exclusively */
	size_t n, max;
	struct folder folders[];
};

struct folder_locks *folder_locks_create(size_t max, bool are_shared)
{
	struct folder_locks *locks = calloc(1, sizeof(*locks) +
	                                               max * sizeof(locks->folders[0]));

	if (!locks)
		return NULL;
	locks->max = max;
	locks->are_shared = are_shared;
	return locks;
}

void folder_locks_destroy(struct folder_locks *locks)
{
	if (!locks)
		return;
	for (size_t i = 0; i < locks->n; i++)
		fd_close(&locks->folders[i].fd);
	free(locks->last);
	free(locks);
}

static struct folder *find(struct folder_locks *locks, const struct stat *st)
{
	for (size_t i = 0; i < locks->n; i++) {
		if (locks->folders[i].dev == st->st_dev &&
		    locks->folders[i].ino == st->st_ino)
			return &locks->folders[i];
	}
	return NULL;
}

/* Note one folder. Returns true if the folders above it must be noted as well. Returns false if
 * this folder and the folders above it were noted before, or if no more folders can be noted. */
static bool note(struct folder_locks *locks, int folder, const char *input, bool is_alone)
{
	struct folder *known;
	struct stat st;
	int fd;

	if (fstat(folder, &st) != 0)
		return false;
	known = find(locks, &st);
	if (known) {
		known->is_alone |= is_alone;
		return false;
	}
	if (locks->n == locks->max)
		return false;
	fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		locks->folders[locks->n++] = (struct folder){st.st_dev, st.st_ino, fd,
		                                             is_alone, input};
	return true;
}

/* Replace a folder's descriptor by a descriptor of its parent. Returns false at the root. */
static bool go_up(int *folder)
{
	int above = openat(*folder, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st, of_above;
	bool is_above = above >= 0 && fstat(*folder, &st) == 0 &&
	                fstat(above, &of_above) == 0 &&
	                (st.st_dev != of_above.st_dev || st.st_ino != of_above.st_ino);

	fd_close(folder);
	if (is_above)
		*folder = above;
	else
		fd_close(&above);
	return is_above;
}

static void note_with_those_above(struct folder_locks *locks, const char *path,
                                  const char *input)
{
	int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool is_alone = !locks->are_shared;

	while (folder >= 0 && note(locks, folder, input, is_alone) && go_up(&folder))
		is_alone = false;
	fd_close(&folder);
}

/* Get the path of the folder that contains a file, with links resolved. The caller frees it. */
static char *folder_of(const char *file)
{
	char *path, *slash;
	struct stat st;

	if (lstat(file, &st) != 0)
		return NULL;
	path = S_ISLNK(st.st_mode) ? realpath(file, NULL) : strdup(file);
	slash = path ? strrchr(path, '/') : NULL;
	if (slash) {
		slash[1] = 0;
	} else if (path) {
		free(path);
		path = strdup(".");
	}
	return path;
}

void folder_locks_add(struct folder_locks *locks, const char *input)
{
	struct stat st;
	char *folder;

	if (locks->n == locks->max || stat(input, &st) != 0)
		return;
	if (S_ISDIR(st.st_mode)) {
		note_with_those_above(locks, input, input);
		return;
	}
	/* Thousands of INPUTs may be files of one folder, so remember the last folder. */
	folder = folder_of(input);
	if (folder && (!locks->last || strcmp(locks->last, folder) != 0)) {
		note_with_those_above(locks, folder, input);
		free(locks->last);
		locks->last = folder;
		folder = NULL;
	}
	free(folder);
}

static bool is_own(const struct folder_locks *locks, int fd)
{
	for (size_t i = 0; i < locks->n; i++) {
		if (locks->folders[i].fd == fd)
			return true;
	}
	return false;
}

/* Whether a descriptor holds a lock of flock(2). Returns false if /proc is not mounted. */
static bool holds_lock(int fd)
{
	char path[64], line[256];
	bool holds = false;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	if (!info)
		return false;
	while (!holds && fgets(line, sizeof(line), info))
		holds = strncmp(line, "lock:", 5) == 0 && strstr(line, " FLOCK ");
	fclose(info);
	return holds;
}

/* Whether the program inherited a descriptor that holds a lock on the folder. flock(1) starts a
 * program in this way, after it has locked the folder for the program. Without the lock, the
 * descriptor says nothing: a shell may have opened the folder for another purpose. */
static bool is_inherited(const struct folder_locks *locks, const struct folder *folder)
{
	enum { LOOK_AT = 256 };
	struct stat st;

	for (int fd = 0; fd < LOOK_AT; fd++) {
		if (!is_own(locks, fd) && fstat(fd, &st) == 0 &&
		    st.st_dev == folder->dev && st.st_ino == folder->ino &&
		    holds_lock(fd))
			return true;
	}
	return false;
}

/* If a folder is busy, unlock the folders that were locked before it, so that two runs cannot wait
 * for each other. */
const char *folder_locks_try(struct folder_locks *locks)
{
	for (size_t i = 0; i < locks->n; i++) {
		const struct folder *folder = &locks->folders[i];
		const char *input = folder->input;

		if (flock(folder->fd, (folder->is_alone ? LOCK_EX : LOCK_SH) | LOCK_NB) ==
		            0 ||
		    errno != EWOULDBLOCK || is_inherited(locks, folder))
			continue;
		while (i-- > 0)
			flock(locks->folders[i].fd, LOCK_UN);
		return input;
	}
	return NULL;
}
