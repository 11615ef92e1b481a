/* Locks on the folders of a run with --in-place. A lock belongs to a descriptor of the folder, so
 * it ends with the process. */
#include "store/folder_locks.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* A folder, identified by its device and inode, which are the same for every path to it. */
struct folder {
	dev_t dev;
	ino_t ino;
	int fd;
	/* true: exclusive lock; false: shared lock, because an INPUT is below the folder, or
	 * because the run is one of several shards */
	bool is_alone;
	const char *input; /* the INPUT for which the folder is locked */
};

struct folder_locks {
	struct folder_calls calls;
	char *last;        /* the folder of the last INPUT that was a file; NULL: none */
	bool are_shared;   /* no folder is locked exclusively */
	const char *input; /* the INPUT that folder_locks_add() is adding */
	unsigned n_hung;   /* the number of calls that exceeded their time limit */
	size_t n, max;
	struct folder folders[];
};

/* After this number of calls have exceeded their time limit, no more folders are added. Otherwise,
 * a list of files on a dead share would make the run wait once for each file. */
enum { MAX_HUNG = 4 };

struct folder_locks *folder_locks_create(size_t max, bool are_shared,
                                         const struct folder_calls *calls)
{
	struct folder_locks *locks = calloc(1, sizeof(*locks) +
	                                               max * sizeof(locks->folders[0]));

	if (!locks)
		return NULL;
	locks->calls = *calls;
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

static bool is_full(const struct folder_locks *locks)
{
	return locks->n == locks->max || locks->n_hung == MAX_HUNG;
}

static int open_bounded(struct folder_locks *locks, int folder, const char *name,
                        int flags, struct stat *ret_stat)
{
	int fd = locks->calls.open(locks->calls.data, folder, name, flags | O_CLOEXEC,
	                           locks->input, ret_stat);

	locks->n_hung += fd < 0 && errno == ETIMEDOUT;
	return fd;
}

static bool lstat_bounded(struct folder_locks *locks, const char *name,
                          struct stat *ret_stat)
{
	bool is_done = locks->calls.stat(locks->calls.data, name, ret_stat);

	locks->n_hung += !is_done && errno == ETIMEDOUT;
	return is_done;
}

/* Add one folder to the folders to lock. Returns true if the folders above it must be added as
 * well. Returns false if this folder and the folders above it were added before, or if no more
 * folders can be added. */
static bool note(struct folder_locks *locks, int folder, const struct stat *st,
                 bool is_alone)
{
	struct folder *known = find(locks, st);
	struct stat same;
	int fd;

	if (known) {
		known->is_alone |= is_alone;
		return false;
	}
	if (is_full(locks))
		return false;
	fd = open_bounded(locks, folder, ".", O_RDONLY | O_DIRECTORY, &same);
	if (fd >= 0)
		locks->folders[locks->n++] = (struct folder){st->st_dev, st->st_ino, fd,
		                                             is_alone, locks->input};
	return true;
}

/* Replace a folder's descriptor and stat by those of its parent. Returns false at the root. */
static bool go_up(struct folder_locks *locks, int *folder, struct stat *st)
{
	struct stat of_above;
	int above = open_bounded(locks, *folder, "..", O_PATH | O_DIRECTORY, &of_above);
	bool is_above = above >= 0 &&
	                (st->st_dev != of_above.st_dev || st->st_ino != of_above.st_ino);

	fd_close(folder);
	if (is_above) {
		*folder = above;
		*st = of_above;
	} else {
		fd_close(&above);
	}
	return is_above;
}

static void note_with_those_above(struct folder_locks *locks, const char *path)
{
	struct stat st;
	int folder = open_bounded(locks, AT_FDCWD, path, O_PATH | O_DIRECTORY, &st);
	bool is_alone = !locks->are_shared;

	while (folder >= 0 && note(locks, folder, &st, is_alone) &&
	       go_up(locks, &folder, &st))
		is_alone = false;
	fd_close(&folder);
}

/* Add the folder of a file. The last part of path is not a link. */
static void note_folder_of(struct folder_locks *locks, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");

	/* Thousands of INPUTs may be files of one folder, so remember the last folder. */
	if (folder && (!locks->last || strcmp(locks->last, folder) != 0)) {
		note_with_those_above(locks, folder);
		free(locks->last);
		locks->last = folder;
		folder = NULL;
	}
	free(folder);
}

/* If a link leads to a folder, add that folder. If the link leads to a file, add the folder of that
 * file. */
static void note_target(struct folder_locks *locks, const char *link)
{
	char entry[64], target[PATH_MAX];
	struct stat st;
	int fd = open_bounded(locks, AT_FDCWD, link, O_PATH, &st);
	ssize_t n;

	if (fd < 0)
		return;
	if (S_ISDIR(st.st_mode)) {
		note_with_those_above(locks, link);
	} else {
		/* Get the path of the file from a link in /proc. realpath() could hang, because it
		 * makes calls on the file system of the file. */
		snprintf(entry, sizeof(entry), "/proc/self/fd/%d", fd);
		n = readlink(entry, target, sizeof(target) - 1);
		if (n > 0) {
			target[n] = 0;
			note_folder_of(locks, target);
		}
	}
	fd_close(&fd);
}

void folder_locks_add(struct folder_locks *locks, const char *input)
{
	struct stat st;

	locks->input = input;
	if (is_full(locks) || !lstat_bounded(locks, input, &st))
		return;
	if (S_ISLNK(st.st_mode))
		note_target(locks, input);
	else if (S_ISDIR(st.st_mode))
		note_with_those_above(locks, input);
	else
		note_folder_of(locks, input);
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
 * program in this way, after it has locked the folder for the program. A descriptor of the folder
 * without a lock does not count, because a shell may have opened the folder for another purpose. */
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
