/*
 * Landlock without a single rule: everything that the kernel's version of it can refuse is
 * refused. The numbers are the kernel's interface (linux/landlock.h), written out because
 * the header that we are built with may be older than the kernel that we run on.
 */
#include "sandbox/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self  446
#endif

enum { CREATE_RULESET_VERSION = 1 };

/* As much as there is so far; a kernel that knows less of it takes the rest if it is zero. */
struct ruleset {
	uint64_t files, connections, scopes;
};

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

static bool restrict_self(uint32_t abi)
{
	struct ruleset ruleset = everything(abi);
	int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	bool is_restricted;
	int kept;

	if (fd < 0)
		return false;
	is_restricted = syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	kept = errno;
	close(fd);
	errno = kept;
	return is_restricted;
}

void landlock_put_up(struct sandbox_state *state)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	if (abi < 1 || !restrict_self((uint32_t)abi)) {
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
