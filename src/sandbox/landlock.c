/*
 * Landlock: everything that the kernel's version of it can refuse is refused. The only rules are those
 * for folders below which files may be read. The numbers are the kernel's interface
 * (linux/landlock.h); they are repeated here because the header of the build may be older than the
 * kernel that the program runs on.
 */
#include "sandbox/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1 };

/* The newest form. An older kernel, which knows a shorter one, accepts it when the rest is zero. */
struct ruleset {
	uint64_t files, connections, scopes;
};

struct rule_of_folder {
	uint64_t allowed;
	int32_t folder;
} __attribute__((packed));

/* All rights that a version of Landlock (its ABI) can refuse. */
static struct ruleset everything(uint32_t abi)
{
	/* Version 1: execute, read, write, make, remove. */
	struct ruleset ruleset = {.files = (1 << 13) - 1};

	if (abi >= 2)
		ruleset.files |= 1 << 13; /* link or rename across folders */
	if (abi >= 3)
		ruleset.files |= 1 << 14; /* truncate */
	if (abi >= 4)
		ruleset.connections = 1 << 0 | 1 << 1; /* bind and connect TCP */
	if (abi >= 5)
		ruleset.files |= 1 << 15; /* ioctl of devices */
	if (abi >= 6)
		ruleset.scopes = 1 << 0 | 1 << 1; /* abstract sockets, signals */
	return ruleset;
}

/* Whether it holds: every user may open the root folder, unless Landlock forbids it. */
static bool holds(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EACCES;
}

/* Allow files below a folder to be opened to read, and folders to be listed. A folder that does not
 * exist needs no rule. False with errno. */
static bool allow_reading(int ruleset, const char *name)
{
	enum { READ_FILE = 1 << 2, READ_DIR = 1 << 3 };
	struct rule_of_folder rule = {
		.allowed = READ_FILE | READ_DIR,
		.folder = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	bool is_allowed;

	if (rule.folder < 0)
		return true;
	is_allowed = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule,
	                     0) == 0;
	close(rule.folder);
	return is_allowed;
}

/* Restrict this process to the folders that are readable. False with errno. */
static bool restrict_self(uint32_t abi, const char *const *readable)
{
	struct ruleset ruleset = everything(abi);
	int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	bool is_restricted = fd >= 0;
	int kept;

	for (; is_restricted && readable && *readable; readable++)
		is_restricted = allow_reading(fd, *readable);
	is_restricted = is_restricted && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	kept = errno;
	if (fd >= 0)
		close(fd);
	errno = kept;
	return is_restricted;
}

void landlock_put_up(struct sandbox_state *state, const char *const *readable)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	if (abi < 1 || !restrict_self((uint32_t)abi, readable)) {
		layer_is_missing(state, SANDBOX_LANDLOCK, strerrordesc_np(errno));
		return;
	}
	if (!holds()) {
		layer_is_missing(state, SANDBOX_LANDLOCK, "accepted, but does not hold");
		return;
	}
	state->landlock_abi = (uint32_t)abi;
	layer_holds(state, SANDBOX_LANDLOCK);
}
