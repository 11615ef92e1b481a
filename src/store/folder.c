#include "store/folder.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FOLDER_FLAGS = O_PATH | O_DIRECTORY | O_CLOEXEC };

int stop_at(struct stop *stop, const char *stage, bool in_root)
{
	*stop = (struct stop){.stage = stage, .sys_errno = errno, .in_root = in_root};
	return -1;
}

int folder_make(const char *path)
{
	char *part = strdup(path);
	size_t n = 0;
	int result = 0;

	if (!part)
		return -1;
	while (result == 0 && path[n]) {
		n += strspn(path + n, "/");
		n += strcspn(path + n, "/");
		part[n] = 0;
		if (mkdir(part, 0777) != 0 && errno != EEXIST)
			result = -1;
		part[n] = path[n];
	}
	free(part);
	return result;
}

int folder_open(const char *path)
{
	return open(path, FOLDER_FLAGS);
}

/* In one call, which needs all of them to be there. */
static int open_beneath(const struct store *store, const char *path)
{
	const struct open_how how = {
		.flags = FOLDER_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	if (store->without & WITHOUT_OPENAT2)
		return -1;
	return (int)syscall(SYS_openat2, store->root, path, &how, sizeof(how));
}

static int open_step(int parent, const char *name, bool make, bool in_root,
                     struct stop *ret_stop)
{
	int fd = openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT && make) {
		/* EEXIST: another thread was faster. */
		if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST)
			return stop_at(ret_stop, "make its folder", in_root);
		fd = openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);
	}
	return fd < 0 ? stop_at(ret_stop, "open its folder", in_root) : fd;
}

/* Name by name: where openat2() is not to be had, or gave no folder; this makes it or
 * tells why not. */
static int open_by_steps(const struct store *store, const char *path, bool make,
                         struct stop *ret_stop)
{
	char *names = strdup(path), *rest = names, *name;
	int at = store->root;

	if (!names)
		return stop_at(ret_stop, "open its folder", false);
	while (at >= 0 && (name = strsep(&rest, "/"))) {
		bool in_root = at == store->root;
		int below = open_step(at, name, make, in_root, ret_stop);

		if (!in_root)
			fd_close(&at);
		at = below;
	}
	free(names);
	return at;
}

static int copy_of(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int take_remembered(struct store *store, const char *path)
{
	int fd = -1;

	lock_acquire(&store->lock);
	if (store->last_path && strcmp(store->last_path, path) == 0)
		fd = copy_of(store->last_fd);
	lock_release(&store->lock);
	return fd;
}

/* Whether this comes to anything is a matter of speed only. */
static void remember(struct store *store, const char *path, int folder)
{
	char *last_path = strdup(path);
	int last_fd = copy_of(folder);

	if (!last_path || last_fd < 0) {
		free(last_path);
		fd_close(&last_fd);
		return;
	}
	lock_acquire(&store->lock);
	free(store->last_path);
	fd_close(&store->last_fd);
	store->last_path = last_path;
	store->last_fd = last_fd;
	lock_release(&store->lock);
}

void folder_forget(struct store *store)
{
	lock_acquire(&store->lock);
	free(store->last_path);
	store->last_path = NULL;
	fd_close(&store->last_fd);
	lock_release(&store->lock);
}

int folder_open_below(struct store *store, const char *path, bool make,
                      struct stop *ret_stop)
{
	int fd;

	if (path[0] == 0) {
		fd = copy_of(store->root);
		return fd < 0 ? stop_at(ret_stop, "open its folder", false) : fd;
	}
	fd = take_remembered(store, path);
	if (fd >= 0)
		return fd;
	fd = open_beneath(store, path);
	if (fd < 0)
		fd = open_by_steps(store, path, make, ret_stop);
	if (fd >= 0)
		remember(store, path, fd);
	return fd;
}
