/*
 * Locking a process down for good: what README.md in this folder tells the why of.
 *
 * A worker is locked down in two steps, because its parent takes the first: the user is
 * dropped in the process that forks the workers, before it loads any library; each worker
 * puts up Landlock and seccomp for itself, once it has all that it will ever open. Both
 * steps try what they have put up and believe nothing else.
 *
 * For processes of one thread. No step fails: a layer that can't be had is told as missing,
 * with the reason, and who calls decides what that means.
 */
#ifndef PXP_SANDBOX_H
#define PXP_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sandbox_layer {
	SANDBOX_USER,     /* another user, without groups and capabilities */
	SANDBOX_LANDLOCK, /* no file can be opened, or few to be read */
	SANDBOX_SECCOMP,  /* few system calls */
	N_SANDBOX_LAYERS
};

enum { SANDBOX_REASON_BYTES = 80, SANDBOX_NOBODY = 65534 };

/* What is in force. Plain bytes, so that a worker process can send it. */
struct sandbox_state {
	uint32_t wanted;   /* a bit (1 << layer) for each that there should be */
	uint32_t in_force; /* for each that was put up, and held when it was tried */
	uint32_t uid;      /* whom the process runs as */
	uint32_t landlock_abi;
	char reasons[N_SANDBOX_LAYERS]
		    [SANDBOX_REASON_BYTES]; /* of those that are missing */
};

/*
 * The first step: give up new privileges, all capabilities and, as root, the user and the
 * groups. Fills *ret_state. Also for who is not root, and has no user to drop.
 */
void sandbox_drop_user(struct sandbox_state *ret_state);

/*
 * The second: no file can be opened from here on, and a system call that no decoder makes
 * kills the process by SIGSYS; of the descriptors that it holds it may read and write.
 * Adds to what the first has put into *state. At most n_descriptors can be open.
 *
 * readable: folders, NULL at the end, below which files can be opened all the same, and only
 * to be read, as long as Landlock is in force. NULL: none.
 */
void sandbox_lock_down(struct sandbox_state *state, unsigned n_descriptors,
                       const char *const *readable);

/* Whether every layer that there should be is in force. */
bool sandbox_is_whole(const struct sandbox_state *state);

/* Whether, with these layers in force (a bit for each), a process that may read some folders is
 * kept from all other files. */
bool sandbox_confines_files(uint32_t layers);

/* Whether a state that came from another process is one: its reasons end, and are text. */
bool sandbox_is_sound(const struct sandbox_state *state);

/* "landlock" */
const char *sandbox_layer_name(enum sandbox_layer layer);

/* The layers that are missing, each with its reason: "landlock (Function not implemented),
 * seccomp (not in this build)". In text of n_text bytes. */
void sandbox_say_missing(const struct sandbox_state *state, char *text, size_t n_text);

#endif
