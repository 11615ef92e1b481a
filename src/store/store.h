/*
 * Outputs that appear whole or not at all: an unnamed file in the output's folder, the
 * bytes, then a link under its name. This room alone creates, renames and removes.
 */
#ifndef PXP_STORE_H
#define PXP_STORE_H

#include "base/outcome.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct store;

enum overwrite { OVERWRITE_OWN, OVERWRITE_SKIP, OVERWRITE_ALWAYS };

/*
 * Open the output folder, making it (and its parents) when it is not there.
 * NULL with errno set when that fails. Calls on one store may come from several threads.
 */
struct store *store_open(const char *folder);
void store_close(struct store *store);  /* NULL is fine */

/* Device and inode of the folder, so that the walk passes it over. */
void store_identity(const struct store *store, dev_t *ret_dev, ino_t *ret_ino);

enum store_result {
	STORE_DONE,
	STORE_SKIPPED,  /* OVERWRITE_SKIP and something is there */
	STORE_FAILED,   /* this output only: failure says why (exists, ...) */
	STORE_PLACE,    /* the place cannot be written (full, read-only, quota, I/O, no
	                 * permission): sys_errno in *ret_errno; the batch ends with status 4 */
};

/* Whether something has the output's name already (without following a link). */
bool store_has(struct store *store, const char *relative);

/*
 * Publish the first n bytes of content (a descriptor, read by position) as relative, a
 * name below the folder without "..", making sub-folders as needed. Never through a link:
 * what is below the folder is opened beneath it. Whatever the result, no partial file
 * stays and the caller keeps content.
 */
enum store_result store_publish(struct store *store, const char *relative, int content,
                                uint64_t n, enum overwrite overwrite,
                                struct failure *ret_failure, int *ret_errno);

/* A stream that this run writes line by line (a report): created or emptied. Its
 * descriptor, close-on-exec, or -1 and errno. */
int store_open_stream(const char *path);

#endif
