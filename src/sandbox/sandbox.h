/*
 * Locking down a process for good. README.md in this folder has the reasons.
 *
 * A worker is locked down in two steps. Its parent takes the first: the process that forks the
 * workers drops the user before it loads any library. Each worker takes the second step: it
 * activates Landlock and seccomp once everything that it needs is open. Both steps test each layer
 * that they activate, and count only a layer that is effective.
 *
 * Only for processes with one thread. No step fails: a layer that is not available is recorded as
 * missing, with the reason, and the caller decides what that means.
 */
#ifndef PXP_SANDBOX_H
#define PXP_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sandbox_layer {
	/* The process runs as another user, without groups and capabilities. */
	SANDBOX_USER,
	SANDBOX_LANDLOCK, /* no file can be opened, except for reading in some folders */
	SANDBOX_SECCOMP,  /* only a few system calls are allowed */
	N_SANDBOX_LAYERS
};

enum { SANDBOX_REASON_BYTES = 80, SANDBOX_NOBODY = 65534 };

/* Which layers are in force. A struct without pointers, so that a worker process can send it. */
struct sandbox_state {
	uint32_t wanted; /* a bit (1 << layer) for each requested layer */
	/* A bit for each layer that was activated and was effective when it was tested. */
	uint32_t in_force;
	uint32_t uid; /* the user that the process runs as */
	uint32_t landlock_abi;
	/* For each missing layer, the reason. */
	char reasons[N_SANDBOX_LAYERS][SANDBOX_REASON_BYTES];
};

/*
 * The first step: drop all capabilities, the right to gain privileges and, as root, the user and
 * the groups. Fills in *ret_state. Every user may call this: one that is not root has no user to
 * drop.
 */
void sandbox_drop_user(struct sandbox_state *ret_state);

/*
 * The second step: from here on no file can be opened, and a system call that no decoder makes kills
 * the process by SIGSYS. It may read and write the descriptors that it has. Adds to the state of the
 * first step. At most n_descriptors can be open.
 *
 * readable: folders, ended by NULL, below which files can still be opened for reading, provided
 * that Landlock is in force. NULL: none.
 */
void sandbox_lock_down(struct sandbox_state *state, unsigned n_descriptors,
                       const char *const *readable);

/* Whether every requested layer is in force. */
bool sandbox_is_whole(const struct sandbox_state *state);

/* Whether these layers (a bit for each), when in force, keep a process that may read some folders
 * from all other files. */
bool sandbox_confines_files(uint32_t layers);

/* Whether a state that came from another process is valid: its reasons are terminated texts, and
 * its bits are layers. */
bool sandbox_is_sound(const struct sandbox_state *state);

/* The name of a layer, such as "landlock". */
const char *sandbox_layer_name(enum sandbox_layer layer);

/* List the missing layers in text of n_text bytes, each with its reason: "landlock (Function not
 * implemented), seccomp (not in this build)". */
void sandbox_say_missing(const struct sandbox_state *state, char *text, size_t n_text);

#endif
