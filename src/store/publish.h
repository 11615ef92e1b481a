/*
 * Publishes one output, in steps that a group of outputs can take together: write it, sync it,
 * name it, and then remove or back up the file that it replaced. Until it has its name the output
 * is an unnamed file, which the kernel deletes when its descriptor is closed, however the process
 * ends. Where the file system or /proc does not allow that, it is a file with a hidden name in the
 * same folder.
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
	REPLACE_THIS      /* the file described by `expected`, if it is unchanged */
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
	/* For REPLACE_THIS: appended to the name of the old file to keep it as a backup; NULL:
	 * the old file is removed. */
	const char *backup_suffix;
	/* For REPLACE_THIS: copy owner, mode, ACL, attributes and times of the old file. */
	bool keeps_attributes;
	/* Written to the output, after its size, time and hash were filled in. NULL: no stamp. */
	struct stamp *stamp;
	bool is_in_root;  /* folder is the output folder itself */
	unsigned without; /* as in struct store */

	/* Between the steps. output_begin() sets them. */
	int fd; /* the file; -1 */
	/* The file once fd is closed: keeps it locked while it has a hidden name; -1. */
	int guard;
	char temp[TEMP_NAME_BYTES]; /* its hidden name; "": none */
	char old[TEMP_NAME_BYTES]; /* the hidden name of the file that it replaced; "": none */
	bool has_stamp;
	bool has_backup; /* the backup's name has been linked to the old file */
	int dates_errno; /* why the dates could not be set; 0: they could, or need not */
};

/* Call this before the first step, and output_end() at the end, whatever the steps returned. */
void output_begin(struct output *output);

/* Make the file and write it whole. PUBLISHED means here and below: this step is done. */
enum published output_write(struct output *output, struct failure *ret_failure);

/*
 * Start writing the bytes to the disk, without waiting. In a group, call it for every output
 * before the first output_sync(): then the first sync waits for all of them, and the others find
 * nothing to do.
 */
void output_begin_sync(const struct output *output);

/*
 * Make the bytes durable. After a failed fsync() the kernel may regard them as written. So they
 * are written to a new file, once; the old descriptor is never synced again.
 */
enum published output_sync(struct output *output, struct failure *ret_failure);

/*
 * Give the output its name. IN_THE_WAY: the name is taken by a file that must not be replaced;
 * with REPLACE_THIS: by a file that is not the expected one. That file stays.
 */
enum published output_name(struct output *output, bool is_durable,
                           struct failure *ret_failure);

/* Call this once the name is durable: remove the file that the output replaced, or rename it to
 * its backup's name. */
enum published output_settle(struct output *output, struct failure *ret_failure);

/* Close the output. If it has no name yet, its file is deleted. If it was exchanged with the file that
 * it replaces, and was not settled, that file gets its name back. */
void output_end(struct output *output);

/*
 * Remove the hidden files that earlier runs left in a folder when they were killed. Files of runs that
 * are alive stay: a run locks its hidden files. A failure is no error, the files just stay.
 */
void output_sweep(int folder);

#endif
