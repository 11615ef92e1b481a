/*
 * A scratch folder for a test.
 */
#include "support/scratch.h"

#include "support/residue.h"
#include "support/test.h"

#include "base/fd.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[PATH_MAX];

static bool make_in(const char *base)
{
	if (!base)
		return false;
	snprintf(folder, sizeof(folder), "%s/pixpool-test-XXXXXX", base);
	return mkdtemp(folder) != NULL;
}

void scratch_enter(const char *base)
{
	REQUIRE(make_in(base) || make_in(getenv("TMPDIR")) || make_in("/tmp"));
	REQUIRE(chmod(folder, 0755) == 0);
	REQUIRE(chdir(folder) == 0);
}

void scratch_leave(void)
{
	char *const rm[] = {"rm", "-rf", "--", folder, NULL};
	int status = -1;
	pid_t pid;

	REQUIRE(chdir("/") == 0);
	REQUIRE(posix_spawnp(&pid, "rm", NULL, NULL, rm, environ) == 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	EXPECT_EQ(status, 0);
}

void scratch_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	REQUIRE(fd >= 0);
	REQUIRE(fd_write_all(fd, text, strlen(text)));
	fd_close(&fd);
}

void scratch_folder(const char *path)
{
	REQUIRE(mkdir(path, 0777) == 0);
}

void scratch_link(const char *path, const char *target)
{
	REQUIRE(symlink(target, path) == 0);
}

const char *scratch_text(const char *path)
{
	static char text[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = fd_pread_full(fd, text, sizeof(text) - 1, 0);
	fd_close(&fd);
	REQUIRE(n >= 0);
	text[n] = 0;
	return text;
}

int scratch_n_open(void)
{
	int n = residue_n_descriptors(getpid());

	REQUIRE(n >= 0);
	return n;
}

bool scratch_as_nobody(bool (*run)(void))
{
	enum { DONE = 0, FALSE = 1, NOT_TRIED = 2 };
	int status = -1;
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 ||
		     setresuid(65534, 65534, 65534) != 0 || chdir(folder) != 0))
			_exit(NOT_TRIED);
		_exit(run() ? DONE : FALSE);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	REQUIRE(WIFEXITED(status));
	if (WEXITSTATUS(status) == NOT_TRIED)
		scratch_skip("the part that needs an unprivileged user",
		             "the rights of root cannot be dropped here");
	return WEXITSTATUS(status) != FALSE;
}

void scratch_skip(const char *what, const char *why)
{
	fprintf(stderr, "SKIPPED: %s: %s\n", what, why);
}
