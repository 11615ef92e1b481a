/*
 * A pull-style directory walker: the caller asks for the next file, so the walk holds only the names
 * of the folders on the way to it. Names are bytes. Files come in the order of the bytes of their
 * names, the files of a folder before its sub-folders; every walk of an unchanged tree has the same
 * order.
 *
 * Unless the options say otherwise, links that the walk meets are not followed, and neither is a
 * folder that is swapped for a link while the walk runs; names that begin with a dot are skipped
 * where they are met. A tree that changes during the walk is no error: a file that is gone when its
 * turn comes is skipped.
 *
 * A tree may be of any depth; a walk has at most some 20 descriptors open (walk_internal.h). One thread uses
 * a walk.
 */
#ifndef PXP_WALK_H
#define PXP_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct walk;

/*
 * A pattern for fnmatch(), without FNM_PATHNAME: * also matches a slash. A pattern without a slash is
 * compared with the base name of a file, another one with its path and with every end of its path
 * that begins behind a slash.
 */
struct walk_glob {
	const char *pattern;
	bool includes; /* false: excludes */
};

struct walk_options {
	/* Files and folders, in order; borrowed until the walk is closed. */
	const char *const *inputs;
	size_t n_inputs;
	/*
	 * The inputs were read from a list. Each is looked for below base, if there is one, or else
	 * in the current folder, and its relative name keeps its folders ("2009/a.jpg"), without a
	 * slash at the beginning and without everything up to its last "..".
	 */
	bool is_list;
	const char *base;
	/* What the INPUT "-" is: an open file that can be read by position. 0: "-" is a name like
	 * any other. */
	int standard_input;

	/* As --include and --exclude of GNU grep: the last pattern that matches a file decides. When
	 * none does, the file is taken, unless the first pattern includes. Folders are not
	 * compared. */
	const struct walk_glob *globs;
	size_t n_globs;
	/* How far below an INPUT folder files are met: 1 is the folder itself, 0 no folder at all. */
	bool has_max_depth;
	unsigned max_depth;
	bool follows_links; /* also links that the walk meets */
	bool takes_hidden; /* names that begin with a dot, but not those of our own files */
	bool stays_on_device; /* no folder on another file system than its INPUT */
	/* The output folder, which is not walked wherever it is met, even as an INPUT. 0 and 0:
	 * none. */
	dev_t skip_dev;
	ino_t skip_ino;
	/* A folder that the walk meets, and that has a name like this in it, is not walked: a pattern
	 * for fnmatch(); NULL: none. */
	const char *mark;
};

enum walk_kind {
	/* A regular file that the walk met, or an INPUT that is no folder. */
	WALK_FILE,
	/*
	 * A link, socket, FIFO or device that the walk met. It is not opened. sys_errno is 0, or
	 * ELOOP: a link that is followed leads back to a folder on the way; EXDEV: a folder on
	 * another file system, with stays_on_device.
	 */
	WALK_OTHER,
	/* A folder that has the mark in it. */
	WALK_MARKED,
	/*
	 * An INPUT that does not exist (ENOENT, ...), or a folder that could not be read; when it
	 * was read in part, this item comes after the files that were found. sys_errno says why.
	 * ELOOP: a mount leads back to a folder on the way. ESTALE: the folder was exchanged for
	 * another one while the walk was below it.
	 */
	WALK_ERROR,
	WALK_END
};

/* An item of the walk. All of it, the descriptor too, is valid until the next call. */
struct walk_item {
	enum walk_kind kind;
	bool is_named;     /* it is the INPUT itself */
	bool follows_link; /* its name may be that of a link, which is followed */
	bool is_standard_input;
	size_t input; /* the index of its INPUT */
	/* The path as a person would type it: "photos/a.jpg" below the INPUT "photos/", "./a.jpg"
	 * below ".". The path of an INPUT is the INPUT as it was given; that of a name from a list
	 * begins with its base. */
	const char *path;
	/* Below the INPUT folder; of an INPUT its base name; of a name from a list see is_list. It
	 * is the end of path. */
	const char *relative;
	/* Its folder, for openat(); AT_FDCWD for an INPUT; of standard input the open file. */
	int folder;
	const char *name; /* its name there, for openat() */
	int sys_errno;    /* WALK_ERROR, and WALK_OTHER as above; else 0 */
};

/* Begin a walk. options is copied, but not the inputs that it points to. Nothing is opened yet. NULL
 * when memory ran out. */
struct walk *walk_open(const struct walk_options *options);

/* End a walk, at any point. NULL is fine. */
void walk_close(struct walk *walk);

/* Get the next item. After WALK_END every call gives WALK_END. When memory runs out inside a folder,
 * the item is a WALK_ERROR with ENOMEM, and the walk goes on with the next folder. */
enum walk_kind walk_next(struct walk *walk, struct walk_item *ret_item);

/* Open a WALK_FILE to read, before the next call of walk_next(). It never blocks on a FIFO, and
 * follows a link only where the item says so. Returns a descriptor, close-on-exec, which is the
 * caller's, and fills *ret_stat; or -1 with errno (EINVAL: it is no regular file). */
int walk_open_file(const struct walk_item *item, struct stat *ret_stat);

/* The stat of a WALK_FILE without opening it, by the same rules. False with errno. */
bool walk_stat_file(const struct walk_item *item, struct stat *ret_stat);

#endif
