/* Functions that read and write descriptors. They continue until all bytes are transferred. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <time.h>
#include <unistd.h>

void fd_close(int *fd)
{
	int kept = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = kept;
}

int fd_keep_above_standard(int fd)
{
	int moved;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	fd_close(&fd);
	return moved;
}

/* Wait until fd accepts more bytes. fd may be non-blocking although this program did not ask for
 * it, because another process that shares the open file may have changed it. */
static bool wait_writable(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};

	return poll(&wait, 1, -1) >= 0 || errno == EINTR;
}

bool fd_write_all(int fd, const void *bytes, size_t n)
{
	const char *next = bytes;

	while (n > 0) {
		ssize_t wrote = write(fd, next, n);

		if (wrote < 0) {
			if (errno == EINTR || (errno == EAGAIN && wait_writable(fd)))
				continue;
			return false;
		}
		next += wrote;
		n -= (size_t)wrote;
	}
	return true;
}

/* Write n bytes without SIGXFSZ, the signal that the kernel sends to a thread that writes beyond
 * RLIMIT_FSIZE. The signal is blocked during the write, and removed if it was sent. */
static bool write_all_without_signal(int fd, const void *bytes, size_t n)
{
	const struct timespec now = {0};
	sigset_t too_long, before;
	bool is_written;
	int kept;

	sigemptyset(&too_long);
	sigaddset(&too_long, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &too_long, &before);
	is_written = fd_write_all(fd, bytes, n);
	kept = errno;
	if (!is_written && kept == EFBIG)
		sigtimedwait(&too_long, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = kept;
	return is_written;
}

int fd_of_bytes(const char *name, unsigned flags, const void *bytes, size_t n)
{
	int fd = fd_keep_above_standard(memfd_create(name, MFD_CLOEXEC | flags));

	if (fd >= 0 && !write_all_without_signal(fd, bytes, n))
		fd_close(&fd);
	return fd;
}

ssize_t fd_pread_full(int fd, void *bytes, size_t n, off_t offset)
{
	char *next = bytes;
	size_t have = 0;

	while (have < n) {
		ssize_t got = pread(fd, next + have, n - have, offset + (off_t)have);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

bool fd_count(int fd, uint64_t max, uint64_t *ret_n)
{
	char bytes[16 * 1024];
	ssize_t got = 1;

	*ret_n = 0;
	while (got > 0 && *ret_n <= max) {
		got = fd_pread_full(fd, bytes, sizeof(bytes), (off_t)*ret_n);
		if (got > 0)
			*ret_n += (uint64_t)got;
	}
	if (*ret_n > max)
		*ret_n = max + 1;
	return got >= 0;
}

/* Whether sendfile() failed because a kernel, a file system or a seccomp filter does not support it
 * for these files. Then the bytes are copied with write(), where a real error would occur again. */
static bool is_without_sendfile(int sys_errno)
{
	return sys_errno == EINVAL || sys_errno == ENOSYS || sys_errno == EOPNOTSUPP ||
	       sys_errno == EPERM || sys_errno == EACCES;
}

/* Copy the next bytes, at most n, with read and write. Returns the same as sendfile(). All bytes
 * that were read are written. */
static ssize_t copy_piece(int to, int from, off_t *offset, size_t n)
{
	char bytes[16 * 1024];
	ssize_t got = pread(from, bytes, n < sizeof(bytes) ? n : sizeof(bytes), *offset);

	if (got <= 0)
		return got;
	if (!fd_write_all(to, bytes, (size_t)got))
		return -1;
	*offset += got;
	return got;
}

bool fd_copy(int to, int from, off_t offset, size_t n)
{
	const off_t end = offset + (off_t)n;
	bool is_refused = false;

	while (offset < end) {
		size_t n_left = (size_t)(end - offset);
		ssize_t copied = is_refused ? copy_piece(to, from, &offset, n_left)
		                            : sendfile(to, from, &offset, n_left);

		if (copied < 0) {
			if (errno == EINTR)
				continue;
			if (is_refused || !is_without_sendfile(errno))
				return false;
			is_refused = true;
		}
		if (copied == 0) {
			errno = ENODATA;
			return false;
		}
	}
	return true;
}
