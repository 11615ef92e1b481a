/* How one output gets its name: the two ways, and what each needs of the file system. */
#include "store/publish.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMP_BYTES = 48, TEMP_TRIES = 8 };

static enum published refuse(const struct output *output, struct failure *failure,
                             const char *step)
{
	return store_refuse(step, output->is_in_root, failure);
}

static void temp_name(char name[TEMP_BYTES])
{
	uint64_t random = 0;

	/* Without random bytes the name may exist already: O_EXCL and link() notice that. */
	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uintptr_t)name;
	snprintf(name, TEMP_BYTES, ".pixpool-%016" PRIx64 ".tmp", random);
}

/* Keeps errno. */
static void drop_temp(const struct output *output, const char *temp)
{
	int kept = errno;

	unlinkat(output->folder, temp, 0);
	errno = kept;
}

/* Rename the temporary file to the output's name, in place of whatever has that. */
static enum published rename_over(const struct output *output, const char *temp,
                                  struct failure *failure)
{
	if (renameat(output->folder, temp, output->folder, output->name) == 0)
		return PUBLISHED;
	drop_temp(output, temp);
	/* The folder took a new name, so it is the old file that is protected. */
	return store_refuse("replace the file that is there", false, failure);
}

/* Write the whole content, and then set the dates, which writing would change. */
static bool fill(const struct output *output, int fd)
{
	return fd_copy(fd, output->content, output->offset, output->n_bytes) &&
	       (!output->dates || futimens(fd, output->dates) == 0);
}

/* ---- by way of an unnamed file ---- */

static int link_unnamed(int fd, int folder, const char *name)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW);
}

/* link() never replaces, rename() does: so the file gets a temporary name first. */
static enum published replace_by_unnamed(const struct output *output, int fd,
                                         struct failure *failure)
{
	char temp[TEMP_BYTES];
	int tries = 0, linked;

	do {
		temp_name(temp);
		linked = link_unnamed(fd, output->folder, temp);
	} while (linked != 0 && errno == EEXIST && ++tries < TEMP_TRIES);

	return linked == 0 ? rename_over(output, temp, failure)
	                   : refuse(output, failure, "link the output");
}

static enum published name_unnamed(const struct output *output, int fd,
                                   struct failure *failure)
{
	if (link_unnamed(fd, output->folder, output->name) == 0)
		return PUBLISHED;
	switch (errno) {
	case EEXIST:
		return output->may_replace ? replace_by_unnamed(output, fd, failure)
		                           : IN_THE_WAY;
	case EPERM: /* a file system without links, or a policy against this kind */
	case EOPNOTSUPP:
	case EXDEV:
	case EINVAL:
		return NOT_THIS_WAY;
	default:
		return refuse(output, failure, "link the output");
	}
}

static enum published publish_unnamed(const struct output *output,
                                      struct failure *failure)
{
	enum published result;
	int fd;

	if (output->without & (WITHOUT_TMPFILE | WITHOUT_PROC))
		return NOT_THIS_WAY;
	fd = openat(output->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	if (fd < 0)
		return errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL
		               ? NOT_THIS_WAY
		               : refuse(output, failure, "create a file");

	if (fill(output, fd))
		result = name_unnamed(output, fd, failure);
	else
		result = refuse(output, failure, "write the output");
	fd_close(&fd);
	return result;
}

/* ---- by way of a hidden name ---- */

static int create_temp(const struct output *output, char temp[TEMP_BYTES])
{
	int tries = 0, fd;

	do {
		temp_name(temp);
		fd = openat(output->folder, temp,
		            O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0666);
	} while (fd < 0 && errno == EEXIST && ++tries < TEMP_TRIES);
	return fd;
}

/* Rename the temporary file to the output's name, unless something has that. */
static enum published rename_new(const struct output *output, const char *temp,
                                 struct failure *failure)
{
	int folder = output->folder;
	int done = -1;

	errno = EINVAL;
	if (!(output->without & WITHOUT_NOREPLACE))
		done = renameat2(folder, temp, folder, output->name, RENAME_NOREPLACE);
	if (done == 0)
		return PUBLISHED;

	if (errno == EINVAL || errno == ENOSYS) {
		done = linkat(folder, temp, folder, output->name, 0);
		/* Neither way works. EPERM would blame the folder. A name that vfat does not
		 * take ends here too. */
		if (done != 0 && errno == EPERM)
			errno = EINVAL;
	}
	drop_temp(output, temp);
	if (done == 0)
		return PUBLISHED;
	return errno == EEXIST ? IN_THE_WAY : refuse(output, failure, "name the output");
}

static enum published publish_named(const struct output *output, struct failure *failure)
{
	char temp[TEMP_BYTES];
	int fd = create_temp(output, temp);
	bool is_written;

	if (fd < 0)
		return refuse(output, failure, "create a file");
	is_written = fill(output, fd);
	if (is_written)
		is_written = close(fd) == 0; /* NFS may say only now that it is full */
	else
		fd_close(&fd);
	if (!is_written) {
		drop_temp(output, temp);
		return refuse(output, failure, "write the output");
	}
	return output->may_replace ? rename_over(output, temp, failure)
	                           : rename_new(output, temp, failure);
}

enum published output_publish(const struct output *output, struct failure *ret_failure)
{
	enum published result = publish_unnamed(output, ret_failure);

	return result == NOT_THIS_WAY ? publish_named(output, ret_failure) : result;
}
