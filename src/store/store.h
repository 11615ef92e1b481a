/*
 * Publishes outputs completely or not at all: the bytes are written to an unnamed file in the
 * output's folder, and then this file is linked under the output's name. Only the code in this
 * folder creates, renames and removes files.
 *
 * Where a file system has no unnamed files (or /proc is not mounted), the file first has a hidden
 * name, ".pixpool-<16 hex digits>.tmp", in the same folder. A complete file that replaces another
 * has a hidden name for an instant, too. If the process is killed, a file with a hidden name may
 * stay behind; store_sweep() of a later run removes it.
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
	/* An existing file that is not our output stays, and the new output fails as `exists`. */
	OVERWRITE_OWN,
	OVERWRITE_SKIP, /* an existing file stays, and the output is skipped */
	/* An existing file that is older than its input is replaced. A newer file stays, and the
	 * output is skipped. */
	OVERWRITE_OLDER,
	OVERWRITE_ALWAYS, /* an existing file or link is replaced, but not a folder */
};

/*
 * Open the output folder. It is created, with its parents, if it does not exist; it may be reached
 * through links. Returns NULL with errno on failure. Several threads may use the same store.
 */
struct store *store_open(const char *folder);

/* Open a store without an output folder: each of its outputs replaces an input, in the folder of
 * that input. Returns NULL if memory ran out. */
struct store *store_open_in_place(void);

/* Remove the hidden files that killed runs left in a folder. `folder` is a descriptor of it. Later
 * calls for the same folder do nothing. The store itself makes this call for the output folder, and
 * for each folder below it that it opens. A store from store_open_to_look() removes nothing. */
void store_sweep(struct store *store, int folder);

/* Open the output folder for reading only: nothing in it changes. If `folder` is NULL, there is no
 * output folder, because each output replaces an input. Returns NULL with errno on failure; errno
 * is ENOENT if the folder does not exist. */
struct store *store_open_to_look(const char *folder);

/* Close the store. `store` may be NULL. errno stays unchanged. */
void store_close(struct store *store);

/* Whether the file system of the output folder supports the extended attribute that holds a stamp.
 * To find out, the function sets a similar attribute. */
bool store_takes_stamps(struct store *store);

/* The errno with which the times of an output could not be set; 0: the times of all outputs were
 * set. An output without the right times does not fail. */
int store_dates_error(const struct store *store);

/* Whether at least one output has no stamp, because its file system does not support stamps. */
bool store_has_lost_stamp(const struct store *store);

/* Whether at least one backup could not be marked as a backup. */
bool store_has_lost_mark(const struct store *store);

/* Get device and inode of the output folder, by which a walk recognises it. Both are 0 if the store
 * has no output folder. */
void store_identity(const struct store *store, dev_t *ret_dev, ino_t *ret_ino);

enum store_result {
	STORE_DONE,
	/* A file has the output's name, so the output was skipped: OVERWRITE_SKIP or
	 * OVERWRITE_OLDER. */
	STORE_SKIPPED,
	/*
	 * Only this output failed, and the failure says why. `exists`: a file that may not be
	 * replaced has its name or the name of its backup, or a file or a link stands in place of a
	 * folder. `collision`: its name leads to another output of this run. `vanished`: the
	 * original was changed during the run. `permission`: a sub-folder or file is protected, or
	 * the output cannot have the owner and group of its original. `internal`: the name leads
	 * out of the folder, or the content is shorter than announced. `memory`: there is no memory
	 * for the group. `io`: any other error, for example a name that is too long.
	 */
	STORE_FAILED,
	/* Nothing can be written to the output folder: its disk is full or broken, a quota is used
	 * up, the folder is read-only or was removed, permission is missing, the program has too
	 * many open files, or store_intend_fn has failed. The failure says why. Every other output
	 * would fail too. */
	STORE_PLACE_FAILED,
	/* The output was not published, because another output of its file could not be written,
	 * because the file system refused an earlier output, or because the committer was
	 * stopped. */
	STORE_DROPPED,
};

/* The kind of file that has an output's name. */
enum output_kind {
	OUTPUT_NONE,
	OUTPUT_EMPTY, /* an empty file, which a killed run may have left */
	OUTPUT_FILE,
	/* A link, socket or device. It may be replaced, but is never an output of ours. */
	OUTPUT_LINK,
	OUTPUT_FOLDER, /* a folder, which cannot be replaced */
	/* The file of another output of this run. The two outputs have different names, but the
	 * folder ignores case or normalises Unicode, so both names lead to the same file. */
	OUTPUT_TWIN
};

/* The reason why an output is not written if a folder has its name. */
#define STORE_FOLDER "a folder with the name of the output exists"

/* The reason why an output collides with another output of this run. */
#define STORE_TWIN                                                                       \
	"another input already has an output of this name, because the output folder "   \
	"ignores case or normalises Unicode"

/* Find out which file has an output's name. A link is not followed, and no folder is created.
 * *ret_stat is set unless the result is OUTPUT_NONE. In a folder that ignores case or normalises
 * Unicode, the file then belongs to the output of this name: a later call with another name that
 * leads to the file returns OUTPUT_TWIN. */
enum output_kind store_look(struct store *store, const char *relative,
                            struct stat *ret_stat);

/* Whether a file, link or folder has this name. Otherwise like store_look(). */
bool store_has(struct store *store, const char *relative);

/* Remove the file that store_look() found. Returns false with errno on failure; errno is 0 if
 * another file has the name now. */
bool store_remove(struct store *store, const char *relative, const struct stat *seen);

/* Open the file that store_look() found, for reading. Returns -1 if another file has the name now,
 * or if the file cannot be read. The caller closes the descriptor. */
int store_open_output(struct store *store, const char *relative, const struct stat *seen);

/* Convert a file's time to the form of records: nanoseconds since 1970, saturated. */
int64_t store_time_ns(const struct timespec *time);

/* From now on make outputs durable: outputs, their names and new folders reach the disk before a
 * result is STORE_DONE. Call this before any other thread uses the store. */
void store_make_durable(struct store *store);

/* The content of an output, and the times that the output gets. */
struct store_content {
	int fd; /* borrowed; its file position is neither used nor changed */
	uint64_t offset, n_bytes;
	const struct timespec *dates; /* times of access and modification; NULL: now */
};

/* An output that replaces its own input has a struct store_original. The output's member `expected`
 * describes the input. The input's owner, mode, access control list, attributes and times are
 * copied to the output. If the output cannot have the owner and group of the input, it fails as
 * `permission`. */
struct store_original {
	/* A descriptor of the folder that has the input and the output; -1: the output's name is
	 * relative to the output folder. */
	int folder;
	/* The original is kept under its name followed by this suffix; NULL: it is removed. */
	const char *backup_suffix;
};

/* The kind of file that has the name of a backup. */
enum backup {
	BACKUP_NONE,
	/* A backup that a killed run left: that run had made the backup, but had not yet replaced
	 * the file. The backup is another link to the file or, if files cannot be linked, a copy
	 * with the same bytes. */
	BACKUP_LEFT,
	BACKUP_TAKEN /* another file has the name of the backup */
};

/* Look for the backup of a file in a folder. */
enum backup store_backup(int folder, const char *name, const char *suffix);

/* Whether an open file is a backup that a store has made, and still has the name of the backup.
 * path: its last component is the current name of the file. A renamed backup counts as an original
 * again. */
bool store_is_marked_backup(int fd, const char *path);

struct stamp;

/* One output of a group, and its result. Everything is borrowed. */
struct store_output {
	/* The path below the output folder, without ".", ".." and empty components. But if
	 * original->folder is a descriptor, the name of the output in that folder. */
	const char *name;
	/* The picture from which the output is made. Outputs of the same picture are published only
	 * if all of them can be written. */
	const void *file;
	struct store_content content;

	enum overwrite overwrite;
	/* The stat of the file that the output replaces, whatever the overwrite policy says. A file
	 * that has changed since this stat is kept. NULL: the policy decides. */
	const struct stat *expected;
	/* the file whose attributes are copied; NULL: a new file of mode 0666 less the umask */
	const struct store_original *original;
	/* The stamp, filled in with the output's size, time and hash, and written to the output.
	 * NULL: no stamp. */
	struct stamp *stamp;

	enum store_result result;
	/* The reason for STORE_FAILED or STORE_PLACE_FAILED; otherwise FAIL_NONE. */
	struct failure failure;
	/* Whether the stamp is on the output, which depends on the file system. */
	bool has_stamp;
	/* For store_intend_fn: whether the file system has refused the stamp of this output. */
	bool is_intended;
};

/*
 * Called after the outputs of a group were written and before any of them gets its name, but only
 * if the file system refused the stamps of some outputs. In these outputs is_intended is true. The
 * function can record such outputs elsewhere, so that the next run knows them even if this run is
 * killed.
 *
 * On failure the function returns false and sets the failure. In that case no output of the group
 * gets its name, and each output that was written gets the result STORE_PLACE_FAILED.
 */
typedef bool store_intend_fn(const struct store_output *outputs, size_t n, void *data,
                             struct failure *ret_failure);

/* Set the function that is called before outputs get their names. Call this before any other thread
 * uses the store. */
void store_before_naming(struct store *store, store_intend_fn *intend, void *data);

/*
 * Publish outputs together, so that they share the slow calls for durability. First each output is
 * written to a file without a name. Then all files are synced, all files are named, all folders are
 * synced, and at the end the replaced files are removed. Nothing is synced unless
 * store_make_durable() was called. Missing sub-folders are created. Links are never followed: paths
 * are opened beneath the output folder. Before an output gets its name, it gets its stamp and, if
 * possible, its times.
 *
 * Whatever the results, no partial file is left, and the caller keeps the descriptors. If one
 * output of a file cannot be written or synced, the other outputs of the file are STORE_DROPPED. If
 * an output cannot get its name, the other outputs keep their results. A process that limits
 * RLIMIT_FSIZE must ignore SIGXFSZ, because otherwise that signal would kill it here.
 */
void store_publish_group(struct store *store, struct store_output *outputs, size_t n);

/* Publish a group of one output, without a stamp. */
enum store_result store_publish(struct store *store, const char *relative,
                                const struct store_content *content,
                                enum overwrite overwrite, struct failure *ret_failure);

/* Open a file that this run writes line by line (a report). The file is created, with its folder,
 * or emptied if it exists. Returns a descriptor with close-on-exec, or -1 with errno. */
int store_open_stream(const char *path);

#endif
