/* The layers of the sandbox. Each layer is activated and tested, and is then recorded as in force
 * or as missing. Unit tests activate each layer alone. */
#ifndef PXP_SANDBOX_LAYERS_H
#define PXP_SANDBOX_LAYERS_H

#include "sandbox/sandbox.h"

/* Drop all capabilities. If `state` requests the layer SANDBOX_USER, also change to an
 * unprivileged user. */
void user_drop(struct sandbox_state *state);

/* Activate Landlock. This must come before seccomp, which would refuse the system calls that
 * activate and test Landlock. `readable` lists the folders below which files may be opened for
 * reading, and ends with NULL. If `readable` is NULL, no file may be opened. */
void landlock_put_up(struct sandbox_state *state, const char *const *readable);

/* Activate seccomp. may_read: true if files may be opened for reading; Landlock restricts which
 * files. */
void seccomp_put_up(struct sandbox_state *state, bool may_read);

/* The size of a filter, in rules and in instructions. */
struct seccomp_figures {
	/* The number of rules, including rules for system calls that this machine does not have. */
	unsigned n_rules;
	size_t n_instructions;
};
/* Build the filter and report its size, without loading the filter. Returns 0 or a negative
 * errno. */
int seccomp_build(bool may_read, struct seccomp_figures *ret_figures);

/* Record that a layer is in force, or that a layer is missing, with the reason. */
void layer_holds(struct sandbox_state *state, enum sandbox_layer layer);
void layer_is_missing(struct sandbox_state *state, enum sandbox_layer layer,
                      const char *reason);

#endif
