/* The inside of a store, shared by the files of this room and by its tests. */
#ifndef PXP_STORE_INTERNAL_H
#define PXP_STORE_INTERNAL_H

#include "base/lock.h"
#include "common/failure.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Where an output's record is kept on it (stamp.h). */
#define STAMP_ATTRIBUTE "user.pixpool"

/*
 * What a system or a file system may lack. There is another way around each. store_open() looks
 * for /proc; the others show when they are called. A test may set any of them.
 */
enum {
	WITHOUT_OPENAT2 = 1,
	WITHOUT_TMPFILE = 2,
	WITHOUT_PROC = 4,
	WITHOUT_NOREPLACE = 8, /* renameat2() */
	WITHOUT_LINKS = 16,
};

struct store {
	int root; /* O_PATH, as every folder here: it need not be readable */
	dev_t dev;
	ino_t ino;
	unsigned without; /* fixed before any other thread can look */
	bool is_durable;  /* likewise */
	bool was_made;    /* the folder did not exist before */

	struct lock lock; /* guards the two below */
	/* The sub-folder used last: outputs of one folder come together. */
	char *last_path;
	int last_fd; /* -1: none */
};

/* How a step of publishing one output ended. All but the first two leave a failure. */
enum published {
	PUBLISHED,
	/* Something has the name already. */
	IN_THE_WAY,
	/* This output cannot be published; others may be. */
	REFUSED,
	/* No output can be published in this place: it is full, read-only, ... */
	PLACE_REFUSED,
	/* The folder was removed meanwhile: one more attempt makes it again. */
	FOLDER_IS_GONE,
	/* Nothing was wrong with it; another output of its file failed, or the place. */
	NOT_PUBLISHED,
	/* Inside publish.c: this file system needs the other way. */
	NOT_THIS_WAY,
};

/*
 * Fill the failure from errno, for a step that the store could not take, e.g. "write the output".
 * is_in_root: it was the output folder itself that refused. Returns REFUSED, PLACE_REFUSED or
 * FOLDER_IS_GONE.
 */
enum published store_refuse(const char *step, bool is_in_root,
                            struct failure *ret_failure);

#endif
