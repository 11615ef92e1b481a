/* Creates, fills, counts and removes the working folders of a benchmark. This file uses nftw(). */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N_OPEN_FOLDERS = 16 };

/* The data of a walk. It is static because nftw() passes no data to its visitor. */
static struct walk {
	size_t n_files;
	const char *links;
	FILE *list;
	bool failed;
} walk;

char *scratch_path(const char *folder, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		perror("asprintf");
		exit(EXIT_FAILURE);
	}
	return path;
}

char *scratch_create(const char *parent)
{
	char *folder = scratch_path(parent, "bench-XXXXXX");

	if ((mkdir(parent, 0777) != 0 && errno != EEXIST) || !mkdtemp(folder)) {
		perror(parent);
		free(folder);
		return NULL;
	}
	return folder;
}

static int remove_one(const char *path, const struct stat *stat, int kind,
                      struct FTW *where)
{
	(void)stat;
	(void)kind;
	(void)where;
	remove(path);
	return 0;
}

void scratch_remove(const char *folder)
{
	nftw(folder, remove_one, N_OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

static int count_one(const char *path, const struct stat *stat, int kind,
                     struct FTW *where)
{
	(void)stat;
	walk.n_files += kind == FTW_F && path[where->base] != '.';
	return 0;
}

size_t scratch_count_files(const char *folder)
{
	walk = (struct walk){0};
	nftw(folder, count_one, N_OPEN_FOLDERS, FTW_PHYS);
	return walk.n_files;
}

static bool is_picture(const char *name)
{
	static const char *const suffixes[] = {".jpg", ".jpeg", ".png", ".webp"};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (strcasecmp(dot, suffixes[i]) == 0)
			return true;
	}
	return false;
}

static bool read_once(const char *path)
{
	static char buffer[1 << 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	if (fd < 0)
		return false;
	do {
		got = read(fd, buffer, sizeof(buffer));
	} while (got > 0);
	close(fd);
	return got == 0;
}

static int link_one(const char *path, const struct stat *stat, int kind,
                    struct FTW *where)
{
	const char *name = path + where->base;
	char *link;

	(void)stat;
	if (kind != FTW_F || !is_picture(name))
		return 0;
	if (asprintf(&link, "%s/%06zu-%s", walk.links, walk.n_files, name) < 0)
		return -1;
	if (!read_once(path) || symlink(path, link) != 0) {
		perror(path);
		walk.failed = true;
	}
	fwrite(link, 1, strlen(link) + 1, walk.list);
	free(link);
	walk.n_files++;
	return walk.failed ? -1 : 0;
}

size_t scratch_link_pictures(const char *from, const char *links, const char *list)
{
	char *absolute = realpath(from, NULL);

	walk = (struct walk){.links = links, .list = fopen(list, "we")};
	if (!absolute)
		perror(from);
	if (!walk.list || mkdir(links, 0777) != 0)
		perror(list);
	else if (absolute)
		walk.failed |= nftw(absolute, link_one, N_OPEN_FOLDERS, FTW_PHYS) != 0;
	if (walk.list)
		walk.failed |= fclose(walk.list) != 0;
	if (absolute && !walk.failed && walk.n_files == 0)
		fprintf(stderr, "%s: no pictures; run bench/fetch-corpus first\n", from);
	free(absolute);
	return walk.failed ? 0 : walk.n_files;
}
