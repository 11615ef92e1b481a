/* The layers of the sandbox. Each one is activated and tested, and then counts as in force or as
 * missing. Tests activate each layer alone. */
#ifndef PXP_SANDBOX_LAYERS_H
#define PXP_SANDBOX_LAYERS_H

#include "sandbox/sandbox.h"

/* Drop the user, if state requests that, and all capabilities. */
void user_drop(struct sandbox_state *state);

/* Activate Landlock, before seccomp, which would refuse the calls of the test. readable: folders,
 * ended by NULL, below which files may be read; NULL: none. */
void landlock_put_up(struct sandbox_state *state, const char *const *readable);

/* Activate seccomp. may_read: files may be opened for reading; Landlock restricts which ones. */
void seccomp_put_up(struct sandbox_state *state, bool may_read);

/* Build the filter without loading it: for sanitizer builds and tests. Returns 0 or a negative
 * errno. */
struct seccomp_figures {
	/* Includes rules for system calls that this machine does not have. */
	unsigned n_rules;
	size_t n_instructions;
};
int seccomp_build(bool may_read, struct seccomp_figures *ret_figures);

/* Record that a layer is in force, or why it is not. */
void layer_holds(struct sandbox_state *state, enum sandbox_layer layer);
void layer_is_missing(struct sandbox_state *state, enum sandbox_layer layer,
                      const char *reason);

#endif
