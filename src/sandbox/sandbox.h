/*
 * Locking down a process for good. README.md in this folder has the reasons.
 *
 * A worker is locked down in two steps. The first step is taken in the process that forks the
 * workers, before it loads any library: if the process runs as root, it becomes the user nobody.
 * The second step is taken in each worker: it activates Landlock and seccomp once everything that
 * the worker needs is open. Both steps test each layer that they activate, and record it as in
 * force only if it is effective.
 *
 * A process that calls these functions must have only one thread. No step fails: a layer that is
 * not available is recorded as missing, with the reason, and the caller decides what to do.
 */
#ifndef PXP_SANDBOX_H
#define PXP_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sandbox_layer {
	/* The process ran as root, and now runs as nobody, without capabilities. */
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
	/* For each missing layer, the reason why it is missing. */
	char reasons[N_SANDBOX_LAYERS][SANDBOX_REASON_BYTES];
};

/*
 * The first step: give up all capabilities and the right to gain privileges. A process that runs as
 * root also becomes the user and the group nobody, without supplementary groups. Fills in
 * *ret_state. Any user may call this function.
 */
void sandbox_drop_user(struct sandbox_state *ret_state);

/*
 * The second step. If both of its layers are in force afterwards, no file can be opened any more,
 * and a system call that no decoder makes fails or kills the process by SIGSYS. The process may
 * read and write the descriptors that it has, and can have at most n_descriptors open. The function
 * adds its layers to the state of the first step.
 *
 * readable: folders, ended by NULL, below which files can still be opened for reading, provided
 * that Landlock is in force. NULL: none.
 */
void sandbox_lock_down(struct sandbox_state *state, unsigned n_descriptors,
                       const char *const *readable);

/* Whether every requested layer is in force. */
bool sandbox_is_whole(const struct sandbox_state *state);

/* Whether the layers in force can restrict reading to some folders, so that the process can open no
 * file outside of them. `layers` has a bit for each layer that is in force. */
bool sandbox_confines_files(uint32_t layers);

/* Whether a state that came from another process is valid: its reasons are terminated texts, and
 * its bits are layers. */
bool sandbox_is_sound(const struct sandbox_state *state);

/* The name of a layer, such as "landlock". */
const char *sandbox_layer_name(enum sandbox_layer layer);

/* Write the missing layers to `text`, which has room for n_text bytes. Each layer comes with its
 * reason: "user (Operation not permitted), landlock (Operation not supported)". */
void sandbox_say_missing(const struct sandbox_state *state, char *text, size_t n_text);

#endif
