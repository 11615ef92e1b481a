/* Publishes one output: the ways to give a file its name, and what each way needs of the file
 * system. */
#include "store/publish.h"

#include "base/fd.h"
#include "store/attributes.h"
#include "store/stamp.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

enum { TEMP_TRIES = 8 };

static enum published refuse(const struct output *output, struct failure *failure,
                             const char *step)
{
	return store_refuse(step, output->is_in_root, failure);
}

void output_begin(struct output *output)
{
	output->fd = output->guard = -1;
	output->temp[0] = output->old[0] = 0;
	output->has_stamp = output->has_backup = false;
	output->dates_errno = 0;
}

/* Whether two descriptions are of the same file, with the same size and modification time. */
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

/* ---- hidden names ---- */

static void make_temp_name(char name[TEMP_NAME_BYTES])
{
	uint64_t random = 0;

	/* Without random bytes the name may exist already: O_EXCL and link() notice that. */
	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uintptr_t)name;
	snprintf(name, TEMP_NAME_BYTES, ".pixpool-%016" PRIx64 ".tmp", random);
}

/*
 * Lock a file that has a hidden name, or gets one, so that no other run takes it for the rest of a run
 * that was killed (output_sweep). False: another run is removing the file. Where a file system has no
 * locks, nobody removes files.
 */
static bool lock_hidden(int fd)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno != EWOULDBLOCK;
	return fstat(fd, &st) != 0 || st.st_nlink > 0;
}

/* Remove the file of a hidden name, if there is one. Keeps errno. */
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
	uint64_t number;
	int n = 0;

	return sscanf(name, ".pixpool-%16" SCNx64 ".tmp%n", &number, &n) == 1 &&
	       n == 29 && name[n] == 0;
}

/* Remove a hidden file, unless its run is alive and has it locked. */
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

/* ---- writing ---- */

/* Fill in the size, time and hash of the output in its stamp. False with errno. */
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
	/* Without a stamp, the row in the state has the same record. */
	return output->has_stamp || errno == ENOTSUP;
}

/* Copy the attributes of the file that is replaced. If another file has its name by now,
 * output_name() will find out. False with errno. */
static bool add_attributes(const struct output *output)
{
	int fd = openat(output->folder, output->name,
	                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	bool is_done = fd >= 0 || errno == ENOENT || errno == ELOOP || errno == ENXIO;

	if (fd >= 0 && fstat(fd, &st) == 0 && is_unchanged(&st, output->expected))
		is_done = attributes_copy(output->fd, fd);
	fd_close(&fd);
	return is_done;
}

/* Set the dates of the output, if any. Shares and FUSE file systems may refuse that, each with another
 * error: then the output keeps the date of now. */
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

/* The bytes come first, because writing them changes the rest: then the attributes, the dates,
 * and last the stamp, which contains the modification time. */
static bool fill(struct output *output)
{
	if (!fd_copy(output->fd, output->content, output->offset, output->n_bytes) ||
	    (output->keeps_attributes && !add_attributes(output)))
		return false;
	set_dates(output);
	return add_stamp(output);
}

static enum published fill_or_drop(struct output *output, struct failure *failure)
{
	enum published result;

	if (fill(output))
		return PUBLISHED;
	result = refuse(output, failure, "write the output");
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
		               : refuse(output, failure, "create a file");
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
		return refuse(output, failure, "create a file");
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
	/* A failure costs only speed. */
	(void)!sync_file_range(output->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* Sync the file. A file system that does not support that loses nothing that it could keep. */
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
	result = refuse(output, ret_failure, "make the output durable");
	drop_file(output);
	return result;
}

/* ---- naming ---- */

static int link_unnamed(const struct output *output, const char *name)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", output->fd);
	return linkat(AT_FDCWD, path, output->folder, name, AT_SYMLINK_FOLLOW);
}

/* link() never replaces, rename() does: so a file that replaces another needs a hidden name first. */
static int link_hidden(struct output *output)
{
	int tries = 0, linked;

	lock_hidden(output->fd); /* it has no name, so no other run has it */
	do {
		make_temp_name(output->temp);
		linked = link_unnamed(output, output->temp);
	} while (linked != 0 && errno == EEXIST && ++tries < TEMP_TRIES);
	if (linked != 0)
		output->temp[0] = 0;
	return linked;
}

/* Whether linking failed because this file system, or a security policy, does not allow it for
 * such a file. */
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

/* Close a written file before its name shows it: NFS may say only now that it is full. The duplicate
 * keeps the lock. */
static enum published close_file(struct output *output, struct failure *failure)
{
	int fd = output->fd;
	enum published result;

	output->guard = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	output->fd = -1;
	if (close(fd) == 0 || errno == EINTR)
		return PUBLISHED;
	result = refuse(output, failure, "write the output");
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
	/* A new name could be made in the folder, so the old file is protected, not the folder. */
	return store_refuse("replace the file that is there", false, failure);
}

/*
 * Without rename flags and links: create an empty file to claim the name, then rename the output
 * over it. The empty file exists between these two calls. If the process is killed there, it
 * stays; a later run may always replace an empty file.
 */
static enum published claim_and_rename(struct output *output, struct failure *failure)
{
	int claim = openat(output->folder, output->name,
	                   O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0666);
	enum published result;

	if (claim < 0)
		return errno == EEXIST ? IN_THE_WAY
		                       : refuse(output, failure, "name the output");
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
		                       : refuse(output, failure, "name the output");
	errno = EPERM;
	if (!(output->without & WITHOUT_LINKS))
		done = linkat(folder, output->temp, folder, output->name, 0);
	if (done == 0) {
		drop_hidden(output, output->temp);
		return PUBLISHED;
	}
	if (errno == EEXIST)
		return IN_THE_WAY;
	return has_no_links() ? claim_and_rename(output, failure)
	                      : refuse(output, failure, "name the output");
}

/* The name of the backup. The caller frees it. NULL when memory ran out. */
static char *name_of_backup(const struct output *output)
{
	char *backup;

	return asprintf(&backup, "%s%s", output->name, output->backup_suffix) < 0
	               ? NULL
	               : backup;
}

/*
 * Link the backup's name to the old file, before the old file loses its name: so a process that is
 * killed at any moment leaves no original under a hidden name alone. A file that has the backup's name
 * is never replaced; the link that a killed process left is the same file. Where links are not
 * possible, output_settle() renames the old file.
 */
static enum published link_backup(struct output *output, struct failure *failure)
{
	char *backup = output->backup_suffix ? name_of_backup(output) : NULL;
	int folder = output->folder;
	enum published result = PUBLISHED;
	struct stat st;

	if (!backup)
		return output->backup_suffix ? refuse(output, failure, "keep a backup")
		                             : PUBLISHED;
	errno = EPERM;
	if (!(output->without & WITHOUT_LINKS) &&
	    linkat(folder, output->name, folder, backup, 0) == 0)
		output->has_backup = true;
	else if (errno != EEXIST && !has_no_links())
		result = refuse(output, failure, "keep a backup");
	else if (fstatat(folder, backup, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		output->has_backup = is_unchanged(&st, output->expected);
		if (!output->has_backup) {
			failure_set(failure, FAIL_EXISTS,
			            "publish: cannot keep a backup: %s exists", backup);
			result = REFUSED;
		}
	}
	free(backup);
	return result;
}

/* Remove the link of the backup: the old file has its name again. */
static void unlink_backup(struct output *output)
{
	char *backup = output->has_backup ? name_of_backup(output) : NULL;

	if (backup)
		unlinkat(output->folder, backup, 0);
	output->has_backup = false;
	free(backup);
}

/*
 * Exchange the hidden file with the existing one, and check the old file afterwards: so it cannot
 * change between the check and the exchange. The old file is kept until the new one is durable.
 */
/*
 * Before an exchange after which the hidden name has the only link to an original: give the file a hidden
 * name that no run removes, ".pixpool-<16 hex digits>.old". A failure costs only this protection.
 */
static void protect_hidden(struct output *output)
{
	char name[TEMP_NAME_BYTES];

	make_temp_name(name);
	memcpy(strrchr(name, '.'), ".old", 5);
	if (renameat(output->folder, output->temp, output->folder, name) == 0)
		memcpy(output->temp, name, TEMP_NAME_BYTES);
}

static enum published exchange_expected(struct output *output, struct failure *failure)
{
	if (output->backup_suffix && !output->has_backup)
		protect_hidden(output);
	errno = EINVAL;
	if ((output->without & WITHOUT_NOREPLACE) ||
	    exchange(output, output->temp) != 0) {
		if (errno == ENOENT)
			return IN_THE_WAY;
		if (!has_no_links())
			return refuse(output, failure, "replace the file that is there");
		/* The file system cannot exchange files. If the old file need not be kept, or is
		 * kept already, rename: the check was only a moment ago. */
		if (output->backup_suffix && !output->has_backup) {
			errno = EOPNOTSUPP;
			return refuse(output, failure, "keep a backup");
		}
		return rename_over(output, failure);
	}
	if (is_expected(output, output->temp)) {
		memcpy(output->old, output->temp, TEMP_NAME_BYTES);
		output->temp[0] = 0;
		return PUBLISHED;
	}
	return exchange(output, output->temp) == 0
	               ? IN_THE_WAY
	               : refuse(output, failure, "put back the file that was there");
}

static enum published replace_expected(struct output *output, struct failure *failure)
{
	enum published result = is_expected(output, output->name)
	                                ? link_backup(output, failure)
	                                : IN_THE_WAY;

	if (result != PUBLISHED)
		return result;
	result = exchange_expected(output, failure);
	if (result != PUBLISHED)
		unlink_backup(output);
	return result;
}

static enum published name_hidden(struct output *output, struct failure *failure)
{
	enum published result = close_file(output, failure);

	if (result != PUBLISHED)
		return result;
	switch (output->replace) {
	case REPLACE_ANYTHING:
		return rename_over(output, failure);
	case REPLACE_THIS:
		return replace_expected(output, failure);
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
				return refuse(output, ret_failure, "link the output");
			result = change_way(output, is_durable, ret_failure);
			if (result != PUBLISHED)
				return result;
		}
	}
	return name_hidden(output, ret_failure);
}

/* Exchange the files again, so that the old file has its name, and remove ours. Where that fails, or
 * somebody has replaced ours, both files stay, so that nothing is lost. */
static void put_back(struct output *output)
{
	struct stat ours, st;

	if (fstat(output->guard, &ours) == 0 &&
	    fstatat(output->folder, output->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    is_unchanged(&ours, &st) && exchange(output, output->old) == 0) {
		drop_hidden(output, output->old);
		unlink_backup(output);
	}
	output->old[0] = 0;
}

enum published output_settle(struct output *output, struct failure *ret_failure)
{
	enum published result;
	char *backup;
	int done = -1;

	if (!output->old[0] || !output->backup_suffix || output->has_backup) {
		drop_hidden(output, output->old);
		return PUBLISHED;
	}
	backup = name_of_backup(output);
	if (backup)
		done = renameat2(output->folder, output->old, output->folder, backup,
		                 RENAME_NOREPLACE);
	free(backup);
	if (done == 0) {
		output->old[0] = 0;
		return PUBLISHED;
	}
	result = refuse(output, ret_failure, "keep a backup");
	put_back(output);
	return result;
}

void output_end(struct output *output)
{
	if (output->old[0])
		put_back(output);
	drop_file(output);
}
