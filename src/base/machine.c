#include "base/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES = 64 * 1024 };

/* Read a small file whole. False when it is not there. */
static bool read_text(const char *path, char *text, size_t n_text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t got = 0;

	if (fd < 0)
		return false;
	while (n < n_text - 1 && (got = read(fd, text + n, n_text - 1 - n)) > 0)
		n += (size_t)got;
	close(fd);
	text[n] = 0;
	return got >= 0;
}

/* The number behind a key at the beginning of a line ("MemAvailable:", "oom_kill "). */
static bool find_number(const char *text, const char *key, uint64_t *ret_number)
{
	size_t n = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, n) == 0) {
			*ret_number = strtoull(line + n, NULL, 10);
			return true;
		}
	}
	return false;
}

static bool read_number_at(const char *folder, const char *name, const char *key,
                           uint64_t *ret_number)
{
	char path[2 * PATH_MAX], text[TEXT_BYTES];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (!read_text(path, text, sizeof(text)))
		return false;
	/* "max": no limit. A number alone has no key. */
	if (!key && (text[0] < '0' || text[0] > '9'))
		return false;
	return find_number(text, key ? key : "", ret_number);
}

/* ---- where a group's files are ---- */

struct group {
	char folder[PATH_MAX]; /* of the process's own group */
	size_t n_mount;        /* how much of it is the mount point: the topmost group */
	bool is_v2;
};

/* Undo the escapes of mountinfo ("\040" is a space), in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
			             (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
}

/* Whether word is among those of a list with commas. */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *c = list; c; c = strchr(c, ',')) {
		c += *c == ',';
		if (strncmp(c, word, n) == 0 && (c[n] == 0 || c[n] == ','))
			return true;
	}
	return false;
}

/* Our group in the hierarchy of a controller, as /proc/self/cgroup names it: lines of
 * "number:controllers:path", version 2 with number 0 and no controllers. */
static bool find_path(char *text, const char *controller, bool is_v2, char **ret_path)
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *number = strsep(&line, ":"), *list = strsep(&line, ":");

		if (!line || !list)
			continue;
		if (is_v2 ? strcmp(number, "0") == 0 && !*list
		          : has_word(list, controller)) {
			*ret_path = line;
			return true;
		}
	}
	return false;
}

/* Where the hierarchy is mounted, and which group of it is seen there. */
static bool find_mount(char *text, const char *controller, bool is_v2, char **ret_top,
                       char **ret_mount)
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *tail = strstr(line, " - "), *fields[5];
		char *type, *options;

		if (!tail)
			continue;
		*tail = 0;
		tail += 3;
		for (int i = 0; i < 5; i++)
			fields[i] = strsep(&line, " ");
		type = strsep(&tail, " ");
		strsep(&tail, " "); /* the source */
		options = tail;
		if (!fields[4] || strcmp(type, is_v2 ? "cgroup2" : "cgroup") != 0 ||
		    (!is_v2 && (!options || !has_word(options, controller))))
			continue;
		unescape(fields[3]);
		unescape(fields[4]);
		*ret_top = fields[3];
		*ret_mount = fields[4];
		return true;
	}
	return false;
}

static bool find_group(const char *root, const char *controller, bool is_v2,
                       struct group *ret_group)
{
	char name[PATH_MAX], groups[TEXT_BYTES], mounts[TEXT_BYTES];
	char *path, *top, *mount;
	size_t n_top;

	snprintf(name, sizeof(name), "%s/proc/self/cgroup", root);
	if (!read_text(name, groups, sizeof(groups)) ||
	    !find_path(groups, controller, is_v2, &path))
		return false;
	snprintf(name, sizeof(name), "%s/proc/self/mountinfo", root);
	if (!read_text(name, mounts, sizeof(mounts)) ||
	    !find_mount(mounts, controller, is_v2, &top, &mount))
		return false;

	/* In a container the mount shows a part of the hierarchy. Where our group is not below
	 * it, what is mounted is the nearest that can be seen. */
	n_top = strcmp(top, "/") == 0 ? 0 : strlen(top);
	if (strncmp(path, top, n_top) != 0 || (path[n_top] && path[n_top] != '/'))
		path = "";
	else
		path += n_top;
	if (strcmp(path, "/") == 0 || strstr(path, "/.."))
		path = "";
	ret_group->is_v2 = is_v2;
	ret_group->n_mount = strlen(root) + strlen(mount);
	return (size_t)snprintf(ret_group->folder, sizeof(ret_group->folder), "%s%s%s",
	                        root, mount, path) < sizeof(ret_group->folder);
}

/* Visit the group and its ancestors, each by its folder, the group itself first. */
static void each_level(struct group *group,
                       void (*visit)(const struct group *group, void *data), void *data)
{
	for (;;) {
		char *slash;

		visit(group, data);
		if (strlen(group->folder) <= group->n_mount)
			return;
		slash = strrchr(group->folder, '/');
		*slash = 0;
	}
}

/* ... of both versions. */
static void each_group(const char *root, const char *controller,
                       void (*visit)(const struct group *group, void *data), void *data)
{
	struct group group;

	for (int is_v2 = 0; is_v2 < 2; is_v2++) {
		if (find_group(root, controller, is_v2, &group))
			each_level(&group, visit, data);
	}
}

/* ---- memory ---- */

/* What a group's limit leaves. Cache that nobody has used for a while can be dropped. */
static void take_memory(const struct group *group, void *data)
{
	uint64_t *least = data, limit, used = 0, cache = 0;
	const char *folder = group->folder;

	if (!read_number_at(folder, group->is_v2 ? "memory.max" : "memory.limit_in_bytes",
	                    NULL, &limit))
		return;
	read_number_at(folder, group->is_v2 ? "memory.current" : "memory.usage_in_bytes",
	               NULL, &used);
	read_number_at(folder, "memory.stat",
	               group->is_v2 ? "inactive_file " : "total_inactive_file ", &cache);
	used -= cache < used ? cache : used;
	limit = used < limit ? limit - used : 0;
	if (limit < *least)
		*least = limit;
}

uint64_t machine_free_memory(const char *root)
{
	char folder[PATH_MAX];
	uint64_t least = UINT64_MAX, kib;

	snprintf(folder, sizeof(folder), "%s/proc", root);
	if (read_number_at(folder, "meminfo", "MemAvailable:", &kib))
		least = kib * 1024;
	each_group(root, "memory", take_memory, &least);
	return least;
}

uint64_t machine_oom_kills(void)
{
	struct group group;
	uint64_t number, total = 0;

	if (find_group("", "memory", true, &group) &&
	    read_number_at(group.folder, "memory.events", "oom_kill ", &number))
		total += number;
	if (find_group("", "memory", false, &group) &&
	    read_number_at(group.folder, "memory.oom_control", "oom_kill ", &number))
		total += number;
	return total;
}

/* ---- processors ---- */

static void take_quota(const struct group *group, void *data)
{
	char path[2 * PATH_MAX], text[128], *rest;
	uint64_t quota, period, *least = data;

	if (group->is_v2) {
		snprintf(path, sizeof(path), "%s/cpu.max", group->folder);
		if (!read_text(path, text, sizeof(text)) || text[0] < '0' ||
		    text[0] > '9')
			return;
		quota = strtoull(text, &rest, 10);
		period = strtoull(rest, NULL, 10);
	} else if (!read_number_at(group->folder, "cpu.cfs_quota_us", NULL, &quota) ||
	           !read_number_at(group->folder, "cpu.cfs_period_us", NULL, &period)) {
		return; /* -1: none */
	}
	if (quota == 0 || period == 0)
		return;
	quota = (quota + period - 1) / period;
	if (*least == 0 || quota < *least)
		*least = quota;
}

unsigned machine_quota(const char *root)
{
	uint64_t least = 0;

	each_group(root, "cpu", take_quota, &least);
	return least < UINT_MAX ? (unsigned)least : 0;
}

unsigned machine_cpus(void)
{
	cpu_set_t set;
	unsigned n_cpus = 1, quota = machine_quota("");

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		n_cpus = (unsigned)CPU_COUNT(&set);
	return quota > 0 && quota < n_cpus ? quota : n_cpus;
}
