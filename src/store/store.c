/* Publishes outputs: opens the output folder and the folders below it, decides what an output may
 * replace, and distinguishes a failure of one output from a failure of the whole output folder. */
#include "store/store.h"

#include "base/fd.h"
#include "common/hash.h"
#include "common/path.h"
#include "store/stamp.h"
#include "store/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { FOLDER_FLAGS = O_PATH | O_DIRECTORY | O_CLOEXEC };

/* The result of a step of publishing one output. TWIN_IN_THE_WAY, REFUSED, PLACE_REFUSED and
 * FOLDER_IS_GONE come with a failure. */
enum published {
	PUBLISHED,
	/* Another file has the name. */
	IN_THE_WAY,
	/* The file system finds another output of this run under this name. */
	TWIN_IN_THE_WAY,
	/* This output cannot be published; others may succeed. */
	REFUSED,
	/* No output can be published in this file system: it is full, read-only, ... */
	PLACE_REFUSED,
	/* The folder was removed: create it again and retry once. */
	FOLDER_IS_GONE,
	/* Not published because another output of its file, or the file system, failed. */
	NOT_PUBLISHED,
	/* The file system does not support unnamed files: use a file with a hidden name. */
	NOT_THIS_WAY,
};

/* ---- failures ---- */

static enum fail_class class_of(int sys_errno)
{
	switch (sys_errno) {
	case EEXIST:
	case EISDIR:
	case ENOTDIR: /* a file, or a link, where a folder should be */
	case ELOOP:
	case EBUSY: /* something is mounted at this name */
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
		return "a file or a link has the name of the folder";
	case ENODATA:
		return "the output is shorter than the worker announced";
	case ENAMETOOLONG:
		return "the name is longer than the file system allows; choose a shorter one "
		       "with --name";
	case EMFILE:
		return "too many open files; raise their limit (ulimit -n)";
	default:
		text = strerrordesc_np(sys_errno);
		return text ? text : "unknown error";
	}
}

/*
 * Fill in the failure from errno, after a step failed. problem: text such as "cannot write the
 * output". is_in_root: the step was in the output folder itself. Returns REFUSED, PLACE_REFUSED or
 * FOLDER_IS_GONE.
 */
static enum published store_refuse(const char *problem, bool is_in_root,
                                   struct failure *ret_failure)
{
	int sys_errno = errno;

	failure_set(ret_failure, class_of(sys_errno), "publish: %s: %s", problem,
	            reason_of(sys_errno));
	switch (sys_errno) {
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EIO:
	case ENODEV:
	case ENOTCONN: /* a FUSE server that died */
	case EMFILE:
	case ENFILE:
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

/* ---- attributes copied from the original that an output replaces ---- */

enum { MAX_VALUE_BYTES = 64 * 1024 };

static void copy_attribute(int to, int from, const char *name, void *value)
{
	ssize_t n = fgetxattr(from, name, value, MAX_VALUE_BYTES);

	if (n >= 0)
		(void)!fsetxattr(to, name, value, (size_t)n, 0);
}

#define ACL_ATTRIBUTE "system.posix_acl_access"

/* Whether copy_attributes() copies an attribute. The access control list is copied with the
 * mode. */
static bool is_copied(const char *name)
{
	return strcmp(name, STAMP_ATTRIBUTE) != 0 &&
	       strcmp(name, BACKUP_ATTRIBUTE) != 0 && strcmp(name, ACL_ATTRIBUTE) != 0;
}

/* Copy the extended attributes. Attributes that cannot be set are skipped. */
static void copy_attributes(int to, int from)
{
	ssize_t n = flistxattr(from, NULL, 0);
	char *names = n > 0 ? malloc((size_t)n) : NULL, *value = malloc(MAX_VALUE_BYTES);

	if (names && value) {
		n = flistxattr(from, names, (size_t)n);
		for (char *name = names; n > 0 && name < names + n;
		     name += strlen(name) + 1) {
			if (is_copied(name))
				copy_attribute(to, from, name, value);
		}
	}
	free(value);
	free(names);
}

/* Give an open file the owner and group of another file. Returns false with errno on failure. */
static bool copy_owner(int to, int from)
{
	struct stat st, now;

	return fstat(from, &st) == 0 && fstat(to, &now) == 0 &&
	       ((st.st_uid == now.st_uid && st.st_gid == now.st_gid) ||
	        fchown(to, st.st_uid, st.st_gid) == 0);
}

/*
 * Give an open file the access control list and the mode of another file. Set the other properties
 * before the mode, because a read-only file takes no attributes. The set-user-id bit is cleared if
 * the two files have different owners, the set-group-id bit if they have different groups. Returns
 * false with errno if the mode cannot be set.
 */
static bool copy_mode(int to, int from)
{
	char list[4096];
	ssize_t n = fgetxattr(from, ACL_ATTRIBUTE, list, sizeof(list));
	struct stat st, now;
	mode_t mode;

	if (fstat(from, &st) != 0 || fstat(to, &now) != 0)
		return false;
	mode = st.st_mode & 07777;
	if (st.st_uid != now.st_uid)
		mode &= (mode_t)~S_ISUID;
	if (st.st_gid != now.st_gid)
		mode &= (mode_t)~S_ISGID;
	if (n >= 0)
		(void)!fsetxattr(to, ACL_ATTRIBUTE, list, (size_t)n, 0);
	/* A network share may refuse to set a mode, even one that the new file already has. */
	return fchmod(to, mode) == 0 ||
	       (fstat(to, &now) == 0 && (now.st_mode & 07777) == mode);
}

/*
 * ---- one output ----
 *
 * An output is published in steps that a group of outputs can take together: write it, sync it,
 * name it, and then remove or back up the file that it replaced. Until the output has its name, it
 * is an unnamed file. The kernel deletes an unnamed file when its descriptor is closed, however the
 * process ends. If the file system has no unnamed files, or /proc is not mounted, the output has a
 * hidden name in the same folder instead.
 */

enum { TEMP_NAME_BYTES = 48 };

enum replace {
	REPLACE_NOTHING,
	REPLACE_ANYTHING, /* replace any file, but not a folder */
	/* Replace the file described by `expected`, if it is unchanged. */
	REPLACE_THIS
};

struct output {
	int folder;                   /* borrowed, like all members here */
	const char *name;             /* name in that folder */
	int content;                  /* descriptor of the content, read by position */
	off_t offset;                 /* where the output begins in the content */
	size_t n_bytes;               /* length of the output */
	const struct timespec *dates; /* times of access and modification; NULL: now */
	enum replace replace;
	const struct stat *expected;
	/* For REPLACE_THIS: a suffix. The old file is kept as a backup, under its name with this
	 * suffix. NULL: the old file is removed. */
	const char *backup_suffix;
	/* For REPLACE_THIS: copy owner, mode, ACL, attributes and times of the old file. */
	bool keeps_attributes;
	/* The stamp, which is written to the output after its size, time and hash were filled in.
	 * NULL: no stamp. */
	struct stamp *stamp;
	bool is_in_root; /* whether the output is in the output folder itself */
	/* missing features of the file system, as a mask (see struct store) */
	unsigned without;

	/* State between the steps, which output_begin() initialises. */
	int fd; /* descriptor of the file; or -1 */
	/* A second descriptor of the file. After fd is closed, it keeps the file locked while the
	 * file has a hidden name. -1: none. */
	int guard;
	char temp[TEMP_NAME_BYTES]; /* hidden name of the file; "": none */
	/* Hidden name of the file that the output replaced; "": none. */
	char old[TEMP_NAME_BYTES];
	bool has_stamp;
	bool has_backup; /* whether the backup has been made */
	bool has_mark;   /* whether the backup is marked as one */
	int dates_errno; /* errno with which the times could not be set; 0: no error */
};

enum { TEMP_TRIES = 8 };

static enum published refuse(const struct output *output, struct failure *failure,
                             const char *problem)
{
	return store_refuse(problem, output->is_in_root, failure);
}

/* Initialise the state of an output. Call this before the first step. Call output_end() at the end,
 * whatever the steps returned. */
static void output_begin(struct output *output)
{
	output->fd = output->guard = -1;
	output->temp[0] = output->old[0] = 0;
	output->has_stamp = output->has_backup = output->has_mark = false;
	output->dates_errno = 0;
}

/* Whether two struct stat belong to the same file, with the same size and modification time. */
static bool is_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       store_time_ns(&a->st_mtim) == store_time_ns(&b->st_mtim);
}

/* Whether the name still belongs to the expected file, unchanged. */
static bool is_expected(const struct output *output, const char *name)
{
	struct stat st;

	return fstatat(output->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       is_unchanged(&st, output->expected);
}

static int exchange(const struct output *output, const char *hidden)
{
	return renameat2(output->folder, hidden, output->folder, output->name,
	                 RENAME_EXCHANGE);
}

/* ---- one output: hidden names ---- */

static void make_temp_name(char name[TEMP_NAME_BYTES])
{
	uint64_t random = 0;

	/* If there are no random bytes, the name may exist already: O_EXCL and link() notice
	 * that. */
	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uintptr_t)name;
	snprintf(name, TEMP_NAME_BYTES, ".pixpool-%016" PRIx64 ".tmp", random);
}

/*
 * Lock a file that has a hidden name, or is about to get one. The lock tells output_sweep() of
 * another run that the file does not belong to a killed run. Returns false if another run is
 * removing the file. Returns true if the file system has no locks: then no run removes hidden
 * files.
 */
static bool lock_hidden(int fd)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno != EWOULDBLOCK;
	return fstat(fd, &st) != 0 || st.st_nlink > 0;
}

/* Remove a hidden file, unless its name is "", and set the name to "". Keeps errno. */
static void drop_hidden(const struct output *output, char name[TEMP_NAME_BYTES])
{
	int kept = errno;

	if (name[0])
		unlinkat(output->folder, name, 0);
	name[0] = 0;
	errno = kept;
}

static void drop_file(struct output *output)
{
	drop_hidden(output, output->temp);
	fd_close(&output->fd);
	fd_close(&output->guard);
}

static bool is_hidden_name(const char *name)
{
	static const char begin[] = ".pixpool-";
	const size_t n_begin = sizeof(begin) - 1, n_digits = 16;

	return strncmp(name, begin, n_begin) == 0 &&
	       strspn(name + n_begin, "0123456789abcdef") == n_digits &&
	       strcmp(name + n_begin + n_digits, ".tmp") == 0;
}

/* Remove a hidden file, unless the run that made it is alive and has it locked. */
static void sweep_file(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(folder, name, 0);
	fd_close(&fd);
}

/*
 * Remove the hidden files that earlier runs left in a folder when they were killed. Files of runs
 * that are alive stay, because a run locks its hidden files. Files that cannot be removed stay as
 * well; that is no error.
 */
static void output_sweep(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!names) {
		fd_close(&fd);
		return;
	}
	while ((entry = readdir(names))) {
		if (is_hidden_name(entry->d_name))
			sweep_file(folder, entry->d_name);
	}
	closedir(names);
}

/* ---- one output: writing ---- */

/* Fill in the size, time and hash of the output in its stamp. Returns false with errno on
 * failure. */
static bool add_stamp(struct output *output)
{
	struct stamp *stamp = output->stamp;
	struct stat st;

	if (!stamp)
		return true;
	if (fstat(output->fd, &st) != 0 ||
	    !output_hash_of_range(output->content, (uint64_t)output->offset,
	                          output->n_bytes, &stamp->out_hash))
		return false;
	stamp->out_bytes = output->n_bytes;
	stamp->out_mtime_ns = store_time_ns(&st.st_mtim);
	output->has_stamp = stamp_write(output->fd, stamp);
	/* If the stamp cannot be written, the row in the state has the same record. */
	return output->has_stamp || errno == ENOTSUP;
}

/* Open the file that is replaced, to copy its attributes. *ret_fd is -1 if another file has the
 * name by now; output_name() will detect that. Returns false with errno on failure. */
static bool open_original(const struct output *output, int *ret_fd)
{
	struct stat st;

	*ret_fd = openat(output->folder, output->name,
	                 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (*ret_fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == ENXIO;
	if (fstat(*ret_fd, &st) != 0)
		return false;
	if (!is_unchanged(&st, output->expected))
		fd_close(ret_fd);
	return true;
}

/* Set the times that the caller gave, or the times of the original. Network shares and FUSE file
 * systems may refuse to set times, with various errors. Then the output keeps the current time. */
static void set_dates(struct output *output)
{
	struct timespec dates[2];

	if (output->dates) {
		memcpy(dates, output->dates, sizeof(dates));
	} else {
		if (!output->keeps_attributes)
			return;
		dates[0] = output->expected->st_atim;
		dates[1] = output->expected->st_mtim;
	}
	if (futimens(output->fd, dates) != 0)
		output->dates_errno = errno;
}

/* Refuse an output that cannot get the owner and group of its original. */
static enum published refuse_owner(const struct output *output, struct failure *failure)
{
	failure_set(
		failure, FAIL_PERMISSION,
		"publish: the image belongs to another user or group (%ju:%ju), which "
		"its new file cannot have: %s",
		(uintmax_t)output->expected->st_uid, (uintmax_t)output->expected->st_gid,
		reason_of(errno));
	return REFUSED;
}

/*
 * Write the file. original: descriptor of the file that the output replaces, or -1. The order
 * matters. The bytes come first, because writing changes the other properties. The stamp comes
 * after the times, because it contains the modification time. The mode comes last, because it may
 * make the file read-only.
 */
static enum published fill(struct output *output, int original, struct failure *failure)
{
	const bool has_bytes = fd_copy(output->fd, output->content, output->offset,
	                               output->n_bytes);

	if (has_bytes && original >= 0) {
		if (!copy_owner(output->fd, original))
			return refuse_owner(output, failure);
		copy_attributes(output->fd, original);
	}
	if (has_bytes)
		set_dates(output);
	if (!has_bytes || !add_stamp(output) ||
	    (original >= 0 && !copy_mode(output->fd, original)))
		return refuse(output, failure, "cannot write the output");
	return PUBLISHED;
}

static enum published fill_or_drop(struct output *output, struct failure *failure)
{
	enum published result;
	int original = -1;

	if (output->keeps_attributes && !open_original(output, &original))
		result = refuse(output, failure,
		                "cannot read the attributes of the image");
	else
		result = fill(output, original, failure);
	fd_close(&original);
	if (result != PUBLISHED)
		drop_file(output);
	return result;
}

static enum published write_unnamed(struct output *output, struct failure *failure)
{
	if (output->without & (WITHOUT_TMPFILE | WITHOUT_PROC))
		return NOT_THIS_WAY;
	output->fd = openat(output->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	if (output->fd < 0)
		return errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL
		               ? NOT_THIS_WAY
		               : refuse(output, failure,
		                        "cannot create a file in the "
		                        "folder of the output");
	return fill_or_drop(output, failure);
}

static enum published write_hidden(struct output *output, struct failure *failure)
{
	int tries = 0;

	do {
		fd_close(&output->fd);
		make_temp_name(output->temp);
		output->fd = openat(output->folder, output->temp,
		                    O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC,
		                    0666);
	} while ((output->fd < 0 ? errno == EEXIST : !lock_hidden(output->fd)) &&
	         ++tries < TEMP_TRIES);
	if (output->fd < 0) {
		output->temp[0] = 0;
		return refuse(output, failure,
		              "cannot create a file in the folder of the "
		              "output");
	}
	return fill_or_drop(output, failure);
}

/* Create the file and write it completely. Here and below, PUBLISHED means that this step is
 * done. */
static enum published output_write(struct output *output, struct failure *ret_failure)
{
	enum published result = write_unnamed(output, ret_failure);

	return result == NOT_THIS_WAY ? write_hidden(output, ret_failure) : result;
}

/*
 * Start writing the bytes to the disk, without waiting. In a group, call this for every output
 * before the first output_sync(). Then the first sync waits for all outputs, and the other syncs
 * find nothing to write.
 */
static void output_begin_sync(const struct output *output)
{
	/* A failure only reduces speed. */
	(void)!sync_file_range(output->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* Sync the file. If the file system does not support fsync(), the file cannot be made durable, and
 * that counts as success. */
static bool sync_file(int fd)
{
	return fsync(fd) == 0 || errno == EINVAL || errno == ENOSYS ||
	       errno == EOPNOTSUPP;
}

/*
 * Make the bytes durable. After a failed fsync() the kernel may regard the bytes as written,
 * although they are lost. So they are written once more, to a new file, and the old descriptor is
 * never synced again.
 */
static enum published output_sync(struct output *output, struct failure *ret_failure)
{
	enum published result;

	if (sync_file(output->fd))
		return PUBLISHED;
	drop_file(output);
	result = output_write(output, ret_failure);
	if (result != PUBLISHED || sync_file(output->fd))
		return result;
	result = refuse(output, ret_failure, "cannot make the output durable");
	drop_file(output);
	return result;
}

/* ---- one output: naming ---- */

static int link_unnamed(const struct output *output, const char *name)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", output->fd);
	return linkat(AT_FDCWD, path, output->folder, name, AT_SYMLINK_FOLLOW);
}

/* link() never replaces a file, but rename() does. So an output that replaces a file first gets a
 * hidden name. */
static int link_hidden(struct output *output)
{
	int tries = 0, linked;

	lock_hidden(output->fd); /* the file has no name, so no other run can lock it */
	do {
		make_temp_name(output->temp);
		linked = link_unnamed(output, output->temp);
	} while (linked != 0 && errno == EEXIST && ++tries < TEMP_TRIES);
	if (linked != 0)
		output->temp[0] = 0;
	return linked;
}

/* Whether linking failed because this file system, or a security policy, does not allow links to
 * unnamed or hidden files. */
static bool has_no_links(void)
{
	return errno == EPERM || errno == EOPNOTSUPP || errno == EXDEV ||
	       errno == EINVAL || errno == ENOSYS;
}

/* Write the output again under a hidden name, for a file system that cannot link. */
static enum published change_way(struct output *output, bool is_durable,
                                 struct failure *failure)
{
	enum published result;

	fd_close(&output->fd);
	result = write_hidden(output, failure);
	return result == PUBLISHED && is_durable ? output_sync(output, failure) : result;
}

/* Close a written file before it gets its name, because NFS may report a full disk only at close().
 * The duplicate descriptor keeps the lock. */
static enum published close_file(struct output *output, struct failure *failure)
{
	int fd = output->fd;
	enum published result;

	output->guard = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	output->fd = -1;
	if (close(fd) == 0 || errno == EINTR)
		return PUBLISHED;
	result = refuse(output, failure, "cannot write the output");
	drop_file(output);
	return result;
}

/* Rename the hidden file to the output's name, replacing any file of that name. */
static enum published rename_over(struct output *output, struct failure *failure)
{
	if (renameat(output->folder, output->temp, output->folder, output->name) == 0) {
		output->temp[0] = 0;
		return PUBLISHED;
	}
	/* The hidden file could be created in the folder, so it is the old file that is protected,
	 * not the folder. */
	return store_refuse("cannot replace the existing file", false, failure);
}

/*
 * For a file system that has neither rename flags nor links: create an empty file to claim the
 * name, then rename the output over it. The empty file exists between these two calls. If the
 * process is killed there, the empty file stays; a later run may always replace an empty file.
 */
static enum published claim_and_rename(struct output *output, struct failure *failure)
{
	int claim = openat(output->folder, output->name,
	                   O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0666);
	enum published result;

	if (claim < 0)
		return errno == EEXIST ? IN_THE_WAY
		                       : refuse(output, failure,
		                                "cannot give the output its name");
	fd_close(&claim);
	result = rename_over(output, failure);
	if (result != PUBLISHED)
		unlinkat(output->folder, output->name, 0);
	return result;
}

/* Rename the hidden file to the output's name, unless that name is taken. */
static enum published rename_new(struct output *output, struct failure *failure)
{
	int folder = output->folder, done = -1;

	errno = EINVAL;
	if (!(output->without & WITHOUT_NOREPLACE))
		done = renameat2(folder, output->temp, folder, output->name,
		                 RENAME_NOREPLACE);
	if (done == 0) {
		output->temp[0] = 0;
		return PUBLISHED;
	}
	if (!has_no_links())
		return errno == EEXIST ? IN_THE_WAY
		                       : refuse(output, failure,
		                                "cannot give the output its name");
	errno = EPERM;
	if (!(output->without & WITHOUT_LINKS))
		done = linkat(folder, output->temp, folder, output->name, 0);
	if (done == 0) {
		drop_hidden(output, output->temp);
		return PUBLISHED;
	}
	if (errno == EEXIST)
		return IN_THE_WAY;
	return has_no_links()
	               ? claim_and_rename(output, failure)
	               : refuse(output, failure, "cannot give the output its name");
}

/* Make the name of the backup. The caller frees it. Returns NULL if memory ran out. */
static char *name_of_backup(const char *name, const char *suffix)
{
	char *backup;

	return asprintf(&backup, "%s%s", name, suffix) < 0 ? NULL : backup;
}

/* Whether files in a folder can be linked, tested with the file of this name. */
static bool can_link(int folder, const char *name)
{
	char temp[TEMP_NAME_BYTES];

	make_temp_name(temp);
	if (linkat(folder, name, folder, temp, 0) == 0) {
		unlinkat(folder, temp, 0);
		return true;
	}
	return !has_no_links();
}

static bool has_same_bytes(int folder, const char *name, const char *other, uint64_t n)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int a = openat(folder, name, flags), b = openat(folder, other, flags);
	char of_a[4096], of_b[sizeof(of_a)];
	uint64_t at = 0;

	while (a >= 0 && b >= 0 && at < n) {
		size_t part = n - at < sizeof(of_a) ? (size_t)(n - at) : sizeof(of_a);

		if (fd_pread_full(a, of_a, part, (off_t)at) != (ssize_t)part ||
		    fd_pread_full(b, of_b, part, (off_t)at) != (ssize_t)part ||
		    memcmp(of_a, of_b, part) != 0)
			break;
		at += part;
	}
	fd_close(&a);
	fd_close(&b);
	return at == n;
}

enum backup store_backup(int folder, const char *name, const char *suffix)
{
	char *backup = name_of_backup(name, suffix);
	enum backup is = BACKUP_TAKEN;
	struct stat st, of_backup;

	if (!backup)
		return BACKUP_TAKEN;
	if (fstatat(folder, backup, &of_backup, AT_SYMLINK_NOFOLLOW) != 0)
		is = BACKUP_NONE;
	else if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	         S_ISREG(of_backup.st_mode) &&
	         ((st.st_dev == of_backup.st_dev && st.st_ino == of_backup.st_ino) ||
	          (st.st_size == of_backup.st_size &&
	           has_same_bytes(folder, name, backup, (uint64_t)st.st_size) &&
	           !can_link(folder, name))))
		is = BACKUP_LEFT;
	free(backup);
	return is;
}

bool store_is_marked_backup(int fd, const char *path)
{
	size_t n;
	const char *name = path_base(path, &n);
	char mark[NAME_MAX + 1];
	ssize_t n_mark = fgetxattr(fd, BACKUP_ATTRIBUTE, mark, sizeof(mark));

	return n_mark > 0 && (size_t)n_mark == n && memcmp(mark, name, n) == 0;
}

/* Mark an open file as a backup of this name, so that no later run takes it for an image. */
static bool mark_backup(int fd, const char *backup)
{
	const size_t n = strlen(backup);
	struct stat st;
	bool is_done = fsetxattr(fd, BACKUP_ATTRIBUTE, backup, n, 0) == 0;

	/* A read-only file takes no attributes, so make it writable for a moment. Leave a
	 * set-group-id file alone, because changing its mode might clear that bit. */
	if (is_done || errno != EACCES || fstat(fd, &st) != 0 || (st.st_mode & S_ISGID) ||
	    fchmod(fd, (st.st_mode & 07777) | S_IWUSR) != 0)
		return is_done;
	is_done = fsetxattr(fd, BACKUP_ATTRIBUTE, backup, n, 0) == 0;
	(void)!fchmod(fd, st.st_mode & 07777);
	return is_done;
}

/* Mark the old file as a backup before it becomes a backup. While the file has its old name the
 * mark has no effect. */
static void mark_original(struct output *output, const char *backup)
{
	int fd = openat(output->folder, output->name,
	                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	output->has_mark = fd >= 0 && fstat(fd, &st) == 0 &&
	                   is_unchanged(&st, output->expected) && mark_backup(fd, backup);
	fd_close(&fd);
}

static enum published output_name(struct output *output, bool is_durable,
                                  struct failure *ret_failure);
static void output_end(struct output *output);

/* Copy the old file to the backup's name, for file systems without links. */
static enum published copy_backup(struct output *output, const char *backup,
                                  bool is_durable, struct failure *failure)
{
	const struct stat *expected = output->expected;
	const struct timespec dates[2] = {expected->st_atim, expected->st_mtim};
	int original = openat(output->folder, output->name,
	                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct output copy = {
		.folder = output->folder,
		.name = backup,
		.content = original,
		.n_bytes = (size_t)expected->st_size,
		.dates = dates,
		.without = output->without,
	};
	enum published result;

	if (original < 0)
		return refuse(output, failure, "cannot keep a backup of the original");
	output_begin(&copy);
	result = output_write(&copy, failure);
	/* Copy the properties that a link would have, as far as the file system supports them. */
	if (result == PUBLISHED) {
		(void)copy_owner(copy.fd, original);
		copy_attributes(copy.fd, original);
		output->has_mark = mark_backup(copy.fd, backup);
		(void)copy_mode(copy.fd, original);
	}
	if (result == PUBLISHED && is_durable)
		result = output_sync(&copy, failure);
	if (result == PUBLISHED)
		result = output_name(&copy, is_durable, failure);
	output_end(&copy);
	fd_close(&original);
	return result;
}

/* Keep the backup that a killed process left, or copy the old file to the backup's name. */
static enum published keep_or_copy_backup(struct output *output, const char *backup,
                                          bool is_durable, struct failure *failure)
{
	switch (store_backup(output->folder, output->name, output->backup_suffix)) {
	case BACKUP_NONE:
		return copy_backup(output, backup, is_durable, failure);
	case BACKUP_LEFT:
		return PUBLISHED;
	case BACKUP_TAKEN:
		break;
	}
	return IN_THE_WAY;
}

/*
 * Make the backup before the old file loses its name: a second link to it, or a copy if files
 * cannot be linked. So a process that is killed at any moment never leaves the original only under
 * a hidden name. An existing file with the backup's name is never replaced. It is accepted if it is
 * the backup that a killed process left.
 */
static enum published make_backup(struct output *output, bool is_durable,
                                  struct failure *failure)
{
	int folder = output->folder;
	enum published result = PUBLISHED;
	char *backup;

	if (!output->backup_suffix)
		return PUBLISHED;
	backup = name_of_backup(output->name, output->backup_suffix);
	if (!backup)
		return refuse(output, failure, "cannot keep a backup of the original");
	if (strlen(backup) > NAME_MAX) {
		failure_set(
			failure, FAIL_IO,
			"publish: cannot keep a backup of the original: its name would be "
			"too long; choose a shorter --backup suffix");
		free(backup);
		return REFUSED;
	}
	mark_original(output, backup);
	errno = EPERM;
	if ((output->without & WITHOUT_LINKS) ||
	    linkat(folder, output->name, folder, backup, 0) != 0) {
		if (errno != EEXIST && !has_no_links())
			result = refuse(output, failure,
			                "cannot keep a backup of the original");
		else
			result = keep_or_copy_backup(output, backup, is_durable, failure);
	}
	if (result == IN_THE_WAY) {
		failure_set(failure, FAIL_EXISTS,
		            "publish: cannot keep a backup of the original: %s exists",
		            backup);
		result = REFUSED;
	}
	output->has_backup = result == PUBLISHED;
	free(backup);
	return result;
}

/* Remove the backup, because the old file has its name again. */
static void remove_backup(struct output *output)
{
	char *backup = output->has_backup
	                       ? name_of_backup(output->name, output->backup_suffix)
	                       : NULL;

	if (backup)
		unlinkat(output->folder, backup, 0);
	output->has_backup = false;
	free(backup);
}

/*
 * Exchange the hidden file with the existing file, and only then check the old file, so that the
 * old file cannot change between the check and the exchange. The old file is kept until the new one
 * is durable.
 */
static enum published exchange_expected(struct output *output, struct failure *failure)
{
	errno = EINVAL;
	if ((output->without & WITHOUT_NOREPLACE) ||
	    exchange(output, output->temp) != 0) {
		if (errno == ENOENT)
			return IN_THE_WAY;
		if (!has_no_links())
			return refuse(output, failure,
			              "cannot replace the existing file");
		/* The file system cannot exchange files, so rename. Copying the backup may have
		 * taken long, so check the old file again just before renaming. */
		return is_expected(output, output->name) ? rename_over(output, failure)
		                                         : IN_THE_WAY;
	}
	if (is_expected(output, output->temp)) {
		memcpy(output->old, output->temp, TEMP_NAME_BYTES);
		output->temp[0] = 0;
		return PUBLISHED;
	}
	return exchange(output, output->temp) == 0
	               ? IN_THE_WAY
	               : refuse(output, failure, "cannot restore the previous file");
}

static enum published replace_expected(struct output *output, bool is_durable,
                                       struct failure *failure)
{
	enum published result = is_expected(output, output->name)
	                                ? make_backup(output, is_durable, failure)
	                                : IN_THE_WAY;

	if (result != PUBLISHED)
		return result;
	result = exchange_expected(output, failure);
	if (result != PUBLISHED)
		remove_backup(output);
	return result;
}

static enum published name_hidden(struct output *output, bool is_durable,
                                  struct failure *failure)
{
	enum published result = close_file(output, failure);

	if (result != PUBLISHED)
		return result;
	switch (output->replace) {
	case REPLACE_ANYTHING:
		return rename_over(output, failure);
	case REPLACE_THIS:
		return replace_expected(output, is_durable, failure);
	case REPLACE_NOTHING:
		break;
	}
	return rename_new(output, failure);
}

/*
 * Give the output its name. Returns IN_THE_WAY, and keeps the existing file, if that file must not
 * be replaced. With REPLACE_THIS, only the expected file may be replaced.
 */
static enum published output_name(struct output *output, bool is_durable,
                                  struct failure *ret_failure)
{
	enum published result;

	if (output->temp[0] == 0) {
		bool is_new = output->replace == REPLACE_NOTHING;

		if (is_new && link_unnamed(output, output->name) == 0)
			return PUBLISHED;
		if (is_new && errno == EEXIST)
			return IN_THE_WAY;
		if (is_new || link_hidden(output) != 0) {
			if (!has_no_links())
				return refuse(output, ret_failure,
				              "cannot link the output");
			result = change_way(output, is_durable, ret_failure);
			if (result != PUBLISHED)
				return result;
		}
	}
	return name_hidden(output, is_durable, ret_failure);
}

/* Exchange the files again, so that the old file gets its name back, and remove our file. If that
 * fails, or if somebody has replaced our file, both files are kept, so that nothing is lost. */
static void put_back(struct output *output)
{
	struct stat ours, st;

	if (fstat(output->guard, &ours) == 0 &&
	    fstatat(output->folder, output->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    is_unchanged(&ours, &st) && exchange(output, output->old) == 0) {
		drop_hidden(output, output->old);
		remove_backup(output);
	}
	output->old[0] = 0;
}

/* Remove the file that the output replaced. Call this once the output's name is durable. */
static void output_settle(struct output *output)
{
	drop_hidden(output, output->old);
}

/* Close the output. If it has no name yet, its file is deleted. If it replaced a file and
 * output_settle() was not called, the replaced file gets its name back. */
static void output_end(struct output *output)
{
	if (output->old[0])
		put_back(output);
	drop_file(output);
}

/* ---- the output folder ---- */

static int open_folder(const char *path)
{
	return open(path, FOLDER_FLAGS);
}

/* Create a folder and its missing parents. Returns -1 with errno on failure. */
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

struct store *store_open_in_place(void)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	lock_init(&store->lock);
	store->root = store->last_fd = -1;
	if (access("/proc/self/fd", X_OK) != 0)
		store->without |= WITHOUT_PROC;
	return store;
}

/* Finish opening a store. If store->root is -1 or cannot be examined, closes the store and returns
 * NULL, with the errno of the failed call. */
static struct store *with_root(struct store *store)
{
	struct stat st;

	if (store->root < 0 || fstat(store->root, &st) != 0) {
		store_close(store);
		return NULL;
	}
	store->dev = st.st_dev;
	store->ino = st.st_ino;
	return store;
}

struct store *store_open_to_look(const char *folder)
{
	struct store *store = store_open_in_place();

	if (!store)
		return NULL;
	store->only_looks = true;
	if (!folder)
		return store;
	store->root = open_folder(folder);
	return with_root(store);
}

struct store *store_open(const char *folder)
{
	struct store *store = store_open_in_place();

	if (!store)
		return NULL;
	store->root = open_folder(folder);
	if (store->root < 0 && errno == ENOENT && make_folder(folder) == 0) {
		store->was_made = true;
		store->root = open_folder(folder);
	}
	store = with_root(store);
	if (store)
		store_sweep(store, store->root);
	return store;
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
	hash_set_fini(&store->swept);
	free(store->claimed.places);
	free(store);
	errno = kept;
}

void store_identity(const struct store *store, dev_t *ret_dev, ino_t *ret_ino)
{
	*ret_dev = store->dev;
	*ret_ino = store->ino;
}

void store_before_naming(struct store *store, store_intend_fn *intend, void *data)
{
	store->intend = intend;
	store->intend_data = data;
}

void store_make_durable(struct store *store)
{
	int fd = store->was_made ? openat(store->root, ".", O_RDONLY | O_CLOEXEC) : -1;

	/* The folder and its parents are new. This is rare, so sync the whole file system. */
	if (fd >= 0)
		(void)!syncfs(fd);
	fd_close(&fd);
	store->is_durable = true;
}

int64_t store_time_ns(const struct timespec *time)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)time->tv_sec, (int64_t)1000000000, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)time->tv_nsec, &ns))
		return time->tv_sec < 0 ? INT64_MIN + 1 : INT64_MAX;
	return ns;
}

bool store_takes_stamps(struct store *store)
{
	int fd = openat(store->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	bool takes;

	/* If the file system has no unnamed files, set the attribute on the folder itself. */
	if (fd < 0)
		fd = openat(store->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	takes = fd >= 0 && (fsetxattr(fd, STAMP_ATTRIBUTE ".try", "", 0, 0) == 0 ||
	                    errno == EACCES || errno == EROFS);
	if (takes)
		fremovexattr(fd, STAMP_ATTRIBUTE ".try");
	fd_close(&fd);
	return takes;
}

int store_dates_error(const struct store *store)
{
	return store->dates_errno;
}

bool store_has_lost_stamp(const struct store *store)
{
	return store->has_lost_stamp;
}

bool store_has_lost_mark(const struct store *store)
{
	return store->has_lost_mark;
}

static bool is_removed(int folder)
{
	struct stat st;

	return fstat(folder, &st) != 0 || st.st_nlink == 0;
}

/* Whether fsync() of a folder failed because this file system does not support it. */
static bool has_no_folder_sync(void)
{
	return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ||
	       errno == EBADF || errno == EISDIR;
}

/* Sync the whole file system of a folder that cannot be opened for reading. name: a file in the
 * folder. */
static bool sync_all(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool is_synced = true;

	if (fd >= 0)
		is_synced = syncfs(fd) == 0 || has_no_folder_sync();
	else if (errno == EACCES)
		sync(); /* the file cannot be read either, so sync all file systems */
	else
		is_synced = false;
	fd_close(&fd);
	return is_synced;
}

/* Make the names in a folder durable. name: a file in the folder. */
static bool sync_folder(int folder, const char *name)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_synced;

	if (fd < 0)
		return errno == EACCES && sync_all(folder, name);
	is_synced = fsync(fd) == 0 || has_no_folder_sync();
	fd_close(&fd);
	return is_synced;
}

static const struct hash_key fixed_key = {{0x7477, 0x696e}};

/* A hash of device and inode, which is never 0. */
static uint64_t hash_of_file(const struct stat *st)
{
	const uint64_t identity[2] = {(uint64_t)st->st_dev, (uint64_t)st->st_ino};
	uint64_t hash = hash_bytes(&fixed_key, identity, sizeof(identity));

	return hash ? hash : 1;
}

void store_sweep(struct store *store, int folder)
{
	struct stat st;
	uint64_t hash;
	size_t index;
	bool is_new;

	if (store->only_looks || fstat(folder, &st) != 0)
		return;
	hash = hash_of_file(&st);
	lock_acquire(&store->lock);
	/* If memory runs out, the folder is not remembered, and the next call searches it again. */
	is_new = !hash_set_find(&store->swept, hash, &index);
	if (is_new)
		(void)hash_set_insert(&store->swept, hash);
	lock_release(&store->lock);
	if (is_new)
		output_sweep(folder);
}

/* ---- the folders below it: opened beneath it, and never through a link ---- */

static int duplicate(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* Duplicate the descriptor of the folder used last. Returns -1 if that folder has another path. */
static int open_last(struct store *store, const char *path)
{
	int fd = -1;

	lock_acquire(&store->lock);
	if (store->last_path && strcmp(store->last_path, path) == 0)
		fd = duplicate(store->last_fd);
	lock_release(&store->lock);
	return fd;
}

/* Remember the folder for open_last(). A failure only reduces speed. */
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

/* Open the folder with one call; every folder of the path must exist. */
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

static enum published open_step(const struct store *store, int parent, const char *name,
                                bool may_make, int *ret_fd, struct failure *ret_failure)
{
	bool is_in_root = parent == store->root;

	*ret_fd = openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);
	if (*ret_fd < 0 && errno == ENOENT && may_make) {
		/* EEXIST: another thread created the folder first. */
		if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST)
			return store_refuse("cannot create the folder of the output",
			                    is_in_root, ret_failure);
		if (store->is_durable && !sync_folder(parent, name))
			return store_refuse("cannot create the folder of the output",
			                    is_in_root, ret_failure);
		*ret_fd = openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);
	}
	return *ret_fd >= 0 ? PUBLISHED
	                    : store_refuse("cannot open the folder of the output",
	                                   is_in_root, ret_failure);
}

/* Open the folder component by component, if openat2() does not exist or has failed. Creates
 * missing folders, or reports why it cannot. */
static enum published open_by_steps(const struct store *store, const char *path,
                                    bool may_make, int *ret_fd,
                                    struct failure *ret_failure)
{
	char *names = strdup(path), *rest = names, *name;
	enum published result = PUBLISHED;
	int at = store->root;

	if (!names)
		return store_refuse("cannot open the folder of the output", false,
		                    ret_failure);
	while (result == PUBLISHED && (name = strsep(&rest, "/"))) {
		bool is_in_root = at == store->root;
		int below;

		result = open_step(store, at, name, may_make, &below, ret_failure);
		if (!is_in_root)
			fd_close(&at);
		at = below;
	}
	free(names);
	*ret_fd = at;
	return result;
}

/* Open a folder, "" for the output folder itself. The caller owns the descriptor; it is -1 unless
 * PUBLISHED is returned. */
static enum published open_below(struct store *store, const char *path, bool may_make,
                                 int *ret_fd, struct failure *ret_failure)
{
	enum published result = PUBLISHED;

	*ret_fd = path[0] ? open_last(store, path) : duplicate(store->root);
	if (*ret_fd >= 0)
		return PUBLISHED;
	if (!path[0])
		return store_refuse("cannot open the folder of the output", false,
		                    ret_failure);
	*ret_fd = open_at_once(store, path);
	if (*ret_fd < 0)
		result = open_by_steps(store, path, may_make, ret_fd, ret_failure);
	if (result == PUBLISHED) {
		store_sweep(store, *ret_fd);
		remember_last(store, path, *ret_fd);
	}
	return result;
}

/* ---- outputs ---- */

/* Whether every component of the path is a plain name, so that the path cannot lead out of the
 * folder. */
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

/* Open the folder of a valid name; *ret_name is its last component. */
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
		return store_refuse("cannot open the folder of the output", false,
		                    ret_failure);
	result = open_below(store, path, may_make, ret_fd, ret_failure);
	free(path);
	return result;
}

/* ---- different names of one file ---- */

/*
 * A folder that ignores case (vfat, exFAT, SMB, ext4 with casefold) or normalises Unicode has one
 * file for several names, and the plan cannot know that. So in such a folder the store remembers
 * each file that is an output of this run, in 16 bytes. If the name of another output leads to a
 * remembered file, the store neither replaces the file nor treats it as an old output. In a folder
 * that has a file of its own for each name, the store remembers only files whose names have bytes
 * beyond ASCII.
 */

/* Find the place of a file in a table that is not full. Returns the place that has the file or, if
 * the table does not have it, a free place. */
static struct claimed_file *place_of(const struct claimed_files *claimed, uint64_t file)
{
	size_t at = (size_t)file & (claimed->max - 1);

	while (claimed->places[at].file != 0 && claimed->places[at].file != file)
		at = (at + 1) & (claimed->max - 1);
	return &claimed->places[at];
}

/* Double the table if it is half full. Returns false if memory ran out. */
static bool have_room(struct claimed_files *claimed)
{
	struct claimed_files larger = *claimed;

	if (claimed->n < claimed->max / 2)
		return true;
	larger.max = claimed->max > 0 ? 2 * claimed->max : 64;
	larger.places = calloc(larger.max, sizeof(*larger.places));
	if (!larger.places)
		return false;
	for (size_t i = 0; i < claimed->max; i++) {
		if (claimed->places[i].file != 0)
			*place_of(&larger, claimed->places[i].file) = claimed->places[i];
	}
	free(claimed->places);
	*claimed = larger;
	return true;
}

/* Whether the folder may find the file under another name. True if the folder finds the file after
 * the case of all letters was changed, or if the name has bytes beyond ASCII, which the folder may
 * normalise. */
static bool may_have_other_names(struct claimed_files *claimed, int folder,
                                 const char *name, const struct stat *file)
{
	char other[NAME_MAX + 1];
	struct stat of_folder, st;
	size_t n = strlen(name);
	bool has_letters = false;

	if (n > NAME_MAX)
		return false;
	for (size_t i = 0; i <= n; i++) {
		bool is_letter = (name[i] >= 'a' && name[i] <= 'z') ||
		                 (name[i] >= 'A' && name[i] <= 'Z');

		if ((unsigned char)name[i] >= 0x80)
			return true;
		other[i] = is_letter ? (char)(name[i] ^ 0x20) : name[i];
		has_letters |= is_letter;
	}
	if (!has_letters || fstat(folder, &of_folder) != 0 ||
	    (of_folder.st_dev == claimed->dev && of_folder.st_ino == claimed->ino))
		return false;
	if (fstatat(folder, other, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == file->st_dev && st.st_ino == file->st_ino)
		return true;
	claimed->dev = of_folder.st_dev;
	claimed->ino = of_folder.st_ino;
	return false;
}

/* Whether this run claimed the file under another name than `name`. */
static bool has_other_claim(struct store *store, const char *name, const struct stat *st)
{
	const struct claimed_file *place;
	bool has_other = false;

	lock_acquire(&store->lock);
	if (store->claimed.n > 0) {
		place = place_of(&store->claimed, hash_of_file(st));
		has_other = place->file != 0 &&
		            place->name != hash_bytes(&fixed_key, name, strlen(name));
	}
	lock_release(&store->lock);
	return has_other;
}

/* Claim the file that has the name of an output. If memory runs out, the file is not claimed, and
 * the output is published without this safeguard. */
static void claim_file(struct store *store, int folder, const char *relative,
                       const char *name, const struct stat *st)
{
	struct claimed_files *claimed = &store->claimed;

	lock_acquire(&store->lock);
	if (may_have_other_names(claimed, folder, name, st) && have_room(claimed)) {
		struct claimed_file *place = place_of(claimed, hash_of_file(st));

		claimed->n += place->file == 0;
		place->file = hash_of_file(st);
		place->name = hash_bytes(&fixed_key, relative, strlen(relative));
	}
	lock_release(&store->lock);
}

/* Whether a file with size 0 really has no bytes. Some file systems give every file the size 0. */
static bool is_empty(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char byte;
	bool is_empty = fd >= 0 && fd_pread_full(fd, &byte, 1, 0) == 0;

	fd_close(&fd);
	return is_empty;
}

enum output_kind store_look(struct store *store, const char *relative,
                            struct stat *ret_stat)
{
	struct failure ignored;
	const char *name;
	int folder;
	bool has, has_no_bytes, is_twin;

	if (!is_sound(relative) ||
	    open_folder_of(store, relative, false, &folder, &name, &ignored) != PUBLISHED)
		return OUTPUT_NONE;
	has = fstatat(folder, name, ret_stat, AT_SYMLINK_NOFOLLOW) == 0;
	has_no_bytes = has && S_ISREG(ret_stat->st_mode) && ret_stat->st_size == 0 &&
	               is_empty(folder, name);
	is_twin = has && S_ISREG(ret_stat->st_mode) &&
	          has_other_claim(store, relative, ret_stat);
	/* Do not claim a file with several hard links: it may have several names in any folder. */
	if (has && S_ISREG(ret_stat->st_mode) && !is_twin && ret_stat->st_nlink <= 1)
		claim_file(store, folder, relative, name, ret_stat);
	fd_close(&folder);
	if (!has)
		return OUTPUT_NONE;
	if (is_twin)
		return OUTPUT_TWIN;
	if (S_ISDIR(ret_stat->st_mode))
		return OUTPUT_FOLDER;
	if (!S_ISREG(ret_stat->st_mode))
		return OUTPUT_LINK;
	return has_no_bytes ? OUTPUT_EMPTY : OUTPUT_FILE;
}

bool store_has(struct store *store, const char *relative)
{
	struct stat ignored;

	return store_look(store, relative, &ignored) != OUTPUT_NONE;
}

bool store_remove(struct store *store, const char *relative, const struct stat *seen)
{
	struct failure ignored;
	const char *name;
	struct stat st;
	bool is_done;
	int folder;

	if (!is_sound(relative) ||
	    open_folder_of(store, relative, false, &folder, &name, &ignored) != PUBLISHED)
		return false;
	errno = 0;
	is_done = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	          is_unchanged(&st, seen) && unlinkat(folder, name, 0) == 0;
	fd_close(&folder);
	return is_done;
}

int store_open_output(struct store *store, const char *relative, const struct stat *seen)
{
	struct failure ignored;
	const char *name;
	struct stat st;
	int folder, fd;

	if (!is_sound(relative) ||
	    open_folder_of(store, relative, false, &folder, &name, &ignored) != PUBLISHED)
		return -1;
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	fd_close(&folder);
	if (fd >= 0 && (fstat(fd, &st) != 0 || !is_unchanged(&st, seen)))
		fd_close(&fd);
	return fd;
}

/* ---- groups ---- */

/* An output that is being published. */
struct work {
	struct store_output *asked;
	/* state between the steps, initialised once the folder is open */
	struct output output;
	int folder;          /* descriptor of the folder; -1: none is open */
	enum published step; /* result of its last step */
};

static enum replace replace_of(const struct store_output *asked)
{
	if (asked->expected)
		return REPLACE_THIS;
	return asked->overwrite == OVERWRITE_ALWAYS ? REPLACE_ANYTHING : REPLACE_NOTHING;
}

static void let_go(struct work *work)
{
	if (work->folder >= 0)
		output_end(&work->output);
	fd_close(&work->folder);
}

/* In a removed folder, ext4 refuses an unnamed file with EPERM instead of ENOENT. Turn such a
 * failure into FOLDER_IS_GONE. */
static enum published blame_a_removed_folder(const struct work *work, enum published step,
                                             struct failure *failure)
{
	if (step <= TWIN_IN_THE_WAY || !is_removed(work->folder))
		return step;
	errno = ENOENT;
	return store_refuse("cannot create a file in the folder of the output",
	                    work->output.is_in_root, failure);
}

static bool has_own_folder(const struct store_output *asked)
{
	return asked->original && asked->original->folder >= 0;
}

/* Open the folder of an output. */
static enum published open_place(struct store *store, struct work *work)
{
	struct store_output *asked = work->asked;
	const struct store_original *original = asked->original;

	if (!original || original->folder < 0)
		return open_folder_of(store, asked->name, true, &work->folder,
		                      &work->output.name, &asked->failure);
	work->output.name = asked->name;
	work->folder = duplicate(original->folder);
	return work->folder >= 0 ? PUBLISHED
	                         : store_refuse("cannot open the folder of the output",
	                                        false, &asked->failure);
}

/* Claim an output that has just got its name. */
static void claim_made(struct store *store, const struct work *work)
{
	struct stat st;

	if (!work->asked->original &&
	    fstatat(work->folder, work->output.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		claim_file(store, work->folder, work->asked->name, work->output.name,
		           &st);
}

/* Whether the output's name leads to the file of another output of this run. */
static bool is_twin_there(struct store *store, struct work *work)
{
	struct stat st;

	if (work->asked->original ||
	    fstatat(work->folder, work->output.name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !has_other_claim(store, work->asked->name, &st))
		return false;
	failure_set(&work->asked->failure, FAIL_COLLISION, "publish: " STORE_TWIN);
	return true;
}

static enum published write_once(struct store *store, struct work *work)
{
	struct store_output *asked = work->asked;
	struct output *output = &work->output;
	enum published step;
	struct stat st;

	*output = (struct output){
		.content = asked->content.fd,
		.offset = (off_t)asked->content.offset,
		.n_bytes = (size_t)asked->content.n_bytes,
		.dates = asked->content.dates,
		.replace = replace_of(asked),
		.expected = asked->expected,
		.backup_suffix = asked->original ? asked->original->backup_suffix : NULL,
		.keeps_attributes = asked->original != NULL,
		.stamp = asked->stamp,
		.is_in_root = !has_own_folder(asked) && !strchr(asked->name, '/'),
		.without = store->without,
	};
	step = open_place(store, work);
	if (step != PUBLISHED)
		return step;
	output->folder = work->folder;
	output_begin(output);
	/* Do not write an output if a file has its name. This is only an early check: output_name()
	 * makes the decision. */
	if (fstatat(output->folder, output->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (output->replace == REPLACE_NOTHING || S_ISDIR(st.st_mode)))
		return is_twin_there(store, work) ? TWIN_IN_THE_WAY : IN_THE_WAY;
	return blame_a_removed_folder(work, output_write(output, &asked->failure),
	                              &asked->failure);
}

static void write_output(struct store *store, struct work *work)
{
	if (!is_sound(work->asked->name)) {
		failure_set(&work->asked->failure, FAIL_INTERNAL,
		            "publish: \"%s\" is not a valid name of an output",
		            work->asked->name);
		work->step = REFUSED;
		return;
	}
	work->step = write_once(store, work);
	if (work->step == FOLDER_IS_GONE) {
		let_go(work);
		forget_last(store);
		work->step = write_once(store, work);
	}
}

static void sync_output(struct store *store, struct work *work)
{
	if (store->is_durable && work->step == PUBLISHED)
		work->step = output_sync(&work->output, &work->asked->failure);
}

static void name_output(struct store *store, struct work *work)
{
	struct failure *failure = &work->asked->failure;

	if (is_twin_there(store, work)) {
		work->step = TWIN_IN_THE_WAY;
		return;
	}
	work->step = blame_a_removed_folder(
		work, output_name(&work->output, store->is_durable, failure), failure);
	if (work->step == FOLDER_IS_GONE) {
		/* The folder was removed after the file was written: create the folder again,
		 * once. */
		let_go(work);
		forget_last(store);
		work->step = write_once(store, work);
		sync_output(store, work);
		if (work->step == PUBLISHED)
			work->step = output_name(&work->output, store->is_durable,
			                         failure);
	}
	if (work->step == PUBLISHED)
		claim_made(store, work);
}

static bool is_same_folder(int a, int b)
{
	struct stat of_a, of_b;

	return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 &&
	       of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

/* Sync the folder of an output, unless an earlier output of the group has the same folder. */
static void sync_name(struct work *works, size_t i)
{
	struct work *work = &works[i];

	for (size_t j = i; j > 0; j--) {
		if (works[j - 1].step == PUBLISHED &&
		    is_same_folder(works[j - 1].folder, work->folder))
			return;
	}
	if (!sync_folder(work->folder, work->output.name))
		work->step = store_refuse("cannot make the output durable",
		                          work->output.is_in_root, &work->asked->failure);
}

/* If an output cannot be published, drop the other outputs of its file. */
static void drop_siblings(struct work *works, size_t n, const struct work *failed)
{
	for (size_t i = 0; i < n; i++) {
		if (&works[i] != failed && works[i].asked->file && failed->asked->file &&
		    works[i].asked->file == failed->asked->file &&
		    works[i].step == PUBLISHED)
			works[i].step = NOT_PUBLISHED;
	}
}

/* Whether an output is skipped, instead of failing, if another file has its name. */
static bool may_be_skipped(const struct store_output *asked)
{
	return !asked->expected && (asked->overwrite == OVERWRITE_SKIP ||
	                            asked->overwrite == OVERWRITE_OLDER);
}

static enum store_result refuse_name(const struct store_output *asked,
                                     struct failure *ret_failure)
{
	if (may_be_skipped(asked))
		return STORE_SKIPPED;
	if (asked->original) {
		failure_set(
			ret_failure, FAIL_VANISHED,
			"publish: the image was changed or replaced while it was processed; it was not replaced");
		return STORE_FAILED;
	}
	failure_set(ret_failure, FAIL_EXISTS, "publish: %s",
	            asked->expected ? "the existing file was changed during the run"
	            : asked->overwrite == OVERWRITE_ALWAYS
	                    ? "a folder with the name of the output exists"
	                    : "a file with the name of the output exists");
	return STORE_FAILED;
}

/* Whether the file system is at fault, so that no further output can be published. */
static bool is_places_fault(const struct store *store, enum published step)
{
	return step == PLACE_REFUSED ||
	       (step == FOLDER_IS_GONE && store->root >= 0 && is_removed(store->root));
}

static enum store_result result_of(const struct store *store, const struct work *work)
{
	struct failure *failure = &work->asked->failure;

	switch (work->step) {
	case PUBLISHED:
		failure->class = FAIL_NONE;
		return STORE_DONE;
	case IN_THE_WAY:
		failure->class = FAIL_NONE;
		return refuse_name(work->asked, failure);
	case NOT_PUBLISHED:
		failure->class = FAIL_NONE;
		return STORE_DROPPED;
	default:
		return is_places_fault(store, work->step) ? STORE_PLACE_FAILED
		                                          : STORE_FAILED;
	}
}

/* Whether this output makes its file fail. A skipped output does not. */
static bool is_failed(const struct work *work)
{
	return work->step != PUBLISHED && work->step != NOT_PUBLISHED &&
	       !(work->step == IN_THE_WAY && may_be_skipped(work->asked));
}

/* Write the outputs. Stop at the first that fails because of the file system, because the rest
 * would fail too. */
static void write_outputs(struct store *store, struct work *works, size_t n)
{
	bool is_refused = false;

	for (size_t i = 0; i < n; i++) {
		if (is_refused)
			works[i].step = NOT_PUBLISHED;
		else
			write_output(store, &works[i]);
		is_refused |= is_places_fault(store, works[i].step);
	}
}

/* Let the caller record the outputs that are about to get their names without a stamp. */
static void intend_names(struct store *store, struct work *works,
                         struct store_output *outputs, size_t n)
{
	struct failure failure;
	bool has_one = false;

	for (size_t i = 0; i < n; i++) {
		outputs[i].is_intended = works[i].step == PUBLISHED && outputs[i].stamp &&
		                         !works[i].output.has_stamp;
		has_one |= outputs[i].is_intended;
	}
	if (!has_one || !store->intend ||
	    store->intend(outputs, n, store->intend_data, &failure))
		return;
	for (size_t i = 0; i < n; i++) {
		if (works[i].step == PUBLISHED) {
			works[i].step = PLACE_REFUSED;
			outputs[i].failure = failure;
		}
	}
}

static void publish_works(struct store *store, struct work *works,
                          struct store_output *outputs, size_t n)
{
	write_outputs(store, works, n);
	for (size_t i = 0; i < n && store->is_durable; i++) {
		if (works[i].step == PUBLISHED)
			output_begin_sync(&works[i].output);
	}
	for (size_t i = 0; i < n; i++)
		sync_output(store, &works[i]);
	for (size_t i = 0; i < n; i++) {
		if (is_failed(&works[i]))
			drop_siblings(works, n, &works[i]);
	}
	intend_names(store, works, outputs, n);
	for (size_t i = 0; i < n; i++) {
		if (works[i].step == PUBLISHED)
			name_output(store, &works[i]);
	}
	for (size_t i = 0; i < n && store->is_durable; i++) {
		if (works[i].step == PUBLISHED)
			sync_name(works, i);
	}
	for (size_t i = 0; i < n; i++) {
		if (works[i].step == PUBLISHED)
			output_settle(&works[i].output);
	}
}

void store_publish_group(struct store *store, struct store_output *outputs, size_t n)
{
	struct work *works = calloc(n, sizeof(*works));

	for (size_t i = 0; i < n; i++) {
		outputs[i].failure.class = FAIL_NONE;
		outputs[i].has_stamp = false;
		if (!works) {
			outputs[i].result = STORE_FAILED;
			failure_set(&outputs[i].failure, FAIL_MEMORY,
			            "publish: out of memory");
			continue;
		}
		works[i].asked = &outputs[i];
		works[i].folder = -1;
	}
	if (!works)
		return;
	publish_works(store, works, outputs, n);
	for (size_t i = 0; i < n; i++) {
		outputs[i].result = result_of(store, &works[i]);
		outputs[i].has_stamp = works[i].output.has_stamp;
		if (outputs[i].result == STORE_DONE && outputs[i].stamp &&
		    !outputs[i].has_stamp)
			store->has_lost_stamp = true;
		if (outputs[i].result == STORE_DONE && works[i].output.has_backup &&
		    !works[i].output.has_mark)
			store->has_lost_mark = true;
		if (works[i].output.dates_errno != 0)
			store->dates_errno = works[i].output.dates_errno;
		let_go(&works[i]);
	}
	free(works);
}

enum store_result store_publish(struct store *store, const char *relative,
                                const struct store_content *content,
                                enum overwrite overwrite, struct failure *ret_failure)
{
	struct store_output output = {
		.name = relative, .content = *content, .overwrite = overwrite};

	store_publish_group(store, &output, 1);
	*ret_failure = output.failure;
	return output.result;
}

int store_open_stream(const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC;
	int fd = open(path, flags, 0666);
	const char *slash = strrchr(path, '/');
	char *folder;

	if (fd >= 0 || errno != ENOENT || !slash || slash == path)
		return fd;
	folder = strndup(path, (size_t)(slash - path));
	if (folder && make_folder(folder) == 0)
		fd = open(path, flags, 0666);
	free(folder);
	return fd;
}
