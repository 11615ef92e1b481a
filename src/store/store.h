/*
 * Outputs that appear whole or not at all: an unnamed file in the output's folder, the bytes,
 * then a link under its name. This room alone creates, renames and removes files.
 *
 * Where a file system has no unnamed files (or /proc is not mounted) the file has a hidden name
 * until then, ".pixpool-<16 hex digits>.tmp" in the same folder. So has, for an instant, a whole
 * file that replaces another. No failure leaves such a file behind; only a process that is killed
 * at that moment does.
 */
#ifndef PXP_STORE_H
#define PXP_STORE_H

#include "common/outcome.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct store;

enum overwrite {
	OVERWRITE_OWN,  /* an existing file stays, and the output fails as `exists` */
	OVERWRITE_SKIP, /* an existing file stays, and the output is skipped */
	OVERWRITE_OLDER, /* an existing file older than its input is replaced, else as SKIP */
	OVERWRITE_ALWAYS, /* an existing file or link is replaced, a folder is not */
};

/*
 * Open the output folder. It is made, with its parents, when it does not exist; it may be reached
 * through links. NULL with errno set when that fails. Functions on one store may be called from
 * several threads.
 */
struct store *store_open(const char *folder);
void store_close(struct store *store); /* NULL is fine; keeps errno */

/* Device and inode of the folder, by which a walk recognises it. */
void store_identity(const struct store *store, dev_t *ret_dev, ino_t *ret_ino);

enum store_result {
	STORE_DONE,
	/* OVERWRITE_SKIP, and something has the name. */
	STORE_SKIPPED,
	/*
	 * This output only, and the failure says why: `exists` also where a file or a link stands
	 * in place of a folder; `permission` for a protected sub-folder or file; `io` for a name
	 * that is too long or a file that is too big; `internal` for a name that leads elsewhere
	 * and for content that is shorter than was said.
	 */
	STORE_FAILED,
	/* The place cannot be written: full, read-only, quota, I/O, no permission in the output
	 * folder itself, or that folder was removed. The failure says why. No other output would
	 * fare better. */
	STORE_PLACE_FAILED,
	/* Only from a committer: it was stopped before this output was begun. */
	STORE_DROPPED,
};

/* Whether something has the output's name already (a link is not followed). Makes no folder. */
bool store_has(struct store *store, const char *relative);

/* The bytes of an output. */
struct store_content {
	int fd; /* borrowed; read by position */
	uint64_t offset, n_bytes;
	const struct timespec *dates; /* two, of access and change; NULL: now */
};

/*
 * Publish content as relative, a name below the folder without ".", ".." and empty parts. Missing
 * sub-folders are made. Links are never followed: whatever is below the folder is opened beneath
 * it. The file's mode is 0666 less the umask; it has its dates before it has its name. Whatever
 * the result, no partial file stays, and content.fd is still the caller's.
 *
 * *ret_failure is filled for STORE_FAILED and STORE_PLACE_FAILED, else its class is FAIL_NONE. A
 * process that limits RLIMIT_FSIZE must ignore SIGXFSZ, or it dies of that signal here.
 */
enum store_result store_publish(struct store *store, const char *relative,
                                const struct store_content *content,
                                enum overwrite overwrite, struct failure *ret_failure);

/* A stream that this run writes line by line (a report): created or emptied. Its descriptor,
 * close-on-exec, or -1 and errno. */
int store_open_stream(const char *path);

#endif
