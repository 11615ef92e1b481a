/*
 * Outputs that appear whole or not at all: an unnamed file in the output's folder, the
 * bytes, then a link under its name. This room alone creates, renames and removes.
 *
 * Where a file system has no unnamed files (or /proc is not mounted) the file has a
 * hidden name until then, ".pixpool-<16 hex digits>.tmp" in the same folder; so has, for
 * an instant, a whole file that is about to replace another. No failure leaves one; only
 * a process killed at that moment does.
 */
#ifndef PXP_STORE_H
#define PXP_STORE_H

#include "common/outcome.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct store;

enum overwrite {
	OVERWRITE_OWN,    /* what is there stays, and the output fails as `exists` */
	OVERWRITE_SKIP,   /* what is there stays, and the output is skipped */
	OVERWRITE_ALWAYS, /* what is there is replaced, also a link; but not a folder */
};

/*
 * Open the output folder, making it (and its parents) when it is not there. It may be
 * reached through links. NULL with errno set when that fails. Calls on one store may come
 * from several threads.
 */
struct store *store_open(const char *folder);
void store_close(struct store *store); /* NULL is fine; keeps errno */

/* Device and inode of the folder, so that the walk passes it over. */
void store_identity(const struct store *store, dev_t *ret_dev, ino_t *ret_ino);

enum store_result {
	STORE_DONE,
	STORE_SKIPPED, /* OVERWRITE_SKIP and something is there */
	/* This output only, and failure says why: `exists` also where a file or a link
	 * stands in place of a folder; `permission` for a sub-folder or a file that is
	 * protected; `io` for a name too long or a file too big; `internal` for a name
	 * that leads elsewhere, and for content of fewer bytes than was said. */
	STORE_FAILED,
	/* The place cannot be written: full, read-only, quota, I/O, no permission in the
	 * output folder itself, or that was removed. *ret_errno is why, failure says it
	 * in words; the batch ends with status 4. */
	STORE_PLACE,
};

/* Whether something has the output's name already (without following a link). Makes no
 * folder. */
bool store_has(struct store *store, const char *relative);

/* What an output is to hold. */
struct store_content {
	int fd;                       /* borrowed; read by position */
	uint64_t n_bytes;             /* the first of it */
	const struct timespec *dates; /* two, of access and change; NULL: now */
};

/*
 * Publish content as relative, a name below the folder without ".", ".." and empty parts,
 * making sub-folders as needed. Never through a link: what is below the folder is opened
 * beneath it. Its mode is 0666 less the umask; it has its dates before it has its name.
 * Whatever the result, no partial file stays and the caller keeps content.
 *
 * *ret_failure is filled for STORE_FAILED and STORE_PLACE, *ret_errno where a system call
 * was to blame; else they are FAIL_NONE and 0. A process that limits RLIMIT_FSIZE ignores
 * SIGXFSZ, or dies of it here.
 */
enum store_result store_publish(struct store *store, const char *relative,
                                const struct store_content *content,
                                enum overwrite overwrite, struct failure *ret_failure,
                                int *ret_errno);

/* A stream that this run writes line by line (a report): created or emptied. Its
 * descriptor, close-on-exec, or -1 and errno. */
int store_open_stream(const char *path);

#endif
