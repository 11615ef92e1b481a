/*
 * The walk: one step at a time, from INPUT to INPUT and up and down the folders below them. Its parts,
 * from below: the packed names of one folder, the stack of the folders on the way, the steps.
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
 * The names of one folder, packed: a mark and the bytes of each name lie one after the other in one
 * block; a second block has the place where each begins. A name costs its length and six bytes. All
 * zeros is an empty list.
 */
struct names {
	char *bytes;      /* mark, name, 0; mark, name, 0; ... */
	uint32_t *starts; /* of each entry, in bytes */
	size_t n_bytes, max_bytes;
	size_t n, max;
	size_t n_taken;
};

/* Free the blocks; the list is empty again. */
static void names_fini(struct names *names)
{
	free(names->bytes);
	free(names->starts);
	*names = (struct names){0};
}

/* Make *block large enough for n elements of this size, by doubling. False when memory ran out. */
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

/* Append a copy of name, with a mark of the caller's. False when memory ran out, or at 4 GiB of
 * names; the list is as it was. */
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

/* The list is sorted and not empty. */
static void drop_doubles(struct names *names)
{
	size_t n_kept = 1;

	for (size_t i = 1; i < names->n; i++) {
		if (compare(&names->starts[n_kept - 1], &names->starts[i], names) != 0)
			names->starts[n_kept++] = names->starts[i];
	}
	names->n = n_kept;
}

/* Sort the list by the bytes of its names, once all are added. Drops names that are in it twice (a
 * folder that changes while it is read may give a name twice) and frees spare memory. */
static void names_sort(struct names *names)
{
	void *block;

	if (names->n == 0) {
		names_fini(names);
		return;
	}
	qsort_r(names->starts, names->n, sizeof(*names->starts), compare, names);
	drop_doubles(names);

	/* A block that cannot be made smaller is kept as it is. */
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

/* Take the next name; there must be one. Valid until names_fini(). */
static const char *names_take(struct names *names, char *ret_mark)
{
	uint32_t start = names->starts[names->n_taken++];

	*ret_mark = names->bytes[start];
	return name_at(names, start);
}

/* The name that was taken last. */
static const char *names_taken(const struct names *names)
{
	return name_at(names, names->starts[names->n_taken - 1]);
}

/* ---- the folders on the way ---- */

/*
 * A stack of the folders from an INPUT down to the folder where the walk is. Each level has the names
 * of its folder in blocks of its own, which are freed with it.
 *
 * The INPUT's folder stays open, and so do the LEVELS_OPEN deepest ones. A folder between them is
 * opened again when the walk comes back to it, step by step from the nearest open folder above it;
 * it must still be the same folder. So a tree may be of any depth and a path of any length.
 */
struct level {
	int fd; /* -1: closed for now; open as long as files are left */
	dev_t dev;
	ino_t ino;
	size_t path_n; /* length of its path with the slash at its end */
	struct names files, folders;
	int sys_errno; /* why a part of it could not be read; 0: it was read whole */
	bool has_mark;
};

/* Marks of the names of files. */
enum { NAME_FILE = 'f', NAME_OTHER = 'o' };

enum { BUFFER_BYTES = 32 * 1024 };

/* The stack. It is empty when everything but the buffer is zero. */
struct levels {
	struct level *level;
	size_t n, max;
	void *buffer; /* for getdents64(), used by one folder after the other */
};

ssize_t (*walk_getdents)(int folder, void *buffer, size_t n) = getdents64;

/* Note why a part of a folder could not be read. The first reason counts. */
static void level_note(struct level *level, int sys_errno)
{
	if (level->sys_errno == 0)
		level->sys_errno = sys_errno;
}

/* Open a sub-folder of an open level, never through a link. -1 with errno. */
static int level_open_folder(const struct level *level, const char *name)
{
	return openat(level->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Make an empty stack. False when memory ran out. */
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

/* The deepest level; there must be one. Valid until the next push. */
static struct level *levels_top(struct levels *levels)
{
	return &levels->level[levels->n - 1];
}

/* Whether a folder is on the stack already: then mounts make a loop. */
static bool levels_hold(const struct levels *levels, const struct stat *folder)
{
	for (size_t i = 0; i < levels->n; i++) {
		if (levels->level[i].dev == folder->st_dev &&
		    levels->level[i].ino == folder->st_ino)
			return true;
	}
	return false;
}

static unsigned char type_of(mode_t mode)
{
	return S_ISREG(mode) ? DT_REG : S_ISDIR(mode) ? DT_DIR : DT_LNK;
}

/* False when memory ran out. */
static bool add_entry(struct level *level, const struct dirent64 *entry)
{
	unsigned char type = entry->d_type;
	struct stat st;

	if (type == DT_UNKNOWN) {
		/* An entry whose type cannot be found out counts as a file: opening it will
		 * say why. */
		if (fstatat(level->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			type = type_of(st.st_mode);
		else if (errno == ENOENT)
			return true;
		else
			type = DT_REG;
	}
	if (type == DT_DIR)
		return names_add(&level->folders, 0, entry->d_name);
	return names_add(&level->files, type == DT_REG ? NAME_FILE : NAME_OTHER,
	                 entry->d_name);
}

static void level_read(struct level *level, char *buffer, const char *mark)
{
	const struct dirent64 *entry;
	ssize_t n;

	while ((n = walk_getdents(level->fd, buffer, BUFFER_BYTES)) > 0) {
		for (ssize_t at = 0; at < n; at += entry->d_reclen) {
			entry = (const void *)(buffer + at);
			if (mark && entry->d_name[0] == mark[0] &&
			    fnmatch(mark, entry->d_name, 0) == 0)
				level->has_mark = true;
			/* Hidden names, and "." and "..". */
			if (entry->d_name[0] == '.')
				continue;
			if (!add_entry(level, entry)) {
				level_note(level, ENOMEM);
				return;
			}
		}
	}
	/* ENOENT: the folder was removed while it was read, which is no error. */
	if (n < 0 && errno != ENOENT)
		level_note(level, errno);
}

/* A folder was opened at depth: close the one that is LEVELS_OPEN above it. */
static void close_far_above(struct levels *levels, size_t depth)
{
	if (depth > LEVELS_OPEN)
		fd_close(&levels->level[depth - LEVELS_OPEN].fd);
}

/* Push the folder that is open as *fd, and read its names. *fd is moved in and is -1 then. False, and
 * *fd is still the caller's, when there is no memory for the level. A failure while the names are
 * read is noted in the level, which keeps the names that were read before it. */
static bool levels_push(struct levels *levels, int *fd, const struct stat *folder,
                        size_t path_n, const char *mark)
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
	*level = (struct level){.fd = *fd,
	                        .dev = folder->st_dev,
	                        .ino = folder->st_ino,
	                        .path_n = path_n};
	*fd = -1;
	close_far_above(levels, levels->n - 1);

	level_read(level, levels->buffer, mark);
	names_sort(&level->files);
	names_sort(&level->folders);
	return true;
}

/* Open a level from the level above it, whose name taken last is that of this folder. */
static bool reopen_below(const struct level *above, struct level *below)
{
	int fd = level_open_folder(above, names_taken(&above->folders));
	struct stat st;

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

/* Open the folder of the top again if it is closed. False with errno when that fails; ESTALE: another
 * folder has its name now. */
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

/* ---- the steps ---- */

struct walk {
	struct walk_options options;
	size_t n_begun;       /* inputs that were begun */
	struct levels levels; /* empty between inputs */

	char *path; /* of the item that was met last */
	size_t path_max;
	size_t input_n; /* length of the INPUT and a slash in it */
};

struct walk *walk_open(const struct walk_options *options)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	if (!walk)
		return NULL;
	walk->options = *options;
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
	free(walk->path);
	free(walk);
}

/* Put n bytes of name into the path, from at on. at is 0, or one past the place of a slash. False
 * when memory ran out. */
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
		walk->path[at - 1] = '/'; /* the path of a folder may be cut there */
	memcpy(walk->path + at, name, n);
	walk->path[at + n] = 0;
	return true;
}

/* give_...() fill the item and return true: the caller of the walk gets it. */

static bool give_input(struct walk *walk, struct walk_item *ret_item, int sys_errno)
{
	const char *input = walk->options.inputs[walk->n_begun - 1];
	size_t n;

	*ret_item = (struct walk_item){.kind = sys_errno ? WALK_ERROR : WALK_FILE,
	                               .is_named = true,
	                               .input = walk->n_begun - 1,
	                               .path = input,
	                               .relative = path_base(input, &n),
	                               .folder = AT_FDCWD,
	                               .name = input,
	                               .sys_errno = sys_errno};
	return true;
}

/* The item whose path is in walk->path: a name in the top folder, or a folder. */
static bool give_met(struct walk *walk, struct walk_item *ret_item, enum walk_kind kind,
                     const char *name, int sys_errno)
{
	*ret_item = (struct walk_item){.kind = kind,
	                               .input = walk->n_begun - 1,
	                               .path = walk->path,
	                               .relative = walk->path + walk->input_n,
	                               .folder = levels_top(&walk->levels)->fd,
	                               .name = name,
	                               .sys_errno = sys_errno};
	return true;
}

enum { MARKED = -1 };

/* Push the folder that is open as fd, and take the descriptor in any case. Returns 0, also when the
 * folder is the one to skip; MARKED, and it is not pushed, when it was met and has the mark; else an error
 * number. */
static int go_into(struct walk *walk, int fd, size_t path_n)
{
	const struct walk_options *options = &walk->options;
	struct stat st;
	int sys_errno = 0;

	if (fstat(fd, &st) != 0)
		sys_errno = errno;
	else if (options->skip_ino != 0 && st.st_ino == options->skip_ino &&
	         st.st_dev == options->skip_dev)
		sys_errno = 0;
	else if (levels_hold(&walk->levels, &st))
		sys_errno = ELOOP;
	else if (!levels_push(&walk->levels, &fd, &st, path_n, options->mark))
		sys_errno = ENOMEM;
	else if (walk->levels.n > 1 && levels_top(&walk->levels)->has_mark) {
		levels_pop(&walk->levels);
		sys_errno = MARKED;
	}
	fd_close(&fd);
	return sys_errno;
}

static bool begin_input(struct walk *walk, struct walk_item *ret_item)
{
	const char *input = walk->options.inputs[walk->n_begun++];
	size_t n = strlen(input);
	struct stat st;
	int fd, sys_errno;

	if (stat(input, &st) != 0)
		return give_input(walk, ret_item, errno);
	if (!S_ISDIR(st.st_mode))
		return give_input(walk, ret_item, 0);

	while (n > 1 && input[n - 1] == '/')
		n--;
	if (!path_put(walk, 0, input, n))
		return give_input(walk, ret_item, ENOMEM);
	walk->input_n = input[n - 1] == '/' ? n : n + 1;

	fd = open(input, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return give_input(walk, ret_item, errno);
	sys_errno = go_into(walk, fd, walk->input_n);
	return sys_errno ? give_input(walk, ret_item, sys_errno) : false;
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
	return give_met(walk, ret_item, mark == NAME_FILE ? WALK_FILE : WALK_OTHER, name,
	                0);
}

static bool next_folder(struct walk *walk, struct walk_item *ret_item)
{
	struct level *level = levels_top(&walk->levels);
	char mark;
	const char *name;
	size_t n;
	int fd, sys_errno;

	names_fini(&level->files); /* all are taken; folders below may need the memory */
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
	fd = level_open_folder(level, name);
	sys_errno = fd < 0 ? errno : go_into(walk, fd, level->path_n + n + 1);
	if (sys_errno == 0 || sys_errno == ENOENT)
		return false; /* it is gone since its name was read */
	if (sys_errno == MARKED)
		return give_met(walk, ret_item, WALK_MARKED, name, 0);
	if (fd < 0 && (sys_errno == ENOTDIR || sys_errno == ELOOP))
		return give_met(walk, ret_item, WALK_OTHER, name, 0); /* now a link */
	return give_met(walk, ret_item, WALK_ERROR, name, sys_errno);
}

static bool leave_folder(struct walk *walk, struct walk_item *ret_item)
{
	const struct level *level = levels_top(&walk->levels);
	int sys_errno = level->sys_errno;
	size_t n = level->path_n > 1 ? level->path_n - 1 : 1;

	levels_pop(&walk->levels);
	if (sys_errno == 0)
		return false;
	if (walk->levels.n == 0)
		return give_input(walk, ret_item, sys_errno);
	walk->path[n] = 0;
	return give_met(walk, ret_item, WALK_ERROR,
	                names_taken(&levels_top(&walk->levels)->folders), sys_errno);
}

/* Take one step. Whether it filled an item. */
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

int walk_open_file(const struct walk_item *item, struct stat *ret_stat)
{
	int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(item->folder, item->name,
	                item->is_named ? flags : flags | O_NOFOLLOW);

	if (fd < 0) {
		if (errno == ENXIO) /* it is a socket */
			errno = EINVAL;
		return -1;
	}
	if (fstat(fd, ret_stat) == 0) {
		if (S_ISREG(ret_stat->st_mode))
			return fd;
		errno = EINVAL;
	}
	fd_close(&fd);
	return -1;
}
