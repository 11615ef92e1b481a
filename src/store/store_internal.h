/* The inside of a store, shared by the files of this room and by its tests. */
#ifndef PXP_STORE_INTERNAL_H
#define PXP_STORE_INTERNAL_H

#include "base/lock.h"
#include "common/failure.h"
#include "common/hash_set.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* The extended attribute that holds the stamp of an output (stamp.h). */
#define STAMP_ATTRIBUTE "user.pixpool"

/*
 * Features that a system or a file system may lack. The store can do without each of them.
 * store_open() checks for /proc; the others are detected when a call fails. A test may set any of
 * them.
 */
enum {
	WITHOUT_OPENAT2 = 1,
	WITHOUT_TMPFILE = 2,
	WITHOUT_PROC = 4,
	WITHOUT_NOREPLACE = 8, /* renameat2() */
	WITHOUT_LINKS = 16,
};

struct store {
	int root; /* O_PATH, as every folder here: it need not be readable. -1: no folder */
	dev_t dev;
	ino_t ino;
	unsigned without; /* fixed before any other thread can look */
	bool is_durable;  /* likewise */
	bool was_made;    /* the folder did not exist before */

	/* Why the dates of an output could not be set; 0: no output has lost its dates. */
	atomic_int dates_errno;
	atomic_bool has_lost_stamp; /* an output that was made has no stamp */

	struct lock lock; /* guards all below */
	/* The sub-folder used last: outputs in one folder tend to follow each other. */
	char *last_path;
	int last_fd; /* -1: none */
	/* Hashes of the folders where the rest of killed runs was removed. */
	struct hash_set swept;
};

#endif
