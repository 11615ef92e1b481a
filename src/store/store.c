/* Publishes outputs: opens the output folder and the folders below it, decides what an output may
 * replace, and distinguishes a failure of one output from a failure of the whole output folder. */
#include "store/store.h"

#include "base/fd.h"
#include "common/hash.h"
#include "store/output.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { FOLDER_FLAGS = O_PATH | O_DIRECTORY | O_CLOEXEC };

/* ---- the output folder ---- */

static int open_folder(const char *path)
{
	return open(path, FOLDER_FLAGS);
}

/* Create a folder and its missing parents. Returns -1 with errno on failure. */
static int make_folder(const char *path)
{
	char *part = strdup(path);
	size_t n = 0;
	int result = 0;

	if (!part)
		return -1;
	while (result == 0 && path[n]) {
		n += strspn(path + n, "/");
		n += strcspn(path + n, "/");
		part[n] = 0;
		if (mkdir(part, 0777) != 0 && errno != EEXIST)
			result = -1;
		part[n] = path[n];
	}
	free(part);
	return result;
}

struct store *store_open_in_place(void)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	lock_init(&store->lock);
	store->root = store->last_fd = -1;
	if (access("/proc/self/fd", X_OK) != 0)
		store->without |= WITHOUT_PROC;
	return store;
}

/* Finish opening a store. If store->root is -1 or cannot be examined, closes the store and returns
 * NULL, with the errno of the failed call. */
static struct store *with_root(struct store *store)
{
	struct stat st;

	if (store->root < 0 || fstat(store->root, &st) != 0) {
		store_close(store);
		return NULL;
	}
	store->dev = st.st_dev;
	store->ino = st.st_ino;
	return store;
}

struct store *store_open_to_look(const char *folder)
{
	struct store *store = store_open_in_place();

	if (!store)
		return NULL;
	store->only_looks = true;
	if (!folder)
		return store;
	store->root = open_folder(folder);
	return with_root(store);
}

struct store *store_open(const char *folder)
{
	struct store *store = store_open_in_place();

	if (!store)
		return NULL;
	store->root = open_folder(folder);
	if (store->root < 0 && errno == ENOENT && make_folder(folder) == 0) {
		store->was_made = true;
		store->root = open_folder(folder);
	}
	store = with_root(store);
	if (store)
		store_sweep(store, store->root);
	return store;
}

static void forget_last(struct store *store)
{
	lock_acquire(&store->lock);
	free(store->last_path);
	store->last_path = NULL;
	fd_close(&store->last_fd);
	lock_release(&store->lock);
}

void store_close(struct store *store)
{
	int kept = errno;

	if (!store)
		return;
	forget_last(store);
	fd_close(&store->root);
	lock_fini(&store->lock);
	hash_set_fini(&store->swept);
	free(store->claimed.places);
	free(store);
	errno = kept;
}

void store_identity(const struct store *store, dev_t *ret_dev, ino_t *ret_ino)
{
	*ret_dev = store->dev;
	*ret_ino = store->ino;
}

void store_before_naming(struct store *store, store_intend_fn *intend, void *data)
{
	store->intend = intend;
	store->intend_data = data;
}

void store_make_durable(struct store *store)
{
	int fd = store->was_made ? openat(store->root, ".", O_RDONLY | O_CLOEXEC) : -1;

	/* The folder and its parents are new. This is rare, so sync the whole file system. */
	if (fd >= 0)
		(void)!syncfs(fd);
	fd_close(&fd);
	store->is_durable = true;
}

int64_t store_time_ns(const struct timespec *time)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)time->tv_sec, (int64_t)1000000000, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)time->tv_nsec, &ns))
		return time->tv_sec < 0 ? INT64_MIN + 1 : INT64_MAX;
	return ns;
}

bool store_takes_stamps(struct store *store)
{
	int fd = openat(store->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	bool takes;

	/* Try to set an attribute on an unnamed file. If the file system has no unnamed files, try
	 * the same on the output folder. */
	if (fd < 0)
		fd = openat(store->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	takes = fd >= 0 && (fsetxattr(fd, STAMP_ATTRIBUTE ".try", "", 0, 0) == 0 ||
	                    errno == EACCES || errno == EROFS);
	if (takes)
		fremovexattr(fd, STAMP_ATTRIBUTE ".try");
	fd_close(&fd);
	return takes;
}

int store_dates_error(const struct store *store)
{
	return store->dates_errno;
}

bool store_has_lost_stamp(const struct store *store)
{
	return store->has_lost_stamp;
}

bool store_has_lost_mark(const struct store *store)
{
	return store->has_lost_mark;
}

static bool is_removed(int folder)
{
	struct stat st;

	return fstat(folder, &st) != 0 || st.st_nlink == 0;
}

/* Whether fsync() of a folder failed because this file system does not support it. */
static bool has_no_folder_sync(void)
{
	return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ||
	       errno == EBADF || errno == EISDIR;
}

/* Sync the whole file system of a folder that cannot be opened for reading. `name` is a file in the
 * folder. */
static bool sync_all(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool is_synced = true;

	if (fd >= 0)
		is_synced = syncfs(fd) == 0 || has_no_folder_sync();
	else if (errno == EACCES)
		/* no permission to read the folder or the file: sync all file systems */
		sync();
	else
		is_synced = false;
	fd_close(&fd);
	return is_synced;
}

/* Make the names in a folder durable. `name` is the name of any file or folder in it. */
static bool sync_folder(int folder, const char *name)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_synced;

	if (fd < 0)
		return errno == EACCES && sync_all(folder, name);
	is_synced = fsync(fd) == 0 || has_no_folder_sync();
	fd_close(&fd);
	return is_synced;
}

static const struct hash_key fixed_key = {{0x7477, 0x696e}};

/* A hash of device and inode, which is never 0. */
static uint64_t hash_of_file(const struct stat *st)
{
	const uint64_t identity[2] = {(uint64_t)st->st_dev, (uint64_t)st->st_ino};
	uint64_t hash = hash_bytes(&fixed_key, identity, sizeof(identity));

	return hash ? hash : 1;
}

void store_sweep(struct store *store, int folder)
{
	struct stat st;
	uint64_t hash;
	size_t index;
	bool is_new;

	if (store->only_looks || fstat(folder, &st) != 0)
		return;
	hash = hash_of_file(&st);
	lock_acquire(&store->lock);
	/* If memory runs out, the folder is not remembered, and the next call searches it again. */
	is_new = !hash_set_find(&store->swept, hash, &index);
	if (is_new)
		(void)hash_set_insert(&store->swept, hash);
	lock_release(&store->lock);
	if (is_new)
		output_sweep(folder);
}

/* ---- folders below the output folder; they are never reached through a link ---- */

static int duplicate(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* If `path` is the folder that was used last, duplicate its descriptor. Otherwise returns -1. */
static int open_last(struct store *store, const char *path)
{
	int fd = -1;

	lock_acquire(&store->lock);
	if (store->last_path && strcmp(store->last_path, path) == 0)
		fd = duplicate(store->last_fd);
	lock_release(&store->lock);
	return fd;
}

/* Remember the folder for open_last(). A failure only reduces speed. */
static void remember_last(struct store *store, const char *path, int folder)
{
	char *last_path = strdup(path);
	int last_fd = duplicate(folder);

	if (!last_path || last_fd < 0) {
		free(last_path);
		fd_close(&last_fd);
		return;
	}
	lock_acquire(&store->lock);
	free(store->last_path);
	fd_close(&store->last_fd);
	store->last_path = last_path;
	store->last_fd = last_fd;
	lock_release(&store->lock);
}

/* Open the folder with one call; every folder of the path must exist. */
static int open_at_once(const struct store *store, const char *path)
{
	const struct open_how how = {
		.flags = FOLDER_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	if (store->without & WITHOUT_OPENAT2)
		return -1;
	return (int)syscall(SYS_openat2, store->root, path, &how, sizeof(how));
}

static enum published open_step(const struct store *store, int parent, const char *name,
                                bool may_make, int *ret_fd, struct failure *ret_failure)
{
	bool is_in_root = parent == store->root;

	*ret_fd = openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);
	if (*ret_fd < 0 && errno == ENOENT && may_make) {
		/* EEXIST: another thread created the folder first. */
		if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST)
			return store_refuse("cannot create the folder of the output",
			                    is_in_root, ret_failure);
		if (store->is_durable && !sync_folder(parent, name))
			return store_refuse("cannot create the folder of the output",
			                    is_in_root, ret_failure);
		*ret_fd = openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);
	}
	return *ret_fd >= 0 ? PUBLISHED
	                    : store_refuse("cannot open the folder of the output",
	                                   is_in_root, ret_failure);
}

/* Open the folder component by component, if openat2() does not exist or has failed. Creates
 * missing folders, or reports why it cannot. */
static enum published open_by_steps(const struct store *store, const char *path,
                                    bool may_make, int *ret_fd,
                                    struct failure *ret_failure)
{
	char *names = strdup(path), *rest = names, *name;
	enum published result = PUBLISHED;
	int at = store->root;

	if (!names)
		return store_refuse("cannot open the folder of the output", false,
		                    ret_failure);
	while (result == PUBLISHED && (name = strsep(&rest, "/"))) {
		bool is_in_root = at == store->root;
		int below;

		result = open_step(store, at, name, may_make, &below, ret_failure);
		if (!is_in_root)
			fd_close(&at);
		at = below;
	}
	free(names);
	*ret_fd = at;
	return result;
}

/* Open the folder with this path below the output folder. "" is the output folder itself. If the
 * function returns PUBLISHED, the caller owns *ret_fd. If not, *ret_fd is -1. */
static enum published open_below(struct store *store, const char *path, bool may_make,
                                 int *ret_fd, struct failure *ret_failure)
{
	enum published result = PUBLISHED;

	*ret_fd = path[0] ? open_last(store, path) : duplicate(store->root);
	if (*ret_fd >= 0)
		return PUBLISHED;
	if (!path[0])
		return store_refuse("cannot open the folder of the output", false,
		                    ret_failure);
	*ret_fd = open_at_once(store, path);
	if (*ret_fd < 0)
		result = open_by_steps(store, path, may_make, ret_fd, ret_failure);
	if (result == PUBLISHED) {
		store_sweep(store, *ret_fd);
		remember_last(store, path, *ret_fd);
	}
	return result;
}

/* ---- outputs ---- */

/* Whether every component of the path is a plain name, so that the path cannot lead out of the
 * folder. */
static bool is_sound(const char *relative)
{
	for (const char *part = relative;; part++) {
		size_t n = strcspn(part, "/");

		if (n == 0 || (n <= 2 && strncmp(part, "..", n) == 0))
			return false;
		part += n;
		if (*part == 0)
			return true;
	}
}

/* Open the folder of an output with a valid relative name. *ret_name becomes the part of this name
 * after the last slash. */
static enum published open_folder_of(struct store *store, const char *relative,
                                     bool may_make, int *ret_fd, const char **ret_name,
                                     struct failure *ret_failure)
{
	const char *slash = strrchr(relative, '/');
	char *path = slash ? strndup(relative, (size_t)(slash - relative)) : strdup("");
	enum published result;

	*ret_name = slash ? slash + 1 : relative;
	*ret_fd = -1;
	if (!path)
		return store_refuse("cannot open the folder of the output", false,
		                    ret_failure);
	result = open_below(store, path, may_make, ret_fd, ret_failure);
	free(path);
	return result;
}

/* ---- different names of one file ---- */

/*
 * A folder that ignores case (vfat, exFAT, SMB, ext4 with casefold) or normalises Unicode has one
 * file for several names, and the plan cannot know that. So in such a folder the store remembers
 * each file that is an output of this run, in 16 bytes. If the name of another output leads to a
 * remembered file, the store neither replaces the file nor treats it as an old output. The store
 * can find out whether a folder ignores case, but not whether it normalises Unicode. So in a folder
 * that does not ignore case, it remembers only files whose names have bytes beyond ASCII.
 */

/* Find the place of a file in a table that is not full. Returns the place that has the file or, if
 * the table does not have it, a free place. */
static struct claimed_file *place_of(const struct claimed_files *claimed, uint64_t file)
{
	size_t at = (size_t)file & (claimed->max - 1);

	while (claimed->places[at].file != 0 && claimed->places[at].file != file)
		at = (at + 1) & (claimed->max - 1);
	return &claimed->places[at];
}

/* Double the table if it is half full. Returns false if memory ran out. */
static bool have_room(struct claimed_files *claimed)
{
	struct claimed_files larger = *claimed;

	if (claimed->n < claimed->max / 2)
		return true;
	larger.max = claimed->max > 0 ? 2 * claimed->max : 64;
	larger.places = calloc(larger.max, sizeof(*larger.places));
	if (!larger.places)
		return false;
	for (size_t i = 0; i < claimed->max; i++) {
		if (claimed->places[i].file != 0)
			*place_of(&larger, claimed->places[i].file) = claimed->places[i];
	}
	free(claimed->places);
	*claimed = larger;
	return true;
}

/* Whether another name may lead to the same file in the folder. The test looks up the name with
 * upper and lower case exchanged. Returns true also if the name has bytes beyond ASCII, because the
 * folder may normalise them. */
static bool may_have_other_names(struct claimed_files *claimed, int folder,
                                 const char *name, const struct stat *file)
{
	char other[NAME_MAX + 1];
	struct stat of_folder, st;
	size_t n = strlen(name);
	bool has_letters = false;

	if (n > NAME_MAX)
		return false;
	for (size_t i = 0; i <= n; i++) {
		bool is_letter = (name[i] >= 'a' && name[i] <= 'z') ||
		                 (name[i] >= 'A' && name[i] <= 'Z');

		if ((unsigned char)name[i] >= 0x80)
			return true;
		other[i] = is_letter ? (char)(name[i] ^ 0x20) : name[i];
		has_letters |= is_letter;
	}
	if (!has_letters || fstat(folder, &of_folder) != 0 ||
	    (of_folder.st_dev == claimed->dev && of_folder.st_ino == claimed->ino))
		return false;
	if (fstatat(folder, other, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == file->st_dev && st.st_ino == file->st_ino)
		return true;
	claimed->dev = of_folder.st_dev;
	claimed->ino = of_folder.st_ino;
	return false;
}

/* Whether this run claimed the file under another name than `name`. */
static bool has_other_claim(struct store *store, const char *name, const struct stat *st)
{
	const struct claimed_file *place;
	bool has_other = false;

	lock_acquire(&store->lock);
	if (store->claimed.n > 0) {
		place = place_of(&store->claimed, hash_of_file(st));
		has_other = place->file != 0 &&
		            place->name != hash_bytes(&fixed_key, name, strlen(name));
	}
	lock_release(&store->lock);
	return has_other;
}

/* Claim the file that has the name of an output, if another name may lead to it. If memory runs
 * out, the file is not claimed, and the output is published without this safeguard. */
static void claim_file(struct store *store, int folder, const char *relative,
                       const char *name, const struct stat *st)
{
	struct claimed_files *claimed = &store->claimed;

	lock_acquire(&store->lock);
	if (may_have_other_names(claimed, folder, name, st) && have_room(claimed)) {
		struct claimed_file *place = place_of(claimed, hash_of_file(st));

		claimed->n += place->file == 0;
		place->file = hash_of_file(st);
		place->name = hash_bytes(&fixed_key, relative, strlen(relative));
	}
	lock_release(&store->lock);
}

/* Whether a file with size 0 really has no bytes. Some file systems give every file the size 0. */
static bool is_empty(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char byte;
	bool is_empty = fd >= 0 && fd_pread_full(fd, &byte, 1, 0) == 0;

	fd_close(&fd);
	return is_empty;
}

enum output_kind store_look(struct store *store, const char *relative,
                            struct stat *ret_stat)
{
	struct failure ignored;
	const char *name;
	int folder;
	bool has, has_no_bytes, is_twin;

	if (!is_sound(relative) ||
	    open_folder_of(store, relative, false, &folder, &name, &ignored) != PUBLISHED)
		return OUTPUT_NONE;
	has = fstatat(folder, name, ret_stat, AT_SYMLINK_NOFOLLOW) == 0;
	has_no_bytes = has && S_ISREG(ret_stat->st_mode) && ret_stat->st_size == 0 &&
	               is_empty(folder, name);
	is_twin = has && S_ISREG(ret_stat->st_mode) &&
	          has_other_claim(store, relative, ret_stat);
	/* A file with several hard links is not claimed, because it may have several names even in
	 * a folder that respects case. */
	if (has && S_ISREG(ret_stat->st_mode) && !is_twin && ret_stat->st_nlink <= 1)
		claim_file(store, folder, relative, name, ret_stat);
	fd_close(&folder);
	if (!has)
		return OUTPUT_NONE;
	if (is_twin)
		return OUTPUT_TWIN;
	if (S_ISDIR(ret_stat->st_mode))
		return OUTPUT_FOLDER;
	if (!S_ISREG(ret_stat->st_mode))
		return OUTPUT_LINK;
	return has_no_bytes ? OUTPUT_EMPTY : OUTPUT_FILE;
}

bool store_has(struct store *store, const char *relative)
{
	struct stat ignored;

	return store_look(store, relative, &ignored) != OUTPUT_NONE;
}

bool store_remove(struct store *store, const char *relative, const struct stat *seen)
{
	struct failure ignored;
	const char *name;
	struct stat st;
	bool is_done;
	int folder;

	if (!is_sound(relative) ||
	    open_folder_of(store, relative, false, &folder, &name, &ignored) != PUBLISHED)
		return false;
	errno = 0;
	is_done = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	          is_unchanged(&st, seen) && unlinkat(folder, name, 0) == 0;
	fd_close(&folder);
	return is_done;
}

int store_open_output(struct store *store, const char *relative, const struct stat *seen)
{
	struct failure ignored;
	const char *name;
	struct stat st;
	int folder, fd;

	if (!is_sound(relative) ||
	    open_folder_of(store, relative, false, &folder, &name, &ignored) != PUBLISHED)
		return -1;
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	fd_close(&folder);
	if (fd >= 0 && (fstat(fd, &st) != 0 || !is_unchanged(&st, seen)))
		fd_close(&fd);
	return fd;
}

/* ---- groups ---- */

/* An output that is being published. */
struct work {
	struct store_output *asked;
	/* state between the steps, initialised once the folder is open */
	struct output output;
	int folder;          /* descriptor of the folder; -1: none is open */
	bool is_named;       /* whether the output has got its name */
	enum published step; /* the result of the output's last step */
};

static enum replace replace_of(const struct store_output *asked)
{
	if (asked->expected)
		return REPLACE_THIS;
	return asked->overwrite == OVERWRITE_ALWAYS ? REPLACE_ANYTHING : REPLACE_NOTHING;
}

static void let_go(struct work *work)
{
	if (work->folder >= 0)
		output_end(&work->output, &work->asked->failure);
	fd_close(&work->folder);
}

/* In a removed folder, ext4 refuses an unnamed file with EPERM instead of ENOENT. Turn such a
 * failure into FOLDER_IS_GONE. */
static enum published blame_a_removed_folder(const struct work *work, enum published step,
                                             struct failure *failure)
{
	if (step <= TWIN_IN_THE_WAY || !is_removed(work->folder))
		return step;
	errno = ENOENT;
	return store_refuse("cannot create a file in the folder of the output",
	                    work->output.is_in_root, failure);
}

static bool has_own_folder(const struct store_output *asked)
{
	return asked->original && asked->original->folder >= 0;
}

/* Open the folder of an output. */
static enum published open_place(struct store *store, struct work *work)
{
	struct store_output *asked = work->asked;
	const struct store_original *original = asked->original;

	if (!original || original->folder < 0)
		return open_folder_of(store, asked->name, true, &work->folder,
		                      &work->output.name, &asked->failure);
	work->output.name = asked->name;
	work->folder = duplicate(original->folder);
	return work->folder >= 0 ? PUBLISHED
	                         : store_refuse("cannot open the folder of the output",
	                                        false, &asked->failure);
}

/* Claim the file of an output that has just got its name. */
static void claim_made(struct store *store, const struct work *work)
{
	struct stat st;

	if (!work->asked->original &&
	    fstatat(work->folder, work->output.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		claim_file(store, work->folder, work->asked->name, work->output.name,
		           &st);
}

/* Whether the output's name leads to the file of another output of this run. */
static bool is_twin_there(struct store *store, struct work *work)
{
	struct stat st;

	if (work->asked->original ||
	    fstatat(work->folder, work->output.name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !has_other_claim(store, work->asked->name, &st))
		return false;
	failure_set(&work->asked->failure, FAIL_COLLISION, "publish: " STORE_TWIN);
	return true;
}

static enum published write_once(struct store *store, struct work *work)
{
	struct store_output *asked = work->asked;
	struct output *output = &work->output;
	enum published step;
	struct stat st;

	*output = (struct output){
		.content = asked->content.fd,
		.offset = (off_t)asked->content.offset,
		.n_bytes = (size_t)asked->content.n_bytes,
		.dates = asked->content.dates,
		.replace = replace_of(asked),
		.expected = asked->expected,
		.backup_suffix = asked->original ? asked->original->backup_suffix : NULL,
		.keeps_attributes = asked->original != NULL,
		.stamp = asked->stamp,
		.is_in_root = !has_own_folder(asked) && !strchr(asked->name, '/'),
		.without = store->without,
	};
	step = open_place(store, work);
	if (step != PUBLISHED)
		return step;
	output->folder = work->folder;
	output_begin(output);
	/* Do not write an output whose name is taken by a folder, or by a file that it must not
	 * replace. This is only an early check: output_name() makes the decision. */
	if (fstatat(output->folder, output->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (output->replace == REPLACE_NOTHING || S_ISDIR(st.st_mode)))
		return is_twin_there(store, work) ? TWIN_IN_THE_WAY : IN_THE_WAY;
	return blame_a_removed_folder(work, output_write(output, &asked->failure),
	                              &asked->failure);
}

static void write_output(struct store *store, struct work *work)
{
	if (!is_sound(work->asked->name)) {
		failure_set(&work->asked->failure, FAIL_INTERNAL,
		            "publish: \"%s\" is not a valid name of an output",
		            work->asked->name);
		work->step = REFUSED;
		return;
	}
	work->step = write_once(store, work);
	if (work->step == FOLDER_IS_GONE) {
		let_go(work);
		forget_last(store);
		work->step = write_once(store, work);
	}
}

static void sync_output(struct store *store, struct work *work)
{
	if (store->is_durable && work->step == PUBLISHED)
		work->step = output_sync(&work->output, &work->asked->failure);
}

static void name_output(struct store *store, struct work *work)
{
	struct failure *failure = &work->asked->failure;

	if (is_twin_there(store, work)) {
		work->step = TWIN_IN_THE_WAY;
		return;
	}
	work->step = blame_a_removed_folder(
		work, output_name(&work->output, store->is_durable, failure), failure);
	if (work->step == FOLDER_IS_GONE) {
		/* The folder was removed after the file was written: create the folder again,
		 * once. */
		let_go(work);
		forget_last(store);
		work->step = write_once(store, work);
		sync_output(store, work);
		if (work->step == PUBLISHED)
			work->step = output_name(&work->output, store->is_durable,
			                         failure);
	}
	work->is_named = work->step == PUBLISHED;
	if (work->is_named)
		claim_made(store, work);
}

static bool is_same_folder(int a, int b)
{
	struct stat of_a, of_b;

	return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 &&
	       of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

/* Sync the folder of an output, unless an earlier output of the group has the same folder: then the
 * result is that of the earlier output. If the earlier sync failed, another one would prove
 * nothing, because the kernel may report a failure only once. */
static void sync_name(struct work *works, size_t i)
{
	struct work *work = &works[i];

	for (size_t j = i; j > 0; j--) {
		const struct work *other = &works[j - 1];

		if (!other->is_named || !is_same_folder(other->folder, work->folder))
			continue;
		if (other->step != PUBLISHED) {
			work->step = other->step;
			work->asked->failure = other->asked->failure;
		}
		return;
	}
	if (!sync_folder(work->folder, work->output.name))
		work->step = store_refuse("cannot make the output durable",
		                          work->output.is_in_root, &work->asked->failure);
}

/* If an output cannot be written or synced, drop the other outputs of its file. */
static void drop_siblings(struct work *works, size_t n, const struct work *failed)
{
	for (size_t i = 0; i < n; i++) {
		if (&works[i] != failed && works[i].asked->file && failed->asked->file &&
		    works[i].asked->file == failed->asked->file &&
		    works[i].step == PUBLISHED)
			works[i].step = NOT_PUBLISHED;
	}
}

/* Whether an output is skipped, instead of failing, if another file has its name. */
static bool may_be_skipped(const struct store_output *asked)
{
	return !asked->expected && (asked->overwrite == OVERWRITE_SKIP ||
	                            asked->overwrite == OVERWRITE_OLDER);
}

static enum store_result refuse_name(const struct store_output *asked,
                                     struct failure *ret_failure)
{
	if (may_be_skipped(asked))
		return STORE_SKIPPED;
	if (asked->original) {
		failure_set(
			ret_failure, FAIL_VANISHED,
			"publish: somebody changed the image while it was processed, so it was left as it is");
		return STORE_FAILED;
	}
	failure_set(ret_failure, FAIL_EXISTS, "publish: %s",
	            asked->expected ? "the existing file was changed during the run"
	            : asked->overwrite == OVERWRITE_ALWAYS
	                    ? STORE_FOLDER
	                    : "a file with the name of the output exists");
	return STORE_FAILED;
}

/* Whether the failure of a step shows that all further outputs would fail too. */
static bool is_places_fault(const struct store *store, enum published step)
{
	return step == PLACE_REFUSED ||
	       (step == FOLDER_IS_GONE && store->root >= 0 && is_removed(store->root));
}

static enum store_result result_of(const struct store *store, const struct work *work)
{
	struct failure *failure = &work->asked->failure;

	switch (work->step) {
	case PUBLISHED:
		failure->class = FAIL_NONE;
		return STORE_DONE;
	case IN_THE_WAY:
		failure->class = FAIL_NONE;
		return refuse_name(work->asked, failure);
	case NOT_PUBLISHED:
		failure->class = FAIL_NONE;
		return STORE_DROPPED;
	default:
		return is_places_fault(store, work->step) ? STORE_PLACE_FAILED
		                                          : STORE_FAILED;
	}
}

/* Whether an output has failed, so that the other outputs of its file must be dropped. A skipped
 * output has not failed. */
static bool is_failed(const struct work *work)
{
	return work->step != PUBLISHED && work->step != NOT_PUBLISHED &&
	       !(work->step == IN_THE_WAY && may_be_skipped(work->asked));
}

/* Write the outputs. After an output that failed because nothing can be written any more, write no
 * other output. */
static void write_outputs(struct store *store, struct work *works, size_t n)
{
	bool is_refused = false;

	for (size_t i = 0; i < n; i++) {
		if (is_refused)
			works[i].step = NOT_PUBLISHED;
		else
			write_output(store, &works[i]);
		is_refused |= is_places_fault(store, works[i].step);
	}
}

/* If the file system has refused the stamps of some outputs, let the caller record these outputs
 * before they get their names. */
static void intend_names(struct store *store, struct work *works,
                         struct store_output *outputs, size_t n)
{
	struct failure failure;
	bool has_one = false;

	for (size_t i = 0; i < n; i++) {
		outputs[i].is_intended = works[i].step == PUBLISHED && outputs[i].stamp &&
		                         !works[i].output.has_stamp;
		has_one |= outputs[i].is_intended;
	}
	if (!has_one || !store->intend ||
	    store->intend(outputs, n, store->intend_data, &failure))
		return;
	for (size_t i = 0; i < n; i++) {
		if (works[i].step == PUBLISHED) {
			works[i].step = PLACE_REFUSED;
			outputs[i].failure = failure;
		}
	}
}

static void publish_works(struct store *store, struct work *works,
                          struct store_output *outputs, size_t n)
{
	write_outputs(store, works, n);
	for (size_t i = 0; i < n && store->is_durable; i++) {
		if (works[i].step == PUBLISHED)
			output_begin_sync(&works[i].output);
	}
	for (size_t i = 0; i < n; i++)
		sync_output(store, &works[i]);
	for (size_t i = 0; i < n; i++) {
		if (is_failed(&works[i]))
			drop_siblings(works, n, &works[i]);
	}
	intend_names(store, works, outputs, n);
	for (size_t i = 0; i < n; i++) {
		if (works[i].step == PUBLISHED)
			name_output(store, &works[i]);
	}
	for (size_t i = 0; i < n && store->is_durable; i++) {
		if (works[i].step == PUBLISHED)
			sync_name(works, i);
	}
	for (size_t i = 0; i < n; i++) {
		if (works[i].step == PUBLISHED)
			output_settle(&works[i].output);
	}
}

void store_publish_group(struct store *store, struct store_output *outputs, size_t n)
{
	struct work *works = calloc(n, sizeof(*works));

	for (size_t i = 0; i < n; i++) {
		outputs[i].failure.class = FAIL_NONE;
		outputs[i].has_stamp = false;
		if (!works) {
			outputs[i].result = STORE_FAILED;
			failure_set(&outputs[i].failure, FAIL_MEMORY,
			            "publish: out of memory");
			continue;
		}
		works[i].asked = &outputs[i];
		works[i].folder = -1;
	}
	if (!works)
		return;
	publish_works(store, works, outputs, n);
	for (size_t i = 0; i < n; i++) {
		outputs[i].result = result_of(store, &works[i]);
		outputs[i].has_stamp = works[i].output.has_stamp;
		if (outputs[i].result == STORE_DONE && outputs[i].stamp &&
		    !outputs[i].has_stamp)
			store->has_lost_stamp = true;
		if (outputs[i].result == STORE_DONE && works[i].output.has_backup &&
		    !works[i].output.has_mark)
			store->has_lost_mark = true;
		if (works[i].output.dates_errno != 0)
			store->dates_errno = works[i].output.dates_errno;
		let_go(&works[i]);
	}
	free(works);
}

enum store_result store_publish(struct store *store, const char *relative,
                                const struct store_content *content,
                                enum overwrite overwrite, struct failure *ret_failure)
{
	struct store_output output = {
		.name = relative, .content = *content, .overwrite = overwrite};

	store_publish_group(store, &output, 1);
	*ret_failure = output.failure;
	return output.result;
}

int store_open_stream(const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC;
	int fd = open(path, flags, 0666);
	const char *slash = strrchr(path, '/');
	char *folder;

	if (fd >= 0 || errno != ENOENT || !slash || slash == path)
		return fd;
	folder = strndup(path, (size_t)(slash - path));
	if (folder && make_folder(folder) == 0)
		fd = open(path, flags, 0666);
	free(folder);
	return fd;
}
