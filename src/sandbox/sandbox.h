/*
 * Locking a process down for good. README.md in this folder has the reasons.
 *
 * A worker is locked down in two steps. Its parent takes the first: the process that forks the
 * workers drops the user before it loads any library. Each worker takes the second: it puts up
 * Landlock and seccomp once everything that it needs is open. Both steps test each layer that they
 * put up, and count only a layer that holds.
 *
 * For processes with one thread. No step fails: a layer that cannot be had is noted as missing, with
 * the reason, and the caller decides what that means.
 */
#ifndef PXP_SANDBOX_H
#define PXP_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sandbox_layer {
	SANDBOX_USER,     /* another user, without groups and capabilities */
	SANDBOX_LANDLOCK, /* no file can be opened, but those in some folders to read them */
	SANDBOX_SECCOMP, /* few system calls are allowed */
	N_SANDBOX_LAYERS
};

enum { SANDBOX_REASON_BYTES = 80, SANDBOX_NOBODY = 65534 };

/* Which layers are in force. Plain bytes, so that a worker process can send it. */
struct sandbox_state {
	uint32_t wanted; /* a bit (1 << layer) for each layer that there should be */
	/* A bit for each layer that was put up and held when it was tested. */
	uint32_t in_force;
	uint32_t uid; /* the user that the process runs as */
	uint32_t landlock_abi;
	/* Of each layer that is missing. */
	char reasons[N_SANDBOX_LAYERS][SANDBOX_REASON_BYTES];
};

/*
 * The first step: give up all capabilities, the right to gain privileges and, as root, the user and
 * the groups. Fills *ret_state. To be called by any user: one that is not root has no user to drop.
 */
void sandbox_drop_user(struct sandbox_state *ret_state);

/*
 * The second step: from here on no file can be opened, and a system call that no decoder makes kills
 * the process by SIGSYS. It may read and write the descriptors that it has. Adds to the state of the
 * first step. At most n_descriptors can be open.
 *
 * readable: folders, NULL at the end, below which files can still be opened to read them, provided
 * that Landlock is in force. NULL: none.
 */
void sandbox_lock_down(struct sandbox_state *state, unsigned n_descriptors,
                       const char *const *readable);

/* Whether every layer that is wanted is in force. */
bool sandbox_is_whole(const struct sandbox_state *state);

/* Whether, with these layers in force (a bit for each), a process that may read some folders is
 * kept from all other files. */
bool sandbox_confines_files(uint32_t layers);

/* Whether a state that came from another process can be one: its reasons are texts that end, and its
 * bits are layers. */
bool sandbox_is_sound(const struct sandbox_state *state);

/* "landlock" */
const char *sandbox_layer_name(enum sandbox_layer layer);

/* Write the layers that are missing into text of n_text bytes, each with its reason: "landlock
 * (Function not implemented), seccomp (not in this build)". */
void sandbox_say_missing(const struct sandbox_state *state, char *text, size_t n_text);

#endif
