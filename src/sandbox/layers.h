/* The layers, from inside: each is put up, tried, and then in force or missing. */
#ifndef PXP_SANDBOX_LAYERS_H
#define PXP_SANDBOX_LAYERS_H

#include "sandbox/sandbox.h"

void user_drop(struct sandbox_state *state);

/* Before seccomp, which would answer in its place. */
void landlock_put_up(struct sandbox_state *state);

void seccomp_put_up(struct sandbox_state *state);

/* Note that a layer is in force, or why it is not. */
void layer_holds(struct sandbox_state *state, enum sandbox_layer layer);
void layer_is_missing(struct sandbox_state *state, enum sandbox_layer layer,
                      const char *reason);

#endif
