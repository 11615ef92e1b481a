/* Splits and joins paths. */
#include "common/path.h"

#include <stdlib.h>
#include <string.h>

char *path_join(const char *dir, const char *name)
{
	size_t n_dir = strlen(dir), n_name = strlen(name);
	bool slash = n_dir > 0 && dir[n_dir - 1] != '/';
	char *path = malloc(n_dir + slash + n_name + 1);

	if (!path)
		return NULL;
	memcpy(path, dir, n_dir);
	if (slash)
		path[n_dir] = '/';
	memcpy(path + n_dir + slash, name, n_name + 1);
	return path;
}

const char *path_base(const char *path, size_t *ret_n)
{
	size_t end = strlen(path), begin;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (begin = end; begin > 0 && path[begin - 1] != '/'; begin--)
		;
	*ret_n = end - begin;
	return path + begin;
}

const char *path_suffix(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash ? slash + 1 : name;
	const char *dot = strrchr(base, '.');

	return dot && dot != base ? dot + 1 : base + strlen(base);
}
