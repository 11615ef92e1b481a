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

static enum published stopped(const struct output *output, struct stop *stop,
                              const char *stage)
{
	stop_at(stop, stage, output->in_root);
	return STOPPED;
}

static void temp_name(char name[TEMP_BYTES])
{
	uint64_t random = 0;

	/* Should it fail, the name is taken at times, and O_EXCL or link tell us. */
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

/* Give what stands under the temporary name the right one. */
static enum published rename_over(const struct output *output, const char *temp,
                                  struct stop *stop)
{
	if (renameat(output->folder, temp, output->folder, output->name) == 0)
		return PUBLISHED;
	drop_temp(output, temp);
	/* The folder took a new name: it is what has the old one that is protected. */
	stop_at(stop, "replace what is there", false);
	return STOPPED;
}

/* The whole content, and then its dates, which writing would change. */
static bool fill(const struct output *output, int fd)
{
	return fd_copy(fd, output->content, output->n) &&
	       (!output->dates || futimens(fd, output->dates) == 0);
}

/* --- by way of an unnamed file --- */

static int link_unnamed(int fd, int folder, const char *name)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW);
}

/* Linking never replaces, renaming does. */
static enum published replace_by_unnamed(const struct output *output, int fd,
                                         struct stop *stop)
{
	char temp[TEMP_BYTES];
	int tries = 0, linked;

	do {
		temp_name(temp);
		linked = link_unnamed(fd, output->folder, temp);
	} while (linked != 0 && errno == EEXIST && ++tries < TEMP_TRIES);

	return linked == 0 ? rename_over(output, temp, stop)
	                   : stopped(output, stop, "link it");
}

static enum published name_unnamed(const struct output *output, int fd, struct stop *stop)
{
	if (link_unnamed(fd, output->folder, output->name) == 0)
		return PUBLISHED;
	switch (errno) {
	case EEXIST:
		return output->may_replace ? replace_by_unnamed(output, fd, stop)
		                           : IN_THE_WAY;
	case EPERM: /* a file system without links, or a policy against this kind */
	case EOPNOTSUPP:
	case EXDEV:
	case EINVAL:
		return NO_SUCH_WAY;
	default:
		return stopped(output, stop, "link it");
	}
}

static enum published publish_unnamed(const struct output *output, struct stop *stop)
{
	enum published result;
	int fd;

	if (output->without & (WITHOUT_TMPFILE | WITHOUT_PROC))
		return NO_SUCH_WAY;
	fd = openat(output->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	if (fd < 0)
		return errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL
		               ? NO_SUCH_WAY
		               : stopped(output, stop, "make a file");

	if (fill(output, fd))
		result = name_unnamed(output, fd, stop);
	else
		result = stopped(output, stop, "write it");
	fd_close(&fd);
	return result;
}

/* --- by way of a hidden name --- */

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

/* Give it the right name unless something has that. */
static enum published rename_new(const struct output *output, const char *temp,
                                 struct stop *stop)
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
		/* Neither way, then: EPERM would blame the folder. A name that vfat does
		 * not take ends here too. */
		if (done != 0 && errno == EPERM)
			errno = EINVAL;
	}
	drop_temp(output, temp);
	if (done == 0)
		return PUBLISHED;
	return errno == EEXIST ? IN_THE_WAY : stopped(output, stop, "name it");
}

static enum published publish_named(const struct output *output, struct stop *stop)
{
	char temp[TEMP_BYTES];
	int fd = create_temp(output, temp);
	bool written;

	if (fd < 0)
		return stopped(output, stop, "make a file");
	written = fill(output, fd);
	if (written)
		written = close(fd) == 0; /* NFS may say only now that it is full */
	else
		fd_close(&fd);
	if (!written) {
		drop_temp(output, temp);
		return stopped(output, stop, "write it");
	}
	return output->may_replace ? rename_over(output, temp, stop)
	                           : rename_new(output, temp, stop);
}

enum published output_publish(const struct output *output, struct stop *ret_stop)
{
	enum published result = publish_unnamed(output, ret_stop);

	return result == NO_SUCH_WAY ? publish_named(output, ret_stop) : result;
}
