/* The internals of a store, shared by the files of this folder and by its tests. */
#ifndef PXP_STORE_INTERNAL_H
#define PXP_STORE_INTERNAL_H

#include "base/lock.h"
#include "common/failure.h"
#include "common/hash_set.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* The extended attribute that holds the stamp of an output (stamp.h). */
#define STAMP_ATTRIBUTE "user.pixpool"
/* The extended attribute that marks a file as a backup. Its value is the file's name. */
#define BACKUP_ATTRIBUTE "user.pixpool.backup"

/*
 * Features that a kernel or a file system may lack. The store can work without each of them.
 * store_open() checks for /proc; the others are detected when a call fails. A test may set any of
 * them.
 */
enum {
	WITHOUT_OPENAT2 = 1,
	WITHOUT_TMPFILE = 2,
	WITHOUT_PROC = 4,
	WITHOUT_NOREPLACE = 8, /* renameat2() is missing */
	WITHOUT_LINKS = 16,
};

/* A file, and the name by which this run claimed it. */
struct claimed_file {
	uint64_t file; /* a hash of device and inode; 0: a free place */
	uint64_t name; /* a hash of the output's name */
};

/* A hash table of claimed files, with open addressing. All zeros is an empty table. */
struct claimed_files {
	struct claimed_file *places;
	size_t n, max; /* `max` is 0 or a power of 2 */
	/* The last folder that was found not to ignore case. */
	dev_t dev;
	ino_t ino;
};

struct store {
	/* The function to call before outputs get their names, and its argument; NULL: none. Set
	 * before other threads start (store_before_naming()). */
	store_intend_fn *intend;
	void *intend_data;

	/* The output folder; -1: no folder. Opened with O_PATH, like every folder here, so that a
	 * folder that cannot be read can be used. */
	int root;
	dev_t dev;
	ino_t ino;
	/* A mask of WITHOUT_...: the features that are missing. Set before other threads start. */
	unsigned without;
	/* whether files are synced; false: --no-fsync; set before other threads start */
	bool is_durable;
	/* the store writes and removes nothing; set before other threads start */
	bool only_looks;
	bool was_made; /* whether store_open() created the folder */

	/* The errno with which the times of an output could not be set; 0: no error. */
	atomic_int dates_errno;
	atomic_bool has_lost_stamp; /* whether some output got no stamp */
	atomic_bool has_lost_mark;  /* whether some backup could not be marked */

	struct lock lock; /* guards all members below */
	/* The sub-folder used last, because successive outputs are often in the same folder. */
	char *last_path;
	int last_fd; /* the descriptor of this sub-folder; -1: none */
	/* Hashes of the folders in which files of killed runs have been removed. */
	struct hash_set swept;
	/* The outputs of this run that another name may lead to, for example in a folder that
	 * ignores case (see store.c). */
	struct claimed_files claimed;
};

#endif
