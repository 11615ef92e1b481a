/* Writes one output and gives it its name. Used by store.c, which opens the folder and groups
 * outputs. */
#ifndef PXP_STORE_OUTPUT_H
#define PXP_STORE_OUTPUT_H

#include "common/failure.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

struct stamp;

/* The result of a step of publishing one output. If the result is TWIN_IN_THE_WAY, REFUSED,
 * PLACE_REFUSED or FOLDER_IS_GONE, the step has also set *ret_failure. */
enum published {
	PUBLISHED,
	/* Another file has the output's name. */
	IN_THE_WAY,
	/* The name leads to another output of this run, for example because the folder ignores
	 * case. */
	TWIN_IN_THE_WAY,
	/* This output cannot be published; others may succeed. */
	REFUSED,
	/* No output can be published any more: the file system is full, read-only or broken, the
	 * output folder may not be written, or the program has too many open files. */
	PLACE_REFUSED,
	/* The folder was removed: create it again and retry once. */
	FOLDER_IS_GONE,
	/* The output was not published, because another output of its file failed or because the
	 * file system refused an earlier output. */
	NOT_PUBLISHED,
	/* The output cannot be an unnamed file here: use a file with a hidden name. */
	NOT_THIS_WAY,
};

/*
 * Fill in the failure from errno, after a step failed. problem: text such as "cannot write the
 * output". is_in_root: the step was in the output folder itself. Returns REFUSED, PLACE_REFUSED or
 * FOLDER_IS_GONE.
 */
enum published store_refuse(const char *problem, bool is_in_root,
                            struct failure *ret_failure);

/*
 * An output is published in four steps: write the output, sync it, give it its name, and remove the
 * file that it replaced. The third step also makes the backup of that file, if one is requested. A
 * group of outputs can take each step together.
 *
 * Until the output has its name, it is an unnamed file. The kernel deletes an unnamed file when its
 * descriptor is closed, however the process ends. If the file system has no unnamed files, or /proc
 * is not mounted, the output has a hidden name in the same folder instead.
 */

enum { TEMP_NAME_BYTES = 48 };

enum replace {
	REPLACE_NOTHING,
	REPLACE_ANYTHING, /* replace any file, but not a folder */
	/* Replace the file described by `expected`, if it is unchanged. */
	REPLACE_THIS
};

struct output {
	/* The members up to `without` are the request. All of them are borrowed. */
	int folder;
	const char *name; /* the output's name in `folder` */
	/* The descriptor of the content. Its file position is neither used nor changed. */
	int content;
	off_t offset;                 /* where the output begins in the content */
	size_t n_bytes;               /* length of the output */
	const struct timespec *dates; /* times of access and modification; NULL: now */
	enum replace replace;
	const struct stat *expected;
	/* For REPLACE_THIS: the old file is kept as a backup, under its name followed by this
	 * suffix. NULL: the old file is removed. */
	const char *backup_suffix;
	/* For REPLACE_THIS: copy owner, mode, ACL, attributes and times of the old file. */
	bool keeps_attributes;
	/* The stamp, which is written to the output after its size, time and hash were filled in.
	 * NULL: no stamp. */
	struct stamp *stamp;
	bool is_in_root; /* whether the output is in the output folder itself */
	/* missing features of the file system, as a mask (see struct store) */
	unsigned without;

	/* The state between the steps. output_begin() initialises it, output_end() frees it. */
	int fd; /* descriptor of the output's file; -1: none */
	/* A second descriptor of the file. After fd is closed, it keeps the file locked while the
	 * file has a hidden name. -1: none. */
	int guard;
	char temp[TEMP_NAME_BYTES]; /* hidden name of the file; "": none */
	/* Hidden name of the file that the output replaced; "": none. */
	char old[TEMP_NAME_BYTES];
	bool has_stamp;
	bool has_backup; /* whether the backup has been made */
	bool has_mark;   /* whether the backup has the attribute that marks backups */
	int dates_errno; /* errno with which the times could not be set; 0: no error */
};

/* Initialise the state of an output. Call this before the first step. Call output_end() at the end,
 * whatever the steps returned. */
void output_begin(struct output *output);

/* Whether two struct stat belong to the same file, with the same size and modification time. */
bool is_unchanged(const struct stat *a, const struct stat *b);

/*
 * Remove the hidden files that earlier runs left in a folder when they were killed. Files of runs
 * that are alive stay, because a run locks its hidden files. Files that cannot be removed stay as
 * well; that is no error.
 */
void output_sweep(int folder);

/* Create the file and write it completely. Here and below, PUBLISHED means that the step has
 * succeeded. */
enum published output_write(struct output *output, struct failure *ret_failure);

/*
 * Start writing the bytes to the disk, without waiting. In a group, call this for every output
 * before the first output_sync(). Then the first sync waits for all outputs, and the other syncs
 * find nothing to write.
 */
void output_begin_sync(const struct output *output);

/*
 * Make the bytes durable. After a failed fsync() the kernel may regard the bytes as written,
 * although they are lost. So they are written once more, to a new file, and the old descriptor is
 * never synced again.
 */
enum published output_sync(struct output *output, struct failure *ret_failure);

/*
 * Give the output its name. Returns IN_THE_WAY, and keeps the existing file, if that file must not
 * be replaced. With REPLACE_THIS, only the expected file may be replaced. is_durable: sync the
 * files that this step writes, for example a copy of the old file as its backup.
 */
enum published output_name(struct output *output, bool is_durable,
                           struct failure *ret_failure);

/* Remove the file that the output replaced. Call this once the output's name is durable. */
void output_settle(struct output *output);

/* Close the output. If it has no name yet, its file is deleted. If it replaced a file and
 * output_settle() was not called, the replaced file gets its name back. If that is not possible,
 * the replaced file is kept under another name, which is added to the failure. */
void output_end(struct output *output, struct failure *failure);

#endif
