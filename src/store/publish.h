/*
 * One output on the way to its name, in steps that a group of outputs can take together: write it,
 * sync it, name it, and at the end settle what it replaced. Until it has its name it is an unnamed
 * file, which the kernel drops with its descriptor, however the process ends. Where the file system
 * or /proc does not allow that, it is a file with a hidden name in the same folder.
 */
#ifndef PXP_PUBLISH_H
#define PXP_PUBLISH_H

#include "store/store_internal.h"

#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

struct stamp;

enum { TEMP_NAME_BYTES = 48 };

enum replace {
	REPLACE_NOTHING,
	REPLACE_ANYTHING, /* but no folder */
	REPLACE_THIS      /* the file that `expected` tells of, if it is still that */
};

struct output {
	int folder;                   /* borrowed, as everything here */
	const char *name;             /* in that folder */
	int content;                  /* read by position */
	off_t offset;                 /* where the output begins in content */
	size_t n_bytes;               /* its length */
	const struct timespec *dates; /* of access and change; NULL: now */
	enum replace replace;
	const struct stat *expected;
	/* Of REPLACE_THIS: the old file gets this name; NULL: it goes. */
	const char *backup_suffix;
	int attributes_of; /* a file whose owner, mode, ACL and attributes it gets; -1 */
	/* Gets size, time and hash of the output; goes with it. NULL: none. */
	struct stamp *stamp;
	bool is_in_root;  /* folder is the output folder itself */
	unsigned without; /* as in struct store */

	/* Between the steps. output_begin() sets them. */
	int fd;                     /* the file; -1 */
	char temp[TEMP_NAME_BYTES]; /* its hidden name; "": it has none */
	char old[TEMP_NAME_BYTES]; /* the hidden name of the file that it replaced; "": none */
	bool has_stamp;
};

/* Before the first step. output_end() is due after it, whatever the steps said. */
void output_begin(struct output *output);

/* Make the file and write it whole. PUBLISHED means here and below: this step is done. */
enum published output_write(struct output *output, struct failure *ret_failure);

/*
 * Begin to bring the bytes to the disk, and do not wait. Of a group it is called for each output before any
 * is synced: then the first sync waits for all of them, and the others find nothing to do.
 */
void output_begin_sync(const struct output *output);

/*
 * Make the bytes durable. After a failed fsync the kernel may take them for written: so they are
 * written to a new file, once, and never synced again through the same descriptor.
 */
enum published output_sync(struct output *output, struct failure *ret_failure);

/*
 * Give it its name. IN_THE_WAY: something has the name that it must not replace; of REPLACE_THIS:
 * the file is not the expected one any more, and stays.
 */
enum published output_name(struct output *output, bool is_durable,
                           struct failure *ret_failure);

/* Once the name is durable: remove the file that it replaced, or give that its backup's name. */
enum published output_settle(struct output *output, struct failure *ret_failure);

/* Let go of it. What has no name yet is gone then. */
void output_end(struct output *output);

#endif
