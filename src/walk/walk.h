/*
 * A directory walker. Each call returns the next file, so the walk keeps in memory only the names
 * of the current folders. Names are bytes, in no particular encoding. Files are returned in the
 * order of the bytes of their names, the files of a folder before its sub-folders. Every walk of an
 * unchanged tree has the same order.
 *
 * Unless the options say otherwise, links inside folders are not followed, not even a link that
 * replaces a folder while the walk runs, and names inside folders that begin with a dot are
 * skipped. A folder that was removed before its turn came is skipped without an error. A file that
 * was removed after its folder was read is still returned, but cannot be opened.
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
 * A pattern for fnmatch(), without FNM_PATHNAME: * also matches a slash. A pattern without a slash
 * is compared with the base name of a file. A pattern with a slash is compared with the whole path
 * of the file, and also with the rest of the path after each slash. For the file "a/b/c.jpg", these
 * are "a/b/c.jpg", "b/c.jpg" and "c.jpg".
 */
struct walk_glob {
	const char *pattern;
	bool includes; /* true: the pattern includes files; false: it excludes files */
};

/*
 * The place on which a file system call of the walk works. `folder` and `name` are the arguments of
 * openat(). `dev` is the device of the folder, or of an INPUT; it is 0 if the device is not known,
 * or if the name may be a mount point. `path` is used in messages only.
 */
struct walk_place {
	dev_t dev;
	int folder;
	const char *name, *path;
};

/* File system calls of the walk. A plain call may never return, for example on a dead network
 * share. So a caller may provide calls with a time limit. They fail with the errno of the plain
 * call, or with ETIMEDOUT or ECANCELED if they gave up waiting for it. */
struct walk_calls {
	/* Does what openat() does. If ret_stat is not NULL, also calls fstat() on the opened
	 * file. */
	int (*open)(void *data, const struct walk_place *place, int flags,
	            struct stat *ret_stat);
	/* Does what fstatat() does. Returns true on success. */
	bool (*stat)(void *data, const struct walk_place *place, int flags,
	             struct stat *ret_stat);
	/* Reads the entries of the folder place->folder as getdents64() does. */
	ssize_t (*list)(void *data, const struct walk_place *place, void *buffer,
	                size_t n);
	void *data;
};

struct walk_options {
	/* Replacements for the system calls of the walk; borrowed. NULL: no replacements. */
	const struct walk_calls *calls;
	/* The files and folders to walk, in order; borrowed until the walk is closed. */
	const char *const *inputs;
	size_t n_inputs;
	/*
	 * Whether the inputs were read from a list. If so, and if base is set, each input is looked
	 * up below base. If base is NULL, or the input does not exist below base, the input is
	 * looked up by its own name.
	 *
	 * The relative name of such an input keeps the folders of the input ("2009/a.jpg"). But
	 * everything up to the last ".." is left out, and a slash at the beginning as well.
	 */
	bool is_list;
	const char *base;
	/* The descriptor of the INPUT "-": an open file that can be read from any offset. 0: "-" is
	 * a name like any other. */
	int standard_input;

	/* Patterns like --include and --exclude of GNU grep. The last pattern that matches a file
	 * decides whether it is selected. If no pattern matches, the file is selected, except if
	 * the first pattern includes files. Folders are not compared. */
	const struct walk_glob *globs;
	size_t n_globs;
	/* Whether max_depth limits the depth of the walk. If max_depth is 1, the walk finds only
	 * the files in the INPUT folder itself. If max_depth is 0, the walk finds no files in
	 * folders, only the INPUTs that are files. */
	bool has_max_depth;
	unsigned max_depth;
	bool follows_links; /* whether links inside folders are followed */
	/* Whether the walk includes names that begin with a dot. The names of this program's own
	 * files are skipped in any case. */
	bool takes_hidden;
	/* Whether folders on another file system than their INPUT are left out. */
	bool stays_on_device;
	/* The device and inode of the output folder, which is never walked, even as an INPUT. 0 and
	 * 0: no folder is skipped. */
	dev_t skip_dev;
	ino_t skip_ino;
	/* A pattern for fnmatch(). A folder inside an INPUT is not walked if it contains a name
	 * that matches. NULL: no pattern. */
	const char *mark;
};

enum walk_kind {
	/* A regular file inside a folder, or an INPUT that is not a folder. */
	WALK_FILE,
	/*
	 * A link, socket, FIFO or device inside a folder, or a folder that must not be walked. The
	 * item is not opened. sys_errno is usually 0. ELOOP: the item leads back to a folder that
	 * is being walked, and follows_links is set. EXDEV: the item is a folder on another file
	 * system, and stays_on_device is set.
	 */
	WALK_OTHER,
	/* A folder that is not walked, because it contains a name that matches options.mark. */
	WALK_MARKED,
	/*
	 * An INPUT that does not exist (ENOENT, ...), or a folder that could not be read. If a part
	 * of the folder was read, this item comes after the files that were found. sys_errno gives
	 * the reason. ELOOP: a mount leads back to a folder that is being walked. ESTALE: the
	 * folder was replaced by another one while the walk was below it.
	 */
	WALK_ERROR,
	WALK_END
};

/* An item of the walk. An item from walk_next() is valid until the next walk_next(), and so is the
 * descriptor in its member `folder`. The comment on walk_visit() says how long an item from
 * walk_visit() is valid. */
struct walk_item {
	enum walk_kind kind;
	bool is_named;     /* whether the item is the INPUT itself */
	bool follows_link; /* whether a link is followed when the item is opened */
	bool is_standard_input;
	/* For WALK_OTHER: whether the item is a link, and options.follows_links is not set. */
	bool is_unfollowed_link;
	/* the index of the INPUT (an argument of the user) in which the item was found */
	size_t input;
	/* The path as a user would type it: "photos/a.jpg" below the INPUT "photos/", "./a.jpg"
	 * below ".". The path of an INPUT is the INPUT as it was given. The path of a relative name
	 * from a list begins with options.base, unless the file exists only under its own name. */
	const char *path;
	/* The relative name, which is the end of `path`. For a file that the walk found: its path
	 * below the INPUT folder. For an INPUT: its base name. For a name from a list, see
	 * is_list. */
	const char *relative;
	/* The folder of the item, for openat(). AT_FDCWD if the item is an INPUT. For standard
	 * input, the descriptor of the open file. */
	int folder;
	const char *name; /* the item's name in `folder`, for openat() */
	/* How many bytes at the beginning of path are the path of the INPUT folder and the slash
	 * after it. 0 if the item is an INPUT. */
	size_t n_of_input;
	/* For WALK_ERROR and WALK_OTHER: the errno that enum walk_kind describes; otherwise 0. */
	int sys_errno;
	/* The calls that walk_open_file() and walk_stat_file() make. */
	const struct walk_calls *calls;
	/* The device of the file's folder. If the item is an INPUT: the device of that INPUT. 0:
	 * not known. */
	dev_t dev;
};

/*
 * The place where a walk has found a WALK_FILE: its path and some numbers. With this address,
 * walk_visit() finds the file again without listing a folder. A struct of zeros is the address of
 * no file.
 */
struct walk_address {
	char *path; /* the path of the item */
	size_t input;
	size_t relative_at; /* the offset of the relative name in path */
	/* The length of the INPUT folder's path with the slash after it. 0 if the file is an
	 * INPUT. */
	size_t n_of_input;
	dev_t dev; /* as in struct walk_item */
	bool is_named, follows_link;
};

/* Get the address at which walk_visit() finds a WALK_FILE again. The file must not be standard
 * input. The caller frees the address with walk_address_fini(). Returns false if memory ran out. */
bool walk_address_of(const struct walk_item *item, struct walk_address *ret_address);
void walk_address_fini(struct walk_address *address);

/* Begin a walk. `options` is copied, but the arrays that it points to are not: they must exist
 * until walk_close(). Nothing is opened yet. Returns NULL if memory ran out. */
struct walk *walk_open(const struct walk_options *options);

/* End a walk, at any point. `walk` may be NULL. */
void walk_close(struct walk *walk);

/* Get the next item. After WALK_END every call returns WALK_END. If memory runs out in a folder,
 * some of its items are missing, the last item of the folder is a WALK_ERROR with ENOMEM, and the
 * walk continues. */
enum walk_kind walk_next(struct walk *walk, struct walk_item *ret_item);

/*
 * Get the item of a file by the address that an earlier walk with the same INPUTs has given. The
 * folders above the file are opened as a walk opens them: links are followed only if the options
 * say so. The item is valid until the next walk_visit(), but not longer than the address. The
 * position of the walk does not change.
 *
 * Returns false with errno if no regular file is at the address any more, or if a walk would not
 * enter its folder. But names that match options.mark are not looked for, so a folder that got such
 * a name after the earlier walk is entered. ETIMEDOUT, ECANCELED: one of options.calls gave up.
 */
bool walk_visit(struct walk *walk, const struct walk_address *address,
                struct walk_item *ret_item);

/* How many files the globs have left out so far. */
uint64_t walk_n_left_out(const struct walk *walk);

/* Open a WALK_FILE for reading. Must be called before the next walk_next(). Never blocks on a FIFO,
 * and follows a link only if follows_link of the item is set. On success fills in *ret_stat and
 * returns a descriptor with close-on-exec, which the caller owns. On failure returns -1 with errno;
 * EINVAL: not a regular file. */
int walk_open_file(const struct walk_item *item, struct stat *ret_stat);

/* Get the stat of a WALK_FILE without opening it. Follows a link as walk_open_file() does. Returns
 * false with errno on failure. */
bool walk_stat_file(const struct walk_item *item, struct stat *ret_stat);

#endif
