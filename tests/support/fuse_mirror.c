/*
 * A FUSE file system that mirrors a folder and lacks features that real mounts lack too. It is
 * mounted in a mount name space of its own, where it runs one command, and ends with the status of
 * that command, or with 77 if it cannot be mounted.
 *
 *   fuse_mirror FOLDER MOUNTPOINT [SWITCH]... -- COMMAND [ARGUMENT]...
 *
 *   no-links          no hard links (rclone, s3fs, gcsfuse)
 *   no-rename-flags   renameat2() with any flag fails with EINVAL
 *   no-attributes     no extended attributes
 *   fold-case         names that differ only in the case of ASCII letters are one file
 *   normalise         "e" with U+0301 and U+00E9 are one letter
 *   no-times=ERRNO    setting times fails with this error number
 *   size-0            the size of every file is reported as 0
 *   hang-open         open() of a file with "hang" in its path never returns
 *   hang-stat         looking up a file with "hang" in its path never returns
 *   hang-list         listing a folder with "hang" in its path never returns
 */
#define FUSE_USE_VERSION 31

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { PATH_BYTES = 8192 };

static struct {
	const char *folder;
	bool no_links, no_rename_flags, no_attributes, fold_case, normalise, size_0,
		hang_open, hang_stat, hang_list;
	int no_times;
} mirror;

/* The path in the mirrored folder. */
static void real_path(const char *path, char real[PATH_BYTES])
{
	static const char decomposed[] = "e\xcc\x81", composed[] = "\xc3\xa9";
	int n = snprintf(real, PATH_BYTES, "%s", mirror.folder);

	while (*path && n < PATH_BYTES - 3) {
		if (mirror.normalise &&
		    strncmp(path, decomposed, sizeof(decomposed) - 1) == 0) {
			memcpy(real + n, composed, sizeof(composed) - 1);
			n += (int)sizeof(composed) - 1;
			path += sizeof(decomposed) - 1;
			continue;
		}
		real[n++] = mirror.fold_case ? (char)tolower((unsigned char)*path)
		                             : *path;
		path++;
	}
	real[n] = 0;
}

static void hang_if(bool hangs, const char *path)
{
	while (hangs && strstr(path, "hang"))
		pause();
}

/* The body of an operation: run `call`, in which `real` is the path in the mirrored folder. Return
 * 0, or the negative errno of the call. */
#define ON_REAL(path, call)                                                              \
	char real[PATH_BYTES];                                                           \
	real_path(path, real);                                                           \
	return (call) < 0 ? -errno : 0

static int get_stat(const char *path, struct stat *st, struct fuse_file_info *info)
{
	char real[PATH_BYTES];

	(void)info;
	hang_if(mirror.hang_stat, path);
	real_path(path, real);
	if (lstat(real, st) != 0)
		return -errno;
	if (mirror.size_0 && S_ISREG(st->st_mode))
		st->st_size = 0;
	return 0;
}

static int list(const char *path, void *data, fuse_fill_dir_t fill, off_t offset,
                struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	char real[PATH_BYTES];
	struct dirent *entry;
	DIR *folder;

	(void)offset;
	(void)info;
	(void)flags;
	hang_if(mirror.hang_list, path);
	real_path(path, real);
	folder = opendir(real);
	if (!folder)
		return -errno;
	while ((entry = readdir(folder)))
		fill(data, entry->d_name, NULL, 0, 0);
	closedir(folder);
	return 0;
}

static int open_real(const char *path, int flags, mode_t mode,
                     struct fuse_file_info *info)
{
	char real[PATH_BYTES];
	int fd;

	hang_if(mirror.hang_open, path);
	real_path(path, real);
	fd = open(real, flags, mode);
	if (fd < 0)
		return -errno;
	info->fh = (uint64_t)fd;
	info->direct_io = mirror.size_0;
	return 0;
}

static int open_file(const char *path, struct fuse_file_info *info)
{
	return open_real(path, info->flags & ~(O_CREAT | O_EXCL), 0, info);
}

static int create_file(const char *path, mode_t mode, struct fuse_file_info *info)
{
	return open_real(path, info->flags | O_CREAT, mode, info);
}

static int read_file(const char *path, char *bytes, size_t n, off_t offset,
                     struct fuse_file_info *info)
{
	ssize_t got = pread((int)info->fh, bytes, n, offset);

	(void)path;
	return got < 0 ? -errno : (int)got;
}

static int write_file(const char *path, const char *bytes, size_t n, off_t offset,
                      struct fuse_file_info *info)
{
	ssize_t put = pwrite((int)info->fh, bytes, n, offset);

	(void)path;
	return put < 0 ? -errno : (int)put;
}

static int release_file(const char *path, struct fuse_file_info *info)
{
	(void)path;
	close((int)info->fh);
	return 0;
}

static int remove_file(const char *path)
{
	ON_REAL(path, unlink(real));
}

static int make_folder(const char *path, mode_t mode)
{
	ON_REAL(path, mkdir(real, mode));
}

static int remove_folder(const char *path)
{
	ON_REAL(path, rmdir(real));
}

static int set_mode(const char *path, mode_t mode, struct fuse_file_info *info)
{
	(void)info;
	ON_REAL(path, chmod(real, mode));
}

static int set_size(const char *path, off_t n, struct fuse_file_info *info)
{
	(void)info;
	ON_REAL(path, truncate(real, n));
}

static int set_times(const char *path, const struct timespec times[2],
                     struct fuse_file_info *info)
{
	(void)info;
	if (mirror.no_times)
		return -mirror.no_times;
	ON_REAL(path, utimensat(AT_FDCWD, real, times, 0));
}

static int rename_file(const char *from, const char *to, unsigned flags)
{
	char real_to[PATH_BYTES];

	if (flags && mirror.no_rename_flags)
		return -EINVAL;
	real_path(to, real_to);
	ON_REAL(from, renameat2(AT_FDCWD, real, AT_FDCWD, real_to, flags));
}

static int link_file(const char *from, const char *to)
{
	char real_to[PATH_BYTES];

	if (mirror.no_links)
		return -EPERM;
	real_path(to, real_to);
	ON_REAL(from, link(real, real_to));
}

static int set_attribute(const char *path, const char *name, const char *value, size_t n,
                         int flags)
{
	if (mirror.no_attributes)
		return -EOPNOTSUPP;
	ON_REAL(path, lsetxattr(real, name, value, n, flags));
}

static int get_attribute(const char *path, const char *name, char *value, size_t n)
{
	char real[PATH_BYTES];
	ssize_t got;

	if (mirror.no_attributes)
		return -EOPNOTSUPP;
	real_path(path, real);
	got = lgetxattr(real, name, value, n);
	return got < 0 ? -errno : (int)got;
}

static int remove_attribute(const char *path, const char *name)
{
	ON_REAL(path, lremovexattr(real, name));
}

static void *set_up(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	config->use_ino = 1;
	return NULL;
}

static const struct fuse_operations operations = {
	.init = set_up,
	.getattr = get_stat,
	.readdir = list,
	.open = open_file,
	.create = create_file,
	.read = read_file,
	.write = write_file,
	.release = release_file,
	.unlink = remove_file,
	.mkdir = make_folder,
	.rmdir = remove_folder,
	.chmod = set_mode,
	.truncate = set_size,
	.utimens = set_times,
	.rename = rename_file,
	.link = link_file,
	.setxattr = set_attribute,
	.getxattr = get_attribute,
	.removexattr = remove_attribute,
};

/* ---- mount, run, end ---- */

static bool set_switch(const char *word)
{
	const struct {
		const char *word;
		bool *is_on;
	} switches[] = {
		{"no-links", &mirror.no_links},
		{"no-rename-flags", &mirror.no_rename_flags},
		{"no-attributes", &mirror.no_attributes},
		{"fold-case", &mirror.fold_case},
		{"normalise", &mirror.normalise},
		{"size-0", &mirror.size_0},
		{"hang-open", &mirror.hang_open},
		{"hang-stat", &mirror.hang_stat},
		{"hang-list", &mirror.hang_list},
	};

	if (sscanf(word, "no-times=%d", &mirror.no_times) == 1)
		return true;
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (strcmp(word, switches[i].word) == 0)
			return *switches[i].is_on = true;
	}
	return false;
}

static void *serve(void *fuse)
{
	fuse_loop_mt(fuse, 0);
	return NULL;
}

/* Mount the mirror in a new mount name space. If that fails, prints a message and
 * returns NULL. */
static struct fuse *mount_mirror(char *program, const char *mountpoint)
{
	char *words[] = {program, "-oallow_other", NULL};
	struct fuse_args arguments = FUSE_ARGS_INIT(2, words);
	struct fuse *fuse;

	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		perror("fuse_mirror: no mount name space");
		return NULL;
	}
	fuse = fuse_new(&arguments, &operations, sizeof(operations), NULL);
	return fuse && fuse_mount(fuse, mountpoint) == 0 ? fuse : NULL;
}

int main(int argc, char **argv)
{
	enum { NOT_POSSIBLE = 77 };
	struct fuse *fuse;
	pthread_t server;
	int i = 3, status;
	pid_t pid;

	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!set_switch(argv[i]))
			return NOT_POSSIBLE;
	}
	if (i + 1 >= argc || !(mirror.folder = realpath(argv[1], NULL)))
		return NOT_POSSIBLE;
	umask(0);
	fuse = mount_mirror(argv[0], argv[2]);
	if (!fuse)
		return NOT_POSSIBLE;
	pid = fork();
	if (pid == 0) {
		umask(022);
		execvp(argv[i + 1], argv + i + 1);
		_exit(127);
	}
	if (pid < 0 || pthread_create(&server, NULL, serve, fuse) != 0 ||
	    waitpid(pid, &status, 0) != pid)
		_exit(NOT_POSSIBLE);
	/* The hanging threads and the mount end with this process. */
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
