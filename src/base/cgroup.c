/* Reads the files of the control groups (cgroups) that this process is in, and counts the
 * processors that it may use. */
#include "base/cgroup.h"

#include "base/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Read a small file completely. The text is on the heap, because the stack may be small. Returns
 * a text that the caller frees; NULL if the file is empty or cannot be read. */
static char *read_text(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t n = 0;
	bool is_read;

	if (!file)
		return NULL;
	is_read = getdelim(&text, &n, 0, file) >= 0;
	fclose(file);
	if (is_read)
		return text;
	free(text);
	return NULL;
}

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

bool cgroup_read_number(const char *folder, const char *name, const char *key,
                        uint64_t *ret_number)
{
	char path[2 * PATH_MAX], *text;
	bool is_found;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	text = read_text(path);
	is_found = text && (key || (text[0] >= '0' && text[0] <= '9')) &&
	           find_number(text, key ? key : "", ret_number);
	free(text);
	return is_found;
}

/* ---- finding the files of a cgroup ---- */

/* Replace the octal escapes of mountinfo by the characters that they stand for ("\040" is a space),
 * in place. */
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

/* Whether `word` is an element of a comma-separated list. */
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

/* Find the cgroup of this process in the hierarchy of a controller. /proc/self/cgroup has lines of
 * "number:controllers:path"; version 2 has number 0 and no controllers. */
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

/* Find where the hierarchy is mounted, and which cgroup of it is visible at the mount point. */
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
		strsep(&tail, " "); /* skip the mount source */
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

/* Find the cgroup in the texts of /proc/self/cgroup and /proc/self/mountinfo, which this function
 * modifies. */
static bool find_folder(char *groups, char *mounts, const char *root,
                        const char *controller, bool is_v2, struct cgroup *ret_group)
{
	char *path, *top, *mount;
	size_t n_top;

	if (!find_path(groups, controller, is_v2, &path) ||
	    !find_mount(mounts, controller, is_v2, &top, &mount))
		return false;

	/* In a container, the mount shows only a part of the hierarchy. If our cgroup is outside of
	 * that part, the cgroup at the mount point is the nearest visible one. */
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

static bool find_group(const char *root, const char *controller, bool is_v2,
                       struct cgroup *ret_group)
{
	char name[PATH_MAX], *groups, *mounts;
	bool is_found;

	snprintf(name, sizeof(name), "%s/proc/self/cgroup", root);
	groups = read_text(name);
	snprintf(name, sizeof(name), "%s/proc/self/mountinfo", root);
	mounts = read_text(name);
	is_found = groups && mounts &&
	           find_folder(groups, mounts, root, controller, is_v2, ret_group);
	free(groups);
	free(mounts);
	return is_found;
}

/* Call `visit` for the cgroup, and then for each of its ancestors. */
static void each_level(struct cgroup *group, cgroup_visit_fn *visit, void *data)
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

void cgroup_each(const char *root, const char *controller, cgroup_visit_fn *visit,
                 void *data)
{
	struct cgroup group;

	for (int is_v2 = 0; is_v2 < 2; is_v2++) {
		if (find_group(root, controller, is_v2, &group))
			each_level(&group, visit, data);
	}
}

/* ---- reading numbers ---- */

uint64_t cgroup_oom_kills(void)
{
	struct cgroup group;
	uint64_t number, total = 0;

	if (find_group("", "memory", true, &group) &&
	    cgroup_read_number(group.folder, "memory.events", "oom_kill ", &number))
		total += number;
	if (find_group("", "memory", false, &group) &&
	    cgroup_read_number(group.folder, "memory.oom_control", "oom_kill ", &number))
		total += number;
	return total;
}

/* Set *data, a number of processors, to the cgroup's quota if the quota is lower. A *data of 0
 * means that no quota was found so far. */
static void lower_to_quota(const struct cgroup *group, void *data)
{
	char path[2 * PATH_MAX], *text, *rest;
	uint64_t quota = 0, period = 0, *minimum = data;

	if (group->is_v2) {
		snprintf(path, sizeof(path), "%s/cpu.max", group->folder);
		text = read_text(path);
		if (text && text[0] >= '0' && text[0] <= '9') {
			quota = strtoull(text, &rest, 10);
			period = strtoull(rest, NULL, 10);
		}
		free(text);
	} else if (!cgroup_read_number(group->folder, "cpu.cfs_quota_us", NULL, &quota) ||
	           !cgroup_read_number(group->folder, "cpu.cfs_period_us", NULL,
	                               &period)) {
		return;
	}
	if (quota == 0 || period == 0)
		return;
	quota = (quota + period - 1) / period;
	if (*minimum == 0 || quota < *minimum)
		*minimum = quota;
}

unsigned cgroup_cpu_quota(const char *root)
{
	uint64_t minimum = 0;

	cgroup_each(root, "cpu", lower_to_quota, &minimum);
	return minimum < UINT_MAX ? (unsigned)minimum : 0;
}

/* ---- processors ---- */

/* The kernel supports a maximum number of processors, and refuses an affinity mask with fewer bits
 * than that. So the number of bits starts at FIRST_BITS and is multiplied by four until the mask is
 * accepted. */
enum { FIRST_BITS = 1024, MAX_BITS = 1024 * 1024 };

static unsigned count_affinity(void)
{
	for (size_t n_bits = FIRST_BITS; n_bits <= MAX_BITS; n_bits *= 4) {
		cpu_set_t *set = CPU_ALLOC(n_bits);
		size_t n_bytes = CPU_ALLOC_SIZE(n_bits);
		int n = 0;

		if (!set)
			return 1;
		if (sched_getaffinity(0, n_bytes, set) == 0)
			n = CPU_COUNT_S(n_bytes, set);
		CPU_FREE(set);
		if (n > 0)
			return (unsigned)n;
	}
	return 1;
}

unsigned cpus_usable(const char *root)
{
	unsigned n = count_affinity(), quota = cgroup_cpu_quota(root);

	return quota > 0 && quota < n ? quota : n;
}
