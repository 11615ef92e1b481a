/*
 * Landlock without a single rule: everything that the kernel's version of it can refuse is
 * refused. Or with one kind of rule, that what lies below some folders may be read. The
 * numbers are the kernel's interface (linux/landlock.h), written out because the header that
 * we are built with may be older than the kernel that we run on.
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

/* As much as there is so far; a kernel that knows less of it takes the rest if it is zero. */
struct ruleset {
	uint64_t files, connections, scopes;
};

struct rule_of_folder {
	uint64_t allowed;
	int32_t folder;
} __attribute__((packed));

/* What each version has brought: bits of the three kinds of rights. */
static struct ruleset everything(uint32_t abi)
{
	struct ruleset ruleset = {.files = (1 << 13) -
	                                   1}; /* execute, read, write, make... */

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

/* Anybody may open the root folder: who may not is held by Landlock. */
static bool holds(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EACCES;
}

/* What lies below may be opened to read, and folders to be listed. One that is not there
 * needs no rule. */
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

/* False with errno. */
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
