/*
 * Publishes outputs whole or not at all: the bytes are written to an unnamed file in the output's
 * folder, which is then linked under its name. Only this room creates, renames and removes files.
 *
 * Where a file system has no unnamed files (or /proc is not mounted), the file first has a hidden
 * name, ".pixpool-<16 hex digits>.tmp", in the same folder. A complete file that replaces another
 * has a hidden name for an instant, too. No failure leaves such a file behind, unless the process
 * is killed at that moment.
 */
#ifndef PXP_STORE_H
#define PXP_STORE_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

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

/* A store without an output folder: each of its outputs replaces an input, in the folder of that input.
 * NULL when memory ran out. */
struct store *store_open_in_place(void);

/* Remove what earlier runs that were killed left in a folder: once for each folder, and for the folders
 * below the output folder without this call. */
void store_sweep(struct store *store, int folder);
/* Open the output folder only to look at it: nothing in it changes. NULL with errno set, ENOENT where it
 * does not exist. */
struct store *store_open_to_look(const char *folder);
void store_close(struct store *store); /* NULL is fine; keeps errno */

/* Whether the folder supports the extended attribute of stamps, found out by setting one. */
bool store_takes_stamps(struct store *store);

/* Why the dates of some output could not be set (an errno), which fails no output; 0: all dates are set. */
int store_dates_error(const struct store *store);

/* Whether the file system of some output does not support stamps. */
bool store_has_lost_stamp(const struct store *store);

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
	/* Not published: another output of its file failed, or its committer was stopped. */
	STORE_DROPPED,
};

/* The kind of file that has an output's name. */
enum output_kind {
	OUTPUT_NONE,
	OUTPUT_EMPTY, /* an empty file, perhaps left by a run that was killed */
	OUTPUT_FILE,
	OUTPUT_LINK,  /* or a socket or device: can be replaced, is never ours */
	OUTPUT_FOLDER /* cannot be replaced */
};

/* Find out which file has an output's name. A link is not followed, and no folder is made.
 * *ret_stat is filled unless the result is OUTPUT_NONE. */
enum output_kind store_look(struct store *store, const char *relative,
                            struct stat *ret_stat);

/* Whether the name is taken. */
bool store_has(struct store *store, const char *relative);

/* Remove the file that store_look() found. False when the name has another file now, or with errno when
 * it cannot be removed. */
bool store_remove(struct store *store, const char *relative, const struct stat *seen);

/* Open the file that store_look() found, for reading. -1 when the name has another file now, or
 * the file cannot be read. The caller closes the descriptor. */
int store_open_output(struct store *store, const char *relative, const struct stat *seen);

/* Convert a file's time to the form of records: nanoseconds since 1970, saturated. */
int64_t store_time_ns(const struct timespec *time);

/* From now on make outputs durable: outputs, their names and new folders reach the disk before a
 * result is STORE_DONE. Call this before any other thread uses the store. */
void store_make_durable(struct store *store);

/* The bytes of an output. */
struct store_content {
	int fd; /* borrowed; read by position */
	uint64_t offset, n_bytes;
	const struct timespec *dates; /* two, of access and change; NULL: now */
};

/* For an output that replaces its own input, which is the expected file of the output: owner, mode,
 * access control list, attributes and times come from it. */
struct store_original {
	int folder; /* the folder of both; -1: below the output folder */
	/* The original is kept under its name with this suffix; NULL: it is removed. */
	const char *backup_suffix;
};

/* The file that has the name of a file and the suffix of backups. */
enum backup {
	BACKUP_NONE,
	/* A run was killed after it made the backup, and before it replaced the file: it is another link to
	 * the file or, where files cannot be linked, has the same bytes. */
	BACKUP_LEFT,
	BACKUP_TAKEN /* any other */
};

/* Look for the backup of a file in a folder. */
enum backup store_backup(int folder, const char *name, const char *suffix);

struct stamp;

/* One output of a group, and its result. Everything is borrowed. */
struct store_output {
	/* Below the folder, without ".", ".." and empty parts. With an original that has a folder:
	 * the name in that folder. */
	const char *name;
	/* Outputs that are not published unless all of them can be written. */
	const void *file;
	struct store_content content;

	enum overwrite overwrite;
	/* The file that may be replaced, whatever the policy says, if it still has this stat;
	 * NULL: the policy decides. */
	const struct stat *expected;
	/* NULL: a new file of mode 0666 less the umask. */
	const struct store_original *original;
	/* Filled with the output's size, time and hash, and written to the output. NULL: no
	 * stamp. */
	struct stamp *stamp;

	enum store_result result;
	/* Why the result is STORE_FAILED or STORE_PLACE_FAILED; else FAIL_NONE. */
	struct failure failure;
	bool has_stamp; /* it is on the output; the file system takes attributes */
};

/*
 * Publish outputs together, so that what makes them durable is shared: each is written to a file
 * without a name, then all are synced, then named, then their folders synced; only then may one that
 * was replaced go. Missing sub-folders are made. Links are never followed: whatever is below the
 * folder is opened beneath it. An output has its dates, where they can be set, and its stamp before it has its name.
 *
 * Whatever the results, no partial file stays, and the descriptors are still the caller's. An output
 * whose file's other outputs failed is STORE_DROPPED. A process that limits RLIMIT_FSIZE must
 * ignore SIGXFSZ, or it dies of that signal here.
 */
void store_publish_group(struct store *store, struct store_output *outputs, size_t n);

/* Publish a group of one output, without a stamp. */
enum store_result store_publish(struct store *store, const char *relative,
                                const struct store_content *content,
                                enum overwrite overwrite, struct failure *ret_failure);

/* A stream that this run writes line by line (a report): created, with its folder, or emptied. Its
 * descriptor, close-on-exec, or -1 and errno. */
int store_open_stream(const char *path);

#endif
