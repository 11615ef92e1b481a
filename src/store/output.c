/* Publishes one output: writes it to an unnamed or hidden file, syncs it, gives it its name, and
 * keeps or removes the file that it replaces. */
#include "store/output.h"

#include "base/fd.h"
#include "common/hash.h"
#include "common/path.h"
#include "store/stamp.h"
#include "store/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- failures ---- */

static enum fail_class class_of(int sys_errno)
{
	switch (sys_errno) {
	case EEXIST:
	case EISDIR:
	case ENOTDIR: /* a file or a link is in the place of a folder */
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
		return "too many open files; raise the limit (ulimit -n)";
	default:
		text = strerrordesc_np(sys_errno);
		return text ? text : "unknown error";
	}
}

enum published store_refuse(const char *problem, bool is_in_root,
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
	case ENOTCONN: /* the server of a FUSE file system has died */
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

/* Give an open file the access control list of another file, as far as the file system supports it.
 * Returns false with errno if memory ran out. */
static bool copy_list(int to, int from)
{
	void *list = malloc(MAX_VALUE_BYTES);
	ssize_t n;

	if (!list)
		return false;
	n = fgetxattr(from, ACL_ATTRIBUTE, list, MAX_VALUE_BYTES);
	if (n >= 0)
		(void)!fsetxattr(to, ACL_ATTRIBUTE, list, (size_t)n, 0);
	else if (errno ==
	         ENODATA) /* the new file may have inherited a list from its folder */
		(void)!fremovexattr(to, ACL_ATTRIBUTE);
	free(list);
	return true;
}

/*
 * Give an open file the access control list and the mode of another file. Set the other properties
 * before the mode, because a read-only file takes no attributes. The set-user-id bit is cleared if
 * the two files have different owners, the set-group-id bit if they have different groups. Returns
 * false with errno if the mode cannot be set or memory ran out.
 */
static bool copy_mode(int to, int from)
{
	struct stat st, now;
	mode_t mode;

	if (fstat(from, &st) != 0 || fstat(to, &now) != 0)
		return false;
	mode = st.st_mode & 07777;
	if (st.st_uid != now.st_uid)
		mode &= (mode_t)~S_ISUID;
	if (st.st_gid != now.st_gid)
		mode &= (mode_t)~S_ISGID;
	if (!copy_list(to, from))
		return false;
	/* A network share may refuse to set a mode, even one that the new file already has. */
	return fchmod(to, mode) == 0 ||
	       (fstat(to, &now) == 0 && (now.st_mode & 07777) == mode);
}

/* ---- one output ---- */

enum { TEMP_TRIES = 8 };

static enum published refuse(const struct output *output, struct failure *failure,
                             const char *problem)
{
	return store_refuse(problem, output->is_in_root, failure);
}

void output_begin(struct output *output)
{
	output->fd = output->guard = -1;
	output->temp[0] = output->old[0] = 0;
	output->has_stamp = output->has_backup = output->has_mark = false;
	output->dates_errno = 0;
}

bool is_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       store_time_ns(&a->st_mtim) == store_time_ns(&b->st_mtim);
}

/* Whether the file of this name is still the expected file, unchanged. */
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

/* A hidden name is HIDDEN_BEGIN, 16 hexadecimal digits and ".tmp". */
#define HIDDEN_BEGIN ".pixpool-"
enum { N_HIDDEN_BEGIN = sizeof(HIDDEN_BEGIN) - 1, N_HIDDEN_DIGITS = 16 };

static void make_temp_name(char name[TEMP_NAME_BYTES])
{
	uint64_t random = 0;

	/* If getrandom() fails, a file with this name may exist already, but O_EXCL and link()
	 * never replace it. */
	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uintptr_t)name;
	snprintf(name, TEMP_NAME_BYTES, HIDDEN_BEGIN "%016" PRIx64 ".tmp", random);
}

/*
 * Lock a file that has a hidden name, or is about to get one. The lock tells output_sweep() of
 * another run that the file does not belong to a killed run. Returns false if another run has
 * removed the file or is removing it. Returns true also if the file system has no locks: there, no
 * run removes hidden files. For a file that has no name yet the result has no meaning.
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
	return strncmp(name, HIDDEN_BEGIN, N_HIDDEN_BEGIN) == 0 &&
	       strspn(name + N_HIDDEN_BEGIN, "0123456789abcdef") == N_HIDDEN_DIGITS &&
	       strcmp(name + N_HIDDEN_BEGIN + N_HIDDEN_DIGITS, ".tmp") == 0;
}

/* Keep a file that an output has replaced and that cannot get its name back: rename it to that name
 * followed by ".kept-" and hexadecimal digits, because a later run removes files with hidden names.
 * If it cannot be renamed, it stays under its hidden name. Adds the name under which the file is
 * kept to the failure, and sets `hidden` to "". */
static void keep_file(const struct output *output, char hidden[TEMP_NAME_BYTES],
                      struct failure *failure)
{
	char kept[NAME_MAX + 1];
	int n = snprintf(kept, sizeof(kept), "%s.kept-%.*s", output->name,
	                 N_HIDDEN_DIGITS, hidden + N_HIDDEN_BEGIN);

	if (n < 0 || (size_t)n >= sizeof(kept) ||
	    renameat2(output->folder, hidden, output->folder, kept, RENAME_NOREPLACE) !=
	            0)
		snprintf(kept, sizeof(kept), "%s", hidden);
	failure_append(failure, "; the previous file is kept as %s", kept);
	hidden[0] = 0;
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

void output_sweep(int folder)
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

/* Fill in the size, time and hash of the output in its stamp, and write the stamp to the output.
 * Returns false with errno on failure. */
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
	/* ENOTSUP is no failure: the row in the state has the same data as the stamp. */
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
		"publish: the image belongs to another user or group (%ju:%ju), and the "
		"new file cannot get this owner and group: %s",
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

enum published output_write(struct output *output, struct failure *ret_failure)
{
	enum published result = write_unnamed(output, ret_failure);

	return result == NOT_THIS_WAY ? write_hidden(output, ret_failure) : result;
}

void output_begin_sync(const struct output *output)
{
	/* The call only starts the writing early. If it fails, the later sync takes longer. */
	(void)!sync_file_range(output->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* Sync the file. If the file system does not support fsync(), the file cannot be made durable, and
 * that counts as success. */
static bool sync_file(int fd)
{
	return fsync(fd) == 0 || errno == EINVAL || errno == ENOSYS ||
	       errno == EOPNOTSUPP;
}

enum published output_sync(struct output *output, struct failure *ret_failure)
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

/* Whether linkat() or renameat2() failed because this file system, or a security policy, does not
 * allow such links, or does not support the flag of renameat2(). */
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
	/* After a failed sync, output_sync() writes the output once more, in the same way. */
	output->without |= WITHOUT_TMPFILE;
	result = write_hidden(output, failure);
	return result == PUBLISHED && is_durable ? output_sync(output, failure) : result;
}

/* Close a written file before it gets its name, because NFS may report a full disk only at close().
 * A duplicate of the descriptor stays open and keeps the lock. */
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
	/* The hidden file was created in the folder, so the folder is writable. Only the old file
	 * is protected, and other outputs may succeed. */
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

/* Whether files in a folder can be linked. The test makes a second link to the file `name`, and
 * removes the link. Returns true also if linking failed for another reason. */
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

/* Mark the old file as a backup before it gets the name of the backup. The mark contains that name,
 * so it has no effect while the file has its old name. */
static void mark_original(struct output *output, const char *backup)
{
	int fd = openat(output->folder, output->name,
	                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	output->has_mark = fd >= 0 && fstat(fd, &st) == 0 &&
	                   is_unchanged(&st, output->expected) && mark_backup(fd, backup);
	fd_close(&fd);
}

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
	/* A link would have the owner, attributes and mode of the old file. Give them to the copy
	 * too, as far as the file system supports them. */
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
	output_end(&copy, failure);
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
 * Exchange the hidden file with the old file, and check the old file only after that. If the check
 * came first, the old file could change between the check and the exchange. The old file is kept
 * until the new one is durable.
 */
static enum published exchange_expected(struct output *output, struct failure *failure)
{
	enum published result;

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
	if (exchange(output, output->temp) == 0)
		return IN_THE_WAY;
	result = refuse(output, failure, "cannot restore the previous file");
	keep_file(output, output->temp, failure);
	/* Let remove_backup() keep the backup too: the original may have no other name, because the
	 * file that keep_file() has kept may be a different one. */
	output->has_backup = false;
	return result;
}

static enum published replace_expected(struct output *output, bool is_durable,
                                       struct failure *failure)
{
	enum published result = is_expected(output, output->name)
	                                ? make_backup(output, is_durable, failure)
	                                : IN_THE_WAY;

	/* If the original became shorter, it could not be copied. */
	if (result == REFUSED && !is_expected(output, output->name))
		return IN_THE_WAY;
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

enum published output_name(struct output *output, bool is_durable,
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
 * fails, or if another program has replaced our file, both files are kept, so that nothing is
 * lost. */
static void put_back(struct output *output, struct failure *failure)
{
	struct stat ours, st;

	if (fstat(output->guard, &ours) == 0 &&
	    fstatat(output->folder, output->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    is_unchanged(&ours, &st) && exchange(output, output->old) == 0) {
		drop_hidden(output, output->old);
		remove_backup(output);
	} else {
		keep_file(output, output->old, failure);
	}
}

void output_settle(struct output *output)
{
	drop_hidden(output, output->old);
}

void output_end(struct output *output, struct failure *failure)
{
	if (output->old[0])
		put_back(output, failure);
	drop_file(output);
}
