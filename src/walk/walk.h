/*
 * A pull-style directory walker: the caller asks for the next file, so nothing is held
 * but the names of the folders on the way to it. Names are bytes; the order is that of
 * the bytes of the names, files of a folder before its sub-folders, and is the same on
 * every walk of an unchanged tree. Links met on the way are not followed.
 */
#ifndef PXP_WALK_H
#define PXP_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct walk;

struct walk_options {
	const char *const *inputs;  /* files and folders, in order; borrowed for the walk's life */
	size_t n_inputs;
	/* A folder that is not walked wherever it is met: the output folder. 0 and 0: none. */
	dev_t skip_dev;
	ino_t skip_ino;
};

enum walk_kind {
	WALK_FILE,   /* a regular file that was met, or anything named as INPUT that is no folder */
	WALK_OTHER,  /* a link, socket, FIFO or device met in a folder: not looked at further */
	WALK_ERROR,  /* a folder that could not be read (sys_errno), or an INPUT that went away */
	WALK_END
};

/* What was met. The strings are good until the next call. */
struct walk_item {
	enum walk_kind kind;
	bool is_named;         /* named as INPUT itself: always tried; a link is followed */
	size_t input;          /* which of the inputs it belongs to */
	const char *path;      /* INPUT and what is below it, as a person would type it */
	const char *relative;  /* below the INPUT folder; the base name of a named file */
	int folder;            /* descriptor of its folder, for openat(); AT_FDCWD when named */
	const char *name;      /* what to give openat() */
	int sys_errno;         /* WALK_ERROR */
};

/* NULL when memory ran out. Opens nothing yet. */
struct walk *walk_open(const struct walk_options *options);
void walk_close(struct walk *walk);  /* NULL is fine */

/* The next item. After WALK_END it stays WALK_END. Running out of memory inside a folder
 * is a WALK_ERROR with ENOMEM, and the walk goes on with the next one. */
enum walk_kind walk_next(struct walk *walk, struct walk_item *ret_item);

/* Open a WALK_FILE for reading: without blocking on a FIFO, without following a link
 * unless it was named, close-on-exec; must be a regular file. Its descriptor, with *ret_stat filled, or
 * -1 and errno (EINVAL: no regular file). */
int walk_open_file(const struct walk_item *item, struct stat *ret_stat);

#endif
