/*
 * File descriptors. Reads and writes are complete: they continue after EINTR and after a short
 * count. Any thread may call these functions.
 */
#ifndef PXP_FD_H
#define PXP_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Close *fd unless it is -1, and set it to -1. Leaves errno unchanged. */
void fd_close(int *fd);

/* Move fd above the standard descriptors 0 to 2. A program may have closed those, and text that it
 * prints must not go to one of our files.
 *
 * If fd is -1 or above 2 already, returns fd. If not, returns a duplicate with close-on-exec, and
 * closes fd. If fd cannot be duplicated, closes it and returns -1 with errno. */
int fd_keep_above_standard(int fd);

/* Write n bytes. If fd is non-blocking and full, waits until it accepts more. Returns false with
 * errno on failure. */
bool fd_write_all(int fd, const void *bytes, size_t n);

/* Create a memfd with these n bytes, with close-on-exec and above the standard descriptors.
 *
 * flags  more flags for memfd_create(), besides MFD_CLOEXEC.
 *
 * Returns the descriptor, which belongs to the caller. On failure returns -1 with errno; EFBIG: n
 * is over RLIMIT_FSIZE. The signal SIGXFSZ is not raised. */
int fd_of_bytes(const char *name, unsigned flags, const void *bytes, size_t n);

/* Read n bytes at offset, or fewer bytes if the file ends earlier. Does not move the file position.
 * Returns the number of bytes; -1 with errno on failure. */
ssize_t fd_pread_full(int fd, void *bytes, size_t n, off_t offset);

/* Count the bytes of a file by reading it, for a file whose st_size is 0 although it has bytes
 * (/proc, some FUSE file systems). If the file has more than `max` bytes, the count is max + 1.
 * Returns false with errno on failure. */
bool fd_count(int fd, uint64_t max, uint64_t *ret_n);

/* Copy n bytes from one file to another. The bytes are read from `from`, starting at offset, and
 * written to `to`, at its current position. The position of `from` does not move. If sendfile() is
 * not supported for these files, read and write are used. Returns false with errno on failure:
 * ENODATA if `from` ends too early. */
bool fd_copy(int to, int from, off_t offset, size_t n);

#endif
