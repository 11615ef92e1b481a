/* The walk: one step at a time, from INPUT to INPUT and up and down the folders below them. */
#include "walk/walk.h"

#include "base/fd.h"
#include "common/path.h"
#include "walk/levels.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

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

/* Push the folder that is open as fd, and take the descriptor in any case. Returns 0, also when the
 * folder is the one to skip; else an error number. */
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
	else if (!levels_push(&walk->levels, &fd, &st, path_n))
		sys_errno = ENOMEM;
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
