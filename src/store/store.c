#include "store/store.h"

#include "base/fd.h"
#include "store/folder.h"
#include "store/publish.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct store *store_open(const char *folder)
{
	struct store *store = calloc(1, sizeof(*store));
	struct stat st;

	if (!store)
		return NULL;
	lock_init(&store->lock);
	store->last_fd = -1;
	store->root = folder_open(folder);
	if (store->root < 0 && errno == ENOENT && folder_make(folder) == 0)
		store->root = folder_open(folder);
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

void store_close(struct store *store)
{
	int kept = errno;

	if (!store)
		return;
	folder_forget(store);
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

/* Whether every part of it is a name: so it cannot lead out of the folder. */
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

/* Open the folder of a sound name; *ret_name is what is left of it. */
static int open_folder_of(struct store *store, const char *relative, bool make,
                          const char **ret_name, struct stop *ret_stop)
{
	const char *slash = strrchr(relative, '/');
	char *path = slash ? strndup(relative, (size_t)(slash - relative)) : strdup("");
	int folder;

	*ret_name = slash ? slash + 1 : relative;
	if (!path)
		return stop_at(ret_stop, "open its folder", false);
	folder = folder_open_below(store, path, make, ret_stop);
	free(path);
	return folder;
}

bool store_has(struct store *store, const char *relative)
{
	const char *name;
	struct stop stop;
	struct stat st;
	int folder;
	bool has;

	if (!is_sound(relative))
		return false;
	folder = open_folder_of(store, relative, false, &name, &stop);
	if (folder < 0)
		return false;
	has = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	fd_close(&folder);
	return has;
}

static enum published publish_once(struct store *store, const char *relative,
                                   const struct store_content *content, bool may_replace,
                                   struct stop *ret_stop)
{
	struct output output = {.content = content->fd,
	                        .n = (size_t)content->n_bytes,
	                        .dates = content->dates,
	                        .may_replace = may_replace,
	                        .in_root = !strchr(relative, '/'),
	                        .without = store->without};
	enum published result;
	struct stat st;

	output.folder = open_folder_of(store, relative, true, &output.name, ret_stop);
	if (output.folder < 0)
		return STOPPED;
	/* Before the work of writing it; whether it is so in the end the naming tells. */
	if (fstatat(output.folder, output.name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (!may_replace || S_ISDIR(st.st_mode)))
		result = IN_THE_WAY;
	else
		result = output_publish(&output, ret_stop);
	/* In a removed folder ext4 says EPERM for an unnamed file, not ENOENT. */
	if (result == STOPPED && fstat(output.folder, &st) == 0 && st.st_nlink == 0)
		ret_stop->sys_errno = ENOENT;
	fd_close(&output.folder);
	return result;
}

/* Whether every output would be refused as this one was. */
static bool is_of_the_place(const struct store *store, const struct stop *stop)
{
	struct stat st;

	switch (stop->sys_errno) {
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EIO:
	case ENODEV:
	case ENOTCONN: /* a FUSE server that died */
	case ESTALE:
		return true;
	case EACCES:
	case EPERM:
		return stop->in_root;
	case ENOENT:
		return fstat(store->root, &st) == 0 && st.st_nlink == 0;
	default:
		return false;
	}
}

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
		return "a file or a link has its name";
	case EISDIR:
		return "a folder has its name";
	case ENODATA:
		return "the picture is shorter than was said";
	default:
		text = strerrordesc_np(sys_errno);
		return text ? text : "unknown error";
	}
}

/* Put a stop, or what is in the way, into the caller's words. */
static enum store_result tell(const struct store *store, enum published result,
                              const struct stop *stop, enum overwrite overwrite,
                              struct failure *ret_failure, int *ret_errno)
{
	if (result == PUBLISHED)
		return STORE_DONE;
	if (result == IN_THE_WAY) {
		if (overwrite == OVERWRITE_SKIP)
			return STORE_SKIPPED;
		failure_set(ret_failure, FAIL_EXISTS, "publish: %s",
		            overwrite == OVERWRITE_ALWAYS
		                    ? reason_of(EISDIR)
		                    : "something has its name already");
		return STORE_FAILED;
	}
	failure_set(ret_failure, class_of(stop->sys_errno), "publish: cannot %s: %s",
	            stop->stage, reason_of(stop->sys_errno));
	*ret_errno = stop->sys_errno;
	return is_of_the_place(store, stop) ? STORE_PLACE : STORE_FAILED;
}

enum store_result store_publish(struct store *store, const char *relative,
                                const struct store_content *content,
                                enum overwrite overwrite, struct failure *ret_failure,
                                int *ret_errno)
{
	bool may_replace = overwrite == OVERWRITE_ALWAYS;
	enum published result;
	struct stop stop = {0};

	*ret_failure = (struct failure){.class = FAIL_NONE};
	*ret_errno = 0;
	if (!is_sound(relative)) {
		failure_set(ret_failure, FAIL_INTERNAL,
		            "publish: \"%s\" is no name of an output", relative);
		return STORE_FAILED;
	}
	result = publish_once(store, relative, content, may_replace, &stop);
	if (result == STOPPED && (stop.sys_errno == ENOENT || stop.sys_errno == ESTALE)) {
		/* A folder went away under us: it is made again, once. */
		folder_forget(store);
		result = publish_once(store, relative, content, may_replace, &stop);
	}
	return tell(store, result, &stop, overwrite, ret_failure, ret_errno);
}

int store_open_stream(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, 0666);
}
