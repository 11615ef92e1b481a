/* The two steps, and the state that says which layers are in force. */
#include "sandbox/sandbox.h"

#include "sandbox/layers.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

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
	/* A sanitizer writes its report to a file of its own, traces its own process to find
	 * leaks, and maps terabytes: every layer would forbid some of that. */
	for (int layer = 0; layer < N_SANDBOX_LAYERS; layer++)
		layer_is_missing(ret_state, (enum sandbox_layer)layer,
		                 "not in a sanitizer build");
#else
	/* No exec gives privileges back. Both later layers need this, too. */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	user_drop(ret_state);
#endif
}

void sandbox_lock_down(struct sandbox_state *state, unsigned n_descriptors,
                       const char *const *readable)
{
#ifdef PIXPOOL_SANITIZE
	/* The filter is built all the same, so that the sanitizer sees that code. */
	struct seccomp_figures figures;

	(void)state;
	(void)n_descriptors;
	(void)seccomp_build(readable != NULL, &figures);
#else
	const struct rlimit descriptors = {n_descriptors, n_descriptors};

	setrlimit(RLIMIT_NOFILE, &descriptors);
	landlock_put_up(state, readable);
	/* Without Landlock nothing limits which files: then none may be read. */
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
