/*
 * Walks the INPUTs one after the other, and the folders below each INPUT, one step at a time. This
 * file contains, in this order: the packed names of one folder, the stack of the current folders,
 * the walk and its items, the selection of files, the names of a list, the steps, and the functions
 * that find a file again.
 */
#include "walk/walk.h"

#include "base/fd.h"
#include "common/path.h"
#include "walk/walk_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- the names of one folder ---- */

/*
 * The names of one folder, packed into two blocks of memory. The first block has an entry for each
 * name: a mark of one byte, which the caller defines, and the bytes of the name with a zero at the
 * end. The second block has the offset of each entry, in 4 bytes. A struct that is all zeros is an
 * empty list.
 */
struct names {
	char *bytes;      /* entries; each is a mark, the bytes of a name, and a zero */
	uint32_t *starts; /* the offset of each entry in `bytes` */
	size_t n_bytes, max_bytes;
	size_t n, max;
	size_t n_taken;
};

/* Free the blocks. Afterwards the list is empty. */
static void names_fini(struct names *names)
{
	free(names->bytes);
	free(names->starts);
	*names = (struct names){0};
}

/* Make *block large enough for n elements of `size` bytes each: double its length until they fit.
 * Returns false if memory ran out. */
static bool grow(void **block, size_t *max, size_t n, size_t size)
{
	size_t new_max = *max ? *max : 16;
	void *bigger;

	if (n <= *max)
		return true;
	while (new_max < n)
		new_max *= 2;
	bigger = realloc(*block, new_max * size);
	if (!bigger)
		return false;
	*block = bigger;
	*max = new_max;
	return true;
}

/* Append a copy of `name`, with a mark that the caller defines. Returns false, and leaves the list
 * unchanged, if memory ran out or if the entries already take 4 GiB. */
static bool names_add(struct names *names, char mark, const char *name)
{
	size_t n_name = strlen(name) + 1;
	void *bytes = names->bytes, *starts = names->starts;
	bool fits = names->n_bytes <= UINT32_MAX &&
	            grow(&bytes, &names->max_bytes, names->n_bytes + 1 + n_name, 1) &&
	            grow(&starts, &names->max, names->n + 1, sizeof(*names->starts));

	names->bytes = bytes;
	names->starts = starts;
	if (!fits)
		return false;

	names->starts[names->n++] = (uint32_t)names->n_bytes;
	names->bytes[names->n_bytes] = mark;
	memcpy(names->bytes + names->n_bytes + 1, name, n_name);
	names->n_bytes += 1 + n_name;
	return true;
}

static const char *name_at(const struct names *names, uint32_t start)
{
	return names->bytes + start + 1;
}

static int compare(const void *left, const void *right, void *data)
{
	const struct names *names = data;

	return strcmp(name_at(names, *(const uint32_t *)left),
	              name_at(names, *(const uint32_t *)right));
}

/* Remove duplicate names from a list that is sorted and not empty. */
static void drop_doubles(struct names *names)
{
	size_t n_kept = 1;

	for (size_t i = 1; i < names->n; i++) {
		if (compare(&names->starts[n_kept - 1], &names->starts[i], names) != 0)
			names->starts[n_kept++] = names->starts[i];
	}
	names->n = n_kept;
}

/* Sort the list by the bytes of its names. Removes duplicates (a folder that changes while it is
 * read may list a name twice) and frees spare memory. Call this after the last names_add(). */
static void names_sort(struct names *names)
{
	void *block;

	if (names->n == 0) {
		names_fini(names);
		return;
	}
	qsort_r(names->starts, names->n, sizeof(*names->starts), compare, names);
	drop_doubles(names);

	/* If a block cannot be made smaller, it is kept unchanged. */
	block = realloc(names->bytes, names->n_bytes);
	if (block)
		names->bytes = block;
	block = realloc(names->starts, names->n * sizeof(*names->starts));
	if (block)
		names->starts = block;
}

static bool names_has_next(const struct names *names)
{
	return names->n_taken < names->n;
}

/* Take the next name; there must be one. The name is valid until names_fini(). */
static const char *names_take(struct names *names, char *ret_mark)
{
	uint32_t start = names->starts[names->n_taken++];

	*ret_mark = names->bytes[start];
	return name_at(names, start);
}

/* The name that names_take() returned last. *ret_mark becomes the mark of this name. */
static const char *names_taken(const struct names *names, char *ret_mark)
{
	uint32_t start = names->starts[names->n_taken - 1];

	*ret_mark = names->bytes[start];
	return name_at(names, start);
}

/* ---- the stack of folders ---- */

/*
 * A stack of folders, from an INPUT down to the folder that the walk is in. Each level has the
 * names of its folder in blocks of its own, which are freed with it.
 *
 * The INPUT's folder stays open, and so do the LEVELS_OPEN deepest folders. A folder between them
 * is closed. When the walk comes back to it, the walk opens it again, step by step from the nearest
 * open folder above it, and checks that it is still the same folder. So a tree may be of any depth
 * and a path of any length.
 */
struct level {
	const struct walk_calls *calls;
	/* The descriptor of the folder. It stays open until all files of the folder are returned.
	 * -1: closed for now. */
	int fd;
	dev_t dev;
	ino_t ino;
	size_t path_n; /* the length of the folder's path with the slash at its end */
	struct names files, folders;
	/* The errno with which reading the folder ended early; 0: it was read completely. */
	int sys_errno;
	/* Whether the folder contains a name that matches walk_options.mark. */
	bool has_mark;
};
/* The mark of a name says what kind of entry has the name. A link that the walk follows is listed
 * with the files or with the folders, depending on its target. */
enum {
	NAME_FILE = 'f',
	NAME_FOLDER = 'd',
	NAME_LINK = 'l',
	NAME_OTHER = 'o',
	NAME_UNFOLLOWED = 'u'
};

enum { BUFFER_BYTES = 32 * 1024 };

/* The stack of folders. If everything except the buffer is zero, the stack is empty. */
struct levels {
	struct level *level;
	size_t n, max;
	void *buffer; /* the buffer for getdents64(), shared by all folders */
};

ssize_t (*walk_getdents)(int folder, void *buffer, size_t n) = getdents64;

/* ---- file system calls, for which the caller may set a time limit ---- */

static int call_open(const struct walk_calls *calls, const struct walk_place *place,
                     int flags, struct stat *ret_stat)
{
	int fd;

	if (calls)
		return calls->open(calls->data, place, flags, ret_stat);
	fd = openat(place->folder, place->name, flags);
	if (fd >= 0 && ret_stat && fstat(fd, ret_stat) != 0)
		fd_close(&fd);
	return fd;
}

static bool call_stat(const struct walk_calls *calls, const struct walk_place *place,
                      int flags, struct stat *ret_stat)
{
	if (calls)
		return calls->stat(calls->data, place, flags, ret_stat);
	return fstatat(place->folder, place->name, ret_stat, flags) == 0;
}

/* ---- reading a folder, and pushing and popping levels ---- */

/* Record why a part of a folder could not be read. If there are several reasons, the first one is
 * kept. */
static void level_note(struct level *level, int sys_errno)
{
	if (level->sys_errno == 0)
		level->sys_errno = sys_errno;
}

/* Open a sub-folder of an open level. A link is followed only if `mark` is NAME_LINK. Returns -1
 * with errno on failure. */
static int level_open_folder(const struct level *level, const char *name, char mark)
{
	/* The entry may be a mount point, so its device is not known. */
	const struct walk_place place = {0, level->fd, name, name};

	return call_open(level->calls, &place,
	                 O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	                         (mark == NAME_LINK ? 0 : O_NOFOLLOW),
	                 NULL);
}

/* Make an empty stack. Returns false if memory ran out. */
static bool levels_init(struct levels *levels)
{
	*levels = (struct levels){.buffer = malloc(BUFFER_BYTES)};
	return levels->buffer != NULL;
}

static void levels_pop(struct levels *levels)
{
	struct level *level = &levels->level[--levels->n];

	fd_close(&level->fd);
	names_fini(&level->files);
	names_fini(&level->folders);
}

static void levels_fini(struct levels *levels)
{
	while (levels->n > 0)
		levels_pop(levels);
	free(levels->level);
	free(levels->buffer);
	*levels = (struct levels){0};
}

/* Get the deepest level. The stack must not be empty. The pointer is valid until the next level is
 * pushed. */
static struct level *levels_top(struct levels *levels)
{
	return &levels->level[levels->n - 1];
}

/* Whether a folder is already on the stack, because mounts or followed links form a loop. */
static bool levels_hold(const struct levels *levels, const struct stat *folder)
{
	for (size_t i = 0; i < levels->n; i++) {
		if (levels->level[i].dev == folder->st_dev &&
		    levels->level[i].ino == folder->st_ino)
			return true;
	}
	return false;
}

/* The type of a file as readdir() gives it. DT_CHR stands for all types of files that the walk
 * never opens. */
static unsigned char type_of(mode_t mode)
{
	return S_ISREG(mode)   ? DT_REG
	       : S_ISDIR(mode) ? DT_DIR
	       : S_ISLNK(mode) ? DT_LNK
	                       : DT_CHR;
}

/* The type of an entry. DT_UNKNOWN: the entry no longer exists. If the type cannot be determined,
 * the entry counts as a file: opening it will show the reason. */
static unsigned char type_of_entry(const struct level *level,
                                   const struct dirent64 *entry)
{
	const struct walk_place place = {level->dev, level->fd, entry->d_name,
	                                 entry->d_name};
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type;
	if (call_stat(level->calls, &place, AT_SYMLINK_NOFOLLOW, &st))
		return type_of(st.st_mode);
	return errno == ENOENT ? DT_UNKNOWN : DT_REG;
}

/* The type of a link's target. DT_LNK: the target does not exist, or the link is circular. */
static unsigned char type_of_target(const struct level *level, const char *name)
{
	const struct walk_place place = {0, level->fd, name, name};
	struct stat st;

	if (call_stat(level->calls, &place, 0, &st))
		return type_of(st.st_mode);
	return errno == ENOENT || errno == ELOOP ? DT_LNK : DT_REG;
}

/* Add an entry of a folder to the names of its level. Returns false if memory ran out. */
static bool add_entry(struct level *level, const struct dirent64 *entry,
                      bool follows_links)
{
	unsigned char type = type_of_entry(level, entry);
	const bool is_followed = type == DT_LNK && follows_links;

	if (type == DT_UNKNOWN)
		return true;
	if (is_followed)
		type = type_of_target(level, entry->d_name);
	if (type == DT_DIR)
		return names_add(&level->folders, is_followed ? NAME_LINK : NAME_FOLDER,
		                 entry->d_name);
	if (type == DT_REG)
		return names_add(&level->files, is_followed ? NAME_LINK : NAME_FILE,
		                 entry->d_name);
	return names_add(&level->files,
	                 type == DT_LNK && !follows_links ? NAME_UNFOLLOWED : NAME_OTHER,
	                 entry->d_name);
}

/* Whether the walk skips a name. It skips ".", "..", hidden names unless takes_hidden is set, and
 * the files that this program keeps in an output folder. */
static bool is_passed_over(const char *name, const struct walk_options *options)
{
	static const char ours[] = ".pixpool";

	return name[0] == '.' &&
	       (!options->takes_hidden || strcmp(name, ".") == 0 ||
	        strcmp(name, "..") == 0 || strncmp(name, ours, sizeof(ours) - 1) == 0);
}

static ssize_t level_list(const struct level *level, void *buffer)
{
	const struct walk_place place = {level->dev, level->fd, ".", "."};

	if (level->calls)
		return level->calls->list(level->calls->data, &place, buffer,
		                          BUFFER_BYTES);
	return walk_getdents(level->fd, buffer, BUFFER_BYTES);
}

static void level_read(struct level *level, char *buffer,
                       const struct walk_options *options)
{
	const struct dirent64 *entry;
	ssize_t n;

	while ((n = level_list(level, buffer)) > 0) {
		for (ssize_t at = 0; at < n; at += entry->d_reclen) {
			entry = (const void *)(buffer + at);
			if (options->mark && entry->d_name[0] == options->mark[0] &&
			    fnmatch(options->mark, entry->d_name, 0) == 0)
				level->has_mark = true;
			if (is_passed_over(entry->d_name, options))
				continue;
			if (!add_entry(level, entry, options->follows_links)) {
				level_note(level, ENOMEM);
				return;
			}
		}
	}
	/* ENOENT: the folder was removed while it was read, which is not an error. */
	if (n < 0 && errno != ENOENT)
		level_note(level, errno);
}

/* Called after the folder of level number `depth` was opened. Closes the folder that is LEVELS_OPEN
 * levels above that folder, unless it is the INPUT's folder. */
static void close_far_above(struct levels *levels, size_t depth)
{
	if (depth > LEVELS_OPEN)
		fd_close(&levels->level[depth - LEVELS_OPEN].fd);
}

/* Push the folder that is open as *fd, and read its names. The new level owns the descriptor, and
 * *fd becomes -1. Returns false if there is no memory for the level; in that case the caller still
 * owns *fd. If reading the names fails, the level records the error and keeps the names that were
 * read before. */
static bool levels_push(struct levels *levels, int *fd, const struct stat *folder,
                        size_t path_n, const struct walk_options *options)
{
	struct level *level;

	if (levels->n == levels->max) {
		size_t max = levels->max ? 2 * levels->max : 16;

		level = realloc(levels->level, max * sizeof(*level));
		if (!level)
			return false;
		levels->level = level;
		levels->max = max;
	}
	level = &levels->level[levels->n++];
	*level = (struct level){.calls = options->calls,
	                        .fd = *fd,
	                        .dev = folder->st_dev,
	                        .ino = folder->st_ino,
	                        .path_n = path_n};
	*fd = -1;
	close_far_above(levels, levels->n - 1);

	level_read(level, levels->buffer, options);
	if (options->has_max_depth && levels->n >= options->max_depth)
		names_fini(&level->folders);
	names_sort(&level->files);
	names_sort(&level->folders);
	return true;
}

/* Open the folder of the level `below` again, from the folder of the level `above`, which is open.
 * The name of the folder is the one that was taken last from the level `above`. Returns false with
 * errno if that fails. */
static bool reopen_below(const struct level *above, struct level *below)
{
	const char *name;
	struct stat st;
	char mark;
	int fd;

	errno = ESTALE;
	/* n_taken is never 0 here: the walk took a name from `above` before it entered `below`. */
	if (above->folders.n_taken == 0)
		return false;
	name = names_taken(&above->folders, &mark);
	fd = level_open_folder(above, name, mark);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && st.st_dev == below->dev && st.st_ino == below->ino) {
		below->fd = fd;
		return true;
	}
	fd_close(&fd);
	errno = ESTALE;
	return false;
}

/* Open the folder of the top level again if it is closed. Returns false with errno if that fails;
 * ESTALE: another folder has its name now. */
static bool levels_reopen(struct levels *levels)
{
	size_t top = levels->n - 1, at = top;

	while (levels->level[at].fd < 0)
		at--;
	for (; at < top; at++) {
		if (!reopen_below(&levels->level[at], &levels->level[at + 1]))
			return false;
		close_far_above(levels, at + 1);
	}
	return true;
}

/* ---- the walk ---- */

struct walk {
	struct walk_options options;
	size_t n_begun;       /* the number of INPUTs whose walk has begun */
	uint64_t n_left_out;  /* the number of files that the globs left out */
	struct levels levels; /* the stack, which is empty between inputs */

	char *path; /* the path of the last item */
	size_t path_max;
	/* The path of the INPUT that was started last. input_n is the offset at which the relative
	 * name begins in the path of a file below this INPUT. If the INPUT is from a list, input_n
	 * is also the offset of the relative name in the path of the INPUT. */
	const char *input;
	size_t input_n;
	dev_t input_dev; /* the device of this INPUT; 0: not known */

	/* The folder of the last address that was visited: its path with the slash at its end, and
	 * its descriptor. NULL and -1: none. */
	char *visited_path;
	int visited;
	size_t visited_input;
	dev_t visited_dev;
};

struct walk *walk_open(const struct walk_options *options)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	if (!walk)
		return NULL;
	walk->options = *options;
	walk->visited = -1;
	if (!levels_init(&walk->levels)) {
		walk_close(walk);
		return NULL;
	}
	return walk;
}

void walk_close(struct walk *walk)
{
	if (!walk)
		return;
	levels_fini(&walk->levels);
	fd_close(&walk->visited);
	free(walk->visited_path);
	free(walk->path);
	free(walk);
}

/* Put n bytes of `name` into the path, beginning at the offset `at`, which is 0 or the offset after
 * a slash. Returns false if memory ran out. */
static bool path_put(struct walk *walk, size_t at, const char *name, size_t n)
{
	if (at + n + 1 > walk->path_max) {
		size_t max = 2 * (at + n + 1);
		char *path = realloc(walk->path, max);

		if (!path)
			return false;
		walk->path = path;
		walk->path_max = max;
	}
	if (at > 0)
		/* If the previous path ended here, this byte is now its final zero. */
		walk->path[at - 1] = '/';
	memcpy(walk->path + at, name, n);
	walk->path[at + n] = 0;
	return true;
}

/* ---- filling in items; these functions return true, so that the walk returns the item ---- */

static bool give_input(struct walk *walk, struct walk_item *ret_item, int sys_errno)
{
	/* A name in a list, such as "..", may have no part that can be the relative name. */
	const bool has_relative = walk->options.is_list &&
	                          walk->input_n < strlen(walk->input);
	size_t n;

	*ret_item = (struct walk_item){
		.kind = sys_errno ? WALK_ERROR : WALK_FILE,
		.is_named = true,
		.follows_link = true,
		.input = walk->n_begun - 1,
		.path = walk->input,
		.relative = has_relative ? walk->input + walk->input_n
	                                 : path_base(walk->input, &n),
		.folder = AT_FDCWD,
		.name = walk->input,
		.sys_errno = sys_errno,
		.calls = walk->options.calls,
		.dev = walk->input_dev,
	};
	return true;
}

static bool give_standard_input(struct walk *walk, struct walk_item *ret_item)
{
	give_input(walk, ret_item, 0);
	ret_item->is_standard_input = true;
	ret_item->folder = walk->options.standard_input;
	return true;
}

/* Fill in the item whose path is in walk->path. The item is an entry of the folder on top of the
 * stack. */
static bool give_met(struct walk *walk, struct walk_item *ret_item, enum walk_kind kind,
                     const char *name, int sys_errno)
{
	*ret_item = (struct walk_item){.kind = kind,
	                               .input = walk->n_begun - 1,
	                               .path = walk->path,
	                               .relative = walk->path + walk->input_n,
	                               .folder = levels_top(&walk->levels)->fd,
	                               .name = name,
	                               .n_of_input = walk->levels.level[0].path_n,
	                               .sys_errno = sys_errno,
	                               .calls = walk->options.calls,
	                               .dev = levels_top(&walk->levels)->dev};
	return true;
}

static bool is_output_folder(const struct walk_options *options,
                             const struct stat *folder)
{
	return options->skip_ino != 0 && folder->st_ino == options->skip_ino &&
	       folder->st_dev == options->skip_dev;
}

enum { MARKED = -1 };

/* Push the folder that is open as fd. Takes over the descriptor, also on failure. Returns 0 if the
 * folder was pushed, or if it is the output folder, which is skipped. Returns MARKED, without
 * pushing the folder, if it is inside another folder and contains a name that matches options.mark.
 * Otherwise returns an error number; ELOOP: the folder is on the stack already; EXDEV: the folder
 * is on another file system and must not be walked. */
static int go_into(struct walk *walk, int fd, size_t path_n)
{
	const struct walk_options *options = &walk->options;
	struct stat st;
	int sys_errno = 0;

	if (fstat(fd, &st) != 0)
		sys_errno = errno;
	else if (is_output_folder(options, &st))
		sys_errno = 0;
	else if (options->stays_on_device && walk->levels.n > 0 &&
	         walk->levels.level[0].dev != st.st_dev)
		sys_errno = EXDEV;
	else if (levels_hold(&walk->levels, &st))
		sys_errno = ELOOP;
	else if (!levels_push(&walk->levels, &fd, &st, path_n, options))
		sys_errno = ENOMEM;
	else if (walk->levels.n > 1 && levels_top(&walk->levels)->has_mark) {
		levels_pop(&walk->levels);
		sys_errno = MARKED;
	}
	fd_close(&fd);
	return sys_errno;
}

/* ---- which files are selected ---- */

static bool glob_matches(const struct walk_glob *glob, const char *path)
{
	const char *slash = strrchr(path, '/'), *end = path;

	if (!strchr(glob->pattern, '/'))
		return fnmatch(glob->pattern, slash ? slash + 1 : path, 0) == 0;
	do {
		if (fnmatch(glob->pattern, end, 0) == 0)
			return true;
		end = strchr(end, '/');
	} while (end && *++end);
	return false;
}

static bool is_selected(const struct walk_options *options, const char *path)
{
	size_t i = options->n_globs;

	while (i > 0 && !glob_matches(&options->globs[i - 1], path))
		i--;
	if (i > 0)
		return options->globs[i - 1].includes;
	return options->n_globs == 0 || !options->globs[0].includes;
}

/* Whether the globs select a file. Counts the files that the globs leave out. */
static bool is_taken(struct walk *walk, const char *path)
{
	const bool is_taken = is_selected(&walk->options, path);

	walk->n_left_out += !is_taken;
	return is_taken;
}

/* ---- the names of a list ---- */

/* Remove empty components and "." from the inside and the end of a path. The result is a path to
 * the same file. */
static void simplify(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++) {
		bool is_at_part = to > path && to[-1] == '/';
		bool is_dot = from[0] == '.' && (from[1] == '/' || from[1] == 0);

		if (is_at_part && (*from == '/' || is_dot))
			from += is_dot && from[1] == '/';
		else
			*to++ = *from;
	}
	while (to > path + 1 && to[-1] == '/')
		to--;
	*to = 0;
}

/* The part of a path that can be appended to another folder: everything behind the last "..", or
 * the whole path if it has no "..". Slashes and "./" at the beginning of this part are left out. */
static const char *part_below(const char *path)
{
	const char *below = path;

	for (const char *part = path; *part; part += strcspn(part, "/")) {
		part += *part == '/';
		if (part[0] == '.' && part[1] == '.' && (part[2] == '/' || !part[2]))
			below = part + 2;
	}
	while (below[0] == '/' || (below[0] == '.' && (below[1] == '/' || !below[1])))
		below++;
	return below;
}

/* How many bytes at the beginning of a path are the base and the slash after it; 0: the path is not
 * below the base. */
static size_t n_of_base(const char *path, const char *base)
{
	size_t n = base ? strlen(base) : 0;

	while (n > 0 && base[n - 1] == '/')
		n--;
	return base && strncmp(path, base, n) == 0 && path[n] == '/' ? n + 1 : 0;
}

/* Put a name of the list into walk->path. If is_below_base is true, options.base precedes the name.
 * Returns false if memory ran out. */
static bool spell(struct walk *walk, const char *name, bool is_below_base)
{
	const char *base = walk->options.base;
	size_t n = is_below_base ? strlen(base) : 0;

	while (n > 0 && base[n - 1] == '/')
		n--;
	if (is_below_base &&
	    (!path_put(walk, 0, base, n) || !path_put(walk, n + 1, "", 0)))
		return false;
	n = is_below_base ? n + 1 : 0;
	if (!path_put(walk, n, name, strlen(name)))
		return false;
	simplify(walk->path + n);
	walk->input = walk->path;
	walk->input_n = (size_t)(part_below(walk->path + n_of_base(walk->path, base)) -
	                         walk->path);
	return true;
}

static bool stat_path(const struct walk *walk, const char *path, struct stat *ret_stat)
{
	const struct walk_place place = {0, AT_FDCWD, path, path};

	return call_stat(walk->options.calls, &place, 0, ret_stat);
}

/* Find a file of the list: first look for its name below the base, then for its name alone. Returns
 * 0 or an error number. */
static int find_listed(struct walk *walk, const char *name, struct stat *ret_stat)
{
	const bool may_be_below = walk->options.base && name[0] != '/';

	if (!spell(walk, name, may_be_below))
		return ENOMEM;
	if (stat_path(walk, walk->path, ret_stat))
		return 0;
	if (errno != ENOENT || !may_be_below)
		return errno;
	if (!spell(walk, name, false))
		return ENOMEM;
	if (stat_path(walk, walk->path, ret_stat))
		return 0;
	return spell(walk, name, true) ? ENOENT : ENOMEM;
}

/* ---- one step ---- */

/* Start the walk of an INPUT folder, whose path is walk->input. */
static bool begin_folder(struct walk *walk, struct walk_item *ret_item)
{
	struct walk_place place = {.dev = walk->input_dev, .folder = AT_FDCWD};
	size_t n = strlen(walk->input);
	int fd, sys_errno;

	if (walk->options.has_max_depth && walk->options.max_depth == 0)
		return false;
	while (n > 1 && walk->input[n - 1] == '/')
		n--;
	if (walk->input != walk->path && !path_put(walk, 0, walk->input, n))
		return give_input(walk, ret_item, ENOMEM);
	place.name = place.path = walk->input;
	fd = call_open(walk->options.calls, &place, O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	               NULL);
	if (fd < 0)
		return give_input(walk, ret_item, errno);
	/* The relative name of a file in a listed folder begins with the name that the folder has
	 * in the list. But if that name has no parts except "." and "..", the relative name begins
	 * below the folder. */
	if (!walk->options.is_list || walk->input_n >= n)
		walk->input_n = n + (walk->input[n - 1] != '/');
	n += walk->input[n - 1] != '/';
	sys_errno = go_into(walk, fd, n);
	return sys_errno ? give_input(walk, ret_item, sys_errno) : false;
}

static bool begin_input(struct walk *walk, struct walk_item *ret_item)
{
	const struct walk_options *options = &walk->options;
	struct stat st;
	int sys_errno = 0;

	walk->input = options->inputs[walk->n_begun++];
	walk->input_n = 0;
	walk->input_dev = 0;
	if (options->standard_input > 0 && strcmp(walk->input, "-") == 0)
		return give_standard_input(walk, ret_item);
	if (options->is_list)
		sys_errno = find_listed(walk, walk->input, &st);
	else if (!stat_path(walk, walk->input, &st))
		sys_errno = errno;
	if (sys_errno == 0)
		walk->input_dev = st.st_dev;
	if (sys_errno != 0 || !S_ISDIR(st.st_mode))
		return is_taken(walk, walk->input) &&
		       give_input(walk, ret_item, sys_errno);
	return begin_folder(walk, ret_item);
}

static bool next_file(struct walk *walk, struct walk_item *ret_item)
{
	struct level *level = levels_top(&walk->levels);
	char mark;
	const char *name = names_take(&level->files, &mark);

	if (!path_put(walk, level->path_n, name, strlen(name))) {
		level_note(level, ENOMEM);
		return false;
	}
	if (!is_taken(walk, walk->path))
		return false;
	give_met(walk, ret_item,
	         mark == NAME_FILE || mark == NAME_LINK ? WALK_FILE : WALK_OTHER, name,
	         0);
	ret_item->follows_link = mark == NAME_LINK;
	ret_item->is_unfollowed_link = mark == NAME_UNFOLLOWED;
	return true;
}

static bool next_folder(struct walk *walk, struct walk_item *ret_item)
{
	struct level *level = levels_top(&walk->levels);
	char mark;
	const char *name;
	size_t n;
	int fd, sys_errno;

	/* All files of this folder were returned. Free their names before the walk of the
	 * sub-folders, which needs memory, too. */
	names_fini(&level->files);
	if (level->fd < 0 && !levels_reopen(&walk->levels)) {
		level_note(level, errno);
		names_fini(&level->folders);
		return false;
	}
	name = names_take(&level->folders, &mark);
	n = strlen(name);
	if (!path_put(walk, level->path_n, name, n)) {
		level_note(level, ENOMEM);
		return false;
	}
	fd = level_open_folder(level, name, mark);
	sys_errno = fd < 0 ? errno : go_into(walk, fd, level->path_n + n + 1);
	if (sys_errno == 0 || sys_errno == ENOENT)
		/* The walk is in the folder now, or it skips the folder, because the folder is the
		 * output folder or was removed since its name was read. */
		return false;
	if (sys_errno == MARKED)
		return give_met(walk, ret_item, WALK_MARKED, name, 0);
	if (fd < 0 && (sys_errno == ENOTDIR || sys_errno == ELOOP))
		/* The folder was replaced by a link or a file since its name was read. */
		return give_met(walk, ret_item, WALK_OTHER, name, 0);
	if (sys_errno == EXDEV || (sys_errno == ELOOP && walk->options.follows_links))
		return give_met(walk, ret_item, WALK_OTHER, name, sys_errno);
	return give_met(walk, ret_item, WALK_ERROR, name, sys_errno);
}

static bool leave_folder(struct walk *walk, struct walk_item *ret_item)
{
	const struct level *level = levels_top(&walk->levels);
	int sys_errno = level->sys_errno;
	size_t n = level->path_n > 1 ? level->path_n - 1 : 1;
	char mark;

	levels_pop(&walk->levels);
	if (sys_errno == 0)
		return false;
	walk->path[n] = 0;
	if (walk->levels.n == 0) {
		if (walk->options.is_list)
			walk->input = walk->path;
		return give_input(walk, ret_item, sys_errno);
	}
	return give_met(walk, ret_item, WALK_ERROR,
	                names_taken(&levels_top(&walk->levels)->folders, &mark),
	                sys_errno);
}

/* Take one step. Returns whether it filled in an item. */
static bool step(struct walk *walk, struct walk_item *ret_item)
{
	const struct level *level;

	if (walk->levels.n == 0)
		return begin_input(walk, ret_item);
	level = levels_top(&walk->levels);
	if (names_has_next(&level->files))
		return next_file(walk, ret_item);
	if (names_has_next(&level->folders))
		return next_folder(walk, ret_item);
	return leave_folder(walk, ret_item);
}

enum walk_kind walk_next(struct walk *walk, struct walk_item *ret_item)
{
	while (walk->levels.n > 0 || walk->n_begun < walk->options.n_inputs) {
		if (step(walk, ret_item))
			return ret_item->kind;
	}
	*ret_item = (struct walk_item){.kind = WALK_END, .folder = AT_FDCWD};
	return WALK_END;
}

/* ---- finding a file again ---- */

bool walk_address_of(const struct walk_item *item, struct walk_address *ret_address)
{
	*ret_address = (struct walk_address){
		.path = strdup(item->path),
		.input = item->input,
		.relative_at = (size_t)(item->relative - item->path),
		.n_of_input = item->n_of_input,
		.dev = item->dev,
		.is_named = item->is_named,
		.follows_link = item->follows_link,
	};
	return ret_address->path != NULL;
}

void walk_address_fini(struct walk_address *address)
{
	free(address->path);
	*address = (struct walk_address){0};
}

/* Open the folder `name` inside the folder *fd, and close *fd. Replaces *fd by the new descriptor,
 * or by -1 with errno. */
static void step_down(const struct walk *walk, int *fd, const char *name, int flags,
                      struct stat *ret_stat)
{
	const struct walk_options *options = &walk->options;
	/* The entry may be a mount point, so its device is not known. */
	const struct walk_place place = {0, *fd, name, name};
	int below = call_open(options->calls, &place,
	                      O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags, ret_stat);

	if (*fd != AT_FDCWD)
		fd_close(fd);
	*fd = below;
	if (below >= 0 && is_output_folder(options, ret_stat)) {
		fd_close(fd);
		errno = ESTALE;
	}
}

/* Open a folder below an INPUT folder. `path` ends with a slash, and its first n_of_input bytes are
 * the path of the INPUT. Returns -1 with errno on failure. */
static int open_step_by_step(const struct walk *walk, char *path, size_t n_of_input,
                             dev_t *ret_dev)
{
	const bool follows = walk->options.follows_links;
	const char first = path[n_of_input];
	int fd = AT_FDCWD;
	struct stat st = {0};
	dev_t input_dev;

	path[n_of_input] = 0;
	step_down(walk, &fd, path, 0, &st);
	path[n_of_input] = first;
	input_dev = st.st_dev;
	for (char *part = path + n_of_input, *end; fd >= 0 && *part; part = end + 1) {
		end = strchr(part, '/');
		*end = 0;
		step_down(walk, &fd, part, follows ? 0 : O_NOFOLLOW, &st);
		*end = '/';
	}
	if (fd >= 0 && walk->options.stays_on_device && st.st_dev != input_dev) {
		fd_close(&fd);
		errno = EXDEV;
	}
	*ret_dev = st.st_dev;
	return fd;
}

/* Open the folder of an address, unless it is open already. Returns false with errno on
 * failure. */
static bool visit_folder(struct walk *walk, const struct walk_address *address, size_t n)
{
	if (walk->visited >= 0 && walk->visited_input == address->input &&
	    strlen(walk->visited_path) == n &&
	    memcmp(walk->visited_path, address->path, n) == 0)
		return true;
	fd_close(&walk->visited);
	free(walk->visited_path);
	walk->visited_path = strndup(address->path, n);
	if (!walk->visited_path)
		return false;
	walk->visited_input = address->input;
	walk->visited = open_step_by_step(walk, walk->visited_path, address->n_of_input,
	                                  &walk->visited_dev);
	return walk->visited >= 0;
}

bool walk_visit(struct walk *walk, const struct walk_address *address,
                struct walk_item *ret_item)
{
	const char *slash = strrchr(address->path, '/');
	struct stat st;

	*ret_item = (struct walk_item){
		.kind = WALK_FILE,
		.is_named = address->is_named,
		.follows_link = address->follows_link,
		.input = address->input,
		.path = address->path,
		.relative = address->path + address->relative_at,
		.folder = AT_FDCWD,
		.name = address->path,
		.n_of_input = address->n_of_input,
		.calls = walk->options.calls,
		.dev = address->dev,
	};
	if (!address->is_named) {
		const char *name = slash + 1;

		if (!visit_folder(walk, address, (size_t)(name - address->path)))
			return false;
		ret_item->folder = walk->visited;
		ret_item->name = name;
		ret_item->dev = walk->visited_dev;
	}
	if (!walk_stat_file(ret_item, &st))
		return false;
	errno = EINVAL;
	return S_ISREG(st.st_mode);
}

uint64_t walk_n_left_out(const struct walk *walk)
{
	return walk->n_left_out;
}

static struct walk_place place_of(const struct walk_item *item)
{
	return (struct walk_place){item->dev, item->folder, item->name, item->path};
}

/* Open the file of an item by its name. Standard input is open already, so its descriptor is
 * duplicated. Returns -1 with errno on failure. */
static int open_item(const struct walk_item *item, struct stat *ret_stat)
{
	const struct walk_place place = place_of(item);
	int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, fd;

	if (!item->is_standard_input)
		return call_open(item->calls, &place,
		                 item->follows_link ? flags : flags | O_NOFOLLOW,
		                 ret_stat);
	fd = fcntl(item->folder, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0 && fstat(fd, ret_stat) != 0)
		fd_close(&fd);
	return fd;
}

int walk_open_file(const struct walk_item *item, struct stat *ret_stat)
{
	int fd = open_item(item, ret_stat);

	if (fd < 0) {
		if (errno == ENXIO) /* the file is a socket */
			errno = EINVAL;
		return -1;
	}
	if (S_ISREG(ret_stat->st_mode))
		return fd;
	fd_close(&fd);
	errno = EINVAL;
	return -1;
}

bool walk_stat_file(const struct walk_item *item, struct stat *ret_stat)
{
	const struct walk_place place = place_of(item);

	if (item->is_standard_input)
		return fstat(item->folder, ret_stat) == 0;
	return call_stat(item->calls, &place,
	                 item->follows_link ? 0 : AT_SYMLINK_NOFOLLOW, ret_stat);
}
