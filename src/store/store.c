/* The output folder and the folders below it; what an output may replace; whose fault it is when
 * an output cannot be written. */
#include "store/store.h"

#include "base/fd.h"
#include "store/publish.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FOLDER_FLAGS = O_PATH | O_DIRECTORY | O_CLOEXEC };

/* ---- failures ---- */

static enum fail_class class_of(int sys_errno)
{
	switch (sys_errno) {
	case EEXIST:
	case EISDIR:
	case ENOTDIR: /* a file, or a link, where a folder should be */
	case ELOOP:
	case EBUSY: /* something is mounted there */
		return FAIL_EXISTS;
	case EACCES:
	case EPERM:
		return FAIL_PERMISSION;
	case ENODATA:
		return FAIL_INTERNAL;
	default:
		return FAIL_IO;
	}
}

static const char *reason_of(int sys_errno)
{
	const char *text;

	switch (sys_errno) {
	case ENOTDIR:
		return "a file or a link has the folder's name";
	case ENODATA:
		return "the picture is shorter than was said";
	default:
		text = strerrordesc_np(sys_errno);
		return text ? text : "unknown error";
	}
}

enum published store_refuse(const char *step, bool is_in_root,
                            struct failure *ret_failure)
{
	int sys_errno = errno;

	failure_set(ret_failure, class_of(sys_errno), "publish: cannot %s: %s", step,
	            reason_of(sys_errno));
	switch (sys_errno) {
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EIO:
	case ENODEV:
	case ENOTCONN: /* a FUSE server that died */
		return PLACE_REFUSED;
	case EACCES:
	case EPERM:
		return is_in_root ? PLACE_REFUSED : REFUSED;
	case ENOENT:
	case ESTALE:
		return FOLDER_IS_GONE;
	default:
		return REFUSED;
	}
}

/* ---- the output folder ---- */

static int open_folder(const char *path)
{
	return open(path, FOLDER_FLAGS);
}

/* Make a folder and its missing parents. -1 and errno when that fails. */
static int make_folder(const char *path)
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

struct store *store_open(const char *folder)
{
	struct store *store = calloc(1, sizeof(*store));
	struct stat st;

	if (!store)
		return NULL;
	lock_init(&store->lock);
	store->last_fd = -1;
	store->root = open_folder(folder);
	if (store->root < 0 && errno == ENOENT && make_folder(folder) == 0)
		store->root = open_folder(folder);
	if (store->root < 0 || fstat(store->root, &st) != 0)
		goto fail;
	store->dev = st.st_dev;
	store->ino = st.st_ino;
	if (access("/proc/self/fd", X_OK) != 0)
		store->without |= WITHOUT_PROC;
	return store;

fail:
	store_close(store);
	return NULL;
}

static void forget_last(struct store *store)
{
	lock_acquire(&store->lock);
	free(store->last_path);
	store->last_path = NULL;
	fd_close(&store->last_fd);
	lock_release(&store->lock);
}

void store_close(struct store *store)
{
	int kept = errno;

	if (!store)
		return;
	forget_last(store);
	fd_close(&store->root);
	lock_fini(&store->lock);
	free(store);
	errno = kept;
}

void store_identity(const struct store *store, dev_t *ret_dev, ino_t *ret_ino)
{
	*ret_dev = store->dev;
	*ret_ino = store->ino;
}

static bool is_removed(int folder)
{
	struct stat st;

	return fstat(folder, &st) != 0 || st.st_nlink == 0;
}

/* ---- the folders below it: opened beneath it, and never through a link ---- */

static int duplicate(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* A duplicate of the folder used last, if it has this path; else -1. */
static int open_last(struct store *store, const char *path)
{
	int fd = -1;

	lock_acquire(&store->lock);
	if (store->last_path && strcmp(store->last_path, path) == 0)
		fd = duplicate(store->last_fd);
	lock_release(&store->lock);
	return fd;
}

/* It may fail: only speed depends on it. */
static void remember_last(struct store *store, const char *path, int folder)
{
	char *last_path = strdup(path);
	int last_fd = duplicate(folder);

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

/* With one call, which needs every folder of the path to exist. */
static int open_at_once(const struct store *store, const char *path)
{
	const struct open_how how = {
		.flags = FOLDER_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	if (store->without & WITHOUT_OPENAT2)
		return -1;
	return (int)syscall(SYS_openat2, store->root, path, &how, sizeof(how));
}

static enum published open_step(int parent, const char *name, bool may_make,
                                bool is_in_root, int *ret_fd, struct failure *ret_failure)
{
	*ret_fd = openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);
	if (*ret_fd < 0 && errno == ENOENT && may_make) {
		/* EEXIST: another thread was faster. */
		if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST)
			return store_refuse("make its folder", is_in_root, ret_failure);
		*ret_fd = openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);
	}
	return *ret_fd >= 0 ? PUBLISHED
	                    : store_refuse("open its folder", is_in_root, ret_failure);
}

/* Name by name, where openat2() is missing or opened no folder: this makes the folders, or says
 * why it cannot. */
static enum published open_by_steps(const struct store *store, const char *path,
                                    bool may_make, int *ret_fd,
                                    struct failure *ret_failure)
{
	char *names = strdup(path), *rest = names, *name;
	enum published result = PUBLISHED;
	int at = store->root;

	if (!names)
		return store_refuse("open its folder", false, ret_failure);
	while (result == PUBLISHED && (name = strsep(&rest, "/"))) {
		bool is_in_root = at == store->root;
		int below;

		result = open_step(at, name, may_make, is_in_root, &below, ret_failure);
		if (!is_in_root)
			fd_close(&at);
		at = below;
	}
	free(names);
	*ret_fd = at;
	return result;
}

/* Open a folder, "" for the output folder itself. The descriptor is the caller's; -1 unless
 * PUBLISHED is returned. */
static enum published open_below(struct store *store, const char *path, bool may_make,
                                 int *ret_fd, struct failure *ret_failure)
{
	enum published result = PUBLISHED;

	*ret_fd = path[0] ? open_last(store, path) : duplicate(store->root);
	if (*ret_fd >= 0)
		return PUBLISHED;
	if (!path[0])
		return store_refuse("open its folder", false, ret_failure);
	*ret_fd = open_at_once(store, path);
	if (*ret_fd < 0)
		result = open_by_steps(store, path, may_make, ret_fd, ret_failure);
	if (result == PUBLISHED)
		remember_last(store, path, *ret_fd);
	return result;
}

/* ---- outputs ---- */

/* Whether every part of it is a name, so that it cannot lead out of the folder. */
static bool is_sound(const char *relative)
{
	for (const char *part = relative;; part++) {
		size_t n = strcspn(part, "/");

		if (n == 0 || (n <= 2 && strncmp(part, "..", n) == 0))
			return false;
		part += n;
		if (*part == 0)
			return true;
	}
}

/* Open the folder of a sound name; *ret_name is its last part. */
static enum published open_folder_of(struct store *store, const char *relative,
                                     bool may_make, int *ret_fd, const char **ret_name,
                                     struct failure *ret_failure)
{
	const char *slash = strrchr(relative, '/');
	char *path = slash ? strndup(relative, (size_t)(slash - relative)) : strdup("");
	enum published result;

	*ret_name = slash ? slash + 1 : relative;
	*ret_fd = -1;
	if (!path)
		return store_refuse("open its folder", false, ret_failure);
	result = open_below(store, path, may_make, ret_fd, ret_failure);
	free(path);
	return result;
}

bool store_has(struct store *store, const char *relative)
{
	struct failure ignored;
	const char *name;
	struct stat st;
	int folder;
	bool has;

	if (!is_sound(relative) ||
	    open_folder_of(store, relative, false, &folder, &name, &ignored) != PUBLISHED)
		return false;
	has = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	fd_close(&folder);
	return has;
}

static enum published publish_once(struct store *store, const char *relative,
                                   const struct store_content *content, bool may_replace,
                                   struct failure *ret_failure)
{
	struct output output = {
		.content = content->fd,
		.offset = (off_t)content->offset,
		.n_bytes = (size_t)content->n_bytes,
		.dates = content->dates,
		.may_replace = may_replace,
		.is_in_root = !strchr(relative, '/'),
		.without = store->without,
	};
	enum published result = open_folder_of(store, relative, true, &output.folder,
	                                       &output.name, ret_failure);
	struct stat st;

	if (result != PUBLISHED)
		return result;
	/* This saves the work of writing it. Whether the name is free in the end, naming says. */
	if (fstatat(output.folder, output.name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (!may_replace || S_ISDIR(st.st_mode)))
		result = IN_THE_WAY;
	else
		result = output_publish(&output, ret_failure);
	/* In a removed folder ext4 says EPERM for an unnamed file, not ENOENT. */
	if (result > IN_THE_WAY && is_removed(output.folder)) {
		errno = ENOENT;
		result = store_refuse("create a file", output.is_in_root, ret_failure);
	}
	fd_close(&output.folder);
	return result;
}

static enum store_result refuse_name(enum overwrite overwrite,
                                     struct failure *ret_failure)
{
	if (overwrite == OVERWRITE_SKIP)
		return STORE_SKIPPED;
	failure_set(ret_failure, FAIL_EXISTS, "publish: %s",
	            overwrite == OVERWRITE_ALWAYS ? "a folder has its name"
	                                          : "something has its name already");
	return STORE_FAILED;
}

enum store_result store_publish(struct store *store, const char *relative,
                                const struct store_content *content,
                                enum overwrite overwrite, struct failure *ret_failure)
{
	bool may_replace = overwrite == OVERWRITE_ALWAYS;
	enum published result;

	*ret_failure = (struct failure){.class = FAIL_NONE};
	if (!is_sound(relative)) {
		failure_set(ret_failure, FAIL_INTERNAL,
		            "publish: \"%s\" is no name of an output", relative);
		return STORE_FAILED;
	}
	result = publish_once(store, relative, content, may_replace, ret_failure);
	if (result == FOLDER_IS_GONE) {
		forget_last(store);
		result = publish_once(store, relative, content, may_replace, ret_failure);
	}
	switch (result) {
	case PUBLISHED:
		ret_failure->class = FAIL_NONE;
		return STORE_DONE;
	case IN_THE_WAY:
		ret_failure->class = FAIL_NONE;
		return refuse_name(overwrite, ret_failure);
	case PLACE_REFUSED:
		return STORE_PLACE_FAILED;
	case FOLDER_IS_GONE:
		return is_removed(store->root) ? STORE_PLACE_FAILED : STORE_FAILED;
	default:
		return STORE_FAILED;
	}
}

int store_open_stream(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, 0666);
}
