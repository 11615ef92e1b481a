/* Locks a process down in two steps, and records which layers are in force. This file contains two
 * layers: the layer that changes the user, and Landlock. The third layer, seccomp, is in
 * seccomp.c. */
#include "sandbox/sandbox.h"

#include "sandbox/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- the state, and the steps ---- */

static const char *const layer_names[N_SANDBOX_LAYERS] = {
	[SANDBOX_USER] = "user",
	[SANDBOX_LANDLOCK] = "landlock",
	[SANDBOX_SECCOMP] = "seccomp",
};

const char *sandbox_layer_name(enum sandbox_layer layer)
{
	return layer_names[layer];
}

void layer_holds(struct sandbox_state *state, enum sandbox_layer layer)
{
	state->in_force |= 1U << layer;
}

void layer_is_missing(struct sandbox_state *state, enum sandbox_layer layer,
                      const char *reason)
{
	snprintf(state->reasons[layer], sizeof(state->reasons[layer]), "%s", reason);
}

void sandbox_drop_user(struct sandbox_state *ret_state)
{
	bool is_root = getuid() == 0 || geteuid() == 0;

	*ret_state = (struct sandbox_state){
		.wanted = 1U << SANDBOX_LANDLOCK | 1U << SANDBOX_SECCOMP,
		.uid = (uint32_t)geteuid(),
	};
	if (is_root)
		ret_state->wanted |= 1U << SANDBOX_USER;

#ifdef PIXPOOL_SANITIZE
	/* A sanitizer writes its report to a file of its own, traces its own process to find leaks,
	 * and maps terabytes. Every layer would forbid one of these. */
	for (int layer = 0; layer < N_SANDBOX_LAYERS; layer++)
		layer_is_missing(ret_state, (enum sandbox_layer)layer,
		                 "not in a sanitizer build");
#else
	/* With this flag no exec can gain privileges. Landlock and seccomp require it. */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	user_drop(ret_state);
#endif
}

void sandbox_lock_down(struct sandbox_state *state, unsigned n_descriptors,
                       const char *const *readable)
{
#ifdef PIXPOOL_SANITIZE
	/* In a sanitizer build the filter is built but not loaded, so that the sanitizer checks the
	 * code that builds it. */
	struct seccomp_figures figures;

	(void)state;
	(void)n_descriptors;
	(void)seccomp_build(readable != NULL, &figures);
#else
	const struct rlimit descriptors = {n_descriptors, n_descriptors};

	setrlimit(RLIMIT_NOFILE, &descriptors);
	landlock_put_up(state, readable);
	/* Without Landlock nothing restricts which files can be opened, so reading must not be
	 * allowed. */
	seccomp_put_up(state, readable && sandbox_confines_files(state->in_force));
#endif
}

bool sandbox_is_whole(const struct sandbox_state *state)
{
	return (state->in_force & state->wanted) == state->wanted;
}

bool sandbox_confines_files(uint32_t layers)
{
	return layers & 1U << SANDBOX_LANDLOCK;
}

bool sandbox_is_sound(const struct sandbox_state *state)
{
	for (int layer = 0; layer < N_SANDBOX_LAYERS; layer++) {
		const char *reason = state->reasons[layer];

		if (!memchr(reason, 0, SANDBOX_REASON_BYTES))
			return false;
	}
	return (state->wanted | state->in_force) < 1U << N_SANDBOX_LAYERS;
}

void sandbox_say_missing(const struct sandbox_state *state, char *text, size_t n_text)
{
	size_t n = 0;

	text[0] = 0;
	for (int layer = 0; layer < N_SANDBOX_LAYERS && n < n_text; layer++) {
		if (!(state->wanted & ~state->in_force & 1U << layer))
			continue;
		n += (size_t)snprintf(text + n, n_text - n, "%s%s (%s)",
		                      n > 0 ? ", " : "", layer_names[layer],
		                      state->reasons[layer]);
	}
}

/*
 * ---- the user layer ----
 *
 * A process that runs as root becomes the user nobody, and any process loses all capabilities. To
 * test this, the process tries to become root again, which must fail.
 */

typedef struct __user_cap_data_struct capabilities[_LINUX_CAPABILITY_U32S_3];

static struct __user_cap_header_struct own_header(void)
{
	return (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
}

/* An ordinary user may have capabilities, too. Dropping them is always allowed. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = own_header();
	const capabilities none = {{0}};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	syscall(SYS_capset, &header, none);
}

static bool has_capabilities(void)
{
	struct __user_cap_header_struct header = own_header();
	capabilities got = {{0}};

	if (syscall(SYS_capget, &header, got) != 0)
		return true;
	for (size_t i = 0; i < sizeof(got) / sizeof(got[0]); i++) {
		if (got[i].effective || got[i].permitted || got[i].inheritable)
			return true;
	}
	return false;
}

static bool is_nobody(void)
{
	uid_t real_uid, uid, saved_uid;
	gid_t real_gid, gid, saved_gid;

	return getresuid(&real_uid, &uid, &saved_uid) == 0 &&
	       getresgid(&real_gid, &gid, &saved_gid) == 0 &&
	       real_uid == SANDBOX_NOBODY && uid == SANDBOX_NOBODY &&
	       saved_uid == SANDBOX_NOBODY && real_gid == SANDBOX_NOBODY &&
	       gid == SANDBOX_NOBODY && saved_gid == SANDBOX_NOBODY &&
	       getgroups(0, NULL) == 0;
}

/* Whether this process cannot become root again. */
static bool is_dropped(void)
{
	return is_nobody() && !has_capabilities() && setresuid(0, 0, 0) != 0 &&
	       setgroups(0, NULL) != 0 && is_nobody();
}

void user_drop(struct sandbox_state *state)
{
	bool is_wanted = state->wanted & 1U << SANDBOX_USER, was_dropped;
	char reason[SANDBOX_REASON_BYTES];

	was_dropped = is_wanted && setgroups(0, NULL) == 0 &&
	              setresgid(SANDBOX_NOBODY, SANDBOX_NOBODY, SANDBOX_NOBODY) == 0 &&
	              setresuid(SANDBOX_NOBODY, SANDBOX_NOBODY, SANDBOX_NOBODY) == 0;
	snprintf(reason, sizeof(reason), "%s", strerrordesc_np(errno));
	drop_capabilities();
	state->uid = (uint32_t)geteuid();
	if (!is_wanted)
		return;
	if (!was_dropped)
		layer_is_missing(state, SANDBOX_USER, reason);
	else if (!is_dropped())
		layer_is_missing(
			state, SANDBOX_USER,
			"privileges dropped, but the process can become root again");
	else
		layer_holds(state, SANDBOX_USER);
}

/*
 * ---- Landlock ----
 *
 * This layer refuses every access that the kernel's version of Landlock can refuse, up to version
 * 6. The only exceptions are folders below which files may be opened for reading. The constants
 * below repeat those of linux/landlock.h, because the header of the build may be older than the
 * kernel that the program runs on.
 */

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1 };

/* The argument of landlock_create_ruleset(), with the members of Landlock version 6. An older
 * kernel knows only the first members, and accepts this struct if the other members are zero. */
struct ruleset {
	uint64_t files, connections, scopes;
};

struct rule_of_folder {
	uint64_t allowed;
	int32_t folder;
} __attribute__((packed));

/* All accesses that a version of Landlock (its ABI) can refuse. A version above 6 counts as 6. */
static struct ruleset everything(uint32_t abi)
{
	/* Landlock version 1 can refuse to execute, read, write, create and remove files. */
	struct ruleset ruleset = {.files = (1 << 13) - 1};

	/* Version 1 always refuses to link and rename files across folders. From version 2 on,
	 * Landlock refuses this only if the ruleset names it. */
	if (abi >= 2)
		ruleset.files |= 1 << 13;
	/* Landlock version 3 can also refuse to truncate files. */
	if (abi >= 3)
		ruleset.files |= 1 << 14;
	/* Landlock version 4 can also refuse bind() and connect() for TCP. */
	if (abi >= 4)
		ruleset.connections = 1 << 0 | 1 << 1;
	/* Landlock version 5 can also refuse ioctl() on devices. */
	if (abi >= 5)
		ruleset.files |= 1 << 15;
	/* Landlock version 6 can also refuse signals, and connections to abstract sockets. */
	if (abi >= 6)
		ruleset.scopes = 1 << 0 | 1 << 1;
	return ruleset;
}

/* Whether Landlock is effective: it must refuse to open the root folder, which every user may open
 * without Landlock. */
static bool holds(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EACCES;
}

/* Allow files below a folder to be opened for reading, and folders to be listed. A folder that
 * cannot be opened gets no rule; usually it does not exist. Returns false with errno on failure. */
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

/* Restrict this process to the readable folders. Returns false with errno on failure. */
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
		layer_is_missing(state, SANDBOX_LANDLOCK, "accepted, but without effect");
		return;
	}
	state->landlock_abi = (uint32_t)abi;
	layer_holds(state, SANDBOX_LANDLOCK);
}
