/* The layers, from inside: each is put up and tested; then it is in force, or missing. Tests put up
 * each alone. */
#ifndef PXP_SANDBOX_LAYERS_H
#define PXP_SANDBOX_LAYERS_H

#include "sandbox/sandbox.h"

/* Drop the user, where state wants that, and all capabilities. */
void user_drop(struct sandbox_state *state);

/* Put up Landlock, before seccomp, which would answer the test in its place. readable: folders, NULL
 * at the end, below which files may be read; NULL: none. */
void landlock_put_up(struct sandbox_state *state, const char *const *readable);

/* Put up seccomp. may_read: files may be opened to read them; Landlock says which. */
void seccomp_put_up(struct sandbox_state *state, bool may_read);

/* Build the filter and do not load it: where a sanitizer watches, and in tests. 0 or a negative
 * errno. */
struct seccomp_figures {
	unsigned n_rules; /* asked for, also those that this machine does not need */
	size_t n_instructions;
};
int seccomp_build(bool may_read, struct seccomp_figures *ret_figures);

/* Note that a layer is in force, or why it is not. */
void layer_holds(struct sandbox_state *state, enum sandbox_layer layer);
void layer_is_missing(struct sandbox_state *state, enum sandbox_layer layer,
                      const char *reason);

#endif
