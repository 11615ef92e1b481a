/*
 * Descriptors: whole reads and writes, which go on after EINTR and after a short
 * count. On failure they return false and errno says why.
 */
#ifndef PXP_FD_H
#define PXP_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Close *fd unless it is -1, and make it -1. Keeps errno. */
void fd_close(int *fd);

/* Move fd above the three standard ones, which a program may have closed: what it prints, or
 * reads, is not ours. The fd itself where that is so, or when it is -1; -1 with errno, and fd is
 * closed, when there is no room. Close-on-exec. */
int fd_keep_above_standard(int fd);

/* Write all n bytes, waiting where the descriptor would block. */
bool fd_write_all(int fd, const void *bytes, size_t n);

/* A memfd that holds these n bytes; close-on-exec, above the standard descriptors. flags go to
 * memfd_create(). -1 with errno: EFBIG over RLIMIT_FSIZE, without SIGXFSZ. */
int fd_of_bytes(const char *name, unsigned flags, const void *bytes, size_t n);

/* Read at offset until n bytes are in or the file ends; -1 on an error. Does not
 * move the file's own position. */
ssize_t fd_pread_full(int fd, void *bytes, size_t n, off_t offset);

/* Append n bytes of from, which begin at offset (its own position stays), to to, in the
 * kernel where it can. False with ENODATA when from ends before that. */
bool fd_copy(int to, int from, off_t offset, size_t n);

#endif
