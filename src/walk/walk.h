/*
 * A pull-style directory walker: the caller asks for the next file, so the walk keeps in memory
 * only the names of the current folders. Names are bytes. Files are returned in the order of the
 * bytes of their names, the files of a folder before its sub-folders; every walk of an unchanged
 * tree has the same order.
 *
 * Unless the options say otherwise, links inside folders are not followed, and neither is a folder
 * that is replaced by a link while the walk runs; names inside folders that begin with a dot are
 * skipped. A tree that changes during the walk causes no error: a file that no longer exists when
 * its turn comes is skipped.
 *
 * A tree may be of any depth; a walk has at most about 20 descriptors open (walk_internal.h). Only
 * one thread may use a walk.
 */
#ifndef PXP_WALK_H
#define PXP_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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
	bool includes; /* false: the pattern excludes files */
};

/*
 * File system calls of the walk. A plain call may never return, for example on a dead network
 * share. So a caller may provide calls with a time limit. Each returns the same as the plain call,
 * with errno. A folder and a name are as for openat(). dev is the device of the folder, or 0 if the
 * device is not known or the name may be a mount point. path is for messages.
 */
struct walk_place {
	dev_t dev;
	int folder;
	const char *name, *path;
};

struct walk_calls {
	/* Like openat(). If ret_stat is not NULL, the function also calls fstat() on the opened
	 * file. */
	int (*open)(void *data, const struct walk_place *place, int flags,
	            struct stat *ret_stat);
	/* Like fstatat(). */
	bool (*stat)(void *data, const struct walk_place *place, int flags,
	             struct stat *ret_stat);
	/* Like getdents64() on the folder. */
	ssize_t (*list)(void *data, const struct walk_place *place, void *buffer,
	                size_t n);
	void *data;
};

struct walk_options {
	/* The calls that the walk makes. NULL: the plain system calls. Borrowed. */
	const struct walk_calls *calls;
	/* The files and folders to walk, in order; borrowed until the walk is closed. */
	const char *const *inputs;
	size_t n_inputs;
	/*
	 * The inputs were read from a list. Each is looked up below base, if there is one, or else
	 * in the current folder, and its relative name keeps its folders ("2009/a.jpg"), without a
	 * slash at the beginning and without everything up to its last "..".
	 */
	bool is_list;
	const char *base;
	/* The descriptor of the INPUT "-": an open file that can be read by position. 0: "-" is a
	 * name like any other. */
	int standard_input;

	/* Patterns with the meaning of --include and --exclude of GNU grep: the last pattern that
	 * matches a file decides. If none does, the file is selected, unless the first pattern
	 * includes. Folders are not compared. */
	const struct walk_glob *globs;
	size_t n_globs;
	/* How deep below an INPUT folder files are found: 1 is the folder itself, 0 no folder at
	 * all. */
	bool has_max_depth;
	unsigned max_depth;
	bool follows_links; /* also follow links inside folders */
	/* Also walk names that begin with a dot, except those of our own files. */
	bool takes_hidden;
	bool stays_on_device; /* walk no folder on another file system than its INPUT */
	/* The output folder, which is never walked, even as an INPUT. 0 and 0: none. */
	dev_t skip_dev;
	ino_t skip_ino;
	/* A folder inside an INPUT that contains a name like this is not walked: a pattern for
	 * fnmatch(); NULL: none. */
	const char *mark;
};

enum walk_kind {
	/* A regular file inside a folder, or an INPUT that is not a folder. */
	WALK_FILE,
	/*
	 * A link, socket, FIFO or device inside a folder. It is not opened. sys_errno is 0, or
	 * ELOOP: a link that is followed leads back to a folder that is being walked; EXDEV: a
	 * folder on another file system, with stays_on_device.
	 */
	WALK_OTHER,
	/* A folder that contains the mark. */
	WALK_MARKED,
	/*
	 * An INPUT that does not exist (ENOENT, ...), or a folder that could not be read; if it was
	 * read in part, this item comes after the files that were found. sys_errno gives the
	 * reason. ELOOP: a mount leads back to a folder that is being walked. ESTALE: the folder
	 * was replaced by another one while the walk was below it.
	 */
	WALK_ERROR,
	WALK_END
};

/* An item of the walk. All of it, including the descriptor, is valid until the next call. */
struct walk_item {
	enum walk_kind kind;
	bool is_named;     /* the item is the INPUT itself */
	bool follows_link; /* its name may be that of a link, which is then followed */
	bool is_standard_input;
	bool is_unfollowed_link; /* WALK_OTHER: a link that the option follows_links would follow */
	size_t input;            /* the index of its INPUT */
	/* The path as a user would type it: "photos/a.jpg" below the INPUT "photos/", "./a.jpg"
	 * below ".". The path of an INPUT is the INPUT as it was given; that of a name from a list
	 * begins with its base. */
	const char *path;
	/* The relative name, which points into the end of path. For a file that the walk found: its
	 * path below the INPUT folder. For an INPUT: its base name. For a name from a list, see
	 * is_list. */
	const char *relative;
	/* The folder of the item, for openat(); AT_FDCWD for an INPUT; for standard input the open
	 * file. */
	int folder;
	const char *name; /* the name in that folder, for openat() */
	/* Errno for WALK_ERROR, and for WALK_OTHER as above; otherwise 0. */
	int sys_errno;
	/* The calls that walk_open_file() and walk_stat_file() make. */
	const struct walk_calls *calls;
	dev_t dev; /* device of the file's folder; 0: not known */
};

/* Begin a walk. options is copied, but not the inputs that it points to. Nothing is opened yet.
 * Returns NULL if memory ran out. */
struct walk *walk_open(const struct walk_options *options);

/* End a walk, at any point. NULL is allowed. */
void walk_close(struct walk *walk);

/* Get the next item. After WALK_END every call gives WALK_END. When memory runs out inside a folder,
 * the item is a WALK_ERROR with ENOMEM, and the walk goes on with the next folder. */
enum walk_kind walk_next(struct walk *walk, struct walk_item *ret_item);

/* The number of files so far that the globs left out. */
uint64_t walk_n_left_out(const struct walk *walk);

/* Open a WALK_FILE for reading, before the next call of walk_next(). Never blocks on a FIFO, and
 * follows a link only if the item says so. Returns a descriptor, close-on-exec, which the caller
 * owns, and fills in *ret_stat; or -1 with errno (EINVAL: not a regular file). */
int walk_open_file(const struct walk_item *item, struct stat *ret_stat);

/* Get the stat of a WALK_FILE without opening it, by the same rules. Returns false with errno on
 * failure. */
bool walk_stat_file(const struct walk_item *item, struct stat *ret_stat);

#endif
