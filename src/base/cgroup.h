/*
 * The control groups (cgroups) of this process. The limits of a cgroup hold for all cgroups below
 * it, so cgroup_each() visits all visible ancestors. Version 1 and version 2 are supported, also
 * both on one machine.
 *
 * A function with a parameter `root` puts it before every file name: a program passes "", and a
 * test passes a folder with made-up files. The functions keep nothing between calls. Any thread may
 * call them.
 */
#ifndef PXP_CGROUP_H
#define PXP_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup {
	/* The folder that contains the files of the cgroup. */
	char folder[PATH_MAX];
	/* The first n_mount bytes of `folder` are the mount point. The cgroup there is the topmost
	 * visible one. */
	size_t n_mount;
	bool is_v2;
};

typedef void cgroup_visit_fn(const struct cgroup *group, void *data);

/* Call `visit` for the cgroup of this process and for each of its ancestors: first in the hierarchy
 * that version 1 has for `controller` ("cpu" or "memory"), then in the hierarchy of version 2. */
void cgroup_each(const char *root, const char *controller, cgroup_visit_fn *visit,
                 void *data);

/* Read a number from the file `name` in `folder`.
 *
 * key  the text before the number, at the beginning of a line. NULL: the file has only the number.
 *
 * Returns false if the file does not exist or does not contain `key`. If `key` is NULL, also
 * returns false if the file has "max" or a negative number. */
bool cgroup_read_number(const char *folder, const char *name, const char *key,
                        uint64_t *ret_number);

/* How many processors the CPU quotas of the cgroups allow, rounded up. 0: no quota. */
unsigned cgroup_cpu_quota(const char *root);

/* How many processes in the cgroup of this process the kernel has killed so far because memory ran
 * out. 0 if the kernel does not report that. */
uint64_t cgroup_oom_kills(void);

#endif
