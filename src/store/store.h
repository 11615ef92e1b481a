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
void store_close(struct store *store); /* NULL is fine; keeps errno */

/* Whether the folder takes the attribute that stamps are kept in. Asked once, by trying. */
bool store_takes_stamps(struct store *store);

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

/* What has an output's name. */
enum output_kind {
	OUTPUT_NONE,
	OUTPUT_EMPTY, /* a file of no bytes: the claim of a run that was killed, or of no use anyway */
	OUTPUT_FILE,
	OUTPUT_LINK,  /* or a socket, a device: it can be replaced, and is never ours */
	OUTPUT_FOLDER /* it cannot be replaced */
};

/* Look at what has an output's name; a link is not followed, and no folder is made. *ret_stat is
 * filled unless it is OUTPUT_NONE. */
enum output_kind store_look(struct store *store, const char *relative,
                            struct stat *ret_stat);

/* Whether something has the name. */
bool store_has(struct store *store, const char *relative);

/* Open the file that store_look() saw, to read it. -1 when it is not that file any more, or cannot be
 * read. The descriptor is the caller's. */
int store_open_output(struct store *store, const char *relative, const struct stat *seen);

/* Nanoseconds since 1970, saturated: a file's time as records have it. */
int64_t store_time_ns(const struct timespec *time);

/* Make what is published from here on durable: outputs, their names and new folders reach the disk
 * before a result says STORE_DONE. Before any other thread uses the store. */
void store_make_durable(struct store *store);

/* The bytes of an output. */
struct store_content {
	int fd; /* borrowed; read by position */
	uint64_t offset, n_bytes;
	const struct timespec *dates; /* two, of access and change; NULL: now */
};

/* An output that takes the place of its own input. */
struct store_original {
	int fd; /* the input, as it was opened: owner, mode, lists, attributes and times come from it */
	/* The original gets its name with this suffix; NULL: it goes. */
	const char *backup_suffix;
};

struct stamp;

/* One output of a group, and what became of it. Everything is borrowed. */
struct store_output {
	const char *name; /* below the folder, without ".", ".." and empty parts */
	/* Outputs that are not published unless all of them can be written. */
	const void *file;
	struct store_content content;

	enum overwrite overwrite;
	/* The one file that may be replaced, whatever the policy says, if it is still there as this
	 * stat has it; NULL: the policy decides. */
	const struct stat *expected;
	/* NULL: a new file of mode 0666 less the umask. */
	const struct store_original *original;
	/* Gets the output's size, time and hash, and goes onto the output. NULL: no stamp. */
	struct stamp *stamp;

	enum store_result result;
	/* Of STORE_FAILED and STORE_PLACE_FAILED, else FAIL_NONE. */
	struct failure failure;
	bool has_stamp; /* it is on the output; the file system takes attributes */
};

/*
 * Publish outputs together, so that what makes them durable is shared: each is written to a file
 * without a name, then all are synced, then named, then their folders synced; only then may one that
 * was replaced go. Missing sub-folders are made. Links are never followed: whatever is below the
 * folder is opened beneath it. An output has its dates and its stamp before it has its name.
 *
 * Whatever the results, no partial file stays, and the descriptors are still the caller's. An output
 * whose file's other outputs failed is STORE_DROPPED. A process that limits RLIMIT_FSIZE must
 * ignore SIGXFSZ, or it dies of that signal here.
 */
void store_publish_group(struct store *store, struct store_output *outputs, size_t n);

/* A group of one, without a stamp. */
enum store_result store_publish(struct store *store, const char *relative,
                                const struct store_content *content,
                                enum overwrite overwrite, struct failure *ret_failure);

/* A stream that this run writes line by line (a report): created or emptied. Its descriptor,
 * close-on-exec, or -1 and errno. */
int store_open_stream(const char *path);

#endif
