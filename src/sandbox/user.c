/* The user: root becomes nobody, and every user loses all capabilities. Then the process tries to
 * become root again, which must fail. */
#include "sandbox/layers.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct __user_cap_data_struct capabilities[_LINUX_CAPABILITY_U32S_3];

static struct __user_cap_header_struct own_header(void)
{
	return (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
}

/* An ordinary user may have some, too. Giving them up is always allowed. */
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

/* Whether there is no way back to root. */
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
		layer_is_missing(state, SANDBOX_USER,
		                 "dropped, but the process can become root again");
	else
		layer_holds(state, SANDBOX_USER);
}
