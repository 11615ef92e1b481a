/*
 * A pull-style directory walker: the caller asks for the next file, so nothing is held
 * but the names of the folders on the way to it. Names are bytes; the order is that of
 * the bytes of the names, files of a folder before its sub-folders, and is the same on
 * every walk of an unchanged tree.
 *
 * Links met on the way are not followed, and a folder that is swapped for one while we
 * walk is not either. Names that begin with a dot are passed over where they are met, as
 * if they were not there. A tree that changes under the walk is no error: what is gone
 * when its turn comes is passed over.
 *
 * Any depth, with some 20 descriptors at most (levels.h). One thread for a walk.
 */
#ifndef PXP_WALK_H
#define PXP_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct walk;

struct walk_options {
	/* Files and folders, in order; borrowed for the walk's life. */
	const char *const *inputs;
	size_t n_inputs;
	/* A folder that is not walked wherever it is met, be it an INPUT itself: the
	 * output folder. 0 and 0: none. */
	dev_t skip_dev;
	ino_t skip_ino;
};

enum walk_kind {
	/* A regular file that was met, or anything named as INPUT that is no folder. */
	WALK_FILE,
	/* A link, socket, FIFO or device met in a folder: not looked at further. */
	WALK_OTHER,
	/*
	 * sys_errno says why. Named: the INPUT is not there (ENOENT, ...), or is a folder
	 * that could not be read. Met: a folder that could not be read; where it was read
	 * in part, this comes after what was read. ELOOP: a mount that leads back to a
	 * folder on the way. ESTALE: it was exchanged for another while we were below it.
	 */
	WALK_ERROR,
	WALK_END
};

/* What was met. All of it is good until the next call, the descriptor too. */
struct walk_item {
	enum walk_kind kind;
	bool is_named; /* the INPUT itself: always tried; a link is followed */
	size_t input;  /* which of the inputs it belongs to */
	/* INPUT and what is below it, as a person would type it: "photos/a.jpg" also of
	 * the INPUT "photos/", "./a.jpg" of ".". One that is named is as it was typed. */
	const char *path;
	const char *relative; /* below the INPUT folder; the base name of one named */
	int folder;           /* of its folder, for openat(); AT_FDCWD when named */
	const char *name;     /* what to give openat() */
	int sys_errno;        /* WALK_ERROR; else 0 */
};

/* options is copied, but not what it points to. NULL when memory ran out. Opens nothing
 * yet. */
struct walk *walk_open(const struct walk_options *options);

/* At any point; NULL is fine. */
void walk_close(struct walk *walk);

/* The next item. After WALK_END it stays WALK_END. Running out of memory inside a folder
 * is a WALK_ERROR with ENOMEM, and the walk goes on with the next one. */
enum walk_kind walk_next(struct walk *walk, struct walk_item *ret_item);

/* Open a WALK_FILE for reading, before the next call: without blocking on a FIFO, without
 * following a link unless it was named, close-on-exec. The descriptor is the caller's and
 * *ret_stat is filled; or -1 and errno (EINVAL: no regular file). */
int walk_open_file(const struct walk_item *item, struct stat *ret_stat);

#endif
